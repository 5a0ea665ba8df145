//! PyTorch's checkpoints: tensors by name, and which weight of the [`zoo`](crate::zoo)'s networks each is.
//!
//! [`read`] takes a `state_dict` out of a `.pt` or `.pth` file: a zip archive (PyTorch 1.6 and later) or the older
//! sequence of pickles. [`network`] builds a network of the zoo as torchvision or timm have it and fills it, from
//! such a file or from [`safetensors`](super::safetensors) with the same names:
//!
//! ```no_run
//! # fn main() -> striate::Result<()> {
//! let file = std::fs::read("resnet50.pth").unwrap();
//! let tensors = striate::formats::pytorch::read(&file)?;
//! let model = striate::formats::pytorch::network("ResNet50", &Default::default(), &tensors)?;
//! # Ok(())
//! # }
//! ```
//!
//! Pickles natively only: a page reads safetensors (`striate_keras::torch`).

mod networks;
mod pickle;

use std::borrow::Cow;
use std::collections::HashMap;

use striate_keras::zip;

use self::pickle::{Element, Heap, Storage, TensorRef, Value};
use super::half;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

pub use networks::{NETWORKS, network};

/// Tensors by name, in the file's order.
pub type StateDict = Vec<(String, Tensor)>;

/// How the older format begins: a pickle of PyTorch's magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// What a checkpoint calls the tensors among other things, such as an optimizer's state.
const WITHIN: [&str; 6] = ["state_dict", "model_state_dict", "model", "params_ema", "params", "net"];

const MOST_SHARED: usize = 4;
const MOST_AXES: usize = 8;

/// Reads the `state_dict` of a checkpoint. Half precision is widened, doubles and 64-bit integers are narrowed (an
/// integer that does not fit is an error). What is no tensor is passed over.
pub fn read(file: &[u8]) -> Result<StateDict> {
    if file.starts_with(zip::SIGNATURE) {
        return archived(file);
    }
    if !file.starts_with(MAGIC) {
        return Err(Error::invalid("not a PyTorch checkpoint: neither a zip archive nor PyTorch's older format"));
    }
    older(file)
}

/// A zip archive: `NAME/data.pkl`, and each storage in `NAME/data/KEY`.
fn archived(file: &[u8]) -> Result<StateDict> {
    let archive = zip::Archive::read(file)?;
    let folder = archive.names().find_map(|name| name.strip_suffix("data.pkl")).map(str::to_string);
    let folder = folder.ok_or_else(|| Error::invalid("not a PyTorch checkpoint: the archive has no data.pkl"))?;
    let order = format!("{folder}byteorder");
    if archive.names().any(|name| name == order) && archive.member(file, &order)? != b"little" {
        return Err(Error::unsupported("a checkpoint of a big-endian machine"));
    }
    let program = archive.member(file, &format!("{folder}data.pkl"))?;
    let mut heap = Heap::default();
    let (root, _) = pickle::read(&program, 0, &mut heap).map_err(|e| e.within("data.pkl"))?;
    // Many tensors may share one storage.
    let mut contents = HashMap::new();
    for storage in &heap.storages {
        if !contents.contains_key(storage.key) {
            let content = archive.member(file, &format!("{folder}data/{}", storage.key))?;
            contents.insert(storage.key, Cow::Owned(content));
        }
    }
    tensors(&heap, root, &contents, file.len())
}

/// Pickles one behind the other: magic number, version, system, the `state_dict`, the keys of the storages; then each
/// storage's number of elements and its bytes.
fn older(file: &[u8]) -> Result<StateDict> {
    let mut heap = Heap::default();
    let (version, at) = pickle::read(file, MAGIC.len(), &mut heap)?;
    if version != Value::Int(1001) {
        return Err(Error::unsupported("checkpoints of another version than 1001"));
    }
    let (system, at) = pickle::read(file, at, &mut heap)?;
    let little = |(key, value): &(Value, Value)| *key == Value::Text("little_endian") && *value == Value::Bool(false);
    if heap.dict(system).is_some_and(|dict| dict.iter().any(little)) {
        return Err(Error::unsupported("a checkpoint of a big-endian machine"));
    }
    let (root, at) = pickle::read(file, at, &mut heap)?;
    let (keys, mut at) = pickle::read(file, at, &mut heap)?;
    let keys = heap.items(keys).ok_or_else(|| Error::invalid("the checkpoint does not list its storages"))?.to_vec();
    let mut contents = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err(Error::invalid("a storage without a key")) };
        let storage = heap.storages.iter().find(|storage| storage.key == key);
        let storage = storage.ok_or_else(|| Error::invalid(format!("the storage {key} belongs to no tensor")))?;
        let count = file.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
        if count != Some(storage.count as u64) {
            return Err(Error::mismatch(
                format!("the storage {key} at offset {at}"),
                format!("{} elements", storage.count),
                count.map_or("the end of the file".into(), |n| n.to_string()),
            ));
        }
        let end = storage.count.checked_mul(storage.element.bytes()).and_then(|bytes| bytes.checked_add(at + 8));
        let content = end.and_then(|end| file.get(at + 8..end));
        let content = content.ok_or_else(|| Error::invalid(format!("the storage {key} at offset {at} is cut off")))?;
        contents.insert(key, Cow::Borrowed(content));
        at += 8 + content.len();
    }
    tensors(&heap, root, &contents, file.len())
}

