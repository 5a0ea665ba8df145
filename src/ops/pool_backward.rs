//! Gradients of pooling windows. (Global pools are reductions, whose gradients are broadcasts.)

use super::index::for_each_index;
use super::{Operator, Pool2d, PoolKind, Reference, expect_gradient, expect_inputs};
use crate::error::Result;
use crate::shape::{Padding, Shape, Window};
use crate::tensor::{Tensor, TensorType};

/// Gradient of maximum pooling: `x [n, h, w, c], dy [n, oh, ow, c]` to `dx [n, h, w, c]`.
///
/// The first maximum of a window in row-major order takes all of its gradient (TensorFlow); what windows share adds up.
/// The maximum is found again in `x`: that costs less than an index for every output would.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxPool2dBackward {
    /// Window size, `[vertical, horizontal]`.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders.
    pub padding: Padding,
}

/// Gradient of average pooling: `dy [n, oh, ow, c]` to `dx [n, input, c]`.
#[derive(Clone, Debug, PartialEq)]
pub struct AvgPool2dBackward {
    /// Window size, `[vertical, horizontal]`.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders.
    pub padding: Padding,
    /// The forward op divides by the whole window, also where it lies in the padding.
    pub include_padding: bool,
    /// Height and width of the forward op's input.
    pub input: [usize; 2],
}

impl MaxPool2dBackward {
    /// The op whose gradient this is.
    pub fn forward(&self) -> Pool2d {
        let MaxPool2dBackward { kernel, strides, dilations, padding } = *self;
        Pool2d { kind: PoolKind::Max, kernel, strides, dilations, padding }
    }
}

impl AvgPool2dBackward {
    /// The op whose gradient this is.
    pub fn forward(&self) -> Pool2d {
        let AvgPool2dBackward { kernel, strides, dilations, padding, include_padding, .. } = *self;
        Pool2d { kind: PoolKind::Average { include_padding }, kernel, strides, dilations, padding }
    }
}

/// The taps of a window that lie inside the image, in row-major order.
fn taps([wy, wx]: [Window; 2], oy: usize, ox: usize) -> impl Iterator<Item = (usize, usize)> {
    let ys = (0..wy.kernel).filter_map(move |k| wy.source(oy, k));
    ys.flat_map(move |y| (0..wx.kernel).filter_map(move |k| wx.source(ox, k)).map(move |x| (y, x)))
}

impl Operator for MaxPool2dBackward {
    fn name(&self) -> &'static str {
        "MaxPool2dBackward"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 2)?;
        expect_gradient(&self.forward(), &inputs[..1], &inputs[1])?;
        Ok(vec![inputs[0].clone()])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        inputs[1].shape.elements() as u64 * (self.kernel[0] * self.kernel[1]) as u64
    }
}

impl Reference for MaxPool2dBackward {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [_, h, w, c] = shape.dims("[batch, height, width, channels]")?;
        let windows = self.forward().windows([h, w])?;
        let (x, dy) = (inputs[0].as_f32()?, inputs[1].as_f32()?);
        let mut dx = vec![0.0; shape.elements()];
        let mut gradients = dy.iter();
        for_each_index(inputs[1].shape(), |index| {
            let &[n, oy, ox, channel] = index else { unreachable!("rank 4") };
            let gradient = gradients.next().map_or(0.0, |&v| v as f64);
            let positions = taps(windows, oy, ox).map(|(y, x_)| ((n * h + y) * w + x_) * c + channel);
            let first_maximum = positions.reduce(|best, at| if x[at] > x[best] { at } else { best });
            if let Some(at) = first_maximum {
                dx[at] += gradient;
            }
        });
        Ok(vec![Tensor::f32(shape, dx.iter().map(|&v| v as f32).collect::<Vec<_>>())?])
    }
}

impl Operator for AvgPool2dBackward {
    fn name(&self) -> &'static str {
        "AvgPool2dBackward"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        let [n, _, _, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [h, w] = self.input;
        let x = TensorType::f32(Shape::checked([n, h, w, c])?);
        expect_gradient(&self.forward(), std::slice::from_ref(&x), &inputs[0])?;
        Ok(vec![x])
    }

    fn flops(&self, inputs: &[TensorType], _: &[TensorType]) -> u64 {
        inputs[0].shape.elements() as u64 * (self.kernel[0] * self.kernel[1]) as u64
    }
}

impl Reference for AvgPool2dBackward {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let [_, h, w, c] = shape.dims("[batch, height, width, channels]")?;
        let windows = self.forward().windows([h, w])?;
        let mut dx = vec![0.0; shape.elements()];
        let mut gradients = inputs[0].as_f32()?.iter();
        for_each_index(inputs[0].shape(), |index| {
            let &[n, oy, ox, channel] = index else { unreachable!("rank 4") };
            let gradient = gradients.next().map_or(0.0, |&v| v as f64);
            let count = if self.include_padding { self.kernel.iter().product() } else { taps(windows, oy, ox).count() };
            for (y, x) in taps(windows, oy, ox) {
                dx[((n * h + y) * w + x) * c + channel] += gradient / count as f64;
            }
        });
        Ok(vec![Tensor::f32(shape, dx.iter().map(|&v| v as f32).collect::<Vec<_>>())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_takes_all() {
        let x = Tensor::f32([1, 1, 5, 1], vec![3.0, 3.0, 1.0, 2.0, 2.0]).unwrap();
        let dy = Tensor::f32([1, 1, 2, 1], vec![10.0, 20.0]).unwrap();
        let op = MaxPool2dBackward { kernel: [1, 3], strides: [1, 2], dilations: [1, 1], padding: Padding::Valid };
        assert_eq!(op.reference(&[&x, &dy]).unwrap()[0].as_f32().unwrap(), [10.0, 0.0, 0.0, 20.0, 0.0]);
    }

    #[test]
    fn an_average_shares_among_what_it_counted() {
        let dy = Tensor::f32([1, 1, 2, 1], vec![6.0, 12.0]).unwrap();
        let backward = |include_padding| {
            let op = AvgPool2dBackward {
                kernel: [1, 3],
                strides: [1, 2],
                dilations: [1, 1],
                padding: Padding::Explicit([[0, 0], [1, 0]]),
                include_padding,
                input: [1, 4],
            };
            op.reference(&[&dy]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        assert_eq!(backward(false), [3.0, 7.0, 4.0, 4.0]);
        assert_eq!(backward(true), [2.0, 6.0, 4.0, 4.0]);
    }

    #[test]
    fn a_gradient_of_another_shape_is_refused() {
        let op = MaxPool2dBackward { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], padding: Padding::Valid };
        let [x, dy] = [[1, 4, 4, 3], [1, 2, 3, 3]].map(TensorType::f32);
        let error = op.infer(&[x, dy]).unwrap_err();
        assert!(error.to_string().contains("[1, 2, 2, 3]"), "{error}");
    }
}
