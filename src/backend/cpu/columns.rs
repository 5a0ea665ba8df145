//! Sums over all rows of a matrix, for each of its columns: gradients by biases, statistics of a batch.
//!
//! Several rows at once count as one wide row, so that whole vectors run over any number of columns and few columns make
//! no chain of dependent additions. Wide rows are added up in chunks of a fixed size in float32, and the chunks in
//! float64: the result is nearly as good as a float64 sum, and the same with any number of threads.

use std::ops::Range;

use super::memory::Buffer;
use super::simd::{F32x4, LANES};
use crate::parallel::{Shared, parallel_for, share, threads};

/// Least floats of a wide row: eight vectors hide the latency of an addition.
const WIDE: usize = 32;
/// Wide rows of a chunk, at least, and chunks at most.
const CHUNK: usize = 256;
/// Matrices of fewer floats are summed on one thread.
const PARALLEL_FROM: usize = 1 << 16;

/// Adds the wide rows of some floats to sums, all of the same width; the last row may be incomplete.
pub type Add<'a, const N: usize> = dyn Fn(Range<usize>, [&mut [f32]; N]) + Sync + 'a;

/// Sums over the rows of a matrix, planned.
pub struct Columns {
    rows: usize,
    columns: usize,
    /// Floats of a wide row.
    width: usize,
    /// Floats of a chunk.
    chunk: usize,
    chunks: usize,
    /// Sums of every chunk.
    partial: Buffer,
}

impl Columns {
    /// For up to `sums` sums at once.
    pub fn new(rows: usize, columns: usize, sums: usize) -> Columns {
        let fits = |repeat: &usize| (repeat * columns).is_multiple_of(LANES);
        let repeat = (WIDE.div_ceil(columns.max(1))..).find(fits).unwrap_or(1);
        let width = repeat * columns;
        let chunk = CHUNK.max(rows.div_ceil(repeat).div_ceil(CHUNK)) * width;
        let chunks = (rows * columns).div_ceil(chunk.max(1));
        Columns { rows, columns, width, chunk, chunks, partial: Buffer::floats(chunks * sums * width) }
    }

    /// Floats of a wide row.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn bytes(&self) -> usize {
        self.partial.bytes()
    }

    /// Repeats a value for each column over a wide row.
    pub fn widen(&self, values: &[f32], wide: &mut [f32]) {
        wide.chunks_exact_mut(self.columns.max(1)).for_each(|row| row.copy_from_slice(values));
    }

    /// Calls `body` with the number and the floats of every chunk, on all threads.
    pub fn each(&self, body: &(dyn Fn(usize, Range<usize>) + Sync)) {
        let count = self.rows * self.columns;
        let parts = if count < PARALLEL_FROM { 1 } else { self.chunks.min(4 * threads()) };
        parallel_for(parts, |part| {
            for chunk in share(self.chunks, parts, part) {
                body(chunk, chunk * self.chunk..((chunk + 1) * self.chunk).min(count));
            }
        });
    }

    /// Sums; `total` gets the results for every column.
    pub fn sum<const N: usize>(&mut self, add: &Add<'_, N>, mut total: impl FnMut(usize, [f64; N])) {
        let (width, mut partial) = (self.width, std::mem::take(&mut self.partial));
        let shared = Shared::new(partial.f32_mut());
        self.each(&|chunk, floats| {
            let sums = std::array::from_fn(|i| {
                // SAFETY: every chunk has sums of its own.
                let sums = unsafe { shared.get((chunk * N + i) * width, width) };
                sums.fill(0.0);
                sums
            });
            add(floats, sums);
        });
        for column in 0..self.columns {
            let of = |i| {
                let rows = partial.f32().chunks_exact(width).take(self.chunks * N).skip(i).step_by(N);
                rows.flat_map(|row| row[column..].iter().step_by(self.columns)).map(|&x| x as f64).sum()
            };
            total(column, std::array::from_fn(of));
        }
        self.partial = partial;
    }
}

/// Adds wide rows to their sums.
pub fn add_rows(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks(sums.len().max(1)) {
        let whole = row.len() / LANES * LANES;
        for (sum, x) in sums.chunks_exact_mut(LANES).zip(row.chunks_exact(LANES)) {
            // SAFETY: chunks have four floats.
            unsafe { F32x4::load(sum.as_ptr()).add(F32x4::load(x.as_ptr())).store(sum.as_mut_ptr()) };
        }
        // Only the last row is incomplete.
        sums[whole..].iter_mut().zip(&row[whole..]).for_each(|(sum, x)| *sum += x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_counts_once_for_its_column() {
        for (rows, columns) in [(1, 1), (5, 3), (700, 1), (300, 6), (3, 40), (9, 130), (2000, 8)] {
            let x: Vec<f32> = (0..rows * columns).map(|i| (i % 7) as f32).collect();
            let mut got = vec![0.0; columns];
            let add = |floats: Range<usize>, [sums]: [&mut [f32]; 1]| add_rows(&x[floats], sums);
            Columns::new(rows, columns, 1).sum(&add, |column, [sum]| got[column] = sum);
            let want = |column| x[column..].iter().step_by(columns).map(|&v| v as f64).sum::<f64>();
            assert_eq!(got, (0..columns).map(want).collect::<Vec<_>>(), "{rows} x {columns}");
        }
    }
}
