//! Models as JSON: what JavaScript sends, what tests hold, and the middle step of file formats.
//!
//! ```json
//! { "class": "Functional", "name": "net", "seed": 1,
//!   "layers": [
//!     { "name": "image", "class": "InputLayer", "config": { "batch_shape": [null, 28, 28, 1] } },
//!     { "name": "conv", "class": "Conv2D", "config": { "filters": 8, "kernel_size": 3 }, "inbound": ["image"] },
//!     { "name": "conv", "inbound": [["conv", 0, 0]] } ],
//!   "inputs": ["image"], "outputs": [["conv", 1, 0]] }
//! ```
//!
//! Layers come in an order in which they can be applied. A tensor is a layer's name (its first call, its first output)
//! or `[name, call, output]`. An entry without a class applies a layer of that name once more. A model within a model
//! has class Functional or Sequential and such an object as its configuration. In a Sequential model each layer takes
//! the one before, and the first may bring the `input_shape` (or `batch_shape`) itself. What is written also tells the
//! `output_shapes` of every call and the `layer_order` of Keras, which files need and reading passes over.

use serde_json::{Map, Value as Json, json};

use super::arguments::{Argument, wrong};
use super::model::{Model, ModelBuilder, ModelKind, Sym};
use super::{Layer, Scope, from_config};
use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::tensor::DType;

/// Models within models, at most.
const MAX_DEPTH: usize = 16;

/// An input, as a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InputLayer {
    pub dims: Dims,
    pub dtype: DType,
}

impl Layer for InputLayer {
    fn class(&self) -> &'static str {
        "InputLayer"
    }

    fn config(&self) -> Map<String, Json> {
        let mut map = Map::new();
        map.insert("batch_shape".into(), json!(self.dims.0));
        map.insert("dtype".into(), self.dtype.name().into());
        map
    }

    fn lower(&self, _: &mut Scope, _: &[ValueId]) -> Result<Vec<ValueId>> {
        Err(Error::invalid("an input is not applied to anything"))
    }
}

/// An open or a known dimension.
fn read_dims(json: &Json) -> Result<Vec<Option<usize>>> {
    match json.as_array() {
        Some(list) => list.iter().map(Option::<usize>::read).collect(),
        None => wrong("a list of sizes, null where any fits", json),
    }
}

/// The dimensions that a configuration gives an input: with the batch, or without.
fn input_dims(config: &Map<String, Json>) -> Result<Option<Vec<Option<usize>>>> {
    let get = |names: [&str; 2]| names.into_iter().find_map(|n| config.get(n)).filter(|v| !v.is_null());
    if let Some(dims) = get(["batch_shape", "batch_input_shape"]) {
        return read_dims(dims).map(Some);
    }
    let Some(dims) = get(["shape", "input_shape"]) else { return Ok(None) };
    Ok(Some([vec![None], read_dims(dims)?].concat()))
}

fn input_dtype(config: &Map<String, Json>) -> Result<DType> {
    match config.get("dtype").and_then(Json::as_str) {
        None | Some("float32") => Ok(DType::F32),
        Some("int32" | "int64") => Ok(DType::I32),
        Some("uint8" | "bool") => Ok(DType::U8),
        Some(other) => Err(Error::unsupported(format!("inputs of type {other}"))),
    }
}

fn text<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str)
}

impl Model {
    /// Builds a model from its JSON (see the module). `lenient`, also as a member of it, passes over arguments that no layer
    /// knows.
    pub fn from_json(json: &Json, lenient: bool) -> Result<Model> {
        let lenient = lenient || json.get("lenient").and_then(Json::as_bool) == Some(true);
        Reader { lenient, depth: 0 }.model(json, &[])
    }
}

struct Reader {
    lenient: bool,
    depth: usize,
}

