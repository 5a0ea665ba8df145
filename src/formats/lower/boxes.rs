//! What detectors do with their boxes inside the file: suppression, and TensorFlow Lite's whole post-processing.

use super::Lowering;
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::ops::{
    Binary, BinaryKind, Cast, Concat, Gather, NonMaxSuppression, Pad, PadMode, Reshape, ReshapeDim, Slice, SliceAxis,
    TopK, Transpose, Unary,
};
use crate::tensor::{DType, Tensor};

/// The options of `TFLite_Detection_PostProcess`.
#[derive(Clone, Debug, PartialEq)]
pub struct Detections {
    /// Boxes in the results.
    pub most: usize,
    /// Classes told of each box; suppression over all classes only.
    pub classes_each: usize,
    /// Suppression for every class by itself: most boxes of one.
    pub per_class: Option<usize>,
    /// Classes without the background.
    pub classes: usize,
    /// Lowest score.
    pub score: f32,
    /// Largest overlap.
    pub iou: f32,
    /// What codes of centre (y, x) and size (height, width) are divided by.
    pub scales: [f32; 4],
}

/// The boxes that stay, one a row; what is left over has a mask of 0.
struct Kept {
    /// `[rows]`, below the number of boxes.
    boxes: ValueId,
    /// `[rows, 1]`, 0 or 1.
    mask: ValueId,
    /// `[rows, classes_each]`, float.
    classes: ValueId,
    /// Likewise.
    scores: ValueId,
}

impl Lowering {
    /// TensorFlow's suppression of boxes `[n, 4]` by scores `[n]`: indices `[rows]`, their scores, and how many there are.
    /// `padded` to so many rows, what is left over is 0; otherwise it is -1, and cut off where it is an output.
    pub fn suppress(
        &mut self,
        name: &str,
        [boxes, scores]: [ValueId; 2],
        op: NonMaxSuppression,
        padded: Option<usize>,
    ) -> Result<Vec<ValueId>> {
        if self.shape(boxes).rank() != 2 || self.shape(scores).rank() != 1 {
            return Err(Error::mismatch("boxes must be a list", "[n, 4] and [n]", self.shape(boxes)));
        }
        let one = ReshapeDim::Size(1);
        let boxes = self.reshaped(&format!("{name}/boxes"), boxes, [one, ReshapeDim::Copy(0), ReshapeDim::Copy(1)])?;
        let scores = self.reshaped(&format!("{name}/scores"), scores, [one, one, ReshapeDim::Copy(0)])?;
        let found = self.push(&format!("{name}/table"), op, &[boxes, scores])?;
        let [table, mut scores, count] = [found[0], found[1], found[2]];
        let count = self.reshaped(&format!("{name}/count"), count, [])?;
        let Some(room) = padded else { return Ok(vec![self.column(name, table, 2)?, scores, count]) };
        let mut indices = self.column(&format!("{name}/column"), table, 2)?;
        let zero = self.constant(&format!("{name}/zero"), Tensor::i32([1], vec![0])?);
        indices = self.add(&format!("{name}/indices"), Binary::new(BinaryKind::Maximum), &[indices, zero])?;
        for (value, part) in [(&mut indices, "room"), (&mut scores, "scores_room")] {
            *value = self.fill_up(&format!("{name}/{part}"), *value, 0, room)?;
        }
        Ok(vec![indices, scores, count])
    }

    fn reshaped<const N: usize>(&mut self, name: &str, value: ValueId, dims: [ReshapeDim; N]) -> Result<ValueId> {
        self.add(name, Reshape { dims: dims.to_vec() }, &[value])
    }

    /// Column `i` of a table, as a list.
    fn column(&mut self, name: &str, table: ValueId, i: usize) -> Result<ValueId> {
        let axes = vec![SliceAxis::ALL, SliceAxis::range(i, i + 1)];
        let column = self.add(&format!("{name}/{i}"), Slice { axes }, &[table])?;
        self.reshaped(name, column, [ReshapeDim::Copy(0)])
    }

    /// Zeros behind the elements of an axis until there are `room`.
    fn fill_up(&mut self, name: &str, value: ValueId, axis: usize, room: usize) -> Result<ValueId> {
        let dims = self.dims(value);
        if dims[axis][0] != dims[axis][1] {
            return Err(Error::unsupported("a number of boxes that depends on open dimensions"));
        }
        let Some(missing) = room.checked_sub(dims[axis][0]).filter(|&n| n > 0) else { return Ok(value) };
        let mut pads = vec![[0, 0]; dims.len()];
        pads[axis][1] = missing;
        self.add(name, Pad { pads, mode: PadMode::Constant(0.0) }, &[value])
    }

