//! Non-maximum suppression. What passes the score threshold is copied together first: mostly that is little, and every
//! box that stays looks only at what is left.

use super::memory::Inputs;
use super::{Kernel, Outputs, Spec};
use crate::error::Result;
use crate::ops::NonMaxSuppression;
use crate::ops::suppress::{overlap, sizes};

/// A box that may yet stay.
#[derive(Clone, Copy)]
struct Waiting {
    corners: [f32; 4],
    score: f32,
    index: u32,
}

struct Suppress {
    op: NonMaxSuppression,
    lines: usize,
    classes: usize,
    n: usize,
    waiting: Vec<Waiting>,
}

pub fn compile(op: &NonMaxSuppression, spec: &Spec) -> Result<Box<dyn Kernel>> {
    let (batch, n, classes) = sizes(&spec.inputs[0].shape, &spec.inputs[1].shape)?;
    Ok(Box::new(Suppress { op: op.clone(), lines: batch * classes, classes, n, waiting: Vec::with_capacity(n) }))
}

impl Kernel for Suppress {
    fn run(&mut self, inputs: Inputs<'_>, [rows, scores_out, count]: Outputs<'_>) -> Result<()> {
        let (boxes, scores) = (inputs.f32(0).as_chunks::<4>().0, inputs.f32(1));
        let (rows, scores_out, count) =
            (rows.into_i32().as_chunks_mut::<3>().0, scores_out.into_f32(), count.into_i32());
        let Suppress { ref op, lines, classes, n, ref mut waiting } = *self;
        let (limit, decay) = (op.limit(n), op.decay());
        let mut kept = 0;
        for line in 0..lines {
            let (image, class) = (line / classes, line % classes);
            waiting.clear();
            let passed = scores[line * n..][..n].iter().enumerate().filter(|(_, s)| **s > op.score_threshold);
            waiting.extend(passed.map(|(i, &score)| Waiting {
                corners: op.corners(boxes[image * n + i]),
                score,
                index: i as u32,
            }));
            for _ in 0..limit {
                // In the order of their indices: the first of the best.
                let better = |best: usize, i: usize| if waiting[i].score > waiting[best].score { i } else { best };
                if waiting.is_empty() {
                    break;
                }
                let best = waiting[(1..waiting.len()).fold(0, better)];
                rows[kept] = [image as i32, class as i32, best.index as i32];
                scores_out[kept] = best.score;
                kept += 1;
                waiting.retain_mut(|other| {
                    let iou = overlap(best.corners, other.corners);
                    if decay < 0.0 {
                        other.score *= (decay * iou * iou).exp();
                        other.index != best.index && other.score > op.score_threshold
                    } else {
                        other.index != best.index && iou <= op.iou_threshold
                    }
                });
            }
        }
        rows[kept..].fill([-1; 3]);
        scores_out[kept..].fill(0.0);
        count[0] = kept as i32;
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        self.n * size_of::<Waiting>()
    }
}
