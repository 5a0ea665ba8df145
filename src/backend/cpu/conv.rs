//! Dense convolution: plain product for 1x1, row-fused for few channels (RGB stems), indirect otherwise.

use super::epilogue::Activation;
use super::gemm::{PADDING, Packed, Product, Rows, table};
use super::memory::{Buffer, Inputs};
use super::{Kernel, Outputs, Spec, depthwise};
use crate::error::Result;
use crate::ops::{Conv2d, Epilogue};
use crate::parallel::{Shared, parallel_for};
use crate::shape::Window;

/// Below this many input channels a kernel row's taps are read as one run of consecutive floats.
const FUSE_BELOW: usize = 12;

/// Left-operand offsets, or their stride when they are regular.
enum Left {
    Strided(usize),
    Table(Vec<u32>),
}

/// A copy of the image with its borders: a run of taps then never leaves the row.
struct Bordered {
    image: Buffer,
    rows: Window,
    columns: Window,
    channels: usize,
}

struct Conv {
    /// Products per run: images of the batch (1 when the whole batch is one product).
    images: usize,
    rows: usize,
    /// Floats per image.
    input: usize,
    output: usize,
    left: Left,
    bordered: Option<Bordered>,
    /// One per group.
    packed: Vec<Packed>,
    channels: [usize; 2],
    constant: bool,
    epilogue: Epilogue,
    activation: Activation,
}

pub fn compile(op: &Conv2d, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let [images, height, width, channels] = spec.dims(0)?;
    let [kh, kw, depth, filters] = spec.dims(1)?;
    if depth == 1 && op.groups > 1 {
        // HWIO with one input channel per group is depthwise' layout already.
        return depthwise::compile_grouped(op, filters / channels, spec);
    }
    let [y, x] = op.windows([height, width], [kh, kw])?;
    let (input, rows) = (height * width * channels, y.output * x.output);
    let unpadded = [y, x].iter().all(|w| w.before + w.after == 0);
    // One window that is the whole image: a dense layer over images.
    let whole = op.groups == 1 && unpadded && [kh, kw] == [height, width];
    let dense = whole || kh * kw == 1 && op.strides == [1, 1] && unpadded;
    let bordered_size = [(y.before, height, y.after), (x.before, width, x.after)]
        .iter()
        .try_fold(channels, |n, (before, size, after)| n.checked_mul(before.checked_add(*size)?.checked_add(*after)?));
    // Borders that dwarf the image are better left virtual.
    let small = bordered_size.is_some_and(|n| n <= 4 * input + (1 << 16));
    let fused = small && !dense && op.groups == 1 && channels < FUSE_BELOW && kw > 1 && op.dilations[1] == 1;
    let bordered = bordered_size.filter(|_| fused).map(|size| Bordered {
        image: Buffer::floats(size),
        rows: y,
        columns: x,
        channels,
    });
    let (taps, run) = match (fused, whole) {
        (_, true) => (1, input),
        (true, _) => (kh, kw * depth),
        _ => (kh * kw, depth),
    };
    let left = if dense {
        Left::Strided(if whole { input } else { channels })
    } else if fused {
        let pitch = (x.before + width + x.after) * channels;
        Left::Table(table(rows, taps, |row, ky| {
            let (oy, ox) = (row / x.output, row % x.output);
            ((oy * y.stride + ky * y.dilation) * pitch + ox * x.stride * channels) as u32
        }))
    } else {
        Left::Table(table(rows, taps, |row, tap| {
            let (iy, ix) = (y.source(row / x.output, tap / kw), x.source(row % x.output, tap % kw));
            iy.zip(ix).map_or(PADDING, |(iy, ix)| ((iy * width + ix) * channels) as u32)
        }))
    };
    let (images, rows) = if dense { (1, images * rows) } else { (images, rows) };
    let mut conv = Conv {
        images,
        rows,
        input,
        output: rows * filters,
        left,
        bordered,
        packed: (0..op.groups).map(|_| Packed::new(taps, run, filters / op.groups)).collect(),
        channels: [depth, filters],
        constant: false,
        epilogue: op.epilogue.clone(),
        activation: op.epilogue.activation.into(),
    };
    let bias = op.epilogue.bias_index();
    if let Some(weights) = spec.constant(1)
        && bias.is_none_or(|i| spec.constant(i).is_some())
    {
        conv.pack(weights, bias.and_then(|i| spec.constant(i)));
        conv.constant = true;
    }
    Ok(Box::new(conv))
}

impl Conv {
    fn pack(&mut self, weights: &[f32], bias: Option<&[f32]>) {
        let [_, filters] = self.channels;
        let per_group = filters / self.packed.len().max(1);
        for (group, packed) in self.packed.iter_mut().enumerate() {
            let first = group * per_group;
            // HWIO: taps and depth are consecutive rows, also when a kernel row counts as one tap.
            packed.fill(bias.map(|b| &b[first..first + per_group]), weights.get(first..).unwrap_or(&[]), filters);
        }
    }
}

impl Kernel for Conv {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (image, out) = (inputs.f32(0), out.into_f32());
        if !self.constant {
            self.pack(inputs.f32(1), self.epilogue.bias_index().map(|i| inputs.f32(i)));
        }
        let residual = self.epilogue.residual_index().map(|i| inputs.f32(i));
        let [depth, filters] = self.channels;
        let per_group = filters / self.packed.len().max(1);
        for i in 0..self.images {
            let mut left = image.get(i * self.input..).unwrap_or(&[]);
            if let Some(bordered) = &mut self.bordered {
                bordered.copy(&left[..self.input]);
                left = bordered.image.f32();
            }
            for (group, packed) in self.packed.iter().enumerate() {
                let start = i * self.output + group * per_group;
                Product {
                    rows: self.rows,
                    left: left.get(group * depth..).unwrap_or(&[]),
                    left_rows: match &self.left {
                        Left::Strided(stride) => Rows::Strided(*stride),
                        Left::Table(table) => Rows::Table(table),
                    },
                    packed,
                    out_rows: Rows::Strided(filters),
                    residual: residual.map(|r| r.get(start..).unwrap_or(&[])),
                    activation: self.activation,
                }
                .run(out.get_mut(start..).unwrap_or(&mut []));
            }
        }
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.packed.iter().map(Packed::bytes).sum()
    }

    fn scratch_bytes(&self) -> usize {
        let table = if let Left::Table(table) = &self.left { 4 * table.len() } else { 0 };
        table + self.bordered.as_ref().map_or(0, |b| b.image.bytes())
    }
}

impl Bordered {
    /// Copies an image inside the borders, which stay zero.
    fn copy(&mut self, image: &[f32]) {
        let (line, before) = (self.columns.input * self.channels, self.columns.before * self.channels);
        let pitch = line + before + self.columns.after * self.channels;
        let inside = self.rows.before * pitch;
        let out = Shared::new(&mut self.image.f32_mut()[inside..]);
        // 16 rows at a time: a row of 224 RGB pixels is only 2.7 KB.
        parallel_for(self.rows.input.div_ceil(16), |task| {
            for row in task * 16..(task * 16 + 16).min(self.rows.input) {
                // SAFETY: every row is written by one task.
                let target = unsafe { out.get(row * pitch + before, line) };
                target.copy_from_slice(&image[row * line..][..line]);
            }
        });
    }
}
