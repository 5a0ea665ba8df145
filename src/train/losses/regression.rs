//! Losses of numbers: squared, absolute and logarithmic errors, divergences, hinges. Means over the last axis.

use super::{EPSILON, LossFunction, without};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, ReduceKind, Unary};
use crate::train::expr::{Expr, Operand};

pub(super) fn build(expr: &mut Expr, function: &LossFunction, y_true: &Operand, y_pred: &Operand) -> Result<Operand> {
    let (t, p) = (y_true.value, y_pred.value);
    let axis = if let LossFunction::CosineSimilarity { axis } = function { *axis } else { -1 };
    let dims = without(y_pred, axis)?;
    let value = match function {
        LossFunction::MeanSquaredError => {
            let squares = expr.binary(BinaryKind::SquaredDifference, p, t)?;
            expr.mean(squares, &[-1])?
        }
        LossFunction::MeanAbsoluteError => {
            let error = expr.sub(p, t)?;
            let size = expr.unary(Unary::Abs, error)?;
            expr.mean(size, &[-1])?
        }
        LossFunction::MeanAbsolutePercentageError => {
            let error = expr.sub(p, t)?;
            let size = expr.unary(Unary::Abs, t)?;
            let size = expr.at_least(size, EPSILON)?;
            let ratio = expr.div(error, size)?;
            let ratio = expr.unary(Unary::Abs, ratio)?;
            let mean = expr.mean(ratio, &[-1])?;
            expr.scale(mean, 100.0)?
        }
        LossFunction::MeanSquaredLogarithmicError => {
            let mut logarithm = |x| -> Result<ValueId> {
                let x = expr.at_least(x, EPSILON)?;
                let x = expr.offset(x, 1.0)?;
                expr.unary(Unary::Log, x)
            };
            let (p, t) = (logarithm(p)?, logarithm(t)?);
            let squares = expr.binary(BinaryKind::SquaredDifference, p, t)?;
            expr.mean(squares, &[-1])?
        }
        LossFunction::CosineSimilarity { axis } => {
            let (p, t) = (normalize(expr, p, *axis)?, normalize(expr, t, *axis)?);
            let product = expr.mul(p, t)?;
            let sum = expr.sum(product, &[*axis])?;
            expr.scale(sum, -1.0)?
        }
        // c (e - c / 2) with c the error clipped to delta: half the square inside, delta (|e| - delta / 2) outside.
        LossFunction::Huber { delta } => {
            let error = expr.sub(p, t)?;
            let clipped = expr.clip(error, -delta, *delta)?;
            let half = expr.scale(clipped, 0.5)?;
            let rest = expr.sub(error, half)?;
            let product = expr.mul(clipped, rest)?;
            expr.mean(product, &[-1])?
        }
        // ln(cosh(x)) = x + ln(1 + e^(-2x)) - ln(2)
        LossFunction::LogCosh => {
            let error = expr.sub(p, t)?;
            let twice = expr.scale(error, -2.0)?;
            let soft = expr.unary(Unary::Softplus, twice)?;
            let sum = expr.add(error, soft)?;
            let value = expr.offset(sum, -std::f32::consts::LN_2)?;
            expr.mean(value, &[-1])?
        }
        LossFunction::KLDivergence => {
            let (t, p) = (expr.clip(t, EPSILON, 1.0)?, expr.clip(p, EPSILON, 1.0)?);
            let ratio = expr.div(t, p)?;
            let logarithm = expr.unary(Unary::Log, ratio)?;
            let product = expr.mul(t, logarithm)?;
            expr.sum(product, &[-1])?
        }
        LossFunction::Poisson => {
            let safe = expr.offset(p, EPSILON)?;
            let logarithm = expr.unary(Unary::Log, safe)?;
            let product = expr.mul(t, logarithm)?;
            let value = expr.sub(p, product)?;
            expr.mean(value, &[-1])?
        }
        LossFunction::Hinge | LossFunction::SquaredHinge => {
            let signs = signs(expr, y_true)?;
            let product = expr.mul(signs, p)?;
            let margin = expr.complement(product)?;
            let mut value = expr.at_least(margin, 0.0)?;
            if *function == LossFunction::SquaredHinge {
                value = expr.unary(Unary::Square, value)?;
            }
            expr.mean(value, &[-1])?
        }
        LossFunction::CategoricalHinge => {
            let right = expr.mul(t, p)?;
            let right = expr.sum(right, &[-1])?;
            let others = expr.complement(t)?;
            let wrong = expr.mul(others, p)?;
            let wrong = expr.reduce(ReduceKind::Max, wrong, &[-1], false)?;
            let difference = expr.sub(wrong, right)?;
            let margin = expr.offset(difference, 1.0)?;
            expr.at_least(margin, 0.0)?
        }
        other => return Err(Error::invalid(format!("{other:?} is no loss of numbers"))),
    };
    Ok(Operand { value, dtype: y_pred.dtype, dims })
}

/// `x` through its length along an axis, which counts as 1e-7 at least.
fn normalize(expr: &mut Expr, x: ValueId, axis: isize) -> Result<ValueId> {
    let squares = expr.unary(Unary::Square, x)?;
    let sum = expr.reduce(ReduceKind::Sum, squares, &[axis], true)?;
    let inverse = expr.unary(Unary::Rsqrt, sum)?;
    let limit = expr.scalar(1.0 / EPSILON);
    let inverse = expr.minimum(inverse, limit)?;
    expr.mul(x, inverse)
}

/// Labels for a hinge: where all of them are 0 or 1 they become -1 and 1, else they stay as they are.
fn signs(expr: &mut Expr, y_true: &Operand) -> Result<ValueId> {
    let t = y_true.value;
    let (zero, one) = (expr.scalar(0.0), expr.scalar(1.0));
    let (zeros, ones) = (expr.test(BinaryKind::Equal, t, zero)?, expr.test(BinaryKind::Equal, t, one)?);
    let either = expr.add(zeros, ones)?;
    let binary = expr.reduce(ReduceKind::Min, either, &[], false)?;
    // t + binary (t - 1)
    let less = expr.offset(t, -1.0)?;
    let change = expr.mul(less, binary)?;
    expr.add(t, change)
}
