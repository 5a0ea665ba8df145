//! The workloads: the layers and networks of `benches/peers`, as passes leave them (batch normalisation folded,
//! activations and sums in epilogues), with random weights.

use striate::graph::{Graph, ValueId};
use striate::ops::{
    Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, MatMul, Pool2d, PoolKind, Reduce, ReduceKind, Softmax, Unary,
};
use striate::{DType, Padding, Shape, Tensor};

/// Random values of the given spread, always the same.
pub fn noise(shape: &[usize], spread: f32) -> Tensor {
    let mut state = 0x2545_f491u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * spread
    };
    let shape = Shape::from(shape);
    let values: Vec<f32> = (0..shape.elements()).map(|_| next()).collect();
    Tensor::f32(shape, values).expect("as many as the shape has")
}

/// A graph under construction, and the shape of its newest image.
struct Builder {
    graph: Graph,
    x: ValueId,
    /// Height, width, channels.
    size: [usize; 3],
}

#[derive(Clone, Copy, Default)]
struct Layer {
    filters: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    activation: Option<Unary>,
    residual: Option<ValueId>,
}

fn layer(filters: usize, kernel: usize, stride: usize, activation: Option<Unary>) -> Layer {
    Layer { filters, kernel, stride, dilation: 1, activation, residual: None }
}

const RELU: Option<Unary> = Some(Unary::Relu);
const RELU6: Option<Unary> = Some(Unary::Relu6);

impl Builder {
    fn new(size: [usize; 3]) -> Self {
        let mut graph = Graph::new();
        let [h, w, c] = size;
        let x = graph.input("image", DType::F32, [Some(1), Some(h), Some(w), Some(c)]);
        Builder { graph, x, size }
    }

    fn constant(&mut self, shape: &[usize], fan_in: usize) -> ValueId {
        self.graph.constant("weights", noise(shape, (3.0 / fan_in as f32).sqrt()))
    }

    fn epilogue(&mut self, channels: usize, layer: Layer) -> (Epilogue, Vec<ValueId>) {
        let mut operands = vec![self.constant(&[channels], 100)];
        operands.extend(layer.residual);
        let epilogue = Epilogue { bias: true, residual: layer.residual.is_some(), activation: layer.activation };
        (epilogue, operands)
    }

    fn conv(&mut self, layer: Layer) -> ValueId {
        let Layer { filters, kernel, stride, dilation, .. } = layer;
        let channels = self.size[2];
        let weights = self.constant(&[kernel, kernel, channels, filters], kernel * kernel * channels);
        let (epilogue, rest) = self.epilogue(filters, layer);
        let op = Conv2d {
            strides: [stride; 2],
            dilations: [dilation; 2],
            padding: Padding::Same,
            epilogue,
            ..Default::default()
        };
        self.size = [self.size[0].div_ceil(stride), self.size[1].div_ceil(stride), filters];
        self.add(op, &[&[self.x, weights], &rest[..]].concat())
    }

    fn depthwise(&mut self, kernel: usize, stride: usize, activation: Option<Unary>) -> ValueId {
        let channels = self.size[2];
        let weights = self.constant(&[kernel, kernel, channels, 1], kernel * kernel);
        let (epilogue, rest) = self.epilogue(channels, layer(channels, kernel, stride, activation));
        let op = DepthwiseConv2d { strides: [stride; 2], padding: Padding::Same, epilogue, ..Default::default() };
        self.size = [self.size[0].div_ceil(stride), self.size[1].div_ceil(stride), channels];
        self.add(op, &[&[self.x, weights], &rest[..]].concat())
    }

    fn add(&mut self, op: impl Into<striate::ops::Op>, operands: &[ValueId]) -> ValueId {
        self.x = self.graph.add("node", op, operands).expect("the operands are this graph's");
        self.x
    }

    fn max_pool(&mut self) {
        let op =
            Pool2d { kind: PoolKind::Max, kernel: [3; 2], strides: [2; 2], dilations: [1; 2], padding: Padding::Same };
        self.size = [self.size[0].div_ceil(2), self.size[1].div_ceil(2), self.size[2]];
        self.add(op, &[self.x]);
    }

    /// Global average, dense layer, softmax.
    fn classify(mut self) -> Graph {
        self.add(Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: false }, &[self.x]);
        let weights = self.constant(&[self.size[2], 1000], self.size[2]);
        let (epilogue, rest) = self.epilogue(1000, layer(1000, 1, 1, None));
        let op = MatMul { epilogue, ..Default::default() };
        self.add(op, &[&[self.x, weights], &rest[..]].concat());
        self.add(Softmax { axis: -1 }, &[self.x]);
        self.finish()
    }

    fn finish(mut self) -> Graph {
        self.graph.output("out", self.x);
        self.graph
    }
}

fn resnet(bottleneck: bool, units: [usize; 4]) -> Graph {
    let mut b = Builder::new([224, 224, 3]);
    b.conv(layer(64, 7, 2, RELU));
    b.max_pool();
    for (stage, count) in units.into_iter().enumerate() {
        let filters = 64 << stage;
        let wide = if bottleneck { 4 * filters } else { filters };
        for unit in 0..count {
            let stride = if stage > 0 && unit == 0 { 2 } else { 1 };
            let (x, size) = (b.x, b.size);
            let skip = if size[2] != wide || stride > 1 { b.conv(layer(wide, 1, stride, None)) } else { x };
            (b.x, b.size) = (x, size);
            let last = Layer { residual: Some(skip), ..layer(wide, if bottleneck { 1 } else { 3 }, 1, RELU) };
            if bottleneck {
                b.conv(layer(filters, 1, stride, RELU));
                b.conv(layer(filters, 3, 1, RELU));
            } else {
                b.conv(layer(filters, 3, stride, RELU));
            }
            b.conv(last);
        }
    }
    b.classify()
}

