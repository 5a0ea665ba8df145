//! Metrics as Keras 3 has them, on the host: they take the outputs of batch after batch and tell the value so far.
//!
//! Sums are kept in double precision. A metric is a small state machine: [`Metric::update`], [`Metric::result`],
//! [`Metric::reset`].

mod array;
mod confusion;
mod curve;
mod fscore;
mod iou;
mod matches;
mod mean;
mod values;

use serde_json::Value;

use self::array::Array;
use super::config::{Config, class_name};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub use super::callbacks::Mode;
use super::callbacks::mode_of;

/// What a kind of metric must do.
trait State {
    fn update(&mut self, y_true: Array, y_pred: Array, weight: Option<Array>) -> Result<()>;
    fn result(&self) -> Vec<f64>;
    fn reset(&mut self);
    /// Whether the result is a list, even of one number.
    fn is_list(&self) -> bool {
        false
    }
    /// The matrix of counts, for those that have one: rows are labels, columns predictions.
    fn confusion(&self) -> Option<(usize, &[f64])> {
        None
    }
}

/// A streaming metric.
pub struct Metric {
    name: String,
    class: String,
    state: Box<dyn State>,
}

impl Metric {
    /// A metric by Keras' class name, snake-case name or short form (`mse`), with its arguments. Unknown names and
    /// arguments are errors.
    ///
    /// `accuracy` depends on the shapes: see [`Metric::resolve`].
    pub fn from_config(identifier: &str, config: &Value) -> Result<Metric> {
        let class = class(identifier);
        let given = config.get("name").and_then(Value::as_str);
        let whole_numbers = !config.get("dtype").and_then(Value::as_str).is_some_and(|d| d.starts_with("float"));
        let mut config = Config::new(identifier, config)?;
        let state = state(&class, &mut config, whole_numbers)?;
        config.finish()?;
        let name = given.map_or_else(|| default_name(&class), str::to_string);
        Ok(Metric { name, class, state })
    }

    /// As [`Metric::from_config`] without arguments, for a string given to `compile`: `accuracy` and `acc` become the
    /// binary, the sparse or the categorical accuracy by the shapes of labels and outputs. The string is the name.
    pub fn resolve(identifier: &str, y_true: &[Option<usize>], y_pred: &[Option<usize>]) -> Result<Metric> {
        let class = match identifier.to_lowercase().as_str() {
            "accuracy" | "acc" => match super::losses::labels(y_true, y_pred) {
                super::losses::Labels::Binary => "BinaryAccuracy",
                super::losses::Labels::Sparse => "SparseCategoricalAccuracy",
                super::losses::Labels::Categorical => "CategoricalAccuracy",
            },
            _ => identifier,
        };
        let mut metric = Metric::from_config(class, &Value::Null)?;
        metric.name = identifier.to_string();
        Ok(metric)
    }

    /// The name in logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keras' class.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Which direction is better.
    pub fn mode(&self) -> Mode {
        mode_of(&default_name(&self.class))
    }

    /// Takes a batch. Labels and outputs are of the shapes that the metric is for, weights of leading dimensions of them.
    pub fn update(&mut self, y_true: &Tensor, y_pred: &Tensor, sample_weight: Option<&Tensor>) -> Result<()> {
        self.state
            .update(Array::of(y_true), Array::of(y_pred), sample_weight.map(Array::of))
            .map_err(|e| e.at(&self.name))
    }

    /// The value over all batches since the last reset: a scalar, or a vector for several thresholds or classes.
    pub fn result(&self) -> Tensor {
        let values: Vec<f32> = self.state.result().into_iter().map(|v| v as f32).collect();
        match values[..] {
            [one] if !self.state.is_list() => Tensor::scalar(one),
            _ => Tensor::f32([values.len()], values).unwrap_or_else(|_| Tensor::scalar(f32::NAN)),
        }
    }

