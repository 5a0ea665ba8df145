//! Writing of ONNX files.
//!
//! What a network in inference mode can hold is written with ONNX' standard operators of version 17: it is old enough that
//! everything in use reads it, and runtimes with kernels on a GPU look them up by the version in which an operator changed
//! last, so that a newer number would send some to the processor. What only 18 (anti-aliased resizing) or 19 (dilated average
//! pooling, half-symmetric pixels) can say raises the file to that version. What ONNX cannot say at all is an error that names
//! the node.
//!
//! Images are channels last here and channels first there: see [`forms`].

mod elementwise;
mod file;
mod forms;
mod layout;
mod resize;
mod select;
mod shape;
mod sums;
mod window;

use std::collections::{BTreeMap, HashMap};

use self::file::{Dim, File, TensorId};
use self::forms::{Order, channels_first, plain};
use crate::error::{Error, Result};
use crate::graph::{Graph, Input, Node, Source, Types, ValueId};
use crate::ops::{Coordinates, Op, PoolKind, ResizeSize};
use crate::tensor::DType;

/// How to write an ONNX file.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// The graph's name in the file; `striate` if it is empty.
    pub name: String,
    /// Shapes of inputs by name, as the graph counts axes: dimensions that are open in the graph and not in the file.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Float inputs of rank 4 are `[batch, channels, height, width]` in the file.
    pub channels_first_inputs: bool,
    /// The same for outputs.
    pub channels_first_outputs: bool,
}

/// The lowest version of the operators that is written.
const OPSET: i64 = 17;

/// Writes a graph as an ONNX file.
///
/// Inputs and outputs keep their names and their order of axes, unless the options say otherwise; open dimensions stay open.
/// Weights are float32, as they are. What is not needed for an output is left out, unless it is an input.
///
/// Errors: nodes that ONNX has no operators for (training, random numbers, some resizes of images whose size is open), each by
/// its name; a graph that does not fit itself; a file above 2 GB.
pub fn export(graph: &Graph, options: &ExportOptions) -> Result<Vec<u8>> {
    if graph.updates().next().is_some() {
        return Err(Error::unsupported("a network that changes its variables cannot be written as ONNX"));
    }
    let input_dims = input_dims(graph, options)?;
    let types = graph.guessed_types(&input_dims)?;
    let needed = needed(graph);
    let mut exporter = Exporter {
        graph,
        types,
        file: File::default(),
        forms: vec![Vec::new(); graph.values().len()],
        trimmed: vec![false; graph.values().len()],
        used: vec![false; graph.values().len()],
        lists: HashMap::new(),
        scalars: HashMap::new(),
        label: "",
        mark: File::default().mark(),
        opset: OPSET,
    };
    let nodes = || graph.nodes().iter().zip(&needed).filter(|(_, needed)| **needed).map(|(node, _)| node);
    for value in nodes().flat_map(|node| &node.inputs).chain(graph.outputs().iter().map(|output| &output.value)) {
        exporter.used[value.index()] = true;
    }
    exporter.opset = nodes().map(|node| version(&node.op)).max().unwrap_or(OPSET).max(OPSET);
    // Inputs and outputs have the first choice of names.
    exporter.inputs(&input_dims, options.channels_first_inputs);
    let names: Vec<String> = graph.outputs().iter().map(|o| exporter.reserve(&o.name, "output")).collect();
    for node in nodes() {
        exporter.node(node).map_err(|e| e.at(&node.name))?;
    }
    exporter.label = "";
    for (output, name) in graph.outputs().iter().zip(names) {
        exporter.output(output.value, name, options.channels_first_outputs);
    }
    let name = if options.name.is_empty() { "striate" } else { &options.name };
    exporter.file.finish(exporter.opset, name)
}

/// The dimensions of the inputs in the file.
fn input_dims(graph: &Graph, options: &ExportOptions) -> Result<Vec<Vec<Option<usize>>>> {
    let name = |i: &Input| graph.values()[i.value.index()].name.as_str();
    if let Some(stranger) = options.input_shapes.keys().find(|key| !graph.inputs().iter().any(|i| name(i) == *key)) {
        let names: Vec<&str> = graph.inputs().iter().map(name).collect();
        return Err(Error::mismatch("the graph has no such input", names.join(", "), stranger));
    }
    let dims = |input: &Input| match options.input_shapes.get(name(input)) {
        Some(shape) => shape.iter().map(|&n| Some(n)).collect(),
        None => input.dims.clone(),
    };
    Ok(graph.inputs().iter().map(dims).collect())
}

/// The nodes that outputs depend on.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut values = vec![false; graph.values().len()];
    graph.outputs().iter().for_each(|output| values[output.value.index()] = true);
    let mut nodes = vec![false; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate().rev() {
        if node.outputs.iter().any(|value| values[value.index()]) {
            nodes[i] = true;
            node.inputs.iter().for_each(|value| values[value.index()] = true);
        }
    }
    nodes
}

/// The version of the operators that can say this.
fn version(op: &Op) -> i64 {
    match op {
        Op::Pool2d(pool) if pool.kind != PoolKind::Max && pool.dilations != [1, 1] => 19,
        Op::Resize(op) if resize::is_antialiased(op) => 18,
        Op::Resize(op)
            if op.coordinates == Coordinates::HalfPixelSymmetric && matches!(op.size, ResizeSize::Scales(_)) =>
        {
            19
        }
        _ => OPSET,
    }
}

