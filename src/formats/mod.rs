//! Model files: TensorFlow.js graph models ([`tfjs`]), TensorFlow Lite ([`tflite`]) and ONNX (`onnx`, behind the cargo
//! feature of that name), each lowered to a [`Graph`]; weights in [`safetensors`] files; networks of layers and weights in
//! Keras' files (`keras`, behind the feature of that name) and weights in PyTorch's checkpoints (`pytorch`, with it).
//!
//! Files come from anywhere, so nothing in them is trusted: every offset, length and shape is checked before memory is
//! taken for it, graphs are walked without recursion, and whatever does not fit is an [`Error`] that names the node or
//! the offset. Layouts are converted once, here: images are NHWC and kernels HWIO from then on.

mod half;
mod inspect;
#[cfg(all(feature = "keras", not(target_arch = "wasm32")))]
pub mod keras;
mod lower;
// What only writes compiles the reader too, and the linker leaves it out.
#[cfg_attr(not(feature = "onnx"), allow(dead_code))]
#[cfg(any(feature = "onnx", feature = "convert"))]
pub mod onnx;
#[cfg(all(feature = "keras", not(target_arch = "wasm32")))]
pub mod pytorch;
mod raise;
pub mod safetensors;
pub mod tfjs;
pub mod tflite;

pub use inspect::{Declared, Inspection, Refusal, inspect};
pub use raise::{Raised, raise};

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::tensor::Tensor;

/// What to take from a model file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The outputs wanted, by tensor name, in this order; `None` takes those the file declares. Only the nodes these
    /// depend on are read, so an unsupported operation elsewhere does no harm.
    pub outputs: Option<Vec<String>>,
    /// Shapes of inputs by name, as the file counts axes (ONNX: channels first); ONNX only. A file may leave dimensions
    /// open that decide what the network is, not only how large it is: those must be given.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Inputs by name that are the same for every run, and become constants; ONNX only.
    pub constants: BTreeMap<String, Tensor>,
    /// Images go in as `[batch, height, width, channels]` and not channels first: float inputs of rank 4; ONNX only.
    pub channels_last: bool,
    /// The content of the files, by location, in which an ONNX model keeps its large tensors.
    pub external_data: BTreeMap<String, Vec<u8>>,
    /// Most bytes of constants that the file only describes (`ConstantOfShape`); `None` is 64 MB. ONNX only.
    pub expanded_bytes: Option<usize>,
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
    /// An ONNX protocol buffer.
    Onnx,
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
        // A protocol buffer has no signature; an ONNX file begins with its version (field 1) and its producer (field 2)
        // or the graph (field 7).
        if let [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..] = file {
            return Ok(Format::Onnx);
        }
        Err(Error::invalid(
            "not a model file: neither TensorFlow Lite (bytes 4 to 8 would be TFL3), nor a TensorFlow.js model.json, nor \
             ONNX",
        ))
    }
}
