//! Tensors of a file, and ONNX's element types in terms of striate's three.

use std::collections::BTreeMap;

use super::protobuf::Message;
use crate::error::{Error, Result};
use crate::formats::half;
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor};

/// Element types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Element {
    F32,
    F16,
    BF16,
    F64,
    I64,
    I32,
    U64,
    U32,
    U16,
    I16,
    U8,
    I8,
    Bool,
}

impl Element {
    /// By `TensorProto.DataType`.
    pub fn parse(code: i64) -> Result<Element> {
        Ok(match code {
            1 => Element::F32,
            2 => Element::U8,
            3 => Element::I8,
            4 => Element::U16,
            5 => Element::I16,
            6 => Element::I32,
            7 => Element::I64,
            9 => Element::Bool,
            10 => Element::F16,
            11 => Element::F64,
            12 => Element::U32,
            13 => Element::U64,
            16 => Element::BF16,
            other => {
                let names = [
                    (8, "string"),
                    (14, "complex64"),
                    (15, "complex128"),
                    (17, "float8e4m3fn"),
                    (18, "float8e4m3fnuz"),
                    (19, "float8e5m2"),
                    (20, "float8e5m2fnuz"),
                    (21, "uint4"),
                    (22, "int4"),
                    (23, "float4e2m1"),
                ];
                let name = names.iter().find(|(code, _)| *code == other).map(|(_, name)| *name);
                return Err(Error::unsupported(match name {
                    Some(name) => format!("the element type {name}"),
                    None => format!("the element type {other}"),
                }));
            }
        })
    }

    /// The dtype that a value of this type is computed in. Integers of 8 and 16 bits, which are what quantised networks
    /// are made of, are whole numbers in float32.
    pub fn storage(self) -> DType {
        match self {
            Element::F32 | Element::F16 | Element::BF16 | Element::F64 => DType::F32,
            Element::U16 | Element::I16 | Element::U8 | Element::I8 => DType::F32,
            Element::I64 | Element::I32 | Element::U64 | Element::U32 => DType::I32,
            Element::Bool => DType::U8,
        }
    }

    /// The dtype that callers see at inputs and outputs.
    pub fn interface(self) -> DType {
        match self {
            Element::U8 => DType::U8,
            Element::I8 | Element::U16 | Element::I16 => DType::I32,
            other => other.storage(),
        }
    }

    /// A floating-point number.
    pub fn is_float(self) -> bool {
        matches!(self, Element::F32 | Element::F16 | Element::BF16 | Element::F64)
    }

    /// The range of an integer of 8 or 16 bits.
    pub fn small_range(self) -> Option<[f32; 2]> {
        match self {
            Element::U8 => Some([0.0, 255.0]),
            Element::I8 => Some([-128.0, 127.0]),
            Element::U16 => Some([0.0, 65535.0]),
            Element::I16 => Some([-32768.0, 32767.0]),
            _ => None,
        }
    }

    /// Bytes of an element in `raw_data`.
    pub fn raw_bytes(self) -> usize {
        match self {
            Element::F64 | Element::I64 | Element::U64 => 8,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F16 | Element::BF16 | Element::U16 | Element::I16 => 2,
            Element::U8 | Element::I8 | Element::Bool => 1,
        }
    }
}

/// 64 bits to 32, saturating.
fn narrow(n: i64) -> i32 {
    n.clamp(i32::MIN as i64, i32::MAX as i64) as i32
}

/// A tensor's declaration; its elements are read when they are needed.
#[derive(Clone, Debug)]
pub struct TensorDef<'f> {
    /// Its name; empty in attributes.
    pub name: &'f str,
    element: i64,
    message: Message<'f>,
    external: bool,
}