impl Reader {
    /// `given` are the dimensions of what a nested model is applied to.
    fn model(&mut self, json: &Json, given: &[Dims]) -> Result<Model> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::resource(format!("models nested more than {MAX_DEPTH} deep")));
        }
        let layers = json.get("layers").and_then(Json::as_array);
        let layers = layers.ok_or_else(|| Error::invalid("a model needs a list of `layers`"))?;
        let sequential = text(json, "class") == Some("Sequential");
        let seed = json.get("seed").and_then(Json::as_u64).unwrap_or(0);
        let name = text(json, "name").unwrap_or(if sequential { "sequential" } else { "functional" });
        let label = text(json, "label").unwrap_or_default();
        let mut build = Build {
            net: ModelBuilder::new(name).seed(seed).label(label),
            calls: Default::default(),
            last: None,
            given: given_inputs(json, given),
        };
        let mut frozen = Vec::new();
        for entry in layers {
            let (class, known) = (text(entry, "class"), text(entry, "name"));
            let name = match (known, class) {
                (Some(name), _) => name.to_string(),
                (None, Some(class)) => build.net.automatic(class),
                (None, None) => return Err(Error::invalid("a layer needs a `class` or a `name`")),
            };
            self.layer(&mut build, &name, class, entry, sequential).map_err(|e| e.at(&name))?;
            let trainable = entry.get("trainable").or_else(|| entry.get("config")?.get("trainable"));
            if class.is_some() && trainable.and_then(Json::as_bool) == Some(false) {
                frozen.push(name);
            }
        }
        let mut model = build.finish(json, sequential)?;
        for name in frozen {
            // A layer that the outputs do not need is gone.
            let _ = model.set_trainable(&name, false);
        }
        Ok(model)
    }

    fn layer(
        &mut self,
        build: &mut Build,
        name: &str,
        class: Option<&str>,
        entry: &Json,
        sequential: bool,
    ) -> Result<()> {
        let empty = Map::new();
        let config = entry.get("config").and_then(Json::as_object).unwrap_or(&empty);
        if class == Some("InputLayer") {
            let given = || build.given.iter().find(|(input, _)| *input == name).map(|(_, dims)| dims.0.clone());
            let dims = input_dims(config)?.or_else(given);
            let dims = dims.ok_or_else(|| Error::invalid("an input needs a `shape`"))?;
            let sym = build.net.input_of(name, input_dtype(config)?, &dims)?;
            return build.called(name, vec![sym]);
        }
        let inbound = entry.get("inbound").and_then(Json::as_array);
        let mut inputs = match (inbound, build.last) {
            (Some(list), _) if !sequential || !list.is_empty() => {
                list.iter().map(|json| build.tensor(json)).collect::<Result<Vec<_>>>()?
            }
            (_, Some(last)) if sequential => vec![last],
            // The head of a Sequential model: its input is made below.
            (_, None) if sequential => Vec::new(),
            _ => return Err(Error::invalid("the layer is applied to nothing: `inbound` is missing")),
        };
        let head = inputs.is_empty();
        let known = match (head, input_dims(config)?, build.given.first()) {
            (false, ..) => inputs.iter().map(|&sym| build.net.dims(sym).cloned()).collect::<Result<Vec<_>>>()?,
            (true, Some(dims), _) => vec![Dims(dims)],
            (true, None, Some((_, dims))) => vec![dims.clone()],
            (true, None, None) => Vec::new(),
        };
        let layer: Option<Box<dyn Layer>> = match class {
            None => None,
            Some("Functional" | "Sequential" | "Model") => Some(Box::new(self.nested(name, class, entry, &known)?)),
            Some(class) => Some(from_config(class, config, self.lenient)?),
        };
        if head {
            let dims = match (known.into_iter().next(), layer.as_ref().and_then(|l| l.model())) {
                (Some(dims), _) => dims.0,
                // A model at the head of a Sequential one brings its own input.
                (None, Some(model)) if model.inputs().len() == 1 => model.inputs()[0].2.0.clone(),
                _ => return Err(Error::invalid("the first layer of a Sequential model needs an `inputShape`")),
            };
            let input = build.net.automatic("InputLayer");
            inputs.push(build.net.input(&input, &dims)?);
        }
        let outputs = match layer {
            Some(layer) => build.net.apply(name, layer, &inputs)?,
            None => build.net.again(name, &inputs)?,
        };
        build.called(name, outputs)
    }

    /// A model within a model, applied to tensors of these dimensions.
    fn nested(&mut self, name: &str, class: Option<&str>, entry: &Json, inputs: &[Dims]) -> Result<Model> {
        let config = entry.get("config").ok_or_else(|| Error::invalid("a nested model needs a `config`"))?;
        let mut config = config.clone();
        if let (Some(map), Some("Sequential")) = (config.as_object_mut(), class) {
            map.insert("class".into(), "Sequential".into());
        }
        self.depth += 1;
        let model = self.model(&config, inputs);
        self.depth -= 1;
        model.map_err(|e| e.within(name))
    }
}

/// The inputs of a model, by name, with the dimensions of what it is applied to. Of a Sequential one only the first
/// counts, whatever it is called.
fn given_inputs(json: &Json, given: &[Dims]) -> Vec<(String, Dims)> {
    let first = |json: &Json| json.get(0).unwrap_or(json).as_str().map(str::to_string);
    let listed = json.get("inputs").and_then(Json::as_array).into_iter().flatten().filter_map(first);
    let layers = json.get("layers").and_then(Json::as_array).into_iter().flatten();
    let declared = layers.filter(|l| text(l, "class") == Some("InputLayer")).filter_map(|l| text(l, "name"));
    let mut names: Vec<String> = listed.collect();
    if names.is_empty() {
        names = declared.map(str::to_string).collect();
    }
    names.resize(names.len().max(given.len()), String::new());
    names.into_iter().zip(given.iter().cloned()).collect()
}

