//! Convolutions and pools.

use std::sync::Arc;

use super::function::Function;
use super::json::Json;
use super::{Raiser, pairs, unsupported};
use crate::error::{Error, Result};
use crate::graph::{Node, ValueId};
use crate::ops::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Pool2d, PoolKind};
use crate::shape::{Padding, TransposedWindow, Window};
use crate::tensor::Tensor;

/// Windows of a mean whose padding does not count.
const MAX_SHARES: usize = 1 << 20;

/// How a layer of Keras pads as a window does.
enum Borders {
    /// As `valid` or `same`.
    Named(&'static str),
    /// By a layer before it.
    Around([[usize; 2]; 2]),
}

/// Strides and dilations of a window.
struct Steps {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    padding: Padding,
}

/// `[[0, 0], rows, columns, [0, 0]]`.
fn around(pads: [[usize; 2]; 2]) -> Json {
    pairs(&[[0, 0], pads[0], pads[1], [0, 0]])
}

impl Steps {
    fn borders(&self, image: [Option<usize>; 2]) -> Borders {
        let explicit = match self.padding {
            Padding::Valid => return Borders::Named("valid"),
            Padding::Same => return Borders::Named("same"),
            Padding::Explicit([[0, 0], [0, 0]]) => return Borders::Named("valid"),
            Padding::Explicit(pads) => pads,
        };
        let same = |axis: usize| {
            // With steps of one pixel SAME pads alike at every size.
            let size = match (image[axis], self.strides[axis]) {
                (Some(n), _) => n,
                (None, 1) => 256,
                (None, _) => return false,
            };
            let (kernel, stride, dilation) = (self.kernel[axis], self.strides[axis], self.dilations[axis]);
            Window::resolve(size, kernel, stride, dilation, Padding::Same, axis)
                .is_ok_and(|window| [window.before, window.after] == explicit[axis])
        };
        if same(0) && same(1) { Borders::Named("same") } else { Borders::Around(explicit) }
    }

    /// Keras' convolutions either step or dilate.
    fn fits_keras(&self) -> bool {
        self.strides == [1, 1] || self.dilations == [1, 1]
    }
}

impl Raiser<'_> {
    fn image(&self, value: ValueId) -> [Option<usize>; 2] {
        let dims = self.dims(value);
        [dims[1], dims[2]]
    }

    /// The layer to put a window on, and the padding that is left to it.
    fn padded(&mut self, node: &Node, steps: &Steps) -> Result<(String, &'static str)> {
        let x = self.layer_of(node.inputs[0])?;
        match steps.borders(self.image(node.inputs[0])) {
            Borders::Named(name) => Ok((x, name)),
            Borders::Around(pads) => {
                let config = Json::object(&[("padding", pairs(&pads))]);
                Ok((self.layer_on(&format!("{}_pad", node.name), "ZeroPadding2D", config, &[x]), "valid"))
            }
        }
    }

    fn kernel(&self, node: &Node) -> Result<Arc<Tensor>> {
        let kernel = self.constant(node.inputs[1]).cloned();
        kernel.ok_or_else(|| Error::unsupported("a convolution whose kernel is not constant"))
    }

    pub(super) fn conv(&mut self, node: &Node, op: &Conv2d) -> Result<()> {
        let kernel = self.kernel(node)?;
        let [rows, columns, _, filters] = kernel.shape().dims("a kernel")?;
        let steps =
            Steps { kernel: [rows, columns], strides: op.strides, dilations: op.dilations, padding: op.padding };
        if !steps.fits_keras() {
            let args = [("groups", op.groups.into())];
            return self.bare(node, &steps, "conv2d", &args, kernel);
        }
        let (x, padding) = self.padded(node, &steps)?;
        let tail = self.tail(node, &op.epilogue)?;
        let config = vec![
            ("filters", filters.into()),
            ("kernel_size", Json::sizes(&steps.kernel)),
            ("strides", Json::sizes(&op.strides)),
            ("padding", padding.into()),
            ("dilation_rate", Json::sizes(&op.dilations)),
            ("groups", op.groups.into()),
        ];
        self.weighted(node, "Conv2D", config, x, kernel, tail)
    }

