//! Models: layers applied to tensors, weights by name, the graph that a session runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::json::InputLayer;
use super::scope::{Finished, Scope, Weights};
use super::{Constraint, Layer, Mode, Regularizer, WeightSpec};
use crate::error::{Error, Result};
use crate::graph::{Dims, Graph, ValueId};
use crate::tensor::{DType, Tensor};

pub use super::summary::{Row, Summary};

/// A symbolic tensor of one [`ModelBuilder`]: an input or a layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sym(u32);

impl Sym {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How the model was written down; decides what its files look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ModelKind {
    /// Layers one after the other.
    Sequential,
    /// A graph of layers.
    #[default]
    Functional,
}

/// A layer in a model.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    pub layer: Box<dyn Layer>,
    pub trainable: bool,
}

/// A layer applied to tensors; shared layers have several.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Index into the entries.
    pub layer: usize,
    pub inputs: Vec<Sym>,
    pub outputs: Vec<Sym>,
}

/// Where a symbolic tensor comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub call: usize,
    pub output: usize,
    pub dims: Dims,
}

/// A weight of a model.
#[derive(Debug)]
pub struct Weight {
    /// `layer/role`; `outer/inner/role` in nested models.
    pub name: String,
    /// What the layer asked for.
    pub spec: WeightSpec,
    /// Index of the layer in the model's order.
    pub layer: usize,
    /// Drawn when first needed: whoever loads weights need not pay for random ones.
    value: Mutex<Option<Arc<Tensor>>>,
}

/// A built model.
#[derive(Debug)]
pub struct Model {
    name: String,
    label: Option<String>,
    kind: ModelKind,
    seed: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) calls: Vec<Call>,
    pub(super) origins: Vec<Origin>,
    inputs: Vec<Sym>,
    outputs: Vec<Sym>,
    weights: Vec<Weight>,
    by_name: HashMap<String, usize>,
}

/// A model's graph, and where the model's parts are in it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The graph, with the model's outputs.
    pub graph: Graph,
    /// Its inputs, in the model's order.
    pub inputs: Vec<ValueId>,
    /// Its outputs, in the model's order.
    pub outputs: Vec<ValueId>,
    /// Its weights, in the order of [`Model::weights`]; those that nothing needs in this mode are not in the graph.
    pub weights: Vec<Option<ValueId>>,
    /// What weights (by position) are to hold after a training step, apart from what an optimizer does: moving
    /// statistics.
    pub updates: Vec<(usize, ValueId)>,
    /// Outputs of layers whose sizes are penalised in training.
    pub activities: Vec<(Regularizer, ValueId)>,
}

/// Builds a [`Model`], layer by layer. Every layer is checked against its inputs as it is added.
pub struct ModelBuilder {
    name: String,
    label: Option<String>,
    seed: u64,
    entries: Vec<Entry>,
    calls: Vec<Call>,
    origins: Vec<Origin>,
    /// The value in the scope of each symbolic tensor.
    values: Vec<ValueId>,
    inputs: Vec<Sym>,
    specs: Vec<Vec<WeightSpec>>,
    scope: Scope<'static>,
    names: HashSet<String>,
    counters: HashMap<String, usize>,
}

/// Calls of one model: what a page builds has thousands at most, what a file holds may be hostile.
const MAX_CALLS: usize = 1 << 16;

impl ModelBuilder {
    /// Begins a model.
    pub fn new(name: impl Into<String>) -> Self {
        ModelBuilder {
            name: name.into(),
            label: None,
            seed: 0,
            entries: Vec::new(),
            calls: Vec::new(),
            origins: Vec::new(),
            values: Vec::new(),
            inputs: Vec::new(),
            specs: Vec::new(),
            scope: Scope::new(Weights::Declared(HashMap::new()), Mode::Inference),
            names: HashSet::new(),
            counters: HashMap::new(),
        }
    }

    /// The class that summaries show where the model is a layer of another; nothing if empty.
    pub fn label(mut self, label: &str) -> Self {
        self.label = (!label.is_empty()).then(|| label.to_string());
        self
    }

    /// Decides the random first values of weights.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Declares an input of floats; the first dimension is the batch, `None` may be anything.
    pub fn input(&mut self, name: &str, dims: &[Option<usize>]) -> Result<Sym> {
        self.input_of(name, DType::F32, dims)
    }

