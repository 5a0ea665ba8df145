//! Augmentations of batches of pictures: [`Pipeline`] as the page calls it. A module of its own on the web (the feature
//! `augment`), fetched when a page first trains on changed pictures.

use js_sys::{Array, Object, Uint8Array};
use serde_json::Value as Json;
use wasm_bindgen::prelude::*;

use super::given::given;
use super::plain;
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};
use crate::train::augment::{Augmentation, Pipeline, Sample};
use crate::vision::Rect;

/// Steps with their seed.
#[wasm_bindgen]
pub struct Augmenter {
    pipeline: Pipeline,
}

/// `{ seed, steps: { class_name, config }[] }`.
fn pipeline(json: &str) -> Result<Pipeline> {
    let parsed: Json = serde_json::from_str(json).map_err(|e| Error::invalid(format!("no augmentations: {e}")))?;
    let step = |step: &Json| {
        let name = step["class_name"].as_str().ok_or_else(|| Error::invalid("an augmentation without a name"))?;
        Augmentation::from_config(name, &step["config"])
    };
    let steps = parsed["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Pipeline { steps: steps.iter().map(step).collect::<Result<_>>()?, seed: parsed["seed"].as_u64().unwrap_or(0) })
}

#[wasm_bindgen]
impl Augmenter {
    /// From `{ seed, steps: { class_name, config }[] }` as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(json: &str) -> Result<Augmenter, JsValue> {
        pipeline(json).map(|pipeline| Augmenter { pipeline }).map_err(|e| plain::error(&e))
    }

    /// Pictures `[n, height, width, channels]`, maps `[n, height, width, ...]` that move along or `undefined`, and labels that are
    /// boxes `[n, 4]` or `[n, k, 4]` in parts of the picture and of these forms, changed: `[pictures, maps, boxes[], kept]`. Boxes
    /// are cut off at the edge; of one that has left the picture nothing but zeros is left. `kept` is 1 for every sample and label
    /// `[n, 4]` whose box is still there. `first` is the number of the first sample: the same number, the same change.
    pub fn apply(
        &self,
        pictures: JsValue,
        maps: JsValue,
        boxes: &Array,
        forms: &[u8],
        first: f64,
    ) -> Result<Array, JsValue> {
        self.changed(pictures, maps, boxes, forms, first as u64).map_err(|e| plain::error(&e))
    }
}

impl Augmenter {
    fn changed(&self, pictures: JsValue, maps: JsValue, boxes: &Array, forms: &[u8], first: u64) -> Result<Array> {
        let mut list = given(&Array::of2(&pictures, &maps))?.into_iter();
        let (pictures, maps) = (list.next().flatten(), list.next().flatten());
        let pictures = pictures.ok_or_else(|| Error::invalid("there are no pictures to augment"))?;
        let count = pictures.shape().first().copied().unwrap_or(0);
        let mut labels = given(boxes)?.into_iter().flatten().collect::<Vec<_>>();
        check(&labels, forms, count)?;
        let mut kept = vec![1u8; count * labels.len()];
        let mut samples = Vec::new();
        for i in 0..count {
            let picture = row(&pictures, i)?;
            let mask = maps.as_ref().map(|maps| as_map(row(maps, i)?)).transpose()?;
            let boxes = self.pixels(&labels, forms, i, &picture)?;
            let sample = self.pipeline.apply(Sample { picture, boxes, mask }, first + i as u64)?;
            let gone = parts(&mut labels, forms, i, &sample)?;
            for (label, gone) in gone.into_iter().enumerate() {
                kept[label * count + i] = !gone as u8;
            }
            samples.push(sample);
        }
        let shown: Vec<&Tensor> = samples.iter().map(|s| &s.picture).collect();
        let masks: Vec<&Tensor> = samples.iter().filter_map(|s| s.mask.as_ref()).collect();
        let moved = match &maps {
            Some(maps) => tensor(&masks, maps.shape().rank())?,
            None => JsValue::UNDEFINED,
        };
        let labels = labels.iter().map(column).collect::<Result<Array>>()?;
        let kept = Uint8Array::from(kept.as_slice());
        Ok(Array::of4(&tensor(&shown, pictures.shape().rank())?, &moved, &labels, &kept))
    }

    /// The boxes of a sample in pixels, numbered through all labels.
    fn pixels(&self, labels: &[Tensor], forms: &[u8], i: usize, picture: &Tensor) -> Result<Vec<([f32; 4], usize)>> {
        let [height, width] = [0, 1].map(|axis| picture.shape()[axis] as f32);
        let mut boxes = Vec::new();
        for (label, &form) in labels.iter().zip(forms) {
            let (each, values) = (label.shape().elements() / label.shape()[0].max(1), label.as_f32()?);
            for place in values[i * each..][..each].chunks_exact(4) {
                let written = [place[0], place[1], place[2], place[3]];
                let rect = match form {
                    0 => Rect::from_corners(written),
                    1 => Rect::from_centre(written),
                    _ => Rect::from_xywh(written),
                };
                let [x1, y1, x2, y2] = rect.corners();
                boxes.push(([x1 * width, y1 * height, x2 * width, y2 * height], boxes.len()));
            }
        }
        Ok(boxes)
    }
}

