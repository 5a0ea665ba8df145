//! Files with a network or with weights: what is in them, and where.

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::hdf5::{self, Group, Member};
use crate::numbers::{self, Number};
use crate::tfjs::Manifest;
use crate::zip::{self, Archive};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Keras 3's `.keras`, or `.weights.h5`: weights by the network's structure.
    Structure,
    /// The older `.h5`: weights by layers' names, of Keras 1 to 3.
    Layers,
    /// A TensorFlow.js layers model, or safetensors: weights by their names.
    Names,
}

/// A file that was read: a network's configuration, weights, or both.
pub struct ModelFile {
    format: Format,
    config: Option<Json>,
    keras_version: Option<String>,
    store: Store,
}

enum Store {
    /// With the group that the weights are in.
    Hdf5 {
        file: hdf5::File,
        prefix: &'static str,
    },
    Flat {
        bytes: Vec<u8>,
        tensors: Vec<Flat>,
    },
}

/// A tensor of concatenated ones.
pub(crate) struct Flat {
    pub name: String,
    pub shape: Vec<usize>,
    pub number: Number,
    /// `stored * scale + min`.
    pub affine: Option<(f32, f32)>,
    pub start: usize,
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What the file calls it.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Path(String),
    Index(usize),
}

/// A configuration or a manifest is at most this long.
const MAX_JSON: usize = 64 << 20;

