//! F-scores: the weighted harmonic mean of precision and recall, for each class.

use super::State;
use super::array::Array;
use crate::error::{Error, Result};
use crate::train::config::Config;
use crate::train::losses::EPSILON;

enum Average {
    None,
    Micro,
    Macro,
    Weighted,
}

struct FScore {
    beta: f64,
    average: Average,
    /// Without one the largest score of a row is positive.
    threshold: Option<f64>,
    /// For each class: true positives, false positives, false negatives, labels.
    sums: Vec<[f64; 4]>,
}

pub(super) fn parse(class: &str, config: &mut Config) -> Result<Box<dyn State>> {
    let average = match config.text("average")?.as_deref() {
        None => Average::None,
        Some("micro") => Average::Micro,
        Some("macro") => Average::Macro,
        Some("weighted") => Average::Weighted,
        Some(other) => return Err(config.refuse(format!("unknown average {other:?}"))),
    };
    let beta = if class == "FBetaScore" { config.float("beta", 1.0)? } else { 1.0 };
    let threshold = config.number("threshold")?.map(|t| t as f32 as f64);
    if beta <= 0.0 || threshold.is_some_and(|t| t <= 0.0 || t > 1.0) {
        return Err(config.refuse("beta must be above 0, a threshold above 0 and at most 1"));
    }
    Ok(Box::new(FScore { beta, average, threshold, sums: Vec::new() }))
}

impl State for FScore {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let [batch, classes] = y_pred.dims[..] else {
            return Err(Error::mismatch("F-scores need matrices", "[batch, classes]", format!("{:?}", y_pred.dims)));
        };
        if y_true.dims != y_pred.dims {
            return Err(Error::mismatch(
                "labels do not fit the predictions",
                format!("{:?}", y_pred.dims),
                format!("{:?}", y_true.dims),
            ));
        }
        if self.sums.is_empty() {
            self.sums = vec![[0.0; 4]; classes];
        }
        if self.sums.len() != classes {
            return Err(Error::mismatch("another number of classes than before", self.sums.len(), classes));
        }
        let weight = match weight {
            Some(w) => w.broadcast(&[batch])?.data,
            None => vec![1.0; batch],
        };
        for (row, w) in weight.iter().enumerate() {
            let (scores, labels) = (&y_pred.data[row * classes..][..classes], &y_true.data[row * classes..][..classes]);
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for ((&p, &t), sums) in scores.iter().zip(labels).zip(&mut self.sums) {
                let positive = match self.threshold {
                    Some(threshold) => p > threshold,
                    // A row of zeros has no positive.
                    None => p >= top && p.abs() > 1e-9,
                };
                let p = positive as u8 as f64;
                [p * t, p * (1.0 - t), (1.0 - p) * t, t].iter().zip(sums).for_each(|(v, sum)| *sum += w * v);
            }
        }
        Ok(())
    }

    fn result(&self) -> Vec<f64> {
        const EPS: f64 = EPSILON as f64;
        let score = |[tp, fp, f_n, _]: &[f64; 4]| {
            let (precision, recall) = (tp / (tp + fp + EPS), tp / (tp + f_n + EPS));
            let square = self.beta * self.beta;
            precision * recall / (square * precision + recall + EPS) * (1.0 + square)
        };
        let scores: Vec<f64> = self.sums.iter().map(score).collect();
        match self.average {
            Average::None => scores,
            Average::Micro => {
                let total =
                    self.sums.iter().fold([0.0; 4], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]);
                vec![score(&total)]
            }
            Average::Macro => vec![scores.iter().sum::<f64>() / scores.len().max(1) as f64],
            Average::Weighted => {
                let total: f64 = self.sums.iter().map(|s| s[3]).sum();
                vec![scores.iter().zip(&self.sums).map(|(score, s)| score * s[3] / (total + EPS)).sum()]
            }
        }
    }

    fn reset(&mut self) {
        self.sums.clear();
    }

    fn is_list(&self) -> bool {
        matches!(self.average, Average::None)
    }
}
