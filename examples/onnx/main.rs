//! Runs a folder of ONNX' backend cases on every backend and prints a table by operator: `cargo xtask onnx DIR`.
//!
//! A case is a folder with `model.onnx` and `test_data_set_*`, or a model with its `*_output_0.pb` beside it ("light"
//! networks, whose input is `0/n, 1/n, 2/n ...`). Node tests feed everything, kernels and shapes too, as inputs; striate
//! wants what shapes depend on when a model is imported. A case is therefore tried as it is, then with its small integer
//! inputs given as constants, then with all but its first input, then with all of them; the table tells how many needed it.

mod scope;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use striate::formats::{ImportOptions, onnx};
use striate::session::{Device, Session};
use striate::{DType, Data, Error, Tensor, reference};
use support::Asked;

const USAGE: &str = "usage: onnx DIR [--backend reference|cpu|webgpu]... [--case PART] [--operator NAME] [--verbose]; reference and cpu by default";

/// What ONNX' own runner allows a result to be off by.
const RELATIVE: f32 = 1e-3;
/// Likewise.
const ABSOLUTE: f32 = 1e-7;
/// Besides, of the largest magnitude in the tensor: sums in float32 in another order, and WGSL's looser functions.
const OF_LARGEST: [f32; 2] = [1e-6, 2e-5];
/// Bytes of weights that light networks may unfold to: VGG-19 has 575 MB.
const EXPANDED: usize = 1 << 30;

fn main() -> ExitCode {
    support::main(run)
}

/// A model with inputs and expected outputs.
struct Case {
    name: String,
    model: Vec<u8>,
    /// Operators in the model.
    operators: Vec<String>,
    /// Sets of inputs by name, and of outputs; a set that cannot be read says why.
    sets: Vec<Result<Set, Error>>,
}

struct Set {
    inputs: BTreeMap<String, Tensor>,
    outputs: Vec<Tensor>,
}

