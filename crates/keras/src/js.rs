//! The module of the web: what the npm package calls when a page opens or saves one of Keras' files. It is fetched only
//! then; engines know nothing of it, and what passes between the two are JSON and the numbers of weights.

use js_sys::{Array, Float32Array, JsString, Object, Reflect, Uint8Array};
use serde_json::{Map, Value as Json, json};
use wasm_bindgen::prelude::*;

use crate::torch::{self, Checkpoint, Order};
use crate::{Assigned, Description, Error, Export, Files, Manifest, ModelFile, Options, Reading, Result, WeightInfo};

/// An error as a plain object (`ErrorFields` of TypeScript); its message is the whole sentence.
fn thrown(error: Error) -> JsValue {
    let object = Object::new();
    let fields = error.fields();
    let set = |key: &str, value: &str| {
        // A plain object takes any member.
        let _ = Reflect::set(&object, &key.into(), &value.into());
    };
    set("code", fields.kind.code());
    set("message", &error.to_string());
    for (key, value) in [("layer", &fields.layer), ("expected", &fields.expected), ("received", &fields.received)] {
        if let Some(value) = value {
            set(key, value);
        }
    }
    object.into()
}

fn no_checkpoint() -> Error {
    Error::invalid("no network was named for the tensors")
}

fn parse(text: &str) -> Result<Json> {
    crate::file::json("the description", text.as_bytes())
}

/// A built network, from the engine's own description of it.
fn description(model: &Json, weights: &str) -> Result<Description> {
    let wrong = || Error::invalid("weights are described by name, shape and trainable");
    let weight = |w: &Json| {
        let size = |d: &Json| d.as_u64().map(|n| n as usize);
        Some(WeightInfo {
            name: w.get("name")?.as_str()?.to_string(),
            shape: w.get("shape")?.as_array()?.iter().map(size).collect::<Option<_>>()?,
            trainable: w.get("trainable")?.as_bool()?,
        })
    };
    let weights = parse(weights)?;
    let weights = weights.as_array().ok_or_else(wrong)?;
    let weights: Option<Vec<WeightInfo>> = weights.iter().map(weight).collect();
    Description::new(model, weights.ok_or_else(wrong)?)
}

/// The weight files that a TensorFlow.js layers model names, in order.
#[wasm_bindgen(js_name = tfjsFiles)]
pub fn tfjs_files(model_json: &[u8]) -> std::result::Result<Vec<String>, JsValue> {
    let files = || Ok(Manifest::read(&crate::file::json("model.json", model_json)?)?.files);
    files().map_err(thrown)
}

/// An open file.
#[wasm_bindgen]
pub struct KerasFile {
    file: ModelFile,
    assigned: Assigned,
    /// What its tensors are of, if they are PyTorch's.
    checkpoint: Option<Checkpoint>,
    /// How the numbers of tensors of PyTorch are wanted.
    orders: Vec<Order>,
}

#[wasm_bindgen]
impl KerasFile {
    /// Opens a `.keras`, `.h5`, `.weights.h5` or safetensors file.
    pub fn open(bytes: Vec<u8>) -> std::result::Result<KerasFile, JsValue> {
        let file = ModelFile::read(bytes).map_err(thrown)?;
        Ok(KerasFile::new(file))
    }

    /// Opens a TensorFlow.js layers model: `model.json`, and its weight files one behind the other.
    #[wasm_bindgen(js_name = openTfjs)]
    pub fn open_tfjs(model_json: &[u8], weights: Vec<u8>) -> std::result::Result<KerasFile, JsValue> {
        let file = ModelFile::tfjs(model_json, weights).map_err(thrown)?;
        Ok(KerasFile::new(file))
    }

    /// Opens the `model.json` of a TensorFlow.js layers model alone: its weights have no numbers.
    pub fn sketch(model_json: &[u8]) -> std::result::Result<KerasFile, JsValue> {
        let file = ModelFile::sketch(model_json).map_err(thrown)?;
        Ok(KerasFile::new(file))
    }