    pub(super) fn depthwise(&mut self, node: &Node, op: &DepthwiseConv2d) -> Result<()> {
        let kernel = self.kernel(node)?;
        let [rows, columns, _, multiplier] = kernel.shape().dims("a kernel")?;
        let steps =
            Steps { kernel: [rows, columns], strides: op.strides, dilations: op.dilations, padding: op.padding };
        if !steps.fits_keras() || op.strides[0] != op.strides[1] {
            return self.bare(node, &steps, "depthwiseConv2d", &[], kernel);
        }
        let (x, padding) = self.padded(node, &steps)?;
        let tail = self.tail(node, &op.epilogue)?;
        let config = vec![
            ("kernel_size", Json::sizes(&steps.kernel)),
            ("strides", Json::sizes(&op.strides)),
            ("padding", padding.into()),
            ("depth_multiplier", multiplier.into()),
            ("dilation_rate", Json::sizes(&op.dilations)),
        ];
        self.weighted(node, "DepthwiseConv2D", config, x, kernel, tail)
    }

    /// A convolution that Keras' layers do not know, as a function.
    fn bare(
        &mut self,
        node: &Node,
        steps: &Steps,
        name: &str,
        args: &[(&str, Json)],
        kernel: Arc<Tensor>,
    ) -> Result<()> {
        let (x, padding) = self.padded(node, steps)?;
        let tail = self.tail(node, node.op.epilogue().unwrap_or(&Default::default()))?;
        if tail.residual.is_some() {
            return Err(unsupported(node));
        }
        let mut f = Function::of(vec![x]);
        let kernel = f.weight(kernel, true);
        let own = [
            ("strides", Json::sizes(&steps.strides)),
            ("dilations", Json::sizes(&steps.dilations)),
            ("padding", padding.into()),
        ];
        let mut y = f.step(name, &[Json::from(0usize), kernel], &[&own, args].concat());
        if let Some(bias) = tail.bias {
            let bias = f.weight(bias, true);
            y = f.step("add", &[y, bias], &[]);
        }
        let mut layer = self.function(&node.name, f, y);
        if let Some(function) = tail.activation {
            layer = self.activation(&node.name, function, layer)?;
        }
        self.gives(tail.end, layer, &[], true);
        Ok(())
    }

    pub(super) fn transposed(&mut self, node: &Node, op: &ConvTranspose2d) -> Result<()> {
        let kernel = self.kernel(node)?;
        let [rows, columns, filters, _] = kernel.shape().dims("a kernel")?;
        let (size, image) = ([rows, columns], self.image(node.inputs[0]));
        if op.strides != [1, 1] && op.dilations != [1, 1] {
            return Err(Error::unsupported("a transposed convolution that steps and dilates"));
        }
        // What comes out, and whether one of Keras' paddings gives just that at any size.
        let resolve = |padding: Padding, extra: Option<usize>, axis: usize| {
            let n = image[axis].unwrap_or(256);
            let window =
                TransposedWindow::resolve(n, size[axis], op.strides[axis], op.dilations[axis], padding, extra, axis);
            window.ok().map(|window| (window.output, window.crop))
        };
        let extra = |axis: usize| op.output_padding.map(|extra| extra[axis]);
        let wanted = [0, 1].map(|axis| resolve(op.padding, extra(axis), axis));
        let (mut padding, mut more, mut crop) = ("valid", op.output_padding, None);
        match op.padding {
            Padding::Valid => {}
            Padding::Same => padding = "same",
            Padding::Explicit(pads) => {
                let same = [0, 1].iter().all(|&axis| resolve(Padding::Same, None, axis) == wanted[axis]);
                if same {
                    (padding, more) = ("same", None);
                } else {
                    // All of it, with zeros behind where more is wanted; then what is too much goes.
                    (more, crop) = (Some(op.output_padding.unwrap_or([0, 0])), Some(pads));
                }
            }
        }
        let x = self.layer_of(node.inputs[0])?;
        let mut config = vec![
            ("filters", filters.into()),
            ("kernel_size", Json::sizes(&size)),
            ("strides", Json::sizes(&op.strides)),
            ("padding", padding.into()),
            ("dilation_rate", Json::sizes(&op.dilations)),
        ];
        if let Some(more) = more {
            config.push(("output_padding", Json::sizes(&more)));
        }
        let Some(crop) = crop else {
            let tail = self.tail(node, &op.epilogue)?;
            return self.weighted(node, "Conv2DTranspose", config, x, kernel, tail);
        };
        // Nothing is changed by cutting after the bias and the activation.
        let tail = self.tail(node, &op.epilogue)?;
        if tail.residual.is_some() {
            return Err(unsupported(node));
        }
        let end = tail.end;
        self.weighted(node, "Conv2DTranspose", config, x, kernel, tail)?;
        let cropping = [("cropping", pairs(&crop))];
        let layer = self.layer(&format!("{}_crop", node.name), "Cropping2D", &cropping, &[end])?;
        self.gives(end, layer, &[], true);
        Ok(())
    }

