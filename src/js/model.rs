//! A model that the page built of layers: described, run, its weights read and written. Training is in `training.rs`.

use std::sync::Arc;

use js_sys::{Array, Float32Array, Promise};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use wasm_bindgen::prelude::*;

use super::convert;
use super::promise::Turns;
use super::report::costs;
use crate::error::{Error, Result};
use crate::graph::Dims;
use crate::layers::{Model, Row, Summary};
use crate::session::{Device, Session};
use crate::tensor::{DType, Tensor};
use crate::train::{Trainer, attribution};

/// A model of layers on a device.
#[wasm_bindgen(js_name = Model)]
pub struct BuiltModel {
    pub(super) state: Turns<State>,
}

pub(super) struct State {
    pub body: Body,
    pub device: Device,
    /// Runs a model that is not trained with the weights of the moment; gone once they change.
    pub session: Option<Session>,
}

/// The model itself, or what trains it and has it.
pub(super) enum Body {
    Model(Model),
    Trainer(Box<Trainer>),
    /// Only while one becomes the other.
    Neither,
}

/// `ModelHandle` of TypeScript, without its number.
#[derive(Serialize)]
struct Description {
    text: String,
    summary: Overview,
    inputs: Vec<Info>,
    outputs: Vec<Info>,
    weights: Vec<WeightInfo>,
    json: Map<String, Json>,
}

/// `ModelSummary`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    name: String,
    class_name: &'static str,
    layers: Vec<LayerInfo>,
    params: Params,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    total: usize,
    trainable: usize,
    non_trainable: usize,
}

/// `LayerInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerInfo {
    name: String,
    class_name: String,
    output_shapes: Vec<Vec<Option<usize>>>,
    params: usize,
    trainable: bool,
    inbound: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerInfo>>,
}

/// `TensorInfo`.
#[derive(Serialize)]
struct Info {
    name: String,
    dtype: &'static str,
    shape: Vec<Option<usize>>,
}

/// `WeightInfo`.
#[derive(Serialize)]
struct WeightInfo {
    name: String,
    shape: Vec<usize>,
    trainable: bool,
}

impl BuiltModel {
    pub(super) fn new(model: Model, device: Device) -> BuiltModel {
        BuiltModel { state: Turns::new(State { body: Body::Model(model), device, session: None }) }
    }

    /// Works on the model at once.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T, JsValue> {
        self.state.with(work).map_err(|e| convert::error(&e))
    }
}

#[wasm_bindgen(js_class = Model)]
impl BuiltModel {
    /// A `ModelHandle` as JSON.
    pub fn describe(&self) -> Result<String, JsValue> {
        self.with(|state| serde_json::to_string(&describe(state.model()?)).map_err(|e| Error::invalid(e.to_string())))
    }

    /// `{ data, shape? }[]` in, `TensorOutput[]` out.
    pub fn predict(&self, inputs: Array) -> Promise {
        self.state.promise(async move |state| {
            if let Body::Trainer(trainer) = &mut state.body {
                let inputs = convert::given(&inputs)?.into_iter().flatten().collect::<Vec<_>>();
                let outputs = trainer.predict(&inputs).await?;
                return convert::named(trainer.model().outputs().into_iter().map(|(name, _)| name), &outputs);
            }
            let session = state.session()?;
            let inputs = convert::tensors(session.graph(), &inputs)?;
            let outputs = session.run(&inputs).await?;
            convert::results(session.graph(), &outputs)
        })
    }

    /// What a layer gives, the gradient of a class's score by it, and the output: `TensorOutput[]` of `{ data, shape }[]`.
    pub fn attribute(&self, layer: String, class: u32, inputs: Array) -> Promise {
        self.state.promise(async move |state| {
            let inputs = convert::given(&inputs)?.into_iter().flatten().collect::<Vec<_>>();
            let types: Vec<_> = inputs.iter().map(Tensor::kind).collect();
            let graph = attribution(state.model()?, &layer, class as usize, &types)?;
            let mut session = Session::new(graph, state.device.clone())?;
            let outputs = session.run(&inputs).await?;
            convert::results(session.graph(), &outputs)
        })
    }

    /// A weight's values, in training those of the last `sync`.
    pub fn weight(&self, name: &str) -> Result<Float32Array, JsValue> {
        self.with(|state| Ok(Float32Array::from(state.model()?.weight(name)?.as_f32()?)))
    }

