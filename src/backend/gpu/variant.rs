//! Which shader, specialised how: one typed key per kernel family.

use super::preprocess::{as_text, bare, bare_length, expand};
use super::{
    batch_norm, conv_filter, depthwise, depthwise_backward, elementwise, gemm, image, layout, paint, pool,
    pool_backward, reduce, resize, select, softmax, suppress, topk, unary_backward, update,
};
use crate::error::{Error, Result};
use crate::ops::{Operator, Unary};

/// A shader file's name and text, without the comments, the indentation and needless spaces: they would be half of what is
/// shipped. With a feature's name, the text is there only with that.
macro_rules! shader {
    ($name:literal, $feature:literal) => {
        if cfg!(feature = $feature) { shader!($name) } else { ($name, "") }
    };
    ($name:literal) => {{
        const TEXT: &str = include_str!(concat!("../../../shaders/", $name));
        const BARE: [u8; bare_length(TEXT)] = bare(TEXT);
        const NAMED: (&str, &str) = ($name, as_text(&BARE));
        NAMED
    }};
}

/// All shader files, by name.
const SOURCES: &[(&str, &str)] = &[
    shader!("activation.wgsl"),
    shader!("argmax.wgsl"),
    shader!("batch_norm.wgsl", "models"),
    shader!("binary.wgsl"),
    shader!("cast.wgsl"),
    shader!("common.wgsl"),
    shader!("conv_filter.wgsl", "models"),
    shader!("copy.wgsl"),
    shader!("depthwise.wgsl"),
    shader!("depthwise_filter.wgsl", "models"),
    shader!("depthwise_input.wgsl", "models"),
    shader!("gather.wgsl"),
    shader!("gemm.wgsl"),
    shader!("gemm_conv.wgsl"),
    shader!("gemm_matmul.wgsl"),
    shader!("gemm_register.wgsl"),
    shader!("gemm_sum.wgsl"),
    shader!("gemm_tiled.wgsl"),
    shader!("image.wgsl", "files"),
    shader!("pad.wgsl"),
    shader!("paint.wgsl", "files"),
    shader!("pool.wgsl"),
    shader!("pool_backward.wgsl", "models"),
    shader!("pool_first.wgsl", "models"),
    shader!("reduce.wgsl"),
    shader!("resize.wgsl"),
    shader!("softmax.wgsl"),
    shader!("suppress.wgsl", "files"),
    shader!("tap.wgsl"),
    shader!("taps.wgsl"),
    shader!("topk_order.wgsl"),
    shader!("topk_block.wgsl"),
    shader!("topk_global.wgsl"),
    shader!("trigonometry.wgsl"),
    shader!("unary.wgsl"),
    shader!("unary_backward.wgsl", "models"),
    shader!("random.wgsl", "models"),
    shader!("update.wgsl", "models"),
    shader!("window.wgsl"),
];

/// Names and values for the preprocessor.
pub(super) type Defines = Vec<(&'static str, String)>;

/// A family's key: the file it specialises and how.
pub(super) trait Kernel: Sized {
    /// The shader file.
    fn file(&self) -> &'static str;
    /// What specialises it.
    fn defines(&self) -> Defines;
    /// Every key that a graph can ask for.
    fn all() -> Vec<Self>;
}

macro_rules! variants {
    ($($family:ident: $key:ty),* $(,)?) => {
        /// A shader variant: equal keys share a pipeline.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Variant { $($family($key)),* }

        impl Variant {
            fn parts(&self) -> (&'static str, Defines) {
                match self { $(Variant::$family(key) => (key.file(), key.defines())),* }
            }

            /// Every variant that a graph can ask for: what the shader tests validate.
            pub fn all() -> Vec<Variant> {
                let mut all = Vec::new();
                $(all.extend(<$key as Kernel>::all().into_iter().map(Variant::$family));)*
                all
            }
        }

        $(impl From<$key> for Variant { fn from(key: $key) -> Variant { Variant::$family(key) } })*
    };
}

variants! {
    Unary: elementwise::UnaryKey,
    UnaryBackward: unary_backward::UnaryBackwardKey,
    Random: update::RandomKey,
    Update: update::UpdateKey,
    Binary: elementwise::BinaryKey,
    Cast: elementwise::CastKey,
    Copy: layout::CopyKey,
    Pad: layout::PadKey,
    Gemm: gemm::GemmKey,
    ConvFilter: conv_filter::ConvFilterKey,
    Depthwise: depthwise::DepthwiseKey,
    DepthwiseInput: depthwise_backward::DepthwiseInputKey,
    DepthwiseFilter: depthwise_backward::DepthwiseFilterKey,
    Pool: pool::PoolKey,
    PoolFirst: pool_backward::PoolFirstKey,
    PoolBackward: pool_backward::PoolBackwardKey,
    BatchNorm: batch_norm::BatchNormKey,
    Reduce: reduce::ReduceKey,
    Softmax: softmax::SoftmaxKey,
    Resize: resize::ResizeKey,
    Taps: resize::TapsKey,
    Gather: select::GatherKey,
    ArgMax: select::ArgMaxKey,
    Suppress: suppress::SuppressKey,
    TopK: topk::TopKKey,
    Image: image::ImageKey,
    Paint: paint::PaintKey,
}

impl Variant {
    /// The WGSL of this variant.
    pub fn source(&self) -> Result<String> {
        let (file, defines) = self.parts();
        let find = |name: &str| SOURCES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text);
        expand(file, &find, &defines)
    }

    /// The shader file, for labels.
    pub fn file(&self) -> &'static str {
        self.parts().0
    }
}

