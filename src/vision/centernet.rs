//! CenterNet on MobileNetV3, 512 x 512, 80 COCO classes: an object is a peak of its class's heat map, and four numbers
//! there say how far its edges are (Zhou et al. 2019, "Objects as Points").

use super::boxes::{Candidate, Rect};
use super::{DetectOptions, Detection, InputSpec, floats, has_signature, select};
use crate::error::{Error, Result};
use crate::graph::{Graph, Output};
use crate::ops::{ArgMax, Binary, BinaryKind, Cast, Pool2d, PoolKind, Reduce, ReduceKind};
use crate::shape::Padding;
use crate::tensor::{DType, Tensor};

pub(super) const INPUT: InputSpec = InputSpec { size: [512, 512], scale: [1.0; 3], offset: [0.0; 3] };
pub(super) const OUTPUTS: [&str; 2] = ["tower_0/keypoints", "tower_0/wh"];

/// Cells of the heat maps in each direction, and input pixels per cell.
const GRID: usize = 128;
const STRIDE: f32 = 4.0;
const CLASSES: usize = 80;
/// Peaks taken before suppression, as in the model's own post-processing.
const MOST_PEAKS: usize = 100;

pub(super) fn matches(graph: &Graph) -> bool {
    has_signature(graph, INPUT.size, &OUTPUTS)
}

/// Appends `scores` and `classes`: the best peak of each cell. Peaks of several classes in one cell share their box, so
/// that suppression across classes would drop all but the best anyway.
pub(super) fn extend(mut graph: Graph) -> Result<Graph> {
    let [heat, sizes] = [0, 1].map(|i| graph.outputs()[i].value);
    let pool =
        Pool2d { kind: PoolKind::Max, kernel: [3, 3], strides: [1, 1], dilations: [1, 1], padding: Padding::Same };
    let highest = graph.add("decode/neighbourhood", pool, &[heat])?;
    let is_peak = graph.add("decode/is_peak", Binary::new(BinaryKind::Equal), &[heat, highest])?;
    let is_peak = graph.add("decode/mask", Cast { to: DType::F32 }, &[is_peak])?;
    let peaks = graph.add("decode/peaks", Binary::new(BinaryKind::Mul), &[heat, is_peak])?;
    let best = Reduce { kind: ReduceKind::Max, axes: vec![-1], keep_dims: false };
    let scores = graph.add("decode/scores", best, &[peaks])?;
    let classes = graph.add("decode/classes", ArgMax { axis: -1, keep_dims: false }, &[peaks])?;
    let outputs = [("scores", scores), ("classes", classes), (OUTPUTS[1], sizes)];
    graph.set_outputs(outputs.map(|(name, value)| Output { name: name.to_string(), value }).to_vec());
    Ok(graph)
}

pub(super) fn decode(outputs: &[Tensor], image: [usize; 2], options: &DetectOptions) -> Result<Vec<Detection>> {
    let (peaks, sizes) = match outputs.len() {
        2 => {
            let heat = floats(outputs, 0, &[1, GRID, GRID, CLASSES])?;
            (peaks(heat, [GRID, GRID, CLASSES], options.score_threshold), &outputs[1..])
        }
        3 => {
            let (scores, classes) = (floats(outputs, 0, &[1, GRID, GRID])?, outputs[1].as_i32()?);
            let peak = |(cell, (&score, &class)): (usize, (&f32, &i32))| {
                (score >= options.score_threshold && (0..CLASSES as i32).contains(&class)).then_some((
                    cell,
                    class as usize,
                    score,
                ))
            };
            (scores.iter().zip(classes).enumerate().filter_map(peak).collect(), &outputs[2..])
        }
        n => return Err(Error::mismatch("the outputs of CenterNet", "2 or 3", n)),
    };
    let sizes = floats(sizes, 0, &[1, GRID, GRID, 4])?.as_chunks::<4>().0;
    let candidate = |(cell, class, score)| Candidate { rect: by_edges(cell, GRID, STRIDE, sizes[cell]), score, class };
    let candidates = peaks.into_iter().map(candidate).collect();
    let [h, w] = INPUT.size;
    let scale = [image[0] as f32 / w as f32, image[1] as f32 / h as f32];
    Ok(select(candidates, MOST_PEAKS, false, scale, options))
}

