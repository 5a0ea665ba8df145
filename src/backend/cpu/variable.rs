//! Memory that outlives runs and executables.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::Buffer;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorType, TensorView};

/// A variable's memory. Clones share it; executables that share variables run one after another.
#[derive(Clone)]
pub struct Variable(Arc<Shared>);

struct Shared {
    kind: TensorType,
    buffer: Mutex<Buffer>,
}

impl Variable {
    /// With this content.
    pub fn new(initial: &Tensor) -> Variable {
        let mut buffer = Buffer::new(initial.kind().bytes());
        buffer.copy(initial.view().data);
        Variable(Arc::new(Shared { kind: initial.kind(), buffer: Mutex::new(buffer) }))
    }

    /// Its type.
    pub fn kind(&self) -> &TensorType {
        &self.0.kind
    }

    /// A copy of what it holds.
    pub fn read(&self) -> Tensor {
        let TensorType { dtype, shape } = self.kind();
        TensorView { shape, data: self.buffer().view(*dtype, shape.elements()) }.to_tensor()
    }

    /// Replaces what it holds; errors if the type is another.
    pub fn write(&self, value: &Tensor) -> Result<()> {
        if value.kind() != *self.kind() {
            return Err(Error::mismatch("the value does not fit the variable", self.kind(), value.kind()));
        }
        self.buffer().copy(value.view().data);
        Ok(())
    }

    /// Exchanges its memory with an executable's.
    pub(super) fn swap(&self, buffer: &mut Buffer) {
        std::mem::swap(buffer, &mut *self.buffer());
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
