//! The update rules: from a gradient and what is kept of earlier ones to a new weight.

use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Unary, UpdateRule};
use crate::train::expr::Expr;

/// An update rule with Keras' arguments.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Rule {
    /// `v = momentum v - lr g`, `w += v`, or with Nesterov `w += momentum v - lr g`.
    Sgd { momentum: f64, nesterov: bool },
    /// Hinton 2012; epsilon stands inside the root.
    RmsProp { rho: f64, momentum: f64, epsilon: f32, centered: bool },
    /// Kingma and Ba 2014; AdamW is the same with weight decay.
    Adam { beta_1: f64, beta_2: f64, epsilon: f32, amsgrad: bool },
    /// The infinity norm in place of the squares; Kingma and Ba 2014.
    Adamax { beta_1: f64, beta_2: f64, epsilon: f32 },
    /// Adam with Nesterov momentum; Dozat 2015.
    Nadam { beta_1: f64, beta_2: f64, epsilon: f32 },
    /// Duchi et al. 2011.
    Adagrad { initial_accumulator_value: f32, epsilon: f32 },
    /// Zeiler 2012.
    Adadelta { rho: f64, epsilon: f32 },
}

/// Below this a product of momenta counts as 0.
const NOTHING: f64 = 1e-30;

impl Rule {
    /// Keras' default.
    pub(super) fn default_learning_rate(&self) -> f64 {
        if matches!(self, Rule::Sgd { .. }) { 0.01 } else { 0.001 }
    }

    /// What is kept for a weight, with its first value.
    pub(super) fn slots(&self) -> Vec<(&'static str, f32)> {
        let (names, first): (&[&str], f32) = match *self {
            Rule::Sgd { momentum, .. } => (if momentum != 0.0 { &["momentum"] } else { &[] }, 0.0),
            Rule::RmsProp { momentum, centered, .. } => {
                let names: &[&str] = match (momentum > 0.0, centered) {
                    (false, false) => &["velocity"],
                    (true, false) => &["velocity", "momentum"],
                    (false, true) => &["velocity", "average_gradient"],
                    (true, true) => &["velocity", "momentum", "average_gradient"],
                };
                (names, 0.0)
            }
            Rule::Adam { amsgrad: true, .. } => (&["momentum", "velocity", "velocity_hat"], 0.0),
            Rule::Adam { .. } | Rule::Nadam { .. } => (&["momentum", "velocity"], 0.0),
            Rule::Adamax { .. } => (&["momentum", "norm"], 0.0),
            Rule::Adagrad { initial_accumulator_value, .. } => (&["accumulator"], initial_accumulator_value),
            Rule::Adadelta { .. } => (&["accumulated_grad", "accumulated_delta_var"], 0.0),
        };
        names.iter().map(|&name| (name, first)).collect()
    }

    /// What a step needs beside the learning rate; `t` counts from 1. A schedule's momentum takes the place of the rule's.
    pub(super) fn coefficients(&self, rate: f64, t: u64, scheduled: Option<f64>) -> Vec<f64> {
        let t = t.min(i32::MAX as u64) as i32;
        match *self {
            Rule::Sgd { momentum, .. } | Rule::RmsProp { momentum, .. } if momentum != 0.0 => {
                vec![scheduled.unwrap_or(momentum)]
            }
            Rule::Adam { beta_1, beta_2, .. } => {
                vec![rate * (1.0 - beta_2.powi(t)).sqrt() / (1.0 - beta_1.powi(t))]
            }
            Rule::Adamax { beta_1, .. } => vec![rate / (1.0 - beta_1.powi(t))],
            Rule::Nadam { beta_1, beta_2, .. } => {
                let momentum = |t: i32| beta_1 * (1.0 - 0.5 * 0.96f64.powi(t));
                // The product of all momenta so far: soon nothing, so the loop is short.
                let mut product = 1.0;
                for i in 1..=t {
                    product *= momentum(i);
                    if product < NOTHING {
                        break;
                    }
                }
                let (now, next) = (momentum(t), momentum(t.saturating_add(1)));
                let of_momentum = rate * next / (1.0 - product * next);
                let of_gradient = rate * (1.0 - now) / (1.0 - product);
                vec![of_momentum, of_gradient, 1.0 / (1.0 - beta_2.powi(t))]
            }
            _ => Vec::new(),
        }
    }

    /// The rule as one op, with the slots and coefficients in the same order; `None` for what is rarely asked for.
    pub(super) fn fused(&self) -> Option<UpdateRule> {
        Some(match *self {
            Rule::Sgd { momentum: 0.0, .. } => UpdateRule::Sgd,
            Rule::Sgd { nesterov, .. } => UpdateRule::Momentum { nesterov },
            Rule::RmsProp { centered: true, .. } | Rule::Adam { amsgrad: true, .. } => return None,
            Rule::RmsProp { rho, momentum, epsilon, .. } => {
                if momentum > 0.0 {
                    UpdateRule::RmsPropMomentum { rho, epsilon }
                } else {
                    UpdateRule::RmsProp { rho, epsilon }
                }
            }
            Rule::Adam { beta_1, beta_2, epsilon, .. } => UpdateRule::Adam { beta_1, beta_2, epsilon },
            Rule::Adamax { beta_1, beta_2, epsilon } => UpdateRule::Adamax { beta_1, beta_2, epsilon },
            Rule::Nadam { beta_1, beta_2, epsilon } => UpdateRule::Nadam { beta_1, beta_2, epsilon },
            Rule::Adagrad { epsilon, .. } => UpdateRule::Adagrad { epsilon },
            Rule::Adadelta { rho, epsilon } => UpdateRule::Adadelta { rho, epsilon },
        })
    }

