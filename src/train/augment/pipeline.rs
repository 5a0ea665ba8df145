//! Augmentations with drawn parameters: a list of steps, and samples whose boxes and masks move along.

use serde_json::Value;

use super::{
    Affine, Frame, Interpolation, Warp, add_clipped, adjust_hue, adjust_saturation, crop, cutout, flip_left_right,
    flip_up_down, floats, rescale, scale_contrast, warp,
};
use crate::error::{Error, Result};
use crate::layers::Random;
use crate::tensor::{DType, Tensor};
use crate::train::augment::FillMode;
use crate::train::config::{Config, class_name};

/// A picture with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `[height, width, channels]`.
    pub picture: Tensor,
    /// Boxes `[x1, y1, x2, y2]` in pixels, each with its class. Those that leave the picture are dropped, others cut off.
    pub boxes: Vec<([f32; 4], usize)>,
    /// A class for every pixel, `[height, width, 1]`.
    pub mask: Option<Tensor>,
}

/// A step with the ranges that its parameters are drawn from, as in the Keras layer of the same name. Factors are
/// `[lowest, highest]`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Augmentation {
    RandomFlip {
        horizontal: bool,
        vertical: bool,
    },
    /// Parts of the height and of the width, down and to the right.
    RandomTranslation {
        height: [f32; 2],
        width: [f32; 2],
        how: Warp,
    },
    /// Parts of the circle.
    RandomRotation {
        factor: [f32; 2],
        how: Warp,
    },
    /// What is shown is `1 + factor` times as high and as wide; without `width` as much as high.
    RandomZoom {
        height: [f32; 2],
        width: Option<[f32; 2]>,
        how: Warp,
    },
    /// A part of this size.
    RandomCrop {
        height: usize,
        width: usize,
    },
    /// Parts of the range of values, added.
    RandomBrightness {
        factor: [f32; 2],
        range: [f32; 2],
    },
    /// The contrast times `1 - factor[0]` to `1 + factor[1]`.
    RandomContrast {
        factor: [f32; 2],
        range: [f32; 2],
    },
    /// The saturation times `f / (1 - f)`: 0 is grey, a half changes nothing.
    RandomSaturation {
        factor: [f32; 2],
        range: [f32; 2],
    },
    /// The hue turned, either way, by up to half of the circle times the factor.
    RandomHue {
        factor: [f32; 2],
        range: [f32; 2],
    },
    /// A rectangle of these parts of height and width set to a value; its middle lies anywhere in the picture.
    Cutout {
        size: [f32; 2],
        value: f32,
    },
}

impl Augmentation {
    /// A step by Keras' class name and its arguments. Unknown names and arguments are errors.
    pub fn from_config(name: &str, config: &Value) -> Result<Augmentation> {
        let mut config = Config::new(name, config)?;
        config.take("seed");
        config.take("data_format");
        let step = parse(name, &mut config)?;
        config.finish()?;
        Ok(step)
    }

