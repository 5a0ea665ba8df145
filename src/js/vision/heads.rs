//! What detectors say, as boxes.

use js_sys::{Array, Float32Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::{Js, classes, columns, js, numbers, positive, rects, room, tensor};
use crate::error::{Error, Result};
use crate::vision::anchors::{Anchor, BoxCoder, PyramidAnchors, SsdAnchors};
use crate::vision::boxes::Candidate;
use crate::vision::yolo::{AnchorHead, FreeHead};
use crate::vision::{DetectOptions, centernet, select};

/// A YOLO head's raw output: `[corners, objectness, scores of classes, boxes per picture]`. The version is 2, 3, 5 or 8.
#[wasm_bindgen(js_name = decodeYolo)]
pub fn decode_yolo(
    raw: &[f32],
    shape: &[u32],
    version: u8,
    anchors: &[f32],
    stride: f32,
    class_count: u32,
    bins: u32,
) -> Js<Array> {
    let decode = || {
        let raw = tensor(raw, shape, "the head's output")?;
        positive(&[stride], "stride")?;
        positive(anchors, "anchors")?;
        let (pairs, rest) = anchors.as_chunks::<2>();
        let classes = classes(class_count)?;
        if !rest.is_empty() || pairs.len() > 1000 {
            return Err(Error::mismatch("anchors are pairs of width and height", "at most 1000 pairs", anchors.len()));
        }
        if version != 8 && pairs.is_empty() {
            return Err(Error::invalid("heads of this version have anchors: name them"));
        }
        if bins > 1024 {
            return Err(Error::mismatch("too many bins", "at most 1024", bins));
        }
        let pairs = pairs.to_vec();
        match version {
            2 => AnchorHead::v2(pairs, stride, classes).decode(&raw),
            3 => AnchorHead::v3(pairs, stride, classes).decode(&raw),
            5 => AnchorHead::v5(pairs, stride, classes).decode(&raw),
            8 => FreeHead { stride, bins: bins as usize, classes }.decode(&raw),
            _ => Err(Error::mismatch("no such version", "2, 3, 4, 5, 7 or 8", version)),
        }
    };
    let decoded = js(decode())?;
    let corners: Vec<f32> = decoded.rects.iter().flat_map(|r| r.corners()).collect();
    let arrays = [&corners, &decoded.objectness, &decoded.classes].map(|v| Float32Array::from(&v[..]));
    let result: Array = arrays.into_iter().map(JsValue::from).collect();
    result.push(&JsValue::from(decoded.boxes as u32));
    Ok(result)
}

/// What passes of one picture's boxes: `[boxes as left, top, width, height; scores; classes]`, best first. `scores` has
/// `class_count` numbers a box; `objectness`, if any, lowers them.
#[wasm_bindgen(js_name = selectBoxes)]
pub fn select_boxes(
    corners: &[f32],
    objectness: Option<Vec<f32>>,
    scores: &[f32],
    class_count: u32,
    score: f32,
    iou: f32,
    most: u32,
    most_candidates: u32,
    per_class: bool,
    scale_x: f32,
    scale_y: f32,
) -> Js<Array> {
    let run = || {
        let classes = classes(class_count)?;
        let count = corners.len() / 4;
        if !corners.len().is_multiple_of(4) || Some(scores.len()) != count.checked_mul(classes) {
            let expected = format!("{count} boxes of {classes} scores");
            return Err(Error::mismatch("scores do not fit the boxes", expected, scores.len()));
        }
        if let Some(o) = objectness.as_ref().filter(|o| o.len() != count) {
            return Err(Error::mismatch("as many numbers of objectness as boxes, please", count, o.len()));
        }
        if !(0.0..=1.0).contains(&iou) || score.is_nan() {
            return Err(Error::mismatch("not an overlap: iouThreshold", "0 to 1", iou));
        }
        positive(&[scale_x, scale_y], "scale")?;
        let mut found = Vec::new();
        for (i, &corners) in corners.as_chunks::<4>().0.iter().enumerate() {
            let factor = objectness.as_ref().map_or(1.0, |o| o[i]);
            let own = scores[i * classes..][..classes].iter().map(|s| s * factor).enumerate();
            // Overflowing sizes of raw heads are no boxes; `select` leaves them out.
            if corners.iter().any(|v| v.is_nan()) {
                continue;
            }
            let rect = crate::vision::Rect::from_corners(corners);
            found.extend(own.filter(|(_, s)| *s > score).map(|(class, score)| Candidate { rect, score, class }));
        }
        let options = DetectOptions { score_threshold: score, iou_threshold: iou, max_detections: most as usize };
        Ok(select(found, most_candidates as usize, per_class, [scale_x, scale_y], &options))
    };
    let found = js(run())?;
    let boxes: Vec<f32> = found.iter().flat_map(|d| [d.x, d.y, d.width, d.height]).collect();
    let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
    let classes: Vec<u32> = found.iter().map(|d| d.class as u32).collect();
    Ok(three(&boxes, &scores, &classes))
}

fn three(boxes: &[f32], scores: &[f32], classes: &[u32]) -> Array {
    let (boxes, scores) = (Float32Array::from(boxes), Float32Array::from(scores));
    Array::of3(&boxes.into(), &scores.into(), &Uint32Array::from(classes).into())
}

/// A CenterNet's heads: `[corners, scores, classes]`, best first.
#[wasm_bindgen(js_name = decodeCenterNet)]
pub fn decode_center_net(
    heat: &[f32],
    heat_shape: &[u32],
    sizes: &[f32],
    sizes_shape: &[u32],
    offsets: Option<Vec<f32>>,
    stride: f32,
    score: f32,
    most: u32,
) -> Js<Array> {
    let decode = || {
        let (heat, sizes) = (tensor(heat, heat_shape, "the heat map")?, tensor(sizes, sizes_shape, "sizes")?);
        positive(&[stride], "stride")?;
        if score.is_nan() {
            return Err(Error::invalid("scoreThreshold is NaN"));
        }
        let offsets = match &offsets {
            // As many numbers as the heat map has cells, twice.
            Some(values) => Some(tensor(values, &[&heat_shape[..heat_shape.len().min(3)], &[2]].concat(), "offsets")?),
            None => None,
        };
        centernet::objects(&heat, &sizes, offsets.as_ref(), stride, score, most as usize)
    };
    let (corners, scores, classes) = columns(&js(decode())?);
    Ok(three(&corners, &scores, &classes))
}

/// SSD's anchors: centre y, centre x, height, width of each.
#[wasm_bindgen(js_name = ssdAnchors)]
pub fn ssd_anchors(
    grids: &[u32],
    smallest: f32,
    largest: f32,
    ratios: &[f32],
    reduce_lowest: bool,
    between: bool,
) -> Js<Vec<f32>> {
    let make = || -> Result<Vec<f32>> {
        positive(&[smallest, largest], "scales")?;
        positive(ratios, "ratios")?;
        let cells = grids.iter().map(|&g| (g as usize).saturating_mul(g as usize));
        room(&[cells.fold(0usize, usize::saturating_add), ratios.len() + 3, 4])?;
        let grids = grids.iter().map(|&g| g as usize).collect();
        let rule = SsdAnchors { grids, scales: [smallest, largest], ratios: ratios.to_vec(), reduce_lowest, between };
        Ok(rule.boxes().into_flattened())
    };
    js(make())
}

/// RetinaNet's anchors, in pixels.
#[wasm_bindgen(js_name = pyramidAnchors)]
pub fn pyramid_anchors(
    height: u32,
    width: u32,
    strides: &[u32],
    base: f32,
    scales: &[f32],
    ratios: &[f32],
) -> Js<Vec<f32>> {
    let make = || -> Result<Vec<f32>> {
        positive(&[base], "the base size")?;
        positive(scales, "scales")?;
        positive(ratios, "ratios")?;
        if strides.contains(&0) {
            return Err(Error::invalid("a stride is 0"));
        }
        let size = [height as usize, width as usize];
        let cells = strides.iter().map(|&s| {
            let [rows, columns] = size.map(|n| n.div_ceil(s as usize));
            rows.saturating_mul(columns)
        });
        room(&[cells.fold(0usize, usize::saturating_add), scales.len(), ratios.len(), 4])?;
        let strides = strides.iter().map(|&s| s as usize).collect();
        let rule = PyramidAnchors { strides, base, scales: scales.to_vec(), ratios: ratios.to_vec() };
        Ok(rule.boxes(size).into_flattened())
    };
    js(make())
}

fn anchors(values: &[f32], count: usize) -> Result<&[Anchor]> {
    positive_sizes(values)?;
    let (anchors, rest) = values.as_chunks::<4>();
    if !rest.is_empty() || anchors.len() != count {
        return Err(Error::mismatch("as many anchors of four numbers as boxes, please", 4 * count, values.len()));
    }
    Ok(anchors)
}

fn positive_sizes(values: &[f32]) -> Result<()> {
    numbers(values, "anchors")?;
    match values.as_chunks::<4>().0.iter().position(|[_, _, height, width]| !(*height > 0.0 && *width > 0.0)) {
        Some(i) => Err(Error::invalid(format!("anchor {i} has no area: it is centre y, centre x, height, width"))),
        None => Ok(()),
    }
}

fn coder(scales: &[f32]) -> Result<BoxCoder> {
    positive(scales, "scales")?;
    let scales = scales.try_into().map_err(|_| Error::mismatch("scales of y, x, height, width", 4, scales.len()))?;
    Ok(BoxCoder { scales })
}

/// The boxes, as corners, that codes stand for.
#[wasm_bindgen(js_name = decodeBoxes)]
pub fn decode_boxes(codes: &[f32], anchor_values: &[f32], scales: &[f32]) -> Js<Vec<f32>> {
    let decode = || -> Result<Vec<f32>> {
        numbers(codes, "codes")?;
        let (rows, rest) = codes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Error::mismatch("codes have four numbers each", "a multiple of 4", codes.len()));
        }
        let (coder, anchors) = (coder(scales)?, anchors(anchor_values, rows.len())?);
        Ok(rows.iter().zip(anchors).flat_map(|(&code, &anchor)| coder.decode(code, anchor).corners()).collect())
    };
    js(decode())
}

/// The codes of boxes, given as corners.
#[wasm_bindgen(js_name = encodeBoxes)]
pub fn encode_boxes(corners: &[f32], anchor_values: &[f32], scales: &[f32]) -> Js<Vec<f32>> {
    let encode = || -> Result<Vec<f32>> {
        let (rects, coder) = (rects(corners, 0)?, coder(scales)?);
        let anchors = anchors(anchor_values, rects.len())?;
        let codes: Result<Vec<[f32; 4]>> = rects.iter().zip(anchors).map(|(r, &a)| coder.encode(r, a)).collect();
        Ok(codes?.into_flattened())
    };
    js(encode())
}
