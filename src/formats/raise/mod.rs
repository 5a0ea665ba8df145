//! An imported graph as a network of layers: the opposite of lowering. Its constants become weights, so that it can be trained,
//! frozen in parts, cut and built upon like a network that was made of layers.
//!
//! What Keras has a layer for becomes that layer, with the bias and the activation that follow it; everything else becomes a
//! [`Lambda`](crate::layers::Lambda) of one operation or a few. What comes out is the model's JSON and its weights by name:
//! text and numbers, which another module can take.
//!
//! A file says which numbers are constant, not which were learned. Learned are the kernels and biases of convolutions and
//! products, the four of batch normalisation, and factors and summands by channel, once something learned came before them
//! (before that they prepare the picture). Other constants (anchors, grids, factors of quantisation) stay as they are.
//!
//! The first axis is the batch throughout: a file for one picture at a time becomes a network for any number.

mod function;
mod json;
mod layout;
mod pointwise;
mod resize;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use self::function::Function;
use self::json::Json;
use crate::error::{Error, Result};
use crate::graph::{Graph, Input, Node, NodeId, Source, Types, ValueId};
use crate::layers::{Activation, Model};
use crate::ops::{BinaryKind, Epilogue, Op, Transpose, Unary};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor};

/// A network as layers.
#[derive(Clone, Debug)]
pub struct Raised {
    /// What [`Model::from_json`] reads, as text.
    pub json: String,
    /// The weights' values by name (`layer/role`).
    pub weights: Vec<(String, Arc<Tensor>)>,
}

impl Raised {
    /// The model, with its weights.
    pub fn model(&self) -> Result<Model> {
        let json = serde_json::from_str(&self.json).map_err(|e| Error::invalid(e.to_string()))?;
        let mut model = Model::from_json(&json, false)?;
        for (name, value) in &self.weights {
            model.set_weight(name, Arc::clone(value))?;
        }
        Ok(model)
    }
}

