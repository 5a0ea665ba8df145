//! Matrix products; a dense layer is one with a constant rank-2 right operand.

use super::conv::Finish;
use super::index::{broadcast_strides, for_each_index, offset};
use super::{Epilogue, Operator, Reference};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, TensorType};

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

impl Reference for MatMul {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let (batch, m, k, n) = self.sizes(inputs[0].shape(), inputs[1].shape())?;
        let (a, b, finish) = (inputs[0].as_f32()?, inputs[1].as_f32()?, Finish::new(&self.epilogue, inputs)?);
        let [strides_a, strides_b] = [inputs[0], inputs[1]].map(|t| {
            let leading = Shape::from(&t.shape()[..t.shape().rank() - 2]);
            broadcast_strides(&leading, &batch)
        });
        // Steps along rows of the result, or its columns, and along the sum.
        let (a_row, a_sum) = if self.transpose_a { (1, m) } else { (k, 1) };
        let (b_sum, b_col) = if self.transpose_b { (1, k) } else { (n, 1) };
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&batch, |index| {
            let (a, b) = (&a[offset(index, &strides_a) * m * k..], &b[offset(index, &strides_b) * k * n..]);
            for i in 0..m {
                for j in 0..n {
                    let product = |l| a[i * a_row + l * a_sum] as f64 * b[l * b_sum + j * b_col] as f64;
                    out.push(finish.apply((0..k).map(product).sum(), out.len(), n));
                }
            }
        });
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Unary;

    #[test]
    fn transposed_operands_give_the_same_product() {
        let a = Tensor::f32([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let b = Tensor::f32([3, 2], vec![7.0, 8.0, 9.0, 10.0, 11.0, 12.0]).unwrap();
        let want = Tensor::f32([2, 2], vec![58.0, 64.0, 139.0, 154.0]).unwrap();
        let at = Tensor::f32([3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]).unwrap();
        let bt = Tensor::f32([2, 3], vec![7.0, 9.0, 11.0, 8.0, 10.0, 12.0]).unwrap();
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
            let op = MatMul { transpose_a, transpose_b, ..Default::default() };
            let operands = [if transpose_a { &at } else { &a }, if transpose_b { &bt } else { &b }];
            assert_eq!(op.reference(&operands).unwrap()[0], want);
        }
    }

    #[test]
    fn epilogues_add_before_they_activate() {
        let a = Tensor::f32([1, 1], vec![2.0]).unwrap();
        let b = Tensor::f32([1, 2], vec![1.0, -1.0]).unwrap();
        let bias = Tensor::f32([2], vec![1.0, -1.0]).unwrap();
        let residual = Tensor::f32([1, 2], vec![4.0, 1.5]).unwrap();
        let epilogue = Epilogue { bias: true, residual: true, activation: Some(Unary::Relu6) };
        let op = MatMul { epilogue, ..Default::default() };
        assert_eq!(op.reference(&[&a, &b, &bias, &residual]).unwrap()[0].as_f32().unwrap(), [6.0, 0.0]);
    }

    #[test]
    fn batches_broadcast() {
        let a = Tensor::f32([2, 1, 1], vec![2.0, 3.0]).unwrap();
        let b = Tensor::f32([1, 3, 1, 1], vec![1.0, 10.0, 100.0]);
        assert!(MatMul::default().reference(&[&a, b.as_ref().unwrap()]).is_err(), "2 and 3 do not broadcast");
        let b = b.unwrap().reshape([3, 1, 1, 1]).unwrap();
        let y = MatMul::default().reference(&[&a, &b]).unwrap().remove(0);
        assert_eq!(y, Tensor::f32([3, 2, 1, 1], vec![2.0, 3.0, 20.0, 30.0, 200.0, 300.0]).unwrap());
    }
}
