//! Transposed convolution, and the gradient of a convolution by its input, which is one: an ordinary convolution for
//! each sub-pixel phase, that is, for the outputs that see the same taps.

use super::gemm::{ConvParams, Product, Size, Source, push, push_pointwise, transposed};
use super::layout::transposed_kernel;
use super::lower::{Lowering, Operand, output};
use crate::error::Result;
use crate::graph::Node;
use crate::ops::{Conv2dBackwardInput, ConvTranspose2d, Epilogue};
use crate::shape::TransposedWindow;

/// One axis of one phase: the outputs `base + i * stride` and the taps they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Phase {
    base: usize,
    outputs: usize,
    taps: usize,
    first_tap: usize,
    tap_step: usize,
    /// Input pixel of output 0 and tap 0, negated.
    before: isize,
    /// Input pixels from tap to tap, negated: further taps look further back.
    back: usize,
}

impl Phase {
    fn of(w: &TransposedWindow, base: usize) -> Phase {
        let outputs = w.output.saturating_sub(base).div_ceil(w.stride);
        let distance = |k: usize| (base + w.crop) as isize - (k * w.dilation) as isize;
        let sees = |k: &usize| distance(*k) % w.stride as isize == 0;
        let first = (0..w.kernel).find(sees);
        // With one tap or none, the step to the next leads out of the kernel.
        let tap_step = first.and_then(|f| (f + 1..w.kernel).find(sees).map(|next| next - f)).unwrap_or(w.kernel);
        let first_tap = first.unwrap_or(0);
        Phase {
            base,
            outputs,
            taps: first.map_or(0, |f| (w.kernel - f).div_ceil(tap_step)),
            first_tap,
            tap_step,
            before: -(distance(first_tap) / w.stride as isize),
            back: tap_step * w.dilation / w.stride,
        }
    }
}

pub(super) fn lower(lowering: &mut Lowering, op: &ConvTranspose2d, node: &Node) -> Result<()> {
    let [_, h, w, _] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [kh, kw, _, _] = lowering.shape(node.inputs[1]).dims("HWOI")?;
    phases(lowering, op.windows([h, w], [kh, kw])?, 1, &op.epilogue, node)
}

pub(super) fn backward_input(lowering: &mut Lowering, op: &Conv2dBackwardInput, node: &Node) -> Result<()> {
    let [kh, kw, channels, filters] = lowering.shape(node.inputs[1]).dims("HWIO")?;
    let windows = op.windows([kh, kw])?;
    if channels == 1 && op.groups > 1 {
        // One channel a group: [kh, kw, 1, filters] is the depthwise kernel [kh, kw, c, filters / c] in memory.
        return super::depthwise_backward::input_windows(lowering, windows, filters / op.groups, node);
    }
    // Gradient `o` and tap `k` contribute to pixel `o * stride + k * dilation - before`: a transposed window. The kernel's
    // `[kh, kw, in, out]` is HWOI for the way back.
    let windows = windows.map(|w| TransposedWindow {
        input: w.output,
        output: w.input,
        kernel: w.kernel,
        stride: w.stride,
        dilation: w.dilation,
        crop: w.before,
    });
    phases(lowering, windows, op.groups, &Epilogue::default(), node)
}

/// All phases. The second input is the kernel `[kh, kw, out / groups, in]`.
fn phases(
    lowering: &mut Lowering,
    windows: [TransposedWindow; 2],
    groups: usize,
    epilogue: &Epilogue,
    node: &Node,
) -> Result<()> {
    let [batch, h, w, c] = lowering.shape(node.inputs[0]).dims("NHWC")?;
    let [_, _, _, filters] = lowering.shape(output(node)).dims("NHWC")?;
    let (channels, columns, kw) = (c / groups, filters / groups, windows[1].kernel);
    let kernel = turned_kernel(lowering, node, [windows[0].kernel * kw, columns, groups, channels])?;
    let strides = windows.map(|w| w.stride);
    for (py, px) in (0..strides[0]).flat_map(|y| (0..strides[1]).map(move |x| (y, x))) {
        let phases = [Phase::of(&windows[0], py), Phase::of(&windows[1], px)];
        let [y, x] = phases;
        if y.outputs == 0 || x.outputs == 0 {
            continue;
        }
        let product = Product {
            source: Source::Conv,
            size: Size {
                rows: batch * y.outputs * x.outputs,
                columns,
                depth: y.taps * x.taps * channels.div_ceil(4),
                batches: groups,
            },
            a: node.inputs[0].into(),
            b: kernel,
            a_vector: c.is_multiple_of(4) && channels.is_multiple_of(4),
            b_vector: filters.is_multiple_of(4) && columns.is_multiple_of(4),
            epilogue,
        };
        let pointwise = |w: &TransposedWindow| w.kernel == 1 && w.stride == 1 && w.crop == 0 && w.input == w.output;
        if groups == 1 && windows.iter().all(pointwise) {
            push_pointwise(lowering, node, product, c);
            return Ok(());
        }
        let params = |gemm| ConvParams {
            gemm,
            in_size: [h, w].map(|n| n as u32),
            out_size: phases.map(|p| p.outputs as u32),
            stride: [1, 1],
            dilation: phases.map(|p| -(p.back as i32)),
            before: phases.map(|p| p.before as i32),
            taps: phases.map(|p| p.taps as u32),
            tap_step: [y.tap_step * kw, x.tap_step].map(|n| n as u32),
            tap_base: (y.first_tap * kw + x.first_tap) as u32,
            channels: channels as u32,
            in_channels: c as u32,
            out_channels: filters as u32,
            y_size: windows.map(|w| w.output as u32),
            out_step: strides.map(|s| s as u32),
            out_base: phases.map(|p| p.base as u32),
        };
        push(lowering, node, product, params);
    }
    Ok(())
}

/// The kernel `[taps, out, groups, in]` as `[taps, in, groups, out]`: turned here if constant, on the device otherwise.
fn turned_kernel(lowering: &mut Lowering, node: &Node, dims: [usize; 4]) -> Result<Operand> {
    let [_, rows, groups, columns] = dims;
    let constant = if groups == 1 { transposed(lowering, node, rows, columns) } else { None };
    constant.map_or_else(|| transposed_kernel(lowering, node, dims), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Padding;

    #[test]
    fn phases_cover_every_pair_of_output_and_tap_once() {
        for (input, kernel, stride, dilation) in [(5, 3, 2, 1), (4, 2, 3, 1), (6, 5, 2, 2), (3, 4, 4, 3), (7, 3, 1, 2)]
        {
            let w = TransposedWindow::resolve(input, kernel, stride, dilation, Padding::Same, None, 0).unwrap();
            let mut seen = Vec::new();
            for phase in (0..stride).map(|base| Phase::of(&w, base)) {
                for (q, t) in (0..phase.outputs).flat_map(|q| (0..phase.taps).map(move |t| (q, t))) {
                    let pixel = q as isize - (t * phase.back) as isize - phase.before;
                    if (0..input as isize).contains(&pixel) {
                        seen.push((phase.base + q * stride, phase.first_tap + t * phase.tap_step, pixel as usize));
                    }
                }
            }
            let mut expected = Vec::new();
            for (i, k) in (0..input).flat_map(|i| (0..kernel).map(move |k| (i, k))) {
                if let Some(o) = (i * stride + k * dilation).checked_sub(w.crop).filter(|&o| o < w.output) {
                    expected.push((o, k, i));
                }
            }
            seen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seen, expected, "{input} {kernel} {stride} {dilation}");
        }
    }
}
