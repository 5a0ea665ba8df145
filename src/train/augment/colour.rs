//! Brightness, contrast, saturation, hue and the like, in the single precision of `tf.image`: bytes come out the same.
//!
//! Bytes are taken through floats from 0 to 1 and back, as there.

use super::{Frame, floats};
use crate::error::{Error, Result};
use crate::tensor::{DType, Data, Tensor};

/// Floats from 0 to 1, or as they are.
fn to_unit(picture: &Tensor) -> Vec<f32> {
    match picture.data() {
        Data::U8(v) => v.iter().map(|&x| x as f32 * (1.0 / 255.0)).collect(),
        _ => floats(picture),
    }
}

/// Back to the picture's element type.
fn back(picture: &Tensor, frame: Frame, unit: Vec<f32>) -> Result<Tensor> {
    match picture.dtype() {
        // Truncated; Rust's cast saturates.
        DType::U8 => Tensor::u8(frame.shape(), unit.into_iter().map(|x| (x * 255.5) as u8).collect::<Vec<_>>()),
        _ => frame.tensor(unit),
    }
}

/// To bytes (0 to 1 becomes 0 to 255, saturating) or to floats (the other way).
pub fn convert_dtype(picture: &Tensor, dtype: DType) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    match (picture.dtype(), dtype) {
        (a, b) if a == b => Ok(picture.clone()),
        (DType::F32, DType::U8) => {
            Tensor::u8(frame.shape(), floats(picture).into_iter().map(|x| (x * 255.5) as u8).collect::<Vec<_>>())
        }
        (_, DType::F32) => frame.tensor(to_unit(picture)),
        (_, other) => Err(Error::mismatch("pictures are floats or bytes", "float32 or uint8", other)),
    }
}

/// Adds `delta` to every value.
pub fn adjust_brightness(picture: &Tensor, delta: f32) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    back(picture, frame, to_unit(picture).into_iter().map(|x| x + delta).collect())
}

/// Stretches every channel about its mean.
pub fn adjust_contrast(picture: &Tensor, factor: f32) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let mut unit = to_unit(picture);
    about_means(&mut unit, frame, factor);
    back(picture, frame, unit)
}

/// `(x - mean) * factor + mean` for every channel of every picture.
fn about_means(values: &mut [f32], frame: Frame, factor: f32) {
    let pixels = (frame.height * frame.width) as f64;
    for image in values.chunks_mut(frame.size().max(1)) {
        for channel in 0..frame.channels {
            let sum: f64 = image.iter().skip(channel).step_by(frame.channels).map(|&x| x as f64).sum();
            let mean = (sum / pixels) as f32;
            image.iter_mut().skip(channel).step_by(frame.channels).for_each(|x| *x = (*x - mean) * factor + mean);
        }
    }
}

/// As [`adjust_contrast`], of floats that are then clipped to a range (what Keras' `RandomContrast` does).
pub fn scale_contrast(picture: &Tensor, factor: f32, [low, high]: [f32; 2]) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let mut values = floats(picture);
    about_means(&mut values, frame, factor);
    values.iter_mut().for_each(|x| *x = x.max(low).min(high));
    frame.tensor(values)
}

/// Adds a number, then clips to a range (what Keras' `RandomBrightness` does with `factor * (high - low)`).
pub fn add_clipped(picture: &Tensor, amount: f32, [low, high]: [f32; 2]) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    frame.tensor(floats(picture).into_iter().map(|x| (x + amount).max(low).min(high)).collect())
}

/// `gain * x^gamma`.
pub fn adjust_gamma(picture: &Tensor, gamma: f32, gain: f32) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    back(picture, frame, to_unit(picture).into_iter().map(|x| gain * x.powf(gamma)).collect())
}

