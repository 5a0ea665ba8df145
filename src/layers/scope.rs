//! What a layer lowers into: the graph under construction, with the layer's name, weights and mode at hand.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Activation, Regularizer, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, Graph, TypedGraph, ValueId};
use crate::ops::{
    Binary, BinaryKind, Cast, Op, Random, RandomKind, Reduce, ReduceKind, Reshape, ReshapeDim, Transpose,
};
use crate::tensor::{DType, Tensor};

/// Where weights come from while a model is lowered, by path (`layer/role`).
pub(super) enum Weights<'a> {
    /// Only their shapes are known: the model is being built.
    Declared(HashMap<String, Vec<usize>>),
    /// Constants.
    Values(&'a dyn Fn(&str) -> Result<Arc<Tensor>>),
    /// Variables: the model is to be trained.
    Variables(&'a dyn Fn(&str) -> Result<Arc<Tensor>>),
}

/// Layers that run differently in training look at this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Dropout is the identity, batch normalisation uses its moving statistics.
    #[default]
    Inference,
    /// Dropout drops, batch normalisation uses and tracks the batch's statistics.
    Training,
}

/// A graph, and what layers said about it.
pub(super) struct Finished {
    pub graph: Graph,
    /// Every weight's value by path.
    pub known: HashMap<String, ValueId>,
    /// What weights (by path) are to hold after a training step.
    pub updates: Vec<(String, ValueId)>,
    /// Outputs of layers that are penalised.
    pub activities: Vec<(Regularizer, ValueId)>,
}

/// The place where layers add their ops.
pub struct Scope<'a> {
    graph: TypedGraph,
    weights: Weights<'a>,
    /// Weights that are in the graph already: layers are shared.
    known: HashMap<String, ValueId>,
    /// The layer being lowered; nested ones are `outer/inner`.
    path: String,
    mode: Mode,
    /// The layer, or one around it, is not to be trained.
    frozen: bool,
    updates: Vec<(String, ValueId)>,
    activities: Vec<(Regularizer, ValueId)>,
    /// Decides random numbers, together with the layer's path.
    seed: u64,
    /// The variable that counts runs, once random numbers are wanted.
    counter: Option<ValueId>,
    /// Random tensors so far: a shared layer draws anew at every call.
    draws: u32,
}

/// The variable that counts runs, for random numbers. No layer has this name: layers' variables are `layer/role`.
const COUNTER: &str = "random counter";

impl<'a> Scope<'a> {
    pub(super) fn new(weights: Weights<'a>, mode: Mode) -> Self {
        Scope {
            graph: TypedGraph::new(),
            weights,
            known: HashMap::new(),
            path: String::new(),
            mode,
            frozen: false,
            updates: Vec::new(),
            activities: Vec::new(),
            seed: 0,
            counter: None,
            draws: 0,
        }
    }

    /// Decides the random numbers of layers that have no seed of their own.
    pub(super) fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs `f` as the layer of this name, within the layer that is being lowered.
    pub(super) fn layer<T>(
        &mut self,
        name: &str,
        trainable: bool,
        f: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let (length, frozen) = (self.path.len(), self.frozen);
        if length > 0 {
            self.path.push('/');
        }
        self.path.push_str(name);
        self.frozen |= !trainable;
        let result = f(self).map_err(|e| e.at(&self.path));
        self.path.truncate(length);
        self.frozen = frozen;
        result
    }

    /// Declares weights, while a model is being built.
    pub(super) fn declare(&mut self, layer: &str, specs: &[WeightSpec]) {
        if let Weights::Declared(shapes) = &mut self.weights {
            shapes.extend(specs.iter().map(|spec| (format!("{layer}/{}", spec.role), spec.shape.clone())));
        }
    }

    /// Forgets the weights of a layer that did not fit.
    pub(super) fn forget(&mut self, layer: &str) {
        let of_layer = |path: &str| path.strip_prefix(layer).is_some_and(|rest| rest.starts_with('/'));
        self.known.retain(|path, _| !of_layer(path));
        if let Weights::Declared(shapes) = &mut self.weights {
            shapes.retain(|path, _| !of_layer(path));
        }
    }

