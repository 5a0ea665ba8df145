//! Layers that only rearrange: Flatten, Reshape, Permute, RepeatVector, Identity.

use serde_json::{Map, Value as Json};

use super::arguments::keras_layer;
use super::conv::{insert_axis, positive};
use super::scope::{expect_rank, one};
use super::{Layer, Scope};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{BinaryKind, ReshapeDim, Transpose};
use crate::tensor::Tensor;

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

keras_layer! {
    /// The same elements in another shape; the batch stays. One size may be -1: what is left.
    Reshape {
        target_shape: Vec<isize>,
        ---
    }
}

impl Layer for Reshape {
    fn class(&self) -> &'static str {
        "Reshape"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        let open = self.target_shape.iter().filter(|&&d| d == -1).count();
        if open > 1 || self.target_shape.iter().any(|&d| d < -1) {
            return Err(Error::mismatch(
                "`target_shape` cannot be read",
                "sizes, and -1 once at most",
                format!("{:?}", self.target_shape),
            ));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let dim = |&d: &isize| usize::try_from(d).map_or(ReshapeDim::Infer, ReshapeDim::Size);
        let mut target: Vec<ReshapeDim> =
            [ReshapeDim::Copy(0)].into_iter().chain(self.target_shape.iter().map(dim)).collect();
        // A known size instead of an open one, so that the batch is no matter.
        let known = scope.dims(x)[1..].iter().copied().product::<Option<usize>>();
        let others: usize = self.target_shape.iter().filter_map(|&d| usize::try_from(d).ok()).product();
        if let (Some(elements), true) = (known, others > 0)
            && elements.is_multiple_of(others)
        {
            target
                .iter_mut()
                .filter(|d| **d == ReshapeDim::Infer)
                .for_each(|d| *d = ReshapeDim::Size(elements / others));
        }
        Ok(vec![scope.reshape(&target, x)?])
    }
}

keras_layer! {
    /// Axes in another order, counted from 1; the batch stays.
    Permute {
        dims: Vec<usize>,
        ---
    }
}

impl Layer for Permute {
    fn class(&self) -> &'static str {
        "Permute"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(1..=self.dims.len()) {
            let expected = format!("every axis from 1 to {} once", self.dims.len());
            return Err(Error::mismatch("`dims` is no permutation", expected, format!("{:?}", self.dims)));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let perm = [&[0], &self.dims[..]].concat();
        Ok(vec![scope.add(Transpose { perm }, &[one(inputs)?])?])
    }
}

keras_layer! {
    /// `[batch, features]` as `[batch, n, features]`.
    RepeatVector {
        n: usize,
        ---
    }
}

impl Layer for RepeatVector {
    fn class(&self) -> &'static str {
        "RepeatVector"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn check(&self) -> Result<()> {
        positive("n", &[self.n])
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), &["batch", "features"])?;
        let row = insert_axis(scope, 1, x)?;
        let ones = scope.constant(Tensor::f32([self.n, 1], vec![1.0; self.n])?);
        Ok(vec![scope.binary(BinaryKind::Mul, row, ones)?])
    }
}

keras_layer! {
    /// Its input.
    Identity {
        ---
    }
}

impl Layer for Identity {
    fn class(&self) -> &'static str {
        "Identity"
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, _: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        Ok(vec![one(inputs)?])
    }
}
