//! Matrix products and everything that is one: dense layers, convolutions (implicit GEMM), and, in `conv_transpose.rs`,
//! transposed convolutions. `shaders/gemm.wgsl` says how the parts fit together.

use bytemuck::{Pod, Zeroable};

use super::lower::{Axis, Lowering, MAX_RANK, Operand, fold, merge, output, packed, threads};
use super::variant::{Activation, Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Conv2d, Epilogue, MatMul};
use crate::tensor::Data;

/// Rows of a tile per thread, of 8 threads: 32-row tiles, or 8-row tiles where there are few rows or few tiles.
const ROWS: [usize; 2] = [4, 1];
/// Columns of a tile.
const TILE_COLUMNS: usize = 32;
/// Fewer 32-row tiles than this leave a GPU idle: then 8-row ones (tfjs switches at 8 to 16).
const FEW_TILES: usize = 32;
/// With fewer tiles than half of this, k is cut into slices so that there are about as many workgroups.
const SPLIT_GOAL: usize = 128;
/// Least groups of four of k in a slice: below, the second pass costs more than the first gains.
const SPLIT_DEPTH: usize = 32;

/// Where the operands come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    MatMul,
    Conv,
}

/// How the sum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Body {
    /// Tiles in workgroup memory, [`ROWS`] rows a thread.
    Tiled(usize),
    /// Registers only, [`ROWS`] rows a thread.
    Register(usize),
    /// Adds partial sums.
    Sum,
}

/// A matrix product.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GemmKey {
    source: Source,
    body: Body,
    /// Vectors of four of the left operand along k; always false in a sum.
    a_vector: bool,
    /// Vectors of four of the right operand and the output along columns.
    b_vector: bool,
    /// Writes partial sums, without an epilogue.
    split: bool,
    bias: bool,
    residual: bool,
    activation: Activation,
}

