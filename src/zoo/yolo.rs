//! Detectors that look once: YOLOv3 and its small form, and the single grid that textbooks explain.

use super::blocks::{Conv, Net, UNNAMED, Window};
use super::options::ZooOptions;
use crate::error::{Error, Result};
use crate::layers::{Border, Model, Sym};

/// Errors unless known sizes are multiples of the network's stride: else the maps of different scales do not meet.
pub(super) fn multiple_of(stride: usize, dims: [Option<usize>; 4]) -> Result<[Option<usize>; 4]> {
    match dims[1..3].iter().flatten().find(|&&size| size % stride != 0) {
        Some(size) => Err(Error::mismatch(
            "the network halves its input again and again, and adds the maps up again",
            format!("a height and width that {stride} divides"),
            size,
        )),
        None => Ok(dims),
    }
}

/// A grid's predictions: for each anchor 4 numbers of the box, the objectness, and the classes, all as logits.
fn predictions(net: &mut Net, name: &str, options: &ZooOptions, x: Sym) -> Result<Sym> {
    let filters = options.boxes.unwrap_or(3).saturating_mul(5 + options.classes.unwrap_or(80));
    net.conv(name, Conv::new(filters, 1).valid().bias(), x)
}

/// YOLOv3: Redmon & Farhadi 2018, "YOLOv3: an incremental improvement". Darknet-53 and three heads, for large objects
/// first: at 416 x 416 the outputs are 13 x 13, 26 x 26 and 52 x 52 times `boxes * (5 + classes)` logits.
///
/// Input of any multiple of 32 (416 x 416 x 3), 0..1. Strided convolutions pad above and to the left, as Darknet does.
/// Options: `classes` (80), `boxes` (3 anchors of a cell and scale), `widths` (6), `blocks` (5). `include_top` off leaves
/// Darknet-53 alone.
pub fn yolov3(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([32, 64, 128, 256, 512, 1024])?;
    let blocks = options.blocks([1, 2, 8, 8, 4])?;
    let mut net = Net::new(options, "yolov3")?;
    let x = net.input("input", multiple_of(32, options.input_dims([416, 416, 3], 32)?)?)?;
    let mut x = net.conv_bn("d0", Conv::new(widths[0], 3), "leaky", x)?;
    let mut maps = [x; 5];
    for stage in 1..6 {
        let filters = widths[stage];
        let padded = net.pad(&format!("d{stage}_pad"), [[1, 0], [1, 0]], x)?;
        x = net.conv_bn(&format!("d{stage}_down"), Conv::new(filters, 3).stride(2).valid(), "leaky", padded)?;
        for block in 1..=blocks[stage - 1] {
            let name = format!("d{stage}_{block}");
            let y = net.conv_bn(&format!("{name}_a"), Conv::new((filters / 2).max(1), 1), "leaky", x)?;
            let y = net.conv_bn(&format!("{name}_b"), Conv::new(filters, 3), "leaky", y)?;
            x = net.sum(&format!("{name}_add"), &[x, y])?;
        }
        maps[stage - 1] = x;
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    let mut outputs = Vec::new();
    for head in 0..3 {
        let filters = widths[5 - head];
        let (half, name) = ((filters / 2).max(1), format!("h{head}"));
        if head > 0 {
            x = merge(&mut net, &name, half, x, maps[4 - head])?;
        }
        for conv in 1..6 {
            let layer = if conv % 2 == 1 { Conv::new(half, 1) } else { Conv::new(filters, 3) };
            x = net.conv_bn(&format!("{name}_{conv}"), layer, "leaky", x)?;
        }
        let y = net.conv_bn(&format!("{name}_6"), Conv::new(filters, 3), "leaky", x)?;
        outputs.push(predictions(&mut net, &format!("{name}_out"), options, y)?);
    }
    net.build(&outputs)
}

/// A coarse map, enlarged, beside a fine one.
fn merge(net: &mut Net, name: &str, filters: usize, coarse: Sym, fine: Sym) -> Result<Sym> {
    let x = net.conv_bn(&format!("{name}_lat"), Conv::new(filters, 1), "leaky", coarse)?;
    let x = net.upsample(&format!("{name}_up"), 2, "nearest", x)?;
    net.concat(&format!("{name}_cat"), &[x, fine])
}

/// YOLOv3-tiny: seven convolutions with pooling between, two heads (13 x 13 and 26 x 26 at 416 x 416).
///
/// Input and options as for [`yolov3`], `widths` (7).
pub fn yolov3_tiny(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths([16, 32, 64, 128, 256, 512, 1024])?;
    let mut net = Net::new(options, "yolov3_tiny")?;
    let mut x = net.input("input", multiple_of(32, options.input_dims([416, 416, 3], 32)?)?)?;
    let mut fine = x;
    for (i, width) in widths.into_iter().enumerate() {
        x = net.conv_bn(&format!("d{i}"), Conv::new(width, 3), "leaky", x)?;
        if i == 4 {
            fine = x;
        }
        // The last pooling keeps the size.
        match i {
            0..5 => x = net.max_pool(&format!("p{i}"), Window(2, 2, Border::Valid), x)?,
            5 => x = net.max_pool(&format!("p{i}"), Window(2, 1, Border::Same), x)?,
            _ => {}
        }
    }
    if !options.include_top {
        let x = net.features(options.pooling, UNNAMED, x)?;
        return net.build(&[x]);
    }
    let quarter = (widths[6] / 4).max(1);
    let x = net.conv_bn("h0_1", Conv::new(quarter, 1), "leaky", x)?;
    let coarse = net.conv_bn("h0_2", Conv::new(widths[5], 3), "leaky", x)?;
    let coarse = predictions(&mut net, "h0_out", options, coarse)?;
    let merged = merge(&mut net, "h1", (quarter / 2).max(1), x, fine)?;
    let y = net.conv_bn("h1_1", Conv::new(widths[4], 3), "leaky", merged)?;
    let y = predictions(&mut net, "h1_out", options, y)?;
    net.build(&[coarse, y])
}

/// YOLO on one grid: each cell gives `boxes` boxes of 4 numbers, as many objectness scores (sigmoid), and the
/// probabilities of the classes (softmax), which its boxes share: `boxes * 4 + boxes + classes` channels, 45 by default.
/// In the manner of Redmon et al. 2015, "You only look once", as Géron's "Hands-on machine learning" explains it.
///
/// Input 416 x 416 x 3 for a grid of 13 x 13 (224 x 224 for 7 x 7), 0..1. Options: `classes` (20), `boxes` (5), `widths` (any
/// number: a convolution and a pooling that halves the map, each), `units` (3 x 3 convolutions behind them, two of 1024).
pub fn yolo(options: &ZooOptions) -> Result<Model> {
    let widths = options.widths.clone().unwrap_or_else(|| vec![16, 32, 64, 128, 256]);
    let (boxes, classes) = (options.boxes.unwrap_or(5), options.classes.unwrap_or(20));
    let mut net = Net::new(options, "yolo")?;
    let stride = 1usize.checked_shl(widths.len() as u32).unwrap_or(usize::MAX);
    let mut x = net.input("input", multiple_of(stride, options.input_dims([416, 416, 3], 1)?)?)?;
    for (i, width) in widths.iter().enumerate() {
        x = net.conv_bn(&format!("s{i}"), Conv::new(*width, 3), "leaky", x)?;
        x = net.max_pool(&format!("p{i}"), Window(2, 2, Border::Valid), x)?;
    }
    for (i, width) in options.units(&[1024, 1024]).into_iter().enumerate() {
        x = net.conv_bn(&format!("s{}", widths.len() + i), Conv::new(width, 3), "leaky", x)?;
    }
    let location = net.conv("box", Conv::new(boxes * 4, 1).valid().bias(), x)?;
    let objectness = net.conv("objectness", Conv::new(boxes, 1).valid().act("sigmoid"), x)?;
    let logits = net.conv("class_logits", Conv::new(classes, 1).valid().bias(), x)?;
    let probabilities = net.softmax("class_prob", logits)?;
    let y = net.concat("out", &[location, objectness, probabilities])?;
    net.build(&[y])
}
