//! What the documents say is so. FEATURES.md has a row for every op, with the state of each backend from the conformance
//! list (`STRIATE_UPDATE=1 cargo test --features conformance --test documents` writes it anew); links lead somewhere, and a
//! link on the name of a piece of code leads to a file that has it.
#![cfg(all(feature = "conformance", not(target_arch = "wasm32")))]

use std::fmt::Write as _;
use std::path::Path;

use striate::backend::cpu;
use striate::conformance::{Backend, Case, Report, cases};
use striate::graph::Graph;
use striate::ops::{BatchNorm, Conv2d, Op};
use striate::passes::optimize;
use striate::{DType, ErrorKind, Tensor};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/FEATURES.md");
const BEGIN: &str = "<!-- operations: written and checked by tests/documents.rs -->\n";
const END: &str = "<!-- end of operations -->";

/// Every op, in the order of the enum, with what its row says beside the name.
const ROWS: [(&str, &str); 34] = [
    ("Conv2d", "any stride, dilation, groups and padding; bias, activation, residual fused"),
    ("DepthwiseConv2d", "any stride, dilation, padding, multiplier; the same fused"),
    ("ConvTranspose2d", "any stride and padding; the same fused"),
    ("MatMul", "dense layers and batched products; the same fused"),
    ("Pool2d", "maximum and average, with or without the padding counted"),
    ("Reduce", "mean, sum, maximum ... over any axes; global pooling is one"),
    (
        "Resize",
        "nearest, bilinear, bicubic, area, Lanczos, Gaussian, Mitchell; antialiasing; every convention of TensorFlow and ONNX",
    ),
    ("Unary", "activations and arithmetic of one operand"),
    ("Binary", "arithmetic and comparison, broadcasting"),
    ("Cast", "float32, int32, uint8"),
    ("Softmax", "any axis"),
    ("LogSoftmax", "any axis; what a cross-entropy from logits is made of"),
    ("BatchNorm", "in graphs only: folded into what stands before it, or into a multiply-add, when a session is made"),
    ("Concat", "any axis"),
    ("Slice", "any axes, steps, backwards"),
    ("Pad", "constant, reflect, edge"),
    ("Reshape", "costs nothing"),
    ("Transpose", "any permutation"),
    ("Gather", "any axis"),
    ("TopK", "values and indices"),
    ("ArgMax", "any axis"),
    ("NonMaxSuppression", "per class, hard or soft, corners or centres; on the device"),
    ("Conv2dBackwardInput", "gradient of `Conv2d` by the input"),
    ("Conv2dBackwardFilter", "gradient of `Conv2d` by the kernel"),
    ("DepthwiseConv2dBackwardInput", "gradient of `DepthwiseConv2d` by the input"),
    ("DepthwiseConv2dBackwardFilter", "gradient of `DepthwiseConv2d` by the kernel"),
    ("MaxPool2dBackward", "gradient of maximum pooling; the first maximum takes it"),
    ("AvgPool2dBackward", "gradient of average pooling"),
    ("ResizeBackward", "gradient of `Resize`"),
    ("BatchNormStatistics", "mean and variance of a batch"),
    ("BatchNormBackward", "gradient of batch normalisation by input, scale and offset"),
    ("UnaryBackward", "gradients of activations and functions; Keras' choice at kinks"),
    ("Random", "uniform and normal numbers from a seed and a counter; uniform ones have the same bits everywhere"),
    ("OptimizerStep", "SGD, momentum, RMSprop, Adam, Adamax, Nadam, Adagrad, Adadelta: weights and slots in place"),
];

/// The op's row; the compiler asks for new ones here.
fn row(op: &Op) -> usize {
    let name = match op {
        Op::Conv2d(_) => "Conv2d",
        Op::DepthwiseConv2d(_) => "DepthwiseConv2d",
        Op::ConvTranspose2d(_) => "ConvTranspose2d",
        Op::MatMul(_) => "MatMul",
        Op::Pool2d(_) => "Pool2d",
        Op::Reduce(_) => "Reduce",
        Op::Resize(_) => "Resize",
        Op::Unary(_) => "Unary",
        Op::Binary(_) => "Binary",
        Op::Cast(_) => "Cast",
        Op::Softmax(_) => "Softmax",
        Op::LogSoftmax(_) => "LogSoftmax",
        Op::BatchNorm(_) => "BatchNorm",
        Op::Concat(_) => "Concat",
        Op::Slice(_) => "Slice",
        Op::Pad(_) => "Pad",
        Op::Reshape(_) => "Reshape",
        Op::Transpose(_) => "Transpose",
        Op::Gather(_) => "Gather",
        Op::TopK(_) => "TopK",
        Op::ArgMax(_) => "ArgMax",
        Op::NonMaxSuppression(_) => "NonMaxSuppression",
        Op::Conv2dBackwardInput(_) => "Conv2dBackwardInput",
        Op::Conv2dBackwardFilter(_) => "Conv2dBackwardFilter",
        Op::DepthwiseConv2dBackwardInput(_) => "DepthwiseConv2dBackwardInput",
        Op::DepthwiseConv2dBackwardFilter(_) => "DepthwiseConv2dBackwardFilter",
        Op::MaxPool2dBackward(_) => "MaxPool2dBackward",
        Op::AvgPool2dBackward(_) => "AvgPool2dBackward",
        Op::ResizeBackward(_) => "ResizeBackward",
        Op::BatchNormStatistics(_) => "BatchNormStatistics",
        Op::BatchNormBackward(_) => "BatchNormBackward",
        Op::UnaryBackward(_) => "UnaryBackward",
        Op::Random(_) => "Random",
        Op::OptimizerStep(_) => "OptimizerStep",
    };
    ROWS.iter().position(|(n, _)| *n == name).expect("every op has a row")
}

