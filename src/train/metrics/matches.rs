//! Whether predictions are right: 1 or 0 for every sample.

use super::array::Array;
use crate::error::{Error, Result};

/// Labels equal to predictions, element by element.
pub(super) fn equal(y_true: Array, y_pred: Array) -> Result<Array> {
    let (y_true, y_pred) = Array::same_rank(y_true, y_pred, true);
    let y_true = y_true.broadcast(&y_pred.dims)?;
    let data = y_true.data.iter().zip(&y_pred.data).map(|(t, p)| (t == p) as u8 as f64).collect();
    Ok(Array { dims: y_pred.dims, data })
}

/// Labels equal to whether predictions are above a threshold.
pub(super) fn binary(y_true: Array, y_pred: Array, threshold: f64) -> Result<Array> {
    equal(y_true, y_pred.map(|p| (p > threshold) as u8 as f64))
}

/// Class indices equal to the largest prediction's. `squeeze`: a last axis of size 1 goes, as the sparse metric does.
pub(super) fn sparse(y_true: Array, y_pred: Array, squeeze: bool) -> Result<Array> {
    let mut best = y_pred.arg_max(-1)?;
    if y_true.rank() == y_pred.rank() && y_true.last() == Some(1) {
        best = best.expanded();
    }
    if y_true.dims != best.dims {
        return Err(Error::mismatch(
            "labels do not fit the predictions",
            format!("class indices {:?}", best.dims),
            format!("{:?}", y_true.dims),
        ));
    }
    let data = y_true.data.iter().zip(&best.data).map(|(t, p)| (t == p) as u8 as f64).collect();
    let mut dims = best.dims;
    if squeeze && dims.len() > 1 && dims.last() == Some(&1) {
        dims.pop();
    }
    Ok(Array { dims, data })
}

/// Class indices among the `k` largest predictions; a tie with the k-th counts as among them.
pub(super) fn top_k(labels: Array, y_pred: Array, k: usize, sorted_ids: bool) -> Result<Array> {
    let classes = y_pred.last().unwrap_or(0);
    let rows = y_pred.data.len().checked_div(classes).unwrap_or(0);
    if labels.data.len() != rows {
        return Err(Error::mismatch("labels do not fit the predictions", format!("{rows} labels"), labels.data.len()));
    }
    let hit = |row: usize| {
        let (scores, label) = (&y_pred.data[row * classes..][..classes], labels.data[row]);
        if sorted_ids {
            return scores.iter().take(k).any(|&id| id == label);
        }
        // As TensorFlow: a label out of range, or of a score that is not finite, is no hit.
        let score = if label < 0.0 { None } else { scores.get(label as usize) };
        score.is_some_and(|score| score.is_finite() && scores.iter().filter(|other| *other > score).count() < k)
    };
    Ok(Array { dims: labels.dims.clone(), data: (0..rows).map(|row| hit(row) as u8 as f64).collect() })
}
