//! Layer cases computed by Keras 3.15 on TensorFlow 2.21, as graphs: attributes, weights, inputs, expected outputs.
//!
//! `tests/data/golden/layers.json` lists them in Keras' own naming; the tensors lie beside it.

use std::collections::HashMap;

use serde_json::Value as Json;
use striate::graph::{Graph, ValueId};
use striate::ops::{
    BatchNorm, Binary, BinaryKind, Concat, Conv2d, ConvTranspose2d, Coordinates, DepthwiseConv2d, Epilogue, MatMul, Op,
    Pad, PadMode, Pool2d, PoolKind, Reduce, ReduceKind, Reshape, ReshapeDim, Resize, ResizeMode, ResizeSize, Slice,
    SliceAxis, Softmax, Transpose, Unary,
};
use striate::{DType, Padding, Tensor};

const CASES: &str = include_str!("../data/golden/layers.json");
const TENSORS: &[u8] = include_bytes!("../data/golden/layers.safetensors");

/// One layer with what Keras makes of it.
pub struct Golden {
    pub id: String,
    pub graph: Graph,
    pub inputs: Vec<Tensor>,
    pub expected: Tensor,
    pub atol: f32,
    pub rtol: f32,
}

impl Golden {
    /// What is wrong with a result, with the tolerances multiplied by `slack`.
    pub fn check(&self, got: &Tensor, slack: f32) -> Result<(), String> {
        if got.shape() != self.expected.shape() {
            return Err(format!("{}: shape {} instead of {}", self.id, got.shape(), self.expected.shape()));
        }
        let pairs = got.as_f32().unwrap().iter().zip(self.expected.as_f32().unwrap());
        for (i, (&got, &want)) in pairs.enumerate() {
            let close = (got - want).abs() <= slack * (self.atol + self.rtol * want.abs()) || got == want;
            if !(close || got.is_nan() && want.is_nan()) {
                return Err(format!("{}: element {i} is {got} instead of {want}", self.id));
            }
        }
        Ok(())
    }
}

/// All cases.
pub fn cases() -> Vec<Golden> {
    let tensors = tensors();
    let list: Vec<Json> = serde_json::from_str(CASES).unwrap();
    list.iter().map(|case| golden(case, &tensors)).collect()
}

fn tensors() -> HashMap<String, Tensor> {
    let (length, rest) = TENSORS.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let header: serde_json::Map<String, Json> = serde_json::from_slice(&rest[..length]).unwrap();
    let tensor = |entry: &Json| {
        let [start, end] = [0, 1].map(|i| entry["data_offsets"][i].as_u64().unwrap() as usize);
        let bytes = rest[length..][start..end].chunks_exact(4);
        let floats: Vec<f32> = bytes.map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Tensor::f32(sizes(&entry["shape"]), floats).unwrap()
    };
    header.iter().map(|(name, entry)| (name.clone(), tensor(entry))).collect()
}

fn sizes(list: &Json) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn pair(value: &Json) -> [usize; 2] {
    match value.as_u64() {
        Some(n) => [n as usize; 2],
        None => sizes(value).try_into().unwrap(),
    }
}

/// Two `[before, after]` pairs from Keras' three spellings.
fn borders(value: &Json) -> [[usize; 2]; 2] {
    match value.as_array() {
        Some(rows) if rows[0].is_array() => [pair(&rows[0]), pair(&rows[1])],
        _ => pair(value).map(|n| [n; 2]),
    }
}

fn padding(value: &Json) -> Padding {
    match value.as_str() {
        Some(name) if name.eq_ignore_ascii_case("same") => Padding::Same,
        Some(name) if name.eq_ignore_ascii_case("valid") => Padding::Valid,
        _ => Padding::Explicit(borders(value)),
    }
}

