//! Small networks: blocks of real ones, and the graph shapes that break memory plans.

use super::Case;
use super::generate::Net;
use crate::graph::ValueId;
use crate::ops::{
    Binary, BinaryKind, Cast, Concat, Conv2d, ConvTranspose2d, Coordinates, DepthwiseConv2d, Epilogue, Gather, MatMul,
    NearestRounding, Pad, PadMode, Pool2d, PoolKind, Reduce, ReduceKind, Reshape, ReshapeDim, Resize, ResizeMode,
    ResizeSize, Slice, SliceAxis, Softmax, TopK, Transpose, Unary,
};
use crate::passes::optimize;
use crate::shape::Padding;
use crate::tensor::{DType, Tensor};

impl Net {
    /// A SAME convolution with bias and perhaps an activation.
    fn conv(
        &mut self,
        x: ValueId,
        k: usize,
        [ci, co]: [usize; 2],
        stride: usize,
        activation: Option<Unary>,
    ) -> ValueId {
        let operands = [x, self.weight(&[k, k, ci, co]), self.weight(&[co])];
        let epilogue = Epilogue { activation, ..Epilogue::bias() };
        self.op(Conv2d { strides: [stride; 2], padding: Padding::Same, epilogue, ..Conv2d::default() }, &operands)
    }

    fn depthwise(&mut self, x: ValueId, c: usize, stride: usize, activation: Option<Unary>) -> ValueId {
        let operands = [x, self.weight(&[3, 3, c, 1]), self.weight(&[c])];
        let epilogue = Epilogue { activation, ..Epilogue::bias() };
        self.op(
            DepthwiseConv2d { strides: [stride; 2], padding: Padding::Same, epilogue, dilations: [1, 1] },
            &operands,
        )
    }

    fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> ValueId {
        self.op(Binary::new(kind), &[a, b])
    }
}

pub(super) fn cases(cases: &mut Vec<Case>) {
    let first = cases.len();
    blocks(cases);
    heads(cases);
    plumbing(cases);
    // As backends get them: with everything in epilogues. `tests/conformance_passes.rs` holds these to the originals.
    for i in first..cases.len() {
        let Case { name, graph, inputs } = cases[i].clone();
        let graph = optimize(&graph).expect("the case fits together");
        cases.push(Case { name: format!("{name}/optimized"), graph, inputs });
    }
}

