//! IDX files, which MNIST and Fashion-MNIST come in (LeCun's page describes them): big-endian, unpacked.

use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Data, Tensor};

/// Most dimensions that a file may name.
const MAX_RANK: usize = 8;

/// The tensor in an IDX file: bytes, 32-bit integers or floats. A packed file is refused by its first bytes.
pub fn read_idx(file: &[u8]) -> Result<Tensor> {
    let broken = |what: &str| Error::invalid(format!("not an IDX file: {what}"));
    let Some((&[0, 0, kind, rank], rest)) = file.split_first_chunk::<4>() else {
        return Err(broken(if file.starts_with(&[0x1f, 0x8b]) {
            "it is packed; unpack it first"
        } else {
            "wrong start"
        }));
    };
    let rank = rank as usize;
    if rank == 0 || rank > MAX_RANK || rest.len() < 4 * rank {
        return Err(broken("wrong number of dimensions"));
    }
    let (sizes, body) = rest.split_at(4 * rank);
    let words = |bytes: &[u8]| bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect::<Vec<_>>();
    let dims: Vec<usize> = words(sizes).into_iter().map(|b| u32::from_be_bytes(b) as usize).collect();
    let shape = Shape::checked(dims)?;
    let width = match kind {
        8 => 1,
        0x0c | 0x0d => 4,
        _ => return Err(Error::unsupported(format!("IDX elements of type {kind:#x}"))),
    };
    let length = shape.elements() * width;
    if body.len() != length {
        return Err(Error::mismatch("the IDX file has another length than its sizes say", length, body.len()));
    }
    let data = match kind {
        8 => Data::U8(body.to_vec()),
        0x0c => Data::I32(words(body).into_iter().map(i32::from_be_bytes).collect()),
        _ => Data::F32(words(body).into_iter().map(f32::from_be_bytes).collect()),
    };
    Tensor::new(shape, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_labels() {
        let pictures = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7, 255];
        assert_eq!(read_idx(&pictures).unwrap(), Tensor::u8([1, 2, 2], vec![9, 8, 7, 255]).unwrap());
        let labels = [0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 2, 255, 255, 255, 254];
        assert_eq!(read_idx(&labels).unwrap(), Tensor::i32([2], vec![258, -2]).unwrap());
    }

    #[test]
    fn broken_files_are_errors() {
        let good = [0, 0, 8, 1, 0, 0, 0, 2, 5, 6];
        for file in [&good[..9], &good[..6], &[], &[0, 0, 9, 1, 0, 0, 0, 0], &[0, 0, 8, 0], &[0x1f, 0x8b, 8, 0]] {
            assert!(read_idx(file).is_err(), "{file:?}");
        }
        // Sizes that overflow.
        assert!(read_idx(&[0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }
}