    /// Replaces a weight's values.
    #[wasm_bindgen(js_name = setWeight)]
    pub fn set_weight(&self, name: &str, data: &Float32Array) -> Result<(), JsValue> {
        self.with(|state| {
            let spec = state.model()?.weights().iter().find(|w| w.name == name).map(|w| w.spec.shape.clone());
            let shape = spec.ok_or_else(|| Error::invalid(format!("the model has no weight named {name:?}")))?;
            state.set_weight(name, Tensor::f32(shape, data.to_vec())?.into())
        })
    }

    /// Freezes or thaws a layer; an empty name means all.
    #[wasm_bindgen(js_name = setTrainable)]
    pub fn set_trainable(&self, layer: &str, trainable: bool) -> Result<(), JsValue> {
        self.with(|state| match &mut state.body {
            Body::Model(model) => model.set_trainable(layer, trainable),
            Body::Trainer(trainer) => trainer.set_trainable(layer, trainable),
            Body::Neither => Err(gone()),
        })
    }

    /// Takes over the weights of a model that is nested under `path`.
    pub fn adopt(&self, path: &str, nested: &BuiltModel) -> Result<(), JsValue> {
        self.with(|state| {
            let values = nested.state.with(|inner| {
                let model = inner.model()?;
                let value = |w: &crate::layers::Weight| Ok((format!("{path}/{}", w.name), model.weight(&w.name)?));
                model.weights().iter().map(value).collect::<Result<Vec<_>>>()
            })?;
            values.into_iter().try_for_each(|(name, value)| state.set_weight(&name, value))
        })
    }

    /// What it costs and where its layers run (`Report`).
    pub fn report(&self) -> Result<JsValue, JsValue> {
        self.with(|state| costs(&state.session()?.report()))
    }

    /// How often the GPU was lost and had again.
    pub fn losses(&self) -> usize {
        let losses = |state: &mut State| {
            let training = if let Body::Trainer(trainer) = &state.body { trainer.losses_of_device() } else { 0 };
            Ok(training + state.session.as_ref().map_or(0, |session| session.report().losses))
        };
        self.state.with(losses).unwrap_or_default()
    }
}

impl State {
    /// The model, in training with the weights of the last `sync`.
    pub fn model(&self) -> Result<&Model> {
        match &self.body {
            Body::Model(model) => Ok(model),
            Body::Trainer(trainer) => Ok(trainer.model()),
            Body::Neither => Err(gone()),
        }
    }

    fn set_weight(&mut self, name: &str, value: Arc<Tensor>) -> Result<()> {
        self.session = None;
        match &mut self.body {
            Body::Model(model) => model.set_weight(name, value),
            Body::Trainer(trainer) => trainer.set_weight(name, value),
            Body::Neither => Err(gone()),
        }
    }

    fn session(&mut self) -> Result<&mut Session> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::new(self.model()?.graph()?, self.device.clone())?,
        };
        Ok(self.session.insert(session))
    }
}

pub(super) fn gone() -> Error {
    Error::invalid("the model is gone: build it again")
}

fn describe(model: &Model) -> Description {
    let info =
        |name: &str, dtype: DType, dims: &Dims| Info { name: name.into(), dtype: dtype.name(), shape: dims.0.clone() };
    let weight = |w: &crate::layers::Weight| WeightInfo {
        name: w.name.clone(),
        shape: w.spec.shape.clone(),
        trainable: model.is_trainable(w),
    };
    let summary = model.summary();
    Description {
        text: summary.to_string(),
        inputs: model.inputs().into_iter().map(|(name, dtype, dims)| info(name, dtype, dims)).collect(),
        outputs: model.outputs().into_iter().map(|(name, dims)| info(name, DType::F32, dims)).collect(),
        weights: model.weights().iter().map(weight).collect(),
        json: model.to_json(),
        summary: overview(summary),
    }
}

fn overview(Summary { name, class, rows, total, trainable }: Summary) -> Overview {
    let params = Params { total, trainable, non_trainable: total - trainable };
    Overview { name, class_name: class, layers: layers(rows), params }
}

fn layers(rows: Vec<Row>) -> Vec<LayerInfo> {
    let layer = |row: Row| LayerInfo {
        name: row.name,
        class_name: row.class,
        output_shapes: row.outputs.into_iter().map(|dims| dims.0).collect(),
        params: row.params,
        trainable: row.trainable,
        inbound: row.inbound,
        layers: row.nested.map(|nested| layers(nested.rows)),
    };
    rows.into_iter().map(layer).collect()
}
