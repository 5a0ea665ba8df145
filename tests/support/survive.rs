//! What every file must survive, whatever is in it: import, shape inference, the plan of a session and, where that is small,
//! its preparation. Shared by `cargo xtask fuzz` and by the test of the files that once broke something
//! (`tests/broken.rs`). Nothing runs: a file may describe as much work as it likes.

#[path = "counting.rs"]
mod counting;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use striate::formats::{self, Format, ImportOptions, Imported, keras, onnx, pytorch, safetensors, tfjs, tflite};
use striate::graph::{Graph, Source};
use striate::plan::Plan;
use striate::session::{Device, Session};
use striate::{Result, TensorType};

pub use counting::Counting;
use counting::peak;

/// Beside twice the file and the tensors that it declares: an importer may make the constants that a file describes (64 MB),
/// hold them in another order as well (64 MB) and fold others (64 MB), and keep structures (16 MB and a little). A file that
/// fails after that has declared nothing.
const ALLOWANCE: usize = 208 << 20;

/// Only networks of so many bytes at once are prepared, weights included.
const SMALL: usize = 4 << 20;

/// What a reader does with a file.
pub type Survives = fn(&[u8]);

/// The formats, by the names of the fuzz targets and of the folders in `tests/data/broken`.
pub const FORMATS: &[(&str, Survives)] = &[
    ("onnx", onnx),
    ("tflite", tflite),
    ("tfjs", tfjs),
    ("layers", layers),
    ("keras", keras),
    ("h5", h5),
    ("safetensors", safetensors),
    ("pytorch", pytorch),
];

/// An ONNX file.
pub fn onnx(file: &[u8]) {
    let _ = onnx::inspect(file);
    let _ = onnx::read_tensor(file);
    inspected(Format::Onnx, file, file.len());
    imported(file, || onnx::import(file, &ImportOptions::default()));
}

/// A TensorFlow Lite file.
pub fn tflite(file: &[u8]) {
    inspected(Format::Tflite, file, file.len());
    imported(file, || tflite::import(file, &ImportOptions::default()));
}

/// A `model.json` of a TensorFlow.js graph model; behind a zero byte the weights, made as long as the manifest says.
pub fn tfjs(file: &[u8]) {
    let (json, weights) = parts(file);
    let Ok(files) = tfjs::weight_files(json) else { return };
    let bytes = files.iter().fold(0usize, |sum, file| sum.saturating_add(file.bytes));
    if bytes > SMALL {
        return;
    }
    let mut weights = weights.to_vec();
    weights.resize(bytes, 0);
    inspected(Format::TfjsJson, json, json.len() + bytes);
    imported(&[json, &weights].concat(), || tfjs::import(json, &weights, &ImportOptions::default()));
}

/// A `model.json` of a TensorFlow.js layers model; behind a zero byte its weights.
pub fn layers(file: &[u8]) {
    let (json, weights) = parts(file);
    model(file, || keras::open_tfjs(json, weights.to_vec()));
}

/// A `.keras` archive.
pub fn keras(file: &[u8]) {
    model(file, || keras::open(file.to_vec()));
}

/// An HDF5 file: Keras' older `.h5`, or weights.
pub fn h5(file: &[u8]) {
    model(file, || keras::open(file.to_vec()));
}

/// A safetensors file, by both readers.
pub fn safetensors(file: &[u8]) {
    let (most, tensors) = peak(|| safetensors::read(file));
    let declared = tensors.iter().flatten().map(|(_, tensor)| bytes(&tensor.kind())).sum();
    within(file.len(), declared, most);
    model(file, || keras::open(file.to_vec()));
}

/// A PyTorch checkpoint.
pub fn pytorch(file: &[u8]) {
    let (most, tensors) = peak(|| pytorch::read(file));
    let declared = tensors.iter().flatten().map(|(_, tensor)| bytes(&tensor.kind())).sum();
    within(file.len(), declared, most);
}