    pub(super) fn input(&mut self, name: &str, dtype: DType, dims: &Dims) -> ValueId {
        self.graph.input(name, dtype, dims)
    }

    pub(super) fn output(&mut self, name: &str, value: ValueId) {
        self.graph.output(name, value);
    }

    /// What was made.
    pub(super) fn finish(mut self) -> Result<Finished> {
        let next = match self.counter {
            Some(counter) => {
                let one = self.graph.constant(COUNTER, Tensor::i32([1], vec![1])?);
                Some((counter, self.graph.add(COUNTER, Binary::new(BinaryKind::Add), &[counter, one])?))
            }
            None => None,
        };
        let Scope { graph, known, updates, activities, .. } = self;
        let mut graph = graph.into_graph();
        if let Some((counter, next)) = next {
            graph.assign(counter, next)?;
        }
        Ok(Finished { graph, known, updates, activities })
    }

    /// How the model runs.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The layer's state may change: training, and the layer is not frozen.
    pub fn trains(&self) -> bool {
        self.mode == Mode::Training && !self.frozen
    }

    /// The layer's weight of this role.
    pub fn weight(&mut self, role: &str) -> Result<ValueId> {
        let path = format!("{}/{role}", self.path);
        if let Some(&value) = self.known.get(&path) {
            return Ok(value);
        }
        let value = match &self.weights {
            Weights::Declared(shapes) => {
                let shape = shapes.get(&path).ok_or_else(|| Error::invalid(format!("no weight named {path}")))?;
                self.graph.input(&path, DType::F32, &Dims::known(shape))
            }
            Weights::Values(values) => {
                let tensor = values(&path)?;
                self.graph.constant(&path, tensor)
            }
            Weights::Variables(values) => {
                let tensor = values(&path)?;
                self.graph.variable(&path, tensor)
            }
        };
        self.known.insert(path, value);
        Ok(value)
    }

    /// After a training step the weight of this role is to hold `value`.
    pub fn update(&mut self, role: &str, value: ValueId) {
        let path = format!("{}/{role}", self.path);
        self.updates.retain(|(known, _)| *known != path);
        self.updates.push((path, value));
    }

    /// What the weight of this role is to hold after what was lowered so far: a shared layer updates it at every call.
    pub fn updated(&mut self, role: &str) -> Result<ValueId> {
        let path = format!("{}/{role}", self.path);
        match self.updates.iter().find(|(known, _)| *known == path) {
            Some((_, value)) => Ok(*value),
            None => self.weight(role),
        }
    }

    /// Random numbers in the shape of `like`, other ones in every run. The same seeds give the same numbers.
    pub fn random(&mut self, kind: RandomKind, seed: Option<isize>, like: ValueId) -> Result<ValueId> {
        let counter = match self.counter {
            Some(counter) => counter,
            None => self.graph.variable(COUNTER, Tensor::i32([1], vec![0])?),
        };
        self.counter = Some(counter);
        let text = match seed {
            Some(seed) => format!("{seed}"),
            None => format!("{} {}", self.seed, self.path),
        };
        self.draws += 1;
        let seed = fnv(&format!("{text} {}", self.draws));
        self.add(Random { kind, seed }, &[like, counter])
    }

    /// In training, adds a penalty of a layer's output to the loss (Keras' `activity_regularizer`).
    pub fn penalize(&mut self, regularizer: &Option<Regularizer>, output: ValueId) {
        self.activities.extend(regularizer.filter(|_| self.mode == Mode::Training).map(|r| (r, output)));
    }

    /// Lets no gradient through a value.
    pub fn detach(&mut self, value: ValueId) {
        self.graph.detach(value);
    }

