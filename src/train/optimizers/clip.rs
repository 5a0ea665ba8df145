//! Gradients that are too long.

use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::Unary;
use crate::train::expr::Expr;

/// A limit for gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// For the length of the gradient of every weight by itself (`clipnorm`).
    Norm(f32),
    /// For the length of all gradients together (`global_clipnorm`).
    GlobalNorm(f32),
    /// For every number (`clipvalue`).
    Value(f32),
}

impl Clip {
    pub(super) fn apply(&self, expr: &mut Expr, gradients: &[ValueId]) -> Result<Vec<ValueId>> {
        match *self {
            Clip::Value(limit) => gradients.iter().map(|&g| expr.clip(g, -limit, limit)).collect(),
            Clip::Norm(limit) => gradients
                .iter()
                .map(|&g| {
                    let squares = squares(expr, g)?;
                    shorten(expr, g, squares, limit)
                })
                .collect(),
            Clip::GlobalNorm(limit) => {
                let mut total = expr.scalar(0.0);
                for &g in gradients {
                    let squares = squares(expr, g)?;
                    total = expr.add(total, squares)?;
                }
                gradients.iter().map(|&g| shorten(expr, g, total, limit)).collect()
            }
        }
    }
}

fn squares(expr: &mut Expr, gradient: ValueId) -> Result<ValueId> {
    let squares = expr.unary(Unary::Square, gradient)?;
    expr.sum(squares, &[])
}

/// `g limit / max(norm, limit)`
fn shorten(expr: &mut Expr, gradient: ValueId, squares: ValueId, limit: f32) -> Result<ValueId> {
    let norm = expr.unary(Unary::Sqrt, squares)?;
    let below = expr.at_least(norm, limit)?;
    let limit = expr.scalar(limit);
    let factor = expr.div(limit, below)?;
    expr.mul(gradient, factor)
}
