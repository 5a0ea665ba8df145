//! What operators mean: values worked out by hand or by plain loops.

use std::collections::BTreeMap;

use striate::formats::{ImportOptions, onnx};
use striate::{DType, ErrorKind, Tensor, reference};

use super::writer::{Attribute, Elements, Message, Model, node, tensor, value};
use super::{assert_near, floats, imported, numbers, plain_conv, run};

#[test]
fn convolution_batch_norm_relu() {
    let kernel = numbers(1, 4 * 3 * 9);
    let [gamma, beta, mean, variance] =
        [[1.0, 2.0, 0.5, -1.0], [0.1, 0.2, 0.3, 0.4], [0.5, -0.5, 0.0, 1.0], [1.0, 4.0, 0.25, 2.0]];
    let mut model = Model::new().input("x", &[1, 3, 4, 5]).constant("w", &[4, 3, 3, 3], Elements::F32(kernel.clone()));
    for (name, list) in [("g", gamma), ("b", beta), ("m", mean), ("v", variance)] {
        model = model.constant(name, &[4], Elements::F32(list.to_vec()));
    }
    let model = model
        .node("Conv", &["x", "w"], "conv", &[("auto_pad", Attribute::Text("SAME_UPPER"))])
        .node("BatchNormalization", &["conv", "g", "b", "m", "v"], "bn", &[("epsilon", Attribute::Float(0.0))])
        .node("Relu", &["bn"], "y", &[])
        .output("y");
    let x = numbers(2, 60);
    let conv = plain_conv(&x, [3, 4, 5], &kernel, [4, 3], 1);
    let want = conv.iter().enumerate().map(|(i, v)| {
        let c = i / 20;
        ((v - mean[c]) / f32::sqrt(variance[c]) * gamma[c] + beta[c]).max(0.0)
    });
    let want: Vec<f32> = want.collect();
    assert_near(&run(&model, &[Tensor::f32([1, 3, 4, 5], x).unwrap()])[0], &[1, 4, 4, 5], &want);
}

