//! Well-known networks, built from [`layers`](crate::layers): classifiers, detectors, segmentation.
//!
//! Each function takes [`ZooOptions`] and returns a model with random weights; layers, names, order and shapes are those
//! of Keras' applications where Keras has the network, so that its weight files fit. [`build`] makes a network by name
//! from options as JSON, for JavaScript.
//!
//! ```
//! use striate::zoo::{ZooOptions, mobilenet_v2};
//! # fn main() -> striate::Result<()> {
//! let input_shape = Some([Some(96), Some(96), Some(3)]);
//! let options = ZooOptions { alpha: 0.35, classes: Some(4), input_shape, ..Default::default() };
//! let model = mobilenet_v2(&options)?;
//! assert_eq!(model.name(), "mobilenetv2_0.35_96");
//! # Ok(())
//! # }
//! ```

mod alexnet;
mod blocks;
mod densenet;
mod efficientnet;
mod fashion;
mod fcn;
mod googlenet;
mod lenet;
mod mobilenet;
mod mobilenet_v3;
mod options;
mod residual;
mod resnet;
mod unet;
mod vgg;
mod xception;
mod yolo;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::layers::Model;

pub use alexnet::alexnet;
pub use densenet::{densenet121, densenet169, densenet201};
pub use efficientnet::efficientnet_lite0;
pub use fashion::fashion_mnist;
pub use fcn::{fcn8s, fcn16s, fcn32s};
pub use googlenet::googlenet;
pub use lenet::lenet5;
pub use mobilenet::{mobilenet, mobilenet_v2};
pub use mobilenet_v3::{mobilenet_v3_large, mobilenet_v3_small};
pub use options::{Pooling, Upsampling, ZooOptions};
pub use residual::{resnet18, resnet34, resnet34_sequential};
pub use resnet::{resnet50, resnet50v2, resnet101, resnet101v2, resnet152, resnet152v2, se_resnet50};
pub use unet::unet;
pub use vgg::{vgg16, vgg19};
pub use xception::xception;
pub use yolo::{yolo, yolov3, yolov3_tiny};

/// Makes a network.
type Build = fn(&ZooOptions) -> Result<Model>;

/// Options of all networks.
const COMMON: &str = "classes input_shape name seed";
/// Those of classifiers.
const CLASSIFIER: &str = "include_top pooling classifier_activation";
/// Those of networks that make features but end in no classifier.
const BACKBONE: &str = "include_top pooling";

/// Name (Keras', where Keras has the network), builder, and two lists of options beyond the [`COMMON`] ones.
const NETWORKS: [(&str, Build, &str, &str); 32] = [
    ("LeNet5", lenet5, BACKBONE, "squared widths units"),
    ("AlexNet", alexnet, CLASSIFIER, "lrn dropout_rate widths units"),
    ("FashionMNIST", fashion_mnist, CLASSIFIER, "dropout_rate widths units"),
    ("GoogLeNet", googlenet, CLASSIFIER, "lrn dropout_rate alpha"),
    ("VGG16", vgg16, CLASSIFIER, "widths units"),
    ("VGG19", vgg19, CLASSIFIER, "widths units"),
    ("ResNet18", resnet18, CLASSIFIER, "widths blocks"),
    ("ResNet34", resnet34, CLASSIFIER, "widths blocks"),
    ("ResNet34Sequential", resnet34_sequential, CLASSIFIER, "widths blocks"),
    ("ResNet50", resnet50, CLASSIFIER, "widths blocks"),
    ("ResNet101", resnet101, CLASSIFIER, "widths blocks"),
    ("ResNet152", resnet152, CLASSIFIER, "widths blocks"),
    ("ResNet50V2", resnet50v2, CLASSIFIER, "widths blocks"),
    ("ResNet101V2", resnet101v2, CLASSIFIER, "widths blocks"),
    ("ResNet152V2", resnet152v2, CLASSIFIER, "widths blocks"),
    ("SEResNet50", se_resnet50, CLASSIFIER, "widths blocks"),
    ("Xception", xception, CLASSIFIER, "widths blocks"),
    ("MobileNet", mobilenet, CLASSIFIER, "alpha depth_multiplier dropout_rate dropout"),
    ("MobileNetV2", mobilenet_v2, CLASSIFIER, "alpha"),
    ("MobileNetV3Small", mobilenet_v3_small, CLASSIFIER, "alpha minimalistic dropout_rate include_preprocessing"),
    ("MobileNetV3Large", mobilenet_v3_large, CLASSIFIER, "alpha minimalistic dropout_rate include_preprocessing"),
    ("EfficientNetLite0", efficientnet_lite0, CLASSIFIER, "dropout_rate include_preprocessing"),
    ("DenseNet121", densenet121, CLASSIFIER, "widths blocks"),
    ("DenseNet169", densenet169, CLASSIFIER, "widths blocks"),
    ("DenseNet201", densenet201, CLASSIFIER, "widths blocks"),
    ("YOLOv3", yolov3, BACKBONE, "boxes widths blocks"),
    ("YOLOv3Tiny", yolov3_tiny, BACKBONE, "boxes widths"),
    ("YOLO", yolo, "", "boxes widths units"),
    ("FCN32s", fcn32s, "classifier_activation", "upsampling dropout_rate widths blocks units"),
    ("FCN16s", fcn16s, "classifier_activation", "upsampling dropout_rate widths blocks units"),
    ("FCN8s", fcn8s, "classifier_activation", "upsampling dropout_rate widths blocks units"),
    ("UNet", unet, "classifier_activation", "widths blocks"),
];

/// Names of all networks.
pub fn names() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, ..)| *name)
}

/// Options that a network has, in snake_case.
pub fn options_of(name: &str) -> Result<Vec<&'static str>> {
    let (_, _, some, more) = find(name)?;
    Ok([COMMON, some, more].iter().flat_map(|list| list.split_whitespace()).collect())
}

/// The network of this name (`ResNet50`, `resnet_50` and `resnet-50` are the same) with options from JSON, in snake_case
/// or camelCase. Options that the network does not have are an error.
pub fn build(name: &str, options: &Json) -> Result<Model> {
    let (name, build, ..) = find(name)?;
    let options = ZooOptions::read(options, &options_of(name)?).map_err(|e| e.at(*name))?;
    build(&options)
}

fn find(name: &str) -> Result<&'static (&'static str, Build, &'static str, &'static str)> {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(name);
    let found = NETWORKS.iter().find(|(known, ..)| plain(known) == wanted);
    found.ok_or_else(|| Error::mismatch("no such network", names().collect::<Vec<_>>().join(", "), name))
}
