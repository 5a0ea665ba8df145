//! The WebGPU backend: the browser's own on the web, Vulkan, Metal or DX12 natively.
//!
//! Compiling an [`Executable`] does all the thinking: it lowers every node to dispatches (`lower`), plans memory,
//! uploads weights, builds pipelines and bind groups. A run records one command buffer and creates no other GPU object.
//!
//! On the device every element is a word of 32 bits, bytes (and booleans) included: WGSL has no smaller storage type. Bytes
//! are widened when they are written and packed again when they are read.

mod batch_norm;
mod conv_filter;
mod conv_transpose;
mod depthwise;
mod depthwise_backward;
mod elementwise;
mod executable;
mod gemm;
mod image;
mod layout;
mod lower;
mod paint;
mod parts;
mod pipelines;
mod pool;
mod pool_backward;
mod preprocess;
mod readback;
mod reduce;
mod resize;
mod select;
mod softmax;
mod suppress;
mod topk;
mod unary_backward;
mod update;
mod variable;
mod variant;
mod window;

pub use executable::Executable;
pub use image::{ImageInput, Rectangle};
pub use lower::Kernels;
pub use paint::{Hue, Painter, Painting};
pub use variable::Variable;
pub use variant::Variant;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Data, Tensor};

/// How to choose and use a device.
#[derive(Clone, Copy, Debug)]
pub struct GpuOptions {
    /// Take a software adapter if there is no other: correct and slow, for tests.
    pub allow_software: bool,
    /// Prefer the integrated GPU of a machine with two.
    pub low_power: bool,
    /// Which of two kernels for the same work.
    pub kernels: Kernels,
    /// Most dispatches of one submission. One submission for the whole run is fastest, but a page that draws while a
    /// large network runs stutters less with smaller ones. 0: no limit.
    pub batch: usize,
}

impl Default for GpuOptions {
    fn default() -> Self {
        GpuOptions { allow_software: false, low_power: false, kernels: Kernels::Auto, batch: 0 }
    }
}

/// What is known of an adapter. Browsers tell little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Description or device name; may be empty.
    pub name: String,
    /// Vendor, as the browser names it or its PCI number; may be empty.
    pub vendor: String,
    /// A software adapter.
    pub is_fallback: bool,
    /// `webgpu`, `vulkan`, `metal`, `dx12`.
    pub backend: String,
}

/// An opened device with its queue and caches. Clones share all of it.
///
/// Belongs to one thread: on the web its objects cannot leave it.
#[derive(Clone)]
pub struct Gpu(Rc<Inner>);

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: AdapterInfo,
    options: GpuOptions,
    state: Arc<State>,
    pipelines: pipelines::Pipelines,
    weights: RefCell<HashMap<*const Tensor, Weak<Weights>>>,
}

/// What the device's callbacks report.
#[derive(Default)]
struct State {
    lost: AtomicBool,
    /// Why the device is lost, or the first error outside any scope.
    message: Mutex<Option<String>>,
}

/// A lock that a panic elsewhere cannot poison.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A constant on the device; executables for several shapes of one network share it.
struct Weights {
    buffer: wgpu::Buffer,
    /// Keeps the key's address taken.
    _tensor: Arc<Tensor>,
}

