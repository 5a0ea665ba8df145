//! Class maps: a class for every pixel, how large the classes are, how well they fit, and their colours.

use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};
use crate::train::augment::{Aspect, resize};

/// The best class of every pixel of scores `[height, width, classes]` (or a batch of one); of equals the lower one.
pub fn class_map(scores: &Tensor) -> Result<Vec<usize>> {
    let classes = match scores.shape()[..] {
        [_, _, classes] | [1, _, _, classes] if classes > 0 => classes,
        _ => return Err(Error::mismatch("not the scores of one picture", "[height, width, classes]", scores.shape())),
    };
    Ok(scores.as_f32()?.chunks_exact(classes).map(crate::train::arg_max).collect())
}

/// As [`class_map`], of scores that are first brought to a size between pixels: smoother edges than [`resize_map`].
pub fn class_map_at(scores: &Tensor, height: usize, width: usize) -> Result<Vec<usize>> {
    class_map(&resize(scores, height, width, "bilinear", false, Aspect::Stretch)?)
}

/// A class map of `[height, width]` at another size: every pixel the nearest by its centre.
pub fn resize_map<T: Copy>(map: &[T], [height, width]: [usize; 2], to: [usize; 2]) -> Result<Vec<T>> {
    if map.len() != height * width || (map.is_empty() && to[0] * to[1] > 0) {
        return Err(Error::mismatch("a class map", format!("{height} x {width} pixels"), map.len()));
    }
    let place = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
    let pixel = |i: usize| map[place(i / to[1], height, to[0]) * width + place(i % to[1], width, to[1])];
    Ok((0..to[0] * to[1]).map(pixel).collect())
}

/// Pixels of every class. Errors: a class beyond `classes`.
pub fn areas(map: &[usize], classes: usize) -> Result<Vec<usize>> {
    let mut areas = vec![0; classes];
    for &class in map {
        *areas.get_mut(class).ok_or_else(|| Error::mismatch("a class that there is not", classes, class))? += 1;
    }
    Ok(areas)
}

/// The colour of a class in PASCAL VOC's colour map, red first: its bits dealt out to the channels, highest first.
pub fn colour(class: usize) -> [u8; 3] {
    let bit = |i: usize, channel: usize| ((class >> (3 * i + channel) & 1) as u8) << (7 - i);
    [0, 1, 2].map(|channel| (0..3).fold(0, |sum, i| sum | bit(i, channel)))
}

/// A class map as a picture `[height, width, 3]` in [`colour`]s.
pub fn coloured(map: &[usize], height: usize, width: usize) -> Result<Tensor> {
    Tensor::new([height, width, 3], Data::U8(map.iter().flat_map(|&class| colour(class)).collect()))
}

/// How often a class was taken for another.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    classes: usize,
    /// Row: what it was. Column: what it was taken for.
    counts: Vec<u64>,
}

impl Confusion {
    /// Of this many classes, nothing counted.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts `count` pixels of class `truth` that were taken for `prediction`; classes that there are not are left out.
    pub fn add(&mut self, truth: usize, prediction: usize, count: u64) {
        if truth < self.classes && prediction < self.classes {
            self.counts[truth * self.classes + prediction] += count;
        }
    }

    /// Counts a pair of class maps; pixels whose truth is `ignored` (255 in most data sets), or no class, are left out.
    pub fn add_maps(&mut self, truth: &[usize], prediction: &[usize], ignored: usize) -> Result<()> {
        if truth.len() != prediction.len() {
            return Err(Error::mismatch("class maps of different sizes", truth.len(), prediction.len()));
        }
        let pairs = truth.iter().zip(prediction).filter(|(truth, _)| **truth != ignored);
        pairs.for_each(|(&truth, &prediction)| self.add(truth, prediction, 1));
        Ok(())
    }

    /// How often `truth` was taken for `prediction`.
    pub fn count(&self, truth: usize, prediction: usize) -> u64 {
        self.counts[truth * self.classes + prediction]
    }

