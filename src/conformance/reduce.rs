//! Reductions over every set of axes, softmax and its logarithm.

use super::Case;
use super::generate::{Net, single};
use crate::ops::{LogSoftmax, Reduce, ReduceKind, Softmax};
use crate::tensor::Tensor;

pub(super) fn cases(cases: &mut Vec<Case>) {
    let kinds = [
        ("sum", ReduceKind::Sum),
        ("mean", ReduceKind::Mean),
        ("max", ReduceKind::Max),
        ("min", ReduceKind::Min),
        ("prod", ReduceKind::Prod),
    ];
    for (name, kind) in kinds {
        // The 16 subsets of four axes for two kinds, the usual ones for the others.
        for set in 0usize..16 {
            if !matches!(kind, ReduceKind::Mean | ReduceKind::Max) && ![0, 6, 8, 1].contains(&set) {
                continue;
            }
            let axes: Vec<isize> = (0..4).filter(|axis| set & (1 << axis) != 0).collect();
            let keep_dims = set % 3 == 0;
            let op = Reduce { kind, axes, keep_dims };
            cases.push(single(format!("reduce/{name}_axes{set:04b}"), op, &[&[2, 3, 5, 6]]));
        }
        let mut push = |tag: &str, axes: Vec<isize>, keep_dims, shape: &[usize]| {
            cases.push(single(format!("reduce/{name}_{tag}"), Reduce { kind, axes, keep_dims }, &[shape]));
        };
        push("global_kept", vec![1, 2], true, &[2, 7, 5, 21]);
        push("global_wide", vec![-3, -2], false, &[1, 17, 19, 66]);
        push("last_of_rank2", vec![-1], false, &[5, 255]);
        push("first_of_rank3", vec![0], true, &[7, 3, 2]);
        push("rank5", vec![1, 4], false, &[2, 3, 2, 2, 5]);
        push("vector_to_scalar", vec![0], false, &[130]);
    }
    // Pixels are positive: one long sum in single precision loses digits.
    for (tag, axes, shape) in [
        ("photographs", vec![1, 2], &[2, 211, 307, 3][..]),
        ("photograph", vec![0, 1], &[431, 307, 1]),
        ("everything", vec![0, 1, 2], &[331, 307, 3]),
    ] {
        let mut net = Net::new(format!("reduce/mean_of_{tag}"));
        let pixels = net.random.tensor(shape, 0.0, 1.0);
        let x = net.feed(pixels);
        let y = net.op(Reduce { kind: ReduceKind::Mean, axes, keep_dims: false }, &[x]);
        cases.push(net.done(&[y]));
    }
    // An empty sum is 0.
    cases.push(single(
        "reduce/sum_of_nothing",
        Reduce { kind: ReduceKind::Sum, axes: vec![0], keep_dims: false },
        &[&[0, 3]],
    ));

    for (tag, shape, axis) in [
        ("logits", &[3, 10][..], -1),
        ("one_class", &[2, 1], -1),
        ("imagenet", &[1, 1001], 1),
        ("pixels", &[2, 5, 7, 21], 3),
        ("rows", &[2, 5, 3, 4], 1),
        ("columns", &[2, 3, 5, 4], -2),
        ("batch", &[4, 3], 0),
        ("vector", &[66], 0),
    ] {
        cases.push(single(format!("softmax/{tag}"), Softmax { axis }, &[shape]));
        cases.push(single(format!("log_softmax/{tag}"), LogSoftmax { axis }, &[shape]));
    }
    // exp would overflow without subtracting the maximum.
    let mut net = Net::new("softmax/large_logits");
    let x =
        net.feed(Tensor::f32([2, 4], vec![1000.0, 999.0, 990.0, -1000.0, -500.0, -501.0, -502.0, -1e6]).expect("fits"));
    let [y, z] = [net.op(Softmax { axis: -1 }, &[x]), net.op(LogSoftmax { axis: -1 }, &[x])];
    cases.push(net.done(&[y, z]));
}
