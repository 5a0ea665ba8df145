//! The networks of the zoo against Keras: every layer's name, class, arguments, inputs, output shape and parameters, in
//! Keras' order; and each network run once, small.
//!
//! `tests/data/golden/architectures.json` and `networks.json` hold textbook networks and Keras' applications,
//! `applications.json` more applications with unusual options (EfficientNet-Lite0 is Keras' EfficientNet with these blocks);
//! all were written by Keras 3.15. A layer is
//! `[name, class, arguments, inputs, shape, parameters]`.

#![cfg(not(target_arch = "wasm32"))]

use serde_json::{Value as Json, json};
use striate::Tensor;
use striate::layers::{Model, Row, to_fully_convolutional};
use striate::session::{Device, Session};
use striate::zoo;

fn read(text: &str) -> serde_json::Map<String, Json> {
    serde_json::from_str(text).unwrap()
}

fn build(name: &str, options: Json) -> Model {
    zoo::build(name, &options).unwrap_or_else(|e| panic!("{name} {options}: {e}"))
}

/// Equal, numbers to seven digits.
fn same(a: &Json, b: &Json) -> bool {
    match (a.as_f64(), b.as_f64(), a.as_array(), b.as_array()) {
        (Some(a), Some(b), ..) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()),
        // One number for all axes.
        (None, Some(_), Some(a), None) => a.iter().all(|a| same(a, b)),
        (.., Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b,
    }
}

fn check_row(model: &Model, row: &Row, want: &Json) -> Result<(), String> {
    if (row.name.as_str(), row.class.as_str()) != (want[0].as_str().unwrap(), want[1].as_str().unwrap()) {
        return Err(format!("{} ({})", row.name, row.class));
    }
    let inputs = json!(row.inbound);
    if !want[3].is_null() && inputs != want[3] {
        return Err(format!("inputs {inputs}"));
    }
    let shape = json!(row.outputs[0].0);
    if shape != want[4] {
        return Err(format!("shape {shape}"));
    }
    if json!(row.params) != want[5] {
        return Err(format!("{} parameters", row.params));
    }
    let config = model.layer(&row.name).unwrap().config();
    let differs = |(key, value): &(&String, &Json)| !config.get(*key).is_some_and(|own| same(own, value));
    match want[2].as_object().unwrap().iter().find(differs) {
        Some((key, _)) => Err(format!("{key} {:?}", config.get(key))),
        None => Ok(()),
    }
}

/// Every layer as in Keras, but for layers named `add...` and `multiply...` that stand for Python's operators there.
fn check(id: &str, model: &Model, want: &Json) {
    let summary = model.summary();
    let operator =
        |row: &&Row| row.class == "Rescaling" && (row.name.starts_with("add") || row.name.starts_with("multiply"));
    let rows: Vec<&Row> = summary.rows.iter().filter(|row| !operator(row)).collect();
    let wanted = want["layers"].as_array().unwrap();
    for (row, want) in rows.iter().zip(wanted) {
        if let Err(what) = check_row(model, row, want) {
            panic!("{id}: {what} instead of {want}");
        }
    }
    assert_eq!(rows.len(), wanted.len(), "{id}");
    if let (Some(total), Some(trainable)) = (want["total"].as_u64(), want["trainable"].as_u64()) {
        assert_eq!((summary.total as u64, summary.trainable as u64), (total, trainable), "{id}");
    }
}

#[test]
fn architectures_are_those_of_keras() {
    for (id, want) in read(include_str!("data/golden/architectures.json")) {
        let name = match id.as_str() {
            "FashionMNIST-CNN" => "FashionMNIST",
            "ResNet-34-slide-sequential" => "ResNet34Sequential",
            id => id.trim_end_matches("-no-top"),
        };
        check(&id, &build(name, want["args"].clone()), &want);
    }
}

