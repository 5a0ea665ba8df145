//! Which tensor of a file goes into which weight of a network.
//!
//! As in Keras: files by structure (`layers/conv2d_1/vars/0`) follow the order of layers of each class; older files go by
//! the order of the layers that have weights, or by their names; TensorFlow.js and safetensors by the weights' names.
//! Beyond Keras: within a layer, names are believed where they fit (two orders of the same shapes would be silently
//! mixed up otherwise), and files by structure can be read by name, since Keras 3 writes the names, too.

use std::collections::{HashMap, HashSet};

use crate::description::{Description, Names, Node};
use crate::error::{Error, Result};
use crate::file::{Format, ModelFile, Stored, texts};
use crate::hdf5::{Group, Member};

/// How weights are found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// By the names of layers; layers that only one side has are passed over.
    pub by_name: bool,
    /// Layers that do not fit keep their weights.
    pub skip_mismatch: bool,
}

/// What goes where.
#[derive(Debug, Default)]
pub struct Assigned {
    /// Weight of the network (by position) and tensor of the file.
    pub pairs: Vec<(usize, Stored)>,
    /// Layers that were passed over, and why.
    pub skipped: Vec<(String, String)>,
}

/// The tensors of one layer of the file, in its order.
struct Source {
    layer: String,
    tensors: Vec<Stored>,
}

impl ModelFile {
    /// Finds a tensor for every weight of a network.
    pub fn assign(&self, model: &Description, options: Options) -> Result<Assigned> {
        let mut work = Work { file: self, model, options, done: Assigned::default() };
        match (self.format(), options.by_name) {
            (Format::Structure, false) => work.structure()?,
            (Format::Structure, true) => work.by_name(named_vars(self))?,
            (Format::Layers, false) => work.by_order(sources(self)?)?,
            (Format::Layers, true) => work.by_name(sources(self)?)?,
            (Format::Names, _) => work.names()?,
        }
        Ok(work.done)
    }
}

struct Work<'a> {
    file: &'a ModelFile,
    model: &'a Description,
    options: Options,
    done: Assigned,
}

