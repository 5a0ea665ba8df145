//! Gradients: convolutions by their input and their kernel, pooling, resizing, batch normalisation.

use super::Case;
use super::generate::{Net, by, single};
use crate::ops::{
    AvgPool2dBackward, BatchNormBackward, BatchNormStatistics, Conv2d, Coordinates, DepthwiseConv2d, MaxPool2dBackward,
    NearestRounding, Op, Resize, ResizeBackward, ResizeMode, ResizeSize,
};
use crate::shape::Padding;
use crate::tensor::Tensor;

const SAME: Padding = Padding::Same;
const VALID: Padding = Padding::Valid;
/// Uneven on all four sides.
const UNEVEN: Padding = Padding::Explicit([[0, 1], [2, 1]]);
const PADDINGS: [(&str, Padding); 3] = [("same", SAME), ("valid", VALID), ("explicit", UNEVEN)];

pub(super) fn cases(cases: &mut Vec<Case>) {
    convolutions(cases);
    depthwise(cases);
    pools(cases);
    resizes(cases);
    batch_norms(cases);
}

/// Both gradients of a convolution of an image with a kernel of this size and number of filters.
fn conv(cases: &mut Vec<Case>, name: &str, op: &Conv2d, image: [usize; 4], size: [usize; 2], filters: usize) {
    let kernel = [size[0], size[1], image[3] / op.groups, filters];
    let [y, x] = op.windows([image[1], image[2]], size).expect("the case fits together");
    let dy = [image[0], y.output, x.output, filters];
    let input = op.backward_input([image[1], image[2]]);
    cases.push(single(format!("conv_backward_input/{name}"), input, &[&dy, &kernel]));
    cases.push(single(format!("conv_backward_filter/{name}"), op.backward_filter(size), &[&image, &dy]));
}

fn convolutions(cases: &mut Vec<Case>) {
    for size in [[1, 1], [2, 2], [3, 3], [5, 5], [4, 1], [3, 2]] {
        for strides in [[1, 1], [2, 2], [3, 2], [4, 5]] {
            for (tag, padding) in PADDINGS {
                let op = Conv2d { strides, padding, ..Conv2d::default() };
                let name = format!("k{}_s{}_{tag}", by(&size), by(&strides));
                conv(cases, &name, &op, [2, 9, 11, 5], size, 6);
            }
        }
    }
    for dilations in [[2, 2], [3, 1], [1, 4]] {
        for (size, strides) in [([3, 3], [1, 1]), ([3, 3], [2, 2]), ([2, 3], [1, 2]), ([3, 2], [3, 4])] {
            for (tag, padding) in [("same", SAME), ("valid", VALID)] {
                let op = Conv2d { strides, dilations, padding, ..Conv2d::default() };
                let name = format!("k{}_s{}_d{}_{tag}", by(&size), by(&strides), by(&dilations));
                conv(cases, &name, &op, [2, 10, 13, 3], size, 7);
            }
        }
    }
    // Channels and filters about the sizes of tiles and panels.
    for (c, filters) in [
        (1, 1),
        (1, 8),
        (2, 3),
        (3, 32),
        (4, 4),
        (6, 16),
        (7, 21),
        (9, 17),
        (11, 6),
        (12, 13),
        (13, 12),
        (16, 9),
        (31, 33),
        (64, 40),
        (66, 3),
        (3, 66),
        (128, 8),
    ] {
        for k in [1, 3] {
            let op = Conv2d { padding: SAME, ..Conv2d::default() };
            conv(cases, &format!("c{c}_f{filters}_k{k}"), &op, [2, 5, 7, c], [k, k], filters);
        }
    }
    for (c, groups, filters) in [(4, 2, 6), (9, 3, 6), (8, 4, 8), (6, 6, 6), (6, 6, 12), (24, 2, 28)] {
        for strides in [[1, 1], [2, 3]] {
            let op = Conv2d { groups, strides, padding: SAME, ..Conv2d::default() };
            let name = format!("groups{groups}_c{c}_f{filters}_s{}", by(&strides));
            conv(cases, &name, &op, [2, 7, 6, c], [3, 3], filters);
        }
    }
    let op = Conv2d { groups: 2, ..Conv2d::default() };
    conv(cases, "groups2_pointwise", &op, [2, 5, 4, 16], [1, 1], 10);
    // Many pixels for few sums, few pixels for many sums, images that need several blocks, borders wider than the image.
    let plain = Conv2d { padding: SAME, ..Conv2d::default() };
    conv(cases, "many_pixels_k3", &plain, [1, 50, 61, 3], [3, 3], 4);
    conv(cases, "many_pixels_k1", &plain, [2, 70, 53, 8], [1, 1], 8);
    conv(cases, "many_images", &plain, [37, 4, 3, 6], [3, 3], 8);
    conv(cases, "one_pixel", &plain, [3, 1, 1, 20], [3, 3], 24);
    conv(cases, "deep", &plain, [1, 3, 2, 100], [3, 3], 90);
    conv(cases, "wide_rows", &plain, [1, 2, 400, 14], [3, 3], 8);
    conv(cases, "wide_rows_few_channels", &plain, [2, 2, 700, 2], [3, 3], 8);
    let whole = Conv2d::default();
    conv(cases, "whole_image", &whole, [7, 3, 5, 4], [3, 5], 10);
    conv(cases, "whole_image_strided", &Conv2d { strides: [3, 2], ..whole }, [2, 4, 4, 3], [4, 4], 9);
    conv(cases, "empty_batch", &plain, [0, 4, 5, 3], [3, 3], 2);
    let far = Conv2d { padding: Padding::Explicit([[7, 9], [8, 6]]), ..Conv2d::default() };
    conv(cases, "far_borders", &far, [2, 3, 4, 5], [3, 3], 6);
    conv(cases, "far_borders_few_channels", &far, [2, 3, 4, 2], [3, 3], 6);
    // First layers: LeNet-5, a stem, AlexNet.
    conv(cases, "lenet", &plain, [2, 14, 14, 1], [5, 5], 6);
    let stem = Conv2d { strides: [2, 2], padding: SAME, ..Conv2d::default() };
    conv(cases, "stem", &stem, [2, 17, 19, 3], [7, 7], 16);
    let stem = Conv2d { strides: [4, 4], ..Conv2d::default() };
    conv(cases, "alexnet", &stem, [1, 27, 31, 3], [11, 11], 10);
}

