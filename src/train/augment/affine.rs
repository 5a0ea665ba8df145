//! Pictures moved, turned and zoomed: an affine map from the pixels of the result to places in the source.

use super::{Frame, floats};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// `x' = a x + b y + c`, `y' = d x + e y + f`: where a pixel of the result lies in the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [f32; 6]);

impl Affine {
    /// The picture moved by so many pixels, down and to the right.
    pub fn translation(down: f32, right: f32) -> Affine {
        Affine([1.0, 0.0, -right, 0.0, 1.0, -down])
    }

    /// The picture turned about its middle, counter-clockwise, by a part of the circle.
    pub fn rotation(turns: f32, height: usize, width: usize) -> Affine {
        let (cx, cy) = (0.5 * (width as f32 - 1.0), 0.5 * (height as f32 - 1.0));
        let (sin, cos) = (turns * 360.0 * (std::f32::consts::PI / 180.0)).sin_cos();
        Affine([cos, -sin, cx - cx * cos + cy * sin, sin, cos, cy - cx * sin - cy * cos])
    }

    /// The picture zoomed about its middle: what is shown is so many times as high and as wide (below 1 is closer).
    pub fn zoom(vertical: f32, horizontal: f32, height: usize, width: usize) -> Affine {
        let shift = |size: usize, zoom: f32| (size as f32 - 1.0) / 2.0 * (1.0 - zoom);
        Affine([horizontal, 0.0, shift(width, horizontal), 0.0, vertical, shift(height, vertical)])
    }

    /// Where a point of the source lies in the result; `None` if everything falls onto one line.
    pub fn forward(&self, [x, y]: [f32; 2]) -> Option<[f32; 2]> {
        let [a, b, c, d, e, f] = self.0;
        let determinant = a * e - b * d;
        let (x, y) = (x - c, y - f);
        (determinant != 0.0).then(|| [(e * x - b * y) / determinant, (a * y - d * x) / determinant])
    }

    /// The smallest box around where the corners of a box `[x1, y1, x2, y2]` go. Corners lie between pixels, half a pixel
    /// from the pixels' places.
    pub fn forward_box(&self, [x1, y1, x2, y2]: [f32; 4]) -> Option<[f32; 4]> {
        let mut around = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
        for corner in [[x1, y1], [x2, y1], [x1, y2], [x2, y2]] {
            let [x, y] = self.forward(corner.map(|v| v - 0.5))?.map(|v| v + 0.5);
            around = [around[0].min(x), around[1].min(y), around[2].max(x), around[3].max(y)];
        }
        Some(around)
    }
}

/// What lies outside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillMode {
    /// One value.
    Constant,
    /// The nearest pixel.
    Nearest,
    /// The mirrored picture, the edge pixel repeated: `dcba|abcd|dcba`.
    Reflect,
    /// The picture again.
    Wrap,
}

impl FillMode {
    /// By Keras' name.
    pub fn from_name(name: &str) -> Result<FillMode> {
        match name {
            "constant" => Ok(FillMode::Constant),
            "nearest" => Ok(FillMode::Nearest),
            "reflect" => Ok(FillMode::Reflect),
            "wrap" => Ok(FillMode::Wrap),
            _ => Err(Error::mismatch("unknown fill_mode", "constant, nearest, reflect or wrap", name)),
        }
    }

    /// A coordinate on an axis of `n` pixels, in TensorFlow's single precision.
    fn place(self, at: f32, n: usize) -> f32 {
        let last = n as f32 - 1.0;
        let size = n as f32;
        match self {
            FillMode::Constant => at,
            _ if n <= 1 => 0.0,
            FillMode::Nearest => at.clamp(0.0, last),
            FillMode::Reflect => {
                let twice = 2.0 * size;
                let mut at = at;
                if at < 0.0 {
                    at += twice * (-at / twice).trunc();
                    at = if at < -size { at + twice } else { -at - 1.0 };
                } else if at > last {
                    at -= twice * (at / twice).trunc();
                    if at >= size {
                        at = twice - at - 1.0;
                    }
                }
                at.clamp(0.0, last)
            }
            FillMode::Wrap => {
                let mut at = at;
                if at < 0.0 {
                    at += size * ((-at / last).trunc() + 1.0);
                } else if at > last {
                    at -= size * (at / last).trunc();
                }
                at.clamp(0.0, last)
            }
        }
    }
}

