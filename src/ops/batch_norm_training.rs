//! Batch normalisation while training: the batch's own statistics, and the gradient through them.

use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

/// Mean and biased variance of every channel: `x [..., c]` to `mean [c], variance [c]`.
///
/// The variance is the mean of squared distances from the mean, taken in a second pass: the difference of two large sums
/// would be mostly rounding where the mean is large.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormStatistics;

/// Gradient of `(x - mean) * inverse * gamma + beta` where `mean` and `inverse`, the inverse standard deviation
/// `1 / sqrt(variance + epsilon)`, are of the batch itself.
///
/// `x [..., c], dy [..., c], mean [c], inverse [c], gamma [c]` to `dx [..., c], dgamma [c], dbeta [c]`. With
/// `xhat = (x - mean) * inverse` over `n` elements of a channel:
///
/// `dbeta = sum(dy)`, `dgamma = sum(dy * xhat)`, `dx = gamma * inverse * (dy - dbeta / n - xhat * dgamma / n)`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormBackward;

/// Checks that there is an element of every channel; the number of channels.
fn channels(x: &Shape) -> Result<usize> {
    match x.split_last() {
        Some((&channels, rows)) if rows.iter().all(|&n| n > 0) => Ok(channels),
        _ => Err(Error::mismatch("a batch's statistics need elements", "at least one element of each channel", x)),
    }
}

/// Float64 sums over all elements of each channel.
fn sums(count: usize, channels: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    (0..count).for_each(|i| sums[i % channels] += value(i));
    sums
}

fn rounded(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

impl Operator for BatchNormStatistics {
    fn name(&self) -> &'static str {
        "BatchNormStatistics"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let statistic = TensorType::f32([channels(&inputs[0].shape)?]);
        Ok(vec![statistic.clone(), statistic])
    }

    fn outputs(&self) -> usize {
        2
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        4 * inputs[0].shape.elements() as u64
    }
}

impl Reference for BatchNormStatistics {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let channels = self.output_shape(inputs)?[0];
        let x = inputs[0].as_f32()?;
        let rows = (x.len() / channels.max(1)) as f64;
        let mean: Vec<f64> = sums(x.len(), channels, |i| x[i] as f64).iter().map(|s| s / rows).collect();
        let squares = sums(x.len(), channels, |i| (x[i] as f64 - mean[i % channels]).powi(2));
        let variance: Vec<f64> = squares.iter().map(|s| s / rows).collect();
        Ok(vec![Tensor::f32([channels], rounded(&mean))?, Tensor::f32([channels], rounded(&variance))?])
    }
}

impl Operator for BatchNormBackward {
    fn name(&self) -> &'static str {
        "BatchNormBackward"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 5)?;
        for i in 0..5 {
            expect_dtype(inputs, i, DType::F32)?;
        }
        let statistic = TensorType::f32([channels(&inputs[0].shape)?]);
        if inputs[1] != inputs[0] {
            return Err(Error::mismatch("the gradient does not fit the input", &inputs[0], &inputs[1]));
        }
        if let Some(wrong) = inputs[2..].iter().find(|t| **t != statistic) {
            return Err(Error::mismatch("the statistics do not fit the channels", statistic, wrong));
        }
        Ok(vec![inputs[0].clone(), statistic.clone(), statistic])
    }

    fn outputs(&self) -> usize {
        3
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        9 * inputs[0].shape.elements() as u64
    }
}

impl Reference for BatchNormBackward {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let slices = inputs.iter().map(|t| t.as_f32()).collect::<Result<Vec<_>>>()?;
        let [x, dy, mean, inverse, gamma] = slices[..] else { unreachable!("the shape rule wants five") };
        let channels = mean.len();
        let rows = (x.len() / channels.max(1)) as f64;
        let normalised = |i: usize| (x[i] as f64 - mean[i % channels] as f64) * inverse[i % channels] as f64;
        let dbeta = sums(x.len(), channels, |i| dy[i] as f64);
        let dgamma = sums(x.len(), channels, |i| dy[i] as f64 * normalised(i));
        let dx = (0..x.len()).map(|i| {
            let c = i % channels;
            let through = dy[i] as f64 - dbeta[c] / rows - normalised(i) * dgamma[c] / rows;
            (gamma[c] as f64 * inverse[c] as f64 * through) as f32
        });
        let dx = Tensor::f32(shape, dx.collect::<Vec<_>>())?;
        Ok(vec![dx, Tensor::f32([channels], rounded(&dgamma))?, Tensor::f32([channels], rounded(&dbeta))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_by_hand() {
        let x = Tensor::f32([2, 2, 2], vec![1.0, 1e6, 2.0, 1e6 + 1.0, 3.0, 1e6 + 2.0, 6.0, 1e6 + 5.0]).unwrap();
        let [mean, variance] = BatchNormStatistics.reference(&[&x]).unwrap().try_into().unwrap();
        assert_eq!(mean.as_f32().unwrap(), [3.0, 1e6 + 2.0]);
        assert_eq!(variance.as_f32().unwrap(), [3.5, 3.5]);
        assert!(BatchNormStatistics.infer(&[TensorType::f32([0, 3])]).is_err(), "there is no mean of nothing");
    }
}