    /// Adds an op under the layer's name.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.graph.add(&self.path, Into::<Op>::into(op), inputs)
    }

    /// Adds an op with several outputs under the layer's name.
    pub fn push(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        self.graph.push(&self.path, Into::<Op>::into(op), inputs)
    }

    /// The end of a layer: its activation, and the penalty of what comes out.
    pub(super) fn activate(
        &mut self,
        activation: &Activation,
        regularizer: &Option<Regularizer>,
        y: ValueId,
    ) -> Result<Vec<ValueId>> {
        let y = activation.lower(self, y)?;
        self.penalize(regularizer, y);
        Ok(vec![y])
    }

    /// Arithmetic of two values, which broadcast.
    pub fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.add(Binary::new(kind), &[a, b])
    }

    /// Arithmetic of a value and a number.
    pub fn with(&mut self, kind: BinaryKind, x: ValueId, number: f32) -> Result<ValueId> {
        let number = self.scalar(number);
        self.binary(kind, x, number)
    }

    /// Elements where a comparison holds as 1, others as 0.
    pub fn mask(&mut self, comparison: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        let mask = self.binary(comparison, a, b)?;
        self.add(Cast { to: DType::F32 }, &[mask])
    }

    /// The value as floats.
    pub fn floats(&mut self, x: ValueId) -> Result<ValueId> {
        if self.dtype(x) == DType::F32 { Ok(x) } else { self.add(Cast { to: DType::F32 }, &[x]) }
    }

    /// A constant float.
    pub fn scalar(&mut self, value: f32) -> ValueId {
        self.graph.constant(&self.path, Tensor::scalar(value))
    }

    /// A constant tensor.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.constant(&self.path, tensor)
    }

    /// Dimensions of a value.
    pub fn dims(&self, value: ValueId) -> Dims {
        self.graph.dims(value)
    }

    /// Element type of a value.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.graph.dtype(value)
    }

    /// A reduction; negative axes count from the end.
    pub fn reduce(&mut self, kind: ReduceKind, axes: &[isize], keep_dims: bool, x: ValueId) -> Result<ValueId> {
        self.add(Reduce { kind, axes: axes.to_vec(), keep_dims }, &[x])
    }

    /// A reshape; it costs nothing.
    pub fn reshape(&mut self, dims: &[ReshapeDim], x: ValueId) -> Result<ValueId> {
        self.add(Reshape { dims: dims.to_vec() }, &[x])
    }
}

/// FNV-1a of a text, 32 bits.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ byte as u32).wrapping_mul(0x0100_0193))
}

/// The only input of a layer that takes one.
pub fn one(inputs: &[ValueId]) -> Result<ValueId> {
    match inputs {
        [x] => Ok(*x),
        _ => Err(Error::mismatch("the layer takes one input", 1, inputs.len())),
    }
}

/// Errors unless there are as many dimensions as `layout` names.
pub fn expect_rank(dims: &Dims, layout: &[&str]) -> Result<()> {
    if dims.len() == layout.len() {
        return Ok(());
    }
    Err(Error::mismatch(
        format!("the layer needs {} dimensions", layout.len()),
        format!("[{}]", layout.join(", ")),
        dims,
    ))
}

/// The channels, which weights are made for and which must be known therefore.
pub fn known_channels(dims: &Dims) -> Result<usize> {
    dims.channels().ok_or_else(|| Error::mismatch("the last dimension must be known", "a number of channels", dims))
}

/// An axis of these dimensions; negative ones count from the end.
pub fn axis(dims: &Dims, axis: isize) -> Result<usize> {
    let rank = dims.len() as isize;
    if (-rank..rank).contains(&axis) {
        return Ok(axis.rem_euclid(rank) as usize);
    }
    Err(Error::mismatch(format!("`axis` is {axis}"), format!("an axis of {rank} dimensions"), dims))
}

/// Runs `f` with an axis moved to the end, where the ops want channels.
pub fn last_axis(
    scope: &mut Scope,
    axis: usize,
    x: ValueId,
    f: impl FnOnce(&mut Scope, ValueId) -> Result<ValueId>,
) -> Result<ValueId> {
    let rank = scope.dims(x).len();
    if axis + 1 == rank {
        return f(scope, x);
    }
    let there: Vec<usize> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    let x = scope.add(Transpose { perm: there }, &[x])?;
    let y = f(scope, x)?;
    scope.add(Transpose { perm: back }, &[y])
}
