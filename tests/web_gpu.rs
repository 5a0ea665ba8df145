//! The conformance list on the browser's own WebGPU, in a dedicated worker, as pages run it.
#![cfg(all(feature = "conformance", feature = "webgpu", target_arch = "wasm32"))]

#[path = "support/gpu.rs"]
mod gpu;

use js_sys::{Function, Promise, Reflect};
use striate::backend::gpu::{Executable, Gpu, GpuOptions, ImageInput, Kernels};
use striate::conformance::{Backend, Report, cases};
use striate::graph::Graph;
use striate::ops::Unary;
use striate::vision::image::{InputSpec, resize_into};
use striate::{DType, ErrorKind, TensorType};
use wasm_bindgen::{Clamped, JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn open(kernels: Kernels) -> Gpu {
    let options = GpuOptions { allow_software: true, kernels, ..GpuOptions::default() };
    Gpu::new(options).await.expect("webdriver.json asks Chromium for a software adapter")
}

async fn conformance(kernels: Kernels) {
    let device = open(kernels).await;
    console_log!("{kernels:?} kernels on {:?}", device.info());
    let mut report = Report::new(Backend::Gpu);
    for case in cases() {
        if report.wants(&case) {
            report.check(&case, gpu::run(&device, &case).await);
        }
    }
    console_log!("{}", report.finish().unwrap_or_else(|failures| panic!("{failures}")));
}

#[wasm_bindgen_test]
async fn webgpu_agrees_with_the_reference() {
    conformance(Kernels::Auto).await;
}

/// `-x` of a picture.
async fn negate(device: &Gpu, [h, w]: [usize; 2]) -> Executable {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(1), Some(h), Some(w), Some(3)]);
    let y = graph.add("neg", Unary::Neg, &[x]).expect("one operand");
    graph.output("y", y);
    let kind = TensorType::f32([1, h, w, 3]);
    Executable::compile(device, &graph, &[kind], &mut |_, _| ()).await.expect("compiles")
}

async fn bitmap(rgba: &[u8], [height, width]: [usize; 2]) -> web_sys::ImageBitmap {
    let (width, height) = (width as u32, height as u32);
    let data = web_sys::ImageData::new_with_u8_clamped_array_and_sh(Clamped(rgba), width, height).expect("pixels");
    let create = Reflect::get(&js_sys::global(), &"createImageBitmap".into()).expect("in a browser");
    let promise = create.unchecked_into::<Function>().call1(&JsValue::UNDEFINED, &data).expect("a promise");
    JsFuture::from(promise.unchecked_into::<Promise>()).await.expect("a bitmap").unchecked_into()
}

#[wasm_bindgen_test]
async fn bitmaps_become_what_the_cpu_makes_of_them() {
    let device = open(Kernels::Auto).await;
    let spec = InputSpec { size: [13, 9], scale: [1.0 / 127.5, 1.0, 0.5], offset: [-1.0, 0.0, 3.0] };
    let [h, w] = spec.size;
    let executable = negate(&device, spec.size).await;
    let four = |v: [f32; 3]| [v[0], v[1], v[2], 0.0];
    let mut input = ImageInput::new(&executable, 0, four(spec.scale), four(spec.offset)).await.expect("takes pictures");
    for size in [[7, 5], [40, 31], [40, 31], [1, 1]] {
        // Opaque: a bitmap's colours are multiplied by its alpha on the way.
        let byte = |i: usize| if i % 4 == 3 { 255 } else { (i * i * 31 + i * 7) as u8 };
        let rgba: Vec<u8> = (0..size[0] * size[1] * 4).map(byte).collect();
        let source = wgpu::ExternalImageSource::ImageBitmap(bitmap(&rgba, size).await);
        input.write_external(source, size, None).expect("fits");
        executable.submit().expect("runs");
        let got = executable.read_output(0).await.expect("an output");
        let mut want = vec![0.0; h * w * 3];
        resize_into(&rgba, size[1], size[0], &spec, &mut want).expect("fits");
        for (i, (got, want)) in got.as_f32().expect("floats").iter().zip(&want).enumerate() {
            assert!((got + want).abs() <= 1e-4 * want.abs().max(1.0), "{size:?} at {i}: {} instead of {want}", -got);
        }
    }
}

#[wasm_bindgen_test]
async fn a_lost_device_says_so() {
    let device = open(Kernels::Auto).await;
    let executable = negate(&device, [2, 2]).await;
    executable.submit().expect("runs");
    device.destroy();
    assert!(device.is_lost());
    let errors = [executable.submit().unwrap_err(), executable.read_outputs().await.unwrap_err()];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::DeviceLost, "{error}");
    }
}

/// Software adapters are slower than the CPU backend: only tests ask for them.
#[wasm_bindgen_test]
async fn a_software_adapter_is_not_taken_unasked() {
    let error = Gpu::new(GpuOptions::default()).await.err().expect("the tests' only adapter is software");
    assert!(error.to_string().contains("software"), "{error}");
}
