//! Plain JavaScript values to and from this crate's.

use js_sys::{Array, Float32Array, Int32Array, Object, Reflect, Uint8Array, Uint8ClampedArray};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Error, Result};
use crate::graph::{Graph, Input, Output, Types};
use crate::tensor::{DType, Data, Tensor, TensorType};

/// The fields that cross to TypeScript (`ErrorFields`).
#[derive(Serialize)]
struct Fields<'a> {
    code: &'static str,
    message: String,
    layer: Option<&'a str>,
    expected: Option<&'a str>,
    received: Option<&'a str>,
}

/// An error as a plain object; its message is the whole sentence.
pub fn error(error: &Error) -> JsValue {
    value(&Fields {
        code: error.kind().code(),
        message: error.to_string(),
        layer: error.layer(),
        expected: error.expected(),
        received: error.received(),
    })
    .unwrap_or_else(|_| JsValue::from_str(error.message()))
}

/// A plain object of something serialisable.
pub fn value(from: &impl Serialize) -> Result<JsValue> {
    serde_wasm_bindgen::to_value(from).map_err(|e| Error::invalid(e.to_string()))
}

/// A struct of a plain object; `undefined` is the default.
pub fn options<T: DeserializeOwned + Default>(from: JsValue) -> Result<T> {
    if from.is_undefined() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(from).map_err(|e| Error::invalid(format!("wrong options: {e}")))
}

/// A declared input or output (`TensorInfo`).
#[derive(Serialize)]
pub struct Info<'a> {
    name: &'a str,
    dtype: &'static str,
    shape: Vec<Option<usize>>,
}

/// `TensorInfo[]` for the declared inputs. An open dimension is `null`.
pub fn inputs(graph: &Graph) -> Result<JsValue> {
    let info = |input: &Input| Info {
        name: &graph.values()[input.value.index()].name,
        dtype: input.dtype.name(),
        shape: input.dims.clone(),
    };
    infos(graph.inputs().iter().map(info).collect())
}

/// `TensorInfo[]` for the outputs: dimensions that follow the inputs' open ones are open too, and the shape is empty
/// where no usual size fits.
pub fn outputs(graph: &Graph) -> Result<JsValue> {
    // Two sizes for what is open: the dimensions that come out different depend on it. A batch may be anything; an
    // image has to be large enough for the network.
    let both = |[a, b]: [usize; 2]| Some((open_as(graph, a)?, open_as(graph, b)?));
    let types = [[1, 2], [256, 224], [1, 1]].into_iter().find_map(both);
    let info = |output| info(output, types.as_ref());
    infos(graph.outputs().iter().map(info).collect())
}

fn info<'a>(output: &'a Output, types: Option<&(Types, Types)>) -> Info<'a> {
    let Some((a, b)) = types.map(|(a, b)| (&a[output.value], &b[output.value])) else {
        return Info { name: &output.name, dtype: DType::F32.name(), shape: Vec::new() };
    };
    let shape = a.shape.iter().zip(b.shape.iter()).map(|(a, b)| (a == b).then_some(*a)).collect();
    Info { name: &output.name, dtype: a.dtype.name(), shape }
}

/// The types with this size for every open dimension, if the network takes it.
fn open_as(graph: &Graph, size: usize) -> Option<Types> {
    let known = |i: &Input| TensorType::new(i.dtype, i.dims.iter().map(|d| d.unwrap_or(size)).collect::<Vec<_>>());
    graph.infer(&graph.inputs().iter().map(known).collect::<Vec<_>>()).ok()
}

fn infos(infos: Vec<Info>) -> Result<JsValue> {
    // `null` and not `undefined` for what is open: it survives JSON.
    infos
        .serialize(&serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(true))
        .map_err(|e| Error::invalid(e.to_string()))
}

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
    serde_wasm_bindgen::from_value(shape)
        .map_err(|e| Error::invalid(format!("a shape is a list of whole numbers: {e}")))
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

/// A plain object of ready values.
pub fn object(fields: &[(&str, JsValue)]) -> Result<JsValue> {
    let object = Object::new();
    for (key, value) in fields {
        Reflect::set(&object, &JsValue::from_str(key), value).map_err(|_| Error::invalid("a field cannot be set"))?;
    }
    Ok(object.into())
}
