//! The messages of `onnx.proto` that an importer needs, borrowed from the file.
//!
//! Small messages become large structures (an empty node is two bytes), so what is parsed is accounted for: the
//! structures of a file never take more than twice its size and a little.

use super::protobuf::Message;
use super::tensor::TensorDef;
use crate::error::{Error, Result};

/// Bytes that the structures of any file may take.
const FREE_BYTES: usize = 16 << 20;

/// Subgraphs within subgraphs, at most.
const MAX_DEPTH: usize = 16;

/// What may still be spent on structures.
pub struct Budget(usize);

impl Budget {
    /// For a file of this size.
    pub fn for_file(bytes: usize) -> Budget {
        Budget(bytes.saturating_mul(2).saturating_add(FREE_BYTES))
    }

    fn push<T>(&mut self, list: &mut Vec<T>, item: T) -> Result<()> {
        // A vector may hold twice what is in it.
        let left = self.0.checked_sub(2 * size_of::<T>());
        self.0 = left.ok_or_else(|| Error::resource("the file has too many small parts for its size"))?;
        list.push(item);
        Ok(())
    }
}

/// A file.
#[derive(Default)]
pub struct Model<'f> {
    /// Who made it.
    pub producer: &'f str,
    /// The version of the standard operators.
    pub opset: Option<i64>,
    /// The network.
    pub graph: Option<Graph<'f>>,
}

/// A network, or a branch of one.
#[derive(Default)]
pub struct Graph<'f> {
    /// In an order in which they can run.
    pub nodes: Vec<Node<'f>>,
    /// Constants.
    pub initializers: Vec<TensorDef<'f>>,
    /// Inputs; initializers may be among them.
    pub inputs: Vec<ValueInfo<'f>>,
    /// Names of the outputs.
    pub outputs: Vec<&'f str>,
    /// What is declared of them.
    pub results: Vec<ValueInfo<'f>>,
}

/// One operation.
#[derive(Clone, Default)]
pub struct Node<'f> {
    /// May be empty.
    pub name: &'f str,
    /// The operator.
    pub op: &'f str,
    /// Empty for the standard's own.
    pub domain: &'f str,
    /// Names of values; empty ones are absent.
    pub inputs: Vec<&'f str>,
    /// Likewise.
    pub outputs: Vec<&'f str>,
    attributes: Vec<(&'f str, Message<'f>)>,
}

/// A declared value.
#[derive(Clone, Default)]
pub struct ValueInfo<'f> {
    /// Its name.
    pub name: &'f str,
    /// `TensorProto.DataType`; `None` if it is no tensor.
    pub element: Option<i64>,
    /// The dimensions, `None` where open; `None` if even the rank is.
    pub dims: Option<Vec<Option<i64>>>,
}