#[test]
fn applications_with_unusual_options_are_those_of_keras() {
    for (id, want) in read(include_str!("data/golden/applications.json")) {
        let mut args = want["args"].clone();
        let name = match want["net"].as_str().unwrap() {
            "DenseNet" => {
                args["blocks"] = json!([2, 3, 1, 2]);
                args["name"] = "densenet".into();
                "DenseNet121"
            }
            name => name,
        };
        let model = build(name, args);
        check(&id, &model, &want);
        assert_eq!(model.name(), want["name"].as_str().unwrap());
    }
}

#[test]
fn small_networks_are_those_of_keras() {
    let networks = read(include_str!("data/golden/networks.json"));
    for (id, name, options) in [
        ("fashion", "FashionMNIST", json!({"widths": [6, 8, 10], "units": [12, 8]})),
        ("lenet5_squared", "LeNet5", json!({"squared": true})),
        (
            "alexnet",
            "AlexNet",
            json!({"inputShape": [67, 67, 3], "widths": [12, 32, 48, 48, 32], "units": [32, 32], "classes": 10}),
        ),
        (
            "alexnet_no_lrn",
            "AlexNet",
            json!({"inputShape": [67, 75, 3], "widths": [6, 16, 24, 24, 16], "units": [20, 20], "classes": 7, "lrn": false,
                "dropoutRate": 0}),
        ),
        (
            "resnet34_short",
            "ResNet34",
            json!({"inputShape": [37, 29, 3], "widths": [4, 8, 16, 32], "blocks": [1, 2, 1, 1], "classes": 5}),
        ),
        (
            "resnet50_no_top",
            "ResNet50",
            json!({"inputShape": [40, 33, 3], "widths": [3, 4, 5, 6], "blocks": [2, 2, 2, 2], "includeTop": false,
                "pooling": "avg"}),
        ),
        ("mobilenetv2", "MobileNetV2", json!({"inputShape": [32, 32, 3], "alpha": 0.35, "classes": 10})),
        ("yolo_grid", "YOLO", json!({"inputShape": [56, 56, 3], "widths": [4, 8, 16], "units": []})),
        ("unet", "UNet", json!({"inputShape": [24, 32, 3], "widths": [4, 8, 16], "blocks": [1], "classes": 3})),
    ] {
        check(id, &build(name, options), &networks[id]);
    }
}

/// Documented totals: Keras' of its applications with and without the classifier, the papers' and reimplementations' of
/// the others.
#[test]
fn totals_are_the_documented_ones() {
    for (name, total, without_top) in [
        ("VGG16", 138_357_544, Some(14_714_688)),
        ("VGG19", 143_667_240, Some(20_024_384)),
        ("ResNet50", 25_636_712, Some(23_587_712)),
        ("ResNet101", 44_707_176, Some(42_658_176)),
        ("ResNet152", 60_419_944, Some(58_370_944)),
        ("ResNet50V2", 25_613_800, Some(23_564_800)),
        ("ResNet101V2", 44_675_560, Some(42_626_560)),
        ("ResNet152V2", 60_380_648, Some(58_331_648)),
        ("Xception", 22_910_480, Some(20_861_480)),
        ("MobileNet", 4_253_864, Some(3_228_864)),
        ("MobileNetV2", 3_538_984, Some(2_257_984)),
        ("MobileNetV3Small", 2_554_968, Some(939_120)),
        ("MobileNetV3Large", 5_507_432, Some(2_996_352)),
        ("DenseNet121", 8_062_504, Some(7_037_504)),
        ("DenseNet169", 14_307_880, Some(12_642_880)),
        ("DenseNet201", 20_242_984, Some(18_321_984)),
        // 1,000 classes of which the chapter has 10.
        ("AlexNet", 201_838_952, None),
        // Caffe's bvlc_googlenet, without its auxiliary classifiers.
        ("GoogLeNet", 6_998_552, Some(5_973_552)),
        // keras-yolo3, 80 classes.
        ("YOLOv3", 62_001_757, None),
        ("YOLOv3Tiny", 8_858_734, None),
    ] {
        let model = build(name, Json::Null);
        assert_eq!(model.count_params(), total, "{name}");
        if let Some(total) = without_top {
            assert_eq!(build(name, json!({"include_top": false})).count_params(), total, "{name} without its top");
        }
    }
    // The original's trainable parameters (no biases but in squeeze-and-excitation and the classifier), torchvision's of
    // ResNet-18 and ResNet-34 with 1000 classes (which project with the first stride as well), and the phones' network.
    for (name, options, trainable) in [
        ("SEResNet50", Json::Null, 28_088_024),
        ("ResNet18", json!({"classes": 1000}), 11_689_512),
        ("ResNet34", json!({"classes": 1000}), 21_797_672),
        ("EfficientNetLite0", Json::Null, 4_652_008),
    ] {
        assert_eq!(build(name, options).summary().trainable, trainable, "{name}");
    }
}

