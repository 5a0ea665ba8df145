//! Losses as Keras 3 has them, built as ordinary ops.
//!
//! A loss makes a value for every sample (and, for maps, for every place), weighs them, and reduces them to one. Where
//! `y_pred` is a softmax or a sigmoid the cross-entropies go back to its logits, as a compiled Keras model does: nothing
//! is clipped then. Gradients at kinks and clips are TensorFlow's.

mod boxes;
mod crossentropy;
mod overlap;
mod regression;
mod weights;

use serde_json::Value;

use super::config::{Config, class_name};
use super::expr::{Expr, Operand};
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};

pub use boxes::BoxOverlap;
pub use weights::class_weights;

/// Keras' `backend.epsilon()`.
pub(crate) const EPSILON: f32 = 1e-7;

/// The function of a label and a prediction; the fields are Keras' arguments.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum LossFunction {
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity {
        axis: isize,
    },
    Huber {
        delta: f32,
    },
    LogCosh,
    KLDivergence,
    Poisson,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    BinaryCrossentropy {
        from_logits: bool,
        label_smoothing: f32,
        axis: isize,
    },
    /// Lin et al. 2017: the easy samples weigh little.
    BinaryFocalCrossentropy {
        apply_class_balancing: bool,
        alpha: f32,
        gamma: f32,
        from_logits: bool,
        label_smoothing: f32,
        axis: isize,
    },
    CategoricalCrossentropy {
        from_logits: bool,
        label_smoothing: f32,
        axis: isize,
    },
    CategoricalFocalCrossentropy {
        /// One weight, or one for each class.
        alpha: Vec<f32>,
        gamma: f32,
        from_logits: bool,
        label_smoothing: f32,
        axis: isize,
    },
    /// Labels are class indices.
    SparseCategoricalCrossentropy {
        from_logits: bool,
        ignore_class: Option<i64>,
    },
    /// Zhang and Sabuncu 2018; labels are class indices.
    CategoricalGeneralizedCrossEntropy {
        q: f32,
    },
    /// `axis: None` takes the batch as one.
    Dice {
        axis: Option<Vec<isize>>,
    },
    Tversky {
        alpha: f32,
        beta: f32,
        axis: Option<Vec<isize>>,
    },
    /// 1 minus the overlap of boxes `[..., 4]`, two opposite corners each, in any one order of coordinates.
    Boxes(BoxOverlap),
}

/// What becomes of the values of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nothing: a value each.
    None,
    /// Their sum.
    Sum,
    /// Their sum through their number, whatever their weights.
    SumOverBatchSize,
    /// Their sum through the sum of their weights.
    MeanWithSampleWeight,
}

/// A loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// What is computed for a sample.
    pub function: LossFunction,
    /// How the samples are put together.
    pub reduction: Reduction,
}

impl Loss {
    /// A loss with Keras' usual reduction, the mean.
    pub fn new(function: LossFunction) -> Loss {
        Loss { function, reduction: Reduction::SumOverBatchSize }
    }

    /// A loss by Keras' class or function name (`mse`, `SparseCategoricalCrossentropy`, `huber` ...), with its
    /// arguments. Unknown names and arguments are errors.
    pub fn from_config(name: &str, config: &Value) -> Result<Loss> {
        let mut config = Config::new(name, config)?;
        let reduction = match config.values_reduction()? {
            Some(reduction) => reduction,
            None => Reduction::SumOverBatchSize,
        };
        let function = function(name, &mut config)?;
        config.finish()?;
        Ok(Loss { function, reduction })
    }

    /// As [`Loss::from_config`] without arguments, for a string given to `compile`: `crossentropy` and `ce` become the
    /// binary, the sparse or the categorical cross-entropy by the shapes of labels and outputs.
    pub fn resolve(identifier: &str, y_true: &[Option<usize>], y_pred: &[Option<usize>]) -> Result<Loss> {
        let name = match identifier.to_lowercase().as_str() {
            "crossentropy" | "ce" => match labels(y_true, y_pred) {
                Labels::Binary => "BinaryCrossentropy",
                Labels::Sparse => "SparseCategoricalCrossentropy",
                Labels::Categorical => "CategoricalCrossentropy",
            },
            _ => identifier,
        };
        Loss::from_config(name, &Value::Null)
    }

