//! Model files: TensorFlow.js graph models ([`tfjs`]) and TensorFlow Lite ([`tflite`]), each lowered to a [`Graph`]; weights in
//! [`safetensors`] files.
//!
//! Files come from anywhere, so nothing in them is trusted: every offset, length and shape is checked before memory is
//! taken for it, graphs are walked without recursion, and whatever does not fit is an [`Error`] that names the node or
//! the offset. Layouts are converted once, here: images are NHWC and kernels HWIO from then on.

mod half;
mod lower;
pub mod safetensors;
pub mod tfjs;
pub mod tflite;

use crate::error::{Error, Result};
use crate::graph::Graph;

/// What to take from a model file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The outputs wanted, by tensor name, in this order; `None` takes those the file declares. Only the nodes these
    /// depend on are read, so an unsupported operation elsewhere does no harm.
    pub outputs: Option<Vec<String>>,
}

/// An imported model.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, with the file's names.
    pub graph: Graph,
    /// What the file says about where it comes from; may be empty.
    pub description: String,
}

/// A model file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `model.json` of a TensorFlow.js graph model; its weights are in other files.
    TfjsJson,
    /// A TensorFlow Lite flatbuffer.
    Tflite,
}

impl Format {
    /// Recognises a file by its first bytes.
    pub fn recognise(file: &[u8]) -> Result<Format> {
        if file.get(4..8) == Some(tflite::IDENTIFIER) {
            return Ok(Format::Tflite);
        }
        let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        if text.trim_ascii_start().first() == Some(&b'{') {
            return Ok(Format::TfjsJson);
        }
        Err(Error::invalid(
            "not a model file: neither TensorFlow Lite (bytes 4 to 8 would be TFL3) nor a TensorFlow.js model.json",
        ))
    }
}
