//! A tiny network in both formats: 8 x 8 x 3 pixels, convolution, depthwise convolution, a residual sum, pooling, a
//! dense layer, softmax over 5 classes. The committed files in `tests/data/models` are these, byte for byte.

use half::f16;
use serde_json::{Value, json};

use crate::flatbuffer::{self, Field, Table};

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    F32,
    F16,
    U8,
    U16,
}

/// Deterministic weights in -0.5..0.5.
pub fn weights(name: &str, n: usize) -> Vec<f32> {
    let mut state = name.bytes().fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(b as u32));
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

/// The picture that the expected outputs belong to.
pub fn picture() -> Vec<f32> {
    (0..8 * 8 * 3).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// Names and shapes of the weights, kernels in TensorFlow's layout.
pub const WEIGHTS: [(&str, &[usize]); 6] = [
    ("conv/kernel", &[3, 3, 3, 8]),
    ("conv/bias", &[8]),
    ("depthwise/kernel", &[3, 3, 8, 1]),
    ("depthwise/bias", &[8]),
    ("dense/kernel", &[32, 5]),
    ("dense/bias", &[5]),
];

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| DIGITS[bits as usize & 63] as char;
    let encode = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | *chunk.get(i).unwrap_or(&0) as u32);
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
        (0..4).map(|i| if i <= chunk.len() { digits[i] } else { '=' }).collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}

fn text(s: &str) -> Value {
    json!({ "s": base64(s) })
}

fn ints(list: &[i64]) -> Value {
    json!({ "list": { "i": list.iter().map(i64::to_string).collect::<Vec<_>>() } })
}

/// Attributes of a window operation.
fn window(stride: i64, fused: &[&str]) -> Value {
    json!({
        "T": { "type": "DT_FLOAT" }, "strides": ints(&[1, stride, stride, 1]), "dilations": ints(&[1, 1, 1, 1]),
        "padding": text("SAME"), "data_format": text("NHWC"), "num_args": { "i": "1" }, "epsilon": { "f": 0 },
        "fused_ops": { "list": { "s": fused.iter().map(|f| base64(f)).collect::<Vec<_>>() } },
    })
}

