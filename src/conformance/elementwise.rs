//! Functions of one value, arithmetic of two, casts.

use super::Case;
use super::generate::{Net, by};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Cast, Unary};
use crate::tensor::{DType, Tensor};

/// Activations of layers: each is tested as an op and in every epilogue.
pub(super) fn activations() -> Vec<(&'static str, Unary)> {
    vec![
        ("relu", Unary::Relu),
        ("relu6", Unary::Relu6),
        ("leaky_relu", Unary::LeakyRelu { alpha: 0.2 }),
        ("elu", Unary::Elu { alpha: 0.7 }),
        ("selu", Unary::Selu),
        ("sigmoid", Unary::Sigmoid),
        ("hard_sigmoid", Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
        ("hard_sigmoid_keras2", Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }),
        ("hard_swish", Unary::HardSwish),
        ("swish", Unary::Swish),
        ("tanh", Unary::Tanh),
        ("gelu", Unary::Gelu { approximate: false }),
        ("gelu_tanh", Unary::Gelu { approximate: true }),
        ("clip", Unary::Clip { min: -0.25, max: 0.5 }),
        ("softplus", Unary::Softplus),
    ]
}

/// Functions that are tested as an op and behind one other, with the range of their operands.
pub(super) fn functions() -> Vec<(&'static str, Unary, f32, f32)> {
    vec![
        ("softsign", Unary::Softsign, -8.0, 8.0),
        ("mish", Unary::Mish, -30.0, 30.0),
        ("log_sigmoid", Unary::LogSigmoid, -30.0, 30.0),
        ("celu", Unary::Celu { alpha: 1.5 }, -8.0, 8.0),
        ("thresholded_relu", Unary::ThresholdedRelu { theta: 0.75 }, -3.0, 3.0),
        ("thresholded_relu_negative", Unary::ThresholdedRelu { theta: -0.75 }, -3.0, 3.0),
        ("hard_shrink", Unary::Shrink { threshold: 0.5, bias: 0.0 }, -2.0, 2.0),
        ("soft_shrink", Unary::Shrink { threshold: 0.5, bias: 0.5 }, -2.0, 2.0),
        ("tanh_shrink", Unary::TanhShrink, -12.0, 12.0),
        ("squareplus", Unary::Squareplus { b: 4.0 }, -300.0, 300.0),
        ("sparse_plus", Unary::SparsePlus, -3.0, 3.0),
        ("erf", Unary::Erf, -5.0, 5.0),
        ("sin", Unary::Sin, -40.0, 40.0),
        ("cos", Unary::Cos, -40.0, 40.0),
        ("tan", Unary::Tan, -1.3, 1.3),
        ("asin", Unary::Asin, -0.99, 0.99),
        ("acos", Unary::Acos, -0.99, 0.99),
        ("atan", Unary::Atan, -9.0, 9.0),
        ("sinh", Unary::Sinh, -6.0, 6.0),
        ("cosh", Unary::Cosh, -6.0, 6.0),
        ("asinh", Unary::Asinh, -90.0, 90.0),
        ("acosh", Unary::Acosh, 1.01, 90.0),
        ("atanh", Unary::Atanh, -0.95, 0.95),
    ]
}

pub(super) fn cases(cases: &mut Vec<Case>) {
    unary(cases);
    float_arithmetic(cases);
    comparisons(cases);
    integer_arithmetic(cases);
    casts(cases);
}

