//! Convolutions and pooling: channels first, with the padding that TensorFlow's rule gives where sizes are known.

use super::Exporter;
use super::file::{Attribute, Message, TensorId};
use super::forms::channels_first;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, Pool2d, PoolKind};
use crate::shape::{Padding, Window};

/// What a window does on both axes.
struct Steps {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
}

fn pair(pair: [usize; 2]) -> [i64; 2] {
    pair.map(|n| n as i64)
}

impl Exporter<'_> {
    /// The attributes that every window has.
    fn window(&self, attributes: &mut Message, steps: &Steps) {
        attributes.attribute("kernel_shape", Attribute::Ints(&pair(steps.kernel)));
        attributes.attribute("strides", Attribute::Ints(&pair(steps.strides)));
        if steps.dilations != [1, 1] {
            attributes.attribute("dilations", Attribute::Ints(&pair(steps.dilations)));
        }
    }

    /// The attribute of padding.
    fn padding(&self, attributes: &mut Message, x: ValueId, steps: &Steps, padding: Padding) {
        let pads = match padding {
            Padding::Valid => return,
            Padding::Explicit(pads) => Some(pads),
            Padding::Same => {
                let dims = self.dims(x);
                let axis = |axis: usize| {
                    let (kernel, stride, dilation) = (steps.kernel[axis], steps.strides[axis], steps.dilations[axis]);
                    // With steps of one pixel, and for single taps, the size does not matter.
                    let guess = (stride == 1 || kernel == 1).then(|| self.kind(x).shape[axis + 1]);
                    let size = dims[axis + 1].or(guess)?;
                    let window = Window::resolve(size, kernel, stride, dilation, padding, axis).ok()?;
                    Some([window.before, window.after])
                };
                axis(0).zip(axis(1)).map(|(y, x)| [y, x])
            }
        };
        match pads {
            Some([[top, bottom], [left, right]]) => {
                let pads = [top, left, bottom, right].map(|n| n as i64);
                attributes.attribute("pads", Attribute::Ints(&pads));
            }
            None => attributes.attribute("auto_pad", Attribute::Text("SAME_UPPER")),
        }
    }

    /// A bias among the operands of a node.
    fn bias(&mut self, node: &Node, epilogue: &Epilogue, operands: &mut Vec<TensorId>) {
        if let Some(i) = epilogue.bias_index() {
            operands.push(self.plain(node.inputs[i]));
        }
    }

    /// What comes after the sum and its bias.
    pub fn finish(&mut self, node: &Node, epilogue: &Epilogue, mut y: TensorId, order: &[usize]) -> TensorId {
        if let Some(i) = epilogue.residual_index() {
            let residual = self.form(node.inputs[i], order);
            y = self.emit("Add", &[y, residual]);
        }
        match epilogue.activation {
            Some(activation) => self.unary(y, activation),
            None => y,
        }
    }

    fn convolution(
        &mut self,
        node: &Node,
        op: &'static str,
        kernel: TensorId,
        epilogue: &Epilogue,
        attributes: impl FnOnce(&Self, &mut Message),
    ) {
        let mut message = Message::default();
        attributes(self, &mut message);
        let mut operands = vec![self.image(node.inputs[0]), kernel];
        self.bias(node, epilogue, &mut operands);
        let y = self.with(op, &operands, |attributes| *attributes = message);
        let order = channels_first(4);
        let y = self.finish(node, epilogue, y, &order);
        self.set(node.outputs[0], order, y);
    }

    pub fn conv(&mut self, node: &Node, op: &Conv2d) {
        let [kh, kw] = self.taps(node.inputs[1]);
        let kernel = self.form(node.inputs[1], &[3, 2, 0, 1]);
        let steps = Steps { kernel: [kh, kw], strides: op.strides, dilations: op.dilations };
        self.convolution(node, "Conv", kernel, &op.epilogue, |exporter, attributes| {
            exporter.window(attributes, &steps);
            exporter.padding(attributes, node.inputs[0], &steps, op.padding);
            if op.groups != 1 {
                attributes.attribute("group", Attribute::Int(op.groups as i64));
            }
        });
    }

    /// A convolution with a group for every channel.
    pub fn depthwise(&mut self, node: &Node, op: &DepthwiseConv2d) {
        let [kh, kw] = self.taps(node.inputs[1]);
        let [channels, multiplier] = [2, 3].map(|axis| self.kind(node.inputs[1]).shape[axis]);
        let kernel = self.reshaped(node.inputs[1], &[2, 3, 0, 1], &[channels * multiplier, 1, kh, kw]);
        let steps = Steps { kernel: [kh, kw], strides: op.strides, dilations: op.dilations };
        self.convolution(node, "Conv", kernel, &op.epilogue, |exporter, attributes| {
            exporter.window(attributes, &steps);
            exporter.padding(attributes, node.inputs[0], &steps, op.padding);
            attributes.attribute("group", Attribute::Int(channels as i64));
        });
    }

    pub fn transposed(&mut self, node: &Node, op: &ConvTranspose2d) -> Result<()> {
        let [kh, kw] = self.taps(node.inputs[1]);
        let kernel = self.form(node.inputs[1], &[3, 2, 0, 1]);
        // What is cut off is the same for every size.
        let [_, h, w, _] = self.kind(node.inputs[0]).shape.dims("[batch, height, width, channels]")?;
        let (mut pads, mut more) = ([0; 4], [0; 2]);
        for (axis, window) in op.windows([h, w], [kh, kw])?.into_iter().enumerate() {
            let full = (window.input - 1) * window.stride + (window.kernel - 1) * window.dilation + 1;
            let after = full as i64 - window.crop as i64 - window.output as i64;
            pads[axis] = window.crop as i64;
            pads[axis + 2] = after.max(0);
            more[axis] = (-after).max(0);
        }
        let steps = Steps { kernel: [kh, kw], strides: op.strides, dilations: op.dilations };
        self.convolution(node, "ConvTranspose", kernel, &op.epilogue, |exporter, attributes| {
            exporter.window(attributes, &steps);
            if pads != [0; 4] {
                attributes.attribute("pads", Attribute::Ints(&pads));
            }
            if more != [0; 2] {
                attributes.attribute("output_padding", Attribute::Ints(&more));
            }
        });
        Ok(())
    }

    fn taps(&self, kernel: ValueId) -> [usize; 2] {
        [0, 1].map(|axis| self.kind(kernel).shape[axis])
    }

    pub fn pool(&mut self, node: &Node, op: &Pool2d) {
        let x = self.image(node.inputs[0]);
        let mut attributes = Message::default();
        let steps = Steps { kernel: op.kernel, strides: op.strides, dilations: op.dilations };
        self.window(&mut attributes, &steps);
        self.padding(&mut attributes, node.inputs[0], &steps, op.padding);
        let name = match op.kind {
            PoolKind::Max => "MaxPool",
            PoolKind::Average { include_padding } => {
                if include_padding && op.padding != Padding::Valid {
                    attributes.attribute("count_include_pad", Attribute::Int(1));
                }
                "AveragePool"
            }
        };
        let y = self.with(name, &[x], |message| *message = attributes);
        self.set(node.outputs[0], channels_first(4), y);
    }
}