fn blocks(cases: &mut Vec<Case>) {
    // ResNet, as a file has it: the addition and its activation are nodes of their own.
    for stride in [1, 2] {
        let mut net = Net::new(format!("net/residual_s{stride}"));
        let x = net.input(&[2, 7, 9, 6]);
        let y = net.conv(x, 3, [6, 10], stride, Some(Unary::Relu));
        let y = net.conv(y, 3, [10, 10], 1, None);
        let shortcut = net.conv(x, 1, [6, 10], stride, None);
        let sum = net.binary(BinaryKind::Add, y, shortcut);
        let y = net.op(Unary::Relu, &[sum]);
        cases.push(net.done(&[y]));
    }
    // MobileNet v2, with the activations MobileNets have had.
    for (name, f) in [("relu6", Unary::Relu6), ("hard_swish", Unary::HardSwish), ("swish", Unary::Swish)] {
        let mut net = Net::new(format!("net/inverted_residual_{name}"));
        let x = net.input(&[1, 9, 8, 5]);
        let y = net.conv(x, 1, [5, 21], 1, Some(f));
        let y = net.depthwise(y, 21, 1, Some(f));
        let y = net.conv(y, 1, [21, 5], 1, None);
        let y = net.binary(BinaryKind::Add, x, y);
        cases.push(net.done(&[y]));
    }
    let mut net = Net::new("net/squeeze_and_excite");
    let x = net.input(&[2, 5, 7, 9]);
    let pooled = net.op(Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: true }, &[x]);
    let y = net.conv(pooled, 1, [9, 3], 1, Some(Unary::Relu));
    let y = net.conv(y, 1, [3, 9], 1, Some(Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }));
    let y = net.binary(BinaryKind::Mul, x, y);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/inception");
    let x = net.input(&[1, 7, 7, 8]);
    let a = net.conv(x, 1, [8, 3], 1, Some(Unary::Relu));
    let b = net.conv(x, 1, [8, 4], 1, Some(Unary::Relu));
    let b = net.conv(b, 3, [4, 5], 1, Some(Unary::Relu));
    let pool =
        Pool2d { kind: PoolKind::Max, kernel: [3, 3], strides: [1, 1], dilations: [1, 1], padding: Padding::Same };
    let c = net.op(pool, &[x]);
    let y = net.op(Concat { axis: 3 }, &[a, b, c]);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/dense_block");
    let mut x = net.input(&[1, 6, 5, 4]);
    for layer in 0..3 {
        let y = net.conv(x, 3, [4 + 3 * layer, 3], 1, Some(Unary::Relu));
        x = net.op(Concat { axis: -1 }, &[x, y]);
    }
    cases.push(net.done(&[x]));

    let mut net = Net::new("net/unet");
    let x = net.input(&[1, 8, 12, 3]);
    let top = net.conv(x, 3, [3, 6], 1, Some(Unary::Relu));
    let half =
        Pool2d { kind: PoolKind::Max, kernel: [2, 2], strides: [2, 2], dilations: [1, 1], padding: Padding::Valid };
    let low = net.op(half, &[top]);
    let low = net.conv(low, 3, [6, 10], 1, Some(Unary::Relu));
    let operands = [low, net.weight(&[2, 2, 6, 10]), net.weight(&[6])];
    let up =
        ConvTranspose2d { strides: [2, 2], padding: Padding::Same, epilogue: Epilogue::bias(), ..Default::default() };
    let up = net.op(up, &operands);
    let y = net.op(Concat { axis: 3 }, &[top, up]);
    let y = net.conv(y, 1, [12, 4], 1, None);
    let y = net.op(Softmax { axis: -1 }, &[y]);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/feature_pyramid");
    let x = net.input(&[1, 8, 10, 4]);
    let fine = net.conv(x, 1, [4, 5], 1, None);
    let coarse = net.conv(x, 3, [4, 5], 2, None);
    let mut outputs = Vec::new();
    for (i, mode) in [ResizeMode::Bilinear, ResizeMode::Nearest(NearestRounding::Floor)].into_iter().enumerate() {
        let size = if i == 0 { ResizeSize::Fixed([8, 10]) } else { ResizeSize::Factors([2.0, 2.0]) };
        let up = net.op(Resize { size, mode, coordinates: Coordinates::HalfPixel }, &[coarse]);
        let y = net.binary(BinaryKind::Add, fine, up);
        let y = net.conv(y, 3, [5, 3], 1, Some(Unary::LeakyRelu { alpha: 0.1 }));
        outputs.push(y);
    }
    cases.push(net.done(&outputs));

    // ShuffleNet: channels split, moved, shuffled by a rank-5 transposition.
    let mut net = Net::new("net/channel_shuffle");
    let x = net.input(&[2, 4, 5, 6]);
    let half =
        |from, to| Slice { axes: vec![SliceAxis::ALL, SliceAxis::ALL, SliceAxis::ALL, SliceAxis::range(from, to)] };
    let (a, b) = (net.op(half(0, 3), &[x]), net.op(half(3, 6), &[x]));
    let b = net.conv(b, 1, [3, 3], 1, Some(Unary::Relu));
    let y = net.op(Concat { axis: 3 }, &[a, b]);
    let y = net.op(Reshape::to(&[2, 4, 5, 2, 3]), &[y]);
    let y = net.op(Transpose { perm: vec![0, 1, 2, 4, 3] }, &[y]);
    let y = net.op(Reshape::to(&[2, 4, 5, 6]), &[y]);
    cases.push(net.done(&[y]));

    // Written out, as frameworks without the op export it.
    let mut net = Net::new("net/hard_swish_written_out");
    let x = net.input(&[1, 5, 6, 7]);
    let x = net.conv(x, 1, [7, 7], 1, None);
    let (three, sixth) = (net.constant(Tensor::scalar(3.0)), net.constant(Tensor::scalar(1.0 / 6.0)));
    let gate = net.binary(BinaryKind::Add, x, three);
    let gate = net.op(Unary::Relu6, &[gate]);
    let scaled = net.binary(BinaryKind::Mul, x, sixth);
    let y = net.binary(BinaryKind::Mul, scaled, gate);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/pad_then_valid");
    let x = net.input(&[1, 9, 8, 3]);
    let x = net.op(Pad { pads: vec![[0, 0], [0, 1], [0, 1], [0, 0]], mode: PadMode::Constant(0.0) }, &[x]);
    let operands = [x, net.weight(&[3, 3, 3, 6])];
    let y = net.op(Conv2d { strides: [2, 2], ..Conv2d::default() }, &operands);
    cases.push(net.done(&[y]));
}

