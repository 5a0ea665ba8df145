//! Keras' configurations of models, of all versions, into the engine's description of one.
//!
//! Keras 2 writes calls as nested lists (`[[["conv", 0, 0, {}]]]`), Keras 3 as arguments with tensors among them
//! (`{"args": [{"class_name": "__keras_tensor__", ...}], "kwargs": {}}`). Layers stand in any order; here they come out
//! in one in which they can be applied.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::description::MAX_DEPTH;
use crate::error::{Error, Result};

/// What stands for a class that Keras does not have: given its name and configuration, another class and configuration.
pub type Replace<'a> = &'a dyn Fn(&str, &Map<String, Json>) -> Option<(String, Map<String, Json>)>;

/// How a configuration is read.
pub struct Reading<'a> {
    /// It is of Keras 2 or older.
    pub before_keras_3: bool,
    /// Stand-ins for custom layers.
    pub replace: Replace<'a>,
}

/// Calls of one model, as in the engine.
const MAX_CALLS: usize = 1 << 16;
/// Lists within lists, in the arguments of a call.
const MAX_NESTING: usize = 32;

/// Arguments of initialisers.
const INITIALIZERS: &[&str] =
    &["seed", "value", "minval", "maxval", "mean", "stddev", "scale", "mode", "distribution", "gain"];

/// A tensor: layer, call, output.
type Ref = (String, usize, usize);