    /// Declares an input of any element type.
    pub fn input_of(&mut self, name: &str, dtype: DType, dims: &[Option<usize>]) -> Result<Sym> {
        let dims = Dims(dims.to_vec());
        if dims.is_empty() || dims.contains(&Some(0)) {
            return Err(
                Error::mismatch("an input needs a batch dimension, and positive sizes", "[?, ...]", dims).at(name)
            );
        }
        crate::shape::Shape::checked(dims.iter().map(|d| d.unwrap_or(1)).collect::<Vec<_>>())
            .map_err(|e| e.at(name))?;
        let value = self.scope.input(name, dtype, &dims);
        let entry = self.enter(name, Box::new(InputLayer { dims: dims.clone(), dtype }))?;
        self.specs.push(Vec::new());
        let syms = self.record(entry, &[], vec![value])?;
        self.inputs.push(syms[0]);
        Ok(syms[0])
    }

    /// Applies a new layer, named as Keras would name it (`conv2d_1`), to tensors and returns its only output.
    pub fn add(&mut self, layer: impl Layer + 'static, inputs: &[Sym]) -> Result<Sym> {
        let name = self.automatic(layer.class());
        Ok(self.apply(&name, Box::new(layer), inputs)?[0])
    }

    /// Applies a new layer of this name to tensors and returns its only output.
    pub fn named(&mut self, name: &str, layer: impl Layer + 'static, inputs: &[Sym]) -> Result<Sym> {
        Ok(self.apply(name, Box::new(layer), inputs)?[0])
    }

    /// Applies a layer of the model once more, with the same weights.
    pub fn again(&mut self, name: &str, inputs: &[Sym]) -> Result<Vec<Sym>> {
        let Some(entry) = self.entries.iter().position(|e| e.name == name) else {
            return Err(Error::invalid(format!("no layer named {name:?}")));
        };
        let dims = self.input_dims(inputs)?;
        let check = |specs: Vec<WeightSpec>| {
            let same = specs.iter().map(|s| &s.shape).eq(self.specs[entry].iter().map(|s| &s.shape));
            if same {
                Ok(())
            } else {
                Err(Error::invalid("the inputs ask for weights of other shapes than the first time"))
            }
        };
        self.entries[entry].layer.weights(&dims).and_then(check).map_err(|e| e.at(name))?;
        self.lower(entry, inputs)
    }

    /// Dimensions of a tensor; `None` may be anything.
    pub fn dims(&self, tensor: Sym) -> Result<&Dims> {
        let origin = self.origins.get(tensor.index());
        Ok(&origin.ok_or_else(|| Error::invalid("a tensor of another model"))?.dims)
    }

    /// A name that no layer has yet, as Keras makes them: `conv2d`, `conv2d_1` ...
    pub fn automatic(&mut self, class: &str) -> String {
        let base = snake_case(class);
        loop {
            let count = self.counters.entry(base.clone()).or_default();
            let name = if *count == 0 { base.clone() } else { format!("{base}_{count}") };
            *count += 1;
            if !self.names.contains(&name) {
                return name;
            }
        }
    }

    /// The model from all inputs to these outputs; layers that they do not need are left out.
    pub fn build(self, outputs: &[Sym]) -> Result<Model> {
        let inputs = self.inputs.clone();
        self.build_from(ModelKind::Functional, &inputs, outputs)
    }

    /// The model of layers one after the other.
    pub fn build_sequential(self, outputs: &[Sym]) -> Result<Model> {
        let inputs = self.inputs.clone();
        self.build_from(ModelKind::Sequential, &inputs, outputs)
    }

    /// The model from these inputs to these outputs.
    pub fn build_from(self, kind: ModelKind, inputs: &[Sym], outputs: &[Sym]) -> Result<Model> {
        if outputs.is_empty() {
            return Err(Error::invalid("a model needs an output").at(self.name));
        }
        for &tensor in outputs {
            self.dims(tensor)?;
        }
        let order = super::order::keras_order(&self.calls, &self.origins, inputs, outputs);
        let needed: HashSet<usize> = order.calls.iter().copied().collect();
        if let Some(stranger) = self.inputs.iter().find(|sym| {
            let call = self.origins[sym.index()].call;
            needed.contains(&call) && !inputs.contains(sym)
        }) {
            let name = &self.entries[self.calls[self.origins[stranger.index()].call].layer].name;
            return Err(Error::invalid("the outputs need an input that is not among the model's").at(name));
        }
        self.assemble(kind, inputs, outputs, order)
    }

