//! A graph under construction whose types are always known.
//!
//! Layers and files leave dimensions open (the batch, mostly). Types are therefore inferred twice, for two guesses of the
//! open dimensions; whatever differs between the two depends on them. So every op's one shape rule serves open and
//! concrete shapes alike, and what does not fit is found the moment the op is added.

use std::fmt;
use std::sync::Arc;

use super::{Graph, Input, Types, ValueId};
use crate::error::Result;
use crate::ops::Op;
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// An open dimension is taken to be the first of these, and the second: of the batch, and of any other axis (which
/// must survive a backbone's strides and skip connections).
const GUESSES: [[usize; 2]; 2] = [[1, 2], [256, 320]];

impl Graph {
    /// Types of all values for two guesses of the dimensions that are open among these of the inputs: what differs between
    /// the two depends on them.
    #[cfg_attr(not(any(feature = "onnx", feature = "convert")), allow(dead_code))]
    pub(crate) fn guessed_types(&self, inputs: &[Vec<Option<usize>>]) -> Result<[Types; 2]> {
        let guess = |guess: usize| {
            let dim = |(axis, d): (usize, &Option<usize>)| d.unwrap_or(GUESSES[(axis > 0) as usize][guess]);
            let kind = |(input, dims): (&Input, &Vec<Option<usize>>)| {
                TensorType::new(input.dtype, dims.iter().enumerate().map(dim).collect::<Shape>())
            };
            self.infer(&self.inputs().iter().zip(inputs).map(kind).collect::<Vec<_>>())
        };
        Ok([guess(0)?, guess(1)?])
    }
}

/// Dimensions of a value, outermost first; `None` may be anything.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Dims(pub Vec<Option<usize>>);

impl Dims {
    /// Dimensions that are all known.
    pub fn known(dims: &[usize]) -> Dims {
        Dims(dims.iter().copied().map(Some).collect())
    }

    /// The shape, if nothing is open.
    pub fn shape(&self) -> Option<Shape> {
        self.0.iter().copied().collect::<Option<Vec<_>>>().map(Shape::from)
    }

    /// The channels: the last dimension, if it is known.
    pub fn channels(&self) -> Option<usize> {
        self.last().copied().flatten()
    }
}

impl std::ops::Deref for Dims {
    type Target = [Option<usize>];
    fn deref(&self) -> &[Option<usize>] {
        &self.0
    }
}

impl From<Vec<Option<usize>>> for Dims {
    fn from(dims: Vec<Option<usize>>) -> Dims {
        Dims(dims)
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = self.0.iter().map(|d| d.map_or("?".to_string(), |d| d.to_string()));
        write!(f, "[{}]", dims.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A [`Graph`] with the type of every value, under both guesses.
#[derive(Clone, Debug, Default)]
pub struct TypedGraph {
    graph: Graph,
    types: Vec<[TensorType; 2]>,
}

impl TypedGraph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an input.
    pub fn input(&mut self, name: impl Into<String>, dtype: DType, dims: &Dims) -> ValueId {
        self.declare(name.into(), dtype, dims)
    }

    fn declare(&mut self, name: String, dtype: DType, dims: &Dims) -> ValueId {
        let guess = |g: usize| {
            let dim = |(axis, d): (usize, &Option<usize>)| d.unwrap_or(GUESSES[(axis > 0) as usize][g]);
            TensorType::new(dtype, dims.iter().enumerate().map(dim).collect::<Shape>())
        };
        self.types.push([guess(0), guess(1)]);
        self.graph.input(name, dtype, dims.0.clone())
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: impl Into<String>, tensor: impl Into<Arc<Tensor>>) -> ValueId {
        self.hold(name.into(), tensor.into())
    }

    fn hold(&mut self, name: String, tensor: Arc<Tensor>) -> ValueId {
        self.types.push([tensor.kind(), tensor.kind()]);
        self.graph.constant(name, tensor)
    }

    /// Adds a variable.
    pub fn variable(&mut self, name: impl Into<String>, initial: impl Into<Arc<Tensor>>) -> ValueId {
        let initial = initial.into();
        self.types.push([initial.kind(), initial.kind()]);
        self.graph.variable(name, initial)
    }

    /// Adds a node and returns its outputs. Operands that do not fit are an error that names the node.
    pub fn push(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        self.push_node(name, op.into(), inputs)
    }

    fn push_node(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let infer = |guess: usize| {
            let operands: Vec<TensorType> = inputs.iter().map(|v| self.types[v.index()][guess].clone()).collect();
            op.operator().infer(&operands).map_err(|e| e.at(name))
        };
        let (first, second) = (infer(0)?, infer(1)?);
        let outputs = self.graph.push(name, op, inputs)?;
        self.types.extend(first.into_iter().zip(second).map(|(a, b)| [a, b]));
        Ok(outputs)
    }

    /// Adds a node with one output and returns that.
    pub fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        Ok(self.push_node(name, op.into(), inputs)?[0])
    }

    /// Lets no gradient through a value.
    pub fn detach(&mut self, value: ValueId) {
        self.graph.detach(value);
    }

    /// Marks a value as an output.
    pub fn output(&mut self, name: impl Into<String>, value: ValueId) {
        self.graph.output(name, value);
    }

    /// Dimensions of a value.
    pub fn dims(&self, value: ValueId) -> Dims {
        let [a, b] = &self.types[value.index()];
        a.shape.iter().zip(b.shape.iter()).map(|(a, b)| (a == b).then_some(*a)).collect::<Vec<_>>().into()
    }

    /// Element type of a value.
    pub fn dtype(&self, value: ValueId) -> DType {
        self.types[value.index()][0].dtype
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The finished graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv2d, Reduce, ReduceKind, Reshape};
    use crate::shape::Padding;

    #[test]
    fn open_dimensions_stay_open_as_far_as_they_reach() {
        let mut g = TypedGraph::new();
        let x = g.input("x", DType::F32, &vec![None, None, Some(9), Some(2)].into());
        let kernel = g.constant("kernel", Tensor::f32([3, 3, 2, 4], vec![0.0; 72]).unwrap());
        let conv = Conv2d { strides: [2, 2], padding: Padding::Same, ..Conv2d::default() };
        let y = g.add("conv", conv, &[x, kernel]).unwrap();
        assert_eq!(g.dims(y).to_string(), "[?, ?, 5, 4]");
        let pooled =
            g.add("pool", Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: false }, &[y]).unwrap();
        assert_eq!(g.dims(pooled), vec![None, Some(4)].into());
        let error = g.add("flat", Reshape::to(&[7]), &[pooled]).unwrap_err();
        assert_eq!(error.layer(), Some("flat"));
    }
}
