//! Single rules of the importers: what TensorFlow means, computed by the reference kernels from small graphs.

use serde_json::{Value, json};
use striate::formats::{ImportOptions, tfjs};
use striate::graph::Graph;
use striate::ops::Op;
use striate::{Error, ErrorKind, Tensor, reference};

/// A graph model of a few nodes: inputs and int32 or float32 constants by name.
#[derive(Default)]
struct Model {
    nodes: Vec<Value>,
    weights: Vec<Value>,
    bytes: Vec<u8>,
}

impl Model {
    fn input(mut self, name: &str, dims: &[i64]) -> Self {
        let dims: Vec<_> = dims.iter().map(|d| json!({ "size": d.to_string() })).collect();
        let attr = json!({ "dtype": { "type": "DT_FLOAT" }, "shape": { "shape": { "dim": dims } } });
        self.nodes.push(json!({ "name": name, "op": "Placeholder", "attr": attr }));
        self
    }
    fn constant(mut self, name: &str, dtype: &str, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.nodes.push(json!({ "name": name, "op": "Const" }));
        self.weights.push(json!({ "name": name, "dtype": dtype, "shape": shape }));
        self.bytes.extend(bytes);
        self
    }
    fn ints(self, name: &str, shape: &[usize], values: &[i32]) -> Self {
        self.constant(name, "int32", shape, values.iter().flat_map(|n| n.to_le_bytes()).collect())
    }
    fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        self.constant(name, "float32", shape, values.iter().flat_map(|n| n.to_le_bytes()).collect())
    }
    fn node(mut self, name: &str, op: &str, inputs: &[&str], attr: Value) -> Self {
        self.nodes.push(json!({ "name": name, "op": op, "input": inputs, "attr": attr }));
        self
    }
    fn import(&self, outputs: &[&str]) -> Result<Graph, Error> {
        let model = json!({
            "modelTopology": { "node": self.nodes },
            "weightsManifest": [{ "paths": ["w"], "weights": self.weights }],
        });
        let options = ImportOptions {
            outputs: Some(outputs.iter().map(|o| o.to_string()).collect()),
            ..ImportOptions::default()
        };
        let json = model.to_string();
        crate::seeds::keep_tfjs(&json, &self.bytes);
        tfjs::import(json.as_bytes(), &self.bytes, &options).map(|i| i.graph)
    }
    fn run(&self, outputs: &[&str], inputs: &[Tensor]) -> Vec<Tensor> {
        reference::run(&self.import(outputs).unwrap(), inputs).unwrap()
    }
}

fn count(shape: &[usize]) -> Tensor {
    Tensor::f32(shape, (0..shape.iter().product()).map(|i| i as f32).collect::<Vec<_>>()).unwrap()
}

fn int(n: i64) -> Value {
    json!({ "i": n.to_string() })
}

fn ints(list: &[i64]) -> Value {
    json!({ "list": { "i": list } })
}

