//! Reductions over any axes; over height and width they are Keras' global pools.

use super::index::{broadcast_strides, for_each_index, offset};
use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// How elements are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceKind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
}

/// Reduction of a float tensor over `axes` (negative ones count from the end; none means all).
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// How elements are combined.
    pub kind: ReduceKind,
    /// The axes; empty for all.
    pub axes: Vec<isize>,
    /// Reduced axes stay, with size 1.
    pub keep_dims: bool,
}

impl Reduce {
    /// For every input axis, whether it is reduced.
    pub fn mask(&self, shape: &Shape) -> Result<Vec<bool>> {
        let mut mask = vec![self.axes.is_empty(); shape.rank()];
        for &axis in &self.axes {
            mask[shape.axis(axis)?] = true;
        }
        Ok(mask)
    }
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "ReduceSum",
            ReduceKind::Mean => "ReduceMean",
            ReduceKind::Max => "ReduceMax",
            ReduceKind::Min => "ReduceMin",
            ReduceKind::Prod => "ReduceProd",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let shape = &inputs[0].shape;
        let mask = self.mask(shape)?;
        let kept = |(&d, &reduced): (&usize, &bool)| if !reduced { Some(d) } else { self.keep_dims.then_some(1) };
        Ok(vec![TensorType::f32(shape.iter().zip(&mask).filter_map(kept).collect::<Shape>())])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        inputs[0].shape.elements() as u64
    }
}

impl Reference for Reduce {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let source = inputs[0].shape();
        let mask = self.mask(source)?;
        // The result's strides under the input's dimensions: 0 along the reduced ones.
        let kept: Shape = source.iter().zip(&mask).map(|(&d, &reduced)| if reduced { 1 } else { d }).collect();
        let strides = broadcast_strides(&kept, source);
        let (start, combine): (f64, fn(f64, f64) -> f64) = match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => (0.0, |a, b| a + b),
            ReduceKind::Max => (f64::NEG_INFINITY, f64::max),
            ReduceKind::Min => (f64::INFINITY, f64::min),
            ReduceKind::Prod => (1.0, |a, b| a * b),
        };
        let mut out = vec![start; shape.elements()];
        let mut values = inputs[0].as_f32()?.iter();
        for_each_index(source, |index| {
            let slot = &mut out[offset(index, &strides)];
            *slot = combine(*slot, values.next().map_or(0.0, |&v| v as f64));
        });
        if self.kind == ReduceKind::Mean {
            let count: usize = source.iter().zip(&mask).filter(|(_, reduced)| **reduced).map(|(d, _)| d).product();
            out.iter_mut().for_each(|v| *v /= count as f64);
        }
        Ok(vec![Tensor::f32(shape, out.iter().map(|&v| v as f32).collect::<Vec<_>>())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_over_an_inner_and_an_outer_axis() {
        let x = Tensor::f32([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0]).unwrap();
        let reduce = |kind, axes: &[isize]| {
            let op = Reduce { kind, axes: axes.to_vec(), keep_dims: false };
            op.reference(&[&x]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        assert_eq!(reduce(ReduceKind::Sum, &[1]), [6.0, 16.0]);
        assert_eq!(reduce(ReduceKind::Mean, &[-2]), [2.5, 3.5, 5.0]);
        assert_eq!(reduce(ReduceKind::Max, &[0]), [4.0, 5.0, 7.0]);
        assert_eq!(reduce(ReduceKind::Min, &[]), [1.0]);
        assert_eq!(reduce(ReduceKind::Prod, &[0, 1]), [840.0]);
        let kept = Reduce { kind: ReduceKind::Sum, axes: vec![0], keep_dims: true }.reference(&[&x]).unwrap();
        assert_eq!(kept[0].shape().as_slice(), [1, 3]);
    }
}
