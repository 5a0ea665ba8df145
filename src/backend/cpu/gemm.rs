//! The matrix product behind convolutions and dense layers.
//!
//! The left operand is never copied: a tile of up to [`MAX_ROWS`] output rows walks, tap after tap, pointers to where
//! each row's `depth` consecutive floats lie ("The Indirect Convolution Algorithm", arXiv 1907.02129); a plain product
//! has one tap. The right operand is packed once: `[panel of 8 columns][bias][taps * depth x 8]`.

use super::epilogue::{Activation, hard_swish, leaky};
use super::memory::Buffer;
use super::simd::{F32x4, LANES, unroll};
use crate::parallel::{Shared, parallel_for, share, threads};

/// Columns of a panel of packed weights.
pub const PANEL: usize = 8;
/// Most rows of a register tile.
pub const MAX_ROWS: usize = 6;
/// A row offset that stands for a row of zeros; true ones are below `shape::MAX_ELEMENTS`.
pub const PADDING: u32 = u32::MAX;

/// Rows of a register tile: with the panel's two vectors, as many sums as 16 vector registers hold beside the operands
/// (the table in docs/DESIGN.md; XNNPACK ships the same two tiles for Arm, which has 32).
pub const fn tile_rows() -> usize {
    if cfg!(any(target_feature = "relaxed-simd", target_feature = "fma")) { 6 } else { 5 }
}

/// Fills a panel of this first column, width and number of valid columns.
type FillPanel<'a> = dyn Fn(usize, usize, usize, &mut [f32]) + Sync + 'a;

/// The right operand, packed.
pub struct Packed {
    data: Buffer,
    zeros: Vec<f32>,
    taps: usize,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// Room for `taps * depth` rows of `columns`.
    pub fn new(taps: usize, depth: usize, columns: usize) -> Self {
        let wide = columns / PANEL * PANEL;
        // A last panel of up to 4 columns is only 4 wide.
        let padded = wide + (columns - wide).next_multiple_of(4);
        Packed { data: Buffer::floats(padded * (1 + taps * depth)), zeros: vec![0.0; depth], taps, depth, columns }
    }

    pub fn bytes(&self) -> usize {
        self.data.bytes()
    }

    /// Packs the bias and a matrix whose rows, `pitch` floats apart, are all depths of all taps.
    pub fn fill(&mut self, bias: Option<&[f32]>, weights: &[f32], pitch: usize) {
        let rows = self.taps * self.depth;
        self.fill_panels(bias, &|column, width, valid, cells| {
            for (row, cells) in cells.chunks_exact_mut(width).take(rows).enumerate() {
                let from = &weights[row * pitch + column..][..valid];
                match <&[f32; PANEL]>::try_from(from) {
                    Ok(all) => cells.copy_from_slice(all),
                    Err(_) => {
                        cells[..valid].copy_from_slice(from);
                        cells[valid..].fill(0.0);
                    }
                }
            }
        });
    }

    /// Packs the bias and a matrix that is stored by columns: a tap's depths for one column are consecutive floats, those
    /// for the next column lie `pitch` further, and `at` says where the tap starts.
    pub fn fill_transposed(
        &mut self,
        bias: Option<&[f32]>,
        weights: &[f32],
        pitch: usize,
        at: &(dyn Fn(usize) -> usize + Sync),
    ) {
        let Packed { taps, depth, .. } = *self;
        self.fill_panels(bias, &|column, width, valid, cells| {
            for tap in 0..taps {
                let cells = &mut cells[tap * depth * width..][..depth * width];
                let from = &weights[at(tap) + column * pitch..];
                transpose(from, pitch, valid, cells, width);
            }
        });
    }

    /// Has the cells after the bias filled in every panel.
    fn fill_panels(&mut self, bias: Option<&[f32]>, panel: &FillPanel) {
        let Packed { taps, depth, columns, .. } = *self;
        let (panels, height) = (self.panels(), 1 + taps * depth);
        let parts = if height * columns < PARALLEL_PACKING { 1 } else { panels.min(TASKS_PER_THREAD * threads()) };
        let cells = Shared::new(self.data.f32_mut());
        parallel_for(parts, |part| {
            for i in share(panels, parts, part) {
                let column = i * PANEL;
                let valid = PANEL.min(columns - column);
                let width = valid.next_multiple_of(4);
                // SAFETY: every panel is written by one part.
                let (head, cells) = unsafe { cells.get(column * height, width * height) }.split_at_mut(width);
                head.fill(0.0);
                if let Some(bias) = bias {
                    head[..valid].copy_from_slice(&bias[column..][..valid]);
                }
                panel(column, width, valid, cells);
            }
        });
    }

    fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// First float of a panel.
    fn panel(&self, i: usize) -> &[f32] {
        &self.data.f32()[i * PANEL * (1 + self.taps * self.depth)..]
    }
}

/// Packed matrices of fewer floats are packed on one thread.
const PARALLEL_PACKING: usize = 1 << 16;

/// `cells[k][column] = from[column * pitch + k]`; columns from `valid` up to the width, a multiple of 4, become 0.
fn transpose(from: &[f32], pitch: usize, valid: usize, cells: &mut [f32], width: usize) {
    let depth = cells.len() / width;
    let whole = depth / LANES * LANES;
    for first in (0..width).step_by(LANES) {
        let columns = valid.saturating_sub(first).min(LANES);
        if columns == LANES {
            let from = &from[first * pitch..];
            assert!(whole == 0 || 3 * pitch + whole <= from.len());
            for k in (0..whole).step_by(LANES) {
                // SAFETY: as just checked; the cells are `depth` rows of `width`.
                unsafe {
                    let row = |i: usize| F32x4::load(from.as_ptr().add(i * pitch + k));
                    let columns = F32x4::transpose([row(0), row(1), row(2), row(3)]);
                    let to = cells.as_mut_ptr().add(k * width + first);
                    unroll! { i < LANES in [0 1 2 3] { columns[i].store(to.add(i * width)) } }
                }
            }
        }
        let done = if columns == LANES { whole } else { 0 };
        for k in done..depth {
            let to = &mut cells[k * width + first..][..LANES];
            to.fill(0.0);
            for (i, to) in to[..columns].iter_mut().enumerate() {
                *to = from[(first + i) * pitch + k];
            }
        }
    }
}

/// Where rows start, in floats from the operand's first.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// Row `r` starts at `r` times this.
    Strided(usize),
    /// For the left operand, the offsets of [`table`]; for the output, one offset per row.
    Table(&'a [u32]),
}

/// The left operand's offsets in the order in which tiles read them: `[strip][tap][row of the strip]`, each strip's
/// taps [`MAX_ROWS`] apart. `offset` gives them by row and tap.
pub fn table(rows: usize, taps: usize, offset: impl Fn(usize, usize) -> u32) -> Vec<u32> {
    let strips = rows.div_ceil(tile_rows());
    let mut table = vec![PADDING; strips * taps * MAX_ROWS];
    for strip in 0..strips {
        let range = share(rows, strips, strip);
        for tap in 0..taps {
            for (i, row) in range.clone().enumerate() {
                table[(strip * taps + tap) * MAX_ROWS + i] = offset(row, tap);
            }
        }
    }
    table
}

/// One product: `out[row] = activation(left[row] x packed + bias + residual)`.
pub struct Product<'a> {
    /// Output rows.
    pub rows: usize,
    /// The left operand.
    pub left: &'a [f32],
    /// Where its rows start.
    pub left_rows: Rows<'a>,
    /// The right operand.
    pub packed: &'a Packed,
    /// Where the output's rows start.
    pub out_rows: Rows<'a>,
    /// Floats laid out as the output, added to it.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// An array of six equal values, written out: a repeat expression compiles to a loop over memory.
macro_rules! six {
    ($value:expr) => {
        [$value, $value, $value, $value, $value, $value]
    };
}

/// The body for every row of a tile.
macro_rules! rows {
    ($i:ident < $n:ident, $body:block) => {
        unroll! { $i < $n in [0 1 2 3 4 5] $body }
    };
}

/// The body for every vector of a row.
macro_rules! vectors {
    ($i:ident < $n:ident, $body:block) => {
        unroll! { $i < $n in [0 1] $body }
    };
}

pub(super) use {rows, six, vectors};

/// Row offsets of a strip; the left ones only if they are strided.
#[derive(Clone, Copy, Default)]
struct Strip {
    rows: usize,
    left: [u32; MAX_ROWS],
    out: [u32; MAX_ROWS],
}

/// A register tile's operands; offsets are in floats.
struct Tile {
    left: *const f32,
    zeros: *const f32,
    offsets: *const u32,
    taps: usize,
    depth: usize,
    weights: *const f32,
    out: *mut f32,
    residual: *const f32,
    /// Of the output's rows.
    out_offsets: [usize; MAX_ROWS],
    /// Valid columns of the panel.
    columns: usize,
    activation: Activation,
}

/// Products below this many multiply-accumulates run on one thread.
const PARALLEL_FROM: usize = 200_000;
/// Tasks per thread: enough to balance threads of unequal speed.
const TASKS_PER_THREAD: usize = 4;
/// Floats of the left operand that a block of strips may touch: it stays in the second-level cache while the panels
/// pass by.
const BLOCK_FLOATS: usize = 32 * 1024;
/// Most strips of a block.
const BLOCK_STRIPS: usize = 32;

