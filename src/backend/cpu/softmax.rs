//! Softmax along any axis, and its logarithm.

use super::math::exp;
use super::memory::Inputs;
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;

struct Softmax {
    outer: usize,
    n: usize,
    inner: usize,
    log: bool,
}

pub fn compile(axis: isize, log: bool, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let axis = shape.axis(axis)?;
    let [outer, inner] = [&shape[..axis], &shape[axis + 1..]].map(|dims| dims.iter().product());
    Ok(Box::new(Softmax { outer, n: shape[axis], inner, log }))
}

impl Kernel for Softmax {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (x, out) = (inputs.f32(0), out.into_f32());
        let Softmax { outer, n, inner, log } = *self;
        if out.is_empty() {
            return Ok(());
        }
        for block in 0..outer {
            let (x, out) = (&x[block * n * inner..][..n * inner], &mut out[block * n * inner..][..n * inner]);
            if inner == 1 {
                row(x, out, log);
            } else {
                // Neighbouring rows are interleaved: four at a time, the last ones by one.
                let mut first = 0;
                while first + LANES <= inner {
                    // SAFETY: four columns from `first` lie in every one of the `n` rows.
                    unsafe { columns(x.as_ptr().add(first), out.as_mut_ptr().add(first), n, inner, log) };
                    first += LANES;
                }
                for column in first..inner {
                    single(x, out, column, inner, log);
                }
            }
        }
        Ok(())
    }
}

fn row(x: &[f32], out: &mut [f32], log: bool) {
    let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (shift, mut sums) = (F32x4::splat(largest), F32x4::zero());
    let whole = x.len() / LANES * LANES;
    for (x, out) in x[..whole].chunks_exact(LANES).zip(out.chunks_exact_mut(LANES)) {
        // SAFETY: chunks have four floats.
        unsafe {
            let e = exp(F32x4::load(x.as_ptr()).sub(shift));
            sums = sums.add(e);
            e.store(out.as_mut_ptr());
        }
    }
    let mut sum: f32 = sums.to_array().iter().sum();
    for i in whole..x.len() {
        out[i] = exp(F32x4::splat(x[i] - largest)).to_array()[0];
        sum += out[i];
    }
    if log {
        let shift = sum.ln();
        out.iter_mut().zip(x).for_each(|(y, &x)| *y = x - largest - shift);
        return;
    }
    let scale = 1.0 / sum;
    out.iter_mut().for_each(|y| *y *= scale);
}

/// # Safety
/// Four columns of `n` rows, `pitch` floats apart, must be readable and writable.
unsafe fn columns(x: *const f32, out: *mut f32, n: usize, pitch: usize, log: bool) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut largest = F32x4::splat(f32::NEG_INFINITY);
        (0..n).for_each(|i| largest = largest.max(F32x4::load(x.add(i * pitch))));
        let mut sum = F32x4::zero();
        for i in 0..n {
            let e = exp(F32x4::load(x.add(i * pitch)).sub(largest));
            sum = sum.add(e);
            e.store(out.add(i * pitch));
        }
        if log {
            let shift = sum.map(f32::ln);
            (0..n).for_each(|i| F32x4::load(x.add(i * pitch)).sub(largest).sub(shift).store(out.add(i * pitch)));
            return;
        }
        (0..n).for_each(|i| F32x4::load(out.add(i * pitch)).div(sum).store(out.add(i * pitch)));
    }
}

fn single(x: &[f32], out: &mut [f32], column: usize, pitch: usize, log: bool) {
    let places = || (column..x.len()).step_by(pitch);
    let largest = places().map(|i| x[i]).fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for i in places() {
        out[i] = exp(F32x4::splat(x[i] - largest)).to_array()[0];
        sum += out[i];
    }
    if log {
        let shift = sum.ln();
        places().for_each(|i| out[i] = x[i] - largest - shift);
        return;
    }
    places().for_each(|i| out[i] /= sum);
}
