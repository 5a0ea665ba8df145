//! How images lie: transposes only where the file's meaning demands them.

use striate::formats::{ImportOptions, onnx};
use striate::{Tensor, reference};

use super::writer::{Attribute, Elements, Model};
use super::{assert_near, count, floats, imported, numbers, plain_conv, run};

const SAME: [i64; 4] = [1, 1, 1, 1];

/// Adds a convolution with batch normalisation.
fn conv_bn(model: Model, x: &str, name: &str, [c, out, k, stride]: [i64; 4]) -> Model {
    let pad = k / 2;
    let attributes = [("pads", Attribute::Ints(vec![pad; 4])), ("strides", Attribute::Ints(vec![stride; 2]))];
    let names = ["w", "g", "b", "m", "v"].map(|part| format!("{name}/{part}"));
    let [w, g, b, m, v] = names.each_ref().map(String::as_str);
    model
        .constant(w, &[out, c, k, k], floats(out as usize, (out * c * k * k) as usize))
        .constant(g, &[out], floats(1, out as usize))
        .constant(b, &[out], floats(2, out as usize))
        .constant(m, &[out], floats(3, out as usize))
        .constant(v, &[out], Elements::F32(vec![1.5; out as usize]))
        .node("Conv", &[x, w], &format!("{name}/conv"), &attributes)
        .node("BatchNormalization", &[&format!("{name}/conv"), g, b, m, v], name, &[])
}

/// A small residual network: stem, one block with a shortcut that is a convolution, one without, head.
fn resnet() -> Model {
    let mut model = Model::new().input("x", &[-1, 3, 16, 16]);
    model = conv_bn(model, "x", "stem", [3, 8, 3, 2]);
    model = model.node("Relu", &["stem"], "stem/relu", &[]);
    let pool = [
        ("kernel_shape", Attribute::Ints(vec![3, 3])),
        ("pads", Attribute::Ints(SAME.to_vec())),
        ("strides", Attribute::Ints(vec![2, 2])),
    ];
    model = model.node("MaxPool", &["stem/relu"], "pool", &pool);
    model = conv_bn(model, "pool", "a1", [8, 12, 3, 1]);
    model = model.node("Relu", &["a1"], "a1/relu", &[]);
    model = conv_bn(model, "a1/relu", "a2", [12, 12, 3, 1]);
    model = conv_bn(model, "pool", "a0", [8, 12, 1, 1]);
    model = model.node("Add", &["a2", "a0"], "a", &[]).node("Relu", &["a"], "a/relu", &[]);
    model = conv_bn(model, "a/relu", "b1", [12, 12, 3, 1]);
    model = model.node("Add", &["b1", "a/relu"], "b", &[]).node("Relu", &["b"], "b/relu", &[]);
    // Squeeze and excite: a global pool, two 1x1 convolutions, a product that broadcasts.
    model = model.node("GlobalAveragePool", &["b/relu"], "se", &[]).constant("se/w", &[12, 12, 1, 1], floats(5, 144));
    model = model.node("Conv", &["se", "se/w"], "se/conv", &[]).node("HardSigmoid", &["se/conv"], "gate", &[]);
    model = model.node("Mul", &["b/relu", "gate"], "gated", &[]);
    model = model.constant("scale", &[12, 1, 1], floats(6, 12)).node("Mul", &["gated", "scale"], "scaled", &[]);
    model = model.node("Concat", &["scaled", "a/relu"], "joined", &[("axis", Attribute::Int(1))]);
    model = model.node("GlobalAveragePool", &["joined"], "mean", &[]).node("Flatten", &["mean"], "flat", &[]);
    model = model.constant("fc/w", &[5, 24], floats(7, 120)).constant("fc/b", &[5], floats(8, 5));
    model = model.node("Gemm", &["flat", "fc/w", "fc/b"], "fc", &[("transB", Attribute::Int(1))]);
    model.node("Softmax", &["fc"], "y", &[]).output("y")
}

#[test]
fn a_residual_network_transposes_its_input_and_nothing_else() {
    let model = resnet();
    let graph = imported(&model);
    assert_eq!(count(&graph, "Transpose"), 1, "{graph:?}");
    let options = ImportOptions { channels_last: true, ..ImportOptions::default() };
    let last = onnx::import(&model.bytes(), &options).unwrap().graph;
    assert_eq!(count(&last, "Transpose"), 0, "{last:?}");
    // Both are the same network.
    let first = numbers(9, 2 * 3 * 256);
    let moved = (0..first.len()).map(|i| {
        let (n, p, c) = (i / 768, i / 3 % 256, i % 3);
        first[(n * 3 + c) * 256 + p]
    });
    let moved = Tensor::f32([2, 16, 16, 3], moved.collect::<Vec<_>>()).unwrap();
    let first = Tensor::f32([2, 3, 16, 16], first).unwrap();
    let (a, b) = (reference::run(&graph, &[first]).unwrap(), reference::run(&last, &[moved]).unwrap());
    assert_near(&a[0], &[2, 5], b[0].as_f32().unwrap());
    assert!(a[0].as_f32().unwrap().iter().all(|p| p.is_finite() && *p > 0.0));
}

