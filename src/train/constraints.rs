//! What weights must satisfy after every update, as Keras' `constraints`.

use serde_json::Value;

use super::config::{Config, class_name};
use super::expr::Expr;
use super::losses::EPSILON;
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{ReduceKind, Unary};

/// A constraint. Lengths are Euclidean, over `axis`: for a convolution's kernel `[0, 1, 2]`, for a dense one `[0]`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Constraint {
    /// No length above this.
    MaxNorm { max_value: f32, axis: Vec<isize> },
    /// No number below 0.
    NonNeg,
    /// Every length 1.
    UnitNorm { axis: Vec<isize> },
    /// Lengths between these; `rate` is how much of the way is gone in a step.
    MinMaxNorm { min_value: f32, max_value: f32, rate: f32, axis: Vec<isize> },
}

impl Constraint {
    /// A constraint by Keras' class or function name and its arguments.
    pub fn from_config(name: &str, config: &Value) -> Result<Constraint> {
        let mut config = Config::new(name, config)?;
        let axis = |config: &mut Config| Ok::<_, Error>(config.axes("axis")?.unwrap_or(vec![0]));
        let number = |config: &mut Config, key: &str, default: f64| Ok::<_, Error>(config.float(key, default)? as f32);
        let constraint = match class_name(name).as_str() {
            "MaxNorm" => {
                Constraint::MaxNorm { max_value: number(&mut config, "max_value", 2.0)?, axis: axis(&mut config)? }
            }
            "NonNeg" => Constraint::NonNeg,
            "UnitNorm" => Constraint::UnitNorm { axis: axis(&mut config)? },
            "MinMaxNorm" => Constraint::MinMaxNorm {
                min_value: number(&mut config, "min_value", 0.0)?,
                max_value: number(&mut config, "max_value", 1.0)?,
                rate: number(&mut config, "rate", 1.0)?,
                axis: axis(&mut config)?,
            },
            _ => return Err(Error::invalid(format!("no constraint of the name {name:?}"))),
        };
        config.finish()?;
        Ok(constraint)
    }

    /// The weights that satisfy it.
    pub(crate) fn build(&self, expr: &mut Expr, weight: ValueId) -> Result<ValueId> {
        let (axis, limits) = match self {
            Constraint::NonNeg => return expr.unary(Unary::Relu, weight),
            Constraint::UnitNorm { axis } => (axis, None),
            Constraint::MaxNorm { max_value, axis } => (axis, Some((0.0, *max_value, 1.0))),
            Constraint::MinMaxNorm { min_value, max_value, rate, axis } => {
                (axis, Some((*min_value, *max_value, *rate)))
            }
        };
        let squares = expr.unary(Unary::Square, weight)?;
        let squares = expr.reduce(ReduceKind::Sum, squares, axis, true)?;
        let norm = expr.unary(Unary::Sqrt, squares)?;
        let below = expr.offset(norm, EPSILON)?;
        let Some((min, max, rate)) = limits else { return expr.div(weight, below) };
        let mut wanted = expr.clip(norm, min, max)?;
        if rate != 1.0 {
            let (part, rest) = (expr.scale(wanted, rate)?, expr.scale(norm, 1.0 - rate)?);
            wanted = expr.add(part, rest)?;
        }
        let factor = expr.div(wanted, below)?;
        expr.mul(weight, factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::Tensor;
    use serde_json::json;

    fn apply(name: &str, config: Value, weight: &Tensor) -> Vec<f32> {
        let constraint = Constraint::from_config(name, &config).unwrap();
        let mut graph = Graph::new();
        let w = graph.constant("w", weight.clone());
        let y = constraint.build(&mut Expr::new(&mut graph, "constraint"), w).unwrap();
        graph.output("y", y);
        crate::reference::run(&graph, &[]).unwrap()[0].as_f32().unwrap().to_vec()
    }

    #[test]
    fn constraints_by_hand() {
        // Columns of length 5 and 0.5.
        let w = Tensor::f32([2, 2], vec![3.0, 0.3, -4.0, 0.4]).unwrap();
        let near = |got: Vec<f32>, want: [f32; 4]| {
            got.iter().zip(want).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{got:?} instead of {want:?}"));
        };
        near(apply("MaxNorm", json!({"max_value": 2}), &w), [1.2, 0.3, -1.6, 0.4]);
        near(apply("unit_norm", json!({}), &w), [0.6, 0.6, -0.8, 0.8]);
        near(apply("NonNeg", json!({}), &w), [3.0, 0.3, 0.0, 0.4]);
        // Half of the way to lengths of 1: 3 and 0.75.
        let config = json!({"min_value": 1.0, "max_value": 1.0, "rate": 0.5});
        near(apply("MinMaxNorm", config, &w), [1.8, 0.45, -2.4, 0.6]);
        // Over both axes at once.
        let length = (25.0f32 + 0.25).sqrt();
        near(apply("UnitNorm", json!({"axis": [0, 1]}), &w), [3.0, 0.3, -4.0, 0.4].map(|v| v / length));
        assert!(Constraint::from_config("MaxNorm", &json!({"max": 2})).is_err());
    }
}
