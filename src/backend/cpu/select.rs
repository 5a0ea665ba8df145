//! Picking elements: arg-max, top-k, gather.

use super::memory::{Inputs, ViewMut};
use super::{Kernel, Outputs, Spec};
use crate::error::{Error, Result};
use crate::ops;
use crate::tensor::View;

struct ArgMax {
    outer: usize,
    n: usize,
    inner: usize,
    /// The largest value so far of each of `inner` columns.
    best: Vec<f32>,
}

pub fn compile_arg_max(op: &ops::ArgMax, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let axis = shape.axis(op.axis)?;
    let [outer, inner] = [&shape[..axis], &shape[axis + 1..]].map(|dims| dims.iter().product());
    Ok(Box::new(ArgMax { outer, n: shape[axis], inner, best: vec![0.0; inner] }))
}

impl Kernel for ArgMax {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        let (x, out) = (inputs.f32(0), out.into_i32());
        let ArgMax { outer, n, inner, ref mut best } = *self;
        if out.is_empty() {
            return Ok(());
        }
        for block in 0..outer {
            let x = &x[block * n * inner..][..n * inner];
            let out = &mut out[block * inner..][..inner];
            out.fill(0);
            best.copy_from_slice(&x[..inner]);
            for (index, row) in x.chunks_exact(inner).enumerate().skip(1) {
                for ((value, best), out) in row.iter().zip(best.iter_mut()).zip(out.iter_mut()) {
                    if *value > *best {
                        (*best, *out) = (*value, index as i32);
                    }
                }
            }
        }
        Ok(())
    }
}

struct TopK {
    k: usize,
    n: usize,
    order: Vec<u32>,
}

pub fn compile_top_k(op: &ops::TopK, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let n = *spec.inputs[0].shape.last().unwrap_or(&1);
    Ok(Box::new(TopK { k: op.k, n, order: vec![0; n] }))
}

impl Kernel for TopK {
    fn run(&mut self, inputs: Inputs<'_>, [values, indices, _]: Outputs<'_>) -> Result<()> {
        let (x, values, indices) = (inputs.f32(0), values.into_f32(), indices.into_i32());
        let TopK { k, n, ref mut order } = *self;
        if values.is_empty() {
            return Ok(());
        }
        for ((x, values), indices) in x.chunks_exact(n).zip(values.chunks_exact_mut(k)).zip(indices.chunks_exact_mut(k))
        {
            order.iter_mut().enumerate().for_each(|(i, o)| *o = i as u32);
            // Descending; equal values by index.
            let rank = |a: &u32, b: &u32| x[*b as usize].total_cmp(&x[*a as usize]).then(a.cmp(b));
            if k < n {
                order.select_nth_unstable_by(k - 1, rank);
            }
            order[..k].sort_unstable_by(rank);
            for ((value, index), &o) in values.iter_mut().zip(indices).zip(order.iter()) {
                (*value, *index) = (x[o as usize], o as i32);
            }
        }
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        4 * self.n
    }
}

struct Gather {
    outer: usize,
    n: usize,
    inner: usize,
}

pub fn compile_gather(op: &ops::Gather, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let shape = &spec.inputs[0].shape;
    let axis = shape.axis(op.axis)?;
    let [outer, inner] = [&shape[..axis], &shape[axis + 1..]].map(|dims| dims.iter().product());
    Ok(Box::new(Gather { outer, n: shape[axis], inner }))
}

impl Kernel for Gather {
    fn run(&mut self, inputs: Inputs<'_>, [out, ..]: Outputs<'_>) -> Result<()> {
        fn go<T: Copy>(Gather { outer, n, inner }: &Gather, indices: &[i32], x: &[T], out: &mut [T]) {
            for block in 0..*outer {
                for (i, &index) in indices.iter().enumerate() {
                    out[(block * indices.len() + i) * inner..][..*inner]
                        .copy_from_slice(&x[(block * n + index as usize) * inner..][..*inner]);
                }
            }
        }
        let indices = inputs.i32(1);
        if let Some(index) = indices.iter().find(|&&i| i < 0 || i as usize >= self.n) {
            return Err(Error::invalid(format!("gather index {index} is outside 0..{}", self.n)));
        }
        match (inputs.view(0), out) {
            (View::F32(x), ViewMut::F32(out)) => go(self, indices, x, out),
            (View::I32(x), ViewMut::I32(out)) => go(self, indices, x, out),
            (View::U8(x), ViewMut::U8(out)) => go(self, indices, x, out),
            _ => unreachable!("gathering keeps the dtype"),
        }
        Ok(())
    }
}
