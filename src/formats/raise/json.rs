//! JSON as it is written here: text that is only ever put together. Trees of `serde_json` were 20 KB of wasm.

/// A value, written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json(String);

impl Json {
    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// No value.
    pub fn null() -> Json {
        Json("null".into())
    }

    /// A float. JSON has no infinity: it becomes a number that is one again as float32.
    pub fn number(x: f32) -> Json {
        if x.is_infinite() {
            return Json(if x > 0.0 { "1e39" } else { "-1e39" }.into());
        }
        Json(if x.is_nan() { "null".into() } else { x.to_string() })
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Json>) -> Json {
        let mut text = String::from("[");
        for Json(item) in items {
            separate(&mut text);
            text.push_str(&item);
        }
        text.push(']');
        Json(text)
    }

    /// A list of whole numbers.
    pub fn sizes(list: &[usize]) -> Json {
        Json::list(list.iter().map(|&n| n.into()))
    }

    /// A list of texts.
    pub fn names(list: &[String]) -> Json {
        Json::list(list.iter().map(|name| name.as_str().into()))
    }

    /// Names with values.
    pub fn object(fields: &[(&str, Json)]) -> Json {
        let mut text = String::from("{");
        for (name, value) in fields {
            separate(&mut text);
            quote(&mut text, name);
            text.push(':');
            text.push_str(&value.0);
        }
        text.push('}');
        Json(text)
    }
}

fn separate(text: &mut String) {
    if !text.ends_with(['[', '{']) {
        text.push(',');
    }
}

fn quote(text: &mut String, plain: &str) {
    text.push('"');
    for c in plain.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            // A name needs no others.
            '\0'..' ' => text.push(' '),
            _ => text.push(c),
        }
    }
    text.push('"');
}

impl From<&str> for Json {
    fn from(plain: &str) -> Json {
        let mut text = String::new();
        quote(&mut text, plain);
        Json(text)
    }
}

impl From<usize> for Json {
    fn from(n: usize) -> Json {
        Json(n.to_string())
    }
}

impl From<isize> for Json {
    fn from(n: isize) -> Json {
        Json(n.to_string())
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Json {
        Json(flag.to_string())
    }
}

/// What may be open is `null` then.
impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or_else(Json::null, T::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let list = Json::list([Json::number(0.1), Json::number(f32::NEG_INFINITY), Json::from(-3isize), Json::null()]);
        let names = Json::names(&["a \"quoted\\ name\n".to_string(), "b".into()]);
        let text =
            Json::object(&[("list", list), ("names", names), ("nothing", Json::object(&[])), ("yes", true.into())]);
        let parsed: serde_json::Value = serde_json::from_str(&text.into_text()).unwrap();
        assert_eq!(parsed["list"][0].as_f64().unwrap() as f32, 0.1);
        assert_eq!(parsed["list"][1].as_f64().unwrap() as f32, f32::NEG_INFINITY);
        assert_eq!(parsed["names"][0], "a \"quoted\\ name ");
        assert_eq!((&parsed["list"][3], &parsed["yes"]), (&serde_json::Value::Null, &serde_json::Value::Bool(true)));
    }
}