    /// The new weight and what is kept now. `c` are the coefficients with the learning rate first.
    pub(super) fn update(
        &self,
        e: &mut Expr,
        w: ValueId,
        g: ValueId,
        slots: &[ValueId],
        c: &[ValueId],
    ) -> Result<(ValueId, Vec<ValueId>)> {
        match *self {
            Rule::Sgd { momentum, nesterov } => {
                let step = e.mul(g, c[0])?;
                if momentum == 0.0 {
                    return Ok((e.sub(w, step)?, vec![]));
                }
                let kept = e.mul(slots[0], c[1])?;
                let v = e.sub(kept, step)?;
                let change = if nesterov {
                    let ahead = e.mul(v, c[1])?;
                    e.sub(ahead, step)?
                } else {
                    v
                };
                Ok((e.add(w, change)?, vec![v]))
            }
            Rule::RmsProp { rho, momentum, epsilon, centered } => {
                let squares = e.unary(Unary::Square, g)?;
                let velocity = decay(e, slots[0], squares, rho)?;
                let mut kept = vec![velocity];
                let mut below = velocity;
                if centered {
                    let average = decay(e, slots[slots.len() - 1], g, rho)?;
                    let squares = e.unary(Unary::Square, average)?;
                    below = e.sub(below, squares)?;
                    kept.push(average);
                }
                let below = e.offset(below, epsilon)?;
                let root = e.unary(Unary::Sqrt, below)?;
                let step = e.mul(g, c[0])?;
                let mut step = e.div(step, root)?;
                if momentum > 0.0 {
                    let old = e.mul(slots[1], c[1])?;
                    step = e.add(old, step)?;
                    kept.insert(1, step);
                }
                Ok((e.sub(w, step)?, kept))
            }
            Rule::Adam { beta_1, beta_2, epsilon, amsgrad } => {
                let (m, v) = moments(e, g, slots, beta_1, beta_2)?;
                let mut kept = vec![m, v];
                let mut largest = v;
                if amsgrad {
                    largest = e.maximum(slots[2], v)?;
                    kept.push(largest);
                }
                let above = e.mul(m, c[1])?;
                let root = e.unary(Unary::Sqrt, largest)?;
                let below = e.offset(root, epsilon)?;
                let step = e.div(above, below)?;
                Ok((e.sub(w, step)?, kept))
            }
            Rule::Adamax { beta_1, beta_2, epsilon } => {
                let m = approach(e, slots[0], g, beta_1)?;
                let (old, size) = (e.scale(slots[1], beta_2 as f32)?, e.unary(Unary::Abs, g)?);
                let norm = e.maximum(old, size)?;
                let above = e.mul(m, c[1])?;
                let below = e.offset(norm, epsilon)?;
                let step = e.div(above, below)?;
                Ok((e.sub(w, step)?, vec![m, norm]))
            }
            Rule::Nadam { beta_1, beta_2, epsilon } => {
                let (m, v) = moments(e, g, slots, beta_1, beta_2)?;
                let (a, b) = (e.mul(m, c[1])?, e.mul(g, c[2])?);
                let above = e.add(a, b)?;
                let corrected = e.mul(v, c[3])?;
                let root = e.unary(Unary::Sqrt, corrected)?;
                let below = e.offset(root, epsilon)?;
                let step = e.div(above, below)?;
                Ok((e.sub(w, step)?, vec![m, v]))
            }
            Rule::Adagrad { epsilon, .. } => {
                let squares = e.unary(Unary::Square, g)?;
                let sum = e.add(slots[0], squares)?;
                let below = e.offset(sum, epsilon)?;
                let root = e.unary(Unary::Sqrt, below)?;
                let step = e.mul(g, c[0])?;
                let step = e.div(step, root)?;
                Ok((e.sub(w, step)?, vec![sum]))
            }
            Rule::Adadelta { rho, epsilon } => {
                let root = |e: &mut Expr, x| {
                    let x = e.offset(x, epsilon)?;
                    e.unary(Unary::Sqrt, x)
                };
                let squares = e.unary(Unary::Square, g)?;
                let squares = decay(e, slots[0], squares, rho)?;
                let (above, below) = (root(e, slots[1])?, root(e, squares)?);
                let change = e.mul(above, g)?;
                let change = e.div(change, below)?;
                let changes = e.unary(Unary::Square, change)?;
                let changes = decay(e, slots[1], changes, rho)?;
                let step = e.mul(change, c[0])?;
                Ok((e.sub(w, step)?, vec![squares, changes]))
            }
        }
    }
}

/// `rho old + (1 - rho) new`
fn decay(e: &mut Expr, old: ValueId, new: ValueId, rho: f64) -> Result<ValueId> {
    let (old, new) = (e.scale(old, rho as f32)?, e.scale(new, (1.0 - rho) as f32)?);
    e.add(old, new)
}

/// `old + (1 - beta) (new - old)`
fn approach(e: &mut Expr, old: ValueId, new: ValueId, beta: f64) -> Result<ValueId> {
    let change = e.binary(BinaryKind::Sub, new, old)?;
    let change = e.scale(change, (1.0 - beta) as f32)?;
    e.add(old, change)
}

/// Adam's two moving averages, of the gradient and of its square.
fn moments(e: &mut Expr, g: ValueId, slots: &[ValueId], beta_1: f64, beta_2: f64) -> Result<(ValueId, ValueId)> {
    let m = approach(e, slots[0], g, beta_1)?;
    let squares = e.unary(Unary::Square, g)?;
    Ok((m, approach(e, slots[1], squares, beta_2)?))
}
