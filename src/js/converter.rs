//! Between models of layers and files: ONNX written, graphs as layers, classifiers without dense layers. A module of its own on
//! the web (the feature `convert`), fetched when a page first needs it: the engine's binaries have no room for it.

use std::sync::Arc;

use js_sys::{Float32Array, Uint8Array};
use serde_json::Value as Json;
use wasm_bindgen::prelude::*;

use super::{plain, reading};
use crate::error::{Error, Result};
use crate::formats::onnx::{ExportOptions, export};
use crate::formats::raise;
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
            Ok(Layered { json: Json::Object(model.to_json()), weights })
        });
        js(layered)
    }
}

/// A network on its way to the edition that builds and trains models: JSON, and weights by name.
#[wasm_bindgen]
pub struct Layered {
    json: Json,
    weights: Vec<(String, Arc<Tensor>)>,
}

#[wasm_bindgen]
impl Layered {
    /// The network of a graph's file; arguments as of `Runtime::load`.
    #[wasm_bindgen(js_name = ofGraph)]
    pub fn of_graph(
        format: &str,
        model: Vec<u8>,
        weights: &Uint8Array,
        outputs: Option<Vec<String>>,
        input_shapes: Option<String>,
    ) -> std::result::Result<Layered, JsValue> {
        let imported = reading::import(format, model, weights, outputs, input_shapes);
        let raised = js(imported.and_then(|imported| raise(&imported.graph, "imported")))?;
        Ok(Layered { json: raised.json, weights: raised.weights })
    }

    /// The model without its weights, as JSON.
    pub fn json(&self) -> String {
        self.json.to_string()
    }

    /// The weights' names.
    pub fn names(&self) -> Vec<String> {
        self.weights.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The values of a weight, by its place among the names.
    pub fn weight(&self, place: usize) -> std::result::Result<Float32Array, JsValue> {
        let tensor = self.weights.get(place).ok_or_else(|| Error::invalid("there is no such weight"));
        js(tensor.and_then(|(_, tensor)| tensor.as_f32()).map(Float32Array::from))
    }
}
