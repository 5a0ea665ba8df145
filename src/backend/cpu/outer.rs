//! Sums of outer products: `out[row][column] = sum over pixels of left[pixel][row] * right[pixel][column]`. This is the
//! product behind gradients by weights, of convolutions (a row is a tap and an input channel) and of dense layers.
//!
//! Neither operand has to be transposed, for a step of the register tile takes one pixel: some neighbouring floats of
//! the left operand, where they lie, and one panel of the right one. So nothing like im2col is ever made. Pixels come in
//! blocks that the second-level cache holds; for each block a panel of 8 columns is copied together (its pixels are
//! whole image rows of channels apart) and stays in the first level while the rows pass by.

use std::ops::Range;

use super::gemm::{MAX_ROWS, PANEL, rows, six, tile_rows, vectors};
use super::memory::Buffer;
use super::simd::{F32x4, unroll};
use crate::parallel::{Shared, parallel_for, share, threads};
use crate::shape::Window;

/// The lower of the two tiles: with the tall one it makes up nearly any number of rows.
const LOW: usize = 4;
/// Vectors of a panel.
const VECTORS: usize = 2;
/// Floats of both operands in a block of pixels.
const BLOCK_FLOATS: usize = 32 * 1024;
/// Least and most pixels of a block, where image rows allow it: a tile adds its sums to the output once per block, and
/// 256 pixels of a panel fill a quarter of the first-level cache.
const BLOCK_PIXELS: Range<usize> = 48..256;
/// Products below this many multiply-accumulates run on one thread.
const PARALLEL_FROM: usize = 200_000;
/// Tasks per thread: enough to balance threads of unequal speed.
const TASKS_PER_THREAD: usize = 4;

/// A loop over images, rows of an image and pixels of a row: how many there are, and how many floats of the left operand
/// lie from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Images, rows, pixels.
    pub counts: [usize; 3],
    /// Their steps.
    pub steps: [usize; 3],
}

/// Rows of the result that see the same pixels.
pub struct Tap {
    /// The rows of an image and the pixels of a row for which the tap lies inside the left operand's image.
    pub inside: [Range<usize>; 2],
    /// What is added to a pixel's place to get the tap's. The sum is never negative *inside*.
    pub offset: isize,
    /// For every row of the result, its float from the tap's place.
    pub rows: Vec<usize>,
}

/// Borders of zeros about the left operand's image, so that one tile may hold rows of several taps: what an image of few
/// channels needs. The rows under a block of pixels are copied with their borders.
#[derive(Clone, Copy)]
pub struct Border {
    pub y: Window,
    pub x: Window,
    pub channels: usize,
}

impl Border {
    /// Floats of a row with its borders.
    pub fn pitch(&self) -> usize {
        (self.x.before + self.x.input + self.x.after) * self.channels
    }

    /// Rows under this many rows of pixels.
    fn rows(&self, lines: usize) -> usize {
        (lines - 1) * self.y.stride + (self.y.kernel - 1) * self.y.dilation + 1
    }

    /// Copies what lies under some rows of pixels of an image; only the inside of the copy's rows is written.
    fn copy(&self, image: &[f32], lines: Range<usize>, copy: &mut [f32]) {
        let (line, before) = (self.x.input * self.channels, self.x.before * self.channels);
        let first = lines.start * self.y.stride;
        for (i, row) in copy.chunks_exact_mut(self.pitch()).take(self.rows(lines.len())).enumerate() {
            let row = &mut row[before..before + line];
            match (first + i).checked_sub(self.y.before).filter(|&y| y < self.y.input) {
                Some(y) => row.copy_from_slice(&image[y * line..][..line]),
                None => row.fill(0.0),
            }
        }
    }
}

/// Up to [`MAX_ROWS`] rows of the result, all of one tap.
struct Strip {
    tap: usize,
    /// The first row of the result.
    row: usize,
    tall: bool,
    /// Rows to be stored: those above are computed like the last one and forgotten.
    valid: usize,
    left: [usize; MAX_ROWS],
}

