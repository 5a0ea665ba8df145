//! Pooling over windows, over everything, and over groups of channels.
//!
//! One dimension is two with a height of 1. Three are two, then one in depth: maxima of maxima are maxima, and in every
//! mean the elements that padding leaves are as many in each slice, so means of means are means.

use serde_json::{Map, Value as Json};

use super::arguments::{Border, keras_layer};
use super::conv::{along_depth, insert_axis, layout, per_slice, positive, remove_axis};
use super::scope::{expect_rank, known_channels, one};
use super::{Layer, Scope};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Pool2d, PoolKind, ReduceKind, ReshapeDim};
use crate::shape::Padding;

keras_layer! {
    /// Largest values of windows over `N` spatial axes.
    MaxPooling<N> {
        ---
        pool_size: [usize; N] = [2; N],
        strides: Option<[usize; N]> = None,
        padding: Border = Border::Valid,
    }
}

/// Over `[batch, steps, channels]`.
pub type MaxPooling1D = MaxPooling<1>;
/// Over `[batch, height, width, channels]`.
pub type MaxPooling2D = MaxPooling<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type MaxPooling3D = MaxPooling<3>;

keras_layer! {
    /// Means of windows over `N` spatial axes; padding does not count.
    AveragePooling<N> {
        pool_size: [usize; N],
        ---
        strides: Option<[usize; N]> = None,
        padding: Border = Border::Valid,
    }
}

/// Over `[batch, steps, channels]`.
pub type AveragePooling1D = AveragePooling<1>;
/// Over `[batch, height, width, channels]`.
pub type AveragePooling2D = AveragePooling<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type AveragePooling3D = AveragePooling<3>;

/// The windows of a pooling layer.
struct Windows<'a> {
    kind: PoolKind,
    size: &'a [usize],
    strides: Option<&'a [usize]>,
    padding: Border,
}

impl Windows<'_> {
    fn strides(&self) -> &[usize] {
        self.strides.unwrap_or(self.size)
    }

    fn check(&self) -> Result<()> {
        positive("pool_size", self.size)?;
        positive("strides", self.strides())?;
        if self.padding == Border::Causal {
            return Err(Error::invalid("causal padding is for Conv1D only"));
        }
        Ok(())
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let x = one(inputs)?;
        expect_rank(&scope.dims(x), layout(self.size.len()))?;
        let padding = if self.padding == Border::Same { Padding::Same } else { Padding::Valid };
        let pool = |kernel, strides| Pool2d { kind: self.kind, kernel, strides, dilations: [1, 1], padding };
        let y = match (self.size, self.strides()) {
            (&[size], &[stride]) => {
                let image = insert_axis(scope, 1, x)?;
                let y = scope.add(pool([1, size], [1, stride]), &[image])?;
                remove_axis(scope, 1, y)?
            }
            (&[height, width], &[sy, sx]) => scope.add(pool([height, width], [sy, sx]), &[x])?,
            (&[depth, height, width], &[sz, sy, sx]) => {
                let y = per_slice(scope, pool([height, width], [sy, sx]), x)?;
                along_depth(scope, pool([depth, 1], [sz, 1]), y)?
            }
            _ => return Err(Error::invalid("pooling has one to three spatial axes")),
        };
        Ok(vec![y])
    }
}

macro_rules! pooling {
    ($layer:ident, $kind:expr, $classes:expr) => {
        impl<const N: usize> $layer<N> {
            fn windows(&self) -> Windows<'_> {
                let strides = self.strides.as_ref().map(|strides| &strides[..]);
                Windows { kind: $kind, size: &self.pool_size, strides, padding: self.padding }
            }
        }

        impl<const N: usize> Layer for $layer<N> {
            fn class(&self) -> &'static str {
                $classes[N - 1]
            }

            fn config(&self) -> Map<String, Json> {
                self.write()
            }

            fn check(&self) -> Result<()> {
                self.windows().check()
            }

            fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
                self.windows().lower(scope, inputs)
            }
        }
    };
}

