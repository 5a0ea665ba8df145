//! The chapter's first picture: two filters over two photographs.
//!
//! Convolutions are compared on windows of the photographs that the set stores as pixels, and, where the program `djpeg`
//! of libjpeg-turbo is there to decode the photographs exactly as the set was made, on the whole of them.

use std::process::Command;

use serde_json::{Value as Json, json};

use super::set::{Check, Outcome, Set, floats};
use super::{Backend, layer};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

pub(super) fn run(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let op = case["op"].as_str().unwrap_or_default();
    if op == "tf.nn.conv2d" {
        windows(set, case, backend, outcome)?;
    }
    let photos = match photos(set, outcome)? {
        Ok(photos) => photos,
        Err(why) => {
            outcome.skipped = Some(why);
            return Ok(());
        }
    };
    if op == "images" {
        return Ok(());
    }
    let mut model = layer::model(op, &case["config"], std::slice::from_ref(&photos))?;
    if case["filters"].is_object() {
        model.set_weight("layer/kernel", set.tensor(&case["filters"])?.clone())?;
    }
    let results = backend.run(&model.graph()?, &[photos])?;
    let got = &results[0];
    if let Some(entry) = case["outputs"].get(0) {
        outcome.compare(Check::Forward, set, backend, "output", got, entry)?;
    }
    if case["every_8th"].is_object() {
        let every_8th = pick(got, 0, 0, 8, usize::MAX)?;
        outcome.compare(Check::Forward, set, backend, "every 8th pixel", &every_8th, &case["every_8th"])?;
    }
    for (i, crop) in case["crops"].as_array().into_iter().flatten().enumerate() {
        let at = |key: &str| crop[key].as_u64().unwrap_or(0) as usize;
        let cut = pick(got, at("top"), at("left"), 1, 64)?;
        outcome.compare(Check::Forward, set, backend, &format!("crop {i}"), &cut, crop)?;
    }
    sums(case, got, outcome);
    Ok(())
}

/// Sums of every image and filter.
fn sums(case: &Json, got: &Tensor, outcome: &mut Outcome) {
    let Some(rows) = case["sums"].as_array() else { return };
    let values = floats(got);
    let channels = *got.shape().last().unwrap_or(&1);
    let image = values.len() / rows.len().max(1);
    for (n, row) in rows.iter().enumerate() {
        for (c, want) in row.as_array().into_iter().flatten().enumerate() {
            let channel = values[n * image..(n + 1) * image].iter().skip(c).step_by(channels);
            let sum: f64 = channel.clone().map(|&v| v as f64).sum();
            let scale: f64 = channel.map(|&v| v.abs() as f64).sum();
            outcome.expect(
                &format!("sum of image {n}, filter {c}"),
                sum,
                want.as_f64().unwrap_or(f64::NAN),
                1e-5 * scale,
            );
        }
    }
}

/// Convolves the stored windows without padding: exact inputs, whatever decoder there is.
fn windows(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    for window in case["windows"].as_array().into_iter().flatten() {
        let pixels = scaled(set.tensor(window)?)?;
        let mut config = case["config"].clone();
        config["padding"] = "valid".into();
        let mut model = layer::model("tf.nn.conv2d", &config, std::slice::from_ref(&pixels))?;
        model.set_weight("layer/kernel", set.tensor(&case["filters"])?.clone())?;
        let results = backend.run(&model.graph()?, &[pixels])?;
        let crop = &case["crops"][window["crop"].as_u64().unwrap_or(0) as usize];
        outcome.compare(Check::Forward, set, backend, "window", &results[0], crop)?;
    }
    Ok(())
}

/// `pixel / 255` in float32.
fn scaled(pixels: &Tensor) -> Result<Tensor> {
    let values = floats(pixels).iter().map(|v| v / 255.0).collect::<Vec<_>>();
    Tensor::f32(pixels.shape().clone(), values)
}

/// Every `step`-th pixel from a corner on, `most` of each axis at most.
fn pick(image: &Tensor, top: usize, left: usize, step: usize, most: usize) -> Result<Tensor> {
    let [n, h, w, c] = image.shape().dims("NHWC")?;
    let values = image.as_f32()?;
    let ys: Vec<usize> = (top..h).step_by(step).take(most).collect();
    let xs: Vec<usize> = (left..w).step_by(step).take(most).collect();
    let mut out = Vec::new();
    for image in 0..n {
        for &y in &ys {
            for &x in &xs {
                out.extend_from_slice(&values[((image * h + y) * w + x) * c..][..c]);
            }
        }
    }
    Tensor::f32([n, ys.len(), xs.len(), c], out)
}

/// Both photographs in `0..=1`, checked against the sums of their pixels; or why they cannot be had.
fn photos(set: &Set, outcome: &mut Outcome) -> Result<std::result::Result<Tensor, String>> {
    let images = set.cases().iter().find(|c| c["op"] == json!("images") && c["family"] == json!("first_example"));
    let images = images.and_then(|case| case["images"].as_array());
    let Some(images) = images else { return Ok(Err("the set names no photographs".into())) };
    let (mut pixels, mut shape) = (Vec::new(), Vec::new());
    for image in images {
        let path = set.path(image["path"].as_str().unwrap_or_default());
        let decoded = Command::new("djpeg").arg("-ppm").arg(&path).output();
        let bytes = match decoded {
            Ok(output) if output.status.success() => output.stdout,
            _ => return Ok(Err("whole photographs need djpeg (Debian: libjpeg-turbo-progs)".into())),
        };
        shape =
            image["shape"].as_array().into_iter().flatten().filter_map(|d| d.as_u64()).map(|d| d as usize).collect();
        let count: usize = shape.iter().product();
        let start = bytes.len().checked_sub(count).ok_or_else(|| Error::invalid("djpeg gave too few pixels"))?;
        let sum: u64 = bytes[start..].iter().map(|&b| b as u64).sum();
        outcome.expect("the sum of pixels", sum as f64, image["pixel_sum"].as_f64().unwrap_or(f64::NAN), 0.5);
        pixels.extend_from_slice(&bytes[start..]);
    }
    let shape = [&[images.len()][..], &shape[..]].concat();
    let tensor = Tensor::u8(shape, pixels)?;
    debug_assert_eq!(tensor.dtype(), DType::U8);
    Ok(Ok(scaled(&tensor)?))
}