/// The box around a cell whose edges are `[left, top, right, bottom]` pixels away.
fn by_edges(cell: usize, columns: usize, stride: f32, [left, top, right, bottom]: [f32; 4]) -> Rect {
    let [x, y] = [cell % columns, cell / columns].map(|i| i as f32 * stride);
    Rect::from_corners([x - left, y - top, x + right, y + bottom])
}

/// Objects at the peaks of any CenterNet's heads, best first and at most `most`, in pixels of the network's input.
///
/// `heat` `[1, rows, columns, classes]` has scores; cells are `stride` pixels wide. `sizes` is `[1, rows, columns, 4]`, pixels
/// from the cell's corner to the left, upper, right and lower edge, or `[1, rows, columns, 2]`, width and height in cells, as the
/// paper has them; then `offsets` `[1, rows, columns, 2]` says where in the cell the middle lies (without: in its middle).
pub fn objects(
    heat: &Tensor,
    sizes: &Tensor,
    offsets: Option<&Tensor>,
    stride: f32,
    threshold: f32,
    most: usize,
) -> Result<Vec<Candidate>> {
    let [batch, rows, columns, classes] = heat.shape().dims("[1, rows, columns, classes]")?;
    let channels = sizes.shape().last().copied().unwrap_or(0);
    if batch != 1 || sizes.shape()[..] != [1, rows, columns, channels] || ![2, 4].contains(&channels) {
        let expected = format!("[1, {rows}, {columns}, 2 or 4]");
        return Err(Error::mismatch("sizes do not fit the heat map of one picture", expected, sizes.shape()));
    }
    if let Some(other) = offsets.filter(|o| channels == 4 || o.shape()[..] != [1, rows, columns, 2]) {
        let expected = format!("[1, {rows}, {columns}, 2] beside sizes of two numbers");
        return Err(Error::mismatch("offsets do not fit the sizes", expected, other.shape()));
    }
    let sizes = sizes.as_f32()?;
    let offsets = offsets.map(|o| o.as_f32()).transpose()?;
    let rect = |cell: usize| match sizes[cell * channels..][..channels] {
        [left, top, right, bottom] => by_edges(cell, columns, stride, [left, top, right, bottom]),
        [width, height] => {
            let [dx, dy] = offsets.map_or([0.5; 2], |o| [o[2 * cell], o[2 * cell + 1]]);
            let [x, y] = [(cell % columns) as f32 + dx, (cell / columns) as f32 + dy];
            Rect::from_centre([x, y, width, height].map(|v| v * stride))
        }
        _ => unreachable!("two or four channels"),
    };
    let peaks = peaks(heat.as_f32()?, [rows, columns, classes.max(1)], threshold).into_iter();
    let mut found: Vec<_> = peaks.map(|(cell, class, score)| Candidate { rect: rect(cell), score, class }).collect();
    super::boxes::sort(&mut found);
    found.truncate(most);
    Ok(found)
}

