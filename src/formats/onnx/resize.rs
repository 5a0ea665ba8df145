//! `Resize` and its forerunner `Upsample`.

use super::conv::fixed;
use super::values::{Handle, Order, Rule, axis_of, channels_last, needs_shapes};
use crate::error::{Error, Result};
use crate::formats::lower::Guessed;
use crate::ops::{
    Border, Coordinates, NearestRounding, Reshape, ReshapeDim, Resize, ResizeMode, ResizeSize, Sampling, SamplingKernel,
};

/// What becomes of every axis.
enum Target {
    /// Factors.
    Scales(Vec<f32>),
    /// Sizes.
    Sizes(Vec<Guessed<i64>>),
}

impl Rule<'_, '_> {
    /// Resizes the spatial axes.
    pub fn resize(&mut self) -> Result<Handle> {
        let x = self.input(0)?;
        let rank = self.rank(x);
        let upsample = self.node.op == "Upsample";
        // The region of interest came in between with version 11.
        let (scales, sizes) = match upsample || self.importer.opset < 11 {
            true => (self.optional(1), None),
            false => (self.optional(2), self.optional(3)),
        };
        let axes = match self.node.ints("axes")? {
            Some(axes) => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?,
            None => (0..rank).collect(),
        };
        let scales = match scales {
            Some(scales) if self.dims(scales) != [[0, 0]] => Some(self.numbers(scales, "scales")?),
            _ => self.node.floats("scales")?.map(|list| list.iter().map(|&f| f as f64).collect()),
        };
        let target = match (scales, sizes) {
            (Some(scales), _) => {
                let mut all = vec![1.0f32; rank];
                if scales.len() != axes.len() {
                    return Err(Error::mismatch("a scale for every axis", axes.len(), scales.len()));
                }
                axes.iter().zip(&scales).for_each(|(&axis, &scale)| all[axis] = scale as f32);
                Target::Scales(all)
            }
            (None, Some(sizes)) => {
                let sizes = self.sizes(sizes, "sizes")?;
                if sizes.len() != axes.len() {
                    return Err(Error::mismatch("a size for every axis", axes.len(), sizes.len()));
                }
                self.sizes_target(x, &axes, &sizes)?
            }
            (None, None) => return Err(Error::invalid("a resize without scales or sizes")),
        };
        if self.node.text("coordinate_transformation_mode")? == Some("tf_crop_and_resize") {
            let sizes = self.cropped_sizes(x, &target)?;
            return self.crop_and_resize(x, &axes, &sizes);
        }
        let (mode, coordinates) = self.resize_mode(upsample)?;
        self.resized(x, &target, mode, coordinates)
    }

    /// The result's sizes where the coordinates are computed at import.
    fn cropped_sizes(&mut self, x: Handle, target: &Target) -> Result<Vec<usize>> {
        let size = |n: f64| {
            if (0.0..2e9).contains(&n) { Ok(n as usize) } else { Err(Error::invalid(format!("a size of {n}"))) }
        };
        match target {
            Target::Scales(scales) => {
                let dims = self.fixed_dims(x, "a crop")?;
                dims.iter().zip(scales).map(|(&n, &scale)| size((n as f64 * scale as f64).floor())).collect()
            }
            Target::Sizes(sizes) => {
                let fixed = |&[a, b]: &Guessed<i64>| if a == b { size(a as f64) } else { Err(needs_shapes("a crop")) };
                sizes.iter().map(fixed).collect()
            }
        }
    }

    /// Sizes of all axes; with an aspect ratio to keep, the one scale that gives them.
    fn sizes_target(&mut self, x: Handle, axes: &[usize], sizes: &[Guessed<i64>]) -> Result<Target> {
        let dims = self.dims(x);
        let policy = self.node.text("keep_aspect_ratio_policy")?.unwrap_or("stretch");
        let mut all: Vec<Guessed<i64>> = dims.iter().map(|d| d.map(|n| n as i64)).collect();
        if policy == "stretch" {
            axes.iter().zip(sizes).for_each(|(&axis, &size)| all[axis] = size);
            return Ok(Target::Sizes(all));
        }
        let mut scale: Option<f32> = None;
        for (&axis, &[size, other]) in axes.iter().zip(sizes) {
            let n = fixed(dims[axis], "a resize that keeps the aspect ratio")?;
            if size != other {
                return Err(needs_shapes("a resize that keeps the aspect ratio"));
            }
            let this = size as f32 / n as f32;
            scale = Some(match (scale, policy) {
                (None, _) => this,
                (Some(have), "not_larger") => have.min(this),
                (Some(have), "not_smaller") => have.max(this),
                (_, other) => return Err(Error::invalid(format!("keep_aspect_ratio_policy {other:?}"))),
            });
        }
        let scale = scale.ok_or_else(|| Error::invalid("a resize of no axes"))?;
        for &axis in axes {
            all[axis] = [(dims[axis][0] as f32 * scale).round() as i64; 2];
        }
        Ok(Target::Sizes(all))
    }

