//! Reductions: one walk over the input, folding rows into values or adding rows to rows; sums over all axes but the last
//! by `columns.rs`.

use std::ops::Range;

use super::columns::{Columns, add_rows};
use super::memory::Inputs;
use super::simd::{F32x4, LANES};
use super::strided::{Walk, strides};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{self, ReduceKind};

struct Reduce {
    kind: ReduceKind,
    /// Input and output; the output stands still along reduced axes.
    walk: Walk<2>,
    /// Elements that become one.
    count: usize,
    /// Makes sums and means where all axes but the last are reduced.
    columns: Option<Columns>,
}

pub fn compile(op: &ops::Reduce, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let mask = op.mask(shape)?;
    let kept: Vec<_> = shape.iter().zip(&mask).map(|(&n, &reduced)| if reduced { 1 } else { n }).collect();
    let out: Vec<_> = strides(&kept).into_iter().zip(&mask).map(|(s, &reduced)| if reduced { 0 } else { s }).collect();
    let count = shape.iter().zip(&mask).map(|(&n, &reduced)| if reduced { n } else { 1 }).product();
    let kept_axes = mask.iter().filter(|reduced| !**reduced).count();
    let columns = match (op.kind, mask.last(), shape.last()) {
        (ReduceKind::Sum | ReduceKind::Mean, Some(false), Some(&columns)) if kept_axes == 1 && columns > 0 => {
            Some(Columns::new(count, columns, 1))
        }
        _ => None,
    };
    Ok(Box::new(Reduce { columns, kind: op.kind, walk: Walk::new(shape, [&strides(shape), &out]), count }))
}

impl Reduce {
    fn fold(&self, x: &[f32], out: &mut [f32], first: f32, f: impl Fn(F32x4, F32x4) -> F32x4) {
        let one = |a: f32, b: f32| f(F32x4::splat(a), F32x4::splat(b)).to_array()[0];
        out.fill(first);
        if x.is_empty() {
            return;
        }
        let inner = self.walk.inner;
        let whole = inner / LANES * LANES;
        self.walk.each(|[from, to]| {
            let x = &x[from as usize..][..inner];
            if self.walk.steps[1] == 0 {
                // Four independent chains hide the latency of the operation.
                let mut sums = [F32x4::splat(first); 4];
                for (i, x) in x[..whole].chunks_exact(LANES).enumerate() {
                    // SAFETY: a chunk has four floats.
                    sums[i % 4] = f(sums[i % 4], unsafe { F32x4::load(x.as_ptr()) });
                }
                let sum = f(f(sums[0], sums[1]), f(sums[2], sums[3])).to_array();
                let rest = x[whole..].iter().chain(&sum).fold(first, |sum, &x| one(sum, x));
                out[to as usize] = one(out[to as usize], rest);
            } else {
                let out = &mut out[to as usize..][..inner];
                for (x, out) in x[..whole].chunks_exact(LANES).zip(out.chunks_exact_mut(LANES)) {
                    // SAFETY: chunks have four floats.
                    unsafe { f(F32x4::load(out.as_ptr()), F32x4::load(x.as_ptr())).store(out.as_mut_ptr()) };
                }
                for i in whole..inner {
                    out[i] = one(out[i], x[i]);
                }
            }
        });
    }
}

impl Kernel for Reduce {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (x, out) = (inputs.f32(0), out.into_f32());
        if let Some(columns) = &mut self.columns {
            let scale = if self.kind == ReduceKind::Mean { 1.0 / self.count as f64 } else { 1.0 };
            let add = |floats: Range<usize>, [sums]: [&mut [f32]; 1]| add_rows(&x[floats], sums);
            columns.sum(&add, |column, [sum]| out[column] = (sum * scale) as f32);
            return Ok(());
        }
        match self.kind {
            ReduceKind::Sum => self.fold(x, out, 0.0, F32x4::add),
            ReduceKind::Mean => {
                self.fold(x, out, 0.0, F32x4::add);
                let scale = 1.0 / self.count as f32;
                out.iter_mut().for_each(|y| *y *= scale);
            }
            // Through a pointer: networks sum and average, and each further copy of the loops is 1.5 KB of wasm.
            ReduceKind::Max => self.fold(x, out, f32::NEG_INFINITY, F32x4::max as fn(F32x4, F32x4) -> F32x4),
            ReduceKind::Min => self.fold(x, out, f32::INFINITY, F32x4::min as fn(F32x4, F32x4) -> F32x4),
            ReduceKind::Prod => self.fold(x, out, 1.0, F32x4::mul as fn(F32x4, F32x4) -> F32x4),
        }
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.columns.as_ref().map_or(0, Columns::bytes)
    }
}
