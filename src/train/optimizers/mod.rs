//! Optimizers as Keras 3 has them: they add to a graph what turns gradients into new weights.
//!
//! What changes from step to step (learning rate, momentum, bias corrections) is computed on the host in double precision
//! and enters the graph as one small input, [`STEP`]: nothing is compiled again when it changes. What is kept from step
//! to step (momentum, averages of squares) are variables beside the weights, so a step needs no copy to the host.
//!
//! The order is Keras': clip the gradients, decay the weights, update, average the weights, constrain them.

mod clip;
mod config;
mod rules;

use serde_json::Value;

use super::constraints::constrain;
use super::expr::Expr;
use super::schedules::Schedule;
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::layers::Constraint;
use crate::ops::{OptimizerStep, Slice, SliceAxis};
use crate::tensor::{DType, Tensor, TensorType};

pub use clip::Clip;
pub use rules::Rule;

/// The step's input in a graph.
struct Coefficients {
    /// The whole vector.
    all: ValueId,
    /// Its elements.
    each: Vec<ValueId>,
}

/// Name of the input of an update graph that takes [`Optimizer::step_input`].
pub const STEP: &str = "optimizer/step";

/// An optimizer: a rule and what goes around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    /// How a gradient becomes a change.
    pub rule: Rule,
    /// The learning rate, if no schedule gives it.
    pub learning_rate: f64,
    /// The chapter's time-based decay: the rate of step t, counted from 0, is `learning_rate / (1 + decay t)`.
    pub decay: f64,
    /// Gives the learning rate in place of the two before.
    pub schedule: Option<Schedule>,
    /// What is taken from the weights before every update: `w -= rate * weight_decay * w`.
    pub weight_decay: Option<f32>,
    /// What is done to gradients that are too long.
    pub clip: Option<Clip>,
    /// Keeps an average of the weights over the steps.
    pub average: Option<Average>,
    /// Updates only every so many steps, by the mean of their gradients.
    pub accumulate: Option<u64>,
}

/// An exponential moving average of the weights (`use_ema`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// How much of the average stays at each step.
    pub momentum: f64,
    /// After how many steps the average takes the place of the weights, time and again.
    pub overwrite_frequency: Option<u64>,
}

/// A weight to be trained.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// A variable of the graph.
    pub variable: ValueId,
    /// The gradient of the loss.
    pub gradient: ValueId,
    /// Whether weight decay applies (usually to all; to leave out biases is an option).
    pub decays: bool,
    /// What the new weights must satisfy.
    pub constraint: Option<Constraint>,
}

impl Parameter {
    /// A weight without a constraint.
    pub fn new(variable: ValueId, gradient: ValueId) -> Parameter {
        Parameter { variable, gradient, decays: true, constraint: None }
    }
}

impl Optimizer {
    /// A rule with Keras' default learning rate, and nothing around it.
    pub fn new(rule: Rule) -> Optimizer {
        let learning_rate = rule.default_learning_rate();
        Optimizer {
            rule,
            learning_rate,
            decay: 0.0,
            schedule: None,
            weight_decay: None,
            clip: None,
            average: None,
            accumulate: None,
        }
    }

    /// An optimizer by Keras' class name (`SGD`, `adam` ...) and its arguments, and `decay`, which Keras 3 ignores.
    /// The learning rate is a number, or a serialised schedule. Unknown names and arguments are errors.
    pub fn from_config(name: &str, config: &Value) -> Result<Optimizer> {
        config::parse(name, config)
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        match &self.schedule {
            Some(schedule) => schedule.at(step),
            None => self.learning_rate / (1.0 + self.decay * step as f64),
        }
    }

