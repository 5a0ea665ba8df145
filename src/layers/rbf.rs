//! Radial basis functions: the output layer of LeNet-5.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::conv::{insert_axis, positive};
use super::scope::{known_channels, one};
use super::{Initializer, Layer, Scope, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::ops::{BinaryKind, ReduceKind, Unary};

keras_layer! {
    /// The Euclidean distance of the input to every unit's centre, or its square; weight `centers` `[units, features]`.
    RBF {
        units: usize,
        ---
        squared: bool = false,
        centers_initializer: Initializer = Initializer::RandomNormal { mean: 0.0, stddev: 0.05 },
    }
}

impl Layer for RBF {
    fn class(&self) -> &'static str {
        "RBF"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("units", &[self.units])
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let [dims] = inputs else { return Err(Error::mismatch("the layer takes one input", 1, inputs.len())) };
        let shape = [self.units, known_channels(dims)?];
        Ok(vec![WeightSpec::new("centers", shape, &self.centers_initializer)])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let rank = scope.dims(x).len();
        if rank < 2 {
            return Err(Error::mismatch(
                "the layer needs a batch and features",
                "[batch, ..., features]",
                scope.dims(x),
            ));
        }
        let centers = scope.weight("centers")?;
        let rows = insert_axis(scope, rank - 1, x)?;
        let squares = scope.binary(BinaryKind::SquaredDifference, rows, centers)?;
        let sum = scope.reduce(ReduceKind::Sum, &[-1], false, squares)?;
        Ok(vec![if self.squared { sum } else { scope.add(Unary::Sqrt, &[sum])? }])
    }
}