/// JSON, and what stands behind the first zero byte.
fn parts(file: &[u8]) -> (&[u8], &[u8]) {
    match file.iter().position(|&byte| byte == 0) {
        Some(end) => (&file[..end], &file[end + 1..]),
        None => (file, &[]),
    }
}

fn bytes(kind: &TensorType) -> usize {
    kind.shape.elements() * kind.dtype.size()
}

fn within(file: usize, declared: usize, most: usize) {
    let limit = 2 * file + 2 * declared + ALLOWANCE;
    assert!(most <= limit, "a file of {file} bytes that declares {declared} took {most}");
}

/// An importer of graphs.
fn imported(file: &[u8], import: impl FnOnce() -> Result<Imported>) {
    let (most, imported) = peak(import);
    let declared = |imported: &Imported| constants(&imported.graph);
    within(file.len(), imported.as_ref().map_or(0, declared), most);
    if let Ok(imported) = imported {
        raised(file, &imported.graph);
        planned(imported.graph);
    }
}

/// A graph as layers, and a model of them where that is small.
fn raised(file: &[u8], graph: &Graph) {
    let declared = constants(graph);
    let (most, raised) = peak(|| formats::raise(graph, "raised"));
    within(file.len(), declared, most);
    if let (Ok(raised), true) = (raised, declared < SMALL) {
        let _ = raised.model();
    }
}

/// A look at all nodes, which must find something where the import does not go.
fn inspected(format: Format, file: &[u8], size: usize) {
    let options = ImportOptions::default();
    let (most, look) = peak(|| formats::inspect(format, file, &options));
    let declared =
        |look: &formats::Inspection| look.graph.as_ref().map_or(0, constants).saturating_add(look.weight_bytes);
    within(size, look.as_ref().map_or(0, declared).min(1 << 30), most);
    let refused = match format {
        Format::Onnx => onnx::import(file, &options).is_err(),
        Format::Tflite => tflite::import(file, &options).is_err(),
        Format::TfjsJson => return,
    };
    let said = look.is_ok_and(|look| look.unsupported.is_empty() && look.files.is_empty());
    assert!(!(refused && said), "a file that cannot be imported looks sound");
}

fn constants(graph: &Graph) -> usize {
    let constant = |source: &Source| match source {
        Source::Constant(tensor) => bytes(&tensor.kind()),
        _ => 0,
    };
    graph.values().iter().map(|value| constant(&value.source)).sum()
}

/// One of Keras' files, with a network in it or only weights.
fn model(file: &[u8], open: impl FnOnce() -> Result<striate_keras::ModelFile>) {
    let (most, opened) = peak(open);
    within(2 * file.len(), 0, most);
    let Ok(opened) = opened else { return };
    let (most, model) = peak(|| keras::model(&opened, keras::NO_CUSTOM_LAYERS));
    within(file.len(), model.as_ref().map_or(0, |model| 4 * model.count_params()), most);
    let Ok(model) = model else { return };
    if let Ok(graph) = model.graph() {
        planned(graph);
    }
    if model.count_params() < SMALL {
        let _ = keras::save(&model);
    }
}

/// Shape inference, the passes, the plan of memory, and what preparing packs and sets aside.
fn planned(graph: Graph) {
    let inputs = graph.default_inputs();
    let Ok(types) = graph.infer(&inputs) else { return };
    let values = graph.value_ids().map(|value| bytes(&types[value])).fold(0usize, usize::saturating_add);
    let Ok(mut session) = Session::new(graph, Device::Cpu) else { return };
    if let Ok(types) = session.graph().infer(&inputs) {
        Plan::new(session.graph(), &types, bytes);
    }
    if values < SMALL {
        let progress = &mut |_| {};
        let mut work = pin!(session.prepare(&inputs, progress));
        // On the CPU nothing is waited for.
        let ready = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ready, Poll::Ready(_)));
    }
}
