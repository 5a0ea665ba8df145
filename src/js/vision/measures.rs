//! Tracks over frames, and how good detectors and class maps are.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::{Js, MOST, classes, js, numbers, rects};
use crate::error::{Error, Result};
use crate::vision::average_precision::{self, Found, Truth, Voc};
use crate::vision::segmentation;
use crate::vision::track::{TrackOptions, Tracked, Tracker};
use crate::vision::{Detection, Rect};

/// Follows boxes from frame to frame.
#[wasm_bindgen]
pub struct BoxTracker(Tracker);

/// Seven numbers a track: its number, class, score, box, and which of the frame's boxes it is (-1 for none).
fn flat(tracks: &[Tracked]) -> Vec<f64> {
    let numbers = |t: &Tracked| {
        let Detection { class, score, x, y, width, height } = t.detection;
        let seen = t.seen.map_or(-1.0, |i| i as f64);
        [t.id as f64, class as f64, score.into(), x.into(), y.into(), width.into(), height.into(), seen]
    };
    tracks.iter().flat_map(numbers).collect()
}

#[wasm_bindgen]
impl BoxTracker {
    /// Without tracks.
    #[wasm_bindgen(constructor)]
    pub fn new(max_age: u32, min_hits: u32, iou_threshold: f32) -> Js<BoxTracker> {
        if !(0.0..=1.0).contains(&iou_threshold) {
            return js(Err(Error::mismatch("not an overlap: iouThreshold", "0 to 1", iou_threshold)));
        }
        Ok(BoxTracker(Tracker::new(TrackOptions { max_age, min_hits, iou_threshold })))
    }

    /// The next frame's boxes (left, top, width, height), their classes and scores; the tracks that are told of.
    pub fn update(&mut self, boxes: &[f32], kinds: &[u32], scores: &[f32]) -> Js<Vec<f64>> {
        let found = || -> Result<Vec<Detection>> {
            let rects = rects(boxes, 2)?;
            numbers(scores, "scores")?;
            fits(rects.len(), &[kinds.len(), scores.len()])?;
            let detection = |((rect, &class), &score): ((&Rect, &u32), &f32)| {
                let [x, y, width, height] = rect.xywh();
                Detection { class: class as usize, score, x, y, width, height }
            };
            Ok(rects.iter().zip(kinds).zip(scores).map(detection).collect())
        };
        let found = js(found())?;
        // Assignment keeps a cost for every pair.
        if found.len().saturating_mul(self.0.tracks().len()) > MOST / 16 {
            return js(Err(Error::resource("too many boxes in a frame to follow them")));
        }
        Ok(flat(&self.0.update(&found)))
    }

    /// Every track there is.
    pub fn tracks(&self) -> Vec<f64> {
        flat(&self.0.tracks())
    }
}

fn fits(count: usize, others: &[usize]) -> Result<()> {
    match others.iter().find(|n| **n != count) {
        Some(n) => {
            Err(Error::mismatch("lists of boxes, classes, pictures and scores are of different lengths", count, n))
        }
        None => Ok(()),
    }
}

fn truths(images: &[u32], kinds: &[u32], boxes: &[f32]) -> Result<Vec<Truth>> {
    let rects = rects(boxes, 2)?;
    fits(rects.len(), &[images.len(), kinds.len()])?;
    let truth = |(i, &rect): (usize, &Rect)| Truth { image: images[i] as usize, class: kinds[i] as usize, rect };
    Ok(rects.iter().enumerate().map(truth).collect())
}

fn found(images: &[u32], kinds: &[u32], boxes: &[f32], scores: &[f32]) -> Result<Vec<Found>> {
    numbers(scores, "scores")?;
    let rects = truths(images, kinds, boxes)?;
    fits(rects.len(), &[scores.len()])?;
    let found = |(t, &score): (Truth, &f32)| Found { image: t.image, class: t.class, score, rect: t.rect };
    Ok(rects.into_iter().zip(scores).map(found).collect())
}