    fn assemble(self, kind: ModelKind, inputs: &[Sym], outputs: &[Sym], order: super::order::Order) -> Result<Model> {
        let ModelBuilder { name, label, seed, entries, calls, origins, specs, .. } = self;
        // Layers in Keras' order, calls in the order of their making; both renumbered.
        let mut slots: Vec<Option<(Entry, Vec<WeightSpec>)>> = entries.into_iter().zip(specs).map(Some).collect();
        let mut place = vec![usize::MAX; slots.len()];
        let (mut kept, mut weights) = (Vec::new(), Vec::new());
        for old in order.layers {
            let Some((entry, specs)) = slots[old].take() else { continue };
            place[old] = kept.len();
            for spec in specs {
                weights.push(Weight {
                    name: format!("{}/{}", entry.name, spec.role),
                    value: Mutex::new(spec.value.clone()),
                    spec,
                    layer: kept.len(),
                });
            }
            kept.push(entry);
        }
        let mut call_place = vec![usize::MAX; calls.len()];
        let mut kept_calls = Vec::new();
        let mut in_order = order.calls;
        in_order.sort_unstable();
        for old in in_order {
            call_place[old] = kept_calls.len();
            kept_calls.push(Call { layer: place[calls[old].layer], ..calls[old].clone() });
        }
        let origins = origins.into_iter().map(|origin| Origin { call: call_place[origin.call], ..origin }).collect();
        let by_name = weights.iter().enumerate().map(|(i, w): (usize, &Weight)| (w.name.clone(), i)).collect();
        let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
        Ok(Model {
            name,
            label,
            kind,
            seed,
            entries: kept,
            calls: kept_calls,
            origins,
            inputs,
            outputs,
            weights,
            by_name,
        })
    }

    fn input_dims(&self, inputs: &[Sym]) -> Result<Vec<Dims>> {
        inputs.iter().map(|&sym| self.dims(sym).cloned()).collect()
    }

    fn enter(&mut self, name: &str, layer: Box<dyn Layer>) -> Result<usize> {
        if name.is_empty() || !self.names.insert(name.to_string()) {
            return Err(
                Error::invalid(format!("two layers are named {name:?}; every layer needs a name of its own")).at(name)
            );
        }
        self.entries.push(Entry { name: name.to_string(), layer, trainable: true });
        Ok(self.entries.len() - 1)
    }

    /// Applies a new layer; one tensor for each output.
    pub fn apply(&mut self, name: &str, layer: Box<dyn Layer>, inputs: &[Sym]) -> Result<Vec<Sym>> {
        let prepare = || -> Result<Vec<WeightSpec>> {
            layer.check()?;
            let specs = layer.weights(&self.input_dims(inputs)?)?;
            for spec in &specs {
                crate::shape::Shape::checked(&spec.shape[..])?;
            }
            Ok(specs)
        };
        let specs = prepare().map_err(|e| e.at(name))?;
        self.scope.declare(name, &specs);
        let entry = self.enter(name, layer)?;
        self.specs.push(specs);
        let result = self.lower(entry, inputs);
        if result.is_err() {
            // The name is free again: whoever mends the arguments may use it.
            self.names.remove(name);
            self.scope.forget(name);
            self.entries.pop();
            self.specs.pop();
        }
        result
    }

    fn lower(&mut self, entry: usize, inputs: &[Sym]) -> Result<Vec<Sym>> {
        self.input_dims(inputs)?;
        let values: Vec<ValueId> = inputs.iter().map(|sym| self.values[sym.index()]).collect();
        let Entry { name, layer, .. } = &self.entries[entry];
        let outputs = self.scope.layer(name, true, |scope| layer.lower(scope, &values))?;
        self.record(entry, inputs, outputs)
    }