    /// The interpolation and the coordinate convention.
    fn resize_mode(&mut self, upsample: bool) -> Result<(ResizeMode, Coordinates)> {
        let opset = self.importer.opset;
        let default = if opset < 11 || upsample { "asymmetric" } else { "half_pixel" };
        let transformation = self.node.text("coordinate_transformation_mode")?.unwrap_or(default);
        let coordinates = match transformation {
            "half_pixel" | "tf_half_pixel_for_nn" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::HalfPixelOrZero,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            other => return Err(Error::unsupported(format!("the coordinate transformation {other:?}"))),
        };
        // Before version 11 nearest always took the pixel before.
        let default = if opset < 11 || upsample { "floor" } else { "round_prefer_floor" };
        let antialias = self.flag("antialias")?;
        let border = if self.flag("exclude_outside")? { Border::Exclude } else { Border::Repeat };
        let sampled = |kernel, border| ResizeMode::Sampled(Sampling { kernel, antialias, border });
        let mode = match self.node.text("mode")?.unwrap_or("nearest") {
            "nearest" => ResizeMode::Nearest(match self.node.text("nearest_mode")?.unwrap_or(default) {
                "round_prefer_floor" => NearestRounding::HalfDown,
                "round_prefer_ceil" => NearestRounding::HalfUp,
                "floor" => NearestRounding::Floor,
                "ceil" => NearestRounding::Ceil,
                other => return Err(Error::invalid(format!("nearest_mode {other:?}"))),
            }),
            "linear" | "bilinear" if antialias => sampled(SamplingKernel::Triangle, border),
            "linear" | "bilinear" => ResizeMode::Bilinear,
            "cubic" | "bicubic" => sampled(SamplingKernel::Cubic { a: self.float("cubic_coeff_a", -0.75)? }, border),
            other => return Err(Error::invalid(format!("a resize of mode {other:?}"))),
        };
        Ok((mode, coordinates))
    }

    /// An image whose two last axes change, as rows where there is one axis, plane by plane where others change too.
    fn resized(&mut self, x: Handle, target: &Target, mode: ResizeMode, coordinates: Coordinates) -> Result<Handle> {
        let dims = self.dims(x);
        let rank = dims.len();
        let changes = |axis: usize| match target {
            Target::Scales(scales) => scales[axis] != 1.0,
            Target::Sizes(sizes) => sizes[axis] != dims[axis].map(|n| n as i64),
        };
        let changing: Vec<usize> = (0..rank).filter(|&axis| changes(axis)).collect();
        let [first, second] = match changing[..] {
            [] if rank == 4 => [2, 3],
            [] => return Ok(x),
            [one] if rank == 4 && one == 3 => [2, 3],
            [one] if rank == 4 && one == 2 => [2, 3],
            [one] => [one, one],
            [a, b] => [a, b],
            _ => return Err(Error::unsupported(format!("a resize of {} axes at once", changing.len()))),
        };
        let element = self.element(x);
        if !element.is_float() && element.small_range().is_none() {
            return Err(Error::unsupported("a resize of 32-bit integers"));
        }
        let op = |sizes: [Guessed<i64>; 2], scales: Option<[f32; 2]>, input: [Guessed<usize>; 2]| -> Result<Resize> {
            let size = match scales {
                Some(scales) => ResizeSize::Scales(scales),
                None if sizes.iter().all(|[a, b]| a == b) => {
                    let size = |n: i64| usize::try_from(n).map_err(|_| Error::invalid(format!("a size of {n}")));
                    ResizeSize::Fixed([size(sizes[0][0])?, size(sizes[1][0])?])
                }
                None => {
                    // Sizes that follow the input's: the same factor under both guesses.
                    let factor = |axis: usize| {
                        let of = |g: usize| sizes[axis][g] as f32 / input[axis][g] as f32;
                        if of(0) == of(1) && of(0).is_finite() {
                            Ok(of(0))
                        } else {
                            Err(needs_shapes("the size of a resize"))
                        }
                    };
                    ResizeSize::Factors([factor(0)?, factor(1)?])
                }
            };
            Ok(Resize { size, mode, coordinates })
        };
        let wanted = |axis: usize| match target {
            Target::Scales(_) => [0; 2],
            Target::Sizes(sizes) => sizes[axis],
        };
        let scale = |axis: usize| match target {
            Target::Scales(scales) => Some(scales[axis]),
            Target::Sizes(_) => None,
        };
        if rank == 4 && [first, second] == [2, 3] {
            let order = channels_last(4);
            let id = self.form(x, &order)?;
            let scales = scale(2).zip(scale(3)).map(|(y, x)| [y, x]);
            let id = self.push("", op([wanted(2), wanted(3)], scales, [dims[2], dims[3]])?, &[id])?;
            return Ok(self.made(element, order, id));
        }
        // [everything before, first, second, everything else]: the two axes stand between groups of others.
        let pair = first != second;
        let others: Vec<usize> = (0..rank).filter(|&axis| axis != first && axis != second).collect();
        let order: Order = others.iter().copied().chain([first]).chain(pair.then_some(second)).collect();
        let id = self.form(x, &order)?;
        let (n, m) = (dims[first], if pair { dims[second] } else { [1; 2] });
        let mut image = vec![ReshapeDim::Infer, ReshapeDim::Copy(others.len())];
        image.push(if pair { ReshapeDim::Copy(others.len() + 1) } else { ReshapeDim::Size(1) });
        image.push(ReshapeDim::Size(1));
        let image = self.push("image", Reshape { dims: image }, &[id])?;
        let scales = scale(first).zip(if pair { scale(second) } else { Some(1.0) }).map(|(y, x)| [y, x]);
        let other = if pair { wanted(second) } else { [1; 2] };
        let image = self.push("resized", op([wanted(first), other], scales, [n, m])?, &[image])?;
        let out = self.importer.lowering.dims(image);
        let mut back: Vec<Guessed<i64>> = others.iter().map(|&axis| dims[axis].map(|n| n as i64)).collect();
        back.push(out[1].map(|n| n as i64));
        if pair {
            back.push(out[2].map(|n| n as i64));
        }
        let id = self.importer.lowering.reshape(self.name, image, &back)?;
        Ok(self.made(element, order, id))
    }
}