    pub(super) fn pool(&mut self, node: &Node, op: &Pool2d) -> Result<()> {
        if op.dilations != [1, 1] {
            return Err(Error::unsupported("a dilated pool has no layer that could be trained"));
        }
        let steps = Steps { kernel: op.kernel, strides: op.strides, dilations: op.dilations, padding: op.padding };
        let image = self.image(node.inputs[0]);
        let mut x = self.layer_of(node.inputs[0])?;
        let (class, fill) = match op.kind {
            PoolKind::Max => ("MaxPooling2D", f32::NEG_INFINITY),
            PoolKind::Average { .. } => ("AveragePooling2D", 0.0),
        };
        let borders = match (steps.borders(image), op.kind) {
            // Keras leaves padding out of the mean.
            (Borders::Named("same"), PoolKind::Average { include_padding: true }) => {
                Borders::Around(self.same_pads(op, image)?)
            }
            (borders, _) => borders,
        };
        let mut scale = None;
        let padding = match borders {
            Borders::Named(padding) => padding,
            Borders::Around(pads) => {
                let mut f = Function::of(vec![x]);
                let y =
                    f.step("pad", &[Json::from(0usize)], &[("padding", around(pads)), ("value", Json::number(fill))]);
                x = self.function(&format!("{}_pad", node.name), f, y);
                if op.kind == (PoolKind::Average { include_padding: false }) {
                    scale = Some(self.shares(op, image)?);
                }
                "valid"
            }
        };
        let config = [
            ("pool_size", Json::sizes(&op.kernel)),
            ("strides", Json::sizes(&op.strides)),
            ("padding", padding.into()),
        ];
        let mut layer = self.layer_on(&node.name, class, Json::object(&config), &[x]);
        if let Some(scale) = scale {
            let mut f = Function::of(vec![layer]);
            let scale = f.weight(Arc::new(scale), false);
            let y = f.step("multiply", &[Json::from(0usize), scale], &[]);
            layer = self.function(&format!("{}_share", node.name), f, y);
        }
        self.gives(node.outputs[0], layer, &node.inputs[..1], false);
        Ok(())
    }

    fn pool_windows(&self, op: &Pool2d, image: [Option<usize>; 2]) -> Result<[Window; 2]> {
        let ([Some(height), Some(width)], ..) = (image,) else {
            return Err(Error::unsupported("a mean whose padding depends on the picture's size"));
        };
        op.windows([height, width])
    }

    fn same_pads(&self, op: &Pool2d, image: [Option<usize>; 2]) -> Result<[[usize; 2]; 2]> {
        Ok(self.pool_windows(op, image)?.map(|window| [window.before, window.after]))
    }

    /// What the sum over a window of zeros and pixels, divided by all, lacks to the mean of the pixels.
    fn shares(&self, op: &Pool2d, image: [Option<usize>; 2]) -> Result<Tensor> {
        let windows = self.pool_windows(op, image)?;
        // One number for each window: a small file must not make many.
        if windows
            .iter()
            .map(|window| window.output)
            .try_fold(1usize, usize::checked_mul)
            .is_none_or(|n| n > MAX_SHARES)
        {
            return Err(Error::resource("a mean over too many windows"));
        }
        let share = |window: &Window| -> Vec<f32> {
            let pixels = |o| (0..window.kernel).filter(|&k| window.source(o, k).is_some()).count().max(1);
            (0..window.output).map(|o| window.kernel as f32 / pixels(o) as f32).collect()
        };
        let [rows, columns] = windows.each_ref().map(share);
        let values: Vec<f32> = rows.iter().flat_map(|a| columns.iter().map(move |b| a * b)).collect();
        Tensor::f32([1, rows.len(), columns.len(), 1], values)
    }
}
