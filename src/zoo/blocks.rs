//! What networks are written in: a model under construction, with one short method for each kind of layer.
//!
//! An empty name lets the layer be named as Keras would name it (`conv2d_1`).

use super::options::{Pooling, ZooOptions};
use crate::error::{Error, Result};
use crate::layers::{
    Activation, ActivationLayer, Add, AveragePooling2D, BatchNormalization, Border, Borders, Concatenate, Conv2D,
    Conv2DTranspose, Dense, DepthwiseConv2D, Dropout, Flatten, GLOROT_UNIFORM, GlobalAveragePooling2D,
    GlobalMaxPooling2D, Initializer, LRN, Layer, LeakyReLU, MaxPooling2D, Model, ModelBuilder, Multiply, RBF, ReLU,
    Rescaling, Reshape, SeparableConv2D, Several, Softmax, Sym, UpSampling2D, ZeroPadding2D,
};

/// A model under construction.
pub(super) struct Net {
    builder: ModelBuilder,
    /// Of batch normalisation: 1e-3 and 0.99 in Keras.
    epsilon: f32,
    momentum: f32,
    /// First values of convolutions' and dense layers' kernels; Glorot uniform in Keras.
    kernels: Initializer,
}

/// A convolution, by what differs between networks. Windows are padded (`same`) and there is no bias unless said.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    filters: usize,
    kernel: usize,
    stride: usize,
    border: Border,
    bias: bool,
    activation: &'static str,
}

impl Conv {
    pub const fn new(filters: usize, kernel: usize) -> Self {
        Conv { filters, kernel, stride: 1, border: Border::Same, bias: false, activation: "linear" }
    }

    pub const fn stride(self, stride: usize) -> Self {
        Conv { stride, ..self }
    }

    /// Whole windows only.
    pub const fn valid(self) -> Self {
        Conv { border: Border::Valid, ..self }
    }

    pub const fn bias(self) -> Self {
        Conv { bias: true, ..self }
    }

    /// With an activation (and a bias, which comes with it in the networks without batch normalisation).
    pub const fn act(self, activation: &'static str) -> Self {
        Conv { activation, bias: true, ..self }
    }
}

/// A window that moves: size, stride, border.
#[derive(Clone, Copy)]
pub(super) struct Window(pub usize, pub usize, pub Border);

impl Net {
    /// Begins the network; `name` unless the options name it.
    pub fn new(options: &ZooOptions, name: &str) -> Result<Net> {
        options.check()?;
        let name = options.name.as_deref().unwrap_or(name);
        let builder = ModelBuilder::new(name).seed(options.seed);
        Ok(Net { builder, epsilon: 1e-3, momentum: 0.99, kernels: GLOROT_UNIFORM })
    }

    /// Other constants of batch normalisation.
    pub fn batch_norm(self, epsilon: f32, momentum: f32) -> Net {
        Net { epsilon, momentum, ..self }
    }

    /// Other first values of kernels.
    pub fn kernels(self, initializer: Initializer) -> Net {
        Net { kernels: initializer, ..self }
    }

    pub fn input(&mut self, name: &str, dims: [Option<usize>; 4]) -> Result<Sym> {
        self.builder.input(name, &dims)
    }

    /// The input of Keras' own networks.
    pub fn keras_input(&mut self, dims: [Option<usize>; 4]) -> Result<Sym> {
        self.input("input_layer", dims)
    }

    pub fn build(self, outputs: &[Sym]) -> Result<Model> {
        self.builder.build(outputs)
    }

    pub fn channels(&self, x: Sym) -> Result<usize> {
        let dims = self.builder.dims(x)?;
        dims.channels().ok_or_else(|| Error::mismatch("the channels must be known", "a number", dims))
    }

    /// Height and width.
    pub fn size(&self, x: Sym) -> Result<[Option<usize>; 2]> {
        let dims = self.builder.dims(x)?;
        Ok([dims.get(1).copied().flatten(), dims.get(2).copied().flatten()])
    }

    fn layer(&mut self, name: &str, layer: impl Layer + 'static, inputs: &[Sym]) -> Result<Sym> {
        self.boxed(name, Box::new(layer), inputs)
    }

    fn boxed(&mut self, name: &str, layer: Box<dyn Layer>, inputs: &[Sym]) -> Result<Sym> {
        let automatic;
        let name = if name.is_empty() {
            automatic = self.builder.automatic(layer.class());
            &automatic
        } else {
            name
        };
        let outputs = self.builder.apply(name, layer, inputs)?;
        outputs.first().copied().ok_or_else(|| Error::invalid("a layer without an output").at(name))
    }

    pub fn conv(&mut self, name: &str, conv: Conv, x: Sym) -> Result<Sym> {
        let Conv { filters, kernel, stride, border, bias, activation } = conv;
        let layer = Conv2D {
            strides: [stride; 2],
            padding: border,
            use_bias: bias,
            activation: named(activation)?,
            kernel_initializer: self.kernels.clone(),
            ..Conv2D::new(filters, [kernel; 2])
        };
        self.layer(name, layer, &[x])
    }

