//! Keras' own model files, to and from [`Model`]s: `.keras`, `.h5`, `.weights.h5`, TensorFlow.js layers models.
//!
//! ```no_run
//! use striate::formats::keras::{self, WeightOptions};
//! # fn main() -> striate::Result<()> {
//! # let read = |path: &str| std::fs::read(path).unwrap();
//! let model = keras::load(read("digits.keras"))?;
//! let mut network = striate::zoo::build("ResNet50", &serde_json::json!({}))?;
//! let file = keras::open(read("resnet50.weights.h5"))?;
//! keras::load_weights(&mut network, &file, WeightOptions { skip_mismatch: true, ..Default::default() })?;
//! std::fs::write("digits-copy.keras", keras::save(&model)?).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! What is written where, the crate `striate-keras` knows; here are the bridges to models.

use serde_json::{Map, Value as Json};
use striate_keras::{Description, Export, Files, ModelFile, Reading, WeightInfo};

use crate::error::{Error, ErrorKind, Result};
use crate::layers::Model;
use crate::tensor::Tensor;

pub use striate_keras::{Format, Options as WeightOptions, Replace};

/// No stand-ins for custom layers.
pub const NO_CUSTOM_LAYERS: Replace<'static> = &|_, _| None;

impl From<striate_keras::Error> for Error {
    fn from(error: striate_keras::Error) -> Error {
        use striate_keras::ErrorKind as Theirs;
        let fields = error.fields();
        let mut ours = match (&fields.expected, &fields.received) {
            (Some(expected), Some(received)) => Error::mismatch(&fields.message, expected, received),
            _ => Error::new(
                match fields.kind {
                    Theirs::Invalid => ErrorKind::Invalid,
                    Theirs::Unsupported => ErrorKind::Unsupported,
                    Theirs::ShapeMismatch => ErrorKind::ShapeMismatch,
                    Theirs::Resource => ErrorKind::Resource,
                },
                &fields.message,
            ),
        };
        if let Some(layer) = &fields.layer {
            ours = ours.at(layer);
        }
        ours
    }
}

/// Reads a `.keras`, `.h5`, `.weights.h5` or safetensors file, for [`model`] and [`load_weights`].
pub fn open(bytes: Vec<u8>) -> Result<ModelFile> {
    Ok(ModelFile::read(bytes)?)
}

/// Reads a TensorFlow.js layers model: its `model.json`, and its weight files one behind the other.
pub fn open_tfjs(model_json: &[u8], weights: Vec<u8>) -> Result<ModelFile> {
    Ok(ModelFile::tfjs(model_json, weights)?)
}

/// The network of a file with its weights.
pub fn load(bytes: Vec<u8>) -> Result<Model> {
    model(&open(bytes)?, NO_CUSTOM_LAYERS)
}

/// The network of a file with its weights. `custom` tells what stands for a layer that Keras does not have: given its
/// class and configuration, the class and configuration of one that there is.
pub fn model(file: &ModelFile, custom: Replace) -> Result<Model> {
    let config = file.config().ok_or_else(|| {
        Error::invalid("the file has weights only; build the network, then load them into it with `load_weights`")
    })?;
    let reading = Reading { before_keras_3: file.before_keras_3(), replace: custom };
    let mut model = Model::from_json(&reading.model(config)?, true)?;
    load_weights(&mut model, file, WeightOptions::default())?;
    Ok(model)
}

/// Puts a file's weights into a network: by structure or by order, as Keras wrote the file, or by the names of layers.
/// Which layers were passed over, and why (with `skip_mismatch`). On an error the network is as it was.
pub fn load_weights(model: &mut Model, file: &ModelFile, options: WeightOptions) -> Result<Vec<(String, String)>> {
    let description = describe(model)?;
    let assigned = file.assign(&description, options)?;
    let mut tensors = Vec::new();
    for (weight, stored) in &assigned.pairs {
        let info = &description.weights[*weight];
        let values = file.floats(stored)?;
        tensors.push((&info.name, Tensor::f32(&info.shape[..], values)?));
    }
    for (name, tensor) in tensors {
        model.set_weight(name, tensor)?;
    }
    Ok(assigned.skipped)
}

/// A `.keras` file, as Keras 3 opens it.
pub fn save(model: &Model) -> Result<Vec<u8>> {
    export(model, |export| export.keras())
}

/// A `.weights.h5` file, as Keras 3 reads it.
pub fn save_weights(model: &Model) -> Result<Vec<u8>> {
    export(model, |export| export.weights_h5())
}

/// Safetensors under the weights' names, with Keras' configuration as metadata: [`load`] reads the network from it.
pub fn save_safetensors(model: &Model) -> Result<Vec<u8>> {
    export(model, |export| export.safetensors())
}

/// A TensorFlow.js layers model: `model.json` first, then its weight files.
pub fn save_tfjs(model: &Model) -> Result<Files> {
    export(model, |export| export.tfjs())
}

fn export<T>(model: &Model, write: impl FnOnce(&Export) -> striate_keras::Result<T>) -> Result<T> {
    let tensors = model.weights().iter().map(|w| model.weight(&w.name)).collect::<Result<Vec<_>>>()?;
    let values = tensors.iter().map(|tensor| tensor.as_f32()).collect::<Result<Vec<_>>>()?;
    let (json, description) = (Json::Object(model.to_json()), describe(model)?);
    Ok(write(&Export { model: &json, description: &description, values: &values })?)
}

fn describe(model: &Model) -> Result<Description> {
    let weight = |w: &crate::layers::Weight| WeightInfo {
        name: w.name.clone(),
        shape: w.spec.shape.clone(),
        trainable: model.is_trainable(w),
    };
    let json: Map<String, Json> = model.to_json();
    Ok(Description::new(&Json::Object(json), model.weights().iter().map(weight).collect())?)
}
