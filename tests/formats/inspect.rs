//! A look into a model file says of every node whether it will run, and agrees with the import.

use std::path::Path;

use serde_json::json;
use striate::formats::{Format, ImportOptions, Inspection, inspect, tfjs, tflite};
use striate::{DType, ErrorKind};

use crate::tiny::{self, Stored};

fn look(format: Format, file: &[u8]) -> Inspection {
    inspect(format, file, &ImportOptions::default()).unwrap()
}

fn refused(look: &Inspection) -> Vec<(&str, &str)> {
    look.unsupported.iter().map(|refusal| (refusal.node.as_str(), refusal.operator.as_str())).collect()
}

#[test]
fn sound_files_are_looked_at_with_and_without_weights() {
    for stored in [Stored::F32, Stored::F16, Stored::U8] {
        let (model, weights) = tiny::tfjs(stored);
        let look = look(Format::TfjsJson, model.to_string().as_bytes());
        assert_eq!(refused(&look), []);
        assert_eq!((look.weight_bytes, &look.files[..]), (weights.len(), &[("weights.bin".into(), weights.len())][..]));
        assert_eq!((look.inputs.len(), look.inputs[0].dtype), (1, DType::F32));
        assert_eq!(look.inputs[0].dims, [None, Some(8), Some(8), Some(3)]);
        assert_eq!(look.outputs[0].name, "Identity");
        let nodes = model["modelTopology"]["node"].as_array().unwrap();
        let convs = nodes.iter().filter(|node| node["op"] == "Conv2D").count();
        assert_eq!(look.operators.get("Conv2D").copied().unwrap_or(0), convs);
        let parameters: usize =
            look_at_constants(&tfjs::import(model.to_string().as_bytes(), &weights, &ImportOptions::default()));
        assert_eq!(look.parameters, parameters);
    }
    let file = tiny::tflite(Stored::F16);
    let look = look(Format::Tflite, &file);
    assert!(look.unsupported.is_empty() && look.weight_bytes > 0 && look.weight_bytes < file.len());
    assert!(look.parameters > 0 && look.parameters <= look.weight_bytes / 2, "{}", look.parameters);
    let imported = tflite::import(&file, &ImportOptions::default()).unwrap();
    assert_eq!(look.graph.unwrap().nodes().len(), imported.graph.nodes().len());
    assert_eq!((look.inputs[0].dims.len(), look.outputs.len()), (4, imported.graph.outputs().len()));
}

/// Elements of the floats of an imported network of this size; kernels may be stored transposed, but all are used.
fn look_at_constants(imported: &striate::Result<striate::formats::Imported>) -> usize {
    use striate::graph::Source;
    let values = imported.as_ref().unwrap().graph.values();
    let elements = |source: &Source| match source {
        Source::Constant(tensor) if tensor.as_f32().is_ok() => tensor.shape().elements(),
        _ => 0,
    };
    values.iter().map(|value| elements(&value.source)).sum()
}