/// Makes layers of a graph, as an importer leaves it.
///
/// Images are channels last: transpositions from and to channels first, at the very beginning and end, are left out.
///
/// Errors name the node: operations that no layer has (the choice of boxes, sorting), and what mixes the samples of a batch.
pub fn raise(graph: &Graph, name: &str) -> Result<Raised> {
    let declared: Vec<_> = graph.inputs().iter().map(|input| input.dims.clone()).collect();
    if let Some(input) = graph.inputs().iter().find(|input| input.dims.len() < 2) {
        let name = &graph.values()[input.value.index()].name;
        return Err(Error::unsupported("an input without a batch cannot be trained on").at(name));
    }
    let mut raiser = Raiser {
        graph,
        types: graph.guessed_types(&declared)?,
        uses: graph.use_counts(),
        readers: readers(graph),
        made: vec![None; graph.values().len()],
        learned: vec![false; graph.values().len()],
        taken: vec![false; graph.nodes().len()],
        names: HashMap::new(),
        layers: Vec::new(),
        weights: Vec::new(),
    };
    let inputs = raiser.inputs();
    let outputs: Vec<ValueId> = graph.outputs().iter().map(|output| raiser.channels_last(output.value)).collect();
    let needed = raiser.needed(&outputs);
    for (id, node) in graph.node_ids() {
        if needed[id.index()] && !raiser.taken[id.index()] {
            raiser.node(node).map_err(|e| e.at(&node.name))?;
        }
    }
    let outputs = graph.outputs().iter().zip(outputs).map(|(output, value)| {
        let made = raiser.made[value.index()].clone();
        made.ok_or_else(|| Error::unsupported("an output that does not depend on the inputs").at(&output.name))
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    let json = Json::object(&[
        ("class", "Functional".into()),
        ("name", name.into()),
        ("layers", Json::list(raiser.layers)),
        ("inputs", Json::names(&inputs)),
        ("outputs", Json::names(&outputs)),
    ]);
    Ok(Raised { json: json.into_text(), weights: raiser.weights })
}

/// Layers under construction.
struct Raiser<'g> {
    graph: &'g Graph,
    types: [Types; 2],
    uses: Vec<usize>,
    /// The nodes that a value goes to.
    readers: Vec<Vec<NodeId>>,
    /// The layer that gives a value.
    made: Vec<Option<String>>,
    /// Values that weights went into.
    learned: Vec<bool>,
    /// Nodes that a layer before them has taken in.
    taken: Vec<bool>,
    /// Names that are taken, and with which number to look for the next of its kind.
    names: HashMap<String, usize>,
    layers: Vec<Json>,
    weights: Vec<(String, Arc<Tensor>)>,
}

/// What follows a sum of products.
struct Tail {
    bias: Option<Arc<Tensor>>,
    residual: Option<ValueId>,
    activation: Option<Unary>,
    /// What all this gives.
    end: ValueId,
}

fn pairs(list: &[[usize; 2]]) -> Json {
    Json::list(list.iter().map(|pair| Json::sizes(pair)))
}

fn unsupported(node: &Node) -> Error {
    Error::unsupported(format!("{} has no layer that could be trained", node.op.operator().name()))
}

impl Raiser<'_> {
    /// Declares the inputs; their names. Images are channels last: where a file's are not, that is all their readers undo.
    fn inputs(&mut self) -> Vec<String> {
        let graph = self.graph;
        let declare = |input: &Input| {
            let name = self.name(&graph.values()[input.value.index()].name);
            let readers = self.readers[input.value.index()].clone();
            let turned = |id: &NodeId| moved(&graph.nodes()[id.index()]).is_some_and(|perm| perm == [0, 2, 3, 1]);
            let turned = self.uses[input.value.index()] == readers.len() && readers.iter().all(turned);
            let mut dims: Vec<_> = input.dims.iter().enumerate().map(|(axis, &d)| d.filter(|_| axis > 0)).collect();
            if turned && !readers.is_empty() {
                dims = [0, 2, 3, 1].map(|axis| dims[axis]).to_vec();
                for id in readers {
                    self.taken[id.index()] = true;
                    self.made[graph.nodes()[id.index()].outputs[0].index()] = Some(name.clone());
                }
            }
            let config =
                [("batch_shape", Json::list(dims.into_iter().map(Json::from))), ("dtype", input.dtype.name().into())];
            self.layers.push(Json::object(&[
                ("name", name.as_str().into()),
                ("class", "InputLayer".into()),
                ("config", Json::object(&config)),
            ]));
            self.made[input.value.index()] = Some(name.clone());
            name
        };
        graph.inputs().iter().map(declare).collect()
    }

    /// A name for a layer: that of the node, as Keras would take it, and no other's.
    fn name(&mut self, wanted: &str) -> String {
        // TFLite lists all nodes that became one.
        let wanted = wanted.split(';').next().unwrap_or_default();
        let base: String = wanted.trim_matches('/').replace(['/', ':', ' '], "_");
        let base = if base.is_empty() { "layer".to_string() } else { base };
        let mut name = base.clone();
        while self.names.contains_key(&name) {
            let count = self.names.get_mut(&base).map_or(1, |count| {
                *count += 1;
                *count
            });
            name = format!("{base}_{count}");
        }
        self.names.insert(name.clone(), 0);
        name
    }

    /// What is before a transposition of an output to channels first.
    fn channels_last(&self, output: ValueId) -> ValueId {
        match self.graph.producer(output) {
            Some((_, node))
                if moved(node).is_some_and(|perm| perm == [0, 3, 1, 2]) && varies(self.graph, node.inputs[0]) =>
            {
                node.inputs[0]
            }
            _ => output,
        }
    }

    /// The nodes that these depend on.
    fn needed(&self, outputs: &[ValueId]) -> Vec<bool> {
        let mut nodes = vec![false; self.graph.nodes().len()];
        let mut open = outputs.to_vec();
        while let Some(value) = open.pop() {
            if let Some((id, node)) = self.graph.producer(value)
                && !std::mem::replace(&mut nodes[id.index()], true)
            {
                open.extend(&node.inputs);
            }
        }
        nodes
    }

    fn shape(&self, value: ValueId) -> &Shape {
        &self.types[0][value].shape
    }

    /// Dimensions; those that depend on open ones are open.
    fn dims(&self, value: ValueId) -> Vec<Option<usize>> {
        let [a, b] = [0, 1].map(|guess| &self.types[guess][value].shape);
        a.iter().zip(b.iter()).map(|(&a, &b)| Some(a).filter(|_| a == b)).collect()
    }

    fn constant(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        self.graph.constant_of(value)
    }

    /// The layer that gives a value.
    fn layer_of(&self, value: ValueId) -> Result<String> {
        let made = self.made[value.index()].clone();
        made.ok_or_else(|| {
            let name = &self.graph.values()[value.index()].name;
            Error::unsupported(format!("the value {name:?} comes from no layer"))
        })
    }

    /// The node that a value goes to, if it goes nowhere else.
    fn only_reader(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        match self.readers[value.index()][..] {
            [id] if self.uses[value.index()] == 1 => Some((id, &self.graph.nodes()[id.index()])),
            _ => None,
        }
    }

    /// Adds a layer that gives a value.
    fn layer(&mut self, name: &str, class: &str, config: &[(&str, Json)], inbound: &[ValueId]) -> Result<String> {
        let inbound = inbound.iter().map(|&value| self.layer_of(value)).collect::<Result<Vec<_>>>()?;
        Ok(self.layer_on(name, class, Json::object(config), &inbound))
    }

    fn layer_on(&mut self, name: &str, class: &str, config: Json, inbound: &[String]) -> String {
        let name = self.name(name);
        self.layers.push(Json::object(&[
            ("name", name.as_str().into()),
            ("class", class.into()),
            ("config", config),
            ("inbound", Json::names(inbound)),
        ]));
        name
    }

    /// Says which layer gives the node's value, and whether weights went into it.
    fn gives(&mut self, value: ValueId, layer: String, operands: &[ValueId], weights: bool) {
        self.learned[value.index()] = weights || operands.iter().any(|v| self.learned[v.index()]);
        self.made[value.index()] = Some(layer);
    }

    fn weight(&mut self, layer: &str, role: &str, value: Arc<Tensor>) {
        self.weights.push((format!("{layer}/{role}"), value));
    }

    /// What a sum of products is followed by, where it goes nowhere else: its own epilogue, or a bias and an activation.
    fn tail(&mut self, node: &Node, epilogue: &Epilogue) -> Result<Tail> {
        let mut tail = Tail {
            bias: None,
            residual: epilogue.residual_index().map(|i| node.inputs[i]),
            activation: epilogue.activation,
            end: node.outputs[0],
        };
        if let Some(i) = epilogue.bias_index() {
            let bias = self.constant(node.inputs[i]);
            tail.bias = Some(Arc::clone(bias.ok_or_else(|| Error::unsupported("a bias that is not constant"))?));
        }
        if tail.residual.is_some() {
            return Ok(tail);
        }
        if tail.bias.is_none()
            && tail.activation.is_none()
            && let Some((id, reader)) = self.only_reader(tail.end)
            && let Op::Binary(binary) = &reader.op
            && binary.kind == BinaryKind::Add
        {
            let other = if reader.inputs[0] == tail.end { reader.inputs[1] } else { reader.inputs[0] };
            if let Some(bias) = self.per_channel(other, tail.end) {
                (tail.bias, tail.activation, tail.end) = (Some(bias), binary.activation, reader.outputs[0]);
                self.taken[id.index()] = true;
            }
        }
        if tail.activation.is_none()
            && let Some((id, reader)) = self.only_reader(tail.end)
            && let Op::Unary(function) = reader.op
            && Activation::of(function).is_some()
        {
            (tail.activation, tail.end) = (Some(function), reader.outputs[0]);
            self.taken[id.index()] = true;
        }
        Ok(tail)
    }

    /// A constant with one float for each of a value's channels, as a vector.
    fn per_channel(&self, constant: ValueId, value: ValueId) -> Option<Arc<Tensor>> {
        let tensor = self.constant(constant)?;
        let (shape, of) = (tensor.shape(), self.shape(value));
        let channels = *of.last()?;
        let fits = tensor.dtype() == DType::F32
            && shape.last() == Some(&channels)
            && shape.elements() == channels
            && shape.rank() <= of.rank();
        fits.then(|| flat(tensor)).flatten()
    }

    /// Adds the layer of a sum of products, with what follows it.
    fn weighted(
        &mut self,
        node: &Node,
        class: &str,
        mut config: Vec<(&str, Json)>,
        x: String,
        kernel: Arc<Tensor>,
        tail: Tail,
    ) -> Result<()> {
        let named = tail.activation.filter(|_| tail.residual.is_none()).and_then(Activation::of);
        config.push(("use_bias", tail.bias.is_some().into()));
        config.push(("activation", named.unwrap_or("linear").into()));
        let learned = !is_structure(&kernel);
        config.push(("trainable", learned.into()));
        let mut layer = self.layer_on(&node.name, class, Json::object(&config), &[x]);
        self.weight(&layer, "kernel", kernel);
        if let Some(bias) = tail.bias {
            self.weight(&layer, "bias", bias);
        }
        if let Some(residual) = tail.residual {
            let other = self.layer_of(residual)?;
            layer = self.layer_on(&format!("{}_add", node.name), "Add", Json::object(&[]), &[layer, other]);
        }
        if let Some(function) = tail.activation.filter(|_| named.is_none()) {
            layer = self.activation(&node.name, function, layer)?;
        }
        self.gives(tail.end, layer, &node.inputs[..1], learned);
        Ok(())
    }

    /// A function by elements, of a layer.
    fn activation(&mut self, name: &str, function: Unary, of: String) -> Result<String> {
        let name = format!("{name}_activation");
        match pointwise::layer(function) {
            Some((class, config)) => Ok(self.layer_on(&name, class, config, &[of])),
            None => {
                let mut f = Function::of(vec![of]);
                let y = pointwise::steps(&mut f, function, Json::from(0usize))?;
                Ok(self.function(&name, f, y))
            }
        }
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        match &node.op {
            Op::Conv2d(op) => self.conv(node, op),
            Op::DepthwiseConv2d(op) => self.depthwise(node, op),
            Op::ConvTranspose2d(op) => self.transposed(node, op),
            Op::Pool2d(op) => self.pool(node, op),
            Op::MatMul(op) => self.product(node, op),
            Op::BatchNorm(op) => self.batch_norm(node, op),
            Op::Unary(op) => self.unary(node, *op),
            Op::Binary(op) => self.binary(node, op),
            Op::Reduce(op) => self.reduce(node, op),
            Op::Softmax(op) => self.softmax(node, op.axis),
            Op::LogSoftmax(op) => self.simple(node, "logSoftmax", &[("axis", op.axis.into())]),
            Op::Cast(op) => self.simple(node, "cast", &[("dtype", op.to.name().into())]),
            Op::ArgMax(op) => {
                let args = [("axis", op.axis.into()), ("keepDims", op.keep_dims.into())];
                self.simple(node, "argMax", &args)
            }
            Op::Concat(op) => self.concat(node, op.axis),
            Op::Slice(op) => self.slice(node, op),
            Op::Pad(op) => self.pad(node, op),
            Op::Reshape(op) => self.reshape(node, op),
            Op::Transpose(op) => self.transpose(node, &op.perm),
            Op::Gather(op) => self.gather(node, op.axis),
            Op::Resize(op) => self.resize(node, op),
            _ => Err(unsupported(node)),
        }
    }
}

