//! Counts of right and wrong decisions at thresholds, and what is made of them: precision, recall and relatives.

use super::State;
use super::array::{Array, divide_no_nan};
use crate::error::{Error, Result};
use crate::train::config::Config;
use crate::train::losses::EPSILON;

/// Stands for predictions that are not among the top k.
const NEGATIVE_INFINITY: f64 = -1e10f32 as f64;

/// Weighted counts at every threshold: `[threshold][label]`, one label unless they are kept apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub true_positives: Vec<f64>,
    pub false_positives: Vec<f64>,
    pub true_negatives: Vec<f64>,
    pub false_negatives: Vec<f64>,
}

/// How predictions become decisions.
#[derive(Clone, Debug)]
pub(super) struct Decisions {
    /// A prediction above is positive.
    pub thresholds: Vec<f64>,
    /// Keras finds the place of a prediction among evenly spaced thresholds by a multiplication: `Some(true)` if the
    /// outer two lie beyond 0 and 1.
    pub even: Option<bool>,
    pub top_k: Option<usize>,
    pub class_id: Option<usize>,
    /// Counts for each label (the last axis) by itself.
    pub by_label: bool,
    /// Weights of the labels, if they are not kept apart.
    pub label_weights: Option<Vec<f64>>,
}

impl Decisions {
    pub fn new(thresholds: Vec<f64>) -> Decisions {
        let even = is_even(&thresholds).then_some(false);
        Decisions { thresholds, even, top_k: None, class_id: None, by_label: false, label_weights: None }
    }

    /// Adds a batch to the counts. Keras' `update_confusion_matrix_variables`.
    pub fn count(&self, counts: &mut Counts, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let (mut y_pred, mut y_true) = Array::same_rank(y_pred, y_true, true);
        let weight =
            weight.map(|w| Array::same_rank(Array { dims: y_true.dims.clone(), data: vec![] }, w.expanded(), false).1);
        if let Some(k) = self.top_k {
            y_pred = keep_top(&y_pred, k)?;
        }
        if let Some(class) = self.class_id {
            (y_true, y_pred) = (column(&y_true, class)?, column(&y_pred, class)?);
        }
        let y_true = y_true.broadcast(&y_pred.dims)?;
        let labels = if self.by_label { y_pred.last().unwrap_or(1) } else { 1 };
        if self.by_label && y_pred.rank() != 2 {
            return Err(Error::mismatch(
                "labels of their own need matrices",
                "[batch, labels]",
                format!("{:?}", y_pred.dims),
            ));
        }
        let mut weights = match weight {
            Some(w) => w.broadcast(&y_pred.dims)?.data,
            None => vec![1.0; y_pred.data.len()],
        };
        if let Some(own) = &self.label_weights {
            let own = Array { dims: vec![own.len()], data: own.clone() }.broadcast(&y_pred.dims)?;
            weights.iter_mut().zip(own.data).for_each(|(w, o)| *w *= o);
        }
        let slots = self.thresholds.len() * labels;
        for list in counts.all() {
            if list.is_empty() {
                *list = vec![0.0; slots];
            } else if list.len() != slots {
                return Err(Error::mismatch(
                    "another number of labels than before",
                    list.len() / self.thresholds.len(),
                    labels,
                ));
            }
        }
        for (i, ((&t, &p), &w)) in y_true.data.iter().zip(&y_pred.data).zip(&weights).enumerate() {
            let positives = self.positives(p);
            for threshold in 0..self.thresholds.len() {
                let slot = threshold * labels + i % labels;
                let list = match (positives.contains(threshold), t != 0.0) {
                    (true, true) => &mut counts.true_positives,
                    (true, false) => &mut counts.false_positives,
                    (false, false) => &mut counts.true_negatives,
                    (false, true) => &mut counts.false_negatives,
                };
                list[slot] += w;
            }
        }
        Ok(())
    }