/// Keras 3's activation of this name; `None` is the identity.
fn activation(name: &str) -> Option<Op> {
    Some(match name {
        "linear" => return None,
        "softmax" => Softmax { axis: -1 }.into(),
        "relu" => Unary::Relu.into(),
        "relu6" => Unary::Relu6.into(),
        "leaky_relu" => Unary::LeakyRelu { alpha: 0.2 }.into(),
        "elu" => Unary::Elu { alpha: 1.0 }.into(),
        "selu" => Unary::Selu.into(),
        "sigmoid" => Unary::Sigmoid.into(),
        "hard_sigmoid" => Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }.into(),
        "hard_swish" => Unary::HardSwish.into(),
        "swish" | "silu" => Unary::Swish.into(),
        "tanh" => Unary::Tanh.into(),
        "gelu" => Unary::Gelu { approximate: false }.into(),
        "softplus" => Unary::Softplus.into(),
        "exponential" => Unary::Exp.into(),
        other => panic!("no activation {other}"),
    })
}

struct Builder<'a> {
    graph: Graph,
    case: &'a Json,
    tensors: &'a HashMap<String, Tensor>,
}

impl Builder<'_> {
    fn weight(&mut self, role: &str) -> Option<ValueId> {
        let name = self.case["weights"][role]["tensor"].as_str()?;
        Some(self.graph.constant(role, self.tensors[name].clone()))
    }

    fn add(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.graph.add("layer", op, inputs).unwrap()
    }

    /// An op with an epilogue: kernel, bias if there is one, activation in the epilogue unless it is a softmax.
    fn fused(&mut self, mut op: Op, x: ValueId, kernel: &str) -> ValueId {
        let mut inputs = vec![x, self.weight(kernel).unwrap()];
        inputs.extend(self.weight("bias"));
        let then = self.case["config"]["activation"].as_str().and_then(activation);
        let epilogue = op.epilogue_mut().unwrap();
        *epilogue = Epilogue { bias: inputs.len() == 3, ..Default::default() };
        match then {
            Some(Op::Unary(f)) => {
                epilogue.activation = Some(f);
                self.add(op, &inputs)
            }
            Some(other) => {
                let y = self.add(op, &inputs);
                self.add(other, &[y])
            }
            None => self.add(op, &inputs),
        }
    }

    /// A binary operation folded over all inputs.
    fn fold(&mut self, kind: BinaryKind, inputs: &[ValueId]) -> ValueId {
        let (first, rest) = inputs.split_first().unwrap();
        rest.iter().fold(*first, |sum, &x| self.add(Binary::new(kind), &[sum, x]))
    }

    fn resize(&mut self, x: ValueId, size: ResizeSize, method: &str, antialias: bool) -> ValueId {
        let mode = ResizeMode::tensorflow(method, antialias).unwrap();
        self.add(Resize { size, mode, coordinates: Coordinates::HalfPixel }, &[x])
    }

    fn layer(&mut self, inputs: &[ValueId]) -> ValueId {
        let (x, config) = (inputs[0], &self.case["config"]);
        let dims = |key: &str| config.get(key).map_or([1, 1], pair);
        let float = |key: &str, default: f64| config.get(key).map_or(default, |v| v.as_f64().unwrap()) as f32;
        let pad = config.get("padding").map(|p| if p.is_u64() { Padding::Valid } else { padding(p) });
        let pad = pad.unwrap_or_default();
        match self.case["op"].as_str().unwrap() {
            "Conv2D" | "tf.nn.conv2d" => {
                let groups = config["groups"].as_u64().unwrap_or(1) as usize;
                let (strides, dilations) = (dims("strides"), dims("dilation_rate"));
                let op = Conv2d { strides, dilations, groups, padding: pad, epilogue: Epilogue::default() };
                // tf.nn.conv2d calls its kernel `filters`.
                let kernel = if self.case["weights"]["filters"].is_object() { "filters" } else { "kernel" };
                self.fused(op.into(), x, kernel)
            }
            "DepthwiseConv2D" => {
                let (strides, dilations) = (dims("strides"), dims("dilation_rate"));
                self.fused(
                    DepthwiseConv2d { strides, dilations, padding: pad, epilogue: Epilogue::default() }.into(),
                    x,
                    "kernel",
                )
            }
            "tf.nn.depthwise_conv2d" => {
                let (strides, dilations) = (dims("strides"), dims("dilations"));
                self.fused(
                    DepthwiseConv2d { strides, dilations, padding: pad, epilogue: Epilogue::default() }.into(),
                    x,
                    "filter",
                )
            }
            "SeparableConv2D" => {
                let (strides, dilations) = (dims("strides"), dims("dilation_rate"));
                let kernel = self.weight("depthwise_kernel").unwrap();
                let depthwise = DepthwiseConv2d { strides, dilations, padding: pad, epilogue: Epilogue::default() };
                let y = self.add(depthwise, &[x, kernel]);
                self.fused(Conv2d::default().into(), y, "pointwise_kernel")
            }
            "Conv2DTranspose" => {
                let op = ConvTranspose2d {
                    strides: dims("strides"),
                    dilations: dims("dilation_rate"),
                    padding: pad,
                    output_padding: config.get("output_padding").map(pair),
                    epilogue: Epilogue::default(),
                };
                self.fused(op.into(), x, "kernel")
            }
            op @ ("MaxPooling2D" | "AveragePooling2D") => {
                let kind =
                    if op == "MaxPooling2D" { PoolKind::Max } else { PoolKind::Average { include_padding: false } };
                let kernel = config.get("pool_size").map_or([2, 2], pair);
                let strides = config.get("strides").map_or(kernel, pair);
                self.add(Pool2d { kind, kernel, strides, dilations: [1, 1], padding: pad }, &[x])
            }
            op @ ("GlobalAveragePooling2D" | "GlobalMaxPooling2D") => {
                let kind = if op == "GlobalMaxPooling2D" { ReduceKind::Max } else { ReduceKind::Mean };
                let keep_dims = config["keepdims"].as_bool().unwrap_or(false);
                self.add(Reduce { kind, axes: vec![1, -2], keep_dims }, &[x])
            }
            "UpSampling2D" => {
                let size = ResizeSize::Factors(pair(&config["size"]).map(|n| n as f32));
                let method = config["interpolation"].as_str().unwrap_or("nearest");
                self.resize(x, size, method, false)
            }
            "Resize" => {
                let mut size = pair(&config["size"]);
                if config["preserve_aspect_ratio"] == true {
                    let image = sizes(&self.case["inputs"][0]["shape"]);
                    let [h, w] = [image[1], image[2]].map(|n| n as f64);
                    let scale = (size[0] as f64 / h).min(size[1] as f64 / w);
                    size = [h, w].map(|n| (n * scale).round() as usize);
                }
                let method = config["method"].as_str().unwrap_or("bilinear");
                self.resize(x, ResizeSize::Fixed(size), method, config["antialias"] == true)
            }
            "Resizing" => {
                let target = ["height", "width"].map(|key| config[key].as_u64().unwrap() as usize);
                let image = sizes(&self.case["inputs"][0]["shape"]);
                let image = [image[1], image[2]];
                // What the image would measure with the target's shape and its own width, or height.
                let shaped = [image[1] * target[0] / target[1], image[0] * target[1] / target[0]];
                let y = if config["crop_to_aspect_ratio"] == true {
                    let crop = |i: usize| {
                        let kept = shaped[i].min(image[i]).max(1);
                        let start = (image[i] - kept) / 2;
                        SliceAxis { start: Some(start as isize), end: Some((start + kept) as isize), step: 1 }
                    };
                    self.add(Slice { axes: vec![SliceAxis::ALL, crop(0), crop(1), SliceAxis::ALL] }, &[x])
                } else if config["pad_to_aspect_ratio"] == true {
                    let pad = |i: usize| {
                        let missing = shaped[i].max(image[i]) - image[i];
                        [missing / 2, missing - missing / 2]
                    };
                    self.add(Pad { pads: vec![[0, 0], pad(0), pad(1), [0, 0]], mode: PadMode::Constant(0.0) }, &[x])
                } else {
                    x
                };
                self.resize(y, ResizeSize::Fixed(target), "bilinear", false)
            }
            "ZeroPadding2D" => {
                let [rows, columns] = borders(&config["padding"]);
                let pads = vec![[0, 0], rows, columns, [0, 0]];
                self.add(Pad { pads, mode: PadMode::Constant(0.0) }, &[x])
            }
            "Cropping2D" => {
                let crop = borders(&config["cropping"]).map(|[before, after]| SliceAxis {
                    start: Some(before as isize),
                    end: (after > 0).then_some(-(after as isize)),
                    step: 1,
                });
                self.add(Slice { axes: vec![SliceAxis::ALL, crop[0], crop[1], SliceAxis::ALL] }, &[x])
            }
            "BatchNormalization" => {
                let roles = ["gamma", "beta", "moving_mean", "moving_variance"];
                let weights = roles.map(|role| self.weight(role).unwrap());
                let inputs = [&[x], &weights[..]].concat();
                self.add(BatchNorm { epsilon: float("epsilon", 1e-3) }, &inputs)
            }
            "Dense" => self.fused(MatMul::default().into(), x, "kernel"),
            "Softmax" => self.add(Softmax { axis: config["axis"].as_i64().unwrap_or(-1) as isize }, &[x]),
            "Activation" => match activation(config["activation"].as_str().unwrap()) {
                Some(op) => self.add(op, &[x]),
                None => x,
            },
            "LeakyReLU" => self.add(Unary::LeakyRelu { alpha: float("negative_slope", 0.3) }, &[x]),
            "ReLU" => self.add(Unary::Clip { min: 0.0, max: float("max_value", f64::INFINITY) }, &[x]),
            "ELU" => self.add(Unary::Elu { alpha: float("alpha", 1.0) }, &[x]),
            "Rescaling" => {
                let [scale, offset] = ["scale", "offset"]
                    .map(|key| self.graph.constant(key, Tensor::scalar(config[key].as_f64().unwrap() as f32)));
                let y = self.add(Binary::new(BinaryKind::Mul), &[x, scale]);
                self.add(Binary::new(BinaryKind::Add), &[y, offset])
            }
            "Concatenate" => self.add(Concat { axis: config["axis"].as_i64().unwrap() as isize }, inputs),
            "Add" => self.fold(BinaryKind::Add, inputs),
            "Multiply" => self.fold(BinaryKind::Mul, inputs),
            "Subtract" => self.fold(BinaryKind::Sub, inputs),
            "Maximum" => self.fold(BinaryKind::Maximum, inputs),
            "Average" => {
                let sum = self.fold(BinaryKind::Add, inputs);
                let count = self.graph.constant("count", Tensor::scalar(inputs.len() as f32));
                self.add(Binary::new(BinaryKind::Div), &[sum, count])
            }
            "Flatten" => self.add(Reshape::flatten(), &[x]),
            "Reshape" => {
                let dim = |v: &Json| v.as_u64().map_or(ReshapeDim::Infer, |n| ReshapeDim::Size(n as usize));
                let target = config["target_shape"].as_array().unwrap().iter().map(dim);
                self.add(Reshape { dims: std::iter::once(ReshapeDim::Copy(0)).chain(target).collect() }, &[x])
            }
            "Permute" => {
                let perm = [vec![0], sizes(&config["dims"])].concat();
                self.add(Transpose { perm }, &[x])
            }
            other => panic!("no layer {other}"),
        }
    }
}

fn golden(case: &Json, tensors: &HashMap<String, Tensor>) -> Golden {
    let tensor = |entry: &Json| tensors[entry["tensor"].as_str().unwrap()].clone();
    let inputs: Vec<Tensor> = case["inputs"].as_array().unwrap().iter().map(tensor).collect();
    let mut builder = Builder { graph: Graph::new(), case, tensors };
    let declare = |(i, t): (usize, &Tensor)| {
        // The batch is left open, as Keras leaves it.
        let dims = t.shape().iter().enumerate().map(|(axis, &n)| (axis > 0).then_some(n)).collect::<Vec<_>>();
        builder.graph.input(format!("x{i}"), DType::F32, dims)
    };
    let values: Vec<ValueId> = inputs.iter().enumerate().map(declare).collect();
    let y = builder.layer(&values);
    builder.graph.output("y", y);
    let want = &case["outputs"][0];
    Golden {
        id: case["id"].as_str().unwrap().to_string(),
        graph: builder.graph,
        inputs,
        expected: tensor(want),
        atol: want["atol"].as_f64().unwrap() as f32,
        rtol: want["rtol"].as_f64().unwrap() as f32,
    }
}
