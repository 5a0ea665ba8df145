//! Convolutions of the three kinds.

use super::Case;
use super::elementwise::activations;
use super::generate::{Net, by};
use crate::graph::ValueId;
use crate::ops::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, Op, Unary};
use crate::shape::Padding;

const SAME: Padding = Padding::Same;
const VALID: Padding = Padding::Valid;
/// Uneven on all four sides.
const UNEVEN: Padding = Padding::Explicit([[0, 1], [2, 1]]);

fn padding_name(padding: Padding) -> &'static str {
    match padding {
        Padding::Same => "same",
        Padding::Valid => "valid",
        Padding::Explicit(_) => "explicit",
    }
}

pub(super) fn cases(cases: &mut Vec<Case>) {
    dense(cases);
    depthwise(cases);
    transposed(cases);
    epilogues(cases);
}

/// Adds bias and residual operands as the epilogue wants them, runs the op, finishes.
fn finish(mut net: Net, op: Op, x: ValueId, kernel: &[usize], channels: usize) -> Case {
    let mut inputs = vec![x, net.weight(kernel)];
    let Epilogue { bias, residual, .. } = op.epilogue().cloned().unwrap_or_default();
    if bias {
        inputs.push(net.weight(&[channels]));
    }
    if residual {
        // The residual has the output's shape, which the shape rule knows.
        let kinds = net.kinds(&inputs);
        let mut plain = op.clone();
        if let Some(epilogue) = plain.epilogue_mut() {
            epilogue.residual = false;
        }
        let shape = plain.operator().infer(&kinds).expect("the case fits together").remove(0).shape;
        inputs.push(net.input(&shape));
    }
    let y = net.op(op, &inputs);
    net.done(&[y])
}

fn conv(name: String, op: Conv2d, image: [usize; 4], kernel: [usize; 2], filters: usize) -> Case {
    let mut net = Net::new(format!("conv/{name}"));
    let x = net.input(&image);
    let kernel = [kernel[0], kernel[1], image[3] / op.groups, filters];
    finish(net, op.into(), x, &kernel, filters)
}

fn dense(cases: &mut Vec<Case>) {
    let plain = Conv2d { epilogue: Epilogue::bias(), ..Conv2d::default() };

    for kernel in [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [7, 7], [1, 5], [3, 2]] {
        for strides in [[1, 1], [2, 2], [3, 2], [4, 5]] {
            for padding in [SAME, VALID, UNEVEN] {
                let name = format!("k{}_s{}_{}", by(&kernel), by(&strides), padding_name(padding));
                cases.push(conv(name, Conv2d { strides, padding, ..plain.clone() }, [2, 9, 11, 5], kernel, 6));
            }
        }
    }
    for dilations in [[2, 2], [3, 1], [1, 4]] {
        for (kernel, strides) in [([3, 3], [1, 1]), ([3, 3], [2, 2]), ([2, 3], [1, 2])] {
            for padding in [SAME, VALID] {
                let name = format!("k{}_s{}_d{}_{}", by(&kernel), by(&strides), by(&dilations), padding_name(padding));
                let op = Conv2d { strides, dilations, padding, ..plain.clone() };
                cases.push(conv(name, op, [1, 10, 13, 3], kernel, 7));
            }
        }
    }
    // Channels that are no multiple of a vector or a tile, on either side.
    let channels = [
        (1, 1),
        (1, 8),
        (2, 3),
        (3, 5),
        (3, 32),
        (4, 4),
        (5, 6),
        (6, 7),
        (7, 21),
        (8, 12),
        (9, 17),
        (12, 16),
        (16, 24),
        (21, 30),
        (30, 66),
        (31, 33),
        (32, 48),
        (64, 64),
        (66, 3),
        (16, 255),
        (255, 1),
        (255, 4),
        (128, 20),
    ];
    for (ci, co) in channels {
        for k in [1, 3] {
            let op = Conv2d { padding: SAME, ..plain.clone() };
            cases.push(conv(format!("c{ci}_f{co}_k{k}"), op, [1, 5, 7, ci], [k, k], co));
        }
    }
    // Every remainder of a register tile in pixels.
    for width in 1..=9 {
        let op = Conv2d { padding: SAME, ..plain.clone() };
        cases.push(conv(format!("pixels_{width}"), op, [1, 1, width, 8], [1, 1], 8));
    }
    // One window that is the whole image.
    let whole = Conv2d { padding: VALID, ..plain.clone() };
    cases.push(conv("whole_image".into(), whole.clone(), [7, 3, 5, 4], [3, 5], 10));
    cases.push(conv("whole_image_few".into(), Conv2d { strides: [3, 2], ..whole }, [2, 4, 4, 1], [4, 4], 9));
    for (c, groups, filters) in [(4, 2, 6), (9, 3, 6), (8, 4, 8), (6, 6, 6), (6, 6, 12), (12, 3, 21), (32, 2, 32)] {
        for strides in [[1, 1], [2, 2]] {
            let op = Conv2d { groups, strides, padding: SAME, ..plain.clone() };
            cases.push(conv(
                format!("groups{groups}_c{c}_f{filters}_s{}", strides[0]),
                op,
                [2, 7, 6, c],
                [3, 3],
                filters,
            ));
        }
    }
    for (image, kernel) in [
        ([2, 1, 1, 4], [3, 3]),
        ([1, 1, 9, 2], [3, 3]),
        ([1, 9, 1, 2], [3, 3]),
        ([2, 2, 1, 3], [5, 5]),
        ([5, 3, 3, 2], [3, 3]),
        ([1, 17, 33, 4], [1, 1]),
        ([3, 13, 6, 8], [3, 3]),
        ([1, 3, 3, 512], [3, 3]),
        ([1, 2, 2, 1001], [1, 1]),
    ] {
        let op = Conv2d { padding: SAME, ..plain.clone() };
        cases.push(conv(format!("image{}_k{}", by(&image), by(&kernel)), op, image, kernel, 6));
    }
    // The first layers of real networks, on small pictures.
    for (k, stride, filters, c, padding) in [
        (3, 2, 32, 3, SAME),
        (3, 2, 16, 3, Padding::Explicit([[0, 1], [0, 1]])),
        (7, 2, 64, 3, Padding::Explicit([[3, 3], [3, 3]])),
        (11, 4, 12, 3, VALID),
        (3, 2, 24, 1, SAME),
        (3, 2, 24, 4, SAME),
    ] {
        let activation = Some(Unary::Relu6);
        let epilogue = Epilogue { activation, ..Epilogue::bias() };
        let op = Conv2d { strides: [stride; 2], padding, epilogue, ..Conv2d::default() };
        cases.push(conv(
            format!("stem_k{k}_f{filters}_c{c}_{}", padding_name(padding)),
            op,
            [1, 23, 27, c],
            [k, k],
            filters,
        ));
    }
    // A kernel that is computed, not constant.
    let mut net = Net::new("conv/kernel_is_an_input");
    let (x, kernel) = (net.input(&[1, 5, 6, 3]), net.input(&[3, 3, 3, 5]));
    let y = net.op(Conv2d { padding: SAME, ..Conv2d::default() }, &[x, kernel]);
    cases.push(net.done(&[y]));
    // No pictures at all.
    cases.push(conv("empty_batch".into(), plain, [0, 4, 5, 3], [3, 3], 2));
}

