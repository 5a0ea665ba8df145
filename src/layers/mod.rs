//! Keras' layers and models: names, arguments, defaults and numbers as in Keras 3, channels last.
//!
//! A [`Layer`] is a plain struct of Keras' arguments. It tells which weights it wants for given inputs and *lowers*
//! itself to ops; shapes, both backends, passes and gradients come from those ops, so a layer has no kernels. Models
//! ([`Model`]) are built layer by layer, and what does not fit is an error at that moment, with the layer's name:
//!
//! ```
//! use striate::layers::{Activation, Border, Conv2D, Dense, Flatten, ModelBuilder};
//! # fn main() -> striate::Result<()> {
//! let mut net = ModelBuilder::new("digits");
//! let x = net.input("image", &[None, Some(28), Some(28), Some(1)])?;
//! let conv = Conv2D { padding: Border::Same, activation: Activation::relu(), ..Conv2D::new(8, [3, 3]) };
//! let x = net.add(conv, &[x])?;
//! let x = net.add(Flatten::new(), &[x])?;
//! let x = net.add(Dense { activation: Activation::Softmax, ..Dense::new(10) }, &[x])?;
//! let model = net.build(&[x])?;
//! assert_eq!(model.count_params(), 80 + 62730);
//! # Ok(())
//! # }
//! ```

mod activation_layers;
mod activations;
pub(crate) mod arguments;
mod batch_norm;
mod borders;
mod conv;
mod conv_transpose;
mod convolutional;
mod dense;
mod depthwise;
mod initializers;
mod json;
mod lambda;
mod lambda_ops;
mod merging;
mod model;
mod noise;
mod normalization;
mod order;
mod penalties;
mod pooling;
mod rbf;
mod resizing;
mod scope;
mod shaping;
mod summary;

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::tensor::Tensor;
use std::sync::Arc;

pub use activation_layers::{ActivationLayer, ELU, LeakyReLU, PReLU, ReLU, Softmax};
pub use activations::Activation;
pub use arguments::{Border, Borders, Several};
pub use batch_norm::BatchNormalization;
pub use borders::{
    Cropping, Cropping1D, Cropping2D, Cropping3D, ZeroPadding, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D,
};
pub use conv::{Conv, Conv1D, Conv2D, Conv3D};
pub use conv_transpose::{Conv1DTranspose, Conv2DTranspose, Conv3DTranspose, ConvTranspose};
pub use convolutional::to_fully_convolutional;
pub use dense::Dense;
pub use depthwise::{DepthwiseConv, DepthwiseConv1D, DepthwiseConv2D, SeparableConv, SeparableConv1D, SeparableConv2D};
pub use initializers::{Distribution, Fan, GLOROT_UNIFORM, Initializer, Random};
pub use lambda::{Lambda, Learned, Ref, Step};
pub(crate) use lambda_ops::{operation_of_binary, operation_of_unary};
pub use merging::{Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract};
pub use model::{Lowered, Model, ModelBuilder, ModelKind, Row, Summary, Sym, Weight};
pub use noise::{
    ActivityRegularization, AlphaDropout, Dropout, GaussianDropout, GaussianNoise, SpatialDropout, SpatialDropout1D,
    SpatialDropout2D, SpatialDropout3D,
};
pub use normalization::{GroupNormalization, LRN, LayerNormalization, Normalization, Rescaling, UnitNormalization};
pub use penalties::{Constraint, Regularizer};
pub use pooling::{
    AveragePooling, AveragePooling1D, AveragePooling2D, AveragePooling3D, DepthAveragePool, DepthMaxPool,
    GlobalAveragePooling, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling,
    GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D, MaxPooling, MaxPooling1D, MaxPooling2D, MaxPooling3D,
};
pub use rbf::RBF;
pub(crate) use resizing::resize_coordinates;
pub use resizing::{CenterCrop, Resize, Resizing, UpSampling1D, UpSampling2D, UpSampling3D};
pub use scope::{Mode, Scope};
pub use shaping::{Flatten, Identity, Permute, RepeatVector, Reshape};

use arguments::Arguments;

