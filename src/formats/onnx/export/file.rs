//! The file under construction: tensors with their names, nodes, and the protocol buffer of it all.
//!
//! Names are settled last, and the numbers of weights go straight into the finished file, so that they are held once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::{DType, Data, Tensor};

/// A protobuf message under construction.
#[derive(Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn int(&mut self, field: u64, n: i64) {
        self.varint(field << 3);
        self.varint(n as u64);
    }

    /// The key and the length of a piece that follows.
    fn head(&mut self, field: u64, length: usize) {
        self.varint(field << 3 | 2);
        self.varint(length as u64);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.head(field, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Adds an attribute of a node (field 5 of `NodeProto`).
    pub fn attribute(&mut self, name: &str, value: Attribute) {
        let mut message = Message::default();
        message.bytes(1, name.as_bytes());
        let kind = match value {
            Attribute::Float(f) => {
                message.varint(2 << 3 | 5);
                message.0.extend_from_slice(&f.to_le_bytes());
                1
            }
            Attribute::Int(n) => {
                message.int(3, n);
                2
            }
            Attribute::Text(text) => {
                message.bytes(4, text.as_bytes());
                3
            }
            Attribute::Ints(list) => {
                list.iter().for_each(|&n| message.int(8, n));
                7
            }
        };
        message.int(20, kind);
        self.bytes(5, &message.0);
    }
}

/// The value of an attribute.
pub enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Text(&'a str),
    Ints(&'a [i64]),
}

/// A tensor of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorId(u32);

/// Where a tensor comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Given,
    Made,
}

/// What an initializer holds.
enum Content {
    /// A tensor with its axes in this order.
    Tensor(Arc<Tensor>, Vec<usize>),
    /// Little-endian elements.
    Raw(Vec<u8>),
}

struct Initializer {
    id: TensorId,
    code: i64,
    dims: Vec<usize>,
    content: Content,
}

struct Node {
    op: &'static str,
    name: String,
    inputs: Vec<Option<TensorId>>,
    outputs: Vec<TensorId>,
    attributes: Message,
}

/// A dimension in a declaration: open ones may have a name.
pub enum Dim {
    /// So many.
    Size(usize),
    /// Any; the same wherever the name is the same.
    Open(String),
}

/// Names that are each used once.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    /// The name, or with the first number behind it that makes it a new one.
    fn unique(&mut self, name: &str) -> String {
        let Some(count) = self.0.get(name) else {
            self.0.insert(name.to_string(), 0);
            return name.to_string();
        };
        let mut count = *count;
        loop {
            count += 1;
            let candidate = format!("{name}_{count}");
            if !self.0.contains_key(&candidate) {
                self.0.insert(name.to_string(), count);
                self.0.insert(candidate.clone(), 0);
                return candidate;
            }
        }
    }
}

/// The code of an element type in `TensorProto.DataType`.
pub fn code(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I32 => 6,
    }
}

/// A model under construction.
#[derive(Default)]
pub struct File {
    names: Names,
    node_names: Names,
    tensors: Vec<(String, Origin)>,
    initializers: Vec<Initializer>,
    nodes: Vec<Node>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
}

impl File {
    fn tensor(&mut self, name: String, origin: Origin) -> TensorId {
        self.tensors.push((name, origin));
        TensorId((self.tensors.len() - 1) as u32)
    }

    /// How many tensors there are: those of later ids do not exist yet.
    pub fn mark(&self) -> TensorId {
        TensorId(self.tensors.len() as u32)
    }

    /// Keeps a name for later; another one if it is taken.
    pub fn reserve(&mut self, name: &str) -> String {
        self.names.unique(name)
    }

    /// Declares an input under a reserved name.
    pub fn input(&mut self, name: String, dtype: DType, dims: &[Dim]) -> TensorId {
        self.inputs.push(declaration(&name, dtype, dims));
        self.tensor(name, Origin::Given)
    }