    /// Changes the learning rate, as callbacks do; an error if a schedule gives it.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        if self.schedule.is_some() {
            return Err(Error::invalid("a schedule gives the learning rate; it cannot be set"));
        }
        self.learning_rate = rate;
        Ok(())
    }

    /// Name of the variable that holds something kept for a weight, e.g. `optimizer/conv1/kernel/momentum`.
    pub fn slot_name(variable: &str, slot: &str) -> String {
        format!("optimizer/{variable}/{slot}")
    }

    /// What is kept for every weight, with its first value, in Keras' order.
    pub fn slots(&self) -> Vec<(&'static str, f32)> {
        let average = self.average.map(|_| ("average", 0.0));
        let gradient = self.accumulate.map(|_| ("gradient_accumulator", 0.0));
        average.into_iter().chain(gradient).chain(self.rule.slots()).collect()
    }

    /// The content of the input [`STEP`] for a step, counted from 0.
    pub fn step_input(&self, step: u64) -> Tensor {
        let rate = self.learning_rate_at(step);
        let momentum = match &self.schedule {
            Some(Schedule::OneCycle(cycle)) => cycle.momentum_at(step),
            _ => None,
        };
        let mut values = vec![rate];
        // Updates so far, which are not steps where gradients are accumulated.
        let update = step / self.accumulate.unwrap_or(1).max(1);
        values.extend(self.rule.coefficients(rate, update + 1, momentum));
        if let Some(n) = self.accumulate {
            values.push((step + 1).is_multiple_of(n) as u8 as f64);
        }
        if let Some(Average { momentum, overwrite_frequency }) = self.average {
            values.push(if update == 0 { 0.0 } else { momentum });
            values.push(overwrite_frequency.is_some_and(|n| (update + 1).is_multiple_of(n)) as u8 as f64);
        }
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        let kind = TensorType::f32([values.len()]);
        Tensor::f32(kind.shape.clone(), values).unwrap_or_else(|_| Tensor::zeros(&kind))
    }

    /// Adds the update of these weights to a graph: the input [`STEP`], the variables it keeps, the new values assigned.
    ///
    /// Errors name the weight. The weights must be variables that nothing else is assigned to.
    pub fn apply(&self, graph: &mut Graph, parameters: &[Parameter]) -> Result<()> {
        self.apply_with(graph, parameters, None)
    }

    /// As [`Optimizer::apply`]; the scalar is added to the step's coefficients: 0, or NaN to call the step off where an
    /// update is one op. Other updates need [`Expr::unless`].
    pub(crate) fn apply_with(
        &self,
        graph: &mut Graph,
        parameters: &[Parameter],
        broken: Option<ValueId>,
    ) -> Result<()> {
        let count = self.step_input(0).shape().elements();
        let mut step = graph.input(STEP, DType::F32, vec![Some(count)]);
        let mut expr = Expr::new(graph, STEP);
        if let Some(broken) = broken {
            step = expr.add(step, broken)?;
        }
        let each = (0..count)
            .map(|i| expr.op(Slice { axes: vec![SliceAxis::range(i, i + 1)] }.into(), &[step]))
            .collect::<Result<Vec<_>>>()?;
        let coefficients = Coefficients { all: step, each };
        let names: Vec<String> = parameters.iter().map(|p| graph.values()[p.variable.index()].name.clone()).collect();
        let mut slots = Vec::with_capacity(parameters.len());
        let mut gradients = Vec::with_capacity(parameters.len());
        for (parameter, name) in parameters.iter().zip(&names) {
            slots.push(self.declare(graph, parameter, name).map_err(|e| e.at(name))?);
            gradients.push(self.gather(graph, parameter, &slots[gradients.len()], &coefficients.each)?);
        }
        if let Some(clip) = &self.clip {
            gradients = clip.apply(&mut Expr::new(graph, STEP), &gradients)?;
        }
        for (i, parameter) in parameters.iter().enumerate() {
            let done = self.update(graph, parameter, gradients[i], &slots[i], &coefficients, &names[i]);
            done.map_err(|e| e.at(&names[i]))?;
        }
        Ok(())
    }

    /// The variables kept for a weight, in the order of [`Optimizer::slots`].
    fn declare(&self, graph: &mut Graph, parameter: &Parameter, name: &str) -> Result<Vec<ValueId>> {
        let variable = graph.variables().iter().find(|v| v.value == parameter.variable);
        let Some(kind) = variable.map(|v| v.initial.kind()) else {
            return Err(Error::invalid("only a variable can be trained"));
        };
        let slot = |(slot, first): (&str, f32)| {
            let initial = Tensor::f32(kind.shape.clone(), vec![first; kind.shape.elements()])?;
            Ok(graph.variable(Self::slot_name(name, slot), initial))
        };
        self.slots().into_iter().map(slot).collect()
    }

    /// The gradient of a weight: its own, or the mean with those since the last update.
    fn gather(&self, graph: &mut Graph, parameter: &Parameter, slots: &[ValueId], c: &[ValueId]) -> Result<ValueId> {
        let Some(n) = self.accumulate else { return Ok(parameter.gradient) };
        let (sum_slot, updates) = (slots[self.average.is_some() as usize], c[self.flag()]);
        let mut expr = Expr::new(graph, STEP);
        let sum = expr.add(parameter.gradient, sum_slot)?;
        let keep = expr.complement(updates)?;
        let kept = expr.mul(sum, keep)?;
        let mean = expr.scale(sum, 1.0 / n as f32)?;
        graph.assign(sum_slot, kept)?;
        Ok(mean)
    }

    /// Which coefficient says whether this step updates.
    fn flag(&self) -> usize {
        1 + self.rule.coefficients(0.0, 1, None).len()
    }

    fn update(
        &self,
        graph: &mut Graph,
        parameter: &Parameter,
        gradient: ValueId,
        slots: &[ValueId],
        coefficients: &Coefficients,
        name: &str,
    ) -> Result<()> {
        let label = format!("optimizer/{name}");
        let mut expr = Expr::new(graph, &label);
        let mut weight = parameter.variable;
        let (averages, others) = slots.split_at(self.average.is_some() as usize);
        let own = &others[self.accumulate.is_some() as usize..];
        let decay = self.weight_decay.filter(|_| parameter.decays);
        let (mut new, mut kept) = match self.rule.fused().filter(|_| self.accumulate.is_none()) {
            // One pass over memory, in place.
            Some(rule) => {
                let step = OptimizerStep { rule, weight_decay: decay.unwrap_or(0.0) };
                let inputs = [&[weight, gradient, coefficients.all], own].concat();
                let mut results = expr.graph.push(&label, step, &inputs)?;
                let kept = results.split_off(1);
                (results[0], kept)
            }
            None => {
                if let Some(decay) = decay {
                    // w - w wd lr
                    let share = expr.scale(weight, decay)?;
                    let share = expr.mul(share, coefficients.each[0])?;
                    weight = expr.sub(weight, share)?;
                }
                self.rule.update(&mut expr, weight, gradient, own, &coefficients.each)?
            }
        };
        let coefficients = &coefficients.each;
        if self.accumulate.is_some() {
            let updates = coefficients[self.flag()];
            new = choose(&mut expr, updates, new, parameter.variable)?;
            for (value, &old) in kept.iter_mut().zip(own) {
                *value = choose(&mut expr, updates, *value, old)?;
            }
        }
        weight = new;
        let mut assigned: Vec<(ValueId, ValueId)> = own.iter().copied().zip(kept).collect();
        if let Some(average) = self.average {
            let [momentum, overwrite] = [coefficients[coefficients.len() - 2], coefficients[coefficients.len() - 1]];
            let rest = expr.complement(momentum)?;
            let (old, new) = (expr.mul(averages[0], momentum)?, expr.mul(weight, rest)?);
            let mean = expr.add(old, new)?;
            assigned.push((averages[0], mean));
            if average.overwrite_frequency.is_some() {
                weight = choose(&mut expr, overwrite, mean, weight)?;
            }
        }
        if let Some(constraint) = &parameter.constraint {
            weight = constrain(&mut expr, constraint, weight)?;
        }
        graph.assign(parameter.variable, weight)?;
        assigned.into_iter().try_for_each(|(slot, value)| graph.assign(slot, value))
    }
}

/// `a` where `flag` is 1, `b` where it is 0: exact, since one of the two products is 0.
fn choose(expr: &mut Expr, flag: ValueId, a: ValueId, b: ValueId) -> Result<ValueId> {
    let rest = expr.complement(flag)?;
    let (a, b) = (expr.mul(a, flag)?, expr.mul(b, rest)?);
    expr.add(a, b)
}