pooling!(MaxPooling, PoolKind::Max, ["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"]);
pooling!(
    AveragePooling,
    PoolKind::Average { include_padding: false },
    ["AveragePooling1D", "AveragePooling2D", "AveragePooling3D"]
);

keras_layer! {
    /// The largest value of every channel, over all `N` spatial axes.
    GlobalMaxPooling<N> {
        ---
        keepdims: bool = false,
    }
}

/// Over `[batch, steps, channels]`.
pub type GlobalMaxPooling1D = GlobalMaxPooling<1>;
/// Over `[batch, height, width, channels]`.
pub type GlobalMaxPooling2D = GlobalMaxPooling<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type GlobalMaxPooling3D = GlobalMaxPooling<3>;

keras_layer! {
    /// The mean of every channel, over all `N` spatial axes.
    GlobalAveragePooling<N> {
        ---
        keepdims: bool = false,
    }
}

/// Over `[batch, steps, channels]`.
pub type GlobalAveragePooling1D = GlobalAveragePooling<1>;
/// Over `[batch, height, width, channels]`.
pub type GlobalAveragePooling2D = GlobalAveragePooling<2>;
/// Over `[batch, depth, height, width, channels]`.
pub type GlobalAveragePooling3D = GlobalAveragePooling<3>;

macro_rules! global_pooling {
    ($layer:ident, $kind:expr, $classes:expr) => {
        impl<const N: usize> Layer for $layer<N> {
            fn class(&self) -> &'static str {
                $classes[N - 1]
            }

            fn config(&self) -> Map<String, Json> {
                self.write()
            }

            fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
                let x = one(inputs)?;
                expect_rank(&scope.dims(x), layout(N))?;
                let axes: Vec<isize> = (1..=N as isize).collect();
                Ok(vec![scope.reduce($kind, &axes, self.keepdims, x)?])
            }
        }
    };
}

global_pooling!(GlobalMaxPooling, ReduceKind::Max, ["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"]);
global_pooling!(
    GlobalAveragePooling,
    ReduceKind::Mean,
    ["GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"]
);

keras_layer! {
    /// The largest value of every group of `pool_size` channels: TensorFlow's `max_pool` with `ksize` 1, 1, 1, k.
    DepthMaxPool {
        ---
        pool_size: usize = 3,
    }
}

keras_layer! {
    /// The mean of every group of `pool_size` channels.
    DepthAveragePool {
        ---
        pool_size: usize = 3,
    }
}

fn depth_pool(scope: &mut Scope, kind: ReduceKind, size: usize, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
    let x = one(inputs)?;
    let dims = scope.dims(x);
    let channels = known_channels(&dims)?;
    if !channels.is_multiple_of(size) {
        return Err(Error::mismatch(
            "`pool_size` does not divide the channels",
            format!("a multiple of {size}"),
            channels,
        ));
    }
    let mut target: Vec<ReshapeDim> = (0..dims.len() - 1).map(ReshapeDim::Copy).collect();
    target.extend([ReshapeDim::Size(channels / size), ReshapeDim::Size(size)]);
    let groups = scope.reshape(&target, x)?;
    Ok(vec![scope.reduce(kind, &[-1], false, groups)?])
}

macro_rules! depth_pooling {
    ($layer:ident, $kind:expr) => {
        impl Layer for $layer {
            fn class(&self) -> &'static str {
                stringify!($layer)
            }

            fn config(&self) -> Map<String, Json> {
                self.write()
            }

            fn check(&self) -> Result<()> {
                positive("pool_size", &[self.pool_size])
            }

            fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
                depth_pool(scope, $kind, self.pool_size, inputs)
            }
        }
    };
}

depth_pooling!(DepthMaxPool, ReduceKind::Max);
depth_pooling!(DepthAveragePool, ReduceKind::Mean);