/// A sum of outer products, planned.
pub struct Outer {
    grid: Grid,
    taps: Vec<Tap>,
    strips: Vec<Strip>,
    border: Option<Border>,
    groups: usize,
    /// Floats of a pixel of the left operand in a group.
    depth: usize,
    /// Columns of the result in a group.
    columns: usize,
    /// Images and rows in a block of pixels.
    block: [usize; 2],
    blocks: usize,
    /// Parts of the strips, of the panels and of the blocks.
    parts: [usize; 3],
    /// A panel, and a block with its borders, for every task.
    scratch: Buffer,
    /// A result for every part of the blocks, if there are several.
    partial: Buffer,
}

/// How many tall and how many low tiles make up this many rows with the least waste.
fn tiles(rows: usize) -> (usize, usize) {
    let tall = tile_rows();
    let with = |low: usize| (rows.saturating_sub(LOW * low).div_ceil(tall), low);
    let cost = |&(a, b): &(usize, usize)| (a * tall + b * LOW, a + b);
    (0..tall).map(with).min_by_key(cost).unwrap_or_default()
}

impl Outer {
    /// Plans the sum over a grid of pixels. The groups lie side by side: `depth` floats of a pixel of the left operand
    /// and `columns` of one of the right operand belong to each; all have the same taps.
    pub fn new(
        grid: Grid,
        taps: Vec<Tap>,
        border: Option<Border>,
        groups: usize,
        depth: usize,
        columns: usize,
    ) -> Outer {
        let (mut strips, mut row) = (Vec::new(), 0);
        for (tap, Tap { rows, .. }) in taps.iter().enumerate() {
            let (tall, low) = tiles(rows.len());
            let mut rest = &rows[..];
            for i in 0..tall + low {
                let valid = rest.len().min(if i < tall { tile_rows() } else { LOW });
                if valid > 0 {
                    let left = std::array::from_fn(|r| rest[r.min(valid - 1)]);
                    strips.push(Strip { tap, row, tall: i < tall, valid, left });
                }
                (rest, row) = (&rest[valid..], row + valid);
            }
        }
        let [images, lines, length] = grid.counts;
        let image = lines * length;
        let wanted = (BLOCK_FLOATS / (depth + columns).max(1)).clamp(BLOCK_PIXELS.start, BLOCK_PIXELS.end);
        let block = if image <= wanted {
            [(wanted / image.max(1)).clamp(1, images.max(1)), lines.max(1)]
        } else {
            [1, (wanted / length).clamp(1, lines)]
        };
        let blocks = if image == 0 { 0 } else { images.div_ceil(block[0]) * lines.div_ceil(block[1]) };
        let panels = groups * columns.div_ceil(PANEL);
        let work = images * image * row * columns * groups;
        let tasks = if work < PARALLEL_FROM || threads() == 1 { 1 } else { TASKS_PER_THREAD * threads() };
        let parts = if panels >= tasks {
            [1, tasks, 1]
        } else if panels * strips.len() >= tasks {
            [tasks.div_ceil(panels.max(1)), panels, 1]
        } else {
            // So few tiles that a result for every part of the pixels is a small thing.
            [1, 1, tasks.min(blocks)]
        };
        let partial = if parts[2] > 1 { parts[2] * row * columns * groups } else { 0 };
        let mut outer = Outer {
            grid,
            taps,
            strips,
            border,
            groups,
            depth,
            columns,
            block,
            blocks,
            parts,
            scratch: Buffer::default(),
            partial: Buffer::floats(partial),
        };
        outer.scratch = Buffer::floats(parts.iter().product::<usize>() * outer.scratch_floats());
        outer
    }

    /// Floats of a task's panel and of its block with borders.
    fn scratch_floats(&self) -> usize {
        let bordered = self.border.map_or(0, |b| self.block[0] * b.rows(self.block[1]) * b.pitch());
        self.panel_floats() + bordered
    }

