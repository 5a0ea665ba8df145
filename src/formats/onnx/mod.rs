//! ONNX: a protocol buffer with the graph and its weights.
//!
//! The reader is our own (`protobuf`): tensors are borrowed from the file until they are laid out for the graph, where
//! the crate `rten-onnx` copies every one first. Images are channels first in ONNX and channels last in striate; the
//! layouts are settled here, value by value (`values`), so that a network of convolutions has no transposes but that
//! of its input. Quantised networks are computed in float32 on whole numbers, with the integers that ONNX prescribes
//! ([`quantize`](self)).

mod control;
mod conv;
mod crop;
mod einsum;
mod elementwise;
mod export;
mod layout;
mod matmul;
mod normalize;
mod pool;
mod protobuf;
mod quantize;
mod reduce;
mod resize;
mod rules;
mod schema;
mod select;
mod shapes;
mod tensor;
mod values;

pub use export::{ExportOptions, export};
pub use tensor::read_tensor;

use std::collections::{HashMap, HashSet};

use self::schema::{Graph, Model, Node, ValueInfo};
use self::tensor::{Element, TensorDef};
use self::values::{Handle, Importer, Rule, channels_last, plain};
use super::inspect::{self as looking, Declared, Inspection as Look};
use super::lower::Lowering;
use super::{ImportOptions, Imported};
use crate::error::{Error, Result};
use crate::ops::Cast;
use crate::tensor::{DType, Tensor};

/// Versions of the standard operators that are read; what came after them has not been looked at.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// Most bytes of external data that a look at the nodes sets aside in its place.
const MAX_SKETCH: usize = 256 << 20;

/// Imports an `.onnx` file.
pub fn import(file: &[u8], options: &ImportOptions) -> Result<Imported> {
    lower(Model::parse(file)?, options, None)?.ok_or_else(|| Error::unsupported("some nodes are not supported"))
}

/// Imports a file, or looks at all of its nodes and notes what they say; nothing if some could not be lowered then.
fn lower<'f>(model: Model<'f>, options: &'f ImportOptions, mut look: Option<&mut Look>) -> Result<Option<Imported>> {
    let opset = model.opset.ok_or_else(|| Error::invalid("not an ONNX model: it names no version of the operators"))?;
    if !OPSETS.contains(&opset) {
        let known = format!("{} to {}", OPSETS.start(), OPSETS.end());
        return Err(Error::unsupported(format!("version {opset} of ONNX' operators; striate reads {known}")));
    }
    let graph = model.graph.ok_or_else(|| Error::invalid("not an ONNX model: there is no graph in it"))?;
    let outputs: Vec<&str> = match &options.outputs {
        None => graph.outputs.clone(),
        Some(names) => names.iter().map(String::as_str).collect(),
    };
    if outputs.is_empty() {
        return Err(Error::invalid("the model has no outputs"));
    }
    for name in options.input_shapes.keys().chain(options.constants.keys()) {
        if !graph.inputs.iter().any(|input| input.name == name) {
            let inputs: Vec<_> = graph.inputs.iter().map(|input| input.name).collect();
            return Err(Error::invalid(format!("the model has no input {name:?}; there is {}", inputs.join(", "))));
        }
    }
    let needed = needed(&graph, &outputs);
    let mut importer = Importer {
        lowering: Lowering::folding(options.expanded_bytes),
        values: Vec::new(),
        names: HashMap::new(),
        external: &options.external_data,
        opset,
        depth: 0,
        read: HashSet::new(),
        sketch: look.is_some(),
    };
    importer.note_reads(&graph, &outputs);
    importer.constants(&graph)?;
    for input in &graph.inputs {
        if needed.names.contains(input.name) && !importer.names.contains_key(input.name) {
            let handle = importer.input(input, options).map_err(|e| e.at(input.name))?;
            importer.names.insert(input.name, handle);
        }
    }
    // Results of nodes that could not be looked at, or were refused.
    let mut missing = HashSet::new();
    if importer.sketch {
        // Zeros take memory, too.
        let outside = graph.initializers.iter().filter(|tensor| tensor.location().is_some());
        let bytes = |tensor: &TensorDef| tensor.size().map_or(0, |(_, bytes)| bytes);
        if outside.clone().map(bytes).fold(0usize, usize::saturating_add) > MAX_SKETCH {
            missing.extend(outside.map(|tensor| tensor.name));
        }
    }
    for (node, _) in graph.nodes.iter().zip(&needed.nodes).filter(|(_, needed)| **needed) {
        match &mut look {
            None => importer.run(node)?,
            Some(look) => importer.look(node, &mut missing, look),
        }
    }
    if !missing.is_empty() {
        return Ok(None);
    }
    for &name in &outputs {
        importer.output(name)?;
    }
    Ok(Some(Imported { graph: importer.lowering.into_graph()?, description: model.producer.to_string() }))
}