fn heads(cases: &mut Vec<Case>) {
    let mut net = Net::new("net/classifier");
    let x = net.input(&[2, 9, 9, 3]);
    let y = net.conv(x, 3, [3, 8], 2, Some(Unary::Relu));
    let y = net.conv(y, 3, [8, 12], 2, Some(Unary::Relu));
    let y = net.op(Reduce { kind: ReduceKind::Mean, axes: vec![1, 2], keep_dims: false }, &[y]);
    let operands = [y, net.weight(&[12, 10]), net.weight(&[10])];
    let y = net.op(MatMul { epilogue: Epilogue::bias(), ..MatMul::default() }, &operands);
    let y = net.op(Softmax { axis: -1 }, &[y]);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/flatten_dense");
    let x = net.input(&[3, 4, 5, 6]);
    let y = net.op(Reshape::flatten(), &[x]);
    let operands = [y, net.weight(&[120, 21]), net.weight(&[21])];
    let epilogue = Epilogue { activation: Some(Unary::Relu), ..Epilogue::bias() };
    let y = net.op(MatMul { epilogue, ..MatMul::default() }, &operands);
    cases.push(net.done(&[y]));

    // SSD: two feature maps, boxes and scores of all of them in one list.
    let mut net = Net::new("net/ssd_head");
    let x = net.input(&[1, 6, 6, 8]);
    let small = net.conv(x, 3, [8, 8], 2, Some(Unary::Relu6));
    let mut lists = [Vec::new(), Vec::new()];
    for map in [x, small] {
        for (list, size) in lists.iter_mut().zip([4, 5]) {
            let y = net.conv(map, 1, [8, 3 * size], 1, None);
            let dims = vec![ReshapeDim::Copy(0), ReshapeDim::Infer, ReshapeDim::Size(size)];
            list.push(net.op(Reshape { dims }, &[y]));
        }
    }
    let boxes = net.op(Concat { axis: 1 }, &lists[0]);
    let scores = net.op(Concat { axis: 1 }, &lists[1]);
    let scores = net.op(Unary::Sigmoid, &[scores]);
    let best = net.op(Reduce { kind: ReduceKind::Max, axes: vec![-1], keep_dims: false }, &[scores]);
    let top = net.ops(TopK { k: 7 }, &[best]);
    cases.push(net.done(&[boxes, scores, top[0], top[1]]));

    // CenterNet: a peak is what its 3 x 3 neighbourhood does not exceed.
    let mut net = Net::new("net/centernet_peaks");
    let x = net.input(&[1, 7, 9, 6]);
    let heat = net.conv(x, 1, [6, 5], 1, Some(Unary::Sigmoid));
    let pool =
        Pool2d { kind: PoolKind::Max, kernel: [3, 3], strides: [1, 1], dilations: [1, 1], padding: Padding::Same };
    let highest = net.op(pool, &[heat]);
    let mask = net.binary(BinaryKind::Equal, heat, highest);
    let mask = net.op(Cast { to: DType::F32 }, &[mask]);
    let peaks = net.binary(BinaryKind::Mul, heat, mask);
    let flat = net.op(Reshape::flatten(), &[peaks]);
    let top = net.ops(TopK { k: 4 }, &[flat]);
    let offsets = net.conv(x, 1, [6, 2], 1, None);
    let offsets = net.op(Reshape::to(&[63, 2]), &[offsets]);
    let classes = net.constant(Tensor::i32([1], vec![5]).expect("fits"));
    let cells = net.binary(BinaryKind::FloorDiv, top[1], classes);
    let offsets = net.op(Gather { axis: 0 }, &[offsets, cells]);
    cases.push(net.done(&[top[0], top[1], offsets]));

    // Pixels as a camera gives them.
    let mut net = Net::new("net/bytes_to_features");
    let pixels = net.random.any(DType::U8, &[1, 7, 9, 3]);
    let x = net.feed(pixels);
    let x = net.op(Cast { to: DType::F32 }, &[x]);
    let (scale, shift) = (net.constant(Tensor::scalar(1.0 / 127.5)), net.constant(Tensor::scalar(-1.0)));
    let x = net.binary(BinaryKind::Mul, x, scale);
    let x = net.binary(BinaryKind::Add, x, shift);
    let y = net.conv(x, 3, [3, 8], 2, Some(Unary::Relu6));
    cases.push(net.done(&[y]));
}

