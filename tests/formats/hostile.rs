//! Broken and hostile files: every one must end in an error that says where, quickly, and without much memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use striate::formats::{ImportOptions, tfjs, tflite};
use striate::{Error, ErrorKind};

use crate::tiny::{self, Stored};

fn import(model: &Value, weights: &[u8]) -> Result<(), Error> {
    let json = model.to_string();
    crate::seeds::keep_tfjs(&json, weights);
    tfjs::import(json.as_bytes(), weights, &ImportOptions::default()).map(|_| ())
}

/// The tiny model after a change, which must make it fail; the error.
fn broken(change: impl FnOnce(&mut Value, &mut Vec<u8>)) -> Error {
    let (mut model, mut weights) = tiny::tfjs(Stored::F32);
    import(&model, &weights).expect("sound before the change");
    change(&mut model, &mut weights);
    import(&model, &weights).expect_err("the change makes no difference")
}

fn node<'a>(model: &'a mut Value, name: &str) -> &'a mut Value {
    let nodes = model["modelTopology"]["node"].as_array_mut().unwrap();
    nodes.iter_mut().find(|n| n["name"] == name).unwrap()
}

pub fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    let text = error.to_string();
    assert!(error.kind() == kind && words.iter().all(|w| text.contains(w)), "{error:?} should say {words:?}");
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}

/// Damages a file: flips bits, overwrites with telling values, cuts, doubles a piece.
fn damage(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = file.to_vec();
    for _ in 0..1 + random.next(4) {
        let at = random.next(file.len());
        match random.next(6) {
            0 => file[at] ^= 1 << random.next(8),
            1 => file[at] = random.next(256) as u8,
            2 => file[at] = [0, 0x7f, 0x80, 0xff][random.next(4)],
            3 => {
                let word = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff0][random.next(6)];
                let end = (at + 4).min(file.len());
                file[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            }
            4 => file.truncate(at.max(1)),
            _ => {
                let piece = file[at..(at + 1 + random.next(16)).min(file.len())].to_vec();
                file.splice(at..at, piece);
            }
        }
    }
    file
}

/// Nothing panics, and nothing takes long. (An abort for want of memory would end the test run.)
pub fn survives(rounds: usize, seed: u64, file: &[u8], mut import: impl FnMut(&[u8]) -> bool) {
    let mut random = Random(seed);
    let (start, mut refused) = (Instant::now(), 0);
    for round in 0..rounds {
        let damaged = damage(file, &mut random);
        let each = Instant::now();
        refused += !import(&damaged) as usize;
        assert!(each.elapsed() < Duration::from_secs(10), "round {round} of seed {seed} took {:?}", each.elapsed());
    }
    println!("{refused} of {rounds} damaged files refused, {:?}", start.elapsed());
    assert!(refused > rounds / 10, "damage is hardly noticed: {refused} of {rounds}");
}

#[test]
fn damaged_tflite_files() {
    for (seed, stored) in [(1, Stored::F32), (2, Stored::F16)] {
        survives(6000, seed, &tiny::tflite(stored), |f| tflite::import(f, &ImportOptions::default()).is_ok());
    }
}

#[test]
fn damaged_model_json() {
    for (seed, stored) in [(3, Stored::F32), (4, Stored::U8)] {
        let (model, weights) = tiny::tfjs(stored);
        survives(6000, seed, model.to_string().as_bytes(), |f| {
            let _ = tfjs::weight_files(f);
            tfjs::import(f, &weights, &ImportOptions::default()).is_ok()
        });
    }
}

#[test]
fn every_cut_of_a_tflite_file_is_an_error_or_complete() {
    let file = tiny::tflite(Stored::F16);
    for cut in 0..file.len() {
        let error = tflite::import(&file[..cut], &ImportOptions::default()).err();
        // Behind the last weight there is nothing but padding.
        assert!(error.is_some() || file.len() - cut < 16, "cut at {cut} of {}", file.len());
        if let (8.., Some(error)) = (cut, error) {
            assert_says(&error, ErrorKind::Invalid, &["offset"]);
        }
    }
}

#[test]
fn every_cut_of_a_model_json_is_an_error() {
    let (model, weights) = tiny::tfjs(Stored::F16);
    let text = model.to_string();
    for cut in 0..text.len() {
        assert!(tfjs::import(&text.as_bytes()[..cut], &weights, &ImportOptions::default()).is_err(), "cut at {cut}");
    }
}

#[test]
fn weights_of_another_length() {
    for len in [0, 1, 1887, 1889, 4000] {
        let error = broken(|_, weights| weights.resize(len, 0));
        assert_says(&error, ErrorKind::ShapeMismatch, &["weights.bin", "1888 bytes", &len.to_string()]);
    }
}

