//! GoogLeNet, the first Inception network.

use super::blocks::{Conv, Net, POOLS, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// Filters of an inception module: 1 x 1; 3 x 3 and what reduces its input; 5 x 5 and what reduces its input; behind the pooling.
type Filters = [usize; 6];

/// The nine modules; a pooling of stride 2 stands before 3a, 4a and 5a.
const MODULES: [(&str, Filters); 9] = [
    ("3a", [64, 96, 128, 16, 32, 32]),
    ("3b", [128, 128, 192, 32, 96, 64]),
    ("4a", [192, 96, 208, 16, 48, 64]),
    ("4b", [160, 112, 224, 24, 64, 64]),
    ("4c", [128, 128, 256, 24, 64, 64]),
    ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]),
    ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
];

/// GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions", without the auxiliary classifiers.
///
/// Input 224 x 224 x 3, pixels minus their mean. Options: `lrn` (local response normalisation, on), `dropout_rate` (0.4), `alpha`
/// (multiplies all filters, rounded to multiples of 8).
pub fn googlenet(options: &ZooOptions) -> Result<Model> {
    let mut net = Net::new(options, "googlenet")?;
    let width = |filters: usize| match options.alpha {
        1.0 => filters,
        alpha => super::blocks::divisible(filters as f64 * alpha),
    };
    let relu = |filters: usize, kernel: usize| Conv::new(width(filters), kernel).act("relu");
    let pool = Window(3, 2, Border::Same);
    let x = net.input("input", options.input_dims([224, 224, 3], 32)?)?;
    let x = net.conv("conv1", relu(64, 7).stride(2), x)?;
    let mut x = net.max_pool("pool1", pool, x)?;
    if options.lrn {
        x = net.lrn("lrn1", x)?;
    }
    x = net.conv("conv2_reduce", relu(64, 1), x)?;
    x = net.conv("conv2", relu(192, 3), x)?;
    if options.lrn {
        x = net.lrn("lrn2", x)?;
    }
    for (name, filters) in MODULES {
        if name.ends_with('a') {
            let stage = name.trim_end_matches('a').parse::<usize>().unwrap_or(3);
            x = net.max_pool(&format!("pool{}", stage - 1), pool, x)?;
        }
        x = inception(&mut net, &format!("inception_{name}"), filters.map(width), x)?;
    }
    let x = net.top(options, 1000, POOLS, ("dropout", options.dropout(0.4)), x)?;
    net.build(&[x])
}

fn inception(net: &mut Net, name: &str, filters: Filters, x: Sym) -> Result<Sym> {
    let relu = |filters: usize, kernel: usize| Conv::new(filters, kernel).act("relu");
    let [one, reduce3, three, reduce5, five, projection] = filters;
    let a = net.conv(&format!("{name}_1x1"), relu(one, 1), x)?;
    let b = net.conv(&format!("{name}_3x3_reduce"), relu(reduce3, 1), x)?;
    let b = net.conv(&format!("{name}_3x3"), relu(three, 3), b)?;
    let c = net.conv(&format!("{name}_5x5_reduce"), relu(reduce5, 1), x)?;
    let c = net.conv(&format!("{name}_5x5"), relu(five, 5), c)?;
    let d = net.max_pool(&format!("{name}_pool"), Window(3, 1, Border::Same), x)?;
    let d = net.conv(&format!("{name}_pool_proj"), relu(projection, 1), d)?;
    net.concat(&format!("{name}_output"), &[a, b, c, d])
}
