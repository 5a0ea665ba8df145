//! What is in a model file and whether it would run, told of all its nodes: an import stops at the first that is not
//! supported, and of a TensorFlow.js model the weights need not be there.

use std::collections::BTreeMap;

use super::ImportOptions;
#[cfg(feature = "onnx")]
use super::onnx;
use super::{Format, Imported, tfjs, tflite};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::tensor::DType;

/// A node that cannot run, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The node's name; empty if it is about the whole file.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// A sentence.
    pub reason: String,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// The element type that a graph would have there.
    pub dtype: DType,
    /// Dimensions, `None` where open; empty where the file does not say.
    pub dims: Vec<Option<usize>>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// How often each operator is needed for the outputs.
    pub operators: BTreeMap<String, usize>,
    /// The nodes that cannot run; empty if the file can be imported.
    pub unsupported: Vec<Refusal>,
    /// Inputs, in order.
    pub inputs: Vec<Declared>,
    /// Outputs, in order.
    pub outputs: Vec<Declared>,
    /// Elements of constants that are reals, or integers that stand for reals.
    pub parameters: usize,
    /// Bytes of all constants as they are stored.
    pub weight_bytes: usize,
    /// Files beside this one with their bytes: weights of TensorFlow.js, external data of ONNX.
    pub files: Vec<(String, usize)>,
    /// The network, if all of it is supported and the file has it all; never of TensorFlow.js, whose shapes depend on
    /// numbers among the weights. ONNX' external data are zeros.
    pub graph: Option<Graph>,
}

impl Inspection {
    /// The network; or a graph with nothing but the declared inputs and outputs, by whose names and shapes a network may be
    /// recognised. Nothing if something is not supported.
    pub fn outline(&self) -> Option<Graph> {
        if self.graph.is_some() || !self.unsupported.is_empty() {
            return self.graph.clone();
        }
        let mut graph = Graph::new();
        let input = |one: &Declared| graph.input(&one.name, one.dtype, one.dims.clone());
        let first = *self.inputs.iter().map(input).collect::<Vec<_>>().first()?;
        self.outputs.iter().for_each(|one| graph.output(&one.name, first));
        Some(graph)
    }

    /// Counts a node.
    pub(super) fn count(&mut self, operator: &str) {
        match self.operators.get_mut(operator) {
            Some(count) => *count += 1,
            None => drop(self.operators.insert(operator.to_string(), 1)),
        }
    }

    /// Notes why a node cannot run.
    pub(super) fn refuse(&mut self, node: &str, operator: &str, error: &Error) {
        let mut reason = error.message().to_string();
        if let (Some(expected), Some(received)) = (error.expected(), error.received()) {
            reason += &format!(" (expected {expected}, received {received})");
        }
        self.unsupported.push(Refusal { node: node.to_string(), operator: operator.to_string(), reason });
    }

    /// Ends an inspection with the import, which finds what is not about a single node: that the file is broken, an error; or
    /// what is not supported of all of it.
    pub(super) fn finish(&mut self, imported: Result<Imported>) -> Result<()> {
        match imported {
            Ok(imported) => self.graph = Some(imported.graph),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                self.refuse(error.layer().unwrap_or_default(), "", &error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether an operator without operands is refused for what it is: what is known wants its operands first.
pub(super) fn is_unknown<T>(probed: &Result<T>) -> bool {
    matches!(probed, Err(error) if error.kind() == ErrorKind::Unsupported)
}

/// Looks into a model file; of a TensorFlow.js graph model into its `model.json`. Only `outputs` and `input_shapes` of the
/// options matter. An error says that the file is broken, or no model; what is merely not supported is in the result.
pub fn inspect(format: Format, file: &[u8], options: &ImportOptions) -> Result<Inspection> {
    match format {
        Format::TfjsJson => tfjs::look(file, options),
        Format::Tflite => tflite::look(file, options),
        #[cfg(feature = "onnx")]
        Format::Onnx => onnx::look(file, options),
        #[cfg(not(feature = "onnx"))]
        Format::Onnx => Err(Error::unsupported("this build does not read ONNX")),
    }
}
