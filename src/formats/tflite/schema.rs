//! The tables of TensorFlow Lite's schema (version 3, `schema.fbs`) that inference needs, by field number.

use super::flatbuffer::{Flatbuffer, Table};
use super::quantisation::Quantisation;
use crate::error::{Error, Result};
use crate::formats::{half, lower};
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor};

/// A model: its main subgraph, and what that refers to.
pub struct Model<'a> {
    file: &'a [u8],
    buffers: Vec<Table<'a>>,
    /// Where it comes from, in the file's words.
    pub description: &'a str,
    /// Tensors of the main subgraph.
    pub tensors: Vec<TensorDef<'a>>,
    /// Operators, in an order in which they can run.
    pub operators: Vec<OperatorDef<'a>>,
    /// Tensors that are inputs.
    pub inputs: Vec<usize>,
    /// Tensors that are outputs.
    pub outputs: Vec<usize>,
}

/// Which operation an operator is.
#[derive(Clone, Copy)]
pub struct OperatorCode<'a> {
    /// `BuiltinOperator`.
    pub builtin: i32,
    /// The name of a custom one (`builtin` is 32), else empty.
    pub custom: &'a str,
}

/// An operator.
pub struct OperatorDef<'a> {
    /// Which operation.
    pub code: OperatorCode<'a>,
    /// Tensors; `None` where an optional one is left out.
    pub inputs: Vec<Option<usize>>,
    /// Tensors.
    pub outputs: Vec<usize>,
    /// Attributes; absent if all have their defaults.
    pub options: Option<Table<'a>>,
    /// Attributes of custom operations.
    pub custom_options: &'a [u8],
}

/// Element types of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    F32,
    F16,
    I32,
    U8,
    I64,
    Bool,
    I8,
    I16,
    F64,
    Other(i8),
}

impl Element {
    fn parse(code: i8) -> Element {
        match code {
            0 => Element::F32,
            1 => Element::F16,
            2 => Element::I32,
            3 => Element::U8,
            4 => Element::I64,
            6 => Element::Bool,
            7 => Element::I16,
            9 => Element::I8,
            10 => Element::F64,
            other => Element::Other(other),
        }
    }
}

/// A tensor's declaration.
pub struct TensorDef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Element type in the file.
    pub element: Element,
    /// There is a scale: integers stand for reals.
    pub quantisation: Option<Quantisation>,
    shape: Vec<i32>,
    signature: Vec<i32>,
    buffer: usize,
    is_variable: bool,
    sparse: bool,
}

impl<'a> Model<'a> {
    pub fn parse(file: &'a [u8]) -> Result<Model<'a>> {
        let root = Flatbuffer(file).root()?;
        let version = root.u32(0)?;
        if version != 3 {
            return Err(Error::unsupported(format!("TensorFlow Lite schema version {version}; only 3")));
        }
        let code = |table: Table<'a>| {
            // Codes above 127 do not fit the original byte.
            let builtin = table.i32(3, 0)?.max(table.i8(0, 0)? as i32);
            Ok::<_, Error>(OperatorCode { builtin, custom: table.text(1)? })
        };
        let codes = root.tables(1)?.into_iter().map(code).collect::<Result<Vec<_>>>()?;
        let Some(&main) = root.tables(2)?.first() else {
            return Err(Error::invalid("the file contains no graph"));
        };
        let tensors = main.tables(0)?.into_iter().map(TensorDef::parse).collect::<Result<Vec<_>>>()?;
        let index = |i: i32, what: &str| {
            let index = usize::try_from(i).ok().filter(|&i| i < tensors.len());
            index.ok_or_else(|| Error::invalid(format!("{what} is tensor {i}, of {} in all", tensors.len())))
        };
        let list = |ints: Vec<i32>, what: &str| ints.into_iter().map(|i| index(i, what)).collect::<Result<Vec<_>>>();
        let operator = |(n, table): (usize, Table<'a>)| {
            let code = table.u32(0)? as usize;
            let code = *codes
                .get(code)
                .ok_or_else(|| Error::invalid(format!("operator {n} is of kind {code}, of {} in all", codes.len())))?;
            let operand = |i: i32| if i == -1 { Ok(None) } else { index(i, "an operand").map(Some) };
            Ok(OperatorDef {
                code,
                inputs: table.ints(1)?.into_iter().map(operand).collect::<Result<_>>()?,
                outputs: list(table.ints(2)?, "a result")?,
                options: table.table(4)?,
                custom_options: table.byte_vector(5)?,
            })
        };
        let operators = main.tables(3)?.into_iter().enumerate().map(operator).collect::<Result<Vec<_>>>()?;
        let inputs = list(main.ints(1)?, "an input")?;
        let outputs = list(main.ints(2)?, "an output")?;
        let (buffers, description) = (root.tables(4)?, root.text(3)?);
        Ok(Model { file, buffers, description, tensors, operators, inputs, outputs })
    }

