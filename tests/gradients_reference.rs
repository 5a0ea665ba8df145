//! The gradients' reference kernels against the forward ones: a linear map and its gradient are each other's adjoint,
//! `<dy, f(v)> = <f'(dy), v>` for any `dy` and `v`, which is another formula than the kernels'. What is not linear is
//! compared with differences of the forward op.
#![cfg(feature = "conformance")]

use striate::conformance::{self, Case};
use striate::graph::Graph;

use striate::ops::{BatchNormBackward, ConvTranspose2d, MaxPool2dBackward, Op, Operator, Reference, Slice, SliceAxis};
use striate::{Padding, Tensor, TensorType};

/// A linear congruential generator, by Knuth's constants for MMIX.
struct Random(u64);

impl Random {
    fn float(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| self.float()).collect();
        Tensor::f32(shape, values).unwrap()
    }
}

fn dot(a: &Tensor, b: &Tensor) -> (f64, f64) {
    assert_eq!(a.shape(), b.shape());
    let products = a.as_f32().unwrap().iter().zip(b.as_f32().unwrap()).map(|(&a, &b)| a as f64 * b as f64);
    products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()))
}

/// Whether two inner products agree, given that their tensors were rounded to float32.
fn agree(name: &str, (a, size_a): (f64, f64), (b, size_b): (f64, f64)) {
    assert!((a - b).abs() <= 1e-6 * (size_a + size_b) + 1e-30, "{name}: {a} is not {b}");
}

fn run(op: &dyn Reference, inputs: &[&Tensor]) -> Tensor {
    op.reference(inputs).unwrap().remove(0)
}

/// The cases of one op each, with a gradient among them.
fn cases(prefix: &str) -> Vec<Case> {
    let cases: Vec<Case> = conformance::cases().into_iter().filter(|c| c.name.starts_with(prefix)).collect();
    assert!(cases.len() >= 20, "only {} cases are named {prefix}", cases.len());
    cases
}

fn only_op(graph: &Graph) -> &Op {
    let [node] = graph.nodes() else { panic!("a case of one op") };
    &node.op
}

#[test]
fn gradients_of_linear_ops_are_their_adjoints() {
    let mut random = Random(1);
    for prefix in ["conv_backward_", "depthwise_backward_", "pool_backward/average", "resize_backward/"] {
        for Case { name, graph, inputs } in cases(prefix) {
            let gradient = run(only_op(&graph).reference(), &inputs.iter().collect::<Vec<_>>());
            let v = random.tensor(gradient.shape());
            let (forward, dy) = match only_op(&graph) {
                Op::Conv2dBackwardInput(op) => (run(&op.forward(), &[&v, &inputs[1]]), &inputs[0]),
                Op::Conv2dBackwardFilter(op) => (run(&op.forward(), &[&inputs[0], &v]), &inputs[1]),
                Op::DepthwiseConv2dBackwardInput(op) => (run(&op.forward(), &[&v, &inputs[1]]), &inputs[0]),
                Op::DepthwiseConv2dBackwardFilter(op) => (run(&op.forward(), &[&inputs[0], &v]), &inputs[1]),
                Op::AvgPool2dBackward(op) => (run(&op.forward(), &[&v]), &inputs[0]),
                Op::ResizeBackward(op) => (run(&op.forward, &[&v]), &inputs[0]),
                other => panic!("{name}: {other:?}"),
            };
            agree(&name, dot(dy, &forward), dot(&gradient, &v));
        }
    }
}

