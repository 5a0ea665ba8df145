//! Model files of graphs, as JavaScript hands them over.

use std::collections::BTreeMap;

use js_sys::Uint8Array;
use serde_json::Value;

use crate::error::{Error, Result};
#[cfg(feature = "onnx")]
use crate::formats::onnx;
use crate::formats::{ImportOptions, Imported, tfjs, tflite};

/// Reads a model file. `weights` are its weight files one after the other, and nothing for TFLite; `external` are the places of an
/// ONNX file's among them, `[offset, bytes]` by name, and `input_shapes` dimensions by name, both as JSON.
pub fn import(
    format: &str,
    model: Vec<u8>,
    weights: &Uint8Array,
    external: Option<String>,
    outputs: Option<Vec<String>>,
    input_shapes: Option<String>,
) -> Result<Imported> {
    let file = |(name, place): (String, Vec<usize>)| match place[..] {
        // What lies beyond the end is not there.
        [offset, bytes] => (name, weights.subarray(offset as u32, offset.saturating_add(bytes) as u32).to_vec()),
        _ => (name, Vec::new()),
    };
    let options = ImportOptions {
        outputs,
        input_shapes: lists(input_shapes, "inputShapes")?,
        external_data: lists(external, "external")?.into_iter().map(file).collect(),
        ..ImportOptions::default()
    };
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

/// Lists of whole numbers by name, of JSON if there is any: the option of this name.
pub fn lists(json: Option<String>, option: &str) -> Result<BTreeMap<String, Vec<usize>>> {
    let Some(json) = json else { return Ok(BTreeMap::new()) };
    let size = |size: &Value| size.as_u64().and_then(|size| usize::try_from(size).ok());
    let shape = |(name, sizes): (String, Value)| {
        let sizes = sizes.as_array().and_then(|sizes| sizes.iter().map(size).collect());
        Ok((
            name.clone(),
            sizes.ok_or_else(|| Error::invalid(format!("`{option}`: no list of whole numbers")).at(name))?,
        ))
    };
    match serde_json::from_str(&json) {
        Ok(Value::Object(map)) => map.into_iter().map(shape).collect(),
        _ => Err(Error::invalid(format!("`{option}` are lists of whole numbers by name"))),
    }
}
