//! Resizing of images.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{NearestRounding, Resize, ResizeMode};

/// A resize.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResizeKey {
    nearest: bool,
    /// Four channels at once.
    vector: bool,
}

impl Kernel for ResizeKey {
    fn file(&self) -> &'static str {
        "resize.wgsl"
    }
    fn defines(&self) -> Defines {
        let mode = if self.nearest { "Nearest" } else { "Bilinear" };
        vec![("MODE", mode.into()), ("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        let both = [(false, false), (false, true), (true, false), (true, true)];
        both.map(|(nearest, vector)| ResizeKey { nearest, vector }).into()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    in_size: [u32; 2],
    out_size: [u32; 2],
}

/// One output row or column: both input pixels and the weight of the second.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
    _pad: u32,
}

fn taps(op: &Resize, input: usize, output: usize) -> impl Iterator<Item = Tap> {
    let (scale, offset) = op.transform(input, output);
    let (mode, last) = (op.mode, (input - 1) as f32);
    (0..output).map(move |o| {
        let at = o as f32 * scale + offset;
        let (low, high, weight) = match mode {
            ResizeMode::Nearest(rounding) => {
                let pixel = match rounding {
                    NearestRounding::Floor => at.floor(),
                    NearestRounding::Ceil => at.ceil(),
                    NearestRounding::HalfUp => (at + 0.5).floor(),
                    NearestRounding::HalfDown => (at - 0.5).ceil(),
                };
                let pixel = pixel.clamp(0.0, last) as u32;
                (pixel, pixel, 0.0)
            }
            ResizeMode::Bilinear => {
                let at = at.clamp(0.0, last);
                let low = at.floor();
                (low as u32, (low + 1.0).min(last) as u32, at - low)
            }
        };
        Tap { low, high, weight, _pad: 0 }
    })
}

pub(super) fn lower(lowering: &mut Lowering, op: &Resize, node: &Node) -> Result<()> {
    let [_, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [batch, oh, ow, _] = lowering.shape(output(node)).dims("NHWC")?;
    let vector = c.is_multiple_of(4);
    let channels = if vector { c / 4 } else { c };
    let count = batch * oh * ow * channels;
    let table: Vec<Tap> = taps(op, h, oh).chain(taps(op, w, ow)).collect();
    let table = lowering.table(&table);
    let params = Params {
        count: count as u32,
        channels: channels as u32,
        in_size: [h as u32, w as u32],
        out_size: [oh as u32, ow as u32],
    };
    let key = ResizeKey { nearest: matches!(op.mode, ResizeMode::Nearest(_)), vector };
    lowering.push(key, vec![node.inputs[0].into(), table, output(node).into()], &params, threads(count));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Coordinates, ResizeSize};

    #[test]
    fn half_pixel_taps_stay_inside() {
        let op =
            Resize { size: ResizeSize::Fixed([4, 4]), mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel };
        let taps: Vec<_> = taps(&op, 2, 4).map(|t| (t.low, t.high, t.weight)).collect();
        assert_eq!(taps, [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 1, 0.0)]);
    }
}