/// Multiplies the saturation, which stays from 0 to 1.
pub fn adjust_saturation(picture: &Tensor, factor: f32) -> Result<Tensor> {
    in_colours(picture, &|rgb| {
        let [h, s, v] = hsv(rgb);
        rgb_of([h, (s * factor).clamp(0.0, 1.0), v])
    })
}

/// Turns the hue by a part of the circle.
pub fn adjust_hue(picture: &Tensor, delta: f32) -> Result<Tensor> {
    in_colours(picture, &|rgb| {
        let [h, s, v] = hsv(rgb);
        rgb_of([(h + delta).rem_euclid(1.0), s, v])
    })
}

/// Hue, saturation and value of floats from 0 to 1.
pub fn rgb_to_hsv(picture: &Tensor) -> Result<Tensor> {
    in_colours(picture, &hsv)
}

/// Red, green and blue from hue, saturation and value.
pub fn hsv_to_rgb(picture: &Tensor) -> Result<Tensor> {
    in_colours(picture, &rgb_of)
}

fn in_colours(picture: &Tensor, change: &dyn Fn([f32; 3]) -> [f32; 3]) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    if frame.channels != 3 {
        return Err(Error::mismatch("colours need three channels", 3, frame.channels));
    }
    let mut unit = to_unit(picture);
    for pixel in unit.chunks_exact_mut(3) {
        pixel.copy_from_slice(&change([pixel[0], pixel[1], pixel[2]]));
    }
    back(picture, frame, unit)
}

fn hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (value, least) = (r.max(g).max(b), r.min(g).min(b));
    let range = value - least;
    let saturation = if value > 0.0 { range / value } else { 0.0 };
    if range <= 0.0 {
        return [0.0, saturation, value];
    }
    let norm = 1.0 / (6.0 * range);
    let hue = if r == value {
        norm * (g - b)
    } else if g == value {
        norm * (b - r) + 2.0 / 6.0
    } else {
        norm * (r - g) + 4.0 / 6.0
    };
    [if hue < 0.0 { hue + 1.0 } else { hue }, saturation, value]
}

fn rgb_of([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let h = hue * 6.0;
    let (r, g, b) = ((h - 3.0).abs() - 1.0, 2.0 - (h - 2.0).abs(), 2.0 - (h - 4.0).abs());
    [r, g, b].map(|part| (1.0 - saturation + saturation * part.clamp(0.0, 1.0)) * value)
}

/// One channel of 0.2989 red, 0.587 green and 0.114 blue.
pub fn rgb_to_grayscale(picture: &Tensor) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    if frame.channels != 3 {
        return Err(Error::mismatch("colours need three channels", 3, frame.channels));
    }
    let grey = to_unit(picture).chunks_exact(3).map(|p| 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect();
    back(picture, Frame { channels: 1, ..frame }, grey)
}

/// Every picture by itself to mean 0 and deviation 1, as floats; a flat one becomes 0.
pub fn per_image_standardization(picture: &Tensor) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let mut values = to_unit(picture);
    for image in values.chunks_mut(frame.size().max(1)) {
        let n = image.len() as f64;
        let mean = image.iter().map(|&x| x as f64).sum::<f64>() / n;
        let variance = image.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / n;
        let deviation = variance.sqrt().max(1.0 / n.sqrt());
        image.iter_mut().for_each(|x| *x = ((*x as f64 - mean) / deviation) as f32);
    }
    frame.tensor(values)
}

/// `x * scale + offset`; one number for all channels, or one for each.
pub fn rescale(picture: &Tensor, scale: &[f32], offset: &[f32]) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    for list in [scale, offset] {
        if list.len() != 1 && list.len() != frame.channels {
            return Err(Error::mismatch("one number for each channel", frame.channels, list.len()));
        }
    }
    let of = |list: &[f32], i: usize| list[i % list.len()];
    let scaled = |(i, x): (usize, f32)| x * of(scale, i % frame.channels) + of(offset, i % frame.channels);
    frame.tensor(floats(picture).into_iter().enumerate().map(scaled).collect())
}
