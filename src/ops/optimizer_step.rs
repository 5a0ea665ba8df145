//! One update of a parameter and of what its optimizer keeps, in one pass over memory.

use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, TensorType};

/// An update rule, with the names and the formulas of Keras 3. `w` is the parameter, `g` its gradient, `lr` the first
/// coefficient and `c1`, `c2`, `c3` those after it, which the host computes for every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// `w -= lr g`. Nothing kept, one coefficient.
    Sgd,
    /// `v = c1 v - lr g`, `w += v`; with Nesterov `w += c1 v - lr g`. Keeps `v`; `c1` is the momentum.
    Momentum {
        /// Look ahead.
        nesterov: bool,
    },
    /// `v = rho v + (1 - rho) g^2`, `w -= lr g / sqrt(v + epsilon)`. Keeps `v`.
    RmsProp {
        /// How much of the average stays.
        rho: f64,
        /// Inside the root.
        epsilon: f32,
    },
    /// As [`UpdateRule::RmsProp`], the step `s = c1 s + lr g / sqrt(v + epsilon)`, `w -= s`. Keeps `v` and `s`.
    RmsPropMomentum {
        /// How much of the average stays.
        rho: f64,
        /// Inside the root.
        epsilon: f32,
    },
    /// `m += (1 - beta_1) (g - m)`, `v += (1 - beta_2) (g^2 - v)`, `w -= c1 m / (sqrt(v) + epsilon)`. Keeps `m` and
    /// `v`; `c1 = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)`. AdamW is this with weight decay.
    Adam {
        /// How much of the gradients' average stays.
        beta_1: f64,
        /// How much of the squares' average stays.
        beta_2: f64,
        /// Outside the root.
        epsilon: f32,
    },
    /// `m` as in Adam, `u = max(beta_2 u, |g|)`, `w -= c1 m / (u + epsilon)`. Keeps `m` and `u`;
    /// `c1 = lr / (1 - beta_1^t)`.
    Adamax {
        /// How much of the gradients' average stays.
        beta_1: f64,
        /// How much of the norm stays.
        beta_2: f64,
        /// Added to the norm.
        epsilon: f32,
    },
    /// `m` and `v` as in Adam, `w -= (c1 m + c2 g) / (sqrt(c3 v) + epsilon)`. Keeps `m` and `v`.
    Nadam {
        /// How much of the gradients' average stays.
        beta_1: f64,
        /// How much of the squares' average stays.
        beta_2: f64,
        /// Outside the root.
        epsilon: f32,
    },
    /// `a += g^2`, `w -= lr g / sqrt(a + epsilon)`. Keeps `a`.
    Adagrad {
        /// Inside the root.
        epsilon: f32,
    },
    /// `a = rho a + (1 - rho) g^2`, `d = g sqrt(b + epsilon) / sqrt(a + epsilon)`, `b = rho b + (1 - rho) d^2`,
    /// `w -= lr d`. Keeps `a` and `b`.
    Adadelta {
        /// How much of the averages stays.
        rho: f64,
        /// Inside the roots.
        epsilon: f32,
    },
}

impl UpdateRule {
    /// How many tensors of the parameter's shape it keeps.
    pub fn slots(&self) -> usize {
        match self {
            UpdateRule::Sgd => 0,
            UpdateRule::Momentum { .. } | UpdateRule::RmsProp { .. } | UpdateRule::Adagrad { .. } => 1,
            UpdateRule::RmsPropMomentum { .. }
            | UpdateRule::Adam { .. }
            | UpdateRule::Adamax { .. }
            | UpdateRule::Nadam { .. }
            | UpdateRule::Adadelta { .. } => 2,
        }
    }

    /// How many coefficients it needs, the learning rate included.
    pub fn coefficients(&self) -> usize {
        match self {
            UpdateRule::Sgd | UpdateRule::RmsProp { .. } | UpdateRule::Adagrad { .. } | UpdateRule::Adadelta { .. } => {
                1
            }
            UpdateRule::Momentum { .. }
            | UpdateRule::RmsPropMomentum { .. }
            | UpdateRule::Adam { .. }
            | UpdateRule::Adamax { .. } => 2,
            UpdateRule::Nadam { .. } => 4,
        }
    }

    /// What kernels compute with, rounded once: `[a, 1 - a, b, 1 - b, epsilon]`. (From a rounded 0.999 the difference to
    /// 1 would be off by one part in 75 000.)
    pub(crate) fn attributes(&self) -> [f32; 5] {
        let (a, b, epsilon) = match *self {
            UpdateRule::Sgd | UpdateRule::Momentum { .. } => (0.0, 0.0, 0.0),
            UpdateRule::RmsProp { rho, epsilon }
            | UpdateRule::RmsPropMomentum { rho, epsilon }
            | UpdateRule::Adadelta { rho, epsilon } => (rho, 0.0, epsilon),
            UpdateRule::Adam { beta_1, beta_2, epsilon }
            | UpdateRule::Adamax { beta_1, beta_2, epsilon }
            | UpdateRule::Nadam { beta_1, beta_2, epsilon } => (beta_1, beta_2, epsilon),
            UpdateRule::Adagrad { epsilon } => (0.0, 0.0, epsilon),
        };
        [a as f32, (1.0 - a) as f32, b as f32, (1.0 - b) as f32, epsilon]
    }

