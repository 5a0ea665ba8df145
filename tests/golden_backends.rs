//! Keras' layers and their gradients on both backends, as sessions run them: optimised, then compiled.
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

#[path = "support/golden.rs"]
mod golden;

use striate::golden::Backend;
use striate::session::Device;

#[test]
fn the_cpu_agrees_with_keras() {
    golden::all_agree(&Backend::Device(Device::Cpu), "golden", &["layer"]);
    golden::all_agree(&Backend::Device(Device::Cpu), "golden-training", &["vision"]);
}

/// LeNet-5, the Fashion-MNIST network, ResNet-34 and 50, MobileNetV2 and Xception at full size, every layer of each;
/// training runs of 15 to 20 steps; the chapter's filters over two photographs.
#[test]
fn networks_on_the_cpu_agree_with_keras() {
    golden::all_agree(&Backend::Device(Device::Cpu), "golden-networks", &["fullsize", "training", "first_example"]);
}

/// With the tolerances of a GPU, whose exp, tanh, pow and division are looser.
#[cfg(feature = "webgpu")]
#[test]
fn the_gpu_agrees_with_keras() {
    use striate::backend::gpu::{Gpu, GpuOptions};
    match pollster::block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
        Ok(gpu) => {
            let backend = Backend::Device(Device::Gpu(gpu));
            golden::all_agree(&backend, "golden", &["layer"]);
            golden::all_agree(&backend, "golden-training", &["vision"]);
        }
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the WebGPU backend, for there is no adapter: {error}\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
        }
    }
}