    /// `TFLite_Detection_PostProcess`: codes `[1, n, 4 or more]`, scores `[1, n, classes]` with or without a background first,
    /// constant anchors `[n, 4]` (centre y, x, height, width). Results: boxes `[1, rows, 4]` (y1, x1, y2, x2), classes and scores
    /// `[1, rows]` and their number `[1]`, all floats, 0 beyond the last.
    pub fn detections(
        &mut self,
        name: &str,
        [codes, scores, anchors]: [ValueId; 3],
        options: &Detections,
    ) -> Result<Vec<ValueId>> {
        let [batch, n, width] = self.shape(codes).dims("[1, boxes, 4]")?;
        let [_, rows, columns] = self.shape(scores).dims("[1, boxes, classes]")?;
        let background = columns.checked_sub(options.classes);
        let (Some(background), true) = (background, batch == 1 && rows == n && width >= 4) else {
            return Err(Error::mismatch("codes and scores do not fit", self.shape(codes), self.shape(scores)));
        };
        let boxes = self.decoded(name, codes, anchors, options.scales)?;
        let axes = vec![SliceAxis::ALL, SliceAxis::ALL, SliceAxis::range(background, columns)];
        let scores = self.add(&format!("{name}/classes"), Slice { axes }, &[scores])?;
        let (kept, count) = match options.per_class {
            Some(most) => self.each_class(name, boxes, scores, most, options)?,
            None => self.all_classes(name, boxes, scores, options)?,
        };
        let each = self.shape(kept.classes)[1];
        let corners = self.add(&format!("{name}/gathered"), Gather { axis: 1 }, &[boxes, kept.boxes])?;
        let corners = self.product(&format!("{name}/shown"), corners, kept.mask)?;
        // The same box for each of its classes.
        let parts: Vec<ValueId> = vec![corners; each];
        let corners = if each > 1 { self.add(&format!("{name}/each"), Concat { axis: -1 }, &parts)? } else { corners };
        let corners = self.reshape(&format!("{name}/corners"), corners, &[[1; 2], [-1; 2], [4; 2]])?;
        let mut results = vec![self.fill_up(name, corners, 1, options.most * each)?];
        for (part, value) in [("class", kept.classes), ("score", kept.scores)] {
            let shown = self.product(&format!("{name}/{part}/shown"), value, kept.mask)?;
            let line = self.reshape(&format!("{name}/{part}"), shown, &[[1; 2], [-1; 2]])?;
            results.push(self.fill_up(&format!("{name}/{part}/room"), line, 1, options.most * each)?);
        }
        let count = self.add(&format!("{name}/count"), Cast { to: DType::F32 }, &[count])?;
        let each = self.constant(&format!("{name}/classes_each"), Tensor::f32([1], vec![each as f32])?);
        results.push(self.product(&format!("{name}/number"), count, each)?);
        Ok(results)
    }

    fn product(&mut self, name: &str, a: ValueId, b: ValueId) -> Result<ValueId> {
        self.add(name, Binary::new(BinaryKind::Mul), &[a, b])
    }