fn unary(cases: &mut Vec<Case>) {
    let mut push = |name: String, f: Unary, x: Tensor| {
        let mut net = Net::new(format!("unary/{name}"));
        let x = net.feed(x);
        let y = net.op(f, &[x]);
        cases.push(net.done(&[y]));
    };
    let random = |name: &str, shape: &[usize], low, high| Net::new(name).random.tensor(shape, low, high);
    for (name, f) in activations() {
        push(name.to_string(), f, random(name, &[2, 3, 5, 7], -8.0, 8.0));
        // Kinks, saturation, and what must not overflow.
        let edges = [0.0, -0.0, 1e-6, -1e-6, 3.0, -3.0, 6.0, -6.0, 2.5, -2.5, 20.0, -20.0, 88.0, -88.0, 300.0, -300.0];
        push(format!("{name}_edges"), f, Tensor::f32([edges.len()], edges).expect("fits"));
    }
    for (name, f, low, high) in functions() {
        push(name.to_string(), f, random(name, &[2, 3, 5, 7], low, high));
    }
    // Kinks, ends of domains, and what must not overflow.
    for (name, f, edges) in [
        ("softsign", Unary::Softsign, vec![0.0, -0.0, 1e-6, -1.0, 300.0, -300.0]),
        ("mish", Unary::Mish, vec![0.0, 1e-6, -20.0, 20.0, 25.0, 88.0, -88.0, 300.0, -300.0]),
        ("log_sigmoid", Unary::LogSigmoid, vec![0.0, 88.0, -88.0, 300.0, -300.0]),
        ("celu", Unary::Celu { alpha: 0.5 }, vec![0.0, 1e-6, -1e-6, 88.0, -88.0, 300.0, -300.0]),
        ("thresholded_relu", Unary::ThresholdedRelu { theta: 1.0 }, vec![0.0, 1.0, 1.0000001, -1.0, 300.0]),
        (
            "shrink",
            Unary::Shrink { threshold: 0.5, bias: 0.25 },
            vec![0.0, 0.5, -0.5, 0.500_001, -0.500_001, 9.0, -9.0],
        ),
        ("tanh_shrink", Unary::TanhShrink, vec![0.0, 1e-3, -1e-3, 20.0, -300.0]),
        ("squareplus", Unary::Squareplus { b: 4.0 }, vec![0.0, 1e-3, 1000.0, -1000.0, -0.001]),
        ("sparse_plus", Unary::SparsePlus, vec![0.0, 1.0, -1.0, 1.5, -1.5, 0.999, -0.999]),
        ("erf", Unary::Erf, vec![0.0, 1e-6, -1e-6, 3.9, 4.1, -20.0, 300.0]),
        ("asin", Unary::Asin, vec![0.0, 1.0, -1.0, 0.5, -0.5]),
        ("acos", Unary::Acos, vec![0.0, 1.0, -1.0, 0.5, -0.5]),
        ("atan", Unary::Atan, vec![0.0, 1.0, -1.0, 2.5, -0.41, 1e10, -1e10]),
        ("sinh", Unary::Sinh, vec![0.0, 1e-4, -1e-4, 1.0, -1.0, 0.9999]),
        ("asinh", Unary::Asinh, vec![0.0, 1e-4, -1e-4, 0.5, -0.5, 1e6, -1e20]),
        ("acosh", Unary::Acosh, vec![1.0, 1.000_001, 2.0, 1e6]),
        ("atanh", Unary::Atanh, vec![0.0, 1e-4, -1e-4, 0.5, -0.5, 0.999]),
    ] {
        push(format!("{name}_edges"), f, Tensor::f32([edges.len()], edges).expect("fits"));
    }
    for (name, f, low, high) in [
        ("exp", Unary::Exp, -10.0, 5.0),
        ("log", Unary::Log, 0.001, 100.0),
        ("sqrt", Unary::Sqrt, 0.0, 50.0),
        ("rsqrt", Unary::Rsqrt, 0.01, 50.0),
        ("square", Unary::Square, -5.0, 5.0),
        ("reciprocal", Unary::Reciprocal, 0.1, 9.0),
        ("neg", Unary::Neg, -5.0, 5.0),
        ("abs", Unary::Abs, -5.0, 5.0),
        ("sign", Unary::Sign, -5.0, 5.0),
        ("floor", Unary::Floor, -9.0, 9.0),
        ("ceil", Unary::Ceil, -9.0, 9.0),
        ("round", Unary::Round, -9.0, 9.0),
    ] {
        push(name.to_string(), f, random(name, &[3, 5, 11], low, high));
    }
    let halves: Vec<f32> = (-9..10).map(|i| i as f32 / 2.0).collect();
    for (name, f) in [("floor", Unary::Floor), ("ceil", Unary::Ceil), ("round", Unary::Round), ("sign", Unary::Sign)] {
        push(format!("{name}_halves"), f, Tensor::f32([halves.len()], halves.clone()).expect("fits"));
    }
    for shape in [&[][..], &[1], &[3], &[66], &[2, 255], &[1, 1, 1, 4], &[2, 3, 2, 2, 3], &[0, 4]] {
        let name = if shape.is_empty() { "scalar".into() } else { by(shape) };
        push(format!("shape_{name}"), Unary::Tanh, random(&name, shape, -2.0, 2.0));
    }
}

fn binary(name: String, op: Binary, a: Tensor, b: Tensor) -> Case {
    let mut net = Net::new(format!("binary/{name}"));
    let inputs = [net.feed(a), net.feed(b)];
    let y = net.op(op, &inputs);
    net.done(&[y])
}

