//! Memory: which buffer holds which value, and when it is free again.
//!
//! Values whose lives do not overlap share a buffer, whole buffers only: WebGPU refuses one buffer bound for reading and
//! for writing in one dispatch, so an arena with sub-allocations is not an option, and the CPU backend gains nothing from
//! one. Assignment is greedy by size ("Efficient Memory Management for Deep Neural Net Inference", arXiv 2001.03288).

use crate::graph::{Graph, NodeId, Source, Types, ValueId};
use crate::ops::Op;
use crate::tensor::TensorType;

/// Where a value lives during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the buffer of the graph input of this position.
    Input(usize),
    /// With the constant of this value (a reshaped constant lives with the original).
    Constant(ValueId),
    /// In the shared buffer of this number.
    Slot(usize),
    /// Nowhere: nothing needs it.
    Unused,
}

/// The memory plan of one graph for one set of types.
#[derive(Clone, Debug)]
pub struct Plan {
    places: Vec<Place>,
    slots: Vec<usize>,
    steps: Vec<NodeId>,
}

impl Plan {
    /// Plans a graph. `bytes` is the size a backend needs for a value.
    ///
    /// Reshapes move nothing: their result shares the operand's place and they are no step. Nodes whose results are
    /// not needed are no step either. Outputs stay untouched until the end of the run.
    pub fn new(graph: &Graph, types: &Types, bytes: impl Fn(&TensorType) -> usize) -> Plan {
        let count = graph.values().len();
        // The value whose memory a value uses: itself, or a reshape's operand.
        let mut owner: Vec<ValueId> = graph.value_ids().collect();
        for node in graph.nodes() {
            if matches!(node.op, Op::Reshape(_)) {
                owner[node.outputs[0].index()] = owner[node.inputs[0].index()];
            }
        }

        let mut needed = vec![false; count];
        graph.outputs().iter().for_each(|o| needed[o.value.index()] = true);
        let mut steps = Vec::new();
        for (id, node) in graph.node_ids().collect::<Vec<_>>().into_iter().rev() {
            if node.outputs.iter().any(|v| needed[v.index()]) {
                node.inputs.iter().for_each(|v| needed[v.index()] = true);
                if !matches!(node.op, Op::Reshape(_)) {
                    steps.push(id);
                }
            }
        }
        steps.reverse();

        // Life of each owner in steps, both ends included.
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; count];
        for (step, id) in steps.iter().enumerate() {
            let node = &graph.nodes()[id.index()];
            // Every result of a step needs memory, wanted or not: the kernel writes it.
            node.outputs.iter().for_each(|v| lives[v.index()] = Some((step, step)));
            for v in &node.inputs {
                if let Some((_, last)) = &mut lives[owner[v.index()].index()] {
                    *last = step;
                }
            }
        }
        for output in graph.outputs() {
            if let Some((_, last)) = &mut lives[owner[output.value.index()].index()] {
                *last = usize::MAX;
            }
        }

        let size = |v: ValueId| bytes(&types[v]);
        let mut by_size: Vec<ValueId> = graph.value_ids().filter(|v| lives[v.index()].is_some()).collect();
        by_size.sort_by_key(|&v| (std::cmp::Reverse(size(v)), v));
        let mut slots: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
        let mut slot_of = vec![None; count];
        for v in by_size {
            let life = lives[v.index()].expect("filtered");
            let free = |lives: &[(usize, usize)]| lives.iter().all(|l| life.1 < l.0 || l.1 < life.0);
            // Slots come in falling size, so the last free one is the tightest fit.
            let slot = slots.iter().rposition(|(_, lives)| free(lives)).unwrap_or_else(|| {
                slots.push((size(v), Vec::new()));
                slots.len() - 1
            });
            slots[slot].1.push(life);
            slot_of[v.index()] = Some(slot);
        }

        let place = |v: ValueId| {
            let own = owner[v.index()];
            match &graph.values()[own.index()].source {
                Source::Input(i) => Place::Input(*i),
                Source::Constant(_) => Place::Constant(own),
                Source::Node { .. } => slot_of[own.index()].map_or(Place::Unused, Place::Slot),
            }
        };
        Plan {
            places: graph.value_ids().map(place).collect(),
            slots: slots.into_iter().map(|(bytes, _)| bytes).collect(),
            steps,
        }
    }

    /// Where a value lives.
    pub fn place(&self, value: ValueId) -> Place {
        self.places[value.index()]
    }
    /// Bytes of each shared buffer.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }
    /// The nodes to run, in order.
    pub fn steps(&self) -> &[NodeId] {
        &self.steps
    }
    /// Bytes of all shared buffers: the peak memory of a run, weights and inputs aside.
    pub fn peak_bytes(&self) -> usize {
        self.slots.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Reshape, Unary};
    use crate::tensor::{DType, TensorType};

    #[test]
    fn a_chain_needs_two_buffers_and_reshapes_none() {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, [Some(4), Some(8)]);
        let a = g.add("a", Unary::Relu, &[x]).unwrap();
        let b = g.add("b", Unary::Tanh, &[a]).unwrap();
        let r = g.add("r", Reshape::to(&[32]), &[b]).unwrap();
        let c = g.add("c", Unary::Exp, &[r]).unwrap();
        let dead = g.add("dead", Unary::Exp, &[a]).unwrap();
        g.output("c", c);
        let types = g.infer(&[TensorType::f32([4, 8])]).unwrap();
        let plan = Plan::new(&g, &types, TensorType::bytes);
        assert_eq!(plan.slots(), [128, 128]);
        assert_eq!(plan.steps().len(), 3);
        assert_eq!(plan.place(b), plan.place(r));
        assert_eq!(plan.place(a), plan.place(c));
        assert_ne!(plan.place(a), plan.place(b));
        assert_eq!(plan.place(dead), Place::Unused);
        assert_eq!(plan.place(x), Place::Input(0));
    }

    #[test]
    fn outputs_and_pending_operands_are_never_overwritten() {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, [Some(4)]);
        let a = g.add("a", Unary::Relu, &[x]).unwrap();
        let b = g.add("b", Unary::Tanh, &[a]).unwrap();
        let c = g.add("c", Unary::Exp, &[b]).unwrap();
        let d = g.add("d", crate::ops::Binary::new(crate::ops::BinaryKind::Add), &[a, c]).unwrap();
        g.output("b", b);
        g.output("d", d);
        let types = g.infer(&[TensorType::f32([4])]).unwrap();
        let plan = Plan::new(&g, &types, TensorType::bytes);
        let places = [a, b, c, d].map(|v| plan.place(v));
        assert_eq!(plan.slots().len(), 4, "a, b and c live together, and d is written while a and c are read");
        assert!(places.iter().enumerate().all(|(i, p)| places[i + 1..].iter().all(|q| p != q)));
    }
}
