//! Networks of the engine's zoo as torchvision and timm have them: which weight each of their tensors is, and in which order its
//! numbers are wanted. Of a file only names and shapes are looked at, so that it does not matter what it is.

mod names;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use self::names::Family;
use crate::description::WeightInfo;
use crate::error::{Error, Result};

/// Networks of the zoo that have weights of PyTorch.
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
type Layers = BTreeMap<String, BTreeMap<String, Tensor>>;

/// A tensor of the file, by its position there.
struct Tensor {
    index: usize,
    shape: Vec<usize>,
}

/// A `state_dict` of a network.
pub struct Checkpoint {
    family: Family,
    layers: Layers,
    /// TensorFlow's own EfficientNet-Lite0: its borders and constants are Keras'.
    tensorflow: bool,
    /// The network takes pixels from 0 to 255.
    preprocessing: bool,
}

/// A weight of a network and the tensor that it is, both by position.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The weight.
    pub weight: usize,
    /// The tensor.
    pub tensor: usize,
    /// How its numbers are wanted.
    pub order: Order,
}

/// From PyTorch's order of axes (outputs, inputs, height, width) into ours (height, width, inputs, outputs).
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Of the tensor; nothing if it stays as it is.
    axes: Option<[usize; 4]>,
    depthwise: bool,
    shape: Vec<usize>,
}

/// Whether tensors of these names are PyTorch's, and not Keras': `layer1.0.conv1.weight` and not `conv1/kernel`.
pub fn names_are_torch<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name.ends_with(".weight") && !name.contains('/'))
}

impl Checkpoint {
    /// Of the network `name` of the zoo, by its tensors' names and shapes. Errors: there are no such weights, or a tensor that the
    /// network has no module for.
    ///
    /// EfficientNet-Lite0 with names like `_conv_stem` is TensorFlow's own (SAME borders); with timm's names it is timm's
    /// `efficientnet_lite0`. (`tf_efficientnet_lite0` has the same names but TensorFlow's borders: it is not for this
    /// function.)
    pub fn new<'a>(name: &str, tensors: impl Iterator<Item = (&'a str, &'a [usize])> + Clone) -> Result<Checkpoint> {
        let family = Family::of(name, tensors.clone().map(|(name, _)| name));
        let family =
            family.ok_or_else(|| Error::mismatch("no weights of PyTorch are read", NETWORKS.join(", "), name))?;
        let stem = |(name, _): (&str, &[usize])| name.starts_with("_conv_stem");
        let tensorflow = family == Family::EfficientNetLite0 && tensors.clone().any(stem);
        let mut layers = Layers::new();
        for (index, (name, shape)) in tensors.enumerate() {
            let (module, parameter) = name.rsplit_once('.').unwrap_or(("", name));
            if parameter == "num_batches_tracked" {
                continue;
            }
            let layer = family.layer(module);
            let layer = layer.ok_or_else(|| Error::unsupported("the network has no such module").at(name))?;
            let tensor = Tensor { index, shape: shape.to_vec() };
            layers.entry(layer).or_default().insert(parameter.to_string(), tensor);
        }
        Ok(Checkpoint { family, layers, tensorflow, preprocessing: true })
    }

    /// The options that the zoo builds the network with; `asked` are the zoo's own, in snake_case or camelCase. Without a classifier
    /// among the tensors the network ends in its features, and `classes` follow from the tensors. Unless `include_preprocessing`
    /// is false, the network takes pixels from 0 to 255, red first.
    pub fn options(&mut self, asked: &Json) -> Result<Json> {
        let mut options = match asked {
            Json::Object(map) => map.clone(),
            Json::Null => Map::new(),
            other => return Err(Error::mismatch("options of a network", "an object", other)),
        };
        for (camel, snake) in [("includeTop", "include_top"), ("includePreprocessing", "include_preprocessing")] {
            if let Some(value) = options.remove(camel) {
                options.insert(snake.into(), value);
            }
        }
        self.preprocessing = options.remove("include_preprocessing").is_none_or(|value| value != Json::Bool(false));
        let weight = self.layers.get(self.family.classifier()).and_then(|layer| layer.get("weight"));
        let classes = weight.and_then(|weight| weight.shape.first().copied());
        options.entry("include_top").or_insert(classes.is_some().into());
        if options["include_top"] == Json::Bool(true) {
            options.entry("classes").or_insert(classes.into());
        } else {
            self.layers.retain(|name, _| !["predictions", "out", "fc1", "fc2"].contains(&name.as_str()));
        }
        if self.family == Family::EfficientNetLite0 {
            options.insert("include_preprocessing".into(), (self.preprocessing && self.tensorflow).into());
        }
        Ok(Json::Object(options))
    }

    /// Makes the zoo's network, built with [`Checkpoint::options`], that of torchvision or timm: borders, strides and constants of
    /// normalisation differ from Keras'.
    pub fn adapt(&self, network: &mut Map<String, Json>) -> Result<()> {
        network.remove("layer_order");
        let list = network.get_mut("layers").and_then(Json::as_array_mut);
        let list = list.ok_or_else(|| Error::invalid("a network without layers"))?;
        set_constants(list, &self.layers, if self.tensorflow { EPSILON_TENSORFLOW } else { EPSILON });
        if !self.tensorflow {
            if self.family == Family::Bottleneck {
                move_strides(list);
            }
            make_symmetric(list);
            if self.preprocessing {
                preprocess(list);
            }
        }
        Ok(())
    }

    /// Finds the tensor of every weight of the adapted network. Errors name the layer: it has no tensor, or one of another shape;
    /// or a tensor has no layer.
    pub fn place(&self, network: &Json, weights: &[WeightInfo]) -> Result<Vec<Placed>> {
        let list = network.get("layers").and_then(Json::as_array).into_iter().flatten();
        let depthwise: Vec<&str> = list
            .filter(|layer| layer["class"] == "DepthwiseConv2D")
            .filter_map(|layer| layer["name"].as_str())
            .collect();
        let flattened = self.flattened();
        let mut used = 0;
        let place = |(weight, info): (usize, &WeightInfo)| {
            let (layer, role) = info.name.rsplit_once('/').unwrap_or((&info.name, ""));
            let parameter = match role {
                "bias" | "beta" => "bias",
                "moving_mean" => "running_mean",
                "moving_variance" => "running_var",
                _ => "weight",
            };
            let tensor = self.layers.get(layer).and_then(|parameters| parameters.get(parameter));
            let tensor =
                tensor.ok_or_else(|| Error::invalid(format!("the file has no {parameter} for it")).at(layer))?;
            used += 1;
            let flattened = flattened.filter(|_| layer == "fc1");
            let order = Order::new(&tensor.shape, info.shape.len(), depthwise.contains(&layer), flattened);
            if order.shape != info.shape {
                let message = format!("the file's {parameter} does not fit the weight {}", info.name);
                return Err(Error::mismatch(message, dims(&info.shape), dims(&order.shape)).at(layer));
            }
            Ok(Placed { weight, tensor: tensor.index, order })
        };
        let placed: Vec<Placed> = weights.iter().enumerate().map(place).collect::<Result<_>>()?;
        if used == self.layers.values().map(BTreeMap::len).sum::<usize>() {
            return Ok(placed);
        }
        let taken = |tensor: &Tensor| placed.iter().any(|placed| placed.tensor == tensor.index);
        for (layer, parameters) in &self.layers {
            let rest: Vec<&str> = parameters.iter().filter(|(_, t)| !taken(t)).map(|(name, _)| name.as_str()).collect();
            if !rest.is_empty() {
                return Err(Error::invalid(format!("the network has no place for {}", rest.join(", "))).at(layer));
            }
        }
        Ok(placed)
    }

    /// Channels of the map that VGG flattens: PyTorch counts them first, Keras last.
    fn flattened(&self) -> Option<usize> {
        let Family::Vgg(convolutions) = self.family else { return None };
        let last = self.layers.get(&format!("block5_conv{}", convolutions[4]))?;
        last.get("weight")?.shape.first().copied()
    }
}

