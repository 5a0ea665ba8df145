//! Graphs written as ONNX and read again compute what they did before.

use striate::conformance;
use striate::formats::onnx::{self, ExportOptions};
use striate::formats::{ImportOptions, tflite};
use striate::graph::Graph;
use striate::ops::{
    BatchNorm, Binary, BinaryKind, Conv2d, Coordinates, Epilogue, Op, Reduce, ReduceKind, Reshape, Resize, ResizeMode,
    ResizeSize, Unary,
};
use striate::{DType, Data, ErrorKind, Padding, Tensor, reference};

use super::{count, numbers};
use crate::tiny::{self, Stored};

fn written(graph: &Graph) -> Vec<u8> {
    onnx::export(graph, &ExportOptions::default()).unwrap()
}

fn read(file: &[u8]) -> Graph {
    onnx::import(file, &ImportOptions::default()).unwrap().graph
}

/// The largest difference, as a fraction of the largest number.
fn distance(a: &Tensor, b: &Tensor) -> f32 {
    match (a.data(), b.data()) {
        _ if a.kind() != b.kind() => f32::INFINITY,
        (Data::F32(a), Data::F32(b)) => {
            let scale = b.iter().fold(f32::MIN_POSITIVE, |m, v| if v.is_finite() { m.max(v.abs()) } else { m });
            let apart = |(a, b): (&f32, &f32)| if a == b || a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() };
            a.iter().zip(b).map(apart).fold(0.0, |m: f32, d| if d.is_nan() { f32::INFINITY } else { m.max(d) }) / scale
        }
        (a, b) => {
            if a == b {
                0.0
            } else {
                f32::INFINITY
            }
        }
    }
}

fn is_training(op: &Op) -> bool {
    matches!(op, Op::OptimizerStep(_) | Op::Random(_) | Op::BatchNormStatistics(_))
        || op.operator().name().contains("Backward")
}

/// The graph with its inputs' shapes fixed.
fn written_for(graph: &Graph, inputs: &[Tensor]) -> striate::Result<Vec<u8>> {
    let name = |i: &striate::graph::Input| graph.values()[i.value.index()].name.clone();
    let shapes = graph.inputs().iter().zip(inputs).map(|(i, t)| (name(i), t.shape().to_vec()));
    onnx::export(graph, &ExportOptions { input_shapes: shapes.collect(), ..Default::default() })
}

/// Each case's graph, written, read and run by the interpreter: the same to the bit, or to two units in the last place where a
/// function is made of several of ONNX' operators.
#[test]
fn every_case_of_the_conformance_list_comes_back() {
    let (mut wrong, mut same, mut refused) = (Vec::new(), 0, 0);
    for case in conformance::cases() {
        // An importer leaves out what no output needs; integers that overflow are nobody's business.
        if case.name.starts_with("net/unused_input") || case.name == "binary/floor_div_i32_edges" {
            continue;
        }
        let training = case.graph.nodes().iter().any(|n| is_training(&n.op)) || case.graph.updates().next().is_some();
        let file = match written_for(&case.graph, &case.inputs) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                refused += 1;
                let named = error.layer().is_some() || case.graph.updates().next().is_some();
                assert!(named, "{}: {error}", case.name);
                if !training && !error.message().contains("suppression") {
                    wrong.push(format!("{}: {error}", case.name));
                }
                continue;
            }
            Err(error) => panic!("{}: {error}", case.name),
        };
        assert!(!training, "{}: training cannot be written", case.name);
        let before = conformance::expected(&case).unwrap();
        let after = onnx::import(&file, &ImportOptions::default())
            .and_then(|i| reference::run(&i.graph, &case.inputs).map(|outputs| (i.graph, outputs)));
        let (graph, after) = match after {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{}: {error}", case.name));
                continue;
            }
        };
        let trim = |graph: &Graph, outputs: Vec<Tensor>| -> Vec<Tensor> {
            outputs.into_iter().enumerate().map(|(i, t)| graph.trimmed(i, t).unwrap()).collect()
        };
        let (before, after) = (trim(&case.graph, before), trim(&graph, after));
        assert_eq!(before.len(), after.len(), "{}", case.name);
        let worst = after.iter().zip(&before).map(|(a, b)| distance(a, b)).fold(0.0, f32::max);
        if worst > 2e-6 {
            wrong.push(format!("{}: {worst}", case.name));
        }
        same += (worst == 0.0) as usize;
    }
    println!("{same} the same to the bit, {refused} refused");
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > 1200, "only {same} are the same to the bit");
}

