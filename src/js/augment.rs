//! Augmentations of batches of pictures: [`Pipeline`] as the page calls it.

use js_sys::{Array, Object};
use serde::Deserialize;
use serde_json::Value as Json;
use wasm_bindgen::prelude::*;

use super::convert;
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};
use crate::train::augment::{Augmentation, Pipeline, Sample};

/// Steps with their seed.
#[wasm_bindgen]
pub struct Augmenter {
    pipeline: Pipeline,
}

#[derive(Deserialize)]
struct Description {
    seed: u64,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    class_name: String,
    config: Json,
}

#[wasm_bindgen]
impl Augmenter {
    /// From `{ seed, steps: { class_name, config }[] }` as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(json: &str) -> Result<Augmenter, JsValue> {
        let build = || -> Result<Augmenter> {
            let Description { seed, steps } = serde_json::from_value(convert::parse(json)?)
                .map_err(|e| Error::invalid(format!("these are no augmentations: {e}")))?;
            let step = |step: &Step| Augmentation::from_config(&step.class_name, &step.config);
            Ok(Augmenter { pipeline: Pipeline { steps: steps.iter().map(step).collect::<Result<_>>()?, seed } })
        };
        build().map_err(|e| convert::error(&e))
    }

    /// Pictures `[n, height, width, channels]`, and maps `[n, height, width, ...]` that move along or `undefined`, changed:
    /// `[pictures, maps]` of `{ data, shape }`. `first` is the number of the first sample: the same number, the same change.
    pub fn apply(&self, pictures: JsValue, maps: JsValue, first: f64) -> Result<Array, JsValue> {
        self.changed(pictures, maps, first as u64).map_err(|e| convert::error(&e))
    }
}

impl Augmenter {
    fn changed(&self, pictures: JsValue, maps: JsValue, first: u64) -> Result<Array> {
        let mut given = convert::given(&Array::of2(&pictures, &maps))?.into_iter();
        let (pictures, maps) = (given.next().flatten(), given.next().flatten());
        let pictures = pictures.ok_or_else(|| Error::invalid("there are no pictures to augment"))?;
        let mut samples = Vec::new();
        let count = pictures.shape().first().copied().unwrap_or(0);
        for i in 0..count {
            let picture = row(&pictures, i)?;
            let mask = maps.as_ref().map(|maps| as_map(row(maps, i)?)).transpose()?;
            let sample = Sample { picture, boxes: Vec::new(), mask };
            samples.push(self.pipeline.apply(sample, first + i as u64)?);
        }
        let shown: Vec<&Tensor> = samples.iter().map(|s| &s.picture).collect();
        let result = Array::of1(&tensor(&shown, pictures.shape().rank())?);
        if let Some(maps) = &maps {
            let masks: Vec<&Tensor> = samples.iter().filter_map(|s| s.mask.as_ref()).collect();
            result.push(&tensor(&masks, maps.shape().rank())?);
        }
        Ok(result)
    }
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
    convert::object(&[("data", data.into()), ("shape", shape.into())])
}
