//! EfficientNet-Lite0.

use super::blocks::{Conv, Net, POOLS, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Distribution, Fan, Initializer, Model, Sym};

/// Kernel, repeats, filters, expansion and first stride of the stages.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
];

/// EfficientNet-Lite0: Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks", without
/// squeeze-and-excitation and with ReLU6, for phones (2020). Layers are named as in Keras' `EfficientNetB0`.
///
/// Input 224 x 224 x 3, pixels 0..255; (pixel - 127) / 128 where `include_preprocessing` is off. Options: `dropout_rate`
/// (0.2), `include_preprocessing`.
pub fn efficientnet_lite0(options: &ZooOptions) -> Result<Model> {
    let kernels =
        Initializer::VarianceScaling { scale: 2.0, fan: Fan::Out, distribution: Distribution::TruncatedNormal };
    let mut net = Net::new(options, "efficientnet-lite0")?.kernels(kernels);
    let mut x = net.keras_input(options.input_dims([224, 224, 3], 32)?)?;
    if options.include_preprocessing {
        x = net.rescale("", 1.0 / 128.0, -127.0 / 128.0, x)?;
    }
    x = net.pad_for_stride_2("stem_conv_pad", 3, x)?;
    x = net.conv("stem_conv", Conv::new(32, 3).stride(2).valid(), x)?;
    x = net.bn("stem_bn", x)?;
    x = net.act("stem_activation", "relu6", x)?;
    for (stage, (kernel, repeats, filters, expansion, stride)) in (1..).zip(STAGES) {
        for (repeat, letter) in (0..repeats).zip('a'..) {
            let stride = if repeat == 0 { stride } else { 1 };
            x = block(&mut net, &format!("block{stage}{letter}_"), kernel, filters, expansion, stride, x)?;
        }
    }
    x = net.conv("top_conv", Conv::new(1280, 1), x)?;
    x = net.bn("top_bn", x)?;
    x = net.act("top_activation", "relu6", x)?;
    let dense = Initializer::VarianceScaling { scale: 1.0 / 3.0, fan: Fan::Out, distribution: Distribution::Uniform };
    let mut net = net.kernels(dense);
    let x = net.top(options, 1000, POOLS, ("top_dropout", options.dropout(0.2)), x)?;
    net.build(&[x])
}

fn block(
    net: &mut Net,
    prefix: &str,
    kernel: usize,
    filters: usize,
    expansion: usize,
    stride: usize,
    x: Sym,
) -> Result<Sym> {
    let channels = net.channels(x)?;
    let mut y = x;
    if expansion != 1 {
        y = net.conv(&format!("{prefix}expand_conv"), Conv::new(expansion * channels, 1), y)?;
        y = net.bn(&format!("{prefix}expand_bn"), y)?;
        y = net.act(&format!("{prefix}expand_activation"), "relu6", y)?;
    }
    let window = if stride == 2 {
        y = net.pad_for_stride_2(&format!("{prefix}dwconv_pad"), kernel, y)?;
        Window(kernel, 2, Border::Valid)
    } else {
        Window(kernel, 1, Border::Same)
    };
    y = net.depthwise(&format!("{prefix}dwconv"), window, 1, y)?;
    y = net.bn(&format!("{prefix}bn"), y)?;
    y = net.act(&format!("{prefix}activation"), "relu6", y)?;
    y = net.conv(&format!("{prefix}project_conv"), Conv::new(filters, 1), y)?;
    y = net.bn(&format!("{prefix}project_bn"), y)?;
    // Keras adds the block to its input.
    if stride == 1 && channels == filters { net.sum(&format!("{prefix}add"), &[y, x]) } else { Ok(y) }
}
