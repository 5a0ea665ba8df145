//! A model in training: what Keras' `compile`, `train_on_batch`, `test_on_batch` and `predict` are made of.
//!
//! The weights live on the device as [`Variables`], shared by the graphs that train, evaluate and predict; a graph is
//! built and compiled once for each shape of batch. A step is one run of one graph, which leaves new weights, optimizer
//! slots and moving statistics behind; nothing is read back unless it is asked for.

mod compile;
mod graph;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Output};
use crate::layers::{Mode, Model};
use crate::session::{Device, Session, Variables};
use crate::tensor::{Tensor, TensorType};
use crate::train::metrics::Metric;
use crate::train::optimizers::Optimizer;

pub use compile::Compile;
use graph::{BatchTypes, StepGraph, build};

/// Samples with labels. Every list has one entry for each input or output of the model.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Inputs.
    pub x: Vec<Tensor>,
    /// Labels; an output without loss and metrics needs none.
    pub y: Vec<Option<Tensor>>,
    /// How much samples count: `[batch]`, or more dimensions of the loss.
    pub sample_weights: Vec<Option<Tensor>>,
}

impl Batch {
    /// One input, one label.
    pub fn pair(x: Tensor, y: Tensor) -> Batch {
        Batch { x: vec![x], y: vec![Some(y)], sample_weights: Vec::new() }
    }

    /// Number of samples.
    pub fn size(&self) -> usize {
        self.x.first().and_then(|x| x.shape().first().copied()).unwrap_or(0)
    }

    fn types(&self) -> BatchTypes {
        let kinds = |list: &[Option<Tensor>]| list.iter().map(|t| t.as_ref().map(Tensor::kind)).collect();
        BatchTypes {
            x: self.x.iter().map(Tensor::kind).collect(),
            y: kinds(&self.y),
            weights: kinds(&self.sample_weights),
        }
    }
}

/// Named numbers, as Keras logs them: `loss`, `out_loss`, `accuracy` ...
pub type Logs = Vec<(String, Tensor)>;

/// Graphs kept for batches of different shapes: training and evaluation, each with a last batch that is smaller.
const KEPT: usize = 4;

struct Compiled {
    mode: Mode,
    types: BatchTypes,
    losses: usize,
    predictions: Vec<usize>,
    session: Session,
}

/// The metrics of one output, made when its labels are first seen.
struct Tracked {
    output: usize,
    metric: Metric,
    weighted: bool,
}

/// A model, what it is trained for, and how far it has come.
pub struct Trainer {
    model: Model,
    compile: Compile,
    variables: Variables,
    compiled: Vec<Compiled>,
    predictor: Option<Session>,
    /// Steps since the model was compiled.
    step: u64,
    /// Sums of losses times samples, and the samples, since the last reset.
    sums: Vec<f64>,
    samples: f64,
    tracked: Option<Vec<Tracked>>,
    /// Device memory is newer than the model's weights.
    ahead: bool,
}

impl Trainer {
    /// A model to be trained on a device.
    pub fn new(model: Model, compile: Compile, device: Device) -> Result<Trainer> {
        let variables = Trainer::variables(&model, device)?;
        Ok(Trainer::on(model, compile, variables))
    }

    /// A model's weights on a device: all of [`Trainer::new`] that can fail.
    pub(crate) fn variables(model: &Model, device: Device) -> Result<Variables> {
        let variables = Variables::new(device);
        for weight in model.weights() {
            variables.add(&weight.name, model.weight(&weight.name)?)?;
        }
        Ok(variables)
    }

    /// As [`Trainer::new`], with the weights already there.
    pub(crate) fn on(model: Model, compile: Compile, variables: Variables) -> Trainer {
        Trainer {
            model,
            compile,
            variables,
            compiled: Vec::new(),
            predictor: None,
            step: 0,
            sums: Vec::new(),
            samples: 0.0,
            tracked: None,
            ahead: false,
        }
    }

