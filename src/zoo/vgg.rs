//! VGG-16 and VGG-19.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Activation, Border, Model, Sym};

/// VGG-16: Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image recognition". Keras' `VGG16`.
///
/// Input 224 x 224 x 3, caffe preprocessing (BGR minus [103.939, 116.779, 123.68]). Options: `widths` (5), `units`
/// (two of 4096).
pub fn vgg16(options: &ZooOptions) -> Result<Model> {
    vgg(options, "vgg16", [2, 2, 3, 3, 3])
}

/// VGG-19, see [`vgg16`]. Keras' `VGG19`.
pub fn vgg19(options: &ZooOptions) -> Result<Model> {
    vgg(options, "vgg19", [2, 2, 4, 4, 4])
}

/// Filters of the five stages.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

fn vgg(options: &ZooOptions, name: &str, convolutions: [usize; 5]) -> Result<Model> {
    let mut net = Net::new(options, name)?;
    let x = net.keras_input(options.input_dims([224, 224, 3], 32)?)?;
    let pools = trunk(&mut net, options.widths(WIDTHS)?, convolutions, x)?;
    let x = pools[4];
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    let mut x = net.flat("flatten", x)?;
    for (i, units) in options.units(&[4096, 4096]).into_iter().enumerate() {
        x = net.dense(&format!("fc{}", i + 1), units, &Activation::relu(), x)?;
    }
    let x = net.dense("predictions", options.classes.unwrap_or(1000), &options.classifier(), x)?;
    net.build(&[x])
}

/// VGG-16's convolutions; the outputs of its five pooling layers.
pub(super) fn trunk16(net: &mut Net, options: &ZooOptions, x: Sym) -> Result<[Sym; 5]> {
    trunk(net, options.widths(WIDTHS)?, options.blocks([2, 2, 3, 3, 3])?, x)
}

fn trunk(net: &mut Net, widths: [usize; 5], convolutions: [usize; 5], mut x: Sym) -> Result<[Sym; 5]> {
    let mut pools = [x; 5];
    for (stage, pool) in pools.iter_mut().enumerate() {
        for conv in 1..=convolutions[stage] {
            x = net.conv(&format!("block{}_conv{conv}", stage + 1), Conv::new(widths[stage], 3).act("relu"), x)?;
        }
        x = net.max_pool(&format!("block{}_pool", stage + 1), Window(2, 2, Border::Valid), x)?;
        *pool = x;
    }
    Ok(pools)
}
