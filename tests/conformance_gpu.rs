//! The conformance list on the WebGPU backend, natively (a software Vulkan will do), with both sets of kernels.
//! (`web_gpu.rs` runs it in the browser.)
#![cfg(all(feature = "webgpu", feature = "conformance", not(target_arch = "wasm32")))]

#[path = "support/gpu.rs"]
mod gpu;

use pollster::block_on;
use striate::backend::gpu::{Gpu, GpuOptions, Kernels};
use striate::conformance::{Backend, Report, cases};

/// A device, or a loud report that there is none. With `STRIATE_REQUIRE_GPU` set that is a failure.
fn open(options: GpuOptions) -> Option<Gpu> {
    match block_on(Gpu::new(GpuOptions { allow_software: true, ..options })) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the WebGPU backend, for there is no adapter: {error}");
            eprintln!("*** A software one will do: `cargo xtask setup` installs it (Debian: mesa-vulkan-drivers).\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
            None
        }
    }
}

fn conformance(kernels: Kernels) {
    let Some(gpu) = open(GpuOptions { kernels, ..Default::default() }) else { return };
    println!("{kernels:?} kernels on {:?}", gpu.info());
    let filter = std::env::var("STRIATE_CASE").unwrap_or_default();
    let mut report = Report::new(Backend::Gpu);
    for case in cases().iter().filter(|c| c.name.contains(&filter)) {
        if report.wants(case) {
            report.check(case, block_on(gpu::run(&gpu, case)));
        }
    }
    println!("{}", report.finish().unwrap());
}

#[test]
fn workgroup_kernels_agree_with_the_reference() {
    conformance(Kernels::Workgroup);
}

#[test]
fn register_kernels_agree_with_the_reference() {
    conformance(Kernels::Register);
}
