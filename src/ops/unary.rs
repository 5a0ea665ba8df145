//! Functions of one value: activations and what networks are written with.
//!
//! Further ones are two of these: `hard_tanh` is [`Unary::Clip`], `sparse_sigmoid` a [`Unary::HardSigmoid`], a test for NaN
//! the comparison of a value with itself.

use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::Result;
use crate::tensor::{DType, Tensor, TensorType};

/// A function of one float, element by element. Any of them can be a fused epilogue's activation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Unary {
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` if positive, else `alpha * x`.
    LeakyRelu {
        alpha: f32,
    },
    /// `x` if positive, else `alpha * (e^x - 1)`.
    Elu {
        alpha: f32,
    },
    /// Scaled ELU, Klambauer et al. 2017.
    Selu,
    Sigmoid,
    /// `clip(alpha * x + beta, 0, 1)`; Keras 3: 1/6 and 1/2, Keras 2 and ONNX: 0.2 and 0.5.
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    /// `x * relu6(x + 3) / 6`, Howard et al. 2019.
    HardSwish,
    /// `x * sigmoid(x)` (SiLU).
    Swish,
    Tanh,
    /// Gaussian error linear unit; `approximate` is the tanh form.
    Gelu {
        approximate: bool,
    },
    /// `min(max(x, min), max)`.
    Clip {
        min: f32,
        max: f32,
    },
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x * tanh(ln(1 + e^x))`, Misra 2019.
    Mish,
    /// `-ln(1 + e^-x)`.
    LogSigmoid,
    /// `x` if positive, else `alpha * (e^(x / alpha) - 1)`, Barron 2017.
    Celu {
        alpha: f32,
    },
    /// `x` above `theta`, else 0.
    ThresholdedRelu {
        theta: f32,
    },
    /// `x - bias` above `threshold`, `x + bias` below `-threshold`, else 0: hard shrink without a bias, soft shrink where
    /// the bias is the threshold.
    Shrink {
        threshold: f32,
        bias: f32,
    },
    /// `x - tanh(x)`.
    TanhShrink,
    /// `(x + sqrt(x^2 + b)) / 2`, Barron 2021.
    Squareplus {
        b: f32,
    },
    /// 0 up to -1, `x` from 1 on, `(x + 1)^2 / 4` between.
    SparsePlus,
    /// The error function.
    Erf,
    Exp,
    Log,
    Sqrt,
    /// `1 / sqrt(x)`.
    Rsqrt,
    Square,
    /// `1 / x`.
    Reciprocal,
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    /// Halves go to the even neighbour.
    Round,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
}

impl Unary {
    /// Every function, with attributes of no meaning.
    pub const EVERY: [Unary; 47] = [
        Unary::Relu,
        Unary::Relu6,
        Unary::LeakyRelu { alpha: 0.5 },
        Unary::Elu { alpha: 0.5 },
        Unary::Selu,
        Unary::Sigmoid,
        Unary::HardSigmoid { alpha: 0.25, beta: 0.5 },
        Unary::HardSwish,
        Unary::Swish,
        Unary::Tanh,
        Unary::Gelu { approximate: false },
        Unary::Gelu { approximate: true },
        Unary::Clip { min: -1.0, max: 1.0 },
        Unary::Softplus,
        Unary::Softsign,
        Unary::Mish,
        Unary::LogSigmoid,
        Unary::Celu { alpha: 0.5 },
        Unary::ThresholdedRelu { theta: 0.5 },
        Unary::Shrink { threshold: 0.5, bias: 0.25 },
        Unary::TanhShrink,
        Unary::Squareplus { b: 4.0 },
        Unary::SparsePlus,
        Unary::Erf,
        Unary::Exp,
        Unary::Log,
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Square,
        Unary::Reciprocal,
        Unary::Neg,
        Unary::Abs,
        Unary::Sign,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Sin,
        Unary::Cos,
        Unary::Tan,
        Unary::Asin,
        Unary::Acos,
        Unary::Atan,
        Unary::Sinh,
        Unary::Cosh,
        Unary::Asinh,
        Unary::Acosh,
        Unary::Atanh,
    ];

