//! LeNet-5.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Activation, Border, Model};

/// LeNet-5: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
///
/// Trained averages with tanh for pooling, and at the output the distance to a centre for each class (RBF; the smallest
/// wins). Input 32 x 32 x 1, digits padded from 28 x 28 and standardised. Options: `squared` (distances), `widths`
/// (3: C1, C3, C5), `units` (F6).
pub fn lenet5(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([6, 16, 120])?;
    let mut net = Net::new(options, "lenet5")?;
    let mut x = net.input("input", options.input_dims([32, 32, 1], 1)?)?;
    let pool = Window(2, 2, Border::Valid);
    for (conv, subsampling, filters) in [("C1", "S2", widths[0]), ("C3", "S4", widths[1])] {
        x = net.conv(conv, Conv::new(filters, 5).valid().act("tanh"), x)?;
        x = net.avg_pool(&format!("{subsampling}_pool"), pool, x)?;
        x = net.act(subsampling, "tanh", x)?;
    }
    x = net.conv("C5", Conv::new(widths[2], 5).valid().act("tanh"), x)?;
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    let mut x = net.flat("flatten", x)?;
    let tanh = Activation::named("tanh").unwrap_or_default();
    for (i, units) in options.units(&[84]).into_iter().enumerate() {
        x = net.dense(&format!("F{}", 6 + i), units, &tanh, x)?;
    }
    let x = net.rbf("out", options.classes.unwrap_or(10), options.squared, x)?;
    net.build(&[x])
}
