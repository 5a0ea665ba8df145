//! A readable listing of a graph, for people and for tests.

use std::fmt;

use super::{Graph, Source, ValueId};
use crate::ops::Op;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |v: &ValueId| format!("%{} {:?}", v.index(), self.values[v.index()].name);
        for input in &self.inputs {
            let dims = input.dims.iter().map(|d| d.map_or("?".to_string(), |d| d.to_string())).collect::<Vec<_>>();
            writeln!(f, "input {}: {} [{}]", name(&input.value), input.dtype, dims.join(", "))?;
        }
        for (i, value) in self.values.iter().enumerate() {
            if let Source::Constant(tensor) = &value.source {
                writeln!(f, "constant %{i} {:?}: {}", value.name, tensor.kind())?;
            }
        }
        for variable in &self.variables {
            writeln!(f, "variable {}: {}", name(&variable.value), variable.initial.kind())?;
        }
        for node in &self.nodes {
            let ids = |list: &[ValueId]| list.iter().map(|v| format!("%{}", v.index())).collect::<Vec<_>>().join(", ");
            writeln!(f, "{} = {} ({})  # {}", ids(&node.outputs), Attributes(&node.op), ids(&node.inputs), node.name)?;
        }
        for variable in &self.variables {
            if let Some(update) = &variable.update {
                writeln!(f, "assign {} = {}", name(&variable.value), name(update))?;
            }
        }
        for output in &self.outputs {
            writeln!(f, "output {:?}: {}", output.name, name(&output.value))?;
        }
        Ok(())
    }
}

/// An op's name and attributes: the struct's own `Debug`, without the enum around it.
struct Attributes<'a>(&'a Op);

impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        f.write_str(text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(&text))
    }
}