/// COCO's twelve figures, then the average precision of every class; -1 where there is nothing to find.
#[wasm_bindgen]
pub fn coco(
    true_images: &[u32],
    true_kinds: &[u32],
    true_boxes: &[f32],
    images: &[u32],
    kinds: &[u32],
    boxes: &[f32],
    scores: &[f32],
    class_count: u32,
) -> Js<Vec<f64>> {
    let evaluate = || -> Result<Vec<f64>> {
        let (truths, found) = (truths(true_images, true_kinds, true_boxes)?, found(images, kinds, boxes, scores)?);
        let result = average_precision::coco(&truths, &found, classes(class_count)?);
        Ok(result.stats.into_iter().chain(result.per_class).collect())
    };
    js(evaluate())
}

/// PASCAL VOC's average precision of every class; -1 where there is nothing to find.
#[wasm_bindgen]
pub fn voc(
    true_images: &[u32],
    true_kinds: &[u32],
    true_boxes: &[f32],
    images: &[u32],
    kinds: &[u32],
    boxes: &[f32],
    scores: &[f32],
    class_count: u32,
    threshold: f64,
    eleven_points: bool,
) -> Js<Vec<f64>> {
    let evaluate = || -> Result<Vec<f64>> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::mismatch("not an overlap: iouThreshold", "0 to 1", threshold));
        }
        let (truths, found) = (truths(true_images, true_kinds, true_boxes)?, found(images, kinds, boxes, scores)?);
        let how = if eleven_points { Voc::ElevenPoints } else { Voc::Area };
        Ok(average_precision::voc(&truths, &found, classes(class_count)?, threshold, how))
    };
    js(evaluate())
}

/// How often classes were taken for one another.
#[wasm_bindgen]
pub struct Confusion {
    counts: segmentation::Confusion,
    classes: usize,
}

#[wasm_bindgen]
impl Confusion {
    /// Of so many classes, nothing counted.
    #[wasm_bindgen(constructor)]
    pub fn new(class_count: u32) -> Js<Confusion> {
        let classes = js(classes(class_count))?;
        js(super::room(&[classes, classes, 2]))?;
        Ok(Confusion { counts: segmentation::Confusion::new(classes), classes })
    }

    /// Counts a pair of maps; where the truth is `ignored`, nothing is counted. Errors: a class that there is not.
    pub fn add(&mut self, truth: &[u32], prediction: &[u32], ignored: f64) -> Js<()> {
        let classes = self.classes;
        let mut add = || {
            let wrong = |class: &&u32, ignored: f64| **class as usize >= classes && **class as f64 != ignored;
            let unknown = truth.iter().find(|class| wrong(class, ignored));
            if let Some(class) = unknown.or(prediction.iter().find(|class| wrong(class, -1.0))) {
                return Err(Error::mismatch("a class that there is not", format!("below {classes}"), class));
            }
            let list = |map: &[u32]| map.iter().map(|&class| class as usize).collect::<Vec<_>>();
            let ignored = if ignored >= 0.0 { ignored as usize } else { usize::MAX };
            self.counts.add_maps(&list(truth), &list(prediction), ignored)
        };
        js(add())
    }

    /// Row: what it was. Column: what it was taken for.
    pub fn matrix(&self) -> Vec<f64> {
        let classes = 0..self.classes;
        classes.clone().flat_map(|t| classes.clone().map(move |p| self.counts.count(t, p) as f64)).collect()
    }

    /// Intersection over union of every class, `undefined` for one that is nowhere.
    pub fn iou(&self) -> Array {
        (0..self.classes).map(|class| self.counts.iou(class).map_or(JsValue::UNDEFINED, JsValue::from_f64)).collect()
    }

    /// The mean over all classes that are anywhere, over those that there really are, and the part that is right.
    pub fn means(&self) -> Vec<f64> {
        vec![self.counts.mean_iou(), self.counts.mean_iou_of_truth(), self.counts.accuracy()]
    }
}