#[test]
fn unsupported_operations_are_named_and_only_matter_where_needed() {
    let (model, weights) = tiny::tfjs_unsupported();
    assert_says(&import(&model, &weights).unwrap_err(), ErrorKind::Unsupported, &["mystery", "Bessel"]);
    let options =
        ImportOptions { outputs: Some(vec!["probabilities".into(), "pool:0".into()]), ..ImportOptions::default() };
    let imported = tfjs::import(model.to_string().as_bytes(), &weights, &options).unwrap();
    let names: Vec<_> = imported.graph.outputs().iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["probabilities", "pool"]);
    let options = ImportOptions { outputs: Some(vec!["nonsense".into()]), ..ImportOptions::default() };
    let error = tfjs::import(model.to_string().as_bytes(), &weights, &options).unwrap_err();
    assert_says(&error, ErrorKind::Invalid, &["nonsense"]);
}

#[test]
fn operators_and_element_types_that_tflite_has_and_we_do_not() {
    let import = |file: &[u8]| tflite::import(file, &ImportOptions::default()).expect_err("not supported");
    let error = import(&tiny::tflite_with(Stored::F32, 15, 0));
    assert_says(&error, ErrorKind::Unsupported, &["Identity", "operator 6", "LSH_PROJECTION"]);
    // The tensor `sum` as int8: the operator that makes it, and the tensor.
    let error = import(&tiny::tflite_with(Stored::F32, 25, 9));
    assert_says(&error, ErrorKind::Unsupported, &["operator 2", "ADD", "\"sum\"", "I8"]);
    let options = ImportOptions { outputs: Some(vec!["depthwise".into()]), ..ImportOptions::default() };
    let pruned = tflite::import(&tiny::tflite_with(Stored::F32, 15, 9), &options).unwrap();
    assert_eq!(pruned.graph.nodes().len(), 2);
    assert_says(&import(b"\0\0\0\0TFL2"), ErrorKind::Invalid, &["TFL3"]);
}

#[test]
fn graphs_that_are_none() {
    let error = broken(|m, _| node(m, "conv")["input"][0] = json!("dense"));
    assert_says(&error, ErrorKind::Invalid, &["cycle"]);
    let error = broken(|m, _| node(m, "pool")["input"][0] = json!("pool"));
    assert_says(&error, ErrorKind::Invalid, &["cycle", "pool"]);
    let error = broken(|m, _| node(m, "pool")["input"][0] = json!("gone"));
    assert_says(&error, ErrorKind::Invalid, &["pool", "gone"]);
    let error = broken(|m, _| node(m, "pool")["input"][0] = json!("sum:3"));
    assert_says(&error, ErrorKind::Unsupported, &["pool", "output 3"]);
    let error = broken(|m, _| node(m, "pool")["name"] = json!("sum"));
    assert_says(&error, ErrorKind::Invalid, &["sum", "two nodes"]);
    let error = broken(|m, _| m["weightsManifest"][0]["weights"][0]["name"] = json!("elsewhere"));
    assert_says(&error, ErrorKind::Invalid, &["conv/kernel", "manifest"]);
    let error = broken(|m, _| m["modelTopology"] = json!({}));
    assert_says(&error, ErrorKind::Invalid, &["modelTopology"]);
    let error = broken(|m, _| m["format"] = json!("layers-model"));
    assert_says(&error, ErrorKind::Unsupported, &["layers model"]);
}

/// Deep graphs are walked without recursion, long ones in linear time.
#[test]
fn a_chain_of_100_000_nodes() {
    let (mut model, weights) = tiny::tfjs(Stored::F32);
    let nodes = model["modelTopology"]["node"].as_array_mut().unwrap();
    for i in 0..100_000 {
        let input = if i == 0 { "image".to_string() } else { format!("n{}", i - 1) };
        nodes.push(json!({ "name": format!("n{i}"), "op": "Relu", "input": [input] }));
    }
    let options = ImportOptions { outputs: Some(vec!["n99999".into()]), ..ImportOptions::default() };
    let imported = tfjs::import(model.to_string().as_bytes(), &weights, &options).unwrap();
    assert_eq!(imported.graph.nodes().len(), 100_000);
}

