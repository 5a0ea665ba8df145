//! Networks that the zoo does not have, built of layers.

use serde_json::{Value as Json, json};
use striate::Tensor;
use striate::formats::keras;
use striate::layers::Model;

use super::weights;

fn text(error: striate::Error) -> String {
    error.to_string()
}

/// Layers one behind the other, as the JSON of models; some take other inputs than the layer before.
struct Chain {
    layers: Vec<Json>,
    last: String,
}

impl Chain {
    fn new(dims: [Option<usize>; 4]) -> Chain {
        let input = json!({"name": "image", "class": "InputLayer", "config": {"batch_shape": dims}});
        Chain { layers: vec![input], last: "image".into() }
    }

    fn add(&mut self, name: &str, class: &str, config: Json) -> String {
        let last = self.last.clone();
        self.add_to(name, class, config, &[&last])
    }

    fn add_to(&mut self, name: &str, class: &str, config: Json, inputs: &[&str]) -> String {
        let inbound: Vec<Json> = inputs.iter().map(|input| json!([input, 0, 0])).collect();
        self.layers.push(json!({"name": name, "class": class, "config": config, "inbound": inbound}));
        self.last = name.to_string();
        self.last.clone()
    }

    fn build(self, name: &str) -> Result<Model, String> {
        let outputs = json!([[self.last, 0, 0]]);
        let model = json!({"class": "Functional", "name": name, "layers": self.layers, "inputs": [["image", 0, 0]], "outputs": outputs});
        Model::from_json(&model, false).map_err(text)
    }
}

/// SqueezeNet 1.1: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", from Keras'
/// weights. The weights want blue first and the means of ImageNet taken off: the network does both.
pub fn squeezenet(file: &[u8]) -> Result<Model, String> {
    let mut net = Chain::new([None, Some(227), Some(227), Some(3)]);
    // Red first here; the kernel of the first convolution is turned below.
    net.add("rescaling", "Rescaling", json!({"scale": 1.0, "offset": [-123.68, -116.779, -103.939]}));
    let conv = |filters: usize, size: usize, padding: &str| json!({"filters": filters, "kernel_size": [size, size], "padding": padding, "activation": "relu"});
    let pool = json!({"pool_size": [3, 3], "strides": [2, 2]});
    let mut stem = conv(64, 3, "valid");
    stem["strides"] = json!([2, 2]);
    net.add("conv1", "Conv2D", stem);
    net.add("pool1", "MaxPooling2D", pool.clone());
    for (id, (squeeze, expand)) in
        (2..).zip([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)])
    {
        let squeezed = net.add(&format!("fire{id}_squeeze1x1"), "Conv2D", conv(squeeze, 1, "valid"));
        let narrow = net.add(&format!("fire{id}_expand1x1"), "Conv2D", conv(expand, 1, "valid"));
        let wide = net.add_to(&format!("fire{id}_expand3x3"), "Conv2D", conv(expand, 3, "same"), &[&squeezed]);
        net.add_to(&format!("fire{id}_concat"), "Concatenate", json!({}), &[&narrow, &wide]);
        if id == 3 || id == 5 {
            net.add(&format!("pool{id}"), "MaxPooling2D", pool.clone());
        }
    }
    net.add("conv10", "Conv2D", conv(1000, 1, "valid"));
    net.add("pool10", "GlobalAveragePooling2D", json!({}));
    net.add("predictions", "Softmax", json!({}));
    let mut model = net.build("squeezenet1.1")?;
    let file = keras::open(file.to_vec()).map_err(text)?;
    keras::load_weights(&mut model, &file, Default::default()).map_err(text)?;
    let kernel = model.weight("conv1/kernel").map_err(text)?;
    let mut values = kernel.as_f32().map_err(text)?.to_vec();
    for tap in values.chunks_exact_mut(3 * 64) {
        let (first, rest) = tap.split_at_mut(64);
        first.swap_with_slice(&mut rest[64..]);
    }
    model.set_weight("conv1/kernel", Tensor::f32(kernel.shape().clone(), values).map_err(text)?).map_err(text)?;
    Ok(model)
}

/// Enlargement of [`realesr_animevideo`], its channels and its middle convolutions.
const ENLARGED: usize = 4;
const CHANNELS: usize = 64;
const MIDDLE: usize = 16;

