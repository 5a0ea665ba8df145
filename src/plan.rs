//! Memory: which buffer holds which value, and when it is free again.
//!
//! Values whose lives do not overlap share a buffer, whole buffers only: WebGPU refuses one buffer bound for reading and
//! for writing in one dispatch, so an arena with sub-allocations is not an option, and the CPU backend gains nothing from
//! one. Assignment is greedy by size ("Efficient Memory Management for Deep Neural Net Inference", arXiv 2001.03288).
//!
//! What is assigned to a variable is computed in the variable's own memory if nothing reads the old value then or later;
//! otherwise it is copied there after the last step that does. Updates in place ([`Operator::in_place`]) are moved up to
//! where their operands are ready, so that a gradient's memory is free again as soon as its parameter is updated.
//!
//! [`Operator::in_place`]: crate::ops::Operator::in_place

use crate::graph::{Graph, Node, NodeId, Source, Types, ValueId};
use crate::ops::Op;
use crate::tensor::TensorType;

/// Where a value lives during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the buffer of the graph input of this position.
    Input(usize),
    /// With the constant of this value (a reshaped constant lives with the original).
    Constant(ValueId),
    /// In the buffer of the graph's variable of this position: its old value, or a new one that is put there at once.
    Variable(usize),
    /// In the shared buffer of this number.
    Slot(usize),
    /// Nowhere: nothing needs it.
    Unused,
}

/// One thing to do in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A node's work.
    Node(NodeId),
    /// Elements to be copied as they are.
    Copy {
        /// The value they are, for its type.
        value: ValueId,
        /// Where they lie.
        from: Place,
        /// Where they go: a slot or a variable.
        to: Place,
    },
}

/// The memory plan of one graph for one set of types.
#[derive(Clone, Debug)]
pub struct Plan {
    places: Vec<Place>,
    outputs: Vec<Place>,
    slots: Vec<usize>,
    steps: Vec<Step>,
}

/// Memory that is needed for a while.
struct Cell {
    bytes: usize,
    /// First and last step, both included.
    life: (usize, usize),
}

/// A copy, and the number of steps that come before it.
struct Move {
    after: usize,
    value: ValueId,
    from: MoveFrom,
    to: MoveTo,
}

enum MoveFrom {
    Value(ValueId),
    Cell(usize),
}

enum MoveTo {
    Variable(usize),
    Cell(usize),
}

/// What a plan is made from: the graph, with the nodes that are needed in the order in which they run.
struct Schedule<'a> {
    graph: &'a Graph,
    /// The value whose memory a value uses: itself, or a reshape's operand.
    owner: Vec<ValueId>,
    nodes: Vec<NodeId>,
}

impl<'a> Schedule<'a> {
    fn new(graph: &'a Graph) -> Self {
        let mut owner: Vec<ValueId> = graph.value_ids().collect();
        for node in graph.nodes() {
            if matches!(node.op, Op::Reshape(_)) {
                owner[node.outputs[0].index()] = owner[node.inputs[0].index()];
            }
        }
        let mut needed = vec![false; graph.values().len()];
        graph.outputs().iter().map(|o| o.value).chain(graph.updates()).for_each(|v| needed[v.index()] = true);
        let mut nodes = Vec::new();
        for (id, node) in graph.node_ids().collect::<Vec<_>>().into_iter().rev() {
            if node.outputs.iter().any(|v| needed[v.index()]) {
                node.inputs.iter().for_each(|v| needed[v.index()] = true);
                if !matches!(node.op, Op::Reshape(_)) {
                    nodes.push(id);
                }
            }
        }
        nodes.reverse();
        let mut schedule = Schedule { graph, owner, nodes };
        schedule.hoist();
        schedule
    }

