//! Means of a value for each sample: accuracies, errors, cross-entropies.

use super::State;
use super::array::{Array, divide_no_nan};
use super::matches;
use super::values;
use crate::error::{Error, Result};
use crate::train::config::Config;
use crate::train::losses::LossFunction;

/// What is computed for a sample.
enum Function {
    /// Labels equal to predictions.
    Accuracy,
    Binary {
        threshold: f64,
    },
    Categorical,
    Sparse,
    TopK {
        k: usize,
        sparse: bool,
        /// The predictions are class indices, the best first.
        sorted_ids: bool,
    },
    Loss(LossFunction),
    /// The mean's root is the result.
    SquaredError,
    CosineSimilarity {
        axis: isize,
    },
}

struct Mean {
    function: Function,
    total: f64,
    count: f64,
}

/// A mean metric of this class, if it is one.
pub(super) fn parse(class: &str, config: &mut Config) -> Result<Option<Box<dyn State>>> {
    let loss =
        |name: &str, config: &mut Config| Ok::<_, Error>(Function::Loss(crate::train::losses::function(name, config)?));
    let function = match class {
        "Accuracy" => Function::Accuracy,
        "BinaryAccuracy" => Function::Binary { threshold: config.float("threshold", 0.5)? as f32 as f64 },
        "CategoricalAccuracy" => Function::Categorical,
        "SparseCategoricalAccuracy" => Function::Sparse,
        "TopKCategoricalAccuracy" | "SparseTopKCategoricalAccuracy" => {
            let sparse = class.starts_with("Sparse");
            let sorted_ids = sparse && config.flag("from_sorted_ids", false)?;
            Function::TopK { k: config.count("k")?.unwrap_or(5), sparse, sorted_ids }
        }
        "RootMeanSquaredError" => Function::SquaredError,
        "CosineSimilarity" => Function::CosineSimilarity { axis: config.axis("axis", -1)? },
        "LogCoshError" => loss("LogCosh", config)?,
        "MeanSquaredError"
        | "MeanAbsoluteError"
        | "MeanAbsolutePercentageError"
        | "MeanSquaredLogarithmicError"
        | "Hinge"
        | "SquaredHinge"
        | "CategoricalHinge"
        | "KLDivergence"
        | "Poisson"
        | "BinaryCrossentropy"
        | "CategoricalCrossentropy"
        | "SparseCategoricalCrossentropy" => loss(class, config)?,
        "R2Score" => return r2(config).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(Box::new(Mean { function, total: 0.0, count: 0.0 })))
}

impl State for Mean {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let mut mask = None;
        let values = match &self.function {
            Function::Accuracy => matches::equal(y_true, y_pred)?,
            Function::Binary { threshold } => matches::binary(y_true, y_pred, *threshold)?,
            Function::Categorical => matches::sparse(y_true.arg_max(-1)?, y_pred, false)?,
            Function::Sparse => matches::sparse(y_true, y_pred, true)?,
            Function::TopK { k, sparse, sorted_ids } => {
                let labels = if *sparse { y_true } else { y_true.arg_max(-1)? };
                matches::top_k(labels, y_pred, *k, *sorted_ids)?
            }
            Function::Loss(function) => {
                let (values, valid) = values::of(function, y_true, y_pred)?;
                mask = valid;
                values
            }
            Function::SquaredError => {
                let (y_true, y_pred) = Array::same_rank(y_true, y_pred, true);
                let y_true = y_true.broadcast(&y_pred.dims)?;
                let squares = y_true.data.iter().zip(&y_pred.data).map(|(t, p)| (p - t) * (p - t)).collect();
                Array { dims: y_pred.dims, data: squares }
            }
            Function::CosineSimilarity { axis } => {
                let function = LossFunction::CosineSimilarity { axis: *axis };
                values::of(&function, y_true, y_pred)?.0.map(|v| -v)
            }
        };
        let (total, count) = by_sample(values, weight, mask)?;
        self.total += total;
        self.count += count;
        Ok(())
    }

    fn result(&self) -> Vec<f64> {
        let mean = divide_no_nan(self.total, self.count);
        vec![if matches!(self.function, Function::SquaredError) { mean.sqrt() } else { mean }]
    }

    fn reset(&mut self) {
        (self.total, self.count) = (0.0, 0.0);
    }
}

