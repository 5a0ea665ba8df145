//! Picking elements by value or by index: arg-max, top-k, gather.

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, TensorType};

/// Index (int32) of the largest value along an axis; ties go to the lowest index. The axis is dropped unless kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgMax {
    /// The axis; negative ones count from the end.
    pub axis: isize,
    /// The axis stays, with size 1.
    pub keep_dims: bool,
}

impl Operator for ArgMax {
    fn name(&self) -> &'static str {
        "ArgMax"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let shape = &inputs[0].shape;
        let axis = shape.axis(self.axis)?;
        if shape[axis] == 0 {
            return Err(Error::mismatch("no element to choose from", "a non-empty axis", shape));
        }
        let mut dims = shape.to_vec();
        if self.keep_dims {
            dims[axis] = 1;
        } else {
            dims.remove(axis);
        }
        Ok(vec![TensorType::i32(dims)])
    }
}

/// The `k` largest values along the last axis, descending, and their int32 indices; ties by lowest index.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// How many.
    pub k: usize,
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "TopK"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let shape = &inputs[0].shape;
        match shape.last() {
            Some(&n) if n >= self.k => {}
            _ => {
                return Err(Error::mismatch(
                    "the last axis is too short for top-k",
                    format!("at least {}", self.k),
                    shape,
                ));
            }
        }
        let mut dims = shape.to_vec();
        *dims.last_mut().unwrap() = self.k;
        Ok(vec![TensorType::f32(dims.clone()), TensorType::i32(dims)])
    }
}

/// Slices of the first input along an axis, at the int32 indices of the second.
///
/// Output shape: the input's with the axis replaced by the indices' shape. Indices outside the axis are an error
/// on the CPU and are clamped on the GPU, which cannot raise one.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The axis; negative ones count from the end.
    pub axis: isize,
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 1, DType::I32)?;
        let shape = &inputs[0].shape;
        let axis = shape.axis(self.axis)?;
        if shape[axis] == 0 && inputs[1].shape.elements() > 0 {
            return Err(Error::mismatch("nothing to gather from", "a non-empty axis", shape));
        }
        let dims = shape[..axis].iter().chain(inputs[1].shape.iter()).chain(&shape[axis + 1..]).copied();
        Ok(vec![TensorType::new(inputs[0].dtype, Shape::checked(dims.collect::<Shape>())?)])
    }
}
