//! Losses as metrics: their values on the host, unreduced. The graphs of `losses` say the same in ops.

use super::array::Array;
use crate::error::{Error, Result};
use crate::train::losses::{EPSILON, LossFunction};

const EPS: f64 = EPSILON as f64;
/// The upper clip as float32 has it.
const ALMOST_ONE: f64 = (1.0 - EPSILON as f64) as f32 as f64;

/// A value for every sample or place, and which of them count.
pub(super) fn of(function: &LossFunction, y_true: Array, y_pred: Array) -> Result<(Array, Option<Vec<bool>>)> {
    if let LossFunction::SparseCategoricalCrossentropy { from_logits, ignore_class } = *function {
        return sparse(y_true, y_pred, from_logits, ignore_class);
    }
    let (y_true, y_pred) = Array::same_rank(y_true, y_pred, true);
    let mut y_true = y_true.broadcast(&y_pred.dims)?;
    let mut axis = -1;
    let mut smooth = |smoothing: f32, classes: usize| {
        let (s, n) = (smoothing as f64, classes as f64);
        y_true.data.iter_mut().for_each(|t| *t = *t * (1.0 - s) + s / n);
    };
    match *function {
        LossFunction::BinaryCrossentropy { label_smoothing, axis: a, .. } => {
            smooth(label_smoothing, 2);
            axis = a;
        }
        LossFunction::CategoricalCrossentropy { label_smoothing, axis: a, .. } => {
            smooth(label_smoothing, y_pred.last().unwrap_or(1));
            axis = a;
        }
        LossFunction::CosineSimilarity { axis: a } => axis = a,
        LossFunction::Hinge | LossFunction::SquaredHinge if y_true.data.iter().all(|&t| t == 0.0 || t == 1.0) => {
            y_true = y_true.map(|t| 2.0 * t - 1.0);
        }
        _ => {}
    }
    let mean = |t: &[f64], p: &[f64], f: &dyn Fn(f64, f64) -> f64| {
        t.iter().zip(p).map(|(&t, &p)| f(t, p)).sum::<f64>() / t.len() as f64
    };
    let line = |t: &[f64], p: &[f64]| -> f64 {
        let sum = |f: &dyn Fn(f64, f64) -> f64| t.iter().zip(p).map(|(&t, &p)| f(t, p)).sum::<f64>();
        match *function {
            LossFunction::MeanSquaredError => mean(t, p, &|t, p| (p - t) * (p - t)),
            LossFunction::MeanAbsoluteError => mean(t, p, &|t, p| (p - t).abs()),
            LossFunction::MeanAbsolutePercentageError => 100.0 * mean(t, p, &|t, p| ((t - p) / t.abs().max(EPS)).abs()),
            LossFunction::MeanSquaredLogarithmicError => {
                mean(t, p, &|t, p| ((p.max(EPS) + 1.0).ln() - (t.max(EPS) + 1.0).ln()).powi(2))
            }
            LossFunction::CosineSimilarity { .. } => {
                let inverse = |x: &[f64]| (1.0 / x.iter().map(|v| v * v).sum::<f64>().sqrt()).min(1.0 / EPS);
                -sum(&|t, p| t * p) * inverse(t) * inverse(p)
            }
            LossFunction::Huber { delta } => mean(t, p, &|t, p| {
                let clipped = (p - t).clamp(-(delta as f64), delta as f64);
                clipped * (p - t - clipped / 2.0)
            }),
            LossFunction::LogCosh => mean(t, p, &|t, p| p - t + softplus(-2.0 * (p - t)) - std::f64::consts::LN_2),
            LossFunction::KLDivergence => sum(&|t, p| {
                let (t, p) = (t.clamp(EPS, 1.0), p.clamp(EPS, 1.0));
                t * (t / p).ln()
            }),
            LossFunction::Poisson => mean(t, p, &|t, p| p - t * (p + EPS).ln()),
            LossFunction::Hinge => mean(t, p, &|t, p| (1.0 - t * p).max(0.0)),
            LossFunction::SquaredHinge => mean(t, p, &|t, p| (1.0 - t * p).max(0.0).powi(2)),
            LossFunction::CategoricalHinge => {
                let wrong = t.iter().zip(p).map(|(t, p)| (1.0 - t) * p).fold(f64::NEG_INFINITY, f64::max);
                (wrong - sum(&|t, p| t * p) + 1.0).max(0.0)
            }
            LossFunction::BinaryCrossentropy { from_logits: true, .. } => {
                mean(t, p, &|t, z| t * softplus(-z) + (1.0 - t) * softplus(z))
            }
            LossFunction::BinaryCrossentropy { .. } => mean(t, p, &|t, p| {
                let p = p.clamp(EPS, ALMOST_ONE);
                -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
            }),
            LossFunction::CategoricalCrossentropy { from_logits: true, .. } => {
                let total = log_sum_exp(p);
                sum(&|t, z| t * (total - z))
            }
            LossFunction::CategoricalCrossentropy { .. } => {
                let total: f64 = p.iter().sum();
                sum(&|t, p| -t * (p / total).clamp(EPS, ALMOST_ONE).ln())
            }
            _ => f64::NAN,
        }
    };
    Ok((Array::pairs(&y_true, &y_pred, axis, &mut |t, p| line(t, p))?, None))
}

fn sparse(y_true: Array, y_pred: Array, from_logits: bool, ignore: Option<i64>) -> Result<(Array, Option<Vec<bool>>)> {
    let classes = y_pred.last().unwrap_or(0);
    let rows = y_pred.data.len().checked_div(classes).unwrap_or(0);
    if y_true.data.len() != rows {
        return Err(Error::mismatch("labels do not fit the predictions", format!("{rows} labels"), y_true.data.len()));
    }
    let counts: Vec<bool> = y_true.data.iter().map(|&t| ignore != Some(t as i64)).collect();
    let value = |row: usize| {
        if !counts[row] {
            return 0.0;
        }
        let scores = y_pred.data[row * classes..][..classes].iter();
        let scores: Vec<f64> = scores.map(|&p| if from_logits { p } else { p.clamp(EPS, ALMOST_ONE).ln() }).collect();
        // As in TensorFlow: no class, no number.
        let label = y_true.data[row];
        let own = if label < 0.0 { None } else { scores.get(label as usize) };
        own.map_or(f64::NAN, |own| log_sum_exp(&scores) - own)
    };
    let values = Array { dims: y_pred.dims[..y_pred.rank() - 1].to_vec(), data: (0..rows).map(value).collect() };
    Ok((values, ignore.map(|_| counts)))
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn log_sum_exp(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + x.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
}