    /// The stored bytes of a tensor; `None` if it is computed.
    fn data(&self, tensor: &TensorDef) -> Result<Option<&'a [u8]>> {
        // Buffer 0 is the empty one by definition.
        if tensor.buffer == 0 {
            return Ok(None);
        }
        let buffer = self
            .buffers
            .get(tensor.buffer)
            .ok_or_else(|| Error::invalid(format!("there is no buffer {}", tensor.buffer)))?;
        let inside = buffer.byte_vector(0)?;
        if !inside.is_empty() {
            return Ok(Some(inside));
        }
        // Files beyond 2 GB keep data behind the flatbuffer.
        let (offset, size) = (buffer.u64(1)?, buffer.u64(2)?);
        if offset <= 1 {
            return Ok(None);
        }
        let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let range = range.and_then(|(offset, size)| Some(offset..offset.checked_add(size)?));
        let bytes = range.and_then(|range| self.file.get(range));
        bytes.map(Some).ok_or_else(|| Error::invalid(format!("buffer {} leads outside the file", tensor.buffer)))
    }

    /// Elements of constants that are reals or stand for some, and the bytes of all constants.
    pub fn totals(&self) -> (usize, usize) {
        let (mut parameters, mut bytes, mut seen) = (0usize, 0usize, std::collections::HashSet::new());
        for tensor in &self.tensors {
            let (Ok(Some(data)), Ok(shape)) = (self.data(tensor), tensor.shape()) else { continue };
            if !seen.insert(tensor.buffer) {
                continue;
            }
            bytes = bytes.saturating_add(data.len());
            if tensor.quantised().is_some() || matches!(tensor.element, Element::F32 | Element::F16 | Element::F64) {
                parameters = parameters.saturating_add(shape.elements());
            }
        }
        (parameters, bytes)
    }

    /// The constant that a tensor is; `None` if it is computed. Halves and quantised
    /// integers become floats, 64-bit integers 32-bit ones.
    pub fn constant(&self, tensor: &TensorDef) -> Result<Option<Tensor>> {
        let Some(bytes) = self.data(tensor)? else { return Ok(None) };
        if tensor.sparse {
            return Err(Error::unsupported("a tensor in sparse storage"));
        }
        let shape = tensor.shape()?;
        let size = match tensor.element {
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::I16 => 2,
            Element::I64 | Element::F64 => 8,
            Element::U8 | Element::I8 | Element::Bool => 1,
            Element::Other(_) => return Err(tensor.unsupported()),
        };
        if bytes.len() != shape.elements() * size {
            return Err(Error::mismatch(
                format!("the data of {:?} does not fit its shape {shape}", tensor.name),
                format!("{} bytes", shape.elements() * size),
                bytes.len(),
            ));
        }
        if let Some(quantisation) = tensor.quantised() {
            let reals = quantisation.reals(&shape, integers(tensor.element, bytes))?;
            return Tensor::new(shape, Data::F32(reals)).map(Some);
        }
        let data = match tensor.element {
            Element::F32 => Data::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Element::F16 => Data::F32(half::widen(bytes)),
            Element::F64 => Data::F32(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()),
            Element::I32 => Data::I32(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
            Element::I64 => {
                let narrow = |b: &[u8; 8]| i64::from_le_bytes(*b).clamp(i32::MIN as i64, i32::MAX as i64) as i32;
                Data::I32(bytes.as_chunks().0.iter().map(narrow).collect())
            }
            Element::U8 | Element::Bool => Data::U8(bytes.to_vec()),
            _ => return Err(tensor.unsupported()),
        };
        Tensor::new(shape, data).map(Some)
    }
}

impl<'a> TensorDef<'a> {
    fn parse(table: Table<'a>) -> Result<TensorDef<'a>> {
        let quantisation = table.table(4)?.map(Quantisation::parse).transpose()?.flatten();
        Ok(TensorDef {
            name: table.text(3)?,
            element: Element::parse(table.i8(1, 0)?),
            quantisation,
            shape: table.ints(0)?,
            signature: table.ints(7)?,
            buffer: table.u32(2)? as usize,
            is_variable: table.flag(5)?,
            sparse: table.table(6)?.is_some(),
        })
    }

    /// The declared shape.
    pub fn shape(&self) -> Result<Shape> {
        let dim = |&d: &i32| usize::try_from(d).map_err(|_| Error::invalid(format!("a dimension of {d}")));
        let shape = self.shape.iter().map(dim).collect::<Result<Shape>>()?;
        lower::check_rank(&shape)?;
        Shape::checked(shape)
    }

    /// The dimensions, `None` where the signature leaves them open.
    pub fn dims(&self) -> Result<Vec<Option<usize>>> {
        let open = |i: usize| self.signature.len() == self.shape.len() && self.signature[i] == -1;
        Ok(self.shape()?.iter().enumerate().map(|(i, &d)| if open(i) { None } else { Some(d) }).collect())
    }

    /// How its integers stand for reals, if they do.
    pub fn quantised(&self) -> Option<&Quantisation> {
        let integers = matches!(self.element, Element::U8 | Element::I8 | Element::I16 | Element::I32 | Element::I64);
        self.quantisation.as_ref().filter(|_| integers)
    }

    /// The element type it has in a graph, or an error that names the tensor. What is quantised is computed as floats.
    pub fn dtype(&self) -> Result<DType> {
        if self.is_variable {
            return Err(Error::unsupported(format!("the variable tensor {:?}", self.name)));
        }
        match self.element {
            _ if self.quantised().is_some() => Ok(DType::F32),
            Element::F32 | Element::F16 | Element::F64 => Ok(DType::F32),
            Element::I32 | Element::I64 => Ok(DType::I32),
            Element::U8 | Element::Bool => Ok(DType::U8),
            _ => Err(self.unsupported()),
        }
    }

    fn unsupported(&self) -> Error {
        Error::unsupported(format!("the tensor {:?} has elements of type {:?}", self.name, self.element))
    }
}

/// The elements of integer data.
fn integers(element: Element, bytes: &[u8]) -> Box<dyn Iterator<Item = i64> + '_> {
    match element {
        Element::I8 => Box::new(bytes.iter().map(|&b| b as i8 as i64)),
        Element::I16 => Box::new(bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b) as i64)),
        Element::I32 => Box::new(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as i64)),
        Element::I64 => Box::new(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b))),
        _ => Box::new(bytes.iter().map(|&b| b as i64)),
    }
}
