//! Integers that stand for reals: `(q - zero) * scale`.

use super::flatbuffer::Table;
use super::schema::Element;
use crate::error::{Error, Result};

/// How a tensor's integers are to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantisation {
    /// One, or one for each slice of `axis`.
    scales: Vec<f32>,
    /// As many.
    zeros: Vec<i64>,
    axis: usize,
}

impl Quantisation {
    /// From a tensor's `QuantizationParameters`; `None` if there is no scale.
    pub fn parse(table: Table) -> Result<Option<Quantisation>> {
        let (scales, mut zeros) = (table.floats(2)?, table.longs(3)?);
        if scales.is_empty() {
            return Ok(None);
        }
        if zeros.is_empty() {
            zeros = vec![0; scales.len()];
        }
        if zeros.len() == 1 {
            zeros.resize(scales.len(), zeros[0]);
        }
        let axis = usize::try_from(table.i32(6, 0)?).map_err(|_| Error::invalid("a negative quantised dimension"))?;
        if zeros.len() != scales.len() {
            return Err(Error::mismatch(
                "scales and zero points of a tensor differ in number",
                scales.len(),
                zeros.len(),
            ));
        }
        Ok(Some(Quantisation { scales, zeros, axis }))
    }

    /// The one scale and zero point; errors where there are several or the scale is none.
    pub fn single(&self) -> Result<(f32, i64)> {
        match (&self.scales[..], &self.zeros[..]) {
            ([scale], [zero]) if scale.is_finite() && *scale > 0.0 => Ok((*scale, *zero)),
            _ => Err(Error::unsupported("an activation that is quantised by channels, or by a scale that is none")),
        }
    }

    /// What elements of this type can express.
    pub fn range(&self, element: Element) -> Result<Option<[f32; 2]>> {
        let (low, high) = match element {
            Element::U8 => (0, 255),
            Element::I8 => (-128, 127),
            Element::I16 => (-32768, 32767),
            // Sums: they hold whatever comes.
            _ => return Ok(None),
        };
        let (scale, zero) = self.single()?;
        Ok(Some([low, high].map(|q: i64| (q.saturating_sub(zero)) as f32 * scale)))
    }

    /// The reals that the elements of a tensor of this shape stand for.
    pub fn reals(&self, shape: &[usize], elements: impl Iterator<Item = i64>) -> Result<Vec<f32>> {
        if self.scales.iter().any(|s| !s.is_finite()) {
            return Err(Error::invalid("a scale that is not finite"));
        }
        let count = self.scales.len();
        let inner: usize = shape.get(self.axis + 1..).unwrap_or_default().iter().product();
        if count > 1 && shape.get(self.axis) != Some(&count) {
            return Err(Error::mismatch("the scales do not fit the tensor", count, format!("{shape:?}")));
        }
        let slice = |i: usize| if count == 1 { 0 } else { i / inner.max(1) % count };
        let real = |(i, q): (usize, i64)| q.saturating_sub(self.zeros[slice(i)]) as f32 * self.scales[slice(i)];
        Ok(elements.enumerate().map(real).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_by_tensor_and_by_channel() {
        let one = Quantisation { scales: vec![0.5], zeros: vec![128], axis: 0 };
        assert_eq!(one.reals(&[3], [128, 130, 0].into_iter()).unwrap(), [0.0, 1.0, -64.0]);
        assert_eq!(one.range(Element::U8).unwrap(), Some([-64.0, 63.5]));
        assert_eq!(one.range(Element::I32).unwrap(), None);
        let two = Quantisation { scales: vec![1.0, 10.0], zeros: vec![0, 1], axis: 1 };
        assert_eq!(two.reals(&[1, 2, 2], [1, 2, 3, 4].into_iter()).unwrap(), [1.0, 2.0, 20.0, 30.0]);
        assert!(two.reals(&[2, 1], [1, 2].into_iter()).is_err() && two.range(Element::I8).is_err());
        let none = Quantisation { scales: vec![0.0], zeros: vec![0], axis: 0 };
        assert!(none.range(Element::I8).is_err());
    }
}
