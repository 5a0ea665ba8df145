//! Convolutions of one, two and three dimensions, forward and transposed.

use super::values::{Handle, Order, Rule, channels_last, needs_shapes};
use crate::error::{Error, Result};
use crate::formats::lower::Guessed;
use crate::graph::ValueId;
use crate::ops::{
    Binary, BinaryKind, Conv2d, ConvTranspose2d, DepthwiseConv2d, Epilogue, Pad, PadMode, Reshape, ReshapeDim, Slice,
    SliceAxis,
};
use crate::shape::Padding;
use crate::tensor::Tensor;

/// The attributes of a window over one, two or three axes.
pub struct Window {
    /// Taps.
    pub kernel: Vec<usize>,
    /// Steps between outputs.
    pub strides: Vec<usize>,
    /// Steps between taps.
    pub dilations: Vec<usize>,
    /// `[before, after]` of every axis.
    pub pads: Vec<[usize; 2]>,
    /// The padding is TensorFlow's rule, on a size that is open.
    pub same: bool,
}

impl Window {
    /// The padding of two of its axes.
    pub fn padding(&self, axes: [usize; 2]) -> Padding {
        if self.same { Padding::Same } else { Padding::Explicit(axes.map(|axis| self.pads[axis])) }
    }

    /// Pixels that the taps span on an axis.
    pub fn extent(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1).saturating_mul(self.dilations[axis]).saturating_add(1)
    }
}

/// A convolution's operands in storage; the kernel is a value of the file.
pub struct ConvParts {
    /// `[batch, spatial..., channels]`.
    pub image: ValueId,
    /// `[out, in / groups, spatial...]` in ONNX' order.
    pub kernel: Handle,
    /// One number per output channel.
    pub bias: Option<ValueId>,
    /// Groups of channels.
    pub groups: usize,
}

impl Rule<'_, '_> {
    /// An attribute of one positive number per axis.
    fn per_axis(&self, name: &str, rank: usize) -> Result<Vec<usize>> {
        let list = self.node.ints(name)?.unwrap_or_else(|| vec![1; rank]);
        let sizes = list.iter().map(|&n| usize::try_from(n).ok().filter(|n| (1..1 << 20).contains(n)));
        let sizes: Option<Vec<usize>> = sizes.collect();
        sizes.filter(|sizes| sizes.len() == rank).ok_or_else(|| {
            Error::mismatch(format!("the attribute {name}"), format!("{rank} positive numbers"), format!("{list:?}"))
        })
    }

