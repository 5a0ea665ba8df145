//! Tensors that JavaScript hands over.

#[cfg(any(feature = "models", feature = "augment"))]
use js_sys::Reflect;
use js_sys::{Array, Float32Array, Int32Array, Uint8Array, Uint8ClampedArray};
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Error, Result};
use crate::tensor::Data;
#[cfg(any(feature = "models", feature = "augment"))]
use crate::tensor::Tensor;

/// The largest size of an axis that memory could hold.
const MAX_SIZE: f64 = u32::MAX as f64;

/// A shape.
pub fn dims(shape: JsValue) -> Result<Vec<usize>> {
    let size = |size: JsValue| {
        let whole = size.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=MAX_SIZE).contains(n));
        whole.map(|n| n as usize).ok_or_else(|| Error::invalid("a shape is a list of whole numbers"))
    };
    match shape.dyn_ref::<Array>() {
        Some(list) => list.iter().map(size).collect(),
        None => Err(Error::invalid("a shape is a list of whole numbers")),
    }
}

/// The elements of a typed array.
pub fn elements(data: &JsValue) -> Result<Data> {
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
#[cfg(any(feature = "models", feature = "augment"))]
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