/// Options that make each network small, and its outputs' dimensions.
fn small(name: &str) -> (Json, Vec<Vec<usize>>) {
    let classifier = |mut options: Json, size: usize| {
        options["classes"] = 4.into();
        // Probabilities of an untrained, narrow network are equal to seven digits.
        options["classifierActivation"] = Json::Null;
        options["inputShape"] = json!([size, size, 3]);
        (options, vec![vec![1, 4]])
    };
    match name {
        "LeNet5" => (json!({"widths": [2, 3, 5], "units": [7]}), vec![vec![1, 10]]),
        "FashionMNIST" => (json!({"widths": [3, 4, 5], "units": [6, 5]}), vec![vec![1, 10]]),
        "AlexNet" => classifier(json!({"widths": [5, 6, 7, 7, 6], "units": [9, 8]}), 67),
        "GoogLeNet" => classifier(json!({"alpha": 0.125}), 32),
        "VGG16" | "VGG19" => classifier(json!({"widths": [3, 4, 5, 6, 6], "units": [9, 8]}), 33),
        name if name.starts_with("ResNet") || name.starts_with("SEResNet") => {
            classifier(json!({"widths": [3, 4, 5, 16], "blocks": [2, 1, 2, 1]}), 33)
        }
        "Xception" => classifier(json!({"widths": [3, 4, 5, 6, 7, 8, 9, 10], "blocks": [1]}), 71),
        "MobileNet" | "MobileNetV2" => classifier(json!({"alpha": 0.125}), 33),
        "MobileNetV3Small" | "MobileNetV3Large" => classifier(json!({"alpha": 0.25}), 33),
        "EfficientNetLite0" => classifier(json!({}), 32),
        name if name.starts_with("DenseNet") => classifier(json!({"widths": [6, 3], "blocks": [2, 1, 2, 1]}), 32),
        "YOLOv3" => (
            json!({"widths": [2, 4, 4, 6, 6, 8], "blocks": [1, 1, 1, 1, 1], "classes": 3, "inputShape": [64, 32, 3]}),
            vec![vec![1, 2, 1, 24], vec![1, 4, 2, 24], vec![1, 8, 4, 24]],
        ),
        "YOLOv3Tiny" => (
            json!({"widths": [2, 3, 4, 4, 6, 6, 8], "boxes": 2, "classes": 3, "inputShape": [64, 32, 3]}),
            vec![vec![1, 2, 1, 16], vec![1, 4, 2, 16]],
        ),
        "YOLO" => {
            (json!({"widths": [2, 3, 4, 5, 6], "units": [7], "inputShape": [224, 224, 3]}), vec![vec![1, 7, 7, 45]])
        }
        "FCN32s" | "FCN16s" | "FCN8s" => (
            json!({"widths": [2, 3, 4, 4, 5], "units": [6, 7], "classes": 3, "inputShape": [64, 32, 3]}),
            vec![vec![1, 64, 32, 3]],
        ),
        "UNet" => (json!({"widths": [3, 4, 5], "inputShape": [12, 8, 3]}), vec![vec![1, 12, 8, 2]]),
        name => panic!("{name} has no small form"),
    }
}

