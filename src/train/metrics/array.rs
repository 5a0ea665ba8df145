//! Host arrays in double precision, with the little of NumPy that metrics need.

use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};

/// Row-major numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub dims: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    pub fn of(tensor: &Tensor) -> Array {
        let data = match tensor.data() {
            Data::F32(v) => v.iter().map(|&x| x as f64).collect(),
            Data::I32(v) => v.iter().map(|&x| x as f64).collect(),
            Data::U8(v) => v.iter().map(|&x| x as f64).collect(),
        };
        Array { dims: tensor.shape().to_vec(), data }
    }

    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    pub fn last(&self) -> Option<usize> {
        self.dims.last().copied()
    }

    /// The same numbers, each changed.
    pub fn map(mut self, f: impl Fn(f64) -> f64) -> Array {
        self.data.iter_mut().for_each(|v| *v = f(*v));
        self
    }

    /// Drops the last axis, of size 1.
    fn squeezed(mut self) -> Array {
        self.dims.pop();
        self
    }

    /// Adds an axis of size 1 at the end.
    pub fn expanded(mut self) -> Array {
        self.dims.push(1);
        self
    }

    /// Keras' `squeeze_or_expand_to_same_rank`; `expand`: a vector becomes a column rather than a column a vector.
    pub fn same_rank(a: Array, b: Array, expand: bool) -> (Array, Array) {
        if a.rank() == b.rank() + 1 && a.last() == Some(1) {
            return if b.rank() == 1 && expand { (a, b.expanded()) } else { (a.squeezed(), b) };
        }
        if b.rank() == a.rank() + 1 && b.last() == Some(1) {
            return if a.rank() == 1 && expand { (a.expanded(), b) } else { (a, b.squeezed()) };
        }
        (a, b)
    }

    /// Stretched to a shape as in NumPy.
    pub fn broadcast(self, dims: &[usize]) -> Result<Array> {
        if self.dims == dims {
            return Ok(self);
        }
        let fits = self.rank() <= dims.len()
            && self.dims.iter().rev().zip(dims.iter().rev()).all(|(&own, &wanted)| own == wanted || own == 1);
        if !fits {
            return Err(Error::mismatch("shapes do not fit", format!("{dims:?}"), format!("{:?}", self.dims)));
        }
        let mut data = self.data;
        // From the last axis on: each stretched axis repeats blocks of what lies behind it.
        let mut block = 1;
        for (i, &wanted) in dims.iter().enumerate().rev() {
            let own = (i + self.dims.len()).checked_sub(dims.len()).map_or(1, |j| self.dims[j]);
            if own == 1 && wanted != 1 {
                data = data.chunks(block).flat_map(|c| std::iter::repeat_n(c, wanted).flatten().copied()).collect();
            }
            block *= wanted;
            if block == 0 {
                return Ok(Array { dims: dims.to_vec(), data: Vec::new() });
            }
        }
        Ok(Array { dims: dims.to_vec(), data })
    }

    /// An axis that may count from the end, as an index.
    pub fn axis(&self, axis: isize) -> Result<usize> {
        let rank = self.rank() as isize;
        if (-rank..rank).contains(&axis) {
            Ok(axis.rem_euclid(rank) as usize)
        } else {
            Err(Error::mismatch("axis out of range", format!("an axis in {}..{rank}", -rank), axis))
        }
    }

    /// A number for every line along an axis.
    pub fn lines(&self, axis: isize, f: &mut dyn FnMut(&[f64]) -> f64) -> Result<Array> {
        let axis = self.axis(axis)?;
        let (n, inner) = (self.dims[axis], self.dims[axis + 1..].iter().product::<usize>());
        let outer: usize = self.dims[..axis].iter().product();
        let mut dims = self.dims.clone();
        dims.remove(axis);
        let mut line = vec![0.0; n];
        let mut data = Vec::with_capacity(outer * inner);
        for start in (0..outer).flat_map(|i| (0..inner).map(move |j| i * n * inner + j)) {
            line.iter_mut().enumerate().for_each(|(k, v)| *v = self.data[start + k * inner]);
            data.push(f(&line));
        }
        Ok(Array { dims, data })
    }

    /// A number for every pair of lines of two arrays of one shape.
    pub fn pairs(a: &Array, b: &Array, axis: isize, f: &mut dyn FnMut(&[f64], &[f64]) -> f64) -> Result<Array> {
        let mut lines = Vec::new();
        b.lines(axis, &mut |line| {
            lines.extend_from_slice(line);
            0.0
        })?;
        let n = b.dims[b.axis(axis)?];
        let mut at = 0;
        a.lines(axis, &mut |line| {
            at += n;
            f(line, &lines[at - n..at])
        })
    }

    /// Means over all axes from `from` on.
    pub fn means_from(self, from: usize) -> Array {
        let n: usize = self.dims[from..].iter().product();
        let data = match n {
            0 => vec![0.0; self.dims[..from].iter().product()],
            _ => self.data.chunks(n).map(|c| c.iter().sum::<f64>() / n as f64).collect(),
        };
        Array { dims: self.dims[..from].to_vec(), data }
    }

    /// Index of the largest number of every line, the first of equals.
    pub fn arg_max(&self, axis: isize) -> Result<Array> {
        self.lines(axis, &mut |line| {
            (1..line.len()).fold(0, |best, i| if line[i] > line[best] { i } else { best }) as f64
        })
    }
}

/// `a / b`, and 0 where `b` is 0.
pub(super) fn divide_no_nan(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(dims: &[usize], data: &[f64]) -> Array {
        Array { dims: dims.to_vec(), data: data.to_vec() }
    }

    #[test]
    fn broadcasting() {
        let column = array(&[2, 1], &[1.0, 2.0]);
        assert_eq!(column.clone().broadcast(&[2, 3]).unwrap().data, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(column.broadcast(&[2, 2, 1]).unwrap().data, [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(array(&[], &[5.0]).broadcast(&[3]).unwrap().data, [5.0; 3]);
        assert!(array(&[2], &[1.0, 2.0]).broadcast(&[3]).is_err());
        assert!(array(&[2, 1], &[1.0, 2.0]).broadcast(&[2]).is_err());
    }

    #[test]
    fn lines_along_any_axis() {
        let x = array(&[2, 3], &[1.0, 5.0, 2.0, 7.0, 0.0, 7.0]);
        assert_eq!(x.arg_max(-1).unwrap().data, [1.0, 0.0]);
        assert_eq!(x.arg_max(0).unwrap().data, [1.0, 0.0, 1.0]);
        let dots = Array::pairs(&x, &x, 0, &mut |a, b| a.iter().zip(b).map(|(a, b)| a * b).sum()).unwrap();
        assert_eq!(dots.data, [50.0, 25.0, 53.0]);
        assert_eq!(x.means_from(1).data, [8.0 / 3.0, 14.0 / 3.0]);
    }
}