impl<'f> Model<'f> {
    /// Reads everything but the tensors' elements.
    pub fn parse(file: &'f [u8]) -> Result<Model<'f>> {
        let mut budget = Budget::for_file(file.len());
        let mut model = Model::default();
        for field in Message::file(file).fields() {
            let field = field?;
            match field.number {
                2 => model.producer = field.text()?,
                7 => model.graph = Some(Graph::parse(field.piece()?, &mut budget)?),
                8 => {
                    let (mut domain, mut version) = ("", 0);
                    for field in field.piece()?.fields() {
                        let field = field?;
                        match field.number {
                            1 => domain = field.text()?,
                            2 => version = field.int()?,
                            _ => {}
                        }
                    }
                    if matches!(domain, "" | "ai.onnx") {
                        model.opset = Some(version);
                    }
                }
                _ => {}
            }
        }
        Ok(model)
    }
}

impl<'f> Graph<'f> {
    fn parse(message: Message<'f>, budget: &mut Budget) -> Result<Graph<'f>> {
        let mut graph = Graph::default();
        for field in message.fields() {
            let field = field?;
            match field.number {
                1 => {
                    let node = Node::parse(field.piece()?, budget)?;
                    budget.push(&mut graph.nodes, node)?;
                }
                5 => {
                    let tensor = TensorDef::parse(field.piece()?)?;
                    budget.push(&mut graph.initializers, tensor)?;
                }
                11 => {
                    let value = ValueInfo::parse(field.piece()?, budget)?;
                    budget.push(&mut graph.inputs, value)?;
                }
                12 => {
                    let value = ValueInfo::parse(field.piece()?, budget)?;
                    budget.push(&mut graph.outputs, value.name)?;
                    budget.push(&mut graph.results, value)?;
                }
                15 => return Err(Error::unsupported("sparse initializers")),
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'f> Node<'f> {
    fn parse(message: Message<'f>, budget: &mut Budget) -> Result<Node<'f>> {
        let mut node = Node::default();
        for field in message.fields() {
            let field = field?;
            match field.number {
                1 => budget.push(&mut node.inputs, field.text()?)?,
                2 => budget.push(&mut node.outputs, field.text()?)?,
                3 => node.name = field.text()?,
                4 => node.op = field.text()?,
                5 => {
                    let attribute = field.piece()?;
                    let mut name = "";
                    for field in attribute.fields() {
                        let field = field?;
                        if field.number == 1 {
                            name = field.text()?;
                        }
                    }
                    budget.push(&mut node.attributes, (name, attribute))?;
                }
                7 => node.domain = field.text()?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// What errors call it: its name, else that of its result.
    pub fn label(&self) -> &'f str {
        if self.name.is_empty() { self.outputs.first().copied().unwrap_or_default() } else { self.name }
    }

    /// The attribute as a message; its fields are `f` 2, `i` 3, `s` 4, `t` 5, `g` 6, `floats` 7, `ints` 8.
    fn attribute(&self, name: &str) -> Option<Message<'f>> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, attribute)| *attribute)
    }

    /// There is an attribute of this name.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    fn one<T>(
        &self,
        name: &str,
        number: u64,
        read: impl Fn(super::protobuf::Field<'f>) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let mut value = None;
        for field in attribute.fields() {
            let field = field?;
            match field.number {
                n if n == number => value = Some(read(field)?),
                21 => return Err(Error::unsupported(format!("the attribute {name} refers to one of a function"))),
                _ => {}
            }
        }
        Ok(value)
    }

    /// An integer attribute. Protobuf leaves zeros away, so one that is there without a value is 0.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.one(name, 3, |f| f.int())?.or(self.has(name).then_some(0)))
    }

    /// A float attribute.
    pub fn float(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.one(name, 2, |f| f.float())?.or(self.has(name).then_some(0.0)))
    }

    /// A text attribute.
    pub fn text(&self, name: &str) -> Result<Option<&'f str>> {
        Ok(self.one(name, 4, |f| f.text())?.or(self.has(name).then_some("")))
    }

    /// A tensor attribute.
    pub fn tensor(&self, name: &str) -> Result<Option<TensorDef<'f>>> {
        self.one(name, 5, |f| TensorDef::parse(f.piece()?))
    }

    /// A graph attribute, `depth` graphs deep.
    pub fn graph(&self, name: &str, depth: usize) -> Result<Option<Graph<'f>>> {
        if depth > MAX_DEPTH {
            return Err(Error::resource(format!("more than {MAX_DEPTH} subgraphs within each other")));
        }
        self.one(name, 6, |f| {
            let graph = f.piece()?;
            Graph::parse(graph, &mut Budget::for_file(graph.bytes().len()))
        })
    }

    /// A list of integers; `None` if there is none.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let mut list = Vec::new();
        for field in attribute.fields() {
            let field = field?;
            if field.number == 8 {
                field.each_int(|n| {
                    list.push(n);
                    Ok(())
                })?;
            }
        }
        Ok(Some(list))
    }

    /// A list of floats; `None` if there is none.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let mut list = Vec::new();
        for field in attribute.fields() {
            let field = field?;
            if field.number == 7 {
                field.each_float(|n| {
                    list.push(n);
                    Ok(())
                })?;
            }
        }
        Ok(Some(list))
    }
}

impl<'f> ValueInfo<'f> {
    fn parse(message: Message<'f>, budget: &mut Budget) -> Result<ValueInfo<'f>> {
        let mut value = ValueInfo::default();
        for field in message.fields() {
            let field = field?;
            match field.number {
                1 => value.name = field.text()?,
                2 => {
                    for field in field.piece()?.fields() {
                        let field = field?;
                        if field.number == 1 {
                            value.tensor_type(field.piece()?, budget)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(value)
    }

    fn tensor_type(&mut self, message: Message<'f>, budget: &mut Budget) -> Result<()> {
        self.element = Some(0);
        for field in message.fields() {
            let field = field?;
            match field.number {
                1 => self.element = Some(field.int()?),
                2 => {
                    let mut dims = Vec::new();
                    for field in field.piece()?.fields() {
                        let field = field?;
                        if field.number == 1 {
                            let mut size = None;
                            for field in field.piece()?.fields() {
                                let field = field?;
                                if field.number == 1 {
                                    size = Some(field.int()?);
                                }
                            }
                            budget.push(&mut dims, size)?;
                        }
                    }
                    self.dims = Some(dims);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
