//! Arg-max, top-k, gather.

use super::Case;
use super::generate::{Net, by, single};
use crate::graph::ValueId;
use crate::ops::{ArgMax, Gather, TopK};
use crate::tensor::{DType, Tensor};

pub(super) fn cases(cases: &mut Vec<Case>) {
    for axis in -4..4 {
        cases.push(single(format!("argmax/axis{axis}"), ArgMax { axis, keep_dims: axis % 2 == 0 }, &[&[2, 3, 5, 7]]));
    }
    cases.push(single("argmax/classes", ArgMax { axis: -1, keep_dims: false }, &[&[3, 1001]]));
    cases.push(single("argmax/mask", ArgMax { axis: 3, keep_dims: false }, &[&[1, 9, 11, 21]]));
    cases.push(single("argmax/one_class", ArgMax { axis: -1, keep_dims: true }, &[&[5, 1]]));

    for (k, shape) in
        [(1, &[7][..]), (3, &[2, 7]), (5, &[3, 66]), (7, &[2, 3, 7]), (20, &[1, 600]), (100, &[1, 1030]), (5, &[1, 5])]
    {
        cases.push(single(format!("topk/{k}_of_{}", by(shape)), TopK { k }, &[shape]));
    }
    // Four distinct values: most comparisons are ties, which go to the lowest index.
    let tied = |net: &mut Net, shape: &[usize]| -> ValueId {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| net.random.int(-2, 2) as f32).collect();
        net.feed(Tensor::f32(shape, values).expect("counts agree"))
    };
    for (k, shape) in [(4, [2, 9]), (9, [2, 9]), (12, [1, 300])] {
        let mut net = Net::new(format!("topk/ties_{k}_of_{}", by(&shape)));
        let x = tied(&mut net, &shape);
        let outputs = net.ops(TopK { k }, &[x]);
        cases.push(net.done(&outputs));
    }
    for axis in 0..3 {
        let mut net = Net::new(format!("argmax/ties_axis{axis}"));
        let x = tied(&mut net, &[4, 6, 5]);
        let y = net.op(ArgMax { axis, keep_dims: false }, &[x]);
        cases.push(net.done(&[y]));
    }

    for dtype in [DType::F32, DType::I32, DType::U8] {
        for (axis, indices) in [(0isize, &[3][..]), (1, &[2, 2]), (2, &[]), (3, &[5]), (-1, &[1]), (-2, &[2, 1, 3])] {
            let mut net = Net::new(format!("gather/axis{axis}_rank{}_{dtype}", indices.len()));
            let shape = [2, 3, 4, 5];
            let x = net.random.any(dtype, &shape);
            let x = net.feed(x);
            let limit = shape[axis.rem_euclid(4) as usize] as i32;
            let indices = net.random.ints(indices, 0, limit);
            let indices = net.feed(indices);
            let y = net.op(Gather { axis }, &[x, indices]);
            cases.push(net.done(&[y]));
        }
    }
    let mut net = Net::new("gather/constant_indices");
    let x = net.input(&[6, 3]);
    let indices = net.constant(Tensor::i32([4], vec![5, 0, 0, 2]).expect("fits"));
    let y = net.op(Gather { axis: 0 }, &[x, indices]);
    cases.push(net.done(&[y]));
    let mut net = Net::new("gather/no_indices");
    let x = net.input(&[6, 3]);
    let indices = net.feed(Tensor::i32([0], vec![]).expect("fits"));
    let y = net.op(Gather { axis: 0 }, &[x, indices]);
    cases.push(net.done(&[y]));
}
