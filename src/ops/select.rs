//! Picking elements by value or by index: arg-max, top-k, gather.

use super::index::{lines, pick};
use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Tensor, TensorType};

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

impl Reference for ArgMax {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let (x, source) = (inputs[0].as_f32()?, inputs[0].shape());
        let axis = source.axis(self.axis)?;
        let step: usize = source[axis + 1..].iter().product();
        let best = |line: usize| {
            let better = |best: usize, i: usize| if x[line + i * step] > x[line + best * step] { i } else { best };
            (0..source[axis]).fold(0, better) as i32
        };
        Ok(vec![Tensor::i32(shape, lines(source, axis).map(best).collect::<Vec<_>>())?])
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

    fn outputs(&self) -> usize {
        2
    }
}

impl Reference for TopK {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let (x, source) = (inputs[0].as_f32()?, inputs[0].shape());
        let (mut values, mut indices) = (Vec::new(), Vec::new());
        for line in lines(source, source.rank() - 1) {
            let row = &x[line..][..source[source.rank() - 1]];
            let mut order: Vec<usize> = (0..row.len()).collect();
            // Stable, so ties keep their order; NaNs come last.
            order.sort_by(|&i, &j| row[j].partial_cmp(&row[i]).unwrap_or(row[i].is_nan().cmp(&row[j].is_nan())));
            values.extend(order[..self.k].iter().map(|&i| row[i]));
            indices.extend(order[..self.k].iter().map(|&i| i as i32));
        }
        Ok(vec![Tensor::f32(shape.clone(), values)?, Tensor::i32(shape, indices)?])
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

impl Reference for Gather {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let (source, indices) = (inputs[0].shape(), inputs[1].as_i32()?);
        let axis = source.axis(self.axis)?;
        let n = source[axis];
        if let Some(stray) = indices.iter().find(|&&i| i < 0 || i as usize >= n) {
            return Err(Error::mismatch("a gather index lies outside the axis", format!("0..{n}"), stray));
        }
        let inner: usize = source[axis + 1..].iter().product();
        let mut flat = 0..;
        let place = |_: &[usize]| {
            // The output is [outer, indices, inner] in row-major order.
            let at = flat.next()?;
            let (row, rest) = (at / inner, at % inner);
            let (outer, index) = (row / indices.len(), indices[row % indices.len()] as usize);
            Some((outer * n + index) * inner + rest)
        };
        Ok(vec![pick(inputs[0], &shape, 0.0, place)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_index() {
        let x = Tensor::f32([2, 4], vec![1.0, 3.0, 3.0, -1.0, 0.0, -0.0, 0.0, -2.0]).unwrap();
        let index = ArgMax { axis: 1, keep_dims: false }.reference(&[&x]).unwrap().remove(0);
        assert_eq!(index.as_i32().unwrap(), [1, 0]);
        let columns = ArgMax { axis: 0, keep_dims: true }.reference(&[&x]).unwrap().remove(0);
        assert_eq!(columns, Tensor::i32([1, 4], vec![0, 0, 0, 0]).unwrap());
        let top = TopK { k: 3 }.reference(&[&x]).unwrap();
        assert_eq!(top[0].as_f32().unwrap(), [3.0, 3.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(top[1].as_i32().unwrap(), [1, 2, 0, 0, 1, 2]);
    }

    #[test]
    fn top_k_puts_nan_last() {
        let x = Tensor::f32([4], vec![f32::NAN, 1.0, f32::NAN, 2.0]).unwrap();
        assert_eq!(TopK { k: 4 }.reference(&[&x]).unwrap()[1].as_i32().unwrap(), [3, 1, 0, 2]);
    }

    #[test]
    fn gathers_along_an_inner_axis() {
        let x = Tensor::u8([2, 3, 1], vec![1, 2, 3, 4, 5, 6]).unwrap();
        let indices = Tensor::i32([2, 2], vec![2, 0, 1, 1]).unwrap();
        let y = Gather { axis: -2 }.reference(&[&x, &indices]).unwrap().remove(0);
        assert_eq!(y, Tensor::u8([2, 2, 2, 1], vec![3, 1, 2, 2, 6, 4, 5, 5]).unwrap());
        let stray = Tensor::i32([1], vec![3]).unwrap();
        assert!(Gather { axis: 1 }.reference(&[&x, &stray]).is_err());
    }
}
