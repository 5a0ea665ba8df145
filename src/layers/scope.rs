//! What a layer lowers into: the graph under construction, with the layer's name, weights and mode at hand.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Regularizer, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, Graph, TypedGraph, ValueId};
use crate::ops::{Op, Reduce, ReduceKind, Reshape, ReshapeDim};
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
}

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
        }
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
    pub(super) fn finish(self) -> Finished {
        let Scope { graph, known, updates, activities, .. } = self;
        Finished { graph: graph.into_graph(), known, updates, activities }
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
        self.updates.push((format!("{}/{role}", self.path), value));
    }

    /// In training, adds a penalty of a layer's output to the loss (Keras' `activity_regularizer`).
    pub fn penalize(&mut self, regularizer: &Option<Regularizer>, output: ValueId) {
        self.activities.extend(regularizer.filter(|_| self.mode == Mode::Training).map(|r| (r, output)));
    }

    /// Adds an op under the layer's name.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        self.graph.add(&self.path, op, inputs)
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
