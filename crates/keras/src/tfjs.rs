//! TensorFlow.js' weights manifest, read and written.

use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::file::Flat;
use crate::numbers::Number;

/// The parsed manifest: tensors in the concatenated weight files.
pub struct Manifest {
    pub(crate) tensors: Vec<Flat>,
    /// Paths of the weight files, relative to model.json, in order.
    pub files: Vec<String>,
    /// Bytes of all files together.
    pub bytes: usize,
}

/// What a weight file holds at most, as the converter cuts them.
const SHARD: usize = 4 << 20;

impl Manifest {
    /// Reads `weightsManifest` of a model.json; nothing is set aside by what it says.
    pub fn read(model: &Json) -> Result<Manifest> {
        let groups = model.get("weightsManifest").and_then(Json::as_array);
        let groups = groups.ok_or_else(|| Error::invalid("model.json has no weightsManifest"))?;
        let mut manifest = Manifest { tensors: Vec::new(), files: Vec::new(), bytes: 0 };
        for group in groups {
            let list = |key: &str| group.get(key).and_then(Json::as_array).into_iter().flatten();
            for path in list("paths") {
                let path = path.as_str().filter(|p| !p.is_empty());
                let path = path.ok_or_else(|| Error::invalid("a path of the weights manifest is no text"))?;
                manifest.files.push(path.to_string());
            }
            for entry in list("weights") {
                let name = entry.get("name").and_then(Json::as_str).unwrap_or_default();
                let flat = weight(name, entry, manifest.bytes).map_err(|e| e.at(format!("weight {name:?}")))?;
                let end = flat.bytes().and_then(|bytes| manifest.bytes.checked_add(bytes));
                manifest.bytes = end.ok_or_else(|| Error::resource("the weights are too large").at(name))?;
                manifest.tensors.push(flat);
            }
        }
        Ok(manifest)
    }

    /// Errors unless the weight files are as long together as the manifest says.
    pub fn check(&self, bytes: usize) -> Result<()> {
        if bytes == self.bytes {
            return Ok(());
        }
        let names = self.files.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
        Err(Error::mismatch(
            format!("the weight files ({names}) do not belong to this model.json, or are cut off"),
            format!("{} bytes in all", self.bytes),
            bytes,
        ))
    }
}

fn weight(name: &str, entry: &Json, start: usize) -> Result<Flat> {
    let dim = |d: &Json| d.as_u64().and_then(|n| usize::try_from(n).ok());
    let shape = entry.get("shape").and_then(Json::as_array).and_then(|dims| dims.iter().map(dim).collect());
    let shape: Vec<usize> = shape.ok_or_else(|| Error::invalid("the weight has no shape"))?;
    let dtype = entry.get("dtype").and_then(Json::as_str).unwrap_or_default();
    let integer = |bytes, signed| Number::Integer { bytes, signed };
    let plain = match dtype {
        "float32" => Number::Float32,
        "int32" => integer(4, true),
        "bool" | "uint8" => integer(1, false),
        _ => return Err(Error::unsupported(format!("weights of type {dtype:?}"))),
    };
    let (number, affine) = match entry.get("quantization").filter(|q| !q.is_null()) {
        None => (plain, None),
        Some(quantization) => {
            let number = |key: &str| {
                let value = quantization.get(key).and_then(Json::as_f64).map(|n| n as f32);
                value.ok_or_else(|| Error::invalid(format!("the quantization has no {key:?}")))
            };
            match quantization.get("dtype").and_then(Json::as_str).unwrap_or_default() {
                "float16" if dtype == "float32" => (Number::Float16, None),
                "uint8" => (integer(1, false), Some((number("scale")?, number("min")?))),
                "uint16" => (integer(2, false), Some((number("scale")?, number("min")?))),
                other => return Err(Error::unsupported(format!("{dtype} weights quantised as {other:?}"))),
            }
        }
    };
    Ok(Flat { name: name.to_string(), shape, number, affine, start })
}

/// A tensor to be written.
pub struct Weight<'a> {
    /// Its name in the file.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Elements in row-major order.
    pub values: &'a [f32],
}

/// The manifest of weights, and their files by path.
pub fn write(weights: &[Weight]) -> (Json, Vec<(String, Vec<u8>)>) {
    let bytes: Vec<u8> = weights.iter().flat_map(|w| w.values.iter().flat_map(|v| v.to_le_bytes())).collect();
    let shards: Vec<&[u8]> = bytes.chunks(SHARD).collect();
    let path = |i: usize| format!("group1-shard{}of{}.bin", i + 1, shards.len());
    let entry = |w: &Weight| json!({"name": w.name, "shape": w.shape, "dtype": "float32"});
    let files: Vec<(String, Vec<u8>)> = shards.iter().enumerate().map(|(i, s)| (path(i), s.to_vec())).collect();
    let paths: Vec<&String> = files.iter().map(|(path, _)| path).collect();
    let manifest = json!([{"paths": paths, "weights": weights.iter().map(entry).collect::<Vec<_>>()}]);
    (manifest, files)
}
