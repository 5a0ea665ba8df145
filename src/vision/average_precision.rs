//! Mean average precision of a detector: how good its boxes are, in the ways of COCO and of PASCAL VOC.

use super::Rect;

/// A box that should be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Number of the picture.
    pub image: usize,
    /// Number of the class.
    pub class: usize,
    /// Where, in pixels.
    pub rect: Rect,
}

/// A box that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Number of the picture.
    pub image: usize,
    /// Number of the class.
    pub class: usize,
    /// How sure.
    pub score: f32,
    /// Where, in pixels.
    pub rect: Rect,
}

/// COCO's figures; -1 where there is nothing to find.
#[derive(Clone, Debug, PartialEq)]
pub struct Coco {
    /// AP over overlaps of 0.5 to 0.95, at 0.5, at 0.75; AP of small, medium and large boxes; AR with at most 1, 10 and 100
    /// boxes a picture; AR of small, medium and large boxes.
    pub stats: [f64; 12],
    /// AP over overlaps of 0.5 to 0.95 for every class.
    pub per_class: Vec<f64>,
}

/// Areas in square pixels: all, below 32^2, between, above 96^2.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];
/// Most boxes of a class in a picture.
const MOST: [usize; 3] = [1, 10, 100];
const THRESHOLDS: usize = 10;
const RECALLS: usize = 101;

fn threshold(i: usize) -> f64 {
    // As the original has them, to the last bit.
    0.5 + i as f64 * ((0.95 - 0.5) / 9.0)
}

/// `[area][most][overlap]`: average precision and recall of a class.
type ByAreaAndMost = Vec<Vec<Vec<Option<(f64, f64)>>>>;

/// What COCO's evaluation says of detections of `classes` classes.
pub fn coco(truths: &[Truth], found: &[Found], classes: usize) -> Coco {
    let results: Vec<ByAreaAndMost> = (0..classes)
        .map(|class| {
            let truths: Vec<Truth> = truths.iter().filter(|t| t.class == class).copied().collect();
            let found: Vec<Found> = found.iter().filter(|f| f.class == class).copied().collect();
            let at = |area: [f64; 2], most: usize| {
                (0..THRESHOLDS).map(|i| coco_class(&truths, &found, area, most, threshold(i))).collect()
            };
            AREAS.iter().map(|&area| MOST.iter().map(|&most| at(area, most)).collect()).collect()
        })
        .collect();
    let mean =
        |values: Vec<f64>| if values.is_empty() { -1.0 } else { values.iter().sum::<f64>() / values.len() as f64 };
    let gather = |area: usize, most: usize, recall: bool, wanted: &dyn Fn(usize, usize) -> bool| {
        let mut values = Vec::new();
        for (class, result) in results.iter().enumerate() {
            let chosen = result[area][most].iter().enumerate().filter(|&(i, _)| wanted(class, i));
            values
                .extend(chosen.filter_map(|(_, v)| v.map(|(precision, found)| if recall { found } else { precision })));
        }
        mean(values)
    };
    let every = |_: usize, _: usize| true;
    let mut stats = [0.0; 12];
    stats[0] = gather(0, 2, false, &every);
    stats[1] = gather(0, 2, false, &|_, i| i == 0);
    stats[2] = gather(0, 2, false, &|_, i| i == 5);
    for area in 1..4 {
        stats[2 + area] = gather(area, 2, false, &every);
        stats[8 + area] = gather(area, 2, true, &every);
    }
    for most in 0..3 {
        stats[6 + most] = gather(0, most, true, &every);
    }
    let per_class = (0..classes).map(|class| gather(0, 2, false, &|c, _| c == class)).collect();
    Coco { stats, per_class }
}