    /// Adds the loss to a graph. `sample_weight` has the shape of the unreduced loss, or leading dimensions of it.
    ///
    /// The result is a scalar, unless the reduction is [`Reduction::None`].
    pub fn build(
        &self,
        graph: &mut Graph,
        y_true: ValueId,
        y_pred: ValueId,
        sample_weight: Option<ValueId>,
    ) -> Result<ValueId> {
        let y_true = Operand::of(graph, y_true)?;
        let y_pred = Operand::of(graph, y_pred)?;
        let weight = sample_weight.map(|w| Operand::of(graph, w)).transpose()?;
        self.build_typed(graph, &y_true, &y_pred, weight.as_ref())
    }

    /// As [`Loss::build`] for values whose dimensions the caller knows.
    pub fn build_typed(
        &self,
        graph: &mut Graph,
        y_true: &Operand,
        y_pred: &Operand,
        sample_weight: Option<&Operand>,
    ) -> Result<ValueId> {
        let mut expr = Expr::new(graph, "loss");
        let values = Samples::of(&mut expr, &self.function, y_true, y_pred).map_err(|e| e.at("loss"))?;
        weights::reduce(&mut expr, values, sample_weight, self.reduction).map_err(|e| e.at("loss"))
    }
}

/// The unreduced loss.
pub(super) struct Samples {
    values: Operand,
    /// 1 where the value counts, 0 where it is ignored.
    mask: Option<ValueId>,
}

impl Samples {
    fn of(expr: &mut Expr, function: &LossFunction, y_true: &Operand, y_pred: &Operand) -> Result<Samples> {
        if let LossFunction::SparseCategoricalCrossentropy { from_logits, ignore_class } = *function {
            return crossentropy::sparse(expr, y_true, y_pred, from_logits, ignore_class);
        }
        if let LossFunction::CategoricalGeneralizedCrossEntropy { q } = *function {
            return crossentropy::generalized(expr, y_true, y_pred, q);
        }
        let (y_true, pred) = expr.same_rank(y_true, y_pred)?;
        let y_true = Operand { value: expr.cast(&y_true, crate::DType::F32)?, dtype: crate::DType::F32, ..y_true };
        let values = match function {
            LossFunction::BinaryCrossentropy { .. }
            | LossFunction::BinaryFocalCrossentropy { .. }
            | LossFunction::CategoricalCrossentropy { .. }
            | LossFunction::CategoricalFocalCrossentropy { .. } => crossentropy::dense(expr, function, &y_true, &pred)?,
            LossFunction::Dice { .. } | LossFunction::Tversky { .. } => overlap::build(expr, function, &y_true, &pred)?,
            LossFunction::Boxes(kind) => boxes::build(expr, *kind, &y_true, &pred)?,
            _ => regression::build(expr, function, &y_true, &pred)?,
        };
        Ok(Samples { values, mask: None })
    }
}

/// The dimensions that are left when one is reduced.
fn without(x: &Operand, axis: isize) -> Result<Vec<Option<usize>>> {
    let mut dims = x.dims.clone();
    dims.remove(x.axis(axis)?);
    Ok(dims)
}

impl Config {
    fn values_reduction(&mut self) -> Result<Option<Reduction>> {
        // An explicit null is Keras' `reduction=None`: no reduction, unlike an absent key.
        if self.is_null("reduction") {
            return Ok(Some(Reduction::None));
        }
        Ok(match self.text("reduction")?.as_deref() {
            None => None,
            Some("none") => Some(Reduction::None),
            Some("sum") => Some(Reduction::Sum),
            Some("sum_over_batch_size" | "mean" | "auto") => Some(Reduction::SumOverBatchSize),
            Some("mean_with_sample_weight") => Some(Reduction::MeanWithSampleWeight),
            Some(other) => return Err(self.refuse(format!("unknown reduction {other:?}"))),
        })
    }
}

/// What labels are, by their shape and the predictions'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// 0 or 1, for one number.
    Binary,
    /// Class indices.
    Sparse,
    /// As the predictions.
    Categorical,
}

/// Keras' rule for `accuracy` and `crossentropy`.
pub(crate) fn labels(y_true: &[Option<usize>], y_pred: &[Option<usize>]) -> Labels {
    let last = |dims: &[Option<usize>]| dims.last().copied().flatten();
    if last(y_pred) == Some(1) {
        Labels::Binary
    } else if y_true.len() < y_pred.len() || last(y_true) == Some(1) && last(y_pred).is_some() {
        Labels::Sparse
    } else {
        Labels::Categorical
    }
}

