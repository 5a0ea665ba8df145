//! Gradients of functions of one value.

use super::{Operator, Reference, Unary, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, TensorType};

/// What a function's derivative is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The function's operand.
    Input,
    /// The function's result, which the next layer keeps anyhow; so the operand's memory is free, or never written where
    /// the function is an epilogue.
    Output,
}

/// Gradient of a [`Unary`]: `saved, dy` of one shape to `derivative * dy`. `saved` is what [`Unary::saved`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnaryBackward {
    /// The function.
    pub of: Unary,
}

/// `scale` and `scale * alpha` of SELU.
const SELU: [f64; 2] = [1.0507009873554805, 1.7580993408473766];

impl Unary {
    /// What the derivative is computed from; `None` if it is 0 wherever there is one.
    pub fn saved(self) -> Option<Saved> {
        match self {
            Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => None,
            Unary::Relu
            | Unary::Relu6
            | Unary::Selu
            | Unary::Sigmoid
            | Unary::HardSigmoid { .. }
            | Unary::Tanh
            | Unary::Exp
            | Unary::Sqrt
            | Unary::Rsqrt
            | Unary::Reciprocal => Some(Saved::Output),
            // The result's sign tells the operand's, unless the slope turns it around.
            Unary::LeakyRelu { alpha } | Unary::Elu { alpha } if alpha >= 0.0 => Some(Saved::Output),
            // A clipped value does not tell whether it was on the bound before, where the gradient still passes.
            Unary::LeakyRelu { .. }
            | Unary::Elu { .. }
            | Unary::HardSwish
            | Unary::Swish
            | Unary::Gelu { .. }
            | Unary::Clip { .. }
            | Unary::Softplus
            | Unary::Softsign
            | Unary::Mish
            | Unary::LogSigmoid
            | Unary::Celu { .. }
            | Unary::ThresholdedRelu { .. }
            | Unary::Shrink { .. }
            | Unary::TanhShrink
            | Unary::Squareplus { .. }
            | Unary::SparsePlus
            | Unary::Erf
            | Unary::Sin
            | Unary::Cos
            | Unary::Tan
            | Unary::Asin
            | Unary::Acos
            | Unary::Atan
            | Unary::Sinh
            | Unary::Cosh
            | Unary::Asinh
            | Unary::Acosh
            | Unary::Atanh
            | Unary::Log
            | Unary::Square
            | Unary::Neg
            | Unary::Abs => Some(Saved::Input),
        }
    }

    /// The derivative, from what was saved, in double precision. At kinks it is Keras': ReLU 0, ReLU6 0 on both sides,
    /// leaky ReLU its slope, ELU `alpha`, SELU its scale, clip 1 on the bounds, the absolute value 0.
    pub fn derivative(self, v: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let flag = |on: bool| on as u8 as f64;
        match self {
            Unary::Relu => flag(v > 0.0),
            Unary::Relu6 => flag(v > 0.0 && v < 6.0),
            Unary::LeakyRelu { alpha } => {
                if v > 0.0 {
                    1.0
                } else {
                    alpha as f64
                }
            }
            Unary::Elu { alpha } => {
                let alpha = alpha as f64;
                match v > 0.0 {
                    true => 1.0,
                    false if alpha >= 0.0 => v + alpha,
                    false => alpha * v.exp(),
                }
            }
            Unary::Selu => {
                if v < 0.0 {
                    v + SELU[1]
                } else {
                    SELU[0]
                }
            }
            Unary::Sigmoid => v * (1.0 - v),
            Unary::HardSigmoid { alpha, .. } => alpha as f64 * flag(v > 0.0 && v < 1.0),
            Unary::HardSwish => match v {
                v if v <= -3.0 => 0.0,
                v if v >= 3.0 => 1.0,
                v => v / 3.0 + 0.5,
            },
            Unary::Swish => sigmoid(v) * (1.0 + v * sigmoid(-v)),
            Unary::Tanh => 1.0 - v * v,
            Unary::Gelu { approximate: true } => {
                // With u the tangent's operand: (1 + tanh u) / 2 is sigmoid(2 u), and 1 - tanh^2 u is
                // 4 sigmoid(2 u) sigmoid(-2 u), neither a difference of what is nearly equal.
                let scale = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
                let twice = scale * (v + 0.044715 * v.powi(3));
                sigmoid(twice) * (1.0 + v * sigmoid(-twice) * scale * (1.0 + 3.0 * 0.044715 * v * v))
            }
            // The normal distribution, and v times its density.
            Unary::Gelu { approximate: false } => {
                let density = (-0.5 * v * v).exp() / (2.0 * std::f64::consts::PI).sqrt();
                // gelu(v) = v * distribution(v), but for 0.
                let distribution = if v == 0.0 { 0.5 } else { self.eval(v) / v };
                distribution + v * density
            }
            Unary::Clip { min, max } => flag(v >= min as f64 && v <= max as f64),
            Unary::Softplus => sigmoid(v),
            Unary::Softsign => (1.0 + v.abs()).powi(-2),
            Unary::Mish => {
                let t = Unary::Softplus.eval(v).tanh();
                t + v * sigmoid(v) * (1.0 - t * t)
            }
            Unary::LogSigmoid => sigmoid(-v),
            Unary::Celu { alpha } => (v.min(0.0) / alpha as f64).exp(),
            Unary::ThresholdedRelu { theta } => flag(v > theta as f64),
            Unary::Shrink { threshold, .. } => flag(v.abs() > threshold as f64),
            Unary::TanhShrink => v.tanh().powi(2),
            Unary::Squareplus { b } => 0.5 + 0.5 * v / (v * v + b as f64).sqrt(),
            Unary::SparsePlus => (0.5 * (v + 1.0)).clamp(0.0, 1.0),
            Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * (-v * v).exp(),
            Unary::Sin => v.cos(),
            Unary::Cos => -v.sin(),
            Unary::Tan => v.cos().powi(-2),
            Unary::Asin => 1.0 / ((1.0 - v) * (1.0 + v)).sqrt(),
            Unary::Acos => -1.0 / ((1.0 - v) * (1.0 + v)).sqrt(),
            Unary::Atan => 1.0 / (1.0 + v * v),
            Unary::Sinh => Unary::Cosh.eval(v),
            Unary::Cosh => Unary::Sinh.eval(v),
            Unary::Asinh => 1.0 / (v * v + 1.0).sqrt(),
            Unary::Acosh => 1.0 / ((v - 1.0) * (v + 1.0)).sqrt(),
            Unary::Atanh => 1.0 / ((1.0 - v) * (1.0 + v)),
            Unary::Exp => v,
            Unary::Log => 1.0 / v,
            Unary::Sqrt => 0.5 / v,
            Unary::Rsqrt => -0.5 * v * v * v,
            Unary::Square => 2.0 * v,
            Unary::Reciprocal => -v * v,
            Unary::Neg => -1.0,
            Unary::Abs => Unary::Sign.eval(v),
            Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => 0.0,
        }
    }
}

