//! The area under a curve of rates: ROC, precision over recall, or their gains.

use super::State;
use super::array::{Array, divide_no_nan};
use super::confusion::{Counts, Decisions, inner_thresholds, is_even};
use crate::error::Result;
use crate::train::config::Config;
use crate::train::losses::EPSILON;

#[derive(Clone, Copy, PartialEq)]
enum Curve {
    Roc,
    PrecisionRecall,
    Gains,
}

#[derive(Clone, Copy, PartialEq)]
enum Summation {
    Interpolation,
    Majoring,
    Minoring,
}

struct Area {
    curve: Curve,
    summation: Summation,
    decisions: Decisions,
    /// Of the labels' own areas.
    label_weights: Option<Vec<f64>>,
    from_logits: bool,
    counts: Counts,
}

pub(super) fn parse(config: &mut Config) -> Result<Box<dyn State>> {
    let curve = match config.text("curve")?.as_deref() {
        None | Some("ROC" | "roc") => Curve::Roc,
        Some("PR" | "pr") => Curve::PrecisionRecall,
        Some("PRGAIN" | "prgain") => Curve::Gains,
        Some(other) => return Err(config.refuse(format!("unknown curve {other:?}"))),
    };
    let summation = match config.text("summation_method")?.as_deref() {
        None | Some("interpolation" | "Interpolation") => Summation::Interpolation,
        Some("majoring" | "Majoring") => Summation::Majoring,
        Some("minoring" | "Minoring") => Summation::Minoring,
        Some(other) => return Err(config.refuse(format!("unknown summation_method {other:?}"))),
    };
    let count = config.count("num_thresholds")?.unwrap_or(200);
    let (inner, even) = match config.numbers("thresholds")? {
        Some(mut list) => {
            list.sort_by(f64::total_cmp);
            let all: Vec<f64> = std::iter::once(0.0).chain(list.iter().copied()).chain([1.0]).collect();
            (list.into_iter().map(|t| t as f32 as f64).collect(), is_even(&all))
        }
        None if count > 1 => (inner_thresholds(count), true),
        None => return Err(config.refuse("num_thresholds must be above 1")),
    };
    // Beyond both ends, so that every prediction is above the first and none above the last.
    let beyond = EPSILON as f64;
    let thresholds = std::iter::once(-beyond).chain(inner).chain([1.0 + beyond]).collect();
    let by_label = config.flag("multi_label", false)?;
    if config.count("num_labels")?.is_some() && !by_label {
        return Err(config.refuse("num_labels is for multi_label only"));
    }
    let weights = config.numbers("label_weights")?;
    let (own, shared) = if by_label { (weights, None) } else { (None, weights) };
    let decisions =
        Decisions { even: even.then_some(true), by_label, label_weights: shared, ..Decisions::new(thresholds) };
    let from_logits = config.flag("from_logits", false)?;
    Ok(Box::new(Area { curve, summation, decisions, label_weights: own, from_logits, counts: Counts::default() }))
}

impl State for Area {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let y_pred = if self.from_logits { y_pred.map(|z| 1.0 / (1.0 + (-z).exp())) } else { y_pred };
        self.decisions.count(&mut self.counts, y_true, y_pred, weight)
    }

    fn result(&self) -> Vec<f64> {
        let labels = self.counts.true_positives.len() / self.decisions.thresholds.len();
        let areas: Vec<f64> = (0..labels).map(|label| self.area(label, labels)).collect();
        let ones = vec![1.0; labels];
        let weights = self.label_weights.as_ref().unwrap_or(&ones);
        let sum: f64 = areas.iter().zip(weights).map(|(a, w)| a * w).sum();
        vec![divide_no_nan(sum, weights.iter().sum())]
    }

    fn reset(&mut self) {
        self.counts = Counts::default();
    }
}

impl Area {
    fn area(&self, label: usize, labels: usize) -> f64 {
        let column = |list: &[f64]| list.iter().skip(label).step_by(labels).copied().collect::<Vec<_>>();
        let (tp, fp) = (column(&self.counts.true_positives), column(&self.counts.false_positives));
        let (tn, f_n) = (column(&self.counts.true_negatives), column(&self.counts.false_negatives));
        let steps = 0..tp.len() - 1;
        if self.curve == Curve::PrecisionRecall && self.summation == Summation::Interpolation {
            return steps.map(|i| interpolated([tp[i], tp[i + 1]], [fp[i], fp[i + 1]], f_n[i + 1])).sum();
        }
        let point = |i: usize| match self.curve {
            Curve::Roc => (divide_no_nan(fp[i], fp[i] + tn[i]), divide_no_nan(tp[i], tp[i] + f_n[i])),
            Curve::PrecisionRecall => (divide_no_nan(tp[i], tp[i] + f_n[i]), divide_no_nan(tp[i], tp[i] + fp[i])),
            Curve::Gains if tp[i] == 0.0 => (0.0, 1.0),
            Curve::Gains => {
                let scale = divide_no_nan(tp[i] + f_n[i], tn[i] + fp[i]);
                ((1.0 - scale * f_n[i] / tp[i]).max(0.0), 1.0 - scale * fp[i] / tp[i])
            }
        };
        steps
            .map(|i| {
                let ((x0, y0), (x1, y1)) = (point(i), point(i + 1));
                let height = match self.summation {
                    Summation::Interpolation => (y0 + y1) / 2.0,
                    Summation::Minoring => y0.min(y1),
                    Summation::Majoring => y0.max(y1),
                };
                (x0 - x1) * height
            })
            .sum()
    }
}

/// The area under precision over recall between two thresholds, true positives taken as linear in all positives
/// (Davis and Goadrich 2006).
fn interpolated(tp: [f64; 2], fp: [f64; 2], false_negatives: f64) -> f64 {
    let p = [tp[0] + fp[0], tp[1] + fp[1]];
    let gained = tp[0] - tp[1];
    let slope = divide_no_nan(gained, (p[0] - p[1]).max(0.0));
    let intercept = tp[1] - slope * p[1];
    let ratio = if p[0] > 0.0 && p[1] > 0.0 { p[0] / p[1] } else { 1.0 };
    divide_no_nan(slope * (gained + intercept * ratio.ln()), (tp[1] + false_negatives).max(0.0))
}