struct Build {
    net: ModelBuilder,
    /// Outputs of every call of each layer.
    calls: std::collections::HashMap<String, Vec<Vec<Sym>>>,
    last: Option<Sym>,
    /// Dimensions for inputs that have none, by name.
    given: Vec<(String, Dims)>,
}

impl Build {
    fn called(&mut self, name: &str, outputs: Vec<Sym>) -> Result<()> {
        self.last = outputs.first().copied();
        self.calls.entry(name.to_string()).or_default().push(outputs);
        Ok(())
    }

    /// A tensor by its reference.
    fn tensor(&self, json: &Json) -> Result<Sym> {
        let (name, call, output) = match json.as_array().map(Vec::as_slice) {
            Some([name, call, output]) => (name.as_str(), usize::read(call)?, usize::read(output)?),
            _ => (json.as_str(), 0, 0),
        };
        let Some(name) = name else { return wrong("a layer's name, or [name, call, output]", json) };
        let calls = self.calls.get(name);
        let found = calls.and_then(|calls| calls.get(call)?.get(output)).copied();
        found.ok_or_else(|| {
            Error::invalid(format!("no output {output} of call {call} of a layer named {name:?} so far"))
        })
    }

    fn finish(self, json: &Json, sequential: bool) -> Result<Model> {
        let list = |key: &str| json.get(key).and_then(Json::as_array);
        let outputs = match (list("outputs"), self.last) {
            (Some(list), _) => list.iter().map(|json| self.tensor(json)).collect::<Result<Vec<_>>>()?,
            (None, Some(last)) => vec![last],
            (None, None) => return Err(Error::invalid("a model without layers")),
        };
        if sequential {
            return self.net.build_sequential(&outputs);
        }
        match list("inputs") {
            None => self.net.build(&outputs),
            Some(list) => {
                let inputs = list.iter().map(|json| self.tensor(json)).collect::<Result<Vec<_>>>()?;
                self.net.build_from(ModelKind::Functional, &inputs, &outputs)
            }
        }
    }
}