    /// Pixels that are the class, and pixels that were taken for it.
    fn sums(&self, class: usize) -> (u64, u64) {
        let sum = |f: &dyn Fn(usize) -> u64| (0..self.classes).map(f).sum();
        (sum(&|other| self.count(class, other)), sum(&|other| self.count(other, class)))
    }

    /// Intersection over union of a class; `None` if it is nowhere.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let (is, taken) = self.sums(class);
        let both = self.count(class, class);
        (is + taken > 0).then(|| both as f64 / (is + taken - both) as f64)
    }

    fn mean(&self, counts: impl Fn(usize) -> bool) -> f64 {
        let ious: Vec<f64> = (0..self.classes).filter(|&c| counts(c)).filter_map(|c| self.iou(c)).collect();
        ious.iter().sum::<f64>() / ious.len() as f64
    }

    /// The mean over all classes that are anywhere; NaN if there are none.
    pub fn mean_iou(&self) -> f64 {
        self.mean(|_| true)
    }

    /// The mean over the classes that there really are.
    pub fn mean_iou_of_truth(&self) -> f64 {
        self.mean(|class| self.sums(class).0 > 0)
    }

    /// The part of the pixels that is right; NaN if there are none.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.count(class, class)).sum();
        right as f64 / self.counts.iter().sum::<u64>() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_class_at_any_size() {
        // Left is class 1, right class 0; the second pixel is undecided.
        let scores = Tensor::f32([1, 1, 4, 2], vec![0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 1.0, 0.0]).unwrap();
        assert_eq!(class_map(&scores).unwrap(), [1, 0, 0, 0]);
        // Half-pixel centres: samples at 0.5 and 2.5 of 0..4.
        assert_eq!(class_map_at(&scores, 1, 2).unwrap(), [1, 0]);
        assert!(class_map(&Tensor::f32([2, 1, 1, 1], vec![0.0; 2]).unwrap()).is_err());
        assert_eq!(resize_map(&[1, 2, 3, 4], [2, 2], [3, 4]).unwrap(), [1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
        assert_eq!(resize_map(&[1, 2, 3, 4, 5, 6], [2, 3], [1, 1]).unwrap(), [5]);
        assert!(resize_map(&[1], [2, 2], [1, 1]).is_err());
        assert_eq!(areas(&[0, 2, 2], 3).unwrap(), [1, 0, 2]);
        assert!(areas(&[3], 3).is_err());
    }

    #[test]
    fn the_colours_of_pascal_voc() {
        let known = [
            (0, [0, 0, 0]),
            (1, [128, 0, 0]),
            (3, [128, 128, 0]),
            (8, [64, 0, 0]),
            (15, [192, 128, 128]),
            (20, [0, 64, 128]),
            (255, [224, 224, 192]),
        ];
        known.iter().for_each(|&(class, rgb)| assert_eq!(colour(class), rgb, "{class}"));
        assert_eq!(coloured(&[1, 0], 1, 2).unwrap(), Tensor::u8([1, 2, 3], vec![128, 0, 0, 0, 0, 0]).unwrap());
    }

    #[test]
    fn confusion_by_hand() {
        let mut confusion = Confusion::new(4);
        confusion.add_maps(&[0, 0, 0, 1, 1, 255], &[0, 0, 1, 1, 2, 0], 255).unwrap();
        assert_eq!((confusion.iou(0), confusion.iou(1)), (Some(2.0 / 3.0), Some(1.0 / 3.0)));
        assert_eq!((confusion.iou(2), confusion.iou(3)), (Some(0.0), None));
        assert!((confusion.mean_iou() - 1.0 / 3.0).abs() < 1e-12);
        assert!((confusion.mean_iou_of_truth() - 0.5).abs() < 1e-12);
        assert!((confusion.accuracy() - 0.6).abs() < 1e-12);
        assert!(confusion.add_maps(&[0], &[], 255).is_err());
    }
}
