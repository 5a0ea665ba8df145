//! Softmax and its logarithm.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, fold, output, threads};
use super::variant::{Defines, Kernel, flag};
use crate::error::Result;
use crate::graph::Node;

/// A workgroup makes one line from this length on, while there are few lines.
const LONG_LINE: usize = 128;
/// More lines than this keep a GPU busy with a thread each.
const FEW_LINES: usize = 4096;

/// A softmax.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SoftmaxKey {
    /// A workgroup for a line.
    cooperative: bool,
    /// The logarithm of the softmax.
    log: bool,
}

impl Kernel for SoftmaxKey {
    fn file(&self) -> &'static str {
        "softmax.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("COOPERATIVE", flag(self.cooperative)), ("LOG", flag(self.log))]
    }
    fn all() -> Vec<Self> {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(cooperative, log)| SoftmaxKey { cooperative, log })
            .into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    lines: u32,
    size: u32,
    inner: u32,
    _pad: u32,
}

pub(super) fn lower(lowering: &mut Lowering, axis: isize, log: bool, node: &Node) -> Result<()> {
    let x = lowering.shape(node.inputs[0]);
    let axis = x.axis(axis)?;
    let (size, inner) = (x[axis], x[axis + 1..].iter().product::<usize>());
    let lines = x.elements() / size;
    let cooperative = lowering.workgroup_memory && size >= LONG_LINE && lines <= FEW_LINES;
    let params = Params { lines: lines as u32, size: size as u32, inner: inner as u32, _pad: 0 };
    let operands = vec![node.inputs[0].into(), output(node).into()];
    lowering.push(
        SoftmaxKey { cooperative, log },
        operands,
        &params,
        if cooperative { fold(lines) } else { threads(lines) },
    );
    Ok(())
}