    /// Declares an output under a reserved name. The tensor takes the name, unless it has to keep its own.
    pub fn output(&mut self, name: String, dtype: DType, dims: &[Dim], tensor: TensorId) {
        self.outputs.push(declaration(&name, dtype, dims));
        let made = &mut self.tensors[tensor.0 as usize];
        if made.1 == Origin::Made {
            *made = (name, Origin::Given);
            return;
        }
        let copy = self.tensor(name, Origin::Given);
        let name = self.node_names.unique("Identity");
        let attributes = Message::default();
        self.nodes.push(Node { op: "Identity", name, inputs: vec![Some(tensor)], outputs: vec![copy], attributes });
    }

    /// Adds a tensor of these elements, its axes in this order, seen as one of `dims`.
    pub fn constant(&mut self, name: &str, tensor: Arc<Tensor>, order: Vec<usize>, dims: Vec<usize>) -> TensorId {
        let (code, content) = (code(tensor.dtype()), Content::Tensor(tensor, order));
        self.initializer(name, code, dims, content)
    }

    /// Adds a list of 64-bit integers.
    pub fn ints(&mut self, name: &str, list: &[i64]) -> TensorId {
        let raw = list.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.initializer(name, 7, vec![list.len()], Content::Raw(raw))
    }

    fn initializer(&mut self, name: &str, code: i64, dims: Vec<usize>, content: Content) -> TensorId {
        let name = self.names.unique(name);
        let id = self.tensor(name, Origin::Given);
        self.initializers.push(Initializer { id, code, dims, content });
        id
    }

    /// Adds a node with `count` results.
    pub fn node(
        &mut self,
        label: &str,
        op: &'static str,
        inputs: &[Option<TensorId>],
        count: usize,
        attributes: Message,
    ) -> Vec<TensorId> {
        let name = if label.is_empty() { op.to_string() } else { format!("{label}/{op}") };
        let outputs = (0..count).map(|_| self.tensor(String::new(), Origin::Made)).collect::<Vec<_>>();
        let name = self.node_names.unique(&name);
        self.nodes.push(Node { op, name, inputs: inputs.to_vec(), outputs: outputs.clone(), attributes });
        outputs
    }

    /// Names a result, if it comes after the mark and has no name yet.
    pub fn name(&mut self, tensor: TensorId, after: TensorId, name: &str) {
        let (known, origin) = &self.tensors[tensor.0 as usize];
        if tensor.0 >= after.0 && *origin == Origin::Made && known.is_empty() && !name.is_empty() {
            self.tensors[tensor.0 as usize].0 = self.names.unique(name);
        }
    }

    /// The bytes of the file.
    pub fn finish(mut self, opset: i64, name: &str) -> Result<Vec<u8>> {
        self.name_the_rest();
        let name_of = |id: TensorId| self.tensors[id.0 as usize].0.as_bytes();
        let mut graph = Message::default();
        for node in &self.nodes {
            let mut message = Message::default();
            node.inputs.iter().for_each(|input| message.bytes(1, input.map_or(b"", name_of)));
            node.outputs.iter().for_each(|&output| message.bytes(2, name_of(output)));
            message.bytes(3, node.name.as_bytes());
            message.bytes(4, node.op.as_bytes());
            message.0.extend_from_slice(&node.attributes.0);
            graph.bytes(1, &message.0);
        }
        graph.bytes(2, name.as_bytes());
        self.inputs.iter().for_each(|input| graph.bytes(11, &input.0));
        self.outputs.iter().for_each(|output| graph.bytes(12, &output.0));

        // Everything of the weights but their numbers, to know the lengths of what is around them.
        let mut weights = Vec::with_capacity(self.initializers.len());
        let mut length = graph.0.len();
        for initializer in &self.initializers {
            let count = initializer.dims.iter().product::<usize>();
            let raw = count * if initializer.code == 7 { 8 } else { size_of_code(initializer.code) };
            let mut head = Message::default();
            initializer.dims.iter().for_each(|&n| head.int(1, n as i64));
            head.int(2, initializer.code);
            head.bytes(8, name_of(initializer.id));
            if raw > 0 {
                head.head(9, raw);
            }
            let mut around = Message::default();
            around.head(5, head.0.len() + raw);
            around.0.append(&mut head.0);
            length = length.checked_add(around.0.len() + raw).filter(|&l| l < MOST_BYTES).ok_or_else(too_large)?;
            weights.push(around);
        }

        let mut file = Message::default();
        // The version of the file format that came with the operators.
        file.int(1, if opset > 18 { 9 } else { 8 });
        file.bytes(2, b"striate");
        file.bytes(3, env!("CARGO_PKG_VERSION").as_bytes());
        let mut operators = Message::default();
        operators.bytes(1, b"");
        operators.int(2, opset);
        file.bytes(8, &operators.0);
        file.head(7, length);
        file.0.reserve_exact(length);
        file.0.append(&mut graph.0);
        for (around, initializer) in weights.into_iter().zip(self.initializers) {
            file.0.extend_from_slice(&around.0);
            match initializer.content {
                Content::Raw(raw) => file.0.extend_from_slice(&raw),
                Content::Tensor(tensor, order) => write_elements(&mut file.0, &tensor, &order),
            }
        }
        Ok(file.0)
    }

