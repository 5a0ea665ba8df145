//! Pictures changed at random, so that a network sees more than there is: Keras' augmentations as plain functions.
//!
//! Everything works on the host, on `[height, width, channels]` or batches of it, bytes or floats, and gives what
//! `tf.image` and Keras' layers give for the same parameters. [`Pipeline`] draws the parameters, from a seed and the
//! number of the sample, and moves boxes and masks along with the picture.

mod affine;
mod colour;
mod crop;
mod flip;
mod mix;
mod pipeline;

pub use affine::{Affine, FillMode, Interpolation, Warp, warp};
pub use colour::{
    add_clipped, adjust_brightness, adjust_contrast, adjust_gamma, adjust_hue, adjust_saturation, convert_dtype,
    hsv_to_rgb, per_image_standardization, rescale, rgb_to_grayscale, rgb_to_hsv, scale_contrast,
};
pub use crop::{Aspect, center_crop, central_crop, crop, crop_or_pad, pad, resize, resize_with_pad};
pub use flip::{flip_left_right, flip_up_down, rot90, transpose};
pub use mix::{cutout, mixup};
pub use pipeline::{Augmentation, Pipeline, Sample};

use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{DType, Data, Tensor};

/// Sizes of a picture, or of a batch of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// Pictures; 1 without a batch.
    count: usize,
    height: usize,
    width: usize,
    channels: usize,
    /// Whether there is a batch dimension.
    batched: bool,
}

impl Frame {
    fn of(tensor: &Tensor) -> Result<Frame> {
        let shape = tensor.shape();
        if tensor.dtype() == DType::I32 {
            return Err(Error::mismatch("pictures are floats or bytes", "float32 or uint8", tensor.dtype()));
        }
        match shape[..] {
            [height, width, channels] => Ok(Frame { count: 1, height, width, channels, batched: false }),
            [count, height, width, channels] => Ok(Frame { count, height, width, channels, batched: true }),
            _ => Err(Error::mismatch("not a picture", "[height, width, channels], or a batch of it", shape)),
        }
    }

    /// Elements of one picture.
    fn size(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn shape(&self) -> Shape {
        let dims = [self.count, self.height, self.width, self.channels];
        if self.batched { dims.into() } else { dims[1..].into() }
    }

    /// A frame of another height and width.
    fn resized(self, height: usize, width: usize) -> Frame {
        Frame { height, width, ..self }
    }

    /// A tensor of this frame's shape from floats.
    fn tensor(&self, data: Vec<f32>) -> Result<Tensor> {
        Tensor::f32(self.shape(), data)
    }
}

/// Pictures whose pixels are pixels of another: `from(y, x)` says which one, `None` is `fill`.
fn rearrange(
    picture: &Tensor,
    height: usize,
    width: usize,
    fill: f32,
    from: &dyn Fn(usize, usize) -> Option<(usize, usize)>,
) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let target = frame.resized(height, width);
    let shape = Shape::checked(target.shape())?;
    // Where each pixel begins in a picture of the source.
    let places: Vec<Option<usize>> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (y, x)))
        .map(|(y, x)| from(y, x).map(|(y, x)| (y * frame.width + x) * frame.channels))
        .collect();
    macro_rules! gather {
        ($v:expr, $fill:expr) => {{
            let mut out = Vec::with_capacity(shape.elements());
            for image in 0..frame.count {
                for place in &places {
                    match place {
                        Some(at) => out.extend_from_slice(&$v[image * frame.size() + at..][..frame.channels]),
                        None => out.extend(std::iter::repeat_n($fill, frame.channels)),
                    }
                }
            }
            out
        }};
    }
    let data = match picture.data() {
        Data::F32(v) => Data::F32(gather!(v, fill)),
        Data::U8(v) => Data::U8(gather!(v, fill as u8)),
        Data::I32(v) => Data::I32(gather!(v, fill as i32)),
    };
    Tensor::new(shape, data)
}

/// The elements as floats, unscaled.
fn floats(picture: &Tensor) -> Vec<f32> {
    match picture.data() {
        Data::F32(v) => v.clone(),
        Data::U8(v) => v.iter().map(|&x| x as f32).collect(),
        Data::I32(v) => v.iter().map(|&x| x as f32).collect(),
    }
}