    fn panel_floats(&self) -> usize {
        self.block[0] * self.block[1] * self.grid.counts[2] * PANEL
    }

    /// Bytes of scratch memory and tables.
    pub fn scratch_bytes(&self) -> usize {
        self.scratch.bytes() + self.partial.bytes() + self.strips.len() * std::mem::size_of::<Strip>()
    }

    /// Computes the sum. The order of additions depends on the shapes and the number of threads alone.
    pub fn run(&mut self, left: &[f32], right: &[f32], out: &mut [f32]) {
        if self.blocks == 0 {
            return out.fill(0.0);
        }
        let (mut scratch, mut partial) = (std::mem::take(&mut self.scratch), std::mem::take(&mut self.partial));
        let [by_strips, by_panels, by_blocks] = self.parts;
        let (size, floats) = (out.len(), self.scratch_floats());
        let panels = self.groups * self.columns.div_ceil(PANEL);
        let target = if by_blocks > 1 { Shared::new(partial.f32_mut()) } else { Shared::new(&mut *out) };
        let spaces = Shared::new(scratch.f32_mut());
        parallel_for(by_strips * by_panels * by_blocks, |task| {
            let (strips, rest) = (task % by_strips, task / by_strips);
            let (columns, blocks) = (rest % by_panels, rest / by_panels);
            // SAFETY: every task has a space of its own.
            let space = unsafe { spaces.get(task * floats, floats) };
            let part = Part {
                of: self,
                left,
                right,
                // Tasks write other rows or columns of one result, or results of their own.
                out: target.pointer().0.wrapping_add(blocks * size),
                strips: share(self.strips.len(), by_strips, strips),
                panels: share(panels, by_panels, columns),
                blocks: share(self.blocks, by_blocks, blocks),
            };
            part.run(space);
        });
        if by_blocks > 1 {
            let mut results = partial.f32().chunks_exact(size.max(1)).take(by_blocks);
            out.copy_from_slice(results.next().unwrap_or(&[]));
            for result in results {
                out.iter_mut().zip(result).for_each(|(sum, x)| *sum += x);
            }
        }
        (self.scratch, self.partial) = (scratch, partial);
    }
}

/// The share of a task.
struct Part<'a> {
    of: &'a Outer,
    left: &'a [f32],
    right: &'a [f32],
    out: *mut f32,
    strips: Range<usize>,
    panels: Range<usize>,
    blocks: Range<usize>,
}