    fn apply(&self, sample: Sample, random: &mut Random) -> Result<Sample> {
        let Frame { height, width, .. } = Frame::of(&sample.picture)?;
        match self {
            Augmentation::RandomFlip { horizontal, vertical } => {
                let mut sample = sample;
                // Both are drawn, whatever is asked for, so that the stream does not depend on it.
                let draws = [random.uniform() < 0.5, random.uniform() < 0.5];
                if *horizontal && draws[0] {
                    let w = width as f32;
                    sample = everywhere(sample, &flip_left_right, &|[x1, y1, x2, y2]| Some([w - x2, y1, w - x1, y2]))?;
                }
                if *vertical && draws[1] {
                    let h = height as f32;
                    sample = everywhere(sample, &flip_up_down, &|[x1, y1, x2, y2]| Some([x1, h - y2, x2, h - y1]))?;
                }
                Ok(sample)
            }
            Augmentation::RandomTranslation { height: rows, width: columns, how } => {
                let (down, right) = (draw(random, rows) * height as f32, draw(random, columns) * width as f32);
                moved(sample, &Affine::translation(down, right), how)
            }
            Augmentation::RandomRotation { factor, how } => {
                moved(sample, &Affine::rotation(draw(random, factor), height, width), how)
            }
            Augmentation::RandomZoom { height: rows, width: columns, how } => {
                let vertical = 1.0 + draw(random, rows);
                let horizontal = columns.as_ref().map_or(vertical, |columns| 1.0 + draw(random, columns));
                moved(sample, &Affine::zoom(vertical, horizontal, height, width), how)
            }
            &Augmentation::RandomCrop { height: rows, width: columns } => {
                let mut place =
                    |have: usize, want: usize| (random.uniform() * (have.saturating_sub(want) + 1) as f64) as usize;
                let (top, left) = (place(height, rows), place(width, columns));
                let (dx, dy) = (left as f32, top as f32);
                everywhere(sample, &|p| crop(p, top, left, rows, columns), &|[x1, y1, x2, y2]| {
                    Some([x1 - dx, y1 - dy, x2 - dx, y2 - dy])
                })
            }
            Augmentation::RandomBrightness { factor, range } => {
                let amount = draw(random, factor) * (range[1] - range[0]);
                coloured(sample, &|p| add_clipped(p, amount, *range))
            }
            Augmentation::RandomContrast { factor, range } => {
                let factor = draw(random, &[1.0 - factor[0], 1.0 + factor[1]]);
                coloured(sample, &|p| scale_contrast(p, factor, *range))
            }
            Augmentation::RandomSaturation { factor, range } => {
                let factor = draw(random, factor);
                let times = factor / (1.0 - factor).max(1e-7);
                coloured(sample, &|p| in_unit_range(p, *range, &|p| adjust_saturation(p, times)))
            }
            Augmentation::RandomHue { factor, range } => {
                let sign = if random.uniform() < 0.5 { -0.5 } else { 0.5 };
                let turn = sign * draw(random, factor);
                coloured(sample, &|p| in_unit_range(p, *range, &|p| adjust_hue(p, turn)))
            }
            Augmentation::Cutout { size, value } => {
                let mut span = |all: usize, part: f32| {
                    let (length, middle) =
                        ((all as f32 * part).round() as isize, (random.uniform() * all as f64) as isize);
                    (middle - length / 2, middle - length / 2 + length)
                };
                let ((top, bottom), (left, right)) = (span(height, size[0]), span(width, size[1]));
                coloured(sample, &|p| cutout(p, [top, left, bottom, right], *value))
            }
        }
    }
}

/// Between two numbers; one of them if they are equal.
fn draw(random: &mut Random, [low, high]: &[f32; 2]) -> f32 {
    low + (high - low) * random.uniform() as f32
}

/// Changes picture and mask, and moves the boxes.
fn everywhere(
    sample: Sample,
    change: &dyn Fn(&Tensor) -> Result<Tensor>,
    place: &dyn Fn([f32; 4]) -> Option<[f32; 4]>,
) -> Result<Sample> {
    let picture = change(&sample.picture)?;
    let mask = sample.mask.as_ref().map(change).transpose()?;
    Ok(Sample { boxes: within(&picture, &sample.boxes, place)?, picture, mask })
}

/// As [`everywhere`] for a map; masks are read at the nearest pixel.
fn moved(sample: Sample, map: &Affine, how: &Warp) -> Result<Sample> {
    let picture = warp(&sample.picture, map, how)?;
    let nearest = Warp { interpolation: Interpolation::Nearest, fill_value: 0.0, ..*how };
    let mask = sample.mask.as_ref().map(|mask| warp(mask, map, &nearest)).transpose()?;
    Ok(Sample { boxes: within(&picture, &sample.boxes, &|b| map.forward_box(b))?, picture, mask })
}

