//! Values during import: ONNX counts their axes its own way, they are stored another.
//!
//! ONNX' images are `[batch, channels, height, width]`; striate's kernels want channels last. A [`Value`] therefore
//! remembers in which order its axes are stored, and operations ask for the order that suits them. Transposing changes
//! what the axes are called and moves nothing; elements move only where an operation cannot take them as they lie:
//! typically once, at the network's input.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::schema::Node;
use super::tensor::{Element, TensorDef};
use crate::error::{Error, Result};
use crate::formats::lower::{Guessed, Lowering};
use crate::graph::ValueId;
use crate::ops::{Cast, Op, Reshape, ReshapeDim, Transpose};
use crate::shape::matching_runs;
use crate::tensor::{DType, Data, Tensor, TensorType};

/// Where an axis is stored: storage axis `i` holds ONNX axis `order[i]`.
pub type Order = Vec<usize>;

/// A value's number in [`Importer::values`].
pub type Handle = usize;

/// Axes in ONNX' own order.
pub fn plain(rank: usize) -> Order {
    (0..rank).collect()
}

/// Channels, ONNX axis 1, last.
pub fn channels_last(rank: usize) -> Order {
    if rank < 3 { plain(rank) } else { std::iter::once(0).chain(2..rank).chain([1]).collect() }
}

/// Where ONNX axis `axis` is stored.
pub fn position(order: &[usize], axis: usize) -> usize {
    order.iter().position(|&a| a == axis).unwrap_or(axis)
}

/// A value of the file.
pub struct Value<'f> {
    /// ONNX' element type; the storage follows from it.
    pub element: Element,
    /// The dimensions in ONNX' order, under both guesses of open ones.
    pub dims: Vec<Guessed<usize>>,
    /// The value in the orders that were needed so far; the first is how it was made.
    forms: Vec<(Order, ValueId)>,
    /// A constant of the file that no form was made of yet.
    file: Option<TensorDef<'f>>,
    /// Elements of that value under these dimensions: a reshape that would have to move elements waits for someone who
    /// needs it. A dense layer does not: it permutes its weights.
    flattened: Option<Handle>,
}

/// A file about to become a graph.
pub struct Importer<'f> {
    /// The graph.
    pub lowering: Lowering,
    /// Every value so far.
    pub values: Vec<Value<'f>>,
    /// Values by name.
    pub names: HashMap<&'f str, Handle>,
    /// External data by location.
    pub external: &'f BTreeMap<String, Vec<u8>>,
    /// Version of the standard operators.
    pub opset: i64,
    /// Subgraphs around the node at hand.
    pub depth: usize,
    /// Names of values that somebody reads.
    pub read: std::collections::HashSet<&'f str>,
    /// Only looks: external data that was not given is zeros.
    pub sketch: bool,
}

/// The node being lowered and what it is made of.
pub struct Rule<'a, 'f> {
    pub importer: &'a mut Importer<'f>,
    pub node: &'a Node<'f>,
    /// The name of the graph's nodes.
    pub name: &'a str,
    /// Its operands; absent ones are `None`.
    pub inputs: Vec<Option<Handle>>,
}

impl<'f> Importer<'f> {
    /// A value just made, stored in this order.
    pub fn add(&mut self, element: Element, order: Order, id: ValueId) -> Handle {
        let stored = self.lowering.dims(id);
        let mut dims = vec![[0; 2]; stored.len()];
        for (&axis, size) in order.iter().zip(stored) {
            dims[axis] = size;
        }
        self.values.push(Value { element, dims, forms: vec![(order, id)], file: None, flattened: None });
        self.values.len() - 1
    }

    /// A constant of the file.
    pub fn add_file(&mut self, tensor: TensorDef<'f>) -> Result<Handle> {
        let (element, shape) = (tensor.element()?, tensor.shape()?);
        let dims = shape.iter().map(|&d| [d; 2]).collect();
        self.values.push(Value { element, dims, forms: Vec::new(), file: Some(tensor), flattened: None });
        Ok(self.values.len() - 1)
    }

    /// A value whose elements are those of `source`, in ONNX' order, under other dimensions; nothing is moved yet.
    fn add_flattened(&mut self, source: Handle, dims: Vec<Guessed<usize>>) -> Handle {
        let element = self.values[source].element;
        self.values.push(Value { element, dims, forms: Vec::new(), file: None, flattened: Some(source) });
        self.values.len() - 1
    }

    /// What [`Importer::add_flattened`] was given.
    pub fn flattened(&self, value: Handle) -> Option<Handle> {
        self.values[value].flattened.filter(|_| self.values[value].forms.is_empty())
    }

