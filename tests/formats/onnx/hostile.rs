//! Broken and hostile files: an error that says where, quickly, and without much memory.

use striate::formats::{ImportOptions, onnx};
use striate::{Error, ErrorKind};

use super::floats;
use super::writer::{Attribute, Elements, Message, Model, node, tensor};
use crate::hostile::{assert_says, survives};

fn import(file: &[u8]) -> Result<(), Error> {
    onnx::import(file, &ImportOptions::default()).map(|_| ())
}

fn small() -> Model {
    Model::new()
        .input("x", &[1, 2, 4, 4])
        .constant("w", &[3, 2, 3, 3], floats(1, 54))
        .constant("shape", &[2], Elements::I64(vec![1, -1]))
        .node("Conv", &["x", "w"], "conv", &[("pads", Attribute::Ints(vec![1; 4]))])
        .node("Relu", &["conv"], "relu", &[])
        .node("Reshape", &["relu", "shape"], "flat", &[])
        .constant("scale", &[], Elements::F32(vec![0.1]))
        .constant("zero", &[], Elements::U8(vec![3]))
        .node("QuantizeLinear", &["flat", "scale", "zero"], "q", &[])
        .output("q")
}

#[test]
fn every_cut_is_an_error() {
    let file = small().bytes();
    import(&file).expect("sound before the cut");
    for cut in 0..file.len() {
        assert!(import(&file[..cut]).is_err(), "cut at {cut} of {}", file.len());
        let _ = onnx::inspect(&file[..cut]);
    }
}

#[test]
fn damaged_files() {
    for seed in [5, 6] {
        survives(6000, seed, &small().bytes(), |f| import(f).is_ok());
    }
    let tensor = tensor("t", &[2, 3], &floats(1, 6));
    survives(3000, 7, &tensor.0, |f| onnx::read_tensor(f).is_ok());
}

#[test]
fn values_that_are_not_there_or_come_too_late() {
    let unknown = Model::new().input("x", &[1]).node("Relu", &["nobody"], "y", &[]).output("y");
    assert_says(
        &import(&unknown.bytes()).unwrap_err(),
        ErrorKind::Invalid,
        &["Relu", "\"nobody\"", "before it is made"],
    );
    let cycle =
        Model::new().input("x", &[1]).node("Add", &["x", "b"], "a", &[]).node("Relu", &["a"], "b", &[]).output("b");
    assert_says(&import(&cycle.bytes()).unwrap_err(), ErrorKind::Invalid, &["Add", "\"b\"", "before it is made"]);
    let twice = Model::new().input("x", &[1]).node("Relu", &["x"], "y", &[]).node("Abs", &["x"], "y", &[]).output("y");
    assert_says(&import(&twice.bytes()).unwrap_err(), ErrorKind::Invalid, &["\"y\"", "twice"]);
    let no_output = Model::new().input("x", &[1]).node("Relu", &["x"], "y", &[]).output("z");
    assert_says(&import(&no_output.bytes()).unwrap_err(), ErrorKind::Invalid, &["\"z\""]);
    assert_says(&import(&Model::new().bytes()).unwrap_err(), ErrorKind::Invalid, &["no outputs"]);
}

#[test]
fn operators_that_are_not_read_are_named() {
    let one = |op: &str| Model::new().input("x", &[1]).node(op, &["x"], "y", &[]).output("y");
    assert_says(&import(&one("Bessel").bytes()).unwrap_err(), ErrorKind::Unsupported, &["y (Bessel)", "Bessel"]);
    assert_says(&import(&one("Loop").bytes()).unwrap_err(), ErrorKind::Unsupported, &["Loop"]);
    let mut custom = one("Relu");
    custom.nodes = vec![node("Relu", &["x"], &["y"], &[]).text(7, "com.example")];
    assert_says(&import(&custom.bytes()).unwrap_err(), ErrorKind::Unsupported, &["Relu", "com.example"]);
    let mut old = one("Relu");
    old.opset = 6;
    assert_says(&import(&old.bytes()).unwrap_err(), ErrorKind::Unsupported, &["version 6"]);
    let pool = [("kernel_shape", Attribute::Ints(vec![2, 2])), ("storage_order", Attribute::Int(1))];
    let mut order = Model::new().input("x", &[1, 1, 4, 4]).output("y").output("i");
    order.nodes = vec![node("MaxPool", &["x"], &["y", "i"], &pool)];
    assert_says(&import(&order.bytes()).unwrap_err(), ErrorKind::Unsupported, &["storage_order"]);
    let pad = [("mode", Attribute::Text("mirror"))];
    let mirror = Model::new().input("x", &[2]).constant("p", &[2], Elements::I64(vec![1, 1]));
    let mirror = mirror.node("Pad", &["x", "p"], "y", &pad).output("y");
    assert_says(&import(&mirror.bytes()).unwrap_err(), ErrorKind::Unsupported, &["\"mirror\""]);
}