fn depthwise(cases: &mut Vec<Case>) {
    let plain = DepthwiseConv2d { epilogue: Epilogue::bias(), ..DepthwiseConv2d::default() };
    let mut push = |name: String, op: DepthwiseConv2d, image: [usize; 4], kernel: [usize; 2], multiplier: usize| {
        let mut net = Net::new(format!("depthwise/{name}"));
        let x = net.input(&image);
        let kernel = [kernel[0], kernel[1], image[3], multiplier];
        cases.push(finish(net, op.into(), x, &kernel, image[3] * multiplier));
    };
    for kernel in [[3, 3], [5, 5], [2, 4], [7, 7]] {
        for strides in [[1, 1], [2, 2], [3, 1]] {
            for padding in [SAME, VALID, UNEVEN] {
                let name = format!("k{}_s{}_{}", by(&kernel), by(&strides), padding_name(padding));
                push(name, DepthwiseConv2d { strides, padding, ..plain.clone() }, [2, 9, 12, 7], kernel, 1);
            }
        }
    }
    for (c, multiplier) in [
        (1, 1),
        (3, 1),
        (4, 1),
        (6, 1),
        (8, 1),
        (21, 1),
        (30, 1),
        (32, 1),
        (66, 1),
        (255, 1),
        (1, 8),
        (3, 2),
        (4, 3),
        (7, 3),
        (8, 2),
    ] {
        for k in [3, 5] {
            let op = DepthwiseConv2d { padding: SAME, ..plain.clone() };
            push(format!("c{c}_m{multiplier}_k{k}"), op, [1, 7, 5, c], [k, k], multiplier);
        }
    }
    for dilations in [[2, 2], [1, 3]] {
        for padding in [SAME, VALID] {
            let op = DepthwiseConv2d { dilations, padding, ..plain.clone() };
            push(format!("d{}_{}", by(&dilations), padding_name(padding)), op, [2, 8, 9, 6], [3, 3], 1);
        }
    }
    for image in [[1, 1, 1, 4], [2, 1, 7, 3], [1, 8, 1, 5], [1, 2, 2, 16]] {
        let op = DepthwiseConv2d { padding: SAME, ..plain.clone() };
        push(format!("image{}", by(&image)), op, image, [3, 3], 1);
    }
}

