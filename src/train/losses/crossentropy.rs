//! Cross-entropies, from probabilities or from logits.
//!
//! From probabilities Keras clips to `[1e-7, 1 - 1e-7]`, where the gradient is 0, and renormalises: before the clip for
//! one-hot labels, after it for class indices. From logits nothing is clipped: [`LogSoftmax`] and softplus are exact.

use super::{EPSILON, LossFunction, Samples, without};
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::ops::{Binary, BinaryKind, LogSoftmax, Op, ReduceKind, Unary};
use crate::tensor::{DType, Tensor};
use crate::train::expr::{Expr, Operand};

/// The upper clip as float32 has it, 1 - 1.19e-7: a wrong 1 costs 15.942, a wrong 0 16.118.
const ALMOST_ONE: f32 = (1.0 - EPSILON as f64) as f32;

/// What a softmax or a sigmoid was made from, if `value` is one.
enum Squash {
    Softmax,
    Sigmoid,
}

fn logits(graph: &mut Graph, value: ValueId, squash: Squash) -> Result<Option<ValueId>> {
    let Some((_, node)) = graph.producer(value) else { return Ok(None) };
    match (squash, &node.op) {
        (Squash::Softmax, Op::Softmax(_)) | (Squash::Sigmoid, Op::Unary(Unary::Sigmoid)) => Ok(Some(node.inputs[0])),
        // A fused sigmoid: the same node without it. The fused one dies if nothing but the loss needs it.
        (Squash::Sigmoid, op) => {
            let mut op = op.clone();
            let activation = match &mut op {
                Op::Binary(Binary { activation, .. }) => Some(activation),
                other => other.epilogue_mut().map(|e| &mut e.activation),
            };
            let Some(activation) = activation.filter(|a| **a == Some(Unary::Sigmoid)) else { return Ok(None) };
            *activation = None;
            let (name, inputs) = (node.name.clone(), node.inputs.clone());
            graph.add(name, op, &inputs).map(Some)
        }
        _ => Ok(None),
    }
}

/// Labels of the shape of the predictions.
pub(super) fn dense(expr: &mut Expr, function: &LossFunction, y_true: &Operand, y_pred: &Operand) -> Result<Operand> {
    let (t, p) = (y_true.value, y_pred.value);
    let of = |value, axis| Ok(Operand { value, dtype: DType::F32, dims: without(y_pred, axis)? });
    match *function {
        LossFunction::BinaryCrossentropy { from_logits, label_smoothing, axis } => {
            let t = smooth(expr, t, label_smoothing, 2)?;
            let values = binary(expr, t, p, from_logits)?;
            of(expr.mean(values, &[axis])?, axis)
        }
        LossFunction::BinaryFocalCrossentropy {
            apply_class_balancing,
            alpha,
            gamma,
            from_logits,
            label_smoothing,
            axis,
        } => {
            let t = smooth(expr, t, label_smoothing, 2)?;
            let p = if from_logits { expr.unary(Unary::Sigmoid, p)? } else { p };
            let entropy = binary(expr, t, p, false)?;
            // 1 - p_t, with p_t the probability of the truth.
            let right = mix(expr, t, p)?;
            let wrong = expr.complement(right)?;
            let focus = power(expr, wrong, gamma)?;
            let mut values = expr.mul(focus, entropy)?;
            if apply_class_balancing {
                // t alpha + (1 - t) (1 - alpha)
                let scaled = expr.scale(t, 2.0 * alpha - 1.0)?;
                let weight = expr.offset(scaled, 1.0 - alpha)?;
                values = expr.mul(weight, values)?;
            }
            of(expr.mean(values, &[axis])?, axis)
        }
        LossFunction::CategoricalCrossentropy { from_logits, label_smoothing, axis } => {
            let t = smooth(expr, t, label_smoothing, classes(y_pred, label_smoothing)?)?;
            let logits = if from_logits { Some(p) } else { logits(expr.graph, p, Squash::Softmax)? };
            let logarithm = match logits {
                Some(z) => expr.op(LogSoftmax { axis }.into(), &[z])?,
                None => {
                    let share = normalized(expr, p, axis)?;
                    expr.unary(Unary::Log, share)?
                }
            };
            of(minus_sum(expr, t, logarithm, axis)?, axis)
        }
        LossFunction::CategoricalFocalCrossentropy { ref alpha, gamma, from_logits, label_smoothing, axis } => {
            let t = smooth(expr, t, label_smoothing, classes(y_pred, label_smoothing)?)?;
            let p = if from_logits { expr.op(crate::ops::Softmax { axis }.into(), &[p])? } else { p };
            let share = normalized(expr, p, axis)?;
            let logarithm = expr.unary(Unary::Log, share)?;
            let rest = expr.complement(share)?;
            let focus = power(expr, rest, gamma)?;
            let weight = match alpha[..] {
                [one] => expr.scale(focus, one)?,
                _ => {
                    let alpha = expr.constant(Tensor::f32([alpha.len()], alpha.clone())?);
                    expr.mul(focus, alpha)?
                }
            };
            let weighted = expr.mul(weight, logarithm)?;
            of(minus_sum(expr, t, weighted, axis)?, axis)
        }
        ref other => Err(Error::invalid(format!("{other:?} is no cross-entropy of dense labels"))),
    }
}

