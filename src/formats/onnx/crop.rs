//! `Resize` within a region of interest (`tf_crop_and_resize`): where each pixel comes from is known at import.

use super::values::{Handle, Rule};
use crate::error::{Error, Result};
use crate::ops::BinaryKind;
use crate::tensor::Tensor;

/// Where the elements of an axis come from: `low * (1 - share) + high * share`, or from nowhere.
struct Taps {
    low: Vec<i32>,
    high: Vec<i32>,
    share: Vec<f32>,
    inside: Vec<u8>,
}

/// The mode of interpolation.
#[derive(Clone, Copy)]
enum Mode {
    Linear,
    /// Which of two neighbours, by the position between them.
    Nearest(fn(f64) -> f64),
}

/// `count` places from `start` to `end` of an axis of `n`, both as shares of it.
fn taps(n: usize, count: usize, [start, end]: [f64; 2], mode: Mode) -> Taps {
    let (mut taps, last) = (Taps { low: vec![], high: vec![], share: vec![], inside: vec![] }, n as f64 - 1.0);
    for i in 0..count {
        let at = match count {
            1 => 0.5 * (start + end) * last,
            _ => start * last + i as f64 * (end - start) * last / (count as f64 - 1.0),
        };
        let inside = (0.0..=last).contains(&at);
        let at = if inside { at } else { 0.0 };
        let (low, share) = match mode {
            Mode::Linear => (at.floor(), at - at.floor()),
            Mode::Nearest(round) => (round(at).clamp(0.0, last), 0.0),
        };
        taps.low.push(low as i32);
        taps.high.push((low + 1.0).min(last) as i32);
        taps.share.push(share as f32);
        taps.inside.push(inside as u8);
    }
    taps
}

impl Rule<'_, '_> {
    /// Axis by axis; `sizes` are of all axes, the region of interest of those named.
    pub fn crop_and_resize(&mut self, x: Handle, axes: &[usize], sizes: &[usize]) -> Result<Handle> {
        let region = self.input(1)?;
        let region = self.numbers(region, "roi")?;
        if region.len() != 2 * axes.len() {
            return Err(Error::mismatch("two ends of the region for every axis", 2 * axes.len(), region.len()));
        }
        let mode = match self.node.text("mode")?.unwrap_or("nearest") {
            "linear" => Mode::Linear,
            "nearest" => Mode::Nearest(match self.node.text("nearest_mode")?.unwrap_or("round_prefer_floor") {
                "round_prefer_floor" => |x| (x - 0.5).ceil(),
                "round_prefer_ceil" => |x| (x + 0.5).floor(),
                "floor" => f64::floor,
                "ceil" => f64::ceil,
                other => return Err(Error::invalid(format!("nearest_mode {other:?}"))),
            }),
            other => return Err(Error::unsupported(format!("a crop of mode {other:?}"))),
        };
        if !self.element(x).is_float() {
            return Err(Error::unsupported("a crop of integers"));
        }
        let dims = self.fixed_dims(x, "a crop")?;
        let mut value = x;
        for (i, &axis) in axes.iter().enumerate() {
            let (n, ends) = (dims[axis], [region[i], region[axes.len() + i]]);
            if ends == [0.0, 1.0] && sizes[axis] == n {
                continue;
            }
            if n == 0 {
                return Err(Error::invalid("a crop of nothing"));
            }
            // The indices are accounted for before they are made.
            self.importer.lowering.spend(sizes[axis].saturating_mul(16))?;
            let taps = taps(n, sizes[axis], ends, mode);
            value = self.cropped_axis(value, axis, &taps)?;
        }
        Ok(value)
    }

    fn cropped_axis(&mut self, value: Handle, axis: usize, taps: &Taps) -> Result<Handle> {
        let (element, rank, count) = (self.element(value), self.rank(value), taps.low.len());
        let mut shape = vec![1; rank];
        shape[axis] = count;
        let mut result = self.pick_along(value, axis, &taps.low, &format!("low{axis}"))?;
        if taps.share.iter().any(|&share| share != 0.0) {
            let high = self.pick_along(value, axis, &taps.high, &format!("high{axis}"))?;
            let share = self.constant(&format!("share{axis}"), Tensor::f32(shape.clone(), taps.share.clone())?);
            let share = self.made(element, super::values::plain(rank), share);
            let step = self.arithmetic(&format!("step{axis}"), BinaryKind::Sub, high, result)?;
            let step = self.arithmetic(&format!("part{axis}"), BinaryKind::Mul, step, share)?;
            result = self.arithmetic(&format!("between{axis}"), BinaryKind::Add, result, step)?;
        }
        if taps.inside.contains(&0) {
            let mask = self.constant(&format!("inside{axis}"), Tensor::u8(shape, taps.inside.clone())?);
            let outside = self.float("extrapolation_value", 0.0)?;
            let outside = self.scalar("outside", outside);
            let id = self.plain(result)?;
            let id = self.select(&format!("cropped{axis}"), mask, id, outside)?;
            result = self.made(element, super::values::plain(rank), id);
        }
        Ok(result)
    }
}
