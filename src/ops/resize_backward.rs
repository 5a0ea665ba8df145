//! Gradient of resizing.

use super::{Operator, Reference, Resize, Taps, expect_gradient, expect_inputs};
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::{Tensor, TensorType};

/// Gradient of a [`Resize`]: `dy [n, oh, ow, c]` to `dx [n, input, c]`. Resizing is linear, and this is its transpose.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizeBackward {
    /// The op whose gradient this is.
    pub forward: Resize,
    /// Height and width of its input.
    pub input: [usize; 2],
}

impl ResizeBackward {
    /// What the rows (axis 0) or columns (axis 1) of the result are made of, by the length of the gradient's axis.
    pub fn taps(&self, axis: usize, gradient: usize) -> Taps {
        self.forward.taps(axis, self.input[axis], gradient).transposed()
    }
}

impl Operator for ResizeBackward {
    fn name(&self) -> &'static str {
        "ResizeBackward"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let [n, _, _, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [h, w] = self.input;
        let x = TensorType::f32(Shape::checked([n, h, w, c])?);
        expect_gradient(&self.forward, std::slice::from_ref(&x), &inputs[0])?;
        Ok(vec![x])
    }

    fn flops(&self, inputs: &[TensorType], outputs: &[TensorType]) -> u64 {
        (inputs[0].shape.elements() + outputs[0].shape.elements()) as u64
    }
}

impl Reference for ResizeBackward {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [n, h, w, c] = shape.dims("[batch, height, width, channels]")?;
        let [_, oh, ow, _] = inputs[0].shape().dims("[batch, height, width, channels]")?;
        let (rows, columns) = (self.forward.taps(0, h, oh), self.forward.taps(1, w, ow));
        let dy = inputs[0].as_f32()?;
        let mut dx = vec![0.0; shape.elements()];
        for image in 0..n {
            for oy in 0..oh {
                for ox in 0..ow {
                    let ((top, down), (left, across)) = (rows.row(oy), columns.row(ox));
                    let taps =
                        (top..).zip(down).flat_map(|(y, a)| (left..).zip(across).map(move |(x, b)| (y, x, a, b)));
                    for (y, x, &down, &across) in taps {
                        for channel in 0..c {
                            let gradient = dy[((image * oh + oy) * ow + ox) * c + channel] as f64;
                            dx[((image * h + y) * w + x) * c + channel] += gradient * down as f64 * across as f64;
                        }
                    }
                }
            }
        }
        Ok(vec![Tensor::f32(shape, dx.iter().map(|&v| v as f32).collect::<Vec<_>>())?])
    }
}