/// `(cell, class, score)` of every value that reaches the threshold and equals the largest of its class in the 3 x 3
/// cells around it.
fn peaks(heat: &[f32], [rows, columns, classes]: [usize; 3], threshold: f32) -> Vec<(usize, usize, f32)> {
    let mut peaks = Vec::new();
    for (cell, scores) in heat.chunks_exact(classes).enumerate() {
        // One look at all classes that vectorises; few cells have anything.
        if !scores.iter().fold(false, |any, &score| any | (score >= threshold)) {
            continue;
        }
        let (cy, cx) = (cell / columns, cell % columns);
        let around = |i: usize, end: usize| i.saturating_sub(1)..(i + 2).min(end);
        for (class, &score) in scores.iter().enumerate().filter(|(_, score)| **score >= threshold) {
            let highest = |(y, x): (usize, usize)| heat[(y * columns + x) * classes + class] <= score;
            if around(cy, rows).flat_map(|y| around(cx, columns).map(move |x| (y, x))).all(highest) {
                peaks.push((cell, class, score));
            }
        }
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    const OPTIONS: DetectOptions = DetectOptions { score_threshold: 0.2, iou_threshold: 0.4, max_detections: 100 };

    fn heads() -> Vec<Tensor> {
        let mut heat = vec![0.01f32; GRID * GRID * CLASSES];
        let mut put = |y: usize, x: usize, class: usize, score| heat[(y * GRID + x) * CLASSES + class] = score;
        // A peak with a lower neighbour, another class in the same cell, one in the corner, one too faint.
        put(50, 60, 16, 0.9);
        put(50, 61, 16, 0.8);
        put(50, 60, 17, 0.7);
        put(127, 127, 79, 0.5);
        put(10, 10, 3, 0.19);
        let sizes = (0..GRID * GRID).flat_map(|_| [8.0, 12.0, 16.0, 20.0]).collect::<Vec<f32>>();
        vec![Tensor::f32([1, GRID, GRID, CLASSES], heat).unwrap(), Tensor::f32([1, GRID, GRID, 4], sizes).unwrap()]
    }

    #[test]
    fn peaks_become_boxes_in_pixels_of_the_picture() {
        let found = decode(&heads(), [1024, 256], &OPTIONS).unwrap();
        let [dog, brush] = found[..] else { panic!("{found:?}") };
        assert_eq!(
            dog,
            Detection { class: 16, score: 0.9, x: 464.0, y: 94.0, width: 48.0, height: 16.0 },
            "60 * 4 - 8 = 232 of 512, times 2; 50 * 4 - 12 = 188, halved"
        );
        assert_eq!((brush.class, brush.score), (79, 0.5));
        let all = decode(&heads(), [512, 512], &DetectOptions { iou_threshold: 1.0, ..OPTIONS }).unwrap();
        assert_eq!(all.len(), 3, "both classes of one cell stay if nothing is suppressed");
        let few = decode(&heads(), [512, 512], &DetectOptions { max_detections: 1, ..OPTIONS }).unwrap();
        assert_eq!(few.len(), 1);
    }

    #[test]
    fn any_grid_and_both_kinds_of_sizes() {
        // Two rows of three cells, two classes; the peak is in the lower right corner.
        let mut heat = vec![0.1; 12];
        (heat[11], heat[9]) = (0.8, 0.7);
        let heat = Tensor::f32([1, 2, 3, 2], heat).unwrap();
        let sizes = Tensor::f32([1, 2, 3, 2], [2.0, 1.0].repeat(6)).unwrap();
        let offsets = Tensor::f32([1, 2, 3, 2], [0.25, 0.75].repeat(6)).unwrap();
        let found = objects(&heat, &sizes, Some(&offsets), 8.0, 0.5, 10).unwrap();
        let [one] = found[..] else { panic!("{found:?}") };
        // (2 + 0.25, 1 + 0.75) cells, 2 x 1 cells large.
        assert_eq!((one.class, one.score, one.rect.centre()), (1, 0.8, [18.0, 14.0, 16.0, 8.0]));
        let edges = Tensor::f32([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0].repeat(6)).unwrap();
        let found = objects(&heat, &edges, None, 8.0, 0.05, 1).unwrap();
        assert_eq!(found.iter().map(|c| c.rect.corners()).collect::<Vec<_>>(), [[15.0, 6.0, 19.0, 12.0]]);
        assert!(objects(&heat, &edges, Some(&offsets), 8.0, 0.5, 1).is_err());
        assert!(objects(&heat, &heat.clone().reshape([1, 3, 2, 2]).unwrap(), None, 8.0, 0.5, 1).is_err());
    }

    #[test]
    fn the_appended_operations_find_the_same_boxes() {
        let mut graph = Graph::new();
        let dims = |c| vec![Some(1), Some(GRID), Some(GRID), Some(c)];
        for (name, channels) in OUTPUTS.into_iter().zip([CLASSES, 4]) {
            let value = graph.input(name, DType::F32, dims(channels));
            graph.output(name, value);
        }
        let extended = reference::run(&extend(graph).unwrap(), &heads()).unwrap();
        let image = [640, 480];
        assert_eq!(decode(&extended, image, &OPTIONS).unwrap(), decode(&heads(), image, &OPTIONS).unwrap());
    }

    #[test]
    fn foreign_outputs_are_errors() {
        let heads = heads();
        assert!(decode(&heads[..1], [8, 8], &OPTIONS).is_err());
        let swapped = [heads[1].clone(), heads[0].clone()];
        assert!(decode(&swapped, [8, 8], &OPTIONS).is_err());
        let wrong = [heads[0].clone(), heads[1].clone(), heads[1].clone()];
        assert!(decode(&wrong, [8, 8], &OPTIONS).is_err());
    }
}