/// model.json and its weights.
pub fn tfjs(stored: Stored) -> (Value, Vec<u8>) {
    let float = json!({ "T": { "type": "DT_FLOAT" } });
    let mut nodes = vec![json!({
        "name": "image", "op": "Placeholder",
        "attr": {
            "dtype": { "type": "DT_FLOAT" },
            "shape": { "shape": { "dim": [{ "size": "-1" }, { "size": "8" }, { "size": "8" }, { "size": "3" }] } },
        },
    })];
    let mut manifest = Vec::new();
    let mut bytes = Vec::new();
    for (name, shape) in WEIGHTS {
        let values = weights(name, shape.iter().product());
        let mut entry = json!({ "name": name, "shape": shape, "dtype": "float32" });
        let (min, max) = values.iter().fold((0f32, 0f32), |(a, b), &v| (a.min(v), b.max(v)));
        let mut affine = |levels: f32, dtype: &str| {
            let scale = (max - min) / levels;
            entry["quantization"] = json!({ "dtype": dtype, "scale": scale, "min": min, "original_dtype": "float32" });
            values.iter().map(|v| ((v - min) / scale).round()).collect::<Vec<f32>>()
        };
        match stored {
            Stored::F32 => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Stored::U8 => bytes.extend(affine(255.0, "uint8").iter().map(|&q| q as u8)),
            Stored::U16 => bytes.extend(affine(65535.0, "uint16").iter().flat_map(|&q| (q as u16).to_le_bytes())),
            Stored::F16 => {
                bytes.extend(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()));
                entry["quantization"] = json!({ "dtype": "float16", "original_dtype": "float32" });
            }
        }
        manifest.push(entry);
        nodes.push(json!({ "name": name, "op": "Const", "attr": { "dtype": { "type": "DT_FLOAT" } } }));
    }
    for (name, shape, values) in [("flat/shape", vec![2], vec![-1, 32]), ("unused", vec![], vec![7])] {
        manifest.push(json!({ "name": name, "shape": shape, "dtype": "int32" }));
        bytes.extend(values.iter().flat_map(|n: &i32| n.to_le_bytes()));
        nodes.push(json!({ "name": name, "op": "Const", "attr": { "dtype": { "type": "DT_INT32" } } }));
    }
    let pool = json!({
        "T": { "type": "DT_FLOAT" }, "ksize": ints(&[1, 2, 2, 1]), "strides": ints(&[1, 2, 2, 1]),
        "padding": text("VALID"), "data_format": text("NHWC"),
    });
    let matmul = json!({
        "T": { "type": "DT_FLOAT" }, "transpose_a": { "b": false }, "transpose_b": { "b": false },
        "num_args": { "i": "1" }, "fused_ops": { "list": { "s": [base64("BiasAdd")] } },
    });
    let operations = [
        ("conv", "_FusedConv2D", vec!["image", "conv/kernel", "conv/bias"], window(2, &["BiasAdd", "Relu6"])),
        (
            "depthwise",
            "FusedDepthwiseConv2dNative",
            vec!["conv", "depthwise/kernel", "depthwise/bias", "^conv"],
            window(1, &["BiasAdd", "Relu"]),
        ),
        ("sum", "AddV2", vec!["conv", "depthwise:0"], float.clone()),
        ("pool", "MaxPool", vec!["sum"], pool),
        ("flat", "Reshape", vec!["pool", "flat/shape"], json!({ "Tshape": { "type": "DT_INT32" } })),
        ("dense", "_FusedMatMul", vec!["flat", "dense/kernel", "dense/bias"], matmul),
        ("probabilities", "Softmax", vec!["dense"], float.clone()),
        ("Identity", "Identity", vec!["probabilities"], float),
    ];
    for (name, op, input, attr) in operations {
        nodes.push(json!({ "name": name, "op": op, "input": input, "attr": attr }));
    }
    let tensor = |dims: &[&str]| json!({ "dim": dims.iter().map(|d| json!({ "size": d })).collect::<Vec<_>>() });
    let model = json!({
        "format": "graph-model", "generatedBy": "striate's tests", "convertedBy": null,
        "signature": {
            "inputs": { "image": { "name": "image:0", "dtype": "DT_FLOAT", "tensorShape": tensor(&["-1", "8", "8", "3"]) } },
            "outputs": { "classes": { "name": "Identity:0", "dtype": "DT_FLOAT", "tensorShape": tensor(&["-1", "5"]) } },
        },
        "modelTopology": { "node": nodes, "library": {}, "versions": { "producer": 1 } },
        "weightsManifest": [{ "paths": ["weights.bin"], "weights": manifest }],
    });
    (model, bytes)
}

/// The TFJS model with an operation that no one has before its last node.
pub fn tfjs_unsupported() -> (Value, Vec<u8>) {
    let (mut model, bytes) = tfjs(Stored::F32);
    let nodes = model["modelTopology"]["node"].as_array_mut().unwrap();
    let last = nodes.len() - 1;
    nodes[last]["input"] = json!(["mystery"]);
    nodes.insert(last, json!({ "name": "mystery", "op": "Bessel", "input": ["probabilities"], "attr": {} }));
    (model, bytes)
}

/// The same network as a TensorFlow Lite file, with `Stored::F32` or `Stored::F16` weights.
pub fn tflite(stored: Stored) -> Vec<u8> {
    tflite_with(stored, 25, 0)
}