    /// The name, of the op too.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            UpdateRule::Sgd => "Sgd",
            UpdateRule::Momentum { nesterov: false } => "Momentum",
            UpdateRule::Momentum { nesterov: true } => "Nesterov",
            UpdateRule::RmsProp { .. } => "RmsProp",
            UpdateRule::RmsPropMomentum { .. } => "RmsPropMomentum",
            UpdateRule::Adam { .. } => "Adam",
            UpdateRule::Adamax { .. } => "Adamax",
            UpdateRule::Nadam { .. } => "Nadam",
            UpdateRule::Adagrad { .. } => "Adagrad",
            UpdateRule::Adadelta { .. } => "Adadelta",
        }
    }

    /// The new weight and slots from the weight, the gradient, the slots and the coefficients.
    fn update(&self, w: f64, g: f64, [s, t]: [f64; 2], c: &[f32]) -> (f64, [f64; 2]) {
        let c = |i: usize| c[i] as f64;
        let approach = |old: f64, new: f64, beta: f64| old + (1.0 - beta) * (new - old);
        let decay = |old: f64, new: f64, rho: f64| rho * old + (1.0 - rho) * new;
        match *self {
            UpdateRule::Sgd => (w - c(0) * g, [s, t]),
            UpdateRule::Momentum { nesterov } => {
                let v = c(1) * s - c(0) * g;
                (w + if nesterov { c(1) * v - c(0) * g } else { v }, [v, t])
            }
            UpdateRule::RmsProp { rho, epsilon } => {
                let v = decay(s, g * g, rho);
                (w - c(0) * g / (v + epsilon as f64).sqrt(), [v, t])
            }
            UpdateRule::RmsPropMomentum { rho, epsilon } => {
                let v = decay(s, g * g, rho);
                let step = c(1) * t + c(0) * g / (v + epsilon as f64).sqrt();
                (w - step, [v, step])
            }
            UpdateRule::Adam { beta_1, beta_2, epsilon } => {
                let (m, v) = (approach(s, g, beta_1), approach(t, g * g, beta_2));
                (w - c(1) * m / (v.sqrt() + epsilon as f64), [m, v])
            }
            UpdateRule::Adamax { beta_1, beta_2, epsilon } => {
                let (m, u) = (approach(s, g, beta_1), (beta_2 * t).max(g.abs()));
                (w - c(1) * m / (u + epsilon as f64), [m, u])
            }
            UpdateRule::Nadam { beta_1, beta_2, epsilon } => {
                let (m, v) = (approach(s, g, beta_1), approach(t, g * g, beta_2));
                (w - (c(1) * m + c(2) * g) / ((c(3) * v).sqrt() + epsilon as f64), [m, v])
            }
            UpdateRule::Adagrad { epsilon } => {
                let a = s + g * g;
                (w - c(0) * g / (a + epsilon as f64).sqrt(), [a, t])
            }
            UpdateRule::Adadelta { rho, epsilon } => {
                let a = decay(s, g * g, rho);
                let d = g * (t + epsilon as f64).sqrt() / (a + epsilon as f64).sqrt();
                (w - c(0) * d, [a, decay(t, d * d, rho)])
            }
        }
    }
}

/// One update: `parameter, gradient, coefficients, slots...` to the new `parameter, slots...`.
///
/// `coefficients` is a float vector with the learning rate first, of [`UpdateRule::coefficients`] elements or more: an
/// input of the graph, so that a learning rate changes without compiling anything. [Assign](crate::graph::Graph::assign)
/// the outputs to the variables that are the inputs: then they are updated where they lie, as soon as the gradient is
/// there, and its memory is free again. `train::optimizers` does all this.
///
/// A learning rate that is not finite changes nothing: that is how a step whose loss is not a number is called off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerStep {
    /// The rule.
    pub rule: UpdateRule,
    /// Before the rule, `w -= lr weight_decay w`; 0 for none.
    pub weight_decay: f32,
}

impl Operator for OptimizerStep {
    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 3 + self.rule.slots())?;
        for (i, input) in inputs.iter().enumerate() {
            expect_dtype(inputs, i, DType::F32)?;
            if i != 2 && *input != inputs[0] {
                return Err(Error::mismatch(format!("input {i} does not fit the parameter"), &inputs[0], input));
            }
        }
        let needed = self.rule.coefficients();
        if inputs[2].shape.rank() != 1 || inputs[2].shape.elements() < needed {
            let wanted = format!("a vector of {needed} or more");
            return Err(Error::mismatch("the coefficients do not fit the rule", wanted, &inputs[2].shape));
        }
        Ok(vec![inputs[0].clone(); self.outputs()])
    }

    fn outputs(&self) -> usize {
        1 + self.rule.slots()
    }

    fn in_place(&self, output: usize) -> Option<usize> {
        Some(if output == 0 { 0 } else { output + 2 })
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        (2 + 5 * self.rule.slots() as u64) * inputs[0].shape.elements() as u64
    }
}

impl Reference for OptimizerStep {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let values = inputs.iter().map(|t| t.as_f32()).collect::<Result<Vec<_>>>()?;
        let slots = self.rule.slots();
        if !values[2][0].is_finite() {
            return Ok(inputs
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != 1 && *i != 2)
                .map(|(_, &t)| t.clone())
                .collect());
        }
        let mut results = vec![Vec::with_capacity(shape.elements()); 1 + slots];
        for i in 0..shape.elements() {
            let slot = |k: usize| if k < slots { values[3 + k][i] as f64 } else { 0.0 };
            let mut w = values[0][i] as f64;
            w -= values[2][0] as f64 * self.weight_decay as f64 * w;
            let (w, kept) = self.rule.update(w, values[1][i] as f64, [slot(0), slot(1)], values[2]);
            results[0].push(w as f32);
            results[1..].iter_mut().zip(kept).for_each(|(list, v)| list.push(v as f32));
        }
        results.into_iter().map(|values| Tensor::f32(shape.clone(), values)).collect()
    }
}
