//! ResNets of bottleneck blocks: both versions as in Keras' applications, and with squeeze-and-excitation.

use super::blocks::{Conv, Net, POOLS, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Activation, Border, Model, Sym};

/// What differs between the three kinds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Normalisation behind each convolution (2015).
    V1,
    /// Normalisation and activation before each convolution (2016).
    V2,
    /// V1 without biases, with squeeze-and-excitation (2017).
    Squeeze,
}

/// ResNet-50: He et al. 2015, "Deep residual learning for image recognition". Keras' `ResNet50`.
///
/// Input 224 x 224 x 3, caffe preprocessing (BGR minus [103.939, 116.779, 123.68]). Options: `widths` (4: filters inside
/// the bottlenecks; four times as many leave them), `blocks` (4).
pub fn resnet50(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet50", Kind::V1, [3, 4, 6, 3])
}

/// ResNet-101, see [`resnet50`]. Keras' `ResNet101`.
pub fn resnet101(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet101", Kind::V1, [3, 4, 23, 3])
}

/// ResNet-152, see [`resnet50`]. Keras' `ResNet152`.
pub fn resnet152(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet152", Kind::V1, [3, 8, 36, 3])
}

/// ResNet-50 v2: He et al. 2016, "Identity mappings in deep residual networks". Keras' `ResNet50V2`.
///
/// Input 224 x 224 x 3, -1..1 (tf preprocessing). Options as for [`resnet50`].
pub fn resnet50v2(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet50v2", Kind::V2, [3, 4, 6, 3])
}

/// ResNet-101 v2, see [`resnet50v2`]. Keras' `ResNet101V2`.
pub fn resnet101v2(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet101v2", Kind::V2, [3, 4, 23, 3])
}

/// ResNet-152 v2, see [`resnet50v2`]. Keras' `ResNet152V2`.
pub fn resnet152v2(options: &ZooOptions) -> Result<Model> {
    resnet(options, "resnet152v2", Kind::V2, [3, 8, 36, 3])
}

/// SE-ResNet-50: Hu et al. 2017, "Squeeze-and-excitation networks". Behind each bottleneck its channels are averaged
/// over the map, squeezed into a sixteenth, and the map's channels are scaled by what comes out.
///
/// Input 224 x 224 x 3, pixels minus their mean. Layers are named as in [`resnet50`], the new ones `_se_squeeze`,
/// `_se_reduce`, `_se_expand` and `_se_excite`. Options as there.
pub fn se_resnet50(options: &ZooOptions) -> Result<Model> {
    resnet(options, "se_resnet50", Kind::Squeeze, [3, 4, 6, 3])
}

/// Channels per channel of the squeezed vector.
const REDUCTION: usize = 16;

fn resnet(options: &ZooOptions, name: &str, kind: Kind, blocks: [usize; 4]) -> Result<Model> {
    let (widths, blocks) = (options.widths([64, 128, 256, 512])?, options.blocks(blocks)?);
    let mut net = Net::new(options, name)?.batch_norm(1.001e-5, 0.99);
    let x = net.keras_input(options.input_dims([224, 224, 3], 32)?)?;
    let x = net.pad("conv1_pad", [[3, 3], [3, 3]], x)?;
    let stem = Conv::new(64, 7).stride(2).valid();
    let mut x = net.conv("conv1_conv", if kind == Kind::Squeeze { stem } else { stem.bias() }, x)?;
    if kind != Kind::V2 {
        x = net.bn("conv1_bn", x)?;
        x = net.act("conv1_relu", "relu", x)?;
    }
    x = net.pad("pool1_pad", [[1, 1], [1, 1]], x)?;
    x = net.max_pool("pool1_pool", Window(3, 2, Border::Valid), x)?;
    for stage in 0..4 {
        for block in 1..=blocks[stage] {
            let name = format!("conv{}_block{block}", stage + 2);
            // Version 1 halves the map in the first block of a stage (the pooling has done it for the first stage),
            // version 2 in the last one (and leaves it as it is in the last stage).
            let stride = match kind {
                Kind::V2 if block == blocks[stage] && stage < 3 => 2,
                Kind::V1 | Kind::Squeeze if block == 1 && stage > 0 => 2,
                _ => 1,
            };
            x = match kind {
                Kind::V2 => bottleneck_v2(&mut net, &name, widths[stage], stride, block == 1, x)?,
                _ => bottleneck(&mut net, &name, widths[stage], stride, block == 1, kind == Kind::Squeeze, x)?,
            };
        }
    }
    if kind == Kind::V2 {
        x = net.bn("post_bn", x)?;
        x = net.act("post_relu", "relu", x)?;
    }
    let x = net.top(options, 1000, POOLS, ("", 0.0), x)?;
    net.build(&[x])
}