    fn node(&self, step: usize) -> &'a Node {
        &self.graph.nodes()[self.nodes[step].index()]
    }

    fn owner(&self, value: ValueId) -> ValueId {
        self.owner[value.index()]
    }

    fn reads(&self, step: usize, owner: ValueId) -> bool {
        self.node(step).inputs.iter().any(|&v| self.owner(v) == owner)
    }

    /// The last step that reads a value, before `end`.
    fn last_read(&self, owner: ValueId, end: usize) -> Option<usize> {
        (0..end).rev().find(|&step| self.reads(step, owner))
    }

    /// The operand whose memory an output of a node changes.
    fn changed(&self, node: &Node, output: usize) -> Option<ValueId> {
        let input = node.op.operator().in_place(output)?;
        node.inputs.get(input).map(|&v| self.owner(v))
    }

    /// Moves updates in place up to where their operands are ready and nothing reads the old values any more.
    fn hoist(&mut self) {
        for step in 0..self.nodes.len() {
            let node = self.node(step);
            let changed: Vec<ValueId> = (0..node.outputs.len()).filter_map(|i| self.changed(node, i)).collect();
            if changed.is_empty() {
                continue;
            }
            let waits_for = |earlier: usize| {
                let made = |v: &ValueId| node.inputs.iter().any(|&input| self.owner(input) == *v);
                self.node(earlier).outputs.iter().any(made) || changed.iter().any(|&v| self.reads(earlier, v))
            };
            let to = (0..step).rev().find(|&earlier| waits_for(earlier)).map_or(0, |earlier| earlier + 1);
            self.nodes[to..=step].rotate_right(1);
        }
    }

    /// For each value that is computed where a variable lives, that variable.
    fn direct(&self) -> Vec<Option<usize>> {
        let mut direct = vec![None; self.owner.len()];
        for (i, variable) in self.graph.variables().iter().enumerate() {
            let Some(update) = variable.update else { continue };
            let owner = self.owner(update);
            let producer = self.nodes.iter().position(|id| self.graph.nodes()[id.index()].outputs.contains(&owner));
            let Some(step) = producer else { continue };
            let node = self.node(step);
            let output = node.outputs.iter().position(|v| *v == owner);
            // The step itself may read the old value only as what it changes.
            let in_place = output.and_then(|o| self.changed(node, o)) == Some(variable.value);
            let readers = node.inputs.iter().filter(|&&v| self.owner(v) == variable.value).count();
            let later = (step + 1..self.nodes.len()).any(|s| self.reads(s, variable.value));
            // Outputs are read when the next run may have begun.
            let is_output = self.graph.outputs().iter().any(|o| self.owner(o.value) == owner);
            if readers == in_place as usize && !later && !is_output && direct[owner.index()].is_none() {
                direct[owner.index()] = Some(i);
            }
        }
        direct
    }
}

impl Plan {
    /// Plans a graph. `bytes` is the size a backend needs for a value.
    ///
    /// Reshapes move nothing: their result shares the operand's place and they are no step. Nodes whose results are
    /// not needed are no step either. Outputs stay untouched until the next run, and are never in a variable's place.
    pub fn new(graph: &Graph, types: &Types, bytes: impl Fn(&TensorType) -> usize) -> Plan {
        Plan::of(graph, types, &bytes)
    }

