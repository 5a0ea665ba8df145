//! Model files of graphs, as JavaScript hands them over.

use std::collections::BTreeMap;

use js_sys::Uint8Array;
use serde_json::Value;

use crate::error::{Error, Result};
#[cfg(feature = "onnx")]
use crate::formats::onnx;
use crate::formats::{ImportOptions, Imported, tfjs, tflite};

/// Reads a model file. `weights` are its weight files one after the other, and nothing for TFLite and ONNX; `input_shapes` are
/// dimensions by name, as JSON.
pub fn import(
    format: &str,
    model: Vec<u8>,
    weights: &Uint8Array,
    outputs: Option<Vec<String>>,
    input_shapes: Option<String>,
) -> Result<Imported> {
    let options = ImportOptions { outputs, input_shapes: shapes(input_shapes)?, ..ImportOptions::default() };
    if format != "onnx" && !options.input_shapes.is_empty() {
        return Err(Error::invalid("`inputShapes` are for ONNX; other formats' open dimensions stay open"));
    }
    match format {
        "tfjs" => tfjs::import(&model, &weights.to_vec(), &options),
        "tflite" => tflite::import(&model, &options),
        #[cfg(feature = "onnx")]
        "onnx" => onnx::import(&model, &options),
        _ => Err(Error::unsupported(format!("models of format {format}; there is tfjs, tflite and onnx"))),
    }
}

/// Dimensions by name, of JSON if there is any.
pub fn shapes(json: Option<String>) -> Result<BTreeMap<String, Vec<usize>>> {
    let Some(json) = json else { return Ok(BTreeMap::new()) };
    let size = |size: &Value| size.as_u64().and_then(|size| usize::try_from(size).ok());
    let shape = |(name, sizes): (String, Value)| {
        let sizes = sizes.as_array().and_then(|sizes| sizes.iter().map(size).collect());
        Ok((name.clone(), sizes.ok_or_else(|| Error::invalid("a shape is a list of whole numbers").at(name))?))
    };
    match serde_json::from_str(&json) {
        Ok(Value::Object(map)) => map.into_iter().map(shape).collect(),
        _ => Err(Error::invalid("`inputShapes` are lists of whole numbers by the inputs' names")),
    }
}
