//! Overlaps, forms and suppression of boxes.

use js_sys::{Array, Float32Array, Int32Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::{Js, js, numbers, rects, room, tensor};
use crate::error::{Error, Result};
use crate::vision::suppress::{Combined, Suppression};
use crate::vision::{Rect, boxes};

/// Overlaps of every box of `a` with every one of `b`, row by row.
#[wasm_bindgen]
pub fn iou(a: &[f32], b: &[f32], form: u8, generalised: bool) -> Js<Vec<f32>> {
    let matrix = || {
        let (a, b) = (rects(a, form)?, rects(b, form)?);
        room(&[a.len(), b.len()])?;
        if !generalised {
            return Ok(boxes::iou_matrix(&a, &b));
        }
        Ok(a.iter().flat_map(|a| b.iter().map(|b| a.giou(b))).collect())
    };
    js(matrix())
}

/// Boxes in another form.
#[wasm_bindgen(js_name = convertBoxes)]
pub fn convert_boxes(values: &[f32], from: u8, to: u8) -> Js<Vec<f32>> {
    let form = |rect: &Rect| match to {
        0 => rect.corners(),
        1 => rect.centre(),
        _ => rect.xywh(),
    };
    js(rects(values, from).map(|rects| rects.iter().flat_map(form).collect()))
}

fn suppression(most: u32, iou: f32, score: f32, sigma: f32) -> Result<Suppression> {
    if !(0.0..=1.0).contains(&iou) {
        return Err(Error::mismatch("not an overlap: iouThreshold", "0 to 1", iou));
    }
    if score.is_nan() || !(sigma >= 0.0 && sigma.is_finite()) {
        return Err(Error::invalid("scoreThreshold must be a number, softSigma one of 0 or more"));
    }
    Ok(Suppression { max_output: most as usize, iou_threshold: iou, score_threshold: score, soft_sigma: sigma })
}

/// `[indices, scores]` of the boxes that stay, best first. Boxes of different groups leave each other alone.
#[wasm_bindgen(js_name = nonMaxSuppression)]
pub fn non_max_suppression(
    values: &[f32],
    form: u8,
    scores: &[f32],
    groups: Option<Vec<u32>>,
    most: u32,
    iou: f32,
    score: f32,
    sigma: f32,
) -> Js<Array> {
    let run = || {
        let (rects, rule) = (rects(values, form)?, suppression(most, iou, score, sigma)?);
        numbers(scores, "scores")?;
        if scores.len() != rects.len() {
            return Err(Error::mismatch("as many scores as boxes, please", rects.len(), scores.len()));
        }
        if let Some(groups) = groups.as_ref().filter(|groups| groups.len() != rects.len()) {
            return Err(Error::mismatch("as many groups as boxes, please", rects.len(), groups.len()));
        }
        Ok(match groups {
            None => rule.run(&rects, scores),
            Some(groups) => grouped(&rule, &rects, scores, &groups),
        })
    };
    let kept = js(run())?;
    let (indices, scores): (Vec<u32>, Vec<f32>) = kept.into_iter().map(|(i, score)| (i as u32, score)).unzip();
    Ok(Array::of2(&Uint32Array::from(&indices[..]).into(), &Float32Array::from(&scores[..]).into()))
}

/// Group by group, then all of them best first.
fn grouped(rule: &Suppression, rects: &[Rect], scores: &[f32], groups: &[u32]) -> Vec<(usize, f32)> {
    let mut order: Vec<usize> = (0..rects.len()).collect();
    order.sort_by_key(|&i| groups[i]);
    let mut kept = Vec::new();
    for members in order.chunk_by(|&a, &b| groups[a] == groups[b]) {
        let own: Vec<Rect> = members.iter().map(|&i| rects[i]).collect();
        let points: Vec<f32> = members.iter().map(|&i| scores[i]).collect();
        kept.extend(rule.run(&own, &points).into_iter().map(|(i, score)| (members[i], score)));
    }
    kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    kept.truncate(rule.max_output);
    kept
}

/// Suppression per class over a batch: `[boxes, scores, classes, valid]`.
#[wasm_bindgen(js_name = combinedNonMaxSuppression)]
pub fn combined_non_max_suppression(
    boxes: &[f32],
    boxes_shape: &[u32],
    scores: &[f32],
    scores_shape: &[u32],
    most_per_class: u32,
    most: u32,
    iou: f32,
    score: f32,
    pad_per_class: bool,
    clip: bool,
) -> Js<Array> {
    let run = || {
        let (boxes, scores) = (tensor(boxes, boxes_shape, "boxes")?, tensor(scores, scores_shape, "scores")?);
        let each = suppression(most_per_class, iou, score, 0.0)?;
        let [batch, _, classes] = scores.shape().dims("[batch, boxes, classes]")?;
        let all = each.max_output.saturating_mul(classes);
        let places = if pad_per_class { all.min(most as usize) } else { most as usize };
        room(&[batch, places, 4])?;
        Combined { each, max_total: most as usize, pad_per_class, clip }.run(&boxes, &scores)
    };
    let found = js(run())?;
    let floats = |t: &crate::Tensor| t.as_f32().map(|v| JsValue::from(Float32Array::from(v)));
    let columns = || -> Result<Array> {
        let valid = Int32Array::from(found.valid.as_i32()?);
        Ok(Array::of4(&floats(&found.boxes)?, &floats(&found.scores)?, &floats(&found.classes)?, &valid.into()))
    };
    js(columns())
}