    pub fn depthwise(&mut self, name: &str, window: Window, multiplier: usize, x: Sym) -> Result<Sym> {
        let Window(kernel, stride, border) = window;
        let layer = DepthwiseConv2D {
            strides: [stride; 2],
            padding: border,
            depth_multiplier: multiplier,
            use_bias: false,
            depthwise_initializer: self.kernels.clone(),
            ..DepthwiseConv2D::new([kernel; 2])
        };
        self.layer(name, layer, &[x])
    }

    /// Depthwise 3 x 3, then 1 x 1, without a bias.
    pub fn separable(&mut self, name: &str, filters: usize, x: Sym) -> Result<Sym> {
        let layer = SeparableConv2D { padding: Border::Same, use_bias: false, ..SeparableConv2D::new(filters, [3, 3]) };
        self.layer(name, layer, &[x])
    }

    /// A transposed convolution; its outputs are `stride` times as large.
    pub fn transposed(&mut self, name: &str, conv: Conv, x: Sym) -> Result<Sym> {
        let Conv { filters, kernel, stride, bias, .. } = conv;
        let layer = Conv2DTranspose {
            strides: [stride; 2],
            padding: Border::Same,
            use_bias: bias,
            ..Conv2DTranspose::new(filters, [kernel; 2])
        };
        self.layer(name, layer, &[x])
    }

    pub fn bn(&mut self, name: &str, x: Sym) -> Result<Sym> {
        let layer = BatchNormalization { epsilon: self.epsilon, momentum: self.momentum, ..BatchNormalization::new() };
        self.layer(name, layer, &[x])
    }

    pub fn act(&mut self, name: &str, activation: &str, x: Sym) -> Result<Sym> {
        self.layer(name, ActivationLayer::new(named(activation)?), &[x])
    }

    /// The layer ReLU, up to `max` if there is one.
    pub fn relu(&mut self, name: &str, max: Option<f32>, x: Sym) -> Result<Sym> {
        self.layer(name, ReLU { max_value: max, ..ReLU::new() }, &[x])
    }

    pub fn leaky(&mut self, name: &str, slope: f32, x: Sym) -> Result<Sym> {
        self.layer(name, LeakyReLU { negative_slope: slope }, &[x])
    }

    pub fn softmax(&mut self, name: &str, x: Sym) -> Result<Sym> {
        self.layer(name, Softmax::new(), &[x])
    }

    /// `scale * x + offset`.
    pub fn rescale(&mut self, name: &str, scale: f32, offset: f32, x: Sym) -> Result<Sym> {
        let layer = Rescaling { scale: Several(vec![scale]), offset: Several(vec![offset]) };
        self.layer(name, layer, &[x])
    }

    /// Zeros around: `[top, bottom]`, `[left, right]`.
    pub fn pad(&mut self, name: &str, borders: [[usize; 2]; 2], x: Sym) -> Result<Sym> {
        self.layer(name, ZeroPadding2D { padding: Borders(borders) }, &[x])
    }

    /// The zeros that a VALID window of stride 2 needs to meet the pixels that it would meet in TensorFlow's SAME, as
    /// in Keras' `correct_pad`.
    pub fn pad_for_stride_2(&mut self, name: &str, kernel: usize, x: Sym) -> Result<Sym> {
        let around = |size: Option<usize>| {
            let half = kernel / 2;
            let even = size.is_none_or(|n| n % 2 == 0);
            [half.saturating_sub(usize::from(even)), half]
        };
        let borders = self.size(x)?.map(around);
        self.pad(name, borders, x)
    }

    pub fn max_pool(&mut self, name: &str, window: Window, x: Sym) -> Result<Sym> {
        let Window(size, stride, padding) = window;
        let layer = MaxPooling2D { pool_size: [size; 2], strides: Some([stride; 2]), padding };
        self.layer(name, layer, &[x])
    }

    pub fn avg_pool(&mut self, name: &str, window: Window, x: Sym) -> Result<Sym> {
        let Window(size, stride, padding) = window;
        let layer = AveragePooling2D { pool_size: [size; 2], strides: Some([stride; 2]), padding };
        self.layer(name, layer, &[x])
    }

    pub fn global_avg(&mut self, name: &str, keepdims: bool, x: Sym) -> Result<Sym> {
        self.layer(name, GlobalAveragePooling2D { keepdims }, &[x])
    }

    pub fn flatten(&mut self, name: &str, x: Sym) -> Result<Sym> {
        self.layer(name, Flatten::new(), &[x])
    }

    pub fn reshape(&mut self, name: &str, shape: &[usize], x: Sym) -> Result<Sym> {
        self.layer(name, Reshape::new(shape.iter().map(|&n| n as isize).collect()), &[x])
    }

    pub fn dense(&mut self, name: &str, units: usize, activation: &Activation, x: Sym) -> Result<Sym> {
        let (activation, kernel_initializer) = (activation.clone(), self.kernels.clone());
        self.layer(name, Dense { activation, kernel_initializer, ..Dense::new(units) }, &[x])
    }