    /// Whether there is a network in it, and not only weights.
    #[wasm_bindgen(js_name = hasModel)]
    pub fn has_model(&self) -> bool {
        self.file.config().is_some()
    }

    /// Elements of all weights, and their bytes.
    pub fn totals(&self) -> Vec<f64> {
        let (elements, bytes) = self.file.totals();
        vec![elements as f64, bytes as f64]
    }

    /// The layers of these classes in the file's network, as JSON: `{class, config}[]`.
    pub fn layers(&self, classes: Vec<String>) -> std::result::Result<String, JsValue> {
        let found = std::cell::RefCell::new(Vec::new());
        let note = |class: &str, config: &Map<String, Json>| {
            if classes.iter().any(|known| known == class) {
                found.borrow_mut().push(json!({"class": class, "config": config}));
            }
            None
        };
        self.reading(&note).map_err(thrown)?;
        Ok(Json::Array(found.into_inner()).to_string())
    }

    /// The file's network as the engine's JSON. `stand_ins` say as JSON what stands for custom layers:
    /// `{class, config, by: {class, config}}[]`.
    pub fn model(&self, stand_ins: &str) -> std::result::Result<String, JsValue> {
        let read = || {
            let stand_ins = parse(stand_ins)?;
            let replace = |class: &str, config: &Map<String, Json>| {
                let fits = |s: &&Json| s["class"] == class && s["config"].as_object() == Some(config);
                let by = &stand_ins.as_array()?.iter().find(fits)?["by"];
                Some((by["class"].as_str()?.to_string(), by["config"].as_object().cloned().unwrap_or_default()))
            };
            let mut model = self.reading(&replace)?;
            // Files of other versions have arguments that no layer knows.
            model["lenient"] = json!(true);
            Ok(model.to_string())
        };
        read().map_err(thrown)
    }

    /// Finds out which tensor of the file goes into which weight of a network, described by its JSON and its weights'.
    /// How many there are; the numbers come by [`KerasFile::values`].
    pub fn assign(
        &mut self,
        model: &str,
        weights: &str,
        by_name: bool,
        skip_mismatch: bool,
    ) -> std::result::Result<usize, JsValue> {
        let assign = || {
            let description = description(&parse(model)?, weights)?;
            self.file.assign(&description, Options { by_name, skip_mismatch })
        };
        self.assigned = assign().map_err(thrown)?;
        self.orders.clear();
        Ok(self.assigned.pairs.len())
    }

