use serde_json::json;

use super::*;
use crate::layers::Model;
use crate::zoo;

/// A pickle, written by hand.
#[derive(Clone)]
struct Program(Vec<u8>);

impl Program {
    fn new() -> Program {
        Program(vec![0x80, 2])
    }

    fn raw(mut self, bytes: &[u8]) -> Program {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Program {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(self, n: i32) -> Program {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    fn ints(self, numbers: &[i32]) -> Program {
        numbers.iter().fold(self.raw(b"("), |program, &n| program.int(n)).raw(b"t")
    }

    /// A view of the storage `key` of `count` elements.
    fn tensor(self, class: &str, key: &str, count: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Program {
        let program = self.raw(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage");
        let program = program.raw(format!("ctorch\n{class}\n").as_bytes()).text(key).text("cpu").int(count).raw(b"tQ");
        program.int(offset).ints(shape).ints(strides).raw(b"\x89ccollections\nOrderedDict\n)RtR")
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A `state_dict` of a matrix that lies transposed in its storage, a view of the same storage, and a counter.
fn dictionary() -> Program {
    let program = Program::new().raw(b"ccollections\nOrderedDict\n)R(");
    let program = program.text("a.weight").tensor("FloatStorage", "7", 6, 0, &[2, 3], &[1, 2]);
    let program = program.text("a.bias").tensor("FloatStorage", "7", 6, 4, &[2], &[1]);
    let program = program.text("a.steps").tensor("LongStorage", "8", 1, 0, &[], &[]);
    // Attributes of the dictionary are passed over.
    program.text("version").int(2).raw(b"u}").text("_metadata").int(1).raw(b"sb.")
}

fn older_file(program: &Program) -> Vec<u8> {
    let keys = Program::new().raw(b"](").text("7").text("8").raw(b"e.");
    let system = Program::new().raw(b"}(").text("little_endian").raw(b"\x88u.");
    let version = Program::new().raw(b"M\xe9\x03.");
    let storages =
        [&6u64.to_le_bytes()[..], &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), &1u64.to_le_bytes(), &12i64.to_le_bytes()];
    [MAGIC, &version.0, &system.0, &program.0, &keys.0, &storages.concat()].concat()
}

fn archive(program: &Program) -> Vec<u8> {
    zip::write(&[
        ("net/data.pkl", &program.0),
        ("net/byteorder", b"little"),
        ("net/data/7", &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("net/data/8", &12i64.to_le_bytes()),
    ])
    .unwrap()
}

#[test]
fn both_formats_give_the_same_tensors() {
    let nested = dictionary();
    let inner = &nested.0[2..nested.0.len() - 1];
    let nested = Program::new().raw(b"}(").text("epoch").int(3).text("state_dict").raw(inner).raw(b"u.");
    for file in [older_file(&dictionary()), archive(&dictionary()), older_file(&nested), archive(&nested)] {
        let tensors = read(&file).unwrap();
        let expected = [
            ("a.weight", Tensor::f32([2, 3], vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]).unwrap()),
            ("a.bias", Tensor::f32([2], vec![5.0, 6.0]).unwrap()),
            ("a.steps", Tensor::i32(Shape::scalar(), vec![12]).unwrap()),
        ];
        assert_eq!(tensors.len(), 3);
        for ((name, tensor), (wanted, value)) in tensors.iter().zip(&expected) {
            assert_eq!((name.as_str(), tensor), (*wanted, value));
        }
    }
}

#[test]
fn cut_off_files_are_errors() {
    for whole in [older_file(&dictionary()), archive(&dictionary())] {
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
        // Any byte may be wrong: an error or other numbers, never a panic.
        for at in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut file = whole.clone();
                file[at] ^= change;
                let _ = read(&file);
            }
        }
    }
}

#[test]
fn nothing_of_python_is_called() {
    let evil = Program::new().raw(b"cos\nsystem\n(").text("true").raw(b"tR.");
    let error = read(&older_file(&evil)).unwrap_err();
    assert!(error.to_string().contains("os.system"), "{error}");
    let error = read(&archive(&evil)).unwrap_err();
    assert!(error.to_string().contains("os.system"), "{error}");
}

#[test]
fn views_stay_within_their_storage_and_the_files_size() {
    let one = |shape: &[i32], strides: &[i32], offset: i32| {
        let program = Program::new().raw(b"}").text("w").tensor("FloatStorage", "7", 6, offset, shape, strides);
        read(&archive(&program.raw(b"s.")))
    };
    assert!(one(&[2, 3], &[3, 1], 0).is_ok());
    for (shape, strides, offset) in
        [(&[2, 3][..], &[3, 1][..], 1), (&[2, 3], &[4, 1], 0), (&[7], &[0], 0), (&[-1], &[1], 0), (&[2], &[1, 1], 0)]
    {
        assert!(one(shape, strides, offset).is_err(), "{shape:?} {strides:?} {offset}");
    }
    let many = (0..200).fold(Program::new().raw(b"}("), |program, i| {
        program.text(&i.to_string()).tensor("FloatStorage", "7", 6, 0, &[6], &[1])
    });
    assert!(read(&archive(&many.clone().raw(b"u."))).is_ok(), "the program is larger than what it makes");
    // Deep nesting costs nothing but its own bytes.
    let deep = (0..200_000).fold(Program::new().raw(b")"), |program, _| program.raw(b"\x85"));
    assert!(read(&archive(&deep.raw(b"."))).is_err());
}

/// The parameters of a network as PyTorch would write them, from the zoo's own, each filled with numbers of its own.
fn state_dict(model: &Model, module: impl Fn(&str) -> String) -> StateDict {
    let mut tensors = StateDict::new();
    for (seed, weight) in model.weights().iter().enumerate() {
        let (layer, role) = weight.name.rsplit_once('/').unwrap();
        let shape = weight.spec.shape.clone();
        let (name, shape) = match (role, shape.as_slice()) {
            ("gamma", _) => ("weight", shape),
            ("beta" | "bias", _) => ("bias", shape),
            ("moving_mean", _) => ("running_mean", shape),
            ("moving_variance", _) => ("running_var", shape),
            (_, &[h, w, i, o]) if model.layer(layer).unwrap().class() == "DepthwiseConv2D" => {
                ("weight", vec![i * o, 1, h, w])
            }
            (_, &[h, w, i, o]) => ("weight", vec![o, i, h, w]),
            (_, &[i, o]) => ("weight", vec![o, i]),
            other => panic!("{other:?}"),
        };
        if name == "bias" && role == "bias" && layer.contains("conv") {
            continue;
        }
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| (i % 97) as f32 + seed as f32).collect();
        tensors.push((format!("{}.{name}", module(layer)), Tensor::f32(shape, values).unwrap()));
    }
    tensors
}

/// A bottleneck's layer under torchvision's name.
fn torchvision_resnet(layer: &str) -> String {
    let parts: Vec<&str> = layer.split('_').collect();
    match parts[..] {
        ["predictions"] => "fc".into(),
        ["conv1", kind] => format!("{kind}1"),
        [stage, block, "0", kind] => {
            let part = if kind == "conv" { 0 } else { 1 };
            format!("{}.downsample.{part}", unit(stage, block))
        }
        [stage, block, number, kind] => format!("{}.{kind}{number}", unit(stage, block)),
        _ => panic!("{layer}"),
    }
}

fn unit(stage: &str, block: &str) -> String {
    let stage: usize = stage["conv".len()..].parse().unwrap();
    let block: usize = block["block".len()..].parse().unwrap();
    format!("layer{}.{}", stage - 1, block - 1)
}

const SMALL: [usize; 4] = [8, 8, 16, 16];

#[test]
fn resnet50_halves_in_the_middle_and_pads_evenly() {
    let options = json!({"classes": 5, "widths": SMALL});
    let tensors = state_dict(&zoo::build("ResNet50", &options).unwrap(), torchvision_resnet);
    let model = network("ResNet50", &json!({"widths": SMALL}), &tensors).unwrap();
    let json = serde_json::Value::Object(model.to_json());
    let layers = json["layers"].as_array().unwrap();
    let config = |name: &str| &layers.iter().find(|l| l["name"] == name).unwrap_or_else(|| panic!("{name}"))["config"];
    assert_eq!(config("conv3_block1_1_conv")["strides"], json!([1, 1]));
    assert_eq!(config("conv3_block1_2_conv")["strides"], json!([2, 2]));
    assert_eq!(config("conv3_block1_2_conv")["padding"], "valid");
    assert_eq!(config("conv3_block1_2_conv_pad")["padding"], json!([[1, 1], [1, 1]]));
    assert_eq!(config("conv3_block1_0_conv")["strides"], json!([2, 2]));
    assert_eq!(config("conv1_conv")["use_bias"], false);
    // The classes follow from the file.
    assert_eq!(model.outputs()[0].1.0, [None, Some(5)]);
    // Outputs first becomes outputs last.
    let (_, stored) = tensors.iter().find(|(name, _)| name == "layer2.0.conv2.weight").unwrap();
    let [o, i, h, w] = stored.shape().dims("OIHW").unwrap();
    let kernel = model.weight("conv3_block1_2_conv/kernel").unwrap();
    assert_eq!(kernel.shape().as_slice(), [h, w, i, o]);
    for (at, value) in kernel.as_f32().unwrap().iter().enumerate() {
        let (output, input, x, y) = (at % o, at / o % i, at / o / i % w, at / o / i / w);
        assert_eq!(*value, stored.as_f32().unwrap()[((output * i + input) * h + y) * w + x]);
    }
    let without = network("ResNet50", &json!({"widths": SMALL, "include_top": false}), &tensors).unwrap();
    assert!(without.layer("predictions").is_none());
    // A file of another network, and one that lacks something.
    assert!(network("ResNet101", &json!({"widths": SMALL}), &tensors).is_err());
    let missing = network("ResNet50", &json!({"widths": SMALL}), &tensors[1..]).unwrap_err();
    assert_eq!(missing.layer(), Some("conv1_conv"));
    assert!(network("YOLO", &json!({}), &tensors).unwrap_err().to_string().contains("ResNet50"));
}

#[test]
fn vgg_reorders_what_it_flattens() {
    let options = json!({"classes": 2, "widths": [4, 4, 4, 4, 6], "units": [8, 8], "input_shape": [64, 64, 3]});
    let built = zoo::build("VGG16", &options).unwrap();
    let module = |layer: &str| -> String {
        match layer {
            "fc1" => "classifier.0".into(),
            "fc2" => "classifier.3".into(),
            "predictions" => "classifier.6".into(),
            _ => {
                let [stage, conv] = [layer[5..6].parse::<usize>().unwrap(), layer[11..].parse::<usize>().unwrap()];
                format!("features.{}", [0, 5, 10, 17, 24][stage - 1] + 2 * (conv - 1))
            }
        }
    };
    let mut tensors = state_dict(&built, module);
    // VGG's convolutions have biases.
    for weight in built.weights().iter().filter(|w| w.name.contains("conv") && w.name.ends_with("/bias")) {
        let name = format!("{}.bias", module(weight.name.rsplit_once('/').unwrap().0));
        tensors.push((name, Tensor::f32(weight.spec.shape.clone(), vec![0.5; weight.spec.shape[0]]).unwrap()));
    }
    let model = network("VGG16", &options, &tensors).unwrap();
    let (_, stored) = tensors.iter().find(|(name, _)| name == "classifier.0.weight").unwrap();
    let kernel = model.weight("fc1/kernel").unwrap();
    // 6 channels of 2 x 2 pixels; PyTorch's feature 7 is channel 1, pixel 3: our feature 3 * 6 + 1.
    assert_eq!(kernel.as_f32().unwrap()[(3 * 6 + 1) * 8 + 5], stored.as_f32().unwrap()[5 * 24 + 7]);
    assert!(model.layer("rescaling").is_some());
}
