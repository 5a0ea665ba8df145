//! Models of layers become something else: ONNX files, classifiers without dense layers. A module of its own on the web (the
//! feature `convert`), fetched when a page first needs it: the engine's binaries have no room for it.

use serde_json::Value as Json;
use wasm_bindgen::prelude::*;

use super::Layered;
use super::plain;
use crate::error::{Error, Result};
use crate::formats::onnx::{ExportOptions, export};
use crate::layers::{Model, to_fully_convolutional};
use crate::tensor::Tensor;

fn js<T>(result: Result<T>) -> std::result::Result<T, JsValue> {
    result.map_err(|error| plain::error(&error))
}

/// A model of the engine's, on its way into something else.
#[wasm_bindgen]
pub struct ModelCopy {
    model: Model,
}

#[wasm_bindgen]
impl ModelCopy {
    /// A model by its JSON, with random weights: those of the engine's own come next.
    #[wasm_bindgen(constructor)]
    pub fn new(json: &str) -> std::result::Result<ModelCopy, JsValue> {
        let parsed = serde_json::from_str::<Json>(json).map_err(|e| Error::invalid(format!("the model's JSON: {e}")));
        let model = parsed.and_then(|json| Model::from_json(&json, false));
        Ok(ModelCopy { model: js(model)? })
    }

    /// The values of a weight.
    #[wasm_bindgen(js_name = setWeight)]
    pub fn set_weight(&mut self, name: &str, values: &[f32]) -> std::result::Result<(), JsValue> {
        let known =
            self.model.weights().iter().find(|weight| weight.name == name).map(|weight| weight.spec.shape.clone());
        let shape = known.ok_or_else(|| Error::invalid(format!("the model has no weight named {name:?}")));
        let set = |shape| self.model.set_weight(name, Tensor::f32(shape, values)?);
        js(shape.and_then(set))
    }

    /// The ONNX file. Images are `[batch, height, width, channels]` in it, unless `channels_first`.
    #[wasm_bindgen(js_name = toOnnx)]
    pub fn to_onnx(&self, name: &str, channels_first: bool) -> std::result::Result<Vec<u8>, JsValue> {
        let options = ExportOptions {
            name: name.into(),
            channels_first_inputs: channels_first,
            channels_first_outputs: channels_first,
            ..ExportOptions::default()
        };
        js(self.model.graph().and_then(|graph| export(&graph, &options)))
    }

    /// The same classifier without dense layers, for images of any size.
    #[wasm_bindgen(js_name = toFullyConvolutional)]
    pub fn to_fully_convolutional(&self) -> std::result::Result<Layered, JsValue> {
        let layered = to_fully_convolutional(&self.model).and_then(|model| {
            let value = |name: &str| Ok((name.to_string(), model.weight(name)?));
            let weights = model.weights().iter().map(|weight| value(&weight.name)).collect::<Result<_>>()?;
            Ok(Layered { json: Json::Object(model.to_json()).to_string(), weights })
        });
        js(layered)
    }
}
