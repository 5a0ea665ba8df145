//! Gradients of functions of one value.

use super::math::{erf, exp, sigmoid};
use super::memory::Inputs;
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs};
use crate::error::Result;
use crate::ops::{Unary, UnaryBackward};
use crate::parallel::{Shared, parallel_for};

/// Elements per task.
const GRAIN: usize = 1 << 15;

/// Applies `f` to every pair of a saved value and a gradient.
#[inline(always)]
fn each(v: &[f32], g: &[f32], out: &mut [f32], f: impl Fn(F32x4, F32x4) -> F32x4) {
    let n = out.len().min(v.len()).min(g.len());
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        // SAFETY: below the last whole vector of all three.
        unsafe { f(F32x4::load(v.as_ptr().add(i)), F32x4::load(g.as_ptr().add(i))).store(out.as_mut_ptr().add(i)) };
    }
    // The rest through a vector of its own.
    let rest = |from: &[f32]| {
        let mut lanes = [0.0; LANES];
        lanes[..n - whole].copy_from_slice(&from[whole..n]);
        F32x4::from_array(lanes)
    };
    out[whole..n].copy_from_slice(&f(rest(v), rest(g)).to_array()[..n - whole]);
}

fn backward(of: Unary, v: &[f32], g: &[f32], out: &mut [f32]) {
    let c = F32x4::splat;
    let (zero, one) = (F32x4::zero(), c(1.0));
    match of {
        Unary::Relu => each(v, g, out, |v, g| F32x4::select(zero.less(v), g, zero)),
        Unary::Relu6 => inside(v, g, out, 6.0, 1.0),
        Unary::HardSigmoid { alpha, .. } => inside(v, g, out, 1.0, alpha),
        Unary::LeakyRelu { alpha } => each(v, g, out, |v, g| F32x4::select(zero.less(v), g, g.mul(c(alpha)))),
        Unary::Elu { alpha } if alpha >= 0.0 => {
            each(v, g, out, |v, g| F32x4::select(zero.less(v), g, g.mul(v.add(c(alpha)))));
        }
        Unary::Elu { alpha } => each(v, g, out, |v, g| F32x4::select(zero.less(v), g, g.mul(c(alpha)).mul(exp(v)))),
        Unary::Selu => each(v, g, out, |v, g| g.mul(F32x4::select(v.less(zero), v.add(c(1.758_099_3)), c(1.050_701)))),
        Unary::Sigmoid => each(v, g, out, |v, g| g.mul(v).mul(one.sub(v))),
        Unary::HardSwish => each(v, g, out, |v, g| {
            let slope = v.mul(c(1.0 / 3.0)).add(c(0.5));
            let slope = F32x4::select(v.less(c(3.0)), slope, one);
            F32x4::select(c(-3.0).less(v), g.mul(slope), zero)
        }),
        Unary::Swish => each(v, g, out, |v, g| g.mul(sigmoid(v)).mul(F32x4::madd(v, sigmoid(zero.sub(v)), one))),
        Unary::Tanh => each(v, g, out, |v, g| g.mul(one.sub(v.mul(v)))),
        Unary::Gelu { approximate: true } => each(v, g, out, |v, g| {
            // (1 + tanh u) / 2 is sigmoid(2 u), and 1 - tanh^2 u is 4 sigmoid(2 u) sigmoid(-2 u): no difference of what is
            // nearly equal, which a fused multiply-add would round otherwise. The slope is 0 or 1 beyond the bound.
            let v = v.clamp(c(-10.0), c(10.0));
            let square = v.mul(v);
            // 2 sqrt(2 / pi), and three times 0.044715.
            let twice = F32x4::madd(square.mul(v), c(0.044_715), v).mul(c(1.595_769_2));
            let slope = F32x4::madd(square, c(0.134_145), one).mul(c(1.595_769_2));
            g.mul(sigmoid(twice)).mul(F32x4::madd(v.mul(sigmoid(zero.sub(twice))), slope, one))
        }),
        Unary::Gelu { approximate: false } => each(v, g, out, |v, g| {
            let distribution = c(0.5).mul(one.add(erf(v.mul(c(std::f32::consts::FRAC_1_SQRT_2)))));
            // 1 / sqrt(2 pi)
            let density = exp(v.mul(v).mul(c(-0.5))).mul(c(0.398_942_3));
            g.mul(F32x4::madd(v, density, distribution))
        }),
        Unary::Clip { min, max } => {
            let (min, max) = (c(min), c(max));
            each(v, g, out, |v, g| F32x4::select(v.less(min), zero, F32x4::select(max.less(v), zero, g)));
        }
        Unary::Softplus => each(v, g, out, |v, g| g.mul(sigmoid(v))),
        Unary::Exp => each(v, g, out, F32x4::mul),
        Unary::Log => each(v, g, out, |v, g| g.div(v)),
        Unary::Sqrt => each(v, g, out, |v, g| g.mul(c(0.5)).div(v)),
        Unary::Rsqrt => each(v, g, out, |v, g| g.mul(c(-0.5)).mul(v.mul(v).mul(v))),
        Unary::Square => each(v, g, out, |v, g| g.mul(v.add(v))),
        Unary::Reciprocal => each(v, g, out, |v, g| zero.sub(g.mul(v).mul(v))),
        Unary::Neg => each(v, g, out, |_, g| zero.sub(g)),
        Unary::Abs => {
            each(v, g, out, |v, g| F32x4::select(zero.less(v), g, F32x4::select(v.less(zero), zero.sub(g), zero)))
        }
        // Too rare for kernels of their own: one after the other, in double precision.
        Unary::Softsign
        | Unary::Mish
        | Unary::LogSigmoid
        | Unary::Celu { .. }
        | Unary::ThresholdedRelu { .. }
        | Unary::Shrink { .. }
        | Unary::TanhShrink
        | Unary::Squareplus { .. }
        | Unary::SparsePlus
        | Unary::Erf
        | Unary::Sin
        | Unary::Cos
        | Unary::Tan
        | Unary::Asin
        | Unary::Acos
        | Unary::Atan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Asinh
        | Unary::Acosh
        | Unary::Atanh => {
            for ((&v, &g), out) in v.iter().zip(g).zip(out) {
                let slope = of.derivative(v as f64);
                *out = if slope == 0.0 { 0.0 } else { (slope * g as f64) as f32 };
            }
        }
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round => unreachable!("the shape rule refuses them"),
    }
}

/// `slope * g` where `0 < v < high`.
fn inside(v: &[f32], g: &[f32], out: &mut [f32], high: f32, slope: f32) {
    let (zero, high, slope) = (F32x4::zero(), F32x4::splat(high), F32x4::splat(slope));
    each(v, g, out, |v, g| F32x4::select(zero.less(v), F32x4::select(v.less(high), g.mul(slope), zero), zero));
}

impl Kernel for UnaryBackward {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (v, g, out) = (inputs.f32(0), inputs.f32(1), out.into_f32());
        let shared = Shared::new(out);
        parallel_for(v.len().div_ceil(GRAIN), |task| {
            let range = task * GRAIN..v.len().min((task + 1) * GRAIN);
            // SAFETY: every chunk is written by one task.
            let out = unsafe { shared.get(range.start, range.len()) };
            backward(self.of, &v[range.clone()], &g[range], out);
        });
        Ok(())
    }
}

pub fn compile(op: &UnaryBackward) -> Box<dyn Kernel> {
    Box::new(*op)
}