impl Reading<'_> {
    /// The engine's JSON of a model from Keras': `{"class_name": "Functional", "config": {...}}`.
    pub fn model(&self, json: &Json) -> Result<Json> {
        let class = json.get("class_name").and_then(Json::as_str);
        let class = class.ok_or_else(|| Error::invalid("the configuration has no class_name: it is no Keras model"))?;
        let config = json.get("config").ok_or_else(|| Error::invalid("the model has no config"))?;
        let built = json.get("build_config").and_then(|b| b.get("input_shape"));
        self.of_class(class, config, built, 0)
    }

    fn of_class(&self, class: &str, config: &Json, built: Option<&Json>, depth: usize) -> Result<Json> {
        if depth >= MAX_DEPTH {
            return Err(Error::resource(format!("models nested more than {MAX_DEPTH} deep")));
        }
        match class {
            "Sequential" => self.sequential(config, built, depth),
            "Functional" | "Model" => self.functional(config, depth),
            _ => Err(Error::unsupported(format!(
                "a model of the class {class:?}: only Sequential and functional models are data; others are Python code"
            ))),
        }
    }

    fn sequential(&self, config: &Json, built: Option<&Json>, depth: usize) -> Result<Json> {
        // Keras 1 and 2.1 have no object around the list.
        let list = config.as_array().or_else(|| config.get("layers").and_then(Json::as_array));
        let list = list.ok_or_else(|| Error::invalid("a Sequential model without a list of layers"))?;
        let mut layers = Vec::new();
        for layer in list {
            let (name, class) = name_and_class(layer)?;
            layers.push(self.layer(name, class, layer, depth).map_err(|e| e.at(name))?);
        }
        let shaped = |layer: &Json| {
            let config = layer.get("config");
            let has = |key: &str| config.and_then(|c| c.get(key)).is_some_and(|v| !v.is_null());
            layer.get("class").and_then(Json::as_str) == Some("InputLayer")
                || ["batch_shape", "batch_input_shape", "input_shape"].into_iter().any(has)
        };
        let built = config.get("build_input_shape").or(built).filter(|shape| shape.is_array());
        if let (Some(shape), Some(first)) = (built, layers.first())
            && !shaped(first)
        {
            let input = json!({"name": "input_layer", "class": "InputLayer", "config": {"batch_shape": shape}});
            layers.insert(0, input);
        }
        let name = config.get("name").and_then(Json::as_str).unwrap_or("sequential");
        Ok(json!({"class": "Sequential", "name": name, "layers": layers}))
    }

    fn functional(&self, config: &Json, depth: usize) -> Result<Json> {
        let list = config.get("layers").and_then(Json::as_array);
        let list = list.ok_or_else(|| Error::invalid("a functional model without a list of layers"))?;
        // Every call: its layer, which of the layer's calls it is, what it takes.
        let mut calls: Vec<(usize, usize, Vec<Ref>)> = Vec::new();
        let mut index: HashMap<(&str, usize), usize> = HashMap::new();
        let mut entries = Vec::new();
        for (number, layer) in list.iter().enumerate() {
            let (name, class) = name_and_class(layer)?;
            let nodes = layer.get("inbound_nodes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            let mut taken = nodes.iter().map(node).collect::<Result<Vec<_>>>().map_err(|e| e.at(name))?;
            taken.retain(|refs| !refs.is_empty());
            if class == "InputLayer" {
                taken = vec![Vec::new()];
            }
            for (call, refs) in taken.into_iter().enumerate() {
                if index.insert((name, call), calls.len()).is_some() {
                    return Err(Error::invalid("two layers have this name").at(name));
                }
                calls.push((number, call, refs));
            }
            if calls.len() > MAX_CALLS {
                return Err(Error::resource(format!("a model of more than {MAX_CALLS} layers")));
            }
            entries.push((name, self.layer(name, class, layer, depth).map_err(|e| e.at(name))?));
        }
        let order = sort(&calls, &index, &entries)?;
        let mut layers = Vec::new();
        for (number, call, refs) in order.into_iter().map(|i| &calls[i]) {
            let (name, entry) = &entries[*number];
            let mut entry = if *call == 0 { entry.clone() } else { json!({"name": name}) };
            entry["inbound"] = json!(refs);
            layers.push(entry);
        }
        let ends = |key: &str| -> Result<Vec<Ref>> {
            let mut refs = Vec::new();
            let ends = config.get(key).ok_or_else(|| Error::invalid(format!("a functional model without {key}")))?;
            tensors(ends, &mut refs, 0)?;
            Ok(refs)
        };
        let name = config.get("name").and_then(Json::as_str).unwrap_or("functional");
        let (inputs, outputs) = (ends("input_layers")?, ends("output_layers")?);
        Ok(json!({"class": "Functional", "name": name, "layers": layers, "inputs": inputs, "outputs": outputs}))
    }

    /// One layer, as the engine describes it.
    fn layer(&self, name: &str, class: &str, layer: &Json, depth: usize) -> Result<Json> {
        let config = layer.get("config").unwrap_or(&Json::Null);
        if matches!(class, "Functional" | "Model" | "Sequential") {
            let built = layer.get("build_config").and_then(|b| b.get("input_shape"));
            let model = self.of_class(class, config, built, depth + 1)?;
            let trainable = config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
            let class = if class == "Model" { "Functional" } else { class };
            return Ok(json!({"name": name, "class": class, "config": model, "trainable": trainable}));
        }
        let empty = Map::new();
        let config = config.as_object().unwrap_or(&empty);
        let stand_in = if class == "InputLayer" { None } else { (self.replace)(class, config) };
        let (class, mut config) = stand_in.unwrap_or_else(|| (class.to_string(), config.clone()));
        let dtype = config.remove("dtype");
        if class == "InputLayer" {
            let set = |key: &str| config.get(key).and_then(Json::as_bool) == Some(true);
            if set("sparse") || set("ragged") {
                return Err(Error::unsupported("a sparse or ragged input"));
            }
            if let Some(dtype) = dtype.as_ref().and_then(type_name) {
                config.insert("dtype".into(), dtype.into());
            }
        }
        // Versions differ in what initialisers say beside what they do; the file brings the values anyway.
        let initializers = config.iter_mut().filter(|(key, _)| key.ends_with("_initializer"));
        for config in initializers.filter_map(|(_, value)| value.get_mut("config")?.as_object_mut()) {
            config.retain(|key, _| INITIALIZERS.contains(&key.as_str()));
        }
        if self.before_keras_3 {
            // Keras 3 gave the name to another function.
            for value in config.values_mut().filter(|v| v.as_str() == Some("hard_sigmoid")) {
                *value = "hard_sigmoid_keras2".into();
            }
        }
        Ok(json!({"name": name, "class": class, "config": config}))
    }
}

/// `float32` out of it, or out of a policy of mixed precision what its weights are.
fn type_name(dtype: &Json) -> Option<&str> {
    let name = dtype.as_str().or_else(|| dtype.get("config")?.get("name")?.as_str())?;
    Some(if name.starts_with("mixed_") { "float32" } else { name })
}

fn name_and_class(layer: &Json) -> Result<(&str, &str)> {
    let class = layer.get("class_name").and_then(Json::as_str);
    let class = class.ok_or_else(|| Error::invalid("a layer without a class_name"))?;
    let config = layer.get("config").and_then(|c| c.get("name"));
    let name = layer.get("name").or(config).and_then(Json::as_str).filter(|name| !name.is_empty());
    Ok((name.ok_or_else(|| Error::invalid(format!("a layer of the class {class:?} without a name")))?, class))
}

