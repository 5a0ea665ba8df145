//! The options of networks: Keras' names and defaults, and the widths and depths that make a network small.

use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::layers::Activation;
use crate::layers::arguments::{Argument, wrong};

/// What stands behind the last feature map when the classifier is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pooling {
    /// Nothing: the output is the map, `[batch, height, width, channels]`.
    #[default]
    None,
    /// Its average, `[batch, channels]`.
    Avg,
    /// Its maximum, `[batch, channels]`.
    Max,
}

/// How a segmentation network enlarges its maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Upsampling {
    /// Transposed convolutions, which learn; their kernels begin as bilinear interpolation.
    #[default]
    Transpose,
    /// Bilinear interpolation.
    Bilinear,
}

/// The options of all networks. `None` stands for the network's own default; a network looks only at what it has (each
/// function tells), and [`super::build`] refuses the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct ZooOptions {
    /// Ends in its classifier; else in features, for another network to build on.
    pub include_top: bool,
    /// Number of classes.
    pub classes: Option<usize>,
    /// Height, width and channels; height and width may be open (`None`) where no dense layer needs to know them.
    pub input_shape: Option<[Option<usize>; 3]>,
    /// Looked at when the classifier is left out.
    pub pooling: Pooling,
    /// Of the classifier; [`Activation::Linear`] gives logits.
    pub classifier_activation: Option<Activation>,
    /// The model's name.
    pub name: Option<String>,
    /// Decides the random first weights.
    pub seed: u64,
    /// Fraction of units that are dropped before the classifier; 0 leaves the layer out.
    pub dropout_rate: Option<f32>,
    /// Multiplies the number of filters everywhere (MobileNets).
    pub alpha: f64,
    /// Depthwise outputs for each channel (MobileNet).
    pub depth_multiplier: usize,
    /// Without squeeze-and-excitation, hard swish and 5 x 5 kernels (MobileNetV3).
    pub minimalistic: bool,
    /// Begins with the scaling of pixels in 0..255 that the network expects.
    pub include_preprocessing: bool,
    /// Filters of each stage.
    pub widths: Option<Vec<usize>>,
    /// Blocks of each stage.
    pub blocks: Option<Vec<usize>>,
    /// Units of the dense layers before the classifier.
    pub units: Option<Vec<usize>>,
    /// With local response normalisation (AlexNet, GoogLeNet).
    pub lrn: bool,
    /// Squared distances at the output (LeNet-5).
    pub squared: bool,
    /// Boxes of a grid cell (YOLO), anchors of a cell and scale (YOLOv3).
    pub boxes: Option<usize>,
    /// How maps are enlarged (FCN).
    pub upsampling: Upsampling,
}

impl Default for ZooOptions {
    fn default() -> Self {
        ZooOptions {
            include_top: true,
            classes: None,
            input_shape: None,
            pooling: Pooling::None,
            classifier_activation: None,
            name: None,
            seed: 0,
            dropout_rate: None,
            alpha: 1.0,
            depth_multiplier: 1,
            minimalistic: false,
            include_preprocessing: true,
            widths: None,
            blocks: None,
            units: None,
            lrn: true,
            squared: false,
            boxes: None,
            upsampling: Upsampling::Transpose,
        }
    }
}

/// More classes, filters, blocks or units than this are a mistake, and would make a network that nothing can hold.
const MAX: usize = 1 << 16;