/// realesr-animevideov3 (Wang et al. 2021, "Real-ESRGAN"): convolutions and slopes one behind the other; 48 channels
/// become 4 x 4 pixels, added to the picture enlarged by repetition. Any size; pixels from 0 to 255 at both ends.
pub fn realesr_animevideo(file: &[u8]) -> Result<Model, String> {
    let mut net = Chain::new([None, None, None, Some(3)]);
    let scaled = net.add("rescaling", "Rescaling", json!({"scale": 1.0 / 255.0}));
    let conv = |filters: usize| json!({"filters": filters, "kernel_size": [3, 3], "padding": "same"});
    for i in 0..=MIDDLE {
        net.add(&format!("conv_{i}"), "Conv2D", conv(CHANNELS));
        net.add(&format!("prelu_{i}"), "PReLU", json!({"shared_axes": [1, 2]}));
    }
    let planes = 3 * ENLARGED * ENLARGED;
    net.add("conv_last", "Conv2D", conv(planes));
    // A transposed convolution whose taps are ones and zeros lays the channels out as pixels, at any size.
    let shuffle =
        json!({"filters": 3, "kernel_size": [ENLARGED, ENLARGED], "strides": [ENLARGED, ENLARGED], "use_bias": false});
    let fine = net.add("pixel_shuffle", "Conv2DTranspose", shuffle);
    let coarse = net.add_to("enlarged", "UpSampling2D", json!({"size": [ENLARGED, ENLARGED]}), &[&scaled]);
    net.add_to("sum", "Add", json!({}), &[&fine, &coarse]);
    net.add("pixels", "Rescaling", json!({"scale": 255.0}));
    let mut model = net.build("realesr-animevideov3")?;

    let mut rest = file;
    for i in 0..=MIDDLE + 1 {
        let (inputs, outputs) = (if i == 0 { 3 } else { CHANNELS }, if i > MIDDLE { planes } else { CHANNELS });
        let name = if i > MIDDLE { "conv_last".to_string() } else { format!("conv_{i}") };
        let (kernel, bias) =
            weights::ncnn_conv(&mut rest, outputs, inputs, 3).map_err(|why| format!("{name}: {why}"))?;
        model.set_weight(&format!("{name}/kernel"), kernel).map_err(text)?;
        model.set_weight(&format!("{name}/bias"), bias).map_err(text)?;
        if i <= MIDDLE {
            let slopes = weights::ncnn_floats(&mut rest, CHANNELS)?;
            let slopes = Tensor::f32([1, 1, CHANNELS], slopes).map_err(text)?;
            model.set_weight(&format!("prelu_{i}/alpha"), slopes).map_err(text)?;
        }
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes too many", rest.len()));
    }
    let mut taps = vec![0f32; ENLARGED * ENLARGED * 3 * planes];
    for (place, colour) in (0..ENLARGED * ENLARGED).flat_map(|place| (0..3).map(move |colour| (place, colour))) {
        // PyTorch's order: all places of a colour lie together.
        taps[(place * 3 + colour) * planes + colour * ENLARGED * ENLARGED + place] = 1.0;
    }
    let taps = Tensor::f32([ENLARGED, ENLARGED, 3, planes], taps).map_err(text)?;
    model.set_weight("pixel_shuffle/kernel", taps).map_err(text)?;
    model.set_trainable("pixel_shuffle", false).map_err(text)?;
    Ok(model)
}

/// The tiny face detector of face-api.js: separable convolutions and the head of YOLOv2 (Redmon & Farhadi 2016), five
/// anchors. `striate::vision::faces` reads its output.
pub fn tiny_face_detector(manifest: &[u8], values: &[u8]) -> Result<Model, String> {
    let mut net = Chain::new([None, Some(416), Some(416), Some(3)]);
    let means = [117.001, 114.697, 97.404].map(|mean: f64| -mean / 255.0);
    net.add("rescaling", "Rescaling", json!({"scale": 1.0 / 255.0, "offset": means}));
    let leaky = json!({"negative_slope": 0.1});
    // The file's convolutions are VALID; all but the first have a border of their own.
    net.add("conv0", "Conv2D", json!({"filters": 16, "kernel_size": [3, 3]}));
    net.add("conv0_leaky", "LeakyReLU", leaky.clone());
    for (i, filters) in (1..).zip([32, 64, 128, 256, 512]) {
        net.add(
            &format!("pool{i}"),
            "MaxPooling2D",
            json!({"pool_size": [2, 2], "strides": [2, 2], "padding": "same"}),
        );
        net.add(
            &format!("conv{i}"),
            "SeparableConv2D",
            json!({"filters": filters, "kernel_size": [3, 3], "padding": "same"}),
        );
        net.add(&format!("conv{i}_leaky"), "LeakyReLU", leaky.clone());
    }
    net.add("pool6", "MaxPooling2D", json!({"pool_size": [2, 2], "strides": [1, 1], "padding": "same"}));
    net.add("conv8", "Conv2D", json!({"filters": 25, "kernel_size": [1, 1]}));
    let mut model = net.build("tiny_face_detector")?;
    let mut missing: Vec<String> = model.weights().iter().map(|weight| weight.name.clone()).collect();
    for (name, tensor) in weights::quantised(manifest, values)? {
        let name = name
            .replace("depthwise_filter", "depthwise_kernel")
            .replace("pointwise_filter", "pointwise_kernel")
            .replace("filters", "kernel");
        model.set_weight(&name, tensor).map_err(text)?;
        missing.retain(|other| *other != name);
    }
    if missing.is_empty() { Ok(model) } else { Err(format!("the file has no {}", missing.join(", "))) }
}
