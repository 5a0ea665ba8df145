//! MobileNet and MobileNetV2.

use super::blocks::{Conv, Net, UNNAMED, Window, divisible, scaled};
use super::options::ZooOptions;
use crate::error::Result;
use crate::layers::{Border, Model, Sym};

/// `224`, or `None` as Keras writes what is open.
fn rows(dims: [Option<usize>; 4]) -> String {
    dims[1].map_or("None".into(), |n| n.to_string())
}

/// MobileNet: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications".
/// Keras' `MobileNet`.
///
/// Input 224 x 224 x 3, -1..1 (tf preprocessing). Options: `alpha` (width), `depth_multiplier`, `dropout_rate` (1e-3).
pub fn mobilenet(options: &ZooOptions) -> Result<Model> {
    let dims = options.input_dims([224, 224, 3], 32)?;
    let mut net = Net::new(options, &format!("mobilenet_{:.2}_{}", options.alpha, rows(dims)))?;
    let six = Some(6.0);
    let x = net.keras_input(dims)?;
    let x = net.conv("conv1", Conv::new(scaled(32, options.alpha), 3).stride(2), x)?;
    let x = net.bn("conv1_bn", x)?;
    let mut x = net.relu("conv1_relu", six, x)?;
    let widths = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
    for (id, width) in (1..).zip(widths) {
        let window = if [2, 4, 6, 12].contains(&id) {
            x = net.pad(&format!("conv_pad_{id}"), [[0, 1], [0, 1]], x)?;
            Window(3, 2, Border::Valid)
        } else {
            Window(3, 1, Border::Same)
        };
        x = net.depthwise(&format!("conv_dw_{id}"), window, options.depth_multiplier, x)?;
        x = net.bn(&format!("conv_dw_{id}_bn"), x)?;
        x = net.relu(&format!("conv_dw_{id}_relu"), six, x)?;
        x = net.conv(&format!("conv_pw_{id}"), Conv::new(scaled(width, options.alpha), 1), x)?;
        x = net.bn(&format!("conv_pw_{id}_bn"), x)?;
        x = net.relu(&format!("conv_pw_{id}_relu"), six, x)?;
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    let classes = options.classes.unwrap_or(1000);
    let x = net.global_avg("", true, x)?;
    let x = net.dropout("dropout", options.dropout(1e-3), x)?;
    let x = net.conv("conv_preds", Conv::new(classes, 1).bias(), x)?;
    let x = net.reshape("reshape_2", &[classes], x)?;
    let x = net.act("predictions", options.classifier().name(), x)?;
    net.build(&[x])
}

/// Expansion, filters, repeats and first stride of the inverted residual blocks.
const V2: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

/// MobileNetV2: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks". Keras' `MobileNetV2`.
///
/// Input 224 x 224 x 3, -1..1 (tf preprocessing). Options: `alpha` (width).
pub fn mobilenet_v2(options: &ZooOptions) -> Result<Model> {
    let dims = options.input_dims([224, 224, 3], 32)?;
    let alpha = options.alpha;
    let mut net = Net::new(options, &format!("mobilenetv2_{alpha:.2}_{}", rows(dims)))?.batch_norm(1e-3, 0.999);
    let x = net.keras_input(dims)?;
    let x = net.conv("Conv1", Conv::new(divisible(32.0 * alpha), 3).stride(2), x)?;
    let x = net.bn("bn_Conv1", x)?;
    let mut x = net.relu("Conv1_relu", Some(6.0), x)?;
    let mut id = 0;
    for (expansion, filters, repeats, stride) in V2 {
        for repeat in 0..repeats {
            let filters = divisible(scaled(filters, alpha) as f64);
            x = inverted(&mut net, id, expansion, filters, if repeat == 0 { stride } else { 1 }, x)?;
            id += 1;
        }
    }
    // No alpha below 1 for the last convolution, as the paper says.
    let x = net.conv("Conv_1", Conv::new(if alpha > 1.0 { divisible(1280.0 * alpha) } else { 1280 }, 1).valid(), x)?;
    let x = net.bn("Conv_1_bn", x)?;
    let x = net.relu("out_relu", Some(6.0), x)?;
    let x = net.top(options, 1000, UNNAMED, ("", 0.0), x)?;
    net.build(&[x])
}

fn inverted(net: &mut Net, id: usize, expansion: usize, filters: usize, stride: usize, x: Sym) -> Result<Sym> {
    let channels = net.channels(x)?;
    let prefix = if id == 0 { "expanded_conv_".to_string() } else { format!("block_{id}_") };
    let mut y = x;
    if id > 0 {
        y = net.conv(&format!("{prefix}expand"), Conv::new(expansion * channels, 1), y)?;
        y = net.bn(&format!("{prefix}expand_BN"), y)?;
        y = net.relu(&format!("{prefix}expand_relu"), Some(6.0), y)?;
    }
    let window = if stride == 2 {
        y = net.pad_for_stride_2(&format!("{prefix}pad"), 3, y)?;
        Window(3, 2, Border::Valid)
    } else {
        Window(3, 1, Border::Same)
    };
    y = net.depthwise(&format!("{prefix}depthwise"), window, 1, y)?;
    y = net.bn(&format!("{prefix}depthwise_BN"), y)?;
    y = net.relu(&format!("{prefix}depthwise_relu"), Some(6.0), y)?;
    y = net.conv(&format!("{prefix}project"), Conv::new(filters, 1), y)?;
    y = net.bn(&format!("{prefix}project_BN"), y)?;
    if stride == 1 && channels == filters { net.sum(&format!("{prefix}add"), &[x, y]) } else { Ok(y) }
}