/// Changes the picture only.
fn coloured(sample: Sample, change: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Sample> {
    let bytes = sample.picture.dtype() == DType::U8;
    let mut picture = change(&sample.picture)?;
    if bytes && picture.dtype() != DType::U8 {
        let rounded: Vec<u8> = floats(&picture).into_iter().map(|v| v.round() as u8).collect();
        picture = Tensor::u8(picture.shape().clone(), rounded)?;
    }
    Ok(Sample { picture, ..sample })
}

/// Runs what needs values from 0 to 1.
fn in_unit_range(
    picture: &Tensor,
    [low, high]: [f32; 2],
    change: &dyn Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let span = high - low;
    let unit = rescale(picture, &[1.0 / span], &[-low / span])?;
    rescale(&change(&unit)?, &[span], &[low])
}

fn within(
    picture: &Tensor,
    boxes: &[([f32; 4], usize)],
    place: &dyn Fn([f32; 4]) -> Option<[f32; 4]>,
) -> Result<Vec<([f32; 4], usize)>> {
    let Frame { height, width, .. } = Frame::of(picture)?;
    let (h, w) = (height as f32, width as f32);
    let cut = |&(corners, class): &([f32; 4], usize)| {
        let [x1, y1, x2, y2] = place(corners)?;
        let cut = [x1.clamp(0.0, w), y1.clamp(0.0, h), x2.clamp(0.0, w), y2.clamp(0.0, h)];
        (cut[2] > cut[0] && cut[3] > cut[1]).then_some((cut, class))
    };
    Ok(boxes.iter().filter_map(cut).collect())
}

/// Steps in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pipeline {
    /// The steps.
    pub steps: Vec<Augmentation>,
    /// All that is random comes from it.
    pub seed: u64,
}

impl Pipeline {
    /// The sample, changed. The same number gives the same change: count on over the epochs.
    pub fn apply(&self, sample: Sample, number: u64) -> Result<Sample> {
        let mut random = Random::new(&format!("augment/{number}"), self.seed);
        self.steps.iter().try_fold(sample, |sample, step| step.apply(sample, &mut random))
    }
}

fn parse(name: &str, config: &mut Config) -> Result<Augmentation> {
    let required = |config: &mut Config, key: &str, lowest: f64| {
        factor(config, key, lowest)?.ok_or_else(|| config.refuse(format!("the setting {key:?} is missing")))
    };
    Ok(match class_name(name).as_str() {
        "RandomFlip" => match config.text("mode")?.as_deref() {
            None | Some("horizontal_and_vertical") => Augmentation::RandomFlip { horizontal: true, vertical: true },
            Some("horizontal") => Augmentation::RandomFlip { horizontal: true, vertical: false },
            Some("vertical") => Augmentation::RandomFlip { horizontal: false, vertical: true },
            Some(other) => return Err(config.refuse(format!("unknown mode {other:?}"))),
        },
        "RandomTranslation" => Augmentation::RandomTranslation {
            height: required(config, "height_factor", -1.0)?,
            width: required(config, "width_factor", -1.0)?,
            how: how(config)?,
        },
        "RandomRotation" => {
            Augmentation::RandomRotation { factor: required(config, "factor", -1.0)?, how: how(config)? }
        }
        "RandomZoom" => Augmentation::RandomZoom {
            height: required(config, "height_factor", -1.0)?,
            width: factor(config, "width_factor", -1.0)?,
            how: how(config)?,
        },
        "RandomCrop" => match (config.count("height")?, config.count("width")?) {
            (Some(height), Some(width)) => Augmentation::RandomCrop { height, width },
            _ => return Err(config.refuse("height and width must be given")),
        },
        "RandomBrightness" => {
            Augmentation::RandomBrightness { factor: required(config, "factor", -1.0)?, range: range(config)? }
        }
        "RandomContrast" => {
            // One number stands for both bounds here.
            let factor = match config.numbers("factor")?.as_deref() {
                Some(&[both]) => [both as f32; 2],
                Some(&[low, high]) => [low as f32, high as f32],
                _ => return Err(config.refuse("factor must be given, a number or a pair")),
            };
            Augmentation::RandomContrast { factor, range: range(config)? }
        }
        "RandomSaturation" => {
            Augmentation::RandomSaturation { factor: required(config, "factor", 0.0)?, range: range(config)? }
        }
        "RandomHue" => Augmentation::RandomHue { factor: required(config, "factor", 0.0)?, range: range(config)? },
        "Cutout" => {
            let size = match config.numbers("size")?.as_deref() {
                Some(&[both]) => [both as f32; 2],
                Some(&[height, width]) => [height as f32, width as f32],
                _ => return Err(config.refuse("size must be given, a number or a pair")),
            };
            Augmentation::Cutout { size, value: config.float("value", 0.0)? as f32 }
        }
        _ => return Err(Error::invalid(format!("no augmentation of the name {name:?}"))),
    })
}

