//! The TensorFlow.js graph model: `model.json` (topology and weights manifest) and binary weight files.
//!
//! Specification: the converter's README and `tfjs-converter/src/operations` of TensorFlow.js 4. Weights may be stored
//! as float32, int32, bool, or quantised to float16, uint8 or uint16.

mod json;
mod node;
mod ops;
mod weights;

pub use weights::WeightFile;

use std::collections::HashMap;

use self::json::Json;
use self::node::{NodeDef, TensorRef};
use self::weights::Manifest;
use super::inspect::{self as looking, Declared, Inspection as Look};
use super::lower::Lowering;
use super::{ImportOptions, Imported};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::tensor::DType;

/// The files to fetch and to concatenate, in this order, for [`import`]; paths are relative to model.json.
pub fn weight_files(model_json: &[u8]) -> Result<Vec<WeightFile>> {
    Ok(Manifest::parse(Json::parse(model_json)?.get("weightsManifest"))?.files().to_vec())
}

/// Imports a graph model from its `model.json` and its concatenated weight files.
pub fn import(model_json: &[u8], weights: &[u8], options: &ImportOptions) -> Result<Imported> {
    let model = Json::parse(model_json)?;
    if model.get("format").text() == Some("layers-model")
        || model.get("modelTopology").get("model_config") != &Json::Null
    {
        return Err(Error::unsupported("a TensorFlow.js layers model; convert it to a graph model"));
    }
    let manifest = Manifest::parse(model.get("weightsManifest"))?;
    manifest.check(weights)?;
    let topology = Topology::parse(&model)?;
    let outputs = topology.outputs(&model, options)?;
    let order = topology.order(&outputs)?;

    let mut importer = Importer {
        lowering: Lowering::default(),
        manifest: &manifest,
        weights,
        values: vec![Vec::new(); topology.nodes.len()],
        topology: &topology,
    };
    importer.inputs(&model, &order)?;
    for &index in &order {
        if importer.values[index].is_empty() {
            let values = importer.lower(index).map_err(|e| e.at(topology.nodes[index].name))?;
            importer.values[index] = values;
        }
    }
    for (name, index, output) in outputs {
        let value = importer.value(index, output).map_err(|e| e.at(&name))?;
        importer.lowering.output(&name, value)?;
    }
    let by = ["generatedBy", "convertedBy"].map(|key| model.get(key).text().unwrap_or_default());
    let description = by.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join(", ");
    Ok(Imported { graph: importer.lowering.into_graph()?, description })
}

/// Looks at the nodes of a `model.json`, by their operations alone: what the weights are is not known.
pub(super) fn look(model_json: &[u8], options: &ImportOptions) -> Result<Look> {
    let model = Json::parse(model_json)?;
    let manifest = Manifest::parse(model.get("weightsManifest"))?;
    let topology = Topology::parse(&model)?;
    let outputs = topology.outputs(&model, options)?;
    let order = topology.order(&outputs)?;
    let (parameters, weight_bytes) = manifest.totals();
    let files = manifest.files().iter().map(|file| (file.path.clone(), file.bytes)).collect();
    let mut look = Look { parameters, weight_bytes, files, ..Look::default() };
    let signature = signature(&model);
    for &index in &order {
        let node = &topology.nodes[index];
        look.count(node.op);
        if matches!(node.op, "Const" | "Placeholder") {
            continue;
        }
        let probed = ops::probe(node);
        if let (true, Err(error)) = (looking::is_unknown(&probed), &probed) {
            look.refuse(node.name, node.op, error);
        }
    }
    let placeholders = order.iter().map(|&index| &topology.nodes[index]).filter(|node| node.op == "Placeholder");
    look.inputs = placeholders
        .map(|node| {
            let (dtype, dims) = (node.dtype("dtype"), node::dims(node.attribute("shape").get("shape")));
            declared(node.name, dtype.ok().flatten().map(|(dtype, _)| dtype), dims)
        })
        .collect();
    look.outputs = outputs
        .iter()
        .map(|(name, index, _)| {
            let is_it = |(key, entry): &&(String, Json)| {
                let tensor = TensorRef::parse(entry.get("name").text().unwrap_or(key));
                tensor.is_some_and(|tensor| tensor.node == topology.nodes[*index].name)
            };
            let found = signature.get("outputs").members().iter().find(is_it);
            let entry = found.map_or(&Json::Null, |(_, entry)| entry);
            let dtype = entry.get("dtype").text().and_then(|text| node::dtype(text).ok());
            declared(name, dtype.map(|(dtype, _)| dtype), node::dims(entry.get("tensorShape")))
        })
        .collect();
    Ok(look)
}

