//! The walk that every pass shares: copies the live part of a graph, letting rules replace nodes on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::graph::{Graph, Node, Source, ValueId};
use crate::ops::Op;
use crate::tensor::{Tensor, TensorType};

/// What to put in a node's place: one value per output of the node, or `None` to leave it.
///
/// The node's inputs are values of the new graph; its outputs are not set.
pub(super) type Rule = fn(&mut Rewriter, &Node) -> Result<Option<Vec<ValueId>>>;

/// A graph under reconstruction.
pub(super) struct Rewriter<'a> {
    /// The new graph, complete up to the node in question.
    pub(super) graph: Graph,
    /// What is left for constant folding.
    pub(super) budget: &'a mut u64,
    /// Nodes copied so far, by their operands: op and results.
    seen: BTreeMap<Vec<ValueId>, Vec<(Op, Vec<ValueId>)>>,
    /// Uses of each new value; never too few.
    uses: Vec<usize>,
    /// Types of each new value, one per probe; empty where the shapes are not known.
    types: Vec<Vec<TensorType>>,
}

impl<'a> Rewriter<'a> {
    /// Copies a graph without what no output needs, applying rules; also says whether one applied.
    pub(super) fn walk(old: &Graph, rules: &[Rule], budget: &'a mut u64) -> Result<(Graph, bool)> {
        let probes = probes(old);
        let uses = live_uses(old);
        let mut new = Rewriter { graph: Graph::new(), budget, seen: BTreeMap::new(), uses: vec![], types: vec![] };
        let mut place: Vec<Option<ValueId>> = vec![None; old.values().len()];
        // Inputs stay, used or not: they are the signature.
        for (i, input) in old.inputs().iter().enumerate() {
            let name = &old.values()[input.value.index()].name;
            let value = new.graph.input(name, input.dtype, input.dims.clone());
            new.note(value, uses[input.value.index()], probes.iter().map(|p| p[i].clone()).collect());
            place[input.value.index()] = Some(value);
        }
        // So do variables: their contents are the caller's.
        for variable in old.variables() {
            let name = &old.values()[variable.value.index()].name;
            let value = new.graph.variable(name, variable.initial.clone());
            new.note(value, uses[variable.value.index()], vec![variable.initial.kind(); probes.len()]);
            place[variable.value.index()] = Some(value);
        }
        for value in old.value_ids() {
            if let Source::Constant(tensor) = &old.values()[value.index()].source
                && uses[value.index()] > 0
            {
                let copy = new.graph.constant(&old.values()[value.index()].name, tensor.clone());
                new.note(copy, uses[value.index()], vec![tensor.kind(); probes.len()]);
                place[value.index()] = Some(copy);
            }
        }
        let mut changed = false;
        for node in old.nodes() {
            if node.outputs.iter().all(|v| uses[v.index()] == 0) {
                continue;
            }
            let inputs = node.inputs.iter().map(|v| place[v.index()].expect("operands of live nodes live")).collect();
            let site = Node { inputs, outputs: Vec::new(), ..node.clone() };
            let mut results = None;
            for rule in rules {
                results = rule(&mut new, &site).map_err(|e| e.at(&node.name))?;
                // A constant with more dimensions than it needs must not get lost: whatever the rule thought of, the
                // results keep their types.
                if results.as_ref().is_some_and(|r| new.fits(&site, r)) {
                    changed = true;
                    break;
                }
                results = None;
            }
            let results = match results {
                Some(results) => results,
                None => {
                    let results = new.push(&site.name, site.op.clone(), &site.inputs)?;
                    new.seen.entry(site.inputs).or_default().push((site.op, results.clone()));
                    results
                }
            };
            for (from, to) in node.outputs.iter().zip(results) {
                new.uses[to.index()] += uses[from.index()];
                place[from.index()] = Some(to);
            }
        }
        for variable in old.variables() {
            if let (Some(to), Some(update)) = (place[variable.value.index()], variable.update) {
                new.graph.assign(to, place[update.index()].expect("updates live"))?;
            }
        }
        for output in old.outputs() {
            new.graph.output(&output.name, place[output.value.index()].expect("outputs live"));
        }
        Ok((new.graph, changed))
    }

    /// Whether values have the types of a node's results, as far as those are known.
    fn fits(&self, node: &Node, values: &[ValueId]) -> bool {
        let types = self.infer(&node.op, &node.inputs).unwrap_or_default();
        types.is_empty() || types.iter().eq(values.iter().map(|v| &self.types[v.index()]))
    }

    /// The results of a node that computes the same.
    pub(super) fn same(&self, node: &Node) -> Option<Vec<ValueId>> {
        let (_, results) = self.seen.get(&node.inputs)?.iter().find(|(op, _)| *op == node.op)?;
        Some(results.clone())
    }

    /// Adds a node as a rule's result.
    pub(super) fn emit(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        // Counted on top of the uses by nodes that this one may replace: too many, until the next walk counts anew.
        inputs.iter().for_each(|v| self.uses[v.index()] += 1);
        Ok(self.push(name, op.into(), inputs)?[0])
    }

