//! Reading a staging buffer, the one place where the host waits for the device.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::{Gpu, lock};
use crate::error::{Error, Result};
use crate::tensor::{DType, Data, Tensor, TensorType};

/// A read under way. Dropping it, finished or not, frees the staging buffer for the next run.
pub(super) struct Readback<'a> {
    kind: &'a TensorType,
    staging: &'a wgpu::Buffer,
    reading: &'a Cell<bool>,
    signal: Arc<Mutex<Signal>>,
}

#[derive(Default)]
struct Signal {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

impl<'a> Readback<'a> {
    /// Asks for the buffer; `reading` stays set until the read is over.
    pub fn start(kind: &'a TensorType, staging: &'a wgpu::Buffer, reading: &'a Cell<bool>) -> Result<Self> {
        if reading.replace(true) {
            return Err(Error::invalid("this output is being read already"));
        }
        let signal = Arc::new(Mutex::new(Signal::default()));
        let on_mapped = signal.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let mut signal = lock(&on_mapped);
            signal.result = Some(result);
            if let Some(waker) = signal.waker.take() {
                waker.wake();
            }
        });
        Ok(Readback { kind, staging, reading, signal })
    }

    /// Waits for the device and copies the elements out.
    pub async fn finish(self, gpu: &Gpu) -> Result<Tensor> {
        // Natively nothing moves unless asked; in a browser this returns at once and the event loop does it.
        let polled = gpu.device().poll(wgpu::PollType::wait_indefinitely());
        let mapped = poll_fn(|context| {
            let mut signal = lock(&self.signal);
            match signal.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    signal.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        // Without a working poll the native callback may never come.
        let mapped = if polled.is_ok() { mapped.await } else { Err(wgpu::BufferAsyncError) };
        // A loss of the device explains a failure better than the failure does.
        gpu.check()?;
        mapped.map_err(|e| Error::resource(format!("the GPU does not give its result: {e}")))?;
        let bytes = self.kind.shape.elements() * 4;
        let view = self
            .staging
            .get_mapped_range(..)
            .map_err(|e| Error::resource(format!("the GPU does not give its result: {e}")))?;
        let data = match self.kind.dtype {
            DType::F32 => Data::F32(bytemuck::pod_collect_to_vec(&view[..bytes])),
            DType::I32 => Data::I32(bytemuck::pod_collect_to_vec(&view[..bytes])),
            DType::U8 => Data::U8(view[..bytes].iter().copied().step_by(4).collect()),
        };
        drop(view);
        Tensor::new(self.kind.shape.clone(), data)
    }
}

impl Drop for Readback<'_> {
    fn drop(&mut self) {
        self.staging.unmap();
        self.reading.set(false);
    }
}
