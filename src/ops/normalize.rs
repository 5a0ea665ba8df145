//! Softmax, its logarithm, and batch normalisation in inference form.

use super::index::lines;
use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// `exp(x - max) / sum(exp(x - max))` along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// The axis; negative ones count from the end.
    pub axis: isize,
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        "Softmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        inputs[0].shape.axis(self.axis)?;
        Ok(inputs.to_vec())
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        4 * inputs[0].shape.elements() as u64
    }
}

impl Reference for Softmax {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let x = inputs[0].as_f32()?;
        let axis = shape.axis(self.axis)?;
        let (n, step) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut out = vec![0.0; x.len()];
        for line in lines(&shape, axis) {
            let at = |i: usize| line + i * step;
            let max = (0..n).map(|i| x[at(i)] as f64).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..n).map(|i| (x[at(i)] as f64 - max).exp()).sum();
            (0..n).for_each(|i| out[at(i)] = ((x[at(i)] as f64 - max).exp() / sum) as f32);
        }
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

/// `x - max - ln(sum(exp(x - max)))` along one axis: the logarithm of [`Softmax`], exact where that would round to 0.
///
/// What a cross-entropy from logits is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSoftmax {
    /// The axis; negative ones count from the end.
    pub axis: isize,
}

impl Operator for LogSoftmax {
    fn name(&self) -> &'static str {
        "LogSoftmax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        Softmax { axis: self.axis }.infer(inputs)
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        4 * inputs[0].shape.elements() as u64
    }
}

impl Reference for LogSoftmax {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let x = inputs[0].as_f32()?;
        let axis = shape.axis(self.axis)?;
        let (n, step) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut out = vec![0.0; x.len()];
        for line in lines(&shape, axis) {
            let at = |i: usize| line + i * step;
            let max = (0..n).map(|i| x[at(i)] as f64).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..n).map(|i| (x[at(i)] as f64 - max).exp()).sum();
            (0..n).for_each(|i| out[at(i)] = (x[at(i)] as f64 - max - sum.ln()) as f32);
        }
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the last axis, statistics given.
///
/// Inputs: `x [..., c]`, then `gamma`, `beta`, `mean`, `variance`, each `[c]`. Passes fold it into a preceding
/// convolution or turn it into a product and a sum; no backend sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance; Keras' default is 1e-3.
    pub epsilon: f32,
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "BatchNorm"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 5)?;
        for i in 0..5 {
            expect_dtype(inputs, i, DType::F32)?;
        }
        let Some(&channels) = inputs[0].shape.last() else {
            return Err(Error::mismatch("batch normalisation needs channels", "rank 1 or more", &inputs[0].shape));
        };
        for input in &inputs[1..] {
            if *input.shape != [channels] {
                return Err(Error::mismatch(
                    "the statistics do not fit the channels",
                    Shape::from([channels]),
                    &input.shape,
                ));
            }
        }
        Ok(vec![inputs[0].clone()])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        2 * inputs[0].shape.elements() as u64
    }
}

impl Reference for BatchNorm {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let slices = inputs.iter().map(|t| t.as_f32()).collect::<Result<Vec<_>>>()?;
        let [x, gamma, beta, mean, variance] = slices[..] else { unreachable!("the shape rule wants five") };
        let normalise = |(i, &x): (usize, &f32)| {
            let c = i % gamma.len();
            let scale = gamma[c] as f64 / (variance[c] as f64 + self.epsilon as f64).sqrt();
            ((x as f64 - mean[c] as f64) * scale + beta[c] as f64) as f32
        };
        Ok(vec![Tensor::f32(shape, x.iter().enumerate().map(normalise).collect::<Vec<_>>())?])
    }
}
