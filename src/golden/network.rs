//! Whole networks: graphs as lists of Keras layers, weights stored or made by rule.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::set::{Check, Outcome, Set, floats};
use super::{Backend, gradient};
use crate::error::{Error, Result};
use crate::layers::{Mode, Model};
use crate::tensor::Tensor;

/// The model of a graph: `[{name, class, config, inbound, output_shape, params}]`. Shapes and parameters of every layer
/// are compared on the way.
pub(super) fn model(graph: &Json, outputs: &Json, outcome: &mut Outcome) -> Result<Model> {
    let model = Model::from_json(&json!({"layers": graph, "outputs": outputs}), false)?;
    let rows: HashMap<String, crate::layers::Row> =
        model.summary().rows.into_iter().map(|row| (row.name.clone(), row)).collect();
    for layer in graph.as_array().into_iter().flatten() {
        let name = layer["name"].as_str().unwrap_or("?");
        let Some(row) = rows.get(name) else {
            outcome.fail(format!("the model lacks the layer {name}"));
            continue;
        };
        if let Some(shape) = layer.get("output_shape")
            && row.outputs.first().map(|dims| json!(dims.0)).as_ref() != Some(shape)
        {
            outcome.fail(format!("{name}: output {:?} instead of {shape}", row.outputs));
        }
        if let Some(params) = layer["params"].as_u64()
            && row.params as u64 != params
        {
            outcome.fail(format!("{name}: {} parameters instead of {params}", row.params));
        }
    }
    Ok(model)
}

pub(super) fn run(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    let mut model = model(&case["graph"], &case["graph_outputs"], outcome)?;
    for (name, entry) in case["weights"].as_object().into_iter().flatten() {
        model.set_weight(name, set.tensor(entry)?.clone())?;
    }
    count(case, &model, outcome);
    let inputs = set.list(&case["inputs"])?;
    forward(set, case, backend, &model, &inputs, &case["trace"], outcome)?;
    gradient::run(set, case, backend, &model, Mode::Inference, &inputs, &[], outcome)
}

fn count(case: &Json, model: &Model, outcome: &mut Outcome) {
    if let Some(total) = case["total_params"].as_u64()
        && model.count_params() as u64 != total
    {
        outcome.fail(format!("{} parameters instead of {total}", model.count_params()));
    }
}

/// Runs a model and compares its outputs, and statistics of every layer's.
fn forward(
    set: &Set,
    case: &Json,
    backend: &Backend,
    model: &Model,
    inputs: &[Tensor],
    trace: &Json,
    outcome: &mut Outcome,
) -> Result<()> {
    let results = backend.run(&model.graph()?, inputs)?;
    for (i, (got, entry)) in results.iter().zip(case["outputs"].as_array().into_iter().flatten()).enumerate() {
        outcome.compare(Check::Forward, set, backend, &format!("output {i}"), got, entry)?;
    }
    // Every layer's output is asked for at once: memory for the whole network, and no fusion. The result above is the
    // network as it ships.
    let layers: Vec<&Json> = trace.as_array().into_iter().flatten().collect();
    if layers.is_empty() || backend.name() != "cpu" {
        return Ok(());
    }
    let names: Vec<&str> = layers.iter().filter_map(|row| row["layer"].as_str()).collect();
    let traced = Model::from_json(&with_outputs(model, &names), false)?;
    let mut traced = traced;
    for weight in model.weights() {
        traced.set_weight(&weight.name, model.weight(&weight.name)?)?;
    }
    let results = backend.run(&traced.graph()?, inputs)?;
    for (got, row) in results.iter().zip(layers) {
        statistics(got, row, outcome);
    }
    Ok(())
}

/// A model's JSON with these layers as its outputs.
fn with_outputs(model: &Model, layers: &[&str]) -> Json {
    let mut json = Json::Object(model.to_json());
    json["outputs"] = json!(layers);
    json
}

/// Mean, root mean square and four samples of a layer's output. They are written with seven digits; errors of summation
/// grow with depth, so the scale is the output's own.
fn statistics(got: &Tensor, row: &Json, outcome: &mut Outcome) {
    let values = floats(got);
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
    let rms = (values.iter().map(|&v| (v as f64).powi(2)).sum::<f64>() / n).sqrt();
    let name = row["layer"].as_str().unwrap_or("?");
    let scale = 1e-4 * row["rms"].as_f64().unwrap_or(1.0).max(1e-6);
    outcome.expect(&format!("{name}: the mean"), mean, row["mean"].as_f64().unwrap_or(f64::NAN), scale);
    outcome.expect(&format!("{name}: the rms"), rms, row["rms"].as_f64().unwrap_or(f64::NAN), scale);
    for sample in row["samples"].as_array().into_iter().flatten() {
        let (at, want) = (sample[0].as_u64().unwrap_or(0) as usize, sample[1].as_f64().unwrap_or(f64::NAN));
        let Some(&got) = values.get(at) else {
            outcome.fail(format!("{name}: no element {at}"));
            continue;
        };
        outcome.expect(&format!("{name}[{at}]"), got as f64, want, scale + 1e-4 * want.abs());
    }
}