impl Model {
    /// The model as JSON, without weights: what [`Model::from_json`] reads.
    pub fn to_json(&self) -> Map<String, Json> {
        let mut seen = vec![0usize; self.entries.len()];
        // Which call of its layer each call is.
        let number: Vec<usize> = self
            .calls
            .iter()
            .map(|call| {
                seen[call.layer] += 1;
                seen[call.layer] - 1
            })
            .collect();
        let tensor = |sym: &Sym| {
            let origin = &self.origins[sym.index()];
            json!([self.entries[self.calls[origin.call].layer].name, number[origin.call], origin.output])
        };
        let layer = |(index, call): (usize, &super::model::Call)| {
            let entry = &self.entries[call.layer];
            let mut map = Map::new();
            map.insert("name".into(), entry.name.as_str().into());
            if number[index] == 0 {
                map.insert("class".into(), entry.layer.class().into());
                map.insert("config".into(), Json::Object(entry.layer.config()));
                map.insert("trainable".into(), entry.trainable.into());
            }
            map.insert("inbound".into(), call.inputs.iter().map(tensor).collect());
            let shape = |sym: &Sym| json!(self.origins[sym.index()].dims.0);
            map.insert("output_shapes".into(), call.outputs.iter().map(shape).collect());
            Json::Object(map)
        };
        let mut map = Map::new();
        map.insert("class".into(), self.class().into());
        map.insert("name".into(), self.name().into());
        if let Some(label) = self.label() {
            map.insert("label".into(), label.into());
        }
        map.insert("layers".into(), self.calls.iter().enumerate().map(layer).collect());
        map.insert("layer_order".into(), self.layer_names().collect());
        map.insert("inputs".into(), self.input_syms().iter().map(tensor).collect());
        map.insert("outputs".into(), self.output_syms().iter().map(tensor).collect());
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siamese() -> Json {
        json!({
            "name": "siamese", "seed": 3,
            "layers": [
                {"name": "a", "class": "InputLayer", "config": {"batch_shape": [null, 6, 6, 2]}},
                {"name": "b", "class": "InputLayer", "config": {"shape": [6, 6, 2]}},
                {"name": "tower", "class": "Sequential", "inbound": ["a"], "trainable": false, "config": {
                    "layers": [
                        {"class": "Conv2D", "config": {"filters": 3, "kernel_size": 3, "input_shape": [6, 6, 2]}},
                        {"class": "Flatten"},
                    ]}},
                {"name": "tower", "inbound": ["b"]},
                {"name": "head", "class": "Dense", "config": {"units": 2}, "inbound": [["tower", 1, 0]]},
            ],
            "outputs": ["head", ["tower", 0, 0]]
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let model = Model::from_json(&siamese(), false).unwrap();
        assert_eq!(model.count_params(), 57 + 98);
        assert_eq!(model.summary().trainable, 98);
        assert_eq!(model.inputs().len(), 2);
        let again = Model::from_json(&Json::Object(model.to_json()), false).unwrap();
        assert_eq!(again.summary(), model.summary());
        assert_eq!(again.to_json(), model.to_json());
    }

    #[test]
    fn mistakes_are_named() {
        let message = |json: Json| Model::from_json(&json, false).unwrap_err().to_string();
        let layer =
            |class: &str, config: Json| json!({"class": "Sequential", "layers": [{"class": class, "config": config}]});
        assert_eq!(
            message(layer("Dense", json!({"units": 3}))),
            "dense: the first layer of a Sequential model needs an `inputShape`"
        );
        let error = message(layer("Dense", json!({"unit": 3, "input_shape": [4]})));
        assert_eq!(error, "dense: the argument `units` is missing");
        let error = message(layer("Dense", json!({"units": 3, "activaton": "relu", "input_shape": [4]})));
        assert!(error.starts_with("dense: no argument `activaton` (expected units, activation, use_bias"), "{error}");
        let error = message(layer(
            "Conv2D",
            json!({"filters": 3, "kernel_size": 3, "padding": "full", "input_shape": [9, 9, 1]}),
        ));
        assert_eq!(
            error,
            "conv2d: the argument `padding` has a wrong value (expected valid or same, received \"full\")"
        );
        let error = message(layer("Conv9D", json!({})));
        assert_eq!(error, "conv9d: no layer named \"Conv9D\"");
    }

    #[test]
    fn inputs_of_nested_models_follow_what_they_are_applied_to() {
        let unit = json!({
            "label": "Unit",
            "layers": [
                {"name": "b", "class": "InputLayer"}, {"name": "a", "class": "InputLayer"},
                {"class": "Conv2D", "name": "conv", "config": {"filters": 3, "kernel_size": 3}, "inbound": ["a"]},
                {"class": "Dense", "name": "dense", "config": {"units": 2}, "inbound": ["b"]}],
            "inputs": [["a", 0, 0], ["b", 0, 0]], "outputs": ["conv", "dense"]
        });
        let json = json!({
            "layers": [
                {"name": "image", "class": "InputLayer", "config": {"shape": [6, 7, 2]}},
                {"name": "text", "class": "InputLayer", "config": {"shape": [5]}},
                {"class": "Functional", "name": "unit", "config": unit, "inbound": ["image", "text"]}],
            "outputs": [["unit", 0, 0], ["unit", 0, 1]]
        });
        let model = Model::from_json(&json, false).unwrap();
        let outputs: Vec<String> = model.outputs().iter().map(|(_, dims)| dims.to_string()).collect();
        assert_eq!(outputs, ["[?, 4, 5, 3]", "[?, 2]"]);
        let summary = model.summary();
        assert_eq!(
            summary.rows.iter().map(|r| r.class.as_str()).collect::<Vec<_>>(),
            ["InputLayer", "InputLayer", "Unit"]
        );
        assert_eq!(Model::from_json(&Json::Object(model.to_json()), false).unwrap().summary(), summary);

        let chain = |inner: Json| {
            json!({"class": "Sequential", "layers": [
                {"class": "Flatten", "config": {"input_shape": [2, 3]}},
                {"class": "Sequential", "name": "head", "config": {"layers": [inner, {"class": "Dense", "config": {"units": 1}}]}}]})
        };
        let model = Model::from_json(&chain(json!({"class": "Dense", "config": {"units": 4}})), false).unwrap();
        assert_eq!(model.count_params(), 28 + 5);
        let error = Model::from_json(&chain(json!({"class": "Dense", "name": "x", "config": {"units": 0}})), false)
            .unwrap_err();
        assert_eq!(error.layer(), Some("head/x"));
    }

    #[test]
    fn nesting_is_bounded() {
        let mut json = json!({"class": "Sequential", "layers": [{"class": "Flatten", "config": {"input_shape": [2]}}]});
        for _ in 0..40 {
            json = json!({"class": "Sequential", "layers": [{"class": "Sequential", "config": json}]});
        }
        assert!(Model::from_json(&json, false).unwrap_err().to_string().contains("nested more than"));
    }
}
