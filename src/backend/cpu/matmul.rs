//! Matrix products over the packed kernel of `gemm.rs`; with a transposed left operand, over the outer products of
//! `outer.rs`, which take it as it lies.

use super::epilogue::Activation;
use super::gemm::{Packed, Product, Rows};
use super::memory::{Buffer, Inputs};
use super::outer::{Grid, Outer, Tap};
use super::strided::{Walk, broadcast_strides, strides};
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::{Epilogue, MatMul};

struct Multiply {
    /// Rows, depth and columns of one product.
    m: usize,
    k: usize,
    n: usize,
    transpose_a: bool,
    transpose_b: bool,
    /// Offsets, in matrices, of the left and right operand and the result for every product.
    batches: Vec<[usize; 3]>,
    packed: Packed,
    constant: bool,
    /// Makes the whole product, if the left operand is transposed and there is no epilogue: a gradient by weights.
    outer: Option<Outer>,
    /// The left operand, transposed back, if it is transposed otherwise.
    scratch: Buffer,
    epilogue: Epilogue,
    activation: Activation,
}

pub fn compile(op: &MatMul, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (a, b) = (&spec.inputs[0].shape, &spec.inputs[1].shape);
    let (batch, m, k, n) = op.sizes(a, b)?;
    let (batch_a, batch_b) = (&a[..a.rank() - 2], &b[..b.rank() - 2]);
    let one_b = batch_b.iter().all(|&d| d == 1);
    let (mut rows, mut batches) = (m, Vec::new());
    if one_b && !op.transpose_a && batch_a.iter().product::<usize>() == batch.elements() {
        // One right operand for all: the batch is just more rows.
        rows = m * batch.elements();
        batches.push([0; 3]);
    } else {
        let [sa, sb] = [batch_a, batch_b].map(|dims| broadcast_strides(dims, batch.rank()));
        let walk = Walk::new(&batch, [&sa, &sb, &strides(&batch)]);
        walk.each(|at| {
            for i in 0..walk.inner as isize {
                batches.push(std::array::from_fn(|t| (at[t] + i * walk.steps[t]) as usize));
            }
        });
    }
    let outer = (op.transpose_a && !op.transpose_b && op.epilogue == Epilogue::default()).then(|| {
        // The sum runs over `k` pixels of one image, of `m` floats each.
        let grid = Grid { counts: [k, 1, 1], steps: [m, 0, 0] };
        let tap = Tap { inside: [0..1, 0..1], offset: 0, rows: (0..m).collect() };
        Outer::new(grid, vec![tap], None, 1, m, n)
    });
    let copied = op.transpose_a && outer.is_none();
    let mut kernel = Multiply {
        m: rows,
        k,
        n,
        transpose_a: op.transpose_a,
        transpose_b: op.transpose_b,
        batches,
        packed: if outer.is_some() { Packed::new(0, 0, 0) } else { Packed::new(1, k, n) },
        constant: false,
        outer,
        scratch: Buffer::floats(if copied { m * k } else { 0 }),
        epilogue: op.epilogue.clone(),
        activation: op.epilogue.activation.into(),
    };
    let bias = op.epilogue.bias_index();
    if let Some(weights) = spec.constant(1).filter(|_| one_b && kernel.outer.is_none())
        && bias.is_none_or(|i| spec.constant(i).is_some())
    {
        kernel.pack(weights, bias.and_then(|i| spec.constant(i)));
        kernel.constant = true;
    }
    Ok(Box::new(kernel))
}

impl Multiply {
    fn pack(&mut self, right: &[f32], bias: Option<&[f32]>) {
        if self.transpose_b {
            self.packed.fill_transposed(bias, right, self.k, &|_| 0);
        } else {
            self.packed.fill(bias, right, self.n);
        }
    }
}

impl Kernel for Multiply {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (a, b, out) = (inputs.f32(0), inputs.f32(1), out.into_f32());
        let bias = self.epilogue.bias_index().map(|i| inputs.f32(i));
        let residual = self.epilogue.residual_index().map(|i| inputs.f32(i));
        let Multiply { m, k, n, .. } = *self;
        let mut packed_matrix = None;
        for index in 0..self.batches.len() {
            let [at_a, at_b, at_out] = self.batches[index];
            let mut left = &a[at_a * m * k..][..m * k];
            if let Some(outer) = &mut self.outer {
                outer.run(left, &b[at_b * k * n..][..k * n], &mut out[at_out * m * n..][..m * n]);
                continue;
            }
            if !self.constant && packed_matrix != Some(at_b) {
                self.pack(&b[at_b * k * n..][..k * n], bias);
                packed_matrix = Some(at_b);
            }
            if self.transpose_a {
                transpose(left, m, self.scratch.f32_mut());
                left = self.scratch.f32();
            }
            Product {
                rows: m,
                left,
                left_rows: Rows::Strided(k),
                packed: &self.packed,
                out_rows: Rows::Strided(n),
                residual: residual.map(|r| &r[at_out * m * n..]),
                activation: self.activation,
            }
            .run(&mut out[at_out * m * n..][..m * n]);
        }
        Ok(())
    }

    fn weight_bytes(&self) -> usize {
        self.packed.bytes()
    }

    fn scratch_bytes(&self) -> usize {
        self.scratch.bytes() + self.outer.as_ref().map_or(0, Outer::scratch_bytes)
    }
}

/// Turns rows of `width` into as many columns: in squares, of which source and target stay in the cache.
fn transpose(from: &[f32], width: usize, to: &mut [f32]) {
    const SIDE: usize = 16;
    let height = from.len() / width.max(1);
    for top in (0..height).step_by(SIDE) {
        for left in (0..width).step_by(SIDE) {
            for column in left..(left + SIDE).min(width) {
                for row in top..(top + SIDE).min(height) {
                    to[column * height + row] = from[row * width + column];
                }
            }
        }
    }
}