impl ZooOptions {
    /// Reads options in snake_case or camelCase. `known` are those that the network has; `null` stands for the default,
    /// except for `classifier_activation`, where it stands for none (as in Keras).
    pub(super) fn read(json: &Json, known: &[&str]) -> Result<Self> {
        let empty = Map::new();
        let map = match json {
            Json::Null => &empty,
            Json::Object(map) => map,
            other => return wrong("an object of options", other),
        };
        let mut options = ZooOptions::default();
        for (key, value) in map {
            let name = snake_case(key);
            if name == "weights" {
                if !value.is_null() {
                    return Err(Error::unsupported(
                        "no weights come with the networks: build without `weights` and load them into the model",
                    ));
                }
                continue;
            }
            if !known.contains(&name.as_str()) {
                return Err(Error::mismatch(format!("no option `{key}`"), known.join(", "), key));
            }
            if value.is_null() && name != "classifier_activation" {
                continue;
            }
            options.set(&name, value).map_err(|e| about(key, e))?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &Json) -> Result<()> {
        let flag = || bool::read(value);
        let sizes = || Vec::<usize>::read(value).map(Some);
        match name {
            "include_top" => self.include_top = flag()?,
            "classes" => self.classes = Some(usize::read(value)?),
            "input_shape" => self.input_shape = Some(read_shape(value)?),
            "pooling" => {
                self.pooling = match value.as_str() {
                    Some("avg") => Pooling::Avg,
                    Some("max") => Pooling::Max,
                    Some("none") => Pooling::None,
                    _ => return wrong("avg, max or null", value),
                }
            }
            "classifier_activation" => self.classifier_activation = Some(Activation::read(value)?),
            "name" => self.name = Some(String::read(value)?),
            "seed" => self.seed = usize::read(value)? as u64,
            "dropout_rate" | "dropout" => self.dropout_rate = Some(f32::read(value)?),
            "alpha" => {
                self.alpha = match value.as_f64() {
                    Some(alpha) => alpha,
                    None => return wrong("a number", value),
                }
            }
            "depth_multiplier" => self.depth_multiplier = usize::read(value)?,
            "minimalistic" => self.minimalistic = flag()?,
            "include_preprocessing" => self.include_preprocessing = flag()?,
            "widths" => self.widths = sizes()?,
            "blocks" => self.blocks = sizes()?,
            "units" => self.units = sizes()?,
            "lrn" => self.lrn = flag()?,
            "squared" => self.squared = flag()?,
            "boxes" => self.boxes = Some(usize::read(value)?),
            "upsampling" => {
                self.upsampling = match value.as_str() {
                    Some("transpose") => Upsampling::Transpose,
                    Some("bilinear") => Upsampling::Bilinear,
                    _ => return wrong("transpose or bilinear", value),
                }
            }
            // A network that lists an option that nobody reads.
            other => return Err(Error::invalid(format!("the option `{other}` cannot be read"))),
        }
        Ok(())
    }

    /// What is wrong with the values by themselves.
    pub(super) fn check(&self) -> Result<()> {
        let range = |name: &str, value: usize| {
            if (1..=MAX).contains(&value) {
                Ok(())
            } else {
                Err(Error::mismatch(format!("the option `{name}` has a wrong value"), format!("1 to {MAX}"), value))
            }
        };
        let sizes =
            [("classes", self.classes), ("boxes", self.boxes), ("depth_multiplier", Some(self.depth_multiplier))];
        for (name, size) in sizes {
            range(name, size.unwrap_or(1))?;
        }
        for (name, list) in [("widths", &self.widths), ("blocks", &self.blocks), ("units", &self.units)] {
            list.iter().flatten().try_for_each(|&size| range(name, size))?;
        }
        if !(self.alpha > 0.0 && self.alpha <= 64.0) {
            return Err(Error::mismatch("the option `alpha` has a wrong value", "above 0, at most 64", self.alpha));
        }
        if let Some(rate) = self.dropout_rate
            && !(0.0..1.0).contains(&rate)
        {
            return Err(Error::mismatch("the option `dropout_rate` has a wrong value", "0 to below 1", rate));
        }
        Ok(())
    }

    /// Filters of the stages; as many as in `default`.
    pub(super) fn widths<const N: usize>(&self, default: [usize; N]) -> Result<[usize; N]> {
        list("widths", &self.widths, default)
    }

    /// Blocks of the stages; as many as in `default`.
    pub(super) fn blocks<const N: usize>(&self, default: [usize; N]) -> Result<[usize; N]> {
        list("blocks", &self.blocks, default)
    }

    /// Units of dense layers; any number of layers.
    pub(super) fn units(&self, default: &[usize]) -> Vec<usize> {
        self.units.clone().unwrap_or_else(|| default.to_vec())
    }

    /// The dropout rate.
    pub(super) fn dropout(&self, default: f32) -> f32 {
        self.dropout_rate.unwrap_or(default)
    }

    /// The classifier's activation.
    pub(super) fn classifier(&self) -> Activation {
        self.classifier_activation.clone().unwrap_or(Activation::Softmax)
    }

    /// The input's dimensions. Without its top a network takes images of any size, unless told otherwise.
    pub(super) fn input_dims(&self, default: [usize; 3], min: usize) -> Result<[Option<usize>; 4]> {
        let open = [None, None, Some(default[2])];
        let [height, width, channels] =
            self.input_shape.unwrap_or(if self.include_top { default.map(Some) } else { open });
        if channels.is_none() {
            return Err(Error::invalid("the option `input_shape`: the number of channels must be known"));
        }
        if height.is_some_and(|n| n < min) || width.is_some_and(|n| n < min) {
            let size = |n: Option<usize>| n.map_or("any".to_string(), |n| n.to_string());
            return Err(Error::mismatch(
                "the input is too small for this network",
                format!("at least {min} x {min}"),
                format!("{} x {}", size(height), size(width)),
            ));
        }
        Ok([None, height, width, channels])
    }
}

fn list<const N: usize>(name: &str, given: &Option<Vec<usize>>, default: [usize; N]) -> Result<[usize; N]> {
    let Some(given) = given else { return Ok(default) };
    given.as_slice().try_into().map_err(|_| {
        Error::mismatch(format!("the option `{name}` has a wrong length"), format!("{N} numbers"), given.len())
    })
}

/// `[height, width, channels]`, or with the batch before it.
fn read_shape(json: &Json) -> Result<[Option<usize>; 3]> {
    let list = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let list = match list {
        [Json::Null, rest @ ..] if rest.len() == 3 => rest,
        _ => list,
    };
    match list {
        [height, width, channels] => {
            let dims = [Option::read(height)?, Option::read(width)?, Option::read(channels)?];
            if dims.contains(&Some(0)) { wrong("positive sizes", json) } else { Ok(dims) }
        }
        _ => wrong("[height, width, channels]", json),
    }
}

fn about(name: &str, error: Error) -> Error {
    match (error.expected(), error.received()) {
        (Some(expected), Some(received)) => {
            Error::mismatch(format!("the option `{name}` has a wrong value"), expected, received)
        }
        _ => Error::new(error.kind(), format!("the option `{name}`: {}", error.message())),
    }
}

/// `includeTop` as `include_top`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KNOWN: &[&str] = &["include_top", "classes", "input_shape", "pooling", "alpha", "classifier_activation"];