/// Average precision and recall of one class at one overlap; `None` if there is nothing to find.
fn coco_class(truths: &[Truth], found: &[Found], area: [f64; 2], most: usize, overlap: f64) -> Option<(f64, f64)> {
    let outside = |rect: &Rect| !(area[0]..=area[1]).contains(&size(rect));
    let total = truths.iter().filter(|t| !outside(&t.rect)).count();
    if total == 0 {
        return None;
    }
    let mut images: Vec<usize> = found.iter().map(|f| f.image).collect();
    images.sort_unstable();
    images.dedup();
    // Score, and whether it was right; boxes that do not count are left out.
    let mut marks: Vec<(f32, bool)> = Vec::new();
    for image in images {
        let mut own: Vec<&Found> = found.iter().filter(|f| f.image == image).collect();
        own.sort_by(|a, b| b.score.total_cmp(&a.score));
        own.truncate(most);
        // Boxes of other sizes come last: they are matched only by what fits no other, and do not count.
        let mut wanted: Vec<&Truth> = truths.iter().filter(|t| t.image == image).collect();
        wanted.sort_by_key(|t| outside(&t.rect));
        let mut taken = vec![false; wanted.len()];
        for detection in own {
            let (mut best, mut matched) = (overlap.min(1.0 - 1e-10), None);
            for (i, truth) in wanted.iter().enumerate() {
                if taken[i] {
                    continue;
                }
                if matched.is_some_and(|m: usize| !outside(&wanted[m].rect)) && outside(&truth.rect) {
                    break;
                }
                let iou = detection.rect.precise_iou(&truth.rect);
                if iou >= best {
                    (best, matched) = (iou, Some(i));
                }
            }
            match matched {
                Some(i) => {
                    taken[i] = true;
                    if !outside(&wanted[i].rect) {
                        marks.push((detection.score, true));
                    }
                }
                None if outside(&detection.rect) => {}
                None => marks.push((detection.score, false)),
            }
        }
    }
    marks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (recalls, mut precisions) = curve(&marks, total);
    for i in (1..precisions.len()).rev() {
        precisions[i - 1] = precisions[i - 1].max(precisions[i]);
    }
    let at = |k: usize| {
        // As the original has them: a recall of 0.35 does not reach 35 * 0.01.
        let recall = if k + 1 == RECALLS { 1.0 } else { k as f64 * 0.01 };
        recalls.iter().position(|&r| r >= recall).map_or(0.0, |i| precisions[i])
    };
    let average = (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64;
    Some((average, recalls.last().copied().unwrap_or(0.0)))
}

/// Recall and precision after each box.
fn curve(marks: &[(f32, bool)], total: usize) -> (Vec<f64>, Vec<f64>) {
    let mut right = 0;
    marks
        .iter()
        .enumerate()
        .map(|(i, mark)| {
            right += mark.1 as usize;
            (right as f64 / total as f64, right as f64 / (i + 1) as f64)
        })
        .unzip()
}

/// How the precision is averaged over the recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voc {
    /// At the recalls 0, 0.1 ... 1 (until 2009).
    ElevenPoints,
    /// The area under the curve (since 2010).
    Area,
}

/// PASCAL VOC's average precision of every class at an overlap of `threshold`; -1 where there is nothing to find.
///
/// Each detection is compared with the box it overlaps most; a second one for the same box is wrong.
pub fn voc(truths: &[Truth], found: &[Found], classes: usize, threshold: f64, how: Voc) -> Vec<f64> {
    (0..classes)
        .map(|class| {
            let wanted: Vec<&Truth> = truths.iter().filter(|t| t.class == class).collect();
            if wanted.is_empty() {
                return -1.0;
            }
            let mut own: Vec<&Found> = found.iter().filter(|f| f.class == class).collect();
            own.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut taken = vec![false; wanted.len()];
            let mut mark = |detection: &Found| {
                let mut best: Option<(usize, f64)> = None;
                for (i, truth) in wanted.iter().enumerate().filter(|(_, t)| t.image == detection.image) {
                    let iou = detection.rect.precise_iou(&truth.rect);
                    if best.is_none_or(|(_, other)| iou > other) {
                        best = Some((i, iou));
                    }
                }
                let right = best.is_some_and(|(i, iou)| iou >= threshold && !std::mem::replace(&mut taken[i], true));
                (detection.score, right)
            };
            let marks: Vec<(f32, bool)> = own.into_iter().map(&mut mark).collect();
            let (recalls, precisions) = curve(&marks, wanted.len());
            average(&recalls, precisions, how)
        })
        .collect()
}

fn average(recalls: &[f64], mut precisions: Vec<f64>, how: Voc) -> f64 {
    for i in (1..precisions.len()).rev() {
        precisions[i - 1] = precisions[i - 1].max(precisions[i]);
    }
    match how {
        Voc::ElevenPoints => {
            let at = |k: usize| recalls.iter().position(|&r| r >= k as f64 * 0.1).map_or(0.0, |i| precisions[i]);
            (0..11).map(at).sum::<f64>() / 11.0
        }
        Voc::Area => {
            let steps = recalls.iter().zip(&precisions);
            let area = steps.fold((0.0, 0.0), |(sum, last), (&r, &p)| (sum + (r - last) * p, r));
            area.0
        }
    }
}

fn size(rect: &Rect) -> f64 {
    let [left, top, right, bottom] = rect.corners().map(f64::from);
    (right - left) * (bottom - top)
}
