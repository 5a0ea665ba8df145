//! Resizing: every mode with every coordinate convention.

use super::Case;
use super::generate::{by, single};
use crate::ops::{Coordinates, NearestRounding, Resize, ResizeMode, ResizeSize};

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
}