#[test]
fn the_gradient_of_a_maximum_is_that_of_small_steps() {
    let mut random = Random(2);
    for Case { name, graph, inputs } in cases("pool_backward/max") {
        let Op::MaxPool2dBackward(op) = only_op(&graph) else { panic!("{name}") };
        let shape = inputs[0].shape();
        // Whole numbers in any order: steps of less than a half never change which one is the largest.
        let mut order: Vec<usize> = (0..shape.elements()).collect();
        order.sort_by_key(|&i| i.wrapping_mul(2654435761) % 65536);
        let x: Vec<f32> = order.iter().map(|&i| i as f32).collect();
        let step: Vec<f32> = x.iter().map(|_| (random.float() * 7.0).round() / 16.0).collect();
        let moved: Vec<f32> = x.iter().zip(&step).map(|(x, s)| x + s).collect();
        let [x, step, moved] = [x, step, moved].map(|v| Tensor::f32(shape.clone(), v).unwrap());
        let dy = &inputs[1];
        let (before, after) = (run(&op.forward(), &[&x]), run(&op.forward(), &[&moved]));
        let seen = |(a, b): (&f32, &f32)| if a.is_finite() { b - a } else { 0.0 };
        let change = before.as_f32().unwrap().iter().zip(after.as_f32().unwrap()).map(seen).collect::<Vec<_>>();
        let change = Tensor::f32(dy.shape().clone(), change).unwrap();
        agree(&name, dot(dy, &change), dot(&run(op, &[&x, dy]), &step));
    }
}

