//! Faces, bodies and lines of text.

use js_sys::{Array, Float32Array};
use wasm_bindgen::prelude::*;

use super::{Js, js, tensor};
use crate::error::{Error, Result};
use crate::vision::text::{self, TextOptions};
use crate::vision::{DetectOptions, Detection, faces, pose};

/// `[boxes as left, top, width, height; scores]`.
fn two(found: &[Detection]) -> Array {
    let boxes: Vec<f32> = found.iter().flat_map(|d| [d.x, d.y, d.width, d.height]).collect();
    let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
    Array::of2(&Float32Array::from(&boxes[..]).into(), &Float32Array::from(&scores[..]).into())
}

/// A picture's size.
fn size(width: u32, height: u32) -> Result<[usize; 2]> {
    if width == 0 || height == 0 {
        return Err(Error::mismatch("the picture is empty", "at least 1 x 1", format!("{width} x {height}")));
    }
    Ok([width as usize, height as usize])
}

/// The tiny face detector's head: boxes in pixels of a picture that lay in the left upper corner of a square.
#[wasm_bindgen(js_name = decodeFaces)]
pub fn decode_faces(
    head: &[f32],
    shape: &[u32],
    width: u32,
    height: u32,
    score: f32,
    iou: f32,
    most: u32,
) -> Js<Array> {
    let decode = || {
        let options = DetectOptions { score_threshold: score, iou_threshold: iou, max_detections: most as usize };
        faces::decode(&tensor(head, shape, "the head's output")?, size(width, height)?, &options)
    };
    Ok(two(&js(decode())?))
}

/// PoseNet's heat and offset maps as x, y and score of each part. `input` is the network's width and height.
#[wasm_bindgen(js_name = decodePose)]
pub fn decode_pose(
    heat: &[f32],
    heat_shape: &[u32],
    offsets: &[f32],
    offsets_shape: &[u32],
    input_width: u32,
    input_height: u32,
    width: u32,
    height: u32,
) -> Js<Vec<f32>> {
    let decode = || {
        let heat = tensor(heat, heat_shape, "the heat map")?;
        let offsets = tensor(offsets, offsets_shape, "the offsets")?;
        let [columns, rows] = size(input_width, input_height)?;
        pose::single_pose(&heat, &offsets, [rows, columns], size(width, height)?)
    };
    Ok(js(decode())?.iter().flat_map(|point| [point.x, point.y, point.score]).collect())
}

/// Names of the parts, in order.
#[wasm_bindgen(js_name = poseParts)]
pub fn pose_parts() -> Vec<String> {
    pose::PARTS.iter().map(|part| part.to_string()).collect()
}

/// A map of shares of text as `[upright boxes round its lines; scores; four corners of each, as x and y]`. (wasm-bindgen's
/// own glue has a `decodeText`.)
#[wasm_bindgen(js_name = decodeTextMap)]
pub fn decode_text(map: &[f32], shape: &[u32], width: u32, height: u32, pixel: f32, score: f32) -> Js<Array> {
    let decode = || {
        if pixel.is_nan() || score.is_nan() {
            return Err(Error::invalid("a threshold is NaN"));
        }
        let options = TextOptions { pixel_threshold: pixel, score_threshold: score, ..TextOptions::default() };
        text::lines(&tensor(map, shape, "the map")?, size(width, height)?, &options)
    };
    let lines = js(decode())?;
    let answer = two(&lines.iter().map(|line| line.detection).collect::<Vec<_>>());
    let corners: Vec<f32> = lines.iter().flat_map(|line| line.corners).flatten().collect();
    answer.push(&Float32Array::from(&corners[..]).into());
    Ok(answer)
}
