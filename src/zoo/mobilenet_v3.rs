//! MobileNetV3, small and large.

use super::blocks::{Conv, Net, POOLS, Window, divisible};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// An inverted residual block.
struct Block {
    expansion: f64,
    filters: usize,
    /// 5 x 5 (3 x 3 where the network is minimalistic).
    large: bool,
    stride: usize,
    /// Squeeze-and-excitation (nowhere where the network is minimalistic).
    squeeze: bool,
    /// Hard swish (ReLU where the network is minimalistic).
    swish: bool,
}

/// 5 x 5.
const L: u8 = 1;
/// Squeeze-and-excitation.
const S: u8 = 2;
/// Hard swish.
const H: u8 = 4;

const fn block(expansion: f64, filters: usize, stride: usize, flags: u8) -> Block {
    let (large, squeeze, swish) = (flags & L != 0, flags & S != 0, flags & H != 0);
    Block { expansion, filters, large, stride, squeeze, swish }
}

const SMALL: [Block; 11] = [
    block(1.0, 16, 2, S),
    block(72.0 / 16.0, 24, 2, 0),
    block(88.0 / 24.0, 24, 1, 0),
    block(4.0, 40, 2, L | S | H),
    block(6.0, 40, 1, L | S | H),
    block(6.0, 40, 1, L | S | H),
    block(3.0, 48, 1, L | S | H),
    block(3.0, 48, 1, L | S | H),
    block(6.0, 96, 2, L | S | H),
    block(6.0, 96, 1, L | S | H),
    block(6.0, 96, 1, L | S | H),
];

const LARGE: [Block; 15] = [
    block(1.0, 16, 1, 0),
    block(4.0, 24, 2, 0),
    block(3.0, 24, 1, 0),
    block(3.0, 40, 2, L | S),
    block(3.0, 40, 1, L | S),
    block(3.0, 40, 1, L | S),
    block(6.0, 80, 2, H),
    block(2.5, 80, 1, H),
    block(2.3, 80, 1, H),
    block(2.3, 80, 1, H),
    block(6.0, 112, 1, S | H),
    block(6.0, 112, 1, S | H),
    block(6.0, 160, 2, L | S | H),
    block(6.0, 160, 1, L | S | H),
    block(6.0, 160, 1, L | S | H),
];

/// MobileNetV3 Small: Howard et al. 2019, "Searching for MobileNetV3". Keras' `MobileNetV3Small`.
///
/// Input of any size from 32 x 32 (classified at 224 x 224), pixels 0..255; -1..1 where `include_preprocessing` is off.
/// Options: `alpha` (width), `minimalistic`, `dropout_rate` (0.2), `include_preprocessing`.
pub fn mobilenet_v3_small(options: &ZooOptions) -> Result<Model> {
    mobilenet_v3(options, "MobileNetV3Small", &SMALL, 1024)
}

/// MobileNetV3 Large, see [`mobilenet_v3_small`]. Keras' `MobileNetV3Large`.
pub fn mobilenet_v3_large(options: &ZooOptions) -> Result<Model> {
    mobilenet_v3(options, "MobileNetV3Large", &LARGE, 1280)
}

