//! Matrix products; a dense layer is one with a constant rank-2 right operand.

use super::{Epilogue, Operator};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// `a [..., m, k] x b [..., k, n]`, leading dimensions broadcast, with a fused epilogue (bias `[n]`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MatMul {
    /// `a` is stored `[..., k, m]`.
    pub transpose_a: bool,
    /// `b` is stored `[..., n, k]`.
    pub transpose_b: bool,
    /// Bias, residual, activation.
    pub epilogue: Epilogue,
}

impl MatMul {
    /// `(batch shape, m, k, n)` for these operand shapes.
    pub fn sizes(&self, a: &Shape, b: &Shape) -> Result<(Shape, usize, usize, usize)> {
        let split = |s: &Shape, transposed: bool| match &s[..] {
            [batch @ .., r, c] => Ok((Shape::from(batch), if transposed { [*c, *r] } else { [*r, *c] })),
            _ => Err(Error::mismatch("a matrix product needs matrices", "rank 2 or more", s)),
        };
        let (batch_a, [m, k]) = split(a, self.transpose_a)?;
        let (batch_b, [kb, n]) = split(b, self.transpose_b)?;
        if k != kb {
            return Err(Error::mismatch("the inner dimensions differ", k, kb));
        }
        Ok((batch_a.broadcast(&batch_b)?, m, k, n))
    }
}

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        let [a, b, ..] = inputs else {
            return Err(Error::mismatch("wrong number of inputs", "at least 2", inputs.len()));
        };
        let (batch, m, _, n) = self.sizes(&a.shape, &b.shape)?;
        let shape = Shape::checked(batch.iter().copied().chain([m, n]).collect::<Shape>())?;
        self.epilogue.check(inputs, &shape)?;
        Ok(vec![TensorType::f32(shape)])
    }

    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        let k = self.sizes(&inputs[0].shape, &inputs[1].shape).map_or(0, |(_, _, k, _)| k);
        2 * outputs[0].shape.elements() as u64 * k as u64
    }
}
