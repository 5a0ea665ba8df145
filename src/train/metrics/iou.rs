//! Overlaps of classes in maps, from a matrix of counts.

use super::State;
use super::array::Array;
use crate::error::{Error, Result};
use crate::train::config::Config;
use crate::train::losses::EPSILON;

struct Overlap {
    classes: usize,
    targets: Vec<usize>,
    ignore: Option<i64>,
    /// Labels, predictions are class indices rather than scores along `axis`.
    sparse: [bool; 2],
    axis: isize,
    /// Predictions of two classes, by a threshold.
    threshold: Option<f64>,
    /// Weights lose their fraction, as in Keras' integer matrix.
    whole_numbers: bool,
    counts: Vec<f64>,
}

/// A metric of overlaps of this class, if it is one.
pub(super) fn parse(class: &str, config: &mut Config, whole_numbers: bool) -> Result<Option<Box<dyn State>>> {
    let (one_hot, some) = match class {
        "IoU" => (false, true),
        "MeanIoU" => (false, false),
        "OneHotIoU" => (true, true),
        "OneHotMeanIoU" => (true, false),
        "BinaryIoU" => (false, true),
        _ => return Ok(None),
    };
    let binary = class == "BinaryIoU";
    let classes = if binary { 2 } else { config.count("num_classes")?.unwrap_or(0) };
    if classes == 0 || classes > 1 << 14 {
        return Err(config.refuse("num_classes must be given"));
    }
    let all = || (0..classes).map(|c| c as f64).collect::<Vec<_>>();
    let targets = match some {
        true => match config.numbers("target_class_ids")? {
            Some(list) => list,
            None if binary => all(),
            None => return Err(config.refuse("target_class_ids must be given")),
        },
        false => all(),
    };
    if targets.iter().any(|&c| c < 0.0 || c >= classes as f64) {
        return Err(config.refuse("target_class_ids must be below num_classes"));
    }
    let mut sparse = [true; 2];
    if !binary {
        sparse = [!one_hot && config.flag("sparse_y_true", true)?, config.flag("sparse_y_pred", !one_hot)?];
    }
    Ok(Some(Box::new(Overlap {
        classes,
        targets: targets.into_iter().map(|c| c as usize).collect(),
        ignore: if binary { None } else { config.integer("ignore_class")? },
        sparse,
        axis: if binary { -1 } else { config.axis("axis", -1)? },
        threshold: if binary { Some(config.float("threshold", 0.5)? as f32 as f64) } else { None },
        whole_numbers,
        counts: vec![0.0; classes * classes],
    })))
}

impl State for Overlap {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let indices = |x: Array, sparse: bool| if sparse { Ok(x) } else { x.arg_max(self.axis) };
        let labels = indices(y_true, self.sparse[0])?;
        let found = match self.threshold {
            Some(threshold) => y_pred.map(|p| (p >= threshold) as u8 as f64),
            None => indices(y_pred, self.sparse[1])?,
        };
        let n = labels.data.len();
        if found.data.len() != n {
            return Err(Error::mismatch("labels and predictions differ in number", n, found.data.len()));
        }
        let mut weight = weight.unwrap_or(Array { dims: vec![], data: vec![1.0] });
        if weight.rank() > 1 {
            weight.dims = vec![weight.data.len()];
        }
        let weight = weight.broadcast(&[n])?;
        for ((&t, &p), &w) in labels.data.iter().zip(&found.data).zip(&weight.data) {
            // As integers, which is how Keras has them.
            let (t, p) = (t as i64, p as i64);
            let known = |c: i64| (0..self.classes as i64).contains(&c);
            if known(t) && known(p) && self.ignore != Some(t) {
                self.counts[t as usize * self.classes + p as usize] += if self.whole_numbers { w.trunc() } else { w };
            }
        }
        Ok(())
    }

    fn result(&self) -> Vec<f64> {
        let n = self.classes;
        let (mut sum, mut present) = (0.0, 0.0);
        for &c in &self.targets {
            let row: f64 = self.counts[c * n..][..n].iter().sum();
            let column: f64 = self.counts.iter().skip(c).step_by(n).sum();
            let both = self.counts[c * n + c];
            let either = row + column - both;
            // Classes in neither map are left out.
            if either > 1e-9 {
                sum += both / (either + EPSILON as f64);
                present += 1.0;
            }
        }
        vec![sum / (present + EPSILON as f64)]
    }

    fn reset(&mut self) {
        self.counts.fill(0.0);
    }

    fn confusion(&self) -> Option<(usize, &[f64])> {
        Some((self.classes, &self.counts))
    }
}
