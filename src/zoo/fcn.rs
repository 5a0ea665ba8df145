//! Fully convolutional networks for segmentation.

use super::blocks::{Conv, Net};
use super::options::{Upsampling, ZooOptions};
use super::yolo::multiple_of;
use crate::error::Result;
use crate::layers::{Activation, Model};
use crate::tensor::Tensor;

/// FCN-32s: Long, Shelhamer & Darrell 2014, "Fully convolutional networks for semantic segmentation". VGG-16, whose dense
/// layers are convolutions, and one enlargement by 32; a softmax over the classes for every pixel.
///
/// Input of any multiple of 32, caffe preprocessing (BGR minus [103.939, 116.779, 123.68]). Transposed convolutions
/// begin as bilinear interpolation. Options: `classes` (21: PASCAL VOC and background), `upsampling` (`transpose`,
/// `bilinear`), `dropout_rate` (0.5), `widths` (5), `blocks` (5), `units` (`fc6` and `fc7`, 4096 each).
pub fn fcn32s(options: &ZooOptions) -> Result<Model> {
    fcn(options, "fcn32s", 32)
}

/// FCN-16s, see [`fcn32s`]: scores are enlarged by 2, those of the fourth pooling are added, and the sum is enlarged by 16.
pub fn fcn16s(options: &ZooOptions) -> Result<Model> {
    fcn(options, "fcn16s", 16)
}

/// FCN-8s, see [`fcn32s`]: the scores of the third pooling are added too, and the sum is enlarged by 8.
pub fn fcn8s(options: &ZooOptions) -> Result<Model> {
    fcn(options, "fcn8s", 8)
}

fn fcn(options: &ZooOptions, name: &str, stride: usize) -> Result<Model> {
    let classes = options.classes.unwrap_or(21);
    let mut net = Net::new(options, name)?;
    let open = ZooOptions { input_shape: options.input_shape.or(Some([None, None, Some(3)])), ..options.clone() };
    let x = net.input("input", multiple_of(32, open.input_dims([224, 224, 3], 32)?)?)?;
    let pools = super::vgg::trunk16(&mut net, options, x)?;
    let mut x = pools[4];
    for (i, units) in options.units(&[4096, 4096]).into_iter().enumerate() {
        let kernel = if i == 0 { 7 } else { 1 };
        x = net.conv(&format!("fc{}", 6 + i), Conv::new(units, kernel).act("relu"), x)?;
        x = net.dropout(&format!("drop{}", 6 + i), options.dropout(0.5), x)?;
    }
    x = net.conv("score7", Conv::new(classes, 1).valid().bias(), x)?;
    let mut enlarged = Vec::new();
    let mut enlarge = |net: &mut Net, name: String, factor: usize, x| match options.upsampling {
        Upsampling::Bilinear => net.upsample(&name, factor, "bilinear", x),
        Upsampling::Transpose => {
            let y = net.transposed(&name, Conv::new(classes, 2 * factor).stride(factor), x)?;
            enlarged.push((name, factor));
            Ok(y)
        }
    };
    let (mut scale, mut pool) = (32, 4);
    while scale > stride {
        x = enlarge(&mut net, format!("up{scale}"), 2, x)?;
        let scores = net.conv(&format!("score_pool{pool}"), Conv::new(classes, 1).valid().bias(), pools[pool - 1])?;
        x = net.sum(&format!("fuse{pool}"), &[x, scores])?;
        (scale, pool) = (scale / 2, pool - 1);
    }
    x = enlarge(&mut net, "up_final".into(), scale, x)?;
    let y = match options.classifier() {
        Activation::Softmax => net.softmax("out", x)?,
        other => net.act("out", other.name(), x)?,
    };
    let mut model = net.build(&[y])?;
    for (name, factor) in enlarged {
        model.set_weight(&format!("{name}/kernel"), bilinear(factor, classes)?)?;
    }
    Ok(model)
}

/// The kernel of a transposed convolution that enlarges each channel by linear interpolation: `[2f, 2f, channels, channels]`.
fn bilinear(factor: usize, channels: usize) -> Result<Tensor> {
    let size = 2 * factor;
    let weight = |i: usize| 1.0 - (i as f32 - (factor as f32 - 0.5)).abs() / factor as f32;
    let mut kernel = vec![0.0; size * size * channels * channels];
    for (i, tap) in kernel.chunks_exact_mut(channels * channels).enumerate() {
        let value = weight(i / size) * weight(i % size);
        tap.iter_mut().step_by(channels + 1).for_each(|diagonal| *diagonal = value);
    }
    Tensor::f32([size, size, channels, channels], kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_interpolate() {
        let kernel = bilinear(2, 3).unwrap();
        let taps = kernel.as_f32().unwrap();
        let line = [0.25, 0.75, 0.75, 0.25];
        for (i, tap) in taps.chunks(9).enumerate() {
            let value = line[i / 4] * line[i % 4];
            assert_eq!(tap, [value, 0.0, 0.0, 0.0, value, 0.0, 0.0, 0.0, value]);
        }
        // Every output away from the border is a mean of its neighbours: the taps that meet there add up to 1.
        for factor in [2, 4, 8, 16, 32] {
            let kernel = bilinear(factor, 1).unwrap();
            let size = 2 * factor;
            let at = |y: usize, x: usize| kernel.as_f32().unwrap()[y * size + x];
            for (y, x) in (0..factor).flat_map(|y| (0..factor).map(move |x| (y, x))) {
                let sum = at(y, x) + at(y + factor, x) + at(y, x + factor) + at(y + factor, x + factor);
                assert!((sum - 1.0).abs() < 1e-6, "{factor}: {sum}");
            }
        }
    }
}
