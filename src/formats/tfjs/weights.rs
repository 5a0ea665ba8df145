//! The weights manifest: names, shapes, storage and places of the constants in the concatenated binary files.

use std::collections::HashMap;

use super::json::Json;
use crate::error::{Error, Result};
use crate::formats::{half, lower};
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor};

/// A binary file with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// Path, relative to model.json.
    pub path: String,
    /// Bytes it should have: exact for a group's only file, else the group's bytes as the converter cuts them (4 MiB
    /// a file), or evenly. The sum over a model is exact.
    pub bytes: usize,
}

/// What the converter puts into one file of a group by default.
const SHARD_BYTES: usize = 4 << 20;

/// How the elements of a weight are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Storage {
    F32,
    I32,
    /// Bytes, and booleans.
    U8,
    F16,
    /// `stored * scale + min`, rounded if the weight is an integer.
    Affine {
        bytes: usize,
        scale: f32,
        min: f32,
    },
}

impl Storage {
    fn size(self) -> usize {
        match self {
            Storage::F32 | Storage::I32 => 4,
            Storage::F16 => 2,
            Storage::U8 => 1,
            Storage::Affine { bytes, .. } => bytes,
        }
    }
}

struct Weight {
    shape: Shape,
    dtype: DType,
    storage: Storage,
    offset: usize,
}

/// The parsed manifest.
pub struct Manifest {
    weights: HashMap<String, Weight>,
    files: Vec<WeightFile>,
    bytes: usize,
}

impl Manifest {
    /// Reads `weightsManifest`; nothing is allocated by what it says.
    pub fn parse(manifest: &Json) -> Result<Manifest> {
        let Json::List(groups) = manifest else {
            return Err(Error::invalid("model.json has no weightsManifest: not a TensorFlow.js graph model"));
        };
        let (mut weights, mut files, mut offset) = (HashMap::new(), Vec::new(), 0usize);
        for (g, group) in groups.iter().enumerate() {
            let start = offset;
            for entry in group.get("weights").elements() {
                let name = entry.get("name").text().unwrap_or_default();
                let weight = parse_weight(entry, offset).map_err(|e| e.at(format!("weight {name:?}")))?;
                let bytes = weight.shape.elements() * weight.storage.size();
                offset = offset.checked_add(bytes).ok_or_else(|| Error::resource("the weights are too large"))?;
                if weights.insert(name.to_string(), weight).is_some() {
                    return Err(Error::invalid(format!("the weights manifest has {name:?} twice")));
                }
            }
            let paths = group.get("paths").elements();
            let path = |p: &Json| p.text().filter(|p| !p.is_empty()).map(str::to_string);
            let paths: Option<Vec<_>> = paths.iter().map(path).collect();
            let paths = paths.ok_or_else(|| {
                Error::invalid(format!("group {g} of the weights manifest has a path that is no text"))
            })?;
            if paths.is_empty() && offset > start {
                return Err(Error::invalid(format!("group {g} of the weights manifest names no file")));
            }
            let (total, count) = (offset - start, paths.len());
            let shard = if total.div_ceil(SHARD_BYTES) == count { SHARD_BYTES } else { total.div_ceil(count.max(1)) };
            let sizes = (0..count).map(|i| shard.min(total.saturating_sub(i.saturating_mul(shard))));
            files.extend(paths.into_iter().zip(sizes).map(|(path, bytes)| WeightFile { path, bytes }));
        }
        Ok(Manifest { weights, files, bytes: offset })
    }

    /// The binary files, in the order in which they are to be concatenated.
    pub fn files(&self) -> &[WeightFile] {
        &self.files
    }

    /// Elements of the weights that are reals, and the bytes of all.
    pub fn totals(&self) -> (usize, usize) {
        let reals = self.weights.values().filter(|weight| weight.dtype == DType::F32);
        (reals.map(|weight| weight.shape.elements()).sum(), self.bytes)
    }

