//! Networks of the zoo as PyTorch has them, with their weights.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::names::Family;
use crate::error::{Error, Result};
use crate::layers::Model;
use crate::tensor::Tensor;
use crate::zoo;

/// Networks of the zoo that [`network`] fills.
pub const NETWORKS: [&str; 12] = [
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "VGG16",
    "VGG19",
    "MobileNetV2",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetLite0",
];

/// PyTorch's default, and Keras' for the networks that came from TensorFlow.
const EPSILON: f64 = 1e-5;
const EPSILON_TENSORFLOW: f64 = 1e-3;

/// Mean and deviation of ImageNet's pixels, from 0 to 1, red first: torchvision's and timm's.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// The tensors of the layers, by layer and parameter.
type Layers<'a> = BTreeMap<String, BTreeMap<&'a str, &'a Tensor>>;

/// The network `name` of the [`zoo`] as torchvision or timm have it (borders, strides, constants of normalisation
/// differ from Keras'), with the weights of a `state_dict`. `options` are the zoo's. Without a classifier among the
/// tensors the network ends in its features, and `classes` follow from the tensors. Unless `include_preprocessing` is
/// false, the network takes pixels from 0 to 255, red first.
///
/// EfficientNet-Lite0 with names like `_conv_stem` is TensorFlow's own (SAME borders); with timm's names it is timm's
/// `efficientnet_lite0`. (`tf_efficientnet_lite0` has the same names but TensorFlow's borders: it is not for this
/// function.)
pub fn network(name: &str, options: &Json, tensors: &[(String, Tensor)]) -> Result<Model> {
    let family = Family::of(name, tensors.iter().map(|(name, _)| name.as_str()));
    let family = family.ok_or_else(|| Error::mismatch("no weights of PyTorch are read", NETWORKS.join(", "), name))?;
    let mut layers = by_layer(family, tensors)?;
    let mut options = match options {
        Json::Object(map) => map.clone(),
        Json::Null => Map::new(),
        other => return Err(Error::mismatch("options of a network", "an object", other)),
    };
    let preprocessing = options.remove("include_preprocessing").is_none_or(|value| value != Json::Bool(false));
    let classes = layers.get(family.classifier()).and_then(|layer| layer.get("weight")?.shape().first().copied());
    options.entry("include_top").or_insert(classes.is_some().into());
    if options["include_top"] == Json::Bool(true) {
        options.entry("classes").or_insert(classes.into());
    } else {
        layers.retain(|name, _| !["predictions", "out", "fc1", "fc2"].contains(&name.as_str()));
    }
    let tensorflow =
        family == Family::EfficientNetLite0 && tensors.iter().any(|(name, _)| name.starts_with("_conv_stem"));
    if family == Family::EfficientNetLite0 {
        options.insert("include_preprocessing".into(), (preprocessing && tensorflow).into());
    }
    let mut network = zoo::build(name, &Json::Object(options))?.to_json();
    network.remove("layer_order");
    let list = network.get_mut("layers").and_then(Json::as_array_mut);
    let list = list.ok_or_else(|| Error::invalid("a network without layers"))?;
    set_constants(list, &layers, if tensorflow { EPSILON_TENSORFLOW } else { EPSILON });
    if !tensorflow {
        if family == Family::Bottleneck {
            move_strides(list);
        }
        make_symmetric(list);
        if preprocessing {
            preprocess(list);
        }
    }
    let mut model = Model::from_json(&Json::Object(network), false)?;
    fill(&mut model, family, &mut layers)?;
    match layers.iter().find(|(_, parameters)| !parameters.is_empty()) {
        Some((layer, parameters)) => {
            let names = parameters.keys().copied().collect::<Vec<_>>().join(", ");
            Err(Error::invalid(format!("the network has no place for {names}")).at(layer))
        }
        None => Ok(model),
    }
}

fn by_layer(family: Family, tensors: &[(String, Tensor)]) -> Result<Layers<'_>> {
    let mut layers = Layers::new();
    for (name, tensor) in tensors {
        let (module, parameter) = name.rsplit_once('.').unwrap_or(("", name));
        if parameter == "num_batches_tracked" {
            continue;
        }
        let layer = family.layer(module);
        let layer = layer.ok_or_else(|| Error::unsupported("the network has no such module").at(name))?;
        layers.entry(layer).or_default().insert(parameter, tensor);
    }
    Ok(layers)
}

/// Constants of normalisation; biases only where the file has them.
fn set_constants(list: &mut [Json], layers: &Layers, epsilon: f64) {
    for layer in list {
        match layer["class"].as_str() {
            Some("BatchNormalization") => layer["config"]["epsilon"] = epsilon.into(),
            Some("Conv2D" | "DepthwiseConv2D") => {
                let parameters = layer["name"].as_str().and_then(|name| layers.get(name));
                layer["config"]["use_bias"] = parameters.is_some_and(|p| p.contains_key("bias")).into();
            }
            _ => {}
        }
    }
}

/// The map is halved by the 3 x 3 convolution of a bottleneck, not by the first 1 x 1.
fn move_strides(list: &mut [Json]) {
    let mut halved = String::new();
    for layer in list {
        let Some(name) = layer["name"].as_str().map(str::to_string) else { continue };
        if name.ends_with("_1_conv") && layer["config"]["strides"] == json!([2, 2]) {
            layer["config"]["strides"] = json!([1, 1]);
            halved = name.replace("_1_conv", "_2_conv");
        } else if name == halved {
            layer["config"]["strides"] = json!([2, 2]);
        }
    }
}

