//! Gradients of convolutions by their kernels: few and long sums, made in parts. `shaders/conv_filter.wgsl` says how.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, fold, output, threads};
use super::parts::{parts_of, slices, sum_parts};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::Conv2dBackwardFilter;

/// Rows and columns of a tile; of a thread's block with registers only.
const TILE: usize = 32;
const BLOCK: usize = 4;
/// Pixels are cut into parts until there are about so many tiles,
const TILES: usize = 512;
/// or so many blocks.
const BLOCKS: usize = 4096;
/// The gradient of a convolution by its kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvFilterKey {
    /// Tiles in workgroup memory, or registers only.
    tiled: bool,
    /// Vectors of four of the image's channels.
    a_vector: bool,
    /// Vectors of four filters.
    b_vector: bool,
}

impl Kernel for ConvFilterKey {
    fn file(&self) -> &'static str {
        "conv_filter.wgsl"
    }
    fn defines(&self) -> Defines {
        let width = |vector| if vector { "4" } else { "1" }.to_string();
        let body = if self.tiled { "tiled" } else { "register" };
        vec![("BODY", body.into()), ("A_WIDTH", width(self.a_vector)), ("B_WIDTH", width(self.b_vector))]
    }
    fn all() -> Vec<Self> {
        let flags = (0..8).map(|i| [1, 2, 4].map(|bit| i & bit != 0));
        flags.map(|[tiled, a_vector, b_vector]| ConvFilterKey { tiled, a_vector, b_vector }).collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    columns: u32,
    pixels: u32,
    slice: u32,
    row_blocks: u32,
    column_blocks: u32,
    parts: u32,
    groups: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    before: [i32; 2],
    width: u32,
    channels: u32,
    in_channels: u32,
    filters: u32,
}

pub(super) fn lower(lowering: &mut Lowering, op: &Conv2dBackwardFilter, node: &Node) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [kh, kw, channels, filters] = lowering.shape(output(node)).dims("HWIO")?;
    let windows = op.windows([h, w])?;
    if channels == 1 && op.groups > 1 {
        // One channel a group: [kh, kw, 1, filters] is the depthwise kernel [kh, kw, c, filters / c] in memory.
        return super::depthwise_backward::filter_windows(lowering, windows, filters / c, node);
    }
    let [y, x] = windows;
    let (rows, columns) = (kh * kw * channels, filters / op.groups);
    let pixels = batch * y.output * x.output;
    let tiled = lowering.workgroup_memory;
    let (side, goal) = if tiled { (TILE, TILES) } else { (BLOCK, BLOCKS) };
    let (row_blocks, column_blocks) = (rows.div_ceil(side), columns.div_ceil(side));
    let blocks = row_blocks * column_blocks * op.groups;
    let (slice, parts) = slices(pixels, blocks, goal, rows * filters);
    let params = Params {
        rows: rows as u32,
        columns: columns as u32,
        pixels: pixels as u32,
        slice: slice as u32,
        row_blocks: row_blocks as u32,
        column_blocks: column_blocks as u32,
        parts: parts as u32,
        groups: op.groups as u32,
        in_size: [h as u32, w as u32],
        out_size: windows.map(|w| w.output as u32),
        stride: windows.map(|w| w.stride as i32),
        dilation: windows.map(|w| w.dilation as i32),
        before: windows.map(|w| w.before as i32),
        width: kw as u32,
        channels: channels as u32,
        in_channels: c as u32,
        filters: filters as u32,
    };
    let key = ConvFilterKey {
        tiled,
        a_vector: c.is_multiple_of(4) && channels.is_multiple_of(4),
        b_vector: filters.is_multiple_of(4) && columns.is_multiple_of(4),
    };
    let dkernel = output(node).into();
    let between = parts_of(lowering, parts, rows * filters, dkernel);
    let groups = if tiled { fold(blocks * parts) } else { threads(blocks * parts) };
    lowering.push(key, vec![node.inputs[0].into(), node.inputs[1].into(), between], &params, groups);
    if parts > 1 {
        sum_parts(lowering, [between, dkernel], parts, rows * filters, 1.0);
    }
    Ok(())
}