/// Looks at a file's nodes and tensors; data outside of the file need not be there.
pub(super) fn look(file: &[u8], options: &ImportOptions) -> Result<Look> {
    let model = Model::parse(file)?;
    let graph = model.graph.as_ref().ok_or_else(|| Error::invalid("not an ONNX model: there is no graph in it"))?;
    let mut look = Look::default();
    let given: HashSet<&str> = graph.initializers.iter().map(|tensor| tensor.name).collect();
    look.inputs = graph.inputs.iter().filter(|input| !given.contains(input.name)).map(declared).collect();
    let asked = |name: &str| options.outputs.as_ref().is_none_or(|names| names.iter().any(|asked| asked == name));
    look.outputs = graph.results.iter().filter(|output| asked(output.name)).map(declared).collect();
    for tensor in &graph.initializers {
        let Ok((element, bytes)) = tensor.size() else { continue };
        look.weight_bytes = look.weight_bytes.saturating_add(bytes);
        if element.is_float() || element.small_range().is_some() {
            look.parameters += bytes / element.raw_bytes();
        }
        if let Some(location) = tensor.location() {
            match look.files.iter_mut().find(|(name, _)| name == location) {
                Some((_, sum)) => *sum = sum.saturating_add(bytes),
                None => look.files.push((location.to_string(), bytes)),
            }
        }
    }
    let imported = lower(model, options, Some(&mut look)).transpose();
    // With nodes refused an error of the rest says nothing new.
    if let (Some(imported), true) = (imported, look.unsupported.is_empty()) {
        look.finish(imported)?;
    }
    Ok(look)
}

fn declared(value: &ValueInfo) -> Declared {
    let dtype = value.element.and_then(|code| Element::parse(code).ok()).map_or(DType::F32, Element::interface);
    let dims = value.dims.iter().flatten().map(|d| d.and_then(|n| usize::try_from(n).ok())).collect();
    Declared { name: value.name.to_string(), dtype, dims }
}

/// What a file says about itself, without its tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// The version of the standard operators.
    pub opset: Option<i64>,
    /// Names of the inputs that no initializer gives a value.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// The operators in use, each once, in alphabetical order; those of other domains as `domain.Name`.
    pub operators: Vec<String>,
    /// Number of nodes, without those of subgraphs.
    pub nodes: usize,
}

/// Reads what a file says about itself. Operators in subgraphs are not listed.
pub fn inspect(file: &[u8]) -> Result<Inspection> {
    let model = Model::parse(file)?;
    let graph = model.graph.unwrap_or_default();
    let given: HashSet<&str> = graph.initializers.iter().map(|tensor| tensor.name).collect();
    let inputs = graph.inputs.iter().filter(|input| !given.contains(input.name)).map(|input| input.name.to_string());
    let mut operators: Vec<String> = graph.nodes.iter().map(operator).collect();
    operators.sort_unstable();
    operators.dedup();
    Ok(Inspection {
        opset: model.opset,
        inputs: inputs.collect(),
        outputs: graph.outputs.iter().map(|name| name.to_string()).collect(),
        operators,
        nodes: graph.nodes.len(),
    })
}

