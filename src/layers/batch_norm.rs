//! Batch normalisation.

use serde_json::{Map, Value as Json};

use super::arguments::{Several, keras_layer};
use super::scope::{last_axis, one};
use super::{Constraint, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BatchNorm, BatchNormStatistics, BinaryKind};
use crate::tensor::Tensor;

keras_layer! {
    /// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` for every index along `axis`.
    ///
    /// In training the statistics are those of the batch (the variance the biased one, as in Keras 3), and the moving
    /// ones move by `1 - momentum` of the way to them. A frozen layer keeps to its moving statistics, in training too.
    BatchNormalization {
        ---
        axis: Several<isize> = Several(vec![-1]),
        momentum: f32 = 0.99,
        epsilon: f32 = 1e-3,
        center: bool = true,
        scale: bool = true,
        beta_initializer: Initializer = Initializer::Zeros,
        gamma_initializer: Initializer = Initializer::Ones,
        moving_mean_initializer: Initializer = Initializer::Zeros,
        moving_variance_initializer: Initializer = Initializer::Ones,
        beta_regularizer: Option<Regularizer> = None,
        gamma_regularizer: Option<Regularizer> = None,
        beta_constraint: Option<Constraint> = None,
        gamma_constraint: Option<Constraint> = None,
        /// Over several devices; here there is one.
        synchronized: bool = false,
        /// Not supported.
        renorm: bool = false,
    }
}

impl BatchNormalization {
    /// The axis of the statistics, and its size.
    fn features(&self, dims: &Dims) -> Result<(usize, usize)> {
        let [axis] = self.axis.0[..] else {
            return Err(Error::mismatch("batch normalisation has one `axis`", 1, self.axis.0.len()));
        };
        let axis = super::scope::axis(dims, axis)?;
        match dims[axis] {
            Some(size) if axis > 0 => Ok((axis, size)),
            _ => Err(Error::mismatch("the normalised axis must be known, and not the batch", "a known size", dims)),
        }
    }
}

impl Layer for BatchNormalization {
    fn class(&self) -> &'static str {
        "BatchNormalization"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        if self.renorm {
            return Err(Error::unsupported("batch renormalisation (`renorm`)"));
        }
        Ok(())
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let shape = [self.features(dims)?.1];
        let mut weights = Vec::new();
        if self.scale {
            weights.push(
                WeightSpec::new("gamma", shape, &self.gamma_initializer)
                    .with(&self.gamma_regularizer, &self.gamma_constraint),
            );
        }
        if self.center {
            weights.push(
                WeightSpec::new("beta", shape, &self.beta_initializer)
                    .with(&self.beta_regularizer, &self.beta_constraint),
            );
        }
        weights.push(WeightSpec::fixed("moving_mean", shape, &self.moving_mean_initializer));
        weights.push(WeightSpec::fixed("moving_variance", shape, &self.moving_variance_initializer));
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let (axis, size) = self.features(&scope.dims(x))?;
        let filled = |value: f32| Tensor::f32([size], vec![value; size]);
        let gamma = if self.scale { scope.weight("gamma")? } else { scope.constant(filled(1.0)?) };
        let beta = if self.center { scope.weight("beta")? } else { scope.constant(filled(0.0)?) };
        let moving = [scope.weight("moving_mean")?, scope.weight("moving_variance")?];
        let normalize = |scope: &mut Scope, x: ValueId| {
            let statistics = if scope.trains() { scope.push(BatchNormStatistics, &[x])? } else { moving.to_vec() };
            if scope.trains() {
                for (role, now) in [("moving_mean", statistics[0]), ("moving_variance", statistics[1])] {
                    let moving = scope.updated(role)?;
                    let kept = scope.with(BinaryKind::Mul, moving, self.momentum)?;
                    let taken = scope.with(BinaryKind::Mul, now, 1.0 - self.momentum)?;
                    let next = scope.binary(BinaryKind::Add, kept, taken)?;
                    scope.update(role, next);
                }
            }
            let operands = [&[x, gamma, beta], &statistics[..]].concat();
            scope.add(BatchNorm { epsilon: self.epsilon }, &operands)
        };
        Ok(vec![last_axis(scope, axis, x, normalize)?])
    }
}