/// Labels that are class indices, of the shape of the predictions without the last axis (or with size 1 there).
pub(super) fn sparse(
    expr: &mut Expr,
    y_true: &Operand,
    y_pred: &Operand,
    from_logits: bool,
    ignore_class: Option<i64>,
) -> Result<Samples> {
    let labels = indices(expr, y_true, y_pred)?;
    let mut p = y_pred.value;
    let mut mask = None;
    if let Some(class) = ignore_class {
        let class = i32::try_from(class).map_err(|_| Error::invalid("ignore_class is out of range"))?;
        let class = expr.constant(Tensor::i32([], vec![class])?);
        let valid = expr.test(BinaryKind::NotEqual, labels.value, class)?;
        // As in Keras: predictions of ignored places become 0.
        p = expr.mul(p, valid)?;
        mask = Some(valid);
    }
    // Behind a mask Keras loses sight of the logits.
    let known = if from_logits { Some(p) } else { logits(expr.graph, p, Squash::Softmax)? };
    let logits = match known {
        Some(z) => z,
        None => {
            let clipped = expr.clip(p, EPSILON, ALMOST_ONE)?;
            expr.unary(Unary::Log, clipped)?
        }
    };
    let logarithm = expr.op(LogSoftmax { axis: -1 }.into(), &[logits])?;
    let one_hot = one_hot(expr, &labels, y_pred)?;
    let value = minus_sum(expr, one_hot, logarithm, -1)?;
    let values = Operand { value, dtype: DType::F32, dims: without(y_pred, -1)? };
    let Some(mask) = mask else { return Ok(Samples { values, mask: None }) };
    // The mask has the class axis still.
    let with_axis = Operand { value: mask, dtype: DType::F32, dims: labels.dims.clone() };
    let mask = expr.squeeze(&with_axis, with_axis.rank() - 1)?.value;
    let value = expr.mul(values.value, mask)?;
    Ok(Samples { values: Operand { value, ..values }, mask: Some(mask) })
}

/// `(1 - p^q) / q` with `p` the probability of the true class.
pub(super) fn generalized(expr: &mut Expr, y_true: &Operand, y_pred: &Operand, q: f32) -> Result<Samples> {
    let labels = indices(expr, y_true, y_pred)?;
    let one_hot = one_hot(expr, &labels, y_pred)?;
    let chosen = expr.mul(one_hot, y_pred.value)?;
    let right = expr.sum(chosen, &[-1])?;
    let exponent = expr.scalar(q);
    let power = expr.binary(BinaryKind::Pow, right, exponent)?;
    let rest = expr.complement(power)?;
    let value = expr.scale(rest, 1.0 / q)?;
    Ok(Samples { values: Operand { value, dtype: DType::F32, dims: without(y_pred, -1)? }, mask: None })
}

/// Class indices as int32 with an axis of size 1 in place of the classes.
fn indices(expr: &mut Expr, y_true: &Operand, y_pred: &Operand) -> Result<Operand> {
    let cast = Operand { value: expr.cast(y_true, DType::I32)?, dtype: DType::I32, dims: y_true.dims.clone() };
    if cast.rank() == y_pred.rank() && cast.last() == Some(1) {
        return Ok(cast);
    }
    if cast.rank() + 1 != y_pred.rank() {
        let wanted = format!("class indices of rank {}", y_pred.rank().saturating_sub(1));
        return Err(Error::mismatch("labels do not fit the predictions", wanted, format!("rank {}", cast.rank())));
    }
    expr.expand(&cast)
}