    /// The window of a convolution or pooling over axes of these sizes.
    pub fn window(&self, spatial: &[Guessed<usize>], kernel: Option<Vec<usize>>) -> Result<Window> {
        let rank = spatial.len();
        if !(1..=3).contains(&rank) {
            return Err(Error::unsupported(format!("a window over {rank} axes")));
        }
        let kernel = match kernel {
            Some(kernel) => kernel,
            None => self.per_axis("kernel_shape", rank)?,
        };
        let (strides, dilations) = (self.per_axis("strides", rank)?, self.per_axis("dilations", rank)?);
        let mut window = Window { kernel, strides, dilations, pads: vec![[0; 2]; rank], same: false };
        if window.kernel.contains(&0) {
            return Err(Error::invalid("a window without taps"));
        }
        match self.node.text("auto_pad")?.unwrap_or("NOTSET") {
            "NOTSET" | "" => {
                if let Some(pads) = self.node.ints("pads")? {
                    let pads = pads.iter().map(|&n| usize::try_from(n).ok().filter(|n| *n < 1 << 24));
                    let pads: Option<Vec<usize>> = pads.collect();
                    let pads = pads.filter(|pads| pads.len() == 2 * rank).ok_or_else(|| {
                        Error::invalid(format!("the attribute pads must be {} numbers that are not negative", 2 * rank))
                    })?;
                    (0..rank).for_each(|axis| window.pads[axis] = [pads[axis], pads[rank + axis]]);
                }
            }
            "VALID" => {}
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                for axis in 0..rank {
                    let ([n, other], stride) = (spatial[axis], window.strides[axis]);
                    let covered = (n.div_ceil(stride).max(1) - 1) * stride + window.extent(axis);
                    if n != other && stride > 1 {
                        // Two axes follow the rule themselves, unless the odd pixel goes before.
                        window.same = mode == "SAME_UPPER" && rank == 2;
                        if !window.same {
                            return Err(needs_shapes(&format!("auto_pad {mode}")));
                        }
                    }
                    let total = covered.saturating_sub(n);
                    let less = total / 2;
                    window.pads[axis] = if mode == "SAME_UPPER" { [less, total - less] } else { [total - less, less] };
                }
            }
            other => return Err(Error::invalid(format!("auto_pad {other:?}"))),
        }
        Ok(window)
    }

    /// A convolution.
    pub fn conv(&mut self) -> Result<Handle> {
        let (x, kernel) = (self.input(0)?, self.input(1)?);
        let element = self.element(x);
        if !element.is_float() {
            return Err(Error::unsupported("a Conv of integers"));
        }
        let bias = self.optional(2).map(|bias| self.plain(bias)).transpose()?;
        let order = channels_last(self.rank(x));
        let window = self.conv_window(x, kernel)?;
        let (image, groups) = (self.form(x, &order)?, self.groups()?);
        let id = self.convolve("", ConvParts { image, kernel, bias, groups }, &window)?;
        Ok(self.made(element, order, id))
    }

    /// The attribute `group`.
    pub fn groups(&self) -> Result<usize> {
        let groups = self.int("group", 1)?;
        usize::try_from(groups).ok().filter(|&g| g > 0).ok_or_else(|| Error::invalid(format!("{groups} groups")))
    }

    /// The window of a convolution, whose taps the kernel counts.
    pub fn conv_window(&self, x: Handle, kernel: Handle) -> Result<Window> {
        let (image, taps) = (self.dims(x), self.fixed_dims(kernel, "a kernel")?);
        if image.len() != taps.len() || image.len() < 3 {
            return Err(Error::mismatch("image and kernel need one rank, 3 to 5", image.len(), taps.len()));
        }
        self.window(&image[2..], Some(taps[2..].to_vec()))
    }

    /// A convolution over one, two or three axes.
    pub fn convolve(&mut self, part: &str, parts: ConvParts, window: &Window) -> Result<ValueId> {
        let ConvParts { image, kernel, bias, groups } = parts;
        let rank = window.kernel.len();
        let order: Order = (2..rank + 2).chain([1, 0]).collect();
        let taps = self.form(kernel, &order)?;
        match rank {
            2 => self.convolve_plane(part, [image, taps], bias, groups, window, [0, 1]),
            1 => {
                // A row of pixels.
                let (image, taps) = (self.row(image, "row")?, self.lead(taps, "kernel")?);
                let row = Window {
                    kernel: vec![1, window.kernel[0]],
                    strides: vec![1, window.strides[0]],
                    dilations: vec![1, window.dilations[0]],
                    pads: vec![[0; 2], window.pads[0]],
                    same: window.same,
                };
                let id = self.convolve_plane("image", [image, taps], bias, groups, &row, [0, 1])?;
                self.push(part, Reshape { dims: [0, 2, 3].map(ReshapeDim::Copy).to_vec() }, &[id])
            }
            _ => self.convolve_volume(part, [image, taps], bias, groups, window),
        }
    }

    /// `[batch, length, channels]` as images of one row.
    pub fn row(&mut self, id: ValueId, part: &str) -> Result<ValueId> {
        let dims = vec![ReshapeDim::Copy(0), ReshapeDim::Size(1), ReshapeDim::Copy(1), ReshapeDim::Copy(2)];
        self.push(part, Reshape { dims }, &[id])
    }

    /// With another axis of size 1 in front.
    fn lead(&mut self, id: ValueId, part: &str) -> Result<ValueId> {
        let rank = self.importer.lowering.shape(id).rank();
        let dims = std::iter::once(ReshapeDim::Size(1)).chain((0..rank).map(ReshapeDim::Copy)).collect();
        self.push(part, Reshape { dims }, &[id])
    }

    /// Over two axes of the window: `[image, kernel]` with the kernel `[kh, kw, in / groups, out]`.
    fn convolve_plane(
        &mut self,
        part: &str,
        [image, taps]: [ValueId; 2],
        bias: Option<ValueId>,
        groups: usize,
        window: &Window,
        axes: [usize; 2],
    ) -> Result<ValueId> {
        let epilogue = Epilogue { bias: bias.is_some(), ..Epilogue::default() };
        let (strides, dilations) = (axes.map(|a| window.strides[a]), axes.map(|a| window.dilations[a]));
        let padding = window.padding(axes);
        let shape = self.importer.lowering.shape(taps).dims::<4>("[kh, kw, in / groups, out]")?;
        let [kh, kw, inner, out] = shape;
        let channels = self.importer.lowering.shape(image).last().copied().unwrap_or(0);
        if groups > 1 && groups == channels && inner == 1 && out.is_multiple_of(groups) {
            let dims = [kh, kw, channels, out / channels].map(ReshapeDim::Size).to_vec();
            let taps = self.push("depthwise", Reshape { dims }, &[taps])?;
            let op = DepthwiseConv2d { strides, dilations, padding, epilogue };
            return self.push(part, op, &[image, taps].into_iter().chain(bias).collect::<Vec<_>>());
        }
        let op = Conv2d { strides, dilations, groups, padding, epilogue };
        self.push(part, op, &[image, taps].into_iter().chain(bias).collect::<Vec<_>>())
    }

    /// Over three axes: one flat convolution per tap in depth, summed.
    fn convolve_volume(
        &mut self,
        part: &str,
        [image, taps]: [ValueId; 2],
        bias: Option<ValueId>,
        groups: usize,
        window: &Window,
    ) -> Result<ValueId> {
        let depth = fixed(self.importer.lowering.dims(image)[1], "the depth of a volume")?;
        let [before, after] = window.pads[0];
        let (extent, stride) = (window.extent(0), window.strides[0]);
        let padded = depth + before + after;
        if padded < extent {
            return Err(Error::mismatch("the window is larger than the padded input", extent, padded));
        }
        let output = (padded - extent) / stride + 1;
        let mut pads = vec![[0; 2]; 5];
        pads[1] = [before, after];
        let image = self.push("padded", Pad { pads, mode: PadMode::Constant(0.0) }, &[image])?;
        let mut sum: Option<ValueId> = None;
        for tap in 0..window.kernel[0] {
            let start = tap * window.dilations[0];
            let mut axes = vec![SliceAxis::ALL; 5];
            axes[1] = SliceAxis::range(start, start + (output - 1) * stride + 1);
            axes[1].step = stride as isize;
            let slices = self.push(&format!("depth{tap}"), Slice { axes }, &[image])?;
            let slices = self.fold_depth(slices, &format!("flat{tap}"))?;
            let kernel = self.tap(taps, tap)?;
            let bias = bias.filter(|_| tap == 0);
            let id = self.convolve_plane(&format!("tap{tap}"), [slices, kernel], bias, groups, window, [1, 2])?;
            sum = Some(match sum {
                Some(sum) => self.push(&format!("sum{tap}"), Binary::new(BinaryKind::Add), &[sum, id])?,
                None => id,
            });
        }
        let sum = sum.ok_or_else(|| Error::invalid("a window without taps"))?;
        self.unfold_depth(sum, output, part)
    }

    /// One tap in depth of a kernel `[kd, kh, kw, ...]`.
    fn tap(&mut self, taps: ValueId, tap: usize) -> Result<ValueId> {
        let mut axes = vec![SliceAxis::ALL; 5];
        axes[0] = SliceAxis::range(tap, tap + 1);
        let kernel = self.push(&format!("kernel{tap}"), Slice { axes }, &[taps])?;
        let dims = (1..5).map(ReshapeDim::Copy).collect();
        self.push(&format!("kernel{tap}"), Reshape { dims }, &[kernel])
    }

    /// `[batch, depth, height, width, channels]` as images.
    pub fn fold_depth(&mut self, id: ValueId, part: &str) -> Result<ValueId> {
        let dims = vec![ReshapeDim::Infer, ReshapeDim::Copy(2), ReshapeDim::Copy(3), ReshapeDim::Copy(4)];
        self.push(part, Reshape { dims }, &[id])
    }

    /// Images as volumes of this depth.
    pub fn unfold_depth(&mut self, id: ValueId, depth: usize, part: &str) -> Result<ValueId> {
        let mut dims = vec![ReshapeDim::Infer, ReshapeDim::Size(depth)];
        dims.extend((1..4).map(ReshapeDim::Copy));
        self.push(part, Reshape { dims }, &[id])
    }

    /// A transposed convolution.
    pub fn conv_transpose(&mut self) -> Result<Handle> {
        let (x, kernel) = (self.input(0)?, self.input(1)?);
        let (image, taps) = (self.dims(x), self.fixed_dims(kernel, "a kernel")?);
        let rank = image.len().saturating_sub(2);
        if image.len() != taps.len() || !(1..=3).contains(&rank) {
            return Err(Error::mismatch("image and kernel need one rank, 3 to 5", image.len(), taps.len()));
        }
        let mut window = Window {
            kernel: taps[2..].to_vec(),
            strides: self.per_axis("strides", rank)?,
            dilations: self.per_axis("dilations", rank)?,
            pads: vec![[0; 2]; rank],
            same: false,
        };
        if window.kernel.contains(&0) {
            return Err(Error::invalid("a window without taps"));
        }
        let extra = self.node.ints("output_padding")?.unwrap_or_else(|| vec![0; rank]);
        let mut extra = extra.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect::<Vec<_>>();
        extra.resize(rank, 0);
        self.transposed_pads(&image[2..], &mut window, &mut extra)?;
        let bias = self.optional(2).map(|bias| self.plain(bias)).transpose()?;
        let (order, groups) = (channels_last(image.len()), self.groups()?);
        let id = self.form(x, &order)?;
        // [spatial..., out, in].
        let layout: Order = (2..rank + 2).chain([1, 0]).collect();
        let taps = if groups == 1 { self.form(kernel, &layout)? } else { self.dense_groups(kernel, groups)? };
        let id = match rank {
            2 => self.transpose_plane("", [id, taps], bias, &window, &extra, [0, 1])?,
            1 => {
                let (id, taps) = (self.row(id, "row")?, self.lead(taps, "kernel")?);
                let row = Window {
                    kernel: vec![1, window.kernel[0]],
                    strides: vec![1, window.strides[0]],
                    dilations: vec![1, window.dilations[0]],
                    pads: vec![[0; 2], window.pads[0]],
                    same: false,
                };
                let id = self.transpose_plane("image", [id, taps], bias, &row, &[0, extra[0]], [0, 1])?;
                self.push("", Reshape { dims: [0, 2, 3].map(ReshapeDim::Copy).to_vec() }, &[id])?
            }
            _ => self.transpose_volume([id, taps], bias, &window, &extra)?,
        };
        Ok(self.made(self.element(x), order, id))
    }

    /// Padding, from the attribute, the rule or the output's size.
    fn transposed_pads(&self, image: &[Guessed<usize>], window: &mut Window, extra: &mut [usize]) -> Result<()> {
        let rank = image.len();
        let auto = self.node.text("auto_pad")?.unwrap_or("NOTSET");
        let same = matches!(auto, "SAME_UPPER" | "SAME_LOWER");
        let asked = self.node.ints("output_shape")?;
        if asked.is_none() && !same {
            if let Some(pads) = self.node.ints("pads")?.filter(|_| auto != "VALID") {
                if pads.len() != 2 * rank || pads.iter().any(|n| !(0..1 << 24).contains(n)) {
                    return Err(Error::invalid(format!("the attribute pads must be {} small numbers", 2 * rank)));
                }
                (0..rank).for_each(|axis| window.pads[axis] = [pads[axis] as usize, pads[rank + axis] as usize]);
            }
            return Ok(());
        }
        for axis in 0..rank {
            let (extent, stride) = (window.extent(axis), window.strides[axis]);
            let pads_for = |n: usize| -> Result<i64> {
                let output = match &asked {
                    // Batch and channels may stand in front.
                    Some(shape) if shape.len() >= rank => shape[shape.len() - rank + axis],
                    Some(shape) => return Err(Error::mismatch("output_shape", rank, shape.len())),
                    None => (n * stride) as i64,
                };
                let full = (n.max(1) - 1) * stride + extent + extra[axis];
                if !(1..1 << 24).contains(&output) {
                    return Err(Error::invalid(format!("an output of {output} pixels")));
                }
                Ok(full as i64 - output)
            };
            let total = pads_for(image[axis][0])?;
            if total != pads_for(image[axis][1])? {
                return Err(needs_shapes("output_shape"));
            }
            if total < 0 {
                extra[axis] += total.unsigned_abs() as usize;
                continue;
            }
            let (total, less) = (total as usize, total as usize / 2);
            window.pads[axis] = if auto == "SAME_UPPER" { [less, total - less] } else { [total - less, less] };
        }
        Ok(())
    }

    /// A grouped kernel `[in, out / groups, spatial...]` as one of all channels, zero between groups.
    fn dense_groups(&mut self, kernel: Handle, groups: usize) -> Result<ValueId> {
        let Some(tensor) = self.tensor(kernel)? else {
            return Err(Error::unsupported("a grouped transposed convolution whose kernel is not constant"));
        };
        let shape = tensor.shape().clone();
        let ([channels, per_group, spatial @ ..], data) = (&shape[..], tensor.as_f32()?) else {
            return Err(Error::invalid("a kernel without channels"));
        };
        if !channels.is_multiple_of(groups) {
            return Err(Error::mismatch("the groups do not divide the channels", groups, channels));
        }
        let (taps, out, inner) = (spatial.iter().product::<usize>(), per_group * groups, channels / groups);
        let dense = spatial.iter().copied().chain([out, *channels]).collect::<crate::shape::Shape>();
        let dense = crate::shape::Shape::checked(dense)?;
        self.importer.lowering.spend(4 * dense.elements())?;
        let mut kernel = vec![0.0; dense.elements()];
        for i in 0..*channels {
            for o in 0..*per_group {
                for tap in 0..taps {
                    let column = i / inner * per_group + o;
                    kernel[(tap * out + column) * channels + i] = data[(i * per_group + o) * taps + tap];
                }
            }
        }
        Ok(self.constant("kernel", Tensor::f32(dense, kernel)?))
    }

    /// Over two axes of the window.
    fn transpose_plane(
        &mut self,
        part: &str,
        [image, taps]: [ValueId; 2],
        bias: Option<ValueId>,
        window: &Window,
        extra: &[usize],
        axes: [usize; 2],
    ) -> Result<ValueId> {
        let op = ConvTranspose2d {
            strides: axes.map(|a| window.strides[a]),
            dilations: axes.map(|a| window.dilations[a]),
            padding: Padding::Explicit(axes.map(|a| window.pads[a])),
            output_padding: Some(axes.map(|a| extra[a])),
            epilogue: Epilogue { bias: bias.is_some(), ..Epilogue::default() },
        };
        self.push(part, op, &[image, taps].into_iter().chain(bias).collect::<Vec<_>>())
    }

    /// Over three axes: a flat one per tap in depth, each spread by the stride and moved to its place, summed.
    fn transpose_volume(
        &mut self,
        [image, taps]: [ValueId; 2],
        bias: Option<ValueId>,
        window: &Window,
        extra: &[usize],
    ) -> Result<ValueId> {
        let depth = fixed(self.importer.lowering.dims(image)[1], "the depth of a volume")?;
        let (stride, [before, after]) = (window.strides[0], window.pads[0]);
        let full = (depth.max(1) - 1) * stride + window.extent(0) + extra[0];
        let output = full.checked_sub(before + after).filter(|&n| n > 0);
        let output = output.ok_or_else(|| Error::invalid("the output would have no pixels"))?;
        let flat = self.fold_depth(image, "flat")?;
        let mut sum: Option<ValueId> = None;
        for tap in 0..window.kernel[0] {
            let kernel = self.tap(taps, tap)?;
            let plane = self.transpose_plane(&format!("tap{tap}"), [flat, kernel], None, window, extra, [1, 2])?;
            let shape = self.importer.lowering.dims(plane);
            let [h, w, c] = [1, 2, 3].map(|axis| fixed(shape[axis], "the size of a volume"));
            let plane_size = h? * w? * c?;
            // [batch, depth, 1, everything else], zeros behind each, then one long axis.
            let spread =
                vec![ReshapeDim::Infer, ReshapeDim::Size(depth), ReshapeDim::Size(1), ReshapeDim::Size(plane_size)];
            let id = self.push(&format!("spread{tap}"), Reshape { dims: spread }, &[plane])?;
            let pads = vec![[0; 2], [0; 2], [0, stride - 1], [0; 2]];
            let id = self.push(&format!("zeros{tap}"), Pad { pads, mode: PadMode::Constant(0.0) }, &[id])?;
            let dims = vec![ReshapeDim::Copy(0), ReshapeDim::Size(depth * stride), ReshapeDim::Size(plane_size)];
            let id = self.push(&format!("depth{tap}"), Reshape { dims }, &[id])?;
            let start = tap * window.dilations[0];
            let pads = vec![[0; 2], [start, full.saturating_sub(start + depth * stride)], [0; 2]];
            let id = self.push(&format!("moved{tap}"), Pad { pads, mode: PadMode::Constant(0.0) }, &[id])?;
            let axes = vec![SliceAxis::ALL, SliceAxis::range(before, before + output), SliceAxis::ALL];
            let id = self.push(&format!("cut{tap}"), Slice { axes }, &[id])?;
            let [h, w, c] = [1, 2, 3].map(|axis| ReshapeDim::Size(shape[axis][0]));
            let dims = vec![ReshapeDim::Copy(0), ReshapeDim::Copy(1), h, w, c];
            let id = self.push(&format!("volume{tap}"), Reshape { dims }, &[id])?;
            sum = Some(match sum {
                Some(sum) => self.push(&format!("sum{tap}"), Binary::new(BinaryKind::Add), &[sum, id])?,
                None => id,
            });
        }
        let sum = sum.ok_or_else(|| Error::invalid("a window without taps"))?;
        match bias {
            Some(bias) => self.push("", Binary::new(BinaryKind::Add), &[sum, bias]),
            None => Ok(sum),
        }
    }
}

/// A dimension that must not be open.
pub fn fixed([a, b]: Guessed<usize>, what: &str) -> Result<usize> {
    if a == b { Ok(a) } else { Err(needs_shapes(what)) }
}
