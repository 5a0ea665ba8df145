//! Shape arithmetic at import: operations on a handful of known numbers are evaluated, not recorded.

use super::{Guessed, Lowering, MAX_FOLDED};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Op, Reduce, ReduceKind, Reshape, ReshapeDim};
use crate::shape::Shape;
use crate::tensor::DType;

impl Lowering {
    /// The result of an operation on known numbers, if it is one that shape arithmetic is made of.
    pub(super) fn fold(&mut self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<Option<ValueId>> {
        let foldable = matches!(
            op,
            Op::Reshape(_) | Op::Cast(_) | Op::Binary(_) | Op::Slice(_) | Op::Concat(_) | Op::Gather(_) | Op::Reduce(_)
        );
        let small = |v: &ValueId| {
            self.shape(*v).elements() <= MAX_FOLDED && (self.tensor(*v).is_some() || self.known[v.index()].is_some())
        };
        if !foldable || inputs.is_empty() || !inputs.iter().all(small) {
            return Ok(None);
        }
        let operands = inputs.iter().map(|&v| self.numbers(v, "value")).collect::<Result<Vec<_>>>()?;
        let dtype = self.dtype(inputs[0]);
        if let Op::Reduce(reduce) = op {
            // Integer reductions exist only here: no backend has them.
            let Some(numbers) = fold_reduce(reduce, self.shape(inputs[0]), &operands[0]) else { return Ok(None) };
            let shape = if reduce.keep_dims { Shape::from([1]) } else { Shape::scalar() };
            return self.known(name, dtype, shape, numbers).map(Some);
        }
        let types: Vec<_> = inputs.iter().map(|v| self.types[v.index()][0].clone()).collect();
        let result = op.operator().infer(&types)?.swap_remove(0);
        let numbers = match op {
            Op::Reshape(_) => Some(operands[0].clone()),
            Op::Cast(cast) => fold_cast(cast.to, &operands[0]),
            Op::Binary(binary) => fold_binary(binary, dtype, &operands[0], &operands[1]),
            Op::Concat(_) if result.shape.rank() == 1 => Some(operands.concat()),
            Op::Slice(slice) if slice.axes.len() == 1 => {
                let (start, count) = slice.axes[0].resolve(operands[0].len())?;
                let at = |i: usize| operands[0][(start as isize + i as isize * slice.axes[0].step) as usize];
                Some((0..count).map(at).collect())
            }
            Op::Gather(_) if self.shape(inputs[0]).rank() == 1 => {
                let at = |&[a, b]: &Guessed<f64>| {
                    if a == b && a >= 0.0 { operands[0].get(a as usize).copied() } else { None }
                };
                operands[1].iter().map(at).collect()
            }
            _ => None,
        };
        // Operands that broadcast against each other would give more elements than either has.
        let numbers = numbers.filter(|numbers| numbers.len() == result.shape.elements());
        numbers.map(|numbers| self.known(name, result.dtype, result.shape, numbers)).transpose()
    }

    /// The dimensions of a value as an int32 vector.
    pub fn shape_of(&mut self, name: &str, value: ValueId) -> Result<ValueId> {
        let dims = self.dims(value);
        let numbers = dims.iter().map(|pair| pair.map(|n| n as f64)).collect();
        self.known(name, DType::I32, Shape::from([dims.len()]), numbers)
    }

    /// Reshapes to sizes that may depend on open dimensions; -1 is whatever is left.
    pub fn reshape(&mut self, name: &str, value: ValueId, target: &[Guessed<i64>]) -> Result<ValueId> {
        let source = self.dims(value);
        let mut inferred = target.contains(&[-1, -1]);
        let mut dims = Vec::with_capacity(target.len());
        for (i, &[a, b]) in target.iter().enumerate() {
            let copied = |axis: &usize| source.get(*axis).is_some_and(|&[x, y]| [x as i64, y as i64] == [a, b]);
            let copy = std::iter::once(i).chain(0..source.len()).find(copied);
            dims.push(match [a, b] {
                [-1, -1] => ReshapeDim::Infer,
                [a, b] if a < 0 || b < 0 => {
                    return Err(Error::invalid(format!("a reshape to a dimension of {a}")).at(name));
                }
                [a, b] if a == b => ReshapeDim::Size(a as usize),
                _ if copy.is_some() => ReshapeDim::Copy(copy.unwrap_or_default()),
                _ if !inferred => {
                    inferred = true;
                    ReshapeDim::Infer
                }
                _ => return Err(Error::unsupported("a reshape with several dimensions that are open").at(name)),
            });
        }
        self.add(name, Reshape { dims }, &[value])
    }
}

fn fold_cast(to: DType, numbers: &[Guessed<f64>]) -> Option<Vec<Guessed<f64>>> {
    match to {
        DType::F32 => Some(numbers.to_vec()),
        DType::I32 => Some(numbers.iter().map(|pair| pair.map(|n| n as i32 as f64)).collect()),
        DType::U8 => None,
    }
}

fn fold_reduce(reduce: &Reduce, shape: &Shape, numbers: &[Guessed<f64>]) -> Option<Vec<Guessed<f64>>> {
    if shape.rank() != 1 || numbers.is_empty() || !matches!(reduce.axes[..], [] | [0] | [-1]) {
        return None;
    }
    let combine: fn(f64, f64) -> f64 = match reduce.kind {
        ReduceKind::Sum => |a, b| a + b,
        ReduceKind::Prod => |a, b| a * b,
        ReduceKind::Max => f64::max,
        ReduceKind::Min => f64::min,
        ReduceKind::Mean => return None,
    };
    let pairs = numbers.iter().copied();
    pairs.reduce(|a, b| [combine(a[0], b[0]), combine(a[1], b[1])]).map(|pair| vec![pair])
}

fn fold_binary(op: &Binary, dtype: DType, a: &[Guessed<f64>], b: &[Guessed<f64>]) -> Option<Vec<Guessed<f64>>> {
    if op.activation.is_some() || !(a.len() == b.len() || a.len() == 1 || b.len() == 1) || a.is_empty() || b.is_empty()
    {
        return None;
    }
    let integers = dtype == DType::I32;
    let compute = |x: f64, y: f64| {
        let result = match op.kind {
            BinaryKind::Add => x + y,
            BinaryKind::Sub => x - y,
            BinaryKind::Mul => x * y,
            BinaryKind::Div | BinaryKind::FloorDiv | BinaryKind::FloorMod if integers && y == 0.0 => return None,
            BinaryKind::Div if integers => (x / y).trunc(),
            BinaryKind::Div => x / y,
            BinaryKind::FloorDiv => (x / y).floor(),
            BinaryKind::FloorMod => x - (x / y).floor() * y,
            BinaryKind::Maximum => x.max(y),
            BinaryKind::Minimum => x.min(y),
            _ => return None,
        };
        // As the tensors would hold it; integers that overflow are left to the backends.
        if integers { (result.abs() <= i32::MAX as f64).then_some(result) } else { Some(result as f32 as f64) }
    };
    let at = |list: &[Guessed<f64>], i: usize| list[if list.len() == 1 { 0 } else { i }];
    (0..a.len().max(b.len()))
        .map(|i| {
            let (x, y) = (at(a, i), at(b, i));
            Some([compute(x[0], y[0])?, compute(x[1], y[1])?])
        })
        .collect()
}