fn depthwise(cases: &mut Vec<Case>) {
    let mut both = |name: String, op: DepthwiseConv2d, image: [usize; 4], size: [usize; 2], multiplier: usize| {
        let kernel = [size[0], size[1], image[3], multiplier];
        let [y, x] = op.windows([image[1], image[2]], size).expect("the case fits together");
        let dy = [image[0], y.output, x.output, image[3] * multiplier];
        let input = op.backward_input([image[1], image[2]]);
        cases.push(single(format!("depthwise_backward_input/{name}"), input, &[&dy, &kernel]));
        cases.push(single(format!("depthwise_backward_filter/{name}"), op.backward_filter(size), &[&image, &dy]));
    };
    for size in [[3, 3], [5, 5], [2, 4], [1, 1]] {
        for strides in [[1, 1], [2, 2], [3, 4]] {
            for (tag, padding) in PADDINGS {
                let op = DepthwiseConv2d { strides, padding, ..DepthwiseConv2d::default() };
                both(format!("k{}_s{}_{tag}", by(&size), by(&strides)), op, [2, 9, 12, 7], size, 1);
            }
        }
    }
    for (c, multiplier) in [(1, 1), (4, 1), (8, 1), (21, 1), (66, 1), (1, 8), (3, 2), (4, 3), (7, 3), (8, 2)] {
        for strides in [[1, 1], [2, 1]] {
            let op = DepthwiseConv2d { strides, padding: SAME, ..DepthwiseConv2d::default() };
            both(format!("c{c}_m{multiplier}_s{}", by(&strides)), op, [2, 7, 5, c], [3, 3], multiplier);
        }
    }
    for (tag, padding) in [("same", SAME), ("valid", VALID)] {
        let op = DepthwiseConv2d { dilations: [2, 3], padding, ..DepthwiseConv2d::default() };
        both(format!("d2x3_{tag}"), op.clone(), [2, 8, 9, 6], [3, 3], 1);
        both(format!("d2x3_{tag}_m2"), op, [2, 8, 9, 3], [3, 3], 2);
    }
    let op = DepthwiseConv2d { padding: SAME, ..DepthwiseConv2d::default() };
    both("one_pixel".into(), op.clone(), [2, 1, 1, 5], [3, 3], 1);
    both("many_pixels".into(), op, [2, 40, 41, 12], [3, 3], 1);
}