    /// Of a file with tensors of PyTorch: the options, as JSON, that the zoo builds the network `name` with to be given them.
    pub fn torch(&mut self, name: &str, options: &str) -> std::result::Result<Option<String>, JsValue> {
        let mut torch = || {
            let tensors = self.file.named();
            if self.file.config().is_some() || !torch::names_are_torch(tensors.iter().map(|t| t.name.as_str())) {
                return Ok(None);
            }
            let named = tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice()));
            let mut checkpoint = Checkpoint::new(name, named)?;
            let options = checkpoint.options(&parse(options)?)?.to_string();
            self.checkpoint = Some(checkpoint);
            Ok(Some(options))
        };
        torch().map_err(thrown)
    }

    /// The zoo's network, as the engine's JSON, as PyTorch has it; [`KerasFile::torch`] comes before.
    pub fn adapt(&self, network: &str) -> std::result::Result<String, JsValue> {
        let adapt = || {
            let mut network = parse(network)?;
            let map = network.as_object_mut().ok_or_else(|| Error::invalid("a network is an object"))?;
            self.checkpoint.as_ref().ok_or_else(no_checkpoint)?.adapt(map)?;
            Ok(network.to_string())
        };
        adapt().map_err(thrown)
    }

    /// As [`KerasFile::assign`], of tensors of PyTorch for the adapted network.
    #[wasm_bindgen(js_name = assignTorch)]
    pub fn assign_torch(&mut self, model: &str, weights: &str) -> std::result::Result<usize, JsValue> {
        let assign = || {
            let model = parse(model)?;
            let weights = description(&model, weights)?.weights;
            let placed = self.checkpoint.as_ref().ok_or_else(no_checkpoint)?.place(&model, &weights)?;
            let tensors = self.file.named();
            let pairs = placed.iter().map(|p| (p.weight, tensors[p.tensor].clone())).collect();
            Ok((Assigned { pairs, skipped: Vec::new() }, placed.into_iter().map(|p| p.order).collect()))
        };
        (self.assigned, self.orders) = assign().map_err(thrown)?;
        Ok(self.assigned.pairs.len())
    }

    /// Which weight of the network (by position) the `i`-th found tensor is for.
    pub fn weight(&self, i: usize) -> Option<usize> {
        self.assigned.pairs.get(i).map(|(weight, _)| *weight)
    }

    /// The numbers of the `i`-th found tensor.
    pub fn values(&self, i: usize) -> std::result::Result<Float32Array, JsValue> {
        let pair = self.assigned.pairs.get(i).ok_or_else(|| Error::invalid("no such tensor"));
        let values = pair.and_then(|(_, stored)| self.file.floats(stored));
        let values = match self.orders.get(i) {
            Some(order) => values.and_then(|values| order.arrange(values)),
            None => values,
        };
        Ok(Float32Array::from(&values.map_err(thrown)?[..]))
    }

    /// Layers that were passed over, as JSON: `{layer, reason}[]`.
    pub fn skipped(&self) -> String {
        let skipped = self.assigned.skipped.iter();
        skipped.map(|(layer, reason)| json!({"layer": layer, "reason": reason})).collect::<Json>().to_string()
    }
}

impl KerasFile {
    fn new(file: ModelFile) -> KerasFile {
        KerasFile { file, assigned: Assigned::default(), checkpoint: None, orders: Vec::new() }
    }

    fn reading(&self, replace: crate::Replace) -> Result<Json> {
        let config = self.file.config().ok_or_else(|| {
            Error::invalid("the file has weights only: build the network, then load them into it with loadWeights()")
        })?;
        Reading { before_keras_3: self.file.before_keras_3(), replace }.model(config)
    }
}

/// Collects a network and its weights, then writes them.
#[wasm_bindgen]
pub struct KerasWriter {
    model: Json,
    description: Description,
    values: Vec<Vec<f32>>,
}

#[wasm_bindgen]
impl KerasWriter {
    /// For a network that is described by its JSON and its weights'.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &str, weights: &str) -> std::result::Result<KerasWriter, JsValue> {
        let new = || {
            let model = parse(model)?;
            let description = description(&model, weights)?;
            Ok(KerasWriter { model, description, values: Vec::new() })
        };
        new().map_err(thrown)
    }

    /// Takes the numbers of the next weight.
    pub fn add(&mut self, values: Vec<f32>) {
        self.values.push(values);
    }

    /// The files of a format, `[name, bytes][]`: `keras`, `weights.h5`, `safetensors` or `tfjs`.
    pub fn write(&self, format: &str) -> std::result::Result<Array, JsValue> {
        let values: Vec<&[f32]> = self.values.iter().map(Vec::as_slice).collect();
        let export = Export { model: &self.model, description: &self.description, values: &values };
        let one = |name: &str, bytes: Result<Vec<u8>>| -> Result<Files> { Ok(vec![(name.to_string(), bytes?)]) };
        let files = match format {
            "keras" => one("model.keras", export.keras()),
            "weights.h5" => one("model.weights.h5", export.weights_h5()),
            "safetensors" => one("model.safetensors", export.safetensors()),
            "tfjs" => export.tfjs(),
            other => Err(Error::mismatch("no such format", "keras, weights.h5, safetensors or tfjs", other)),
        };
        let entry = |(name, bytes): (String, Vec<u8>)| {
            Array::of2(&JsString::from(name.as_str()).into(), &Uint8Array::from(&bytes[..]).into())
        };
        Ok(files.map_err(thrown)?.into_iter().map(entry).collect())
    }
}