/// A picture of smooth shapes, -1..1.
fn picture(dims: [usize; 4]) -> Tensor {
    let [_, _, width, channels] = dims;
    let value = |i: usize| {
        let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
        ((y as f32 * 0.37 + c as f32).sin() + (x as f32 * 0.23 - c as f32).cos()) / 2.0
    };
    Tensor::f32(dims, (0..dims.iter().product()).map(value).collect::<Vec<_>>()).unwrap()
}

fn run(model: &Model, input: Tensor) -> Vec<Tensor> {
    let mut session = Session::new(model.graph().unwrap(), Device::Cpu).unwrap();
    pollster::block_on(session.run(&[input])).unwrap()
}

/// The input at the model's own size.
fn input_of(model: &Model) -> Tensor {
    let inputs = model.inputs();
    let dims: Vec<usize> = inputs[0].2.iter().map(|d| d.unwrap_or(1)).collect();
    picture(dims.try_into().unwrap())
}

#[test]
fn every_network_runs() {
    for name in zoo::names() {
        let (options, shapes) = small(name);
        let model = build(name, options);
        let outputs = run(&model, input_of(&model));
        for (output, shape) in outputs.iter().zip(&shapes) {
            assert_eq!(output.shape()[..], shape[..], "{name}");
            let values = output.as_f32().unwrap();
            assert!(values.iter().all(|v| v.is_finite()), "{name}: {values:?}");
            // Not a constant: the picture got through.
            let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(values.iter().any(|v| (v - values[0]).abs() > 1e-3 * largest), "{name}: {values:?}");
        }
        assert_eq!(outputs.len(), shapes.len(), "{name}");
        // The same seed, the same network; another, another.
        let with_seed = |seed: u64| {
            let mut options = small(name).0;
            options["seed"] = seed.into();
            let model = build(name, options);
            let weight = model.weights().iter().find(|w| w.name.ends_with("kernel")).unwrap().name.clone();
            model.weight(&weight).unwrap()
        };
        assert_eq!(with_seed(3), with_seed(3), "{name}");
        assert_ne!(with_seed(3), with_seed(4), "{name}");
    }
}

/// Written as ONNX and read again: the same to the bit, also as layers, with as many weights.
#[cfg(feature = "onnx")]
#[test]
fn every_network_comes_back_from_an_onnx_file() {
    use striate::formats::{ImportOptions, onnx, raise};
    for name in zoo::names() {
        let model = build(name, small(name).0);
        let file = onnx::export(&model.graph().unwrap(), &onnx::ExportOptions::default()).unwrap();
        let graph = onnx::import(&file, &ImportOptions::default()).unwrap().graph;
        assert_eq!(graph.inputs()[0].dims[0], None, "{name}: the batch is open");
        let input = input_of(&model);
        let mut session = Session::new(graph, Device::Cpu).unwrap();
        let outputs = pollster::block_on(session.run(std::slice::from_ref(&input))).unwrap();
        assert!(outputs == run(&model, input.clone()), "{name}");
        let raised = raise(session.graph(), name).unwrap().model().unwrap();
        assert!(run(&raised, input) == outputs, "{name} as layers");
        let trained = |model: &Model| model.weights().iter().filter(|w| model.is_trainable(w)).count();
        // Without batch normalisation to fold, what was learned is what is learned.
        if model.weights().len() == trained(&model) && name != "LeNet5" {
            assert_eq!(trained(&raised), trained(&model), "{name} as layers");
        }
    }
}

