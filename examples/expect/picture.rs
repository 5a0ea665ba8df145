//! Pictures from files, and the one resize that has a single right answer.

#[path = "../support/png.rs"]
mod colours;

use std::path::Path;

/// Bytes of a picture, row by row from the top.
pub struct Picture {
    pub height: usize,
    pub width: usize,
    /// 3: red, green, blue. 1: palette indices or grey.
    pub channels: usize,
    pub bytes: Vec<u8>,
}

/// Reads a BMP or PNG file: in colours, or as the indices that a palette picture stores.
pub fn read(path: &Path, indices: bool) -> Result<Picture, String> {
    let file = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let picture = if file.starts_with(b"BM") { bmp(&file, indices) } else { png(&file, indices) };
    picture.map_err(|why| format!("{}: {why}", path.display()))
}

fn bmp(file: &[u8], indices: bool) -> Result<Picture, String> {
    let int = |at: usize, size: usize| -> Result<i64, String> {
        let bytes = file.get(at..at + size).ok_or("the file is cut off")?;
        let raw = bytes.iter().rev().fold(0u64, |n, &b| n << 8 | b as u64);
        Ok(if size == 4 { raw as u32 as i32 as i64 } else { raw as i64 })
    };
    let (start, header, width, height) = (int(10, 4)?, int(14, 4)?, int(18, 4)?, int(22, 4)?);
    let (bits, compression) = (int(28, 2)? as usize, int(30, 4)?);
    let (bottom_up, rows, width) = (height > 0, height.unsigned_abs() as usize, width as usize);
    if compression != 0 || !matches!(bits, 8 | 24 | 32) || (indices && bits != 8) {
        return Err(format!("a BMP of {bits} bits, compression {compression}, is not for this program"));
    }
    let (stride, palette) = ((width * bits / 8).next_multiple_of(4), 14 + header as usize);
    let mut bytes = Vec::new();
    for row in 0..rows {
        let row = if bottom_up { rows - 1 - row } else { row };
        let at = start as usize + row * stride;
        let line = file.get(at..at + width * bits / 8).ok_or("the file is cut off")?;
        for pixel in line.chunks(bits / 8) {
            match pixel {
                [index] if indices => bytes.push(*index),
                [index] => {
                    let at = palette + 4 * *index as usize;
                    let colour = file.get(at..at + 3).ok_or("the palette is cut off")?;
                    bytes.extend([colour[2], colour[1], colour[0]]);
                }
                _ => bytes.extend([pixel[2], pixel[1], pixel[0]]),
            }
        }
    }
    Ok(Picture { height: rows, width, channels: if indices { 1 } else { 3 }, bytes })
}

fn png(file: &[u8], indices: bool) -> Result<Picture, String> {
    if !indices {
        let (width, height, bytes) = colours::rgb(file)?;
        return Ok(Picture { height, width, channels: 3, bytes });
    }
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().map_err(|e| e.to_string())?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
    if info.color_type.samples() != 1 || info.bit_depth != png::BitDepth::Eight {
        return Err("a mask must have one byte a pixel".into());
    }
    bytes.truncate(info.buffer_size());
    Ok(Picture { height: info.height as usize, width: info.width as usize, channels: 1, bytes })
}

/// The two source positions of each output position, and the share of the second in `2 * to` parts.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, u64)> {
    let parts = 2 * to as i64;
    let tap = |i: usize| {
        let at = ((2 * i as i64 + 1) * from as i64 - to as i64).clamp(0, (from as i64 - 1) * parts);
        let low = (at / parts) as usize;
        (low, (low + 1).min(from - 1), (at % parts) as u64)
    };
    (0..to).map(tap).collect()
}

impl Picture {
    /// Stretched to a size: bilinear, half-pixel centres, edges clamped, no antialias, rounded half up, in integers.
    pub fn resized(&self, height: usize, width: usize) -> Picture {
        let (rows, columns) = (taps(self.height, height), taps(self.width, width));
        let (dy, dx) = (2 * height as u64, 2 * width as u64);
        let mut bytes = Vec::with_capacity(height * width * self.channels);
        for &(top, bottom, wy) in &rows {
            for &(left, right, wx) in &columns {
                for c in 0..self.channels {
                    let at = |y: usize, x: usize| self.bytes[(y * self.width + x) * self.channels + c] as u64;
                    let line = |y: usize| at(y, left) * (dx - wx) + at(y, right) * wx;
                    let total = line(top) * (dy - wy) + line(bottom) * wy;
                    bytes.push(((2 * total + dy * dx) / (2 * dy * dx)) as u8);
                }
            }
        }
        Picture { height, width, channels: self.channels, bytes }
    }

    /// Stretched to a size, each pixel the nearest by its centre: for masks.
    pub fn nearest(&self, height: usize, width: usize) -> Vec<u8> {
        let place = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
        let pixel = |i: usize| {
            let (y, x) = (place(i / width, self.height, height), place(i % width, self.width, width));
            self.bytes[(y * self.width + x) * self.channels]
        };
        (0..height * width).map(pixel).collect()
    }
}
