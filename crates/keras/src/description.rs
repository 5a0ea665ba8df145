//! A built network, as far as its files are concerned: layers within layers in Keras' order, with their weights.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// A weight of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightInfo {
    /// `layer/kernel`; `outer/inner/kernel` in nested models.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Training changes it.
    pub trainable: bool,
}

/// A built network.
#[derive(Debug)]
pub struct Description {
    /// Its layers.
    pub layers: Vec<Node>,
    /// Its weights in Keras' order, as layers make them.
    pub weights: Vec<WeightInfo>,
}

/// A layer.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Keras' class.
    pub class: String,
    /// The network's weights that are in it, by position.
    pub weights: Vec<usize>,
    /// The layers of a nested model.
    pub layers: Vec<Node>,
}

/// As in the engine.
pub(crate) const MAX_DEPTH: usize = 16;

impl Description {
    /// From the model's JSON (`Model::to_json`: `layers` with `name`, `class` and `config`, and the `layer_order`), and
    /// its weights.
    pub fn new(model: &Json, weights: Vec<WeightInfo>) -> Result<Description> {
        let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, weight) in weights.iter().enumerate() {
            let owner = weight.name.rsplit_once('/').map_or("", |(owner, _)| owner);
            owners.entry(owner).or_default().push(index);
        }
        let layers = nodes(model, "", &owners, 0)?;
        Ok(Description { layers, weights })
    }

    /// The weight's whole name.
    pub fn path(&self, weight: usize) -> &str {
        &self.weights[weight].name
    }
}

fn nodes(model: &Json, prefix: &str, owners: &HashMap<&str, Vec<usize>>, depth: usize) -> Result<Vec<Node>> {
    if depth > MAX_DEPTH {
        return Err(Error::resource(format!("models nested more than {MAX_DEPTH} deep")));
    }
    let list = |key: &str| model.get(key).and_then(Json::as_array).into_iter().flatten();
    // Layers with a class are first calls; others apply a layer once more.
    let mut layers: HashMap<&str, &Json> = HashMap::new();
    let mut order = Vec::new();
    // A Sequential model's input is none of its layers.
    let sequential = model.get("class").and_then(Json::as_str) == Some("Sequential");
    let counts = |layer: &&Json| {
        let class = layer.get("class").and_then(Json::as_str);
        class.is_some_and(|class| !sequential || class != "InputLayer")
    };
    for layer in list("layers").filter(counts) {
        let name = layer.get("name").and_then(Json::as_str).unwrap_or_default();
        layers.insert(name, layer);
        order.push(name);
    }
    let keras = list("layer_order").filter_map(Json::as_str);
    let keras: Vec<&str> = keras.filter(|name| !sequential || layers.contains_key(name)).collect();
    let order = if keras.is_empty() { order } else { keras };
    let mut nodes_here = Vec::new();
    for name in order {
        let layer = layers.get(name).ok_or_else(|| Error::invalid(format!("no layer named {name:?}")))?;
        let class = layer.get("class").and_then(Json::as_str).unwrap_or_default();
        let path = format!("{prefix}{name}");
        let mut node =
            Node { name: name.to_string(), class: class.to_string(), weights: Vec::new(), layers: Vec::new() };
        if matches!(class, "Functional" | "Sequential")
            && let Some(config) = layer.get("config")
        {
            node.layers = nodes(config, &format!("{path}/"), owners, depth + 1)?;
            node.weights = node.layers.iter().flat_map(|inner| inner.weights.iter().copied()).collect();
            node.weights.sort_unstable();
        } else {
            node.weights = owners.get(path.as_str()).cloned().unwrap_or_default();
        }
        nodes_here.push(node);
    }
    Ok(nodes_here)
}

/// Keras' `to_snake_case`: `MaxPooling2D` is `max_pooling2d`, `Conv2DTranspose` is `conv2d_transpose`.
pub(crate) fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| chars[j]);
        let word = c.is_ascii_uppercase() && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        let hump = c.is_ascii_uppercase() && before.is_some_and(|b| b.is_ascii_lowercase());
        if before.is_some_and(|b| b != '_') && (word || hump) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Names that Keras gives to layers in a file by structure: `conv2d`, `conv2d_1` ...
#[derive(Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    /// The next layer's.
    pub fn next(&mut self, class: &str) -> String {
        let base = snake_case(class);
        let count = self.0.entry(base.clone()).and_modify(|n| *n += 1).or_insert(0);
        if *count == 0 { base } else { format!("{base}_{count}") }
    }
}