    fn record(&mut self, layer: usize, inputs: &[Sym], values: Vec<ValueId>) -> Result<Vec<Sym>> {
        if self.calls.len() >= MAX_CALLS {
            return Err(Error::resource(format!("a model of more than {MAX_CALLS} layers")));
        }
        let call = self.calls.len();
        let outputs: Vec<Sym> = (0..values.len()).map(|i| Sym((self.origins.len() + i) as u32)).collect();
        for (output, value) in values.into_iter().enumerate() {
            self.origins.push(Origin { call, output, dims: self.scope.dims(value) });
            self.values.push(value);
        }
        self.calls.push(Call { layer, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }
}

impl Weight {
    /// Its values, if anybody asked for them or set them.
    pub(super) fn drawn(&self) -> Option<Arc<Tensor>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keras' `to_snake_case`: `MaxPooling2D` is `max_pooling2d`, `Conv2DTranspose` is `conv2d_transpose`.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1);
        let word = c.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase);
        let hump = c.is_ascii_uppercase() && before.is_some_and(|b| b.is_ascii_lowercase());
        if before.is_some_and(|b| b != '_') && (word || hump) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

impl Weight {
    fn get(&self, seed: u64) -> Result<Arc<Tensor>> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_none() {
            *value = Some(Arc::new(self.spec.initializer.tensor(&self.spec.shape, &self.name, seed)?));
        }
        value.clone().ok_or_else(|| Error::invalid("a weight without a value"))
    }
}

impl Model {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The class that summaries show where the model is a layer of another, if it is not its own.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Sequential or functional.
    pub fn kind(&self) -> ModelKind {
        self.kind
    }

    /// Dimensions of every input, in order, with its name and element type.
    pub fn inputs(&self) -> Vec<(&str, DType, &Dims)> {
        let input = |sym: &Sym| {
            let origin = &self.origins[sym.index()];
            let entry = &self.entries[self.calls[origin.call].layer];
            (entry.name.as_str(), self.input_dtype(entry), &origin.dims)
        };
        self.inputs.iter().map(input).collect()
    }

    /// Dimensions of every output, in order, with the name of its layer.
    pub fn outputs(&self) -> Vec<(&str, &Dims)> {
        let output = |sym: &Sym| {
            let origin = &self.origins[sym.index()];
            (self.entries[self.calls[origin.call].layer].name.as_str(), &origin.dims)
        };
        self.outputs.iter().map(output).collect()
    }

    /// Names of the layers, in Keras' order.
    pub fn layer_names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// A layer by name.
    pub fn layer(&self, name: &str) -> Option<&dyn Layer> {
        self.entries.iter().find(|e| e.name == name).map(|e| e.layer.as_ref())
    }

    /// All weights, in Keras' order.
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// What decides the random first weights.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of parameters, moving statistics included.
    pub fn count_params(&self) -> usize {
        self.weights.iter().map(|w| w.spec.shape.iter().product::<usize>()).sum()
    }

    /// A weight's values.
    pub fn weight(&self, name: &str) -> Result<Arc<Tensor>> {
        self.find(name)?.get(self.seed)
    }