    /// One body for all that ask: in wasm a second one takes 8 KB.
    fn of(graph: &Graph, types: &Types, bytes: &dyn Fn(&TensorType) -> usize) -> Plan {
        let schedule = Schedule::new(graph);
        let owner = |v: ValueId| schedule.owner(v);
        let size = |v: ValueId| bytes(&types[v]);
        let count = schedule.nodes.len();
        let direct = schedule.direct();

        // Every result of a step needs memory, wanted or not: the kernel writes it.
        let mut cells: Vec<Cell> = Vec::new();
        let mut cell_of: Vec<Option<usize>> = vec![None; graph.values().len()];
        for step in 0..count {
            let node = schedule.node(step);
            for v in node.outputs.iter().filter(|v| direct[v.index()].is_none()) {
                cell_of[v.index()] = Some(cells.len());
                cells.push(Cell { bytes: size(*v), life: (step, step) });
            }
            for v in &node.inputs {
                if let Some(cell) = cell_of[owner(*v).index()] {
                    cells[cell].life.1 = step;
                }
            }
        }

        // Variables that change and whose old values are needed at the end are put aside first.
        let is_updated = |v: ValueId| match graph.values()[v.index()].source {
            Source::Variable(i) => graph.variables()[i].update.is_some_and(|u| owner(u) != v),
            _ => false,
        };
        let is_variable = |v: ValueId| matches!(graph.values()[v.index()].source, Source::Variable(_));
        let mut aside: Vec<Option<usize>> = vec![None; graph.values().len()];
        let mut moves: Vec<Move> = Vec::new();
        let wanted = graph.outputs().iter().map(|o| owner(o.value)).filter(|&v| is_variable(v));
        let moved = graph.variables().iter().filter_map(|v| {
            let from = owner(v.update?);
            (from != v.value && is_updated(from)).then_some(from)
        });
        for (v, last) in wanted.map(|v| (v, usize::MAX)).chain(moved.map(|v| (v, count))) {
            let cell = *aside[v.index()].get_or_insert_with(|| {
                moves.push(Move { after: 0, value: v, from: MoveFrom::Value(v), to: MoveTo::Cell(cells.len()) });
                cells.push(Cell { bytes: size(v), life: (0, last) });
                cells.len() - 1
            });
            cells[cell].life.1 = cells[cell].life.1.max(last);
        }
        for output in graph.outputs() {
            if let Some(cell) = cell_of[owner(output.value).index()] {
                cells[cell].life.1 = usize::MAX;
            }
        }
        for (i, variable) in graph.variables().iter().enumerate() {
            let Some(update) = variable.update else { continue };
            let from = owner(update);
            if from == variable.value || direct[from.index()] == Some(i) {
                continue;
            }
            let made = (0..count).find(|&step| schedule.node(step).outputs.contains(&from));
            let after = made.max(schedule.last_read(variable.value, count)).map_or(0, |step| step + 1);
            let (from, cell) = match aside[from.index()] {
                Some(cell) => (MoveFrom::Cell(cell), Some(cell)),
                None => (MoveFrom::Value(from), cell_of[from.index()]),
            };
            if let Some(cell) = cell {
                // A copy after a step is part of that step's time.
                cells[cell].life.1 = cells[cell].life.1.max(after.saturating_sub(1));
            }
            moves.push(Move { after, value: variable.value, from, to: MoveTo::Variable(i) });
        }

        let (slots, slot_of) = assign(&cells);
        let place = |v: ValueId| {
            let own = owner(v);
            match &graph.values()[own.index()].source {
                Source::Input(i) => Place::Input(*i),
                Source::Constant(_) => Place::Constant(own),
                Source::Variable(i) => Place::Variable(*i),
                Source::Node { .. } => match (direct[own.index()], cell_of[own.index()]) {
                    (Some(i), _) => Place::Variable(i),
                    (None, Some(cell)) => Place::Slot(slot_of[cell]),
                    (None, None) => Place::Unused,
                },
            }
        };
        let output = |v: ValueId| aside[owner(v).index()].map_or_else(|| place(v), |cell| Place::Slot(slot_of[cell]));

        moves.sort_by_key(|m| m.after);
        let mut moves = moves.into_iter().peekable();
        let mut steps = Vec::new();
        for step in 0..=count {
            while let Some(Move { value, from, to, .. }) = moves.next_if(|m| m.after == step) {
                let from = match from {
                    MoveFrom::Value(v) => place(v),
                    MoveFrom::Cell(cell) => Place::Slot(slot_of[cell]),
                };
                let to = match to {
                    MoveTo::Variable(i) => Place::Variable(i),
                    MoveTo::Cell(cell) => Place::Slot(slot_of[cell]),
                };
                steps.push(Step::Copy { value, from, to });
            }
            steps.extend(schedule.nodes.get(step).map(|&id| Step::Node(id)));
        }
        Plan {
            places: graph.value_ids().map(place).collect(),
            outputs: graph.outputs().iter().map(|o| output(o.value)).collect(),
            slots,
            steps,
        }
    }