    /// Results that no value has: named after their nodes.
    fn name_the_rest(&mut self) {
        for node in &self.nodes {
            for output in &node.outputs {
                let (name, origin) = &mut self.tensors[output.0 as usize];
                if name.is_empty() && *origin == Origin::Made {
                    *name = self.names.unique(&node.name);
                }
            }
        }
    }
}

/// No protocol buffer may be larger.
const MOST_BYTES: usize = i32::MAX as usize - 4096;

fn too_large() -> Error {
    Error::resource("the network is too large for one ONNX file, which holds 2 GB")
}

fn size_of_code(code: i64) -> usize {
    if code == 2 { 1 } else { 4 }
}

/// A `ValueInfoProto`.
fn declaration(name: &str, dtype: DType, dims: &[Dim]) -> Message {
    let mut shape = Message::default();
    for dim in dims {
        let mut message = Message::default();
        match dim {
            Dim::Size(n) => message.int(1, *n as i64),
            Dim::Open(name) if name.is_empty() => {}
            Dim::Open(name) => message.bytes(2, name.as_bytes()),
        }
        shape.bytes(1, &message.0);
    }
    let (mut tensor, mut kind, mut value) = (Message::default(), Message::default(), Message::default());
    tensor.int(1, code(dtype));
    tensor.bytes(2, &shape.0);
    kind.bytes(1, &tensor.0);
    value.bytes(1, name.as_bytes());
    value.bytes(2, &kind.0);
    value
}

/// Writes a tensor's elements with its axes in another order.
fn write_elements(file: &mut Vec<u8>, tensor: &Tensor, order: &[usize]) {
    let strides = tensor.shape().strides();
    let dims: Vec<(usize, usize)> = order.iter().map(|&axis| (tensor.shape()[axis], strides[axis])).collect();
    if tensor.shape().elements() == 0 {
        return;
    }
    let mut put: Box<dyn FnMut(usize)> = match tensor.data() {
        Data::F32(v) => Box::new(|i| file.extend_from_slice(&v[i].to_le_bytes())),
        Data::I32(v) => Box::new(|i| file.extend_from_slice(&v[i].to_le_bytes())),
        Data::U8(v) => Box::new(|i| file.push(v[i])),
    };
    let (&(inner, step), outer) = dims.split_last().unwrap_or((&(1, 1), &[]));
    let mut index = vec![0; outer.len()];
    let mut start = 0;
    loop {
        (0..inner).for_each(|i| put(start + i * step));
        let Some(axis) = (0..outer.len()).rev().find(|&axis| index[axis] + 1 < outer[axis].0) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
        start = index.iter().zip(outer).map(|(i, (_, stride))| i * stride).sum();
    }
}