/// A weight that a layer wants.
#[derive(Clone, Debug)]
pub struct WeightSpec {
    /// Keras' name for it: `kernel`, `gamma` ...; within nested models `layer/kernel`.
    pub role: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Its first values.
    pub initializer: Initializer,
    /// It has a value already, which goes before the initialiser.
    pub value: Option<Arc<Tensor>>,
    /// Gradients change it (moving statistics are changed otherwise).
    pub trainable: bool,
    /// Added to the loss.
    pub regularizer: Option<Regularizer>,
    /// Applied after updates.
    pub constraint: Option<Constraint>,
}

impl WeightSpec {
    /// A trainable weight.
    pub fn new(role: &str, shape: impl Into<Vec<usize>>, initializer: &Initializer) -> Self {
        WeightSpec {
            role: role.into(),
            shape: shape.into(),
            initializer: initializer.clone(),
            value: None,
            trainable: true,
            regularizer: None,
            constraint: None,
        }
    }

    /// With a penalty and a constraint.
    pub fn with(mut self, regularizer: &Option<Regularizer>, constraint: &Option<Constraint>) -> Self {
        self.regularizer = *regularizer;
        self.constraint = constraint.clone();
        self
    }

    /// A weight that no gradient changes.
    pub fn fixed(role: &str, shape: impl Into<Vec<usize>>, initializer: &Initializer) -> Self {
        WeightSpec { trainable: false, ..WeightSpec::new(role, shape, initializer) }
    }
}

/// One layer.
pub trait Layer: Send + Sync {
    /// Keras' class name.
    fn class(&self) -> &'static str;

    /// Keras' configuration, all arguments included, without name and dtype.
    fn config(&self) -> Map<String, Json>;

    /// What is wrong with the arguments by themselves.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The weights for these inputs, in Keras' order.
    fn weights(&self, inputs: &[Dims]) -> Result<Vec<WeightSpec>> {
        let _ = inputs;
        Ok(Vec::new())
    }

    /// Adds the layer's ops; one value for each output. Errors need not name the layer.
    fn lower(&self, scope: &mut Scope, inputs: &[ValueId]) -> Result<Vec<ValueId>>;

    /// The model, if the layer is one.
    fn model(&self) -> Option<&Model> {
        None
    }

    /// The model, to change which of its layers are trained.
    fn model_mut(&mut self) -> Option<&mut Model> {
        None
    }
}

/// The class alone: every layer's own `Debug`, reached through the trait, was KB of wasm.
impl fmt::Debug for dyn Layer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.class())
    }
}

/// How a layer is read from its configuration.
type Reader = fn(&mut Arguments) -> Result<Box<dyn Layer>>;

/// A [`Reader`] of a layer made by `keras_layer!`.
macro_rules! reader {
    ($layer:ty) => {
        (|arguments| Ok(Box::new(<$layer>::read(arguments)?))) as Reader
    };
}

