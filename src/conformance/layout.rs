//! Moving elements: concatenation, slices, padding, reshaping, transposition, of any dtype.

use super::Case;
use super::generate::{Net, by};
use crate::graph::ValueId;
use crate::ops::{Concat, Op, Pad, PadMode, Reshape, ReshapeDim, Slice, SliceAxis, Transpose};
use crate::tensor::DType;

const DTYPES: [DType; 3] = [DType::F32, DType::I32, DType::U8];

pub(super) fn cases(cases: &mut Vec<Case>) {
    concat(cases);
    slice(cases);
    pad(cases);
    reshape(cases);
    transpose(cases);
}

fn moved(name: String, op: impl Into<Op>, dtype: DType, shapes: &[&[usize]]) -> Case {
    let mut net = Net::new(name);
    let inputs: Vec<ValueId> = shapes
        .iter()
        .map(|shape| {
            let x = net.random.any(dtype, shape);
            net.feed(x)
        })
        .collect();
    let y = net.op(op, &inputs);
    net.done(&[y])
}

fn concat(cases: &mut Vec<Case>) {
    for axis in 0..4 {
        for count in 1..=4 {
            let mut shapes = vec![[2, 3, 4, 5]; count];
            shapes.iter_mut().zip([3, 1, 4, 2]).for_each(|(shape, n)| shape[axis] = n);
            let shapes: Vec<&[usize]> = shapes.iter().map(|s| &s[..]).collect();
            let axis = if count % 2 == 0 { axis as isize } else { axis as isize - 4 };
            cases.push(moved(format!("concat/{count}_on_axis{axis}"), Concat { axis }, DType::F32, &shapes));
        }
    }
    for dtype in [DType::I32, DType::U8] {
        let shapes: [&[usize]; 2] = [&[2, 3, 3], &[2, 3, 6]];
        cases.push(moved(format!("concat/{dtype}"), Concat { axis: -1 }, dtype, &shapes));
    }
    for (a, b) in [(8, 4), (66, 21), (1, 255), (4, 4), (3, 1)] {
        let shapes: [&[usize]; 2] = [&[1, 3, 5, a], &[1, 3, 5, b]];
        cases.push(moved(format!("concat/channels_{a}_{b}"), Concat { axis: 3 }, DType::F32, &shapes));
    }
    let shapes: [&[usize]; 3] = [&[2, 0, 3], &[2, 4, 3], &[2, 0, 3]];
    cases.push(moved("concat/with_nothing".into(), Concat { axis: 1 }, DType::F32, &shapes));
    let mut net = Net::new("concat/one_value_twice");
    let x = net.input(&[2, 3, 5]);
    let w = net.weight(&[2, 3, 2]);
    let y = net.op(Concat { axis: 2 }, &[x, w, x]);
    cases.push(net.done(&[y]));
}

fn slice(cases: &mut Vec<Case>) {
    let all = SliceAxis::ALL;
    let axis = |start: Option<isize>, end: Option<isize>, step: isize| SliceAxis { start, end, step };
    let mut push = |name: &str, axes: Vec<SliceAxis>, shape: &[usize]| {
        for dtype in DTYPES {
            cases.push(moved(format!("slice/{name}_{dtype}"), Slice { axes: axes.clone() }, dtype, &[shape]));
        }
    };
    push("whole", vec![all; 4], &[2, 3, 4, 5]);
    push("channels", vec![all, all, all, SliceAxis::range(1, 4)], &[2, 3, 4, 5]);
    push("crop", vec![all, SliceAxis::range(1, 4), SliceAxis::range(2, 7), all], &[2, 5, 8, 3]);
    push("strided", vec![all, axis(None, None, 2), axis(Some(1), None, 3), all], &[1, 7, 8, 4]);
    push("backwards", vec![axis(None, None, -1), axis(Some(-2), None, -2)], &[5, 8]);
    push("from_the_end", vec![axis(Some(-3), None, 1), axis(None, Some(-1), 1)], &[7, 4]);
    push("clamped", vec![axis(Some(-100), Some(100), 4)], &[10]);
    push("one_element", vec![SliceAxis::range(2, 3), SliceAxis::range(0, 1)], &[4, 3]);
    push("rank5", vec![all, axis(None, None, 2), all, axis(None, None, -1), SliceAxis::range(1, 3)], &[2, 3, 2, 4, 3]);
    push("nothing", vec![axis(Some(3), Some(1), 1), all], &[4, 3]);
}