impl Part<'_> {
    fn run(&self, space: &mut [f32]) {
        let Outer { grid, strips, border, block, depth, columns, .. } = self.of;
        let [images, lines, length] = grid.counts;
        let (panel, bordered) = space.split_at_mut(self.of.panel_floats());
        let (per_image, per_group) = (lines.div_ceil(block[1]), columns.div_ceil(PANEL));
        let width = self.of.groups * columns;
        for index in self.blocks.clone() {
            let first = [index / per_image * block[0], index % per_image * block[1]];
            let pixels = [0, 1].map(|i| first[i]..(first[i] + block[i]).min([images, lines][i]));
            if let Some(border) = border {
                let size = border.rows(block[1]) * border.pitch();
                for (image, copy) in pixels[0].clone().zip(bordered.chunks_exact_mut(size)) {
                    border.copy(&self.left[image * grid.steps[0]..], pixels[1].clone(), copy);
                }
            }
            for p in self.panels.clone() {
                let (group, column) = (p / per_group, p % per_group * PANEL);
                let count = (columns - column).min(PANEL);
                let column = group * columns + column;
                for (i, image) in pixels[0].clone().enumerate() {
                    let from = (image * lines + first[1]) * length * width + column;
                    let to = i * pixels[1].len() * length * PANEL;
                    gather(&self.right[from..], width, count, &mut panel[to..], pixels[1].len() * length);
                }
                let (mut last, mut place) = (usize::MAX, None);
                for strip in &strips[self.strips.clone()] {
                    if last != strip.tap {
                        (last, place) = (strip.tap, self.place(strip.tap, &pixels));
                    }
                    let Some((start, right, loops)) = &place else {
                        // A tap that lies outside everywhere.
                        if index == self.blocks.start {
                            self.clear(strip, width, column, count);
                        }
                        continue;
                    };
                    let left = if border.is_some() { bordered.as_ptr() } else { self.left.as_ptr() };
                    let tile = Tile {
                        left: left.wrapping_add(start + group * depth),
                        rows: &strip.left,
                        right: panel.as_ptr().wrapping_add(*right),
                        loops,
                        out: self.out.wrapping_add(strip.row * width + column),
                        pitch: width,
                        valid: strip.valid,
                        columns: count,
                        add: index > self.blocks.start,
                    };
                    // SAFETY: the plan keeps all pixels inside their operands and the tile inside the result; other
                    // tasks have other tiles.
                    unsafe { if strip.tall { tile.compute::<{ tile_rows() }>() } else { tile.compute::<LOW>() } }
                }
            }
        }
    }

    /// Where a tap's first pixel of a block is, in the left operand and in the panel, and the loops over all of them:
    /// each a count with the steps of both. `None` if the tap sees none.
    fn place(&self, tap: usize, pixels: &[Range<usize>; 2]) -> Option<(usize, usize, [Loop; 3])> {
        let Outer { grid, border, block, .. } = self.of;
        let Tap { inside: [rows, columns], offset, .. } = &self.of.taps[tap];
        let (row, end) = (rows.start.max(pixels[1].start), rows.end.min(pixels[1].end));
        if row >= end || columns.is_empty() {
            return None;
        }
        let length = grid.counts[2];
        let steps = match border {
            // A block's copy starts with its first image and row.
            Some(b) => [b.rows(block[1]) * b.pitch(), b.y.stride * b.pitch(), grid.steps[2]],
            None => grid.steps,
        };
        let origin = if border.is_some() { [0, row - pixels[1].start] } else { [pixels[0].start, row] };
        let left =
            (origin[0] * steps[0] + origin[1] * steps[1] + columns.start * steps[2]).checked_add_signed(*offset)?;
        let right = ((row - pixels[1].start) * length + columns.start) * PANEL;
        let image = pixels[1].len() * length;
        let outer = Loop { count: pixels[0].len(), left: steps[0], right: image * PANEL };
        let middle = Loop { count: end - row, left: steps[1], right: length * PANEL };
        let inner = Loop { count: columns.len(), left: steps[2], right: PANEL };
        let (middle, inner) = inner.within(middle);
        let (outer, inner) = if middle.count == 1 { inner.within(outer) } else { (outer, inner) };
        Some((left, right, [outer, middle, inner]))
    }

    fn clear(&self, strip: &Strip, width: usize, column: usize, count: usize) {
        for row in strip.row..strip.row + strip.valid {
            // SAFETY: this task's own rows and columns.
            unsafe { self.out.add(row * width + column).write_bytes(0, count) };
        }
    }
}

/// Copies `count` of `width` columns of some pixels into a panel.
fn gather(right: &[f32], width: usize, count: usize, panel: &mut [f32], pixels: usize) {
    for (i, cells) in panel.chunks_exact_mut(PANEL).take(pixels).enumerate() {
        let from = &right[i * width..][..count];
        match <&[f32; PANEL]>::try_from(from) {
            Ok(all) => cells.copy_from_slice(all),
            Err(_) => {
                cells[..count].copy_from_slice(from);
                cells[count..].fill(0.0);
            }
        }
    }
}

/// A loop over pixels, with the steps of both operands.
#[derive(Clone, Copy)]
struct Loop {
    count: usize,
    left: usize,
    right: usize,
}

