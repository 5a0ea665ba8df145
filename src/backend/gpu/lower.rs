//! From a node to dispatches: what every kernel family needs to describe its work.

use std::sync::Arc;

use super::variant::Variant;
use super::{
    batch_norm, conv_filter, conv_transpose, depthwise, depthwise_backward, elementwise, gemm, layout, pool,
    pool_backward, reduce, resize, select, softmax, suppress, topk, unary_backward, update,
};
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, Types, ValueId};
use crate::ops::Op;
use crate::shape::Shape;
use crate::tensor::{Tensor, TensorType};

/// Threads of a workgroup in kernels without workgroup memory (`THREADS` of `common.wgsl`).
pub(super) const THREADS: usize = 64;

/// Most dimensions, after merging, that kernels with strides take (two `vec4<u32>` in a uniform).
pub(super) const MAX_RANK: usize = 8;

/// One `dispatchWorkgroups`.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub variant: Variant,
    /// What is bound to binding 1, 2, ...
    pub operands: Vec<Operand>,
    /// The uniform block of binding 0.
    pub params: Vec<u8>,
    pub groups: [u32; 3],
    /// The node it works for, for errors and profiles.
    pub node: usize,
}

/// What a storage binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// A value of the graph.
    Value(ValueId),
    /// A constant made while lowering, by its number.
    Table(usize),
    /// One of two buffers for what lives between the dispatches of one node.
    Scratch(usize),
}

impl From<ValueId> for Operand {
    fn from(value: ValueId) -> Operand {
        Operand::Value(value)
    }
}

/// Which of two kernels for the same work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Kernels {
    /// Workgroup memory on a GPU, registers only on a software adapter.
    #[default]
    Auto,
    /// With workgroup memory and barriers.
    Workgroup,
    /// Registers only: software adapters emulate barriers and lose a factor of 4 to 18 by them.
    Register,
}

/// A graph on its way to dispatches.
pub(super) struct Lowering<'a> {
    pub graph: &'a Graph,
    pub types: &'a Types,
    /// Kernels may use workgroup memory.
    pub workgroup_memory: bool,
    pub dispatches: Vec<Dispatch>,
    /// Constants made here: index tables, transposed weights.
    pub tables: Vec<Vec<u8>>,
    /// Bytes of the two scratch buffers.
    pub scratch: [usize; 2],
    node: usize,
}

impl<'a> Lowering<'a> {
    pub fn new(graph: &'a Graph, types: &'a Types, workgroup_memory: bool) -> Self {
        let (dispatches, tables) = (Vec::new(), Vec::new());
        Lowering { graph, types, workgroup_memory, dispatches, tables, scratch: [0; 2], node: 0 }
    }

    /// Appends the dispatches of one node.
    pub fn node(&mut self, index: usize) -> Result<()> {
        self.node = index;
        let graph = self.graph;
        let node = &graph.nodes()[index];
        // Nothing to write, nothing to do.
        if node.outputs.iter().all(|&v| self.shape(v).elements() == 0) {
            return Ok(());
        }
        match &node.op {
            Op::Conv2d(op) => gemm::conv2d(self, op, node),
            Op::DepthwiseConv2d(op) => depthwise::lower(self, op, node),
            Op::ConvTranspose2d(op) => conv_transpose::lower(self, op, node),
            Op::MatMul(op) => gemm::matmul(self, op, node),
            Op::Pool2d(op) => pool::lower(self, op, node),
            Op::Reduce(op) => reduce::lower(self, op, node),
            Op::Resize(op) => resize::lower(self, op, node),
            Op::Unary(op) => elementwise::unary(self, *op, node),
            Op::Binary(op) => elementwise::binary(self, op, node),
            Op::Cast(op) => elementwise::cast(self, op, node),
            Op::Softmax(op) => softmax::lower(self, op.axis, false, node),
            Op::LogSoftmax(op) => softmax::lower(self, op.axis, true, node),
            Op::Concat(op) => layout::concat(self, op, node),
            Op::Slice(op) => layout::slice(self, op, node),
            Op::Pad(op) => layout::pad(self, op, node),
            Op::Transpose(op) => layout::transpose(self, op, node),
            Op::Gather(op) => select::gather(self, op, node),
            Op::TopK(op) => topk::lower(self, op, node),
            Op::ArgMax(op) => select::argmax(self, op, node),
            Op::NonMaxSuppression(op) if cfg!(feature = "files") => suppress::lower(self, op, node),
            Op::Reshape(_) => Err(Error::invalid("a reshape moves nothing and is no step")),
            Op::BatchNorm(_) => {
                Err(Error::unsupported("batch normalisation must be folded first (passes::optimize does it)"))
            }
            // A constant: what only reads files does without these.
            _ if cfg!(feature = "models") => self.training_node(node),
            _ => Err(Error::unsupported("training in a binary that only reads files")),
        }
        .map_err(|e| e.at(&node.name))
    }

