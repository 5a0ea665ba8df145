//! Layers that add to the borders of spatial axes, or cut from them.

use serde_json::{Map, Value as Json};

use super::arguments::{Borders, keras_layer};
use super::conv::layout;
use super::scope::{expect_rank, one};
use super::{Layer, Scope};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Pad, PadMode, Slice, SliceAxis};

keras_layer! {
    /// Zeros around `N` spatial axes.
    ZeroPadding<N> {
        ---
        padding: Borders<N> = Borders([[1, 1]; N]),
    }
}

/// Over `[batch, steps, channels]`.
pub type ZeroPadding1D = ZeroPadding<1>;
/// Over `[batch, height, width, channels]`.
pub type ZeroPadding2D = ZeroPadding<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type ZeroPadding3D = ZeroPadding<3>;

impl<const N: usize> Layer for ZeroPadding<N> {
    fn class(&self) -> &'static str {
        ["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(N))?;
        let pads = [&[[0, 0]], &self.padding.0[..], &[[0, 0]]].concat();
        Ok(vec![scope.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[x])?])
    }
}

keras_layer! {
    /// Cuts from both ends of `N` spatial axes.
    Cropping<N> {
        ---
        /// Keras' default is 1, but 0 in two dimensions.
        cropping: Borders<N> = Borders([[(N != 2) as usize; 2]; N]),
    }
}

/// Over `[batch, steps, channels]`.
pub type Cropping1D = Cropping<1>;
/// Over `[batch, height, width, channels]`.
pub type Cropping2D = Cropping<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type Cropping3D = Cropping<3>;

impl<const N: usize> Layer for Cropping<N> {
    fn class(&self) -> &'static str {
        ["Cropping1D", "Cropping2D", "Cropping3D"][N - 1]
    }

    fn config(&self) -> Map<String, Json> {
        self.write()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        let dims = scope.dims(x);
        expect_rank(&dims, layout(N))?;
        let mut axes = vec![SliceAxis::ALL];
        for (&[before, after], size) in self.cropping.0.iter().zip(&dims[1..]) {
            if size.is_some_and(|size| before + after >= size) {
                return Err(Error::mismatch("`cropping` leaves nothing", format!("less than {dims}"), before + after));
            }
            let end = (after > 0).then_some(-(after as isize));
            axes.push(SliceAxis { start: Some(before as isize), end, step: 1 });
        }
        axes.push(SliceAxis::ALL);
        Ok(vec![scope.add(Slice { axes }, &[x])?])
    }
}
