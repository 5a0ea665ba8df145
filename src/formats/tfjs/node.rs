//! A node of `modelTopology` and its attributes, as protobuf's JSON has them.

use super::json::Json;
use crate::error::{Error, Result};
use crate::shape::Padding;
use crate::tensor::DType;

/// A reference to a tensor: a node and which of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorRef<'a> {
    pub node: &'a str,
    pub output: usize,
}

impl<'a> TensorRef<'a> {
    /// `name`, `name:1` or `name:port:1`; `None` for a control input (`^name`) or nonsense.
    pub fn parse(text: &'a str) -> Option<TensorRef<'a>> {
        let (node, rest) = text.split_once(':').unwrap_or((text, "0"));
        let output = rest.rsplit(':').next().and_then(|n| n.parse().ok())?;
        (!node.is_empty() && !node.starts_with('^')).then_some(TensorRef { node, output })
    }
}

/// A node.
pub struct NodeDef<'a> {
    pub name: &'a str,
    pub op: &'a str,
    /// Data inputs; control inputs are left out, since every order that respects data is right for pure operations.
    pub inputs: Vec<TensorRef<'a>>,
    attributes: &'a Json,
}

impl<'a> NodeDef<'a> {
    pub fn parse(json: &'a Json) -> Result<NodeDef<'a>> {
        let text = |key| json.get(key).text().ok_or_else(|| Error::invalid(format!("a node has no {key:?}")));
        let (name, op) = (text("name")?, text("op")?);
        let mut inputs = Vec::new();
        for input in json.get("input").elements() {
            let input = input.text().ok_or_else(|| Error::invalid("an input is not a text").at(name))?;
            if input.starts_with('^') {
                continue;
            }
            let input = TensorRef::parse(input)
                .ok_or_else(|| Error::invalid(format!("{input:?} is not a reference to a tensor")).at(name))?;
            inputs.push(input);
        }
        Ok(NodeDef { name, op, inputs, attributes: json.get("attr") })
    }

    /// An attribute's value; `Null` if absent.
    pub fn attribute(&self, name: &str) -> &'a Json {
        self.attributes.get(name)
    }

    /// An integer, or the default.
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.attribute(name).get("i") {
            Json::Null => Ok(default),
            value => value.integer().ok_or_else(|| self.wrong(name, "an integer")),
        }
    }

    /// A number, or the default.
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        match self.attribute(name).get("f") {
            Json::Null => Ok(default),
            value => value.number().map(|n| n as f32).ok_or_else(|| self.wrong(name, "a number")),
        }
    }

    /// A boolean; false if absent.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.attribute(name).get("b") {
            Json::Null => Ok(false),
            value => value.flag().ok_or_else(|| self.wrong(name, "a boolean")),
        }
    }

    /// A text, if there is one.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.attribute(name).get("s") {
            Json::Null => Ok(None),
            value => bytes(value).map(Some).ok_or_else(|| self.wrong(name, "a text in base64")),
        }
    }

    /// A list of texts; empty if absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let list = self.attribute(name).get("list").get("s").elements();
        list.iter().map(bytes).collect::<Option<_>>().ok_or_else(|| self.wrong(name, "texts in base64"))
    }

    /// A list of integers; empty if absent.
    pub fn ints(&self, name: &str) -> Result<Vec<i64>> {
        let list = self.attribute(name).get("list").get("i").elements();
        list.iter().map(Json::integer).collect::<Option<_>>().ok_or_else(|| self.wrong(name, "integers"))
    }

    /// An element type and whether it stands for booleans; `None` if absent.
    pub fn dtype(&self, name: &str) -> Result<Option<(DType, bool)>> {
        let Some(text) = self.attribute(name).get("type").text() else { return Ok(None) };
        dtype(text).map(Some)
    }

    /// The padding of a window operation with this layout.
    pub fn padding(&self, nchw: bool) -> Result<Padding> {
        match self.text("padding")?.unwrap_or_default().as_str() {
            "SAME" => Ok(Padding::Same),
            "VALID" => Ok(Padding::Valid),
            "EXPLICIT" => {
                let list = self.ints("explicit_paddings")?;
                let list: Option<Vec<_>> = list.iter().map(|&n| usize::try_from(n).ok()).collect();
                let wrong = || self.wrong("explicit_paddings", "8 integers of at least 0, none for batch and channels");
                let list: [usize; 8] = list.and_then(|l| l.try_into().ok()).ok_or_else(wrong)?;
                let [n0, n1, a0, a1, b0, b1, c0, c1] = list;
                let (pads, others) = if nchw {
                    ([[b0, b1], [c0, c1]], [n0, n1, a0, a1])
                } else {
                    ([[a0, a1], [b0, b1]], [n0, n1, c0, c1])
                };
                if others == [0; 4] { Ok(Padding::Explicit(pads)) } else { Err(wrong()) }
            }
            other => Err(Error::invalid(format!("the padding is {other:?}; SAME, VALID or EXPLICIT"))),
        }
    }

    /// `[vertical, horizontal]` of a list over batch, height, width and channels; 1 if absent.
    pub fn window(&self, name: &str, nchw: bool) -> Result<[usize; 2]> {
        let list = self.ints(name)?;
        let (batch, y, x, channel) = match list[..] {
            [] => return Ok([1, 1]),
            [n, c, y, x] if nchw => (n, y, x, c),
            [n, y, x, c] => (n, y, x, c),
            _ => return Err(self.wrong(name, "4 integers")),
        };
        if batch != 1 || channel != 1 {
            return Err(Error::unsupported(format!("{name} over batch or channels: {list:?}")));
        }
        let positive = |n: i64| usize::try_from(n).ok().filter(|&n| n > 0);
        let both = positive(y).zip(positive(x)).map(|(y, x)| [y, x]);
        both.ok_or_else(|| self.wrong(name, "integers of at least 1"))
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::invalid(format!("the attribute {name:?} must be {what}"))
    }
}