#[test]
fn every_unsupported_node_of_a_graph_model_is_named() {
    let (mut model, _) = tiny::tfjs(Stored::F32);
    let nodes = model["modelTopology"]["node"].as_array_mut().unwrap();
    let output = nodes.iter().position(|node| node["name"] == "Identity").unwrap();
    let before = nodes[output]["input"][0].clone();
    nodes[output]["input"] = json!(["second"]);
    nodes.push(json!({"name": "first", "op": "Bessel", "input": [before], "attr": {}}));
    nodes.push(json!({"name": "between", "op": "Relu", "input": ["first"], "attr": {}}));
    nodes.push(json!({"name": "second", "op": "Erfcx", "input": ["between"], "attr": {}}));
    nodes.push(json!({"name": "aside", "op": "Other", "input": ["between"], "attr": {}}));
    let look = look(Format::TfjsJson, model.to_string().as_bytes());
    assert_eq!(refused(&look), [("first", "Bessel"), ("second", "Erfcx")]);
    assert!(look.unsupported[1].reason.contains("Erfcx") && look.graph.is_none());
    let error = inspect(Format::TfjsJson, b"{\"modelTopology\": {}}", &ImportOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn every_unsupported_operator_of_a_tflite_file_is_named() {
    // The tensor `sum` has elements of a type that is not read, and the last operator is another one.
    let file = tiny::tflite_with(Stored::F32, 15, 9);
    let look = look(Format::Tflite, &file);
    let operators: Vec<_> = look.unsupported.iter().map(|refusal| refusal.operator.as_str()).collect();
    assert_eq!(operators, ["ADD", "LSH_PROJECTION"], "{:?}", look.unsupported);
    assert!(look.graph.is_none() && look.parameters > 0);
    assert!(inspect(Format::Tflite, &file[..40], &ImportOptions::default()).is_err());
}

#[cfg(feature = "onnx")]
mod onnx {
    use super::*;
    use crate::onnx::floats;
    use crate::onnx::writer::{Attribute, Elements, Message, Model, tensor};

    #[test]
    fn every_unsupported_node_is_named_and_what_hangs_on_it_by_its_operator_alone() {
        let model = Model::new()
            .input("x", &[1, 3, 8, -1])
            .constant("w", &[4, 3, 3, 3], floats(1, 108))
            .constant("shape", &[2], Elements::I64(vec![1, -1]))
            .node("Bessel", &["x"], "a", &[])
            .node("Conv", &["a", "w"], "b", &[])
            .node("Unique", &["b"], "c", &[])
            .node("Conv", &["x", "w"], "d", &[("strides", Attribute::Ints(vec![1, 1, 1]))])
            .node("Reshape", &["d", "shape"], "e", &[])
            .node("Concat", &["c", "e"], "f", &[("axis", Attribute::Int(0))])
            .output("f");
        let look = look(Format::Onnx, &model.bytes());
        assert_eq!(refused(&look), [("a", "Bessel"), ("c", "Unique"), ("d", "Conv")]);
        assert_eq!((look.operators["Conv"], look.operators.len()), (2, 5));
        assert_eq!((look.parameters, look.weight_bytes), (108, 108 * 4 + 16));
        assert_eq!(look.inputs[0].dims, [Some(1), Some(3), Some(8), None]);
        let only = ImportOptions { outputs: Some(vec!["c".into()]), ..ImportOptions::default() };
        let look = inspect(Format::Onnx, &model.bytes(), &only).unwrap();
        assert_eq!(refused(&look), [("a", "Bessel"), ("c", "Unique")]);
    }

    #[test]
    fn external_data_need_not_be_there() {
        let outside = |name: &str, dims: &[i64], code: i64, location: &str| {
            let entry = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
            let dims = dims.iter().fold(Message::default(), |message, &d| message.int(1, d));
            let tensor = dims.int(2, code).text(8, name).message(13, &entry("location", location));
            tensor.message(13, &entry("offset", "0")).int(14, 1)
        };
        let mut model = Model::new().input("x", &[1, 3, 8, 8]).node("Conv", &["x", "w", "b"], "y", &[]).output("y");
        model.initializers = vec![outside("w", &[4, 3, 3, 3], 1, "net.data"), outside("b", &[4], 1, "net.data")];
        let look = look(Format::Onnx, &model.bytes());
        assert_eq!((refused(&look), &look.files[..]), (vec![], &[("net.data".to_string(), 448)][..]));
        assert_eq!(look.graph.unwrap().outputs().len(), 1);
        // Too large for zeros to stand in: the operators are all that is looked at.
        model.initializers[0] = outside("w", &[4, 1 << 20, 8, 8], 1, "net.data");
        model.nodes.push(crate::onnx::writer::node("Bessel", &["y"], &["z"], &[]));
        model = model.output("z");
        let look = super::look(Format::Onnx, &model.bytes());
        assert_eq!((refused(&look), look.graph.is_none()), (vec![("z", "Bessel")], true));
        // Given, but too short: an error of the file.
        model.initializers =
            vec![tensor("w", &[4, 3, 3, 3], &Elements::F32(vec![0.0])), outside("b", &[4], 1, "net.data")];
        assert!(!super::look(Format::Onnx, &model.bytes()).unsupported.is_empty());
    }
}

#[test]
fn published_models_look_as_they_are() {
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor");
    let Ok(json) = std::fs::read(vendor.join("centernet/centernet.json")) else {
        eprintln!("NOT RUN: the models are missing; `cargo xtask models` fetches them");
        return;
    };
    let centernet = look(Format::TfjsJson, &json);
    assert_eq!(refused(&centernet), []);
    assert_eq!(centernet.files.len(), 1);
    let weights = std::fs::metadata(vendor.join("centernet").join(&centernet.files[0].0)).unwrap().len();
    assert_eq!(centernet.weight_bytes as u64, weights);
    let detector = centernet.outline().as_ref().and_then(striate::vision::Detector::recognise);
    assert!(detector.is_some_and(|detector| detector.name().contains("CenterNet")));
    let file = std::fs::read(vendor.join("ssd_mobilenetv2_oidv4/model.tflite")).unwrap();
    let ssd = look(Format::Tflite, &file);
    assert_eq!(refused(&ssd), []);
    assert!(ssd.parameters > 1_000_000 && ssd.weight_bytes < file.len());
}
