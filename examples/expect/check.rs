//! What a model made of a picture, held to what the TFLite interpreter made of it.
//!
//! The limits are those of the folder's README ("accept"): measured worst cases of other implementations, rounded up.

use std::path::Path;

use serde_json::Value as Json;
use striate::vision::Rect;
use striate::vision::boxes::best_first;
use striate::vision::segmentation::{Confusion, class_map};
use striate::{Data, Tensor};

use crate::picture;
use crate::runner::Verdict;

/// Floats of a float model.
const SCORES: f64 = 1e-3;
/// Pixels of a float model's class map.
const PIXELS: usize = 10;
/// Part of a quantised model's class map.
const PIXELS_QUANTISED: f64 = 0.01;
/// What the overlap with a mask may lose.
const MASK_LOSS: f64 = 0.0085;
/// Probabilities of a quantised classifier.
const PROBABILITIES: f64 = 0.06;
/// Detections from this score on must be found,
const FLOOR: f64 = 0.4;
/// with this overlap,
const OVERLAP: f64 = 0.85;
/// and a score as near as this.
const DETECTION_SCORES: f64 = 0.03;
/// Coordinates and scores of a pose, as parts of the picture.
const POSE: f64 = 0.05;

/// One picture of one model.
pub struct Case<'a> {
    pub folder: &'a Path,
    pub model: &'a Json,
    pub case: &'a Json,
    pub labels: &'a [String],
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn reals(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(v) => v.iter().map(|&x| x as f64).collect(),
        Data::I32(v) => v.iter().map(|&x| x as f64).collect(),
        Data::U8(v) => v.iter().map(|&x| x as f64).collect(),
    }
}

