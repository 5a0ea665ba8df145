//! The layers of two small networks as a training step runs them, forward and with both gradients: nothing is constant,
//! so packing is timed with the product. LeNet-5 (LeCun et al. 1998) and the network for Fashion-MNIST of A. Géron,
//! "Hands-On Machine Learning", chapter 14; 32 images at once.

use striate::DType;
use striate::Padding;
use striate::graph::Graph;
use striate::ops::{
    BatchNormBackward, BatchNormStatistics, Conv2d, Epilogue, MatMul, MaxPool2dBackward, Op, Pool2d, PoolKind, Reduce,
    ReduceKind, Unary,
};

const BATCH: usize = 32;

enum Layer {
    /// Size of the square image, channels, size of the square kernel, filters.
    Conv(usize, usize, usize, usize, Padding),
    /// Inputs, units.
    Dense(usize, usize),
    /// Size of the image, channels.
    MaxPool(usize, usize),
    BatchNorm(usize, usize),
}
use Layer::*;

const LAYERS: [(&str, Layer); 19] = [
    ("lenet c1", Conv(32, 1, 5, 6, Padding::Valid)),
    ("lenet c3", Conv(14, 6, 5, 16, Padding::Valid)),
    ("lenet c5", Conv(5, 16, 5, 120, Padding::Valid)),
    ("lenet f6", Dense(120, 84)),
    ("lenet out", Dense(84, 10)),
    ("fashion 64", Conv(28, 1, 7, 64, Padding::Same)),
    ("fashion 128a", Conv(14, 64, 3, 128, Padding::Same)),
    ("fashion 128b", Conv(14, 128, 3, 128, Padding::Same)),
    ("fashion 256a", Conv(7, 128, 3, 256, Padding::Same)),
    ("fashion 256b", Conv(7, 256, 3, 256, Padding::Same)),
    ("fashion dense128", Dense(2304, 128)),
    ("fashion dense64", Dense(128, 64)),
    ("fashion dense10", Dense(64, 10)),
    ("pool 28x64", MaxPool(28, 64)),
    ("pool 7x256", MaxPool(7, 256)),
    ("norm 28x64", BatchNorm(28, 64)),
    ("norm 14x128", BatchNorm(14, 128)),
    ("norm 28x6", BatchNorm(28, 6)),
    ("pointwise", Conv(14, 256, 1, 64, Padding::Same)),
];

impl Layer {
    /// Its steps: a name, the op, and the shapes of its operands.
    fn steps(&self) -> Vec<(&'static str, Op, Vec<Vec<usize>>)> {
        let relu = Epilogue { bias: true, residual: false, activation: Some(Unary::Relu) };
        let bias = |dy: &[usize]| {
            let axes = (0..dy.len() as isize - 1).collect();
            ("bias", Reduce { kind: ReduceKind::Sum, axes, keep_dims: false }.into(), vec![dy.to_vec()])
        };
        match *self {
            Conv(size, channels, kernel, filters, padding) => {
                let out = if padding == Padding::Same { size } else { size - kernel + 1 };
                let (x, dy) = (vec![BATCH, size, size, channels], vec![BATCH, out, out, filters]);
                let weights = vec![kernel, kernel, channels, filters];
                let op = Conv2d { padding, epilogue: relu, ..Conv2d::default() };
                vec![
                    ("forward", op.clone().into(), vec![x.clone(), weights.clone(), vec![filters]]),
                    ("input", op.backward_input([size; 2]).into(), vec![dy.clone(), weights]),
                    ("filter", op.backward_filter([kernel; 2]).into(), vec![x, dy.clone()]),
                    bias(&dy),
                ]
            }
            Dense(inputs, units) => {
                let (x, dy, weights) = (vec![BATCH, inputs], vec![BATCH, units], vec![inputs, units]);
                let [a, b] = [true, false].map(|t| MatMul { transpose_a: t, transpose_b: !t, ..MatMul::default() });
                let forward = MatMul { epilogue: relu, ..MatMul::default() };
                vec![
                    ("forward", forward.into(), vec![x.clone(), weights.clone(), vec![units]]),
                    ("input", b.into(), vec![dy.clone(), weights]),
                    ("filter", a.into(), vec![x, dy.clone()]),
                    bias(&dy),
                ]
            }
            MaxPool(size, channels) => {
                let (kernel, dilations, padding) = ([2, 2], [1, 1], Padding::Valid);
                let pool = Pool2d { kind: PoolKind::Max, kernel, strides: kernel, dilations, padding };
                let backward = MaxPool2dBackward { kernel, strides: kernel, dilations, padding };
                let (x, dy) = (vec![BATCH, size, size, channels], vec![BATCH, size / 2, size / 2, channels]);
                vec![("forward", pool.into(), vec![x.clone()]), ("input", backward.into(), vec![x, dy])]
            }
            BatchNorm(size, channels) => {
                let (x, c) = (vec![BATCH, size, size, channels], vec![channels]);
                let operands = vec![x.clone(), x.clone(), c.clone(), c.clone(), c];
                vec![("forward", BatchNormStatistics.into(), vec![x]), ("input", BatchNormBackward.into(), operands)]
            }
        }
    }
}

/// Names of all steps.
pub fn names() -> Vec<String> {
    let of = |(name, layer): &(&str, Layer)| {
        layer.steps().iter().map(|(step, ..)| format!("train {name} {step}")).collect::<Vec<_>>()
    };
    LAYERS.iter().flat_map(of).collect()
}

/// The graph of a step.
pub fn build(name: &str) -> Option<Graph> {
    let (layer, step) = name.strip_prefix("train ")?.rsplit_once(' ')?;
    let (_, layer) = LAYERS.iter().find(|(name, _)| *name == layer)?;
    let (_, op, operands) = layer.steps().into_iter().find(|(name, ..)| *name == step)?;
    let mut graph = Graph::new();
    let inputs: Vec<_> = operands
        .iter()
        .enumerate()
        .map(|(i, dims)| graph.input(format!("x{i}"), DType::F32, dims.iter().copied().map(Some).collect::<Vec<_>>()))
        .collect();
    for (i, value) in graph.push(step, op, &inputs).ok()?.into_iter().enumerate() {
        graph.output(format!("y{i}"), value);
    }
    Some(graph)
}
