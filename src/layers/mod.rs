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

mod activations;
pub(crate) mod arguments;
mod conv;
mod dense;
mod initializers;
mod json;
mod model;
mod order;
mod penalties;
mod scope;
mod shaping;
mod summary;

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::graph::{Dims, ValueId};
use crate::tensor::Tensor;
use std::sync::Arc;

pub use activations::Activation;
pub use arguments::{Border, Borders};
pub use conv::{Conv, Conv1D, Conv2D, Conv3D};
pub use dense::Dense;
pub use initializers::{Distribution, Fan, GLOROT_UNIFORM, Initializer, Random};
pub use model::{Lowered, Model, ModelBuilder, ModelKind, Row, Summary, Sym, Weight};
pub use penalties::{Constraint, Regularizer};
pub use scope::{Mode, Scope};
pub use shaping::Flatten;

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
pub trait Layer: fmt::Debug + Send + Sync {
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
        "Dense" => reader!(Dense),
        "Flatten" => reader!(Flatten),
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
