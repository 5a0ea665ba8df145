//! A product with one constant per channel goes into the kernel before it.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op};
use crate::tensor::Tensor;

/// `conv(x, k) * c` is `conv(x, k * c)`; a bias is scaled with it. Also for division by a constant.
pub(super) fn fold(new: &mut Rewriter, node: &Node) -> Result<Option<Vec<ValueId>>> {
    let (Op::Binary(Binary { kind, activation }), &[a, b]) = (&node.op, &node.inputs[..]) else { return Ok(None) };
    let (x, factor) = match kind {
        BinaryKind::Mul if new.constant_of(a).is_some() => (b, a),
        BinaryKind::Mul | BinaryKind::Div => (a, b),
        _ => return Ok(None),
    };
    let Some(mut layer) = new.open_epilogue(x) else { return Ok(None) };
    let Some(channels) = KernelChannels::of(new, &layer) else { return Ok(None) };
    let Some(mut factors) = per_channel(new, factor, &channels, x) else { return Ok(None) };
    if *kind == BinaryKind::Div {
        factors.iter_mut().for_each(|f| *f = 1.0 / *f);
    }
    let Some(epilogue) = layer.op.epilogue_mut() else { return Ok(None) };
    if epilogue.residual || factors.iter().any(|f| !f.is_finite()) {
        return Ok(None);
    }
    epilogue.activation = *activation;
    let bias = epilogue.bias_index();
    let mut scaled = |value: ValueId, channel: &dyn Fn(usize) -> usize| -> Result<Option<ValueId>> {
        let Some(tensor) = new.constant_of(value).cloned() else { return Ok(None) };
        let values = tensor.as_f32()?.iter().enumerate().map(|(i, &v)| (v as f64 * factors[channel(i)]) as f32);
        let tensor = Tensor::f32(tensor.shape().clone(), values.collect::<Vec<_>>())?;
        Ok(Some(new.constant(&layer.name, tensor)))
    };
    // The bias first: if it is not constant, nothing is done.
    let mut inputs = layer.inputs.clone();
    if let Some(index) = bias {
        let Some(bias) = scaled(inputs[index], &|i| i)? else { return Ok(None) };
        inputs[index] = bias;
    }
    let Some(kernel) = scaled(inputs[1], &|i| channels.of_element(i))? else { return Ok(None) };
    inputs[1] = kernel;
    Ok(Some(vec![new.emit(&layer.name, layer.op, &inputs)?]))
}

/// Which output channel each element of a constant kernel belongs to.
pub(super) struct KernelChannels {
    count: usize,
    /// Elements of one channel that lie side by side.
    run: usize,
    /// Least number of dimensions of the result.
    rank: usize,
}

impl KernelChannels {
    pub(super) fn of(new: &Rewriter, layer: &Node) -> Option<KernelChannels> {
        let shape = new.constant_of(*layer.inputs.get(1)?)?.shape();
        let (count, run) = match (&layer.op, &shape[..]) {
            (Op::Conv2d(_), &[_, _, _, co]) => (co, 1),
            (Op::DepthwiseConv2d(_), &[_, _, c, multiplier]) => (c * multiplier, 1),
            (Op::ConvTranspose2d(_), &[_, _, co, ci]) => (co, ci),
            (Op::MatMul(op), &[n, k]) if op.transpose_b => (n, k),
            (Op::MatMul(_), &[_, n]) => (n, 1),
            _ => return None,
        };
        let rank = if matches!(layer.op, Op::MatMul(_)) { 2 } else { 4 };
        (count > 0 && run > 0).then_some(KernelChannels { count, run, rank })
    }

    fn of_element(&self, i: usize) -> usize {
        i / self.run % self.count
    }
}

/// A constant's value for each channel, if it broadcasts along channels only and stretches nothing of `x`.
pub(super) fn per_channel(
    new: &Rewriter,
    constant: ValueId,
    channels: &KernelChannels,
    x: ValueId,
) -> Option<Vec<f64>> {
    let tensor = new.constant_of(constant)?;
    // A constant of higher rank would add dimensions.
    if tensor.shape().rank() > new.rank(x).unwrap_or(channels.rank) {
        return None;
    }
    let last = tensor.shape().last().copied().unwrap_or(1);
    match tensor.as_f32().ok()? {
        &[value] => Some(vec![value as f64; channels.count]),
        values if values.len() == channels.count && last == channels.count => {
            Some(values.iter().map(|&v| v as f64).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::ops::{Binary, BinaryKind, Conv2d, Epilogue, Unary};
    use crate::passes::testing::{constant, names, optimized};
    use crate::tensor::{DType, Tensor};

    fn after_conv(kind: BinaryKind, shape: &[usize], swapped: bool) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let (kernel, bias) = (constant(&mut graph, &[3, 2, 3, 5], 1), constant(&mut graph, &[5], 2));
        let conv =
            graph.add("conv", Conv2d { epilogue: Epilogue::bias(), ..Default::default() }, &[x, kernel, bias]).unwrap();
        let factor = constant(&mut graph, shape, 3);
        let operands = if swapped { [factor, conv] } else { [conv, factor] };
        let y = graph.add("scale", Binary { kind, activation: Some(Unary::Tanh) }, &operands).unwrap();
        graph.output("y", y);
        names(&optimized(&graph))
    }

    #[test]
    fn one_factor_per_channel_or_one_for_all() {
        for shape in [&[5][..], &[1, 1, 1, 5], &[1], &[]] {
            assert_eq!(after_conv(BinaryKind::Mul, shape, false), ["Conv2d"], "{shape:?}");
            assert_eq!(after_conv(BinaryKind::Mul, shape, true), ["Conv2d"], "{shape:?}");
            assert_eq!(after_conv(BinaryKind::Div, shape, false), ["Conv2d"], "{shape:?}");
        }
        // Division of a constant is something else; so is one factor per pixel, or another dimension.
        assert_eq!(after_conv(BinaryKind::Div, &[5], true), ["Conv2d", "Div"]);
        assert_eq!(after_conv(BinaryKind::Mul, &[4, 1], false), ["Conv2d", "Mul"]);
        assert_eq!(after_conv(BinaryKind::Mul, &[1, 1, 1, 1, 5], false), ["Conv2d", "Mul"]);
    }

    #[test]
    fn division_by_zero_stays_visible() {
        let mut graph = Graph::new();
        let x = graph.input("x", DType::F32, vec![None, Some(4), Some(5), Some(3)]);
        let kernel = constant(&mut graph, &[1, 1, 3, 2], 1);
        let conv = graph.add("conv", Conv2d::default(), &[x, kernel]).unwrap();
        let zero = graph.constant("zero", Tensor::scalar(0.0));
        let y = graph.add("div", Binary::new(BinaryKind::Div), &[conv, zero]).unwrap();
        graph.output("y", y);
        assert_eq!(names(&super::super::optimize(&graph).unwrap()), ["Conv2d", "Div"]);
    }
}
