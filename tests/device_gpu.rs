//! The GPU device itself: what happens when it goes away, what is refused, what pictures become.
#![cfg(all(feature = "webgpu", not(target_arch = "wasm32")))]

use pollster::block_on;
use striate::backend::gpu::{Executable, Gpu, GpuOptions, Hue, ImageInput, Painter, Painting, Rectangle};
use striate::graph::Graph;
use striate::ops::{ArgMax, BatchNorm, Unary};
use striate::session::{Device, Picture, Session};
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

/// What [`Painter`] should paint: the palette's entries 0 to 255 are the colours themselves.
fn painted(maps: &[f32], [h, w, c]: [usize; 3], painting: &Painting) -> Vec<u8> {
    let Painting { size: [height, width], view, hue, .. } = *painting;
    let place = |i: usize, start: f32, length: f32, maps: usize| {
        let at = ((i as f64 + 0.5 - start as f64) / length as f64 * maps as f64 - 0.5).clamp(0.0, (maps - 1) as f64);
        (at.floor() as usize, (at.floor() as usize + 1).min(maps - 1), (at - at.floor()) as f32)
    };
    let mut colours = Vec::new();
    for y in 0..height {
        let (top, bottom, down) = place(y, view.y, view.height, h);
        for x in 0..width {
            let (left, right, along) = place(x, view.x, view.width, w);
            let at = |y: usize, x: usize, k: usize| match painting.channels_first {
                true => maps[(k * h + y) * w + x],
                false => maps[(y * w + x) * c + k],
            };
            let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
            let score = |k: usize| {
                let (a, b) = (
                    mix(at(top, left, k), at(bottom, left, k), down),
                    mix(at(top, right, k), at(bottom, right, k), down),
                );
                mix(a, b, along)
            };
            let scores: Vec<f32> = (0..c).map(score).collect();
            let level = |value: f32, [low, high]: [f32; 2]| {
                ((value - low) / (high - low) * 255.0 + 0.5).floor().clamp(0.0, 255.0) as u8
            };
            colours.push(match hue {
                Hue::Class(threshold) if c == 1 => (scores[0] > threshold) as u8,
                Hue::Class(_) => (0..c).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u8,
                Hue::Index => {
                    at(if down >= 0.5 { bottom } else { top }, if along >= 0.5 { right } else { left }, 0) as u8
                }
                Hue::Level(k, range) => level(scores[k], range),
                Hue::Share(_, range) if c == 1 => level(1.0 / (1.0 + (-scores[0]).exp()), range),
                Hue::Share(k, range) => level(1.0 / scores.iter().map(|s| (s - scores[k]).exp()).sum::<f32>(), range),
            });
        }
    }
    colours
}

