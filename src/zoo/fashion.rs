//! The small network for Fashion-MNIST.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Activation, Border, Model};

/// A plain stack for Fashion-MNIST: one convolution of 7 x 7, two pairs of 3 x 3, pooling between, two dense layers
/// with dropout (Géron, "Hands-on machine learning", chapter 14). It reaches about 92 %.
///
/// Input 28 x 28 x 1, 0..1 or standardised. Options: `dropout_rate` (0.5), `widths` (3), `units` (128, 64).
pub fn fashion_mnist(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([64, 128, 256])?;
    let mut net = Net::new(options, "fashion_mnist")?;
    let x = net.input("input", options.input_dims([28, 28, 1], 8)?)?;
    let pool = Window(2, 2, Border::Valid);
    let x = net.conv("conv1", Conv::new(widths[0], 7).act("relu"), x)?;
    let mut x = net.max_pool("pool1", pool, x)?;
    for (stage, filters) in [(1, widths[1]), (2, widths[2])] {
        for conv in 0..2 {
            x = net.conv(&format!("conv{}", 2 * stage + conv), Conv::new(filters, 3).act("relu"), x)?;
        }
        x = net.max_pool(&format!("pool{}", stage + 1), pool, x)?;
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    x = net.flat("flatten", x)?;
    for (i, units) in options.units(&[128, 64]).into_iter().enumerate() {
        x = net.dense(&format!("dense{}", i + 1), units, &Activation::relu(), x)?;
        x = net.dropout(&format!("dropout{}", i + 1), options.dropout(0.5), x)?;
    }
    let x = net.dense("out", options.classes.unwrap_or(10), &options.classifier(), x)?;
    net.build(&[x])
}
