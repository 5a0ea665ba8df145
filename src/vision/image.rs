//! Pictures to network inputs: bilinear resizing with half-pixel centres, the edge repeated, no smoothing, results not
//! rounded to bytes. It is what the expected boxes of the tests were computed with.

use crate::error::{Error, Result};

/// How a network wants its picture: `[1, height, width, 3]`, red first, `pixel * scale + offset` with pixels 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputSpec {
    /// `[height, width]`; the picture is stretched to it.
    pub size: [usize; 2],
    /// Per channel.
    pub scale: [f32; 3],
    /// Per channel.
    pub offset: [f32; 3],
}

/// The two source pixels (or rows) of an output pixel, and the share of the second.
#[derive(Clone, Copy)]
struct Tap {
    pixels: [usize; 2],
    share: f32,
}

/// Output pixel `i` of `output` lies at `(i + 0.5) * input / output - 0.5`.
fn taps(input: usize, output: usize) -> Vec<Tap> {
    let ratio = input as f64 / output as f64;
    let last = input - 1;
    let tap = |i: usize| {
        let at = ((i as f64 + 0.5) * ratio - 0.5).clamp(0.0, last as f64);
        let first = at as usize;
        Tap { pixels: [first, (first + 1).min(last)], share: (at - first as f64) as f32 }
    };
    (0..output).map(tap).collect()
}

/// Resizes pictures of one size; keep it for the frames of a video.
pub struct Resizer {
    image: [usize; 2],
    spec: InputSpec,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Two source rows, resized horizontally, scaled and shifted; and which ones they are.
    strips: [Vec<f32>; 2],
    held: [usize; 2],
}

impl Resizer {
    /// For RGBA pictures of `[width, height]` pixels.
    pub fn new(image: [usize; 2], spec: &InputSpec) -> Result<Resizer> {
        let ([width, height], [h, w]) = (image, spec.size);
        let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(4));
        if bytes.is_none_or(|n| n > isize::MAX as usize) {
            return Err(Error::resource(format!("a picture of {width} x {height} pixels is too large")));
        }
        if [width, height, h, w].contains(&0) {
            return Err(Error::invalid(format!(
                "a picture of {width} x {height} pixels cannot be resized to {w} x {h}"
            )));
        }
        Ok(Resizer {
            image,
            spec: *spec,
            columns: taps(width, w),
            rows: taps(height, h),
            strips: [vec![0.0; w * 3], vec![0.0; w * 3]],
            held: [usize::MAX; 2],
        })
    }

    /// Resizes one picture, `rgba` row by row from the top, into `out`, `height * width * 3` floats. Alpha is ignored.
    pub fn run(&mut self, rgba: &[u8], out: &mut [f32]) -> Result<()> {
        let ([width, height], [h, w]) = (self.image, self.spec.size);
        if rgba.len() != width * height * 4 {
            return Err(Error::mismatch(
                format!("an RGBA picture of {width} x {height} pixels"),
                format!("{} bytes", width * height * 4),
                rgba.len(),
            ));
        }
        if out.len() != h * w * 3 {
            return Err(Error::mismatch("the network's input", format!("{} floats", h * w * 3), out.len()));
        }
        self.held = [usize::MAX; 2];
        for (out, i) in out.chunks_exact_mut(w * 3).zip(0..h) {
            let Tap { pixels, share } = self.rows[i];
            let [first, second] = pixels.map(|row| self.strip(rgba, row, pixels));
            let (first, second) = (&self.strips[first], &self.strips[second]);
            for ((out, a), b) in out.iter_mut().zip(first).zip(second) {
                *out = a + (b - a) * share;
            }
        }
        Ok(())
    }

    /// Which strip holds source row `row`; it is made if neither does, in the place that is not `needed`.
    fn strip(&mut self, rgba: &[u8], row: usize, needed: [usize; 2]) -> usize {
        if let Some(place) = self.held.iter().position(|&held| held == row) {
            return place;
        }
        let place = if needed.contains(&self.held[0]) { 1 } else { 0 };
        self.held[place] = row;
        let stride = self.image[0] * 4;
        let source = rgba[row * stride..][..stride].as_chunks::<4>().0;
        let InputSpec { scale, offset, .. } = self.spec;
        for (out, tap) in self.strips[place].as_chunks_mut::<3>().0.iter_mut().zip(&self.columns) {
            let [a, b] = tap.pixels.map(|x| source[x]);
            for c in 0..3 {
                let (a, b) = (a[c] as f32, b[c] as f32);
                out[c] = (a + (b - a) * tap.share) * scale[c] + offset[c];
            }
        }
        place
    }
}

