//! Shape inference over a whole graph.

use std::ops::Index;

use super::{Graph, Source, ValueId};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// The type of every value of one graph, for concrete inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Types(Vec<TensorType>);

impl Types {
    /// Types of a list of values.
    pub fn of(&self, values: &[ValueId]) -> Vec<TensorType> {
        values.iter().map(|&v| self[v].clone()).collect()
    }
}

impl Index<ValueId> for Types {
    type Output = TensorType;
    fn index(&self, value: ValueId) -> &TensorType {
        &self.0[value.index()]
    }
}

pub(super) fn infer(graph: &Graph, inputs: &[TensorType]) -> Result<Types> {
    if inputs.len() != graph.inputs.len() {
        return Err(Error::mismatch("wrong number of inputs", graph.inputs.len(), inputs.len()));
    }
    let mut types: Vec<Option<TensorType>> = vec![None; graph.values.len()];
    for (declared, given) in graph.inputs.iter().zip(inputs) {
        let fits = declared.dtype == given.dtype
            && declared.dims.len() == given.shape.rank()
            && declared.dims.iter().zip(given.shape.iter()).all(|(d, n)| d.is_none_or(|d| d == *n));
        let name = &graph.values[declared.value.index()].name;
        if !fits {
            let dims = declared.dims.iter().map(|d| d.map_or("?".to_string(), |d| d.to_string()));
            let expected = format!("{} [{}]", declared.dtype, dims.collect::<Vec<_>>().join(", "));
            return Err(Error::mismatch("the input does not fit the model", expected, given).at(name));
        }
        Shape::checked(given.shape.clone()).map_err(|e| e.at(name))?;
        types[declared.value.index()] = Some(given.clone());
    }
    for (slot, value) in types.iter_mut().zip(&graph.values) {
        match &value.source {
            Source::Constant(tensor) => *slot = Some(tensor.kind()),
            Source::Variable(i) => *slot = Some(graph.variables[*i].initial.kind()),
            Source::Input(_) | Source::Node { .. } => {}
        }
    }
    for node in &graph.nodes {
        // Nodes are in topological order, so every operand is typed by now.
        let operands: Vec<_> =
            node.inputs.iter().map(|v| types[v.index()].clone().expect("operand precedes")).collect();
        let results = node.op.operator().infer(&operands).map_err(|e| e.at(&node.name))?;
        for (value, kind) in node.outputs.iter().zip(results) {
            types[value.index()] = Some(kind);
        }
    }
    let types = Types(types.into_iter().map(|t| t.expect("every value has a source")).collect());
    for variable in &graph.variables {
        let kind = &types[variable.value];
        if let Some(update) = variable.update
            && types[update] != *kind
        {
            let name = &graph.values[variable.value.index()].name;
            return Err(Error::mismatch("what is assigned does not fit the variable", kind, &types[update]).at(name));
        }
    }
    Ok(types)
}
