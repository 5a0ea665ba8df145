//! Clips for Chromium's fake camera, made from the sample photos.
//!
//! `tests/data/clips/cockatoo.mjpeg` moves; the clip made here holds still, so that what a detector finds in it is known.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::proc::{self, Context, Result};

/// A still of the astronaut as Y4M (4:2:0, two frames, which Chromium repeats); made once.
pub fn astronaut() -> Result<PathBuf> {
    let clip = proc::root().join("target/clips/astronaut.y4m");
    if !clip.is_file() {
        let picture = read_png(&proc::root().join("tests/data/images/astronaut.png"))?;
        proc::write(&clip, y4m(&picture, 2)?)?;
    }
    Ok(clip)
}

struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

fn read_png(path: &Path) -> Result<Picture> {
    let file = std::fs::File::open(path).context(format_args!("opening {}", path.display()))?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().context("reading the PNG")?;
    let mut rgb = vec![0; reader.output_buffer_size().ok_or("a PNG too large for memory")?];
    let info = reader.next_frame(&mut rgb).context("decoding the PNG")?;
    if info.color_type != png::ColorType::Rgb || info.bit_depth != png::BitDepth::Eight {
        return Err(format!("{} is not 8-bit RGB", path.display()).into());
    }
    Ok(Picture { width: info.width as usize, height: info.height as usize, rgb })
}

/// BT.601, limited range, as cameras deliver it.
fn y4m(picture: &Picture, frames: usize) -> Result<Vec<u8>> {
    let Picture { width, height, ref rgb } = *picture;
    if width % 2 != 0 || height % 2 != 0 {
        return Err("4:2:0 video needs even sides".into());
    }
    let pixel = |x: usize, y: usize| -> [f32; 3] {
        let at = (y * width + x) * 3;
        [0, 1, 2].map(|channel| f32::from(rgb[at + channel]))
    };
    let mix = |[r, g, b]: [f32; 3], weights: [f32; 3], offset: f32| -> u8 {
        (r * weights[0] + g * weights[1] + b * weights[2] + offset).round().clamp(0.0, 255.0) as u8
    };
    let mut frame = Vec::with_capacity(width * height * 3 / 2);
    for y in 0..height {
        frame.extend((0..width).map(|x| mix(pixel(x, y), [0.256_788, 0.504_129, 0.097_906], 16.0)));
    }
    for weights in [[-0.148_223, -0.290_993, 0.439_216], [0.439_216, -0.367_788, -0.071_427]] {
        for y in (0..height).step_by(2) {
            frame.extend((0..width).step_by(2).map(|x| {
                let four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
                let mean = [0, 1, 2].map(|channel| four.iter().map(|p| p[channel]).sum::<f32>() / 4.0);
                mix(mean, weights, 128.0)
            }));
        }
    }
    let mut clip = format!("YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n").into_bytes();
    for _ in 0..frames {
        clip.extend(b"FRAME\n");
        clip.extend(&frame);
    }
    Ok(clip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_blue_become_their_video_values() {
        let of = |colour: [u8; 3]| y4m(&Picture { width: 2, height: 2, rgb: colour.repeat(4) }, 1).unwrap();
        let planes = |clip: &[u8]| clip[clip.len() - 6..].to_vec();
        assert_eq!(planes(&of([0, 0, 0])), [16, 16, 16, 16, 128, 128]);
        assert_eq!(planes(&of([255, 255, 255])), [235, 235, 235, 235, 128, 128]);
        // BT.601's blue.
        assert_eq!(planes(&of([0, 0, 255])), [41, 41, 41, 41, 240, 110]);
    }

    #[test]
    fn odd_sides_are_refused() {
        assert!(y4m(&Picture { width: 3, height: 2, rgb: vec![0; 18] }, 1).is_err());
    }
}