impl Operator for UnaryBackward {
    fn name(&self) -> &'static str {
        "UnaryBackward"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 0, DType::F32)?;
        if inputs[0] != inputs[1] {
            return Err(Error::mismatch("the gradient does not fit the function's value", &inputs[0], &inputs[1]));
        }
        if self.of.saved().is_none() {
            return Err(Error::invalid(format!("{} has no gradient to pass on", self.of.name())));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        2 * inputs[0].shape.elements() as u64
    }
}

impl Reference for UnaryBackward {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let (saved, dy) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let product = |(&v, &g): (&f32, &f32)| {
            let slope = self.of.derivative(v as f64);
            // Nothing comes through a flat place, not even an infinite gradient.
            if slope == 0.0 { 0.0 } else { (slope * g as f64) as f32 }
        };
        Ok(vec![Tensor::f32(shape, saved.iter().zip(dy).map(product).collect::<Vec<_>>())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_the_slopes_of_the_functions() {
        for f in Unary::EVERY.into_iter().filter(|f| f.saved().is_some()) {
            // Away from every kink, inside every domain.
            let points = match f {
                Unary::Acosh => [1.3, 1.7, 4.1],
                Unary::Log | Unary::Sqrt | Unary::Rsqrt => [0.3, 0.7, 4.1],
                Unary::Asin | Unary::Acos | Unary::Atanh => [-0.7, 0.3, 0.6],
                _ => [-0.7, 0.3, 1.6],
            };
            for x in points {
                let step = 1e-6;
                let slope = (f.eval(x + step) - f.eval(x - step)) / (2.0 * step);
                let got = f.derivative(if f.saved() == Some(Saved::Output) { f.eval(x) } else { x });
                assert!((got - slope).abs() < 1e-7 * slope.abs().max(1.0), "{f:?} at {x}: {got}, not {slope}");
            }
        }
    }

    #[test]
    fn kinks_are_keras() {
        let at = |f: Unary, x: f64| f.derivative(if f.saved() == Some(Saved::Output) { f.eval(x) } else { x });
        for (f, x, want) in [
            (Unary::Relu, 0.0, 0.0),
            (Unary::Relu6, 0.0, 0.0),
            (Unary::Relu6, 6.0, 0.0),
            (Unary::LeakyRelu { alpha: 0.25 }, 0.0, 0.25),
            (Unary::LeakyRelu { alpha: -0.25 }, 0.0, -0.25),
            (Unary::LeakyRelu { alpha: 0.0 }, -1.0, 0.0),
            (Unary::Elu { alpha: 1.0 }, 0.0, 1.0),
            (Unary::Elu { alpha: 0.0 }, -3.0, 0.0),
            (Unary::Selu, 0.0, SELU[0]),
            (Unary::Clip { min: -1.0, max: 2.0 }, 2.0, 1.0),
            (Unary::Clip { min: -1.0, max: 2.0 }, -1.0, 1.0),
            (Unary::HardSwish, 3.0, 1.0),
            (Unary::HardSwish, -3.0, 0.0),
            (Unary::Abs, 0.0, 0.0),
            (Unary::Gelu { approximate: false }, 0.0, 0.5),
        ] {
            assert_eq!(at(f, x), want, "{f:?} at {x}");
        }
    }
}
