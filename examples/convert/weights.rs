//! Numbers as ncnn and TensorFlow.js store them, and as our own files do.

use serde_json::Value as Json;
use striate::Tensor;

/// How ncnn marks weights of half precision.
const HALF: u32 = 0x0130_6B47;

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], String> {
    let (taken, after) = rest.split_at_checked(bytes).ok_or("the weights are cut off")?;
    *rest = after;
    Ok(taken)
}

/// The next floats.
pub fn ncnn_floats(rest: &mut &[u8], count: usize) -> Result<Vec<f32>, String> {
    Ok(take(rest, 4 * count)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The next convolution: a mark, its kernel in half precision (outputs, inputs, rows, columns), its bias. The kernel
/// comes out as rows, columns, inputs, outputs.
pub fn ncnn_conv(rest: &mut &[u8], outputs: usize, inputs: usize, size: usize) -> Result<(Tensor, Tensor), String> {
    let mark = take(rest, 4)?;
    if mark != HALF.to_le_bytes() {
        return Err(format!("weights marked {mark:02x?} are not of half precision"));
    }
    let (count, taps) = (outputs * inputs * size * size, size * size);
    let halves = take(rest, (2 * count).next_multiple_of(4))?;
    let stored: Vec<f32> =
        halves[..2 * count].as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect();
    let at = |i: usize| {
        let (output, input, tap) = (i % outputs, i / outputs % inputs, i / outputs / inputs);
        stored[(output * inputs + input) * taps + tap]
    };
    let kernel = Tensor::f32([size, size, inputs, outputs], (0..count).map(at).collect::<Vec<_>>());
    let bias = Tensor::f32([outputs], ncnn_floats(rest, outputs)?);
    Ok((kernel.map_err(|e| e.to_string())?, bias.map_err(|e| e.to_string())?))
}

/// The tensors of a TensorFlow.js weights manifest whose bytes are `byte * scale + min`.
pub fn quantised(manifest: &[u8], values: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let manifest: Json = serde_json::from_slice(manifest).map_err(|e| format!("the weights manifest: {e}"))?;
    let groups = manifest.as_array().ok_or("the weights manifest is no list")?;
    let (mut rest, mut tensors) = (values, Vec::new());
    for entry in groups.iter().flat_map(|group| group["weights"].as_array().into_iter().flatten()) {
        let name = entry["name"].as_str().ok_or("a weight without a name")?;
        let shape: Option<Vec<usize>> =
            entry["shape"].as_array().and_then(|dims| dims.iter().map(|d| d.as_u64().map(|d| d as usize)).collect());
        let shape = shape.ok_or(format!("{name}: no shape"))?;
        let stored = &entry["quantization"];
        let (Some("uint8"), Some(scale), Some(min)) =
            (stored["dtype"].as_str(), stored["scale"].as_f64(), stored["min"].as_f64())
        else {
            return Err(format!("{name}: not stored as bytes"));
        };
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or("a weight too large")?;
        let floats: Vec<f32> = take(&mut rest, count)?.iter().map(|&byte| (byte as f64 * scale + min) as f32).collect();
        tensors.push((name.to_string(), Tensor::f32(shape, floats).map_err(|e| format!("{name}: {e}"))?));
    }
    if rest.is_empty() { Ok(tensors) } else { Err(format!("{} bytes too many", rest.len())) }
}

/// The same file with half precision for every tensor whose numbers half precision has exactly.
pub fn halved(file: &[u8]) -> Result<Vec<u8>, String> {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let broken = |e: safetensors::SafeTensorError| e.to_string();
    let (_, header) = safetensors::SafeTensors::read_metadata(file).map_err(broken)?;
    let whole = safetensors::SafeTensors::deserialize(file).map_err(broken)?;
    let mut tensors = Vec::new();
    for (name, view) in whole.tensors() {
        let floats = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let halves: Option<Vec<[u8; 2]>> = floats
            .map(|float| {
                let half = half::f16::from_f32(float);
                (half.to_f32() == float).then_some(half.to_le_bytes())
            })
            .collect();
        let shape = view.shape().to_vec();
        tensors.push(match halves {
            Some(halves) => (name, Dtype::F16, shape, halves.concat()),
            None => (name, view.dtype(), shape, view.data().to_vec()),
        });
    }
    // Our own reader takes any order; the largest number type first keeps every tensor aligned.
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    serialize(views, header.metadata().clone()).map_err(broken)
}
