//! Gradients of element-wise functions, and what else a training step has: random numbers, updates.

use super::Case;
use super::elementwise::{activations, functions};
use super::generate::Net;
use crate::ops::{OptimizerStep, Random, RandomKind, Saved, Unary, UnaryBackward, UpdateRule};
use crate::tensor::Tensor;

pub(super) fn cases(cases: &mut Vec<Case>) {
    simple(cases);
    random(cases);
    updates(cases);
    called_off(cases);
}

fn random(cases: &mut Vec<Case>) {
    for (name, kind) in [("uniform", RandomKind::Uniform), ("normal", RandomKind::Normal)] {
        for (tag, shape, seed, counter) in [
            ("image", &[2, 5, 7, 3][..], 1, 0),
            ("step", &[2, 5, 7, 3], 1, 1),
            ("seed", &[2, 5, 7, 3], u32::MAX, 1),
            ("negative", &[130], 77, i32::MIN),
            ("scalar", &[], 3, 4),
            ("large", &[150, 333], 3, 4),
        ] {
            let mut net = Net::new(format!("random/{name}_{tag}"));
            let counter = net.feed(Tensor::i32([1], vec![counter]).expect("fits"));
            let like = net.random.tensor(shape, -1.0, 1.0);
            let like = net.constant(like);
            let y = net.op(Random { kind, seed }, &[like, counter]);
            cases.push(net.done(&[y]));
        }
    }
}

fn updates(cases: &mut Vec<Case>) {
    let (rho, beta_1, beta_2, epsilon) = (0.9, 0.9, 0.999, 1e-3);
    for rule in [
        UpdateRule::Sgd,
        UpdateRule::Momentum { nesterov: false },
        UpdateRule::Momentum { nesterov: true },
        UpdateRule::RmsProp { rho, epsilon },
        UpdateRule::RmsPropMomentum { rho, epsilon },
        UpdateRule::Adam { beta_1, beta_2, epsilon },
        UpdateRule::Adamax { beta_1, beta_2, epsilon },
        UpdateRule::Nadam { beta_1, beta_2, epsilon },
        UpdateRule::Adagrad { epsilon },
        UpdateRule::Adadelta { rho, epsilon },
    ] {
        for (tag, shape, weight_decay) in [
            ("kernel", &[3, 3, 5, 7][..], 0.0),
            ("bias", &[7], 0.01),
            ("scalar", &[], 0.0),
            ("large", &[131, 257], 0.1),
        ] {
            let name = format!("update/{}_{tag}", rule.name().to_lowercase());
            let mut net = Net::new(name);
            let [w, g] = [(); 2].map(|_| net.random.tensor(shape, -1.0, 1.0));
            let coefficients = net.random.tensor(&[rule.coefficients()], 0.05, 0.9);
            let slots: Vec<Tensor> = (0..rule.slots()).map(|_| net.random.tensor(shape, 0.0, 1.0)).collect();
            let mut operands = vec![net.feed(w), net.feed(g), net.feed(coefficients)];
            operands.extend(slots.into_iter().map(|slot| net.feed(slot)));
            let outputs = net.ops(OptimizerStep { rule, weight_decay }, &operands);
            cases.push(net.done(&outputs));
        }
    }
}

fn called_off(cases: &mut Vec<Case>) {
    for (tag, rate) in [("nan", f32::NAN), ("infinite", f32::INFINITY)] {
        let mut net = Net::new(format!("update/called_off_{tag}"));
        let [w, s, t] = [(); 3].map(|_| net.random.tensor(&[5, 7], -1.0, 1.0));
        let g = Tensor::f32([5, 7], vec![f32::NAN; 35]).expect("fits");
        let coefficients = Tensor::f32([2], vec![rate; 2]).expect("fits");
        let operands = [w, g, coefficients, s, t].map(|tensor| net.feed(tensor));
        let rule = UpdateRule::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-3 };
        let outputs = net.ops(OptimizerStep { rule, weight_decay: 0.01 }, &operands);
        cases.push(net.done(&outputs));
    }
}

fn simple(cases: &mut Vec<Case>) {
    let mut push = |name: String, of: Unary, x: Tensor| {
        let mut net = Net::new(format!("unary_backward/{name}"));
        let dy = net.random.tensor(x.shape(), -2.0, 2.0);
        let saved = match of.saved() {
            Some(Saved::Output) => {
                let values: Vec<f32> = x.as_f32().expect("floats").iter().map(|&x| of.eval(x as f64) as f32).collect();
                Tensor::f32(x.shape().clone(), values).expect("same count")
            }
            _ => x,
        };
        let operands = [net.feed(saved), net.feed(dy)];
        let dx = net.op(UnaryBackward { of }, &operands);
        cases.push(net.done(&[dx]));
    };
    let random = |name: &str, shape: &[usize], low, high| Net::new(name).random.tensor(shape, low, high);
    let turned =
        [("leaky_relu_negative", Unary::LeakyRelu { alpha: -0.3 }), ("elu_negative", Unary::Elu { alpha: -0.5 })];
    for (name, of) in activations().into_iter().chain(turned) {
        push(name.to_string(), of, random(name, &[2, 3, 5, 7], -8.0, 8.0));
        // Kinks, bounds, saturation, and what must not overflow.
        let edges = [0.0, 3.0, -3.0, 6.0, -6.0, 2.5, -2.5, -0.25, 0.5, 20.0, -20.0, 88.0, -88.0, 300.0, -300.0];
        push(format!("{name}_edges"), of, Tensor::f32([edges.len()], edges).expect("fits"));
    }
    for (name, of, low, high) in [
        ("exp", Unary::Exp, -10.0, 5.0),
        ("log", Unary::Log, 0.01, 100.0),
        ("sqrt", Unary::Sqrt, 0.01, 50.0),
        ("rsqrt", Unary::Rsqrt, 0.1, 50.0),
        ("square", Unary::Square, -5.0, 5.0),
        ("reciprocal", Unary::Reciprocal, 0.2, 9.0),
        ("neg", Unary::Neg, -5.0, 5.0),
        ("abs", Unary::Abs, -5.0, 5.0),
    ] {
        push(name.to_string(), of, random(name, &[3, 5, 11], low, high));
    }
    for (name, of, low, high) in functions() {
        // A slope without end at both ends.
        let (low, high) = if matches!(of, Unary::Acosh) { (1.5, high) } else { (low, high) };
        push(name.to_string(), of, random(name, &[2, 3, 5, 7], low, high));
    }
    for (name, of, edges) in [
        ("mish", Unary::Mish, vec![0.0, 20.0, -20.0, 88.0, -88.0, 300.0, -300.0]),
        ("celu", Unary::Celu { alpha: 0.5 }, vec![0.0, 88.0, -88.0, 300.0]),
        ("thresholded_relu", Unary::ThresholdedRelu { theta: 1.0 }, vec![0.0, 1.0, 1.5, -1.0]),
        ("shrink", Unary::Shrink { threshold: 0.5, bias: 0.25 }, vec![0.0, 0.5, -0.5, 0.75, -0.75]),
        ("sparse_plus", Unary::SparsePlus, vec![0.0, 1.0, -1.0, 1.5, -1.5]),
        ("erf", Unary::Erf, vec![0.0, 1.0, -20.0, 300.0]),
    ] {
        push(format!("{name}_edges"), of, Tensor::f32([edges.len()], edges).expect("fits"));
    }
    // More than one task of the CPU's.
    push("relu_large".into(), Unary::Relu, random("relu_large", &[2, 131, 257], -1.0, 1.0));
}
