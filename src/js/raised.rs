//! The network of a model file as layers, on its way to the edition that builds and trains such networks. In the module
//! `convert`, beside the writing of ONNX.

use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::{plain, reading};
use crate::error::{Error, Result};
use crate::formats::{self, raise};

/// A network as layers: JSON, and weights by name.
#[wasm_bindgen]
pub struct Raised(formats::Raised);

#[wasm_bindgen]
impl Raised {
    /// Reads a file as `Runtime::load` does.
    #[wasm_bindgen(constructor)]
    pub fn new(
        format: &str,
        model: Vec<u8>,
        weights: &Uint8Array,
        outputs: Option<Vec<String>>,
        input_shapes: Option<String>,
    ) -> Result<Raised, JsValue> {
        let imported = reading::import(format, model, weights, outputs, input_shapes);
        let raised = imported.and_then(|imported| raise(&imported.graph, "imported"));
        raised.map(Raised).map_err(|e| plain::error(&e))
    }

    /// The model without its weights, as JSON.
    pub fn json(&self) -> String {
        self.0.json.to_string()
    }

    /// The weights' names.
    pub fn names(&self) -> Vec<String> {
        self.0.weights.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The values of a weight, by its place among the names.
    pub fn weight(&self, place: usize) -> Result<Float32Array, JsValue> {
        let values = || {
            let (_, tensor) = self.0.weights.get(place).ok_or_else(|| Error::invalid("there is no such weight"))?;
            tensor.as_f32()
        };
        values().map(Float32Array::from).map_err(|e| plain::error(&e))
    }
}
