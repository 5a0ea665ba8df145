//! What happens to a sum before it is stored: residual and activation, in registers where the activation is cheap.

use super::elementwise;
use super::simd::F32x4;
use crate::ops::Unary;

/// An activation, sorted by how a kernel applies it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Also no activation (both bounds infinite), ReLU, ReLU6.
    Clamp(f32, f32),
    /// The slope of negative values.
    Leaky(f32),
    /// `x * relu6(x + 3) / 6`.
    HardSwish,
    /// Anything dearer: applied to the stored values while they are in the cache ([`Activation::finish`]).
    Other(Unary),
}

impl From<Option<Unary>> for Activation {
    fn from(activation: Option<Unary>) -> Self {
        match activation {
            None => Activation::Clamp(f32::NEG_INFINITY, f32::INFINITY),
            Some(Unary::Relu) => Activation::Clamp(0.0, f32::INFINITY),
            Some(Unary::Relu6) => Activation::Clamp(0.0, 6.0),
            Some(Unary::Clip { min, max }) => Activation::Clamp(min, max),
            Some(Unary::LeakyRelu { alpha }) => Activation::Leaky(alpha),
            Some(Unary::HardSwish) => Activation::HardSwish,
            Some(other) => Activation::Other(other),
        }
    }
}

impl Activation {
    /// Applies what is applied in registers.
    #[inline(always)]
    pub fn apply<const R: usize, const V: usize>(self, values: &mut [[F32x4; V]; R]) {
        match self {
            Activation::Clamp(low, high) => {
                let (low, high) = (F32x4::splat(low), F32x4::splat(high));
                each(values, |v| v.clamp(low, high));
            }
            Activation::Leaky(alpha) => {
                let alpha = F32x4::splat(alpha);
                each(values, |v| leaky(v, alpha));
            }
            Activation::HardSwish => each(values, hard_swish),
            Activation::Other(_) => {}
        }
    }

    /// As [`Activation::apply`], for one vector.
    #[inline(always)]
    pub fn apply_one(self, v: F32x4) -> F32x4 {
        match self {
            Activation::Clamp(low, high) => v.clamp(F32x4::splat(low), F32x4::splat(high)),
            Activation::Leaky(alpha) => leaky(v, F32x4::splat(alpha)),
            Activation::HardSwish => hard_swish(v),
            Activation::Other(_) => v,
        }
    }

    /// Applies what was not applied in registers to stored values.
    pub fn finish(self, values: &mut [f32]) {
        if let Activation::Other(unary) = self {
            elementwise::unary_in_place(unary, values);
        }
    }
}

#[inline(always)]
fn each<const R: usize, const V: usize>(values: &mut [[F32x4; V]; R], f: impl Fn(F32x4) -> F32x4) {
    for row in values {
        for v in row {
            *v = f(*v);
        }
    }
}

/// `x` if positive, else `alpha * x`.
#[inline(always)]
pub fn leaky(x: F32x4, alpha: F32x4) -> F32x4 {
    F32x4::select(x.less(F32x4::zero()), x.mul(alpha), x)
}

/// `x * relu6(x + 3) / 6`.
#[inline(always)]
pub fn hard_swish(x: F32x4) -> F32x4 {
    let gate = x.add(F32x4::splat(3.0)).clamp(F32x4::zero(), F32x4::splat(6.0));
    x.mul(gate).mul(F32x4::splat(1.0 / 6.0))
}
