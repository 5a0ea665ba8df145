//! Sums of products and running sums.

use striate::formats::{ImportOptions, onnx};
use striate::{ErrorKind, Tensor};

use super::writer::{Attribute, Elements, Model};
use super::{assert_near, count, floats, imported, numbers, run};

fn einsum(equation: &'static str, shapes: &[&[usize]], values: &[Vec<f32>]) -> Tensor {
    let names = ["a", "b", "c"];
    let mut model = Model::new();
    for (name, shape) in names.iter().zip(shapes) {
        model = model.input(name, &shape.iter().map(|&d| d as i64).collect::<Vec<_>>());
    }
    let model =
        model.node("Einsum", &names[..shapes.len()], "y", &[("equation", Attribute::Text(equation))]).output("y");
    let inputs: Vec<_> = shapes.iter().zip(values).map(|(s, v)| Tensor::f32(s.to_vec(), v.clone()).unwrap()).collect();
    run(&model, &inputs).remove(0)
}

#[test]
fn attention_with_heads_in_the_middle() {
    // Scores as `bnhd,bmhd->bhnm`: batch b and head h stay, d is summed over.
    let (b, n, m, h, d) = (2, 3, 4, 2, 5);
    let (q, k) = (numbers(1, b * n * h * d), numbers(2, b * m * h * d));
    let mut want = Vec::new();
    for (b, h) in (0..b).flat_map(|b| (0..h).map(move |h| (b, h))) {
        for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
            let at = |list: &[f32], rows: usize, row: usize, x: usize| list[((b * rows + row) * 2 + h) * d + x];
            want.push((0..d).map(|x| at(&q, n, i, x) * at(&k, m, j, x)).sum::<f32>());
        }
    }
    let y = einsum("b n h d, b m h d -> b h n m", &[&[b, n, h, d], &[b, m, h, d]], &[q, k]);
    assert_near(&y, &[b, h, n, m], &want);
}

#[test]
fn equations_of_every_kind() {
    let a = numbers(3, 12);
    let sum = |f: &dyn Fn(usize) -> f32, n: usize| (0..n).map(f).sum::<f32>();
    // Without an arrow the result has the letters that occur once, in alphabetical order: a transposition.
    let want: Vec<f32> = (0..12).map(|i| a[i % 3 * 4 + i / 3]).collect();
    assert_near(&einsum("ji", &[&[3, 4]], std::slice::from_ref(&a)), &[4, 3], &want);
    // Sums, outer products, products without a sum.
    let want: Vec<f32> = (0..4).map(|j| sum(&|i| a[i * 4 + j], 3)).collect();
    assert_near(&einsum("ij->j", &[&[3, 4]], std::slice::from_ref(&a)), &[4], &want);
    let b = numbers(4, 4);
    let want: Vec<f32> = (0..12).map(|i| a[i / 4] * b[i % 4]).collect();
    assert_near(&einsum("i,j->ij", &[&[3], &[4]], &[a[..3].to_vec(), b.clone()]), &[3, 4], &want);
    let want: Vec<f32> = (0..12).map(|i| a[i] * b[i % 4]).collect();
    assert_near(&einsum("ij,j->ij", &[&[3, 4], &[4]], &[a.clone(), b.clone()]), &[3, 4], &want);
    // A trace, and diagonals behind an ellipsis.
    assert_near(&einsum("ii", &[&[3, 3]], &[a[..9].to_vec()]), &[], &[a[0] + a[4] + a[8]]);
    let want = [a[0], a[3], a[4], a[7], a[8], a[11]];
    assert_near(&einsum("...ii->...i", &[&[3, 2, 2]], std::slice::from_ref(&a)), &[3, 2], &want);
    // Three operands, and an ellipsis whose axis of size 1 broadcasts.
    let want = [sum(&|j| sum(&|i| b[i] * a[i * 4 + j], 3) * b[j], 4)];
    assert_near(&einsum("i,ij,j->", &[&[3], &[3, 4], &[4]], &[b[..3].to_vec(), a.clone(), b.clone()]), &[], &want);
    let c = numbers(5, 8);
    let got = einsum("...ik,...kj->...ij", &[&[1, 3, 2], &[2, 2, 2]], &[a[..6].to_vec(), c.clone()]);
    let want: Vec<f32> = (0..2)
        .flat_map(|n| (0..6).map(move |ij| (n, ij / 2, ij % 2)))
        .map(|(n, i, j)| sum(&|k| a[i * 2 + k] * c[(n * 2 + k) * 2 + j], 2))
        .collect();
    assert_near(&got, &[2, 3, 2], &want);
}