fn bottleneck(
    net: &mut Net,
    name: &str,
    filters: usize,
    stride: usize,
    project: bool,
    squeeze: bool,
    x: Sym,
) -> Result<Sym> {
    let conv = |filters, kernel| {
        let conv = Conv::new(filters, kernel);
        if squeeze { conv } else { conv.bias() }
    };
    let mut shortcut = x;
    if project {
        shortcut = net.conv(&format!("{name}_0_conv"), conv(4 * filters, 1).stride(stride).valid(), x)?;
        shortcut = net.bn(&format!("{name}_0_bn"), shortcut)?;
    }
    let mut y = net.conv(&format!("{name}_1_conv"), conv(filters, 1).stride(stride).valid(), x)?;
    y = net.bn(&format!("{name}_1_bn"), y)?;
    y = net.act(&format!("{name}_1_relu"), "relu", y)?;
    y = net.conv(&format!("{name}_2_conv"), conv(filters, 3), y)?;
    y = net.bn(&format!("{name}_2_bn"), y)?;
    y = net.act(&format!("{name}_2_relu"), "relu", y)?;
    y = net.conv(&format!("{name}_3_conv"), conv(4 * filters, 1).valid(), y)?;
    y = net.bn(&format!("{name}_3_bn"), y)?;
    if squeeze {
        y = excite(net, name, 4 * filters, y)?;
    }
    let y = net.sum(&format!("{name}_add"), &[shortcut, y])?;
    net.act(&format!("{name}_out"), "relu", y)
}

/// Scales the channels of a map by a number that two dense layers make of the channels' means.
fn excite(net: &mut Net, name: &str, channels: usize, x: Sym) -> Result<Sym> {
    let s = net.global_avg(&format!("{name}_se_squeeze"), true, x)?;
    let s = net.dense(&format!("{name}_se_reduce"), (channels / REDUCTION).max(1), &Activation::relu(), s)?;
    let sigmoid = Activation::named("sigmoid").unwrap_or_default();
    let s = net.dense(&format!("{name}_se_expand"), channels, &sigmoid, s)?;
    net.product(&format!("{name}_se_excite"), &[x, s])
}

fn bottleneck_v2(net: &mut Net, name: &str, filters: usize, stride: usize, project: bool, x: Sym) -> Result<Sym> {
    let before = net.bn(&format!("{name}_preact_bn"), x)?;
    let before = net.act(&format!("{name}_preact_relu"), "relu", before)?;
    let shortcut = match (project, stride) {
        (true, _) => {
            let conv = Conv::new(4 * filters, 1).stride(stride).valid().bias();
            net.conv(&format!("{name}_0_conv"), conv, before)?
        }
        (false, 1) => x,
        (false, _) => net.max_pool("", Window(1, stride, Border::Valid), x)?,
    };
    let mut y = net.conv(&format!("{name}_1_conv"), Conv::new(filters, 1).valid(), before)?;
    y = net.bn(&format!("{name}_1_bn"), y)?;
    y = net.act(&format!("{name}_1_relu"), "relu", y)?;
    y = net.pad(&format!("{name}_2_pad"), [[1, 1], [1, 1]], y)?;
    y = net.conv(&format!("{name}_2_conv"), Conv::new(filters, 3).stride(stride).valid(), y)?;
    y = net.bn(&format!("{name}_2_bn"), y)?;
    y = net.act(&format!("{name}_2_relu"), "relu", y)?;
    y = net.conv(&format!("{name}_3_conv"), Conv::new(4 * filters, 1).valid().bias(), y)?;
    net.sum(&format!("{name}_out"), &[shortcut, y])
}
