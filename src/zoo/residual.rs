//! ResNet-18 and ResNet-34, from residual units of two 3 x 3 convolutions.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// ResNet-34: He et al. 2015, "Deep residual learning for image recognition", in the form of Géron's "Hands-on machine
/// learning", chapter 14: SAME padding, and a 1 x 1 convolution past a unit exactly where the stride is 2.
///
/// Input 224 x 224 x 3; 10 classes. Options: `widths` (4), `blocks` (4: units of each stage).
pub fn resnet34(options: &ZooOptions) -> Result<Model> {
    units(options, "resnet34", [3, 4, 6, 3])
}

/// ResNet-18, see [`resnet34`].
pub fn resnet18(options: &ZooOptions) -> Result<Model> {
    units(options, "resnet18", [2, 2, 2, 2])
}

/// Filters and strides of all units. A wider unit than the one before halves the map.
fn plan(options: &ZooOptions, blocks: [usize; 4]) -> Result<Vec<(usize, usize)>> {
    let (widths, blocks) = (options.widths([64, 128, 256, 512])?, options.blocks(blocks)?);
    let filters = widths.into_iter().zip(blocks).flat_map(|(width, count)| std::iter::repeat_n(width, count));
    let mut before = widths[0];
    let stride = |width| {
        let stride = if width == before { 1 } else { 2 };
        before = width;
        (width, stride)
    };
    Ok(filters.map(stride).collect())
}

fn units(options: &ZooOptions, name: &str, blocks: [usize; 4]) -> Result<Model> {
    let plan = plan(options, blocks)?;
    let mut net = Net::new(options, name)?;
    let x = net.input("input", options.input_dims([224, 224, 3], 1)?)?;
    let x = net.conv_bn("stem", Conv::new(options.widths([64; 4])?[0], 7).stride(2), "relu", x)?;
    let mut x = net.max_pool("stem_pool", Window(3, 2, Border::Same), x)?;
    for (i, (filters, stride)) in plan.into_iter().enumerate() {
        x = unit(&mut net, &format!("ru{i}"), filters, stride, x)?;
    }
    if !options.include_top {
        let x = net.features(options.pooling, ["pool", "pool"], x)?;
        return net.build(&[x]);
    }
    let x = net.global_avg("pool", false, x)?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("out", options.classes.unwrap_or(10), &options.classifier(), x)?;
    net.build(&[x])
}

fn unit(net: &mut Net, name: &str, filters: usize, stride: usize, x: Sym) -> Result<Sym> {
    let z = net.conv_bn(&format!("{name}_1"), Conv::new(filters, 3).stride(stride), "relu", x)?;
    let z = net.conv_bn(&format!("{name}_2"), Conv::new(filters, 3), "", z)?;
    let skip = match stride {
        1 => x,
        _ => net.conv_bn(&format!("{name}_skip"), Conv::new(filters, 1).stride(stride), "", x)?,
    };
    let sum = net.sum(&format!("{name}_add"), &[z, skip])?;
    net.act(&format!("{name}_out"), "relu", sum)
}

/// ResNet-34 as a Sequential model whose residual units are models themselves (`residual_unit`, `residual_unit_1` ...):
/// the same network as [`resnet34`], written the other way.
///
/// Options as there.
pub fn resnet34_sequential(options: &ZooOptions) -> Result<Model> {
    let plan = plan(options, [3, 4, 6, 3])?;
    let mut net = Net::new(options, "sequential")?;
    let dims = options.input_dims([224, 224, 3], 1)?;
    let x = net.input("input_layer", dims)?;
    let x = net.conv("", Conv::new(options.widths([64; 4])?[0], 7).stride(2), x)?;
    let x = net.bn("", x)?;
    let x = net.act("", "relu", x)?;
    let mut x = net.max_pool("", Window(3, 2, Border::Same), x)?;
    for (filters, stride) in plan {
        let name = net.automatic("ResidualUnit");
        let unit = residual_unit(options, &name, filters, stride, net.channels(x)?)?;
        x = net.nested(&name, unit, x)?;
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build_sequential(&[x]);
    }
    let x = net.global_avg("", false, x)?;
    let x = net.flatten("", x)?;
    let x = net.dense("", options.classes.unwrap_or(10), &options.classifier(), x)?;
    net.build_sequential(&[x])
}

/// One unit as a model: main path, shortcut, sum.
fn residual_unit(options: &ZooOptions, name: &str, filters: usize, stride: usize, channels: usize) -> Result<Model> {
    let own = ZooOptions { name: None, seed: options.seed, ..ZooOptions::default() };
    let mut net = Net::new(&own, name)?.label("ResidualUnit");
    let x = net.input("input_layer", [None, None, None, Some(channels)])?;
    let z = net.conv("", Conv::new(filters, 3).stride(stride), x)?;
    let z = net.bn("", z)?;
    let z = net.act("", "relu", z)?;
    let z = net.conv("", Conv::new(filters, 3), z)?;
    let z = net.bn("", z)?;
    let skip = match stride {
        1 => x,
        _ => {
            let skip = net.conv("", Conv::new(filters, 1).stride(stride), x)?;
            net.bn("", skip)?
        }
    };
    let sum = net.sum("", &[z, skip])?;
    let y = net.act("", "relu", sum)?;
    net.build(&[y])
}
