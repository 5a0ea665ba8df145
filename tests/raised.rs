//! Networks of model files as layers (`formats::raise`): the same results, for one picture and for two, and trainable.

#![cfg(not(target_arch = "wasm32"))]

#[path = "support/vendor.rs"]
mod vendor;

use pollster::block_on;
use serde_json::json;
use striate::formats::{ImportOptions, onnx, raise, tfjs, tflite};
use striate::graph::{Graph, Output};
use striate::layers::Model;
use striate::session::{Device, Session};
use striate::train::{Batch, Compile, Trainer};
use striate::{DType, Data, Tensor, TensorType, zoo};
use vendor::vendor;

/// Smooth waves with some noise: enough structure that no layer sees only zeros.
fn picture(kind: &TensorType) -> Tensor {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let row = kind.shape.last().copied().unwrap_or(1) * 64;
    let wave = |i: usize| ((i / row) as f32 * 0.05).sin() * ((i % row) as f32 * 0.02).cos();
    let values = (0..kind.shape.elements()).map(|i| 0.8 * wave(i) + 0.2 * noise());
    assert_eq!(kind.dtype, DType::F32);
    Tensor::f32(kind.shape.clone(), values.collect::<Vec<_>>()).unwrap()
}

fn run(graph: Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    block_on(Session::new(graph, Device::Cpu).unwrap().run(inputs)).unwrap()
}

/// The largest difference of two results, relative to the largest number.
fn difference(got: &Tensor, want: &Tensor) -> f32 {
    let (Data::F32(g), Data::F32(w)) = (got.data(), want.data()) else { panic!("a result that is no float") };
    assert_eq!(g.len(), w.len(), "{} and {}", got.shape(), want.shape());
    let largest = w.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    g.iter().zip(w).fold(0f32, |m, (g, w)| m.max((g - w).abs())) / largest
}