    /// What nothing but training asks for.
    fn training_node(&mut self, node: &Node) -> Result<()> {
        match &node.op {
            Op::ResizeBackward(op) => resize::backward(self, op, node),
            Op::Conv2dBackwardInput(op) => conv_transpose::backward_input(self, op, node),
            Op::Conv2dBackwardFilter(op) => conv_filter::lower(self, op, node),
            Op::DepthwiseConv2dBackwardInput(op) => depthwise_backward::input(self, op, node),
            Op::DepthwiseConv2dBackwardFilter(op) => depthwise_backward::filter(self, op, node),
            Op::MaxPool2dBackward(op) => pool_backward::max(self, op, node),
            Op::AvgPool2dBackward(op) => pool_backward::average(self, op, node),
            Op::BatchNormStatistics(_) => batch_norm::statistics(self, node),
            Op::BatchNormBackward(_) => batch_norm::backward(self, node),
            Op::UnaryBackward(op) => unary_backward::lower(self, *op, node),
            Op::Random(op) => update::random(self, *op, node),
            Op::OptimizerStep(op) => update::update(self, *op, node),
            op => Err(Error::unsupported(op.operator().name())),
        }
    }

    pub fn kind(&self, value: ValueId) -> &'a TensorType {
        &self.types[value]
    }
    pub fn shape(&self, value: ValueId) -> &'a Shape {
        &self.types[value].shape
    }
    /// The tensor of a value that is constant.
    pub fn constant(&self, value: ValueId) -> Option<&'a Arc<Tensor>> {
        self.graph.constant_of(value)
    }

    /// Adds a dispatch.
    pub fn push<P: bytemuck::NoUninit>(
        &mut self,
        variant: impl Into<Variant>,
        operands: Vec<Operand>,
        params: &P,
        groups: [u32; 3],
    ) {
        let (variant, params) = (variant.into(), bytemuck::bytes_of(params).to_vec());
        self.dispatches.push(Dispatch { variant, operands, params, groups, node: self.node });
    }

    /// Adds a constant.
    pub fn table<T: bytemuck::NoUninit>(&mut self, data: &[T]) -> Operand {
        self.tables.push(bytemuck::cast_slice(data).to_vec());
        Operand::Table(self.tables.len() - 1)
    }

    /// Makes room in a scratch buffer.
    pub fn scratch(&mut self, which: usize, bytes: usize) -> Operand {
        self.scratch[which] = self.scratch[which].max(bytes);
        Operand::Scratch(which)
    }
}

/// The only result of a node.
pub(super) fn output(node: &Node) -> ValueId {
    node.outputs[0]
}

/// Workgroups for this many threads, one dimension folded into two ([`fold`]).
pub(super) fn threads(count: usize) -> [u32; 3] {
    fold(count.div_ceil(THREADS))
}

/// `count` workgroups in two dimensions: one takes 65535 at most, so kernels guard against the surplus.
pub(super) fn fold(count: usize) -> [u32; 3] {
    const MOST: usize = 65535;
    if count <= MOST {
        return [count as u32, 1, 1];
    }
    let rows = count.div_ceil(MOST);
    [count.div_ceil(rows) as u32, rows as u32, 1]
}

/// Up to [`MAX_RANK`] numbers as a shader's `array<vec4<u32>, 2>`; the rest is `fill`.
pub(super) fn packed(values: impl IntoIterator<Item = usize>, fill: u32) -> [u32; MAX_RANK] {
    let mut out = [fill; MAX_RANK];
    out.iter_mut().zip(values).for_each(|(o, v)| *o = v as u32);
    out
}

/// One dimension of a walk over several tensors at once: its size and a stride for each (0: does not move).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis<const N: usize> {
    pub size: usize,
    pub strides: [isize; N],
}

/// Drops dimensions of size 1 and merges neighbours that every tensor walks through as one; at least one axis stays.
pub(super) fn merge<const N: usize>(axes: impl IntoIterator<Item = Axis<N>>) -> Result<Vec<Axis<N>>> {
    let mut merged: Vec<Axis<N>> = Vec::new();
    for axis in axes.into_iter().filter(|a| a.size != 1) {
        match merged.last_mut() {
            Some(last) if (0..N).all(|i| last.strides[i] == axis.strides[i] * axis.size as isize) => {
                *last = Axis { size: last.size * axis.size, strides: axis.strides };
            }
            _ => merged.push(axis),
        }
    }
    if merged.is_empty() {
        merged.push(Axis { size: 1, strides: [0; N] });
    }
    if merged.len() > MAX_RANK {
        return Err(Error::unsupported(format!("more than {MAX_RANK} dimensions that cannot be merged")));
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workgroups_fold_within_the_limit() {
        for count in [1, 65535, 65536, 1 << 23] {
            let [x, y, z] = fold(count).map(|n| n as usize);
            assert!(x <= 65535 && y <= 65535 && z == 1 && x * y >= count && x * y < count + y, "{count}");
        }
    }

    #[test]
    fn neighbours_merge_when_all_agree() {
        let axis = |size, a, b| Axis { size, strides: [a, b] };
        // The same shape twice: one axis.
        assert_eq!(merge([axis(2, 12, 12), axis(3, 4, 4), axis(4, 1, 1)]).unwrap(), [axis(24, 1, 1)]);
        // A vector over the last axis: two.
        assert_eq!(merge([axis(2, 12, 0), axis(3, 4, 0), axis(4, 1, 1)]).unwrap(), [axis(6, 4, 0), axis(4, 1, 1)]);
        // Sizes of 1 vanish; a scalar keeps one axis.
        assert_eq!(merge([axis(1, 9, 9)]).unwrap(), [axis(1, 0, 0)]);
    }
}
