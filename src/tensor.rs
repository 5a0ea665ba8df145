//! Host tensors: a shape and row-major data of one of three element types.

use std::fmt;

use crate::error::{Error, Result};
use crate::shape::Shape;

/// Element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float: everything a network computes with.
    F32,
    /// 32-bit integer: indices, labels.
    I32,
    /// Byte: pixels, masks, and booleans (0 or 1).
    U8,
}

impl DType {
    /// Bytes per element on the host.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::I32 => 4,
            DType::U8 => 1,
        }
    }
    /// `float32`, `int32` or `uint8`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::I32 => "int32",
            DType::U8 => "uint8",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Element type and shape of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Shape,
}

impl TensorType {
    /// A float32 tensor of this shape.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        TensorType { dtype: DType::F32, shape: shape.into() }
    }
    /// An int32 tensor of this shape.
    pub fn i32(shape: impl Into<Shape>) -> Self {
        TensorType { dtype: DType::I32, shape: shape.into() }
    }
    /// Any dtype.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        TensorType { dtype, shape: shape.into() }
    }
    /// Bytes on the host.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.size()
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

/// Row-major elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats.
    F32(Vec<f32>),
    /// Integers.
    I32(Vec<i32>),
    /// Bytes.
    U8(Vec<u8>),
}

/// A host tensor. The element count always equals the shape's.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

impl Tensor {
    /// A tensor from a shape and as many elements; errors when the counts differ.
    pub fn new(shape: impl Into<Shape>, data: Data) -> Result<Tensor> {
        let shape = Shape::checked(shape)?;
        let len = match &data {
            Data::F32(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::U8(v) => v.len(),
        };
        if len != shape.elements() {
            return Err(Error::mismatch(
                format!("a tensor of shape {shape} needs as many elements"),
                shape.elements(),
                len,
            ));
        }
        Ok(Tensor { shape, data })
    }

    /// A float32 tensor; errors when the counts differ.
    pub fn f32(shape: impl Into<Shape>, data: impl Into<Vec<f32>>) -> Result<Tensor> {
        Self::new(shape, Data::F32(data.into()))
    }
    /// An int32 tensor; errors when the counts differ.
    pub fn i32(shape: impl Into<Shape>, data: impl Into<Vec<i32>>) -> Result<Tensor> {
        Self::new(shape, Data::I32(data.into()))
    }
    /// A uint8 tensor; errors when the counts differ.
    pub fn u8(shape: impl Into<Shape>, data: impl Into<Vec<u8>>) -> Result<Tensor> {
        Self::new(shape, Data::U8(data.into()))
    }
    /// A scalar float.
    pub fn scalar(value: f32) -> Tensor {
        Tensor { shape: Shape::scalar(), data: Data::F32(vec![value]) }
    }
    /// All zeros. The type must have been checked ([`Shape::checked`]).
    pub fn zeros(kind: &TensorType) -> Tensor {
        let n = kind.shape.elements();
        let data = match kind.dtype {
            DType::F32 => Data::F32(vec![0.0; n]),
            DType::I32 => Data::I32(vec![0; n]),
            DType::U8 => Data::U8(vec![0; n]),
        };
        Tensor { shape: kind.shape.clone(), data }
    }

    /// Dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        match &self.data {
            Data::F32(_) => DType::F32,
            Data::I32(_) => DType::I32,
            Data::U8(_) => DType::U8,
        }
    }
    /// Element type and shape.
    pub fn kind(&self) -> TensorType {
        TensorType { dtype: self.dtype(), shape: self.shape.clone() }
    }
    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }
    /// The elements, to change in place.
    pub fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }
    /// Gives up the elements.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The floats, or a dtype error.
    pub fn as_f32(&self) -> Result<&[f32]> {
        match &self.data {
            Data::F32(v) => Ok(v),
            _ => Err(Error::mismatch("wrong element type", DType::F32, self.dtype())),
        }
    }
    /// The integers, or a dtype error.
    pub fn as_i32(&self) -> Result<&[i32]> {
        match &self.data {
            Data::I32(v) => Ok(v),
            _ => Err(Error::mismatch("wrong element type", DType::I32, self.dtype())),
        }
    }
    /// The bytes, or a dtype error.
    pub fn as_u8(&self) -> Result<&[u8]> {
        match &self.data {
            Data::U8(v) => Ok(v),
            _ => Err(Error::mismatch("wrong element type", DType::U8, self.dtype())),
        }
    }

    /// The same elements under another shape of the same count.
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::new(shape, self.data)
    }
}

/// Borrowed elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View<'a> {
    /// Floats.
    F32(&'a [f32]),
    /// Integers.
    I32(&'a [i32]),
    /// Bytes.
    U8(&'a [u8]),
}

/// A borrowed tensor. The element count always equals the shape's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    /// Dimensions.
    pub shape: &'a Shape,
    /// Row-major elements.
    pub data: View<'a>,
}

impl TensorView<'_> {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            View::F32(_) => DType::F32,
            View::I32(_) => DType::I32,
            View::U8(_) => DType::U8,
        }
    }

    /// A copy that owns its elements.
    pub fn to_tensor(&self) -> Tensor {
        let data = match self.data {
            View::F32(v) => Data::F32(v.to_vec()),
            View::I32(v) => Data::I32(v.to_vec()),
            View::U8(v) => Data::U8(v.to_vec()),
        };
        Tensor { shape: self.shape.clone(), data }
    }
}

impl Tensor {
    /// The tensor, borrowed.
    pub fn view(&self) -> TensorView<'_> {
        let data = match &self.data {
            Data::F32(v) => View::F32(v),
            Data::I32(v) => View::I32(v),
            Data::U8(v) => View::U8(v),
        };
        TensorView { shape: &self.shape, data }
    }
}