/// How many nodes of a file have this operator: field 4 of a node.
fn operators(file: &[u8], op: &str) -> usize {
    let field = [&[0x22, op.len() as u8], op.as_bytes()].concat();
    file.windows(field.len()).filter(|window| *window == field).count()
}

fn image_input(graph: &mut Graph, height: Option<usize>) -> striate::graph::ValueId {
    graph.input("image", DType::F32, vec![None, height, height, Some(3)])
}

#[test]
fn sizes_that_are_open_stay_open() {
    let mut graph = Graph::new();
    let x = image_input(&mut graph, None);
    let kernel = graph.constant("kernel", Tensor::f32([3, 3, 3, 4], numbers(1, 108)).unwrap());
    let conv = |strides| Conv2d { strides, padding: Padding::Same, ..Conv2d::default() };
    let half = graph.add("half", conv([2, 2]), &[x, kernel]).unwrap();
    let whole = graph.add("whole", conv([1, 1]), &[x, kernel]).unwrap();
    let size = ResizeSize::Factors([2.0, 3.0]);
    let resize = Resize { size, mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel };
    let resized = graph.add("resized", resize, &[whole]).unwrap();
    let mean = Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: false };
    let mean = graph.add("mean", mean, &[half]).unwrap();
    [("half", half), ("resized", resized), ("mean", mean)].into_iter().for_each(|(n, v)| graph.output(n, v));
    let file = written(&graph);
    assert_eq!(onnx::inspect(&file).unwrap().opset, Some(17));
    let after = read(&file);
    assert_eq!(after.inputs()[0].dims, [None, None, None, Some(3)]);
    for [n, h, w] in [[1, 7, 9], [2, 8, 5]] {
        let input = Tensor::f32([n, h, w, 3], numbers(2, n * h * w * 3)).unwrap();
        let (want, got) =
            (reference::run(&graph, std::slice::from_ref(&input)).unwrap(), reference::run(&after, &[input]).unwrap());
        assert_eq!(want, got);
    }
}

#[test]
fn names_are_made_unique_and_outputs_keep_theirs() {
    let mut graph = Graph::new();
    let x = graph.input("", DType::F32, vec![Some(2)]);
    let strange = "n\u{0}\u{1f600}\"\\ \u{fffd}";
    let a = graph.add("", Unary::Neg, &[x]).unwrap();
    let b = graph.add("same", Unary::Abs, &[a]).unwrap();
    let c = graph.add("same", Unary::Exp, &[b]).unwrap();
    let fixed = graph.constant("same", Tensor::f32([2], vec![0.5, 2.0]).unwrap());
    let d = graph.add(strange, Binary::new(BinaryKind::Add), &[c, fixed]).unwrap();
    // The same value twice, a constant, an input, and a name that an inner value has.
    let outputs = [("same", d), ("twice", d), ("fixed", fixed), ("given", x), (strange, b), ("", a)];
    outputs.into_iter().for_each(|(name, value)| graph.output(name, value));
    let file = written(&graph);
    let inspection = onnx::inspect(&file).unwrap();
    assert_eq!(inspection.inputs, ["input"]);
    assert_eq!(inspection.outputs, ["same", "twice", "fixed", "given", strange, "output"]);
    let input = Tensor::f32([2], vec![-1.5, 0.25]).unwrap();
    assert_eq!(
        reference::run(&read(&file), std::slice::from_ref(&input)).unwrap(),
        reference::run(&graph, &[input]).unwrap()
    );
}

#[test]
fn tensors_of_no_elements_are_written() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, vec![None, Some(0), Some(3)]);
    let y = graph.add(
        "y",
        Reshape { dims: vec![striate::ops::ReshapeDim::Copy(0), striate::ops::ReshapeDim::Size(0)] },
        &[x],
    );
    let none = graph.constant("none", Tensor::f32([2, 0], vec![]).unwrap());
    let z = graph.add("z", striate::ops::Concat { axis: 0 }, &[y.unwrap(), none]).unwrap();
    graph.output("z", z);
    let input = Tensor::f32([4, 0, 3], vec![]).unwrap();
    let outputs = reference::run(&read(&written(&graph)), &[input]).unwrap();
    assert_eq!(outputs[0].shape()[..], [6, 0]);
}

