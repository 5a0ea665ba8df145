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

/// Floats of a row that are folded at once.
const PIECE: usize = 4096;

struct Reduce {
    kind: ReduceKind,
    /// Input and output; the output stands still along reduced axes.
    walk: Walk<2>,
    /// Elements that become one.
    count: usize,
    /// Makes sums and means of matrices, one after the other, over their rows.
    columns: Option<Matrices>,
}

struct Matrices {
    count: usize,
    rows: usize,
    columns: usize,
    sums: Columns,
}

/// Fewer rows are added up as they come: 7 x 7 pixels need no better sum.
const LONG: usize = 256;

/// The matrices of a sum over neighbouring axes with others behind, if it is one and is long or of a single matrix: added
/// up row by row in float32, the mean of 427 x 640 pixels was off by a thousandth.
fn matrices(shape: &[usize], mask: &[bool]) -> Option<Matrices> {
    let first = mask.iter().position(|reduced| *reduced)?;
    let end = mask.iter().rposition(|reduced| *reduced)? + 1;
    let size = |dims: &[usize]| dims.iter().product::<usize>();
    let (count, rows, columns) = (size(&shape[..first]), size(&shape[first..end]), size(&shape[end..]));
    let neighbours = mask[first..end].iter().all(|reduced| *reduced);
    if !neighbours || end == mask.len() || columns == 0 || rows < LONG && count != 1 {
        return None;
    }
    Some(Matrices { count, rows, columns, sums: Columns::new(rows, columns, 1) })
}

pub fn compile(op: &ops::Reduce, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let mask = op.mask(shape)?;
    let kept: Vec<_> = shape.iter().zip(&mask).map(|(&n, &reduced)| if reduced { 1 } else { n }).collect();
    let out: Vec<_> = strides(&kept).into_iter().zip(&mask).map(|(s, &reduced)| if reduced { 0 } else { s }).collect();
    let count = shape.iter().zip(&mask).map(|(&n, &reduced)| if reduced { n } else { 1 }).product();
    let columns = if matches!(op.kind, ReduceKind::Sum | ReduceKind::Mean) { matrices(shape, &mask) } else { None };
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
                // Piece by piece: one sum over millions of floats would lose digits.
                for x in x.chunks(PIECE) {
                    let whole = x.len() / LANES * LANES;
                    // Four independent chains hide the latency of the operation.
                    let mut sums = [F32x4::splat(first); 4];
                    for (i, x) in x[..whole].chunks_exact(LANES).enumerate() {
                        // SAFETY: a chunk has four floats.
                        sums[i % 4] = f(sums[i % 4], unsafe { F32x4::load(x.as_ptr()) });
                    }
                    let sum = f(f(sums[0], sums[1]), f(sums[2], sums[3])).to_array();
                    let rest = x[whole..].iter().chain(&sum).fold(first, |sum, &x| one(sum, x));
                    out[to as usize] = one(out[to as usize], rest);
                }
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
        if let Some(Matrices { count, rows, columns, sums }) = &mut self.columns {
            let scale = if self.kind == ReduceKind::Mean { 1.0 / self.count as f64 } else { 1.0 };
            for matrix in 0..*count {
                let x = &x[matrix * *rows * *columns..];
                let add = |floats: Range<usize>, [sums]: [&mut [f32]; 1]| add_rows(&x[floats], sums);
                let out = &mut out[matrix * *columns..];
                sums.sum(&add, |column, [sum]| out[column] = (sum * scale) as f32);
            }
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
        self.columns.as_ref().map_or(0, |m| m.sums.bytes())
    }
}