/// Parses JSON; nesting is limited by the library.
pub(crate) fn json(what: &str, text: &[u8]) -> Result<Json> {
    if text.len() > MAX_JSON {
        return Err(Error::resource(format!("{what} has {} bytes; at most {MAX_JSON}", text.len())));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map_err(|e| Error::invalid(format!("{what} is not valid JSON: {e}")))
}

impl ModelFile {
    /// Reads a `.keras`, `.h5` or `.weights.h5` file, or safetensors.
    pub fn read(bytes: Vec<u8>) -> Result<ModelFile> {
        if bytes.starts_with(zip::SIGNATURE) {
            let archive = Archive::read(&bytes)?;
            let config = json("config.json", &archive.member(&bytes, "config.json")?)?;
            let metadata = archive.member(&bytes, "metadata.json").ok();
            let version = metadata.and_then(|text| json("metadata.json", &text).ok());
            let keras_version = version.and_then(|m| m.get("keras_version")?.as_str().map(str::to_string));
            let weights = archive.into_member(bytes, "model.weights.h5")?;
            let file = hdf5::File::read(weights).map_err(|e| e.inside("model.weights.h5"))?;
            let store = Store::Hdf5 { file, prefix: "" };
            return Ok(ModelFile { format: Format::Structure, config: Some(config), keras_version, store });
        }
        // A safetensors file begins with the length of its header, which begins with a brace.
        if bytes.get(8) == Some(&b'{') {
            return ModelFile::safetensors(bytes);
        }
        let file =
            hdf5::File::read(bytes).map_err(|e| if e.to_string().contains("signature") { unknown() } else { e })?;
        let root = file.root();
        let config = root.text("model_config").map(|text| json("model_config", text.as_bytes())).transpose()?;
        let keras_version = root.text("keras_version").map(str::to_string);
        let prefix = if root.group("model_weights").is_some() { "model_weights" } else { "" };
        let group = if prefix.is_empty() { root } else { root.group(prefix).unwrap_or(root) };
        let format = if texts(group, "layer_names").is_some() { Format::Layers } else { Format::Structure };
        Ok(ModelFile { format, config, keras_version, store: Store::Hdf5 { file, prefix } })
    }

    /// Reads a TensorFlow.js layers model: `model.json`, and its weight files one behind the other.
    pub fn tfjs(model_json: &[u8], weights: Vec<u8>) -> Result<ModelFile> {
        ModelFile::read_tfjs(model_json, Some(weights))
    }

    /// Reads a `model.json` alone: what network it is, and what weights belong to it, but none of their numbers.
    pub fn sketch(model_json: &[u8]) -> Result<ModelFile> {
        ModelFile::read_tfjs(model_json, None)
    }

    fn read_tfjs(model_json: &[u8], weights: Option<Vec<u8>>) -> Result<ModelFile> {
        let model = json("model.json", model_json)?;
        let topology = model.get("modelTopology").filter(|t| t.is_object());
        let topology = topology.ok_or_else(|| Error::invalid("model.json has no modelTopology"))?;
        if topology.get("node").is_some() {
            return Err(Error::unsupported("a TensorFlow.js graph model; it is read as a graph, not as layers"));
        }
        let config = topology.get("model_config").unwrap_or(topology).clone();
        // What TensorFlow.js wrote itself is Keras 2's in all that matters.
        let version = topology.get("keras_version").and_then(Json::as_str).unwrap_or("2").to_string();
        let manifest = Manifest::read(&model)?;
        if let Some(weights) = &weights {
            manifest.check(weights.len())?;
        }
        let store = Store::Flat { bytes: weights.unwrap_or_default(), tensors: manifest.tensors };
        Ok(ModelFile { format: Format::Names, config: Some(config), keras_version: Some(version), store })
    }

    fn safetensors(bytes: Vec<u8>) -> Result<ModelFile> {
        use safetensors::{Dtype, SafeTensors};
        let broken = |e: safetensors::SafeTensorError| Error::invalid(format!("a damaged safetensors file: {e}"));
        // The library checks the header's length, offsets, overlaps and sizes against the file.
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
        SafeTensors::deserialize(&bytes).map_err(broken)?;
        let mut tensors = Vec::new();
        for (name, info) in metadata.tensors() {
            let number = match info.dtype {
                Dtype::F32 => Number::Float32,
                Dtype::F16 => Number::Float16,
                Dtype::BF16 => Number::BFloat16,
                Dtype::F64 => Number::Float64,
                Dtype::I32 => Number::Integer { bytes: 4, signed: true },
                Dtype::I64 => Number::Integer { bytes: 8, signed: true },
                Dtype::U8 | Dtype::BOOL => Number::Integer { bytes: 1, signed: false },
                other => return Err(Error::unsupported(format!("{name}: tensors of type {other:?}"))),
            };
            let start = header + 8 + info.data_offsets.0;
            tensors.push(Flat { name, shape: info.shape.clone(), number, affine: None, start });
        }
        tensors.sort_by_key(|flat| flat.start);
        let config = metadata.metadata().as_ref().and_then(|m| m.get("keras_config"));
        let config = config.map(|text| json("keras_config", text.as_bytes())).transpose()?;
        let store = Store::Flat { bytes, tensors };
        Ok(ModelFile { format: Format::Names, config, keras_version: Some("3".into()), store })
    }

    /// What kind of file it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Keras' configuration of the network, if the file has one.
    pub fn config(&self) -> Option<&Json> {
        self.config.as_ref()
    }

    /// The file is of Keras 2 or older: some names meant other functions.
    pub fn before_keras_3(&self) -> bool {
        let old = |version: &str| version.split('.').next().and_then(|v| v.parse::<u32>().ok()).is_some_and(|v| v < 3);
        match &self.keras_version {
            Some(version) => old(version),
            // Keras 1 did not say.
            None => self.format == Format::Layers,
        }
    }

    /// The numbers of a tensor.
    pub fn floats(&self, stored: &Stored) -> Result<Vec<f32>> {
        let gone = || Error::invalid("a tensor of another file");
        let values = match (&self.store, &stored.place) {
            (Store::Hdf5 { file, .. }, Place::Path(path)) => file.floats(file.root().array(path).ok_or_else(gone)?),
            (Store::Flat { bytes, tensors }, Place::Index(index)) => {
                tensors.get(*index).ok_or_else(gone)?.floats(bytes)
            }
            _ => Err(gone()),
        };
        values.map_err(|e| e.at(&stored.name))
    }

    /// Elements of all weights, and their bytes as they are stored. What an optimizer kept beside them does not count.
    pub fn totals(&self) -> (usize, usize) {
        let add = |(n, bytes): (usize, usize), elements: usize, size: usize| {
            (n.saturating_add(elements), bytes.saturating_add(elements.saturating_mul(size)))
        };
        let count = |shape: &[usize]| shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        if let Store::Flat { tensors, .. } = &self.store {
            return tensors.iter().fold((0, 0), |sum, t| add(sum, count(&t.shape), t.number.size()));
        }
        let top = self.group().map_or(&[][..], |group| &group.members);
        let kept = top.iter().filter(|(name, _)| !name.starts_with("optimizer"));
        let (mut sum, mut open) = ((0, 0), kept.map(|(_, member)| member).collect::<Vec<_>>());
        while let Some(member) = open.pop() {
            match member {
                Member::Group(group) => open.extend(group.members.iter().map(|(_, member)| member)),
                Member::Array(array) => sum = add(sum, count(&array.shape), array.element_bytes()),
            }
        }
        sum
    }

    /// The group with the weights.
    pub(crate) fn group(&self) -> Option<&Group> {
        match &self.store {
            Store::Hdf5 { file, prefix: "" } => Some(file.root()),
            Store::Hdf5 { file, prefix } => file.root().group(prefix),
            Store::Flat { .. } => None,
        }
    }

    /// An array of an HDF5 file by its path from the group with the weights.
    pub(crate) fn array(&self, path: &str) -> Option<Stored> {
        let Store::Hdf5 { prefix, .. } = &self.store else { return None };
        let array = self.group()?.array(path)?;
        let full = if prefix.is_empty() { path.to_string() } else { format!("{prefix}/{path}") };
        Some(Stored { name: path.to_string(), shape: array.shape.clone(), place: Place::Path(full) })
    }

    /// The tensors of a file that has them by name.
    pub(crate) fn named(&self) -> Vec<Stored> {
        let Store::Flat { tensors, .. } = &self.store else { return Vec::new() };
        let stored = |(index, flat): (usize, &Flat)| Stored {
            name: flat.name.clone(),
            shape: flat.shape.clone(),
            place: Place::Index(index),
        };
        tensors.iter().enumerate().map(stored).collect()
    }
}

impl Flat {
    /// Bytes, unless there are more than any memory has.
    pub fn bytes(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.number.size(), |n, &d| n.checked_mul(d))
    }

    fn floats(&self, bytes: &[u8]) -> Result<Vec<f32>> {
        let end = self.bytes().and_then(|n| self.start.checked_add(n));
        let bytes = end.and_then(|end| bytes.get(self.start..end)).ok_or_else(|| Error::invalid("cut off"))?;
        let mut values = numbers::floats(self.number, bytes)?;
        if let Some((scale, min)) = self.affine {
            values.iter_mut().for_each(|v| *v = *v * scale + min);
        }
        Ok(values)
    }
}

fn unknown() -> Error {
    Error::invalid("not a model file: neither .keras (a zip archive), nor .h5 (HDF5), nor safetensors")
}

/// The texts of an attribute, which Keras splits over several (`layer_names0`, `layer_names1` ...) if they are long.
pub(crate) fn texts<'a>(group: &'a Group, name: &str) -> Option<Vec<&'a str>> {
    if let Some(texts) = group.texts(name) {
        return Some(texts.iter().map(String::as_str).collect());
    }
    let parts = (0..).map_while(|i| group.texts(&format!("{name}{i}")));
    let all: Vec<&str> = parts.flatten().map(String::as_str).collect();
    (!all.is_empty()).then_some(all)
}
