//! Networks of the zoo as PyTorch has them, with their weights.

use serde_json::Value as Json;
use striate_keras::WeightInfo;
use striate_keras::torch::Checkpoint;

use crate::error::Result;
use crate::layers::Model;
use crate::tensor::Tensor;
use crate::zoo;

pub use striate_keras::torch::NETWORKS;

/// The network `name` of the [`zoo`] as torchvision or timm have it (borders, strides, constants of normalisation
/// differ from Keras'), with the weights of a `state_dict`. `options` are the zoo's; [`Checkpoint`] says what follows from the
/// tensors, and which of them are read.
pub fn network(name: &str, options: &Json, tensors: &[(String, Tensor)]) -> Result<Model> {
    let mut checkpoint = Checkpoint::new(name, tensors.iter().map(|(name, t)| (name.as_str(), t.shape().as_slice())))?;
    let mut network = zoo::build(name, &checkpoint.options(options)?)?.to_json();
    checkpoint.adapt(&mut network)?;
    let network = Json::Object(network);
    let mut model = Model::from_json(&network, false)?;
    let info = |w: &crate::layers::Weight| WeightInfo {
        name: w.name.clone(),
        shape: w.spec.shape.clone(),
        trainable: model.is_trainable(w),
    };
    let weights: Vec<WeightInfo> = model.weights().iter().map(info).collect();
    for placed in checkpoint.place(&network, &weights)? {
        let values = placed.order.arrange(tensors[placed.tensor].1.as_f32()?.to_vec())?;
        model.set_weight(&weights[placed.weight].name, Tensor::f32(placed.order.shape(), values)?)?;
    }
    Ok(model)
}