fn declared(name: &str, dtype: Option<DType>, dims: Result<Option<Vec<Option<usize>>>>) -> Declared {
    let dims = dims.ok().flatten().unwrap_or_default();
    Declared { name: name.to_string(), dtype: dtype.unwrap_or(DType::F32), dims }
}

/// The nodes by name.
struct Topology<'a> {
    nodes: Vec<NodeDef<'a>>,
    by_name: HashMap<&'a str, usize>,
}

/// An output: its name, its node, and which of the node's outputs.
type Output = (String, usize, usize);

impl<'a> Topology<'a> {
    fn parse(model: &'a Json) -> Result<Topology<'a>> {
        let Json::List(list) = model.get("modelTopology").get("node") else {
            return Err(Error::invalid("model.json has no modelTopology.node: not a TensorFlow.js graph model"));
        };
        let nodes = list.iter().map(NodeDef::parse).collect::<Result<Vec<_>>>()?;
        let mut by_name = HashMap::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            if by_name.insert(node.name, i).is_some() {
                return Err(Error::invalid("two nodes have this name").at(node.name));
            }
        }
        Ok(Topology { nodes, by_name })
    }

    fn find(&self, tensor: TensorRef) -> Result<(usize, usize)> {
        let index = self.by_name.get(tensor.node).copied();
        Ok((index.ok_or_else(|| Error::invalid(format!("there is no node {:?}", tensor.node)))?, tensor.output))
    }

    /// What the caller asks for, else the signature's outputs in its order, else what the metadata or the topology
    /// show to be results.
    fn outputs(&self, model: &Json, options: &ImportOptions) -> Result<Vec<Output>> {
        let declared = signature(model).get("outputs").members();
        let entries: Vec<(&str, &str)> =
            declared.iter().map(|(key, v)| (key.as_str(), v.get("name").text().unwrap_or(key))).collect();
        let listed = model.get("userDefinedMetadata").get("outputs").elements();
        let names: Vec<&str> = match &options.outputs {
            Some(names) => {
                // A name of the signature, or of any tensor.
                let by_key = |name: &str| entries.iter().find(|(key, _)| *key == name).map(|(_, tensor)| *tensor);
                names.iter().map(|name| by_key(name).unwrap_or(name)).collect()
            }
            None if !entries.is_empty() => entries.iter().map(|(_, tensor)| *tensor).collect(),
            None if !listed.is_empty() => listed.iter().filter_map(Json::text).collect(),
            None => self.sinks(),
        };
        let output = |name: &str| {
            let wrong = || Error::invalid(format!("the model has no tensor {name:?}"));
            let (index, output) = TensorRef::parse(name).ok_or_else(wrong).and_then(|t| self.find(t))?;
            Ok((name.strip_suffix(":0").unwrap_or(name).to_string(), index, output))
        };
        let outputs = names.into_iter().map(output).collect::<Result<Vec<_>>>()?;
        if outputs.is_empty() { Err(Error::invalid("the model has no outputs")) } else { Ok(outputs) }
    }

