//! A classifier as a fully convolutional network.
//!
//! A dense layer behind a flattened map is a convolution whose window is the whole map; dense layers behind it are 1 x 1
//! convolutions. Written so, the network takes larger images than it was trained on and classifies every window of them
//! at once: Sermanet et al. 2013, "OverFeat"; Long et al. 2014.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::Layer;
use super::model::{Model, Sym};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The same network without dense layers, for images of any size from the model's own.
///
/// At the end of the network `Flatten` and `Dense` become a VALID convolution whose kernel is the whole map (7 x 7 in
/// VGG), later `Dense` layers become 1 x 1 convolutions; global pooling before a classifier becomes pooling over windows
/// as large as the map, with stride 1. Dropout and activations stay, softmax is over the channels. Global pooling
/// elsewhere (squeeze-and-excitation) stays global.
///
/// The result has the same layer names, its weights the same values: `[batch, classes]` becomes `[batch, 1, 1, classes]`
/// with the same numbers at the model's own size, and `[batch, h, w, classes]` on larger images. The inputs' heights and
/// widths are open, here and in models within. Errors if the end of the network is something else, or if the
/// model's own size is not known.
///
/// Weights that were never asked for are drawn where their shape changes, since the distribution depends on it.
pub fn to_fully_convolutional(model: &Model) -> Result<Model> {
    let head = Head::find(model)?;
    let mut json = model.to_json();
    json.insert("seed".into(), model.seed().into());
    let layers = json.get_mut("layers").and_then(Json::as_array_mut);
    let mut kernels = HashMap::new();
    // What stands for a tensor whose layer is gone.
    let mut instead: HashMap<String, Json> = HashMap::new();
    for layer in layers.into_iter().flatten() {
        open_inputs(layer);
        for inbound in layer.get_mut("inbound").and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(other) = inbound[0].as_str().and_then(|name| instead.get(name)) {
                *inbound = other.clone();
            }
        }
        let Some(name) = layer["name"].as_str().map(str::to_string) else { continue };
        let Some(&window) = head.windows.get(&name) else { continue };
        match layer["class"].as_str() {
            Some("Flatten" | "Reshape") => {
                instead.insert(name, layer["inbound"][0].clone());
            }
            Some("Dense") => {
                layer["class"] = "Conv2D".into();
                if let Some(config) = layer["config"].as_object_mut() {
                    *config = convolution(config, window);
                }
                kernels.insert(format!("{name}/kernel"), window);
            }
            Some("GlobalAveragePooling2D") => pool(layer, "AveragePooling2D", window),
            Some("GlobalMaxPooling2D") => pool(layer, "MaxPooling2D", window),
            // Statistics and softmax over features are over channels now.
            Some("BatchNormalization" | "Softmax" | "LayerNormalization") => layer["config"]["axis"] = json!(-1),
            _ => {}
        }
    }
    for output in json.get_mut("outputs").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(other) = output[0].as_str().and_then(|name| instead.get(name)) {
            *output = other.clone();
        }
    }
    if let Some(layers) = json.get_mut("layers").and_then(Json::as_array_mut) {
        layers.retain(|layer| !layer["name"].as_str().is_some_and(|name| instead.contains_key(name)));
    }
    let mut result = Model::from_json(&Json::Object(json), false)?;
    for weight in model.weights() {
        let Some(window) = kernels.get(&weight.name) else {
            // Drawn from the same seed under the same name, if not drawn yet.
            if let Some(value) = weight.drawn() {
                result.set_weight(&weight.name, value)?;
            }
            continue;
        };
        let value = model.weight(&weight.name)?;
        let [inputs, units] = weight.spec.shape[..] else { continue };
        let [height, width] = *window;
        let shape = [height, width, inputs / (height * width), units];
        result.set_weight(&weight.name, Tensor::f32(shape, value.as_f32()?.to_vec())?)?;
    }
    Ok(result)
}

/// Opens heights and widths of an input, and of the inputs of models within.
fn open_inputs(layer: &mut Json) {
    if layer["class"] == "InputLayer"
        && let Some([_, height, width, _]) = layer["config"]["batch_shape"].as_array_mut().map(Vec::as_mut_slice)
    {
        (*height, *width) = (Json::Null, Json::Null);
    }
    let nested = layer.get_mut("config").and_then(|config| config.get_mut("layers")).and_then(Json::as_array_mut);
    nested.into_iter().flatten().for_each(open_inputs);
}

/// The configuration of a Conv2D that does what a Dense did.
fn convolution(dense: &Map<String, Json>, window: [usize; 2]) -> Map<String, Json> {
    let mut conv = dense.clone();
    let units = conv.remove("units").unwrap_or_default();
    conv.insert("filters".into(), units);
    conv.insert("kernel_size".into(), json!(window));
    // A constraint over the inputs is over the window and its channels.
    if let Some(axis) = conv.get_mut("kernel_constraint").and_then(|c| c.get_mut("config")?.get_mut("axis"))
        && *axis == json!([0])
    {
        *axis = json!([0, 1, 2]);
    }
    conv
}

fn pool(layer: &mut Json, class: &str, window: [usize; 2]) {
    layer["class"] = class.into();
    layer["config"] = json!({"pool_size": window, "strides": 1, "padding": "valid"});
}

/// The classifier at the end of a model: layers on vectors.
struct Head {
    /// Its layers, by name. The window of the map that a layer sees as a vector: of dense layers behind a flattened map
    /// and of global pooling; 1 x 1 elsewhere.
    windows: HashMap<String, [usize; 2]>,
}

