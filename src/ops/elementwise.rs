//! Element-wise operations: activations and functions of one value, arithmetic of two, casts.

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::tensor::{DType, TensorType};

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
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        Ok(inputs.to_vec())
    }
}

/// Arithmetic and comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryKind {
    Add,
    Sub,
    Mul,
    /// Integers round towards zero (ONNX, tfjs).
    Div,
    Maximum,
    Minimum,
    Pow,
    /// `(a - b)^2`.
    SquaredDifference,
    /// Quotient rounded down; integer division by zero gives 0.
    FloorDiv,
    /// Remainder with the sign of the divisor (Python, TensorFlow `FloorMod`); integer remainder by zero gives 0.
    FloorMod,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl BinaryKind {
    /// Comparisons give uint8 0 or 1.
    pub fn is_comparison(self) -> bool {
        use BinaryKind::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }
}

/// Two tensors of one dtype (float32 or int32), broadcast as in NumPy; float arithmetic may end in an activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operation.
    pub kind: BinaryKind,
    /// Applied to the result; float32 arithmetic only.
    pub activation: Option<Unary>,
}

impl Binary {
    /// Without an activation.
    pub fn new(kind: BinaryKind) -> Self {
        Binary { kind, activation: None }
    }
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self.kind {
            BinaryKind::Add => "Add",
            BinaryKind::Sub => "Sub",
            BinaryKind::Mul => "Mul",
            BinaryKind::Div => "Div",
            BinaryKind::Maximum => "Maximum",
            BinaryKind::Minimum => "Minimum",
            BinaryKind::Pow => "Pow",
            BinaryKind::SquaredDifference => "SquaredDifference",
            BinaryKind::FloorDiv => "FloorDiv",
            BinaryKind::FloorMod => "FloorMod",
            BinaryKind::Equal => "Equal",
            BinaryKind::NotEqual => "NotEqual",
            BinaryKind::Less => "Less",
            BinaryKind::LessEqual => "LessEqual",
            BinaryKind::Greater => "Greater",
            BinaryKind::GreaterEqual => "GreaterEqual",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        let [a, b] = [&inputs[0], &inputs[1]];
        if a.dtype != b.dtype {
            return Err(Error::mismatch("both operands need one element type", a.dtype, b.dtype));
        }
        if a.dtype == DType::U8 {
            return Err(Error::unsupported("arithmetic on uint8; cast to float32 or int32 first"));
        }
        if a.dtype == DType::I32 && self.kind == BinaryKind::Pow {
            return Err(Error::unsupported("powers of int32; cast to float32 first"));
        }
        let comparison = self.kind.is_comparison();
        if self.activation.is_some() && (comparison || a.dtype != DType::F32) {
            return Err(Error::invalid("an activation needs float32 arithmetic"));
        }
        let dtype = if comparison { DType::U8 } else { a.dtype };
        Ok(vec![TensorType::new(dtype, a.shape.broadcast(&b.shape)?)])
    }
}

/// Converts elements: floats truncate towards zero and saturate, NaN becomes 0 (Rust's `as`); bytes are 0..=255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cast {
    /// The dtype to convert to.
    pub to: DType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        Ok(vec![TensorType::new(self.to, inputs[0].shape.clone())])
    }
}