impl Work<'_> {
    /// Keeps a layer's finding, or passes over it if it may be.
    fn settle(&mut self, layer: &str, found: Result<Vec<(usize, Stored)>>) -> Result<()> {
        let fits = |pairs: Vec<(usize, Stored)>| {
            for (weight, stored) in &pairs {
                let wanted = &self.model.weights[*weight];
                if wanted.shape != stored.shape {
                    let (expected, received) = (dims(&wanted.shape), dims(&stored.shape));
                    let message = format!("the file's {} does not fit the weight {}", stored.name, wanted.name);
                    return Err(Error::mismatch(message, expected, received));
                }
            }
            Ok(pairs)
        };
        match found.and_then(fits) {
            Ok(pairs) => self.done.pairs.extend(pairs),
            Err(error) if self.options.skip_mismatch => self.done.skipped.push((layer.to_string(), error.to_string())),
            Err(error) => return Err(error.at(layer)),
        }
        Ok(())
    }

    /// Keras 3: a group for each layer, named by its class.
    fn structure(&mut self) -> Result<()> {
        let root = self.file.group().ok_or_else(|| Error::invalid("the file has no weights"))?;
        // Keras 2.12 called the list by its attribute.
        let list = ["layers", "_layer_checkpoint_dependencies"].into_iter().find(|name| root.group(name).is_some());
        let Some(list) = list else {
            let names = root.members.iter().map(|(name, _)| name.as_str()).take(8).collect::<Vec<_>>().join(", ");
            return Err(Error::mismatch(
                "the file has no `layers`: it is of a model with attributes of its own; load it by name",
                "layers",
                if names.is_empty() { "nothing" } else { &names },
            ));
        };
        self.structure_of(&self.model.layers, list, "")
    }

    fn structure_of(&mut self, layers: &[Node], path: &str, outer: &str) -> Result<()> {
        let mut names = Names::default();
        for node in layers {
            let (place, name) = (format!("{path}/{}", names.next(&node.class)), format!("{outer}{}", node.name));
            if !node.layers.is_empty() {
                self.structure_of(&node.layers, &format!("{place}/layers"), &format!("{name}/"))?;
            } else if !node.weights.is_empty() {
                let found = self.vars(&format!("{place}/vars"), &node.weights);
                self.settle(&name, found)?;
            }
        }
        Ok(())
    }

    fn vars(&self, path: &str, weights: &[usize]) -> Result<Vec<(usize, Stored)>> {
        let group = self.file.group().and_then(|root| root.group(path));
        let count = group.map_or(0, |group| group.members.len());
        let none = || Error::mismatch(format!("weights in the file's {path}"), weights.len(), count);
        if count != weights.len() {
            return Err(none());
        }
        let stored = |(i, &weight): (usize, &usize)| {
            let stored = self.file.array(&format!("{path}/{i}")).ok_or_else(none)?;
            Ok((weight, stored))
        };
        weights.iter().enumerate().map(stored).collect()
    }

    /// Older files: the layers with weights, one after the other.
    fn by_order(&mut self, sources: Vec<Source>) -> Result<()> {
        let sources: Vec<Source> = sources.into_iter().filter(|s| !s.tensors.is_empty()).collect();
        let nodes: Vec<&Node> = self.model.layers.iter().filter(|node| !node.weights.is_empty()).collect();
        if sources.len() != nodes.len() {
            return Err(Error::mismatch(
                "the file is of a network with another number of layers that have weights; load it by name",
                format!("{} layers", nodes.len()),
                format!("{} layers", sources.len()),
            ));
        }
        for (node, source) in nodes.into_iter().zip(sources) {
            self.settle(&node.name, self.pair(node, source))?;
        }
        Ok(())
    }

    /// Layers of the same name; inner layers of nested models, too, if the file has them by themselves.
    fn by_name(&mut self, sources: Vec<Source>) -> Result<()> {
        let mut known: HashMap<String, Source> = HashMap::new();
        for source in sources {
            known.entry(source.layer.clone()).or_insert(source);
        }
        let mut rest: Vec<(&Node, String)> = self.model.layers.iter().rev().map(|n| (n, n.name.clone())).collect();
        while let Some((node, name)) = rest.pop() {
            // With the outer models' names, or without.
            let source = known.remove(&name).or_else(|| known.remove(&node.name)).filter(|s| !s.tensors.is_empty());
            match source {
                Some(source) if !node.weights.is_empty() => self.settle(&name, self.pair(node, source))?,
                _ => rest.extend(node.layers.iter().rev().map(|inner| (inner, format!("{name}/{}", inner.name)))),
            }
        }
        Ok(())
    }

    /// The weights of a layer and the tensors of one in the file: by their names, or else in order.
    fn pair(&self, node: &Node, source: Source) -> Result<Vec<(usize, Stored)>> {
        let (wanted, given) = (node.weights.len(), source.tensors.len());
        if wanted != given {
            return Err(Error::mismatch(format!("weights of the file's layer {}", source.layer), wanted, given));
        }
        // A plain layer's weights are known by their roles, a model's by the inner layer, too.
        let parts = if node.layers.is_empty() { 1 } else { 2 };
        let mut by_key: HashMap<String, usize> = HashMap::new();
        let distinct = node.weights.iter().all(|&w| by_key.insert(tail(self.model.path(w), parts), w).is_none());
        let names = plain(source.tensors.iter().map(|t| t.name.as_str()));
        let matched: Option<Vec<usize>> = names.iter().map(|name| by_key.remove(&tail(name, parts))).collect();
        let weights = match matched {
            Some(matched) if distinct => matched,
            // Keras lists what is trained first.
            _ => {
                let trained = |&&w: &&usize| self.model.weights[w].trainable;
                let (first, last): (Vec<usize>, Vec<usize>) = node.weights.iter().partition(|w| trained(w));
                if first.is_empty() { node.weights.clone() } else { [first, last].concat() }
            }
        };
        Ok(weights.into_iter().zip(source.tensors).collect())
    }

    /// Weights by their own names.
    fn names(&mut self) -> Result<()> {
        let stored = self.file.named();
        let names = plain(stored.iter().map(|s| s.name.as_str()));
        let exact: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let ends = ends(names.iter().map(String::as_str));
        let wanted_ends = self::ends(self.model.weights.iter().map(|w| w.name.as_str()));
        let mut used = HashSet::new();
        let mut pairs: HashMap<usize, Stored> = HashMap::new();
        for (index, weight) in self.model.weights.iter().enumerate() {
            let end = tail(&weight.name, 2);
            // A nested model's name may or may not be part of a weight's name.
            let by_end =
                || ends.get(&end).copied().flatten().filter(|_| wanted_ends.get(&end).is_some_and(Option::is_some));
            let Some(found) = exact.get(weight.name.as_str()).copied().or_else(by_end) else { continue };
            if used.insert(found) {
                pairs.insert(index, stored[found].clone());
            }
        }
        self.by_layers(&self.model.layers, "", &mut pairs)?;
        let stranger = (0..stored.len()).find(|i| !used.contains(i));
        if let (Some(stranger), false) = (stranger, self.options.by_name || self.options.skip_mismatch) {
            return Err(Error::invalid(format!(
                "the file has a weight {} that the network does not; load it by name",
                stored[stranger].name
            )));
        }
        Ok(())
    }

    fn by_layers(&mut self, layers: &[Node], outer: &str, pairs: &mut HashMap<usize, Stored>) -> Result<()> {
        for node in layers {
            let name = format!("{outer}{}", node.name);
            if !node.layers.is_empty() {
                self.by_layers(&node.layers, &format!("{name}/"), pairs)?;
                continue;
            }
            let found: Vec<_> = node.weights.iter().filter_map(|&w| Some((w, pairs.remove(&w)?))).collect();
            if found.is_empty() && self.options.by_name {
                continue;
            }
            let missing = node.weights.iter().find(|w| !found.iter().any(|(known, _)| known == *w));
            let found = match missing {
                Some(&missing) => Err(Error::invalid(format!("the file has no weight {}", self.model.path(missing)))),
                None => Ok(found),
            };
            self.settle(&name, found)?;
        }
        Ok(())
    }
}

