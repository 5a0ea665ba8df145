//! Writing arithmetic into a graph: names, scalars and shapes with unknown dimensions in one place.

use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::ops::{Binary, BinaryKind, Cast, Concat, Gather, Op, Reduce, ReduceKind, Reshape, ReshapeDim, Unary};
use crate::tensor::{DType, Tensor, TensorType};

/// A value with what is known of its type before the graph is compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// The value.
    pub value: ValueId,
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions; `None` is known only when the graph is compiled.
    pub dims: Vec<Option<usize>>,
}

/// Sizes tried for unknown dimensions: what differs between them is unknown. Large enough for deep networks, and with
/// many divisors, so that pools and reshapes work out.
const PROBES: [usize; 2] = [192, 288];

impl Operand {
    /// A value of a graph, its dimensions found by shape inference.
    pub fn of(graph: &Graph, value: ValueId) -> Result<Operand> {
        if let Some(input) = graph.inputs().iter().find(|i| i.value == value) {
            return Ok(Operand { value, dtype: input.dtype, dims: input.dims.clone() });
        }
        let probe = |size: usize| -> Result<TensorType> {
            let known = |d: &Option<usize>| d.unwrap_or(size);
            let kinds =
                graph.inputs().iter().map(|i| TensorType::new(i.dtype, i.dims.iter().map(known).collect::<Vec<_>>()));
            Ok(graph.infer(&kinds.collect::<Vec<_>>())?[value].clone())
        };
        let [a, b] = [probe(PROBES[0])?, probe(PROBES[1])?];
        let dims = a.shape.iter().zip(b.shape.iter()).map(|(&x, &y)| (x == y).then_some(x)).collect();
        Ok(Operand { value, dtype: a.dtype, dims })
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The size of the last dimension, if there is one and it is known.
    pub fn last(&self) -> Option<usize> {
        self.dims.last().copied().flatten()
    }

    /// An axis that may count from the end, as an index.
    pub fn axis(&self, axis: isize) -> Result<usize> {
        let rank = self.rank() as isize;
        if (-rank..rank).contains(&axis) {
            Ok(axis.rem_euclid(rank) as usize)
        } else {
            Err(Error::mismatch("axis out of range", format!("an axis in {}..{rank}", -rank), axis))
        }
    }
}

/// Adds nodes to a graph under one name.
pub(crate) struct Expr<'a> {
    pub graph: &'a mut Graph,
    name: &'a str,
}

impl<'a> Expr<'a> {
    pub fn new(graph: &'a mut Graph, name: &'a str) -> Self {
        Expr { graph, name }
    }

    pub fn op(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId> {
        self.graph.add(self.name, op, inputs)
    }

    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.graph.constant(self.name, tensor)
    }

