//! Resizing: every mode with every coordinate convention, every sampling kernel.

use super::Case;
use super::generate::{by, single};
use crate::ops::{Border, Coordinates, NearestRounding, Resize, ResizeMode, ResizeSize, Sampling, SamplingKernel};

pub(super) fn cases(cases: &mut Vec<Case>) {
    let modes = [
        ("bilinear", ResizeMode::Bilinear),
        ("floor", ResizeMode::Nearest(NearestRounding::Floor)),
        ("ceil", ResizeMode::Nearest(NearestRounding::Ceil)),
        ("half_up", ResizeMode::Nearest(NearestRounding::HalfUp)),
        ("half_down", ResizeMode::Nearest(NearestRounding::HalfDown)),
    ];
    let conventions = [
        ("half_pixel", Coordinates::HalfPixel),
        ("align_corners", Coordinates::AlignCorners),
        ("asymmetric", Coordinates::Asymmetric),
    ];
    for (mode_name, mode) in modes {
        for (convention, coordinates) in conventions {
            // Up, down, mixed, doubled (ties), to and from one pixel.
            for (from, to) in [
                ([5, 4], [11, 9]),
                ([9, 11], [4, 5]),
                ([5, 12], [9, 5]),
                ([4, 3], [8, 6]),
                ([7, 4], [1, 1]),
                ([1, 1], [3, 4]),
            ] {
                let op = Resize { size: ResizeSize::Fixed(to), mode, coordinates };
                let name = format!("resize/{mode_name}_{convention}_{}_to_{}", by(&from), by(&to));
                cases.push(single(name, op, &[&[1, from[0], from[1], 3]]));
            }
            let op = Resize { size: ResizeSize::Factors([2.0, 1.5]), mode, coordinates };
            cases.push(single(format!("resize/{mode_name}_{convention}_factors"), op, &[&[2, 3, 5, 4]]));
        }
    }
    for c in [1, 5, 8, 21, 66] {
        let size = ResizeSize::Fixed([6, 7]);
        let op = Resize { size, mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel };
        cases.push(single(format!("resize/bilinear_c{c}"), op.clone(), &[&[2, 4, 5, c]]));
        let mode = ResizeMode::Nearest(NearestRounding::HalfUp);
        cases.push(single(format!("resize/nearest_c{c}"), Resize { mode, ..op }, &[&[2, 4, 5, c]]));
    }
    sampled(cases);
}

fn sampled(cases: &mut Vec<Case>) {
    for method in ["bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"] {
        for antialias in [false, true] {
            if antialias == (method == "area") || method == "bilinear" && !antialias {
                continue;
            }
            let mode = ResizeMode::tensorflow(method, antialias).expect("a method");
            let kind = if antialias { "_antialias" } else { "" };
            // As above, and one axis that stays as it is; channels in vectors and not, alone and with odd ends.
            for (from, to, c) in [
                ([5, 4], [11, 9], 3),
                ([9, 11], [4, 5], 1),
                ([5, 12], [9, 5], 4),
                ([8, 6], [4, 12], 21),
                ([7, 4], [1, 1], 2),
                ([1, 1], [3, 4], 8),
                ([6, 5], [6, 8], 5),
                ([6, 5], [13, 5], 10),
                ([4, 5], [4, 5], 3),
                ([31, 17], [3, 2], 6),
            ] {
                let op = Resize { size: ResizeSize::Fixed(to), mode, coordinates: Coordinates::HalfPixel };
                let name = format!("resize/{method}{kind}_{}_to_{}", by(&from), by(&to));
                cases.push(single(name, op, &[&[2, from[0], from[1], c]]));
            }
        }
    }
    // ONNX' conventions.
    for (name, coordinates) in [
        ("half_pixel", Coordinates::HalfPixel),
        ("half_pixel_or_zero", Coordinates::HalfPixelOrZero),
        ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
        ("align_corners", Coordinates::AlignCorners),
        ("asymmetric", Coordinates::Asymmetric),
    ] {
        for (border_name, border) in [("exclude", Border::Exclude), ("repeat", Border::Repeat)] {
            for antialias in [false, true] {
                let kernel = SamplingKernel::Cubic { a: -0.75 };
                let mode = ResizeMode::Sampled(Sampling { kernel, antialias, border });
                let op = Resize { size: ResizeSize::Scales([1.7, 0.6]), mode, coordinates };
                let tag = if antialias { "_antialias" } else { "" };
                let case = format!("resize/cubic_{name}_{border_name}{tag}");
                cases.push(single(case, op.clone(), &[&[1, 5, 9, 3]]));
                let case = format!("resize/cubic_{name}_{border_name}{tag}_to_1");
                cases.push(single(case, Resize { size: ResizeSize::Scales([0.3, 2.5]), ..op }, &[&[2, 4, 3, 4]]));
            }
        }
        let op = Resize { size: ResizeSize::Scales([1.7, 0.6]), mode: ResizeMode::Bilinear, coordinates };
        cases.push(single(format!("resize/bilinear_scales_{name}"), op.clone(), &[&[1, 5, 9, 3]]));
        let mode = ResizeMode::Nearest(NearestRounding::HalfDown);
        cases.push(single(format!("resize/nearest_scales_{name}"), Resize { mode, ..op }, &[&[1, 5, 9, 3]]));
    }
}