/// `f` for `[-f, f]` (not below `lowest`), or a pair.
fn factor(config: &mut Config, key: &str, lowest: f64) -> Result<Option<[f32; 2]>> {
    Ok(match config.numbers(key)?.as_deref() {
        None => None,
        Some(&[one]) => Some([(-one.abs()).max(lowest) as f32, one.abs() as f32]),
        Some(&[low, high]) if low <= high => Some([low as f32, high as f32]),
        Some(_) => return Err(config.refuse(format!("{key} must be a number or a rising pair"))),
    })
}

/// The range of values of a picture.
fn range(config: &mut Config) -> Result<[f32; 2]> {
    match config.numbers("value_range")?.as_deref() {
        None => Ok([0.0, 255.0]),
        Some(&[low, high]) if low < high => Ok([low as f32, high as f32]),
        Some(_) => Err(config.refuse("value_range must be a rising pair")),
    }
}

fn how(config: &mut Config) -> Result<Warp> {
    let interpolation = match config.text("interpolation")?.as_deref() {
        None | Some("bilinear") => Interpolation::Bilinear,
        Some("nearest") => Interpolation::Nearest,
        Some(other) => return Err(config.refuse(format!("unknown interpolation {other:?}"))),
    };
    let fill_mode = FillMode::from_name(&config.text("fill_mode")?.unwrap_or("reflect".into()))?;
    Ok(Warp { fill_mode, fill_value: config.float("fill_value", 0.0)? as f32, interpolation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A white square of 4 pixels a side on black, its box and its mask.
    fn sample() -> Sample {
        let inside = |i: usize| (5..9).contains(&(i / 20)) && (8..12).contains(&(i % 20));
        let picture = (0..16 * 20).map(|i| if inside(i) { 200 } else { 0 }).collect::<Vec<u8>>();
        let mask = picture.iter().map(|&v| (v > 0) as u8).collect::<Vec<u8>>();
        Sample {
            picture: Tensor::u8([16, 20, 1], picture).unwrap(),
            boxes: vec![([8.0, 5.0, 12.0, 9.0], 7)],
            mask: Some(Tensor::u8([16, 20, 1], mask).unwrap()),
        }
    }

    /// The smallest box around the pixels that are not 0.
    fn seen(tensor: &Tensor) -> [f32; 4] {
        let width = tensor.shape()[1];
        let lit =
            tensor.as_u8().unwrap().iter().enumerate().filter(|(_, v)| **v > 0).map(|(i, _)| (i % width, i / width));
        lit.fold([f32::INFINITY, f32::INFINITY, 0.0, 0.0], |b, (x, y)| {
            let (x, y) = (x as f32, y as f32);
            [b[0].min(x), b[1].min(y), b[2].max(x + 1.0), b[3].max(y + 1.0)]
        })
    }

    fn pipeline(steps: &[(&str, Value)]) -> Pipeline {
        let steps = steps.iter().map(|(name, config)| Augmentation::from_config(name, config).unwrap()).collect();
        Pipeline { steps, seed: 42 }
    }

    #[test]
    fn boxes_and_masks_stay_on_what_they_show() {
        let nearest = json!("nearest");
        let steps = pipeline(&[
            ("RandomFlip", json!({})),
            (
                "RandomTranslation",
                json!({"height_factor": 0.1, "width_factor": 0.1, "interpolation": nearest, "fill_mode": "constant"}),
            ),
            (
                "RandomZoom",
                json!({"height_factor": 0.2, "width_factor": 0.2, "interpolation": nearest, "fill_mode": "constant"}),
            ),
            ("RandomCrop", json!({"height": 15, "width": 18})),
        ]);
        let mut places = Vec::new();
        for number in 0..30 {
            let out = steps.apply(sample(), number).unwrap();
            let mask = out.mask.as_ref().unwrap();
            assert_eq!(seen(&out.picture), seen(mask));
            let (corners, class) = out.boxes[0];
            assert_eq!(class, 7);
            // A pixel is in or out: half a pixel for each of two maps.
            let near = corners.iter().zip(seen(mask)).all(|(a, b)| (a - b).abs() <= 1.01);
            assert!(near, "{number}: {corners:?}, but the mask shows {:?}", seen(mask));
            places.push(corners);
        }
        places.dedup();
        assert!(places.len() > 25, "nothing is random");
        assert_eq!(steps.apply(sample(), 3).unwrap(), steps.apply(sample(), 3).unwrap());
    }

    #[test]
    fn boxes_that_leave_are_dropped_and_others_cut() {
        let away = pipeline(&[("RandomTranslation", json!({"height_factor": [0.9, 0.9], "width_factor": 0.0}))]);
        assert!(away.apply(sample(), 0).unwrap().boxes.is_empty());
        // Half of the height down: rows 13 to 17 of 16.
        let half = pipeline(&[("RandomTranslation", json!({"height_factor": [0.5, 0.5], "width_factor": 0.0}))]);
        assert_eq!(half.apply(sample(), 0).unwrap().boxes, [([8.0, 13.0, 12.0, 16.0], 7)]);
    }

    #[test]
    fn colours_change_the_picture_only() {
        let steps = pipeline(&[
            ("RandomBrightness", json!({"factor": [0.1, 0.1]})),
            ("RandomContrast", json!({"factor": [-1.0, 1.0]})),
            ("Cutout", json!({"size": 0.01, "value": 9})),
        ]);
        let out = steps.apply(sample(), 1).unwrap();
        assert_eq!((out.picture.dtype(), &out.boxes, &out.mask), (DType::U8, &sample().boxes, &sample().mask));
        assert_ne!(out.picture, sample().picture);
        let red = Tensor::u8([1, 1, 3], vec![200, 0, 0]).unwrap();
        let coloured = Sample { picture: red, boxes: vec![], mask: None };
        let turned =
            pipeline(&[("RandomHue", json!({"factor": [2.0 / 3.0, 2.0 / 3.0]}))]).apply(coloured.clone(), 0).unwrap();
        // A third of the circle, one way or the other: green or blue.
        assert!([[0, 200, 0], [0, 0, 200]].iter().any(|c| turned.picture.as_u8().unwrap() == c), "{turned:?}");
        let grey = pipeline(&[("RandomSaturation", json!({"factor": [0.0, 0.0]}))]).apply(coloured, 0).unwrap();
        assert_eq!(grey.picture.as_u8().unwrap(), [200; 3]);
    }

    #[test]
    fn what_makes_no_step_is_refused() {
        for (name, config) in [
            ("RandomWarp", json!({})),
            ("RandomFlip", json!({"mode": "diagonal"})),
            ("RandomRotation", json!({})),
            ("RandomRotation", json!({"factor": [0.2, 0.1]})),
            ("RandomZoom", json!({"height_factor": 0.1, "fill_mode": "mirror"})),
            ("RandomContrast", json!({"factor": 0.1, "width": 2})),
        ] {
            assert!(Augmentation::from_config(name, &config).is_err(), "{name} {config}");
        }
    }
}