impl Drop for Weights {
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

impl Gpu {
    /// Opens a device. An error of kind `Unsupported` says that there is none (or only a software adapter).
    pub async fn new(options: GpuOptions) -> Result<Gpu> {
        if !has_webgpu() {
            return Err(Error::unsupported("this browser has no WebGPU, or the page is not served over https"));
        }
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let power_preference =
            if options.low_power { wgpu::PowerPreference::LowPower } else { wgpu::PowerPreference::HighPerformance };
        let wanted = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        let adapter =
            instance.request_adapter(&wanted).await.map_err(|e| Error::unsupported(format!("no GPU: {e}")))?;
        let given = adapter.get_info();
        let is_fallback = given.device_type == wgpu::DeviceType::Cpu;
        if is_fallback && !options.allow_software {
            return Err(Error::unsupported(
                "there is only a software GPU adapter, which is slower than the CPU backend",
            ));
        }
        // What networks need more of than the defaults allow; asking for all an adapter has would tie it to its quirks.
        let has = adapter.limits();
        let required_limits = wgpu::Limits {
            max_buffer_size: has.max_buffer_size,
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_texture_dimension_2d: has.max_texture_dimension_2d,
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor { label: Some("striate"), required_limits, ..Default::default() };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::unsupported(format!("the GPU gives no device: {e}")))?;
        let (name, vendor) = names(&device, &given);
        let backend = if cfg!(target_arch = "wasm32") { "webgpu" } else { given.backend.to_str() }.to_string();
        let info = AdapterInfo { name, vendor, is_fallback, backend };

        let state = Arc::new(State::default());
        let on_lost = state.clone();
        device.set_device_lost_callback(move |reason, message| {
            lock(&on_lost.message).get_or_insert(format!("{reason:?}: {message}"));
            on_lost.lost.store(true, Ordering::SeqCst);
        });
        let on_error = state.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&on_error.message).get_or_insert(error.to_string());
        }));
        let (pipelines, weights) = Default::default();
        Ok(Gpu(Rc::new(Inner { device, queue, info, options, state, pipelines, weights })))
    }

    /// What the adapter says of itself.
    pub fn info(&self) -> &AdapterInfo {
        &self.0.info
    }

    /// The options it was opened with.
    pub fn options(&self) -> GpuOptions {
        self.0.options
    }

    /// Whether the device is gone: open another and compile again.
    pub fn is_lost(&self) -> bool {
        self.0.state.lost.load(Ordering::SeqCst)
    }

    /// Gives the device up; what was compiled for it fails with `DeviceLost` from now on.
    pub fn destroy(&self) {
        self.0.device.destroy();
        lock(&self.0.state.message).get_or_insert("it was given up".into());
        self.0.state.lost.store(true, Ordering::SeqCst);
    }

    fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// Kernels may use workgroup memory.
    fn workgroup_memory(&self) -> bool {
        match self.0.options.kernels {
            Kernels::Auto => !self.0.info.is_fallback,
            Kernels::Workgroup => true,
            Kernels::Register => false,
        }
    }

    /// The loss of the device, or the first error outside any scope (which ends with this report).
    fn check(&self) -> Result<()> {
        let State { message, .. } = &*self.0.state;
        if self.is_lost() {
            let why = lock(message).clone().unwrap_or_default();
            return Err(Error::device_lost(format!("the GPU device is gone ({why})")));
        }
        match lock(message).take() {
            Some(error) => Err(Error::resource(format!("the GPU reports: {error}"))),
            None => Ok(()),
        }
    }

    /// Runs `work` and turns what the device finds wrong with it into an error. The scopes end before anything is waited
    /// for, so that those of two compilations side by side stay nested.
    async fn scoped<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check()?;
        let memory = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let result = work();
        let found = self.found([validation, memory]).await;
        // What the work says itself is more to the point than what the device makes of its remains, unless that is lost or full.
        match found {
            Err(error) if result.is_ok() || error.kind() != ErrorKind::Invalid => Err(error),
            _ => result,
        }
    }

    /// What was found wrong in these scopes; they end at once. (Apart from [`Gpu::scoped`], which is compiled for every kind of
    /// work.)
    async fn found(&self, [validation, memory]: [wgpu::ErrorScopeGuard; 2]) -> Result<()> {
        let (validation, memory) = (validation.pop(), memory.pop());
        let (validation, memory) = (validation.await, memory.await);
        self.check()?;
        if memory.is_some() {
            return Err(Error::resource("the GPU has not enough memory for this network"));
        }
        validation.map_or(Ok(()), |error| Err(Error::invalid(format!("the GPU refuses: {error}"))))
    }

    /// An error if a buffer of this size cannot be bound.
    fn check_size(&self, bytes: usize) -> Result<()> {
        let limits = self.device().limits();
        let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if bytes as u64 <= most {
            return Ok(());
        }
        Err(Error::resource(format!("a tensor of {bytes} bytes is more than this GPU binds at once ({most} bytes)")))
    }

    /// A storage buffer of at least `bytes` (not 0: WebGPU cannot bind nothing).
    fn buffer(&self, label: &str, bytes: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.next_multiple_of(16).max(16) as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A constant on the device, shared with whoever uses the same tensor.
    fn weights(&self, tensor: &Arc<Tensor>) -> Rc<Weights> {
        let mut known = self.0.weights.borrow_mut();
        if let Some(weights) = known.get(&Arc::as_ptr(tensor)).and_then(Weak::upgrade) {
            return weights;
        }
        known.retain(|_, weights| weights.strong_count() > 0);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.buffer("weights", tensor.shape().elements() * 4, usage);
        self.write(&buffer, tensor.data());
        let weights = Rc::new(Weights { buffer, _tensor: tensor.clone() });
        known.insert(Arc::as_ptr(tensor), Rc::downgrade(&weights));
        weights
    }

    /// Writes elements as words.
    fn write(&self, buffer: &wgpu::Buffer, data: &Data) {
        match data {
            Data::F32(v) => self.queue().write_buffer(buffer, 0, bytemuck::cast_slice(v)),
            Data::I32(v) => self.queue().write_buffer(buffer, 0, bytemuck::cast_slice(v)),
            Data::U8(v) => {
                let words: Vec<u32> = v.iter().map(|&b| b as u32).collect();
                self.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&words));
            }
        }
    }
}

/// Name and vendor of an adapter.
#[cfg(not(target_arch = "wasm32"))]
fn names(_: &wgpu::Device, info: &wgpu::AdapterInfo) -> (String, String) {
    (info.name.clone(), format!("{:#06x}", info.vendor))
}

/// Name and vendor of an adapter; wgpu does not pass on what browsers tell (`GPUDevice.adapterInfo`).
#[cfg(target_arch = "wasm32")]
fn names(device: &wgpu::Device, _: &wgpu::AdapterInfo) -> (String, String) {
    let info = device.as_webgpu().and_then(|device| property(device.as_ref(), "adapterInfo"));
    let text = |key| info.as_ref().and_then(|info| property(info, key)).and_then(|v| v.as_string()).unwrap_or_default();
    let (description, architecture) = (text("description"), text("architecture"));
    (if description.is_empty() { architecture } else { description }, text("vendor"))
}

/// A property of a JavaScript object.
#[cfg(target_arch = "wasm32")]
fn property(object: &wasm_bindgen::JsValue, key: &str) -> Option<wasm_bindgen::JsValue> {
    js_sys::Reflect::get(object, &key.into()).ok()
}

/// Whether there is WebGPU to ask: wgpu panics where it finds neither a window nor a worker.
#[cfg(target_arch = "wasm32")]
fn has_webgpu() -> bool {
    let gpu = property(&js_sys::global(), "navigator").and_then(|navigator| property(&navigator, "gpu"));
    gpu.is_some_and(|gpu| gpu.is_object())
}

#[cfg(not(target_arch = "wasm32"))]
fn has_webgpu() -> bool {
    true
}