    /// The order and storage of a value as it was made.
    pub fn stored(&mut self, value: Handle, name: &str) -> Result<(Order, ValueId)> {
        if let Some(form) = self.values[value].forms.first() {
            return Ok(form.clone());
        }
        let order = plain(self.values[value].dims.len());
        let id = self.form(value, &order, name)?;
        Ok((order, id))
    }

    /// The value is known now and the same for every input.
    pub fn is_constant(&self, value: Handle) -> bool {
        let v = &self.values[value];
        v.file.is_some()
            || v.forms.first().is_some_and(|(_, id)| self.lowering.tensor(*id).is_some() && !self.lowering.is_open(*id))
            || v.flattened.is_some_and(|source| v.forms.is_empty() && self.is_constant(source))
    }

    /// A constant's elements in ONNX' order; `None` if it is none.
    pub fn tensor(&mut self, value: Handle) -> Result<Option<Arc<Tensor>>> {
        if !self.is_constant(value) {
            return Ok(None);
        }
        let v = &self.values[value];
        if let Some(file) = &v.file {
            return Ok(Some(Arc::new(self.read(file)?)));
        }
        let order = plain(v.dims.len());
        let id = self.form(value, &order, "")?;
        Ok(self.lowering.tensor(id).cloned())
    }

    fn read(&self, file: &TensorDef) -> Result<Tensor> {
        match file.location() {
            Some(location) if self.sketch && !self.external.contains_key(location) => {
                Ok(Tensor::zeros(&TensorType::new(file.element()?.storage(), file.shape()?)))
            }
            _ => file.read(self.external),
        }
    }

    /// The value with its axes stored in this order.
    pub fn form(&mut self, value: Handle, order: &[usize], name: &str) -> Result<ValueId> {
        let v = &self.values[value];
        if let Some((_, id)) = v.forms.iter().find(|(have, _)| have == order) {
            return Ok(*id);
        }
        let id = if let (Some(file), true) = (&v.file, v.forms.is_empty()) {
            let (tensor, label) = (self.read(file)?, file.name);
            self.lowering.constant(label, permuted(tensor, order)?)
        } else if let (Some(source), true) = (v.flattened, v.forms.is_empty()) {
            let target: Vec<_> = v.dims.iter().map(|d| d.map(|n| n as i64)).collect();
            let rank = self.values[source].dims.len();
            let id = self.form(source, &plain(rank), name)?;
            let flat = self.lowering.reshape(&format!("{name}/flat"), id, &target)?;
            let identity = plain(target.len());
            self.values[value].forms.push((identity.clone(), flat));
            if identity == order {
                return Ok(flat);
            }
            return self.form(value, order, name);
        } else {
            let Some((from, id)) = v.forms.first().cloned() else {
                return Err(Error::invalid("a value without a form"));
            };
            let perm: Vec<_> = order.iter().map(|&axis| position(&from, axis)).collect();
            self.permute(id, perm, name)?
        };
        self.values[value].forms.push((order.to_vec(), id));
        Ok(id)
    }

    /// Storage with its axes in another order. Axes of size 1 move for nothing.
    fn permute(&mut self, id: ValueId, perm: Vec<usize>, name: &str) -> Result<ValueId> {
        if let Some(tensor) = self.lowering.tensor(id)
            && !self.lowering.is_open(id)
        {
            let moved = permuted(Tensor::clone(tensor), &perm)?;
            return Ok(self.lowering.constant(name, moved));
        }
        let dims = self.lowering.dims(id);
        let wide: Vec<_> = perm.iter().filter(|&&axis| dims[axis] != [1, 1]).collect();
        let name = format!("{name}/layout");
        if wide.is_sorted() {
            let dims = perm.into_iter().map(ReshapeDim::Copy).collect();
            return self.lowering.add(&name, Reshape { dims }, &[id]);
        }
        self.lowering.add(&name, Transpose { perm }, &[id])
    }