/// The tensors of a dictionary by name. Several may be views of one storage, but all of them are at most
/// [`MOST_SHARED`] times as large as the file.
fn tensors(heap: &Heap, root: Value, contents: &HashMap<&str, Cow<[u8]>>, file: usize) -> Result<StateDict> {
    let none = || Error::invalid("the checkpoint has no tensors by name");
    let mut dict = heap.dict(root).ok_or_else(none)?;
    let has_tensors = |dict: &[(Value, Value)]| dict.iter().any(|(_, value)| matches!(value, Value::Tensor(_)));
    if !has_tensors(dict) {
        let inner = WITHIN.iter().find_map(|name| {
            let (_, value) = dict.iter().find(|(key, _)| *key == Value::Text(name))?;
            heap.dict(*value).filter(|dict| has_tensors(dict))
        });
        dict = inner.ok_or_else(none)?;
    }
    let mut found = StateDict::new();
    let mut left = file.saturating_mul(MOST_SHARED);
    for (key, value) in dict {
        let (Value::Text(name), Value::Tensor(index)) = (key, value) else { continue };
        let view = &heap.tensors[*index];
        let storage = &heap.storages[view.storage];
        let tensor = contents
            .get(storage.key)
            .ok_or_else(|| Error::invalid(format!("the storage {} is not there", storage.key)));
        let tensor = tensor.and_then(|bytes| gather(view, storage, bytes, &mut left));
        found.push((name.to_string(), tensor.map_err(|e| e.at(*name))?));
    }
    Ok(found)
}

/// The elements that a view takes from its storage, in its own order.
fn gather(view: &TensorRef, storage: &Storage, bytes: &[u8], left: &mut usize) -> Result<Tensor> {
    let size = storage.element.bytes();
    if storage.count.checked_mul(size).is_none_or(|needed| needed > bytes.len()) {
        return Err(Error::mismatch("a storage is cut off", format!("{} elements", storage.count), bytes.len() / size));
    }
    if view.shape.len() > MOST_AXES {
        return Err(Error::unsupported(format!("tensors of {} axes", view.shape.len())));
    }
    let shape = Shape::checked(view.shape.clone())?;
    let count = shape.elements();
    // The last element's place bounds all others'; a view that repeats elements is no weight.
    let reach = view
        .shape
        .iter()
        .zip(&view.strides)
        .try_fold(view.offset, |at, (&n, &stride)| at.checked_add(n.saturating_sub(1).checked_mul(stride)?));
    if count > storage.count || (count > 0 && reach.is_none_or(|last| last >= storage.count)) {
        return Err(Error::mismatch("a tensor reaches beyond its storage", storage.count, format!("{:?}", view.shape)));
    }
    *left = left.checked_sub(count * size).ok_or_else(|| Error::resource("tensors far larger than the file"))?;
    let mut taken = Vec::with_capacity(count * size);
    let mut index = vec![0usize; view.shape.len()];
    for _ in 0..count {
        let at = index.iter().zip(&view.strides).fold(view.offset, |at, (i, stride)| at + i * stride) * size;
        taken.extend_from_slice(&bytes[at..at + size]);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < view.shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    numbers(storage.element, &taken, shape)
}

fn numbers(element: Element, bytes: &[u8], shape: Shape) -> Result<Tensor> {
    match element {
        Element::F32 => {
            Tensor::f32(shape, bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>())
        }
        Element::F16 => Tensor::f32(shape, half::widen(bytes)),
        Element::BF16 => {
            let widen = |b: &[u8; 2]| f32::from_bits((u16::from_le_bytes(*b) as u32) << 16);
            Tensor::f32(shape, bytes.as_chunks().0.iter().map(widen).collect::<Vec<_>>())
        }
        Element::F64 => {
            Tensor::f32(shape, bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect::<Vec<_>>())
        }
        Element::I32 => {
            Tensor::i32(shape, bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect::<Vec<_>>())
        }
        Element::I64 => {
            let narrow = |b: &[u8; 8]| {
                let wide = i64::from_le_bytes(*b);
                i32::try_from(wide).map_err(|_| Error::unsupported(format!("the 64-bit integer {wide}")))
            };
            Tensor::i32(shape, bytes.as_chunks().0.iter().map(narrow).collect::<Result<Vec<_>>>()?)
        }
        Element::U8 => Tensor::u8(shape, bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests;
