//! What is in a model file, for the page (`Inspection`).

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::{convert, declared};
use crate::error::Result;
use crate::formats::{self, Format, ImportOptions, Inspection, Refusal};
use crate::vision::Detector;

/// Looks into a model file without its weights: `{ operators, unsupported, inputs, outputs, parameters, weightBytes, files,
/// detector }`. `input_shapes` are dimensions by name, as JSON.
#[wasm_bindgen]
pub fn inspect(
    format: &str,
    model: &[u8],
    outputs: Option<Vec<String>>,
    input_shapes: Option<String>,
) -> Result<JsValue, JsValue> {
    let look = || {
        let input_shapes = super::reading::lists(input_shapes, "inputShapes")?;
        let format = match format {
            "tfjs" => Format::TfjsJson,
            "tflite" => Format::Tflite,
            _ => Format::Onnx,
        };
        let options = ImportOptions { outputs, input_shapes, ..ImportOptions::default() };
        described(&formats::inspect(format, model, &options)?)
    };
    look().map_err(|e| convert::error(&e))
}

fn described(look: &Inspection) -> Result<JsValue> {
    let (inputs, outputs) = match &look.graph {
        Some(graph) => (declared::inputs(graph)?, declared::outputs(graph)?),
        None => (declared::of_file(&look.inputs)?, declared::of_file(&look.outputs)?),
    };
    let pairs = |list: &mut dyn Iterator<Item = (&String, usize)>| -> Array {
        list.map(|(name, n)| Array::of2(&name.as_str().into(), &(n as f64).into())).collect()
    };
    let refusal = |refusal: &Refusal| {
        convert::object(&[
            ("layer", refusal.node.as_str().into()),
            ("operator", refusal.operator.as_str().into()),
            ("reason", refusal.reason.as_str().into()),
        ])
    };
    let detector = look.outline().as_ref().and_then(Detector::recognise);
    convert::object(&[
        ("operators", pairs(&mut look.operators.iter().map(|(name, &n)| (name, n))).into()),
        ("unsupported", look.unsupported.iter().map(refusal).collect::<Result<Array>>()?.into()),
        ("inputs", inputs),
        ("outputs", outputs),
        ("parameters", (look.parameters as f64).into()),
        ("weightBytes", (look.weight_bytes as f64).into()),
        ("files", pairs(&mut look.files.iter().map(|(name, bytes)| (name, *bytes))).into()),
        ("detector", detector.map_or(JsValue::UNDEFINED, |detector| detector.name().into())),
    ])
}