impl Product<'_> {
    /// Computes the product into `out`, in parallel.
    pub fn run(&self, out: &mut [f32]) {
        let (strips, panels) = (self.rows.div_ceil(tile_rows()), self.packed.panels());
        let work = self.rows * self.packed.columns * self.packed.taps * self.packed.depth;
        let parts = if work < PARALLEL_FROM || threads() == 1 { 1 } else { TASKS_PER_THREAD * threads() };
        // Few rows, many columns: each thread reads its own part of the weights instead of all of them.
        let (strip_parts, panel_parts) = if strips >= 2 * parts { (parts, 1) } else { (1, parts.min(panels)) };
        let out = Shared::new(out);
        parallel_for(strip_parts * panel_parts, |task| {
            let strip_range = share(strips, strip_parts, task / panel_parts);
            let panel_range = share(panels, panel_parts, task % panel_parts);
            self.block(strips, strip_range, panel_range, out);
        });
    }

    /// Where a strip reads and writes.
    fn place(&self, rows: std::ops::Range<usize>) -> Strip {
        let mut strip = Strip { rows: rows.len(), ..Strip::default() };
        for (i, row) in rows.enumerate() {
            if let Rows::Strided(stride) = self.left_rows {
                strip.left[i] = (row * stride) as u32;
            }
            strip.out[i] = match self.out_rows {
                Rows::Strided(stride) => (row * stride) as u32,
                Rows::Table(table) => table[row],
            };
        }
        strip
    }

    /// The tiles of some strips and some panels.
    fn block(
        &self,
        strips: usize,
        strip_range: std::ops::Range<usize>,
        panel_range: std::ops::Range<usize>,
        out: Shared<'_, f32>,
    ) {
        let Packed { taps, depth, columns, ref zeros, .. } = *self.packed;
        let (out_start, _) = out.pointer();
        let at_once = (BLOCK_FLOATS / depth.max(1) / tile_rows()).clamp(4, BLOCK_STRIPS);
        for first in strip_range.clone().step_by(at_once) {
            let chunk = first..(first + at_once).min(strip_range.end);
            // Once per chunk instead of once per tile: the divisions would cost as much as a shallow tile.
            let mut places = [Strip::default(); BLOCK_STRIPS];
            for (strip, place) in chunk.clone().zip(&mut places) {
                *place = self.place(share(self.rows, strips, strip));
            }
            for panel in panel_range.clone() {
                let column = panel * PANEL;
                for (strip, place) in chunk.clone().zip(&places) {
                    let tile = Tile {
                        left: self.left.as_ptr(),
                        zeros: zeros.as_ptr(),
                        offsets: match self.left_rows {
                            Rows::Strided(_) => place.left.as_ptr(),
                            Rows::Table(table) => table[strip * taps * MAX_ROWS..].as_ptr(),
                        },
                        taps,
                        depth,
                        weights: self.packed.panel(panel).as_ptr(),
                        out: out_start,
                        residual: self.residual.map_or(std::ptr::null(), <[f32]>::as_ptr),
                        out_offsets: place.out.map(|o| o as usize + column),
                        columns: (columns - column).min(PANEL),
                        activation: self.activation,
                    };
                    // SAFETY: offsets come from shapes that were checked when the kernel was compiled; tasks write
                    // disjoint strips and panels.
                    unsafe { tile.run(place.rows) };
                }
            }
            if let Activation::Other(_) = self.activation {
                let begin = panel_range.start * PANEL;
                let end = (panel_range.end * PANEL).min(columns);
                for strip in chunk {
                    for row in share(self.rows, strips, strip) {
                        let start = match self.out_rows {
                            Rows::Strided(stride) => row * stride,
                            Rows::Table(table) => table[row] as usize,
                        };
                        // SAFETY: this task's own rows and columns.
                        self.activation.finish(unsafe { out.get(start + begin, end - begin) });
                    }
                }
            }
        }
    }
}