impl Kernel for GemmKey {
    fn file(&self) -> &'static str {
        "gemm.wgsl"
    }

    fn defines(&self) -> Defines {
        let (body, rows) = match self.body {
            Body::Tiled(rows) => ("tiled", rows),
            Body::Register(rows) => ("register", rows),
            Body::Sum => ("sum", 1),
        };
        let width = |vector| if vector { "4" } else { "1" }.to_string();
        vec![
            ("SOURCE", if self.source == Source::Conv { "conv" } else { "matmul" }.into()),
            ("BODY", body.into()),
            ("ROWS", rows.to_string()),
            ("TILE_ROWS", (8 * rows).to_string()),
            ("A_WIDTH", width(self.a_vector)),
            ("B_WIDTH", width(self.b_vector)),
            ("SPLIT", flag(self.split)),
            ("BIAS", flag(self.bias)),
            ("RESIDUAL", flag(self.residual)),
            self.activation.define(),
        ]
    }

    fn all() -> Vec<Self> {
        let mut keys = Vec::new();
        let flags = [false, true];
        for source in [Source::MatMul, Source::Conv] {
            let bodies = ROWS.iter().flat_map(|&r| [Body::Tiled(r), Body::Register(r)]).chain([Body::Sum]);
            for (body, b_vector) in bodies.flat_map(|b| flags.map(|v| (b, v))) {
                for a_vector in flags {
                    if a_vector && body == Body::Sum {
                        continue;
                    }
                    let activation = Activation::NONE;
                    let key = GemmKey {
                        source,
                        body,
                        a_vector,
                        b_vector,
                        split: false,
                        bias: false,
                        residual: false,
                        activation,
                    };
                    if matches!(body, Body::Tiled(_)) {
                        keys.push(GemmKey { split: true, ..key.clone() });
                    }
                    for (bias, residual) in flags.iter().flat_map(|&b| flags.map(|r| (b, r))) {
                        let with = |activation| GemmKey { bias, residual, activation, ..key.clone() };
                        keys.extend(Activation::all().into_iter().map(with));
                    }
                }
            }
        }
        keys
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct GemmParams {
    rows: u32,
    columns: u32,
    depth: u32,
    batches: u32,
    row_blocks: u32,
    column_blocks: u32,
    splits: u32,
    slice: u32,
    attributes: [f32; 2],
    _pad: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct MatMulParams {
    gemm: GemmParams,
    depth: u32,
    rank: u32,
    a_row: u32,
    a_k: u32,
    b_k: u32,
    b_column: u32,
    _pad: [u32; 2],
    size: [u32; MAX_RANK],
    a_stride: [u32; MAX_RANK],
    b_stride: [u32; MAX_RANK],
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct ConvParams {
    pub gemm: GemmParams,
    pub in_size: [u32; 2],
    pub out_size: [u32; 2],
    pub stride: [i32; 2],
    pub dilation: [i32; 2],
    pub before: [i32; 2],
    pub taps: [u32; 2],
    pub tap_step: [u32; 2],
    pub tap_base: u32,
    pub channels: u32,
    pub in_channels: u32,
    pub out_channels: u32,
    pub y_size: [u32; 2],
    pub out_step: [u32; 2],
    pub out_base: [u32; 2],
}

/// The size of a product: of one batch, `depth` in groups of four.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub batches: usize,
}

/// A chosen body with the blocks it works in.
struct Schedule {
    body: Body,
    row_blocks: usize,
    column_blocks: usize,
    splits: usize,
    slice: usize,
}

impl Schedule {
    fn choose(size: Size, workgroup_memory: bool) -> Schedule {
        let Size { rows, columns, depth, batches } = size;
        if !workgroup_memory {
            let r = if rows < ROWS[0] { 1 } else { ROWS[0] };
            let (row_blocks, column_blocks) = (rows.div_ceil(r), columns.div_ceil(4));
            return Schedule { body: Body::Register(r), row_blocks, column_blocks, splits: 1, slice: depth };
        }
        let column_blocks = columns.div_ceil(TILE_COLUMNS);
        let tiles = |r: usize| rows.div_ceil(8 * r) * column_blocks * batches;
        let r = if rows <= 8 || tiles(ROWS[0]) < FEW_TILES { ROWS[1] } else { ROWS[0] };
        let wanted = if tiles(r) < SPLIT_GOAL / 2 { SPLIT_GOAL.div_ceil(tiles(r).max(1)) } else { 1 };
        // Slices are whole steps of the tiled body (8 groups of four).
        let slice = depth.div_ceil(wanted.min(depth / SPLIT_DEPTH).max(1)).next_multiple_of(8).max(8);
        let splits = depth.div_ceil(slice).max(1);
        Schedule { body: Body::Tiled(r), row_blocks: rows.div_ceil(8 * r), column_blocks, splits, slice }
    }

    fn params(&self, size: Size, attributes: [f32; 2]) -> GemmParams {
        GemmParams {
            rows: size.rows as u32,
            columns: size.columns as u32,
            depth: size.depth as u32,
            batches: size.batches as u32,
            row_blocks: self.row_blocks as u32,
            column_blocks: self.column_blocks as u32,
            splits: self.splits as u32,
            slice: self.slice as u32,
            attributes,
            _pad: [0; 2],
        }
    }
}

/// One product with its operands; `params` completes the uniform block.
pub(super) struct Product<'a> {
    pub source: Source,
    pub size: Size,
    pub a: Operand,
    pub b: Operand,
    pub a_vector: bool,
    pub b_vector: bool,
    pub epilogue: &'a Epilogue,
}

pub(super) fn push<P: bytemuck::NoUninit>(
    lowering: &mut Lowering,
    node: &Node,
    product: Product,
    params: impl Fn(GemmParams) -> P,
) {
    let Product { source, size, a, b, a_vector, b_vector, epilogue } = product;
    let schedule = Schedule::choose(size, lowering.workgroup_memory);
    let (activation, attributes) = Activation::of(epilogue.activation);
    let params = params(schedule.params(size, attributes));
    let extra = [epilogue.bias_index(), epilogue.residual_index()].into_iter().flatten();
    let finish = extra.map(|i| node.inputs[i].into()).chain([output(node).into()]);
    let (bias, residual) = (epilogue.bias, epilogue.residual);

    let blocks = schedule.row_blocks * schedule.column_blocks * schedule.splits * size.batches;
    let groups = if matches!(schedule.body, Body::Tiled(_)) { fold(blocks) } else { threads(blocks) };
    let whole = GemmKey { source, body: schedule.body, a_vector, b_vector, split: false, bias, residual, activation };
    if schedule.splits == 1 {
        lowering.push(whole, [a, b].into_iter().chain(finish).collect(), &params, groups);
        return;
    }
    let vectors = size.batches * size.rows * size.columns.div_ceil(4);
    let partial = lowering.scratch(0, schedule.splits * vectors * 16);
    let (first, second) = (
        GemmKey { split: true, bias: false, residual: false, activation: Activation::NONE, ..whole.clone() },
        GemmKey { body: Body::Sum, a_vector: false, ..whole },
    );
    lowering.push(first, vec![a, b, partial], &params, groups);
    lowering.push(second, std::iter::once(partial).chain(finish).collect(), &params, threads(vectors));
}

pub(super) fn matmul(lowering: &mut Lowering, op: &MatMul, node: &Node) -> Result<()> {
    let (a, b) = (lowering.shape(node.inputs[0]), lowering.shape(node.inputs[1]));
    let (batch, m, k, n) = op.sizes(a, b)?;
    // Stride in floats of batch dimension `i` of the broadcast shape.
    let stride = |s: &crate::Shape, i: usize| match (i + s.rank() - 2).checked_sub(batch.rank()) {
        Some(d) if s[d] != 1 => s.strides()[d] as isize,
        _ => 0,
    };
    let axes = merge((0..batch.rank()).map(|i| Axis { size: batch[i], strides: [stride(a, i), stride(b, i)] }))?;
    let mut size = Size { rows: m, columns: n, depth: k.div_ceil(4), batches: batch.elements() };
    // One matrix on the right for all batches on the left: the batches are just more rows.
    let rows_only = !op.transpose_a && axes.len() == 1 && axes[0].strides == [(m * k) as isize, 0];
    if rows_only {
        size = Size { rows: m * size.batches, batches: 1, ..size };
    }

    // A constant right operand is turned once, here; others are read with their strides.
    let turned = (op.transpose_b && b.rank() == 2).then(|| transposed(lowering, node, n, k)).flatten();
    let transpose_b = op.transpose_b && turned.is_none();
    let ([a_row, a_k], [b_k, b_column]) =
        (if op.transpose_a { [1, m] } else { [k, 1] }, if transpose_b { [1, k] } else { [n, 1] });
    let product = Product {
        source: Source::MatMul,
        size,
        a: node.inputs[0].into(),
        b: turned.unwrap_or(node.inputs[1].into()),
        a_vector: k.is_multiple_of(4) && !op.transpose_a,
        b_vector: n.is_multiple_of(4) && !transpose_b,
        epilogue: &op.epilogue,
    };
    let params = |gemm| MatMulParams {
        gemm,
        depth: k as u32,
        rank: axes.len() as u32,
        a_row: a_row as u32,
        a_k: a_k as u32,
        b_k: b_k as u32,
        b_column: b_column as u32,
        _pad: [0; 2],
        size: packed(axes.iter().map(|x| x.size), 1),
        a_stride: packed(axes.iter().map(|x| x.strides[0] as usize), 0),
        b_stride: packed(axes.iter().map(|x| x.strides[1] as usize), 0),
    };
    push(lowering, node, product, params);
    Ok(())
}

/// The constant second input `[.., rows, columns]`, its matrices transposed; `None` if it is no constant.
pub(super) fn transposed(lowering: &mut Lowering, node: &Node, rows: usize, columns: usize) -> Option<Operand> {
    let Data::F32(data) = lowering.constant(node.inputs[1])?.data() else { return None };
    if data.is_empty() {
        return None;
    }
    let mut turned = vec![0.0f32; data.len()];
    for (from, to) in data.chunks_exact(rows * columns).zip(turned.chunks_exact_mut(rows * columns)) {
        for r in 0..rows {
            for c in 0..columns {
                to[c * rows + r] = from[r * columns + c];
            }
        }
    }
    Some(lowering.table(&turned))
}

pub(super) fn conv2d(lowering: &mut Lowering, op: &Conv2d, node: &Node) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [kh, kw, channels, filters] = lowering.shape(node.inputs[1]).dims("HWIO")?;
    let [y, x] = op.windows([h, w], [kh, kw])?;
    if channels == 1 && op.groups > 1 {
        // One channel a group: [kh, kw, 1, filters] is the depthwise kernel [kh, kw, c, filters / c] in memory.
        return super::depthwise::lower_windows(lowering, [y, x], filters / c, &op.epilogue, node);
    }
    let columns = filters / op.groups;
    let depth = kh * kw * channels.div_ceil(4);
    let product = Product {
        source: Source::Conv,
        size: Size { rows: batch * y.output * x.output, columns, depth, batches: op.groups },
        a: node.inputs[0].into(),
        b: node.inputs[1].into(),
        a_vector: c.is_multiple_of(4) && channels.is_multiple_of(4),
        b_vector: filters.is_multiple_of(4) && columns.is_multiple_of(4),
        epilogue: &op.epilogue,
    };
    let pointwise = [y, x].iter().all(|w| w.kernel == 1 && w.stride == 1 && w.before == 0 && w.after == 0);
    if pointwise && op.groups == 1 {
        push_pointwise(lowering, node, product, c);
        return Ok(());
    }
    let out_size = [y.output, x.output].map(|n| n as u32);
    let params = |gemm| ConvParams {
        gemm,
        in_size: [h, w].map(|n| n as u32),
        out_size,
        stride: [y, x].map(|w| w.stride as i32),
        dilation: [y, x].map(|w| w.dilation as i32),
        before: [y, x].map(|w| w.before as i32),
        taps: [kh, kw].map(|n| n as u32),
        tap_step: [kw as u32, 1],
        tap_base: 0,
        channels: channels as u32,
        in_channels: c as u32,
        out_channels: filters as u32,
        y_size: out_size,
        out_step: [1, 1],
        out_base: [0, 0],
    };
    push(lowering, node, product, params);
    Ok(())
}

