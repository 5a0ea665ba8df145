//! Matrix products and dense layers.

use super::Case;
use super::elementwise::activations;
use super::generate::{Net, by};
use crate::ops::{Epilogue, MatMul, Unary};

pub(super) fn cases(cases: &mut Vec<Case>) {
    // Dense layers: constant weights and a bias.
    let mut dense = |name: String, a: &[usize], units: usize, activation: Option<Unary>| {
        let mut net = Net::new(format!("dense/{name}"));
        let x = net.input(a);
        let (kernel, bias) = (net.weight(&[a[a.len() - 1], units]), net.weight(&[units]));
        let op = MatMul { epilogue: Epilogue { activation, ..Epilogue::bias() }, ..MatMul::default() };
        let y = net.op(op, &[x, kernel, bias]);
        cases.push(net.done(&[y]));
    };
    for (m, k, n) in [
        (1, 1, 1),
        (1, 7, 5),
        (1, 1001, 7),
        (1, 256, 255),
        (1, 64, 1000),
        (2, 3, 66),
        (3, 5, 4),
        (4, 8, 8),
        (5, 33, 31),
        (6, 21, 30),
        (7, 64, 9),
        (8, 12, 3),
        (17, 16, 65),
        (33, 6, 21),
    ] {
        dense(by(&[m, k, n]), &[m, k], n, None);
    }
    dense("rank3".into(), &[2, 3, 6], 4, Some(Unary::Tanh));
    dense("rank4".into(), &[2, 3, 4, 5], 3, None);
    for (name, activation) in activations() {
        dense(format!("epilogue_{name}"), &[3, 9], 7, Some(activation));
    }

    let mut product = |name: String, op: MatMul, a: &[usize], b: &[usize]| {
        let mut net = Net::new(format!("matmul/{name}"));
        let inputs = [net.input(a), net.input(b)];
        let y = net.op(op, &inputs);
        cases.push(net.done(&[y]));
    };
    for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
        for (m, k, n) in [(1, 1, 1), (5, 7, 6), (4, 16, 8), (1, 30, 21), (13, 3, 1)] {
            let (a, b) = (if transpose_a { [k, m] } else { [m, k] }, if transpose_b { [n, k] } else { [k, n] });
            let op = MatMul { transpose_a, transpose_b, ..MatMul::default() };
            let flags = format!("{}{}", if transpose_a { "t" } else { "n" }, if transpose_b { "t" } else { "n" });
            product(format!("{flags}_{}", by(&[m, k, n])), op.clone(), &a, &b);
            if m == 5 {
                product(format!("{flags}_batched"), op.clone(), &[&[3], &a[..]].concat(), &[&[3], &b[..]].concat());
                product(format!("{flags}_broadcast"), op, &[&[2, 1], &a[..]].concat(), &[&[3], &b[..]].concat());
            }
        }
    }
    // Gradients of dense layers: sums over a batch, by inputs and by weights; and products larger than a block.
    for (batch, inputs, units) in [(32, 65, 10), (32, 30, 84), (7, 400, 13), (1, 40, 50), (300, 21, 17), (130, 9, 3)] {
        let name = by(&[batch, inputs, units]);
        let by_weights = MatMul { transpose_a: true, ..MatMul::default() };
        product(format!("by_weights_{name}"), by_weights, &[batch, inputs], &[batch, units]);
        let by_inputs = MatMul { transpose_b: true, ..MatMul::default() };
        product(format!("by_inputs_{name}"), by_inputs, &[batch, units], &[inputs, units]);
        product(format!("forward_{name}"), MatMul::default(), &[batch, inputs], &[inputs, units]);
        let both = MatMul { transpose_a: true, transpose_b: true, ..MatMul::default() };
        product(format!("tt_{name}"), both, &[batch, inputs], &[units, batch]);
    }
    let transpose_a = MatMul { transpose_a: true, ..MatMul::default() };
    product("empty_sum_transposed".into(), transpose_a, &[0, 2], &[0, 3]);
    product("left_is_shared".into(), MatMul::default(), &[4, 5], &[2, 3, 5, 2]);
    product("right_is_shared".into(), MatMul::default(), &[2, 3, 4, 5], &[5, 2]);
    product("empty_sum".into(), MatMul::default(), &[2, 0], &[0, 3]);

    // The right operand is a constant that must be packed transposed, with everything in the epilogue.
    for transpose_b in [false, true] {
        for residual in [false, true] {
            let mut net = Net::new(format!("matmul/constant_t{}_residual{}", transpose_b as u8, residual as u8));
            let x = net.input(&[2, 6, 11]);
            let kernel = net.weight(if transpose_b { &[9, 11] } else { &[11, 9] });
            let mut inputs = vec![x, kernel, net.weight(&[9])];
            if residual {
                inputs.push(net.input(&[2, 6, 9]));
            }
            let epilogue = Epilogue { bias: true, residual, activation: Some(Unary::HardSwish) };
            let op = MatMul { transpose_b, epilogue, ..MatMul::default() };
            let y = net.op(op.clone(), &inputs);
            cases.push(net.done(&[y]));
            // And with the left operand transposed.
            let mut net = Net::new(format!("matmul/constant_tt{}_residual{}", transpose_b as u8, residual as u8));
            let x = net.input(&[11, 18]);
            let kernel = net.weight(if transpose_b { &[9, 11] } else { &[11, 9] });
            let mut inputs = vec![x, kernel, net.weight(&[9])];
            if residual {
                inputs.push(net.input(&[18, 9]));
            }
            let y = net.op(MatMul { transpose_a: true, ..op }, &inputs);
            cases.push(net.done(&[y]));
        }
    }
}
