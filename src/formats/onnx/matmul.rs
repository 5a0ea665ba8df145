//! Matrix products.

use super::values::{Handle, Order, Rule, permuted, plain};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{Binary, BinaryKind, Epilogue, MatMul, Reshape, ReshapeDim};
use crate::tensor::Tensor;

impl Rule<'_, '_> {
    /// `alpha * A x B + beta * C`, matrices that may be stored transposed.
    pub fn gemm(&mut self) -> Result<Handle> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        let (alpha, beta) = (self.float("alpha", 1.0)?, self.float("beta", 1.0)?);
        let (a, b) = (self.gemm_operand(a, "transA")?, self.gemm_operand(b, "transB")?);
        let element = self.element(a);
        if !element.is_float() {
            return Err(Error::unsupported("a Gemm of integers"));
        }
        let c = self.optional(2).filter(|_| beta != 0.0);
        let plain_product = alpha == 1.0 && c.is_none();
        let columns = self.dims(b)[1];
        // A bias of one number per column goes into the product.
        if let Some(bias) = c
            && alpha == 1.0
            && let Some(tensor) = self.tensor(bias)?
            && tensor.shape().elements() == columns[0]
            && tensor.shape().last() == Some(&columns[0])
            && columns[0] == columns[1]
        {
            let bias = tensor.as_f32()?.iter().map(|v| v * beta).collect::<Vec<_>>();
            let bias = self.constant("bias", Tensor::f32([columns[0]], bias)?);
            let id = self.product("", a, b, Some(bias))?;
            return Ok(self.made(element, plain(2), id));
        }
        let mut id = self.product(if plain_product { "" } else { "product" }, a, b, None)?;
        if alpha != 1.0 {
            let alpha = self.scalar("alpha", alpha);
            id = self.push(if c.is_none() { "" } else { "scaled" }, Binary::new(BinaryKind::Mul), &[id, alpha])?;
        }
        if let Some(c) = c {
            let mut c = self.plain(c)?;
            if beta != 1.0 {
                let beta = self.scalar("beta", beta);
                c = self.push("c", Binary::new(BinaryKind::Mul), &[c, beta])?;
            }
            id = self.push("", Binary::new(BinaryKind::Add), &[id, c])?;
        }
        Ok(self.made(element, plain(2), id))
    }

    fn gemm_operand(&mut self, value: Handle, flag: &str) -> Result<Handle> {
        if self.rank(value) != 2 {
            return Err(Error::mismatch("Gemm needs matrices", 2, self.rank(value)));
        }
        if self.flag(flag)? { self.renamed(value, &[1, 0]) } else { Ok(value) }
    }

    /// NumPy's matrix product.
    pub fn matmul(&mut self) -> Result<Handle> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        let element = self.element(a);
        if !element.is_float() {
            return Err(Error::unsupported("a MatMul of integers"));
        }
        let id = self.numpy_product("", a, b)?;
        let rank = self.importer.lowering.shape(id).rank();
        Ok(self.made(element, plain(rank), id))
    }

    /// As [`Rule::matmul`], of whatever is stored as float32.
    pub fn numpy_product(&mut self, part: &str, a: Handle, b: Handle) -> Result<ValueId> {
        let (row, column) = (self.rank(a) == 1, self.rank(b) == 1);
        let a = if row { self.insert_axes(a, &[0], "row")? } else { a };
        let b = if column { self.insert_axes(b, &[1], "column")? } else { b };
        if !row && !column {
            return self.product(part, a, b, None);
        }
        let id = self.product("matrix", a, b, None)?;
        let rank = self.importer.lowering.shape(id).rank();
        let gone = [row.then_some(rank - 2), column.then_some(rank - 1)];
        let kept = (0..rank).filter(|&axis| !gone.contains(&Some(axis))).map(ReshapeDim::Copy).collect();
        self.push(part, Reshape { dims: kept }, &[id])
    }

    /// The product of two values of rank 2 and more, in ONNX' order. Operands may lie with their last two axes swapped;
    /// a flattened image may lie as it is if the other operand is constant.
    pub fn product(&mut self, part: &str, a: Handle, b: Handle, bias: Option<ValueId>) -> Result<ValueId> {
        let epilogue = Epilogue { bias: bias.is_some(), ..Epilogue::default() };
        if let Some(id) = self.flattened_product(part, a, b, bias)? {
            return Ok(id);
        }
        let (a, transpose_a) = self.matrix(a)?;
        let (b, transpose_b) = self.matrix(b)?;
        let op = MatMul { transpose_a, transpose_b, epilogue };
        let inputs: Vec<ValueId> = [a, b].into_iter().chain(bias).collect();
        self.push(part, op, &inputs)
    }

    /// A value as matrices: its storage, and whether rows and columns are swapped.
    fn matrix(&mut self, value: Handle) -> Result<(ValueId, bool)> {
        let rank = self.rank(value);
        let mut swapped = plain(rank);
        if rank >= 2 {
            swapped.swap(rank - 2, rank - 1);
        }
        // Constants are laid out anew for free, and plain ones are packed fastest.
        if !self.importer.is_constant(value) && self.importer.flattened(value).is_none() {
            let (order, id) = self.stored(value)?;
            if order == swapped && rank >= 2 {
                return Ok((id, true));
            }
        }
        Ok((self.plain(value)?, false))
    }

    /// The product of a flattened image, whose channels lie last, with constant weights: those are permuted instead.
    fn flattened_product(
        &mut self,
        part: &str,
        a: Handle,
        b: Handle,
        bias: Option<ValueId>,
    ) -> Result<Option<ValueId>> {
        let Some(source) = self.importer.flattened(a) else { return Ok(None) };
        let dims = self.dims(source);
        let matrix = self.dims(a);
        let fixed = dims.iter().skip(1).all(|d| d[0] == d[1]);
        if self.rank(b) != 2 || !fixed || dims.first() != matrix.first() || matrix.len() != 2 {
            return Ok(None);
        }
        let (order, id) = self.stored(source)?;
        let Some(weights) = self.tensor(b)? else { return Ok(None) };
        let columns = weights.shape()[1];
        let inner: Vec<usize> = dims[1..].iter().map(|d| d[0]).collect();
        if order[0] != 0 || weights.shape()[0] != inner.iter().product::<usize>() {
            return Ok(None);
        }
        let spread: Vec<usize> = inner.iter().copied().chain([columns]).collect();
        let perm: Order = order[1..].iter().map(|&axis| axis - 1).chain([inner.len()]).collect();
        let rows = weights.shape()[0];
        let weights = permuted_rows(&weights, &spread, &perm, [rows, columns])?;
        let weights = self.constant("weights", weights);
        let flat = self.push("flat", Reshape { dims: vec![ReshapeDim::Copy(0), ReshapeDim::Size(rows)] }, &[id])?;
        let epilogue = Epilogue { bias: bias.is_some(), ..Epilogue::default() };
        let op = MatMul { epilogue, ..MatMul::default() };
        let inputs: Vec<ValueId> = [flat, weights].into_iter().chain(bias).collect();
        self.push(part, op, &inputs).map(Some)
    }
}

/// A matrix whose rows are those of axes `spread`, in another order of these axes.
fn permuted_rows(weights: &Tensor, spread: &[usize], perm: &[usize], matrix: [usize; 2]) -> Result<Tensor> {
    let (data, columns) = (weights.as_f32()?, matrix[1]);
    // The rows' numbers, permuted; rows are then copied whole.
    let rows: Vec<i32> = (0..matrix[0] as i32).collect();
    let axes = &spread[..spread.len() - 1];
    let rows = permuted(Tensor::i32(axes.to_vec(), rows)?, &perm[..perm.len() - 1])?;
    let mut moved = Vec::with_capacity(data.len());
    for &row in rows.as_i32()? {
        moved.extend_from_slice(&data[row as usize * columns..][..columns]);
    }
    Tensor::f32(matrix, moved)
}