    /// Left out at a rate of 0.
    pub fn dropout(&mut self, name: &str, rate: f32, x: Sym) -> Result<Sym> {
        if rate == 0.0 {
            return Ok(x);
        }
        self.layer(name, Dropout::new(rate), &[x])
    }

    pub fn sum(&mut self, name: &str, inputs: &[Sym]) -> Result<Sym> {
        self.layer(name, Add::new(), inputs)
    }

    pub fn product(&mut self, name: &str, inputs: &[Sym]) -> Result<Sym> {
        self.layer(name, Multiply::new(), inputs)
    }

    pub fn concat(&mut self, name: &str, inputs: &[Sym]) -> Result<Sym> {
        self.layer(name, Concatenate::new(), inputs)
    }

    pub fn upsample(&mut self, name: &str, factor: usize, interpolation: &str, x: Sym) -> Result<Sym> {
        self.layer(name, UpSampling2D { size: [factor; 2], interpolation: interpolation.into() }, &[x])
    }

    /// Local response normalisation as AlexNet and GoogLeNet have it: over five channels, alpha 1e-4 (a mean in their
    /// framework, so 2e-5 in TensorFlow's sum), beta 0.75.
    pub fn lrn(&mut self, name: &str, x: Sym) -> Result<Sym> {
        self.layer(name, LRN { depth_radius: 2, bias: 1.0, alpha: 2e-5, beta: 0.75 }, &[x])
    }

    /// Distances to centres.
    pub fn rbf(&mut self, name: &str, units: usize, squared: bool, x: Sym) -> Result<Sym> {
        self.layer(name, RBF { squared, ..RBF::new(units) }, &[x])
    }

    /// Convolution (`_conv`), batch normalisation (`_bn`), and an activation (`_act`) unless it is empty.
    pub fn conv_bn(&mut self, name: &str, conv: Conv, activation: &str, x: Sym) -> Result<Sym> {
        let x = self.conv(&format!("{name}_conv"), conv, x)?;
        let x = self.bn(&format!("{name}_bn"), x)?;
        match activation {
            "" => Ok(x),
            "leaky" => self.leaky(&format!("{name}_act"), 0.1, x),
            _ => self.act(&format!("{name}_act"), activation, x),
        }
    }

    /// A nested model.
    pub fn nested(&mut self, name: &str, model: Model, x: Sym) -> Result<Sym> {
        self.builder.named(name, model, &[x])
    }

    /// A name as Keras makes them.
    pub fn automatic(&mut self, class: &str) -> String {
        self.builder.automatic(class)
    }

    /// The class that summaries show for a nested model.
    pub fn label(mut self, label: &str) -> Net {
        self.builder = self.builder.label(label);
        self
    }

    /// The model of layers one after the other.
    pub fn build_sequential(self, outputs: &[Sym]) -> Result<Model> {
        self.builder.build_sequential(outputs)
    }

    /// What stands behind the last map when the classifier is left out.
    pub fn features(&mut self, pooling: Pooling, names: [&str; 2], x: Sym) -> Result<Sym> {
        match pooling {
            Pooling::None => Ok(x),
            Pooling::Avg => self.global_avg(names[0], false, x),
            Pooling::Max => self.layer(names[1], GlobalMaxPooling2D::new(), &[x]),
        }
    }

    /// Global average pooling, dropout and a dense classifier named `predictions`; or features. `names` are those of
    /// average and maximum pooling.
    pub fn top(
        &mut self,
        options: &ZooOptions,
        classes: usize,
        names: [&str; 2],
        dropout: (&str, f32),
        x: Sym,
    ) -> Result<Sym> {
        if !options.include_top {
            return self.features(options.pooling, names, x);
        }
        let x = self.global_avg(names[0], false, x)?;
        let x = self.dropout(dropout.0, dropout.1, x)?;
        self.dense("predictions", options.classes.unwrap_or(classes), &options.classifier(), x)
    }

    /// `[batch, features]` before dense layers, which need to know how many.
    pub fn flat(&mut self, name: &str, x: Sym) -> Result<Sym> {
        if self.size(x)?.contains(&None) {
            return Err(Error::invalid(
                "with its dense layers the network takes images of one size: set `input_shape`, or `include_top` to false",
            ));
        }
        self.flatten(name, x)
    }
}

/// An activation by Keras' name.
fn named(name: &str) -> Result<Activation> {
    Activation::named(name).ok_or_else(|| Error::invalid(format!("no activation named {name:?}")))
}

/// Names of the pooling layers in Keras' networks that name them.
pub(super) const POOLS: [&str; 2] = ["avg_pool", "max_pool"];
/// Named by the model.
pub(super) const UNNAMED: [&str; 2] = ["", ""];

/// Keras' and TensorFlow's rounding of scaled widths: to the nearest multiple of 8, but not below 90 %.
pub(super) fn divisible(value: f64) -> usize {
    let rounded = ((value + 4.0).floor() as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * value { rounded + 8 } else { rounded }
}

/// Python's `int(value * alpha)`.
pub(super) fn scaled(value: usize, alpha: f64) -> usize {
    (value as f64 * alpha) as usize
}
