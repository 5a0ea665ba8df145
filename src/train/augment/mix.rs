//! Parts taken out, and pictures mixed.

use super::{Frame, floats};
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};

/// A rectangle `[top, left, bottom, right]` set to a value (DeVries and Taylor 2017); what lies outside the picture is cut
/// off.
pub fn cutout(picture: &Tensor, [top, left, bottom, right]: [isize; 4], value: f32) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let range = |from: isize, to: isize, size: usize| {
        let place = |v: isize| v.clamp(0, size as isize) as usize;
        place(from)..place(to).max(place(from))
    };
    let (rows, columns) = (range(top, bottom, frame.height), range(left, right, frame.width));
    let mut out = picture.clone();
    for image in 0..frame.count {
        for row in rows.clone() {
            let start = image * frame.size() + (row * frame.width + columns.start) * frame.channels;
            let part = start..start + columns.len() * frame.channels;
            match out.data_mut() {
                Data::F32(v) => v[part].fill(value),
                Data::U8(v) => v[part].fill(value as u8),
                Data::I32(v) => v[part].fill(value as i32),
            }
        }
    }
    Ok(out)
}

/// `share * a + (1 - share) * b`, of pictures and of one-hot labels alike (Zhang et al. 2018). The result is float.
pub fn mixup(a: &Tensor, b: &Tensor, share: f32) -> Result<Tensor> {
    if a.shape() != b.shape() {
        return Err(Error::mismatch("only equal sizes mix", a.shape(), b.shape()));
    }
    let mixed = floats(a).into_iter().zip(floats(b)).map(|(a, b)| share * a + (1.0 - share) * b);
    Tensor::f32(a.shape().clone(), mixed.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cutout_is_cut_at_the_edge() {
        let picture = Tensor::u8([3, 3, 1], vec![9; 9]).unwrap();
        let cut = cutout(&picture, [-1, 1, 2, 7], 0.0).unwrap();
        assert_eq!(cut.as_u8().unwrap(), [9, 0, 0, 9, 0, 0, 9, 9, 9]);
        assert_eq!(cutout(&picture, [5, 5, 9, 9], 0.0).unwrap(), picture);
    }

    #[test]
    fn mixtures_of_pictures_and_labels() {
        let a = Tensor::u8([1, 2, 1], vec![200, 100]).unwrap();
        let b = Tensor::u8([1, 2, 1], vec![100, 0]).unwrap();
        assert_eq!(mixup(&a, &b, 0.75).unwrap().as_f32().unwrap(), [175.0, 75.0]);
        assert!(mixup(&a, &Tensor::scalar(1.0), 0.5).is_err());
    }
}
