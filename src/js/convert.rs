//! Plain JavaScript values to and from this crate's.

use js_sys::{Array, Float32Array, Int32Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

#[cfg(feature = "models")]
pub use super::given::given;
use super::given::{dims, elements};
pub use super::plain::{error, object};
use crate::error::{Error, Result};
use crate::graph::{Graph, Input};
use crate::tensor::{Data, Tensor};

/// Tensors of `{ data, shape? }[]`, one for each input of the graph.
pub fn tensors(graph: &Graph, given: &Array) -> Result<Vec<Tensor>> {
    let declared = graph.inputs();
    if given.length() as usize != declared.len() {
        return Err(Error::mismatch("wrong number of inputs", declared.len(), given.length()));
    }
    declared.iter().zip(given.iter()).map(|(input, value)| tensor(graph, input, &value)).collect()
}

fn tensor(graph: &Graph, input: &Input, value: &JsValue) -> Result<Tensor> {
    let get = |key| Reflect::get(value, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED);
    let shape = match get("shape") {
        shape if shape.is_undefined() => input.dims.iter().map(|d| d.unwrap_or(1)).collect(),
        shape => dims(shape)?,
    };
    let name = &graph.values()[input.value.index()].name;
    Tensor::new(shape, elements(&get("data"))?).map_err(|e| e.at(name))
}

/// `TensorOutput[]` for the outputs of a graph.
pub fn results(graph: &Graph, tensors: &[Tensor]) -> Result<JsValue> {
    named(graph.outputs().iter().map(|output| output.name.as_str()), tensors)
}

/// `TensorOutput[]`: each with an array of its own, outside this instance's memory.
pub fn named<'a>(names: impl Iterator<Item = &'a str>, tensors: &[Tensor]) -> Result<JsValue> {
    let output = |(name, tensor): (&str, &Tensor)| -> Result<JsValue> {
        let data: Object = match tensor.data() {
            Data::F32(v) => Float32Array::from(v.as_slice()).into(),
            Data::I32(v) => Int32Array::from(v.as_slice()).into(),
            Data::U8(v) => Uint8Array::from(v.as_slice()).into(),
        };
        let shape: Array = tensor.shape().iter().map(|&d| JsValue::from_f64(d as f64)).collect();
        object(&[
            ("name", name.into()),
            ("dtype", tensor.dtype().name().into()),
            ("shape", shape.into()),
            ("data", data.into()),
        ])
    };
    let list = names.zip(tensors).map(output).collect::<Result<Array>>()?;
    Ok(list.into())
}

/// JSON that the TypeScript side wrote.
#[cfg(feature = "models")]
pub fn parse(json: &str) -> Result<serde_json::Value> {
    serde_json::from_str(json).map_err(|e| Error::invalid(format!("what arrived is not JSON: {e}")))
}
