//! Plain JavaScript objects: errors among them.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

use crate::error::{Error, Result};

/// An error as a plain object (`ErrorFields`); its message is the whole sentence.
pub fn error(error: &Error) -> JsValue {
    let text = |text: Option<&str>| text.map_or(JsValue::UNDEFINED, JsValue::from_str);
    object(&[
        ("code", error.kind().code().into()),
        ("message", error.to_string().into()),
        ("layer", text(error.layer())),
        ("expected", text(error.expected())),
        ("received", text(error.received())),
    ])
    .unwrap_or_else(|_| JsValue::from_str(error.message()))
}

/// A plain object of ready values.
pub fn object(fields: &[(&str, JsValue)]) -> Result<JsValue> {
    let object = Object::new();
    for (key, value) in fields {
        Reflect::set(&object, &JsValue::from_str(key), value).map_err(|_| Error::invalid("a field cannot be set"))?;
    }
    Ok(object.into())
}