/// A call of a model's layer, by index.
type CallId = usize;

impl Head {
    fn find(model: &Model) -> Result<Head> {
        let mut calls = HashSet::new();
        for &output in model.output_syms() {
            collect(model, output, &mut calls)?;
        }
        let mut order: Vec<CallId> = calls.iter().copied().collect();
        order.sort_unstable();
        let outside = model.calls.iter().enumerate().filter(|(id, _)| !calls.contains(id));
        let used_outside: HashSet<Sym> = outside.flat_map(|(_, call)| call.inputs.iter().copied()).collect();
        let mut windows = HashMap::new();
        // The window that a vector was flattened from, until a dense layer takes it.
        let mut flattened: HashMap<Sym, [usize; 2]> = HashMap::new();
        for id in order {
            let call = &model.calls[id];
            let entry = &model.entries[call.layer];
            let refuse =
                |what: &str| Err(Error::unsupported(format!("{what} cannot be made convolutional")).at(&entry.name));
            if model.calls.iter().filter(|other| other.layer == call.layer).count() > 1 {
                return refuse("a shared layer of the classifier");
            }
            if call.outputs.iter().any(|output| used_outside.contains(output)) {
                return refuse("a classifier whose vectors the rest of the network uses");
            }
            let &[input] = &call.inputs[..] else { return refuse("a layer of several inputs in the classifier") };
            let before = flattened.get(&input).copied();
            let mut window = [1, 1];
            let mut after = before;
            match entry.layer.class() {
                "GlobalAveragePooling2D" | "GlobalMaxPooling2D" => window = map_size(model, input, &entry.name)?,
                "Flatten" | "Reshape" => after = Some(before.unwrap_or(map_size(model, input, &entry.name)?)),
                "Dense" => {
                    window = before.unwrap_or([1, 1]);
                    after = None;
                }
                class if !elementwise(class) && before.is_some_and(|w| w != [1, 1]) => {
                    return refuse(&format!("{class} between a flattened map and a dense layer"));
                }
                // Softmax over a whole flattened map.
                "Activation" if before.is_some_and(|w| w != [1, 1]) && over_features(entry.layer.as_ref()) => {
                    return refuse("a softmax between a flattened map and a dense layer");
                }
                _ => {}
            }
            windows.insert(entry.name.clone(), window);
            let Some(&output) = call.outputs.first() else { continue };
            if matches!(entry.layer.class(), "Flatten" | "Reshape") && model.origins[output.index()].dims.len() != 2 {
                return refuse("a reshape to anything but a vector");
            }
            if let Some(window) = after {
                if window != [1, 1] && model.output_syms().contains(&output) {
                    return refuse("a flattened map at the end of a network");
                }
                flattened.insert(output, window);
            }
        }
        Ok(Head { windows })
    }
}

/// Height and width of a map.
fn map_size(model: &Model, map: Sym, layer: &str) -> Result<[usize; 2]> {
    let dims = &model.origins[map.index()].dims;
    match dims[..] {
        [_, Some(height), Some(width), _] => Ok([height, width]),
        // A vector is a map of one pixel.
        [_, _] => Ok([1, 1]),
        _ => Err(Error::mismatch(
            "the classifier's window is the map at the model's own size, which must be known",
            "[batch, height, width, channels]",
            dims,
        )
        .at(layer)),
    }
}

/// Adds the calls of a classifier, from an output back to the map it looks at.
fn collect(model: &Model, output: Sym, calls: &mut HashSet<CallId>) -> Result<()> {
    let mut sym = output;
    let mut passed = Vec::new();
    // Up to where the classifier is known to reach, in `passed`.
    let mut sure = 0;
    loop {
        let id = model.origins[sym.index()].call;
        let call = &model.calls[id];
        let entry = &model.entries[call.layer];
        let class = entry.layer.class();
        let vector = model.origins[sym.index()].dims.len() == 2;
        let one_by_one = class == "Conv2D" && entry.layer.config().get("kernel_size") == Some(&json!([1, 1]));
        let pooling = matches!(class, "GlobalAveragePooling2D" | "GlobalMaxPooling2D");
        let known = pooling
            || one_by_one
            || elementwise(class)
            || matches!(
                class,
                "Dense" | "Flatten" | "Reshape" | "BatchNormalization" | "Softmax" | "LayerNormalization" | "RBF"
            );
        if known && call.inputs.len() == 1 {
            passed.push(id);
            sym = call.inputs[0];
            // Pooling begins the classifier; so does a flattened map, unless there is pooling before.
            if pooling || matches!(class, "Flatten" | "Reshape") {
                sure = passed.len();
            }
            if !pooling {
                continue;
            }
        } else if vector && sure == 0 {
            let message = format!("the classifier is made of {class}, which has no convolutional form");
            return Err(Error::unsupported(message).at(&entry.name));
        }
        // Without either the network ends in a map already.
        calls.extend(&passed[..sure]);
        return Ok(());
    }
}

/// Layers that look at each element by itself.
fn elementwise(class: &str) -> bool {
    matches!(
        class,
        "Activation"
            | "ReLU"
            | "LeakyReLU"
            | "ELU"
            | "Dropout"
            | "GaussianNoise"
            | "GaussianDropout"
            | "AlphaDropout"
            | "ActivityRegularization"
            | "Identity"
            | "Rescaling"
    )
}

/// An activation over the features of a vector.
fn over_features(layer: &dyn Layer) -> bool {
    matches!(layer.config().get("activation").and_then(Json::as_str), Some("softmax" | "log_softmax"))
}
