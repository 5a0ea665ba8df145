//! Fully connected layers.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::conv::positive;
use super::scope::{known_channels, one};
use super::{Activation, Constraint, GLOROT_UNIFORM, Initializer, Layer, Regularizer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{Epilogue, MatMul};

keras_layer! {
    /// `activation(x kernel + bias)` over the last axis; kernel `[channels, units]`.
    Dense {
        units: usize,
        ---
        activation: Activation = Activation::Linear,
        use_bias: bool = true,
        kernel_initializer: Initializer = GLOROT_UNIFORM,
        bias_initializer: Initializer = Initializer::Zeros,
        kernel_regularizer: Option<Regularizer> = None,
        bias_regularizer: Option<Regularizer> = None,
        activity_regularizer: Option<Regularizer> = None,
        kernel_constraint: Option<Constraint> = None,
        bias_constraint: Option<Constraint> = None,
    }
}

impl Layer for Dense {
    fn class(&self) -> &'static str {
        "Dense"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("units", &[self.units])
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        if dims.len() < 2 {
            return Err(Error::mismatch("a dense layer needs a batch and features", "[batch, ..., features]", dims));
        }
        let shape = [known_channels(dims)?, self.units];
        let mut weights = vec![
            WeightSpec::new("kernel", shape, &self.kernel_initializer)
                .with(&self.kernel_regularizer, &self.kernel_constraint),
        ];
        if self.use_bias {
            weights.push(
                WeightSpec::new("bias", [self.units], &self.bias_initializer)
                    .with(&self.bias_regularizer, &self.bias_constraint),
            );
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let mut operands = vec![one(inputs)?, scope.weight("kernel")?];
        if self.use_bias {
            operands.push(scope.weight("bias")?);
        }
        let epilogue = Epilogue { bias: self.use_bias, ..Default::default() };
        let y = scope.add(MatMul { epilogue, ..Default::default() }, &operands)?;
        let y = self.activation.lower(scope, y)?;
        scope.penalize(&self.activity_regularizer, y);
        Ok(vec![y])
    }
}