/// Cases that hold an op, and those of them that a backend is to run (the suites fail if one of these does not agree).
#[derive(Clone, Copy, Default)]
struct Tally {
    cases: usize,
    cpu: usize,
    gpu: usize,
}

fn light(runs: usize, of: usize) -> &'static str {
    match runs {
        0 => "🔴",
        _ if runs < of => "🟡",
        _ => "🟢",
    }
}

fn compiles(case: &Case) -> bool {
    let types: Vec<_> = case.inputs.iter().map(Tensor::kind).collect();
    cpu::Executable::compile(&case.graph, &types).is_ok()
}

fn table() -> String {
    let (on_cpu, on_gpu) = (Report::new(Backend::Cpu), Report::new(Backend::Gpu));
    let mut tallies = [Tally::default(); ROWS.len()];
    for case in cases() {
        let (cpu, gpu) = (on_cpu.wants(&case) && compiles(&case), on_gpu.wants(&case));
        let mut rows: Vec<usize> = case.graph.nodes().iter().map(|node| row(&node.op)).collect();
        rows.sort_unstable();
        rows.dedup();
        for row in rows {
            tallies[row].cases += 1;
            tallies[row].cpu += cpu as usize;
            tallies[row].gpu += gpu as usize;
        }
    }
    let mut text = String::from("\n| operation | CPU | WebGPU | |\n|---|:---:|:---:|---|\n");
    for ((name, what), Tally { cases, cpu, gpu }) in ROWS.iter().zip(tallies) {
        let (cpu, gpu) = if cases == 0 { ("🟡", "🟡") } else { (light(cpu, cases), light(gpu, cases)) };
        writeln!(text, "| `{name}` | {cpu} | {gpu} | {what} |").expect("a string takes anything");
    }
    text + "\n"
}

#[test]
fn the_page_lists_every_operation_as_it_is() {
    let page = std::fs::read_to_string(PAGE).expect("FEATURES.md is there");
    let (before, rest) = page.split_once(BEGIN).expect("FEATURES.md has the table's first mark");
    let (old, after) = rest.split_once(END).expect("FEATURES.md has the table's last mark");
    let new = table();
    if std::env::var_os("STRIATE_UPDATE").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{new}{END}{after}")).expect("FEATURES.md can be written");
    } else {
        assert!(old == new, "FEATURES.md is out of date: STRIATE_UPDATE=1 writes it anew. It should say:\n{new}");
    }
}

/// The one row without cases says that passes take the op away: backends refuse it, optimised graphs do not hold it.
#[test]
fn batch_norm_is_folded() {
    let mut graph = Graph::new();
    let x = graph.input("x", DType::F32, [1, 4, 4, 2].map(Some));
    let kernel = graph.constant("kernel", Tensor::f32([1, 1, 2, 2], vec![1.0; 4]).expect("counts agree"));
    let y = graph.add("conv", Conv2d::default(), &[x, kernel]).expect("values of this graph");
    let [a, b, c, d] = [0; 4].map(|_| graph.constant("s", Tensor::f32([2], vec![1.0; 2]).expect("counts agree")));
    let y = graph.add("norm", BatchNorm { epsilon: 1e-3 }, &[y, a, b, c, d]).expect("values of this graph");
    graph.output("y", y);
    let compile = |graph: &Graph| cpu::Executable::compile(graph, &graph.default_inputs()).map(drop);
    assert_eq!(compile(&graph).expect_err("backends refuse it").kind(), ErrorKind::Unsupported);
    compile(&optimize(&graph).expect("it can be folded")).expect("the folded graph compiles");
}

const PAGES: [&str; 11] = [
    "README.md",
    "CONTRIBUTING.md",
    "FEATURES.md",
    "CHANGELOG.md",
    "docs/DESIGN.md",
    "docs/chapter-14.md",
    "npm/README.md",
    "npm/tests/data/README.md",
    "www/README.md",
    "www/tests/data/README.md",
    "benches/peers/README.md",
];

/// The Markdown links of a page: text and target.
fn links(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (middle, _) in page.match_indices("](") {
        let text = page[..middle].rsplit_once('[').map_or("", |(_, text)| text);
        let target = page[middle + 2..].split(')').next().unwrap_or("");
        found.push((text, target));
    }
    found
}

/// What is wrong with a link of a page in this folder.
fn fault(folder: &Path, text: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or("");
    if target.contains("://") || path.is_empty() {
        return None;
    }
    let file = folder.join(path);
    if !file.exists() {
        return Some(format!("[{text}]({target}): no such file"));
    }
    // `Pool2d::windows` must be in the file as `windows`.
    let code = text.strip_prefix('`')?.strip_suffix('`')?;
    let name = code.rsplit("::").next().unwrap_or(code);
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let lacks = || std::fs::read_to_string(&file).is_ok_and(|source| !source.contains(name));
    (is_name && file.is_file() && lacks()).then(|| format!("[{text}]({target}): {name} is not in that file"))
}

#[test]
fn links_lead_to_what_they_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(root.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let folder = root.join(page).parent().expect("a file has a folder").to_path_buf();
        let all = links(&text);
        faults.extend(all.iter().filter_map(|(t, l)| fault(&folder, t, l)).map(|fault| format!("{page}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let here = root.join("tests");
    assert!(fault(&here, "`nonsense_0`", "../Cargo.toml").is_some() && fault(&here, "x", "no-such-file").is_some());
}