/// Labels must be boxes of these samples.
fn check(labels: &[Tensor], forms: &[u8], count: usize) -> Result<()> {
    for label in labels {
        let shape = label.shape();
        if !(2..=3).contains(&shape.rank()) || shape.last() != Some(&4) || shape[0] != count {
            return Err(Error::mismatch("labels that are not boxes", "[n, 4] or [n, boxes, 4]", shape));
        }
        label.as_f32()?;
    }
    if labels.len() == forms.len() { Ok(()) } else { Err(Error::mismatch("forms of boxes", labels.len(), forms.len())) }
}

/// Writes a sample's boxes, which are in pixels, back into the labels; for each label whether its only box is gone.
fn parts(labels: &mut [Tensor], forms: &[u8], i: usize, sample: &Sample) -> Result<Vec<bool>> {
    let [height, width] = [0, 1].map(|axis| sample.picture.shape()[axis] as f32);
    let mut number = 0;
    let mut all = Vec::new();
    for (label, &form) in labels.iter_mut().zip(forms) {
        let single = label.shape().rank() == 2;
        let each = label.shape().elements() / label.shape()[0].max(1);
        let Data::F32(values) = label.data_mut() else { return Err(Error::invalid("boxes are floats")) };
        let mut gone = false;
        for place in values[i * each..][..each].chunks_exact_mut(4) {
            let found = sample.boxes.iter().find(|(_, n)| *n == number).map(|(corners, _)| *corners);
            gone = single && found.is_none();
            let written = found.map_or([0.0; 4], |[x1, y1, x2, y2]| {
                let rect = Rect::from_corners([x1 / width, y1 / height, x2 / width, y2 / height]);
                match form {
                    0 => rect.corners(),
                    1 => rect.centre(),
                    _ => rect.xywh(),
                }
            });
            place.copy_from_slice(&written);
            number += 1;
        }
        all.push(gone);
    }
    Ok(all)
}

/// Labels in the shape in which they came.
fn column(label: &Tensor) -> Result<JsValue> {
    let shape: Array = label.shape().iter().map(|&d| JsValue::from_f64(d as f64)).collect();
    plain::object(&[("data", js_sys::Float32Array::from(label.as_f32()?).into()), ("shape", shape.into())])
}

/// One sample of a batch.
fn row(batch: &Tensor, i: usize) -> Result<Tensor> {
    let dims = batch.shape()[1..].to_vec();
    let size: usize = dims.iter().product();
    let data = match batch.data() {
        Data::F32(v) => Data::F32(v[i * size..][..size].to_vec()),
        Data::I32(v) => Data::I32(v[i * size..][..size].to_vec()),
        Data::U8(v) => Data::U8(v[i * size..][..size].to_vec()),
    };
    Tensor::new(dims, data)
}

/// `[height, width]` with the channel that a picture has.
fn as_map(map: Tensor) -> Result<Tensor> {
    let dims = map.shape().to_vec();
    if dims.len() == 2 { Tensor::new([dims[0], dims[1], 1], map.data().clone()) } else { Ok(map) }
}

/// `{ data, shape }` of samples of one shape, in as many dimensions as the batch had.
fn tensor(samples: &[&Tensor], rank: usize) -> Result<JsValue> {
    let dims = samples.first().map(|t| t.shape().to_vec()).unwrap_or_default();
    let shape: Vec<usize> = [samples.len()].into_iter().chain(dims).take(rank).collect();
    macro_rules! joined {
        ($kind:ident, $array:ident) => {{
            let all = samples.iter().map(|t| match t.data() {
                Data::$kind(v) => Ok(v.as_slice()),
                _ => Err(Error::invalid("pictures of different types")),
            });
            js_sys::$array::from(all.collect::<Result<Vec<_>>>()?.concat().as_slice()).into()
        }};
    }
    let data: Object = match samples.first().map(|t| t.data()) {
        Some(Data::I32(_)) => joined!(I32, Int32Array),
        Some(Data::U8(_)) => joined!(U8, Uint8Array),
        _ => joined!(F32, Float32Array),
    };
    let shape: Array = shape.iter().map(|&d| JsValue::from_f64(d as f64)).collect();
    plain::object(&[("data", data.into()), ("shape", shape.into())])
}