fn reader(class: &str) -> Option<Reader> {
    Some(match class {
        "Conv1D" | "Convolution1D" => reader!(Conv1D),
        "Conv2D" | "Convolution2D" => reader!(Conv2D),
        "Conv3D" | "Convolution3D" => reader!(Conv3D),
        "Conv1DTranspose" | "Convolution1DTranspose" => reader!(Conv1DTranspose),
        "Conv2DTranspose" | "Convolution2DTranspose" => reader!(Conv2DTranspose),
        "Conv3DTranspose" | "Convolution3DTranspose" => reader!(Conv3DTranspose),
        "DepthwiseConv1D" => reader!(DepthwiseConv1D),
        "DepthwiseConv2D" => reader!(DepthwiseConv2D),
        "SeparableConv1D" | "SeparableConvolution1D" => reader!(SeparableConv1D),
        "SeparableConv2D" | "SeparableConvolution2D" => reader!(SeparableConv2D),
        "Dense" => reader!(Dense),
        "RBF" => reader!(RBF),
        "Activation" => reader!(ActivationLayer),
        "ReLU" => reader!(ReLU),
        "LeakyReLU" => reader!(LeakyReLU),
        "ELU" => reader!(ELU),
        "PReLU" => reader!(PReLU),
        "Softmax" => reader!(Softmax),
        "MaxPooling1D" | "MaxPool1D" => reader!(MaxPooling1D),
        "MaxPooling2D" | "MaxPool2D" => reader!(MaxPooling2D),
        "MaxPooling3D" | "MaxPool3D" => reader!(MaxPooling3D),
        "AveragePooling1D" | "AvgPool1D" => reader!(AveragePooling1D),
        "AveragePooling2D" | "AvgPool2D" => reader!(AveragePooling2D),
        "AveragePooling3D" | "AvgPool3D" => reader!(AveragePooling3D),
        "GlobalMaxPooling1D" | "GlobalMaxPool1D" => reader!(GlobalMaxPooling1D),
        "GlobalMaxPooling2D" | "GlobalMaxPool2D" => reader!(GlobalMaxPooling2D),
        "GlobalMaxPooling3D" | "GlobalMaxPool3D" => reader!(GlobalMaxPooling3D),
        "GlobalAveragePooling1D" | "GlobalAvgPool1D" => reader!(GlobalAveragePooling1D),
        "GlobalAveragePooling2D" | "GlobalAvgPool2D" => reader!(GlobalAveragePooling2D),
        "GlobalAveragePooling3D" | "GlobalAvgPool3D" => reader!(GlobalAveragePooling3D),
        "DepthMaxPool" => reader!(DepthMaxPool),
        "DepthAveragePool" => reader!(DepthAveragePool),
        "ZeroPadding1D" => reader!(ZeroPadding1D),
        "ZeroPadding2D" => reader!(ZeroPadding2D),
        "ZeroPadding3D" => reader!(ZeroPadding3D),
        "Cropping1D" => reader!(Cropping1D),
        "Cropping2D" => reader!(Cropping2D),
        "Cropping3D" => reader!(Cropping3D),
        "UpSampling1D" => reader!(UpSampling1D),
        "UpSampling2D" => reader!(UpSampling2D),
        "UpSampling3D" => reader!(UpSampling3D),
        "Resizing" => reader!(Resizing),
        "Resize" => reader!(Resize),
        "CenterCrop" => reader!(CenterCrop),
        "BatchNormalization" => reader!(BatchNormalization),
        "LayerNormalization" => reader!(LayerNormalization),
        "GroupNormalization" => reader!(GroupNormalization),
        "UnitNormalization" => reader!(UnitNormalization),
        "Normalization" => reader!(Normalization),
        "Rescaling" => reader!(Rescaling),
        "LRN" => reader!(LRN),
        "Add" => reader!(Add),
        "Subtract" => reader!(Subtract),
        "Multiply" => reader!(Multiply),
        "Average" => reader!(Average),
        "Maximum" => reader!(Maximum),
        "Minimum" => reader!(Minimum),
        "Concatenate" => reader!(Concatenate),
        "Dot" => reader!(Dot),
        "Dropout" => reader!(Dropout),
        "SpatialDropout1D" => reader!(SpatialDropout1D),
        "SpatialDropout2D" => reader!(SpatialDropout2D),
        "SpatialDropout3D" => reader!(SpatialDropout3D),
        "GaussianNoise" => reader!(GaussianNoise),
        "GaussianDropout" => reader!(GaussianDropout),
        "AlphaDropout" => reader!(AlphaDropout),
        "ActivityRegularization" => reader!(ActivityRegularization),
        "Flatten" => reader!(Flatten),
        "Reshape" => reader!(Reshape),
        "Permute" => reader!(Permute),
        "RepeatVector" => reader!(RepeatVector),
        "Identity" => reader!(Identity),
        "Lambda" => reader!(Lambda),
        _ => return None,
    })
}

/// A layer from Keras' class name and configuration. `lenient` passes over unknown arguments, as files of other versions
/// need it; else they are an error, since they are mostly misspelt.
pub fn from_config(class: &str, config: &Map<String, Json>, lenient: bool) -> Result<Box<dyn Layer>> {
    let Some(read) = reader(class) else {
        return Err(Error::unsupported(format!("no layer named {class:?}")));
    };
    let mut arguments = Arguments::new(config, lenient);
    let layer = read(&mut arguments)?;
    arguments.finish()?;
    layer.check()?;
    Ok(layer)
}
