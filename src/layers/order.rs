//! The order in which Keras lists a model's layers: by depth, counted from the outputs, and within a depth in the order
//! in which a walk from the outputs meets them (`keras.src.ops.function.map_graph`). Summaries, and weight files that
//! are read by order, depend on it.

use std::collections::HashMap;

use super::model::{Call, Origin, Sym};

/// Layers in Keras' order, and the calls that are needed.
pub(super) struct Order {
    pub layers: Vec<usize>,
    pub calls: Vec<usize>,
}

pub(super) fn keras_order(calls: &[Call], origins: &[Origin], inputs: &[Sym], outputs: &[Sym]) -> Order {
    // A walk in depth from the outputs: layers are numbered when met, calls listed when left. On a stack of its own,
    // since a file may nest as deep as it likes.
    let mut met: HashMap<usize, usize> = HashMap::new();
    let mut entered = vec![false; calls.len()];
    let mut left: Vec<usize> = Vec::new();
    for output in outputs {
        let mut stack = vec![(origins[output.index()].call, 0)];
        while let Some((call, next)) = stack.pop() {
            if next == 0 {
                if entered[call] {
                    continue;
                }
                entered[call] = true;
                let number = met.len();
                met.entry(calls[call].layer).or_insert(number);
            }
            match calls[call].inputs.get(next) {
                Some(input) if !calls[call].outputs.iter().any(|o| inputs.contains(o)) => {
                    stack.push((call, next + 1));
                    stack.push((origins[input.index()].call, 0));
                }
                _ => left.push(call),
            }
        }
    }
    let mut depth_of_call: HashMap<usize, usize> = HashMap::new();
    let mut depth_of_layer: HashMap<usize, usize> = HashMap::new();
    for &call in left.iter().rev() {
        let layer = calls[call].layer;
        let depth =
            depth_of_call.get(&call).copied().unwrap_or(0).max(depth_of_layer.get(&layer).copied().unwrap_or(0));
        depth_of_layer.insert(layer, depth);
        depth_of_call.insert(call, depth);
        for input in &calls[call].inputs {
            let parent = depth_of_call.entry(origins[input.index()].call).or_insert(0);
            *parent = (*parent).max(depth + 1);
        }
    }
    // Inputs that nothing needs are part of the model all the same.
    for input in inputs {
        let call = origins[input.index()].call;
        if !entered[call] {
            left.push(call);
            depth_of_layer.insert(calls[call].layer, 0);
        }
    }
    let mut layers: Vec<usize> = depth_of_layer.keys().copied().collect();
    layers.sort_by_key(|layer| {
        // Unneeded inputs come first within their depth.
        let index = met.get(layer).map_or(-1, |&i| i as isize);
        (std::cmp::Reverse(depth_of_layer[layer]), index, *layer)
    });
    Order { layers, calls: left }
}