    /// Adds a constant.
    pub(super) fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let kind = tensor.kind();
        let value = self.graph.constant(name, tensor);
        // Constants fit every probe.
        let probes = self.types.first().map_or(0, Vec::len);
        self.note(value, 0, vec![kind; probes]);
        value
    }

    /// A constant's tensor.
    pub(super) fn constant_of(&self, value: ValueId) -> Option<&Arc<Tensor>> {
        self.graph.constant_of(value)
    }

    /// The value of a constant float of one element.
    pub(super) fn scalar(&self, value: ValueId) -> Option<f32> {
        match self.constant_of(value)?.as_f32() {
            Ok(&[x]) => Some(x),
            _ => None,
        }
    }

    /// The node that makes a value.
    pub(super) fn producer(&self, value: ValueId) -> Option<&Node> {
        self.graph.producer(value).map(|(_, node)| node)
    }

    /// The node that makes a value which nothing but the node in question uses: it may be fused away.
    pub(super) fn only_feeds_this(&self, value: ValueId) -> Option<&Node> {
        self.producer(value).filter(|_| self.uses[value.index()] == 1)
    }

    /// Like [`Self::only_feeds_this`], for a producer whose epilogue has no activation yet.
    pub(super) fn open_epilogue(&self, value: ValueId) -> Option<Node> {
        self.only_feeds_this(value).filter(|n| n.op.epilogue().is_some_and(|e| e.activation.is_none())).cloned()
    }

    /// Whether two values have one type, whatever the unknown dimensions of the inputs turn out to be.
    pub(super) fn same_type(&self, a: ValueId, b: ValueId) -> bool {
        let (a, b) = (&self.types[a.index()], &self.types[b.index()]);
        !a.is_empty() && a == b
    }

    /// Whether an op would give the type its operand has.
    pub(super) fn keeps_type(&self, op: &Op, inputs: &[ValueId], operand: ValueId) -> bool {
        let types = self.infer(op, inputs).unwrap_or_default();
        types.first().is_some_and(|t| !t.is_empty() && *t == self.types[operand.index()])
    }

    /// Number of dimensions, if known.
    pub(super) fn rank(&self, value: ValueId) -> Option<usize> {
        self.types[value.index()].first().map(|t| t.shape.rank())
    }

    /// Elements, if known: for the first probe.
    pub(super) fn elements(&self, value: ValueId) -> Option<usize> {
        self.types[value.index()].first().map(|t| t.shape.elements())
    }

    /// The dimensions under two probes, which are one where no dimension is open; if known.
    pub(super) fn dims(&self, value: ValueId) -> Option<Vec<[usize; 2]>> {
        both(&self.types[value.index()])
    }

    /// The same of what a node would make.
    pub(super) fn result_dims(&self, node: &Node) -> Option<Vec<[usize; 2]>> {
        both(self.infer(&node.op, &node.inputs).ok()?.first()?)
    }

    /// Types of an op's outputs, one list of probes for each.
    fn infer(&self, op: &Op, inputs: &[ValueId]) -> Result<Vec<Vec<TensorType>>> {
        let probes = inputs.iter().map(|v| self.types[v.index()].len()).min().unwrap_or(0);
        let mut outputs: Vec<Vec<TensorType>> = Vec::new();
        for probe in 0..probes {
            let operands: Vec<_> = inputs.iter().map(|v| self.types[v.index()][probe].clone()).collect();
            let results = op.operator().infer(&operands)?;
            outputs.resize(results.len(), Vec::new());
            outputs.iter_mut().zip(results).for_each(|(list, kind)| list.push(kind));
        }
        Ok(outputs)
    }

    fn push(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>> {
        let types = self.infer(&op, inputs).map_err(|e| e.at(name))?;
        let values = self.graph.push(name, op, inputs)?;
        for (i, &value) in values.iter().enumerate() {
            self.note(value, 0, types.get(i).cloned().unwrap_or_default());
        }
        Ok(values)
    }

    /// Records what is known of a new value.
    fn note(&mut self, value: ValueId, uses: usize, types: Vec<TensorType>) {
        debug_assert_eq!(value.index(), self.uses.len());
        self.uses.push(uses);
        self.types.push(types);
    }
}

/// Dimensions under the first probe and the last.
fn both(types: &[TensorType]) -> Option<Vec<[usize; 2]>> {
    let (first, last) = (types.first()?, types.last()?);
    Some(first.shape.iter().zip(last.shape.iter()).map(|(&a, &b)| [a, b]).collect())
}

/// Input types to judge shapes by. Without unknown dimensions that is the declared ones; otherwise two sets in which
/// every unknown dimension differs: what has equal types in both has them for any input. Empty if one does not fit the
/// graph; rules that need shapes then do nothing.
pub(super) fn probes(graph: &Graph) -> Vec<Vec<TensorType>> {
    let open = graph.inputs().iter().any(|input| input.dims.iter().any(Option::is_none));
    // Multiples of 64 suit networks that halve and double; the outermost dimension is the batch.
    let sets = if open { vec![(2, 192), (3, 448)] } else { vec![(1, 1)] };
    let probe = |&(batch, size): &(usize, usize)| {
        let kind = |(i, input): (usize, &crate::graph::Input)| {
            let dims = input.dims.iter().enumerate();
            let dims = dims.map(|(axis, d)| d.unwrap_or(if axis == 0 { batch } else { size + 64 * (axis + 4 * i) }));
            TensorType::new(input.dtype, dims.collect::<Vec<_>>())
        };
        graph.inputs().iter().enumerate().map(kind).collect::<Vec<_>>()
    };
    let probes: Vec<_> = sets.iter().map(probe).collect();
    if probes.iter().all(|p| graph.infer(p).is_ok()) { probes } else { Vec::new() }
}

/// Uses of each value by live nodes, outputs and updates of variables; 0 for what none of these need.
fn live_uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.values().len()];
    graph.outputs().iter().map(|o| o.value).chain(graph.updates()).for_each(|v| uses[v.index()] += 1);
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|v| uses[v.index()] > 0) {
            node.inputs.iter().for_each(|v| uses[v.index()] += 1);
        }
    }
    uses
}