#[test]
fn attributes_and_types_that_do_not_fit() {
    let error = broken(|m, _| node(m, "flat")["input"][1] = json!("dense/bias"));
    assert_says(&error, ErrorKind::ShapeMismatch, &["flat"]);
    let error = broken(|m, _| node(m, "flat")["input"][1] = json!("pool"));
    assert_says(&error, ErrorKind::Unsupported, &["flat", "shape", "constant"]);
    let error = broken(|m, _| node(m, "pool")["input"][0] = json!("flat/shape"));
    assert_says(&error, ErrorKind::ShapeMismatch, &["pool"]);
    let error = broken(|m, _| node(m, "sum")["input"][1] = json!("unused"));
    assert_says(&error, ErrorKind::ShapeMismatch, &["sum", "float32", "int32"]);
    let error = broken(|m, _| node(m, "conv")["attr"]["strides"]["list"]["i"][1] = json!("0"));
    assert_says(&error, ErrorKind::Invalid, &["conv", "strides"]);
    let error = broken(|m, _| node(m, "conv")["attr"]["padding"]["s"] = json!("****"));
    assert_says(&error, ErrorKind::Invalid, &["conv", "padding"]);
    let error = broken(|m, _| node(m, "conv")["attr"]["fused_ops"]["list"]["s"][1] = json!("RnJvYmVuaXVz"));
    assert_says(&error, ErrorKind::Unsupported, &["conv", "Frobenius"]);
    let error = broken(|m, _| m["weightsManifest"][0]["weights"][0]["dtype"] = json!("complex64"));
    assert_says(&error, ErrorKind::Unsupported, &["conv/kernel", "complex64"]);
    let error = broken(|m, _| m["weightsManifest"][0]["weights"][0]["quantization"] = json!({ "dtype": "uint8" }));
    assert_says(&error, ErrorKind::Invalid, &["conv/kernel", "scale"]);
    let error = broken(|m, _| m["weightsManifest"][0]["weights"][0]["shape"][0] = json!(-3));
    assert_says(&error, ErrorKind::Invalid, &["conv/kernel", "dimension"]);
}

#[test]
fn sizes_beyond_reason() {
    for huge in [json!([4294967296u64, 4294967296u64]), json!([0, 1u64 << 40, 1u64 << 40]), json!([1u64 << 30])] {
        let error = broken(|m, _| m["weightsManifest"][0]["weights"][0]["shape"] = huge);
        assert_says(&error, ErrorKind::Resource, &["conv/kernel", "too large"]);
    }
    let shape = |dims: Value| json!({ "dim": dims });
    for huge in [json!([{ "size": "99999999999" }]), json!([{ "size": "65536" }, { "size": "65536" }])] {
        let error = broken(|m, _| m["signature"]["inputs"]["image"]["tensorShape"] = shape(huge));
        assert!(matches!(error.kind(), ErrorKind::Resource | ErrorKind::Invalid), "{error:?}");
        assert_says(&error, error.kind(), &["image"]);
    }
    let many = json!(vec![json!({ "size": "1" }); 1000]);
    let error = broken(|m, _| m["signature"]["inputs"]["image"]["tensorShape"] = shape(many));
    assert_says(&error, ErrorKind::Unsupported, &["image", "1000 dimensions"]);
}

/// Small files whose nodes would multiply: fills, splits, long shapes.
#[test]
fn files_that_would_grow() {
    let model = |nodes: Vec<Value>, weights: Vec<Value>| {
        json!({
            "format": "graph-model",
            "modelTopology": { "node": nodes },
            "weightsManifest": [{ "paths": ["w"], "weights": weights }],
        })
    };
    let constant = |name: &str| json!({ "name": name, "op": "Const" });
    let bytes = |ints: &[i32]| ints.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let weight = |name: &str, shape: Value| json!({ "name": name, "dtype": "int32", "shape": shape });

    // 1,000 fills of 16 MB each.
    let mut nodes = vec![constant("dims"), constant("value")];
    nodes.extend((0..1000).map(|i| json!({ "name": format!("f{i}"), "op": "Fill", "input": ["dims", "value"] })));
    let fills = model(nodes, vec![weight("dims", json!([2])), weight("value", json!([]))]);
    assert_says(&import(&fills, &bytes(&[2048, 2048, 1])).unwrap_err(), ErrorKind::Resource, &["too large constants"]);

    // 1,000 splits into 4,000 pieces.
    let mut nodes = vec![constant("axis"), constant("long")];
    let split = |i| {
        let attr = json!({ "num_split": { "i": 4000 } });
        json!({ "name": format!("s{i}"), "op": "Split", "input": ["axis", "long"], "attr": attr })
    };
    nodes.extend((0..1000).map(split));
    let splits = model(nodes, vec![weight("axis", json!([])), weight("long", json!([4000]))]);
    assert_says(&import(&splits, &bytes(&vec![0; 4001])).unwrap_err(), ErrorKind::Resource, &["values"]);

    // A shape of 100,000 dimensions.
    let nodes =
        vec![constant("x"), constant("shape"), json!({ "name": "y", "op": "Reshape", "input": ["x", "shape"] })];
    let long = model(nodes, vec![weight("x", json!([1])), weight("shape", json!([100_000]))]);
    assert_says(&import(&long, &bytes(&vec![1; 100_001])).unwrap_err(), ErrorKind::Unsupported, &["y", "dimensions"]);

    // Topology without end: 64 MB is more than enough text.
    let text = vec![b' '; (64 << 20) + 1];
    let error = tfjs::import(&text, &[], &ImportOptions::default()).unwrap_err();
    assert_says(&error, ErrorKind::Resource, &["at most"]);
}