impl Tile {
    /// # Safety
    /// All offsets must lie within their operands.
    unsafe fn run(&self, rows: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match (rows, self.columns > 4) {
                (1, true) => self.compute::<1, 2>(),
                (2, true) => self.compute::<2, 2>(),
                (3, true) => self.compute::<3, 2>(),
                (4, true) => self.compute::<4, 2>(),
                (5, true) => self.compute::<5, 2>(),
                (6, true) => self.compute::<6, 2>(),
                (1, false) => self.compute::<1, 1>(),
                (2, false) => self.compute::<2, 1>(),
                (3, false) => self.compute::<3, 1>(),
                (4, false) => self.compute::<4, 1>(),
                (5, false) => self.compute::<5, 1>(),
                (6, false) => self.compute::<6, 1>(),
                _ => unreachable!("a strip has 1 to 6 rows"),
            }
        }
    }

    /// `R` rows of `4 V` columns.
    ///
    /// One step of the depth at a time: unrolled by four, LLVM orders the work by sum instead of by step, the operands
    /// of all steps are alive at once and V8 spills. Even so it must be built with `-pre-RA-sched=source`, or LLVM does
    /// the first column of all rows before the second and six splats are alive: 20 instead of 39 GFLOP/s (6 x 8
    /// relaxed, 3x3 256 at 14x14, 2-core AMD EPYC under load, Chromium 156; its ceiling under that load was 38 to 42).
    ///
    /// # Safety
    /// As [`Tile::run`].
    #[inline(never)]
    unsafe fn compute<const R: usize, const V: usize>(&self) {
        // SAFETY: the caller's promise; packed panels hold a bias row and `taps * depth` rows of `4 V` floats.
        unsafe {
            let mut weights = self.weights;
            let mut sums = six!([F32x4::zero(), F32x4::zero()]);
            vectors!(j < V, {
                let bias = F32x4::load(weights.add(4 * j));
                rows!(r < R, { sums[r][j] = bias });
            });
            weights = weights.add(4 * V);
            let mut offsets = self.offsets;
            for _ in 0..self.taps {
                let mut left = six!(self.zeros);
                let mut all = PADDING;
                rows!(r < R, {
                    let offset = *offsets.add(r);
                    all &= offset;
                    if offset != PADDING {
                        left[r] = self.left.add(offset as usize);
                    }
                });
                offsets = offsets.add(MAX_ROWS);
                if all == PADDING {
                    // Above or below the image: a third of the taps of a small image's gradient are.
                    weights = weights.add(4 * V * self.depth);
                    continue;
                }
                for _ in 0..self.depth {
                    let mut right = [F32x4::zero(), F32x4::zero()];
                    vectors!(j < V, { right[j] = F32x4::load(weights.add(4 * j)) });
                    weights = weights.add(4 * V);
                    rows!(r < R, {
                        let x = F32x4::load_splat(left[r]);
                        left[r] = left[r].add(1);
                        vectors!(j < V, { sums[r][j] = F32x4::madd(x, right[j], sums[r][j]) });
                    });
                }
            }
            if self.columns < 4 * V {
                // Through memory of its own: were the sums' address taken, they would live in memory all along.
                let mut values = [0.0; MAX_ROWS * PANEL];
                rows!(r < R, {
                    vectors!(j < V, { sums[r][j].store(values.as_mut_ptr().add(r * PANEL + 4 * j)) });
                });
                return self.store_edge(R, &mut values);
            }
            if !self.residual.is_null() {
                rows!(r < R, {
                    let residual = self.residual.add(self.out_offsets[r]);
                    vectors!(j < V, { sums[r][j] = sums[r][j].add(F32x4::load(residual.add(4 * j))) });
                });
            }
            match self.activation {
                Activation::Clamp(low, high) => {
                    let (low, high) = (F32x4::splat(low), F32x4::splat(high));
                    rows!(r < R, { vectors!(j < V, { sums[r][j] = sums[r][j].clamp(low, high) }) });
                }
                Activation::Leaky(alpha) => {
                    let alpha = F32x4::splat(alpha);
                    rows!(r < R, { vectors!(j < V, { sums[r][j] = leaky(sums[r][j], alpha) }) });
                }
                Activation::HardSwish => {
                    rows!(r < R, { vectors!(j < V, { sums[r][j] = hard_swish(sums[r][j]) }) });
                }
                Activation::Other(_) => {}
            }
            rows!(r < R, {
                let out = self.out.add(self.out_offsets[r]);
                vectors!(j < V, { sums[r][j].store(out.add(4 * j)) });
            });
        }
    }

    /// Stores a panel that the output's columns do not fill.
    ///
    /// # Safety
    /// As [`Tile::run`].
    #[inline(never)]
    unsafe fn store_edge(&self, rows: usize, values: &mut [f32; MAX_ROWS * PANEL]) {
        for (row, &offset) in values.chunks_exact_mut(PANEL).zip(&self.out_offsets[..rows]) {
            // SAFETY: the caller's promise; only valid columns are touched.
            unsafe {
                if !self.residual.is_null() {
                    let residual = self.residual.add(offset);
                    (0..self.columns).for_each(|i| row[i] += *residual.add(i));
                }
                for chunk in row.chunks_exact_mut(LANES) {
                    let mut sums = [[F32x4::load(chunk.as_ptr())]];
                    self.activation.apply(&mut sums);
                    sums[0][0].store(chunk.as_mut_ptr());
                }
                std::ptr::copy_nonoverlapping(row.as_ptr(), self.out.add(offset), self.columns);
            }
        }
    }
}
