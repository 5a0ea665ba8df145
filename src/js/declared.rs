//! What a graph declares of its inputs and outputs, for the page.

use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::error::{Error, Result};
use crate::formats::Declared;
use crate::graph::{Graph, Input, Output, Types};
use crate::tensor::{DType, TensorType};

/// A declared input or output (`TensorInfo`).
#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    dtype: &'static str,
    shape: Vec<Option<usize>>,
}

/// `TensorInfo[]` for the declared inputs. An open dimension is `null`.
pub fn inputs(graph: &Graph) -> Result<JsValue> {
    let info = |input: &Input| Info {
        name: &graph.values()[input.value.index()].name,
        dtype: input.dtype.name(),
        shape: input.dims.clone(),
    };
    infos(graph.inputs().iter().map(info).collect())
}

/// `TensorInfo[]` of what a file says; the shape is empty where it does not.
pub fn of_file(list: &[Declared]) -> Result<JsValue> {
    fn info(Declared { name, dtype, dims }: &Declared) -> Info<'_> {
        Info { name, dtype: dtype.name(), shape: dims.clone() }
    }
    infos(list.iter().map(info).collect())
}

/// `TensorInfo[]` for the outputs: dimensions that follow the inputs' open ones are open too, and the shape is empty
/// where no usual size fits.
pub fn outputs(graph: &Graph) -> Result<JsValue> {
    // Two sizes for what is open: the dimensions that come out different depend on it. A batch may be anything; an
    // image has to be large enough for the network.
    let both = |[a, b]: [usize; 2]| Some((open_as(graph, a)?, open_as(graph, b)?));
    let types = [[1, 2], [256, 224], [1, 1]].into_iter().find_map(both);
    let info = |output| info(output, types.as_ref());
    infos(graph.outputs().iter().map(info).collect())
}

fn info<'a>(output: &'a Output, types: Option<&(Types, Types)>) -> Info<'a> {
    let Some((a, b)) = types.map(|(a, b)| (&a[output.value], &b[output.value])) else {
        return Info { name: &output.name, dtype: DType::F32.name(), shape: Vec::new() };
    };
    let shape = a.shape.iter().zip(b.shape.iter()).map(|(a, b)| (a == b).then_some(*a)).collect();
    Info { name: &output.name, dtype: a.dtype.name(), shape }
}

/// The types with this size for every open dimension, if the network takes it.
fn open_as(graph: &Graph, size: usize) -> Option<Types> {
    let known = |i: &Input| TensorType::new(i.dtype, i.dims.iter().map(|d| d.unwrap_or(size)).collect::<Vec<_>>());
    graph.infer(&graph.inputs().iter().map(known).collect::<Vec<_>>()).ok()
}

fn infos(infos: Vec<Info>) -> Result<JsValue> {
    // `null` and not `undefined` for what is open: it survives JSON.
    infos
        .serialize(&serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(true))
        .map_err(|e| Error::invalid(e.to_string()))
}