impl<'f> TensorDef<'f> {
    /// Reads the declaration.
    pub fn parse(message: Message<'f>) -> Result<TensorDef<'f>> {
        let mut tensor = TensorDef { name: "", element: 0, message, external: false };
        for field in message.fields() {
            let field = field?;
            match field.number {
                2 => tensor.element = field.int()?,
                8 => tensor.name = field.text()?,
                14 => tensor.external = field.int()? == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    /// The element type.
    pub fn element(&self) -> Result<Element> {
        Element::parse(self.element)
    }

    /// The dimensions.
    pub fn shape(&self) -> Result<Shape> {
        let mut dims = Vec::new();
        for field in self.message.fields() {
            let field = field?;
            if field.number == 1 {
                field.each_int(|n| {
                    let size = usize::try_from(n).map_err(|_| Error::invalid(format!("a dimension of {n}")))?;
                    if dims.len() >= crate::formats::lower::MAX_RANK {
                        return Err(Error::unsupported("a tensor of too many dimensions"));
                    }
                    dims.push(size);
                    Ok(())
                })?;
            }
        }
        Shape::checked(dims)
    }

    /// The element type, and the bytes of all elements as `raw_data`.
    pub fn size(&self) -> Result<(Element, usize)> {
        let element = self.element()?;
        Ok((element, self.shape()?.elements() * element.raw_bytes()))
    }

    /// The file in which the elements are, if it is another one.
    pub fn location(&self) -> Option<&'f str> {
        if !self.external {
            return None;
        }
        self.place().ok().map(|(location, ..)| location)
    }

    /// The elements, in the dtype that values of the type are computed in.
    pub fn read(&self, external: &BTreeMap<String, Vec<u8>>) -> Result<Tensor> {
        self.read_as(self.element()?.storage(), external)
    }

    /// The elements as `dtype`, which must be the storage or the interface of the type.
    pub fn read_as(&self, dtype: DType, external: &BTreeMap<String, Vec<u8>>) -> Result<Tensor> {
        let (element, shape) = (self.element()?, self.shape()?);
        let count = shape.elements();
        let raw = match self.external {
            true => Some(self.external_bytes(external)?),
            false => self.raw()?,
        };
        let data = match raw {
            Some(bytes) => {
                if Some(bytes.len()) != count.checked_mul(element.raw_bytes()) {
                    return Err(Error::mismatch(
                        format!("the tensor {:?} of shape {shape} has data of another size", self.name),
                        format!("{count} elements of {} bytes", element.raw_bytes()),
                        format!("{} bytes", bytes.len()),
                    ));
                }
                from_raw(element, dtype, bytes)
            }
            None => self.typed_lists(element, dtype, count)?,
        };
        Tensor::new(shape, data)
    }

    fn raw(&self) -> Result<Option<&'f [u8]>> {
        let mut raw = None;
        for field in self.message.fields() {
            let field = field?;
            if field.number == 9 {
                raw = Some(field.piece()?.bytes());
            }
        }
        Ok(raw)
    }

    /// Where external elements are: file, offset, bytes.
    fn place(&self) -> Result<(&'f str, usize, Option<usize>)> {
        let (mut location, mut offset, mut length) = ("", 0, None);
        let number = |text: &str| {
            text.parse::<usize>().map_err(|_| Error::invalid(format!("{text:?} is no offset into external data")))
        };
        for field in self.message.fields() {
            let field = field?;
            if field.number != 13 {
                continue;
            }
            let (mut key, mut value) = ("", "");
            for field in field.piece()?.fields() {
                let field = field?;
                match field.number {
                    1 => key = field.text()?,
                    2 => value = field.text()?,
                    _ => {}
                }
            }
            match key {
                "location" => location = value,
                "offset" => offset = number(value)?,
                "length" => length = Some(number(value)?),
                _ => {}
            }
        }
        Ok((location, offset, length))
    }

    fn external_bytes<'e>(&self, files: &'e BTreeMap<String, Vec<u8>>) -> Result<&'e [u8]> {
        let (location, offset, length) = self.place()?;
        let file = files.get(location).ok_or_else(|| {
            Error::invalid(format!("the tensor {:?} lies in the file {location:?}, which was not given", self.name))
        })?;
        let end = length.map_or(Some(file.len()), |length| offset.checked_add(length));
        end.and_then(|end| file.get(offset..end)).ok_or_else(|| {
            Error::invalid(format!("the tensor {:?} lies outside its external file {location:?}", self.name))
        })
    }