/// Scores enlarged by an untrained FCN are those of bilinear interpolation, away from the border.
#[test]
fn transposed_convolutions_begin_as_bilinear_interpolation() {
    let mut options = small("FCN8s").0;
    options["inputShape"] = json!([96, 96, 3]);
    options["classifierActivation"] = Json::Null;
    let learnt = build("FCN8s", options.clone());
    options["upsampling"] = "bilinear".into();
    let mut fixed = build("FCN8s", options);
    for weight in fixed.weights().iter().map(|w| w.name.clone()).collect::<Vec<_>>() {
        fixed.set_weight(&weight, learnt.weight(&weight).unwrap()).unwrap();
    }
    let [a, b] = [&learnt, &fixed].map(|model| run(model, picture([1, 96, 96, 3])).remove(0));
    let (a, b) = (a.as_f32().unwrap(), b.as_f32().unwrap());
    let largest = b.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (y, x) in (40..56).flat_map(|y| (40..56).map(move |x| (y, x))) {
        for i in (y * 96 + x) * 3..(y * 96 + x + 1) * 3 {
            assert!((a[i] - b[i]).abs() <= 1e-4 * largest, "({y}, {x}): {} {}", a[i], b[i]);
        }
    }
}

#[test]
fn features_are_made_of_images_of_any_size() {
    let mut seen = 0;
    for name in zoo::names() {
        let known = zoo::options_of(name).unwrap();
        if !known.contains(&"include_top") {
            continue;
        }
        seen += 1;
        let mut options = small(name).0;
        options["includeTop"] = false.into();
        let channels = if matches!(name, "LeNet5" | "FashionMNIST") { 1 } else { 3 };
        options["inputShape"] = json!([null, null, channels]);
        let model = build(name, options.clone());
        let outputs = model.outputs();
        assert!(matches!(outputs[0].1[..], [None, None, None, Some(_)]), "{name}: {}", outputs[0].1);
        for size in [96, 128] {
            let map = &run(&model, picture([1, size, 96, channels]))[0];
            assert!(map.shape()[1] >= map.shape()[2], "{name}");
            assert!(map.as_f32().unwrap().iter().all(|v| v.is_finite()), "{name}");
        }
        for pooling in ["avg", "max"] {
            options["pooling"] = pooling.into();
            let model = build(name, options.clone());
            assert!(matches!(model.outputs()[0].1[..], [None, Some(_)]), "{name}");
        }
    }
    assert!(seen >= 25);
    // Open by default, as in Keras.
    assert!(build("VGG16", json!({"include_top": false})).inputs()[0].2[1].is_none());
}

#[test]
fn mistakes_are_explained() {
    let message = |name: &str, options: Json| zoo::build(name, &options).unwrap_err().to_string();
    let error = message("resnet49", Json::Null);
    assert!(error.starts_with("no such network (expected LeNet5, AlexNet,") && error.ends_with("received resnet49)"));
    assert!(zoo::build("res-net_50", &json!({"widths": [2, 2, 2, 2]})).is_ok());
    let error = message("VGG16", json!({"alpha": 0.5}));
    assert!(
        error.starts_with("VGG16: no option `alpha` (expected classes, input_shape, name, seed, include_top"),
        "{error}"
    );
    let error = message("VGG16", json!({"inputShape": [null, null, 3]}));
    assert!(error.contains("takes images of one size: set `input_shape`"), "{error}");
    let error = message("ResNet50", json!({"inputShape": [31, 64, 3]}));
    assert_eq!(error, "the input is too small for this network (expected at least 32 x 32, received 31 x 64)");
    let error = message("ResNet50", json!({"blocks": [1, 2]}));
    assert_eq!(error, "the option `blocks` has a wrong length (expected 4 numbers, received 2)");
    let error = message("UNet", json!({"inputShape": [100, 96, 3]}));
    assert!(error.contains("a height and width that 16 divides, received 100"), "{error}");
    let error = message("Xception", json!({"classifierActivation": "relu7"}));
    assert!(error.starts_with("Xception: the option `classifierActivation` has a wrong value"), "{error}");
    assert!(message("MobileNet", json!({"weights": "imagenet"})).contains("load them into the model"));
    let options = zoo::ZooOptions { dropout_rate: Some(1.0), ..Default::default() };
    assert!(zoo::alexnet(&options).unwrap_err().to_string().contains("`dropout_rate`"));
    assert!(message("ResNet18", json!({"widths": [1_000_000, 1, 1, 1]})).contains("`widths`"));
}