/// How a case ended.
enum Outcome {
    /// As it is, or with this many inputs given at import.
    Passed {
        given: usize,
    },
    Failed(String),
    NotApplicable(String),
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Paths in a folder, sorted.
fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Tensors `prefix_0.pb`, `prefix_1.pb` ... of a folder.
fn tensors(folder: &Path, prefix: &str) -> Result<Vec<Result<Tensor, Error>>, String> {
    let mut tensors = Vec::new();
    loop {
        let path = folder.join(format!("{prefix}_{}.pb", tensors.len()));
        if !path.is_file() {
            return Ok(tensors);
        }
        tensors.push(onnx::read_tensor(&read(&path)?));
    }
}

fn case(path: &Path) -> Result<Option<Case>, String> {
    let light = path.extension().is_some_and(|e| e == "onnx");
    let file = if light { path.to_path_buf() } else { path.join("model.onnx") };
    if !file.is_file() {
        return Ok(None);
    }
    let model = read(&file)?;
    let inspection = onnx::inspect(&model).unwrap_or_default();
    let mut sets = Vec::new();
    if light {
        let stem = path.with_extension("");
        let folder = path.parent().unwrap_or(Path::new("."));
        let outputs = tensors(folder, &format!("{}_output", name_of(&stem)))?;
        let outputs = outputs.into_iter().collect::<Result<Vec<_>, _>>();
        sets.push(outputs.and_then(|outputs| {
            let n = 3 * 224 * 224;
            let values: Vec<f32> = (0..n).map(|i| (i as f64 / n as f64) as f32).collect();
            let name = inspection.inputs.first().cloned().unwrap_or_default();
            Ok(Set { inputs: [(name, Tensor::f32([1, 3, 224, 224], values)?)].into(), outputs })
        }));
    } else {
        for folder in list(path)?.into_iter().filter(|p| name_of(p).starts_with("test_data_set") && p.is_dir()) {
            let (inputs, outputs) = (tensors(&folder, "input")?, tensors(&folder, "output")?);
            let inputs = inputs.into_iter().collect::<Result<Vec<_>, _>>();
            let outputs = outputs.into_iter().collect::<Result<Vec<_>, _>>();
            sets.push(inputs.and_then(|inputs| {
                Ok(Set { inputs: inspection.inputs.iter().cloned().zip(inputs).collect(), outputs: outputs? })
            }));
        }
    }
    Ok(Some(Case { name: name_of(path), model, operators: inspection.operators, sets }))
}

/// Sets of inputs to give at import, each tried if the ones before it were not enough.
fn attempts(model: &[u8], set: &Set) -> Vec<Vec<String>> {
    let names: Vec<String> = onnx::inspect(model).unwrap_or_default().inputs;
    let names: Vec<String> = names.into_iter().filter(|name| set.inputs.contains_key(name)).collect();
    let small = |name: &&String| {
        let tensor = &set.inputs[*name];
        tensor.dtype() == DType::I32 && tensor.shape().rank() <= 1
    };
    let mut attempts = vec![
        Vec::new(),
        names.iter().filter(small).cloned().collect(),
        names.iter().skip(1).cloned().collect(),
        names.clone(),
    ];
    attempts.dedup();
    attempts
}

fn run_set(
    device: &Option<Device>,
    model: &[u8],
    set: &Set,
    given: &[String],
    light: bool,
) -> Result<Result<(), String>, Error> {
    let constants = given.iter().map(|name| (name.clone(), set.inputs[name].clone())).collect();
    let options = ImportOptions { constants, expanded_bytes: light.then_some(EXPANDED), ..ImportOptions::default() };
    let graph = onnx::import(model, &options)?.graph;
    let value = |input: &striate::graph::Input| {
        let name = &graph.values()[input.value.index()].name;
        set.inputs
            .get(name)
            .cloned()
            .ok_or_else(|| Error::invalid(format!("there is no input {name:?} in the test data")))
    };
    let inputs = graph.inputs().iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let outputs = match device {
        None => {
            let outputs = reference::run(&graph, &inputs)?.into_iter().enumerate();
            outputs.map(|(i, tensor)| graph.trimmed(i, tensor)).collect::<Result<_, _>>()?
        }
        Some(device) => {
            let mut session = Session::new(graph, device.clone())?;
            pollster::block_on(session.run(&inputs))?
        }
    };
    let of_largest = OF_LARGEST[matches!(device, Some(Device::Gpu(_))) as usize];
    Ok(compare(&outputs, &set.outputs, of_largest))
}

fn compare(got: &[Tensor], want: &[Tensor], of_largest: f32) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} outputs instead of {}", got.len(), want.len()));
    }
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        if got.kind() != want.kind() {
            return Err(format!("output {i} is {} instead of {}", got.kind(), want.kind()));
        }
        match (got.data(), want.data()) {
            (Data::F32(got), Data::F32(want)) => {
                let largest = want.iter().filter(|v| v.is_finite()).fold(1.0f32, |m, v| m.max(v.abs()));
                let wrong = |(got, want): (&f32, &f32)| {
                    let near = (got - want).abs() <= ABSOLUTE + of_largest * largest + RELATIVE * want.abs();
                    !(got == want || near || (got.is_nan() && want.is_nan()))
                };
                let count = got.iter().zip(want).filter(|&pair| wrong(pair)).count();
                if let Some(at) = got.iter().zip(want).position(wrong) {
                    let (a, b) = (got[at], want[at]);
                    return Err(format!(
                        "output {i}: {count} of {} wrong, first at {at}: {a} instead of {b}",
                        want.len()
                    ));
                }
            }
            (a, b) if a != b => {
                let text = |data: &Data| format!("{data:?}").chars().take(120).collect::<String>();
                return Err(format!("output {i}: {} instead of {}", text(a), text(b)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn run_case(device: &Option<Device>, case: &Case) -> Outcome {
    if let Some(reason) = scope::of_case(&case.name) {
        return Outcome::NotApplicable(reason.to_string());
    }
    if let Some(reason) = case.operators.iter().find_map(|op| scope::reason(op)) {
        return Outcome::NotApplicable(reason.to_string());
    }
    let mut most = 0;
    for set in &case.sets {
        let set = match set {
            Ok(set) => set,
            Err(error) => {
                return scope::of_error(error).map_or(Outcome::Failed(error.to_string()), Outcome::NotApplicable);
            }
        };
        let mut last = None;
        let mut passed = false;
        for given in attempts(&case.model, set) {
            let light = case.name.ends_with(".onnx");
            let attempt = catch_unwind(AssertUnwindSafe(|| run_set(device, &case.model, set, &given, light)));
            match attempt {
                Ok(Ok(Ok(()))) => {
                    most = most.max(given.len());
                    passed = true;
                    break;
                }
                Ok(Ok(Err(wrong))) => return Outcome::Failed(wrong),
                Ok(Err(error)) => last = Some(error),
                Err(_) => return Outcome::Failed("panicked".into()),
            }
        }
        if !passed {
            let error = last.unwrap_or_else(|| Error::invalid("no test data"));
            return scope::of_error(&error).map_or(Outcome::Failed(error.to_string()), Outcome::NotApplicable);
        }
    }
    if case.sets.is_empty() {
        Outcome::NotApplicable("there is no test data".into())
    } else {
        Outcome::Passed { given: most }
    }
}

#[derive(Default)]
struct Row {
    passed: usize,
    given: usize,
    failed: usize,
    not_applicable: usize,
}

fn run(arguments: Vec<String>) -> Result<bool, String> {
    let asked = Asked::read(arguments, USAGE, &["reference", "cpu"], &["--case", "--operator"], &["--verbose"])?;
    let part = asked.last("--case").unwrap_or_default();
    let mut cases = Vec::new();
    for path in list(&asked.folder)? {
        if name_of(&path).contains(part) {
            cases.extend(case(&path)?);
        }
    }
    if let Some(operator) = asked.last("--operator") {
        cases.retain(|case| case.operators.iter().any(|own| own == operator));
    }
    if cases.is_empty() {
        return Err(format!("no cases in {}", asked.folder.display()));
    }
    // A panic is a failure that is told below.
    std::panic::set_hook(Box::new(|_| ()));
    let mut green = true;
    for (name, device) in &asked.devices {
        green &= table(name, device, &cases, asked.last("--verbose").is_some());
    }
    Ok(green)
}

/// Runs all cases and prints what became of them; whether none failed.
fn table(name: &str, device: &Option<Device>, cases: &[Case], verbose: bool) -> bool {
    let (mut rows, mut reasons) = (BTreeMap::<String, Row>::new(), BTreeMap::<String, usize>::new());
    let (mut total, mut failures) = (Row::default(), Vec::new());
    for case in cases {
        let outcome = run_case(device, case);
        let row = match &case.operators[..] {
            [one] => one.clone(),
            _ => "(several)".to_string(),
        };
        let row = rows.entry(row).or_default();
        match outcome {
            Outcome::Passed { given } => {
                for row in [&mut *row, &mut total] {
                    row.passed += 1;
                    row.given += (given > 0) as usize;
                }
                if verbose {
                    println!("passed  {} ({given} inputs given)", case.name);
                }
            }
            Outcome::Failed(why) => {
                for row in [&mut *row, &mut total] {
                    row.failed += 1;
                }
                failures.push(format!("{}: {why}", case.name));
            }
            Outcome::NotApplicable(why) => {
                for row in [&mut *row, &mut total] {
                    row.not_applicable += 1;
                }
                if verbose {
                    println!("n/a     {}: {why}", case.name);
                }
                *reasons.entry(why).or_default() += 1;
            }
        }
    }
    println!("\n{name}: {} cases", cases.len());
    println!("{:<28} {:>7} {:>7} {:>7} {:>7}", "operator", "passed", "(given)", "failed", "n/a");
    for (operator, row) in rows.iter().chain([(&"all".to_string(), &total)]) {
        let Row { passed, given, failed, not_applicable } = row;
        println!("{operator:<28} {passed:>7} {given:>7} {failed:>7} {not_applicable:>7}");
    }
    println!("\nnot applicable:");
    for (reason, count) in &reasons {
        println!("{count:>5}  {reason}");
    }
    if !failures.is_empty() {
        println!("\nfailed:");
        for failure in &failures {
            println!("  {failure}");
        }
    }
    failures.is_empty()
}