/// A graph on its way into a file.
struct Exporter<'g> {
    graph: &'g Graph,
    /// Types of all values for two guesses of the open dimensions.
    types: [Types; 2],
    file: File,
    /// The tensors of each value, by the order of their axes.
    forms: Vec<Vec<(Order, TensorId)>>,
    /// Values with fewer rows in the file than here: tables of boxes, which end with the last box there.
    trimmed: Vec<bool>,
    /// Values that something reads.
    used: Vec<bool>,
    /// Whole numbers that are there already.
    lists: HashMap<Vec<i64>, TensorId>,
    /// Numbers that are there already, by their bits.
    scalars: HashMap<u32, TensorId>,
    /// The name of the node at hand.
    label: &'g str,
    /// Tensors from here on are of the node at hand.
    mark: TensorId,
    opset: i64,
}

impl<'g> Exporter<'g> {
    fn reserve(&mut self, name: &str, otherwise: &str) -> String {
        self.file.reserve(if name.is_empty() { otherwise } else { name })
    }

    fn inputs(&mut self, dims: &[Vec<Option<usize>>], images_first: bool) {
        let graph = self.graph;
        for (i, (input, dims)) in graph.inputs().iter().zip(dims).enumerate() {
            let name = self.reserve(&graph.values()[input.value.index()].name, "input");
            let rank = dims.len();
            let order =
                if images_first && rank == 4 && input.dtype == DType::F32 { channels_first(4) } else { plain(rank) };
            // Two inputs may differ in everything but the batch.
            let number = if i == 0 { String::new() } else { format!("_{i}") };
            let dim = |&axis: &usize| match (dims[axis], axis, rank) {
                (Some(n), ..) => Dim::Size(n),
                (None, 0, _) => Dim::Open("batch".to_string()),
                (None, 1, 4) => Dim::Open(format!("height{number}")),
                (None, 2, 4) => Dim::Open(format!("width{number}")),
                _ => Dim::Open(format!("axis{axis}{number}")),
            };
            let dims: Vec<Dim> = order.iter().map(dim).collect();
            let tensor = self.file.input(name, input.dtype, &dims);
            self.forms[input.value.index()].push((order, tensor));
        }
    }

    fn output(&mut self, value: ValueId, name: String, images_first: bool) {
        let (kind, dims) = (self.kind(value), self.dims(value));
        let (dtype, rank) = (kind.dtype, dims.len());
        let order = if images_first && rank == 4 && dtype == DType::F32 { channels_first(4) } else { plain(rank) };
        // The first axis is the batch where it follows the inputs' batch.
        let open = |axis: usize| {
            let follows = axis == 0 && [0, 1].map(|guess| self.types[guess][value].shape[0]) == [1, 2];
            Dim::Open(if follows && !self.trimmed[value.index()] { "batch".to_string() } else { String::new() })
        };
        let dims: Vec<Dim> = order.iter().map(|&axis| dims[axis].map_or_else(|| open(axis), Dim::Size)).collect();
        let tensor = self.form(value, &order);
        self.file.output(name, dtype, &dims, tensor);
    }

    fn node(&mut self, node: &'g Node) -> Result<()> {
        self.label = &node.name;
        self.mark = self.file.mark();
        self.check_trimmed(node)?;
        match &node.op {
            Op::Conv2d(op) => self.conv(node, op),
            Op::DepthwiseConv2d(op) => self.depthwise(node, op),
            Op::ConvTranspose2d(op) => self.transposed(node, op)?,
            Op::MatMul(op) => self.matmul(node, op),
            Op::Pool2d(op) => self.pool(node, op),
            Op::Reduce(op) => self.reduce(node, op)?,
            Op::Resize(op) => self.resize(node, op)?,
            Op::Unary(op) => {
                let (order, x) = self.native(node.inputs[0]);
                let y = self.unary(x, *op);
                self.set(node.outputs[0], order, y);
            }
            Op::Binary(op) => self.binary(node, op),
            Op::Cast(op) => self.cast(node, op),
            Op::Softmax(op) => self.along(node, "Softmax", op.axis)?,
            Op::LogSoftmax(op) => self.along(node, "LogSoftmax", op.axis)?,
            Op::BatchNorm(op) => self.batch_norm(node, op),
            Op::Concat(op) => self.concat(node, op)?,
            Op::Slice(op) => self.slice(node, op),
            Op::Pad(op) => self.pad(node, op)?,
            Op::Reshape(op) => self.reshape(node, op)?,
            Op::Transpose(op) => self.transpose(node, op),
            Op::Gather(op) => self.gather(node, op)?,
            Op::TopK(op) => self.top_k(node, op),
            Op::ArgMax(op) => self.arg_max(node, op)?,
            Op::NonMaxSuppression(op) => self.suppress(node, op)?,
            Op::Conv2dBackwardInput(_)
            | Op::Conv2dBackwardFilter(_)
            | Op::DepthwiseConv2dBackwardInput(_)
            | Op::DepthwiseConv2dBackwardFilter(_)
            | Op::MaxPool2dBackward(_)
            | Op::AvgPool2dBackward(_)
            | Op::ResizeBackward(_)
            | Op::BatchNormStatistics(_)
            | Op::BatchNormBackward(_)
            | Op::UnaryBackward(_)
            | Op::Random(_)
            | Op::OptimizerStep(_) => {
                let name = node.op.operator().name();
                return self.cannot(&format!("{name}, an operation of training: export the network in inference mode"));
            }
        }
        Ok(())
    }

    /// Whether a value comes from a node or from outside, and not from a constant.
    fn varies(&self, value: ValueId) -> bool {
        matches!(self.graph.values()[value.index()].source, Source::Input(_) | Source::Node { .. })
    }
}