#[test]
fn sizes_beyond_reason() {
    let huge = Message::default().int(1, 1 << 40).int(1, 1 << 40).int(2, 1).text(8, "w").bytes(9, &[0; 8]);
    let mut model = Model::new().input("x", &[1]).node("Add", &["x", "w"], "y", &[]).output("y");
    model.initializers = vec![huge];
    assert_says(&import(&model.bytes()).unwrap_err(), ErrorKind::Resource, &["w", "too large"]);
    // Declared, but not there: nothing is allocated for it.
    model.initializers = vec![Message::default().int(1, 1 << 28).int(2, 1).text(8, "w").bytes(4, &[0; 8])];
    assert_says(&import(&model.bytes()).unwrap_err(), ErrorKind::ShapeMismatch, &["\"w\"", "268435456"]);
    // Shapes that the file only describes.
    for (op, dims) in [("ConstantOfShape", vec![1 << 14, 1 << 14]), ("ConstantOfShape", vec![1 << 40])] {
        let model = Model::new().constant("s", &[dims.len() as i64], Elements::I64(dims)).node(op, &["s"], "y", &[]);
        let error = import(&model.output("y").bytes()).unwrap_err();
        assert!(error.kind() == ErrorKind::Resource, "{error:?}");
    }
    let tile = Model::new()
        .input("x", &[4])
        .constant("r", &[1], Elements::I64(vec![1 << 30]))
        .node("Tile", &["x", "r"], "y", &[])
        .output("y");
    assert_says(&import(&tile.bytes()).unwrap_err(), ErrorKind::Resource, &["too long"]);
    // A million empty nodes are two bytes each in the file.
    let nodes = [0x0a, 0].repeat(1 << 20);
    let file = Message::default().bytes(7, &nodes).message(8, &Message::default().int(2, 17));
    assert_says(&import(&file.0).unwrap_err(), ErrorKind::Resource, &["too many small parts"]);
    let many = Model::new().input("x", &vec![1; 1000]).node("Relu", &["x"], "y", &[]).output("y");
    assert_says(&import(&many.bytes()).unwrap_err(), ErrorKind::Unsupported, &["1000 dimensions"]);
}

#[test]
fn subgraphs_within_subgraphs() {
    let mut graph = Model::new();
    graph.nodes.push(node("Relu", &["x"], &["v0"], &[]));
    let mut graph = graph.output("v0").graph();
    for depth in 1..40 {
        let branch = [("then_branch", Attribute::Graph(graph.clone()))];
        let mut outer = Model::new();
        outer.nodes.push(node("If", &["yes"], &[&format!("v{depth}")], &branch));
        graph = outer.output(&format!("v{depth}")).graph();
    }
    let mut model = Model::new().input("x", &[1]).constant("yes", &[], Elements::Bool(vec![true]));
    model = model.node("If", &["yes"], "y", &[("then_branch", Attribute::Graph(graph))]).output("y");
    assert_says(&import(&model.bytes()).unwrap_err(), ErrorKind::Resource, &["subgraphs within each other"]);
}

/// Long networks in linear time.
#[test]
fn a_chain_of_20_000_nodes() {
    let mut model = Model::new().input("x", &[1, 4]);
    for i in 0..20_000 {
        let input = if i == 0 { "x".to_string() } else { format!("n{}", i - 1) };
        model = model.node("Relu", &[&input], &format!("n{i}"), &[]);
    }
    import(&model.output("n19999").bytes()).unwrap();
}