/// A flattened map is a window, later dense layers are 1 x 1: Keras' own pair of networks.
#[test]
fn dense_layers_become_convolutions() {
    let networks = read(include_str!("data/golden/networks.json"));
    let layer = |row: &Json| {
        let mut config = row[2].clone();
        if row[1] == "InputLayer" {
            config = json!({"batch_shape": row[4]});
        }
        json!({"name": row[0], "class": row[1], "config": config, "inbound": row[3]})
    };
    let layers: Vec<Json> = networks["dense_top"]["layers"].as_array().unwrap().iter().map(layer).collect();
    let dense = Model::from_json(&json!({"name": "dense", "layers": layers}), false).unwrap();
    let conv = to_fully_convolutional(&dense).unwrap();
    let want = &networks["dense_top_conv_same"]["layers"];
    for (row, want) in conv.summary().rows.iter().zip(want.as_array().unwrap()) {
        assert_eq!((row.name.as_str(), row.class.as_str()), (want[0].as_str().unwrap(), want[1].as_str().unwrap()));
        assert_eq!(json!(row.params), want[5], "{}", row.name);
        let kernel = conv.layer(&row.name).unwrap().config().get("kernel_size").cloned();
        assert_eq!(kernel.as_ref(), want[2].get("kernel_size"), "{}", row.name);
    }
    assert_eq!(conv.summary().rows.len(), want.as_array().unwrap().len());
    let input = input_of(&dense);
    close(&run(&dense, input.clone())[0], &run(&conv, input)[0]);
    assert_eq!(run(&conv, picture([1, 36, 33, 3]))[0].shape()[..], [1, 6, 5, 5]);
}

/// The same numbers; shapes may differ by dimensions of 1.
fn close(a: &Tensor, b: &Tensor) {
    let (a, b) = (a.as_f32().unwrap(), b.as_f32().unwrap());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-5 + 1e-4 * a.abs(), "{a} {b}");
    }
}

/// Without padding inside, a larger image gives exactly what the dense network says of each of its windows.
#[test]
fn a_larger_image_is_classified_window_by_window() {
    for (head, classes) in [("Flatten", 4), ("GlobalAveragePooling2D", 4), ("GlobalMaxPooling2D", 4)] {
        let json = json!({"class": "Sequential", "name": "small", "seed": 5, "layers": [
            {"class": "Conv2D", "name": "trunk",
                "config": {"filters": 3, "kernel_size": 3, "strides": 2, "activation": "relu", "input_shape": [9, 11, 2]}},
            {"class": head, "name": "vector"},
            {"class": "Dropout", "name": "drop", "config": {"rate": 0.5}},
            {"class": "Dense", "name": "hidden", "config": {"units": 6, "activation": "tanh"}},
            {"class": "BatchNormalization", "name": "bn", "config": {"axis": 1}},
            {"class": "Dense", "name": "out", "config": {"units": classes, "activation": "softmax"}}]});
        let mut dense = Model::from_json(&json, false).unwrap();
        // Statistics that are not those of a fresh layer.
        dense.set_weight("bn/moving_mean", Tensor::f32([6], vec![0.1, -0.2, 0.3, 0.0, 0.2, -0.1]).unwrap()).unwrap();
        let conv = to_fully_convolutional(&dense).unwrap();
        let [height, width] = [13, 15];
        let image = picture([1, height, width, 2]);
        let map = run(&conv, image.clone()).remove(0);
        assert_eq!(map.shape()[..], [1, 3, 3, classes]);
        let pixels = image.as_f32().unwrap();
        for (i, got) in map.as_f32().unwrap().chunks(classes).enumerate() {
            let (top, left) = (i / 3 * 2, i % 3 * 2);
            let rows = (top..top + 9).flat_map(|y| &pixels[(y * width + left) * 2..(y * width + left + 11) * 2]);
            let window = Tensor::f32([1, 9, 11, 2], rows.copied().collect::<Vec<_>>()).unwrap();
            close(&run(&dense, window)[0], &Tensor::f32([1, classes], got.to_vec()).unwrap());
        }
    }
}

