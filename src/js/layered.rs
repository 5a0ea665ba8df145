//! A network on its way to the edition that builds and trains models: JSON, and weights by name.

use std::sync::Arc;

use js_sys::Float32Array;
#[cfg(feature = "files")]
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::plain;
use crate::error::Error;
use crate::tensor::Tensor;

/// A network as layers.
#[wasm_bindgen]
pub struct Layered {
    pub(super) json: String,
    pub(super) weights: Vec<(String, Arc<Tensor>)>,
}

#[wasm_bindgen]
impl Layered {
    /// The network of a graph's file; arguments as of `Runtime::load`.
    #[cfg(feature = "files")]
    #[wasm_bindgen(js_name = ofGraph)]
    pub fn of_graph(
        format: &str,
        model: Vec<u8>,
        weights: &Uint8Array,
        external: Option<String>,
        outputs: Option<Vec<String>>,
        input_shapes: Option<String>,
    ) -> Result<Layered, JsValue> {
        let imported = super::reading::import(format, model, weights, external, outputs, input_shapes);
        let raised = imported.and_then(|imported| crate::formats::raise(&imported.graph, "imported"));
        let crate::formats::Raised { json, weights } = raised.map_err(|e| plain::error(&e))?;
        Ok(Layered { json, weights })
    }

    /// The model without its weights, as JSON.
    pub fn json(&self) -> String {
        self.json.clone()
    }

    /// The weights' names.
    pub fn names(&self) -> Vec<String> {
        self.weights.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The values of a weight, by its place among the names.
    pub fn weight(&self, place: usize) -> Result<Float32Array, JsValue> {
        let tensor = self.weights.get(place).ok_or_else(|| Error::invalid("there is no such weight"));
        tensor.and_then(|(_, tensor)| tensor.as_f32()).map(Float32Array::from).map_err(|e| plain::error(&e))
    }
}
