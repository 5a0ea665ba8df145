//! Keras' model files, read and written natively: the files of the golden set on every backend, and a network that Keras 3
//! saved in all its formats (`tests/data/keras/make.py`).
#![cfg(all(feature = "conformance", feature = "keras", not(target_arch = "wasm32")))]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/vendor.rs"]
mod vendor;

use serde_json::{Value as Json, json};
use striate::formats::keras::{self, NO_CUSTOM_LAYERS, WeightOptions};
use striate::golden::Backend;
use striate::layers::Model;
use striate::session::Device;
use striate::{ErrorKind, Tensor};

fn data(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn golden_files_agree_on_the_reference() {
    assert_eq!(golden::all_agree(&Backend::Reference, "golden-models", &["model_file"]), [2, 0]);
}

#[test]
fn golden_files_agree_on_the_cpu() {
    assert_eq!(golden::all_agree(&Backend::Device(Device::Cpu), "golden-models", &["model_file"]), [2, 0]);
}

#[cfg(feature = "webgpu")]
#[test]
fn golden_files_agree_on_the_gpu() {
    use striate::backend::gpu::{Gpu, GpuOptions};
    match pollster::block_on(Gpu::new(GpuOptions { allow_software: true, ..Default::default() })) {
        Ok(gpu) => {
            assert_eq!(golden::all_agree(&Backend::Device(Device::Gpu(gpu)), "golden-models", &["model_file"]), [2, 0])
        }
        Err(error) => {
            eprintln!("\n*** NOT TESTED: the WebGPU backend, for there is no adapter: {error}\n");
            assert!(std::env::var_os("STRIATE_REQUIRE_GPU").is_none(), "STRIATE_REQUIRE_GPU is set");
        }
    }
}

fn tensors(json: &Json) -> Vec<Tensor> {
    let tensor = |t: &Json| {
        let shape: Vec<usize> = serde_json::from_value(t["shape"].clone()).unwrap();
        Tensor::f32(shape, serde_json::from_value::<Vec<f32>>(t["values"].clone()).unwrap()).unwrap()
    };
    json.as_array().unwrap().iter().map(tensor).collect()
}

/// The network computes what Keras computed.
fn assert_is_nested(model: &Model, what: &str) {
    let json: Json = serde_json::from_slice(&data("keras/nested.json")).unwrap();
    let outputs = Backend::Reference.run(&model.graph().unwrap(), &tensors(&json["inputs"])).unwrap();
    let wanted = tensors(&json["outputs"]);
    assert_eq!(outputs.len(), wanted.len());
    for (got, want) in outputs.iter().zip(&wanted) {
        assert_eq!(got.shape(), want.shape());
        for (g, w) in got.as_f32().unwrap().iter().zip(want.as_f32().unwrap()) {
            assert!((g - w).abs() <= 2e-5 + 1e-5 * w.abs(), "{what}: {g} instead of {w}");
        }
    }
}

#[test]
fn nested_models_shared_layers_and_frozen_ones_come_out_of_every_format() {
    let model = keras::load(data("keras/nested.keras")).unwrap();
    assert_is_nested(&model, "nested.keras");
    assert_is_nested(&keras::load(data("keras/nested.h5")).unwrap(), "nested.h5");
    // Arguments of training come along.
    let layers = &model.to_json()["layers"];
    let layer =
        |layers: &Json, name: &str| layers.as_array().unwrap().iter().find(|l| l["name"] == name).unwrap().clone();
    assert_eq!(layer(layers, "stem")["trainable"], json!(false));
    assert_eq!(layer(layers, "stem")["config"]["kernel_constraint"]["config"]["max_value"], json!(3.0));
    let tower = layer(layers, "tower")["config"]["layers"].clone();
    assert_eq!(layer(&tower, "bn")["trainable"], json!(false));
    assert_eq!(layer(&tower, "mix")["config"]["kernel_regularizer"]["class_name"], json!("L2"));

    let empty = || Model::from_json(&Json::Object(model.to_json()), false).unwrap();
    for file in ["nested.keras", "nested.weights.h5", "nested.h5"] {
        for by_name in [false, true] {
            let mut network = empty();
            let file = keras::open(data(&format!("keras/{file}"))).unwrap();
            let skipped = keras::load_weights(&mut network, &file, WeightOptions { by_name, ..Default::default() });
            assert_eq!(skipped.unwrap(), []);
            assert_is_nested(&network, "weights alone");
        }
    }
}

/// Where names tell nothing, Keras lists what is trained first, and a frozen layer's weights last.
#[test]
fn weights_of_a_nested_model_with_other_names_go_by_keras_order() {
    let model = keras::load(data("keras/nested.keras")).unwrap();
    let mut text = Json::Object(model.to_json()).to_string();
    for name in ["dw", "bn", "mix"] {
        text = text.replace(&format!("\"{name}\""), &format!("\"other_{name}\""));
    }
    let mut other = Model::from_json(&serde_json::from_str(&text).unwrap(), false).unwrap();
    assert!(other.weight("tower/other_bn/gamma").is_ok());
    let file = keras::open(data("keras/nested.h5")).unwrap();
    keras::load_weights(&mut other, &file, WeightOptions::default()).unwrap();
    assert_is_nested(&other, "other names");
}

#[test]
fn what_is_written_is_the_same_network_to_the_bit() {
    let model = keras::load(data("keras/nested.keras")).unwrap();
    let mut tfjs = keras::save_tfjs(&model).unwrap().into_iter();
    let (name, json) = tfjs.next().unwrap();
    assert_eq!(name, "model.json");
    let shards = tfjs.flat_map(|(_, bytes)| bytes).collect();
    let copies = [
        keras::load(keras::save(&model).unwrap()).unwrap(),
        keras::load(keras::save_safetensors(&model).unwrap()).unwrap(),
        keras::model(&keras::open_tfjs(&json, shards).unwrap(), NO_CUSTOM_LAYERS).unwrap(),
    ];
    for copy in copies {
        assert_eq!(copy.to_json(), model.to_json());
        for weight in model.weights() {
            assert_eq!(copy.weight(&weight.name).unwrap(), model.weight(&weight.name).unwrap(), "{}", weight.name);
        }
    }
    let mut copy = Model::from_json(&Json::Object(model.to_json()), false).unwrap();
    let weights = keras::open(keras::save_weights(&model).unwrap()).unwrap();
    keras::load_weights(&mut copy, &weights, WeightOptions::default()).unwrap();
    assert_is_nested(&copy, "weights.h5");
    // Twice the same bytes: files can be compared.
    assert_eq!(keras::save(&model).unwrap(), keras::save(&copy).unwrap());
}

/// Every network of the zoo, weights and all, through `.keras`; the narrow ones, for time.
#[test]
fn networks_of_the_zoo_survive_keras_format() {
    for (name, options) in [
        ("LeNet5", json!({})),
        ("ResNet34", json!({"widths": [4, 4, 6, 8], "classes": 3, "inputShape": [32, 32, 3]})),
        ("MobileNetV2", json!({"alpha": 0.35, "classes": 3, "inputShape": [32, 32, 3]})),
    ] {
        let model = striate::zoo::build(name, &options).unwrap();
        let copy = keras::load(keras::save(&model).unwrap()).unwrap();
        assert_eq!(copy.to_json(), model.to_json(), "{name}");
        for weight in model.weights() {
            assert_eq!(
                copy.weight(&weight.name).unwrap(),
                model.weight(&weight.name).unwrap(),
                "{name}: {}",
                weight.name
            );
        }
    }
}

/// The golden Sequential network with a head of another width.
fn other_head(units: usize, name: &str) -> Model {
    let model = keras::load(data("golden-models/models/tiny_sequential.keras")).unwrap();
    let mut json = Json::Object(model.to_json());
    let head = json["layers"].as_array_mut().unwrap().iter_mut().find(|l| l["name"] == "out").unwrap();
    head["config"]["units"] = json!(units);
    head["name"] = json!(name);
    for key in ["inputs", "outputs", "layer_order"] {
        json.as_object_mut().unwrap().remove(key);
    }
    Model::from_json(&json, false).unwrap()
}

#[test]
fn what_does_not_fit_is_named_or_passed_over() {
    for (path, tensor) in [
        ("tiny_sequential.weights.h5", "layers/dense/vars/0"),
        ("tiny_sequential.keras2.h5", "out/kernel:0"),
        ("tiny_sequential.keras3.h5", "tiny_sequential/out/kernel"),
    ] {
        let file = keras::open(data(&format!("golden-models/models/{path}"))).unwrap();
        let mut network = other_head(7, "out");
        let before = network.weight("conv/kernel").unwrap();
        let error = keras::load_weights(&mut network, &file, WeightOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("out: the file's {tensor} does not fit the weight out/kernel (expected [63, 7], received [63, 4])")
        );
        assert_eq!((error.kind(), error.layer()), (ErrorKind::ShapeMismatch, Some("out")));
        assert_eq!(network.weight("conv/kernel").unwrap(), before, "nothing has changed");

        let options = WeightOptions { skip_mismatch: true, ..Default::default() };
        let skipped = keras::load_weights(&mut network, &file, options).unwrap();
        assert_eq!(skipped.iter().map(|(layer, _)| layer.as_str()).collect::<Vec<_>>(), ["out"]);
        assert_ne!(network.weight("conv/kernel").unwrap(), before);

        // A head of another name: by name it is nobody's business.
        let mut network = other_head(7, "new_head");
        let options = WeightOptions { by_name: true, ..Default::default() };
        assert_eq!(keras::load_weights(&mut network, &file, options).unwrap(), []);
        let whole = keras::load(data("golden-models/models/tiny_sequential.keras")).unwrap();
        assert_eq!(network.weight("sep/pointwise_kernel").unwrap(), whole.weight("sep/pointwise_kernel").unwrap());
    }
    let file = keras::open(data("golden-models/models/tiny_sequential.keras2.h5")).unwrap();
    let mut other = striate::zoo::build("LeNet5", &json!({})).unwrap();
    let error = keras::load_weights(&mut other, &file, WeightOptions::default()).unwrap_err();
    assert!(error.message().contains("load it by name"), "{error}");
    let weights = data("golden-models/models/tiny_sequential.weights.h5");
    assert!(keras::load(weights).unwrap_err().to_string().contains("weights only"));
    assert!(keras::open(b"not a model".to_vec()).err().unwrap().to_string().starts_with("not a model file"));
}

#[test]
fn custom_layers_are_replaced() {
    let model = json!({"class_name": "Functional", "config": {
        "name": "esrgan",
        "layers": [
            {"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [null, 2, 3, 8]}, "inbound_nodes": []},
            {"class_name": "Custom>MultiplyBeta", "name": "beta", "config": {"name": "beta", "beta": 0.2},
             "inbound_nodes": [[["x", 0, 0, {}]]]},
            {"class_name": "Custom>PixelShuffle2x", "name": "shuffle", "config": {"name": "shuffle"},
             "inbound_nodes": [[["beta", 0, 0, {}]]]}],
        "input_layers": [["x", 0, 0]], "output_layers": [["shuffle", 0, 0]]}});
    let json = json!({"modelTopology": {"model_config": model}, "weightsManifest": []}).to_string();
    let file = keras::open_tfjs(json.as_bytes(), Vec::new()).unwrap();
    let error = keras::model(&file, NO_CUSTOM_LAYERS).unwrap_err();
    assert_eq!(error.to_string(), "beta: no layer named \"Custom>MultiplyBeta\"");
    let model = keras::model(&file, &|class, config| {
        let config = match class {
            "Custom>MultiplyBeta" => json!({"scale": config["beta"]}),
            _ => json!({"steps": [{"op": "depthToSpace", "inputs": [0], "args": {"blockSize": 2}}], "outputs": [1]}),
        };
        let class = if class.ends_with("Beta") { "Rescaling" } else { "Lambda" };
        Some((class.to_string(), config.as_object().cloned().unwrap_or_default()))
    });
    let x = Tensor::f32([1, 2, 3, 8], (0..48).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let y = Backend::Reference.run(&model.unwrap().graph().unwrap(), &[x]).unwrap();
    assert_eq!(**y[0].shape(), [1, 4, 6, 2]);
    let want: Vec<f32> = [0, 1, 2, 3, 8, 9].iter().map(|&i| i as f32 * 0.2).collect();
    assert!(y[0].as_f32().unwrap().iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-6), "{:?}", y[0]);
}

/// Keras 2 and TensorFlow.js called another function hard_sigmoid.
#[test]
fn the_hard_sigmoid_is_that_of_the_files_version() {
    let config = |version: &str| {
        let layers = json!([{"class_name": "Activation",
            "config": {"name": "act", "activation": "hard_sigmoid", "batch_input_shape": [null, 2]}}]);
        let model = json!({"class_name": "Sequential", "config": {"name": "s", "layers": layers}});
        json!({"modelTopology": {"keras_version": version, "model_config": model}, "weightsManifest": []}).to_string()
    };
    for (version, want) in [("2.15.0", 0.7), ("3.3.1", 0.5 + 1.0 / 6.0)] {
        let file = keras::open_tfjs(config(version).as_bytes(), Vec::new()).unwrap();
        let model = keras::model(&file, NO_CUSTOM_LAYERS).unwrap();
        let x = Tensor::f32([1, 2], vec![1.0, -9.0]).unwrap();
        let y = Backend::Reference.run(&model.graph().unwrap(), &[x]).unwrap();
        let y = y[0].as_f32().unwrap();
        assert!((y[0] - want).abs() < 1e-6 && y[1] == 0.0, "{version}: {y:?}");
        // It cannot be written for those who would read it as the other one.
        assert_eq!(keras::save(&model).is_ok(), version.starts_with('3'));
        assert_eq!(keras::save_tfjs(&model).is_ok(), version.starts_with('2'));
    }
}

/// A published layers model on a photo: pixels that TensorFlow.js 4.22.0 (wasm) computes from these files for the astronaut at
/// half its size, each pixel the mean of four, rounded.
#[test]
fn a_published_layers_model_doubles_a_photo_as_tensorflow_js_does() {
    let files = ["esrgan-slim-x2/model.json", "esrgan-slim-x2/group1-shard1of1.bin"].map(vendor::vendor);
    let [Some(json), Some(weights)] = files else { return };
    let model = keras::model(&keras::open_tfjs(&json, weights).unwrap(), NO_CUSTOM_LAYERS).unwrap();
    assert_eq!(model.count_params(), 222_075);
    let mut reader = png::Decoder::new(std::io::Cursor::new(data("images/astronaut.png"))).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (512, 512, png::ColorType::Rgb));
    let half = |y: usize, x: usize, c: usize| {
        let at = |dy: usize, dx: usize| rgb[((2 * y + dy) * 512 + 2 * x + dx) * 3 + c] as f32;
        ((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4.0).round_ties_even()
    };
    // Pieces that hold all that a pixel depends on: the corner, and the surroundings of the middle.
    const SIZE: usize = 48;
    for (corner, pixel, want) in [
        ([0, 0], [0, 0], [102.3239, 100.7209, 96.1772]),
        ([104, 104], [256, 256], [21.0418, 16.5691, 13.353]),
        ([146, 168], [341, 384], [11.9142, 1.567, 0.5357]),
    ] {
        let piece = (0..SIZE * SIZE * 3).map(|i| half(corner[0] + i / 3 / SIZE, corner[1] + i / 3 % SIZE, i % 3));
        let input = Tensor::f32([1, SIZE, SIZE, 3], piece.collect::<Vec<_>>()).unwrap();
        let output = Backend::Device(Device::Cpu).run(&model.graph().unwrap(), &[input]).unwrap();
        assert_eq!(**output[0].shape(), [1, 2 * SIZE, 2 * SIZE, 3]);
        let at = ((pixel[0] - 2 * corner[0]) * 2 * SIZE + pixel[1] - 2 * corner[1]) * 3;
        for (got, want) in output[0].as_f32().unwrap()[at..at + 3].iter().zip(want) {
            assert!((got - want).abs() < 2e-3, "pixel {pixel:?}: {got} instead of {want}");
        }
    }
}