/// Keras' Flatten with an open batch: Shape, StridedSlice, Pack, Reshape.
#[test]
fn shape_arithmetic_keeps_the_batch_open() {
    let model = Model::default()
        .input("x", &[-1, 2, 3])
        .ints("zero", &[1], &[0])
        .ints("one", &[1], &[1])
        .ints("six", &[], &[6])
        .node("shape", "Shape", &["x"], json!({}))
        .node("batch", "StridedSlice", &["shape", "zero", "one", "one"], json!({ "shrink_axis_mask": int(1) }))
        .node("target", "Pack", &["batch", "six"], json!({}))
        .node("y", "Reshape", &["x", "target"], json!({}));
    for batch in [1, 4] {
        let y = model.run(&["y"], &[count(&[batch, 2, 3])]);
        assert_eq!(y[0].shape().as_slice(), [batch, 6]);
    }
    // The batch itself is no number yet.
    let error = model.import(&["batch"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// UpSampling2D with an open size: the size operand is the shape times a constant.
#[test]
fn resizing_by_a_factor_of_an_open_size() {
    let model = Model::default()
        .input("x", &[1, -1, -1, 1])
        .ints("one", &[1], &[1])
        .ints("three", &[1], &[3])
        .ints("factors", &[2], &[2, 3])
        .node("shape", "Shape", &["x"], json!({}))
        .node("hw", "StridedSlice", &["shape", "one", "three", "one"], json!({}))
        .node("size", "Mul", &["hw", "factors"], json!({}))
        .node("y", "ResizeNearestNeighbor", &["x", "size"], json!({ "half_pixel_centers": { "b": true } }));
    let y = model.run(&["y"], &[count(&[1, 1, 2, 1])]);
    assert_eq!(y[0].shape().as_slice(), [1, 2, 6, 1]);
    assert_eq!(y[0].as_f32().unwrap(), [0., 0., 0., 1., 1., 1., 0., 0., 0., 1., 1., 1.]);
}

#[test]
fn strided_slices_with_every_mask() {
    // x[..., newaxis, 1, ::-1] of shape [2, 3, 4, 5] is [2, 3, 1, 5] with the last axis reversed.
    let attr = json!({
        "ellipsis_mask": int(1), "new_axis_mask": int(2), "shrink_axis_mask": int(4),
        "begin_mask": int(8), "end_mask": int(8),
    });
    let model = Model::default()
        .input("x", &[2, 3, 4, 5])
        .ints("begin", &[4], &[0, 0, 1, 0])
        .ints("end", &[4], &[0, 0, 2, 0])
        .ints("strides", &[4], &[1, 1, 1, -1])
        .node("y", "StridedSlice", &["x", "begin", "end", "strides"], attr);
    let y = &model.run(&["y"], &[count(&[2, 3, 4, 5])])[0];
    assert_eq!(y.shape().as_slice(), [2, 3, 1, 5]);
    let row = |i: usize| (0..5).map(move |k| (i * 20 + 5 + 4 - k) as f32);
    assert_eq!(y.as_f32().unwrap(), (0..6).flat_map(row).collect::<Vec<_>>());
}

#[test]
fn splitting_and_packing() {
    let model = Model::default()
        .input("x", &[2, 6])
        .ints("axis", &[], &[-1])
        .ints("sizes", &[3], &[1, -1, 2])
        .node("halves", "Split", &["axis", "x"], json!({ "num_split": int(2) }))
        .node("parts", "SplitV", &["x", "sizes", "axis"], json!({ "num_split": int(3) }))
        .node("rows", "Unpack", &["x"], json!({ "num": int(2), "axis": int(0) }))
        .node("again", "Pack", &["rows:1", "rows"], json!({ "axis": int(1) }));
    let results = model.run(&["halves:1", "parts:1", "rows:1", "again"], &[count(&[2, 6])]);
    assert_eq!(results[0].as_f32().unwrap(), [3., 4., 5., 9., 10., 11.]);
    assert_eq!(results[1].as_f32().unwrap(), [1., 2., 3., 7., 8., 9.]);
    assert_eq!(
        (results[2].shape().as_slice(), results[2].as_f32().unwrap()),
        (&[6][..], &[6., 7., 8., 9., 10., 11.][..])
    );
    assert_eq!(results[3].shape().as_slice(), [6, 2]);
    assert_eq!(results[3].as_f32().unwrap()[..4], [6., 0., 7., 1.]);
}

/// The same convolution in both layouts, with a residual.
#[test]
fn nchw_is_nhwc_transposed() {
    let attr = |layout: &str, strides: [i64; 4]| {
        json!({
            "strides": ints(&strides), "padding": { "s": "U0FNRQ==" }, "data_format": { "s": layout },
            "fused_ops": { "list": { "s": ["Qmlhc0FkZA==", "QWRk", "UmVsdQ=="] } }, "num_args": int(2),
        })
    };
    let kernel: Vec<f32> = (0..3 * 3 * 2 * 4).map(|i| (i % 7) as f32 - 3.0).collect();
    let model = Model::default()
        .input("x", &[1, 5, 6, 2])
        .input("r", &[1, 3, 6, 4])
        .floats("k", &[3, 3, 2, 4], &kernel)
        .floats("b", &[4], &[1.0, -2.0, 3.0, -4.0])
        .ints("to", &[4], &[0, 3, 1, 2])
        .ints("from", &[4], &[0, 2, 3, 1])
        .node("plain", "_FusedConv2D", &["x", "k", "b", "r"], attr("TkhXQw==", [1, 2, 1, 1]))
        .node("xt", "Transpose", &["x", "to"], json!({}))
        .node("rt", "Transpose", &["r", "to"], json!({}))
        .node("conv", "_FusedConv2D", &["xt", "k", "b", "rt"], attr("TkNIVw==", [1, 1, 2, 1]))
        .node("moved", "Transpose", &["conv", "from"], json!({}));
    let results = model.run(&["plain", "moved"], &[count(&[1, 5, 6, 2]), count(&[1, 3, 6, 4])]);
    assert_eq!(results[0], results[1]);
    assert!(results[0].as_f32().unwrap().iter().any(|&v| v > 0.0));
}

/// `Conv2DBackpropInput` is the gradient of the forward convolution, whatever output size it was given.
#[test]
fn transposed_convolutions_of_every_size_that_fits() {
    for (padding, code, k, s, output) in [
        ("SAME", "U0FNRQ==", 3, 2, 10),
        ("SAME", "U0FNRQ==", 3, 2, 9),
        ("SAME", "U0FNRQ==", 2, 3, 13),
        ("VALID", "VkFMSUQ=", 3, 2, 11),
        ("VALID", "VkFMSUQ=", 3, 2, 12),
        ("VALID", "VkFMSUQ=", 2, 3, 16),
    ] {
        let (n, o) = (5usize, output as usize);
        let kernel: Vec<f32> = (0..k * k).map(|i| i as f32 + 1.0).collect();
        let attr = json!({ "strides": ints(&[1, s, s, 1]), "padding": { "s": code } });
        let model = Model::default()
            .input("dy", &[1, 5, 5, 1])
            .ints("sizes", &[4], &[1, output, output, 1])
            .floats("k", &[k, k, 1, 1], &kernel)
            .node("dx", "Conv2DBackpropInput", &["sizes", "k", "dy"], attr);
        let dx = &model.run(&["dx"], &[count(&[1, 5, 5, 1])])[0];
        assert_eq!(dx.shape().as_slice(), [1, o, o, 1], "{padding} {k} {s}");
        // Scatter by the forward rule: window i covers input pixels i * s - before ...
        let s = s as usize;
        let before = if padding == "SAME" { ((n - 1) * s + k).saturating_sub(o) / 2 } else { 0 };
        let mut expected = vec![0.0; o * o];
        for (y, x, a, b) in (0..n * n * k * k).map(|i| (i / (n * k * k), i / (k * k) % n, i / k % k, i % k)) {
            let at = |i: usize, tap: usize| (i * s + tap).checked_sub(before).filter(|&p| p < o);
            if let (Some(py), Some(px)) = (at(y, a), at(x, b)) {
                expected[py * o + px] += (y * n + x) as f32 * kernel[a * k + b];
            }
        }
        assert_eq!(dx.as_f32().unwrap(), expected, "{padding} kernel {k} stride {s} to {o}");
    }
}

#[test]
fn parametric_relu_and_local_response_normalisation() {
    let x: Vec<f32> = (0..10).map(|i| i as f32 - 4.5).collect();
    let attr = json!({
        "depth_radius": int(1), "bias": { "f": 2.0 }, "alpha": { "f": 0.5 }, "beta": { "f": 0.75 },
    });
    let model = Model::default()
        .input("x", &[1, 1, 2, 5])
        .floats("slopes", &[5], &[0.1, 0.2, 0.3, 0.4, 0.5])
        .floats("slope", &[1], &[0.25])
        .node("prelu", "Prelu", &["x", "slopes"], json!({}))
        .node("leaky", "Prelu", &["x", "slope"], json!({}))
        .node("lrn", "LRN", &["x"], attr);
    let input = Tensor::f32([1, 1, 2, 5], x.clone()).unwrap();
    let results = model.run(&["prelu", "leaky", "lrn"], &[input]);
    for (i, &v) in x.iter().enumerate() {
        let (c, pixel) = (i % 5, &x[i / 5 * 5..][..5]);
        let around: f32 = (c.saturating_sub(1)..=(c + 1).min(4)).map(|j| pixel[j] * pixel[j]).sum();
        let close = |tensor: &Tensor, expected: f32| {
            let value = tensor.as_f32().unwrap()[i];
            assert!((value - expected).abs() < 1e-5, "element {i}: {value}, expected {expected}");
        };
        close(&results[0], if v > 0.0 { v } else { v * 0.1 * (c + 1) as f32 });
        close(&results[1], if v > 0.0 { v } else { v * 0.25 });
        close(&results[2], v / (2.0 + 0.5 * around).powf(0.75));
    }
}

#[test]
fn resize_flags_choose_the_coordinates() {
    let size = |flags: Value| {
        let model = Model::default().input("x", &[1, 1, 3, 1]).ints("size", &[2], &[1, 6]).node(
            "y",
            "ResizeBilinear",
            &["x", "size"],
            flags,
        );
        model.run(&["y"], &[count(&[1, 1, 3, 1])])[0].as_f32().unwrap().to_vec()
    };
    assert_eq!(size(json!({})), [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]);
    assert_eq!(size(json!({ "half_pixel_centers": { "b": true } })), [0.0, 0.25, 0.75, 1.25, 1.75, 2.0]);
    let aligned = size(json!({ "align_corners": { "b": true } }));
    aligned.iter().zip([0.0, 0.4, 0.8, 1.2, 1.6, 2.0]).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{aligned:?}"));
}

#[test]
fn depth_to_space_and_back() {
    let model = Model::default()
        .input("x", &[-1, 1, 2, 8])
        .node("wide", "DepthToSpace", &["x"], json!({ "block_size": int(2) }))
        .node("deep", "SpaceToDepth", &["wide"], json!({ "block_size": int(2) }));
    let x = count(&[2, 1, 2, 8]);
    let results = model.run(&["wide", "deep"], std::slice::from_ref(&x));
    assert_eq!(results[0].shape().as_slice(), [2, 2, 4, 2]);
    // The first row takes channels 0 to 3 of each pixel, the second 4 to 7.
    assert_eq!(
        results[0].as_f32().unwrap()[..16],
        [0., 1., 2., 3., 8., 9., 10., 11., 4., 5., 6., 7., 12., 13., 14., 15.]
    );
    assert_eq!(results[1], x);
}

/// Explicit paddings, dilation and grouped kernels reach the operation.
#[test]
fn attributes_of_convolutions() {
    let attr = json!({
        "strides": ints(&[1, 1, 2, 1]), "dilations": ints(&[1, 2, 1, 1]), "padding": { "s": "RVhQTElDSVQ=" },
        "explicit_paddings": ints(&[0, 0, 1, 2, 3, 0, 0, 0]),
    });
    let model = Model::default().input("x", &[1, 9, 9, 4]).floats("k", &[3, 3, 2, 6], &[0.0; 108]).node(
        "y",
        "Conv2D",
        &["x", "k"],
        attr,
    );
    let graph = model.import(&["y"]).unwrap();
    let Op::Conv2d(conv) = &graph.nodes()[0].op else { panic!("{graph}") };
    assert_eq!((conv.strides, conv.dilations, conv.groups), ([1, 2], [2, 1], 2));
    assert_eq!(conv.padding, striate::Padding::Explicit([[1, 2], [3, 0]]));
    // What only importing needed is gone.
    assert_eq!(graph.values().len(), 3);
}

#[test]
fn booleans_indices_and_top_k() {
    let model = Model::default()
        .input("x", &[1, 4])
        .ints("two", &[], &[2])
        .ints("axis", &[], &[1])
        .floats("limit", &[], &[2.0])
        .node("large", "Greater", &["x", "limit"], json!({}))
        .node("mask", "Cast", &["large"], json!({ "DstT": { "type": "DT_FLOAT" } }))
        .node("nonzero", "Cast", &["x"], json!({ "DstT": { "type": "DT_BOOL" } }))
        .node("best", "TopKV2", &["x", "two"], json!({}))
        .node("half", "FloorDiv", &["best:1", "two"], json!({}))
        .node("worst", "ArgMin", &["x", "axis"], json!({}));
    let x = Tensor::f32([1, 4], [0.0, 3.0, -0.5, 7.0]).unwrap();
    let results = model.run(&["mask", "nonzero", "best", "best:1", "half", "worst"], &[x]);
    assert_eq!(results[0].as_f32().unwrap(), [0., 1., 0., 1.]);
    assert_eq!(results[1].as_u8().unwrap(), [0, 1, 1, 1]);
    assert_eq!(results[2].as_f32().unwrap(), [7., 3.]);
    assert_eq!(results[3].as_i32().unwrap(), [3, 1]);
    assert_eq!(results[4].as_i32().unwrap(), [1, 0]);
    assert_eq!(results[5].as_i32().unwrap(), [2]);
}

/// Lists that end with the last box, lists filled up, and scores of soft suppression.
#[test]
fn suppression_of_every_version() {
    let base = || {
        Model::default()
            .input("boxes", &[3, 4])
            .input("scores", &[3])
            .ints("most", &[], &[5])
            .floats("iou", &[], &[0.4])
            .floats("score", &[], &[0.1])
            .floats("sigma", &[], &[0.5])
    };
    let corners = [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]].concat();
    let inputs = [Tensor::f32([3, 4], corners).unwrap(), Tensor::f32([3], vec![0.9, 0.8, 0.7]).unwrap()];
    let operands = ["boxes", "scores", "most", "iou", "score", "sigma"];
    let third = base().node("y", "NonMaxSuppressionV3", &operands[..5], json!({}));
    let graph = third.import(&["y"]).unwrap();
    let list = reference::run(&graph, &inputs).unwrap().swap_remove(0);
    assert_eq!(graph.trimmed(0, list).unwrap(), Tensor::i32([2], vec![0, 2]).unwrap());
    let padded = json!({ "pad_to_max_output_size": { "b": true } });
    let fourth = base().node("y", "NonMaxSuppressionV4", &operands[..5], padded.clone()).run(&["y", "y:1"], &inputs);
    assert_eq!(fourth[0].as_i32().unwrap(), [0, 2, 0, 0, 0]);
    assert_eq!(fourth[1], Tensor::i32(Vec::new(), vec![2]).unwrap());
    let fifth = base().node("y", "NonMaxSuppressionV5", &operands, padded).run(&["y", "y:1", "y:2"], &inputs);
    assert_eq!(fifth[0].as_i32().unwrap(), [0, 2, 1, 0, 0]);
    assert!((fifth[1].as_f32().unwrap()[2] - 0.8 * (-0.25f32).exp()).abs() < 1e-6);
    assert_eq!(fifth[2].as_i32().unwrap(), [3]);
}