#[test]
fn a_dense_layer_behind_flatten_permutes_its_weights() {
    let (kernel, weights) = (numbers(1, 4 * 3 * 9), numbers(2, 4 * 30 * 2));
    let model = Model::new()
        .input("x", &[1, 3, 5, 6])
        .constant("w", &[4, 3, 3, 3], Elements::F32(kernel.clone()))
        .constant("fc", &[120, 2], Elements::F32(weights.clone()))
        .node("Conv", &["x", "w"], "conv", &[("pads", Attribute::Ints(SAME.to_vec()))])
        .node("Flatten", &["conv"], "flat", &[])
        .node("Gemm", &["flat", "fc"], "y", &[])
        .output("y");
    let graph = imported(&model);
    assert_eq!(count(&graph, "Transpose"), 1, "{graph:?}");
    let x = numbers(3, 90);
    let image = plain_conv(&x, [3, 5, 6], &kernel, [4, 3], 1);
    let want: Vec<f32> = (0..2).map(|j| (0..120).map(|i| image[i] * weights[i * 2 + j]).sum()).collect();
    assert_near(&run(&model, &[Tensor::f32([1, 3, 5, 6], x).unwrap()])[0], &[1, 2], &want);
    // Who else needs the flattened image gets it in ONNX' order.
    let model = model.output("flat");
    let x = numbers(3, 90);
    assert_near(&run(&model, &[Tensor::f32([1, 3, 5, 6], x).unwrap()])[1], &[1, 120], &image);
}

#[test]
fn a_channel_shuffle_moves_elements_once() {
    let reshape = |model: Model, x: &str, y: &str, shape: &[i64]| {
        let name = format!("{y}/shape");
        let model = model.constant(&name, &[shape.len() as i64], Elements::I64(shape.to_vec()));
        model.node("Reshape", &[x, &name], y, &[])
    };
    let mut model = Model::new().input("x", &[1, 6, 2, 2]).constant("w", &[6, 6, 1, 1], identity(6));
    model = model.node("Conv", &["x", "w"], "conv", &[]);
    model = reshape(model, "conv", "groups", &[1, 2, 3, 2, 2]);
    model = model.node("Transpose", &["groups"], "swapped", &[("perm", Attribute::Ints(vec![0, 2, 1, 3, 4]))]);
    model = reshape(model, "swapped", "shuffled", &[1, 6, 2, 2]);
    model = model.node("Conv", &["shuffled", "w"], "y", &[]).output("y");
    let graph = imported(&model);
    // The input, the shuffle itself, the output.
    assert_eq!(count(&graph, "Transpose"), 3, "{graph:?}");
    let x = numbers(1, 24);
    let want: Vec<f32> = [0, 3, 1, 4, 2, 5].iter().flat_map(|c| x[c * 4..][..4].to_vec()).collect();
    assert_near(&run(&model, &[Tensor::f32([1, 6, 2, 2], x).unwrap()])[0], &[1, 6, 2, 2], &want);
}

fn identity(n: usize) -> Elements {
    Elements::F32((0..n * n).map(|i| (i / n == i % n) as u8 as f32).collect())
}

#[test]
fn transposes_between_layouts_cost_nothing() {
    // As exporters of TensorFlow write it: an NHWC input, transposed for a convolution and back.
    let perm = |list: [i64; 4]| [("perm", Attribute::Ints(list.to_vec()))];
    let model = Model::new()
        .input("x", &[1, 4, 4, 2])
        .constant("w", &[2, 2, 1, 1], floats(1, 4))
        .node("Transpose", &["x"], "first", &perm([0, 3, 1, 2]))
        .node("Conv", &["first", "w"], "conv", &[])
        .node("Transpose", &["conv"], "y", &perm([0, 2, 3, 1]))
        .output("y");
    assert_eq!(count(&imported(&model), "Transpose"), 0);
}

#[test]
fn axes_mean_onnx_axes_whatever_the_layout() {
    // Softmax over channels, a slice of rows, a sum over columns, padding of height: behind a convolution that changes
    // nothing but the layout.
    let model = Model::new()
        .input("x", &[1, 2, 2, 3])
        .constant("w", &[2, 2, 1, 1], identity(2))
        .constant("ends", &[1], Elements::I64(vec![1]))
        .constant("starts", &[1], Elements::I64(vec![0]))
        .constant("two", &[1], Elements::I64(vec![2]))
        .constant("pads", &[8], Elements::I64(vec![0, 0, 1, 0, 0, 0, 0, 0]))
        .node("Conv", &["x", "w"], "conv", &[])
        .node("Softmax", &["conv"], "soft", &[("axis", Attribute::Int(1))])
        .node("Slice", &["conv", "starts", "ends", "two"], "row", &[])
        .node("ReduceSum", &["conv", "two"], "sum", &[("keepdims", Attribute::Int(0))])
        .node("Pad", &["conv", "pads"], "padded", &[])
        .node("ArgMax", &["conv"], "arg", &[("axis", Attribute::Int(3)), ("keepdims", Attribute::Int(0))])
        .output("soft")
        .output("row")
        .output("sum")
        .output("padded")
        .output("arg");
    let x: Vec<f32> = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 1.0, 0.0, 9.0, 8.0, 7.0];
    let outputs = run(&model, &[Tensor::f32([1, 2, 2, 3], x.clone()).unwrap()]);
    let soft = |i: usize| {
        let (a, b) = (x[i % 6].exp(), x[i % 6 + 6].exp());
        if i < 6 { a / (a + b) } else { b / (a + b) }
    };
    assert_near(&outputs[0], &[1, 2, 2, 3], &(0..12).map(soft).collect::<Vec<_>>());
    assert_near(&outputs[1], &[1, 2, 1, 3], &[1.0, 2.0, 3.0, 1.0, 1.0, 0.0]);
    assert_near(&outputs[2], &[1, 2, 3], &[5.0, 7.0, 9.0, 10.0, 9.0, 7.0]);
    let padded = [&[0.0; 3], &x[..6], &[0.0; 3], &x[6..]].concat();
    assert_near(&outputs[3], &[1, 2, 3, 3], &padded);
    assert_eq!(outputs[4], Tensor::i32([1, 2, 2], vec![2, 2, 0, 0]).unwrap());
}
