//! The GPU device itself: what happens when it goes away, what is refused, what pictures become.
#![cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]

use pollster::block_on;
use striate::backend::gpu::{Executable, Gpu, GpuOptions, ImageInput, Rectangle};
use striate::graph::Graph;
use striate::ops::{BatchNorm, Unary};
use striate::session::{Device, Session};
use striate::vision::image::{InputSpec, resize_into};
use striate::{DType, ErrorKind, Tensor, TensorType};

/// A device, or a loud report that there is none. With `STRIATE_REQUIRE_GPU` set that is a failure.
fn gpu() -> Option<Gpu> {
    match block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the GPU device, for there is no adapter: {error}\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
            None
        }
    }
}

fn negate(dims: [usize; 4]) -> (Graph, TensorType) {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, dims.map(Some));
    let y = graph.add("neg", Unary::Neg, &[x]).unwrap();
    graph.output("y", y);
    (graph, TensorType::f32(dims))
}

fn compile(gpu: &Gpu, graph: &Graph, kind: &TensorType) -> striate::Result<Executable> {
    block_on(Executable::compile(gpu, graph, std::slice::from_ref(kind), &mut |_, _| ()))
}

#[test]
fn a_lost_device_says_so_everywhere() {
    let Some(gpu) = gpu() else { return };
    let (graph, kind) = negate([1, 1, 1, 3]);
    let executable = compile(&gpu, &graph, &kind).unwrap();
    let input = Tensor::f32([1, 1, 1, 3], vec![1.0, 2.0, 3.0]).unwrap();
    executable.write_input(0, &input).unwrap();
    executable.submit().unwrap();
    assert!(!gpu.is_lost());
    gpu.destroy();
    assert!(gpu.is_lost());
    let errors = [
        executable.write_input(0, &input).unwrap_err(),
        executable.submit().unwrap_err(),
        block_on(executable.read_outputs()).unwrap_err(),
        compile(&gpu, &graph, &kind).err().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::DeviceLost, "{error}");
    }
}

#[test]
fn a_session_recovers_from_a_lost_device() {
    let Some(gpu) = gpu() else { return };
    let (graph, _) = negate([1, 1, 1, 3]);
    let mut session = Session::new(graph, Device::Gpu(gpu.clone())).unwrap();
    let input = Tensor::f32([1, 1, 1, 3], vec![1.0, -2.0, 3.0]).unwrap();
    let want = [Tensor::f32([1, 1, 1, 3], vec![-1.0, 2.0, -3.0]).unwrap()];
    assert_eq!(block_on(session.run(std::slice::from_ref(&input))).unwrap(), want);
    assert_eq!(session.report().losses, 0);
    gpu.destroy();
    assert_eq!(block_on(session.run(&[input])).unwrap(), want);
    assert_eq!(session.report().losses, 1);
}

#[test]
fn what_cannot_run_is_refused_with_the_layers_name() {
    let Some(gpu) = gpu() else { return };
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(2), Some(3)]);
    let one = graph.constant("one", Tensor::f32([3], vec![1.0; 3]).unwrap());
    let y = graph.add("bn7", BatchNorm { epsilon: 0.1 }, &[x, one, one, one, one]).unwrap();
    graph.output("y", y);
    let error = compile(&gpu, &graph, &TensorType::f32([2, 3])).err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Unsupported, Some("bn7")), "{error}");

    // 2 GiB in one tensor: more than any device binds here, and never allocated.
    let (graph, kind) = negate([1, 1 << 14, 1 << 14, 2]);
    let error = compile(&gpu, &graph, &kind).err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Resource, Some("neg")), "{error}");

    // The device works on.
    let (graph, kind) = negate([1, 1, 1, 1]);
    let executable = compile(&gpu, &graph, &kind).unwrap();
    let wrong = Tensor::f32([1, 1, 1, 2], vec![0.0; 2]).unwrap();
    assert_eq!(executable.write_input(0, &wrong).unwrap_err().kind(), ErrorKind::ShapeMismatch);
    executable.write_input(0, &Tensor::f32([1, 1, 1, 1], vec![5.0]).unwrap()).unwrap();
    executable.submit().unwrap();
    assert_eq!(block_on(executable.read_output(0)).unwrap().as_f32().unwrap(), [-5.0]);
    assert!(block_on(executable.read_output(1)).is_err());
}

