//! The one intermediate form: a list of operations over values, in execution order.
//!
//! Every layer and every file format lowers to a [`Graph`]; passes rewrite it, autodiff extends it, both backends run
//! it. A graph is built front to back, so its nodes are always in topological order and cycles cannot be written down.
//!
//! A graph may have *variables*: values that live longer than a run. Every node of a run sees the values from before it;
//! what is [assigned](Graph::assign) takes their place when the run is over. So a training step is a graph like any other.

mod dump;
mod trim;
mod typed;
mod types;

pub use typed::{Dims, TypedGraph};
pub use types::Types;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ops::Op;
use crate::tensor::{DType, Tensor, TensorType};

/// A value of a graph: an input, a constant, or an output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(u32);

impl ValueId {
    /// Position in [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// Position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The graph's input of this position.
    Input(usize),
    /// Fixed data, shared with whoever else needs it (weights are kept once on the host).
    Constant(Arc<Tensor>),
    /// The graph's variable of this position.
    Variable(usize),
    /// An output of a node.
    Node {
        /// The node.
        node: NodeId,
        /// Which of its outputs.
        output: usize,
    },
}

/// A named value.
#[derive(Clone, Debug)]
pub struct Value {
    /// Unique only by convention; used in errors and dumps.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// An input's declaration; unknown dimensions are fixed when the graph is compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its value.
    pub value: ValueId,
    /// Element type.
    pub dtype: DType,
    /// Dimensions; `None` may be anything.
    pub dims: Vec<Option<usize>>,
}

/// A value that outlives the run. Its type is that of its initial value.
#[derive(Clone, Debug)]
pub struct Variable {
    /// What the run finds.
    pub value: ValueId,
    /// What the first run finds. No pass looks into it.
    pub initial: Arc<Tensor>,
    /// What the next run finds; `None` keeps it as it is.
    pub update: Option<ValueId>,
}

/// A named output.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// What the caller asks for.
    pub name: String,
    /// Its value.
    pub value: ValueId,
}

/// One operation with its operands and results.
#[derive(Clone, Debug)]
pub struct Node {
    /// The layer's name, in every error about it.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<ValueId>,
    /// Results; [`Operator::outputs`](crate::ops::Operator::outputs) says how many.
    pub outputs: Vec<ValueId>,
}