/// What a binding of group 0 is. The shader text is the only place that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Binding {
    Uniform,
    Read,
    Write,
    Texture,
}

/// The bindings a shader declares, in order; their numbers must count from 0.
pub(super) fn bindings(source: &str) -> Result<Vec<Binding>> {
    let mut found = Vec::new();
    for line in source.lines() {
        // What is shipped has lost its needless spaces already.
        let bare = line.replace(' ', "");
        let Some(rest) = bare.strip_prefix("@group(0)@binding(") else { continue };
        let wrong = || Error::invalid(format!("unexpected binding: {line}"));
        let (number, declaration) = rest.split_once(')').ok_or_else(wrong)?;
        let kind = match declaration {
            d if d.starts_with("var<uniform>") => Binding::Uniform,
            d if d.starts_with("var<storage,read>") => Binding::Read,
            d if d.starts_with("var<storage,read_write>") => Binding::Write,
            d if d.starts_with("var") && d.contains("texture_2d<f32>") => Binding::Texture,
            _ => return Err(wrong()),
        };
        if number.parse() != Ok(found.len()) {
            return Err(wrong());
        }
        found.push(kind);
    }
    Ok(found)
}

/// The name of an activation without its attributes, which travel as uniforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Activation(&'static str);

impl Activation {
    /// `x` itself.
    pub(super) const NONE: Activation = Activation("None");

    /// The name and the attributes `[alpha, beta]`.
    pub(super) fn of(unary: Option<Unary>) -> (Activation, [f32; 2]) {
        let Some(unary) = unary else { return (Self::NONE, [0.0; 2]) };
        let attributes = match unary {
            Unary::LeakyRelu { alpha } | Unary::Elu { alpha } | Unary::Celu { alpha } => [alpha, 0.0],
            Unary::ThresholdedRelu { theta } => [theta, 0.0],
            Unary::Shrink { threshold, bias } => [threshold, bias],
            Unary::Squareplus { b } => [b, 0.0],
            Unary::HardSigmoid { alpha, beta } => [alpha, beta],
            Unary::Clip { min, max } => [min, max],
            _ => [0.0; 2],
        };
        let name = if unary == (Unary::Gelu { approximate: true }) { "GeluTanh" } else { unary.name() };
        (Activation(name), attributes)
    }

    /// The value of `ACTIVATION`.
    pub(super) fn define(self) -> (&'static str, String) {
        ("ACTIVATION", self.0.to_string())
    }

    /// Every activation, none included.
    pub(super) fn all() -> Vec<Activation> {
        std::iter::once(Self::NONE).chain(Unary::EVERY.map(|u| Self::of(Some(u)).0)).collect()
    }
}

/// A flag's value for the preprocessor.
pub(super) fn flag(on: bool) -> String {
    if on { "1".into() } else { "0".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_read_from_the_shader() {
        let text = "@group(0) @binding(0) var<uniform> p: P;\n@group(0) @binding(1) var<storage, read> x: array<f32>;\n\
                    @group(0) @binding(2) var<storage, read_write> y: array<f32>;";
        assert_eq!(bindings(text).unwrap(), [Binding::Uniform, Binding::Read, Binding::Write]);
        assert!(bindings("@group(0) @binding(1) var<uniform> p: P;").is_err());
        assert!(bindings("@group(0) @binding(0) var<private> p: P;").is_err());
    }
}
