//! Softmax and batch normalisation in inference form.

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, TensorType};

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
