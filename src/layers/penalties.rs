//! Regularisers and constraints of weights: read, stored and written here, applied in training.

use serde_json::{Map, Value as Json, json};

use super::arguments::{Argument, Arguments, wrong};
use crate::error::Result;

/// `l1 * sum(|w|) + l2 * sum(w^2)`, added to the loss (no 1/2, as in Keras).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regularizer {
    /// Factor of the absolute values.
    pub l1: f32,
    /// Factor of the squares.
    pub l2: f32,
}

/// What a weight is forced into after every update.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Constraint {
    /// Norms over `axis` are at most `max_value`.
    MaxNorm { max_value: f32, axis: Vec<isize> },
    /// Negative values become 0.
    NonNeg,
    /// Norms over `axis` are 1.
    UnitNorm { axis: Vec<isize> },
    /// Norms over `axis` move into `min_value..=max_value`, by `rate` of the way.
    MinMaxNorm { min_value: f32, max_value: f32, rate: f32, axis: Vec<isize> },
}

/// A class and its configuration, from `"name"` or `{"class_name", "config"}`.
fn class(json: &Json) -> Option<(&str, Option<&Map<String, Json>>)> {
    match json.as_str() {
        Some(name) => Some((name, None)),
        None => Some((json.get("class_name")?.as_str()?, json.get("config").and_then(Json::as_object))),
    }
}

impl Argument for Regularizer {
    fn read(json: &Json) -> Result<Self> {
        const EXPECTED: &str = "l1, l2 or l1_l2";
        let Some((name, config)) = class(json) else { return wrong(EXPECTED, json) };
        let empty = Map::new();
        let mut arguments = Arguments::new(config.unwrap_or(&empty), false);
        let regularizer = match name {
            "l1" | "L1" => Regularizer { l1: arguments.optional("l1", 0.01)?, l2: 0.0 },
            "l2" | "L2" => Regularizer { l1: 0.0, l2: arguments.optional("l2", 0.01)? },
            "l1_l2" | "L1L2" => {
                let default = if config.is_none() { 0.01 } else { 0.0 };
                Regularizer { l1: arguments.optional("l1", default)?, l2: arguments.optional("l2", default)? }
            }
            _ => return wrong(EXPECTED, json),
        };
        arguments.finish()?;
        Ok(regularizer)
    }

    fn write(&self) -> Json {
        match *self {
            Regularizer { l1: 0.0, l2 } => json!({"class_name": "L2", "config": {"l2": l2.write()}}),
            Regularizer { l1, l2: 0.0 } => json!({"class_name": "L1", "config": {"l1": l1.write()}}),
            Regularizer { l1, l2 } => json!({"class_name": "L1L2", "config": {"l1": l1.write(), "l2": l2.write()}}),
        }
    }
}

impl Argument for Constraint {
    fn read(json: &Json) -> Result<Self> {
        const EXPECTED: &str = "max_norm, non_neg, unit_norm or min_max_norm";
        let Some((name, config)) = class(json) else { return wrong(EXPECTED, json) };
        let empty = Map::new();
        let mut a = Arguments::new(config.unwrap_or(&empty), false);
        let constraint = match name {
            "max_norm" | "MaxNorm" => {
                Constraint::MaxNorm { max_value: a.optional("max_value", 2.0)?, axis: a.optional("axis", vec![0])? }
            }
            "non_neg" | "NonNeg" => Constraint::NonNeg,
            "unit_norm" | "UnitNorm" => Constraint::UnitNorm { axis: a.optional("axis", vec![0])? },
            "min_max_norm" | "MinMaxNorm" => Constraint::MinMaxNorm {
                min_value: a.optional("min_value", 0.0)?,
                max_value: a.optional("max_value", 1.0)?,
                rate: a.optional("rate", 1.0)?,
                axis: a.optional("axis", vec![0])?,
            },
            _ => return wrong(EXPECTED, json),
        };
        a.finish()?;
        Ok(constraint)
    }

    fn write(&self) -> Json {
        match self {
            Constraint::MaxNorm { max_value, axis } => {
                json!({"class_name": "MaxNorm", "config": {"max_value": max_value.write(), "axis": axis}})
            }
            Constraint::NonNeg => json!({"class_name": "NonNeg", "config": {}}),
            Constraint::UnitNorm { axis } => json!({"class_name": "UnitNorm", "config": {"axis": axis}}),
            Constraint::MinMaxNorm { min_value, max_value, rate, axis } => json!({
                "class_name": "MinMaxNorm",
                "config": {"min_value": min_value.write(), "max_value": max_value.write(), "rate": rate.write(), "axis": axis}
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_read() {
        for json in [json!("l2"), json!({"class_name": "L1L2", "config": {"l1": 0.001, "l2": 0.1}})] {
            let read = Regularizer::read(&json).unwrap();
            assert_eq!(Regularizer::read(&read.write()).unwrap(), read);
        }
        assert_eq!(Regularizer::read(&json!("l1")).unwrap(), Regularizer { l1: 0.01, l2: 0.0 });
        let read =
            Constraint::read(&json!({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": [0, 1, 2]}})).unwrap();
        assert_eq!(read, Constraint::MaxNorm { max_value: 3.0, axis: vec![0, 1, 2] });
        assert_eq!(Constraint::read(&read.write()).unwrap(), read);
        assert!(Constraint::read(&json!("max")).is_err() && Regularizer::read(&json!(3)).is_err());
    }
}