    pub fn scalar(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    pub fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.op(Binary::new(kind).into(), &[a, b])
    }
    pub fn add(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Add, a, b)
    }
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Sub, a, b)
    }
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Mul, a, b)
    }
    pub fn div(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Div, a, b)
    }
    pub fn maximum(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Maximum, a, b)
    }
    pub fn minimum(&mut self, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.binary(BinaryKind::Minimum, a, b)
    }

    /// `x * factor`; `x` itself for 1.
    pub fn scale(&mut self, x: ValueId, factor: f32) -> Result<ValueId> {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.scalar(factor);
        self.mul(x, factor)
    }

    /// `x + amount`; `x` itself for 0.
    pub fn offset(&mut self, x: ValueId, amount: f32) -> Result<ValueId> {
        if amount == 0.0 {
            return Ok(x);
        }
        let amount = self.scalar(amount);
        self.add(x, amount)
    }

    /// `1 - x`.
    pub fn complement(&mut self, x: ValueId) -> Result<ValueId> {
        let one = self.scalar(1.0);
        self.sub(one, x)
    }

    /// The smaller of `x` and a number, or the larger; at a tie the gradient goes to `x`, as in TensorFlow.
    pub fn at_least(&mut self, x: ValueId, limit: f32) -> Result<ValueId> {
        let limit = self.scalar(limit);
        self.maximum(x, limit)
    }

    pub fn unary(&mut self, f: Unary, x: ValueId) -> Result<ValueId> {
        self.op(f.into(), &[x])
    }

    pub fn clip(&mut self, x: ValueId, min: f32, max: f32) -> Result<ValueId> {
        self.unary(Unary::Clip { min, max }, x)
    }

    pub fn reduce(&mut self, kind: ReduceKind, x: ValueId, axes: &[isize], keep_dims: bool) -> Result<ValueId> {
        self.op(Reduce { kind, axes: axes.to_vec(), keep_dims }.into(), &[x])
    }
    /// The sum over these axes, all of them if there are none.
    pub fn sum(&mut self, x: ValueId, axes: &[isize]) -> Result<ValueId> {
        self.reduce(ReduceKind::Sum, x, axes, false)
    }
    /// The mean over these axes, all of them if there are none.
    pub fn mean(&mut self, x: ValueId, axes: &[isize]) -> Result<ValueId> {
        self.reduce(ReduceKind::Mean, x, axes, false)
    }

    pub fn cast(&mut self, x: &Operand, to: DType) -> Result<ValueId> {
        if x.dtype == to { Ok(x.value) } else { self.op(Cast { to }.into(), &[x.value]) }
    }

    /// A comparison as float32 0 or 1.
    pub fn test(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId> {
        let truth = self.binary(kind, a, b)?;
        self.op(Cast { to: DType::F32 }.into(), &[truth])
    }

    /// `new`, or `old` unless the scalar `broken` is 0. Exact, whatever `new` holds: nothing is computed with it.
    pub fn unless(&mut self, broken: ValueId, old: ValueId, new: ValueId, shape: &[usize]) -> Result<ValueId> {
        let zero = self.scalar(0.0);
        let whole = self.binary(BinaryKind::Equal, broken, zero)?;
        let choice = self.op(Cast { to: DType::I32 }.into(), &[whole])?;
        let row = Reshape { dims: vec![ReshapeDim::Size(1), ReshapeDim::Size(shape.iter().product())] };
        let rows = [self.op(row.clone().into(), &[old])?, self.op(row.into(), &[new])?];
        let both = self.op(Concat { axis: 0 }.into(), &rows)?;
        let chosen = self.op(Gather { axis: 0 }.into(), &[both, choice])?;
        self.op(Reshape { dims: shape.iter().map(|&n| ReshapeDim::Size(n)).collect() }.into(), &[chosen])
    }

    /// Adds an axis of size 1 at the end.
    pub fn expand(&mut self, x: &Operand) -> Result<Operand> {
        let dims = (0..x.rank()).map(ReshapeDim::Copy).chain([ReshapeDim::Size(1)]).collect();
        let value = self.op(Reshape { dims }.into(), &[x.value])?;
        Ok(Operand { value, dtype: x.dtype, dims: x.dims.iter().copied().chain([Some(1)]).collect() })
    }

    /// Drops an axis of size 1.
    pub fn squeeze(&mut self, x: &Operand, axis: usize) -> Result<Operand> {
        let kept = || (0..x.rank()).filter(|&i| i != axis);
        let value = self.op(Reshape { dims: kept().map(ReshapeDim::Copy).collect() }.into(), &[x.value])?;
        Ok(Operand { value, dtype: x.dtype, dims: kept().map(|i| x.dims[i]).collect() })
    }

    /// Keras' `squeeze_or_expand_to_same_rank`: where the ranks differ by one and the last axis of the larger has size 1,
    /// that is dropped, or the smaller one gets it too if it is a vector.
    pub fn same_rank(&mut self, a: &Operand, b: &Operand) -> Result<(Operand, Operand)> {
        let single = |x: &Operand| x.last() == Some(1);
        if a.rank() == b.rank() + 1 && single(a) {
            return Ok(match b.rank() {
                1 => (a.clone(), self.expand(b)?),
                _ => (self.squeeze(a, a.rank() - 1)?, b.clone()),
            });
        }
        if b.rank() == a.rank() + 1 && single(b) {
            return Ok(match a.rank() {
                1 => (self.expand(a)?, b.clone()),
                _ => (a.clone(), self.squeeze(b, b.rank() - 1)?),
            });
        }
        Ok((a.clone(), b.clone()))
    }
}