    /// The thresholds at which a prediction is positive.
    fn positives(&self, p: f64) -> Positives<'_> {
        match self.even {
            // In single precision, as there.
            Some(beyond) => {
                let last = (self.thresholds.len() - 1) as f32;
                let place = ((p as f32).clamp(0.0, 1.0) * last).ceil() - 1.0;
                Positives::UpTo(if beyond { place.max(0.0) } else { place } as i64)
            }
            None => Positives::Above(&self.thresholds, p),
        }
    }
}

enum Positives<'a> {
    UpTo(i64),
    Above(&'a [f64], f64),
}

impl Positives<'_> {
    fn contains(&self, threshold: usize) -> bool {
        match self {
            Positives::UpTo(last) => threshold as i64 <= *last,
            Positives::Above(thresholds, p) => *p > thresholds[threshold],
        }
    }
}

impl Counts {
    fn all(&mut self) -> [&mut Vec<f64>; 4] {
        [&mut self.true_positives, &mut self.false_positives, &mut self.true_negatives, &mut self.false_negatives]
    }
}

/// Keras' `is_evenly_distributed_thresholds`.
pub(super) fn is_even(thresholds: &[f64]) -> bool {
    let n = thresholds.len();
    let near = |(i, t): (usize, &f64)| {
        let even = i as f64 / (n - 1) as f64;
        (t - even).abs() <= EPSILON as f64 + 1e-5 * even
    };
    n >= 3 && thresholds.iter().enumerate().all(near)
}

/// Evenly spaced thresholds strictly between 0 and 1.
pub(super) fn inner_thresholds(count: usize) -> Vec<f64> {
    (1..count.saturating_sub(1)).map(|i| (i as f64 / (count - 1) as f64) as f32 as f64).collect()
}

fn column(x: &Array, class: usize) -> Result<Array> {
    let n = x.last().unwrap_or(0);
    if x.rank() < 2 || class >= n {
        return Err(Error::mismatch("no such class in the predictions", format!("more than {class} classes"), n));
    }
    let mut dims = x.dims.clone();
    dims[x.rank() - 1] = 1;
    Ok(Array { dims, data: x.data.chunks(n).map(|row| row[class]).collect() })
}

/// All but the `k` largest of each row become very small; ties go to the lowest index.
fn keep_top(x: &Array, k: usize) -> Result<Array> {
    let n = x.last().unwrap_or(0);
    if k > n {
        return Err(Error::mismatch("too few classes for top-k", format!("at least {k}"), n));
    }
    let mut data = vec![NEGATIVE_INFINITY; x.data.len()];
    for (row, out) in x.data.chunks(n.max(1)).zip(data.chunks_mut(n.max(1))) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&i, &j| row[j].total_cmp(&row[i]));
        order[..k].iter().for_each(|&i| out[i] = row[i]);
    }
    Ok(Array { dims: x.dims.clone(), data })
}

/// What is made of the counts.
enum Measure {
    Precision,
    Recall,
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    /// The largest of one rate where another is at least this.
    Best {
        of: Rate,
        under: Rate,
        at_least: f64,
    },
}

#[derive(Clone, Copy)]
enum Rate {
    Precision,
    Recall,
    Specificity,
}

impl Rate {
    fn of(self, counts: &Counts, i: usize) -> f64 {
        let Counts { true_positives: tp, false_positives: fp, true_negatives: tn, false_negatives: f_n } = counts;
        match self {
            Rate::Precision => divide_no_nan(tp[i], tp[i] + fp[i]),
            Rate::Recall => divide_no_nan(tp[i], tp[i] + f_n[i]),
            Rate::Specificity => divide_no_nan(tn[i], tn[i] + fp[i]),
        }
    }
}

struct AtThresholds {
    measure: Measure,
    decisions: Decisions,
    counts: Counts,
}

