//! Picking elements: gather and arg-max.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, THREADS, fold, output, threads};
use super::variant::{Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{ArgMax, Gather};

/// A workgroup makes one result from this length on, while there are few results.
const LONG_LINE: usize = 4 * THREADS;
/// More results than this keep a GPU busy with a thread each.
const FEW_LINES: usize = 4096;

/// A gather, of words or of vectors of four.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatherKey {
    vector: bool,
}

impl Kernel for GatherKey {
    fn file(&self) -> &'static str {
        "gather.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|vector| GatherKey { vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GatherParams {
    count: u32,
    size: u32,
    inner: u32,
    indices: u32,
}

pub(super) fn gather(lowering: &mut Lowering, op: &Gather, node: &Node) -> Result<()> {
    let (x, indices) = (lowering.shape(node.inputs[0]), lowering.shape(node.inputs[1]));
    let axis = x.axis(op.axis)?;
    let inner: usize = x[axis + 1..].iter().product();
    let vector = inner.is_multiple_of(4);
    let count = lowering.shape(output(node)).elements() / if vector { 4 } else { 1 };
    let params = GatherParams {
        count: count as u32,
        size: x[axis] as u32,
        inner: (if vector { inner / 4 } else { inner }) as u32,
        indices: indices.elements() as u32,
    };
    let operands = vec![node.inputs[0].into(), node.inputs[1].into(), output(node).into()];
    lowering.push(GatherKey { vector }, operands, &params, threads(count));
    Ok(())
}

/// An arg-max.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArgMaxKey {
    /// A workgroup for a result.
    cooperative: bool,
}

impl Kernel for ArgMaxKey {
    fn file(&self) -> &'static str {
        "argmax.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("COOPERATIVE", flag(self.cooperative))]
    }
    fn all() -> Vec<Self> {
        [false, true].map(|cooperative| ArgMaxKey { cooperative }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct ArgMaxParams {
    lines: u32,
    size: u32,
    inner: u32,
    _pad: u32,
}

pub(super) fn argmax(lowering: &mut Lowering, op: &ArgMax, node: &Node) -> Result<()> {
    let x = lowering.shape(node.inputs[0]);
    let axis = x.axis(op.axis)?;
    let (size, inner) = (x[axis], x[axis + 1..].iter().product::<usize>());
    let lines = x.elements() / size;
    let cooperative = lowering.workgroup_memory && size >= LONG_LINE && lines <= FEW_LINES;
    let params = ArgMaxParams { lines: lines as u32, size: size as u32, inner: inner as u32, _pad: 0 };
    let operands = vec![node.inputs[0].into(), output(node).into()];
    lowering.push(ArgMaxKey { cooperative }, operands, &params, if cooperative { fold(lines) } else { threads(lines) });
    Ok(())
}