    /// Replaces a weight's values.
    pub fn set_weight(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> Result<()> {
        let (weight, tensor) = (self.find(name)?, tensor.into());
        if **tensor.shape() != weight.spec.shape[..] || tensor.dtype() != DType::F32 {
            let shape = crate::shape::Shape::from(&weight.spec.shape[..]);
            return Err(Error::mismatch(format!("the values do not fit the weight {name}"), shape, tensor.kind()));
        }
        *weight.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(tensor);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&Weight> {
        let known = self.by_name.get(name).map(|&i| &self.weights[i]);
        known.ok_or_else(|| Error::invalid(format!("the model has no weight named {name:?}")))
    }

    /// Whether a weight is changed by training: it can be, and no layer around it is frozen.
    pub fn is_trainable(&self, weight: &Weight) -> bool {
        let entry = &self.entries[weight.layer];
        let inner = match entry.layer.model() {
            Some(model) => model.by_name.get(&weight.spec.role).is_none_or(|&i| model.is_trainable(&model.weights[i])),
            None => weight.spec.trainable,
        };
        entry.trainable && inner
    }

    /// Freezes or thaws a layer (`outer/inner` within nested models), or with an empty name all layers.
    pub fn set_trainable(&mut self, layer: &str, trainable: bool) -> Result<()> {
        if layer.is_empty() {
            for entry in &mut self.entries {
                entry.trainable = trainable;
                if let Some(model) = entry.layer.model_mut() {
                    model.set_trainable("", trainable)?;
                }
            }
            return Ok(());
        }
        if let Some(entry) = self.entries.iter_mut().find(|e| e.name == layer) {
            entry.trainable = trainable;
            return Ok(());
        }
        let nested = self.entries.iter_mut().find_map(|e| {
            let rest = layer.strip_prefix(&e.name)?.strip_prefix('/')?;
            Some((e.layer.model_mut()?, rest))
        });
        match nested {
            Some((model, rest)) => model.set_trainable(rest, trainable),
            None => Err(Error::invalid(format!("the model has no layer named {layer:?}"))),
        }
    }

    /// The graph of the trained model, weights as constants.
    pub fn graph(&self) -> Result<Graph> {
        Ok(self.lowered(Mode::Inference, false)?.graph)
    }

    /// The graph for a mode, weights as constants or as variables, with the model's parts in it.
    pub fn lowered(&self, mode: Mode, variables: bool) -> Result<Lowered> {
        let values = |path: &str| self.weight(path);
        let weights = if variables { Weights::Variables(&values) } else { Weights::Values(&values) };
        let mut scope = Scope::new(weights, mode).seeded(self.seed);
        let declare = |(name, dtype, dims): (&str, DType, &Dims)| scope.input(name, dtype, dims);
        let inputs: Vec<ValueId> = self.inputs().into_iter().map(declare).collect();
        let outputs = self.lower_into(&mut scope, &inputs)?;
        for (value, (name, _)) in outputs.iter().zip(self.outputs()) {
            scope.output(name, *value);
        }
        let Finished { graph, known, updates, activities } = scope.finish()?;
        let unknown = || Error::invalid("an update of a weight that the model does not have");
        let update = |(path, value): (String, ValueId)| Ok((*self.by_name.get(&path).ok_or_else(unknown)?, value));
        Ok(Lowered {
            graph,
            inputs,
            outputs,
            weights: self.weights.iter().map(|w| known.get(&w.name).copied()).collect(),
            updates: updates.into_iter().map(update).collect::<Result<_>>()?,
            activities,
        })
    }

    /// Adds the whole model to a graph; values of its outputs.
    pub(super) fn lower_into(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::mismatch("the model takes other inputs", self.inputs.len(), inputs.len()));
        }
        let mut values: HashMap<Sym, ValueId> = self.inputs.iter().copied().zip(inputs.iter().copied()).collect();
        let missing = || Error::invalid("a tensor that no layer makes");
        for call in &self.calls {
            if call.inputs.is_empty() && call.outputs.iter().all(|sym| values.contains_key(sym)) {
                continue;
            }
            let operands =
                call.inputs.iter().map(|s| values.get(s).copied().ok_or_else(missing)).collect::<Result<Vec<_>>>()?;
            let Entry { name, layer, trainable } = &self.entries[call.layer];
            let outputs = scope.layer(name, *trainable, |scope| layer.lower(scope, &operands))?;
            values.extend(call.outputs.iter().copied().zip(outputs));
        }
        self.outputs.iter().map(|s| values.get(s).copied().ok_or_else(missing)).collect()
    }

    fn input_dtype(&self, entry: &Entry) -> DType {
        let dtype = entry.layer.config().get("dtype").and_then(|d| d.as_str().map(str::to_string));
        match dtype.as_deref() {
            Some("int32") => DType::I32,
            Some("uint8") => DType::U8,
            _ => DType::F32,
        }
    }

    pub(super) fn input_syms(&self) -> &[Sym] {
        &self.inputs
    }

    pub(super) fn output_syms(&self) -> &[Sym] {
        &self.outputs
    }
}

/// A model as a layer of another: its weights come along with their values.
impl Layer for Model {
    fn class(&self) -> &'static str {
        match self.kind {
            ModelKind::Sequential => "Sequential",
            ModelKind::Functional => "Functional",
        }
    }

    fn config(&self) -> serde_json::Map<String, serde_json::Value> {
        self.to_json()
    }

    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::mismatch("the model takes other inputs", self.inputs.len(), inputs.len()));
        }
        for ((name, _, wanted), given) in self.inputs().into_iter().zip(inputs) {
            let fits = wanted.len() == given.len()
                && wanted.iter().zip(given.iter()).all(|(w, g)| w.is_none() || g.is_none() || w == g);
            if !fits {
                return Err(Error::mismatch(format!("the model's input {name} takes another shape"), wanted, given));
            }
        }
        let spec = |w: &Weight| -> Result<WeightSpec> {
            let value = w.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(WeightSpec { role: w.name.clone(), value, ..w.spec.clone() })
        };
        self.weights.iter().map(spec).collect()
    }

    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        self.lower_into(scope, inputs)
    }

    fn model(&self) -> Option<&Model> {
        Some(self)
    }

    fn model_mut(&mut self) -> Option<&mut Model> {
        Some(self)
    }
}

