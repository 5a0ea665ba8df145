//! Training of a model that the page built: [`Trainer`] as the page calls it. The loop is on the other side.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

use super::BuiltModel;
use super::convert;
use super::model::{Body, State, gone};
use crate::error::{Error, Result};
use crate::train::{Batch, Compile, Logs, Trainer};

#[wasm_bindgen(js_class = Model)]
impl BuiltModel {
    /// Makes it ready for training, or ready anew, by Keras' arguments as JSON.
    pub fn compile(&self, json: &str) -> Result<(), JsValue> {
        self.with(|state| {
            let compile = Compile::from_json(&convert::parse(json)?, state.model()?)?;
            state.session = None;
            if let Body::Trainer(trainer) = &mut state.body {
                trainer.recompile(compile);
                return Ok(());
            }
            let variables = Trainer::variables(state.model()?, state.device.clone())?;
            if let Body::Model(model) = std::mem::replace(&mut state.body, Body::Neither) {
                state.body = Body::Trainer(Box::new(Trainer::on(model, compile, variables)));
            }
            Ok(())
        })
    }

    /// Trains on one batch: for every input and output `{ data, shape }`, or `undefined` where there is no label or weight.
    /// The logs so far if `read`, else nothing is waited for.
    #[wasm_bindgen(js_name = trainOnBatch)]
    pub fn train_on_batch(&self, x: Array, y: Array, weights: Array, read: bool) -> Promise {
        self.state.promise(async move |state| {
            let batch = batch(&x, &y, &weights)?;
            match state.trainer()?.train_on_batch(&batch, read).await? {
                Some(logs) => object(&logs),
                None => Ok(JsValue::UNDEFINED),
            }
        })
    }

    /// Evaluates one batch; the logs so far.
    #[wasm_bindgen(js_name = testOnBatch)]
    pub fn test_on_batch(&self, x: Array, y: Array, weights: Array) -> Promise {
        self.state.promise(async move |state| {
            let batch = batch(&x, &y, &weights)?;
            object(&state.trainer()?.test_on_batch(&batch).await?)
        })
    }

    /// Loss and metrics of the batches read since `resetLogs`, as an object.
    pub fn logs(&self) -> Result<JsValue, JsValue> {
        self.with(|state| object(&state.trainer()?.logs()))
    }

    /// Begins an epoch or an evaluation.
    #[wasm_bindgen(js_name = resetLogs)]
    pub fn reset_logs(&self) -> Result<(), JsValue> {
        self.with(|state| {
            state.trainer()?.reset_logs();
            Ok(())
        })
    }

    /// The learning rate of the next step.
    #[wasm_bindgen(js_name = learningRate)]
    pub fn learning_rate(&self) -> Result<f64, JsValue> {
        self.with(|state| {
            let trainer = state.trainer()?;
            Ok(trainer.optimizer().learning_rate_at(trainer.steps()))
        })
    }

    /// Changes the learning rate; an error if a schedule gives it.
    #[wasm_bindgen(js_name = setLearningRate)]
    pub fn set_learning_rate(&self, rate: f64) -> Result<(), JsValue> {
        self.with(|state| state.trainer()?.optimizer_mut().set_learning_rate(rate))
    }

    /// Brings trained weights back from the device, for `weight` and the rest; nothing to do for a model not compiled.
    pub fn sync(&self) -> Promise {
        self.state.promise(async move |state| {
            if let Body::Trainer(trainer) = &mut state.body {
                trainer.sync().await?;
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Bytes of a training step at its peak, and bytes of weights and what the optimizer keeps.
    #[wasm_bindgen(js_name = trainingMemory)]
    pub fn training_memory(&self) -> Result<Vec<usize>, JsValue> {
        self.with(|state| {
            let (peak, variables) = state.trainer()?.memory();
            Ok(vec![peak, variables])
        })
    }
}

impl State {
    fn trainer(&mut self) -> Result<&mut Trainer> {
        match &mut self.body {
            Body::Trainer(trainer) => Ok(trainer),
            Body::Model(_) => Err(Error::invalid("the model is not compiled: call compile() first")),
            Body::Neither => Err(gone()),
        }
    }
}

fn batch(x: &Array, y: &Array, weights: &Array) -> Result<Batch> {
    let x = convert::given(x)?.into_iter().flatten().collect();
    Ok(Batch { x, y: convert::given(y)?, sample_weights: convert::given(weights)? })
}

/// `{ loss: 0.5, accuracy: 0.9 }`; of metrics with several values `{ precision_0: 0.5, precision_1: 0.75 }`.
fn object(logs: &Logs) -> Result<JsValue> {
    let mut fields = Vec::new();
    for (name, tensor) in logs {
        let values = tensor.as_f32()?;
        let several = tensor.shape().rank() > 0;
        let name = |i: usize| if several { format!("{name}_{i}") } else { name.clone() };
        fields.extend(values.iter().enumerate().map(|(i, &value)| (name(i), JsValue::from_f64(value as f64))));
    }
    convert::object(&fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
}
