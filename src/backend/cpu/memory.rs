//! Buffers of a run, and what a kernel sees of them.

use std::sync::Arc;

use crate::tensor::{DType, Tensor, TensorType, TensorView, View};

/// 16 bytes, aligned for a vector.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(16))]
struct Lane([u32; 4]);

/// Aligned memory that holds elements of any dtype.
#[derive(Default)]
pub(crate) struct Buffer(Vec<Lane>);

impl Buffer {
    /// Zeroed memory of at least this many bytes.
    pub fn new(bytes: usize) -> Self {
        Buffer(vec![Lane::default(); bytes.div_ceil(16)])
    }
    /// Zeroed memory for this many floats.
    pub fn floats(count: usize) -> Self {
        Self::new(4 * count)
    }
    pub fn bytes(&self) -> usize {
        16 * self.0.len()
    }
    pub fn f32(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
    pub fn f32_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }

    /// Copies elements to the beginning.
    pub fn copy(&mut self, elements: View<'_>) {
        let bytes: &[u8] = match elements {
            View::F32(v) => bytemuck::cast_slice(v),
            View::I32(v) => bytemuck::cast_slice(v),
            View::U8(v) => v,
        };
        bytemuck::cast_slice_mut(&mut self.0)[..bytes.len()].copy_from_slice(bytes);
    }

    pub fn view(&self, dtype: DType, count: usize) -> View<'_> {
        match dtype {
            DType::F32 => View::F32(&bytemuck::cast_slice(&self.0)[..count]),
            DType::I32 => View::I32(&bytemuck::cast_slice(&self.0)[..count]),
            DType::U8 => View::U8(&bytemuck::cast_slice(&self.0)[..count]),
        }
    }

    pub fn view_mut(&mut self, dtype: DType, count: usize) -> ViewMut<'_> {
        match dtype {
            DType::F32 => ViewMut::F32(&mut bytemuck::cast_slice_mut(&mut self.0)[..count]),
            DType::I32 => ViewMut::I32(&mut bytemuck::cast_slice_mut(&mut self.0)[..count]),
            DType::U8 => ViewMut::U8(&mut bytemuck::cast_slice_mut(&mut self.0)[..count]),
        }
    }
}

/// Elements to be written.
#[derive(Debug, PartialEq)]
pub enum ViewMut<'a> {
    /// Floats.
    F32(&'a mut [f32]),
    /// Integers.
    I32(&'a mut [i32]),
    /// Bytes.
    U8(&'a mut [u8]),
}

impl<'a> ViewMut<'a> {
    /// The floats; the compiled types guarantee the dtype.
    pub(crate) fn into_f32(self) -> &'a mut [f32] {
        match self {
            ViewMut::F32(v) => v,
            _ => unreachable!("type inference fixed the dtype"),
        }
    }
    /// The integers, likewise.
    pub(crate) fn into_i32(self) -> &'a mut [i32] {
        match self {
            ViewMut::I32(v) => v,
            _ => unreachable!("type inference fixed the dtype"),
        }
    }
}

/// Where a kernel's operand lies.
pub(crate) enum Origin {
    Input(usize),
    Slot(usize),
    Variable(usize),
    Constant(Arc<Tensor>),
}

/// Where a result goes.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Slot(usize),
    Variable(usize),
}

/// A kernel's operand.
pub(crate) struct Operand {
    pub origin: Origin,
    pub kind: TensorType,
}

/// All buffers of an executable.
#[derive(Default)]
pub(crate) struct Memory {
    pub inputs: Vec<Buffer>,
    pub slots: Vec<Buffer>,
    /// Empty but during a run.
    pub variables: Vec<Buffer>,
}

impl Memory {
    pub fn buffer(&mut self, target: Target) -> &mut Buffer {
        match target {
            Target::Slot(i) => &mut self.slots[i],
            Target::Variable(i) => &mut self.variables[i],
        }
    }

    pub fn view<'a>(&'a self, operand: &'a Operand) -> TensorView<'a> {
        let TensorType { dtype, shape } = &operand.kind;
        let count = shape.elements();
        let data = match &operand.origin {
            Origin::Input(i) => self.inputs[*i].view(*dtype, count),
            Origin::Slot(i) => self.slots[*i].view(*dtype, count),
            Origin::Variable(i) => self.variables[*i].view(*dtype, count),
            // A reshaped constant has another shape than its tensor, but the same elements.
            Origin::Constant(tensor) => tensor.view().data,
        };
        TensorView { shape, data }
    }
}

/// The operands of a step, as its kernel sees them.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub memory: &'a Memory,
    pub operands: &'a [Operand],
}

impl<'a> Inputs<'a> {
    pub fn view(&self, i: usize) -> View<'a> {
        self.memory.view(&self.operands[i]).data
    }
    pub fn f32(&self, i: usize) -> &'a [f32] {
        match self.view(i) {
            View::F32(v) => v,
            _ => unreachable!("type inference fixed the dtype"),
        }
    }
    pub fn i32(&self, i: usize) -> &'a [i32] {
        match self.view(i) {
            View::I32(v) => v,
            _ => unreachable!("type inference fixed the dtype"),
        }
    }
}
