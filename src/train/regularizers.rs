//! Penalties on weights that are added to a loss, as Keras' `regularizers`.

use serde_json::Value;

use super::config::{Config, class_name};
use super::expr::Expr;
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::ops::Unary;

/// `l1 * sum(|w|) + l2 * sum(w^2)`: no half.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Regularizer {
    pub l1: f32,
    pub l2: f32,
}

impl Regularizer {
    /// `L1`, `L2` (0.01 each unless said) or `L1L2` (0 unless said), by class or function name.
    pub fn from_config(name: &str, config: &Value) -> Result<Regularizer> {
        let mut config = Config::new(name, config)?;
        let (l1, l2) = match class_name(name).as_str() {
            "L1" => (Some(0.01), None),
            "L2" => (None, Some(0.01)),
            "L1L2" => (Some(0.0), Some(0.0)),
            _ => return Err(Error::invalid(format!("no regularizer of the name {name:?}"))),
        };
        let mut factor = |key: &str, default: Option<f64>| match default {
            None => Ok(0.0),
            Some(default) => match config.float(key, default)? {
                v if v >= 0.0 && v.is_finite() => Ok(v as f32),
                v => Err(config.refuse(format!("{key} must be 0 or more, not {v}"))),
            },
        };
        let regularizer = Regularizer { l1: factor("l1", l1)?, l2: factor("l2", l2)? };
        config.finish()?;
        Ok(regularizer)
    }

    /// The penalty of a weight, a scalar; `None` if it is nothing.
    pub fn penalty(&self, graph: &mut Graph, weight: ValueId) -> Result<Option<ValueId>> {
        let mut expr = Expr::new(graph, "regularizer");
        let mut total = None;
        for (factor, f) in [(self.l1, Unary::Abs), (self.l2, Unary::Square)] {
            if factor == 0.0 {
                continue;
            }
            let sizes = expr.unary(f, weight)?;
            let sum = expr.sum(sizes, &[])?;
            let term = expr.scale(sum, factor)?;
            total = Some(match total {
                None => term,
                Some(other) => expr.add(other, term)?,
            });
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;
    use serde_json::json;

    #[test]
    fn penalties_by_hand() {
        let penalty = |name: &str, config: Value| {
            let mut graph = Graph::new();
            let w = graph.constant("w", Tensor::f32([2, 2], vec![1.0, -2.0, 3.0, 0.0]).unwrap());
            let regularizer = Regularizer::from_config(name, &config).unwrap();
            let value = regularizer.penalty(&mut graph, w).unwrap()?;
            graph.output("penalty", value);
            Some(crate::reference::run(&graph, &[]).unwrap()[0].as_f32().unwrap()[0])
        };
        assert_eq!(penalty("l1", json!({"l1": 0.5})), Some(3.0));
        assert_eq!(penalty("L2", json!({"l2": 0.25})), Some(3.5));
        assert_eq!(penalty("L1L2", json!({"l1": 0.5, "l2": 0.25})), Some(6.5));
        assert_eq!(penalty("l1_l2", json!({})), None);
        assert!((penalty("L2", json!({})).unwrap() - 0.14).abs() < 1e-6);
        assert!(Regularizer::from_config("L2", &json!({"l1": 1})).is_err());
        assert!(Regularizer::from_config("L2", &json!({"l2": -1})).is_err());
    }
}
