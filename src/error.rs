//! One error type for the whole crate: a kind that programs can match on, and a sentence for people.

use std::fmt;

/// What went wrong, coarsely: decides the `code` of the JavaScript error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's value, or a model file's content, is wrong.
    Invalid,
    /// Valid, but this crate or this backend does not do it.
    Unsupported,
    /// Shapes or dtypes do not fit together.
    ShapeMismatch,
    /// Too large for memory, or for a limit of the device.
    Resource,
    /// The GPU went away; the session may be rebuilt.
    DeviceLost,
    /// The caller asked for the work to stop.
    Aborted,
}

impl ErrorKind {
    /// The stable name used as `code` in JavaScript.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::ShapeMismatch => "shape-mismatch",
            ErrorKind::Resource => "resource",
            ErrorKind::DeviceLost => "device-lost",
            ErrorKind::Aborted => "aborted",
        }
    }
}

/// An error with its kind, the layer (node) it is about, and what was expected and received.
///
/// Boxed inside, so that a `Result` stays one pointer wide.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Fields>);

#[derive(Clone, PartialEq)]
struct Fields {
    kind: ErrorKind,
    message: String,
    layer: Option<String>,
    expected: Option<String>,
    received: Option<String>,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind; `message` says what is wrong and, if possible, what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        #[inline(never)]
        fn new(kind: ErrorKind, message: String) -> Error {
            Error(Box::new(Fields { kind, message, layer: None, expected: None, received: None }))
        }
        new(kind, message.into())
    }

    /// A wrong value or a broken file.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A valid request that is not implemented.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Shapes or dtypes that do not fit; both sides are kept as fields.
    pub fn mismatch(message: impl Into<String>, expected: impl fmt::Display, received: impl fmt::Display) -> Self {
        // Not generic: there are hundreds of calls with types of their own.
        fn mismatch(message: String, expected: &dyn fmt::Display, received: &dyn fmt::Display) -> Error {
            let mut error = Error::new(ErrorKind::ShapeMismatch, message);
            error.0.expected = Some(expected.to_string());
            error.0.received = Some(received.to_string());
            error
        }
        mismatch(message.into(), &expected, &received)
    }

    /// Out of memory, or over a device limit.
    pub fn resource(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Resource, message)
    }

    /// The GPU device is gone.
    pub fn device_lost(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::DeviceLost, message)
    }

    /// Names the layer or node the error is about, unless an inner one is named already.
    pub fn at(mut self, layer: impl Into<String>) -> Self {
        self.0.layer.get_or_insert_with(|| layer.into());
        self
    }

    /// As it is seen from outside of a nested model: the layer is `outer/inner`.
    pub fn within(mut self, outer: &str) -> Self {
        self.0.layer = Some(match self.0.layer.take() {
            Some(inner) => format!("{outer}/{inner}"),
            None => outer.to_string(),
        });
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
    /// The sentence, without the layer's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The layer or node concerned.
    pub fn layer(&self) -> Option<&str> {
        self.0.layer.as_deref()
    }
    /// What would have fitted.
    pub fn expected(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }
    /// What was there instead.
    pub fn received(&self) -> Option<&str> {
        self.0.received.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields { message, layer, expected, received, .. } = &*self.0;
        if let Some(layer) = layer {
            write!(f, "{layer}: ")?;
        }
        f.write_str(message)?;
        if let (Some(expected), Some(received)) = (expected, received) {
            write!(f, " (expected {expected}, received {received})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}
