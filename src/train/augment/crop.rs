//! Cutting, padding and resizing, with the roundings of `tf.image` and of Keras' layers.

use super::{Frame, floats, rearrange};
use crate::error::{Error, Result};
use crate::ops::{Coordinates, Resize, ResizeMode, ResizeSize};
use crate::tensor::{DType, Tensor};

/// The part of `height` x `width` pixels whose left upper corner lies at (`top`, `left`). Errors: it reaches outside.
pub fn crop(picture: &Tensor, top: usize, left: usize, height: usize, width: usize) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let fits = |start: usize, size: usize, all: usize| start.checked_add(size).is_some_and(|end| end <= all);
    if height == 0 || width == 0 || !fits(top, height, frame.height) || !fits(left, width, frame.width) {
        return Err(Error::mismatch(
            "the part to cut out does not lie in the picture",
            format!("within {} x {}", frame.height, frame.width),
            format!("{height} x {width} from ({top}, {left})"),
        ));
    }
    rearrange(picture, height, width, 0.0, &|y, x| Some((top + y, left + x)))
}

/// The picture within a larger one, its left upper corner at (`top`, `left`), and `fill` around it.
pub fn pad(picture: &Tensor, top: usize, left: usize, height: usize, width: usize, fill: f32) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let fits = |start: usize, size: usize, all: usize| start.checked_add(size).is_some_and(|end| end <= all);
    if !fits(top, frame.height, height) || !fits(left, frame.width, width) {
        return Err(Error::mismatch(
            "the picture does not fit into the padded one",
            format!("within {height} x {width}"),
            format!("{} x {} from ({top}, {left})", frame.height, frame.width),
        ));
    }
    let within = |at: usize, start: usize, size: usize| at.checked_sub(start).filter(|&i| i < size);
    rearrange(picture, height, width, fill, &|y, x| {
        Some((within(y, top, frame.height)?, within(x, left, frame.width)?))
    })
}

/// The middle, this part of the height and of the width (`tf.image.central_crop`).
pub fn central_crop(picture: &Tensor, fraction: f64) -> Result<Tensor> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(Error::invalid(format!("a fraction of {fraction} is not in 0 to 1")));
    }
    let frame = Frame::of(picture)?;
    let start = |size: usize| ((size as f64 - size as f64 * fraction) / 2.0) as usize;
    let (top, left) = (start(frame.height), start(frame.width));
    crop(picture, top, left, frame.height - 2 * top, frame.width - 2 * left)
}

/// The middle of this size; what is too small is padded with 0 (`tf.image.resize_with_crop_or_pad`).
pub fn crop_or_pad(picture: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    // Where the cut begins, its size, and where it lies in the result.
    let plan =
        |have: usize, want: usize| (have.saturating_sub(want) / 2, have.min(want), want.saturating_sub(have) / 2);
    let ((top, rows, above), (left, columns, before)) = (plan(frame.height, height), plan(frame.width, width));
    let part = crop(picture, top, left, rows, columns)?;
    pad(&part, above, before, height, width, 0.0)
}

/// What becomes of a picture of another aspect ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aspect {
    /// It is stretched.
    Stretch,
    /// What is too much is cut off first, on both sides.
    Crop,
    /// The sides are padded with this first.
    Pad(f32),
}

/// Resizes as Keras' `Resizing` does; `method` and `antialias` as for `tf.image.resize`. Bytes become floats, unscaled.
pub fn resize(
    picture: &Tensor,
    height: usize,
    width: usize,
    method: &str,
    antialias: bool,
    aspect: Aspect,
) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    // In single precision, as there.
    let fitted = |other: usize, wanted: usize, other_wanted: usize| {
        ((other * wanted) as f32 / other_wanted.max(1) as f32) as usize
    };
    let (h, w) = (fitted(frame.width, height, width), fitted(frame.height, width, height));
    let ready = match aspect {
        Aspect::Stretch => picture.clone(),
        Aspect::Crop => {
            let (h, w) = (h.min(frame.height).max(1), w.min(frame.width).max(1));
            crop(picture, (frame.height - h) / 2, (frame.width - w) / 2, h, w)?
        }
        Aspect::Pad(fill) => {
            // As much on either side: an odd row is left out.
            let (top, left) = (h.saturating_sub(frame.height) / 2, w.saturating_sub(frame.width) / 2);
            pad(picture, top, left, frame.height + 2 * top, frame.width + 2 * left, fill)?
        }
    };
    stretch(&ready, height, width, method, antialias)
}

/// The largest picture of the same aspect ratio that fits, in the middle, and 0 around it (`tf.image.resize_with_pad`).
/// Floats, but bytes of bytes for the method `nearest`.
pub fn resize_with_pad(picture: &Tensor, height: usize, width: usize, method: &str, antialias: bool) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    // In single precision, as there.
    let ratio = (frame.width as f32 / width as f32).max(frame.height as f32 / height as f32);
    let (h, w) = (frame.height as f32 / ratio, frame.width as f32 / ratio);
    let offset = |have: f32, want: usize| ((want as f32 - have) / 2.0).floor().max(0.0) as usize;
    let (top, left) = (offset(h, height), offset(w, width));
    let mut small = stretch(picture, (h.floor() as usize).max(1), (w.floor() as usize).max(1), method, antialias)?;
    if method == "nearest" && picture.dtype() == DType::U8 {
        // Pixels as they were.
        let bytes = floats(&small).iter().map(|&v| v as u8).collect::<Vec<_>>();
        small = Tensor::u8(small.shape().clone(), bytes)?;
    }
    pad(&small, top, left, height, width, 0.0)
}

/// The middle of this size, or the whole resized to it where it is too small (Keras' `CenterCrop`).
pub fn center_crop(picture: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    if frame.height >= height && frame.width >= width {
        let (top, left) = ((frame.height - height) / 2, (frame.width - width) / 2);
        let part = crop(picture, top, left, height, width)?;
        let shape = part.shape().clone();
        return Tensor::f32(shape, floats(&part));
    }
    resize(picture, height, width, "bilinear", false, Aspect::Crop)
}

/// Both axes by their tables of weights, rows first.
fn stretch(picture: &Tensor, height: usize, width: usize, method: &str, antialias: bool) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    if [height, width, frame.height, frame.width].contains(&0) {
        return Err(Error::mismatch("cannot resize", "at least 1 x 1 pixels", format!("{height} x {width}")));
    }
    let op = Resize {
        size: ResizeSize::Fixed([height, width]),
        mode: ResizeMode::tensorflow(method, antialias)?,
        coordinates: Coordinates::HalfPixel,
    };
    let target = frame.resized(height, width);
    crate::shape::Shape::checked(target.shape())?;
    let (rows, columns) = (op.taps(0, frame.height, height), op.taps(1, frame.width, width));
    let source = floats(picture);
    let row = frame.width * frame.channels;
    let mut line = vec![0.0; row];
    let mut out = Vec::with_capacity(frame.count * target.size());
    for image in 0..frame.count {
        let source = &source[image * frame.size()..][..frame.size()];
        for y in 0..height {
            let (first, weights) = rows.row(y);
            line.fill(0.0);
            for (k, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                let from = &source[(first + k) * row..][..row];
                line.iter_mut().zip(from).for_each(|(sum, v)| *sum += weight * v);
            }
            for x in 0..width {
                let (first, weights) = columns.row(x);
                for channel in 0..frame.channels {
                    let at = |k: usize| line[(first + k) * frame.channels + channel];
                    let weighted = weights.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(k, w)| w * at(k));
                    out.push(weighted.sum());
                }
            }
        }
    }
    target.tensor(out)
}