fn dims(shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// Weights' names as Keras 3 has them: without TensorFlow's `:0`; and what Keras 2 called a `depthwise_kernel` is a
/// `kernel`, unless there is another one beside it.
fn plain<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let names: Vec<&str> = names.map(|name| name.strip_suffix(":0").unwrap_or(name)).collect();
    let all: HashSet<&str> = names.iter().copied().collect();
    let plain = |name: &&str| match name.strip_suffix("depthwise_kernel") {
        Some(owner) if !all.contains(format!("{owner}pointwise_kernel").as_str()) => format!("{owner}kernel"),
        _ => name.to_string(),
    };
    names.iter().map(plain).collect()
}

/// The last parts of a name.
fn tail(name: &str, parts: usize) -> String {
    let start = name.rmatch_indices('/').nth(parts - 1).map_or(0, |(at, _)| at + 1);
    name[start..].to_string()
}

/// Names by their last two parts; `None` where several have the same.
fn ends<'n>(names: impl Iterator<Item = &'n str>) -> HashMap<String, Option<usize>> {
    let mut ends = HashMap::new();
    for (i, name) in names.enumerate() {
        ends.entry(tail(name, 2)).and_modify(|known| *known = None).or_insert(Some(i));
    }
    ends
}

/// The layers of an older file.
fn sources(file: &ModelFile) -> Result<Vec<Source>> {
    let root = file.group().ok_or_else(|| Error::invalid("the file has no weights"))?;
    let mut sources = Vec::new();
    for layer in texts(root, "layer_names").unwrap_or_default() {
        let group = root
            .group(layer)
            .ok_or_else(|| Error::invalid("the file names this layer and does not have it").at(layer))?;
        let mut tensors = Vec::new();
        for weight in texts(group, "weight_names").unwrap_or_default() {
            let stored = file.array(&format!("{layer}/{weight}"));
            let mut stored =
                stored.ok_or_else(|| Error::invalid(format!("the file lacks the weight {weight}")).at(layer))?;
            stored.name = weight.to_string();
            tensors.push(stored);
        }
        sources.push(Source { layer: layer.to_string(), tensors });
    }
    Ok(sources)
}

/// The layers of a file by structure, by the names that Keras 3 notes beside their weights.
fn named_vars(file: &ModelFile) -> Vec<Source> {
    let mut sources = Vec::new();
    let Some(root) = file.group() else { return sources };
    let mut rest: Vec<(&Group, String)> = vec![(root, String::new())];
    while let Some((group, path)) = rest.pop() {
        for (name, member) in group.members.iter().rev() {
            let Member::Group(inner) = member else { continue };
            let place = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match inner.text("name") {
                Some(layer) if name == "vars" => {
                    let tensors = (0..inner.members.len()).map_while(|i| file.array(&format!("{place}/{i}")));
                    sources.push(Source { layer: layer.to_string(), tensors: tensors.collect() });
                }
                // An optimizer's state is no layer's.
                _ if path.is_empty() && name == "optimizer" => {}
                _ => rest.push((inner, place)),
            }
        }
    }
    sources
}
