//! Activations as layers.

use serde_json::{Map, Value as Json};

use super::arguments::{Several, keras_layer};
use super::scope::{axis, one};
use super::{Activation, Constraint, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BinaryKind, ReduceKind, Softmax as SoftmaxOp, Unary};

keras_layer! {
    /// Keras' `Activation`: an activation by name.
    ActivationLayer {
        activation: Activation,
        ---
    }
}

impl Layer for ActivationLayer {
    fn class(&self) -> &'static str {
        "Activation"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        Ok(vec![self.activation.lower(scope, one(inputs)?)?])
    }
}

keras_layer! {
    /// `x` from above `threshold` to `max_value`, `max_value` beyond, `negative_slope * (x - threshold)` below.
    ReLU {
        ---
        max_value: Option<f32> = None,
        negative_slope: f32 = 0.0,
        threshold: f32 = 0.0,
    }
}

impl Layer for ReLU {
    fn class(&self) -> &'static str {
        "ReLU"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        let least = [
            ("max_value", self.max_value.unwrap_or(0.0)),
            ("negative_slope", self.negative_slope),
            ("threshold", self.threshold),
        ];
        match least.iter().find(|(_, value)| value.is_nan() || *value < 0.0) {
            Some((name, value)) => Err(Error::mismatch(format!("`{name}` must not be negative"), "0 or more", value)),
            None => Ok(()),
        }
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let ReLU { max_value, negative_slope: slope, threshold } = *self;
        if slope != 0.0 && max_value.is_none() && threshold == 0.0 {
            return Ok(vec![scope.add(Unary::LeakyRelu { alpha: slope }, &[x])?]);
        }
        let mut y = if threshold != 0.0 {
            let least = scope.scalar(threshold);
            let mask = scope.mask(BinaryKind::Greater, x, least)?;
            scope.binary(BinaryKind::Mul, x, mask)?
        } else {
            scope.add(if max_value == Some(6.0) { Unary::Relu6 } else { Unary::Relu }, &[x])?
        };
        match max_value {
            Some(max) if max != 6.0 || threshold != 0.0 => y = scope.add(Unary::Clip { min: 0.0, max }, &[y])?,
            _ => {}
        }
        if slope != 0.0 {
            let mut below = scope.add(Unary::Neg, &[x])?;
            if threshold != 0.0 {
                below = scope.with(BinaryKind::Add, below, threshold)?;
            }
            let below = scope.add(Unary::Relu, &[below])?;
            let below = scope.with(BinaryKind::Mul, below, slope)?;
            y = scope.binary(BinaryKind::Sub, y, below)?;
        }
        Ok(vec![y])
    }
}

keras_layer! {
    /// `x` if positive, else `negative_slope * x`.
    LeakyReLU {
        ---
        negative_slope | alpha: f32 = 0.3,
    }
}

impl Layer for LeakyReLU {
    fn class(&self) -> &'static str {
        "LeakyReLU"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        if self.negative_slope.is_nan() || self.negative_slope < 0.0 {
            return Err(Error::mismatch("`negative_slope` must not be negative", "0 or more", self.negative_slope));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        Ok(vec![scope.add(Unary::LeakyRelu { alpha: self.negative_slope }, &[one(inputs)?])?])
    }
}

keras_layer! {
    /// `x` if positive, else `alpha * (e^x - 1)`.
    ELU {
        ---
        alpha: f32 = 1.0,
    }
}

impl Layer for ELU {
    fn class(&self) -> &'static str {
        "ELU"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        Ok(vec![scope.add(Unary::Elu { alpha: self.alpha }, &[one(inputs)?])?])
    }
}

keras_layer! {
    /// `x` if positive, else `alpha * x`, where `alpha` is learned: one for every element but those along `shared_axes`
    /// (counted from 1).
    PReLU {
        ---
        alpha_initializer: Initializer = Initializer::Zeros,
        alpha_regularizer: Option<Regularizer> = None,
        alpha_constraint: Option<Constraint> = None,
        shared_axes: Option<Vec<usize>> = None,
    }
}

impl Layer for PReLU {
    fn class(&self) -> &'static str {
        "PReLU"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let shared: Vec<usize> = self.shared_axes.iter().flatten().copied().collect();
        if let Some(stray) = shared.iter().find(|&&a| a == 0 || a >= dims.len()) {
            return Err(Error::mismatch("no such axis to share", format!("1 to {}", dims.len().max(2) - 1), stray));
        }
        let size = |axis: usize| match dims[axis] {
            _ if shared.contains(&axis) => Ok(1),
            Some(size) => Ok(size),
            None => Err(Error::mismatch("an open axis must be among `shared_axes`", "a known size", dims)),
        };
        let shape = (1..dims.len()).map(size).collect::<Result<Vec<_>>>()?;
        let alpha = WeightSpec::new("alpha", shape, &self.alpha_initializer);
        Ok(vec![alpha.with(&self.alpha_regularizer, &self.alpha_constraint)])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let alpha = scope.weight("alpha")?;
        let above = scope.add(Unary::Relu, &[x])?;
        let negative = scope.add(Unary::Neg, &[x])?;
        let below = scope.add(Unary::Relu, &[negative])?;
        let below = scope.binary(BinaryKind::Mul, below, alpha)?;
        Ok(vec![scope.binary(BinaryKind::Sub, above, below)?])
    }
}

keras_layer! {
    /// `exp(x) / sum(exp(x))` over one axis, or over several together.
    Softmax {
        ---
        axis: Several<isize> = Several(vec![-1]),
    }
}

impl Layer for Softmax {
    fn class(&self) -> &'static str {
        "Softmax"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        if self.axis.0.is_empty() {
            return Err(Error::mismatch("`axis` names no axis", "one or more", 0));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let dims = scope.dims(x);
        let axes = self.axis.0.iter().map(|&a| Ok(axis(&dims, a)? as isize)).collect::<Result<Vec<_>>>()?;
        if let [axis] = axes[..] {
            return Ok(vec![scope.add(SoftmaxOp { axis }, &[x])?]);
        }
        let max = scope.reduce(ReduceKind::Max, &axes, true, x)?;
        let shifted = scope.binary(BinaryKind::Sub, x, max)?;
        let exp = scope.add(Unary::Exp, &[shifted])?;
        let sum = scope.reduce(ReduceKind::Sum, &axes, true, exp)?;
        Ok(vec![scope.binary(BinaryKind::Div, exp, sum)?])
    }
}