    /// The matrix of counts of a metric of overlaps, `[classes, classes]`: rows are labels, columns predictions.
    pub fn confusion(&self) -> Option<Tensor> {
        let (classes, counts) = self.state.confusion()?;
        Tensor::f32([classes, classes], counts.iter().map(|&v| v as f32).collect::<Vec<_>>()).ok()
    }

    /// Forgets all batches.
    pub fn reset(&mut self) {
        self.state.reset();
    }
}

/// Keras' class for a name.
fn class(identifier: &str) -> String {
    match identifier {
        "mse" | "MSE" => "MeanSquaredError".into(),
        "mae" | "MAE" => "MeanAbsoluteError".into(),
        "mape" | "MAPE" => "MeanAbsolutePercentageError".into(),
        "msle" | "MSLE" => "MeanSquaredLogarithmicError".into(),
        "rmse" | "RMSE" => "RootMeanSquaredError".into(),
        "bce" | "BCE" => "BinaryCrossentropy".into(),
        "auc" => "AUC".into(),
        "kl_divergence" | "kld" | "KLD" => "KLDivergence".into(),
        "logcosh" => "LogCoshError".into(),
        "fbeta_score" => "FBetaScore".into(),
        "mean_iou" => "MeanIoU".into(),
        "acc" => "Accuracy".into(),
        other => class_name(other),
    }
}

/// Keras' name for a metric that was given none.
fn default_name(class: &str) -> String {
    match class {
        "AUC" => "auc".into(),
        "KLDivergence" => "kl_divergence".into(),
        "LogCoshError" => "logcosh".into(),
        "FBetaScore" => "fbeta_score".into(),
        _ => {
            let mut name = String::new();
            for (i, letter) in class.chars().enumerate() {
                if i > 0 && letter.is_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            name
        }
    }
}

fn state(class: &str, config: &mut Config, whole_numbers: bool) -> Result<Box<dyn State>> {
    if let Some(state) = mean::parse(class, config)? {
        return Ok(state);
    }
    if let Some(state) = confusion::parse(class, config)? {
        return Ok(state);
    }
    if let Some(state) = iou::parse(class, config, whole_numbers)? {
        return Ok(state);
    }
    match class {
        "AUC" => curve::parse(config),
        "F1Score" | "FBetaScore" => fscore::parse(class, config),
        _ => Err(Error::invalid(format!("no metric of the name {class:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_as_keras_makes_them() {
        let name =
            |identifier: &str, config: Value| Metric::from_config(identifier, &config).unwrap().name().to_string();
        assert_eq!(name("MeanIoU", json!({"num_classes": 2})), "mean_io_u");
        assert_eq!(name("SparseCategoricalAccuracy", json!({})), "sparse_categorical_accuracy");
        assert_eq!(name("auc", json!(null)), "auc");
        assert_eq!(name("f1_score", json!({})), "f1_score");
        assert_eq!(name("mse", json!({"name": "error"})), "error");
        for (identifier, config) in [("Accurate", json!({})), ("AUC", json!({"curve": "up"})), ("mse", json!({"k": 1}))]
        {
            assert!(Metric::from_config(identifier, &config).is_err(), "{identifier}");
        }
    }

    #[test]
    fn accuracy_by_the_shapes() {
        let class = |y_true: &[usize], y_pred: &[usize]| {
            let dims = |list: &[usize]| std::iter::once(None).chain(list.iter().map(|&d| Some(d))).collect::<Vec<_>>();
            let metric = Metric::resolve("accuracy", &dims(y_true), &dims(y_pred)).unwrap();
            assert_eq!((metric.name(), metric.mode()), ("accuracy", Mode::Max));
            metric.class().to_string()
        };
        assert_eq!(class(&[], &[1]), "BinaryAccuracy");
        assert_eq!(class(&[], &[10]), "SparseCategoricalAccuracy");
        assert_eq!(class(&[1], &[10]), "SparseCategoricalAccuracy");
        assert_eq!(class(&[10], &[10]), "CategoricalAccuracy");
        assert_eq!(class(&[8, 8], &[8, 8, 3]), "SparseCategoricalAccuracy");
    }
}