/// Arithmetic kinds with their names.
const ARITHMETIC: [(&str, BinaryKind); 10] = [
    ("add", BinaryKind::Add),
    ("sub", BinaryKind::Sub),
    ("mul", BinaryKind::Mul),
    ("div", BinaryKind::Div),
    ("maximum", BinaryKind::Maximum),
    ("minimum", BinaryKind::Minimum),
    ("pow", BinaryKind::Pow),
    ("squared_difference", BinaryKind::SquaredDifference),
    ("floor_div", BinaryKind::FloorDiv),
    ("floor_mod", BinaryKind::FloorMod),
];

fn float_arithmetic(cases: &mut Vec<Case>) {
    for (name, kind) in ARITHMETIC {
        let mut random = Net::new(name).random;
        // Powers want a positive base.
        let low = if kind == BinaryKind::Pow { 0.1 } else { -4.0 };
        let (a, b) = (random.tensor(&[2, 3, 5, 6], low, 4.0), random.tensor(&[2, 3, 5, 6], 0.3, 2.0));
        cases.push(binary(name.to_string(), Binary::new(kind), a, b));
        let (a, b) = (random.tensor(&[3, 1, 7], low, 4.0), random.tensor(&[5, 7], -2.0, -0.3));
        cases.push(binary(format!("{name}_negative_broadcast"), Binary::new(kind), a, b));
    }
    // Every way to stretch, either side, for an op that tells its sides apart.
    for (a, b) in [
        (&[2, 3, 5, 6][..], &[6][..]),
        (&[6], &[2, 3, 5, 6]),
        (&[2, 3, 5, 6], &[2, 1, 1, 6]),
        (&[2, 1, 1, 6], &[2, 3, 5, 6]),
        (&[2, 3, 5, 1], &[2, 3, 5, 6]),
        (&[2, 3, 5, 6], &[2, 3, 5, 1]),
        (&[2, 1, 5, 1], &[1, 3, 1, 6]),
        (&[2, 3, 5, 6], &[3, 5, 6]),
        (&[2, 3, 5, 6], &[3, 1, 6]),
        (&[2, 3, 5, 8], &[8]),
        (&[1, 4, 4, 21], &[21]),
        (&[1, 4, 4, 3], &[1]),
        (&[], &[2, 3, 4]),
        (&[2, 3, 4], &[]),
        (&[], &[]),
        (&[1], &[1, 1, 1]),
        (&[7, 1], &[1, 9]),
        (&[2, 1, 3, 1, 5], &[4, 1, 2, 1]),
        (&[2, 2, 3, 2, 5], &[2, 2, 3, 2, 5]),
        (&[0, 3], &[3]),
    ] {
        for (name, kind) in [("sub", BinaryKind::Sub), ("mul", BinaryKind::Mul)] {
            let name = format!("{name}_{}_with_{}", by(a), by(b));
            let mut random = Net::new(&name).random;
            let (a, b) = (random.tensor(a, -2.0, 2.0), random.tensor(b, -2.0, 2.0));
            cases.push(binary(name, Binary::new(kind), a, b));
        }
    }
    for (tag, activation) in activations() {
        let mut random = Net::new(tag).random;
        let op = Binary { kind: BinaryKind::Add, activation: Some(activation) };
        let (a, b) = (random.tensor(&[1, 3, 5, 7], -4.0, 4.0), random.tensor(&[1, 3, 5, 7], -4.0, 4.0));
        cases.push(binary(format!("add_then_{tag}"), op, a, b));
    }
    // As an epilogue, in vectors and one by one.
    for (tag, f, low, high) in functions() {
        let mut random = Net::new(format!("then_{tag}")).random;
        let op = Binary { kind: BinaryKind::Mul, activation: Some(f) };
        let (a, b) = (random.tensor(&[3, 7], low, high), random.tensor(&[3, 1], 1.0, 1.01));
        // Inside the domain still.
        let (a, b) = if low.abs() < 1.0 { (a, Tensor::scalar(1.0)) } else { (a, b) };
        cases.push(binary(format!("mul_then_{tag}"), op, a, b));
    }
    // Constants on either side, and one value on both.
    for left in [false, true] {
        let mut net = Net::new(format!("binary/constant_{}", if left { "left" } else { "right" }));
        let (x, w) = (net.input(&[2, 3, 7]), net.weight(&[7]));
        let y = net.op(Binary::new(BinaryKind::Sub), &if left { [w, x] } else { [x, w] });
        cases.push(net.done(&[y]));
    }
    let mut net = Net::new("binary/value_with_itself");
    let x = net.input(&[2, 3, 7]);
    let y = net.op(Binary::new(BinaryKind::Mul), &[x, x]);
    cases.push(net.done(&[y]));
}

