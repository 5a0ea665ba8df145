//! Saved models: every file of a network gives the same weights and outputs, and what is written of it does, too.

use serde_json::{Value as Json, json};

use super::set::{Check, Outcome, Set};
use super::{Backend, network};
use crate::error::{Error, Result};
use crate::formats::keras::{self, WeightOptions};
use crate::layers::Model;

pub(super) fn run(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let inputs = set.list(&case["inputs"])?;
    let empty = serde_json::Map::new();
    for (kind, path) in case["paths"].as_object().unwrap_or(&empty) {
        let path = path.as_str().unwrap_or_default();
        let model = open(set, case, kind, path, outcome).map_err(|e| Error::invalid(format!("{path}: {e}")))?;
        let trained = kind.contains("optimizer");
        for (name, entry) in case["weights"].as_object().unwrap_or(&empty).iter().filter(|_| !trained) {
            if *model.weight(name)? != *set.tensor(entry)? {
                outcome.fail(format!("{path}: {name} has other values"));
            }
        }
        let results = backend.run(&model.graph()?, &inputs)?;
        let wanted = if trained { &case["trained_outputs"] } else { &case["outputs"] };
        let wanted = wanted.as_array().map_or(&[][..], Vec::as_slice);
        if wanted.is_empty() || wanted.len() != results.len() {
            outcome.fail(format!("{path}: {} outputs instead of {}", results.len(), wanted.len()));
        }
        for (i, (got, entry)) in results.iter().zip(wanted).enumerate() {
            outcome.compare(Check::Forward, set, backend, &format!("{path}: output {i}"), got, entry)?;
        }
        written_again(&model, path, outcome)?;
    }
    Ok(())
}

/// The network of a file. Files of weights go into a network that is built by the case's list of layers.
fn open(set: &Set, case: &Json, kind: &str, path: &str, outcome: &mut Outcome) -> Result<Model> {
    let read =
        |path: &std::path::Path| std::fs::read(path).map_err(|e| Error::invalid(format!("{}: {e}", path.display())));
    let place = set.path(path);
    let file = if kind.starts_with("tfjs") {
        let json = read(&place)?;
        let paths: Json = serde_json::from_slice(&json).map_err(|e| Error::invalid(e.to_string()))?;
        let mut weights = Vec::new();
        for shard in paths["weightsManifest"][0]["paths"].as_array().into_iter().flatten() {
            weights.extend(read(&place.with_file_name(shard.as_str().unwrap_or_default()))?);
        }
        keras::open_tfjs(&json, weights)?
    } else {
        keras::open(read(&place)?)?
    };
    if file.config().is_some() {
        return keras::model(&file, keras::NO_CUSTOM_LAYERS);
    }
    let built = |outcome: &mut Outcome| match case["op"].as_str() {
        // The list of layers is functional; a file of a Sequential model has no group for its input.
        Some("sequential") => Model::from_json(&json!({"class": "Sequential", "layers": plain(&case["graph"])}), false),
        _ => network::model(&case["graph"], &case["graph_outputs"], outcome),
    };
    let mut by_order = built(outcome)?;
    keras::load_weights(&mut by_order, &file, WeightOptions::default())?;
    let mut by_name = built(outcome)?;
    keras::load_weights(&mut by_name, &file, WeightOptions { by_name: true, ..Default::default() })?;
    if !same_weights(&by_order, &by_name)? {
        outcome.fail(format!("{path}: by name it gives other weights than by order"));
    }
    Ok(by_order)
}

/// Layers without what they take.
fn plain(graph: &Json) -> Json {
    let layers = graph.as_array().into_iter().flatten();
    layers.map(|l| json!({"name": l["name"], "class": l["class"], "config": l["config"]})).collect()
}

/// Every format that is written is read again as the same network.
fn written_again(model: &Model, path: &str, outcome: &mut Outcome) -> Result<()> {
    let mut tfjs = keras::save_tfjs(model)?.into_iter();
    let (_, json) = tfjs.next().unwrap_or_default();
    let shards = tfjs.flat_map(|(_, bytes)| bytes).collect();
    let copies = [
        ("keras", keras::load(keras::save(model)?)?),
        ("safetensors", keras::load(keras::save_safetensors(model)?)?),
        ("tfjs", keras::model(&keras::open_tfjs(&json, shards)?, keras::NO_CUSTOM_LAYERS)?),
    ];
    for (format, copy) in copies {
        if copy.to_json() != model.to_json() {
            outcome.fail(format!("{path}: written as {format} it is another network"));
        }
        if !same_weights(model, &copy)? {
            outcome.fail(format!("{path}: written as {format} it has other weights"));
        }
    }
    Ok(())
}

fn same_weights(a: &Model, b: &Model) -> Result<bool> {
    let mut same = a.weights().len() == b.weights().len();
    for weight in a.weights() {
        same &= a.weight(&weight.name)? == b.weight(&weight.name)?;
    }
    Ok(same)
}