/// `DT_*` as an element type, and whether it stands for booleans.
pub fn dtype(text: &str) -> Result<(DType, bool)> {
    Ok(match text {
        "DT_FLOAT" | "DT_HALF" | "DT_BFLOAT16" | "DT_DOUBLE" => (DType::F32, false),
        "DT_INT32" | "DT_INT64" => (DType::I32, false),
        "DT_BOOL" => (DType::U8, true),
        "DT_UINT8" => (DType::U8, false),
        _ => return Err(Error::unsupported(format!("tensors of type {text}"))),
    })
}

/// Dimensions of a `tensorShape`; `None` where open (-1). `None` in all if even the rank is.
pub fn dims(shape: &Json) -> Result<Option<Vec<Option<usize>>>> {
    if shape.get("unknownRank").flag() == Some(true) || *shape == Json::Null {
        return Ok(None);
    }
    let dim = |d: &Json| match d.get("size") {
        // Protobuf leaves out zeros.
        Json::Null => Ok(Some(0)),
        size => match size.integer() {
            Some(-1) => Ok(None),
            Some(n) => {
                usize::try_from(n).map(Some).map_err(|_| Error::invalid(format!("a dimension of {n} is out of range")))
            }
            None => Err(Error::invalid("a dimension is not a whole number")),
        },
    };
    shape.get("dim").elements().iter().map(dim).collect::<Result<Vec<_>>>().map(Some)
}

/// Protobuf's bytes: base64, or a list of codes (early converters).
fn bytes(json: &Json) -> Option<String> {
    match json {
        Json::Text(text) => String::from_utf8(base64(text)?).ok(),
        Json::List(codes) => codes.iter().map(|c| char::from_u32(u32::try_from(c.integer()?).ok()?)).collect(),
        _ => None,
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        assert_eq!(TensorRef::parse("a/b"), Some(TensorRef { node: "a/b", output: 0 }));
        assert_eq!(TensorRef::parse("a:2"), Some(TensorRef { node: "a", output: 2 }));
        assert_eq!(TensorRef::parse("a:values:1"), Some(TensorRef { node: "a", output: 1 }));
        assert_eq!(TensorRef::parse("^a"), None);
        assert_eq!(TensorRef::parse("a:x"), None);
        assert_eq!(TensorRef::parse(""), None);
    }

    #[test]
    fn texts_are_base64_or_codes() {
        assert_eq!(bytes(&Json::Text("U0FNRQ==".into())).as_deref(), Some("SAME"));
        assert_eq!(bytes(&Json::Text("TkhXQw".into())).as_deref(), Some("NHWC"));
        let codes = [83.0, 65.0].map(Json::Number).to_vec();
        assert_eq!(bytes(&Json::List(codes)).as_deref(), Some("SA"));
        assert_eq!(bytes(&Json::Text("\u{e9}".into())), None);
        assert_eq!(bytes(&Json::List(vec![Json::Number(1e18)])), None);
    }
}
