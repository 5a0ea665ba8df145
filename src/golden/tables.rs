//! Tables of output shapes, and configurations that Keras accepts or refuses.

use serde_json::{Value as Json, json};

use super::layer;
use super::set::Outcome;
use crate::error::{Error, Result};
use crate::graph::Dims;
use crate::layers::{Model, ModelBuilder};

/// A model of one layer over inputs of these dimensions.
fn model(op: &str, config: &Json, inputs: &[&Json]) -> Result<Model> {
    let mut net = ModelBuilder::new("case");
    let mut tensors = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        let dims = input.as_array().ok_or_else(|| Error::invalid("an input without dimensions"))?;
        let dims: Vec<Option<usize>> = dims.iter().map(|d| d.as_u64().map(|n| n as usize)).collect();
        tensors.push(net.input(&format!("in{i}"), &dims)?);
    }
    let outputs = net.apply("layer", layer::layer(op, config)?.0, &tensors)?;
    net.build(&outputs)
}

/// Whether Keras tells the output's size of a transposed convolution, but TensorFlow's kernel refuses to compute it
/// (`error/ct_even_kernel_outpad0`): here the layer refuses.
fn only_a_shape(config: &Json) -> bool {
    let even = |k: &Json| k.as_u64().is_some_and(|k| k % 2 == 0);
    let any = |key: &str, f: &dyn Fn(&Json) -> bool| config[key].as_array().is_some_and(|list| list.iter().any(f));
    config["padding"] == "same" && any("kernel_size", &even) && any("output_padding", &|p| p == 0)
}

pub(super) fn run_shapes(case: &Json, outcome: &mut Outcome) -> Result<()> {
    let op = case["op"].as_str().unwrap_or_default();
    for row in case["rows"].as_array().into_iter().flatten() {
        let got = model(op, &row["config"], &[&row["in"]]).map(|m| json!(m.outputs()[0].1.0));
        // `null` says that Keras refuses the combination.
        match (got, &row["out"]) {
            (Ok(got), want) if got == *want => {}
            (Err(_), Json::Null) => {}
            (Err(_), _) if op == "Conv2DTranspose" && only_a_shape(&row["config"]) => {
                outcome.skipped = Some("sizes of transposed convolutions that no TensorFlow kernel computes".into());
            }
            (Ok(got), want) => outcome.fail(format!("{} on {}: {got} instead of {want}", row["config"], row["in"])),
            (Err(error), want) => {
                outcome.fail(format!("{} on {}: {error} instead of {want}", row["config"], row["in"]));
            }
        }
    }
    Ok(())
}

/// Where striate differs on purpose, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("error/pool_upper_padding", "padding is accepted in either case everywhere, as the chapter writes it"),
    (
        "error/pool_valid_gt_input",
        "an empty result is refused when the model is built, as Keras does for symbolic inputs",
    ),
];

pub(super) fn run_error(case: &Json, outcome: &mut Outcome) -> Result<()> {
    if let Some((_, why)) = DIFFERENT.iter().find(|(id, _)| *id == outcome.id) {
        outcome.skipped = Some((*why).to_string());
        return Ok(());
    }
    let inputs: Vec<&Json> = case["in"].as_array().into_iter().flatten().collect();
    let built = model(case["op"].as_str().unwrap_or_default(), &case["config"], &inputs);
    match (built, case["accepted"].as_bool() == Some(true)) {
        (Ok(_), true) => {}
        (Ok(built), false) => {
            let dims: Vec<&Dims> = built.outputs().into_iter().map(|(_, dims)| dims).collect();
            outcome.fail(format!("accepted with outputs {dims:?}; Keras: {}", case["message"]));
        }
        (Err(error), false) => {
            // A refusal must be about the case: a class that striate lacks is refused for the wrong reason.
            if error.message().starts_with("no layer named") {
                outcome.fail(error.to_string());
            }
        }
        (Err(error), true) => outcome.fail(format!("refused, but Keras accepts it: {error}")),
    }
    Ok(())
}