impl Loop {
    /// This loop inside another, as one if that is possible: long inner loops are cheap ones.
    fn within(self, outer: Loop) -> (Loop, Loop) {
        let once = Loop { count: 1, left: 0, right: 0 };
        if self.count == 1 {
            (once, outer)
        } else if outer.left == self.count * self.left && outer.right == self.count * self.right {
            (once, Loop { count: outer.count * self.count, ..self })
        } else {
            (outer, self)
        }
    }
}

/// A register tile.
struct Tile<'a> {
    left: *const f32,
    rows: &'a [usize; MAX_ROWS],
    right: *const f32,
    loops: &'a [Loop; 3],
    out: *mut f32,
    /// Floats between rows of the result.
    pitch: usize,
    valid: usize,
    columns: usize,
    /// Adds to the result, instead of setting it.
    add: bool,
}

impl Tile<'_> {
    /// `R` rows of a panel.
    ///
    /// # Safety
    /// All pixels must lie in their operands, and the valid part of the tile in the result.
    #[inline(never)]
    unsafe fn compute<const R: usize>(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = six!([F32x4::zero(), F32x4::zero()]);
            let [outer, middle, inner] = self.loops;
            for image in 0..outer.count {
                for line in 0..middle.count {
                    let start = self.left.add(image * outer.left + line * middle.left);
                    let mut right = self.right.add(image * outer.right + line * middle.right);
                    let mut left = six!(start);
                    rows!(r < R, { left[r] = start.add(self.rows[r]) });
                    for _ in 0..inner.count {
                        let panel = [F32x4::load(right), F32x4::load(right.add(4))];
                        right = right.wrapping_add(inner.right);
                        rows!(r < R, {
                            let x = F32x4::load_splat(left[r]);
                            left[r] = left[r].wrapping_add(inner.left);
                            vectors!(j < VECTORS, { sums[r][j] = F32x4::madd(x, panel[j], sums[r][j]) });
                        });
                    }
                }
            }
            if self.valid < R || self.columns < PANEL {
                // Through memory of its own: were the sums' address taken, they would live in memory all along.
                let mut values = [0.0; MAX_ROWS * PANEL];
                rows!(r < R, {
                    vectors!(j < VECTORS, { sums[r][j].store(values.as_mut_ptr().add(r * PANEL + 4 * j)) });
                });
                return self.store_edge(&values);
            }
            rows!(r < R, {
                let out = self.out.add(r * self.pitch);
                vectors!(j < VECTORS, {
                    if self.add {
                        sums[r][j] = sums[r][j].add(F32x4::load(out.add(4 * j)));
                    }
                    sums[r][j].store(out.add(4 * j));
                });
            });
        }
    }

    /// Stores a tile that the result's rows or columns do not fill.
    ///
    /// # Safety
    /// As [`Tile::compute`].
    #[inline(never)]
    unsafe fn store_edge(&self, values: &[f32; MAX_ROWS * PANEL]) {
        for (r, values) in values.chunks_exact(PANEL).take(self.valid).enumerate() {
            for (i, value) in values[..self.columns].iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let out = self.out.add(r * self.pitch + i);
                    *out = if self.add { *out + value } else { *value };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_rows_with_little_waste() {
        for rows in 1..200 {
            let (tall, low) = tiles(rows);
            let covered = tall * tile_rows() + low * LOW;
            assert!(covered >= rows && covered - rows < if rows < 12 { 4 } else { 2 }, "{rows}: {tall}, {low}");
        }
    }

    #[test]
    fn loops_become_one_where_both_operands_allow_it() {
        let of = |count, left, right| Loop { count, left, right };
        let (outer, inner) = of(5, 2, 8).within(of(3, 10, 40));
        assert_eq!((outer.count, inner.count, inner.left, inner.right), (1, 15, 2, 8));
        let (outer, inner) = of(5, 2, 8).within(of(3, 12, 40));
        assert_eq!((outer.count, inner.count), (3, 5));
        let (outer, inner) = of(1, 2, 8).within(of(3, 12, 40));
        assert_eq!((outer.count, inner.count, inner.left, inner.right), (1, 3, 12, 40));
    }
}
