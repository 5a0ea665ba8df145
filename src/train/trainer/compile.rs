//! What a model is trained for: the arguments of Keras' `compile`.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::layers::Model;
use crate::train::losses::{Loss, LossFunction};
use crate::train::metrics::Metric;
use crate::train::optimizers::Optimizer;

/// A loss or metric by its name, or with arguments; what `accuracy` means depends on shapes that only the first batch
/// tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    name: String,
    /// `None` for a bare string.
    config: Option<Json>,
}

type Dims = [Option<usize>];

impl Named {
    fn read(json: &Json) -> Result<Named> {
        if let Some(name) = json.as_str() {
            return Ok(Named { name: name.into(), config: None });
        }
        match json.get("class_name").and_then(Json::as_str) {
            Some(name) => Ok(Named { name: name.into(), config: json.get("config").cloned() }),
            None => Err(Error::mismatch("a wrong value", "a name, or { class_name, config }", json)),
        }
    }

    pub fn loss(&self, y_true: &Dims, y_pred: &Dims) -> Result<Loss> {
        match &self.config {
            None => Loss::resolve(&self.name, y_true, y_pred),
            Some(config) => Loss::from_config(&self.name, config),
        }
    }

    pub fn metric(&self, y_true: &Dims, y_pred: &Dims) -> Result<Metric> {
        match &self.config {
            None => Metric::resolve(&self.name, y_true, y_pred),
            Some(config) => Metric::from_config(&self.name, config),
        }
    }
}

/// What one output is trained for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Target {
    pub loss: Option<Named>,
    pub weight: f32,
    pub metrics: Vec<Named>,
    /// Metrics that count sample weights too.
    pub weighted_metrics: Vec<Named>,
}

/// The arguments of `compile`.
#[derive(Clone, Debug)]
pub struct Compile {
    pub(super) optimizer: Optimizer,
    pub(super) targets: Vec<Target>,
    /// Cheap activations are computed again for the gradients, not kept.
    pub(super) recompute: bool,
}

impl Compile {
    /// From Keras' arguments as JSON: `optimizer`, `loss`, `loss_weights`, `metrics`, `weighted_metrics`; and `recompute`, for
    /// steps in less memory ([`Session::recomputing`](crate::session::Session::recomputing)). A loss is a name
    /// or `{class_name, config}`; several outputs take a list, or a map by the outputs' layers. A single metric, or one
    /// list of names, goes to every output (Keras 3 refuses that for several outputs; the chapter does it).
    pub fn from_json(json: &Json, model: &Model) -> Result<Compile> {
        let empty = Map::new();
        let arguments = json.as_object().unwrap_or(&empty);
        const KNOWN: [&str; 6] = ["optimizer", "loss", "loss_weights", "metrics", "weighted_metrics", "recompute"];
        if let Some(stranger) = arguments.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(Error::mismatch(format!("compile has no argument `{stranger}`"), KNOWN.join(", "), stranger));
        }
        let names: Vec<&str> = model.outputs().into_iter().map(|(name, _)| name).collect();
        let get = |key: &str| arguments.get(key).unwrap_or(&Json::Null);
        let optimizer = match get("optimizer") {
            Json::Null => Named { name: "rmsprop".into(), config: None },
            json => Named::read(json).map_err(|e| e.at("optimizer"))?,
        };
        let config = optimizer.config.unwrap_or_else(|| Json::Object(Map::new()));
        let optimizer = Optimizer::from_config(&optimizer.name, &config)?;
        let losses = per_output("loss", get("loss"), &names)?;
        let weights = per_output("loss_weights", get("loss_weights"), &names)?;
        let metrics = lists("metrics", get("metrics"), &names)?;
        let weighted = lists("weighted_metrics", get("weighted_metrics"), &names)?;
        let mut targets = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let loss = losses[i].map(Named::read).transpose().map_err(|e| e.at(*name))?;
            let weight = match weights[i] {
                None => 1.0,
                Some(json) => {
                    json.as_f64().ok_or_else(|| Error::mismatch("a loss weight", "a number", json).at(*name))? as f32
                }
            };
            let read = |list: &[&Json]| list.iter().map(|json| Named::read(json)).collect::<Result<Vec<_>>>();
            targets.push(Target {
                loss,
                weight,
                metrics: read(&metrics[i]).map_err(|e| e.at(*name))?,
                weighted_metrics: read(&weighted[i]).map_err(|e| e.at(*name))?,
            });
        }
        if targets.iter().all(|t| t.loss.is_none()) {
            return Err(Error::invalid("compile needs a `loss`"));
        }
        let recompute = match get("recompute") {
            Json::Null => false,
            json => json.as_bool().ok_or_else(|| Error::mismatch("`recompute`", "true or false", json))?,
        };
        Ok(Compile { optimizer, targets, recompute })
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }
}

