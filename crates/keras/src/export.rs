//! Networks into files: `.keras`, `.weights.h5`, safetensors, TensorFlow.js layers models.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::description::{Description, MAX_DEPTH, Names, Node};
use crate::error::{Error, Result};
use crate::hdf5::{self, Node as Item};
use crate::tfjs::{self, Weight};
use crate::zip;

/// Files by name.
pub type Files = Vec<(String, Vec<u8>)>;

/// A network with its weights, to be written.
pub struct Export<'a> {
    /// The engine's JSON of it.
    pub model: &'a Json,
    /// Its layers and weights.
    pub description: &'a Description,
    /// Numbers of the weights, in the description's order.
    pub values: &'a [&'a [f32]],
}

/// How a configuration is spelt.
#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Keras3,
    Keras2,
}

/// The version of Keras whose files are written like this.
const KERAS: &str = "3.15.1";

impl Export<'_> {
    /// A `.keras` file, as Keras 3 opens it. Layers that Keras does not have are registered as `striate>Class`.
    pub fn keras(&self) -> Result<Vec<u8>> {
        let config = self.config(Dialect::Keras3)?.to_string();
        let metadata = json!({"keras_version": KERAS, "date_saved": "2000-01-01@00:00:00"}).to_string();
        let weights = self.weights_h5()?;
        let members: [(&str, &[u8]); 3] = [
            ("metadata.json", metadata.as_bytes()),
            ("config.json", config.as_bytes()),
            ("model.weights.h5", &weights),
        ];
        zip::write(&members)
    }

    /// A `.weights.h5` file, as Keras 3 reads it.
    pub fn weights_h5(&self) -> Result<Vec<u8>> {
        self.check()?;
        let name = self.model.get("name").and_then(Json::as_str).unwrap_or_default();
        let layers = ("layers".to_string(), self.layers(&self.description.layers));
        let members = vec![layers, ("vars".to_string(), self.vars(name, &[]))];
        hdf5::write(&Item::Group { attributes: Vec::new(), members })
    }

    /// Safetensors under the weights' own names, with Keras' configuration as metadata.
    pub fn safetensors(&self) -> Result<Vec<u8>> {
        use safetensors::tensor::{Dtype, TensorView, serialize};
        self.check()?;
        let bytes: Vec<Vec<u8>> =
            self.values.iter().map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let failed = |e: safetensors::SafeTensorError| Error::invalid(format!("safetensors: {e}"));
        let mut tensors = Vec::new();
        for (weight, bytes) in self.description.weights.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, weight.shape.clone(), bytes).map_err(failed)?;
            tensors.push((weight.name.as_str(), view));
        }
        let config = self.config(Dialect::Keras3)?.to_string();
        let metadata = HashMap::from([("keras_config".to_string(), config)]);
        serialize(tensors, Some(metadata)).map_err(failed)
    }

    /// A TensorFlow.js layers model: `model.json` first, then its weight files.
    pub fn tfjs(&self) -> Result<Files> {
        self.check()?;
        let config = self.config(Dialect::Keras2)?;
        let names = self.short_names();
        let weight = |(i, name): (usize, String)| Weight {
            name,
            shape: self.description.weights[i].shape.clone(),
            values: self.values[i],
        };
        let weights: Vec<Weight> = names.into_iter().enumerate().map(weight).collect();
        let (manifest, files) = tfjs::write(&weights);
        let model = json!({
            "format": "layers-model",
            "generatedBy": "striate",
            "convertedBy": null,
            "modelTopology": {"keras_version": "2.15.0", "backend": "tensorflow", "model_config": config},
            "weightsManifest": manifest,
        });
        Ok([vec![("model.json".to_string(), model.to_string().into_bytes())], files].concat())
    }

    fn check(&self) -> Result<()> {
        let weights = &self.description.weights;
        if weights.len() != self.values.len() {
            return Err(Error::mismatch("weights to write", weights.len(), self.values.len()));
        }
        for (weight, values) in weights.iter().zip(self.values) {
            if weight.shape.iter().product::<usize>() != values.len() {
                let expected = format!("{:?}", weight.shape);
                return Err(Error::mismatch(format!("elements of {}", weight.name), expected, values.len()));
            }
        }
        Ok(())
    }

    fn layers(&self, nodes: &[Node]) -> Item<'_> {
        let mut names = Names::default();
        let member = |node: &Node| {
            let mut members = vec![("vars".to_string(), self.vars(&node.name, &node.weights))];
            if !node.layers.is_empty() {
                members[0].1 = self.vars(&node.name, &[]);
                members.push(("layers".to_string(), self.layers(&node.layers)));
            }
            (names.next(&node.class), Item::Group { attributes: Vec::new(), members })
        };
        Item::Group { attributes: Vec::new(), members: nodes.iter().map(member).collect() }
    }

    fn vars(&self, name: &str, weights: &[usize]) -> Item<'_> {
        let array = |(i, &weight): (usize, &usize)| {
            let shape = self.description.weights[weight].shape.clone();
            (i.to_string(), Item::Array { shape, values: self.values[weight] })
        };
        let members = weights.iter().enumerate().map(array).collect();
        Item::Group { attributes: vec![("name", name.to_string())], members }
    }

    /// Names as TensorFlow.js gives them: without the names of the models that a layer is in, where that is enough.
    fn short_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.description.weights.iter().map(|w| w.name.clone()).collect();
        let mut short = HashMap::new();
        let mut rest: Vec<(&Node, usize)> = self.description.layers.iter().map(|node| (node, 0)).collect();
        while let Some((node, outer)) = rest.pop() {
            let depthwise = node.class.starts_with("DepthwiseConv");
            for &weight in node.weights.iter().filter(|_| node.layers.is_empty()) {
                let name = names[weight].split_off(outer);
                let name = match name.strip_suffix("/kernel") {
                    Some(layer) if depthwise => format!("{layer}/depthwise_kernel"),
                    _ => name,
                };
                short.insert(weight, name);
            }
            rest.extend(node.layers.iter().map(|inner| (inner, outer + node.name.len() + 1)));
        }
        let mut uses: HashMap<&String, usize> = HashMap::new();
        for name in short.values() {
            *uses.entry(name).or_default() += 1;
        }
        let full = |(i, weight): (usize, &crate::WeightInfo)| match short.get(&i) {
            Some(name) if uses[name] == 1 => name.clone(),
            _ => weight.name.clone(),
        };
        self.description.weights.iter().enumerate().map(full).collect()
    }

    fn config(&self, dialect: Dialect) -> Result<Json> {
        let (class, config) = model_config(self.model, dialect, 0)?;
        Ok(match dialect {
            Dialect::Keras2 => json!({"class_name": class, "config": config}),
            Dialect::Keras3 => {
                let mut model = object("keras", class, config);
                model["compile_config"] = json!({});
                model
            }
        })
    }
}