#[test]
fn a_read_that_is_given_up_does_not_block_the_next_run() {
    let Some(gpu) = gpu() else { return };
    let (graph, kind) = negate([1, 1, 1, 1]);
    let executable = compile(&gpu, &graph, &kind).unwrap();
    for value in [1.0, 2.0] {
        executable.write_input_f32(0, &[value]).unwrap();
        executable.submit().unwrap();
        drop(executable.read_output(0));
    }
    executable.submit().unwrap();
    assert_eq!(block_on(executable.read_output(0)).unwrap().as_f32().unwrap(), [-2.0]);
}

/// Pixels of a pattern without symmetries.
fn picture([height, width]: [usize; 2]) -> Vec<u8> {
    (0..height * width * 4).map(|i| (i * i * 31 + i * 7 + i / 13) as u8).collect()
}

/// The input as the network sees it, by way of `-(-x)`.
fn seen(executable: &Executable) -> Vec<f32> {
    executable.submit().unwrap();
    let output = block_on(executable.read_output(0)).unwrap();
    output.as_f32().unwrap().iter().map(|v| -v).collect()
}

#[test]
fn pictures_become_what_the_cpu_makes_of_them() {
    let Some(gpu) = gpu() else { return };
    let spec = InputSpec { size: [13, 9], scale: [1.0 / 127.5, 1.0, 0.5], offset: [-1.0, 0.0, 3.0] };
    let [h, w] = spec.size;
    let (graph, kind) = negate([1, h, w, 3]);
    let executable = compile(&gpu, &graph, &kind).unwrap();
    let four = |v: [f32; 3]| [v[0], v[1], v[2], 0.0];
    let mut input = block_on(ImageInput::new(&executable, 0, four(spec.scale), four(spec.offset))).unwrap();
    // Smaller, larger, a single pixel, then the first size again.
    for size in [[7, 5], [40, 31], [1, 1], [13, 9], [7, 5]] {
        let rgba = picture(size);
        input.write_rgba(&rgba, size, None).unwrap();
        let mut want = vec![0.0; h * w * 3];
        resize_into(&rgba, size[1], size[0], &spec, &mut want).unwrap();
        for (i, (got, want)) in seen(&executable).iter().zip(&want).enumerate() {
            assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{size:?} at {i}: {got} instead of {want}");
        }
    }
}

#[test]
fn a_part_of_a_picture_is_cut_out() {
    let Some(gpu) = gpu() else { return };
    let (graph, kind) = negate([1, 3, 4, 1]);
    let executable = compile(&gpu, &graph, &kind).unwrap();
    let mut input = block_on(ImageInput::new(&executable, 0, [1.0; 4], [0.0; 4])).unwrap();
    let (size, rgba) = ([8, 10], picture([8, 10]));
    let part = Rectangle { x: 5.0, y: 2.0, width: 4.0, height: 3.0 };
    input.write_rgba(&rgba, size, Some(part)).unwrap();
    let red = |y: usize, x: usize| rgba[(y * 10 + x) * 4] as f32;
    let want: Vec<f32> = (0..12).map(|i| red(2 + i / 4, 5 + i % 4)).collect();
    assert_eq!(seen(&executable), want);

    assert!(input.write_rgba(&rgba, [8, 9], None).is_err(), "bytes that do not fit the size");
    assert!(input.write_rgba(&[], [0, 0], None).is_err(), "no pixels");
    let nothing = Rectangle { width: f32::NAN, ..part };
    assert!(input.write_rgba(&rgba, size, Some(nothing)).is_err());
    let large = input.write_rgba(&vec![0; 4 << 20], [1, 1 << 20], None).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::Resource, "{large}");
    input.write_rgba(&rgba, size, Some(part)).unwrap();
    assert_eq!(seen(&executable), want);
}
