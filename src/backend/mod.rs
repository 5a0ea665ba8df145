//! What runs a graph: SIMD kernels on the CPU, compute shaders on the GPU. Both compile first, then run.

pub mod cpu;
#[cfg(feature = "webgpu")]
pub mod gpu;
