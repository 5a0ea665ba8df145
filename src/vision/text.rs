//! Lines of text from a map of probabilities: "Real-time scene text detection with differentiable binarization" (Liao
//! et al. 2020), as PaddleOCR's `DBPostProcess` does it: the smallest rectangle, at any angle, around the pixels that
//! touch; the mean of the map in it; the rectangle grown by its area over its perimeter.
//!
//! Two things differ from there. A pixel's middle lies half a pixel from its edges, so that corners are in the coordinates
//! of all other boxes (PaddleOCR's are half a cell of the map further up and left); and corners are not rounded to pixels.

use super::Detection;
use super::boxes::Rect;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What counts as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextOptions {
    /// Lowest probability of a pixel.
    pub pixel_threshold: f32,
    /// Lowest mean probability in a line's rectangle before it grows.
    pub score_threshold: f32,
    /// Shortest side of a line's rectangle before it grows, in cells of the map from middle to middle; afterwards it must be
    /// 2 longer.
    pub smallest: usize,
    /// The map shows lines shrunken; a rectangle grows on each side by this times its area over its perimeter.
    pub growth: f32,
    /// Most lines, the best first.
    pub max_detections: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions { pixel_threshold: 0.3, score_threshold: 0.5, smallest: 3, growth: 1.6, max_detections: 1000 }
    }
}

/// A line of text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The upright box around the corners, class 0, and how sure the network is.
    pub detection: Detection,
    /// `[x, y]` in pixels of the picture, clockwise from the left upper corner (of the two on the left, the upper); none
    /// lies beyond the picture.
    pub corners: [[f32; 2]; 4],
}