/// A network of convolutions has one transposition: of the input. With channels first it has none.
#[test]
fn nothing_is_transposed_between_layers() {
    let mut graph = Graph::new();
    let x = image_input(&mut graph, Some(12));
    let kernel = graph.constant("kernel", Tensor::f32([3, 3, 3, 3], numbers(1, 81)).unwrap());
    let channels: Vec<_> = (0..4)
        .map(|i| {
            graph.constant("c", Tensor::f32([3], numbers(i, 3).iter().map(|x| x + 2.0).collect::<Vec<_>>()).unwrap())
        })
        .collect();
    let conv = Conv2d { padding: Padding::Same, ..Conv2d::default() };
    let mut y = graph.add("first", conv.clone(), &[x, kernel]).unwrap();
    y = graph
        .add("norm", BatchNorm { epsilon: 1e-3 }, &[y, channels[0], channels[1], channels[2], channels[3]])
        .unwrap();
    let activated = graph.add("swish", Unary::Swish, &[y]).unwrap();
    let scaled = graph.add("scale", Binary::new(BinaryKind::Mul), &[activated, channels[0]]).unwrap();
    let residual = Conv2d { epilogue: Epilogue { residual: true, ..Epilogue::default() }, ..conv };
    y = graph.add("second", residual, &[scaled, kernel, y]).unwrap();
    // Squeeze and excite.
    let mean = Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: true };
    let gate = graph.add("mean", mean.clone(), &[y]).unwrap();
    let gate = graph.add("gate", Unary::Sigmoid, &[gate]).unwrap();
    y = graph.add("gated", Binary::new(BinaryKind::Mul), &[y, gate]).unwrap();
    let list = graph.add("mean", Reduce { keep_dims: false, ..mean }, &[y]).unwrap();
    graph.output("classes", list);
    let file = written(&graph);
    assert_eq!(operators(&file, "Transpose"), 1);
    let first = ExportOptions { channels_first_inputs: true, ..ExportOptions::default() };
    let first = onnx::export(&graph, &first).unwrap();
    assert_eq!(operators(&first, "Transpose"), 0);
    let input = Tensor::f32([1, 12, 12, 3], numbers(3, 432)).unwrap();
    let want = reference::run(&graph, std::slice::from_ref(&input)).unwrap();
    for (file, channels_last) in [(file, false), (first, true)] {
        let options = ImportOptions { channels_last, ..ImportOptions::default() };
        let graph = onnx::import(&file, &options).unwrap().graph;
        assert_eq!(count(&graph, "Transpose"), 0, "{channels_last}");
        let got = reference::run(&graph, std::slice::from_ref(&input)).unwrap();
        assert!(distance(&got[0], &want[0]) < 1e-6);
    }
}

#[test]
fn what_onnx_cannot_say_names_the_node() {
    let mut graph = Graph::new();
    let x = image_input(&mut graph, None);
    let resize = Resize {
        size: ResizeSize::Fixed([4, 4]),
        mode: ResizeMode::tensorflow("lanczos3", true).unwrap(),
        coordinates: Coordinates::HalfPixel,
    };
    let y = graph.add("thumbnail", resize, &[x]).unwrap();
    graph.output("y", y);
    let error = onnx::export(&graph, &ExportOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Unsupported, Some("thumbnail")));
    // With a size it can.
    let input = Tensor::f32([1, 9, 7, 3], numbers(1, 189)).unwrap();
    let file = written_for(&graph, std::slice::from_ref(&input)).unwrap();
    let got = reference::run(&read(&file), std::slice::from_ref(&input)).unwrap();
    assert!(distance(&got[0], &reference::run(&graph, &[input]).unwrap()[0]) < 1e-6);
    let stranger = [("picture".to_string(), vec![1])].into_iter().collect();
    let options = ExportOptions { input_shapes: stranger, ..ExportOptions::default() };
    assert_eq!(onnx::export(&graph, &options).unwrap_err().received(), Some("picture"));
}

#[test]
fn a_tflite_file_becomes_an_onnx_file() {
    let imported = tflite::import(&tiny::tflite(Stored::F32), &ImportOptions::default()).unwrap();
    let picture = Tensor::f32([1, 8, 8, 3], tiny::picture()).unwrap();
    let want = reference::run(&imported.graph, std::slice::from_ref(&picture)).unwrap();
    let got = reference::run(&read(&written(&imported.graph)), &[picture]).unwrap();
    assert!(distance(&got[0], &want[0]) < 1e-6, "{got:?}, expected {want:?}");
}
