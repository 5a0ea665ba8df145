//! What a training step needs beside the gradients: random numbers, and the updates of parameters.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, output, threads};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{OptimizerStep, Random, RandomKind, UpdateRule};

/// Random numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RandomKey {
    kind: RandomKind,
}

impl Kernel for RandomKey {
    fn file(&self) -> &'static str {
        "random.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("KIND", format!("{:?}", self.kind))]
    }
    fn all() -> Vec<Self> {
        [RandomKind::Uniform, RandomKind::Normal].map(|kind| RandomKey { kind }).to_vec()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct RandomParams {
    count: u32,
    seed: u32,
    _pad: [u32; 2],
}

pub(super) fn random(lowering: &mut Lowering, op: Random, node: &Node) -> Result<()> {
    let count = lowering.shape(output(node)).elements();
    let params = RandomParams { count: count as u32, seed: op.seed, _pad: [0; 2] };
    let operands = vec![node.inputs[1].into(), output(node).into()];
    lowering.push(RandomKey { kind: op.kind }, operands, &params, threads(count));
    Ok(())
}

/// The update of a parameter in place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpdateKey {
    rule: &'static str,
    slots: usize,
}

impl UpdateKey {
    fn of(rule: UpdateRule) -> UpdateKey {
        UpdateKey { rule: rule.name(), slots: rule.slots() }
    }
}

impl Kernel for UpdateKey {
    fn file(&self) -> &'static str {
        "update.wgsl"
    }
    fn defines(&self) -> Defines {
        vec![("RULE", self.rule.into()), ("SLOTS", self.slots.to_string())]
    }
    fn all() -> Vec<Self> {
        let (rho, beta_1, beta_2, epsilon) = (0.0, 0.0, 0.0, 0.0);
        let rules = [
            UpdateRule::Sgd,
            UpdateRule::Momentum { nesterov: false },
            UpdateRule::Momentum { nesterov: true },
            UpdateRule::RmsProp { rho, epsilon },
            UpdateRule::RmsPropMomentum { rho, epsilon },
            UpdateRule::Adam { beta_1, beta_2, epsilon },
            UpdateRule::Adamax { beta_1, beta_2, epsilon },
            UpdateRule::Nadam { beta_1, beta_2, epsilon },
            UpdateRule::Adagrad { epsilon },
            UpdateRule::Adadelta { rho, epsilon },
        ];
        rules.map(UpdateKey::of).to_vec()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct UpdateParams {
    vectors: u32,
    weight_decay: f32,
    attributes: [f32; 5],
    _pad: u32,
}

pub(super) fn update(lowering: &mut Lowering, op: OptimizerStep, node: &Node) -> Result<()> {
    let vectors = lowering.shape(output(node)).elements().div_ceil(4);
    let params = UpdateParams {
        vectors: vectors as u32,
        weight_decay: op.weight_decay,
        attributes: op.rule.attributes(),
        _pad: 0,
    };
    // The outputs hold the inputs that they update (`Operator::in_place`).
    let changed = node.outputs.iter().map(|&v| v.into());
    let operands = [node.inputs[1].into(), node.inputs[2].into()].into_iter().chain(changed).collect();
    lowering.push(UpdateKey::of(op.rule), operands, &params, threads(vectors));
    Ok(())
}
