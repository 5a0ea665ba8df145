//! Pooling windows over height and width. Global pools are reductions ([`super::Reduce`]).

use super::index::for_each_index;
use super::{Operator, Reference, expect_dtype, expect_inputs};
use crate::error::Result;
use crate::shape::{Padding, Shape, Window};
use crate::tensor::{DType, Tensor, TensorType};

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value; padding counts as minus infinity.
    Max,
    /// The mean.
    Average {
        /// Padding counts as zeros (ONNX' `count_include_pad`); Keras leaves it out.
        include_padding: bool,
    },
}

/// 2-D pooling over `[batch, height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    /// Maximum or average.
    pub kind: PoolKind,
    /// Window size, `[vertical, horizontal]`.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Borders.
    pub padding: Padding,
}

impl Pool2d {
    /// The vertical and horizontal window for this input size.
    pub fn windows(&self, image: [usize; 2]) -> Result<[Window; 2]> {
        let axis = |i| Window::resolve(image[i], self.kernel[i], self.strides[i], self.dilations[i], self.padding, i);
        Ok([axis(0)?, axis(1)?])
    }
}

impl Operator for Pool2d {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "MaxPool2d",
            PoolKind::Average { .. } => "AveragePool2d",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        let [n, h, w, c] = inputs[0].shape.dims("[batch, height, width, channels]")?;
        let [y, x] = self.windows([h, w])?;
        Ok(vec![TensorType::f32(Shape::checked([n, y.output, x.output, c])?)])
    }

    fn flops(&self, _: &[TensorType], outputs: &[TensorType]) -> u64 {
        outputs[0].shape.elements() as u64 * (self.kernel[0] * self.kernel[1]) as u64
    }
}

impl Reference for Pool2d {
    fn reference(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let shape = self.output_shape(inputs)?;
        let x = inputs[0].as_f32()?;
        let [_, h, w, c] = inputs[0].shape().dims("[batch, height, width, channels]")?;
        let [wy, wx] = self.windows([h, w])?;
        let [kh, kw] = self.kernel;
        let mut out = Vec::with_capacity(shape.elements());
        for_each_index(&shape, |index| {
            let &[n, oy, ox, channel] = index else { unreachable!("rank 4") };
            let ys = (0..kh).filter_map(|k| wy.source(oy, k));
            let taps = ys.flat_map(|y| (0..kw).filter_map(move |k| wx.source(ox, k)).map(move |x_| (y, x_)));
            let values: Vec<f64> = taps.map(|(y, x_)| x[((n * h + y) * w + x_) * c + channel] as f64).collect();
            let value = match self.kind {
                PoolKind::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                PoolKind::Average { include_padding: true } => values.iter().sum::<f64>() / (kh * kw) as f64,
                PoolKind::Average { include_padding: false } => values.iter().sum::<f64>() / values.len().max(1) as f64,
            };
            out.push(value as f32);
        });
        Ok(vec![Tensor::f32(shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_counts_only_where_asked() {
        let x = Tensor::f32([1, 2, 2, 1], vec![-1.0, -2.0, -3.0, -6.0]).unwrap();
        let pool = |kind| {
            let padding = Padding::Explicit([[1, 0], [1, 0]]);
            let op = Pool2d { kind, kernel: [2, 2], strides: [2, 2], dilations: [1, 1], padding };
            op.reference(&[&x]).unwrap()[0].as_f32().unwrap().to_vec()
        };
        assert_eq!(pool(PoolKind::Max), [-1.0]);
        assert_eq!(pool(PoolKind::Average { include_padding: false }), [-1.0]);
        assert_eq!(pool(PoolKind::Average { include_padding: true }), [-0.25]);
    }
}
