//! DenseNets.

use super::blocks::{Conv, Net, POOLS, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// DenseNet-121: Huang et al. 2016, "Densely connected convolutional networks". Keras' `DenseNet121`.
///
/// Input 224 x 224 x 3, torch preprocessing (0..1, minus [0.485, 0.456, 0.406], by [0.229, 0.224, 0.225]). Options:
/// `widths` (2: filters of the stem, and channels that each block adds), `blocks` (4).
pub fn densenet121(options: &ZooOptions) -> Result<Model> {
    densenet(options, "densenet121", [6, 12, 24, 16])
}

/// DenseNet-169, see [`densenet121`]. Keras' `DenseNet169`.
pub fn densenet169(options: &ZooOptions) -> Result<Model> {
    densenet(options, "densenet169", [6, 12, 32, 32])
}

/// DenseNet-201, see [`densenet121`]. Keras' `DenseNet201`.
pub fn densenet201(options: &ZooOptions) -> Result<Model> {
    densenet(options, "densenet201", [6, 12, 48, 32])
}

fn densenet(options: &ZooOptions, name: &str, blocks: [usize; 4]) -> Result<Model> {
    let ([stem, growth], blocks) = (options.widths([64, 32])?, options.blocks(blocks)?);
    let mut net = Net::new(options, name)?.batch_norm(1.001e-5, 0.99);
    let x = net.keras_input(options.input_dims([224, 224, 3], 32)?)?;
    let x = net.pad("", [[3, 3], [3, 3]], x)?;
    let x = net.conv("conv1_conv", Conv::new(stem, 7).stride(2).valid(), x)?;
    let x = net.bn("conv1_bn", x)?;
    let x = net.act("conv1_relu", "relu", x)?;
    let x = net.pad("", [[1, 1], [1, 1]], x)?;
    let mut x = net.max_pool("pool1", Window(3, 2, Border::Valid), x)?;
    for (stage, count) in (2..).zip(blocks) {
        for block in 1..=count {
            x = dense_block(&mut net, &format!("conv{stage}_block{block}"), growth, x)?;
        }
        if stage < 5 {
            x = transition(&mut net, &format!("pool{stage}"), x)?;
        }
    }
    let x = net.bn("bn", x)?;
    let x = net.act("relu", "relu", x)?;
    let x = net.top(options, 1000, POOLS, ("", 0.0), x)?;
    net.build(&[x])
}

/// Adds `growth` channels to the input's.
fn dense_block(net: &mut Net, name: &str, growth: usize, x: Sym) -> Result<Sym> {
    let y = net.bn(&format!("{name}_0_bn"), x)?;
    let y = net.act(&format!("{name}_0_relu"), "relu", y)?;
    let y = net.conv(&format!("{name}_1_conv"), Conv::new(4 * growth, 1).valid(), y)?;
    let y = net.bn(&format!("{name}_1_bn"), y)?;
    let y = net.act(&format!("{name}_1_relu"), "relu", y)?;
    let y = net.conv(&format!("{name}_2_conv"), Conv::new(growth, 3), y)?;
    net.concat(&format!("{name}_concat"), &[x, y])
}

/// Half the channels, half the size.
fn transition(net: &mut Net, name: &str, x: Sym) -> Result<Sym> {
    let half = net.channels(x)? / 2;
    let x = net.bn(&format!("{name}_bn"), x)?;
    let x = net.act(&format!("{name}_relu"), "relu", x)?;
    let x = net.conv(&format!("{name}_conv"), Conv::new(half, 1).valid(), x)?;
    net.avg_pool(&format!("{name}_pool"), Window(2, 2, Border::Valid), x)
}