#[test]
fn classifiers_of_the_zoo_become_convolutional() {
    for (name, larger) in [
        ("LeNet5", [40, 48]),
        ("AlexNet", [99, 67]),
        ("VGG16", [97, 65]),
        ("ResNet34", [65, 97]),
        ("ResNet34Sequential", [65, 97]),
        ("SEResNet50", [65, 97]),
        ("MobileNet", [65, 97]),
        ("MobileNetV3Small", [65, 97]),
        ("DenseNet121", [64, 96]),
    ] {
        let dense = build(name, small(name).0);
        let conv = to_fully_convolutional(&dense).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(conv.count_params(), dense.count_params(), "{name}");
        let input = input_of(&dense);
        close(&run(&dense, input.clone())[0], &run(&conv, input)[0]);
        let channels = conv.inputs()[0].2[3].unwrap();
        let map = &run(&conv, picture([1, larger[0], larger[1], channels]))[0];
        assert!(map.shape()[1] > 1 || map.shape()[2] > 1, "{name}: {}", map.shape());
    }
}

/// VGG-16 at its own size: a window of 7 x 7.
#[test]
fn vgg16_ends_in_a_window_of_7_x_7() {
    let dense = build("VGG16", json!({"widths": [2, 2, 3, 3, 5], "units": [6, 7]}));
    let conv = to_fully_convolutional(&dense).unwrap();
    assert_eq!(conv.weight("fc1/kernel").unwrap().shape()[..], [7, 7, 5, 6]);
    assert_eq!(conv.weight("fc2/kernel").unwrap().shape()[..], [1, 1, 6, 7]);
    let map = &run(&conv, picture([1, 384, 256, 3]))[0];
    assert_eq!(map.shape()[..], [1, 6, 2, 1000]);
    for sum in map.as_f32().unwrap().chunks(1000).map(|p| p.iter().sum::<f32>()) {
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    }
}

#[test]
fn what_has_no_convolutional_form_is_refused() {
    let sequential = |layers: Json| {
        Model::from_json(&json!({"class": "Sequential", "layers": layers}), false)
            .and_then(|model| to_fully_convolutional(&model).map(|_| ()))
            .unwrap_err()
            .to_string()
    };
    let conv = json!({"class": "Conv2D", "config": {"filters": 2, "kernel_size": 3, "input_shape": [5, 5, 1]}});
    let flat = json!({"class": "Flatten", "name": "flat"});
    let error = sequential(
        json!([conv, flat, {"class": "BatchNormalization", "name": "bn"}, {"class": "Dense", "config": {"units": 2}}]),
    );
    assert_eq!(error, "bn: BatchNormalization between a flattened map and a dense layer cannot be made convolutional");
    let error = sequential(json!([conv, flat]));
    assert_eq!(error, "flat: a flattened map at the end of a network cannot be made convolutional");
    let open = json!({"class": "Conv2D", "config": {"filters": 2, "kernel_size": 3, "input_shape": [null, null, 1]}});
    let error = sequential(
        json!([open, {"class": "GlobalAveragePooling2D", "name": "gap"}, {"class": "Dense", "config": {"units": 2}}]),
    );
    assert!(error.starts_with("gap: the classifier's window is the map at the model's own size"), "{error}");
}
