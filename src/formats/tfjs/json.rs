//! JSON as a tree that keeps the order of objects: the order of a signature's outputs is the order of results.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};

/// Larger texts are refused: real topologies have a few megabytes at most, and the tree takes several times its text.
const MAX_BYTES: usize = 64 << 20;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a document; nesting is limited to 128 levels (by serde_json).
    pub fn parse(text: &[u8]) -> Result<Json> {
        if text.len() > MAX_BYTES {
            return Err(Error::resource(format!("model.json has {} bytes; at most {MAX_BYTES}", text.len())));
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        serde_json::from_slice(text).map_err(|e| Error::invalid(format!("model.json is not valid JSON: {e}")))
    }

    /// The member of an object; `Null` where there is none.
    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(members) => members.iter().find(|(k, _)| k == key).map_or(&Json::Null, |(_, v)| v),
            _ => &Json::Null,
        }
    }

    /// An object's members in order; none for anything else.
    pub fn members(&self) -> &[(String, Json)] {
        if let Json::Object(members) = self { members } else { &[] }
    }

    /// A list's elements; none for anything else.
    pub fn elements(&self) -> &[Json] {
        if let Json::List(elements) = self { elements } else { &[] }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// The number, also when written as text (protobuf writes 64-bit integers, infinities and NaN so).
    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Number(n) => Some(*n),
            Json::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The number, if it is a whole one that fits.
    pub fn integer(&self) -> Option<i64> {
        self.number().filter(|n| n.fract() == 0.0 && n.abs() < 9e18).map(|n| n as i64)
    }

    /// The boolean, if it is one.
    pub fn flag(&self) -> Option<bool> {
        if let Json::Bool(flag) = self { Some(*flag) } else { None }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Json::List(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_their_order() {
        let json = Json::parse(br#" {"b": 1, "a": [true, null, "2", -1.5e1], "c": {}} "#).unwrap();
        assert_eq!(json.members().iter().map(|(k, _)| &k[..]).collect::<Vec<_>>(), ["b", "a", "c"]);
        let list = json.get("a").elements();
        assert_eq!((list[0].flag(), list[2].integer(), list[3].number()), (Some(true), Some(2), Some(-15.0)));
        assert_eq!(json.get("a").get("x"), &Json::Null);
        assert_eq!(Json::Number(1.5).integer(), None);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = "[".repeat(100_000);
        assert!(Json::parse(text.as_bytes()).is_err());
    }
}