/// A metric of decisions of this class, if it is one.
pub(super) fn parse(class: &str, config: &mut Config) -> Result<Option<Box<dyn State>>> {
    let best = |of, under, key: &str, config: &mut Config| match config.number(key)? {
        Some(v) if (0.0..=1.0).contains(&v) => Ok(Measure::Best { of, under, at_least: v }),
        _ => Err(config.refuse(format!("{key} must lie between 0 and 1"))),
    };
    let measure = match class {
        "Precision" => Measure::Precision,
        "Recall" => Measure::Recall,
        "TruePositives" => Measure::TruePositives,
        "FalsePositives" => Measure::FalsePositives,
        "TrueNegatives" => Measure::TrueNegatives,
        "FalseNegatives" => Measure::FalseNegatives,
        "SensitivityAtSpecificity" => best(Rate::Recall, Rate::Specificity, "specificity", config)?,
        "SpecificityAtSensitivity" => best(Rate::Specificity, Rate::Recall, "sensitivity", config)?,
        "PrecisionAtRecall" => best(Rate::Precision, Rate::Recall, "recall", config)?,
        "RecallAtPrecision" => best(Rate::Recall, Rate::Precision, "precision", config)?,
        _ => return Ok(None),
    };
    let mut decisions;
    if let Measure::Best { .. } = measure {
        let count = config.count("num_thresholds")?.unwrap_or(200);
        decisions = match count {
            0 => return Err(config.refuse("num_thresholds must be above 0")),
            1 => Decisions::new(vec![0.5]),
            _ => {
                let inner = inner_thresholds(count);
                let all = std::iter::once(0.0).chain(inner).chain([1.0]).collect();
                Decisions { even: Some(false), ..Decisions::new(all) }
            }
        };
    } else {
        let rates = matches!(measure, Measure::Precision | Measure::Recall);
        let top_k = if rates { config.count("top_k")? } else { None };
        let usual = if top_k.is_some() { NEGATIVE_INFINITY } else { 0.5 };
        let thresholds = match config.numbers("thresholds")? {
            None => vec![usual],
            Some(list) if list.iter().all(|t| (0.0..=1.0).contains(t)) && !list.is_empty() => {
                list.into_iter().map(|t| t as f32 as f64).collect()
            }
            Some(_) => return Err(config.refuse("thresholds must lie between 0 and 1")),
        };
        decisions = Decisions::new(thresholds);
        decisions.top_k = top_k;
    }
    if matches!(measure, Measure::Precision | Measure::Recall | Measure::Best { .. }) {
        decisions.class_id = config.count("class_id")?;
    }
    Ok(Some(Box::new(AtThresholds { measure, decisions, counts: Counts::default() })))
}

impl State for AtThresholds {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        self.decisions.count(&mut self.counts, y_true, y_pred, weight)
    }

    fn result(&self) -> Vec<f64> {
        let counts = &self.counts;
        let n = self.decisions.thresholds.len();
        if counts.true_positives.is_empty() {
            return vec![0.0; if matches!(self.measure, Measure::Best { .. }) { 1 } else { n }];
        }
        let rates = |rate: Rate| (0..n).map(|i| rate.of(counts, i)).collect();
        match self.measure {
            Measure::Precision => rates(Rate::Precision),
            Measure::Recall => rates(Rate::Recall),
            Measure::TruePositives => counts.true_positives.clone(),
            Measure::FalsePositives => counts.false_positives.clone(),
            Measure::TrueNegatives => counts.true_negatives.clone(),
            Measure::FalseNegatives => counts.false_negatives.clone(),
            Measure::Best { of, under, at_least } => {
                // Compared in single precision, as there.
                let allowed = |&i: &usize| under.of(counts, i) as f32 >= at_least as f32;
                vec![(0..n).filter(allowed).map(|i| of.of(counts, i)).fold(0.0, f64::max)]
            }
        }
    }

    fn reset(&mut self) {
        self.counts = Counts::default();
    }
}