pub(super) fn function(name: &str, config: &mut Config) -> Result<LossFunction> {
    use LossFunction::*;
    // Keras' short forms, and function names that differ from the class beyond their spelling.
    let class = match name {
        "mse" | "MSE" => "MeanSquaredError",
        "mae" | "MAE" => "MeanAbsoluteError",
        "mape" | "MAPE" => "MeanAbsolutePercentageError",
        "msle" | "MSLE" => "MeanSquaredLogarithmicError",
        "bce" | "BCE" => "BinaryCrossentropy",
        "kld" | "KLD" | "kl_divergence" | "kullback_leibler_divergence" => "KLDivergence",
        "logcosh" => "LogCosh",
        other => &class_name(other),
    };
    let logits = |c: &mut Config| c.flag("from_logits", false);
    let smoothing = |c: &mut Config| Ok::<_, Error>(c.float("label_smoothing", 0.0)? as f32);
    let number = |c: &mut Config, key: &str, default: f64| Ok::<_, Error>(c.float(key, default)? as f32);
    Ok(match class {
        "MeanSquaredError" => MeanSquaredError,
        "MeanAbsoluteError" => MeanAbsoluteError,
        "MeanAbsolutePercentageError" => MeanAbsolutePercentageError,
        "MeanSquaredLogarithmicError" => MeanSquaredLogarithmicError,
        "CosineSimilarity" => CosineSimilarity { axis: config.axis("axis", -1)? },
        "Huber" => Huber { delta: number(config, "delta", 1.0)? },
        "LogCosh" => LogCosh,
        "KLDivergence" => KLDivergence,
        "Poisson" => Poisson,
        "Hinge" => Hinge,
        "SquaredHinge" => SquaredHinge,
        "CategoricalHinge" => CategoricalHinge,
        "BinaryCrossentropy" => BinaryCrossentropy {
            from_logits: logits(config)?,
            label_smoothing: smoothing(config)?,
            axis: config.axis("axis", -1)?,
        },
        "BinaryFocalCrossentropy" => BinaryFocalCrossentropy {
            apply_class_balancing: config.flag("apply_class_balancing", false)?,
            alpha: number(config, "alpha", 0.25)?,
            gamma: number(config, "gamma", 2.0)?,
            from_logits: logits(config)?,
            label_smoothing: smoothing(config)?,
            axis: config.axis("axis", -1)?,
        },
        "CategoricalCrossentropy" => CategoricalCrossentropy {
            from_logits: logits(config)?,
            label_smoothing: smoothing(config)?,
            axis: config.axis("axis", -1)?,
        },
        "CategoricalFocalCrossentropy" => CategoricalFocalCrossentropy {
            alpha: config.numbers("alpha")?.unwrap_or(vec![0.25]).into_iter().map(|v| v as f32).collect(),
            gamma: number(config, "gamma", 2.0)?,
            from_logits: logits(config)?,
            label_smoothing: smoothing(config)?,
            axis: config.axis("axis", -1)?,
        },
        "SparseCategoricalCrossentropy" => {
            // TensorFlow's backend of Keras has no other axis either; the last one is known only with the shapes.
            let axis = config.axis("axis", -1)?;
            if axis != -1 {
                return Err(Error::unsupported("sparse categorical cross-entropy along another axis than -1").at(name));
            }
            SparseCategoricalCrossentropy {
                from_logits: logits(config)?,
                ignore_class: config.integer("ignore_class")?,
            }
        }
        "CategoricalGeneralizedCrossEntropy" => {
            let q = number(config, "q", 0.5)?;
            if !(q > 0.0 && q < 1.0) {
                return Err(config.refuse("q must lie between 0 and 1"));
            }
            CategoricalGeneralizedCrossEntropy { q }
        }
        "Dice" => Dice { axis: config.axes("axis")? },
        "Tversky" => Tversky {
            alpha: number(config, "alpha", 0.5)?,
            beta: number(config, "beta", 0.5)?,
            axis: config.axes("axis")?,
        },
        "IoULoss" => Boxes(BoxOverlap::IoU),
        "GIoULoss" => Boxes(BoxOverlap::GIoU),
        "DIoULoss" => Boxes(BoxOverlap::DIoU),
        "CIoULoss" => Boxes(BoxOverlap::CIoU),
        _ => return Err(Error::invalid(format!("no loss of the name {name:?}"))),
    })
}