    /// Nodes whose results nobody uses.
    fn sinks(&self) -> Vec<&'a str> {
        let mut used = vec![false; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            if let Some(&index) = self.by_name.get(input.node) {
                used[index] = true;
            }
        }
        let result = |node: &NodeDef| !matches!(node.op, "Const" | "Placeholder" | "NoOp");
        self.nodes.iter().zip(used).filter(|(node, used)| !used && result(node)).map(|(node, _)| node.name).collect()
    }

    /// The nodes that the outputs depend on, operands first. Depth-first with an explicit stack: files can be deep.
    fn order(&self, outputs: &[Output]) -> Result<Vec<usize>> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let mut state = vec![State::New; self.nodes.len()];
        let (mut order, mut stack) = (Vec::new(), Vec::new());
        for &(_, root, _) in outputs {
            if state[root] == State::New {
                state[root] = State::Open;
                stack.push((root, 0));
            }
            while let Some((index, next)) = stack.last_mut() {
                let node = &self.nodes[*index];
                let Some(&input) = node.inputs.get(*next) else {
                    state[*index] = State::Done;
                    order.push(*index);
                    stack.pop();
                    continue;
                };
                *next += 1;
                let (input, _) = self.find(input).map_err(|e| e.at(node.name))?;
                match state[input] {
                    State::New => {
                        state[input] = State::Open;
                        stack.push((input, 0));
                    }
                    State::Open => return Err(Error::invalid("the graph has a cycle through this node").at(node.name)),
                    State::Done => {}
                }
            }
        }
        Ok(order)
    }
}

/// The signature stands at the top, or in the metadata (older converters).
fn signature(model: &Json) -> &Json {
    match model.get("signature") {
        Json::Null => model.get("userDefinedMetadata").get("signature"),
        signature => signature,
    }
}

struct Importer<'a> {
    lowering: Lowering,
    topology: &'a Topology<'a>,
    manifest: &'a Manifest,
    weights: &'a [u8],
    /// The results of every node lowered so far.
    values: Vec<Vec<ValueId>>,
}

impl Importer<'_> {
    /// Declares the inputs that are needed: those of the signature in its order, then any others.
    fn inputs(&mut self, model: &Json, order: &[usize]) -> Result<()> {
        let needed = |index: &usize| self.topology.nodes[*index].op == "Placeholder";
        let mut needed: Vec<usize> = order.iter().copied().filter(needed).collect();
        needed.sort_unstable();
        let declared = signature(model).get("inputs").members();
        let position = |index: usize| {
            let name = self.topology.nodes[index].name;
            let is_it = |(key, entry): &(String, Json)| {
                TensorRef::parse(entry.get("name").text().unwrap_or(key)).is_some_and(|t| t.node == name)
            };
            declared.iter().position(is_it)
        };
        let mut inputs: Vec<_> = needed.into_iter().map(|i| (position(i), i)).collect();
        inputs.sort_by_key(|&(position, _)| position.unwrap_or(usize::MAX));
        for (position, index) in inputs {
            let node = &self.topology.nodes[index];
            let shapes = [
                position.map_or(&Json::Null, |p| declared[p].1.get("tensorShape")),
                node.attribute("shape").get("shape"),
            ];
            let mut input = || {
                let mut dims = None;
                for shape in shapes {
                    dims = dims.or(node::dims(shape)?);
                }
                let dims = dims.ok_or_else(|| Error::unsupported("an input of unknown rank"))?;
                let (dtype, _) = node.dtype("dtype")?.ok_or_else(|| Error::invalid("the input has no element type"))?;
                self.lowering.input(node.name, dtype, dims)
            };
            let value = input().map_err(|e| e.at(node.name))?;
            self.values[index] = vec![value];
        }
        Ok(())
    }

    /// Output `output` of a node that has been lowered.
    fn value(&self, index: usize, output: usize) -> Result<ValueId> {
        let node = &self.topology.nodes[index];
        self.values[index]
            .get(output)
            .copied()
            .ok_or_else(|| Error::unsupported(format!("output {output} of {:?} ({})", node.name, node.op)))
    }
}