    /// The same elements in ONNX' order under other dimensions.
    pub fn reshape(&mut self, value: Handle, target: &[Guessed<i64>], name: &str) -> Result<Handle> {
        let element = self.values[value].element;
        let dims = self.values[value].dims.clone();
        let (order, id) = self.stored(value, name)?;
        if order == plain(order.len()) {
            let id = self.lowering.reshape(name, id, target)?;
            return Ok(self.add(element, plain(target.len()), id));
        }
        let target = resolve(&dims, target)?;
        let Some(groups) = matching_runs(&dims, &target) else {
            let id = self.form(value, &plain(dims.len()), name)?;
            let target: Vec<_> = target.iter().map(|d| d.map(|n| n as i64)).collect();
            let id = self.lowering.reshape(name, id, &target)?;
            return Ok(self.add(element, plain(target.len()), id));
        };
        // Groups in the order in which their first axis is stored; within a group ONNX' order.
        let wide = |axis: &usize| dims[*axis] != [1, 1];
        let mut sorted: Vec<_> = groups.iter().enumerate().collect();
        let first = |source: &std::ops::Range<usize>| {
            let places = |axes: Order| axes.into_iter().map(|axis| position(&order, axis)).min();
            let wide = places(source.clone().filter(wide).collect());
            wide.or_else(|| places(source.clone().collect())).unwrap_or(usize::MAX)
        };
        sorted.sort_by_key(|(i, (source, _))| (first(source), *i));
        let wanted: Order = sorted.iter().flat_map(|(_, (source, _))| source.clone()).collect();
        let moved = {
            let stored = order.iter().filter(|axis| wide(axis));
            stored.ne(wanted.iter().filter(|axis| wide(axis)))
        };
        if moved && target.len() == 2 {
            return Ok(self.add_flattened(value, target));
        }
        let id = self.form(value, &wanted, name)?;
        let order: Order = sorted.iter().flat_map(|(_, (_, target))| target.clone()).collect();
        let stored: Vec<_> = order.iter().map(|&axis| target[axis].map(|n| n as i64)).collect();
        let id = self.lowering.reshape(name, id, &stored)?;
        Ok(self.add(element, order, id))
    }
}

/// Replaces a -1 among the target's dimensions.
fn resolve(dims: &[Guessed<usize>], target: &[Guessed<i64>]) -> Result<Vec<Guessed<usize>>> {
    let mut result = vec![[0usize; 2]; target.len()];
    for guess in 0..2 {
        let have: usize = dims.iter().map(|d| d[guess]).product();
        let known = target
            .iter()
            .filter(|d| d[guess] != -1)
            .try_fold(1usize, |product, d| usize::try_from(d[guess]).ok().and_then(|d| product.checked_mul(d)));
        let known = known.ok_or_else(|| Error::invalid("a reshape to a negative or too large dimension"))?;
        let open = target.iter().filter(|d| d[guess] == -1).count();
        let rest = have.checked_div(known).unwrap_or(0);
        if open > 1 || (open == 1 && rest * known != have) || (open == 0 && known != have) {
            return Err(Error::mismatch("the reshape's elements do not fit", known, have));
        }
        for (result, d) in result.iter_mut().zip(target) {
            result[guess] = usize::try_from(d[guess]).unwrap_or(rest);
        }
    }
    Ok(result)
}

/// A tensor with its axes in another order.
pub fn permuted(tensor: Tensor, order: &[usize]) -> Result<Tensor> {
    if order.is_sorted() {
        return Ok(tensor);
    }
    let shape = tensor.shape().clone();
    let strides = shape.strides();
    let dims: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let data = match tensor.data() {
        Data::F32(v) => Data::F32(walk(v, &dims, &steps)),
        Data::I32(v) => Data::I32(walk(v, &dims, &steps)),
        Data::U8(v) => Data::U8(walk(v, &dims, &steps)),
    };
    Tensor::new(dims, data)
}

