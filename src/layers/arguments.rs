//! Reading and writing of layer configurations: Keras' names, Keras' spellings, Keras' defaults.
//!
//! `keras_layer!` makes the struct of a layer, its constructor (the arguments that Keras requires), and both directions
//! of its configuration out of one list of arguments. Configurations come from JavaScript, from files and from tests, so
//! everything is checked and an argument nobody asked for is an error.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};

/// What can stand in a layer's configuration.
pub trait Argument: Sized {
    /// Reads it; the error says what was expected.
    fn read(json: &Json) -> Result<Self>;
    /// Writes it as Keras does.
    fn write(&self) -> Json;
}

/// An [`Argument`] of a layer, whatever its type.
pub trait Field {
    /// Replaces it.
    fn fill(&mut self, json: &Json) -> Result<()>;
    /// [`Argument::write`].
    fn json(&self) -> Json;
}

impl<T: Argument> Field for T {
    fn fill(&mut self, json: &Json) -> Result<()> {
        *self = T::read(json)?;
        Ok(())
    }
    fn json(&self) -> Json {
        self.write()
    }
}

/// Writes an argument.
pub fn put(map: &mut Map<String, Json>, name: &str, field: &dyn Field) {
    map.insert(name.to_string(), field.json());
}

/// What stands for a required argument until it is read.
pub trait Blank {
    /// Any value.
    fn blank() -> Self;
}

macro_rules! blank {
    ($($type:ty: $blank:expr),*) => {
        $(impl Blank for $type { fn blank() -> Self { $blank } })*
    };
}
blank!(usize: 0, isize: 0, f32: 0.0, String: String::new(), super::Activation: super::Activation::default());
impl<T> Blank for Vec<T> {
    fn blank() -> Self {
        Vec::new()
    }
}
impl<T> Blank for Several<T> {
    fn blank() -> Self {
        Several(Vec::new())
    }
}
impl<const N: usize> Blank for [usize; N] {
    fn blank() -> Self {
        [0; N]
    }
}

/// A configuration being read: arguments are taken out one by one, and what is left over is unknown.
pub struct Arguments<'a> {
    config: &'a Map<String, Json>,
    taken: Vec<&'static str>,
    wrong: Option<Error>,
    lenient: bool,
}

/// Arguments that every Keras layer has and the model looks at, or that change nothing here.
const COMMON: &[&str] = &["name", "trainable", "dtype", "batch_input_shape", "input_shape", "batch_shape", "autocast"];

impl<'a> Arguments<'a> {
    /// Begins to read. A `lenient` reader passes over arguments that it does not know: files of other versions of Keras
    /// hold some.
    pub fn new(config: &'a Map<String, Json>, lenient: bool) -> Self {
        Arguments { config, taken: Vec::new(), wrong: None, lenient }
    }

    /// An argument with a default.
    pub fn optional<T: Argument>(&mut self, names: &'static str, default: T) -> Result<T> {
        let mut value = default;
        self.take(names, false, &mut value);
        self.taken().map(|()| value)
    }

    /// An argument that must be there.
    pub fn required<T: Argument + Blank>(&mut self, names: &'static str) -> Result<T> {
        let mut value = T::blank();
        self.take(names, true, &mut value);
        self.taken().map(|()| value)
    }

    /// Reads an argument under any of its names, `first|second`; what is not there keeps its value. [`Self::taken`] says what
    /// went wrong.
    pub fn take(&mut self, names: &'static str, required: bool, field: &mut dyn Field) {
        let first = names.split('|').next().unwrap_or(names);
        self.taken.extend(names.split('|'));
        if self.wrong.is_some() {
            return;
        }
        match names.split('|').find_map(|name| self.config.get(name)) {
            Some(json) => self.wrong = field.fill(json).map_err(|e| rename(first, e)).err(),
            None if required => self.wrong = Some(Error::invalid(format!("the argument `{first}` is missing"))),
            None => (),
        }
    }

    /// The first error of the arguments taken so far.
    pub fn taken(&mut self) -> Result<()> {
        self.wrong.take().map_or(Ok(()), Err)
    }