/// 1 at the class of each label, else 0.
fn one_hot(expr: &mut Expr, labels: &Operand, y_pred: &Operand) -> Result<ValueId> {
    let Some(classes) = y_pred.last() else {
        return Err(Error::invalid("the number of classes must be known before the loss is built"));
    };
    let all = expr.constant(Tensor::i32([classes], (0..classes as i32).collect::<Vec<_>>())?);
    expr.test(BinaryKind::Equal, labels.value, all)
}

/// Number of classes, needed only for smoothing; Keras takes the last axis whatever the axis of the loss.
fn classes(y_pred: &Operand, label_smoothing: f32) -> Result<usize> {
    match y_pred.last() {
        Some(n) => Ok(n),
        None if label_smoothing == 0.0 => Ok(1),
        None => Err(Error::invalid("label smoothing must know the number of classes before the loss is built")),
    }
}

/// `t (1 - s) + s / classes`
fn smooth(expr: &mut Expr, t: ValueId, smoothing: f32, classes: usize) -> Result<ValueId> {
    let scaled = expr.scale(t, 1.0 - smoothing)?;
    expr.offset(scaled, smoothing / classes as f32)
}

/// Probabilities that sum to 1, clipped.
fn normalized(expr: &mut Expr, p: ValueId, axis: isize) -> Result<ValueId> {
    let sum = expr.reduce(ReduceKind::Sum, p, &[axis], true)?;
    let share = expr.div(p, sum)?;
    expr.clip(share, EPSILON, ALMOST_ONE)
}

/// Binary cross-entropy of every element.
fn binary(expr: &mut Expr, t: ValueId, p: ValueId, from_logits: bool) -> Result<ValueId> {
    let logits = if from_logits { Some(p) } else { logits(expr.graph, p, Squash::Sigmoid)? };
    let (yes, no) = match logits {
        // -ln(sigmoid(z)) = softplus(-z), exact for large z of either sign; no kink at 0.
        Some(z) => {
            let minus = expr.unary(Unary::Neg, z)?;
            (expr.unary(Unary::Softplus, minus)?, expr.unary(Unary::Softplus, z)?)
        }
        None => {
            let p = expr.clip(p, EPSILON, ALMOST_ONE)?;
            let rest = expr.complement(p)?;
            let (yes, no) = (expr.unary(Unary::Log, p)?, expr.unary(Unary::Log, rest)?);
            (expr.unary(Unary::Neg, yes)?, expr.unary(Unary::Neg, no)?)
        }
    };
    let rest = expr.complement(t)?;
    let (a, b) = (expr.mul(t, yes)?, expr.mul(rest, no)?);
    expr.add(a, b)
}

/// `t p + (1 - t) (1 - p)`
fn mix(expr: &mut Expr, t: ValueId, p: ValueId) -> Result<ValueId> {
    let (no, rest) = (expr.complement(t)?, expr.complement(p)?);
    let (a, b) = (expr.mul(t, p)?, expr.mul(no, rest)?);
    expr.add(a, b)
}

/// `x^gamma` for an `x` from 0 to 1. The usual exponent 2 is a square: a GPU's `pow` has no negative base, and rounding
/// makes one.
fn power(expr: &mut Expr, x: ValueId, gamma: f32) -> Result<ValueId> {
    if gamma == 1.0 {
        Ok(x)
    } else if gamma == 2.0 {
        expr.unary(Unary::Square, x)
    } else {
        let base = expr.at_least(x, 0.0)?;
        let exponent = expr.scalar(gamma);
        expr.binary(BinaryKind::Pow, base, exponent)
    }
}

/// `-sum(t x)` along an axis.
fn minus_sum(expr: &mut Expr, t: ValueId, x: ValueId, axis: isize) -> Result<ValueId> {
    let product = expr.mul(t, x)?;
    let sum = expr.sum(product, &[axis])?;
    expr.unary(Unary::Neg, sum)
}
