//! Parts of pictures at boxes, brought to one size (`tf.image.crop_and_resize`): what the second stage of a two-stage
//! detector looks at.

use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Between the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Of the four around.
    Bilinear,
    /// The nearest, halves away from zero.
    Nearest,
}

/// Where the `size` samples between two edges lie on an axis of `pixels`; `None` is outside. Edges are parts of the
/// distance between the first and the last pixel's middle.
fn places(size: usize, pixels: usize, [from, to]: [f32; 2]) -> impl Iterator<Item = Option<f32>> {
    let last = pixels as f32 - 1.0;
    let step = if size > 1 { (to - from) * last / (size as f32 - 1.0) } else { 0.0 };
    let first = if size > 1 { from * last } else { 0.5 * (from + to) * last };
    (0..size).map(move |i| Some(first + i as f32 * step).filter(|at| (0.0..=last).contains(at)))
}

/// Crops of `images` `[batch, height, width, channels]` at `boxes` `[n, 4]` (y1, x1, y2, x2; 0 and 1 are the middles of the
/// edge pixels; flipped boxes flip the crop), each from the picture that `images_of` `[n]` names: `[n, size.., channels]`.
/// What lies outside is `outside`.
pub fn crop_and_resize(
    images: &Tensor,
    boxes: &Tensor,
    images_of: &Tensor,
    size: [usize; 2],
    sampling: Sampling,
    outside: f32,
) -> Result<Tensor> {
    let [batch, height, width, channels] = images.shape().dims("[batch, height, width, channels]")?;
    let ([n, four], [indices]) = (boxes.shape().dims("[boxes, 4]")?, images_of.shape().dims("[boxes]")?);
    if four != 4 || indices != n || size.contains(&0) || height * width == 0 {
        return Err(Error::mismatch("boxes, pictures and sizes do not fit together", boxes.shape(), images_of.shape()));
    }
    let (pixels, boxes) = (images.as_f32()?, boxes.as_f32()?.as_chunks::<4>().0);
    let shape = Shape::checked([n, size[0], size[1], channels])?;
    let mut out = Vec::with_capacity(shape.elements());
    for (&[top, left, bottom, right], &image) in boxes.iter().zip(images_of.as_i32()?) {
        let image = usize::try_from(image).ok().filter(|&i| i < batch);
        let image =
            image.ok_or_else(|| Error::invalid(format!("a box is of a picture beyond the {batch} there are")))?;
        let pixel =
            |y: f32, x: f32| &pixels[((image * height + y as usize) * width + x as usize) * channels..][..channels];
        for y in places(size[0], height, [top, bottom]) {
            for x in places(size[1], width, [left, right]) {
                match (y, x, sampling) {
                    (Some(y), Some(x), Sampling::Bilinear) => {
                        let (up, down, before, after) = (y.floor(), y.ceil(), x.floor(), x.ceil());
                        let corners = [pixel(up, before), pixel(up, after), pixel(down, before), pixel(down, after)];
                        out.extend((0..channels).map(|c| {
                            let [a, b, c, d] = corners.map(|corner| corner[c]);
                            let (above, below) = (a + (b - a) * (x - before), c + (d - c) * (x - before));
                            above + (below - above) * (y - up)
                        }));
                    }
                    (Some(y), Some(x), Sampling::Nearest) => out.extend_from_slice(pixel(y.round(), x.round())),
                    _ => out.extend(std::iter::repeat_n(outside, channels)),
                }
            }
        }
    }
    Tensor::f32(shape, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_of_a_ramp() {
        // Value 10 y + x.
        let ramp = (0..12).map(|i| (i / 4 * 10 + i % 4) as f32).collect::<Vec<_>>();
        let image = Tensor::f32([1, 3, 4, 1], ramp).unwrap();
        let cut = |corners: [f32; 4], size, sampling| {
            let (boxes, of) = (Tensor::f32([1, 4], corners.to_vec()).unwrap(), Tensor::i32([1], vec![0]).unwrap());
            crop_and_resize(&image, &boxes, &of, size, sampling, -1.0).unwrap().as_f32().unwrap().to_vec()
        };
        assert_eq!(cut([0.0, 0.0, 1.0, 1.0], [2, 2], Sampling::Bilinear), [0.0, 3.0, 20.0, 23.0]);
        // One sample lies in the middle: row 1, column 1.5.
        assert_eq!(cut([0.0, 0.0, 1.0, 1.0], [1, 1], Sampling::Bilinear), [11.5]);
        assert_eq!(cut([0.0, 0.0, 1.0, 1.0], [1, 1], Sampling::Nearest), [12.0]);
        // Upside down, and half outside on the right.
        assert_eq!(cut([1.0, 1.0, 0.0, 1.5], [2, 2], Sampling::Bilinear), [23.0, -1.0, 3.0, -1.0]);
        let (boxes, of) = (Tensor::f32([1, 4], vec![0.0; 4]).unwrap(), Tensor::i32([1], vec![1]).unwrap());
        assert!(crop_and_resize(&image, &boxes, &of, [1, 1], Sampling::Nearest, 0.0).is_err());
    }
}