/// The same sample twice.
fn twice(tensor: &Tensor) -> Tensor {
    let values = tensor.as_f32().unwrap();
    let shape = [&[2], &tensor.shape()[1..]].concat();
    Tensor::f32(shape, [values, values].concat()).unwrap()
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]`.
fn channels_last(image: &Tensor) -> Tensor {
    let [n, c, h, w] = image.shape()[..].try_into().unwrap();
    let (values, at) = (image.as_f32().unwrap(), |i: usize| (i / c / w / h, i % c, i / c / w % h, i / c % w));
    let value = |i: usize| {
        let (sample, channel, y, x) = at(i);
        values[((sample * c + channel) * h + y) * w + x]
    };
    Tensor::f32([n, h, w, c], (0..n * c * h * w).map(value).collect::<Vec<_>>()).unwrap()
}

/// Makes layers of a graph and holds them to it.
fn hold(graph: &Graph, input: TensorType) -> Model {
    let model = raise(graph, "raised").unwrap().model().unwrap();
    let one = picture(&input);
    let want = run(graph.clone(), std::slice::from_ref(&one));
    // A file's channels first are channels last in a model.
    let turned = model.inputs()[0].2.0[1..] != graph.inputs()[0].dims[1..];
    let one = if turned { channels_last(&one) } else { one };
    let want: Vec<Tensor> =
        want.into_iter().map(|y| if turned && y.shape().rank() == 4 { channels_last(&y) } else { y }).collect();
    let got = run(model.graph().unwrap(), std::slice::from_ref(&one));
    let both = run(model.graph().unwrap(), &[twice(&one)]);
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let error = difference(got, want);
        assert!(error <= 2e-6, "output {i} {}: {error:e}", want.shape());
        assert!(difference(&both[i], &twice(got)) <= 2e-6, "output {i}, two at a time");
    }
    model
}

fn graph_of(path: &str, weights: &str) -> Option<Graph> {
    let (file, options) = (vendor(path)?, ImportOptions::default());
    let imported = match path.rsplit('.').next() {
        Some("json") => tfjs::import(&file, &vendor(weights)?, &options),
        Some("tflite") => tflite::import(&file, &options),
        _ => onnx::import(&file, &options),
    };
    Some(imported.unwrap().graph)
}

fn at(graph: &Graph, size: usize) -> TensorType {
    let dims = graph.inputs()[0].dims.iter().enumerate();
    TensorType::f32(dims.map(|(i, d)| d.unwrap_or(if i == 0 { 1 } else { size })).collect::<Vec<_>>())
}

/// The first outputs only.
fn first(graph: &mut Graph, count: usize) {
    let outputs = graph.outputs()[..count].to_vec();
    graph.set_outputs(outputs);
}

/// How many layers there are of a class.
fn count(model: &Model, class: &str) -> usize {
    model.summary().rows.iter().filter(|row| row.class == class).count()
}

#[test]
fn a_tflite_detector() {
    let Some(graph) = graph_of("ssd_mobilenetv2_oidv4/model.tflite", "") else { return };
    let model = hold(&graph, at(&graph, 0));
    // Every convolution is a layer, and nothing is left over for functions.
    assert_eq!([count(&model, "Conv2D"), count(&model, "DepthwiseConv2D"), count(&model, "Lambda")], [55, 17, 0]);
}

#[test]
fn a_tflite_segmentation() {
    let Some(graph) = graph_of("selfie_segmentation/selfie_segmentation.tflite", "") else { return };
    hold(&graph, at(&graph, 0));
}

#[test]
fn tfjs_graph_models() {
    if let Some(mut graph) = graph_of("centernet/centernet.json", "centernet/centernet.bin") {
        // The rest chooses the highest places.
        first(&mut graph, 2);
        hold(&graph, at(&graph, 256));
    }
    if let Some(graph) = graph_of("posenet/posenet.json", "posenet/posenet.bin") {
        hold(&graph, at(&graph, 161));
    }
    if let Some(graph) = graph_of("nanodet/nanodet.json", "nanodet/nanodet.bin") {
        hold(&graph, at(&graph, 0));
    }
}

#[test]
fn an_onnx_text_detector() {
    let Some(graph) = graph_of("pp-ocrv4-det/model.onnx", "") else { return };
    hold(&graph, at(&graph, 64));
}

/// A network that ONNX and back has made layers of learns as the original does.
#[test]
fn what_was_raised_learns_like_the_original() {
    let options = json!({"inputShape": [32, 32, 3], "classes": 4, "alpha": 0.35, "seed": 5});
    let original = zoo::build("MobileNetV2", &options).unwrap();
    let file = onnx::export(&original.graph().unwrap(), &onnx::ExportOptions::default()).unwrap();
    let graph = onnx::import(&file, &ImportOptions::default()).unwrap().graph;
    let raised = raise(&graph, "raised").unwrap().model().unwrap();
    let shapes = |model: &Model| {
        let mut shapes: Vec<_> =
            model.weights().iter().map(|w| (w.spec.shape.clone(), model.is_trainable(w))).collect();
        shapes.sort();
        shapes
    };
    assert_eq!(shapes(&original), shapes(&raised), "the same weights, trained and not");
    let x = picture(&TensorType::f32([8, 32, 32, 3]));
    let batch = Batch::pair(x, Tensor::i32([8], vec![0, 1, 2, 3, 0, 1, 2, 3]).unwrap());
    let losses = [original, raised].map(|model| {
        let compile =
            json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.005}}, "loss": "sparse_categorical_crossentropy"});
        let compile = Compile::from_json(&compile, &model).unwrap();
        let mut trainer = Trainer::new(model, compile, Device::Cpu).unwrap();
        let mut losses = Vec::new();
        for _ in 0..6 {
            trainer.reset_logs();
            let logs = block_on(trainer.train_on_batch(&batch, true)).unwrap().unwrap();
            losses.push(logs[0].1.as_f32().unwrap()[0]);
        }
        losses
    });
    println!("{losses:?}");
    for (a, b) in losses[0].iter().zip(&losses[1]) {
        assert_eq!(a, b, "{losses:?}");
    }
    assert!(losses[0][5] < losses[0][0], "{losses:?}");
}

/// A published network, cut before its end and with a head of its own.
#[test]
fn what_a_layer_cannot_say_is_an_error_that_names_the_node() {
    let Some(graph) = graph_of("centernet/centernet.json", "centernet/centernet.bin") else { return };
    let error = raise(&graph, "raised").unwrap_err();
    assert!(error.to_string().contains("TopK"), "{error}");
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, vec![Some(1), Some(4)]);
    let y = graph.add("together", striate::ops::Reshape::to(&[4]), &[x]).unwrap();
    graph.set_outputs(vec![Output { name: "y".into(), value: y }]);
    let error = raise(&graph, "raised").unwrap_err();
    assert!(error.to_string().contains("together") && error.to_string().contains("batch"), "{error}");
}