    /// Where a value lives.
    pub fn place(&self, value: ValueId) -> Place {
        self.places[value.index()]
    }
    /// Where the graph's output of this position lies after a run.
    pub fn output(&self, index: usize) -> Place {
        self.outputs[index]
    }
    /// Bytes of each shared buffer.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }
    /// What to do, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// Bytes of all shared buffers: the peak memory of a run, weights, variables and inputs aside.
    pub fn peak_bytes(&self) -> usize {
        self.slots.iter().sum()
    }
}

/// Sizes of the shared buffers, and which of them each cell gets.
fn assign(cells: &[Cell]) -> (Vec<usize>, Vec<usize>) {
    let mut by_size: Vec<usize> = (0..cells.len()).collect();
    by_size.sort_by_key(|&i| (std::cmp::Reverse(cells[i].bytes), i));
    let mut slots: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
    let mut slot_of = vec![0; cells.len()];
    for i in by_size {
        let Cell { bytes, life } = cells[i];
        let free = |lives: &[(usize, usize)]| lives.iter().all(|l| life.1 < l.0 || l.1 < life.0);
        // Slots come in falling size, so the last free one is the tightest fit.
        let slot = slots.iter().rposition(|(_, lives)| free(lives)).unwrap_or_else(|| {
            slots.push((bytes, Vec::new()));
            slots.len() - 1
        });
        slots[slot].1.push(life);
        slot_of[i] = slot;
    }
    (slots.into_iter().map(|(bytes, _)| bytes).collect(), slot_of)
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

    fn plan(graph: &Graph) -> Plan {
        Plan::new(graph, &graph.infer(&graph.default_inputs()).unwrap(), TensorType::bytes)
    }

    fn variable(graph: &mut Graph, name: &str) -> ValueId {
        graph.variable(name, crate::Tensor::zeros(&TensorType::f32([4])))
    }

    #[test]
    fn a_new_value_is_made_in_the_variable_if_the_old_one_is_done_with() {
        let mut g = Graph::new();
        let v = variable(&mut g, "v");
        let a = g.add("a", Unary::Relu, &[v]).unwrap();
        let b = g.add("b", Unary::Tanh, &[a]).unwrap();
        let c = g.add("c", Unary::Exp, &[b]).unwrap();
        g.output("c", c);
        g.assign(v, b).unwrap();
        let plan = plan(&g);
        assert_eq!(plan.place(b), Place::Variable(0));
        assert_eq!(plan.steps().len(), 3, "nothing is copied");
        assert_eq!(plan.slots().len(), 1, "a and c share what is left");
    }

    #[test]
    fn a_new_value_waits_for_the_last_reader_of_the_old_one() {
        let mut g = Graph::new();
        let v = variable(&mut g, "v");
        let next = g.add("next", Unary::Tanh, &[v]).unwrap();
        let late = g.add("late", Unary::Exp, &[v]).unwrap();
        let last = g.add("last", Unary::Relu, &[late]).unwrap();
        g.output("last", last);
        g.assign(v, next).unwrap();
        let plan = plan(&g);
        let Place::Slot(slot) = plan.place(next) else { panic!("{:?}", plan.place(next)) };
        assert_eq!(plan.steps()[2], Step::Copy { value: v, from: Place::Slot(slot), to: Place::Variable(0) });
        assert_eq!(plan.steps().len(), 4);
        assert_eq!(plan.place(last), Place::Slot(slot), "its memory is free after the copy");
    }

    #[test]
    fn old_values_that_are_outputs_are_put_aside() {
        let mut g = Graph::new();
        let v = variable(&mut g, "v");
        let next = g.add("next", Unary::Tanh, &[v]).unwrap();
        g.output("old", v);
        g.output("new", next);
        g.assign(v, next).unwrap();
        let plan = plan(&g);
        let [Place::Slot(old), Place::Slot(new)] = [plan.output(0), plan.output(1)] else { panic!("{plan:?}") };
        assert_ne!(old, new);
        assert_eq!(plan.steps()[0], Step::Copy { value: v, from: Place::Variable(0), to: Place::Slot(old) });
        assert_eq!(plan.steps()[2], Step::Copy { value: v, from: Place::Slot(new), to: Place::Variable(0) });
    }
}