impl Order {
    /// Of a tensor of this shape for a weight of `rank` axes.
    fn new(shape: &[usize], rank: usize, depthwise: bool, flattened: Option<usize>) -> Order {
        let axes = match *shape {
            [outputs, inputs, height, width] => [outputs, inputs, height, width],
            // A dense layer behind a flattened map is a convolution as large as that map.
            [outputs, inputs] if rank == 2 => match flattened {
                Some(channels) if channels > 0 && inputs.is_multiple_of(channels) => {
                    [outputs, channels, 1, inputs / channels]
                }
                _ => [outputs, inputs, 1, 1],
            },
            _ => return Order { axes: None, depthwise, shape: shape.to_vec() },
        };
        let [outputs, inputs, height, width] = axes;
        let shape = match (rank, depthwise) {
            (2, _) => vec![height * width * inputs, outputs],
            // Depthwise networks here have one output for each channel.
            (_, true) => vec![height, width, outputs, 1],
            _ => vec![height, width, inputs, outputs],
        };
        Order { axes: Some(axes), depthwise, shape }
    }

    /// The weight's shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// A tensor's numbers in the weight's order. Errors: there are not as many as the shape says.
    pub fn arrange(&self, values: Vec<f32>) -> Result<Vec<f32>> {
        let Some([outputs, inputs, height, width]) = self.axes else { return Ok(values) };
        if values.len() != outputs * inputs * height * width || (self.depthwise && inputs != 1) {
            return Err(Error::mismatch("a tensor of another size", dims(&self.shape), values.len()));
        }
        let mut moved = Vec::with_capacity(values.len());
        for at in 0..height * width {
            if self.depthwise {
                // One input for each output: the outputs of a channel lie together in both orders.
                moved.extend((0..outputs).map(|output| values[output * height * width + at]));
                continue;
            }
            for input in 0..inputs {
                moved.extend((0..outputs).map(|output| values[(output * inputs + input) * height * width + at]));
            }
        }
        Ok(moved)
    }
}

fn dims(shape: &[usize]) -> String {
    format!("[{}]", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
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
