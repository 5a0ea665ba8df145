//! Resizing: by ONNX' operator where it has the convention, else, for known sizes, as two products with tables of weights.

use super::Exporter;
use super::file::{Attribute, Message, TensorId};
use super::forms::channels_first;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::ops::{
    Border, Coordinates, NearestRounding, Resize, ResizeMode, ResizeSize, Sampling, SamplingKernel, Taps,
};
use crate::tensor::{DType, Tensor};

/// Most numbers in the table of an axis.
const MOST_WEIGHTS: usize = 1 << 24;

/// How ONNX calls an interpolation; `None` where it has none.
fn mode(op: &Resize) -> Option<&'static str> {
    match op.mode {
        ResizeMode::Nearest(_) => Some("nearest"),
        ResizeMode::Bilinear => Some("linear"),
        ResizeMode::Sampled(Sampling { kernel: SamplingKernel::Cubic { .. }, .. }) => Some("cubic"),
        ResizeMode::Sampled(Sampling { kernel: SamplingKernel::Triangle, antialias: true, .. }) => Some("linear"),
        ResizeMode::Area | ResizeMode::Sampled(_) => None,
    }
}

/// Whether it needs what version 18 brought.
pub fn is_antialiased(op: &Resize) -> bool {
    mode(op).is_some() && matches!(op.mode, ResizeMode::Sampled(Sampling { antialias: true, .. }))
}

impl Exporter<'_> {
    pub fn resize(&mut self, node: &Node, op: &Resize) -> Result<()> {
        let x = self.image(node.inputs[0]);
        let y = match mode(op) {
            Some(mode) => self.by_operator(node, op, x, mode)?,
            None => self.by_tables(node, op, x)?,
        };
        self.set(node.outputs[0], channels_first(4), y);
        Ok(())
    }

    fn by_operator(&mut self, node: &Node, op: &Resize, x: TensorId, mode: &str) -> Result<TensorId> {
        let (from, to) = (self.dims(node.inputs[0]), self.dims(node.outputs[0]));
        let mut message = Message::default();
        message.attribute("mode", Attribute::Text(mode));
        let coordinates = match op.coordinates {
            // Only where a scale cuts off a part of a pixel is there something to centre.
            Coordinates::HalfPixelSymmetric if matches!(op.size, ResizeSize::Scales(_)) => "half_pixel_symmetric",
            Coordinates::HalfPixel | Coordinates::HalfPixelSymmetric => "half_pixel",
            Coordinates::HalfPixelOrZero => "pytorch_half_pixel",
            Coordinates::AlignCorners => "align_corners",
            Coordinates::Asymmetric => "asymmetric",
        };
        message.attribute("coordinate_transformation_mode", Attribute::Text(coordinates));
        match op.mode {
            ResizeMode::Nearest(rounding) => {
                let rounding = match rounding {
                    NearestRounding::Floor => "floor",
                    NearestRounding::Ceil => "ceil",
                    NearestRounding::HalfUp => "round_prefer_ceil",
                    NearestRounding::HalfDown => "round_prefer_floor",
                };
                message.attribute("nearest_mode", Attribute::Text(rounding));
            }
            ResizeMode::Sampled(Sampling { kernel, antialias, border }) => {
                if let SamplingKernel::Cubic { a } = kernel {
                    message.attribute("cubic_coeff_a", Attribute::Float(a));
                }
                if antialias {
                    message.attribute("antialias", Attribute::Int(1));
                }
                if border == Border::Exclude {
                    message.attribute("exclude_outside", Attribute::Int(1));
                }
            }
            ResizeMode::Bilinear | ResizeMode::Area => {}
        }
        let operands = match (op.size, to[1].zip(to[2])) {
            (ResizeSize::Scales([y, x_]), _) => {
                vec![Some(x), None, Some(self.number(Tensor::f32([4], vec![1.0, 1.0, y, x_])?))]
            }
            (_, Some((h, w))) => {
                let sizes = match (from[0], from[3]) {
                    (Some(n), Some(c)) => self.ints(&[n, c, h, w].map(|n| n as i64)),
                    _ => {
                        let shape = self.emit("Shape", &[x]);
                        let (kept, size) = (self.part(shape, &[[0, 2, 0, 1]]), self.ints(&[h as i64, w as i64]));
                        self.join(&[kept, size], 0)
                    }
                };
                vec![Some(x), None, None, Some(sizes)]
            }
            // Whole factors give the same size and the same coordinates either way.
            (ResizeSize::Factors(factors), None) if factors.iter().all(|f| f.fract() == 0.0) => {
                let [y, x_] = factors;
                vec![Some(x), None, Some(self.number(Tensor::f32([4], vec![1.0, 1.0, y, x_])?))]
            }
            (ResizeSize::Factors(factors), None) => {
                let shape = self.emit("Shape", &[x]);
                let [kept, size] = [[0, 2, 0, 1], [2, 4, 0, 1]].map(|range| self.part(shape, &[range]));
                let (size, factors) = (self.cast_to(size, DType::F32), self.number(Tensor::f32([2], factors)?));
                let size = self.emit("Mul", &[size, factors]);
                let size = self.emit("Floor", &[size]);
                let size = self.with("Cast", &[size], |message| message.attribute("to", Attribute::Int(7)));
                vec![Some(x), None, None, Some(self.join(&[kept, size], 0))]
            }
            (ResizeSize::Fixed(_), None) => return Err(Error::invalid("a size that is not known")),
        };
        Ok(self.file.node(self.label, "Resize", &operands, 1, message)[0])
    }

    /// Every interpolation is linear and works axis by axis: rows from the left, columns from the right.
    fn by_tables(&mut self, node: &Node, op: &Resize, x: TensorId) -> Result<TensorId> {
        let (from, to) = (self.dims(node.inputs[0]), self.dims(node.outputs[0]));
        let (Some((h, w)), Some((oh, ow))) = (from[1].zip(from[2]), to[1].zip(to[2])) else {
            return self.cannot("this interpolation of images whose size is open");
        };
        if h.saturating_mul(oh).max(w.saturating_mul(ow)) > MOST_WEIGHTS {
            return self.cannot("this interpolation but by a table of weights, which would be too large");
        }
        let (rows, columns) = (dense(&op.taps(0, h, oh), false), dense(&op.taps(1, w, ow), true));
        let columns = self.number(Tensor::f32([w, ow], columns)?);
        let rows = self.number(Tensor::f32([oh, h], rows)?);
        let y = self.emit("MatMul", &[x, columns]);
        Ok(self.emit("MatMul", &[rows, y]))
    }
}

/// A table with a row for each output, or a column.
fn dense(taps: &Taps, columns: bool) -> Vec<f32> {
    let (input, output) = (taps.input, taps.output());
    let mut table = vec![0.0; input * output];
    for o in 0..output {
        let (start, weights) = taps.row(o);
        for (i, &weight) in (start..).zip(weights) {
            table[if columns { i * output + o } else { o * input + i }] += weight;
        }
    }
    table
}
