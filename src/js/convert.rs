//! Plain JavaScript values to and from this crate's.

use js_sys::{Array, Float32Array, Int32Array, Object, Reflect, Uint8Array, Uint8ClampedArray};
use wasm_bindgen::{JsCast, JsValue};

pub use super::plain::{error, object};
use crate::error::{Error, Result};
use crate::graph::{Graph, Input};
use crate::tensor::{Data, Tensor};

/// The largest size of an axis that memory could hold.
const MAX_SIZE: f64 = u32::MAX as f64;

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

fn dims(shape: JsValue) -> Result<Vec<usize>> {
    let size = |size: JsValue| {
        let whole = size.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=MAX_SIZE).contains(n));
        whole.map(|n| n as usize).ok_or_else(|| Error::invalid("a shape is a list of whole numbers"))
    };
    match shape.dyn_ref::<Array>() {
        Some(list) => list.iter().map(size).collect(),
        None => Err(Error::invalid("a shape is a list of whole numbers")),
    }
}

fn elements(data: &JsValue) -> Result<Data> {
    if let Some(array) = data.dyn_ref::<Float32Array>() {
        return Ok(Data::F32(array.to_vec()));
    }
    if let Some(array) = data.dyn_ref::<Int32Array>() {
        return Ok(Data::I32(array.to_vec()));
    }
    if let Some(array) = data.dyn_ref::<Uint8Array>() {
        return Ok(Data::U8(array.to_vec()));
    }
    if let Some(array) = data.dyn_ref::<Uint8ClampedArray>() {
        return Ok(Data::U8(array.to_vec()));
    }
    Err(Error::invalid("tensor data is a Float32Array, Int32Array, Uint8Array or Uint8ClampedArray"))
}

/// Tensors of `({ data, shape } | undefined)[]`.
pub fn given(list: &Array) -> Result<Vec<Option<Tensor>>> {
    let tensor = |value: JsValue| -> Result<Option<Tensor>> {
        if value.is_undefined() {
            return Ok(None);
        }
        let get = |key| Reflect::get(&value, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED);
        Tensor::new(dims(get("shape"))?, elements(&get("data"))?).map(Some)
    };
    list.iter().map(tensor).collect()
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
pub fn parse(json: &str) -> Result<serde_json::Value> {
    serde_json::from_str(json).map_err(|e| Error::invalid(format!("what arrived is not JSON: {e}")))
}