/// Windows that move by two pixels get the same border on all sides: TensorFlow puts an odd pixel to the right and
/// below.
fn make_symmetric(list: &mut Vec<Json>) {
    let mut at = 0;
    while at < list.len() {
        let layer = &mut list[at];
        let class = layer["class"].as_str().unwrap_or_default();
        let window = if class == "MaxPooling2D" { "pool_size" } else { "kernel_size" };
        let size = layer["config"][window][0].as_u64().unwrap_or(1);
        if class == "ZeroPadding2D" {
            for sides in layer["config"]["padding"].as_array_mut().into_iter().flatten() {
                let most = sides.as_array().into_iter().flatten().filter_map(Json::as_u64).max().unwrap_or(0);
                *sides = json!([most, most]);
            }
        } else if ["Conv2D", "DepthwiseConv2D", "MaxPooling2D"].contains(&class)
            && layer["config"]["padding"] == "same"
            && layer["config"]["strides"] == json!([2, 2])
            && size > 1
        {
            let name = format!("{}_pad", layer["name"].as_str().unwrap_or(class));
            layer["config"]["padding"] = "valid".into();
            let inbound = std::mem::replace(&mut layer["inbound"], json!([[name, 0, 0]]));
            let border = json!([[size / 2, size / 2], [size / 2, size / 2]]);
            // Zeros are right for maxima, too: they are taken behind a ReLU.
            let pad =
                json!({"name": name, "class": "ZeroPadding2D", "config": {"padding": border}, "inbound": inbound});
            list.insert(at, pad);
            at += 1;
        }
        at += 1;
    }
}

/// Takes pixels from 0 to 255 at the input.
fn preprocess(list: &mut Vec<Json>) {
    let scale = DEVIATION.map(|deviation| 1.0 / (255.0 * deviation));
    let offset: [f64; 3] = std::array::from_fn(|c| -MEAN[c] / DEVIATION[c]);
    let Some(at) = list.iter().position(|layer| layer["class"] == "InputLayer") else { return };
    let input = list[at]["name"].clone();
    for layer in list.iter_mut() {
        for source in layer["inbound"].as_array_mut().into_iter().flatten() {
            if source[0] == input {
                source[0] = "rescaling".into();
            }
        }
    }
    let layer = json!({"name": "rescaling", "class": "Rescaling", "config": {"scale": scale, "offset": offset},
        "inbound": [[input, 0, 0]]});
    list.insert(at + 1, layer);
}

/// Puts the tensors into the network, and takes them out of `layers`.
fn fill(model: &mut Model, family: Family, layers: &mut Layers) -> Result<()> {
    // Channels of the map that VGG flattens: PyTorch counts them first, Keras last.
    let Family::Vgg(convolutions) = family else { return fill_from(model, layers, None) };
    let last = format!("block5_conv{}", convolutions[4]);
    let channels = layers.get(&last).and_then(|layer| layer.get("weight")?.shape().first().copied());
    fill_from(model, layers, channels)
}

fn fill_from(model: &mut Model, layers: &mut Layers, flattened: Option<usize>) -> Result<()> {
    let wanted: Vec<_> = model.weights().iter().map(|weight| (weight.name.clone(), weight.spec.shape.len())).collect();
    for (name, rank) in wanted {
        let (layer, role) = name.rsplit_once('/').unwrap_or((&name, ""));
        let parameter = match role {
            "bias" | "beta" => "bias",
            "moving_mean" => "running_mean",
            "moving_variance" => "running_var",
            _ => "weight",
        };
        let tensor = layers.get_mut(layer).and_then(|parameters| parameters.remove(parameter));
        let tensor = tensor.ok_or_else(|| Error::invalid(format!("the file has no {parameter} for it")).at(layer))?;
        let depthwise = model.layer(layer).is_some_and(|layer| layer.class() == "DepthwiseConv2D");
        let arranged =
            arrange(tensor, rank, depthwise, flattened.filter(|_| layer == "fc1")).map_err(|e| e.at(layer))?;
        model.set_weight(&name, arranged)?;
    }
    Ok(())
}

/// PyTorch's order of axes (outputs, inputs, height, width) into ours (height, width, inputs, outputs), for a weight of
/// `rank` axes.
fn arrange(tensor: &Tensor, rank: usize, depthwise: bool, flattened: Option<usize>) -> Result<Tensor> {
    let (shape, values) = (tensor.shape().as_slice(), tensor.as_f32()?);
    let [outputs, inputs, height, width] = match *shape {
        [outputs, inputs, height, width] => [outputs, inputs, height, width],
        // A dense layer behind a flattened map is a convolution as large as that map.
        [outputs, inputs] if rank == 2 => match flattened {
            Some(channels) if channels > 0 && inputs.is_multiple_of(channels) => {
                [outputs, channels, 1, inputs / channels]
            }
            _ => [outputs, inputs, 1, 1],
        },
        _ => return Ok(tensor.clone()),
    };
    let mut moved = Vec::with_capacity(values.len());
    for at in 0..height * width {
        if depthwise {
            // One input for each output: the outputs of a channel lie together in both orders.
            moved.extend((0..outputs).map(|output| values[output * height * width + at]));
            continue;
        }
        for input in 0..inputs {
            moved.extend((0..outputs).map(|output| values[(output * inputs + input) * height * width + at]));
        }
    }
    match (rank, depthwise) {
        (2, _) => Tensor::f32([height * width * inputs, outputs], moved),
        // Depthwise networks here have one output for each channel.
        (_, true) => Tensor::f32([height, width, outputs, 1], moved),
        _ => Tensor::f32([height, width, inputs, outputs], moved),
    }
}
