//! Weighing and reducing the values of the samples.

use super::{Reduction, Samples};
use crate::error::{Error, Result};
use crate::ops::{Reshape, ReshapeDim};
use crate::tensor::{DType, Data, Tensor};
use crate::train::expr::{Expr, Operand};

/// Against a division by zero where everything is masked or weighs nothing: the numerator is 0 then, and so is the loss.
const TINY: f32 = 1e-30;

/// Keras' `reduce_weighted_values`.
///
/// Masked values count neither in the sum nor in the number that a mean divides by.
pub(super) fn reduce(
    expr: &mut Expr,
    Samples { values, mask }: Samples,
    weight: Option<&Operand>,
    reduction: Reduction,
) -> Result<crate::graph::ValueId> {
    let mut values = values;
    let mut weight =
        weight.map(|w| Ok::<_, Error>(Operand { value: expr.cast(w, DType::F32)?, dtype: DType::F32, ..w.clone() }));
    let mut weight = weight.take().transpose()?;
    // The part of the values that counts.
    let mut kept = None;
    if let Some(mask) = mask {
        let mask = Operand { value: mask, ..values.clone() };
        if reduction == Reduction::SumOverBatchSize {
            kept = Some(expr.mean(mask.value, &[])?);
        }
        weight = Some(match weight {
            None => mask,
            Some(w) => {
                let (mask, w) = expr.same_rank(&mask, &w)?;
                let w = align(expr, &mask, w)?;
                Operand { value: expr.mul(w.value, mask.value)?, ..mask }
            }
        });
    }
    if let Some(w) = weight.take() {
        let (v, w) = expr.same_rank(&values, &w)?;
        let w = align(expr, &v, w)?;
        let dims = if w.rank() > v.rank() { w.dims.clone() } else { v.dims.clone() };
        values = Operand { value: expr.mul(v.value, w.value)?, dtype: DType::F32, dims };
        weight = Some(w);
    }
    if reduction == Reduction::None || values.rank() == 0 {
        return Ok(values.value);
    }
    match (reduction, weight) {
        (Reduction::Sum, _) => expr.sum(values.value, &[]),
        (Reduction::MeanWithSampleWeight, Some(w)) => {
            let sum = expr.sum(values.value, &[])?;
            let total = if w.rank() == 0 { w.value } else { expr.sum(w.value, &[])? };
            divide_no_nan(expr, sum, total)
        }
        _ => {
            let mean = expr.mean(values.value, &[])?;
            match kept {
                Some(kept) => divide_no_nan(expr, mean, kept),
                None => Ok(mean),
            }
        }
    }
}

/// `a / b` for a `b` that is not negative, and 0 where that is 0: `a` must be 0 there.
fn divide_no_nan(expr: &mut Expr, a: crate::graph::ValueId, b: crate::graph::ValueId) -> Result<crate::graph::ValueId> {
    let b = expr.at_least(b, TINY)?;
    expr.div(a, b)
}

/// Weights of samples for values of places: axes of size 1 are added behind. (Keras would align the last axes, which is
/// an error unless sizes agree by chance.)
fn align(expr: &mut Expr, values: &Operand, weight: Operand) -> Result<Operand> {
    if weight.rank() == 0 || weight.rank() >= values.rank() {
        return Ok(weight);
    }
    let missing = values.rank() - weight.rank();
    let dims =
        (0..weight.rank()).map(ReshapeDim::Copy).chain(std::iter::repeat_n(ReshapeDim::Size(1), missing)).collect();
    let value = expr.op(Reshape { dims }.into(), &[weight.value])?;
    let dims = weight.dims.iter().copied().chain(std::iter::repeat_n(Some(1), missing)).collect();
    Ok(Operand { value, dtype: weight.dtype, dims })
}

/// Sample weights from class weights, as `fit(class_weight=...)` makes them: labels are class indices, or one-hot rows
/// `[batch, classes]`; classes without a weight have 1. One weight for each sample of the batch.
pub fn class_weights(labels: &Tensor, weights: &[(i64, f32)]) -> Result<Tensor> {
    let shape = labels.shape();
    let Some(&batch) = shape.first() else {
        return Err(Error::mismatch("class weights need labels of a batch", "rank 1 or more", shape));
    };
    let values: Vec<f32> = match labels.data() {
        Data::F32(v) => v.clone(),
        Data::I32(v) => v.iter().map(|&x| x as f32).collect(),
        Data::U8(v) => v.iter().map(|&x| x as f32).collect(),
    };
    let row = values.len().checked_div(batch).unwrap_or(0);
    if shape.rank() > 2 {
        return Err(Error::mismatch("class weights need one label for each sample", "rank 1 or 2", shape));
    }
    let class = |sample: usize| match &values[sample * row..][..row] {
        [one] => one.round_ties_even() as i64,
        many => crate::train::arg_max(many) as i64,
    };
    let weight = |sample| weights.iter().find(|(c, _)| *c == class(sample)).map_or(1.0, |(_, w)| *w);
    Tensor::f32([batch], if row == 0 { vec![1.0; batch] } else { (0..batch).map(weight).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_weights_from_indices_and_from_one_hot_rows() {
        let weights = [(0, 0.5), (2, 3.0)];
        let want = Tensor::f32([3], vec![3.0, 1.0, 0.5]).unwrap();
        let indices = Tensor::i32([3], vec![2, 1, 0]).unwrap();
        assert_eq!(class_weights(&indices, &weights).unwrap(), want);
        assert_eq!(class_weights(&indices.reshape([3, 1]).unwrap(), &weights).unwrap(), want);
        let rows = Tensor::f32([3, 3], vec![0.0, 0.0, 1.0, 0.1, 0.8, 0.1, 1.0, 0.0, 0.0]).unwrap();
        assert_eq!(class_weights(&rows, &weights).unwrap(), want);
        assert!(class_weights(&Tensor::scalar(1.0), &weights).is_err());
    }
}