    /// The model. Its weights are those of the last [`Trainer::sync`].
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The optimizer, to change its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer {
        &mut self.compile.optimizer
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer {
        &self.compile.optimizer
    }

    /// Steps since the model was compiled.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Compiles anew, as Keras' `compile` does: the optimizer forgets its slots, weights stay. Frozen and thawed layers
    /// take effect.
    pub fn recompile(&mut self, compile: Compile) {
        self.compile = compile;
        self.compiled.clear();
        self.step = 0;
        self.variables.retain(&mut |name| !name.starts_with("optimizer/"));
        self.tracked = None;
        self.reset_logs();
    }

    /// Freezes or thaws a layer; takes effect at the next step. (Keras wants `compile` after that: so do the optimizer's
    /// slots, which stay here as they are.)
    pub fn set_trainable(&mut self, layer: &str, trainable: bool) -> Result<()> {
        self.model.set_trainable(layer, trainable)?;
        self.compiled.clear();
        Ok(())
    }

    /// Replaces a weight.
    pub fn set_weight(&mut self, name: &str, tensor: impl Into<Arc<Tensor>>) -> Result<()> {
        let tensor: Arc<Tensor> = tensor.into();
        self.model.set_weight(name, tensor.clone())?;
        self.variables.write(name, tensor)
    }

    /// Brings the weights back from the device into the model: what is lost with a device is what was trained since.
    pub async fn sync(&mut self) -> Result<()> {
        if !self.ahead {
            return Ok(());
        }
        let names: Vec<String> = self.model.weights().iter().map(|w| w.name.clone()).collect();
        let values = self.variables.read(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        for (name, value) in names.iter().zip(values) {
            self.model.set_weight(name, value)?;
        }
        self.ahead = false;
        Ok(())
    }

    /// Trains on one batch. With `read` the loss is waited for, checked and logged, and metrics are updated; without, a
    /// GPU goes on while the next batch is prepared.
    ///
    /// A loss that is not a number is an error that names the step and the first layer to blame. Weights, and what the
    /// optimizer keeps, are then those before the step.
    pub async fn train_on_batch(&mut self, batch: &Batch, read: bool) -> Result<Option<Logs>> {
        let at = self.ready(batch, Mode::Training)?;
        // A model that is frozen as a whole has no optimizer that wants to know the step.
        let wants_step = self.compiled[at].session.graph().inputs().len() > self.compiled[at].types.flat().len();
        let inputs = inputs(batch, wants_step.then(|| self.compile.optimizer.step_input(self.step)));
        self.compiled[at].session.start(&inputs).await?;
        self.step += 1;
        self.ahead = true;
        if !read {
            return Ok(None);
        }
        self.read(at, batch).await.map(Some)
    }

    /// Evaluates one batch with the current weights.
    pub async fn test_on_batch(&mut self, batch: &Batch) -> Result<Logs> {
        let at = self.ready(batch, Mode::Inference)?;
        self.compiled[at].session.start(&inputs(batch, None)).await?;
        self.read(at, batch).await
    }

    /// The model's outputs with the current weights, in inference mode.
    pub async fn predict(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let session = match self.predictor.take() {
            Some(session) => session,
            None => {
                let graph = self.model.lowered(Mode::Inference, true)?.graph;
                Session::with_variables(graph, self.variables.clone())?
            }
        };
        self.predictor.insert(session).run(inputs).await
    }

    /// Loss and metrics over the batches that were read since the last [`Trainer::reset_logs`].
    pub fn logs(&self) -> Logs {
        let names: Vec<&str> = self.model.outputs().into_iter().map(|(name, _)| name).collect();
        let several = names.len() > 1;
        let mut logs = Logs::new();
        let losses = (0..self.compile.targets.len()).filter(|i| self.compile.targets[*i].loss.is_some());
        let named = losses.map(|i| format!("{}_loss", names[i]));
        for (name, sum) in std::iter::once("loss".to_string()).chain(named).zip(&self.sums) {
            // The loss of the only output is the loss.
            if several || logs.is_empty() {
                logs.push((name, Tensor::scalar((sum / self.samples.max(1.0)) as f32)));
            }
        }
        for Tracked { output, metric, .. } in self.tracked.iter().flatten() {
            let name =
                if several { format!("{}_{}", names[*output], metric.name()) } else { metric.name().to_string() };
            logs.push((name, metric.result()));
        }
        logs
    }

    /// Forgets the batches so far: an epoch, or an evaluation, begins.
    pub fn reset_logs(&mut self) {
        self.sums.clear();
        self.samples = 0.0;
        self.tracked.iter_mut().flatten().for_each(|t| t.metric.reset());
    }

    /// Bytes that one training step needs at its peak beside weights and slots, and bytes of those; 0 before the first.
    pub fn memory(&self) -> (usize, usize) {
        let training = self.compiled.iter().rev().find(|c| c.mode == Mode::Training);
        (training.map_or(0, |c| c.session.report().peak_bytes), self.variables.bytes())
    }

    /// How often the device was lost; weights then went back to those of the last [`Trainer::sync`].
    pub fn losses_of_device(&self) -> usize {
        self.variables.losses()
    }

    /// The graph for a batch, built and compiled if it is new; its position, the last.
    fn ready(&mut self, batch: &Batch, mode: Mode) -> Result<usize> {
        if batch.size() == 0 {
            return Err(Error::invalid("a batch without samples"));
        }
        let types = batch.types();
        let found = self.compiled.iter().position(|c| c.mode == mode && c.types == types);
        let compiled = match found {
            Some(found) => self.compiled.remove(found),
            None => {
                // Room first: a training graph holds every activation.
                if self.compiled.len() >= KEPT {
                    self.compiled.remove(0);
                }
                let StepGraph { graph, losses, predictions } = build(&self.model, &self.compile, &types, mode)?;
                let session = if mode == Mode::Training && self.compile.recompute {
                    // The optimizer's inputs come after the batch's.
                    let mut inputs = types.flat();
                    inputs.extend(graph.default_inputs().into_iter().skip(inputs.len()));
                    Session::recomputing(graph, self.variables.clone(), &inputs)?
                } else {
                    Session::with_variables(graph, self.variables.clone())?
                };
                Compiled { mode, types, losses, predictions, session }
            }
        };
        self.compiled.push(compiled);
        Ok(self.compiled.len() - 1)
    }

    /// Reads the last run's losses and predictions.
    async fn read(&mut self, at: usize, batch: &Batch) -> Result<Logs> {
        let compiled = &self.compiled[at];
        let (losses, predictions) = (compiled.losses, compiled.predictions.clone());
        let outputs: Vec<usize> = (0..losses + predictions.len()).collect();
        let results = compiled.session.read(&outputs).await?;
        let values: Vec<f32> = results[..losses]
            .iter()
            .map(|t| t.as_f32().ok().and_then(|v| v.first().copied()).unwrap_or(f32::NAN))
            .collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(self.blame(batch, values[0]).await);
        }
        let size = batch.size() as f64;
        self.sums.resize(losses, 0.0);
        self.sums.iter_mut().zip(&values).for_each(|(sum, v)| *sum += *v as f64 * size);
        self.samples += size;
        self.track(batch, &predictions, &results[losses..])?;
        Ok(self.logs())
    }

    /// Updates the metrics; makes them first if these are the first labels.
    fn track(&mut self, batch: &Batch, outputs: &[usize], predictions: &[Tensor]) -> Result<()> {
        if self.tracked.is_none() {
            let mut tracked = Vec::new();
            for (&output, prediction) in outputs.iter().zip(predictions) {
                let name = self.model.outputs()[output].0.to_string();
                let label = batch.y.get(output).and_then(Option::as_ref);
                let label = label.ok_or_else(|| Error::invalid("metrics need labels").at(&name))?;
                let open = |t: &Tensor| t.shape().iter().copied().map(Some).collect::<Vec<_>>();
                let target = &self.compile.targets[output];
                let named = target.metrics.iter().map(|m| (m, false));
                for (named, weighted) in named.chain(target.weighted_metrics.iter().map(|m| (m, true))) {
                    let metric = named.metric(&open(label), &open(prediction)).map_err(|e| e.at(&name))?;
                    tracked.push(Tracked { output, metric, weighted });
                }
            }
            self.tracked = Some(tracked);
        }
        for Tracked { output, metric, weighted } in self.tracked.iter_mut().flatten() {
            let (Some(prediction), Some(Some(label))) =
                (outputs.iter().position(|o| o == output).map(|i| &predictions[i]), batch.y.get(*output))
            else {
                continue;
            };
            let weight = batch.sample_weights.get(*output).and_then(Option::as_ref).filter(|_| *weighted);
            metric.update(label, prediction, weight)?;
        }
        Ok(())
    }

    /// Why a loss is not a number: the first layer whose output is not, for this batch and the weights before the step.
    async fn blame(&mut self, batch: &Batch, loss: f32) -> Error {
        let step = self.step;
        let what = if loss.is_nan() { "not a number" } else { "infinite" };
        match self.culprit(batch).await {
            Ok(Some(layer)) => Error::invalid(format!(
                "the loss of step {step} is {what}, and the first layer whose output is not finite is {layer}: a lower learning rate, clipped gradients or scaled inputs may help"
            ))
            .at(layer),
            _ => Error::invalid(format!(
                "the loss of step {step} is {what}, though all layers' outputs are finite: look at the labels and the loss"
            )),
        }
    }

    async fn culprit(&self, batch: &Batch) -> Result<Option<String>> {
        for (x, (name, ..)) in batch.x.iter().zip(self.model.inputs()) {
            if !finite(x) {
                return Ok(Some(name.to_string()));
            }
        }
        // A gradient may overflow where the loss does not: the step before has then ruined weights.
        let names: Vec<String> = self.model.weights().iter().map(|w| w.name.clone()).collect();
        let weights = self.variables.read(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        if let Some(ruined) = weights.iter().position(|w| !finite(w)) {
            return Ok(names[ruined].rsplit_once('/').map(|(layer, _)| layer.to_string()));
        }
        let lowered = self.model.lowered(Mode::Training, true)?;
        let mut graph: Graph = lowered.graph;
        // The same random numbers as in the step, and none of them used up.
        graph.forget_updates();
        // Every node's name is its layer's; the last node of a layer is its output.
        let mut ends: Vec<(String, crate::graph::ValueId)> = Vec::new();
        let types = graph.infer(&batch.x.iter().map(Tensor::kind).collect::<Vec<TensorType>>())?;
        for node in graph.nodes() {
            let value = node.outputs[0];
            if types[value].dtype != crate::DType::F32 {
                continue;
            }
            match ends.last_mut() {
                Some((name, last)) if *name == node.name => *last = value,
                _ => ends.push((node.name.clone(), value)),
            }
        }
        graph.set_outputs(ends.iter().map(|(name, value)| Output { name: name.clone(), value: *value }).collect());
        let mut session = Session::with_variables(graph, self.variables.clone())?;
        let results = session.run(&batch.x).await?;
        Ok(ends.into_iter().zip(&results).find(|(_, result)| !finite(result)).map(|((name, _), _)| name))
    }
}

/// Whether all of it are numbers.
fn finite(tensor: &Tensor) -> bool {
    tensor.as_f32().map_or(true, |values| values.iter().all(|v| v.is_finite()))
}

/// A batch as the graph's inputs, and the optimizer's.
fn inputs(batch: &Batch, step: Option<Tensor>) -> Vec<Tensor> {
    let labels = batch.y.iter().chain(&batch.sample_weights).flatten();
    batch.x.iter().chain(labels).cloned().chain(step).collect()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use pollster::block_on;
    use serde_json::json;

    /// Two clouds of points, and a network that can tell them apart.
    fn setting() -> (Model, Batch) {
        let model = json!({"class": "Sequential", "seed": 5, "layers": [
            {"class": "Dense", "config": {"units": 8, "activation": "tanh", "input_shape": [2]}},
            {"class": "Dense", "name": "out", "config": {"units": 2, "activation": "softmax"}},
        ]});
        let mut random = crate::layers::Random::new("points", 1);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for i in 0..64 {
            let class = i % 2;
            let center = if class == 0 { -1.0 } else { 1.0 };
            x.extend([center + 0.4 * random.normal() as f32, 0.5 * random.normal() as f32]);
            y.push(class);
        }
        let batch = Batch::pair(Tensor::f32([64, 2], x).unwrap(), Tensor::i32([64], y).unwrap());
        (Model::from_json(&model, false).unwrap(), batch)
    }

    fn trainer(compile: serde_json::Value) -> (Trainer, Batch) {
        let (model, batch) = setting();
        let compile = Compile::from_json(&compile, &model).unwrap();
        (Trainer::new(model, compile, Device::Cpu).unwrap(), batch)
    }

    fn scalar(logs: &Logs, name: &str) -> f32 {
        logs.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{logs:?}")).1.as_f32().unwrap()[0]
    }

    #[test]
    fn learns_and_logs() {
        let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.5, "momentum": 0.9}},
            "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]});
        let (mut trainer, batch) = trainer(config);
        let first = block_on(trainer.train_on_batch(&batch, true)).unwrap().unwrap();
        for _ in 0..30 {
            trainer.reset_logs();
            block_on(trainer.train_on_batch(&batch, true)).unwrap();
        }
        let last = trainer.logs();
        assert!(scalar(&last, "loss") < 0.2 * scalar(&first, "loss"), "{first:?} {last:?}");
        assert!(scalar(&last, "accuracy") > 0.95);
        // Evaluation sees the same weights, and the model has them after a sync.
        trainer.reset_logs();
        let tested = block_on(trainer.test_on_batch(&batch)).unwrap();
        assert!(scalar(&tested, "accuracy") > 0.95);
        block_on(trainer.sync()).unwrap();
        let mut session = Session::new(trainer.model().graph().unwrap(), Device::Cpu).unwrap();
        let direct = block_on(session.run(&batch.x)).unwrap();
        let predicted = block_on(trainer.predict(&batch.x)).unwrap();
        for (a, b) in direct[0].as_f32().unwrap().iter().zip(predicted[0].as_f32().unwrap()) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_weights_bit_for_bit() {
        let weights = || {
            let (mut trainer, batch) = trainer(json!({"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}));
            for _ in 0..10 {
                block_on(trainer.train_on_batch(&batch, false)).unwrap();
            }
            block_on(trainer.sync()).unwrap();
            trainer.model().weight("out/kernel").unwrap()
        };
        assert_eq!(weights(), weights());
    }

    #[test]
    fn recomputing_saves_memory_and_changes_no_bit() {
        let block = |filters: usize| {
            [
                json!({"class": "Conv2D", "config": {"filters": filters, "kernel_size": 3, "padding": "same", "use_bias": false}}),
                json!({"class": "BatchNormalization"}),
                json!({"class": "ReLU"}),
            ]
        };
        let mut layers = vec![json!({"class": "InputLayer", "config": {"shape": [16, 16, 3]}})];
        layers.extend([block(16), block(16), block(16)].into_iter().flatten());
        layers.push(json!({"class": "GlobalAveragePooling2D"}));
        layers.push(json!({"class": "Dense", "config": {"units": 4}}));
        let json = json!({"class": "Sequential", "seed": 5, "layers": layers});
        let batch = Batch::pair(
            Tensor::f32([8, 16, 16, 3], (0..8 * 768).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>()).unwrap(),
            Tensor::i32([8], (0..8).map(|i| i % 4).collect::<Vec<_>>()).unwrap(),
        );
        let train = |recompute: bool| {
            let model = Model::from_json(&json, false).unwrap();
            let loss = json!({"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": true}});
            let compile = json!({"optimizer": "adam", "loss": loss, "recompute": recompute});
            let compile = Compile::from_json(&compile, &model).unwrap();
            let mut trainer = Trainer::new(model, compile, Device::Cpu).unwrap();
            for _ in 0..3 {
                block_on(trainer.train_on_batch(&batch, true)).unwrap();
            }
            block_on(trainer.sync()).unwrap();
            let model = trainer.model();
            let weights = model.weights().iter().map(|w| model.weight(&w.name).unwrap()).collect::<Vec<_>>();
            (weights, trainer.memory().0)
        };
        let ((kept, plain), (recomputed, lower)) = (train(false), train(true));
        assert_eq!(kept, recomputed);
        // Scratch memory, which threads have each, counts too.
        assert!(lower * 8 < plain * 7, "{lower} of {plain} bytes");
    }

    #[test]
    fn frozen_layers_stay() {
        let (mut trainer, batch) = trainer(json!({"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}));
        trainer.set_trainable("dense", false).unwrap();
        let before = trainer.model().weight("dense/kernel").unwrap();
        let head = trainer.model().weight("out/kernel").unwrap();
        block_on(trainer.train_on_batch(&batch, true)).unwrap();
        block_on(trainer.sync()).unwrap();
        assert_eq!(trainer.model().weight("dense/kernel").unwrap(), before);
        assert_ne!(trainer.model().weight("out/kernel").unwrap(), head);

        // All of them: there is a loss, and nothing changes.
        let head = trainer.model().weight("out/kernel").unwrap();
        trainer.set_trainable("", false).unwrap();
        trainer.reset_logs();
        let trained = block_on(trainer.train_on_batch(&batch, true)).unwrap().unwrap();
        let tested = block_on(trainer.test_on_batch(&batch)).unwrap();
        assert_eq!(scalar(&trained, "loss"), scalar(&tested, "loss"));
        block_on(trainer.sync()).unwrap();
        assert_eq!(trainer.model().weight("out/kernel").unwrap(), head);
    }

    #[test]
    fn a_step_that_breaks_leaves_all_as_it_was_and_names_the_layer() {
        let json = json!({"class": "Sequential", "seed": 5, "layers": [
            {"class": "Dense", "name": "first", "config": {"units": 4, "input_shape": [2]}},
            {"class": "BatchNormalization", "name": "norm"},
            {"class": "Dropout", "name": "drop", "config": {"rate": 0.25}},
            {"class": "Dense", "name": "burst", "config": {"units": 4, "activation": "exponential"}},
            {"class": "Dense", "name": "out", "config": {"units": 2}},
        ]});
        let (_, batch) = setting();
        for optimizer in [
            json!("adam"),
            json!({"class_name": "SGD", "config": {"momentum": 0.9}}),
            // Updates of many ops.
            json!({"class_name": "Adam", "config": {"amsgrad": true}}),
            json!({"class_name": "SGD", "config": {"gradient_accumulation_steps": 2}}),
            json!({"class_name": "SGD", "config": {"use_ema": true, "ema_overwrite_frequency": 2}}),
        ] {
            let loss = json!({"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": true}});
            let model = Model::from_json(&json, false).unwrap();
            let compile = json!({"optimizer": optimizer, "loss": loss});
            let compile = Compile::from_json(&compile, &model).unwrap();
            let mut trainer = Trainer::new(model, compile, Device::Cpu).unwrap();
            for _ in 0..2 {
                block_on(trainer.train_on_batch(&batch, true)).unwrap();
            }
            // What makes `exp` overflow.
            trainer.set_weight("burst/bias", Tensor::f32([4], vec![100.0; 4]).unwrap()).unwrap();
            let all = |trainer: &Trainer| {
                let names = trainer.variables.names();
                block_on(trainer.variables.read(&names.iter().map(String::as_str).collect::<Vec<_>>())).unwrap()
            };
            let before = all(&trainer);
            let error = block_on(trainer.train_on_batch(&batch, true)).unwrap_err();
            assert_eq!(error.layer(), Some("burst"), "{error}");
            assert!(error.to_string().contains("the loss of step 3 is"), "{error}");
            assert_eq!(all(&trainer), before, "{optimizer}");
            assert!(before.len() > 10 && before.iter().all(|t| finite(t)));
            trainer.set_weight("burst/bias", Tensor::f32([4], vec![0.0; 4]).unwrap()).unwrap();
            block_on(trainer.train_on_batch(&batch, true)).unwrap();
            assert_ne!(all(&trainer), before);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let (model, batch) = setting();
        let error = Compile::from_json(&json!({"loss": "mse", "optimiser": "sgd"}), &model).unwrap_err();
        assert!(error.to_string().starts_with("compile has no argument `optimiser`"), "{error}");
        assert!(Compile::from_json(&json!({"optimizer": "sgd"}), &model).is_err());
        let compile = Compile::from_json(&json!({"loss": "categorical_crossentropy"}), &model).unwrap();
        let mut trainer = Trainer::new(model, compile, Device::Cpu).unwrap();
        let error = block_on(trainer.train_on_batch(&batch, true)).unwrap_err();
        assert_eq!(error.layer(), Some("out"), "{error}");
        assert!(error.to_string().contains("sparse"), "{error}");
    }
}