/// The same with another operator in the last place (25 is SOFTMAX) and another type of the tensor `sum` (0 is float).
pub fn tflite_with(stored: Stored, last: i8, sum_type: i8) -> Vec<u8> {
    let half = stored == Stored::F16;
    let mut tensors: Vec<Table> = Vec::new();
    let mut buffers: Vec<Table> = vec![vec![]];
    let mut operators: Vec<Table> = Vec::new();
    // Codes: CONV_2D, DEPTHWISE_CONV_2D, ADD, MAX_POOL_2D, RESHAPE, FULLY_CONNECTED, SOFTMAX, DEQUANTIZE.
    let codes: Vec<Table> = [3, 4, 0, 17, 22, 9, last, 6]
        .map(|code| vec![(0, Field::I8(code)), (2, Field::I32(1)), (3, Field::I32(code as i32))])
        .into();
    let mut tensor = |name: &str, shape: &[i32], kind: i8, data: Option<Vec<u8>>| {
        let buffer = data.map_or(0, |bytes| {
            buffers.push(vec![(0, Field::Bytes(bytes))]);
            buffers.len() - 1
        });
        tensors.push(vec![
            (0, Field::Ints(shape.to_vec())),
            (1, Field::I8(kind)),
            (2, Field::I32(buffer as i32)),
            (3, Field::Text(name.to_string())),
        ]);
        (tensors.len() - 1) as i32
    };
    let operator = |code: i32, inputs: &[i32], output: i32, options: Option<(i8, Table)>| {
        let mut table = vec![(0, Field::I32(code)), (1, Field::Ints(inputs.to_vec())), (2, Field::Ints(vec![output]))];
        if let Some((kind, options)) = options {
            table.extend([(3, Field::I8(kind)), (4, Field::Table(options))]);
        }
        table
    };
    let image = tensor("image", &[1, 8, 8, 3], 0, None);
    let mut ids = Vec::new();
    for (name, shape) in WEIGHTS {
        let values = weights(name, shape.iter().product());
        // Kernels are [out, kh, kw, in], depthwise ones [1, kh, kw, out], dense ones [out, in].
        let (shape, values): (Vec<i32>, Vec<f32>) = match (name, shape) {
            ("depthwise/kernel", _) => (vec![1, 3, 3, 8], values),
            (_, [.., out]) if shape.len() > 1 => {
                let rows = values.len() / out;
                let moved = (0..values.len()).map(|i| values[i % rows * out + i / rows]).collect();
                ([&[*out], &shape[..shape.len() - 1]].concat().iter().map(|&d| d as i32).collect(), moved)
            }
            _ => (vec![shape[0] as i32], values),
        };
        ids.push(if half {
            let bytes = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            let stored = tensor(&format!("{name}/half"), &shape, 1, Some(bytes));
            let wide = tensor(name, &shape, 0, None);
            operators.push(operator(7, &[stored], wide, None));
            wide
        } else {
            tensor(name, &shape, 0, Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        });
    }
    let target = tensor("flat/shape", &[2], 2, Some([-1i32, 32].iter().flat_map(|n| n.to_le_bytes()).collect()));
    let conv = tensor("conv", &[1, 4, 4, 8], 0, None);
    let depthwise = tensor("depthwise", &[1, 4, 4, 8], 0, None);
    let sum = tensor("sum", &[1, 4, 4, 8], sum_type, None);
    let pool = tensor("pool", &[1, 2, 2, 8], 0, None);
    let flat = tensor("flat", &[1, 32], 0, None);
    let dense = tensor("dense", &[1, 5], 0, None);
    let classes = tensor("Identity", &[1, 5], 0, None);
    let [relu, relu6, same, valid] = [1, 3, 0, 1].map(Field::I8);
    let stride = |n| Field::I32(n);
    operators.extend([
        operator(
            0,
            &[image, ids[0], ids[1]],
            conv,
            Some((1, vec![(0, same), (1, stride(2)), (2, stride(2)), (3, relu6)])),
        ),
        operator(
            1,
            &[conv, ids[2], ids[3]],
            depthwise,
            Some((2, vec![(0, Field::I8(0)), (1, stride(1)), (2, stride(1)), (3, Field::I32(1)), (4, relu)])),
        ),
        operator(2, &[conv, depthwise], sum, Some((11, vec![]))),
        operator(
            3,
            &[sum],
            pool,
            Some((5, vec![(0, valid), (1, stride(2)), (2, stride(2)), (3, Field::I32(2)), (4, Field::I32(2))])),
        ),
        operator(4, &[pool, target], flat, Some((17, vec![(0, Field::Ints(vec![-1, 32]))]))),
        operator(5, &[flat, ids[4], ids[5]], dense, Some((8, vec![]))),
        operator(6, &[dense], classes, Some((9, vec![(0, Field::I32(1f32.to_bits() as i32))]))),
    ]);
    let subgraph: Table = vec![
        (0, Field::Tables(tensors)),
        (1, Field::Ints(vec![image])),
        (2, Field::Ints(vec![classes])),
        (3, Field::Tables(operators)),
        (4, Field::Text("main".into())),
    ];
    let model: Table = vec![
        (0, Field::I32(3)),
        (1, Field::Tables(codes)),
        (2, Field::Tables(vec![subgraph])),
        (3, Field::Text("striate's tests".into())),
        (4, Field::Tables(buffers)),
    ];
    flatbuffer::write(&model, b"TFL3")
}