/// One entry per output from a single value (of a model with one output), a list or a map.
fn per_output<'a>(what: &str, json: &'a Json, names: &[&str]) -> Result<Vec<Option<&'a Json>>> {
    let present = |json: &'a Json| (!json.is_null()).then_some(json);
    match json {
        Json::Null => Ok(vec![None; names.len()]),
        Json::Array(list) if list.len() == names.len() => Ok(list.iter().map(present).collect()),
        Json::Object(map) if !map.contains_key("class_name") => {
            if let Some(stranger) = map.keys().find(|key| !names.contains(&key.as_str())) {
                return Err(Error::mismatch(format!("`{what}` for an unknown output"), names.join(", "), stranger));
            }
            Ok(names.iter().map(|name| map.get(*name).and_then(present)).collect())
        }
        single if names.len() == 1 && !single.is_array() => Ok(vec![Some(single)]),
        other => Err(Error::mismatch(
            format!("`{what}` does not fit the outputs"),
            format!("one for each of {}", names.join(", ")),
            other,
        )),
    }
}

/// A list per output from one value or list for all, a list of lists, or a map.
fn lists<'a>(what: &str, json: &'a Json, names: &[&str]) -> Result<Vec<Vec<&'a Json>>> {
    let list = |json: &'a Json| match json {
        Json::Null => Vec::new(),
        Json::Array(list) => list.iter().collect(),
        single => vec![single],
    };
    match json {
        Json::Array(outer) if outer.len() == names.len() && outer.iter().any(|j| j.is_array() || j.is_null()) => {
            Ok(outer.iter().map(list).collect())
        }
        Json::Object(map) if !map.contains_key("class_name") => {
            if let Some(stranger) = map.keys().find(|key| !names.contains(&key.as_str())) {
                return Err(Error::mismatch(format!("`{what}` for an unknown output"), names.join(", "), stranger));
            }
            Ok(names.iter().map(|name| map.get(*name).map(list).unwrap_or_default()).collect())
        }
        all => Ok(names.iter().map(|_| list(all)).collect()),
    }
}

/// The loss of logits, if it has one: what is computed before a softmax or sigmoid is steadier than its result.
pub(super) fn of_logits(loss: &Loss, sigmoid: bool) -> Option<Loss> {
    let mut loss = loss.clone();
    use LossFunction::*;
    let flag = match &mut loss.function {
        BinaryCrossentropy { from_logits, .. } | BinaryFocalCrossentropy { from_logits, .. } if sigmoid => from_logits,
        CategoricalCrossentropy { from_logits, .. }
        | CategoricalFocalCrossentropy { from_logits, .. }
        | SparseCategoricalCrossentropy { from_logits, .. }
            if !sigmoid =>
        {
            from_logits
        }
        _ => return None,
    };
    // Told to take its input for logits already: then the softmax is part of the model.
    if *flag {
        return None;
    }
    *flag = true;
    Some(loss)
}
