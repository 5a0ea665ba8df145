//! Layers that only rearrange: Flatten, Reshape, Permute, RepeatVector.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::scope::one;
use super::{Layer, Scope};
use crate::error::Result;
use crate::graph::ValueId;
use crate::ops::ReshapeDim;

keras_layer! {
    /// `[batch, ...]` as `[batch, features]`.
    Flatten {
        ---
    }
}

impl Layer for Flatten {
    fn class(&self) -> &'static str {
        "Flatten"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        Ok(vec![scope.reshape(&[ReshapeDim::Copy(0), ReshapeDim::Infer], x)?])
    }
}
