//! What weights must satisfy after every update, and what their sizes cost: Keras' constraints and regularisers, which
//! layers hold, as ops.

use super::expr::Expr;
use super::losses::EPSILON;
use crate::error::Result;
use crate::graph::{Graph, ValueId};
use crate::layers::{Constraint, Regularizer};
use crate::ops::{ReduceKind, Unary};

/// The penalty of a weight, a scalar to be added to the loss; `None` if it is nothing.
pub fn penalty(graph: &mut Graph, regularizer: &Regularizer, weight: ValueId) -> Result<Option<ValueId>> {
    let mut expr = Expr::new(graph, "regularizer");
    let mut total = None;
    for (factor, f) in [(regularizer.l1, Unary::Abs), (regularizer.l2, Unary::Square)] {
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

/// The weight that satisfies a constraint. Lengths are Euclidean, over the constraint's axes.
pub(super) fn constrain(expr: &mut Expr, constraint: &Constraint, weight: ValueId) -> Result<ValueId> {
    let (axis, limits) = match constraint {
        Constraint::NonNeg => return expr.unary(Unary::Relu, weight),
        Constraint::UnitNorm { axis } => (axis, None),
        Constraint::MaxNorm { max_value, axis } => (axis, Some((0.0, *max_value, 1.0))),
        Constraint::MinMaxNorm { min_value, max_value, rate, axis } => (axis, Some((*min_value, *max_value, *rate))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;

    fn apply(constraint: Constraint, weight: &Tensor) -> Vec<f32> {
        let mut graph = Graph::new();
        let w = graph.constant("w", weight.clone());
        let y = constrain(&mut Expr::new(&mut graph, "constraint"), &constraint, w).unwrap();
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
        let axis = || vec![0];
        near(apply(Constraint::MaxNorm { max_value: 2.0, axis: axis() }, &w), [1.2, 0.3, -1.6, 0.4]);
        near(apply(Constraint::UnitNorm { axis: axis() }, &w), [0.6, 0.6, -0.8, 0.8]);
        near(apply(Constraint::NonNeg, &w), [3.0, 0.3, 0.0, 0.4]);
        // Half of the way to lengths of 1: 3 and 0.75.
        let half = Constraint::MinMaxNorm { min_value: 1.0, max_value: 1.0, rate: 0.5, axis: axis() };
        near(apply(half, &w), [1.8, 0.45, -2.4, 0.6]);
        // Over both axes at once.
        let length = (25.0f32 + 0.25).sqrt();
        near(apply(Constraint::UnitNorm { axis: vec![0, 1] }, &w), [3.0, 0.3, -4.0, 0.4].map(|v| v / length));
    }

    #[test]
    fn penalties_by_hand() {
        let cost = |l1: f32, l2: f32| {
            let mut graph = Graph::new();
            let w = graph.constant("w", Tensor::f32([2, 2], vec![1.0, -2.0, 3.0, 0.0]).unwrap());
            let value = penalty(&mut graph, &Regularizer { l1, l2 }, w).unwrap()?;
            graph.output("penalty", value);
            Some(crate::reference::run(&graph, &[]).unwrap()[0].as_f32().unwrap()[0])
        };
        assert_eq!(cost(0.5, 0.0), Some(3.0));
        assert_eq!(cost(0.0, 0.25), Some(3.5));
        assert_eq!(cost(0.5, 0.25), Some(6.5));
        assert_eq!(cost(0.0, 0.0), None);
    }
}
