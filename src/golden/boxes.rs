//! Boxes: suppression, overlap, crops, heads of detectors, average precision; scores of classes.

use serde_json::Value as Json;

use super::Backend;
use super::vision::{Inputs, Named};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::ops::NonMaxSuppression;
use crate::tensor::{DType, Tensor};
use crate::train::Config;
use crate::vision::Rect;
use crate::vision::average_precision::{Found, Truth, Voc, coco, voc};
use crate::vision::boxes::iou_matrix;
use crate::vision::crop::{Sampling, crop_and_resize};
use crate::vision::imagenet::{Preprocessing, decode_predictions};
use crate::vision::suppress::{Combined, Suppression};
use crate::vision::yolo::AnchorHead;

/// The results of a case; `None` for other operations.
pub(super) fn run(op: &str, config: &Json, inputs: &Inputs, backend: &Backend) -> Result<Option<Vec<Named>>> {
    let mut config = Config::new(op, config)?;
    let c = &mut config;
    let results = match op {
        "non_max_suppression" | "non_max_suppression_with_scores" => suppress(op, c, inputs, backend)?,
        "combined_non_max_suppression" => combined(c, inputs)?,
        "iou_matrix" => {
            let (a, b) = (rects(inputs.get("a")?)?, rects(inputs.get("b")?)?);
            vec![("iou", Tensor::f32([a.len(), b.len()], iou_matrix(&a, &b))?)]
        }
        "crop_and_resize" => vec![("crops", crops(c, inputs)?)],
        "mean_average_precision" => average_precision(c, inputs)?,
        "yolo_decode" => yolo(c, inputs)?,
        "preprocess_input" => {
            let mode = c.text("mode")?.unwrap_or("caffe".into());
            vec![("out", Preprocessing::from_name(&mode)?.apply(inputs.get("image")?)?)]
        }
        "decode_predictions" => {
            let top = c.count("top")?.unwrap_or(5);
            let rows = decode_predictions(inputs.get("predictions")?, top)?;
            let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
            let (classes, scores): (Vec<i32>, Vec<f32>) =
                rows.into_iter().flatten().map(|(class, score)| (class as i32, score)).unzip();
            vec![("indices", Tensor::i32(shape, classes)?), ("probabilities", Tensor::f32(shape, scores)?)]
        }
        _ => return Ok(None),
    };
    config.finish()?;
    Ok(Some(results))
}

/// Boxes `y1, x1, y2, x2`.
fn rects(tensor: &Tensor) -> Result<Vec<Rect>> {
    let corners = tensor.as_f32()?.as_chunks::<4>().0;
    Ok(corners.iter().map(|&[top, left, bottom, right]| Rect::from_corners([left, top, right, bottom])).collect())
}

fn suppression(config: &mut Config) -> Result<Suppression> {
    let default = Suppression::default();
    Ok(Suppression {
        max_output: config.count("max_output_size")?.unwrap_or(default.max_output),
        iou_threshold: config.float("iou_threshold", 0.5)? as f32,
        score_threshold: config.float("score_threshold", f64::NEG_INFINITY)? as f32,
        soft_sigma: config.float("soft_nms_sigma", 0.0)? as f32,
    })
}

/// Twice: on the host, and as an operation of the graph.
fn suppress(op: &str, config: &mut Config, inputs: &Inputs, backend: &Backend) -> Result<Vec<Named>> {
    let (settings, boxes, scores) = (suppression(config)?, inputs.get("boxes")?, inputs.get("scores")?);
    let kept = settings.run(&rects(boxes)?, scores.as_f32()?);
    let (indices, values): (Vec<i32>, Vec<f32>) = kept.into_iter().map(|(index, score)| (index as i32, score)).unzip();
    let mut all = vec![(indices, values)];

    let mut graph = Graph::new();
    let n = scores.shape().elements();
    let operands = [boxes.clone().reshape([1, n, 4])?, scores.clone().reshape([1, 1, n])?];
    let dims = |t: &Tensor| t.shape().iter().map(|&d| Some(d)).collect::<Vec<_>>();
    let values = [("boxes", 0), ("scores", 1)].map(|(name, i)| graph.input(name, DType::F32, dims(&operands[i])));
    let node = NonMaxSuppression {
        max_output: settings.max_output,
        iou_threshold: settings.iou_threshold,
        score_threshold: settings.score_threshold,
        soft_sigma: settings.soft_sigma,
        centred: false,
    };
    for (i, value) in graph.push("nms", node, &values)?.into_iter().enumerate() {
        graph.output(format!("nms:{i}"), value);
    }
    let found = backend.run(&graph, &operands)?;
    let count = found[2].as_i32()?[0].max(0) as usize;
    let column: Vec<i32> = found[0].as_i32()?.chunks_exact(3).take(count).map(|row| row[2]).collect();
    all.push((column, found[1].as_f32()?.iter().take(count).copied().collect()));

    let mut results = Vec::new();
    for (indices, values) in all {
        results.push(("indices", Tensor::i32([indices.len()], indices)?));
        if op == "non_max_suppression_with_scores" {
            results.push(("scores_out", Tensor::f32([values.len()], values)?));
        }
    }
    Ok(results)
}

