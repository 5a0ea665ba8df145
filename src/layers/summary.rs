//! What a model is made of, as data and as Keras' table.

use std::fmt;

use super::model::Model;
use crate::graph::Dims;

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The layer's name.
    pub name: String,
    /// Keras' class, or the label of a layer that is composed of others.
    pub class: String,
    /// Dimensions of the outputs of its first call.
    pub outputs: Vec<Dims>,
    /// Parameters.
    pub params: usize,
    /// It is trained (frozen layers are not).
    pub trainable: bool,
    /// Layers whose outputs it takes, first call first.
    pub inbound: Vec<String>,
    /// What it is made of, if it is a model.
    pub nested: Option<Summary>,
}

/// A model's layers and parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The model's name.
    pub name: String,
    /// Keras' class: Sequential or Functional.
    pub class: &'static str,
    /// The layers in Keras' order; a Sequential model's input is none of them.
    pub rows: Vec<Row>,
    /// All parameters.
    pub total: usize,
    /// Those that training changes.
    pub trainable: usize,
}

impl Model {
    /// What the model is made of.
    pub fn summary(&self) -> Summary {
        use super::Layer;
        let count = |w: &super::Weight| w.spec.shape.iter().product::<usize>();
        let row = |(index, entry): (usize, &super::model::Entry)| {
            let mut calls = self.calls.iter().filter(|call| call.layer == index).peekable();
            let outputs = calls.peek().map_or(Vec::new(), |call| {
                call.outputs.iter().map(|sym| self.origins[sym.index()].dims.clone()).collect()
            });
            let sources = calls.flat_map(|call| &call.inputs);
            let inbound = sources.map(|s| self.entries[self.calls[self.origins[s.index()].call].layer].name.clone());
            Row {
                name: entry.name.clone(),
                class: entry.layer.model().and_then(Model::label).unwrap_or(entry.layer.class()).to_string(),
                outputs,
                params: self.weights().iter().filter(|w| w.layer == index).map(count).sum(),
                trainable: entry.trainable,
                inbound: inbound.collect(),
                nested: entry.layer.model().map(Model::summary),
            }
        };
        let shown = |r: &Row| !(self.class() == "Sequential" && r.class == "InputLayer");
        Summary {
            name: self.name().to_string(),
            class: self.class(),
            rows: self.entries.iter().enumerate().map(row).filter(shown).collect(),
            total: self.count_params(),
            trainable: self.weights().iter().filter(|w| self.is_trainable(w)).map(count).sum(),
        }
    }
}

/// `1234567` as `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["Layer (type)", "Output shape", "Param #", "Connected to"].map(String::from);
        let mut table = vec![header];
        for row in &self.rows {
            let shapes = row.outputs.iter().map(Dims::to_string).collect::<Vec<_>>().join(", ");
            let connected = if self.class == "Sequential" { String::new() } else { row.inbound.join(", ") };
            let frozen = if row.trainable { "" } else { ", frozen" };
            table.push([format!("{} ({}{frozen})", row.name, row.class), shapes, thousands(row.params), connected]);
        }
        let columns = if self.class == "Sequential" { 3 } else { 4 };
        let widths: Vec<usize> =
            (0..columns).map(|c| table.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
        writeln!(f, "Model: {} ({})", self.name, self.class)?;
        let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1));
        for (i, row) in table.iter().enumerate() {
            let cells =
                row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| {
                    if c == 2 { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            if i == 0 {
                writeln!(f, "{rule}")?;
            }
        }
        writeln!(f, "{rule}")?;
        writeln!(f, "Total params: {}", thousands(self.total))?;
        writeln!(f, "Trainable params: {}", thousands(self.trainable))?;
        writeln!(f, "Non-trainable params: {}", thousands(self.total - self.trainable))
    }
}
