//! One error for the whole crate; the engine turns it into its own.

use std::fmt;

/// What went wrong, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file's content, or the caller's value, is wrong.
    Invalid,
    /// Sound, but not read here.
    Unsupported,
    /// A weight's shape does not fit.
    ShapeMismatch,
    /// Larger than any real file.
    Resource,
}

impl ErrorKind {
    /// The name that programs match on.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::ShapeMismatch => "shape-mismatch",
            ErrorKind::Resource => "resource",
        }
    }
}

/// What is wrong, where, and what was expected and received.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Fields>);

/// The parts of an [`Error`].
#[derive(Clone, PartialEq)]
pub struct Fields {
    /// What went wrong, coarsely.
    pub kind: ErrorKind,
    /// A sentence.
    pub message: String,
    /// The layer concerned.
    pub layer: Option<String>,
    /// What would have fitted.
    pub expected: Option<String>,
    /// What was there.
    pub received: Option<String>,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Fields { kind, message: message.into(), layer: None, expected: None, received: None }))
    }

    /// A broken file or a wrong value.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    /// A sound file that is not read here.
    pub fn unsupported(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, message)
    }

    /// Over a limit.
    pub fn resource(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Resource, message)
    }

    /// Something else than what fits.
    pub fn mismatch(message: impl Into<String>, expected: impl fmt::Display, received: impl fmt::Display) -> Error {
        let mut error = Error::new(ErrorKind::ShapeMismatch, message);
        error.0.expected = Some(expected.to_string());
        error.0.received = Some(received.to_string());
        error
    }

    /// Names the layer, unless one is named already.
    pub fn at(mut self, layer: impl Into<String>) -> Error {
        self.0.layer.get_or_insert_with(|| layer.into());
        self
    }

    /// Says more exactly where: `inside` goes before the sentence.
    pub fn inside(mut self, place: &str) -> Error {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// The parts.
    pub fn fields(&self) -> &Fields {
        &self.0
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
        write!(f, "{}: {self}", self.0.kind.code())
    }
}

impl std::error::Error for Error {}