/// Penalty and constraint of a weight, for training.
impl Weight {
    /// Added to the loss.
    pub fn regularizer(&self) -> Option<Regularizer> {
        self.spec.regularizer
    }
    /// Applied after updates.
    pub fn constraint(&self) -> Option<&Constraint> {
        self.spec.constraint.as_ref()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::layers::{Activation, Conv2D, Dense, Flatten};
    use crate::session::{Device, Session};

    fn small() -> Model {
        let mut net = ModelBuilder::new("small").seed(7);
        let x = net.input("image", &[None, Some(4), Some(5), Some(2)]).unwrap();
        let y = net.add(Conv2D::new(3, [3, 3]), &[x]).unwrap();
        let y = net.add(Flatten::new(), &[y]).unwrap();
        let y = net.named("out", Dense { activation: Activation::Softmax, ..Dense::new(4) }, &[y]).unwrap();
        net.build(&[y]).unwrap()
    }

    #[test]
    fn class_names_become_keras_names() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("MaxPooling2D", "max_pooling2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("SpatialDropout1D", "spatial_dropout1d"),
            ("ResidualUnit", "residual_unit"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }

    #[test]
    fn builds_and_runs() {
        let model = small();
        assert_eq!(model.count_params(), 57 + 76);
        assert_eq!(model.outputs()[0].1, &Dims(vec![None, Some(4)]));
        let mut session = Session::new(model.graph().unwrap(), Device::Cpu).unwrap();
        let x = Tensor::f32([2, 4, 5, 2], (0..80).map(|i| (i % 7) as f32).collect::<Vec<_>>()).unwrap();
        let y = pollster::block_on(session.run(&[x])).unwrap();
        let sums: Vec<f32> = y[0].as_f32().unwrap().chunks(4).map(|row| row.iter().sum()).collect();
        assert!(sums.iter().all(|s| (s - 1.0).abs() < 1e-5), "{sums:?}");
    }

    #[test]
    fn what_does_not_fit_is_named_at_once_and_the_builder_goes_on() {
        let mut net = ModelBuilder::new("bad");
        let x = net.input("image", &[None, Some(4), Some(5), Some(2)]).unwrap();
        let error = net.named("stem", Conv2D::new(3, [7, 7]), &[x]).unwrap_err();
        assert_eq!(error.layer(), Some("stem"));
        let error = net.named("stem", Dense::new(0), &[x]).unwrap_err();
        assert_eq!((error.layer(), error.message()), (Some("stem"), "`units` must be positive"));
        let y = net.named("stem", Dense::new(3), &[x]).unwrap();
        assert!(net.named("stem", Dense::new(3), &[y]).is_err(), "the name is taken");
        assert!(net.build(&[y]).is_ok());
    }

    #[test]
    fn shared_layers_share_weights_and_nested_models_bring_theirs() {
        let inner = small();
        let kernel = inner.weight("conv2d/kernel").unwrap();
        let mut net = ModelBuilder::new("twins");
        let a = net.input("a", &[None, Some(4), Some(5), Some(2)]).unwrap();
        let b = net.input("b", &[None, Some(4), Some(5), Some(2)]).unwrap();
        let ya = net.named("tower", inner, &[a]).unwrap();
        let yb = net.again("tower", &[b]).unwrap()[0];
        let mut model = net.build(&[ya, yb]).unwrap();
        assert_eq!(model.count_params(), 133);
        assert_eq!(model.weight("tower/conv2d/kernel").unwrap(), kernel);
        model.set_trainable("tower/conv2d", false).unwrap();
        let frozen = model.weights().iter().filter(|w| !model.is_trainable(w)).count();
        assert_eq!(frozen, 2);
        let mut session = Session::new(model.graph().unwrap(), Device::Cpu).unwrap();
        let x = Tensor::f32([1, 4, 5, 2], (0..40).map(|i| (i % 5) as f32).collect::<Vec<_>>()).unwrap();
        let y = pollster::block_on(session.run(&[x.clone(), x])).unwrap();
        assert_eq!(y[0], y[1]);
    }

    #[test]
    fn layers_the_outputs_do_not_need_are_left_out() {
        let mut net = ModelBuilder::new("pruned");
        let x = net.input("x", &[None, Some(3)]).unwrap();
        let y = net.named("kept", Dense::new(2), &[x]).unwrap();
        net.named("dropped", Dense::new(9), &[x]).unwrap();
        let model = net.build(&[y]).unwrap();
        assert_eq!(model.layer_names().collect::<Vec<_>>(), ["x", "kept"]);
        assert_eq!(model.count_params(), 8);
    }
}