/// A convolution of single pixels: a plain product. `channels` are the left operand's.
pub(super) fn push_pointwise(lowering: &mut Lowering, node: &Node, product: Product, channels: usize) {
    let columns = product.size.columns;
    let params = |gemm| MatMulParams {
        gemm,
        depth: channels as u32,
        rank: 1,
        a_row: channels as u32,
        a_k: 1,
        b_k: columns as u32,
        b_column: 1,
        _pad: [0; 2],
        size: packed([1], 1),
        a_stride: [0; MAX_RANK],
        b_stride: [0; MAX_RANK],
    };
    push(lowering, node, Product { source: Source::MatMul, ..product }, params);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_cover_the_product() {
        for (rows, columns, depth, batches) in [(1, 1000, 320, 1), (49, 17, 600, 1), (12544, 32, 8, 1), (196, 8, 9, 4)]
        {
            let size = Size { rows, columns, depth, batches };
            for memory in [false, true] {
                let s = Schedule::choose(size, memory);
                assert!(s.splits * s.slice >= depth && (s.splits - 1) * s.slice < depth, "k is cut into slices");
                let (r, c) = match s.body {
                    Body::Tiled(r) => (8 * r, 32),
                    Body::Register(r) => (r, 4),
                    Body::Sum => unreachable!(),
                };
                assert!(s.row_blocks * r >= rows && s.column_blocks * c >= columns);
            }
        }
        assert!(Schedule::choose(Size { rows: 1, columns: 1000, depth: 320, batches: 1 }, true).splits > 1);
        assert_eq!(
            Schedule::choose(Size { rows: 12544, columns: 32, depth: 8, batches: 1 }, true).body,
            Body::Tiled(4)
        );
    }
}
