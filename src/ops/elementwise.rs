//! Arithmetic and comparison of two values, casts. (Functions of one are in `unary.rs`.)

use super::index::{broadcast_strides, for_each_index, offset};
use super::{Operator, Reference, Unary, expect_inputs};
use crate::error::{Error, Result};
use crate::tensor::{DType, Data, Tensor, TensorType};

/// Arithmetic and comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryKind {
    Add,
    Sub,
    Mul,
    /// Integers round towards zero (ONNX, tfjs); by zero they give 0.
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

    /// A comparison; false for other kinds.
    fn compare<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            BinaryKind::Equal => a == b,
            BinaryKind::NotEqual => a != b,
            BinaryKind::Less => a < b,
            BinaryKind::LessEqual => a <= b,
            BinaryKind::Greater => a > b,
            BinaryKind::GreaterEqual => a >= b,
            _ => false,
        }
    }

    /// Float arithmetic, unrounded.
    fn eval_f32(self, a: f32, b: f32) -> f64 {
        let (x, y) = (a as f64, b as f64);
        match self {
            BinaryKind::Add => x + y,
            BinaryKind::Sub => x - y,
            BinaryKind::Mul => x * y,
            BinaryKind::Div => x / y,
            BinaryKind::Maximum => {
                if x < y || y.is_nan() {
                    y
                } else {
                    x
                }
            }
            BinaryKind::Minimum => {
                if x > y || y.is_nan() {
                    y
                } else {
                    x
                }
            }
            BinaryKind::Pow => x.powf(y),
            BinaryKind::SquaredDifference => (x - y) * (x - y),
            // The rounded quotient, as every framework has it: 0.3 / 0.1 is 3 in float32, less in float64.
            BinaryKind::FloorDiv => (a / b).floor() as f64,
            BinaryKind::FloorMod => {
                let rest = x % y;
                if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }
            }
            comparison => comparison.compare(a, b) as u8 as f64,
        }
    }

    /// Integer arithmetic: wraps around; division and remainder by zero give 0.
    fn eval_i32(self, a: i32, b: i32) -> i32 {
        match self {
            BinaryKind::Add => a.wrapping_add(b),
            BinaryKind::Sub => a.wrapping_sub(b),
            BinaryKind::Mul => a.wrapping_mul(b),
            BinaryKind::Maximum => a.max(b),
            BinaryKind::Minimum => a.min(b),
            BinaryKind::SquaredDifference => a.wrapping_sub(b).wrapping_mul(a.wrapping_sub(b)),
            BinaryKind::Div | BinaryKind::FloorDiv | BinaryKind::FloorMod if b == 0 => 0,
            BinaryKind::Div => a.wrapping_div(b),
            BinaryKind::FloorDiv => {
                let quotient = a.wrapping_div(b);
                if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
            }
            BinaryKind::FloorMod => {
                let rest = a.wrapping_rem(b);
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }
            // The shape rule refuses integer powers.
            BinaryKind::Pow => 0,
            comparison => comparison.compare(a, b) as i32,
        }
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

impl Reference for Binary {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [a, b] = [inputs[0], inputs[1]];
        let [strides_a, strides_b] = [a, b].map(|t| broadcast_strides(t.shape(), &shape));
        let mut pairs = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| pairs.push((offset(index, &strides_a), offset(index, &strides_b))));
        let data = match (a.data(), b.data()) {
            (Data::F32(a), Data::F32(b)) if self.kind.is_comparison() => {
                Data::U8(pairs.iter().map(|&(i, j)| self.kind.compare(a[i], b[j]) as u8).collect())
            }
            (Data::I32(a), Data::I32(b)) if self.kind.is_comparison() => {
                Data::U8(pairs.iter().map(|&(i, j)| self.kind.compare(a[i], b[j]) as u8).collect())
            }
            (Data::F32(a), Data::F32(b)) => {
                let activate = |y: f64| self.activation.map_or(y, |f| f.eval(y));
                Data::F32(pairs.iter().map(|&(i, j)| activate(self.kind.eval_f32(a[i], b[j])) as f32).collect())
            }
            (Data::I32(a), Data::I32(b)) => {
                Data::I32(pairs.iter().map(|&(i, j)| self.kind.eval_i32(a[i], b[j])).collect())
            }
            _ => return Err(Error::unsupported("arithmetic on uint8; cast to float32 or int32 first")),
        };
        Ok(vec![Tensor::new(shape, data)?])
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

impl Reference for Cast {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        macro_rules! cast {
            ($v:ident) => {
                match self.to {
                    DType::F32 => Data::F32($v.iter().map(|&x| x as f32).collect()),
                    DType::I32 => Data::I32($v.iter().map(|&x| x as i32).collect()),
                    DType::U8 => Data::U8($v.iter().map(|&x| x as u8).collect()),
                }
            };
        }
        let data = match inputs[0].data() {
            Data::F32(v) => cast!(v),
            Data::I32(v) => cast!(v),
            Data::U8(v) => cast!(v),
        };
        Ok(vec![Tensor::new(shape, data)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: BinaryKind, a: &Tensor, b: &Tensor) -> Tensor {
        Binary::new(kind).reference(&[a, b]).unwrap().remove(0)
    }

    #[test]
    fn integer_division_has_a_sign_rule_and_no_panic() {
        let a = Tensor::i32([6], vec![7, -7, 7, -7, 5, i32::MIN]).unwrap();
        let b = Tensor::i32([6], vec![2, 2, -2, -2, 0, -1]).unwrap();
        let ints = |kind| run(kind, &a, &b).as_i32().unwrap().to_vec();
        assert_eq!(ints(BinaryKind::Div), [3, -3, -3, 3, 0, i32::MIN]);
        assert_eq!(ints(BinaryKind::FloorDiv), [3, -4, -4, 3, 0, i32::MIN]);
        assert_eq!(ints(BinaryKind::FloorMod), [1, 1, -1, -1, 0, 0]);
        assert_eq!(run(BinaryKind::Less, &a, &b).as_u8().unwrap(), [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn float_remainders_take_the_divisors_sign() {
        let a = Tensor::f32([4], vec![5.5, -5.5, 5.5, -5.5]).unwrap();
        let b = Tensor::f32([4], vec![2.0, 2.0, -2.0, -2.0]).unwrap();
        assert_eq!(run(BinaryKind::FloorMod, &a, &b).as_f32().unwrap(), [1.5, 0.5, -0.5, -1.5]);
        assert_eq!(run(BinaryKind::FloorDiv, &a, &b).as_f32().unwrap(), [2.0, -3.0, -3.0, 2.0]);
    }

    #[test]
    fn both_sides_broadcast() {
        let a = Tensor::f32([2, 1], vec![1.0, 2.0]).unwrap();
        let b = Tensor::f32([3], vec![10.0, 20.0, 30.0]).unwrap();
        let sum = run(BinaryKind::Sub, &a, &b);
        assert_eq!(sum, Tensor::f32([2, 3], vec![-9.0, -19.0, -29.0, -8.0, -18.0, -28.0]).unwrap());
    }

    #[test]
    fn casts_truncate_and_saturate() {
        let x = Tensor::f32([5], vec![-1.5, 1.9, 300.0, f32::NAN, 1e20]).unwrap();
        let cast = |to| Cast { to }.reference(&[&x]).unwrap().remove(0);
        assert_eq!(cast(DType::I32).as_i32().unwrap(), [-1, 1, 300, 0, i32::MAX]);
        assert_eq!(cast(DType::U8).as_u8().unwrap(), [0, 1, 255, 0, 255]);
    }
}