    /// Corners `[1, n, 4]` of coded boxes.
    fn decoded(&mut self, name: &str, codes: ValueId, anchors: ValueId, scales: [f32; 4]) -> Result<ValueId> {
        let constant = self.tensor(anchors).cloned();
        let constant = constant.ok_or_else(|| Error::unsupported("anchors that are computed"))?;
        let [n, four] = constant.shape().dims("[boxes, 4]")?;
        if four != 4 || n != self.shape(codes)[1] || scales.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            return Err(Error::mismatch("anchors or scales do not fit", self.shape(codes), constant.shape()));
        }
        let rows = constant.as_f32()?.as_chunks::<4>().0;
        let table =
            |of: &dyn Fn(&[f32; 4]) -> [f32; 2]| Tensor::f32([n, 2], rows.iter().flat_map(of).collect::<Vec<_>>());
        let reach = table(&|a| [a[2] / scales[0], a[3] / scales[1]])?;
        let middle = table(&|a| [a[0], a[1]])?;
        let half = table(&|a| [a[2] / 2.0, a[3] / 2.0])?;
        self.spend(3 * 4 * 2 * n)?;
        let part = |i: usize| Slice { axes: vec![SliceAxis::ALL, SliceAxis::ALL, SliceAxis::range(i, i + 2)] };
        let shift = self.add(&format!("{name}/shift"), part(0), &[codes])?;
        let size = self.add(&format!("{name}/size"), part(2), &[codes])?;
        let [reach, middle, half] = [("reach", reach), ("middle", middle), ("half", half)]
            .map(|(part, tensor)| self.constant(&format!("{name}/{part}"), tensor));
        let shift = self.product(&format!("{name}/shift/scaled"), shift, reach)?;
        let centre = self.add(&format!("{name}/centre"), Binary::new(BinaryKind::Add), &[shift, middle])?;
        let scale = self.constant(&format!("{name}/scale"), Tensor::f32([2], vec![1.0 / scales[2], 1.0 / scales[3]])?);
        let size = self.product(&format!("{name}/size/scaled"), size, scale)?;
        let size = self.add(&format!("{name}/size/factor"), Unary::Exp, &[size])?;
        let half = self.product(&format!("{name}/half/scaled"), size, half)?;
        let low = self.add(&format!("{name}/low"), Binary::new(BinaryKind::Sub), &[centre, half])?;
        let high = self.add(&format!("{name}/high"), Binary::new(BinaryKind::Add), &[centre, half])?;
        self.add(&format!("{name}/boxes"), Concat { axis: -1 }, &[low, high])
    }

    fn suppression(options: &Detections, max_output: usize) -> NonMaxSuppression {
        NonMaxSuppression {
            max_output,
            iou_threshold: options.iou,
            // There a score as low as the threshold passes.
            score_threshold: options.score.next_down(),
            soft_sigma: 0.0,
            centred: false,
        }
    }

    /// What of a list of indices is one, `[rows, 1]`, and the list without what is none.
    fn masked(&mut self, name: &str, indices: ValueId) -> Result<(ValueId, ValueId)> {
        let zero = self.constant(&format!("{name}/zero"), Tensor::i32([1], vec![0])?);
        let there = self.add(&format!("{name}/there"), Binary::new(BinaryKind::GreaterEqual), &[indices, zero])?;
        let there = self.add(&format!("{name}/mask"), Cast { to: DType::F32 }, &[there])?;
        let mask = self.reshaped(&format!("{name}/mask/column"), there, [ReshapeDim::Copy(0), ReshapeDim::Size(1)])?;
        Ok((mask, self.add(&format!("{name}/index"), Binary::new(BinaryKind::Maximum), &[indices, zero])?))
    }

    /// Suppression by the best score of every box, whatever its class.
    fn all_classes(
        &mut self,
        name: &str,
        boxes: ValueId,
        scores: ValueId,
        options: &Detections,
    ) -> Result<(Kept, ValueId)> {
        let each = options.classes_each.clamp(1, options.classes.max(1));
        let top = self.push(&format!("{name}/top"), TopK { k: each }, &[scores])?;
        let axes = vec![SliceAxis::ALL, SliceAxis::ALL, SliceAxis::range(0, 1)];
        let best = self.add(&format!("{name}/top/first"), Slice { axes }, &[top[0]])?;
        let best = self.add(&format!("{name}/best"), Transpose { perm: vec![0, 2, 1] }, &[best])?;
        let found = self.push(&format!("{name}/nms"), Self::suppression(options, options.most), &[boxes, best])?;
        let column = self.column(&format!("{name}/nms/box"), found[0], 2)?;
        let (mask, index) = self.masked(name, column)?;
        let classes = self.add(&format!("{name}/top/float"), Cast { to: DType::F32 }, &[top[1]])?;
        let [classes, scores] = [("classes", classes), ("scores", top[0])].map(|(part, value)| {
            let rows = self.add(&format!("{name}/{part}/kept"), Gather { axis: 1 }, &[value, index])?;
            self.reshaped(&format!("{name}/{part}/rows"), rows, [ReshapeDim::Copy(1), ReshapeDim::Copy(2)])
        });
        Ok((Kept { boxes: index, mask, classes: classes?, scores: scores? }, found[2]))
    }

    /// Suppression for every class, then the best of all.
    fn each_class(
        &mut self,
        name: &str,
        boxes: ValueId,
        scores: ValueId,
        most: usize,
        options: &Detections,
    ) -> Result<(Kept, ValueId)> {
        let lines = self.add(&format!("{name}/lines"), Transpose { perm: vec![0, 2, 1] }, &[scores])?;
        let found = self.push(&format!("{name}/nms"), Self::suppression(options, most), &[boxes, lines])?;
        let column = self.column(&format!("{name}/nms/box"), found[0], 2)?;
        let (mask, index) = self.masked(name, column)?;
        // -1 for what is none, below every score.
        let flat = self.reshaped(&format!("{name}/nms/mask"), mask, [ReshapeDim::Copy(0)])?;
        let one = self.constant(&format!("{name}/one"), Tensor::f32([1], vec![1.0])?);
        let penalty = self.add(&format!("{name}/nms/penalty"), Binary::new(BinaryKind::Sub), &[flat, one])?;
        let ranked = self.add(&format!("{name}/nms/ranked"), Binary::new(BinaryKind::Add), &[found[1], penalty])?;
        let rows = self.shape(ranked)[0];
        let top = self.push(&format!("{name}/top"), TopK { k: options.most.min(rows) }, &[ranked])?;
        let classes = self.column(&format!("{name}/nms/class"), found[0], 1)?;
        let classes = self.add(&format!("{name}/nms/class/float"), Cast { to: DType::F32 }, &[classes])?;
        let mut pick =
            |part: &str, value: ValueId| self.add(&format!("{name}/{part}/kept"), Gather { axis: 0 }, &[value, top[1]]);
        let (boxes, mask, classes) = (pick("box", index)?, pick("mask", mask)?, pick("class", classes)?);
        let [classes, scores] = [("classes", classes), ("scores", top[0])].map(|(part, value)| {
            self.reshaped(&format!("{name}/{part}/rows"), value, [ReshapeDim::Copy(0), ReshapeDim::Size(1)])
        });
        let count = crate::ops::Reduce { kind: crate::ops::ReduceKind::Sum, axes: vec![0], keep_dims: false };
        let count = self.add(&format!("{name}/kept"), count, &[mask])?;
        Ok((Kept { boxes, mask, classes: classes?, scores: scores? }, count))
    }
}
