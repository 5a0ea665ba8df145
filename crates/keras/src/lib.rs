//! Keras' model files without Python, and without an engine: a network's configuration and weights, out of files and into
//! them. What runs networks is the crate `striate`; this crate only knows what is written where.
//!
//! A [`ModelFile`] is a `.keras`, `.h5` or `.weights.h5` file, a TensorFlow.js layers model or safetensors. Its
//! configuration becomes the engine's JSON by [`Reading`]; once the engine has built the network, its [`Description`]
//! tells [`ModelFile::assign`] which tensor goes into which weight. [`Export`] goes the other way.
//!
//! Safetensors may also have PyTorch's names and orders of axes: [`torch`] knows them.
//!
//! Nothing in a file is trusted: sizes are checked against the file before memory is set aside, nesting is limited.

mod assign;
mod config;
mod cursor;
mod description;
mod error;
mod export;
mod file;
pub mod hdf5;
#[cfg(target_arch = "wasm32")]
pub mod js;
mod numbers;
mod tfjs;
pub mod torch;
pub mod zip;

pub use assign::{Assigned, Options};
pub use config::{Reading, Replace};
pub use description::{Description, Node, WeightInfo};
pub use error::{Error, ErrorKind, Fields, Result};
pub use export::{Export, Files};
pub use file::{Format, ModelFile, Stored};
pub use tfjs::Manifest;