fn transposed(cases: &mut Vec<Case>) {
    let plain = ConvTranspose2d { epilogue: Epilogue::bias(), ..ConvTranspose2d::default() };
    let mut push = |name: String, op: ConvTranspose2d, image: [usize; 4], kernel: [usize; 2], filters: usize| {
        let mut net = Net::new(format!("conv_transpose/{name}"));
        let x = net.input(&image);
        let kernel = [kernel[0], kernel[1], filters, image[3]];
        cases.push(finish(net, op.into(), x, &kernel, filters));
    };
    for kernel in [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [3, 2]] {
        for strides in [[1, 1], [2, 2], [3, 2]] {
            for padding in [SAME, VALID] {
                let name = format!("k{}_s{}_{}", by(&kernel), by(&strides), padding_name(padding));
                push(name, ConvTranspose2d { strides, padding, ..plain.clone() }, [2, 4, 5, 3], kernel, 5);
            }
        }
    }
    for (kernel, strides, padding, extra) in [
        ([3, 3], [2, 2], SAME, [1, 1]),
        ([3, 3], [2, 2], SAME, [0, 0]),
        ([3, 3], [2, 2], VALID, [1, 1]),
        ([4, 5], [3, 2], VALID, [2, 0]),
        ([5, 3], [3, 3], SAME, [0, 2]),
        ([2, 2], [2, 2], VALID, [0, 1]),
        ([3, 3], [2, 2], Padding::Explicit([[1, 1], [1, 1]]), [1, 1]),
        ([4, 4], [2, 2], Padding::Explicit([[1, 1], [1, 1]]), [0, 0]),
        ([4, 3], [2, 1], Padding::Explicit([[2, 0], [0, 1]]), [0, 0]),
    ] {
        let op = ConvTranspose2d { strides, padding, output_padding: Some(extra), ..plain.clone() };
        let name = format!("k{}_s{}_{}_p{}", by(&kernel), by(&strides), padding_name(padding), by(&extra));
        push(name, op, [1, 4, 3, 6], kernel, 4);
    }
    for (dilations, padding) in [([2, 2], SAME), ([2, 1], VALID)] {
        let op = ConvTranspose2d { dilations, padding, ..plain.clone() };
        push(format!("d{}_{}", by(&dilations), padding_name(padding)), op, [1, 5, 4, 3], [3, 3], 2);
    }
    for (ci, co) in [(1, 1), (7, 21), (21, 3), (30, 66), (66, 5), (16, 16), (8, 255)] {
        let op = ConvTranspose2d { strides: [2, 2], padding: SAME, ..plain.clone() };
        push(format!("c{ci}_f{co}"), op, [1, 3, 4, ci], [4, 4], co);
    }
    push(
        "one_pixel".into(),
        ConvTranspose2d { strides: [8, 8], padding: SAME, ..plain.clone() },
        [1, 1, 1, 2],
        [16, 16],
        2,
    );
}

/// Every activation, and every combination of bias and residual, on every op with an epilogue.
fn epilogues(cases: &mut Vec<Case>) {
    let mut all = |tag: String, epilogue: Epilogue| {
        for c in [5, 8] {
            let plain = epilogue.clone();
            let conv = Conv2d { padding: SAME, epilogue: plain.clone(), ..Default::default() };
            let pointwise = Conv2d { epilogue: plain.clone(), ..Default::default() };
            let depthwise = DepthwiseConv2d { padding: SAME, epilogue: plain.clone(), ..Default::default() };
            let up = ConvTranspose2d { strides: [2, 2], padding: SAME, epilogue: plain, ..Default::default() };
            let ops = [
                ("conv", Op::from(conv), [1, 4, 5, c], [3, 3, c, 6], 6),
                ("pointwise", pointwise.into(), [2, 3, 5, c], [1, 1, c, c], c),
                ("depthwise", depthwise.into(), [1, 5, 3, c], [3, 3, c, 1], c),
                ("conv_transpose", up.into(), [1, 3, 2, 4], [3, 3, c, 4], c),
            ];
            for (family, op, image, kernel, channels) in ops {
                // Odd channels for the activations; both kinds for the operands.
                if c == 8 && epilogue.activation.is_some_and(|a| a != Unary::Relu) {
                    continue;
                }
                let mut net = Net::new(format!("{family}/epilogue_{tag}_c{c}"));
                let x = net.input(&image);
                cases.push(finish(net, op, x, &kernel, channels));
            }
        }
    };
    for (name, activation) in activations() {
        all(name.to_string(), Epilogue { activation: Some(activation), ..Epilogue::bias() });
    }
    for (bias, residual, activation) in [
        (false, false, None),
        (false, true, None),
        (true, true, None),
        (false, true, Some(Unary::Relu)),
        (true, true, Some(Unary::Relu)),
        (false, false, Some(Unary::Relu)),
    ] {
        let tag = format!(
            "{}{}{}",
            if bias { "bias_" } else { "" },
            if residual { "residual_" } else { "" },
            if activation.is_some() { "then_relu" } else { "plain" }
        );
        all(tag, Epilogue { bias, residual, activation });
    }
    // The residual is the input itself, as in a block without expansion.
    let mut net = Net::new("conv/residual_is_the_input");
    let x = net.input(&[2, 5, 4, 6]);
    let kernel = net.weight(&[3, 3, 6, 6]);
    let epilogue = Epilogue { residual: true, ..Default::default() };
    let y = net.op(Conv2d { padding: SAME, epilogue, ..Conv2d::default() }, &[x, kernel, x]);
    cases.push(net.done(&[y]));
}