/// How a place between pixels is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel; for masks.
    Nearest,
    /// Between four.
    Bilinear,
}

/// How a picture is read where it is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// What lies outside.
    pub fill_mode: FillMode,
    /// The value outside for [`FillMode::Constant`].
    pub fill_value: f32,
    /// Between pixels.
    pub interpolation: Interpolation,
}

/// The picture seen through the map (TensorFlow's `ImageProjectiveTransformV3`). Bytes are rounded.
pub fn warp(picture: &Tensor, map: &Affine, how: &Warp) -> Result<Tensor> {
    let frame = Frame::of(picture)?;
    let (height, width, channels) = (frame.height, frame.width, frame.channels);
    let [a, b, c, d, e, f] = map.0;
    let source = floats(picture);
    let mut out = Vec::with_capacity(source.len());
    for image in 0..frame.count {
        let source = &source[image * frame.size()..][..frame.size()];
        let read = |y: f32, x: f32, channel: usize| {
            let inside = y >= 0.0 && y < height as f32 && x >= 0.0 && x < width as f32;
            if inside { source[(y as usize * width + x as usize) * channels + channel] } else { how.fill_value }
        };
        for row in 0..height {
            for column in 0..width {
                let (x, y) = (column as f32, row as f32);
                let (x, y) = (a * x + b * y + c, d * x + e * y + f);
                let (x, y) = (how.fill_mode.place(x, width), how.fill_mode.place(y, height));
                for channel in 0..channels {
                    out.push(match how.interpolation {
                        Interpolation::Nearest => read(y.round(), x.round(), channel),
                        Interpolation::Bilinear => {
                            let (top, left) = (y.floor(), x.floor());
                            let (bottom, right) = (top + 1.0, left + 1.0);
                            let line = |row: f32| {
                                (right - x) * read(row, left, channel) + (x - left) * read(row, right, channel)
                            };
                            (bottom - y) * line(top) + (y - top) * line(bottom)
                        }
                    });
                }
            }
        }
    }
    match picture.dtype() {
        DType::U8 => Tensor::u8(frame.shape(), out.into_iter().map(|v| v.round() as u8).collect::<Vec<_>>()),
        _ => frame.tensor(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_move_with_their_pixels() {
        // Three to the right, one down.
        let moved = Affine::translation(1.0, 3.0).forward_box([1.0, 2.0, 4.0, 5.0]).unwrap();
        assert_eq!(moved, [4.0, 3.0, 7.0, 6.0]);
        // Half a turn: the box on the other side.
        let turned = Affine::rotation(0.5, 10, 20).forward_box([1.0, 2.0, 4.0, 5.0]).unwrap();
        turned
            .iter()
            .zip([16.0, 5.0, 19.0, 8.0])
            .for_each(|(got, want)| assert!((got - want).abs() < 1e-4, "{turned:?}"));
        // Twice as close.
        let close = Affine::zoom(0.5, 0.5, 10, 10).forward_box([4.0, 4.0, 6.0, 6.0]).unwrap();
        assert_eq!(close, [3.0, 3.0, 7.0, 7.0]);
    }

    #[test]
    fn a_quarter_turn_of_a_square_is_exact() {
        let picture = Tensor::f32([2, 2, 1], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let how = Warp { fill_mode: FillMode::Constant, fill_value: 0.0, interpolation: Interpolation::Nearest };
        let turned = warp(&picture, &Affine::rotation(0.25, 2, 2), &how).unwrap();
        assert_eq!(turned, super::super::rot90(&picture, 1).unwrap());
    }
}
