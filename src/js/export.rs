//! Models of layers as ONNX files. In a module of its own on the web (the feature `convert`), fetched when a page first
//! needs it: the engine's binaries have no room for it.

use serde_json::Value as Json;
use wasm_bindgen::prelude::*;

use super::plain;
use crate::error::{Error, Result};
use crate::formats::onnx::{ExportOptions, export};
use crate::layers::Model;
use crate::tensor::Tensor;

/// A model on its way into a file.
#[wasm_bindgen]
pub struct OnnxWriter {
    model: Model,
}

fn js<T>(result: Result<T>) -> std::result::Result<T, JsValue> {
    result.map_err(|error| plain::error(&error))
}

#[wasm_bindgen]
impl OnnxWriter {
    /// A model by its JSON, with random weights: those of the engine's own come next.
    #[wasm_bindgen(constructor)]
    pub fn new(json: &str) -> std::result::Result<OnnxWriter, JsValue> {
        let parsed = serde_json::from_str::<Json>(json).map_err(|e| Error::invalid(format!("the model's JSON: {e}")));
        let model = parsed.and_then(|json| Model::from_json(&json, false));
        Ok(OnnxWriter { model: js(model)? })
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

    /// The file. Images are `[batch, height, width, channels]` in it, unless `channels_first`.
    pub fn write(&self, name: &str, channels_first: bool) -> std::result::Result<Vec<u8>, JsValue> {
        let options = ExportOptions {
            name: name.into(),
            channels_first_inputs: channels_first,
            channels_first_outputs: channels_first,
            ..ExportOptions::default()
        };
        js(self.model.graph().and_then(|graph| export(&graph, &options)))
    }
}