/// The tensors that a call takes.
fn node(json: &Json) -> Result<Vec<Ref>> {
    let mut refs = Vec::new();
    if let Some(call) = json.as_object() {
        arguments(call.get("args").unwrap_or(&Json::Null), &mut refs, 0)?;
        for (_, value) in call.get("kwargs").and_then(Json::as_object).into_iter().flatten() {
            arguments(value, &mut refs, 0)?;
        }
    } else {
        tensors(json, &mut refs, 0)?;
    }
    Ok(refs)
}

/// Keras 3: tensors among the arguments of a call.
fn arguments(json: &Json, refs: &mut Vec<Ref>, depth: usize) -> Result<()> {
    if depth > MAX_NESTING {
        return Err(Error::invalid("the arguments of a call nest too deep"));
    }
    match json {
        Json::Null | Json::Bool(_) => Ok(()),
        Json::Array(list) => list.iter().try_for_each(|json| arguments(json, refs, depth + 1)),
        Json::Object(map) if map.get("class_name").and_then(Json::as_str) == Some("__keras_tensor__") => {
            let history = map.get("config").and_then(|c| c.get("keras_history")).unwrap_or(&Json::Null);
            refs.push(reference(history).ok_or_else(|| Error::invalid("a tensor without its keras_history"))?);
            Ok(())
        }
        Json::Object(map) => map.values().try_for_each(|json| arguments(json, refs, depth + 1)),
        other => Err(Error::unsupported(format!("a layer that is called with the constant {}", short(other)))),
    }
}

/// Keras 2: references in nested lists, each with the arguments of its call behind it.
fn tensors(json: &Json, refs: &mut Vec<Ref>, depth: usize) -> Result<()> {
    if depth > MAX_NESTING {
        return Err(Error::invalid("lists of tensors nest too deep"));
    }
    if let Some(found) = reference(json) {
        if found.0 == "_CONSTANT_VALUE" {
            return Err(Error::unsupported("a layer that is called with a constant"));
        }
        let arguments = json.get(3).and_then(Json::as_object).into_iter().flatten();
        for (name, value) in arguments {
            if !value.is_null() && !value.is_boolean() {
                return Err(Error::unsupported(format!("a layer that is called with `{name}`")));
            }
        }
        refs.push(found);
        return Ok(());
    }
    match json {
        Json::Array(list) => list.iter().try_for_each(|json| tensors(json, refs, depth + 1)),
        Json::Object(map) => map.values().try_for_each(|json| tensors(json, refs, depth + 1)),
        other => Err(Error::mismatch("a wrong tensor", "[layer, call, output]", short(other))),
    }
}

/// `[layer, call, output]`.
fn reference(json: &Json) -> Option<Ref> {
    let list = json.as_array()?;
    let index = |i: usize| list.get(i)?.as_i64().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Some((list.first()?.as_str()?.to_string(), index(1)?, index(2)?))
}

/// A value in an error: a hostile file must not make a long message.
fn short(json: &Json) -> String {
    json.to_string().chars().take(60).collect()
}

/// The calls in an order in which each comes behind what it takes, and behind the layer's earlier calls.
fn sort(
    calls: &[(usize, usize, Vec<Ref>)],
    index: &HashMap<(&str, usize), usize>,
    entries: &[(&str, Json)],
) -> Result<Vec<usize>> {
    let mut waits = vec![0usize; calls.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); calls.len()];
    for (i, (number, call, refs)) in calls.iter().enumerate() {
        let name = entries[*number].0;
        let earlier = call.checked_sub(1).map(|before| (name, before));
        for (source, call) in refs.iter().map(|(name, call, _)| (name.as_str(), *call)).chain(earlier) {
            let before = index.get(&(source, call)).ok_or_else(|| {
                Error::invalid(format!("it takes call {call} of a layer {source:?}, which the model does not have"))
                    .at(name)
            })?;
            followers[*before].push(i);
            waits[i] += 1;
        }
    }
    // The file's order wherever it is one.
    let mut ready: std::collections::BTreeSet<usize> = (0..calls.len()).filter(|&i| waits[i] == 0).collect();
    let mut order = Vec::with_capacity(calls.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &next in &followers[i] {
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.insert(next);
            }
        }
    }
    match (0..calls.len()).find(|&i| waits[i] > 0) {
        Some(stuck) => Err(Error::invalid("the layer takes what comes of itself").at(entries[calls[stuck].0].0)),
        None => Ok(order),
    }
}
