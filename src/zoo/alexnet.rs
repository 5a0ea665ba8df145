//! AlexNet.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Activation, Border, Model};

/// AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks",
/// as one tower.
///
/// Input 227 x 227 x 3, pixels minus their mean. Options: `lrn` (local response normalisation, on), `dropout_rate` (0.5
/// before the second dense layer and before the classifier), `widths` (5), `units` (two of 4096).
pub fn alexnet(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([96, 256, 384, 384, 256])?;
    let mut net = Net::new(options, "alexnet")?;
    let mut x = net.input("input", options.input_dims([227, 227, 3], 35)?)?;
    let pool = Window(3, 2, Border::Valid);
    let stages = [("C1", "S2", Conv::new(widths[0], 11).stride(4).valid()), ("C3", "S4", Conv::new(widths[1], 5))];
    for (name, subsampling, conv) in stages {
        x = net.conv(name, conv.act("relu"), x)?;
        if options.lrn {
            x = net.lrn(&format!("{name}_lrn"), x)?;
        }
        x = net.max_pool(subsampling, pool, x)?;
    }
    for (name, filters) in ["C5", "C6", "C7"].into_iter().zip(&widths[2..]) {
        x = net.conv(name, Conv::new(*filters, 3).act("relu"), x)?;
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    x = net.flat("flatten", x)?;
    for (i, units) in options.units(&[4096, 4096]).into_iter().enumerate() {
        let name = format!("F{}", 8 + i);
        x = net.dense(&name, units, &Activation::relu(), x)?;
        x = net.dropout(&format!("{name}_dropout"), options.dropout(0.5), x)?;
    }
    let x = net.dense("out", options.classes.unwrap_or(1000), &options.classifier(), x)?;
    net.build(&[x])
}
