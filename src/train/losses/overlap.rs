//! Losses of masks by their overlap: Dice and Tversky.

use super::{EPSILON, LossFunction};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::tensor::DType;
use crate::train::expr::{Expr, Operand};

pub(super) fn build(expr: &mut Expr, function: &LossFunction, y_true: &Operand, y_pred: &Operand) -> Result<Operand> {
    let (t, p) = (y_true.value, y_pred.value);
    let (LossFunction::Dice { axis } | LossFunction::Tversky { axis, .. }) = function else {
        return Err(Error::invalid(format!("{function:?} is no loss of masks")));
    };
    let axes = axis.clone().unwrap_or_default();
    let mut reduced = vec![axes.is_empty(); y_pred.rank()];
    for &axis in &axes {
        reduced[y_pred.axis(axis)?] = true;
    }
    let dims = y_pred.dims.iter().zip(&reduced).filter(|(_, gone)| !**gone).map(|(d, _)| *d).collect();
    let sum_of = |expr: &mut Expr, a: ValueId, b: ValueId| -> Result<ValueId> {
        let product = expr.mul(a, b)?;
        expr.sum(product, &axes)
    };
    let both = sum_of(expr, t, p)?;
    let (above, below) = match *function {
        // 2 |t p| / (|t| + |p|)
        LossFunction::Dice { .. } => {
            let (t, p) = (expr.sum(t, &axes)?, expr.sum(p, &axes)?);
            (expr.scale(both, 2.0)?, expr.add(t, p)?)
        }
        // |t p| / (|t p| + alpha |t (1 - p)| + beta |p (1 - t)|); Keras' alpha weighs what was missed.
        LossFunction::Tversky { alpha, beta, .. } => {
            let (no, rest) = (expr.complement(t)?, expr.complement(p)?);
            let (missed, extra) = (sum_of(expr, t, rest)?, sum_of(expr, p, no)?);
            let (missed, extra) = (expr.scale(missed, alpha)?, expr.scale(extra, beta)?);
            let sum = expr.add(both, missed)?;
            (both, expr.add(sum, extra)?)
        }
        _ => return Err(Error::invalid(format!("{function:?} is no loss of masks"))),
    };
    let below = expr.offset(below, EPSILON)?;
    let overlap = expr.div(above, below)?;
    Ok(Operand { value: expr.complement(overlap)?, dtype: DType::F32, dims })
}
