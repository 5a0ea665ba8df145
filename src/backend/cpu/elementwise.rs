//! Functions of one value, arithmetic of two with broadcasting, casts.

use super::math::{erf, exp, sigmoid, tanh};
use super::memory::{Inputs, ViewMut};
use super::simd::{F32x4, LANES};
use super::strided::{Walk, broadcast_strides, strides};
use super::{Kernel, Outputs, Spec, epilogue};
use crate::error::Result;
use crate::ops::{Binary, BinaryKind, Cast, Unary};
use crate::parallel::{Shared, parallel_for};
use crate::tensor::View;

/// Elements per task.
const GRAIN: usize = 1 << 15;

/// Applies `f` to every element of `x` into `out`, which may be the same memory.
///
/// # Safety
/// Both must hold `len` floats.
#[inline(always)]
unsafe fn each(x: *const f32, out: *mut f32, len: usize, f: impl Fn(F32x4) -> F32x4) {
    // SAFETY: by the caller's promise; the rest goes through a vector of its own.
    unsafe {
        let whole = len / LANES * LANES;
        for i in (0..whole).step_by(LANES) {
            f(F32x4::load(x.add(i))).store(out.add(i));
        }
        let mut rest = [0.0; LANES];
        std::ptr::copy_nonoverlapping(x.add(whole), rest.as_mut_ptr(), len - whole);
        let rest = f(F32x4::from_array(rest)).to_array();
        std::ptr::copy_nonoverlapping(rest.as_ptr(), out.add(whole), len - whole);
    }
}

/// # Safety
/// As [`each`].
unsafe fn unary(op: Unary, x: *const f32, out: *mut f32, n: usize) {
    let c = F32x4::splat;
    let (zero, one) = (F32x4::zero(), c(1.0));
    // SAFETY: by the caller's promise.
    unsafe {
        match op {
            Unary::Relu => each(x, out, n, |v| v.max(zero)),
            Unary::Relu6 => each(x, out, n, |v| v.clamp(zero, c(6.0))),
            Unary::LeakyRelu { alpha } => each(x, out, n, |v| F32x4::select(v.less(zero), v.mul(c(alpha)), v)),
            Unary::Elu { alpha } => {
                each(x, out, n, |v| F32x4::select(v.less(zero), exp(v).sub(one).mul(c(alpha)), v));
            }
            Unary::Selu => {
                // Klambauer et al. 2017.
                let (alpha, scale) = (c(1.673_263_2), c(1.050_701));
                each(x, out, n, |v| F32x4::select(v.less(zero), exp(v).sub(one).mul(alpha), v).mul(scale));
            }
            Unary::Sigmoid => each(x, out, n, sigmoid),
            Unary::HardSigmoid { alpha, beta } => {
                each(x, out, n, |v| v.mul(c(alpha)).add(c(beta)).clamp(zero, one));
            }
            Unary::HardSwish => each(x, out, n, epilogue::hard_swish),
            Unary::Swish => each(x, out, n, |v| v.mul(sigmoid(v))),
            Unary::Tanh => each(x, out, n, tanh),
            Unary::Gelu { approximate: false } => {
                each(x, out, n, |v| v.mul(c(0.5)).mul(one.add(erf(v.mul(c(std::f32::consts::FRAC_1_SQRT_2))))))
            }
            Unary::Gelu { approximate: true } => each(x, out, n, |v| {
                // sqrt(2 / pi) (x + 0.044715 x^3)
                let inner = F32x4::madd(v.mul(v).mul(v), c(0.044_715), v).mul(c(0.797_884_6));
                v.mul(c(0.5)).mul(one.add(tanh(inner)))
            }),
            Unary::Clip { min, max } => each(x, out, n, |v| v.clamp(c(min), c(max))),
            Unary::Softplus => each(x, out, n, |v| v.map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p())),
            Unary::Softsign => each(x, out, n, |v| v.div(one.add(v.abs()))),
            // tanh(ln(1 + e)) is a quotient of polynomials in e = e^x; beyond 20 it is 1.
            Unary::Mish => each(x, out, n, |v| {
                let e = exp(v.min(c(20.0)));
                let p = e.mul(e.add(c(2.0)));
                v.mul(p.div(p.add(c(2.0))))
            }),
            Unary::Celu { alpha } => {
                each(x, out, n, |v| F32x4::select(v.less(zero), exp(v.div(c(alpha))).sub(one).mul(c(alpha)), v))
            }
            Unary::Erf => each(x, out, n, erf),
            Unary::Exp => each(x, out, n, exp),
            Unary::Log => each(x, out, n, |v| v.map(f32::ln)),
            Unary::Sqrt => each(x, out, n, F32x4::sqrt),
            Unary::Rsqrt => each(x, out, n, |v| one.div(v.sqrt())),
            Unary::Square => each(x, out, n, |v| v.mul(v)),
            Unary::Reciprocal => each(x, out, n, |v| one.div(v)),
            Unary::Neg => each(x, out, n, |v| v.map(|x| -x)),
            Unary::Abs => each(x, out, n, F32x4::abs),
            Unary::Sign => each(x, out, n, |v| v.map(|x| if x == 0.0 || x.is_nan() { x } else { x.signum() })),
            Unary::Floor => each(x, out, n, F32x4::floor),
            Unary::Ceil => each(x, out, n, F32x4::ceil),
            Unary::Round => each(x, out, n, F32x4::round),
            // Too rare for kernels of their own: one after the other, in double precision.
            Unary::LogSigmoid
            | Unary::ThresholdedRelu { .. }
            | Unary::Shrink { .. }
            | Unary::TanhShrink
            | Unary::Squareplus { .. }
            | Unary::SparsePlus
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
            | Unary::Atanh => each(x, out, n, |v| v.map(|x| op.eval(x as f64) as f32)),
        }
    }
}

