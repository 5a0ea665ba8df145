//! The conformance list on the browser's own WebGPU, in a dedicated worker, as pages run it.
#![cfg(all(feature = "conformance", feature = "webgpu", target_arch = "wasm32"))]

#[path = "support/gpu.rs"]
mod gpu;

use striate::backend::gpu::{Gpu, GpuOptions};
use striate::conformance::{Backend, Report, cases};
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn webgpu_agrees_with_the_reference() {
    let options = GpuOptions { allow_software: true, ..GpuOptions::default() };
    let device = Gpu::new(options).await.expect("webdriver.json asks Chromium for a software adapter");
    console_log!("on {:?}", device.info());
    let mut report = Report::new(Backend::Gpu);
    for case in cases() {
        if report.wants(&case) {
            report.check(&case, gpu::run(&device, &case).await);
        }
    }
    console_log!("{}", report.finish().unwrap_or_else(|failures| panic!("{failures}")));
}

/// Software adapters are slower than the CPU backend: only tests ask for them.
#[wasm_bindgen_test]
async fn a_software_adapter_is_not_taken_unasked() {
    let error = Gpu::new(GpuOptions::default()).await.err().expect("the tests' only adapter is software");
    assert!(error.to_string().contains("software"), "{error}");
}