#[test]
fn quantise_and_back_around_a_convolution() {
    // x, quantised per tensor to uint8, weights int8 per output channel, the sum, quantised again.
    let model = Model::new()
        .input("x", &[1, 1, 1, 4])
        .constant("xs", &[], Elements::F32(vec![0.5]))
        .constant("xz", &[], Elements::U8(vec![10]))
        .constant("w", &[2, 1, 1, 1], Elements::I8(vec![-3, 5]))
        .constant("ws", &[2], Elements::F32(vec![0.1, 0.2]))
        .constant("wz", &[2], Elements::I8(vec![0, 1]))
        .node("QuantizeLinear", &["x", "xs", "xz"], "q", &[])
        .node("DequantizeLinear", &["q", "xs", "xz"], "d", &[])
        .node("DequantizeLinear", &["w", "ws", "wz"], "wd", &[("axis", Attribute::Int(0))])
        .node("Conv", &["d", "wd"], "conv", &[])
        .output("q")
        .output("conv");
    // Halves go to the even neighbour: 0.25 / 0.5 is 0.5, 0.75 / 0.5 is 1.5.
    let x = Tensor::f32([1, 1, 1, 4], vec![0.25, 0.75, -100.0, 1000.0]).unwrap();
    let outputs = run(&model, &[x]);
    assert_eq!(outputs[0], Tensor::u8([1, 1, 1, 4], vec![10, 12, 0, 255]).unwrap());
    let d = [0.0, 1.0, -5.0, 122.5];
    let want: Vec<f32> = [-0.3, 0.8].iter().flat_map(|w| d.map(|x| x * w)).collect();
    for (a, b) in outputs[1].as_f32().unwrap().iter().zip(&want) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn integer_products_are_exact_beyond_the_floats() {
    // 600 products of up to 255 x 255: 39 million, above 2^24; the float sum would be off.
    let (m, k, n) = (2, 600, 3);
    let a: Vec<u8> = (0..m * k).map(|i| if i % 7 == 0 { (i * 31 % 256) as u8 } else { 255 }).collect();
    let b: Vec<u8> = (0..k * n).map(|i| if i % 5 == 0 { (i * 17 % 256) as u8 } else { 254 }).collect();
    let mut model = Model::new()
        .constant("b", &[k as i64, n as i64], Elements::U8(b.clone()))
        .constant("za", &[], Elements::U8(vec![3]))
        .constant("zb", &[], Elements::U8(vec![1]))
        .node("MatMulInteger", &["a", "b", "za", "zb"], "y", &[])
        .output("y");
    model.inputs.push(value("a", 2, &[m as i64, k as i64]));
    let want: Vec<i32> = (0..m * n)
        .map(|i| (0..k).map(|l| (a[i / n * k + l] as i32 - 3) * (b[l * n + i % n] as i32 - 1)).sum())
        .collect();
    assert!(want.iter().all(|&v| v > 1 << 24), "the case is none: {want:?}");
    let outputs = run(&model, &[Tensor::u8([m, k], a).unwrap()]);
    assert_eq!(outputs[0], Tensor::i32([m, n], want).unwrap());
}

#[test]
fn a_quantised_convolution_rounds_and_saturates() {
    let mut model = Model::new()
        .constant("xs", &[], Elements::F32(vec![0.5]))
        .constant("xz", &[], Elements::U8(vec![128]))
        .constant("w", &[1, 1, 1, 2], Elements::I8(vec![2, -1]))
        .constant("ws", &[], Elements::F32(vec![0.25]))
        .constant("wz", &[], Elements::I8(vec![0]))
        .constant("ys", &[], Elements::F32(vec![0.25]))
        .constant("yz", &[], Elements::U8(vec![100]))
        .constant("bias", &[1], Elements::I32(vec![1]))
        .node(
            "QLinearConv",
            &["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "bias"],
            "y",
            &[("pads", Attribute::Ints(vec![0, 1, 0, 0]))],
        )
        .output("y");
    model.inputs.push(value("x", 2, &[1, 1, 1, 4]));
    // Sums: -(-28) + 1, 2 (-28) - 0 + 1, 0 - 127 + 1, 254 - (-128) + 1; half of them, rounded to even, plus 100.
    let outputs = run(&model, &[Tensor::u8([1, 1, 1, 4], vec![100, 128, 255, 0]).unwrap()]);
    assert_eq!(outputs[0], Tensor::u8([1, 1, 1, 4], vec![114, 72, 37, 255]).unwrap());
}

#[test]
fn resizing_by_scales_and_by_sizes() {
    let mode = |mode, coordinates| {
        [("mode", Attribute::Text(mode)), ("coordinate_transformation_mode", Attribute::Text(coordinates))]
    };
    let model = Model::new()
        .input("x", &[1, 1, 2, 2])
        .constant("scales", &[4], Elements::F32(vec![1.0, 1.0, 2.0, 2.0]))
        .constant("sizes", &[4], Elements::I64(vec![1, 1, 1, 3]))
        .node("Resize", &["x", "", "scales"], "near", &mode("nearest", "asymmetric"))
        .node("Resize", &["x", "", "", "sizes"], "line", &mode("linear", "align_corners"))
        .output("near")
        .output("line");
    let outputs = run(&model, &[Tensor::f32([1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap()]);
    // round_prefer_floor of 0, 0.5, 1, 1.5 is 0, 0, 1, 1.
    let rows = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0, 4.0, 4.0];
    assert_near(&outputs[0], &[1, 1, 4, 4], &rows);
    assert_near(&outputs[1], &[1, 1, 1, 3], &[1.0, 1.5, 2.0]);
}

#[test]
fn shapes_that_follow_an_open_batch() {
    // Reshape to [batch, 6] as PyTorch writes it: Shape, Gather, Unsqueeze, Concat.
    let model = Model::new()
        .input("x", &[-1, 2, 3])
        .constant("zero", &[], Elements::I64(vec![0]))
        .constant("axes", &[1], Elements::I64(vec![0]))
        .constant("rest", &[1], Elements::I64(vec![-1]))
        .node("Shape", &["x"], "shape", &[])
        .node("Gather", &["shape", "zero"], "batch", &[])
        .node("Unsqueeze", &["batch", "axes"], "batch1", &[])
        .node("Concat", &["batch1", "rest"], "target", &[("axis", Attribute::Int(0))])
        .node("Reshape", &["x", "target"], "y", &[])
        .output("y");
    let x = numbers(1, 18);
    assert_near(&run(&model, &[Tensor::f32([3, 2, 3], x.clone()).unwrap()])[0], &[3, 6], &x);
}

#[test]
fn what_open_dimensions_cannot_say_is_asked_for() {
    // Rounding a size up depends on the size.
    let pool = [
        ("kernel_shape", Attribute::Ints(vec![2, 2])),
        ("strides", Attribute::Ints(vec![2, 2])),
        ("ceil_mode", Attribute::Int(1)),
    ];
    let model = Model::new().input("x", &[1, 1, -1, -1]).node("MaxPool", &["x"], "y", &pool).output("y");
    let error = onnx::import(&model.bytes(), &ImportOptions::default()).unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("give the inputs' shapes"), "{error}");
    let input_shapes = BTreeMap::from([("x".to_string(), vec![1, 1, 3, 3])]);
    let options = ImportOptions { input_shapes, ..ImportOptions::default() };
    let graph = onnx::import(&model.bytes(), &options).unwrap().graph;
    let x = Tensor::f32([1, 1, 3, 3], (0..9).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    assert_near(&reference::run(&graph, &[x]).unwrap()[0], &[1, 1, 2, 2], &[4.0, 5.0, 7.0, 8.0]);
    let input_shapes = BTreeMap::from([("image".to_string(), vec![1, 1, 3, 3])]);
    let options = ImportOptions { input_shapes, ..ImportOptions::default() };
    let error = onnx::import(&model.bytes(), &options).unwrap_err();
    assert!(error.to_string().contains("no input \"image\""), "{error}");
    let input_shapes = BTreeMap::from([("x".to_string(), vec![2, 1, 3, 3])]);
    let options = ImportOptions { input_shapes, ..ImportOptions::default() };
    assert_eq!(onnx::import(&model.bytes(), &options).unwrap_err().kind(), ErrorKind::ShapeMismatch);
}

#[test]
fn inputs_that_never_change_become_constants() {
    let mut model = Model::new().input("x", &[1, 6]).node("Reshape", &["x", "shape"], "y", &[]).output("y");
    model.inputs.push(value("shape", 7, &[2]));
    let error = onnx::import(&model.bytes(), &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("`shape`"), "{error}");
    let constants = BTreeMap::from([("shape".to_string(), Tensor::i32([2], vec![2, -1]).unwrap())]);
    let options = ImportOptions { constants, ..ImportOptions::default() };
    let graph = onnx::import(&model.bytes(), &options).unwrap().graph;
    assert_eq!(graph.inputs().len(), 1);
    let x = numbers(1, 6);
    assert_near(&reference::run(&graph, &[Tensor::f32([1, 6], x.clone()).unwrap()]).unwrap()[0], &[2, 3], &x);
}

#[test]
fn external_data_is_looked_up_by_location() {
    let entry = |key: &str, text: &str| Message::default().text(1, key).text(2, text);
    let bias = Message::default()
        .int(1, 2)
        .int(2, 1)
        .text(8, "bias")
        .message(13, &entry("location", "weights.bin"))
        .message(13, &entry("offset", "4"))
        .message(13, &entry("length", "8"))
        .int(14, 1);
    let mut model = Model::new().input("x", &[2]).node("Add", &["x", "bias"], "y", &[]).output("y");
    model.initializers.push(bias);
    let import = |files: BTreeMap<String, Vec<u8>>| {
        onnx::import(&model.bytes(), &ImportOptions { external_data: files, ..ImportOptions::default() })
    };
    let bytes: Vec<u8> = [9.0f32, 1.0, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let graph = import(BTreeMap::from([("weights.bin".to_string(), bytes.clone())])).unwrap().graph;
    let y = reference::run(&graph, &[Tensor::f32([2], vec![0.0, 0.0]).unwrap()]).unwrap();
    assert_near(&y[0], &[2], &[1.0, 2.0]);
    assert!(import(BTreeMap::new()).unwrap_err().to_string().contains("weights.bin"));
    let short = BTreeMap::from([("weights.bin".to_string(), bytes[..8].to_vec())]);
    assert!(import(short).unwrap_err().to_string().contains("outside"));
}

#[test]
fn a_branch_with_a_constant_condition_is_taken() {
    let branch = |op: &str| {
        let mut graph = Model::new();
        graph.nodes.push(node(op, &["x"], &["inner"], &[]));
        graph.output("inner").graph()
    };
    let mut model = Model::new().input("x", &[3]).constant("yes", &[], Elements::Bool(vec![true]));
    let branches = [("then_branch", Attribute::Graph(branch("Neg"))), ("else_branch", Attribute::Graph(branch("Abs")))];
    model = model.node("If", &["yes"], "y", &branches).output("y");
    let x = Tensor::f32([3], vec![1.0, -2.0, 3.0]).unwrap();
    assert_near(&run(&model, &[x])[0], &[3], &[-1.0, 2.0, -3.0]);
}

#[test]
fn softmax_before_version_13_is_over_all_axes_behind() {
    let mut model = Model::new().input("x", &[1, 2, 2]).node("Softmax", &["x"], "y", &[]).output("y");
    model.opset = 11;
    let x = Tensor::f32([1, 2, 2], vec![0.0; 4]).unwrap();
    assert_near(&run(&model, std::slice::from_ref(&x))[0], &[1, 2, 2], &[0.25; 4]);
    model.opset = 13;
    assert_near(&run(&model, &[x])[0], &[1, 2, 2], &[0.5; 4]);
}

#[test]
fn stored_types() {
    // float16 and bfloat16 in their lists, doubles raw, int64 beyond 32 bits saturated.
    let half = Message::default().int(1, 2).int(2, 10).text(8, "half").bytes(5, &[0x80, 0x78, 0x80, 0x80, 0x03]);
    let brain = Message::default().int(1, 2).int(2, 16).text(8, "brain").bytes(5, &[0x80, 0x7f, 0x80, 0x81, 0x03]);
    let double: Vec<u8> = [0.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let double = Message::default().int(1, 2).int(2, 11).text(8, "double").bytes(9, &double);
    assert_near(&onnx::read_tensor(&double.0).unwrap(), &[2], &[0.5, -2.0]);
    // 0x3c00 and 0xc000; 0x3f80 and 0xc080.
    assert_near(&onnx::read_tensor(&half.0).unwrap(), &[2], &[1.0, -2.0]);
    assert_near(&onnx::read_tensor(&brain.0).unwrap(), &[2], &[1.0, -4.0]);
    let long = tensor("long", &[2], &Elements::I64(vec![1 << 40, -(1 << 40)]));
    let long = onnx::read_tensor(&long.0).unwrap();
    assert_eq!((long.dtype(), long.as_i32().unwrap()), (DType::I32, &[i32::MAX, i32::MIN][..]));
    let bytes = tensor("bytes", &[2], &Elements::I8(vec![-1, 5]));
    assert_eq!(onnx::read_tensor(&bytes.0).unwrap().as_i32().unwrap(), [-1, 5]);
    let wrong = tensor("short", &[3], &Elements::F32(vec![1.0]));
    assert_eq!(onnx::read_tensor(&wrong.0).unwrap_err().kind(), ErrorKind::ShapeMismatch);
}

#[test]
fn only_what_the_outputs_need_is_read() {
    let mut model = Model::new().input("x", &[1, 4]).constant("w", &[4, 2], floats(1, 8));
    model = model.node("MatMul", &["x", "w"], "scores", &[]);
    model.nodes.push(node("NonZero", &["scores"], &["y"], &[]));
    let model = model.output("y");
    let error = onnx::import(&model.bytes(), &ImportOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(error.kind() == ErrorKind::Unsupported && text.contains("NonZero") && text.contains("outputs"), "{text}");
    let options = ImportOptions { outputs: Some(vec!["scores".into()]), ..ImportOptions::default() };
    assert_eq!(onnx::import(&model.bytes(), &options).unwrap().graph.nodes().len(), 1);
    assert_eq!(imported(&Model::new().input("x", &[1]).node("Abs", &["x"], "y", &[]).output("y")).nodes().len(), 1);
}