impl Case<'_> {
    /// Whether the model computes in floats.
    fn exact(&self) -> bool {
        self.model["arithmetic"] == "float32"
    }

    fn label(&self, class: usize) -> &str {
        let offset = self.model["label_offset"].as_u64().unwrap_or(0) as usize;
        self.labels.get(class + offset).map_or("?", String::as_str)
    }

    /// The samples of the network's input, which say whether the picture was prepared as it should be.
    pub fn check_input(&self, bytes: &[u8]) -> Result<(), String> {
        let samples = &self.case["input"]["u8_samples"];
        for (at, want) in list(&samples["flat_index"]).iter().zip(list(&samples["value"])) {
            let got = at.as_u64().and_then(|at| bytes.get(at as usize));
            if got.map(|&b| b as u64) != want.as_u64() {
                return Err(format!("the prepared picture has {got:?} at {at} instead of {want}"));
            }
        }
        Ok(())
    }

    /// Holds the outputs to the expected ones.
    pub fn verdict(&self, outputs: &[Tensor]) -> Result<Verdict, String> {
        let mut verdict = Verdict::default();
        for (i, (got, want)) in outputs.iter().zip(list(&self.case["outputs"])).enumerate() {
            let shape: Vec<usize> = list(&want["shape"]).iter().map(|d| d.as_u64().unwrap_or(0) as usize).collect();
            verdict.check(got.shape().as_slice() == shape, || {
                format!("output {i} is {} instead of {shape:?}", got.shape())
            });
        }
        if !verdict.wrong.is_empty() {
            return Ok(verdict);
        }
        match self.model["task"].as_str().unwrap_or_default() {
            "classification" => self.classification(outputs, &mut verdict),
            "segmentation" => self.segmentation(outputs, &mut verdict)?,
            "detection" => self.detection(outputs, &mut verdict),
            "pose" => self.pose(outputs, &mut verdict),
            other => return Err(format!("no such task: {other:?}")),
        }
        Ok(verdict)
    }

    /// The largest difference from the samples of output `i`, in reals.
    fn samples(&self, i: usize, output: &Tensor) -> f64 {
        let (samples, declared) = (&self.case["outputs"][i]["samples"], &self.model["outputs"][i]);
        let scale = declared["scale"][0].as_f64();
        let zero = declared["zero_point"][0].as_f64().unwrap_or(0.0);
        let real = |raw: f64| scale.map_or(raw, |scale| (raw - zero) * scale);
        let got = reals(output);
        let pairs = list(&samples["flat_index"]).iter().zip(list(&samples["value"]));
        pairs.fold(0.0, |worst, (at, want)| {
            let got = at.as_u64().and_then(|at| got.get(at as usize)).copied().unwrap_or(f64::NAN);
            worst.max((got - real(number(want))).abs())
        })
    }

    fn classification(&self, outputs: &[Tensor], verdict: &mut Verdict) {
        let scores = reals(&outputs[0]);
        let order = best_first(&scores.iter().map(|&s| s as f32).collect::<Vec<_>>());
        let top = list(&self.case["top5"]);
        let expected = |t: &Json| t["class"].as_u64().unwrap_or(u64::MAX) as usize;
        let best = top.first().map_or(usize::MAX, expected);
        verdict.check(order.first() == Some(&best), || {
            format!("{} instead of {}", self.label(order.first().copied().unwrap_or(0)), self.label(best))
        });
        let at = |t: &Json| (scores.get(expected(t)).copied().unwrap_or(f64::NAN) - number(&t["score"])).abs();
        let worst = top.iter().map(at).fold(self.samples(0, &outputs[0]), f64::max);
        let limit = if self.exact() { SCORES } else { PROBABILITIES };
        verdict.check(worst <= limit, || format!("a probability is off by {worst:.4}, {limit} allowed"));
        let score = scores.get(best).copied().unwrap_or(f64::NAN);
        verdict.found =
            format!("{} {score:.3} (expected {:.3}), off by {worst:.4}", self.label(best), number(&top[0]["score"]));
    }

    fn segmentation(&self, outputs: &[Tensor], verdict: &mut Verdict) -> Result<(), String> {
        let map = match outputs[0].data() {
            Data::F32(_) => class_map(&outputs[0]).map_err(|e| e.to_string())?,
            _ => reals(&outputs[0]).iter().map(|&c| c as usize).collect(),
        };
        if self.exact() {
            let worst = self.samples(0, &outputs[0]);
            verdict.check(worst <= SCORES, || format!("a score is off by {worst:.5}, {SCORES} allowed"));
        }
        let path = self.folder.join(self.case["class_map"]["png"].as_str().unwrap_or_default());
        let want = picture::read(&path, true)?;
        let classes = self.model["label_count"].as_u64().unwrap_or(256) as usize;
        let differing = map.iter().zip(&want.bytes).filter(|(a, b)| **a != **b as usize).count();
        let limit = if self.exact() { PIXELS } else { (PIXELS_QUANTISED * map.len() as f64) as usize };
        verdict
            .check(map.len() == want.bytes.len(), || format!("{} pixels instead of {}", map.len(), want.bytes.len()));
        verdict.check(differing <= limit, || format!("{differing} pixels differ, {limit} allowed"));
        let mut areas: Vec<(usize, usize)> =
            (0..classes).map(|c| (map.iter().filter(|&&m| m == c).count(), c)).filter(|(n, _)| *n > 0).collect();
        areas.sort_unstable_by(|a, b| b.cmp(a));
        let areas: Vec<String> = areas.iter().take(3).map(|(n, c)| format!("{} {n}", self.label(*c))).collect();
        verdict.found = format!("{}; {differing} pixels differ", areas.join(", "));
        if let Some(file) = self.case["against_mask"]["mask"].as_str() {
            let truth = picture::read(&self.folder.join(file), true)?.nearest(want.height, want.width);
            let meant: Vec<u64> =
                list(&self.case["against_mask"]["mask_classes"]).iter().filter_map(Json::as_u64).collect();
            let counts = |t: u8| if meant.is_empty() { t != 255 } else { meant.contains(&(t as u64)) };
            let mut confusion = Confusion::new(classes.max(256));
            map.iter().zip(&truth).filter(|(_, t)| counts(**t)).for_each(|(&m, &t)| confusion.add(t as usize, m, 1));
            let (got, expected) =
                (confusion.mean_iou_of_truth(), number(&self.case["against_mask"]["mIoU_classes_in_mask"]));
            verdict.check(got >= expected - MASK_LOSS, || format!("mIoU {got:.4} instead of {expected:.4}"));
            verdict.found += &format!("; mIoU {got:.4} (expected {expected:.4})");
        }
        Ok(())
    }

    fn detection(&self, outputs: &[Tensor], verdict: &mut Verdict) {
        let [boxes, classes, scores, count] = [0, 1, 2, 3].map(|i| outputs.get(i).map(reals).unwrap_or_default());
        let rect = |b: [f64; 4]| Rect::from_corners(b.map(|v| v as f32));
        let count = count.first().map_or(0, |&n| n as usize).min(scores.len()).min(classes.len()).min(boxes.len() / 4);
        let (mut worst_overlap, mut worst_score, mut matched) = (1.0f64, 0.0f64, Vec::new());
        for want in list(&self.case["detections"]).iter().filter(|d| number(&d["score"]) >= FLOOR) {
            let (class, box_) = (number(&want["class"]), &want["box_ymin_xmin_ymax_xmax"]);
            let target = rect([0, 1, 2, 3].map(|i| number(&box_[i])));
            let same = (0..count).filter(|&k| classes[k] == class);
            let best = same
                .map(|k| (target.precise_iou(&rect([0, 1, 2, 3].map(|i| boxes[4 * k + i]))), scores[k]))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let label = self.label(class as usize);
            match best {
                None => verdict.wrong.push(format!("no {label}")),
                Some((overlap, score)) => {
                    worst_overlap = worst_overlap.min(overlap);
                    worst_score = worst_score.max((score - number(&want["score"])).abs());
                    matched.push(format!("{label} {score:.3}"));
                }
            }
        }
        verdict.check(worst_overlap >= OVERLAP, || format!("an overlap is only {worst_overlap:.3}, {OVERLAP} needed"));
        verdict.check(worst_score <= DETECTION_SCORES, || {
            format!("a score is off by {worst_score:.3}, {DETECTION_SCORES} allowed")
        });
        verdict.found = format!("{}; overlap {worst_overlap:.3}, score off by {worst_score:.4}", matched.join(", "));
    }

    fn pose(&self, outputs: &[Tensor], verdict: &mut Verdict) {
        let got = reals(&outputs[0]);
        let wanted =
            list(&self.case["keypoints"]).iter().flat_map(|k| ["y", "x", "score"].map(|part| number(&k[part])));
        let worst = wanted.zip(&got).map(|(want, got)| (want - got).abs()).fold(0.0, f64::max);
        let limit = if self.exact() { SCORES } else { POSE };
        verdict.check(worst <= limit, || format!("a keypoint is off by {worst:.4}, {limit} allowed"));
        verdict.found = format!("{} numbers, off by {worst:.4}", got.len());
    }
}
