//! Reductions over any axes; over height and width they are Keras' global pools.

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{DType, TensorType};

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