fn combined(config: &mut Config, inputs: &Inputs) -> Result<Vec<Named>> {
    let missing = |key: &str| Error::invalid(format!("{key} is missing"));
    let each = Suppression {
        max_output: config.count("max_output_size_per_class")?.ok_or_else(|| missing("max_output_size_per_class"))?,
        ..suppression(config)?
    };
    let combined = Combined {
        each,
        max_total: config.count("max_total_size")?.ok_or_else(|| missing("max_total_size"))?,
        pad_per_class: config.flag("pad_per_class", false)?,
        clip: config.flag("clip_boxes", true)?,
    };
    let found = combined.run(inputs.get("boxes")?, inputs.get("scores")?)?;
    Ok(vec![
        ("nmsed_boxes", found.boxes),
        ("nmsed_scores", found.scores),
        ("nmsed_classes", found.classes),
        ("valid_detections", found.valid),
    ])
}

fn crops(config: &mut Config, inputs: &Inputs) -> Result<Tensor> {
    let size = match config.numbers("crop_size")?.as_deref() {
        Some(&[height, width]) => [height as usize, width as usize],
        _ => return Err(Error::invalid("crop_size must be two numbers")),
    };
    let sampling = match config.text("method")?.as_deref() {
        None | Some("bilinear") => Sampling::Bilinear,
        Some("nearest") => Sampling::Nearest,
        Some(other) => return Err(Error::invalid(format!("no such method: {other}"))),
    };
    let outside = config.float("extrapolation_value", 0.0)? as f32;
    let [images, boxes, of] = ["image", "boxes", "box_indices"].map(|name| inputs.get(name));
    crop_and_resize(images?, boxes?, of?, size, sampling, outside)
}

fn average_precision(config: &mut Config, inputs: &Inputs) -> Result<Vec<Named>> {
    config.take("images");
    let classes = config.count("classes")?.ok_or_else(|| Error::invalid("classes is missing"))?;
    let numbers =
        |name: &str| -> Result<Vec<usize>> { Ok(inputs.get(name)?.as_i32()?.iter().map(|&n| n as usize).collect()) };
    let truths = rects(inputs.get("gt_boxes")?)?.into_iter().zip(numbers("gt_image")?).zip(numbers("gt_class")?);
    let truths: Vec<Truth> = truths.map(|((rect, image), class)| Truth { image, class, rect }).collect();
    let scores = inputs.get("dt_scores")?.as_f32()?;
    let found = rects(inputs.get("dt_boxes")?)?.into_iter().zip(numbers("dt_image")?).zip(numbers("dt_class")?);
    let found = found.zip(scores);
    let found: Vec<Found> = found.map(|(((rect, image), class), &score)| Found { image, class, score, rect }).collect();
    let list = |values: Vec<f64>| Tensor::f32([values.len()], values.iter().map(|&v| v as f32).collect::<Vec<_>>());
    let coco = coco(&truths, &found, classes);
    Ok(vec![
        ("coco_stats", list(coco.stats.to_vec())?),
        ("coco_ap_per_class", list(coco.per_class)?),
        ("voc11_per_class", list(voc(&truths, &found, classes, 0.5, Voc::ElevenPoints))?),
        ("voc_all_point_per_class", list(voc(&truths, &found, classes, 0.5, Voc::Area))?),
    ])
}

fn yolo(config: &mut Config, inputs: &Inputs) -> Result<Vec<Named>> {
    let anchors = config.take("anchors").unwrap_or_default();
    let pair = |anchor: &Json| Some([anchor.get(0)?.as_f64()? as f32, anchor.get(1)?.as_f64()? as f32]);
    let anchors: Option<Vec<_>> = anchors.as_array().into_iter().flatten().map(pair).collect();
    let anchors = anchors.ok_or_else(|| Error::invalid("anchors must be pairs"))?;
    let classes = config.count("classes")?.ok_or_else(|| Error::invalid("classes is missing"))?;
    let head = AnchorHead::v3(anchors, config.float("stride", 1.0)? as f32, classes);
    let raw = inputs.get("raw")?;
    let (batch, decoded) = (raw.shape()[0], head.decode(raw)?);
    let edges = decoded.rects.iter().flat_map(|rect| {
        let [left, top, right, bottom] = rect.corners();
        [top, left, bottom, right]
    });
    Ok(vec![
        ("boxes", Tensor::f32([batch, decoded.boxes, 4], edges.collect::<Vec<_>>())?),
        ("objectness", Tensor::f32([batch, decoded.boxes], decoded.objectness)?),
        ("class_probs", Tensor::f32([batch, decoded.boxes, classes], decoded.classes)?),
    ])
}