/// Replaces every value by the function of it.
pub fn unary_in_place(op: Unary, values: &mut [f32]) {
    let (p, len) = (values.as_mut_ptr(), values.len());
    // SAFETY: one slice, read and written at the same places.
    unsafe { unary(op, p, p, len) }
}

impl Kernel for Unary {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (x, out) = (inputs.f32(0), out.into_f32());
        let shared = Shared::new(out);
        parallel_for(x.len().div_ceil(GRAIN), |task| {
            let x = &x[task * GRAIN..x.len().min((task + 1) * GRAIN)];
            // SAFETY: every chunk is written by one task.
            unsafe { unary(*self, x.as_ptr(), shared.get(task * GRAIN, x.len()).as_mut_ptr(), x.len()) };
        });
        Ok(())
    }
}

pub fn compile_unary(op: &Unary) -> Box<dyn Kernel> {
    Box::new(*op)
}

struct Arithmetic {
    op: Binary,
    walk: Walk<3>,
}

pub fn compile_binary(op: &Binary, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let out = &spec.outputs[0].shape;
    let [a, b] = [0, 1].map(|i| broadcast_strides(&spec.inputs[i].shape, out.rank()));
    Ok(Box::new(Arithmetic { op: op.clone(), walk: Walk::new(out, [&a, &b, &strides(out)]) }))
}

/// What is done to an inner loop's operands and results.
type Row<'a, T, U> = dyn FnMut(&[T], &[T], &mut [U]) + 'a;

impl Arithmetic {
    /// Calls `row(a, b, out)` for every inner loop; an operand of one element is repeated.
    fn rows<T, U>(&self, a: &[T], b: &[T], out: &mut [U], row: &mut Row<T, U>) {
        let (inner, [sa, sb, _]) = (self.walk.inner, self.walk.steps);
        if out.is_empty() {
            return;
        }
        let length = |step| if step == 0 { 1 } else { inner };
        self.walk.each(|[at_a, at_b, at]| {
            row(&a[at_a as usize..][..length(sa)], &b[at_b as usize..][..length(sb)], &mut out[at as usize..][..inner]);
        });
    }

    /// Any element types, one element at a time: for what networks rarely do. A function pointer, since a copy of the
    /// loops for each of 26 operations was 27 KB of wasm.
    fn scalar<T: Copy, U>(&self, a: &[T], b: &[T], out: &mut [U], f: fn(T, T) -> U) {
        self.rows(a, b, out, &mut |a, b, out| {
            let [step_a, step_b] = [a.len(), b.len()].map(|n| (n > 1) as usize);
            out.iter_mut().enumerate().for_each(|(i, o)| *o = f(a[i * step_a], b[i * step_b]));
        });
    }

    fn vector(&self, a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(F32x4, F32x4) -> F32x4) {
        let one = |x: f32, y: f32| f(F32x4::splat(x), F32x4::splat(y)).to_array()[0];
        self.rows(a, b, out, &mut |a, b, out| {
            let whole = out.len() / LANES * LANES;
            let load = |x: &[f32], i: usize| match x {
                [x] => F32x4::splat(*x),
                // SAFETY: not one element, so as long as the output, and `i` is below a whole vector of that.
                x => unsafe { F32x4::load(x.as_ptr().add(i)) },
            };
            for i in (0..whole).step_by(LANES) {
                // SAFETY: below the last whole vector.
                unsafe { f(load(a, i), load(b, i)).store(out.as_mut_ptr().add(i)) };
            }
            let single = |x: &[f32], i: usize| if x.len() == 1 { x[0] } else { x[i] };
            for i in whole..out.len() {
                out[i] = one(single(a, i), single(b, i));
            }
        });
    }

