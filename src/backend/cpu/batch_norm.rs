//! Batch normalisation while training: statistics in two passes, the gradient in one for the sums and one for the input.

use std::ops::Range;

use super::columns::{Columns, add_rows};
use super::memory::{Buffer, Inputs};
use super::simd::{F32x4, LANES};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::parallel::Shared;

/// The rows and the channels of a spec's first operand.
fn sizes(spec: &Spec) -> (usize, usize) {
    let shape = &spec.inputs[0].shape;
    let channels = shape[shape.rank() - 1];
    (shape.elements() / channels.max(1), channels)
}

struct Statistics {
    rows: usize,
    columns: Columns,
    /// The mean over a wide row.
    wide: Buffer,
}

pub fn compile_statistics(spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (rows, channels) = sizes(spec);
    let columns = Columns::new(rows, channels, 1);
    let wide = Buffer::floats(columns.width());
    Ok(Box::new(Statistics { rows, columns, wide }))
}

impl Kernel for Statistics {
    fn run(&mut self, inputs: Inputs<'_>, [mean, variance, _]: Outputs<'_>) -> Result<()> {
        let (x, mean, variance) = (inputs.f32(0), mean.into_f32(), variance.into_f32());
        let Statistics { rows, columns, wide } = self;
        let scale = 1.0 / *rows as f64;
        let sum = |floats: Range<usize>, [sums]: [&mut [f32]; 1]| add_rows(&x[floats], sums);
        columns.sum(&sum, |c, [sum]| mean[c] = (sum * scale) as f32);
        let wide = &mut wide.f32_mut()[..columns.width()];
        columns.widen(mean, wide);
        let squares = |floats: Range<usize>, [sums]: [&mut [f32]; 1]| {
            for row in x[floats].chunks(wide.len()) {
                each(row.len(), |at, load| {
                    let distance = load(&row[at..]).sub(load(&wide[at..]));
                    let sum = F32x4::madd(distance, distance, load(&sums[at..]));
                    put(&mut sums[at..], sum, row.len() - at);
                });
            }
        };
        columns.sum(&squares, |c, [sum]| variance[c] = (sum * scale) as f32);
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.columns.bytes() + self.wide.bytes()
    }
}

/// Four floats at a time, and what is left at the end one vector with what is missing as 0.
#[inline(always)]
fn each(len: usize, mut body: impl FnMut(usize, fn(&[f32]) -> F32x4)) {
    let whole = len / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        // SAFETY: there are four floats from `at` on.
        body(at, |x| unsafe { F32x4::load(x.as_ptr()) });
    }
    if whole < len {
        body(whole, |x| {
            let mut lanes = [0.0; LANES];
            lanes.iter_mut().zip(x).for_each(|(lane, x)| *lane = *x);
            F32x4::from_array(lanes)
        });
    }
}

/// Stores a vector, or its first lanes where fewer are left.
#[inline(always)]
fn put(to: &mut [f32], vector: F32x4, left: usize) {
    if left >= LANES {
        assert!(to.len() >= LANES);
        // SAFETY: as just checked.
        unsafe { vector.store(to.as_mut_ptr()) };
    } else {
        to[..left].copy_from_slice(&vector.to_array()[..left]);
    }
}

struct Backward {
    rows: usize,
    columns: Columns,
    /// Mean, mean gradient, and the factors of both, over wide rows.
    wide: Buffer,
}

pub fn compile_backward(spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (rows, channels) = sizes(spec);
    let columns = Columns::new(rows, channels, 2);
    let wide = Buffer::floats(4 * columns.width());
    Ok(Box::new(Backward { rows, columns, wide }))
}

impl Kernel for Backward {
    fn run(&mut self, inputs: Inputs<'_>, [dx, dgamma, dbeta]: Outputs<'_>) -> Result<()> {
        let [x, dy, mean, inverse, gamma] = std::array::from_fn(|i| inputs.f32(i));
        let (dx, dgamma, dbeta) = (dx.into_f32(), dgamma.into_f32(), dbeta.into_f32());
        let Backward { rows, columns, wide } = self;
        let width = columns.width();
        if width == 0 {
            return Ok(());
        }
        let [means, offsets, slopes, factors]: [&mut [f32]; 4] = {
            let mut wide = wide.f32_mut().chunks_exact_mut(width);
            std::array::from_fn(|_| wide.next().unwrap_or(&mut []))
        };
        columns.widen(mean, means);
        let sum = |floats: Range<usize>, [plain, times]: [&mut [f32]; 2]| {
            for (row, dy) in x[floats.clone()].chunks(width).zip(dy[floats].chunks(width)) {
                each(row.len(), |at, load| {
                    let (gradient, distance) = (load(&dy[at..]), load(&row[at..]).sub(load(&means[at..])));
                    let sum = load(&plain[at..]).add(gradient);
                    put(&mut plain[at..], sum, row.len() - at);
                    let sum = F32x4::madd(gradient, distance, load(&times[at..]));
                    put(&mut times[at..], sum, row.len() - at);
                });
            }
        };
        columns.sum(&sum, |c, [plain, times]| {
            dbeta[c] = plain as f32;
            dgamma[c] = (times * inverse[c] as f64) as f32;
        });
        // dx = factor * (dy - offset) + slope * (x - mean)
        let scale = 1.0 / *rows as f32;
        for (at, offset) in offsets.iter_mut().enumerate() {
            let c = at % mean.len();
            *offset = dbeta[c] * scale;
            factors[at] = gamma[c] * inverse[c];
            slopes[at] = -factors[at] * inverse[c] * dgamma[c] * scale;
        }
        let out = Shared::new(dx);
        columns.each(&|_, floats| {
            // SAFETY: chunks do not overlap.
            let dx = unsafe { out.get(floats.start, floats.len()) };
            let rows = x[floats.clone()].chunks(width).zip(dy[floats].chunks(width));
            for (dx, (row, dy)) in dx.chunks_mut(width).zip(rows) {
                each(row.len(), |at, load| {
                    let distance = load(&row[at..]).sub(load(&means[at..]));
                    let gradient = load(&dy[at..]).sub(load(&offsets[at..]));
                    let through = load(&factors[at..]).mul(gradient);
                    put(&mut dx[at..], F32x4::madd(load(&slopes[at..]), distance, through), row.len() - at);
                });
            }
        });
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.columns.bytes() + self.wide.bytes()
    }
}