/// The elements in row-major order of `dims`, `steps` apart in the data. The last axis is walked without index
/// arithmetic: weights are most of a model.
fn walk<T: Copy>(data: &[T], dims: &[usize], steps: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(data.len());
    let ([outer @ .., n], [.., step]) = (dims, steps) else { return data.to_vec() };
    let mut index = vec![0; outer.len()];
    for _ in 0..outer.iter().product() {
        let start: usize = index.iter().zip(steps).map(|(i, step)| i * step).sum();
        out.extend((0..*n).map(|i| data[start + i * step]));
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

impl<'f> Rule<'_, 'f> {
    /// Operand `i`, which must be there.
    pub fn input(&self, i: usize) -> Result<Handle> {
        self.optional(i)
            .ok_or_else(|| Error::mismatch("an operand is missing", format!("operand {i}"), self.inputs.len()))
    }

    /// Operand `i`, if it is there.
    pub fn optional(&self, i: usize) -> Option<Handle> {
        self.inputs.get(i).copied().flatten()
    }

    /// Every operand, none of them absent.
    pub fn all(&self) -> Result<Vec<Handle>> {
        (0..self.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// An integer attribute or its default.
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.node.int(name)?.unwrap_or(default))
    }

    /// A boolean attribute; false if absent.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.int(name, 0)? != 0)
    }

    /// A float attribute or its default.
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        Ok(self.node.float(name)?.unwrap_or(default))
    }

    /// The element type of a value.
    pub fn element(&self, value: Handle) -> Element {
        self.importer.values[value].element
    }

    /// The dimensions in ONNX' order.
    pub fn dims(&self, value: Handle) -> Vec<Guessed<usize>> {
        self.importer.values[value].dims.clone()
    }

    /// The dimensions where they must not depend on open ones.
    pub fn fixed_dims(&self, value: Handle, what: &str) -> Result<Vec<usize>> {
        let fixed = |&[a, b]: &Guessed<usize>| {
            if a == b { Ok(a) } else { Err(needs_shapes(what)) }
        };
        self.importer.values[value].dims.iter().map(fixed).collect()
    }

    /// Number of dimensions.
    pub fn rank(&self, value: Handle) -> usize {
        self.importer.values[value].dims.len()
    }

    /// An axis that may count from the end.
    pub fn axis(&self, value: Handle, axis: i64) -> Result<usize> {
        axis_of(axis, self.rank(value))
    }

    /// As [`Importer::stored`].
    pub fn stored(&mut self, value: Handle) -> Result<(Order, ValueId)> {
        self.importer.stored(value, self.name)
    }

    /// As [`Importer::form`].
    pub fn form(&mut self, value: Handle, order: &[usize]) -> Result<ValueId> {
        self.importer.form(value, order, self.name)
    }

    /// In ONNX' order.
    pub fn plain(&mut self, value: Handle) -> Result<ValueId> {
        let order = plain(self.rank(value));
        self.form(value, &order)
    }

    /// Adds an operation; `part` is what it contributes, or empty for the node's result.
    pub fn push(&mut self, part: &str, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId> {
        let name = self.part(part);
        self.importer.lowering.add(&name, op, inputs)
    }

    /// The name of a part of this node.
    pub fn part(&self, part: &str) -> String {
        if part.is_empty() { self.name.to_string() } else { format!("{}/{part}", self.name) }
    }

    /// A value just made.
    pub fn made(&mut self, element: Element, order: Order, id: ValueId) -> Handle {
        self.importer.add(element, order, id)
    }

    /// Adds an operation whose result is laid out as its operand.
    pub fn like(&mut self, value: Handle, part: &str, op: impl Into<Op>) -> Result<Handle> {
        let (order, id) = self.stored(value)?;
        let id = self.push(part, op, &[id])?;
        Ok(self.made(self.element(value), order, id))
    }

    /// A constant.
    pub fn constant(&mut self, part: &str, tensor: Tensor) -> ValueId {
        let name = self.part(part);
        self.importer.lowering.constant(&name, tensor)
    }

    /// A float constant that broadcasts against anything.
    pub fn scalar(&mut self, part: &str, value: f32) -> ValueId {
        self.constant(part, Tensor::scalar(value))
    }

    /// A constant of one element, as a value of an element type.
    pub fn number(&mut self, part: &str, element: Element, value: f64) -> Result<Handle> {
        let tensor = match element.storage() {
            DType::F32 => Tensor::scalar(value as f32),
            DType::I32 => Tensor::i32(Vec::new(), vec![value as i32])?,
            DType::U8 => Tensor::u8(Vec::new(), vec![value as u8])?,
        };
        let id = self.constant(part, tensor);
        Ok(self.made(element, Vec::new(), id))
    }

    /// The integers of a constant operand.
    pub fn ints(&mut self, value: Handle, what: &str) -> Result<Vec<i64>> {
        let id = self.known(value, what)?;
        self.importer.lowering.ints(id, what)
    }

    /// The integers of a constant operand, which may depend on open dimensions.
    pub fn sizes(&mut self, value: Handle, what: &str) -> Result<Vec<Guessed<i64>>> {
        let id = self.known(value, what)?;
        self.importer.lowering.sizes(id, what)
    }

    /// The numbers of a constant operand.
    pub fn numbers(&mut self, value: Handle, what: &str) -> Result<Vec<f64>> {
        let id = self.known(value, what)?;
        let fixed = |[a, b]: Guessed<f64>| if a == b || a.is_nan() { Ok(a) } else { Err(needs_shapes(what)) };
        self.importer.lowering.numbers(id, what)?.into_iter().map(fixed).collect()
    }

    /// The one number of a constant operand.
    pub fn only(&mut self, value: Handle, what: &str) -> Result<f64> {
        match self.numbers(value, what)?[..] {
            [n] => Ok(n),
            _ => Err(Error::invalid(format!("the operand `{what}` must be one number"))),
        }
    }

    fn known(&mut self, value: Handle, what: &str) -> Result<ValueId> {
        let id = self.plain(value)?;
        if self.importer.lowering.tensor(id).is_none() {
            return Err(Error::unsupported(format!(
                "the operand `{what}` is computed from the network's inputs; it must be a constant. If it follows from an \
                 input's shape, or is an input that never changes, give that at import"
            )));
        }
        Ok(id)
    }

    /// A constant's elements in ONNX' order.
    pub fn tensor(&mut self, value: Handle) -> Result<Option<Arc<Tensor>>> {
        self.importer.tensor(value)
    }

    /// The value as float32 storage in this order, whatever integers it holds.
    pub fn float_form(&mut self, value: Handle, order: &[usize]) -> Result<ValueId> {
        let id = self.form(value, order)?;
        if self.element(value).storage() == DType::F32 {
            return Ok(id);
        }
        self.push("float", Cast { to: DType::F32 }, &[id])
    }

    /// The values with their axes in one order, ready to broadcast against each other: the order in which most of them
    /// lie already, and the number of axes.
    pub fn align(&mut self, values: &[Handle]) -> Result<(Vec<ValueId>, Order)> {
        let order = self.common_order(values)?;
        let ids = values.iter().map(|&v| self.broadcastable(v, &order)).collect::<Result<Vec<_>>>()?;
        Ok((ids, order))
    }

    /// The order of axes in which most of those values lie that have the most axes.
    pub fn common_order(&mut self, values: &[Handle]) -> Result<Order> {
        let rank = values.iter().map(|&v| self.rank(v)).max().unwrap_or(0);
        let full: Vec<Handle> =
            values.iter().copied().filter(|&v| self.rank(v) == rank && !self.importer.is_constant(v)).collect();
        let mut best: Option<(usize, Order)> = None;
        for &v in &full {
            let (made, _) = self.stored(v)?;
            let orders: Vec<Order> = self.importer.values[v].forms.iter().map(|(order, _)| order.clone()).collect();
            for order in std::iter::once(made).chain(orders) {
                let lacks = |&&v: &&Handle| !self.importer.values[v].forms.iter().any(|(have, _)| *have == order);
                let cost = 2 * full.iter().filter(lacks).count() + order.is_sorted() as usize;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, order));
                }
            }
        }
        Ok(best.map_or_else(|| plain(rank), |(_, order)| order))
    }

    /// The value so that it broadcasts, as in NumPy, against others stored in this order, which may have more axes.
    pub fn broadcastable(&mut self, value: Handle, order: &[usize]) -> Result<ValueId> {
        let dims = self.dims(value);
        let missing = order.len().saturating_sub(dims.len());
        let may_shrink = missing > 0 || self.importer.is_constant(value);
        if dims.iter().all(|d| *d == [1, 1]) && !order.is_sorted() && may_shrink {
            return self.flat_one(value);
        }
        if order.is_sorted() {
            return self.plain(value);
        }
        // What the value lacks are leading axes of size 1: left away where they would be stored first.
        let own: Order = order.iter().filter(|&&axis| axis >= missing).map(|&axis| axis - missing).collect();
        let id = self.form(value, &own)?;
        let lead = order.iter().take_while(|&&axis| axis < missing || dims[axis - missing] == [1, 1]).count();
        let target: Vec<_> = order[lead..]
            .iter()
            .map(|&axis| match axis.checked_sub(missing) {
                Some(axis) => ReshapeDim::Copy(position(&own, axis)),
                None => ReshapeDim::Size(1),
            })
            .collect();
        let unchanged = target.len() == dims.len() && target.iter().enumerate().all(|(i, d)| *d == ReshapeDim::Copy(i));
        // Only what lacks axes may lose leading ones: a full operand may be the one that says how many there are.
        if unchanged || !may_shrink {
            return Ok(id);
        }
        self.push("axes", Reshape { dims: target }, &[id])
    }

    /// A value of one element as a scalar.
    fn flat_one(&mut self, value: Handle) -> Result<ValueId> {
        let (order, id) = self.stored(value)?;
        if order.is_empty() {
            return Ok(id);
        }
        self.push("scalar", Reshape { dims: Vec::new() }, &[id])
    }
}

/// An axis that may count from the end, below the rank.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let n = rank as i64;
    if (-n..n).contains(&axis) {
        Ok(axis.rem_euclid(n) as usize)
    } else {
        Err(Error::mismatch("axis out of range", format!("an axis in {}..{n}", -n), axis))
    }
}

/// For what striate's graph cannot express with open dimensions.
pub fn needs_shapes(what: &str) -> Error {
    Error::unsupported(format!(
        "{what} depends on dimensions that the model leaves open: give the inputs' shapes at import"
    ))
}
