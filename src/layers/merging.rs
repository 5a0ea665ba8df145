//! Layers of several inputs: arithmetic, concatenation, dot products.

use serde_json::{Map, Value as Json};

use super::arguments::{Several, keras_layer};
use super::conv::insert_axis;
use super::scope::axis;
use super::{Layer, Scope};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, Concat, MatMul, ReduceKind, ReshapeDim, Transpose, Unary};

/// Folds inputs, which broadcast; those of fewer axes get axes of size 1 after the batch.
fn fold(scope: &mut Scope, kind: BinaryKind, inputs: &[ValueId]) -> Result<ValueId> {
    let rank = inputs.iter().map(|&x| scope.dims(x).len()).max().unwrap_or(0);
    let mut result = None;
    for &input in inputs {
        let mut x = input;
        while scope.dims(x).len() < rank {
            x = insert_axis(scope, 1, x)?;
        }
        result = Some(match result {
            None => x,
            Some(left) => scope.binary(kind, left, x)?,
        });
    }
    result.ok_or_else(|| Error::mismatch("the layer merges inputs", "one or more", 0))
}

macro_rules! merging {
    ($(#[$meta:meta])* $layer:ident, |$scope:ident, $inputs:ident| $lower:expr) => {
        keras_layer! {
            $(#[$meta])*
            $layer {
                ---
            }
        }

        impl Layer for $layer {
            fn class(&self) -> &'static str {
                stringify!($layer)
            }

            fn config(&self) -> Map<String, Json> {
                self.write()
            }

            fn lower(&self, $scope: &mut Scope, $inputs: &[ValueId]) -> Result<Vec<ValueId>> {
                Ok(vec![$lower?])
            }
        }
    };
}

merging!(
    /// The sum of its inputs, which broadcast.
    Add,
    |scope, inputs| fold(scope, BinaryKind::Add, inputs)
);
merging!(
    /// The first input less the second.
    Subtract,
    |scope, inputs| match inputs {
        [_, _] => fold(scope, BinaryKind::Sub, inputs),
        _ => Err(Error::mismatch("the layer takes two inputs", 2, inputs.len())),
    }
);
merging!(
    /// The product of its inputs, which broadcast.
    Multiply,
    |scope, inputs| fold(scope, BinaryKind::Mul, inputs)
);
merging!(
    /// The mean of its inputs, which broadcast.
    Average,
    |scope, inputs| {
        let sum = fold(scope, BinaryKind::Add, inputs)?;
        scope.with(BinaryKind::Div, sum, inputs.len() as f32)
    }
);
merging!(
    /// The largest of its inputs at every place.
    Maximum,
    |scope, inputs| fold(scope, BinaryKind::Maximum, inputs)
);
merging!(
    /// The smallest of its inputs at every place.
    Minimum,
    |scope, inputs| fold(scope, BinaryKind::Minimum, inputs)
);

keras_layer! {
    /// Its inputs one after the other along an axis; the other axes are the same in all.
    Concatenate {
        ---
        axis: isize = -1,
    }
}

impl Layer for Concatenate {
    fn class(&self) -> &'static str {
        "Concatenate"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        match inputs {
            [single] => Ok(vec![*single]),
            _ => Ok(vec![scope.add(Concat { axis: self.axis }, inputs)?]),
        }
    }
}

keras_layer! {
    /// Sums of products along one axis of each of two inputs: `[batch, a..., n]` and `[batch, n, b...]` to `[batch, a...,
    /// b...]`, or `[batch, 1]` where nothing else is left. `normalize` divides both by their lengths first.
    Dot {
        axes: Several<isize>,
        ---
        normalize: bool = false,
    }
}

impl Layer for Dot {
    fn class(&self) -> &'static str {
        "Dot"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        match self.axes.0[..] {
            [_] | [_, _] => Ok(()),
            _ => Err(Error::mismatch("`axes` has a wrong length", "an axis, or one for each input", self.axes.0.len())),
        }
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let &[a, b] = inputs else { return Err(Error::mismatch("the layer takes two inputs", 2, inputs.len())) };
        let (of_a, of_b) = match self.axes.0[..] {
            [both] => (both, both),
            [a, b] => (a, b),
            _ => return Err(Error::invalid("`axes` has a wrong length")),
        };
        // Both as [batch, rest, summed].
        let (a, rest_a) = self.rows(scope, a, of_a)?;
        let (b, rest_b) = self.rows(scope, b, of_b)?;
        let product = scope.add(MatMul { transpose_b: true, ..Default::default() }, &[a, b])?;
        let mut target = vec![ReshapeDim::Copy(0)];
        target.extend(rest_a.into_iter().chain(rest_b));
        if target.len() == 1 {
            target.push(ReshapeDim::Size(1));
        }
        if target.iter().filter(|d| **d == ReshapeDim::Infer).count() > 1 {
            return Err(Error::unsupported("a dot product that leaves several open axes"));
        }
        Ok(vec![scope.reshape(&target, product)?])
    }
}

impl Dot {
    /// `[batch, everything else, axis]`, and the sizes of everything else.
    fn rows(&self, scope: &mut Scope, x: ValueId, along: isize) -> Result<(ValueId, Vec<ReshapeDim>)> {
        let dims = scope.dims(x);
        let along = axis(&dims, along)?;
        if along == 0 {
            return Err(Error::mismatch("a dot product cannot sum over the batch", "an axis from 1 on", 0));
        }
        let mut x = x;
        if self.normalize {
            x = scope.normalize(&[along as isize], 1e-7, x)?;
        }
        let perm: Vec<usize> = (0..dims.len()).filter(|&a| a != along).chain([along]).collect();
        let rest =
            perm[1..dims.len() - 1].iter().map(|&a| dims[a].map_or(ReshapeDim::Infer, ReshapeDim::Size)).collect();
        if along + 1 != dims.len() {
            x = scope.add(Transpose { perm }, &[x])?;
        }
        let target = [ReshapeDim::Copy(0), ReshapeDim::Infer, ReshapeDim::Copy(dims.len() - 1)];
        Ok((scope.reshape(&target, x)?, rest))
    }
}

impl Scope<'_> {
    /// `x / max(|x|, epsilon)` with Euclidean lengths over some axes.
    pub(super) fn normalize(&mut self, axes: &[isize], epsilon: f32, x: ValueId) -> Result<ValueId> {
        let square = self.add(Unary::Square, &[x])?;
        let sum = self.reduce(ReduceKind::Sum, axes, true, square)?;
        let inverse = self.add(Unary::Rsqrt, &[sum])?;
        let inverse = self.with(BinaryKind::Minimum, inverse, 1.0 / epsilon)?;
        self.binary(BinaryKind::Mul, x, inverse)
    }
}