/// The nodes that each value goes to, one as often as it takes it.
fn readers(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.values().len()];
    for (id, node) in graph.node_ids() {
        node.inputs.iter().for_each(|value| readers[value.index()].push(id));
    }
    readers
}

/// Whether a kernel is a pattern of zeros and one other number: it adds neighbours (LRN) or moves pixels, and was not learned.
fn is_structure(kernel: &Tensor) -> bool {
    let values = kernel.as_f32().unwrap_or_default();
    let other = values.iter().find(|&&x| x != 0.0);
    other.is_some_and(|&other| values.contains(&0.0) && values.iter().all(|&x| x == 0.0 || x == other))
}

/// The new order of the axes, of a node that only moves them.
fn moved(node: &Node) -> Option<Vec<usize>> {
    match &node.op {
        Op::Transpose(Transpose { perm }) => Some(perm.clone()),
        Op::Reshape(op) => layout::permutation(op),
        _ => None,
    }
}

/// A tensor of floats as a vector.
fn flat(tensor: &Tensor) -> Option<Arc<Tensor>> {
    let values = tensor.as_f32().ok()?;
    Tensor::f32([values.len()], values.to_vec()).ok().map(Arc::new)
}

/// Whether a value is one of the graph's inputs or comes of a node, and is no constant.
fn varies(graph: &Graph, value: ValueId) -> bool {
    !matches!(graph.values()[value.index()].source, Source::Constant(_))
}