fn pools(cases: &mut Vec<Case>) {
    let mut push = |tag: String, kernel: [usize; 2], strides, dilations, padding, image: [usize; 4]| {
        let op = MaxPool2dBackward { kernel, strides, dilations, padding };
        let [y, x] = op.forward().windows([image[1], image[2]]).expect("the case fits together");
        let dy = [image[0], y.output, x.output, image[3]];
        // Five values only: nearly every window has its maximum several times.
        let mut net = Net::new(format!("pool_backward/max_{tag}"));
        let values: Vec<f32> = (0..image.iter().product()).map(|_| net.random.int(-2, 3) as f32).collect();
        let inputs = [net.feed(Tensor::f32(image, values).expect("counts agree")), net.input(&dy)];
        let dx = net.op(op, &inputs);
        cases.push(net.done(&[dx]));
        for include_padding in [false, true] {
            let input = [image[1], image[2]];
            let op = AvgPool2dBackward { kernel, strides, dilations, padding, include_padding, input };
            let name = if include_padding { "average_padded" } else { "average" };
            cases.push(single(format!("pool_backward/{name}_{tag}"), op, &[&dy]));
        }
    };
    let one = [1, 1];
    for (kernel, strides) in [([2, 2], [2, 2]), ([3, 3], [2, 2]), ([3, 3], [1, 1]), ([2, 3], [3, 1]), ([5, 4], [3, 3])]
    {
        for (tag, padding) in [("same", SAME), ("valid", VALID), ("explicit", Padding::Explicit([[1, 0], [0, 1]]))] {
            push(format!("k{}_s{}_{tag}", by(&kernel), by(&strides)), kernel, strides, one, padding, [2, 7, 10, 5]);
        }
    }
    for c in [1, 3, 4, 6, 21, 66] {
        push(format!("c{c}"), [2, 2], [2, 2], one, SAME, [2, 5, 6, c]);
    }
    push("dilated".into(), [3, 2], [1, 1], [2, 3], VALID, [1, 9, 8, 3]);
    push("dilated_same".into(), [3, 3], [1, 2], [2, 2], SAME, [1, 7, 8, 3]);
    push("one_pixel".into(), [1, 1], [2, 2], one, VALID, [2, 5, 5, 3]);
    push("above_the_image".into(), [4, 4], [3, 3], one, SAME, [2, 2, 3, 3]);
    push("whole_image".into(), [5, 7], [5, 7], one, VALID, [2, 5, 7, 6]);
    // Some windows see nothing but padding.
    push("in_the_padding".into(), [2, 2], [2, 2], one, Padding::Explicit([[4, 2], [2, 5]]), [2, 3, 4, 5]);
}

fn resizes(cases: &mut Vec<Case>) {
    let modes = [
        ("bilinear", ResizeMode::Bilinear),
        ("floor", ResizeMode::Nearest(NearestRounding::Floor)),
        ("half_up", ResizeMode::Nearest(NearestRounding::HalfUp)),
    ];
    let conventions = [
        ("half_pixel", Coordinates::HalfPixel),
        ("align_corners", Coordinates::AlignCorners),
        ("asymmetric", Coordinates::Asymmetric),
    ];
    for (mode_name, mode) in modes {
        for (convention, coordinates) in conventions {
            for (from, to) in
                [([5, 4], [11, 9]), ([9, 11], [4, 5]), ([4, 3], [8, 6]), ([7, 4], [1, 1]), ([1, 1], [3, 4])]
            {
                let forward = Resize { size: ResizeSize::Fixed(to), mode, coordinates };
                let name = format!("resize_backward/{mode_name}_{convention}_{}_to_{}", by(&from), by(&to));
                cases.push(single(name, ResizeBackward { forward, input: from }, &[&[2, to[0], to[1], 3]]));
            }
        }
    }
    for (name, method, antialias) in [
        ("bicubic", "bicubic", false),
        ("area", "area", false),
        ("lanczos3_antialias", "lanczos3", true),
        ("gaussian", "gaussian", false),
    ] {
        let mode = ResizeMode::tensorflow(method, antialias).expect("a method");
        for (from, to) in [([5, 4], [11, 9]), ([9, 11], [4, 5]), ([7, 4], [1, 1]), ([1, 1], [3, 4]), ([6, 5], [6, 8])] {
            let forward = Resize { size: ResizeSize::Fixed(to), mode, coordinates: Coordinates::HalfPixel };
            let name = format!("resize_backward/{name}_{}_to_{}", by(&from), by(&to));
            cases.push(single(name, ResizeBackward { forward, input: from }, &[&[2, to[0], to[1], 5]]));
        }
    }
    for c in [1, 5, 8, 21] {
        let size = ResizeSize::Factors([2.0, 3.0]);
        let forward = Resize { size, mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel };
        let op = ResizeBackward { forward, input: [4, 3] };
        cases.push(single(format!("resize_backward/factors_c{c}"), op, &[&[2, 8, 9, c]]));
    }
}

fn batch_norms(cases: &mut Vec<Case>) {
    for shape in
        [&[2, 4, 5, 3][..], &[6, 4], &[1, 1, 1, 5], &[3, 7, 7, 21], &[40, 1], &[2, 9, 8, 64], &[5, 130], &[700, 6]]
    {
        let c = shape[shape.len() - 1];
        let statistics: Op = BatchNormStatistics.into();
        let mut net = Net::new(format!("batch_norm/statistics_{}", by(shape)));
        let x = net.input(shape);
        let outputs = net.ops(statistics.clone(), &[x]);
        cases.push(net.done(&outputs));

        // A mean far from 0, as that of pixels or of activations after a bias.
        let mut net = Net::new(format!("batch_norm/statistics_offset_{}", by(shape)));
        let x = net.random.tensor(shape, 99.0, 101.0);
        let x = net.feed(x);
        let outputs = net.ops(statistics, &[x]);
        cases.push(net.done(&outputs));

        let mut net = Net::new(format!("batch_norm/backward_{}", by(shape)));
        let inverse = net.random.tensor(&[c], 0.5, 2.0);
        let inputs = [net.input(shape), net.input(shape), net.input(&[c]), net.feed(inverse), net.input(&[c])];
        let outputs = net.ops(BatchNormBackward, &inputs);
        cases.push(net.done(&outputs));
    }
}