/// Resizes one RGBA picture of `width` x `height` pixels into a network's input; see [`Resizer`].
pub fn resize_into(rgba: &[u8], width: usize, height: usize, spec: &InputSpec, out: &mut [f32]) -> Result<()> {
    Resizer::new([width, height], spec)?.run(rgba, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: InputSpec = InputSpec { size: [0, 0], scale: [1.0; 3], offset: [0.0; 3] };

    /// The definition, in doubles, pixel by pixel.
    fn reference(rgba: &[u8], [width, height]: [usize; 2], spec: &InputSpec) -> Vec<f32> {
        let [h, w] = spec.size;
        let place = |i: usize, n: usize, size: usize| {
            let at = ((i as f64 + 0.5) * (size as f64 / n as f64) - 0.5).clamp(0.0, (size - 1) as f64);
            let first = at.floor() as usize;
            (first, (first + 1).min(size - 1), at - first as f64)
        };
        let mut out = Vec::new();
        for y in 0..h {
            for x in 0..w {
                for c in 0..3 {
                    let ((ya, yb, fy), (xa, xb, fx)) = (place(y, h, height), place(x, w, width));
                    let px = |y: usize, x: usize| rgba[(y * width + x) * 4 + c] as f64;
                    let top = px(ya, xa) * (1.0 - fx) + px(ya, xb) * fx;
                    let bottom = px(yb, xa) * (1.0 - fx) + px(yb, xb) * fx;
                    let value = top * (1.0 - fy) + bottom * fy;
                    out.push((value * spec.scale[c] as f64 + spec.offset[c] as f64) as f32);
                }
            }
        }
        out
    }

    fn noise(n: usize) -> Vec<u8> {
        (0..n).map(|i| ((i as u32).wrapping_mul(2654435761) >> 13) as u8).collect()
    }

    #[test]
    fn agrees_with_the_definition_up_down_and_at_odd_sizes() {
        for (image, size) in
            [([7, 5], [5, 7]), ([5, 3], [17, 23]), ([64, 48], [9, 11]), ([1, 1], [4, 3]), ([3, 9], [1, 1])]
        {
            let spec = InputSpec { size, scale: [1.0 / 127.5, 2.0, 0.5], offset: [-1.0, 0.0, 3.0] };
            let rgba = noise(image[0] * image[1] * 4);
            let mut out = vec![0.0; size[0] * size[1] * 3];
            resize_into(&rgba, image[0], image[1], &spec, &mut out).unwrap();
            for (i, (a, b)) in out.iter().zip(reference(&rgba, image, &spec)).enumerate() {
                assert!((a - b).abs() < 2e-4, "{image:?} to {size:?}, element {i}: {a}, expected {b}");
            }
        }
    }

    #[test]
    fn the_same_size_is_exact_and_frames_do_not_leak_into_each_other() {
        let spec = InputSpec { size: [3, 2], ..RAW };
        let mut resizer = Resizer::new([2, 3], &spec).unwrap();
        let mut out = vec![0.0; 18];
        for shift in 0..3 {
            let rgba: Vec<u8> = (0..24).map(|i| i * 5 + shift).collect();
            resizer.run(&rgba, &mut out).unwrap();
            let expected: Vec<f32> = (0..24).filter(|i| i % 4 < 3).map(|i| (i * 5 + shift) as f32).collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn wrong_sizes_are_errors() {
        let spec = InputSpec { size: [2, 2], ..RAW };
        let mut out = vec![0.0; 12];
        assert!(resize_into(&[], 0, 0, &spec, &mut out).is_err());
        assert!(resize_into(&[0; 16], 2, 3, &spec, &mut out).is_err());
        assert!(resize_into(&[0; 16], 2, 2, &spec, &mut out[..11]).is_err());
        assert!(resize_into(&[0; 16], usize::MAX, 2, &spec, &mut out).is_err());
        assert!(resize_into(&[0; 16], 2, 2, &InputSpec { size: [0, 2], ..RAW }, &mut []).is_err());
    }
}