    /// Errors unless the concatenated files have the size that the manifest declares.
    pub fn check(&self, weights: &[u8]) -> Result<()> {
        if weights.len() == self.bytes {
            return Ok(());
        }
        let names: Vec<_> = self.files.iter().take(8).map(|f| f.path.as_str()).collect();
        Err(Error::mismatch(
            format!("the weight files ({}) do not belong to this model.json, or are cut off", names.join(", ")),
            format!("{} bytes in all", self.bytes),
            weights.len(),
        ))
    }

    /// Decodes one weight out of the concatenated files, which must have passed [`Manifest::check`].
    pub fn tensor(&self, name: &str, weights: &[u8]) -> Result<Tensor> {
        let weight = self
            .weights
            .get(name)
            .ok_or_else(|| Error::invalid("this constant is not in the weights manifest; model.json is incomplete"))?;
        let n = weight.shape.elements();
        let end = weight.offset + n * weight.storage.size();
        let bytes = weights.get(weight.offset..end).ok_or_else(|| Error::invalid("the weights are cut off"))?;
        Tensor::new(weight.shape.clone(), decode(weight, bytes))
    }
}

fn parse_weight(entry: &Json, offset: usize) -> Result<Weight> {
    let Json::List(dims) = entry.get("shape") else { return Err(Error::invalid("the weight has no shape")) };
    let dim = |d: &Json| d.integer().and_then(|n| usize::try_from(n).ok());
    let dims = dims.iter().map(dim).collect::<Option<Vec<_>>>();
    let dims = dims.ok_or_else(|| Error::invalid("a dimension is not a whole number of at least 0"))?;
    lower::check_rank(&dims)?;
    let shape = Shape::checked(dims)?;
    let name = entry.get("dtype").text().unwrap_or_default();
    let (dtype, plain) = match name {
        "float32" => (DType::F32, Storage::F32),
        // The converter narrows int64 to int32 and still says so here.
        "int32" => (DType::I32, Storage::I32),
        "bool" | "uint8" => (DType::U8, Storage::U8),
        _ => return Err(Error::unsupported(format!("weights of type {name:?}"))),
    };
    let storage = match entry.get("quantization") {
        Json::Null => plain,
        quantization => match quantization.get("dtype").text().unwrap_or_default() {
            "float16" if dtype == DType::F32 => Storage::F16,
            stored @ ("uint8" | "uint16") if dtype != DType::U8 => {
                let number = |key| {
                    let value = quantization.get(key).number().map(|n| n as f32);
                    value.ok_or_else(|| Error::invalid(format!("the quantization has no {key:?}")))
                };
                let bytes = if stored == "uint8" { 1 } else { 2 };
                Storage::Affine { bytes, scale: number("scale")?, min: number("min")? }
            }
            stored => return Err(Error::unsupported(format!("{name} weights quantised as {stored:?}"))),
        },
    };
    Ok(Weight { shape, dtype, storage, offset })
}

fn decode(weight: &Weight, bytes: &[u8]) -> Data {
    let quantised = |scale: f32, min: f32| {
        let value = move |q: u16| q as f32 * scale + min;
        let wide = weight.storage.size() == 2;
        let values: Vec<f32> = if wide {
            bytes.chunks_exact(2).map(|b| value(u16::from_le_bytes([b[0], b[1]]))).collect()
        } else {
            bytes.iter().map(|&b| value(b as u16)).collect()
        };
        match weight.dtype {
            DType::I32 => Data::I32(values.into_iter().map(|v| v.round() as i32).collect()),
            _ => Data::F32(values),
        }
    };
    match weight.storage {
        Storage::F32 => Data::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Storage::I32 => Data::I32(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
        Storage::U8 => Data::U8(bytes.to_vec()),
        Storage::F16 => Data::F32(half::widen(bytes)),
        Storage::Affine { scale, min, .. } => quantised(scale, min),
    }
}
