//! Batch normalisation while training: the batch's statistics, and the gradient through them.

use bytemuck::{Pod, Zeroable};

use super::lower::{Lowering, Operand, threads};
use super::parts::{parts_of, slices, sum_parts, thread_goal};
use super::variant::{Defines, Kernel};
use crate::error::Result;
use crate::graph::Node;

/// What is made of the rows of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Sum,
    Squares,
    Products,
    Gradient,
}

/// A step of batch normalisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchNormKey {
    step: Step,
    /// Four channels at once.
    vector: bool,
}

impl Kernel for BatchNormKey {
    fn file(&self) -> &'static str {
        "batch_norm.wgsl"
    }
    fn defines(&self) -> Defines {
        let step = match self.step {
            Step::Sum => "sum",
            Step::Squares => "squares",
            Step::Products => "products",
            Step::Gradient => "gradient",
        };
        vec![("STEP", step.into()), ("WIDTH", if self.vector { "4" } else { "1" }.into())]
    }
    fn all() -> Vec<Self> {
        let steps = [Step::Sum, Step::Squares, Step::Products, Step::Gradient];
        steps.into_iter().flat_map(|step| [false, true].map(|vector| BatchNormKey { step, vector })).collect()
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
    channels: u32,
    rows: u32,
    slice: u32,
    scale: f32,
    _pad: [u32; 3],
}

/// The input as rows of channels.
#[derive(Clone, Copy)]
struct Rows {
    rows: usize,
    channels: usize,
}

impl Rows {
    fn of(lowering: &Lowering, node: &Node) -> Rows {
        let x = lowering.shape(node.inputs[0]);
        let channels = x.last().copied().unwrap_or(1);
        Rows { rows: x.elements() / channels.max(1), channels }
    }

    fn width(self) -> usize {
        if self.channels.is_multiple_of(4) { 4 } else { 1 }
    }

    /// Pushes a step; all but the gradient are sums, times `scale`.
    fn sum(self, lowering: &mut Lowering, step: Step, inputs: &[Operand], y: Operand, scale: f32) {
        let Rows { rows, channels } = self;
        let columns = channels / self.width();
        let (slice, parts) = slices(rows, columns, thread_goal(lowering), channels);
        let between = parts_of(lowering, parts, channels, y);
        let count = parts * columns;
        let own_scale = if parts == 1 { scale } else { 1.0 };
        self.push(lowering, step, inputs, between, [count, slice], own_scale);
        if parts > 1 {
            sum_parts(lowering, [between, y], parts, channels, scale);
        }
    }

    fn push(
        self,
        lowering: &mut Lowering,
        step: Step,
        inputs: &[Operand],
        y: Operand,
        [count, slice]: [usize; 2],
        scale: f32,
    ) {
        let params = Params {
            count: count as u32,
            channels: (self.channels / self.width()) as u32,
            rows: self.rows as u32,
            slice: slice as u32,
            scale,
            _pad: [0; 3],
        };
        let key = BatchNormKey { step, vector: self.width() == 4 };
        lowering.push(key, inputs.iter().copied().chain([y]).collect(), &params, threads(count));
    }
}

pub(super) fn statistics(lowering: &mut Lowering, node: &Node) -> Result<()> {
    let rows = Rows::of(lowering, node);
    let [x, mean, variance] = [node.inputs[0], node.outputs[0], node.outputs[1]].map(Operand::from);
    let scale = 1.0 / rows.rows as f32;
    rows.sum(lowering, Step::Sum, &[x], mean, scale);
    rows.sum(lowering, Step::Squares, &[x, mean], variance, scale);
    Ok(())
}

pub(super) fn backward(lowering: &mut Lowering, node: &Node) -> Result<()> {
    let rows = Rows::of(lowering, node);
    let [x, dy, mean, inverse, gamma] = [0, 1, 2, 3, 4].map(|i| node.inputs[i].into());
    let [dx, dgamma, dbeta] = [0, 1, 2].map(|i| node.outputs[i].into());
    rows.sum(lowering, Step::Sum, &[dy], dbeta, 1.0);
    rows.sum(lowering, Step::Products, &[x, mean, inverse, dy], dgamma, 1.0);
    let count = rows.rows * rows.channels / rows.width();
    let inputs = [x, mean, inverse, dy, gamma, dgamma, dbeta];
    rows.push(lowering, Step::Gradient, &inputs, dx, [count, 0], 1.0 / rows.rows as f32);
    Ok(())
}