/// The rule that full-size networks have their weights from (the set's README).
fn by_rule(key: &str, count: usize, base: f32, spread: f32) -> Vec<f32> {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ b as u32).wrapping_mul(0x0100_0193));
    let value = |i: usize| base + spread * unit(hash, i);
    (0..count).map(value).collect()
}

/// Element `i` of the sequence of a hash, in `[-1, 1)`.
fn unit(hash: u32, i: usize) -> f32 {
    let mut z = hash.wrapping_add((i as u32).wrapping_mul(0x9e37_79b9));
    z ^= z >> 16;
    z = z.wrapping_mul(0x85eb_ca6b);
    z ^= z >> 13;
    z = z.wrapping_mul(0xc2b2_ae35);
    z ^= z >> 16;
    ((z >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
}

/// The input of a full-size network: coarse blocks of 16 x 16 and fine noise.
fn input_by_rule(input: &Json) -> Result<Tensor> {
    let size = |i: usize| input["shape"][i].as_u64().unwrap_or(1) as usize;
    let (h, w, c) = (size(1), size(2), size(3));
    let key = input["key"].as_str().unwrap_or_default();
    let (lo, hi) = (input["lo"].as_f64().unwrap_or(0.0), input["hi"].as_f64().unwrap_or(1.0));
    let columns = w.div_ceil(16);
    let coarse = by_rule(&format!("{key}/coarse"), h.div_ceil(16) * columns * c, 0.0, 1.0);
    let fine = by_rule(&format!("{key}/fine"), h * w * c, 0.0, 1.0);
    let value = |i: usize| {
        let (y, x, channel) = (i / (w * c), i / c % w, i % c);
        let block = coarse[(y / 16 * columns + x / 16) * c + channel];
        ((lo + hi) / 2.0) as f32 + ((hi - lo) / 2.0) as f32 * (0.75 * block + 0.25 * fine[i])
    };
    Tensor::f32([1, h, w, c], (0..h * w * c).map(value).collect::<Vec<_>>())
}

/// Networks at full size. On WebGPU they take minutes on a software adapter, so only the CPU runs them.
pub(super) fn run_full_size(set: &Set, case: &Json, backend: &Backend, outcome: &mut Outcome) -> Result<()> {
    if backend.name() != "cpu" {
        outcome.skipped = Some("full size runs on the CPU".into());
        return Ok(());
    }
    let text = |key: &str| case[key].as_str().ok_or_else(|| Error::invalid(format!("the case has no {key}")));
    let id = text("id")?;
    let graph = set.json(text("graph_file")?)?;
    let mut model = model(&graph[id], &case["graph_outputs"], outcome)?;
    count(case, &model, outcome);
    let weights = set.json(text("weights_file")?)?;
    let key = text("key")?;
    let names: Vec<(String, usize)> =
        model.weights().iter().map(|w| (w.name.clone(), w.spec.shape.iter().product())).collect();
    for (name, count) in names {
        let row = &weights[id][&name];
        let number = |key: &str| row[key].as_f64().map(|v| v as f32);
        let (Some(base), Some(spread)) = (number("base"), number("spread")) else {
            outcome.fail(format!("no rule for the weight {name}"));
            continue;
        };
        let shape = model.weights().iter().find(|w| w.name == name).map(|w| w.spec.shape.clone()).unwrap_or_default();
        model.set_weight(&name, Tensor::f32(shape, by_rule(&format!("{key}/{name}"), count, base, spread))?)?;
    }
    let check = &case["weight_check"];
    if let Some(name) = check["weight"].as_str() {
        let tensor = model.weight(name)?;
        let first = floats(&tensor);
        for (got, want) in first.iter().zip(check["first"].as_array().into_iter().flatten()) {
            outcome.expect("the rule's first weights", *got as f64, want.as_f64().unwrap_or(f64::NAN), 1e-12);
        }
    }
    let input = input_by_rule(&case["input"])?;
    let sum: f64 = floats(&input).iter().map(|&v| v as f64).sum();
    outcome.expect("the input's sum", sum, case["input"]["sum"].as_f64().unwrap_or(f64::NAN), 1e-3 + 1e-6 * sum.abs());
    let trace = set.json(text("trace_file")?)?;
    forward(set, case, backend, &model, &[input], &trace[id], outcome)
}