/// A network: inputs, constants, variables, operations, outputs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<Input>,
    variables: Vec<Variable>,
    outputs: Vec<Output>,
    /// Values that no gradient goes through.
    detached: Vec<ValueId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an input.
    pub fn input(&mut self, name: impl Into<String>, dtype: DType, dims: impl Into<Vec<Option<usize>>>) -> ValueId {
        let value = self.value(name.into(), Source::Input(self.inputs.len()));
        self.inputs.push(Input { value, dtype, dims: dims.into() });
        value
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: impl Into<String>, tensor: impl Into<Arc<Tensor>>) -> ValueId {
        self.value(name.into(), Source::Constant(tensor.into()))
    }

    /// Adds a node and returns its outputs. Values that are not of this graph are an error; shapes are checked by
    /// [`Graph::infer`].
    pub fn push(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        self.push_node(name.into(), op.into(), inputs)
    }

    /// Not generic: a copy for every op and kind of name would be 20 KB of wasm.
    fn push_node(&mut self, name: String, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        if let Some(stranger) = inputs.iter().find(|v| v.index() >= self.values.len()) {
            return Err(Error::invalid(format!("input {} is not a value of this graph", stranger.0)).at(name));
        }
        let node = NodeId(self.nodes.len() as u32);
        let count = op.operator().outputs();
        let outputs = (0..count)
            .map(|output| {
                let value = if count == 1 { name.clone() } else { format!("{name}:{output}") };
                self.value(value, Source::Node { node, output })
            })
            .collect::<Vec<_>>();
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }

    /// Adds a node with one output and returns that.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.push(name, op, inputs)?[0])
    }

    /// Adds a variable with the value that its first run finds. Sessions know variables by their names, so these should
    /// be unique.
    pub fn variable(&mut self, name: impl Into<String>, initial: impl Into<Arc<Tensor>>) -> ValueId {
        let value = self.value(name.into(), Source::Variable(self.variables.len()));
        self.variables.push(Variable { value, initial: initial.into(), update: None });
        value
    }

    /// Has the variable hold `value` after a run. Until then every node, whatever its position, sees the old value.
    ///
    /// Errors: `variable` is none, or has been assigned already, or one of the two is not of this graph. Types are
    /// checked by [`Graph::infer`].
    pub fn assign(&mut self, variable: ValueId, value: ValueId) -> Result<()> {
        let Some(Value { name, source: Source::Variable(i) }) = self.values.get(variable.index()) else {
            return Err(Error::invalid(format!("value {} is no variable of this graph", variable.0)));
        };
        if value.index() >= self.values.len() {
            return Err(Error::invalid(format!("what is assigned, {}, is not a value of this graph", value.0)).at(name));
        }
        let update = &mut self.variables[*i].update;
        if update.is_some() {
            return Err(Error::invalid("the variable is assigned twice").at(name));
        }
        *update = Some(value);
        Ok(())
    }

    /// As [`Graph::assign`], in the place of what was assigned before.
    pub(crate) fn reassign(&mut self, variable: ValueId, value: ValueId) -> Result<()> {
        if let Some(known) = self.variables.iter_mut().find(|v| v.value == variable) {
            known.update = None;
        }
        self.assign(variable, value)
    }

    /// Leaves every variable as it is after a run.
    pub(crate) fn forget_updates(&mut self) {
        self.variables.iter_mut().for_each(|variable| variable.update = None);
    }

    /// Lets no gradient through a value, as if it were a constant. Passes forget it: differentiate before they run.
    pub fn detach(&mut self, value: ValueId) {
        self.detached.push(value);
    }

    /// Whether gradients stop at a value.
    pub fn is_detached(&self, value: ValueId) -> bool {
        self.detached.contains(&value)
    }

    /// Marks a value as an output.
    pub fn output(&mut self, name: impl Into<String>, value: ValueId) {
        self.outputs.push(Output { name: name.into(), value });
    }

    /// Replaces all outputs (e.g. to run a network only up to a feature map).
    pub fn set_outputs(&mut self, outputs: Vec<Output>) {
        self.outputs = outputs;
    }

    /// Has an input hold other elements; its readers must be able to take them.
    pub(crate) fn set_input_dtype(&mut self, i: usize, dtype: DType) {
        if let Some(input) = self.inputs.get_mut(i) {
            input.dtype = dtype;
        }
    }

    fn value(&mut self, name: String, source: Source) -> ValueId {
        self.values.push(Value { name, source });
        ValueId((self.values.len() - 1) as u32)
    }

    /// All values; [`ValueId::index`] is the position.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
    /// All nodes, in an order in which they can run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    /// The nodes with their ids.
    pub fn node_ids(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }
    /// The values' ids, in order.
    pub fn value_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }
    /// Declared inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }
    /// Variables, with what is assigned to them.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }
    /// The values that are to become variables' next values.
    pub fn updates(&self) -> impl Iterator<Item = ValueId> {
        self.variables.iter().filter_map(|v| v.update)
    }
    /// Named outputs.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }
    /// The node that makes a value, if one does.
    pub fn producer(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        match self.values[value.index()].source {
            Source::Node { node, .. } => Some((node, &self.nodes[node.index()])),
            _ => None,
        }
    }
    /// A constant's tensor.
    pub fn constant_of(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        match &self.values[value.index()].source {
            Source::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }
    /// A value by name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.value_ids().find(|v| self.values[v.index()].name == name)
    }
    /// How often each value is used: by nodes, as an output, as a variable's next value.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        let used = self.nodes.iter().flat_map(|n| &n.inputs).chain(self.outputs.iter().map(|o| &o.value)).copied();
        used.chain(self.updates()).for_each(|v| counts[v.index()] += 1);
        counts
    }

    /// Types of all values for concrete input types; the error names the node and says what does not fit.
    pub fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        types::infer(self, inputs)
    }

    /// The declared input types with every unknown dimension set to 1, the usual batch.
    pub fn default_inputs(&self) -> Vec<TensorType> {
        let known = |i: &Input| TensorType::new(i.dtype, i.dims.iter().map(|d| d.unwrap_or(1)).collect::<Vec<_>>());
        self.inputs.iter().map(known).collect()
    }
}