#[test]
fn ties_go_to_the_first() {
    let op = MaxPool2dBackward { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], padding: Padding::Valid };
    let x = Tensor::f32([1, 2, 3, 1], vec![0.0, 4.0, 4.0, 4.0, 0.0, 4.0]).unwrap();
    let dy = Tensor::f32([1, 1, 2, 1], vec![1.0, 2.0]).unwrap();
    assert_eq!(run(&op, &[&x, &dy]).as_f32().unwrap(), [0.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn transposed_convolutions_are_differentiated_by_convolutions() {
    let mut random = Random(3);
    let explicit = Padding::Explicit([[1, 0], [2, 1]]);
    for (kernel, strides, dilations) in [
        ([3, 3], [1, 1], [1, 1]),
        ([4, 3], [2, 2], [1, 1]),
        ([2, 5], [3, 2], [1, 1]),
        ([1, 2], [3, 4], [1, 1]),
        ([3, 2], [2, 1], [2, 3]),
    ] {
        for padding in [Padding::Same, Padding::Valid, explicit] {
            for output_padding in [None, Some([0, 0]), Some([1, 1]), Some([2, 5])] {
                let op = ConvTranspose2d { strides, dilations, padding, output_padding, ..Default::default() };
                let name = format!("{kernel:?} {op:?}");
                let [x, weights] = [random.tensor(&[2, 4, 3, 2]), random.tensor(&[kernel[0], kernel[1], 5, 2])];
                let Ok(shape) = op.infer(&[x.kind(), weights.kind()]) else { continue };
                let dy = random.tensor(&shape[0].shape);
                let backward = op.backward([4, 3], kernel).unwrap();
                let [height, width] =
                    backward.reached.map(|n| SliceAxis { start: None, end: Some(n as isize), step: 1 });
                let reached = run(&Slice { axes: vec![SliceAxis::ALL, height, width, SliceAxis::ALL] }, &[&dy]);
                let v = random.tensor(x.shape());
                let dx = run(&backward.input, &[&reached, &weights]);
                agree(&name, dot(&dy, &run(&op, &[&v, &weights])), dot(&dx, &v));
                let v = random.tensor(weights.shape());
                let dweights = run(&backward.filter, &[&reached, &x]);
                agree(&name, dot(&dy, &run(&op, &[&x, &v])), dot(&dweights, &v));
            }
        }
    }
}

/// Training-mode batch normalisation times `dy`, summed: written down again, in double precision.
fn loss(x: &[f64], dy: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> f64 {
    let c = gamma.len();
    let rows = (x.len() / c) as f64;
    let of_channel = |c_: usize| (c_..x.len()).step_by(c);
    (0..c)
        .map(|i| {
            let mean = of_channel(i).map(|at| x[at]).sum::<f64>() / rows;
            let variance = of_channel(i).map(|at| (x[at] - mean) * (x[at] - mean)).sum::<f64>() / rows;
            let y = |at: usize| (x[at] - mean) / (variance + epsilon).sqrt() * gamma[i] + beta[i];
            of_channel(i).map(|at| y(at) * dy[at]).sum::<f64>()
        })
        .sum()
}

#[test]
fn batch_norm_backward_is_the_slope_of_batch_norm() {
    let mut random = Random(4);
    let epsilon = 1e-3;
    for shape in [&[2, 3, 2, 3][..], &[5, 4], &[7, 1]] {
        let c = shape[shape.len() - 1];
        let [x, dy, gamma, beta] = [shape, shape, &[c], &[c]].map(|shape| random.tensor(shape));
        let [mean, variance] = striate::ops::BatchNormStatistics.reference(&[&x]).unwrap().try_into().unwrap();
        let inverse = variance.as_f32().unwrap().iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect::<Vec<_>>();
        let inverse = Tensor::f32([c], inverse).unwrap();
        let got = BatchNormBackward.reference(&[&x, &dy, &mean, &inverse, &gamma]).unwrap();
        let wide = |t: &Tensor| t.as_f32().unwrap().iter().map(|&v| v as f64).collect::<Vec<_>>();
        let operands = [wide(&x), wide(&gamma), wide(&beta)];
        let dy = wide(&dy);
        for (which, gradient) in got.iter().enumerate() {
            for (at, &gradient) in gradient.as_f32().unwrap().iter().enumerate() {
                let moved = |by: f64| {
                    let mut operands = operands.clone();
                    operands[which][at] += by;
                    let [x, gamma, beta] = &operands;
                    loss(x, &dy, gamma, beta, epsilon as f64)
                };
                let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                assert!((slope - gradient as f64).abs() < 2e-5, "output {which} at {at}: {gradient} is not {slope}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let conv = striate::ops::Conv2d { padding: Padding::Same, ..Default::default() };
    let kinds = |a: [usize; 4], b: [usize; 4]| [a, b].map(TensorType::f32);
    let refused = |op: &dyn Operator, operands: &[TensorType], part: &str| {
        let error = op.infer(operands).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let input = conv.backward_input([5, 5]);
    refused(&input, &kinds([1, 4, 5, 6], [3, 3, 2, 6]), "[1, 5, 5, 6]");
    refused(&input, &kinds([1, 5, 5, 7], [3, 3, 2, 6]), "[1, 5, 5, 6]");
    refused(&input, &[TensorType::f32([1, 5, 5, 6])], "inputs");
    refused(
        &striate::ops::Conv2d { groups: 0, ..conv.clone() }.backward_input([5, 5]),
        &kinds([1, 5, 5, 6], [3, 3, 2, 6]),
        "groups",
    );
    let filter = conv.backward_filter([3, 3]);
    refused(&filter, &kinds([1, 5, 5, 2], [1, 5, 4, 6]), "[1, 5, 5, 6]");
    refused(
        &striate::ops::Conv2d { groups: 2, ..conv }.backward_filter([3, 3]),
        &kinds([1, 5, 5, 3], [1, 5, 5, 6]),
        "groups",
    );
    let depthwise = striate::ops::DepthwiseConv2d { padding: Padding::Same, ..Default::default() };
    refused(&depthwise.backward_filter([3, 3]), &kinds([1, 5, 5, 4], [1, 5, 5, 6]), "[1, 5, 5, 4]");
    refused(&depthwise.backward_input([5, 6]), &kinds([1, 5, 5, 4], [3, 3, 4, 1]), "[1, 5, 6, 4]");
    let bytes = TensorType::new(striate::DType::U8, [1, 5, 5, 6]);
    refused(&input, &[bytes, TensorType::f32([3, 3, 2, 6])], "float32");
}
