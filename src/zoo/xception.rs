//! Xception.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// Xception: Chollet 2016, "Xception: deep learning with depthwise separable convolutions". Keras' `Xception`.
///
/// Input 299 x 299 x 3, -1..1 (tf preprocessing). Options: `widths` (8: two convolutions, three entry blocks, and the
/// three last widths), `blocks` (1: middle blocks).
pub fn xception(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([32, 64, 128, 256, 728, 1024, 1536, 2048])?;
    let [middle] = options.blocks([8])?;
    let mut net = Net::new(options, "xception")?;
    let x = net.keras_input(options.input_dims([299, 299, 3], 71)?)?;
    let mut x = stem(&mut net, "block1_conv1", Conv::new(widths[0], 3).stride(2).valid(), x)?;
    x = stem(&mut net, "block1_conv2", Conv::new(widths[1], 3).valid(), x)?;
    for (block, width) in (2..5).zip(&widths[2..5]) {
        x = halving(&mut net, block, [*width; 2], x)?;
    }
    for block in 5..5 + middle {
        let mut y = x;
        for i in 1..4 {
            y = separable(&mut net, &format!("block{block}_sepconv{i}"), widths[4], true, y)?;
        }
        x = net.sum("", &[y, x])?;
    }
    x = halving(&mut net, 5 + middle, [widths[4], widths[5]], x)?;
    for (i, width) in (1..3).zip(&widths[6..]) {
        let name = format!("block{}_sepconv{i}", 6 + middle);
        x = separable(&mut net, &name, *width, false, x)?;
        x = net.act(&format!("{name}_act"), "relu", x)?;
    }
    let pools = if options.include_top { ["avg_pool", ""] } else { UNNAMED };
    let x = net.top(options, 1000, pools, ("", 0.0), x)?;
    net.build(&[x])
}

fn stem(net: &mut Net, name: &str, conv: Conv, x: Sym) -> Result<Sym> {
    let x = net.conv(name, conv, x)?;
    let x = net.bn(&format!("{name}_bn"), x)?;
    net.act(&format!("{name}_act"), "relu", x)
}

fn separable(net: &mut Net, name: &str, filters: usize, activate: bool, x: Sym) -> Result<Sym> {
    let x = if activate { net.act(&format!("{name}_act"), "relu", x)? } else { x };
    let x = net.separable(name, filters, x)?;
    net.bn(&format!("{name}_bn"), x)
}

/// Two separable convolutions and a pooling beside a strided 1 x 1.
fn halving(net: &mut Net, block: usize, filters: [usize; 2], x: Sym) -> Result<Sym> {
    let residual = net.conv("", Conv::new(filters[1], 1).stride(2), x)?;
    let residual = net.bn("", residual)?;
    // The stem has just activated the input of the first such block.
    let x = separable(net, &format!("block{block}_sepconv1"), filters[0], block != 2, x)?;
    let x = separable(net, &format!("block{block}_sepconv2"), filters[1], true, x)?;
    let x = net.max_pool(&format!("block{block}_pool"), Window(3, 2, Border::Same), x)?;
    net.sum("", &[x, residual])
}