#[test]
fn an_open_batch_stays_open_through_einsum() {
    let model = Model::new()
        .input("x", &[-1, 2, 3])
        .constant("w", &[3, 4], floats(6, 12))
        .node("Einsum", &["x", "w"], "y", &[("equation", Attribute::Text("bic,cd->bid"))])
        .output("y");
    let graph = imported(&model);
    assert_eq!(count(&graph, "MatMul"), 1);
    let (x, w) = (numbers(7, 30), numbers(6, 12));
    let want: Vec<f32> = (0..40).map(|at| (0..3).map(|c| x[at / 4 * 3 + c] * w[c * 4 + at % 4]).sum()).collect();
    assert_near(&run(&model, &[Tensor::f32([5, 2, 3], x).unwrap()])[0], &[5, 2, 4], &want);
}

#[test]
fn equations_that_do_not_fit() {
    let import = |equation: &'static str| {
        let model = Model::new().input("x", &[2, 3]).input("y", &[4, 2]);
        let model = model.node("Einsum", &["x", "y"], "z", &[("equation", Attribute::Text(equation))]).output("z");
        onnx::import(&model.bytes(), &ImportOptions::default()).unwrap_err()
    };
    assert_eq!(import("ij,jk->ik").kind(), ErrorKind::ShapeMismatch);
    assert_eq!(import("ij->ij").kind(), ErrorKind::ShapeMismatch);
    assert_eq!(import("ijk,jk->ik").kind(), ErrorKind::ShapeMismatch);
    assert_eq!(import("ij,kl->im").kind(), ErrorKind::Invalid);
    assert_eq!(import("ij,ki->jkj").kind(), ErrorKind::Invalid);
    assert_eq!(import("i-,ki->k").kind(), ErrorKind::Invalid);
    assert_eq!(import("...ijk,ki->k").kind(), ErrorKind::Invalid);
}

#[test]
fn running_sums_in_both_directions() {
    let model = |exclusive: i64, reverse: i64| {
        let flags = [("exclusive", Attribute::Int(exclusive)), ("reverse", Attribute::Int(reverse))];
        let model = Model::new().input("x", &[2, 5]).constant("axis", &[], Elements::I32(vec![-1]));
        model.node("CumSum", &["x", "axis"], "y", &flags).output("y")
    };
    // An infinity reaches only what comes after it.
    let x = Tensor::f32([2, 5], vec![1.0, 2.0, 3.0, 4.0, 5.0, 1.0, f32::INFINITY, 2.0, 0.0, 1.0]).unwrap();
    let inf = f32::INFINITY;
    let cases: [(i64, i64, [f32; 10]); 4] = [
        (0, 0, [1.0, 3.0, 6.0, 10.0, 15.0, 1.0, inf, inf, inf, inf]),
        (1, 0, [0.0, 1.0, 3.0, 6.0, 10.0, 0.0, 1.0, inf, inf, inf]),
        (0, 1, [15.0, 14.0, 12.0, 9.0, 5.0, inf, inf, 3.0, 1.0, 1.0]),
        (1, 1, [14.0, 12.0, 9.0, 5.0, 0.0, inf, 3.0, 1.0, 1.0, 0.0]),
    ];
    for (exclusive, reverse, want) in cases {
        let y = run(&model(exclusive, reverse), std::slice::from_ref(&x)).remove(0);
        assert_eq!(y, Tensor::f32([2, 5], want.to_vec()).unwrap(), "exclusive {exclusive}, reverse {reverse}");
    }
}
