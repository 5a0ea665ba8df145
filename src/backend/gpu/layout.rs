//! Moving elements: transposition, slices and concatenation are one strided copy; padding has its own kernel.

use bytemuck::{Pod, Zeroable};

use super::lower::{Axis, Lowering, MAX_RANK, Operand, merge, output, packed, threads};
use super::variant::{Defines, Kernel};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::ops::{Concat, Pad, PadMode, Slice, Transpose};
use crate::tensor::DType;

/// A strided copy, of words or of vectors of four.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CopyKey {
    vector: bool,
}

impl Kernel for CopyKey {
    fn file(&self) -> &'static str {
        "copy.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| CopyKey { vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct CopyParams {
    count: u32,
    rank: u32,
    base: [u32; 2],
    size: [u32; MAX_RANK],
    x_stride: [u32; MAX_RANK],
    y_stride: [u32; MAX_RANK],
}

/// Copies the walk `axes` (strides of `x`, of `y`) from `x + base[0]` to `y + base[1]`.
fn strided(
    lowering: &mut Lowering,
    [x, y]: [Operand; 2],
    axes: impl IntoIterator<Item = Axis<2>>,
    base: [usize; 2],
) -> Result<()> {
    let mut axes = merge(axes)?;
    let Some((last, outer)) = axes.split_last_mut() else { return Ok(()) };
    let strides_fit = outer.iter().all(|a| a.strides.iter().all(|s| s % 4 == 0));
    let vector = last.strides == [1, 1]
        && last.size.is_multiple_of(4)
        && strides_fit
        && base.iter().all(|b| b.is_multiple_of(4));
    if vector {
        last.size /= 4;
        outer.iter_mut().for_each(|a| a.strides = a.strides.map(|s| s / 4));
    }
    let count: usize = axes.iter().map(|a| a.size).product();
    if count == 0 {
        return Ok(());
    }
    let params = CopyParams {
        count: count as u32,
        rank: axes.len() as u32,
        base: base.map(|b| if vector { b / 4 } else { b } as u32),
        size: packed(axes.iter().map(|a| a.size), 1),
        // Negative strides travel as two's complement; the shader's sums wrap.
        x_stride: packed(axes.iter().map(|a| a.strides[0] as usize), 0),
        y_stride: packed(axes.iter().map(|a| a.strides[1] as usize), 0),
    };
    lowering.push(CopyKey { vector }, vec![x, y], &params, threads(count));
    Ok(())
}

/// The input as it is (a cast to its own type).
pub(super) fn copy(lowering: &mut Lowering, node: &Node) -> Result<()> {
    // Rounded up to whole vectors: buffers are padded.
    let size = lowering.shape(output(node)).elements().next_multiple_of(4);
    strided(lowering, [node.inputs[0].into(), output(node).into()], [Axis { size, strides: [1, 1] }], [0, 0])
}

pub(super) fn transpose(lowering: &mut Lowering, op: &Transpose, node: &Node) -> Result<()> {
    let (x, y) = (lowering.shape(node.inputs[0]), lowering.shape(output(node)));
    let (from, to) = (x.strides(), y.strides());
    let axes =
        op.perm.iter().enumerate().map(|(i, &p)| Axis { size: y[i], strides: [from[p] as isize, to[i] as isize] });
    strided(lowering, [node.inputs[0].into(), output(node).into()], axes, [0, 0])
}

/// The second input `[taps, rows, groups, columns]` as `[taps, columns, groups, rows]`, made on the device in a scratch
/// buffer.
pub(super) fn transposed_kernel(lowering: &mut Lowering, node: &Node, dims: [usize; 4]) -> Result<Operand> {
    let [taps, rows, groups, columns] = dims;
    let scratch = lowering.scratch(1, taps * rows * groups * columns * 4);
    let [matrix, row, column] = [rows * groups * columns, groups * columns, groups * rows].map(|n| n as isize);
    let axes = [
        Axis { size: taps, strides: [matrix, matrix] },
        Axis { size: columns, strides: [1, column] },
        Axis { size: groups, strides: [columns as isize, rows as isize] },
        Axis { size: rows, strides: [row, 1] },
    ];
    strided(lowering, [node.inputs[1].into(), scratch], axes, [0, 0])?;
    Ok(scratch)
}

pub(super) fn slice(lowering: &mut Lowering, op: &Slice, node: &Node) -> Result<()> {
    let (x, y) = (lowering.shape(node.inputs[0]), lowering.shape(output(node)));
    let (from, to) = (x.strides(), y.strides());
    let mut base = 0;
    let mut axes = Vec::with_capacity(x.rank());
    for (i, axis) in op.axes.iter().enumerate() {
        let (start, size) = axis.resolve(x[i])?;
        base += start * from[i];
        // With one element left the step is never taken, however large it is.
        let step = if size > 1 { axis.step } else { 0 };
        axes.push(Axis { size, strides: [step * from[i] as isize, to[i] as isize] });
    }
    strided(lowering, [node.inputs[0].into(), output(node).into()], axes, [base, 0])
}

pub(super) fn concat(lowering: &mut Lowering, op: &Concat, node: &Node) -> Result<()> {
    let y = lowering.shape(output(node));
    let axis = y.axis(op.axis)?;
    let to = y.strides();
    let mut at = 0;
    for &value in &node.inputs {
        let x = lowering.shape(value);
        let from = x.strides();
        let axes = (0..x.rank()).map(|i| Axis { size: x[i], strides: [from[i] as isize, to[i] as isize] });
        strided(lowering, [value.into(), output(node).into()], axes, [0, at * to[axis]])?;
        at += x[axis];
    }
    Ok(())
}

/// Padding in one of its modes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PadKey {
    mode: &'static str,
}

impl Kernel for PadKey {
    fn file(&self) -> &'static str {
        "pad.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("MODE", self.mode.into())]
    }
    fn all() -> Vec<Self> {
        ["Constant", "Reflect", "Symmetric", "Edge"].map(|mode| PadKey { mode }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct PadParams {
    count: u32,
    rank: u32,
    value: u32,
    _pad: u32,
    out_size: [u32; MAX_RANK],
    in_size: [u32; MAX_RANK],
    before: [u32; MAX_RANK],
    x_stride: [u32; MAX_RANK],
}

pub(super) fn pad(lowering: &mut Lowering, op: &Pad, node: &Node) -> Result<()> {
    let (x, y) = (lowering.kind(node.inputs[0]), lowering.shape(output(node)));
    if x.shape.rank() > MAX_RANK {
        return Err(Error::unsupported(format!("padding of more than {MAX_RANK} dimensions")));
    }
    let (mode, value) = match op.mode {
        PadMode::Constant(value) => {
            let bits = match x.dtype {
                DType::F32 => value.to_bits(),
                DType::I32 => value as i32 as u32,
                DType::U8 => value as u8 as u32,
            };
            ("Constant", bits)
        }
        PadMode::Reflect => ("Reflect", 0),
        PadMode::Symmetric => ("Symmetric", 0),
        PadMode::Edge => ("Edge", 0),
    };
    let count = y.elements();
    let params = PadParams {
        count: count as u32,
        rank: y.rank() as u32,
        value,
        _pad: 0,
        out_size: packed(y.iter().copied(), 1),
        in_size: packed(x.shape.iter().copied(), 1),
        before: packed(op.pads.iter().map(|p| p[0]), 0),
        x_stride: packed(x.shape.strides(), 0),
    };
    lowering.push(PadKey { mode }, vec![node.inputs[0].into(), output(node).into()], &params, threads(count));
    Ok(())
}