/// The lines of text in a map `[1, rows, columns, 1]` (or `[1, 1, rows, columns]`) of probabilities, best first, for a
/// picture of `[width, height]` that was stretched to the map.
pub fn lines(map: &Tensor, image: [usize; 2], options: &TextOptions) -> Result<Vec<Line>> {
    let [rows, columns] = match *map.shape().as_slice() {
        [1, rows, columns, 1] | [1, 1, rows, columns] if rows * columns > 0 => [rows, columns],
        _ => return Err(Error::mismatch("a map of text", "[1, rows, columns, 1]", map.shape())),
    };
    let values = map.as_f32()?;
    let mut left: Vec<bool> = values.iter().map(|&p| p > options.pixel_threshold).collect();
    let mut found = Vec::new();
    let mut open = Vec::new();
    // First and last pixel of a part in each row: all that its hull depends on.
    let mut spans = vec![[usize::MAX, 0]; rows];
    for first in 0..left.len() {
        if !std::mem::take(&mut left[first]) {
            continue;
        }
        // All pixels that touch, corners included. The first is in the uppermost row.
        let (top, mut bottom) = (first / columns, first / columns);
        open.push(first);
        while let Some(at) = open.pop() {
            let [y, x] = [at / columns, at % columns];
            bottom = bottom.max(y);
            spans[y] = [spans[y][0].min(x), spans[y][1].max(x)];
            for y in y.saturating_sub(1)..(y + 2).min(rows) {
                for x in x.saturating_sub(1)..(x + 2).min(columns) {
                    if std::mem::take(&mut left[y * columns + x]) {
                        open.push(y * columns + x);
                    }
                }
            }
        }
        let ends = (top..=bottom).flat_map(|y| spans[y].map(|x| [x as i64, y as i64])).collect::<Vec<_>>();
        spans[top..=bottom].fill([usize::MAX, 0]);
        let rectangle = Tilted::around(&hull(&ends));
        if rectangle.shortest() < options.smallest as f64 {
            continue;
        }
        let score = rectangle.mean(values, [rows, columns]) as f32;
        let grown = rectangle.grown(options.growth as f64);
        if score.is_finite() && score >= options.score_threshold && grown.shortest() >= options.smallest as f64 + 2.0 {
            found.push((score, grown));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(options.max_detections);
    let place = |[x, y]: [f64; 2]| {
        let at = |at: f64, cells: usize, pixels: usize| {
            ((at + 0.5).clamp(0.0, cells as f64) / cells as f64 * pixels as f64) as f32
        };
        [at(x, columns, image[0]), at(y, rows, image[1])]
    };
    let line = |(score, rectangle): (f32, Tilted)| {
        let corners = rectangle.corners().map(place);
        let [x, y] = [0, 1].map(|axis| corners.map(|corner| corner[axis]));
        let ends = |list: [f32; 4]| list.iter().fold([f32::MAX, 0.0], |[a, b], &v| [v.min(a), v.max(b)]);
        let ([left, right], [top, bottom]) = (ends(x), ends(y));
        let [x, y, width, height] = Rect::from_corners([left, top, right, bottom]).xywh();
        Line { detection: Detection { class: 0, score, x, y, width, height }, corners }
    };
    Ok(found.into_iter().map(line).collect())
}

/// The convex hull of points that are sorted by row and then by column, without points on its edges (Andrew's chains).
fn hull(points: &[[i64; 2]]) -> Vec<[f64; 2]> {
    let mut hull: Vec<[i64; 2]> = Vec::new();
    let turns = |[a, b]: [[i64; 2]; 2], c: [i64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0;
    let mut chain = |points: &mut dyn Iterator<Item = &[i64; 2]>| {
        let start = hull.len();
        for &point in points {
            while hull.len() >= start + 2 && !turns([hull[hull.len() - 2], hull[hull.len() - 1]], point) {
                hull.pop();
            }
            if hull.last() != Some(&point) {
                hull.push(point);
            }
        }
        // The end of one chain is the beginning of the other.
        hull.pop();
    };
    chain(&mut points.iter());
    chain(&mut points.iter().rev());
    if hull.is_empty() {
        hull.extend(points.first());
    }
    hull.into_iter().map(|point| point.map(|at| at as f64)).collect()
}

/// A rectangle at an angle: its middle, the direction of one side, and half of its sides along that and across.
#[derive(Clone, Copy)]
struct Tilted {
    middle: [f64; 2],
    along: [f64; 2],
    halves: [f64; 2],
}

impl Tilted {
    /// The one of least area around a convex hull: a side of it lies on an edge of the hull (rotating calipers).
    fn around(hull: &[[f64; 2]]) -> Tilted {
        let mut best: Option<Tilted> = None;
        for (i, a) in hull.iter().enumerate() {
            let b = hull[(i + 1) % hull.len()];
            let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
            let length = dx.hypot(dy);
            let along = if length > 0.0 { [dx / length, dy / length] } else { [1.0, 0.0] };
            let ends = |[ux, uy]: [f64; 2]| {
                let places = hull.iter().map(|p| p[0] * ux + p[1] * uy);
                places.fold([f64::MAX, f64::MIN], |[low, high], at| [low.min(at), high.max(at)])
            };
            let across = [-along[1], along[0]];
            let ([u0, u1], [v0, v1]) = (ends(along), ends(across));
            let [u, v] = [(u0 + u1) / 2.0, (v0 + v1) / 2.0];
            let middle = [u * along[0] + v * across[0], u * along[1] + v * across[1]];
            let tilted = Tilted { middle, along, halves: [(u1 - u0) / 2.0, (v1 - v0) / 2.0] };
            if best.is_none_or(|best| tilted.area() < best.area()) {
                best = Some(tilted);
            }
        }
        best.unwrap_or(Tilted { middle: [0.0; 2], along: [1.0, 0.0], halves: [0.0; 2] })
    }

    fn area(&self) -> f64 {
        4.0 * self.halves[0] * self.halves[1]
    }

    fn shortest(&self) -> f64 {
        2.0 * self.halves[0].min(self.halves[1])
    }

    /// Moves every side outwards by `growth` times the area over the perimeter.
    fn grown(&self, growth: f64) -> Tilted {
        let perimeter = 4.0 * (self.halves[0] + self.halves[1]);
        let by = if perimeter > 0.0 { growth * self.area() / perimeter } else { 0.0 };
        Tilted { halves: self.halves.map(|half| half + by), ..*self }
    }

    /// Clockwise from the left upper one: of the two corners on the left the upper, of those on the right the upper, ...
    fn corners(&self) -> [[f64; 2]; 4] {
        let ([cx, cy], [ux, uy], [a, b]) = (self.middle, self.along, self.halves);
        let mut corners =
            [(a, b), (a, -b), (-a, -b), (-a, b)].map(|(u, v)| [cx + u * ux - v * uy, cy + u * uy + v * ux]);
        corners.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [l1, l2, r1, r2] = corners;
        let upper_first = |a: [f64; 2], b: [f64; 2]| if b[1] > a[1] { [a, b] } else { [b, a] };
        let ([left_upper, left_lower], [right_upper, right_lower]) = (upper_first(l1, l2), upper_first(r1, r2));
        [left_upper, right_upper, right_lower, left_lower]
    }

    /// The mean of the map's cells whose middles lie in it, edges included.
    fn mean(&self, values: &[f32], [rows, columns]: [usize; 2]) -> f64 {
        let corners = self.corners();
        let ends = |axis: usize, size: usize| {
            let places = corners.map(|corner| corner[axis].clamp(0.0, size as f64 - 1.0));
            let [low, high] = places.iter().fold([f64::MAX, 0.0], |[low, high], &at| [at.min(low), at.max(high)]);
            low.floor() as usize..high.ceil() as usize + 1
        };
        let (mut sum, mut count) = (0.0, 0usize);
        for y in ends(1, rows) {
            for x in ends(0, columns) {
                let [dx, dy] = [x as f64 - self.middle[0], y as f64 - self.middle[1]];
                let [u, v] = [dx * self.along[0] + dy * self.along[1], dy * self.along[0] - dx * self.along[1]];
                // A hair for rounding: the pixels on the edges made them.
                if u.abs() <= self.halves[0] + 1e-6 && v.abs() <= self.halves[1] + 1e-6 {
                    sum += values[y * columns + x] as f64;
                    count += 1;
                }
            }
        }
        sum / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map whose cells are `p` where their middles lie in a rectangle of `[width, height]` around `[x, y]` (in edges of
    /// cells), turned clockwise by `degrees`.
    fn turned(map: &mut [f32], columns: usize, [x, y]: [f64; 2], [width, height]: [f64; 2], degrees: f64, p: f32) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        for (i, value) in map.iter_mut().enumerate() {
            let [dx, dy] = [(i % columns) as f64 + 0.5 - x, (i / columns) as f64 + 0.5 - y];
            let [u, v] = [dx * cos + dy * sin, dy * cos - dx * sin];
            if u.abs() <= width / 2.0 && v.abs() <= height / 2.0 {
                *value = p;
            }
        }
    }

    #[test]
    fn lines_are_found_at_any_angle() {
        let (rows, columns) = (240, 320);
        for degrees in [-75.0_f64, -60.0, -44.0, -30.0, -12.0, -3.0, 0.0, 5.0, 20.0, 33.0, 44.0, 61.0, 80.0, 90.0] {
            let mut map = vec![0.05f32; rows * columns];
            let ([x, y], [width, height]) = ([160.0, 120.0], [150.2, 21.2]);
            turned(&mut map, columns, [x, y], [width, height], degrees, 0.9);
            let map = Tensor::f32([1, rows, columns, 1], map).unwrap();
            // The picture is twice as wide and thrice as high; without growth first.
            let options = TextOptions { growth: 0.0, ..TextOptions::default() };
            let found = lines(&map, [2 * columns, 3 * rows], &options).unwrap();
            let [line] = found[..] else { panic!("{degrees}: {found:?}") };
            assert!((line.detection.score - 0.9).abs() < 0.01, "{degrees}: {line:?}");
            let corners = line.corners.map(|[x, y]| [x as f64 / 2.0, y as f64 / 3.0]);
            let (sin, cos) = degrees.to_radians().sin_cos();
            let corner = |u: f64, v: f64| [x + u * cos - v * sin, y + u * sin + v * cos];
            // Middles of pixels reach half a pixel less far than their edges.
            let (a, b) = (width / 2.0 - 0.5, height / 2.0 - 0.5);
            // The line reads from the first corner to the second, until it stands upright.
            let mut wanted = [corner(-a, -b), corner(a, -b), corner(a, b), corner(-a, b)];
            if degrees == 90.0 {
                wanted.rotate_right(1);
            }
            for (got, want) in corners.iter().zip(wanted) {
                let off = (got[0] - want[0]).hypot(got[1] - want[1]);
                assert!(off < 1.5, "{degrees}: {corners:?}, expected {wanted:?}");
            }
            // The angle of the longer side.
            let side = |a: usize, b: usize| [corners[b][0] - corners[a][0], corners[b][1] - corners[a][1]];
            let longer =
                [side(0, 1), side(1, 2)].into_iter().max_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
            let angle = longer.map(|[x, y]| y.atan2(x).to_degrees()).unwrap();
            let off = (angle - degrees).rem_euclid(180.0);
            assert!(off.min(180.0 - off) < 1.0, "{angle} instead of {degrees}");
            // The upright box is what the corners span.
            let d = line.detection;
            let span = |axis: usize| {
                let list = line.corners.map(|c| c[axis]);
                [list.iter().copied().fold(f32::MAX, f32::min), list.iter().copied().fold(0.0, f32::max)]
            };
            assert_eq!([d.x, d.y], [span(0)[0], span(1)[0]]);
            assert!((d.x + d.width - span(0)[1]).abs() < 1e-3 && (d.y + d.height - span(1)[1]).abs() < 1e-3);
        }
    }

    /// By hand, as `DBPostProcess` counts: pixels 20 to 59 and 10 to 19 are a rectangle of 39 x 9.
    #[test]
    fn rectangles_grow_by_area_over_perimeter() {
        let mut map = vec![0.0f32; 40 * 80];
        turned(&mut map, 80, [40.0, 15.0], [40.0, 10.0], 0.0, 0.8);
        let map = Tensor::f32([1, 40, 80, 1], map).unwrap();
        let [line] = lines(&map, [80, 40], &TextOptions::default()).unwrap()[..] else { panic!() };
        let by = 1.6 * (39.0 * 9.0) / 96.0;
        let ([left, right], [top, bottom]) = ([20.5 - by, 59.5 + by], [10.5 - by, 19.5 + by]);
        let wanted = [[left, top], [right, top], [right, bottom], [left, bottom]];
        for (got, want) in line.corners.as_flattened().iter().zip(wanted.as_flattened()) {
            assert!((got - want).abs() < 1e-4, "{:?} instead of {wanted:?}", line.corners);
        }
        assert!((line.detection.score - 0.8).abs() < 1e-6);
    }

    #[test]
    fn parts_that_touch_are_one_line_and_small_or_faint_ones_none() {
        let (rows, columns) = (40, 80);
        let mut map = vec![0.0f32; rows * columns];
        let mut fill = |ys: std::ops::Range<usize>, xs: std::ops::Range<usize>, p: f32| {
            ys.for_each(|y| xs.clone().for_each(|x| map[y * columns + x] = p));
        };
        // Two blocks that touch at a corner; a faint line; one of three pixels, which are two from middle to middle.
        fill(2..8, 4..20, 0.9);
        fill(8..14, 20..36, 0.9);
        fill(20..28, 40..70, 0.4);
        fill(32..35, 2..30, 0.9);
        // One at the edge: it grows no further than that.
        fill(30..40, 50..80, 0.7);
        let map = Tensor::f32([1, 1, rows, columns], map).unwrap();
        let found =
            lines(&map, [columns, rows], &TextOptions { pixel_threshold: 0.35, ..TextOptions::default() }).unwrap();
        let [at_edge, touching] = found[..] else { panic!("{found:?}") };
        assert!(touching.detection.score > 0.5 && touching.detection.score < 0.7, "half of its rectangle is empty");
        assert_eq!([at_edge.corners[1][0], at_edge.corners[2][0], at_edge.corners[2][1]], [80.0, 80.0, 40.0]);
        let most = TextOptions { pixel_threshold: 0.35, max_detections: 1, ..TextOptions::default() };
        assert_eq!(lines(&map, [columns, rows], &most).unwrap(), [at_edge], "the best");
        let faint = TextOptions { score_threshold: 0.35, smallest: 2, ..TextOptions::default() };
        assert_eq!(lines(&map, [columns, rows], &faint).unwrap().len(), 4);
    }

    #[test]
    fn only_maps_are_read() {
        assert!(lines(&Tensor::f32([1, 2, 2, 3], vec![0.0; 12]).unwrap(), [2, 2], &TextOptions::default()).is_err());
        assert!(
            lines(&Tensor::f32([1, 1, 0, 5], Vec::<f32>::new()).unwrap(), [2, 2], &TextOptions::default()).is_err()
        );
        // Single pixels, rows and columns of them, and maps of no numbers are no lines and no trouble.
        for shape in [[1, 1, 1, 1], [1, 1, 1, 9], [1, 9, 1, 1], [1, 1, 8, 8]] {
            for value in [0.9, f32::INFINITY, f32::NAN] {
                let map = Tensor::f32(shape, vec![value; shape.iter().product()]).unwrap();
                let found = lines(&map, [9, 9], &TextOptions { smallest: 0, ..TextOptions::default() }).unwrap();
                assert_eq!(found.len(), (shape[2..] == [8, 8] && value == 0.9) as usize, "{shape:?} of {value}");
            }
        }
    }
}