const COMPARISONS: [(&str, BinaryKind); 6] = [
    ("equal", BinaryKind::Equal),
    ("not_equal", BinaryKind::NotEqual),
    ("less", BinaryKind::Less),
    ("less_equal", BinaryKind::LessEqual),
    ("greater", BinaryKind::Greater),
    ("greater_equal", BinaryKind::GreaterEqual),
];

fn comparisons(cases: &mut Vec<Case>) {
    for (name, kind) in COMPARISONS {
        let mut random = Net::new(name).random;
        // Few distinct values, so that equality happens.
        let floats = |t: Tensor| {
            let values: Vec<f32> = t.as_i32().expect("integers").iter().map(|&v| v as f32 / 2.0).collect();
            Tensor::f32(t.shape().clone(), values).expect("same count")
        };
        let (a, b) = (random.ints(&[2, 3, 7], -2, 3), random.ints(&[3, 1], -2, 3));
        cases.push(binary(format!("{name}_i32"), Binary::new(kind), a.clone(), b.clone()));
        cases.push(binary(format!("{name}_f32"), Binary::new(kind), floats(a), floats(b)));
    }
    // A NaN differs from itself, which is how one is found; in vectors and one by one.
    for n in [8, 7] {
        let mut net = Net::new(format!("binary/not_equal_nan_{n}"));
        let values = [1.0, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::NAN];
        let x = net.feed(Tensor::f32([n], values[..n].to_vec()).expect("fits"));
        let y = net.op(Binary::new(BinaryKind::NotEqual), &[x, x]);
        cases.push(net.done(&[y]));
    }
}

fn integer_arithmetic(cases: &mut Vec<Case>) {
    for (name, kind) in ARITHMETIC {
        if kind == BinaryKind::Pow {
            continue;
        }
        let mut random = Net::new(name).random;
        let (a, b) = (random.ints(&[3, 5, 7], -50, 50), random.ints(&[5, 7], -7, 8));
        cases.push(binary(format!("{name}_i32"), Binary::new(kind), a, b));
        // Zero divisors, and the quotient that does not fit.
        let a = Tensor::i32([8], vec![7, -7, 7, -7, 0, i32::MIN, i32::MAX, i32::MIN]).expect("fits");
        let b = Tensor::i32([8], vec![2, 2, -2, -2, 0, -1, 1, 3]).expect("fits");
        cases.push(binary(format!("{name}_i32_edges"), Binary::new(kind), a, b));
    }
}

fn casts(cases: &mut Vec<Case>) {
    for from in [DType::F32, DType::I32, DType::U8] {
        for to in [DType::F32, DType::I32, DType::U8] {
            for shape in [&[3, 7][..], &[1], &[2, 4, 3, 3]] {
                let mut net = Net::new(format!("cast/{from}_to_{to}_{}", by(shape)));
                let x = match from {
                    DType::F32 => net.random.tensor(shape, -300.0, 600.0),
                    DType::I32 => net.random.ints(shape, -300, 600),
                    DType::U8 => net.random.any(DType::U8, shape),
                };
                let x = net.feed(x);
                let y = net.op(Cast { to }, &[x]);
                cases.push(net.done(&[y]));
            }
        }
    }
    // Saturation and halves.
    for to in [DType::I32, DType::U8] {
        let mut net = Net::new(format!("cast/edges_to_{to}"));
        let edges = vec![-1e10, -0.5, 0.5, 0.99, 1.5, 254.9, 255.0, 255.5, 256.0, 1e10];
        let x = net.feed(Tensor::f32([edges.len()], edges).expect("fits"));
        let y = net.op(Cast { to }, &[x]);
        cases.push(net.done(&[y]));
    }
    // What a comparison gives is arithmetic's food.
    let mut net = Net::new("cast/mask_times_value");
    let inputs: [ValueId; 2] = [net.input(&[2, 3, 5]), net.input(&[2, 3, 5])];
    let mask = net.op(Binary::new(BinaryKind::Greater), &inputs);
    let mask = net.op(Cast { to: DType::F32 }, &[mask]);
    let y = net.op(Binary::new(BinaryKind::Mul), &[mask, inputs[0]]);
    cases.push(net.done(&[y]));
}
