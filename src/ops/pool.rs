//! Pooling windows over height and width. Global pools are reductions ([`super::Reduce`]).

use super::{Operator, expect_dtype, expect_inputs};
use crate::error::Result;
use crate::shape::{Padding, Shape, Window};
use crate::tensor::{DType, TensorType};

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