/// What a node's operator is called; those of other domains as `domain.Name`.
fn operator(node: &Node) -> String {
    match node.domain {
        "" | "ai.onnx" => node.op.to_string(),
        domain => format!("{domain}.{}", node.op),
    }
}

struct Needed<'f> {
    names: HashSet<&'f str>,
    nodes: Vec<bool>,
}

/// What the outputs depend on: nodes stand in execution order, so one walk backwards finds it. A node with subgraphs
/// may read anything.
fn needed<'f>(graph: &Graph<'f>, outputs: &[&'f str]) -> Needed<'f> {
    let mut names: HashSet<&str> = outputs.iter().copied().collect();
    let mut nodes = vec![false; graph.nodes.len()];
    let branches = graph.nodes.iter().any(|node| matches!(node.op, "If" | "Loop" | "Scan"));
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        if branches || node.outputs.iter().any(|name| names.contains(name)) {
            nodes[i] = true;
            names.extend(node.inputs.iter().filter(|name| !name.is_empty()));
        }
    }
    if branches {
        names.extend(graph.inputs.iter().map(|input| input.name));
    }
    Needed { names, nodes }
}

impl<'f> Importer<'f> {
    /// Remembers which names somebody reads: results that nobody does need not be supported.
    fn note_reads(&mut self, graph: &Graph<'f>, outputs: &[&'f str]) {
        self.read.extend(outputs.iter().chain(&graph.outputs));
        self.read.extend(graph.nodes.iter().flat_map(|node| &node.inputs));
    }

    /// Declares the initializers of a graph; they are read when they are needed.
    fn constants(&mut self, graph: &Graph<'f>) -> Result<()> {
        for tensor in &graph.initializers {
            // Types that nobody computes with may lie in a file.
            if tensor.element().is_ok() {
                let handle = self.add_file(tensor.clone()).map_err(|e| e.at(tensor.name))?;
                if self.names.insert(tensor.name, handle).is_some() {
                    return Err(Error::invalid("two values have this name").at(tensor.name));
                }
            }
        }
        Ok(())
    }

    /// Declares an input, or the constant that the caller says it is.
    fn input(&mut self, input: &ValueInfo, options: &ImportOptions) -> Result<Handle> {
        let code = input.element.ok_or_else(|| Error::unsupported("an input that is no tensor"))?;
        let element = Element::parse(code)?;
        if let Some(known) = options.constants.get(input.name) {
            return self.known_input(input.name, element, known);
        }
        let size = |n: &Option<i64>| match *n {
            Some(n @ 0..) => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
            // Some exporters write open dimensions so.
            Some(-1) | None => Ok(None),
            Some(n) => Err(Error::invalid(format!("a dimension of {n}"))),
        };
        let declared = input.dims.as_ref().map(|dims| dims.iter().map(size).collect::<Result<Vec<_>>>()).transpose()?;
        let dims = match (options.input_shapes.get(input.name), declared) {
            (Some(given), Some(declared)) => {
                let fits = given.len() == declared.len()
                    && given.iter().zip(&declared).all(|(&given, declared)| declared.is_none_or(|d| d == given));
                if !fits {
                    let expected = format!("{:?}", declared.iter().map(|d| d.unwrap_or(0)).collect::<Vec<_>>());
                    return Err(Error::mismatch(
                        "the input's shape given at import is not the model's (0 is open)",
                        expected,
                        format!("{given:?}"),
                    ));
                }
                given.iter().map(|&d| Some(d)).collect()
            }
            (Some(given), None) => given.iter().map(|&d| Some(d)).collect(),
            (None, Some(declared)) => declared,
            (None, None) => {
                return Err(Error::unsupported("an input of unknown rank: give its shape at import"));
            }
        };
        let rank = dims.len();
        let order =
            if options.channels_last && rank == 4 && element.is_float() { channels_last(rank) } else { plain(rank) };
        let stored = order.iter().map(|&axis| dims[axis]).collect();
        let mut id = self.lowering.input(input.name, element.interface(), stored)?;
        if element.interface() != element.storage() {
            id = self.lowering.add(&format!("{}/float", input.name), Cast { to: element.storage() }, &[id])?;
        }
        Ok(self.add(element, order, id))
    }

    /// An input whose elements the caller gave at import.
    fn known_input(&mut self, name: &str, element: Element, known: &Tensor) -> Result<Handle> {
        if known.dtype() != element.interface() {
            return Err(Error::mismatch("the constant given for an input", element.interface(), known.dtype()));
        }
        let mut id = self.lowering.constant(name, known.clone());
        if element.interface() != element.storage() {
            id = self.lowering.add(name, Cast { to: element.storage() }, &[id])?;
        }
        Ok(self.add(element, plain(known.shape().rank()), id))
    }

    /// Marks an output, in ONNX' order.
    fn output(&mut self, name: &str) -> Result<()> {
        let missing = || Error::invalid(format!("the model has no tensor {name:?}"));
        let handle = *self.names.get(name).ok_or_else(missing)?;
        let rank = self.values[handle].dims.len();
        let mut id = self.form(handle, &plain(rank), name).map_err(|e| e.at(name))?;
        let element = self.values[handle].element;
        if element.interface() != element.storage() {
            id = self.lowering.add(&format!("{name}/cast"), Cast { to: element.interface() }, &[id])?;
        }
        self.lowering.output(name, id)
    }

    /// Runs a graph within another, whose values it sees; its own are forgotten afterwards.
    fn inline(&mut self, graph: &Graph<'f>) -> Result<Vec<Handle>> {
        let outer = self.names.clone();
        self.note_reads(graph, &[]);
        self.constants(graph)?;
        self.depth += 1;
        for node in &graph.nodes {
            self.run(node)?;
        }
        self.depth -= 1;
        let find = |name: &&str| {
            let handle = self.names.get(name).copied();
            handle.ok_or_else(|| Error::invalid(format!("the branch's output {name:?} is not made")))
        };
        let outputs = graph.outputs.iter().map(find).collect();
        self.names = outer;
        outputs
    }

    /// Lowers a node, or notes why that does not go. Where an operand is missing for such a reason the operator alone is
    /// looked at.
    fn look(&mut self, node: &Node<'f>, missing: &mut HashSet<&'f str>, look: &mut Look) {
        let operator = operator(node);
        look.count(&operator);
        let refused = if node.inputs.iter().any(|name| missing.contains(name)) {
            let mut alone = node.clone();
            alone.inputs.clear();
            let probed = self.run(&alone);
            missing.extend(&node.outputs);
            if looking::is_unknown(&probed) { probed.err() } else { None }
        } else {
            self.run(node).err()
        };
        if let Some(error) = refused {
            missing.extend(&node.outputs);
            look.refuse(node.label(), &operator, &error);
        }
    }

    /// Lowers a node and names its results.
    fn run(&mut self, node: &Node<'f>) -> Result<()> {
        let label = node.label();
        let fail = |e: Error| e.at(format!("{label} ({})", node.op));
        if !matches!(node.domain, "" | "ai.onnx") {
            let op = format!("the operator {:?} of the custom domain {:?}", node.op, node.domain);
            return Err(fail(Error::unsupported(format!("{op} is not supported"))));
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &name in &node.inputs {
            let known = self.names.get(name).copied();
            if known.is_none() && !name.is_empty() {
                return Err(fail(Error::invalid(format!("the value {name:?} is used before it is made"))));
            }
            inputs.push(known.filter(|_| !name.is_empty()));
        }
        let results = Rule { importer: self, node, name: label, inputs }.lower().map_err(fail)?;
        for (i, &name) in node.outputs.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            let before = match results.get(i) {
                Some(&handle) => self.names.insert(name, handle),
                None if self.read.contains(name) => {
                    return Err(fail(Error::unsupported(format!("its output {i} ({name:?}) is not supported"))));
                }
                None => None,
            };
            if before.is_some() {
                return Err(fail(Error::invalid(format!("the value {name:?} is made twice"))));
            }
        }
        Ok(())
    }
}