    /// The function itself, in double precision; a NaN stays one.
    pub fn eval(self, x: f64) -> f64 {
        let clip = |x: f64, min: f64, max: f64| {
            if x < min {
                min
            } else if x > max {
                max
            } else {
                x
            }
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Unary::Relu => clip(x, 0.0, f64::INFINITY),
            Unary::Relu6 => clip(x, 0.0, 6.0),
            Unary::LeakyRelu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha as f64 * x
                }
            }
            Unary::Elu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha as f64 * x.exp_m1()
                }
            }
            Unary::Selu => SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * x.exp_m1() },
            Unary::Sigmoid => sigmoid(x),
            Unary::HardSigmoid { alpha, beta } => clip(alpha as f64 * x + beta as f64, 0.0, 1.0),
            Unary::HardSwish => x * clip(x + 3.0, 0.0, 6.0) / 6.0,
            Unary::Swish => x * sigmoid(x),
            Unary::Tanh => x.tanh(),
            Unary::Gelu { approximate: true } => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            Unary::Gelu { approximate: false } => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
            Unary::Clip { min, max } => clip(x, min as f64, max as f64),
            // ln(1 + e^x) without overflow.
            Unary::Softplus => {
                if x > 0.0 {
                    x + (-x).exp().ln_1p()
                } else {
                    x.exp().ln_1p()
                }
            }
            Unary::Softsign => x / (1.0 + x.abs()),
            Unary::Mish => x * Unary::Softplus.eval(x).tanh(),
            Unary::LogSigmoid => -Unary::Softplus.eval(-x),
            Unary::Celu { alpha } => {
                let alpha = alpha as f64;
                if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() }
            }
            Unary::ThresholdedRelu { theta } => {
                if x <= theta as f64 {
                    0.0
                } else {
                    x
                }
            }
            Unary::Shrink { threshold, bias } => match (threshold as f64, bias as f64) {
                (threshold, bias) if x > threshold => x - bias,
                (threshold, bias) if x < -threshold => x + bias,
                _ if x.is_nan() => x,
                _ => 0.0,
            },
            Unary::TanhShrink => x - x.tanh(),
            Unary::Squareplus { b } => 0.5 * (x + (x * x + b as f64).sqrt()),
            Unary::SparsePlus => match x {
                ..=-1.0 => 0.0,
                ..1.0 => 0.25 * (x + 1.0) * (x + 1.0),
                _ => x,
            },
            Unary::Erf => erf(x),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => 1.0 / x.sqrt(),
            Unary::Square => x * x,
            Unary::Reciprocal => 1.0 / x,
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sign => {
                if x == 0.0 {
                    0.0
                } else {
                    x.signum()
                }
            }
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round_ties_even(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            // By functions that are needed anyhow: each of libm's own would be 1 to 2 KB of wasm.
            Unary::Tan => x.sin() / x.cos(),
            Unary::Asin => (x / ((1.0 - x) * (1.0 + x)).sqrt()).atan(),
            Unary::Acos => 2.0 * ((1.0 - x) / (1.0 + x)).sqrt().atan(),
            Unary::Atan => x.atan(),
            Unary::Sinh => 0.5 * (x.exp_m1() - (-x).exp_m1()),
            Unary::Cosh => 0.5 * (x.exp() + (-x).exp()),
            Unary::Asinh => x.asinh(),
            Unary::Acosh => x.acosh(),
            Unary::Atanh => x.atanh(),
        }
    }
}

/// The constants of Klambauer et al. 2017, "Self-Normalizing Neural Networks".
const SELU_ALPHA: f64 = 1.6732632423543772;
const SELU_SCALE: f64 = 1.0507009873554805;

/// The error function, by `erf(x) = 2 / sqrt(pi) * e^(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!`: all terms have one sign,
/// so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    if x == 0.0 || x.is_nan() {
        return x;
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        match self {
            Unary::Relu => "Relu",
            Unary::Relu6 => "Relu6",
            Unary::LeakyRelu { .. } => "LeakyRelu",
            Unary::Elu { .. } => "Elu",
            Unary::Selu => "Selu",
            Unary::Sigmoid => "Sigmoid",
            Unary::HardSigmoid { .. } => "HardSigmoid",
            Unary::HardSwish => "HardSwish",
            Unary::Swish => "Swish",
            Unary::Tanh => "Tanh",
            Unary::Gelu { .. } => "Gelu",
            Unary::Clip { .. } => "Clip",
            Unary::Softplus => "Softplus",
            Unary::Exp => "Exp",
            Unary::Log => "Log",
            Unary::Sqrt => "Sqrt",
            Unary::Rsqrt => "Rsqrt",
            Unary::Square => "Square",
            Unary::Reciprocal => "Reciprocal",
            Unary::Neg => "Neg",
            Unary::Abs => "Abs",
            Unary::Sign => "Sign",
            Unary::Floor => "Floor",
            Unary::Ceil => "Ceil",
            Unary::Round => "Round",
            Unary::Softsign => "Softsign",
            Unary::Mish => "Mish",
            Unary::LogSigmoid => "LogSigmoid",
            Unary::Celu { .. } => "Celu",
            Unary::ThresholdedRelu { .. } => "ThresholdedRelu",
            Unary::Shrink { .. } => "Shrink",
            Unary::TanhShrink => "TanhShrink",
            Unary::Squareplus { .. } => "Squareplus",
            Unary::SparsePlus => "SparsePlus",
            Unary::Erf => "Erf",
            Unary::Sin => "Sin",
            Unary::Cos => "Cos",
            Unary::Tan => "Tan",
            Unary::Asin => "Asin",
            Unary::Acos => "Acos",
            Unary::Atan => "Atan",
            Unary::Sinh => "Sinh",
            Unary::Cosh => "Cosh",
            Unary::Asinh => "Asinh",
            Unary::Acosh => "Acosh",
            Unary::Atanh => "Atanh",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        Ok(inputs.to_vec())
    }
}

