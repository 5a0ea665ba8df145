//! Reading of safetensors files: names and tensors, nothing else.

use safetensors::{Dtype, SafeTensors};

use super::half;
use crate::error::{Error, Result};
use crate::tensor::{Data, Tensor};

/// All tensors of a file by name. Half precision and bfloat16 are widened, doubles and 64-bit integers narrowed (an
/// integer that does not fit is an error).
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    // The library checks the header's length, offsets, overlaps and sizes against the file.
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::invalid(format!("not a safetensors file: {e}")))?;
    let read = |(name, view): (String, safetensors::tensor::TensorView)| {
        let data = elements(view.dtype(), view.data()).map_err(|e| e.at(&name))?;
        Ok((name.clone(), Tensor::new(view.shape(), data).map_err(|e| e.at(&name))?))
    };
    file.tensors().into_iter().map(read).collect()
}

fn elements(dtype: Dtype, bytes: &[u8]) -> Result<Data> {
    Ok(match dtype {
        Dtype::F32 => Data::F32(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Data::F32(half::widen(bytes)),
        Dtype::BF16 => {
            let widen = |b: &[u8; 2]| f32::from_bits((u16::from_le_bytes(*b) as u32) << 16);
            Data::F32(bytes.as_chunks().0.iter().map(widen).collect())
        }
        Dtype::F64 => Data::F32(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()),
        Dtype::I32 => Data::I32(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
        Dtype::I64 => {
            let narrow = |b: &[u8; 8]| {
                let wide = i64::from_le_bytes(*b);
                i32::try_from(wide).map_err(|_| Error::unsupported(format!("the 64-bit integer {wide}")))
            };
            Data::I32(bytes.as_chunks().0.iter().map(narrow).collect::<Result<_>>()?)
        }
        Dtype::U8 | Dtype::BOOL => Data::U8(bytes.to_vec()),
        other => return Err(Error::unsupported(format!("tensors of type {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn element_types_become_ours() {
        let header = r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},"c":{"dtype":"I64","shape":[1,1],"data_offsets":[6,14]}}"#;
        let data = [&[0x00, 0x3c, 0x00, 0xc0][..], &[0x80, 0x3f], &7i64.to_le_bytes()].concat();
        let mut tensors = read(&file(header, &data)).unwrap();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(tensors[0].1, Tensor::f32([2], vec![1.0, -2.0]).unwrap());
        assert_eq!(tensors[1].1, Tensor::f32([1], vec![1.0]).unwrap());
        assert_eq!(tensors[2].1, Tensor::i32([1, 1], vec![7]).unwrap());
    }

    #[test]
    fn broken_files_are_errors() {
        let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let whole = file(header, &[0; 8]);
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut off after {length} bytes");
        }
        assert!(read(&file(r#"{"a":{"dtype":"F32","shape":[9999999999],"data_offsets":[0,8]}}"#, &[0; 8])).is_err());
        assert!(read(&[0xff; 16]).is_err());
        let far = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        assert!(read(&file(far, &i64::MAX.to_le_bytes())).is_err());
    }
}
