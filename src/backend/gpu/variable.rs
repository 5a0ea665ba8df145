//! Memory on the device that outlives runs and executables.

use std::cell::Cell;
use std::rc::Rc;

use super::Gpu;
use super::executable::device_bytes;
use super::readback::Readback;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorType};

/// A variable's memory on the device. Clones share it; the last one frees it.
#[derive(Clone)]
pub struct Variable(Rc<Shared>);

struct Shared {
    gpu: Gpu,
    kind: TensorType,
    buffer: wgpu::Buffer,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

impl Variable {
    /// With this content. An error if the device cannot bind so much at once.
    pub fn new(gpu: &Gpu, initial: &Tensor) -> Result<Variable> {
        let kind = initial.kind();
        gpu.check_size(device_bytes(&kind))?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = gpu.buffer("variable", device_bytes(&kind), usage);
        gpu.write(&buffer, initial.data());
        Ok(Variable(Rc::new(Shared { gpu: gpu.clone(), kind, buffer })))
    }

    /// Its type.
    pub fn kind(&self) -> &TensorType {
        &self.0.kind
    }

    /// Replaces what it holds, for the runs that are submitted from now on; errors if the type is another.
    pub fn write(&self, value: &Tensor) -> Result<()> {
        if value.kind() != *self.kind() {
            return Err(Error::mismatch("the value does not fit the variable", self.kind(), value.kind()));
        }
        self.0.gpu.check()?;
        self.0.gpu.write(&self.0.buffer, value.data());
        Ok(())
    }

    /// Copies of what some variables hold after the runs submitted so far; waits once, not once for each.
    pub async fn read(variables: &[Variable]) -> Result<Vec<Tensor>> {
        let Some(Variable(first)) = variables.first() else { return Ok(Vec::new()) };
        let gpu = &first.gpu;
        gpu.check()?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let mut commands = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let copy = |Variable(v): &Variable| {
            let staging =
                Staging { buffer: gpu.buffer("variable", device_bytes(&v.kind), usage), reading: Cell::new(false) };
            commands.copy_buffer_to_buffer(&v.buffer, 0, &staging.buffer, 0, v.buffer.size());
            staging
        };
        let staged: Vec<Staging> = variables.iter().map(copy).collect();
        gpu.queue().submit([commands.finish()]);
        let mut reads = Vec::with_capacity(staged.len());
        for (v, staging) in variables.iter().zip(&staged) {
            reads.push(Readback::start(&v.0.kind, &staging.buffer, &staging.reading)?);
        }
        let mut tensors = Vec::with_capacity(reads.len());
        for read in reads {
            tensors.push(read.finish(gpu).await?);
        }
        Ok(tensors)
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.0.buffer
    }
}

/// A buffer to read once.
struct Staging {
    buffer: wgpu::Buffer,
    reading: Cell<bool>,
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}
