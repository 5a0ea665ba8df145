//! Pictures, and the resize that the expected values were computed with.

#[path = "../support/png.rs"]
mod png;

use std::path::Path;

/// Rows of red, green and blue from the top.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// A PNG picture by its name, if it is there.
pub fn find(name: &str) -> Result<Option<Picture>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["tests/data/images", "target/models/pictures"].map(|folder| root.join(folder).join(name));
    let Some(path) = places.iter().find(|path| path.is_file()).filter(|_| name.ends_with(".png")) else {
        return Ok(None);
    };
    let file = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (width, height, rgb) = png::rgb(&file).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(Some(Picture { width, height, rgb }))
}

impl Picture {
    fn at(&self, y: usize, x: usize, c: usize) -> f64 {
        self.rgb[(y * self.width + x) * 3 + c] as f64
    }

    /// The whole picture.
    pub fn whole(&self) -> [f64; 4] {
        [0.0, 0.0, self.width as f64, self.height as f64]
    }

    /// The largest square in the middle: x, y, width, height.
    pub fn centre_square(&self) -> [f64; 4] {
        let side = self.width.min(self.height) as f64;
        [(self.width as f64 - side) / 2.0, (self.height as f64 - side) / 2.0, side, side]
    }

    /// A window resized to `height` x `width`, pixels 0 to 255: bilinear, half-pixel centres, edges clamped, no
    /// antialias.
    pub fn bilinear(&self, height: usize, width: usize, [x0, y0, w, h]: [f64; 4]) -> Vec<f32> {
        let taps = |from: f64, length: f64, count: usize, size: usize| -> Vec<(usize, usize, f64)> {
            let tap = |i: usize| {
                let at = (from + (i as f64 + 0.5) * (length / count as f64) - 0.5).clamp(0.0, (size - 1) as f64);
                (at as usize, (at as usize + 1).min(size - 1), at.fract())
            };
            (0..count).map(tap).collect()
        };
        let (rows, columns) = (taps(y0, h, height, self.height), taps(x0, w, width, self.width));
        let mut out = Vec::with_capacity(height * width * 3);
        for &(top, bottom, fy) in &rows {
            for &(left, right, fx) in &columns {
                out.extend((0..3).map(|c| {
                    let line = |y: usize| self.at(y, left, c) * (1.0 - fx) + self.at(y, right, c) * fx;
                    (line(top) * (1.0 - fy) + line(bottom) * fy) as f32
                }));
            }
        }
        out
    }

    /// Each pixel the mean of `n` x `n`, rounded (halves to even), of the part that divides: pixels, height, width.
    pub fn shrunk(&self, n: usize) -> (Vec<f32>, usize, usize) {
        let (height, width) = (self.height / n, self.width / n);
        let mean = |y: usize, x: usize, c: usize| {
            let all = (0..n * n).map(|i| self.at(y * n + i / n, x * n + i % n, c));
            (all.sum::<f64>() / (n * n) as f64).round_ties_even() as f32
        };
        let pixels = (0..height * width * 3).map(|i| mean(i / 3 / width, i / 3 % width, i % 3)).collect();
        (pixels, height, width)
    }

    /// With an alpha channel.
    pub fn rgba(&self) -> Vec<u8> {
        self.rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect()
    }
}