#[test]
fn outputs_are_painted_where_they_are() {
    let Some(gpu) = gpu() else { return };
    let palette: Vec<u32> = (0..256).map(|i| i | (255 - i) << 8 | 7 << 16 | 0xff00_0000).collect();
    // Sizes that are no multiples of anything, the whole picture and a part of it; one map and several.
    let views = [([21, 70], [0.0, 0.0, 70.0, 21.0]), ([9, 5], [1.0, -2.0, 2.5, 12.0]), ([1, 1], [0.0, 0.0, 1.0, 1.0])];
    let hues = |c: usize| [Hue::Class(0.1), Hue::Level(c - 1, [-1.0, 1.5]), Hue::Share(c / 2, [1.0, 0.0])];
    for (shape, channels_first) in [([1, 6, 7, 3], false), ([1, 3, 6, 7], true), ([1, 6, 7, 1], false)] {
        let [_, a, b, c] = shape;
        let sizes = if channels_first { [b, c, a] } else { [a, b, c] };
        let (graph, kind) = negate(shape);
        let executable = compile(&gpu, &graph, &kind).unwrap();
        let maps: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| ((i * i * 31 + i * 7) % 97) as f32 / 24.0 - 2.0).collect();
        executable.write_input_f32(0, &maps.iter().map(|v| -v).collect::<Vec<_>>()).unwrap();
        executable.run().unwrap();
        let mut painter = block_on(Painter::new(&executable)).unwrap();
        for ((size, [x, y, width, height]), hue) in views.iter().flat_map(|&v| hues(sizes[2]).map(|hue| (v, hue))) {
            let view = Rectangle { x, y, width, height };
            let painting = Painting { size, view, channels_first, hue, palette: palette.clone() };
            // Twice: the second time nothing is new.
            for _ in 0..2 {
                block_on(painter.paint(&executable, 0, &painting)).unwrap();
            }
            let pixels = block_on(painter.read()).unwrap();
            let want = painted(&maps, sizes, &painting);
            assert_eq!(pixels.len(), 4 * want.len());
            for (i, (pixel, &want)) in pixels.chunks(4).zip(&want).enumerate() {
                // Levels may fall to either side of a rounding.
                let off = if matches!(hue, Hue::Class(_)) { 0 } else { 1 };
                assert!(pixel[0].abs_diff(want) <= off, "{hue:?} {size:?} at {i}: {} instead of {want}", pixel[0]);
                assert_eq!(pixel[1..], [255 - pixel[0], 7, 255]);
            }
        }
        let error = block_on(painter.paint(&executable, 1, &painting_of(palette.clone()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShapeMismatch, "{error}");
        let far = Painting { hue: Hue::Level(9, [0.0, 1.0]), ..painting_of(palette.clone()) };
        assert!(block_on(painter.paint(&executable, 0, &far)).unwrap_err().to_string().contains("channel"));
        let large = Painting { size: [1 << 20, 1 << 20], ..painting_of(palette.clone()) };
        assert!(block_on(painter.paint(&executable, 0, &large)).is_err());
    }
}

fn painting_of(palette: Vec<u32>) -> Painting {
    let view = Rectangle { x: 0.0, y: 0.0, width: 2.0, height: 2.0 };
    Painting { size: [2, 2], view, channels_first: false, hue: Hue::Class(0.0), palette }
}

/// Classes of a 2 x 3 picture: the arg-max of one-hot maps, as integers `[1, 2, 3]`.
#[test]
fn classes_of_a_network_are_painted_and_a_lost_device_is_no_matter() {
    let Some(gpu) = gpu() else { return };
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [Some(1), Some(2), Some(3), Some(4)]);
    let y = graph.add("classes", ArgMax { axis: -1, keep_dims: false }, &[x]).unwrap();
    graph.output("y", y);
    let classes = [3, 0, 1, 2, 1, 3];
    let maps: Vec<f32> = classes.iter().flat_map(|&class| (0..4).map(move |c| (c == class) as u8 as f32)).collect();
    let input = Tensor::f32([1, 2, 3, 4], maps).unwrap();

    let painting = Painting { size: [4, 6], hue: Hue::Index, ..painting_of((0..256).collect()) };
    let painting = Painting { view: Rectangle { x: 0.0, y: 0.0, width: 6.0, height: 4.0 }, ..painting };
    let mut session = Session::new(graph, Device::Gpu(gpu.clone())).unwrap();
    for _ in 0..2 {
        let inputs = Picture::Tensors(std::slice::from_ref(&input));
        let pixels = block_on(block_on(session.paint(&inputs, 0, &painting)).unwrap().read()).unwrap();
        let red: Vec<u8> = pixels.chunks(4).map(|pixel| pixel[0]).collect();
        let want: Vec<u8> = (0..24).map(|i| classes[i / 12 * 3 + i % 6 / 2] as u8).collect();
        assert_eq!(red, want);
        // Integers can be levels, too.
        let levels = Painting { hue: Hue::Level(0, [0.0, 255.0]), size: [2, 3], ..painting.clone() };
        let levels = Painting { view: Rectangle { x: 0.0, y: 0.0, width: 3.0, height: 2.0 }, ..levels };
        let pixels = block_on(block_on(session.paint(&inputs, 0, &levels)).unwrap().read()).unwrap();
        assert!(pixels.chunks(4).map(|pixel| pixel[0] as i32).eq(classes));
        gpu.destroy();
    }
    assert_eq!(session.report().losses, 1);
}