/// What Keras calls a serialised object.
fn object(module: &str, class: &str, config: Json) -> Json {
    let registered = match (module, class) {
        ("", _) => json!(format!("striate>{class}")),
        ("keras", "Functional") => json!(class),
        _ => Json::Null,
    };
    // The functional class has no public place.
    let module = match (module, class) {
        ("", _) => Json::Null,
        ("keras", "Functional") => json!("keras.src.models.functional"),
        _ => json!(module),
    };
    json!({"module": module, "class_name": class, "config": config, "registered_name": registered})
}

/// Class and configuration of a model in Keras' words.
fn model_config(model: &Json, dialect: Dialect, depth: usize) -> Result<(&'static str, Json)> {
    if depth >= MAX_DEPTH {
        return Err(Error::resource(format!("models nested more than {MAX_DEPTH} deep")));
    }
    let list = |key: &str| model.get(key).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let name = model.get("name").cloned().unwrap_or_default();
    if model.get("class").and_then(Json::as_str) == Some("Sequential") {
        let layers: Vec<Json> =
            list("layers").iter().map(|layer| layer_config(layer, dialect, depth)).collect::<Result<_>>()?;
        return Ok(("Sequential", json!({"name": name, "trainable": true, "layers": layers})));
    }
    // Tensors by layer and call: their shapes.
    let mut shapes: HashMap<(&str, usize), (&Json, &str)> = HashMap::new();
    let mut calls: HashMap<&str, Vec<&Json>> = HashMap::new();
    let mut dtypes: HashMap<&str, &str> = HashMap::new();
    let mut names = Vec::new();
    for layer in list("layers") {
        let name = layer.get("name").and_then(Json::as_str).unwrap_or_default();
        let known = calls.entry(name).or_default();
        if known.is_empty() {
            names.push((name, layer));
            let dtype = layer.get("config").and_then(|c| c.get("dtype")).and_then(Json::as_str);
            dtypes.insert(name, dtype.unwrap_or("float32"));
        }
        shapes.insert((name, known.len()), (layer.get("output_shapes").unwrap_or(&Json::Null), dtypes[name]));
        known.push(layer);
    }
    let tensor = |reference: &Json| -> Json {
        match dialect {
            Dialect::Keras2 => json!([reference[0], reference[1], reference[2], {}]),
            Dialect::Keras3 => {
                let key = (reference[0].as_str().unwrap_or_default(), reference[1].as_u64().unwrap_or(0) as usize);
                let shape =
                    shapes.get(&key).map(|(all, dtype)| (&all[reference[2].as_u64().unwrap_or(0) as usize], dtype));
                let (shape, dtype) = shape.map_or((&Json::Null, "float32"), |(shape, dtype)| (shape, *dtype));
                let config = json!({"shape": shape, "dtype": dtype, "keras_history": reference});
                json!({"class_name": "__keras_tensor__", "config": config})
            }
        }
    };
    let mut layers = Vec::new();
    for (name, first) in names {
        let mut layer = layer_config(first, dialect, depth)?;
        let node = |call: &&Json| {
            let inbound = call.get("inbound").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            let tensors: Vec<Json> = inbound.iter().map(tensor).collect();
            match (dialect, &tensors[..]) {
                (_, []) => None,
                (Dialect::Keras2, _) => Some(json!(tensors)),
                (Dialect::Keras3, [one]) => Some(json!({"args": [one], "kwargs": {}})),
                (Dialect::Keras3, all) => Some(json!({"args": [all], "kwargs": {}})),
            }
        };
        layer["name"] = json!(name);
        layer["inbound_nodes"] = calls[name].iter().filter_map(node).collect();
        layers.push(layer);
    }
    let ends = |key: &str| match (list(key), dialect) {
        ([one], Dialect::Keras3) => one.clone(),
        (all, _) => json!(all),
    };
    let config = json!({
        "name": name, "trainable": true, "layers": layers,
        "input_layers": ends("inputs"), "output_layers": ends("outputs"),
    });
    Ok(("Functional", config))
}