    fn float(&self, a: &[f32], b: &[f32], out: &mut [f32]) {
        use BinaryKind::*;
        match self.op.kind {
            Add => self.vector(a, b, out, F32x4::add),
            Sub => self.vector(a, b, out, F32x4::sub),
            Mul => self.vector(a, b, out, F32x4::mul),
            Div => self.vector(a, b, out, F32x4::div),
            Maximum => self.scalar(a, b, out, |a, b| if a.is_nan() || a > b { a } else { b }),
            Minimum => self.scalar(a, b, out, |a, b| if a.is_nan() || a < b { a } else { b }),
            Pow => self.scalar(a, b, out, f32::powf),
            SquaredDifference => self.scalar(a, b, out, |a, b| (a - b) * (a - b)),
            FloorDiv => self.scalar(a, b, out, |a, b| (a / b).floor()),
            FloorMod => self.scalar(a, b, out, |a: f32, b: f32| {
                let rest = a % b;
                if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
            }),
            _ => unreachable!("comparisons give bytes"),
        }
        if let Some(activation) = self.op.activation {
            unary_in_place(activation, out);
        }
    }

    fn integer(&self, a: &[i32], b: &[i32], out: &mut [i32]) {
        use BinaryKind::*;
        let floor_div = |a: i32, b: i32| match a.checked_rem(b) {
            Some(rest) => a / b - (rest != 0 && (rest < 0) != (b < 0)) as i32,
            // Division by zero gives 0; the smallest integer by -1 wraps.
            None => {
                if b == 0 {
                    0
                } else {
                    a.wrapping_div(b)
                }
            }
        };
        match self.op.kind {
            Add => self.scalar(a, b, out, i32::wrapping_add),
            Sub => self.scalar(a, b, out, i32::wrapping_sub),
            Mul => self.scalar(a, b, out, i32::wrapping_mul),
            Div => self.scalar(a, b, out, |a, b| if b == 0 { 0 } else { a.wrapping_div(b) }),
            Maximum => self.scalar(a, b, out, i32::max),
            Minimum => self.scalar(a, b, out, i32::min),
            SquaredDifference => self.scalar(a, b, out, |a: i32, b| {
                let d = a.wrapping_sub(b);
                d.wrapping_mul(d)
            }),
            FloorDiv => self.scalar(a, b, out, floor_div),
            FloorMod => self.scalar(a, b, out, |a: i32, b: i32| {
                let rest = if b == 0 { 0 } else { a.wrapping_rem(b) };
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }),
            _ => unreachable!("powers are float32 only, comparisons give bytes"),
        }
    }

    fn compare<T: Copy + PartialOrd>(&self, a: &[T], b: &[T], out: &mut [u8]) {
        use BinaryKind::*;
        match self.op.kind {
            Equal => self.scalar(a, b, out, |a, b| (a == b) as u8),
            NotEqual => self.scalar(a, b, out, |a, b| (a != b) as u8),
            Less => self.scalar(a, b, out, |a, b| (a < b) as u8),
            LessEqual => self.scalar(a, b, out, |a, b| (a <= b) as u8),
            Greater => self.scalar(a, b, out, |a, b| (a > b) as u8),
            GreaterEqual => self.scalar(a, b, out, |a, b| (a >= b) as u8),
            _ => unreachable!("only comparisons give bytes"),
        }
    }
}

impl Kernel for Arithmetic {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        match (inputs.view(0), inputs.view(1), out) {
            (View::F32(a), View::F32(b), ViewMut::F32(out)) => self.float(a, b, out),
            (View::I32(a), View::I32(b), ViewMut::I32(out)) => self.integer(a, b, out),
            (View::F32(a), View::F32(b), ViewMut::U8(out)) => self.compare(a, b, out),
            (View::I32(a), View::I32(b), ViewMut::U8(out)) => self.compare(a, b, out),
            _ => unreachable!("type inference fixed the dtypes"),
        }
        Ok(())
    }
}

pub fn compile_cast(op: &Cast) -> Box<dyn Kernel> {
    Box::new(*op)
}

impl Kernel for Cast {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        fn convert<T: Copy, U>(x: &[T], out: &mut [U], f: impl Fn(T) -> U) {
            out.iter_mut().zip(x).for_each(|(o, x)| *o = f(*x));
        }
        match (inputs.view(0), out) {
            (View::F32(x), ViewMut::F32(out)) => out.copy_from_slice(x),
            (View::F32(x), ViewMut::I32(out)) => convert(x, out, |x| x as i32),
            (View::F32(x), ViewMut::U8(out)) => convert(x, out, |x| x as u8),
            (View::I32(x), ViewMut::F32(out)) => convert(x, out, |x| x as f32),
            (View::I32(x), ViewMut::I32(out)) => out.copy_from_slice(x),
            (View::I32(x), ViewMut::U8(out)) => convert(x, out, |x| x as u8),
            (View::U8(x), ViewMut::F32(out)) => convert(x, out, f32::from),
            (View::U8(x), ViewMut::I32(out)) => convert(x, out, i32::from),
            (View::U8(x), ViewMut::U8(out)) => out.copy_from_slice(x),
        }
        Ok(())
    }
}
