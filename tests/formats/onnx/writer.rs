//! Writes small ONNX files.

/// A protobuf message under construction.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub fn int(mut self, field: u64, n: i64) -> Self {
        self.varint(field << 3);
        self.varint(n as u64);
        self
    }

    pub fn float(mut self, field: u64, f: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(f.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn message(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }
}

/// The value of an attribute.
#[derive(Clone)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(Vec<i64>),
    Graph(Message),
}

/// Elements of a tensor.
#[derive(Clone)]
pub enum Elements {
    F32(Vec<f32>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    U8(Vec<u8>),
    I8(Vec<i8>),
    Bool(Vec<bool>),
}

/// A `TensorProto` with raw data.
pub fn tensor(name: &str, dims: &[i64], elements: &Elements) -> Message {
    let (code, raw): (i64, Vec<u8>) = match elements {
        Elements::F32(v) => (1, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Elements::I64(v) => (7, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Elements::I32(v) => (6, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
        Elements::U8(v) => (2, v.clone()),
        Elements::I8(v) => (3, v.iter().map(|&x| x as u8).collect()),
        Elements::Bool(v) => (9, v.iter().map(|&x| x as u8).collect()),
    };
    let dims = dims.iter().fold(Message::default(), |message, &d| message.int(1, d));
    dims.int(2, code).text(8, name).bytes(9, &raw)
}

/// A model under construction.
#[derive(Clone)]
pub struct Model {
    pub opset: i64,
    pub nodes: Vec<Message>,
    pub initializers: Vec<Message>,
    pub inputs: Vec<Message>,
    pub outputs: Vec<Message>,
}

pub fn attribute(name: &str, value: &Attribute) -> Message {
    let message = Message::default().text(1, name);
    match value {
        Attribute::Int(n) => message.int(3, *n).int(20, 2),
        Attribute::Float(f) => message.float(2, *f).int(20, 1),
        Attribute::Text(s) => message.text(4, s).int(20, 3),
        Attribute::Ints(list) => list.iter().fold(message, |message, &n| message.int(8, n)).int(20, 7),
        Attribute::Graph(g) => message.message(6, g).int(20, 5),
    }
}

/// A `NodeProto`; its name is that of its first output.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) -> Message {
    let mut message = inputs.iter().fold(Message::default(), |message, input| message.text(1, input));
    message = outputs.iter().fold(message, |message, output| message.text(2, output));
    message = message.text(4, op);
    attributes.iter().fold(message, |message, (name, value)| message.message(5, &attribute(name, value)))
}

/// A `ValueInfoProto`; -1 is an open dimension.
pub fn value(name: &str, element: i64, dims: &[i64]) -> Message {
    let dim = |&d: &i64| if d < 0 { Message::default().text(2, "n") } else { Message::default().int(1, d) };
    let shape = dims.iter().map(dim).fold(Message::default(), |shape, dim| shape.message(1, &dim));
    let tensor = Message::default().int(1, element).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

impl Model {
    pub fn new() -> Self {
        Model { opset: 17, nodes: vec![], initializers: vec![], inputs: vec![], outputs: vec![] }
    }

    /// A float input.
    pub fn input(mut self, name: &str, dims: &[i64]) -> Self {
        self.inputs.push(value(name, 1, dims));
        self
    }

    pub fn constant(mut self, name: &str, dims: &[i64], elements: Elements) -> Self {
        self.initializers.push(tensor(name, dims, &elements));
        self
    }

    pub fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Self {
        self.nodes.push(node(op, inputs, &[output], attributes));
        self
    }

    pub fn output(mut self, name: &str) -> Self {
        self.outputs.push(value(name, 1, &[]));
        self
    }

    pub fn graph(&self) -> Message {
        let list =
            |message: Message, field: u64, list: &[Message]| list.iter().fold(message, |m, i| m.message(field, i));
        let graph = list(Message::default(), 1, &self.nodes).text(2, "graph");
        let graph = list(graph, 5, &self.initializers);
        list(list(graph, 11, &self.inputs), 12, &self.outputs)
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let opset = Message::default().text(1, "").int(2, self.opset);
        let model = Message::default().int(1, 8).text(2, "striate's tests");
        let file = model.message(7, &self.graph()).message(8, &opset).0;
        crate::seeds::keep("onnx", &file);
        file
    }
}