fn mobilenet_v3(options: &ZooOptions, name: &str, blocks: &[Block], last: usize) -> Result<Model> {
    let open = ZooOptions { input_shape: options.input_shape.or(Some([None, None, Some(3)])), ..options.clone() };
    let alpha = options.alpha;
    let mut net = Net::new(options, name)?.batch_norm(1e-3, 0.999);
    let mut x = net.keras_input(open.input_dims([224, 224, 3], 32)?)?;
    if options.include_preprocessing {
        x = net.rescale("", 1.0 / 127.5, -1.0, x)?;
    }
    let swish = !options.minimalistic;
    x = net.conv("conv", Conv::new(16, 3).stride(2), x)?;
    x = net.bn("conv_bn", x)?;
    x = activate(&mut net, swish, x)?;
    for (id, block) in blocks.iter().enumerate() {
        x = inverted(&mut net, id, block, options.minimalistic, divisible(block.filters as f64 * alpha), x)?;
    }
    let channels = net.channels(x)?;
    x = net.conv("conv_1", Conv::new(divisible(channels as f64 * 6.0), 1), x)?;
    x = net.bn("conv_1_bn", x)?;
    x = activate(&mut net, swish, x)?;
    if !options.include_top {
        let x = net.features(options.pooling, POOLS, x)?;
        return net.build(&[x]);
    }
    x = net.global_avg("", true, x)?;
    let last = if alpha > 1.0 { divisible(last as f64 * alpha) } else { last };
    x = net.conv("conv_2", Conv::new(last, 1).bias(), x)?;
    x = activate(&mut net, swish, x)?;
    x = net.dropout("", options.dropout(0.2), x)?;
    x = net.conv("logits", Conv::new(options.classes.unwrap_or(1000), 1).bias(), x)?;
    x = net.flatten("", x)?;
    let x = net.act("predictions", options.classifier().name(), x)?;
    net.build(&[x])
}

/// Hard swish, or ReLU.
fn activate(net: &mut Net, swish: bool, x: Sym) -> Result<Sym> {
    if swish { net.act("", "hard_silu", x) } else { net.relu("", None, x) }
}

fn inverted(net: &mut Net, id: usize, block: &Block, minimalistic: bool, filters: usize, x: Sym) -> Result<Sym> {
    let (channels, swish) = (net.channels(x)?, block.swish && !minimalistic);
    let inner = divisible(channels as f64 * block.expansion);
    let prefix = if id == 0 { "expanded_conv_".to_string() } else { format!("expanded_conv_{id}_") };
    let mut y = x;
    if id > 0 {
        y = net.conv(&format!("{prefix}expand"), Conv::new(inner, 1), y)?;
        y = net.bn(&format!("{prefix}expand_bn"), y)?;
        y = activate(net, swish, y)?;
    }
    let kernel = if block.large && !minimalistic { 5 } else { 3 };
    let window = if block.stride == 2 {
        y = net.pad_for_stride_2(&format!("{prefix}depthwise_pad"), kernel, y)?;
        Window(kernel, 2, Border::Valid)
    } else {
        Window(kernel, 1, Border::Same)
    };
    y = net.depthwise(&format!("{prefix}depthwise"), window, 1, y)?;
    y = net.bn(&format!("{prefix}depthwise_bn"), y)?;
    y = activate(net, swish, y)?;
    if block.squeeze && !minimalistic {
        y = excite(net, &prefix, inner, y)?;
    }
    y = net.conv(&format!("{prefix}project"), Conv::new(filters, 1), y)?;
    y = net.bn(&format!("{prefix}project_bn"), y)?;
    if block.stride == 1 && channels == filters { net.sum(&format!("{prefix}add"), &[x, y]) } else { Ok(y) }
}

/// Squeeze-and-excitation by 1 x 1 convolutions, with the hard sigmoid written out as in Keras (`relu6(x + 3) / 6`).
fn excite(net: &mut Net, prefix: &str, channels: usize, x: Sym) -> Result<Sym> {
    let s = net.global_avg(&format!("{prefix}squeeze_excite_avg_pool"), true, x)?;
    let squeezed = Conv::new(divisible(channels as f64 * 0.25), 1).bias();
    let s = net.conv(&format!("{prefix}squeeze_excite_conv"), squeezed, s)?;
    let s = net.relu(&format!("{prefix}squeeze_excite_relu"), None, s)?;
    let s = net.conv(&format!("{prefix}squeeze_excite_conv_1"), Conv::new(channels, 1).bias(), s)?;
    let (add, multiply) = (net.automatic("Add"), net.automatic("Multiply"));
    let s = net.rescale(&add, 1.0, 3.0, s)?;
    let s = net.relu("", Some(6.0), s)?;
    let s = net.rescale(&multiply, 1.0 / 6.0, 0.0, s)?;
    net.product(&format!("{prefix}squeeze_excite_mul"), &[x, s])
}
