//! What goes into networks trained on ImageNet and what comes out: Keras' `preprocess_input` and `decode_predictions`.

use super::boxes::best_first;
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};

/// How a family of networks wants its pixels (0 to 255, red first).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// Blue first, the means of ImageNet taken off: VGG, ResNet.
    Caffe,
    /// From -1 to 1: Xception, MobileNet, Inception, ResNetV2.
    Tf,
    /// From 0 to 1, then by means and deviations of ImageNet: DenseNet.
    Torch,
}

impl Preprocessing {
    /// By Keras' name of the mode.
    pub fn from_name(mode: &str) -> Result<Preprocessing> {
        match mode {
            "caffe" => Ok(Preprocessing::Caffe),
            "tf" => Ok(Preprocessing::Tf),
            "torch" => Ok(Preprocessing::Torch),
            _ => Err(Error::mismatch("no such preprocessing mode", "caffe, tf or torch", mode)),
        }
    }

    /// Whether blue comes first, and scale and offset of each channel in the order that comes out.
    pub fn channels(self) -> (bool, [f32; 3], [f32; 3]) {
        match self {
            Preprocessing::Caffe => (true, [1.0; 3], [-103.939, -116.779, -123.68]),
            Preprocessing::Tf => (false, [1.0 / 127.5; 3], [-1.0; 3]),
            Preprocessing::Torch => {
                let (mean, deviation) = ([0.485f32, 0.456, 0.406], [0.229f32, 0.224, 0.225]);
                let scale = deviation.map(|d| 1.0 / (255.0 * d));
                (false, scale, std::array::from_fn(|c| -mean[c] / deviation[c]))
            }
        }
    }

    /// The pixels of pictures `[.., 3]`, bytes or floats, as the networks want them.
    pub fn apply(self, pictures: &Tensor) -> Result<Tensor> {
        if pictures.shape().last() != Some(&3) {
            return Err(Error::mismatch("pictures must be red, green and blue", "[.., 3]", pictures.shape()));
        }
        let mut values = match pictures.data() {
            Data::F32(v) => v.clone(),
            Data::U8(v) => v.iter().map(|&x| x as f32).collect(),
            Data::I32(v) => v.iter().map(|&x| x as f32).collect(),
        };
        let (blue_first, scale, offset) = self.channels();
        for pixel in values.as_chunks_mut::<3>().0 {
            if blue_first {
                pixel.reverse();
            }
            *pixel = std::array::from_fn(|c| pixel[c] * scale[c] + offset[c]);
        }
        Tensor::f32(pictures.shape().clone(), values)
    }
}

/// The `top` classes of every row of `predictions` `[batch, classes]` with their scores, best first; of equals the lower
/// class. Names are for the caller to look up.
pub fn decode_predictions(predictions: &Tensor, top: usize) -> Result<Vec<Vec<(usize, f32)>>> {
    let [_, classes] = predictions.shape().dims("[batch, classes]")?;
    let rows = predictions.as_f32()?.chunks_exact(classes.max(1));
    Ok(rows.map(|row| best_first(row).into_iter().take(top).map(|class| (class, row[class])).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let pixel = Tensor::u8([1, 3], vec![255, 0, 51]).unwrap();
        let apply =
            |mode: &str| Preprocessing::from_name(mode).unwrap().apply(&pixel).unwrap().as_f32().unwrap().to_vec();
        let close =
            |a: Vec<f32>, b: [f32; 3]| assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
        close(apply("caffe"), [51.0 - 103.939, -116.779, 255.0 - 123.68]);
        close(apply("tf"), [1.0, -1.0, -0.6]);
        close(apply("torch"), [(1.0 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]);
        assert!(Preprocessing::from_name("keras").is_err());
        assert!(Preprocessing::Tf.apply(&Tensor::u8([1, 4], vec![0; 4]).unwrap()).is_err());
    }

    #[test]
    fn the_best_classes() {
        let rows = Tensor::f32([2, 3], vec![0.2, 0.6, 0.2, 0.1, 0.1, 0.8]).unwrap();
        assert_eq!(decode_predictions(&rows, 2).unwrap(), [[(1, 0.6), (0, 0.2)], [(2, 0.8), (0, 0.1)]]);
        assert_eq!(decode_predictions(&rows, 9).unwrap()[0].len(), 3);
    }
}