impl Reference for Unary {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let out = inputs[0].as_f32()?.iter().map(|&x| self.eval(x as f64) as f32).collect::<Vec<_>>();
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_matches_tables() {
        // Abramowitz & Stegun, table 7.1.
        for (x, want) in [(0.5, 0.5204998778), (1.0, 0.8427007929), (2.0, 0.9953222650), (-1.5, -0.9661051465)] {
            assert!((erf(x) - want).abs() < 1e-10, "erf({x}) = {}", erf(x));
        }
        assert_eq!((erf(0.0), erf(9.0)), (0.0, 1.0));
    }

    #[test]
    fn functions_at_points_known_by_hand() {
        let near = |f: Unary, x: f64, want: f64| assert!((f.eval(x) - want).abs() < 1e-7, "{f:?}({x}) = {}", f.eval(x));
        near(Unary::HardSwish, 1.0, 4.0 / 6.0);
        near(Unary::HardSwish, -3.5, 0.0);
        near(Unary::Gelu { approximate: true }, 1.0, 0.8411919906);
        near(Unary::Round, 2.5, 2.0);
        near(Unary::Round, -1.5, -2.0);
        near(Unary::Softplus, 100.0, 100.0);
        near(Unary::Rsqrt, 4.0, 0.5);
        near(Unary::Sign, -0.0, 0.0);
        near(Unary::Sigmoid, -1000.0, 0.0);
        assert!(Unary::Relu.eval(f64::NAN).is_nan());
    }

    #[test]
    fn further_functions_at_points_known_by_hand() {
        let near = |f: Unary, x: f64, want: f64| assert!((f.eval(x) - want).abs() < 1e-9, "{f:?}({x}) = {}", f.eval(x));
        near(Unary::Softsign, -3.0, -0.75);
        near(Unary::Mish, 1.0, 0.8650983883);
        near(Unary::Mish, -30.0, -30.0 * 9.357622968840175e-14);
        near(Unary::LogSigmoid, 0.0, -std::f64::consts::LN_2);
        near(Unary::LogSigmoid, -800.0, -800.0);
        near(Unary::Celu { alpha: 2.0 }, -2.0, 2.0 * (-1f64).exp() - 2.0);
        near(Unary::ThresholdedRelu { theta: 1.0 }, 1.0, 0.0);
        near(Unary::ThresholdedRelu { theta: -1.0 }, -0.5, -0.5);
        let (hard, soft) = (Unary::Shrink { threshold: 0.5, bias: 0.0 }, Unary::Shrink { threshold: 0.5, bias: 0.5 });
        for (x, h, s) in [(0.5, 0.0, 0.0), (-0.5, 0.0, 0.0), (0.75, 0.75, 0.25), (-2.0, -2.0, -1.5)] {
            near(hard, x, h);
            near(soft, x, s);
        }
        near(Unary::TanhShrink, 1.0, 1.0 - 0.7615941559557649);
        near(Unary::Squareplus { b: 4.0 }, 1.5, 2.0);
        for (x, y) in [(-1.0, 0.0), (0.0, 0.25), (1.0, 1.0), (2.0, 2.0)] {
            near(Unary::SparsePlus, x, y);
        }
        near(Unary::Erf, 0.5, 0.5204998778130465);
        let thirty = std::f64::consts::FRAC_PI_6;
        near(Unary::Sin, thirty, 0.5);
        near(Unary::Cos, 2.0 * thirty, 0.5);
        near(Unary::Tan, 1.5 * thirty, 1.0);
        near(Unary::Asin, 0.5, thirty);
        near(Unary::Asin, -1.0, -3.0 * thirty);
        near(Unary::Acos, 0.5, 2.0 * thirty);
        near(Unary::Acos, -1.0, 6.0 * thirty);
        near(Unary::Atan, 1.0, 1.5 * thirty);
        near(Unary::Sinh, 1e-5, 1.0000000000166667e-5);
        near(Unary::Cosh, -1.0, 1.5430806348152437);
        for f in [Unary::Asinh, Unary::Acosh, Unary::Atanh] {
            let (back, x) = match f {
                Unary::Asinh => (Unary::Sinh, -1.25),
                Unary::Acosh => (Unary::Cosh, 1.25),
                _ => (Unary::Tanh, 0.25),
            };
            near(f, back.eval(x), x);
        }
    }

    #[test]
    fn a_nan_stays_a_nan() {
        for f in Unary::EVERY {
            assert!(f.eval(f64::NAN).is_nan(), "{f:?}");
        }
    }
}