/// Layers of the engine that Keras does not have.
const OURS: &[&str] = &["LRN", "RBF", "DepthMaxPool", "DepthAveragePool", "Resize", "Lambda"];

/// Beginnings of the classes whose configuration says that channels come last.
const CHANNELS: &[&str] = &[
    "Conv",
    "DepthwiseConv",
    "SeparableConv",
    "MaxPooling",
    "AveragePooling",
    "GlobalMaxPooling",
    "GlobalAveragePooling",
    "Flatten",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling2D",
    "UpSampling3D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Resizing",
    "CenterCrop",
];

/// A layer in Keras' words.
fn layer_config(layer: &Json, dialect: Dialect, depth: usize) -> Result<Json> {
    let name = layer.get("name").and_then(Json::as_str).unwrap_or_default();
    let class = layer.get("class").and_then(Json::as_str).unwrap_or_default();
    let trainable = layer.get("trainable").and_then(Json::as_bool).unwrap_or(true);
    let empty = Json::Null;
    let given = layer.get("config").unwrap_or(&empty);
    if matches!(class, "Functional" | "Sequential") {
        let (class, mut config) = model_config(given, dialect, depth + 1).map_err(|e| e.at(name))?;
        config["name"] = json!(name);
        config["trainable"] = json!(trainable);
        return Ok(match dialect {
            Dialect::Keras2 => json!({"class_name": class, "config": config}),
            Dialect::Keras3 => object("keras", class, config),
        });
    }
    let mut config = given.as_object().cloned().unwrap_or_default();
    config.insert("name".into(), json!(name));
    if class == "InputLayer" {
        config.insert("sparse".into(), json!(false));
        if dialect == Dialect::Keras2
            && let Some(shape) = config.remove("batch_shape")
        {
            config.insert("batch_input_shape".into(), shape);
        }
    } else {
        // Keras' SpatialDropout refuses an argument that all other layers have.
        if !class.starts_with("SpatialDropout") {
            config.insert("trainable".into(), json!(trainable));
        }
        config.insert("dtype".into(), json!("float32"));
    }
    if CHANNELS.iter().any(|start| class.starts_with(start)) {
        config.insert("data_format".into(), json!("channels_last"));
    }
    spell(&mut config, class, dialect).map_err(|e| e.at(name))?;
    Ok(match dialect {
        Dialect::Keras2 => json!({"class_name": class, "config": config}),
        Dialect::Keras3 => object(if OURS.contains(&class) { "" } else { "keras.layers" }, class, Json::Object(config)),
    })
}

/// Where Keras keeps the classes of arguments, by the arguments' last word.
const MODULES: &[(&str, &str)] = &[
    ("initializer", "keras.initializers"),
    ("regularizer", "keras.regularizers"),
    ("constraint", "keras.constraints"),
    ("activation", "keras.layers"),
];

/// Arguments as a version of Keras spells them.
fn spell(config: &mut Map<String, Json>, class: &str, dialect: Dialect) -> Result<()> {
    for (key, value) in config.iter_mut() {
        if key.ends_with("activation") {
            let lost = match (value.as_str(), dialect) {
                (Some("hard_sigmoid_keras2"), Dialect::Keras2) => {
                    *value = json!("hard_sigmoid");
                    false
                }
                (Some("hard_sigmoid"), Dialect::Keras2) | (Some("hard_sigmoid_keras2"), Dialect::Keras3) => true,
                _ => false,
            };
            if lost {
                return Err(Error::unsupported("hard_sigmoid is another function in Keras 2 and in Keras 3"));
            }
        }
        let module = MODULES.iter().find(|(end, _)| key.ends_with(end)).map(|(_, module)| *module);
        if let (Some(module), Some(map), Dialect::Keras3) = (module, value.as_object_mut(), dialect) {
            map.insert("module".into(), json!(module));
            map.insert("registered_name".into(), Json::Null);
        }
    }
    if dialect == Dialect::Keras2
        && class == "LeakyReLU"
        && let Some(slope) = config.remove("negative_slope")
    {
        config.insert("alpha".into(), slope);
    }
    Ok(())
}