fn pad(cases: &mut Vec<Case>) {
    let mut push = |name: String, pads: &[[usize; 2]], mode, dtype, shape: &[usize]| {
        cases.push(moved(format!("pad/{name}"), Pad { pads: pads.to_vec(), mode }, dtype, &[shape]));
    };
    let modes = [
        ("zeros", PadMode::Constant(0.0)),
        ("constant", PadMode::Constant(7.0)),
        ("reflect", PadMode::Reflect),
        ("symmetric", PadMode::Symmetric),
        ("edge", PadMode::Edge),
    ];
    for (name, mode) in modes {
        push(format!("{name}_image"), &[[0, 0], [1, 2], [3, 0], [0, 0]], mode, DType::F32, &[2, 4, 5, 3]);
        push(format!("{name}_vec4"), &[[0, 0], [1, 1], [1, 1], [0, 0]], mode, DType::F32, &[1, 4, 3, 8]);
        push(format!("{name}_channels"), &[[0, 0], [0, 0], [0, 0], [1, 2]], mode, DType::F32, &[1, 2, 3, 6]);
        push(format!("{name}_all"), &[[1, 1], [2, 0], [0, 1]], mode, DType::F32, &[2, 3, 2]);
        push(format!("{name}_i32"), &[[2, 1]], mode, DType::I32, &[5]);
        push(format!("{name}_u8"), &[[0, 1], [2, 2]], mode, DType::U8, &[3, 3]);
    }
    push("none".into(), &[[0, 0], [0, 0]], PadMode::Constant(0.0), DType::F32, &[3, 5]);
    push("fraction".into(), &[[1, 0], [0, 2]], PadMode::Constant(-1.5), DType::F32, &[3, 5]);
}

fn reshape(cases: &mut Vec<Case>) {
    use ReshapeDim::{Copy, Infer, Size};
    for (name, dims, shape) in [
        ("flatten", vec![Copy(0), Infer], &[2, 3, 4, 5][..]),
        ("split", vec![Size(2), Infer, Size(5)], &[2, 3, 4, 5]),
        ("to_vector", vec![Infer], &[3, 7]),
        ("to_scalar", vec![], &[1, 1]),
        ("unchanged", vec![Copy(0), Copy(1)], &[3, 5]),
        ("up_to_rank5", vec![Size(1), Infer, Size(1), Copy(1), Size(1)], &[3, 5]),
    ] {
        for dtype in DTYPES {
            cases.push(moved(format!("reshape/{name}_{dtype}"), Reshape { dims: dims.clone() }, dtype, &[shape]));
        }
    }
}

fn transpose(cases: &mut Vec<Case>) {
    let mut push = |perm: &[usize], dtype, shape: &[usize]| {
        let name = format!("transpose/{}_of_{}_{dtype}", by(perm), by(shape));
        cases.push(moved(name, Transpose { perm: perm.to_vec() }, dtype, &[shape]));
    };
    for perm in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        push(&perm, DType::F32, &[3, 5, 7]);
    }
    for perm in [[0, 3, 1, 2], [0, 2, 3, 1], [0, 2, 1, 3], [3, 2, 1, 0], [1, 0, 3, 2], [0, 1, 3, 2], [2, 3, 0, 1]] {
        push(&perm, DType::F32, &[2, 3, 4, 5]);
        push(&perm, DType::F32, &[1, 4, 6, 8]);
    }
    for perm in [[0, 1, 3, 2, 4], [0, 3, 1, 4, 2], [4, 3, 2, 1, 0], [1, 2, 3, 4, 0], [0, 1, 2, 3, 4]] {
        push(&perm, DType::F32, &[2, 3, 2, 4, 3]);
    }
    push(&[1, 0], DType::F32, &[33, 65]);
    push(&[0], DType::F32, &[7]);
    push(&[1, 0], DType::I32, &[4, 7]);
    push(&[1, 2, 0], DType::U8, &[3, 5, 2]);
}
