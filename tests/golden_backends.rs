//! Keras' layers on both backends, as sessions run them: optimised, then compiled.
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

#[path = "support/golden.rs"]
mod golden;

use striate::golden::Backend;
use striate::session::Device;

#[test]
fn the_cpu_agrees_with_keras() {
    golden::all_agree(&Backend::Device(Device::Cpu), &["layer"]);
}

/// With the tolerances of a GPU, whose exp, tanh, pow and division are looser.
#[cfg(feature = "webgpu")]
#[test]
fn the_gpu_agrees_with_keras() {
    use striate::backend::gpu::{Gpu, GpuOptions};
    match pollster::block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
        Ok(gpu) => {
            golden::all_agree(&Backend::Device(Device::Gpu(gpu)), &["layer"]);
        }
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the WebGPU backend, for there is no adapter: {error}\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
        }
    }
}
