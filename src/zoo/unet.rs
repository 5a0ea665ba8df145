//! U-Net.

use super::blocks::{Conv, Net, Window};
use super::options::ZooOptions;
use super::yolo::multiple_of;
use crate::error::{Error, Result};
use crate::layers::{Activation, Border, Model, Sym};

/// U-Net: Ronneberger et al. 2015, "U-Net: convolutional networks for biomedical image segmentation", with SAME padding
/// (the output has the input's size) and batch normalisation.
///
/// Input of any size that `2^(stages - 1)` divides (16 by default), 0..1 or standardised; the output has a class for every
/// pixel: softmax, or a sigmoid for one class. Options: `classes` (2), `classifier_activation`, `widths` (any number, from
/// the top down), `blocks` (1: convolutions at each stage and side, two).
pub fn unet(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths.clone().unwrap_or_else(|| vec![64, 128, 256, 512, 1024]);
    let [convolutions] = options.blocks([2])?;
    let Some((bottom, _)) = widths.split_last() else {
        return Err(Error::mismatch("the option `widths` has a wrong length", "1 or more numbers", 0));
    };
    let bottom = *bottom;
    let mut net = Net::new(options, "unet")?;
    let open = ZooOptions { input_shape: options.input_shape.or(Some([None, None, Some(3)])), ..options.clone() };
    let stride = 1usize.checked_shl(widths.len() as u32 - 1).unwrap_or(usize::MAX);
    let mut x = net.input("input", multiple_of(stride, open.input_dims([256, 256, 3], 1)?)?)?;
    let mut skips = Vec::new();
    for (stage, &width) in widths[..widths.len() - 1].iter().enumerate() {
        x = convolve(&mut net, &format!("e{stage}"), convolutions, width, x)?;
        skips.push((stage, width, x));
        x = net.max_pool(&format!("p{stage}"), Window(2, 2, Border::Valid), x)?;
    }
    x = convolve(&mut net, &format!("e{}", widths.len() - 1), convolutions, bottom, x)?;
    for (stage, width, skip) in skips.into_iter().rev() {
        x = net.transposed(&format!("u{stage}"), Conv::new(width, 2).stride(2).bias(), x)?;
        x = net.concat(&format!("c{stage}"), &[x, skip])?;
        x = convolve(&mut net, &format!("d{stage}"), convolutions, width, x)?;
    }
    let classes = options.classes.unwrap_or(2);
    let activation = match &options.classifier_activation {
        Some(activation) => activation.name(),
        None if classes == 1 => "sigmoid",
        None => Activation::Softmax.name(),
    };
    let y = net.conv("out", Conv::new(classes, 1).valid().act(activation), x)?;
    net.build(&[y])
}

/// Convolutions of 3 x 3; numbered if there are several.
fn convolve(net: &mut Net, name: &str, count: usize, width: usize, mut x: Sym) -> Result<Sym> {
    for i in 1..=count {
        let name = if count == 1 { name.to_string() } else { format!("{name}_{i}") };
        x = net.conv_bn(&name, Conv::new(width, 3), "relu", x)?;
    }
    Ok(x)
}