fn mobilenet_v2() -> Graph {
    let mut b = Builder::new([224, 224, 3]);
    b.conv(layer(32, 3, 2, RELU6));
    for (expand, filters, units, first) in
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    {
        for unit in 0..units {
            let (x, channels, stride) = (b.x, b.size[2], if unit == 0 { first } else { 1 });
            if expand > 1 {
                b.conv(layer(expand * channels, 1, 1, RELU6));
            }
            b.depthwise(3, stride, RELU6);
            let residual = (stride == 1 && channels == filters).then_some(x);
            b.conv(Layer { residual, ..layer(filters, 1, 1, None) });
        }
    }
    b.conv(layer(1280, 1, 1, RELU6));
    b.classify()
}

fn single(size: [usize; 3], add: impl FnOnce(&mut Builder)) -> Graph {
    let mut b = Builder::new(size);
    add(&mut b);
    b.finish()
}

/// One layer, as `(input size, layer)`.
const CONVOLUTIONS: [(&str, [usize; 3], [usize; 4]); 17] = [
    ("conv3x3-64-64@56", [56, 56, 64], [64, 3, 1, 1]),
    ("conv3x3-128-128@28", [28, 28, 128], [128, 3, 1, 1]),
    ("conv3x3-256-256@14", [14, 14, 256], [256, 3, 1, 1]),
    ("conv3x3-512-512@7", [7, 7, 512], [512, 3, 1, 1]),
    ("conv1x1-256-64@56", [56, 56, 256], [64, 1, 1, 1]),
    ("conv1x1-64-256@56", [56, 56, 64], [256, 1, 1, 1]),
    ("conv1x1-128-512@28", [28, 28, 128], [512, 1, 1, 1]),
    ("conv1x1-512-128@28", [28, 28, 512], [128, 1, 1, 1]),
    ("conv1x1-256-1024@14", [14, 14, 256], [1024, 1, 1, 1]),
    ("conv1x1-1024-256@14", [14, 14, 1024], [256, 1, 1, 1]),
    ("conv1x1-512-2048@7", [7, 7, 512], [2048, 1, 1, 1]),
    ("conv1x1-2048-512@7", [7, 7, 2048], [512, 1, 1, 1]),
    ("conv1x1s2-256-128@56", [56, 56, 256], [128, 1, 2, 1]),
    ("conv1x1-16-96@112", [112, 112, 16], [96, 1, 1, 1]),
    ("conv1x1-144-24@56", [56, 56, 144], [24, 1, 1, 1]),
    ("conv7x7s2-3-64@224", [224, 224, 3], [64, 7, 2, 1]),
    ("dilated3x3d2-256-256@28", [28, 28, 256], [256, 3, 1, 2]),
];

/// Depthwise layers, as `(input size, kernel, stride)`.
const DEPTHWISE: [(&str, [usize; 3], usize, usize); 6] = [
    ("depthwise3x3-96@112", [112, 112, 96], 3, 1),
    ("depthwise3x3s2-96@112", [112, 112, 96], 3, 2),
    ("depthwise3x3-144@56", [56, 56, 144], 3, 1),
    ("depthwise3x3-384@14", [14, 14, 384], 3, 1),
    ("depthwise3x3-960@7", [7, 7, 960], 3, 1),
    ("depthwise5x5-120@64", [64, 64, 120], 5, 1),
];

/// The workloads' names.
pub fn names() -> Vec<&'static str> {
    let layers = CONVOLUTIONS.iter().map(|c| c.0).chain(DEPTHWISE.iter().map(|d| d.0));
    layers
        .chain(["convtranspose4x4s2-64-64@56", "dense-4096-4096", "maxpool3x3s2-64@112"])
        .chain(["mobilenet-v2", "resnet-34", "resnet-50"])
        .collect()
}

/// A workload's graph.
pub fn build(name: &str) -> Option<Graph> {
    if let Some(&(_, size, [filters, kernel, stride, dilation])) = CONVOLUTIONS.iter().find(|c| c.0 == name) {
        return Some(single(size, |b| {
            b.conv(Layer { dilation, ..layer(filters, kernel, stride, None) });
        }));
    }
    if let Some(&(_, size, kernel, stride)) = DEPTHWISE.iter().find(|d| d.0 == name) {
        return Some(single(size, |b| {
            b.depthwise(kernel, stride, None);
        }));
    }
    Some(match name {
        "convtranspose4x4s2-64-64@56" => single([56, 56, 64], |b| {
            let weights = b.constant(&[4, 4, 64, 64], 16 * 64);
            let (epilogue, rest) = b.epilogue(64, layer(64, 4, 2, None));
            let op = ConvTranspose2d { strides: [2; 2], padding: Padding::Same, epilogue, ..Default::default() };
            let operands = [&[b.x, weights], &rest[..]].concat();
            b.add(op, &operands);
        }),
        "dense-4096-4096" => single([1, 1, 4096], |b| {
            let weights = b.constant(&[4096, 4096], 4096);
            let (epilogue, rest) = b.epilogue(4096, layer(4096, 1, 1, None));
            let operands = [&[b.x, weights], &rest[..]].concat();
            b.add(MatMul { epilogue, ..Default::default() }, &operands);
        }),
        "maxpool3x3s2-64@112" => single([112, 112, 64], Builder::max_pool),
        "mobilenet-v2" => mobilenet_v2(),
        "resnet-34" => resnet(false, [3, 4, 6, 3]),
        "resnet-50" => resnet(true, [3, 4, 6, 3]),
        _ => return None,
    })
}