    /// Errors if something was not asked for.
    pub fn finish(mut self) -> Result<()> {
        self.taken.push("data_format");
        if let Some(format) = self.config.get("data_format")
            && !matches!(format.as_str(), None | Some("channels_last"))
        {
            return Err(Error::unsupported("data_format must be channels_last"));
        }
        let known = |name: &str| self.taken.contains(&name) || COMMON.contains(&name);
        match self.config.keys().find(|name| !known(name)) {
            Some(name) if !self.lenient => {
                let mut error = Error::mismatch(
                    format!("no argument `{name}`"),
                    self.taken.iter().filter(|t| **t != "data_format").copied().collect::<Vec<_>>().join(", "),
                    name,
                );
                if self.taken.len() <= 1 {
                    error = Error::invalid(format!("no argument `{name}`: this layer takes none"));
                }
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

fn rename(name: &str, error: Error) -> Error {
    match (error.expected(), error.received()) {
        (Some(expected), Some(received)) => {
            Error::mismatch(format!("the argument `{name}` has a wrong value"), expected, received)
        }
        _ => Error::new(error.kind(), format!("the argument `{name}`: {}", error.message())),
    }
}

/// A value that is not what it should be.
pub fn wrong<T>(expected: &str, received: &Json) -> Result<T> {
    // A hostile file must not make a long message.
    let mut text = received.to_string();
    if let Some((cut, _)) = text.char_indices().nth(80) {
        text.truncate(cut);
        text.push_str("...");
    }
    Err(Error::mismatch("a wrong value", expected, text))
}

/// Largest integer that is taken as a size: its square still fits 64 bits.
const MAX_SIZE: u64 = 1 << 30;

impl Argument for usize {
    fn read(json: &Json) -> Result<Self> {
        let whole = |f: f64| (f >= 0.0 && f.fract() == 0.0).then_some(f as u64);
        match json.as_u64().or_else(|| json.as_f64().and_then(whole)) {
            Some(n) if n <= MAX_SIZE => Ok(n as usize),
            _ => wrong("a whole number from 0", json),
        }
    }
    fn write(&self) -> Json {
        (*self).into()
    }
}

impl Argument for isize {
    fn read(json: &Json) -> Result<Self> {
        let whole = |f: f64| (f.fract() == 0.0).then_some(f as i64);
        match json.as_i64().or_else(|| json.as_f64().and_then(whole)) {
            Some(n) if n.unsigned_abs() <= MAX_SIZE => Ok(n as isize),
            _ => wrong("a whole number", json),
        }
    }
    fn write(&self) -> Json {
        (*self as i64).into()
    }
}

impl Argument for f32 {
    fn read(json: &Json) -> Result<Self> {
        match json.as_f64() {
            Some(n) => Ok(n as f32),
            None => wrong("a number", json),
        }
    }
    fn write(&self) -> Json {
        // The shortest decimal that gives the same float, as Python would have been given it.
        let shortest = self.to_string().parse::<f64>().unwrap_or_default();
        serde_json::Number::from_f64(shortest).map_or(Json::Null, Json::Number)
    }
}

impl Argument for bool {
    fn read(json: &Json) -> Result<Self> {
        match json.as_bool() {
            Some(b) => Ok(b),
            None => wrong("true or false", json),
        }
    }
    fn write(&self) -> Json {
        (*self).into()
    }
}

impl Argument for String {
    fn read(json: &Json) -> Result<Self> {
        match json.as_str() {
            Some(text) => Ok(text.to_string()),
            None => wrong("a string", json),
        }
    }
    fn write(&self) -> Json {
        self.as_str().into()
    }
}

/// `null` is absence.
impl<T: Argument> Argument for Option<T> {
    fn read(json: &Json) -> Result<Self> {
        if json.is_null() { Ok(None) } else { T::read(json).map(Some) }
    }
    fn write(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::write)
    }
}

/// A list; a single value is a list of one.
impl<T: Argument> Argument for Vec<T> {
    fn read(json: &Json) -> Result<Self> {
        match json.as_array() {
            Some(list) => list.iter().map(T::read).collect(),
            None => Ok(vec![T::read(json)?]),
        }
    }
    fn write(&self) -> Json {
        Json::Array(self.iter().map(T::write).collect())
    }
}

/// One value or several; one is written as itself. Keras' `axis`, and statistics of all channels or of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Several<T>(pub Vec<T>);

impl<T: Argument> Argument for Several<T> {
    fn read(json: &Json) -> Result<Self> {
        Vec::read(json).map(Several)
    }
    fn write(&self) -> Json {
        match &self.0[..] {
            [value] => value.write(),
            _ => self.0.write(),
        }
    }
}

/// One size per spatial axis; a single number stands for all.
impl<const N: usize> Argument for [usize; N] {
    fn read(json: &Json) -> Result<Self> {
        let sizes = read_sizes(json, N)?;
        Ok(std::array::from_fn(|i| sizes[i]))
    }
    fn write(&self) -> Json {
        Json::Array(self.iter().map(usize::write).collect())
    }
}

fn read_sizes(json: &Json, count: usize) -> Result<Vec<usize>> {
    match json.as_array() {
        None => Ok(vec![usize::read(json)?; count]),
        Some(list) if list.len() == count => list.iter().map(usize::read).collect(),
        Some(_) => wrong(&format!("a number, or {count} of them"), json),
    }
}

/// `[before, after]` per spatial axis; Keras writes a number, one number per axis, or a pair per axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borders<const N: usize>(pub [[usize; 2]; N]);

impl<const N: usize> Argument for Borders<N> {
    fn read(json: &Json) -> Result<Self> {
        let pairs = read_borders(json, N)?;
        Ok(Borders(std::array::from_fn(|i| pairs[i])))
    }
    fn write(&self) -> Json {
        let pairs = self.0.iter().map(|pair| pair.write()).collect();
        // One axis is written as its pair alone.
        if N == 1 { self.0[0].write() } else { Json::Array(pairs) }
    }
}

fn read_borders(json: &Json, count: usize) -> Result<Vec<[usize; 2]>> {
    match json.as_array() {
        None => Ok(vec![[usize::read(json)?; 2]; count]),
        // In one dimension, two numbers are a pair.
        Some(list) if count == 1 && list.len() == 2 => Ok(vec![<[usize; 2]>::read(json)?]),
        Some(list) if list.len() == count => list.iter().map(<[usize; 2]>::read).collect(),
        Some(_) => wrong(&format!("a number, or a pair for each of {count} axes"), json),
    }
}

/// `padding` of windows, in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Border {
    /// Whole windows only.
    #[default]
    Valid,
    /// `ceil(n / stride)` outputs.
    Same,
    /// All padding before: an output sees no later input. Conv1D only.
    Causal,
}

impl Argument for Border {
    fn read(json: &Json) -> Result<Self> {
        match json.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("valid") => Ok(Border::Valid),
            Some("same") => Ok(Border::Same),
            Some("causal") => Ok(Border::Causal),
            _ => wrong("valid or same", json),
        }
    }
    fn write(&self) -> Json {
        match self {
            Border::Valid => "valid".into(),
            Border::Same => "same".into(),
            Border::Causal => "causal".into(),
        }
    }
}

/// The struct of a layer with its arguments, `new` with the required ones, `read` and `write`.
///
/// `name: type` is required, `name: type = default` is not; `name | alias: ...` is read under older names too.
macro_rules! keras_layer {
    (
        $(#[$meta:meta])*
        $layer:ident $(<$n:ident>)? {
            $($required:ident $(| $required_alias:ident)*: $required_type:ty,)*
            ---
            $($(#[$field_meta:meta])* $optional:ident $(| $alias:ident)*: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[$meta])*
        ///
        /// Fields are Keras' arguments.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub struct $layer $(<const $n: usize>)? {
            $(pub $required: $required_type,)*
            $($(#[$field_meta])* pub $optional: $type,)*
        }

        #[allow(clippy::new_without_default)]
        impl $(<const $n: usize>)? $layer $(<$n>)? {
            /// The layer with Keras' defaults for all other arguments.
            pub fn new($($required: $required_type),*) -> Self {
                $layer { $($required,)* $($optional: $default,)* }
            }

            /// Reads a configuration.
            pub(crate) fn read(arguments: &mut $crate::layers::arguments::Arguments) -> $crate::error::Result<Self> {
                #[allow(unused_imports)]
                use $crate::layers::arguments::Blank;
                #[allow(unused_mut)]
                let mut layer = Self::new($(<$required_type as Blank>::blank()),*);
                // One small call for each: spelled out for every layer, reading was 60 KB of wasm.
                $(arguments.take(concat!(stringify!($required) $(, "|", stringify!($required_alias))*), true, &mut layer.$required);)*
                $(arguments.take(concat!(stringify!($optional) $(, "|", stringify!($alias))*), false, &mut layer.$optional);)*
                arguments.taken().map(|()| layer)
            }

            /// The configuration, all arguments included.
            pub(crate) fn write(&self) -> serde_json::Map<String, serde_json::Value> {
                #[allow(unused_imports)]
                use $crate::layers::arguments::put;
                #[allow(unused_mut)]
                let mut map = serde_json::Map::new();
                $(put(&mut map, stringify!($required), &self.$required);)*
                $(put(&mut map, stringify!($optional), &self.$optional);)*
                map
            }
        }
    };
}
pub(crate) use keras_layer;