    #[test]
    fn both_spellings_are_read() {
        let json = json!({"includeTop": false, "input_shape": [null, 32, 3], "pooling": "avg", "alpha": 0.35,
            "classifierActivation": null, "weights": null, "classes": null});
        let options = ZooOptions::read(&json, KNOWN).unwrap();
        assert!(!options.include_top && options.classes.is_none());
        assert_eq!(options.input_shape, Some([None, Some(32), Some(3)]));
        assert_eq!((options.pooling, options.alpha), (Pooling::Avg, 0.35));
        assert_eq!(options.classifier_activation, Some(Activation::Linear));
        assert_eq!(ZooOptions::read(&Json::Null, KNOWN).unwrap(), ZooOptions::default());
    }

    #[test]
    fn mistakes_are_named() {
        let message = |json: Json| ZooOptions::read(&json, KNOWN).unwrap_err().to_string();
        assert_eq!(
            message(json!({"inputShape": [32, 32]})),
            "the option `inputShape` has a wrong value (expected [height, width, channels], received [32,32])"
        );
        assert!(message(json!({"minimalistic": true})).starts_with("no option `minimalistic` (expected include_top, "));
        assert!(message(json!({"classes": 0})).contains("`classes` has a wrong value (expected 1 to"));
        assert!(message(json!({"alpha": 0})).contains("`alpha`"));
        assert!(message(json!({"weights": "imagenet"})).contains("no weights come with the networks"));
        assert!(message(json!({"pooling": "min"})).contains("avg, max or null"));
        assert!(message(json!(3)).contains("an object of options"));
    }
}