    /// The typed lists; nothing is allocated for elements that are not there.
    fn typed_lists(&self, element: Element, dtype: DType, count: usize) -> Result<Data> {
        let room = count.min(self.message.bytes().len());
        let (mut floats, mut ints, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        match dtype {
            DType::F32 => floats.reserve(room),
            DType::I32 => ints.reserve(room),
            DType::U8 => bytes.reserve(room),
        }
        let mut have = 0usize;
        let wrong = |have: usize| {
            Error::mismatch(format!("the tensor {:?} has another number of elements", self.name), count, have)
        };
        let mut put = |float: f32, int: i64| {
            if have == count {
                return Err(wrong(count + 1));
            }
            have += 1;
            match dtype {
                DType::F32 => floats.push(float),
                DType::I32 => ints.push(narrow(int)),
                DType::U8 => bytes.push(int as u8),
            }
            Ok(())
        };
        for field in self.message.fields() {
            let field = field?;
            match (field.number, element) {
                (4, Element::F32) => field.each_float(|f| put(f, 0))?,
                (10, Element::F64) => field.each_double(|f| put(f as f32, 0))?,
                (5, Element::F16) => field.each_int(|n| put(half::to_f32(n as u16), 0))?,
                (5, Element::BF16) => field.each_int(|n| put(f32::from_bits((n as u32) << 16), 0))?,
                (5, Element::Bool) => field.each_int(|n| put(0.0, (n != 0) as i64))?,
                (5, _) if !element.is_float() => field.each_int(|n| put(n as f32, n))?,
                (7, Element::I64) => field.each_int(|n| put(n as f32, n))?,
                (11, Element::U32 | Element::U64) => field.each_int(|n| put(n as f32, narrow_unsigned(n)))?,
                _ => {}
            }
        }
        if have != count {
            return Err(wrong(have));
        }
        Ok(match dtype {
            DType::F32 => Data::F32(floats),
            DType::I32 => Data::I32(ints),
            DType::U8 => Data::U8(bytes),
        })
    }
}

/// An unsigned number, which came as the bits of a signed one.
fn narrow_unsigned(n: i64) -> i64 {
    (n as u64).min(i32::MAX as u64) as i64
}

fn from_raw(element: Element, dtype: DType, bytes: &[u8]) -> Data {
    macro_rules! chunks {
        ($kind:ty, $convert:expr) => {
            bytes.as_chunks().0.iter().map(|b| $convert(<$kind>::from_le_bytes(*b))).collect()
        };
    }
    match (element, dtype) {
        (Element::F32, _) => Data::F32(chunks!(f32, |x| x)),
        (Element::F64, _) => Data::F32(chunks!(f64, |x: f64| x as f32)),
        (Element::F16, _) => Data::F32(half::widen(bytes)),
        (Element::BF16, _) => Data::F32(chunks!(u16, |x: u16| f32::from_bits((x as u32) << 16))),
        (Element::I64, _) => Data::I32(chunks!(i64, narrow)),
        (Element::I32, _) => Data::I32(chunks!(i32, |x| x)),
        (Element::U32, _) => Data::I32(chunks!(u32, |x: u32| narrow(x as i64))),
        (Element::U64, _) => Data::I32(chunks!(u64, |x: u64| narrow(narrow_unsigned(x as i64)))),
        (Element::U16, DType::I32) => Data::I32(chunks!(u16, |x: u16| x as i32)),
        (Element::I16, DType::I32) => Data::I32(chunks!(i16, |x: i16| x as i32)),
        (Element::I8, DType::I32) => Data::I32(bytes.iter().map(|&x| x as i8 as i32).collect()),
        (Element::U16, _) => Data::F32(chunks!(u16, |x: u16| x as f32)),
        (Element::I16, _) => Data::F32(chunks!(i16, |x: i16| x as f32)),
        (Element::I8, _) => Data::F32(bytes.iter().map(|&x| x as i8 as f32).collect()),
        (Element::U8, DType::F32) => Data::F32(bytes.iter().map(|&x| x as f32).collect()),
        (Element::U8, _) => Data::U8(bytes.to_vec()),
        (Element::Bool, _) => Data::U8(bytes.iter().map(|&x| (x != 0) as u8).collect()),
    }
}

/// A `TensorProto` file, as ONNX' test vectors are stored, in the dtype that inputs and outputs have.
pub fn read_tensor(file: &[u8]) -> Result<Tensor> {
    let tensor = TensorDef::parse(Message::file(file))?;
    tensor.read_as(tensor.element()?.interface(), &BTreeMap::new())
}