/// Keras' `reduce_to_samplewise_values`, and the sums of values and of weights that it is for.
///
/// Ignored values count in an unweighted mean, as zeros: Keras applies the mask to weights only.
fn by_sample(values: Array, weight: Option<Array>, mask: Option<Vec<bool>>) -> Result<(f64, f64)> {
    let Some(mut weight) = weight else {
        let count = values.dims.first().copied().unwrap_or(1);
        let from = values.rank().min(1);
        return Ok((values.means_from(from).data.iter().sum(), count as f64));
    };
    if let Some(mask) = mask {
        let mask = Array { dims: values.dims.clone(), data: mask.into_iter().map(|m| m as u8 as f64).collect() };
        let (mask, w) = Array::same_rank(mask, weight, true);
        let dims = if mask.rank() >= w.rank() { mask.dims.clone() } else { w.dims.clone() };
        let (mask, mut w) = (mask.broadcast(&dims)?, w.broadcast(&dims)?);
        w.data.iter_mut().zip(&mask.data).for_each(|(w, m)| *w *= m);
        weight = w;
    }
    let (mut values, weight) = Array::same_rank(values, weight, true);
    let rank = weight.rank();
    if values.rank() > rank {
        values = values.means_from(rank);
    }
    let weight = weight.broadcast(&values.dims)?;
    values.data.iter_mut().zip(&weight.data).for_each(|(v, w)| *v *= w);
    let from = |array: &Array| array.rank().min(1);
    let weight = if rank > 1 { weight.means_from(1) } else { weight };
    let from = from(&values);
    Ok((values.means_from(from).data.iter().sum(), weight.data.iter().sum()))
}

/// The coefficient of determination.
struct R2 {
    aggregation: Option<String>,
    regressors: f64,
    samples: f64,
    /// For each output: sum and squared sum of the labels, squared error, weights.
    sums: Vec<[f64; 4]>,
}

fn r2(config: &mut Config) -> Result<Box<dyn State>> {
    let aggregation = match config.is_null("class_aggregation") {
        true => None,
        false => Some(config.text("class_aggregation")?.unwrap_or("uniform_average".into())),
    };
    if !matches!(aggregation.as_deref(), None | Some("uniform_average" | "variance_weighted_average")) {
        return Err(config.refuse("unknown class_aggregation"));
    }
    let regressors = config.count("num_regressors")?.unwrap_or(0) as f64;
    Ok(Box::new(R2 { aggregation, regressors, samples: 0.0, sums: Vec::new() }))
}

impl State for R2 {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()> {
        let (y_true, y_pred) = Array::same_rank(y_true, y_pred, true);
        let [_, outputs] = y_pred.dims[..] else {
            return Err(Error::mismatch("R2Score needs matrices", "[batch, outputs]", format!("{:?}", y_pred.dims)));
        };
        let y_true = y_true.broadcast(&y_pred.dims)?;
        let weight = weight.unwrap_or(Array { dims: vec![], data: vec![1.0] });
        let weight = if weight.rank() == 1 { weight.expanded() } else { weight }.broadcast(&y_pred.dims)?;
        if self.sums.is_empty() {
            self.sums = vec![[0.0; 4]; outputs];
        }
        if self.sums.len() != outputs {
            return Err(Error::mismatch("another number of outputs than before", self.sums.len(), outputs));
        }
        for (i, ((&t, &p), &w)) in y_true.data.iter().zip(&y_pred.data).zip(&weight.data).enumerate() {
            let sums = &mut self.sums[i % outputs];
            [t * w, t * t * w, (t - p) * (t - p) * w, w].iter().zip(sums).for_each(|(v, sum)| *sum += v);
        }
        self.samples += y_true.data.len() as f64;
        Ok(())
    }

    fn result(&self) -> Vec<f64> {
        let spread = |[sum, squares, _, count]: &[f64; 4]| squares - sum * sum / count;
        let score = |sums: &[f64; 4]| match 1.0 - sums[2] / spread(sums) {
            v if v.is_infinite() => 0.0,
            v => v,
        };
        let scores: Vec<f64> = self.sums.iter().map(score).collect();
        let mut result = match self.aggregation.as_deref() {
            None => scores,
            Some("uniform_average") => vec![scores.iter().sum::<f64>() / scores.len() as f64],
            Some(_) => {
                let spreads: Vec<f64> = self.sums.iter().map(spread).collect();
                let weighted: f64 = scores.iter().zip(&spreads).map(|(a, b)| a * b).sum();
                vec![weighted / spreads.iter().sum::<f64>()]
            }
        };
        if self.regressors != 0.0 && self.regressors < self.samples - 1.0 {
            let (n, p) = (self.samples, self.regressors);
            result.iter_mut().for_each(|r| *r = 1.0 - (1.0 - *r) * (n - 1.0) / (n - p - 1.0));
        }
        result
    }

    fn reset(&mut self) {
        self.sums.clear();
        self.samples = 0.0;
    }

    fn is_list(&self) -> bool {
        self.aggregation.is_none()
    }
}