/// Graph shapes that a memory plan can get wrong.
fn plumbing(cases: &mut Vec<Case>) {
    let mut net = Net::new("net/input_is_an_output");
    let x = net.input(&[2, 5]);
    let y = net.op(Unary::Neg, &[x]);
    cases.push(net.done(&[x, y]));

    let mut net = Net::new("net/constant_is_an_output");
    let x = net.input(&[2, 5]);
    let w = net.weight(&[5]);
    let y = net.binary(BinaryKind::Add, x, w);
    cases.push(net.done(&[w, y]));

    let mut net = Net::new("net/one_value_two_outputs");
    let x = net.input(&[2, 5]);
    let y = net.op(Unary::Square, &[x]);
    cases.push(net.done(&[y, y]));

    let mut net = Net::new("net/inner_value_is_an_output");
    let x = net.input(&[1, 5, 5, 4]);
    let a = net.conv(x, 3, [4, 4], 1, None);
    let b = net.op(Unary::Relu, &[a]);
    let c = net.conv(b, 3, [4, 4], 1, None);
    cases.push(net.done(&[c, a]));

    let mut net = Net::new("net/reshaped_input_is_an_output");
    let x = net.input(&[2, 3, 4]);
    let y = net.op(Reshape::flatten(), &[x]);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/reshape_keeps_the_original_alive");
    let x = net.input(&[2, 3, 4]);
    let a = net.op(Unary::Exp, &[x]);
    let flat = net.op(Reshape::to(&[24]), &[a]);
    let b = net.op(Unary::Neg, &[x]);
    let b = net.op(Unary::Square, &[b]);
    let b = net.op(Reshape::to(&[24]), &[b]);
    let y = net.binary(BinaryKind::Sub, flat, b);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/dead_code");
    let x = net.input(&[2, 6]);
    let unused = net.op(Unary::Exp, &[x]);
    let _ = net.op(TopK { k: 2 }, &[unused]);
    let y = net.op(Unary::Abs, &[x]);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/half_of_top_k");
    let x = net.input(&[2, 9]);
    let top = net.ops(TopK { k: 3 }, &[x]);
    cases.push(net.done(&[top[1]]));

    let mut net = Net::new("net/unused_input");
    let (x, _) = (net.input(&[3]), net.input(&[4]));
    let y = net.op(Unary::Abs, &[x]);
    cases.push(net.done(&[y]));

    // A long chain reuses buffers again and again; a value from the beginning must survive.
    let mut net = Net::new("net/long_chain");
    let first = net.input(&[1, 4, 4, 5]);
    let first = net.conv(first, 1, [5, 5], 1, Some(Unary::Tanh));
    let mut x = first;
    for _ in 0..8 {
        x = net.conv(x, 1, [5, 5], 1, Some(Unary::Tanh));
    }
    let y = net.binary(BinaryKind::Add, first, x);
    cases.push(net.done(&[y]));

    let mut net = Net::new("net/two_inputs");
    let (a, b) = (net.input(&[2, 3, 5, 4]), net.input(&[2, 3, 5, 6]));
    let a = net.conv(a, 3, [4, 6], 1, None);
    let y = net.binary(BinaryKind::Maximum, a, b);
    cases.push(net.done(&[y]));
}
