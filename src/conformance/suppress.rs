//! Non-maximum suppression.

use super::Case;
use super::generate::Net;
use crate::ops::{Gather, NonMaxSuppression, Slice, SliceAxis};
use crate::tensor::Tensor;

const HARD: NonMaxSuppression = NonMaxSuppression {
    max_output: 10,
    iou_threshold: 0.5,
    score_threshold: f32::NEG_INFINITY,
    soft_sigma: 0.0,
    centred: false,
};

/// Boxes in clusters, so that they overlap: corners in any order, or centre and size.
fn boxes(net: &mut Net, batch: usize, n: usize, centred: bool) -> Tensor {
    let mut data = Vec::with_capacity(batch * n * 4);
    for _ in 0..batch * n {
        let [x, y] = [0, 1].map(|_| net.random.int(0, 4) as f32 + net.random.float(-0.2, 0.2));
        let [w, h] = [0, 1].map(|_| net.random.float(0.5, 1.5));
        data.extend(match (centred, net.random.int(0, 3)) {
            (true, _) => [x, y, w, h],
            (false, 0) => [x + w, y + h, x, y],
            (false, 1) => [x + w, y, x, y + h],
            (false, _) => [x, y, x + w, y + h],
        });
    }
    Tensor::f32([batch, n, 4], data).expect("counts agree")
}

fn case(name: &str, op: NonMaxSuppression, [batch, classes, n]: [usize; 3]) -> Case {
    let mut net = Net::new(format!("nms/{name}"));
    let boxes = boxes(&mut net, batch, n, op.centred);
    let boxes = net.feed(boxes);
    let scores = net.random.tensor(&[batch, classes, n], 0.0, 1.0);
    let scores = net.feed(scores);
    let outputs = net.ops(op, &[boxes, scores]);
    net.done(&outputs)
}

pub(super) fn cases(cases: &mut Vec<Case>) {
    cases.push(case("one_class", HARD, [1, 1, 40]));
    cases.push(case("classes_and_batch", HARD, [2, 3, 33]));
    cases.push(case("scores_above", NonMaxSuppression { score_threshold: 0.6, ..HARD }, [1, 5, 70]));
    cases.push(case("nothing_above", NonMaxSuppression { score_threshold: 2.0, ..HARD }, [2, 2, 9]));
    cases.push(case("any_overlap", NonMaxSuppression { iou_threshold: 0.0, max_output: 99, ..HARD }, [1, 2, 130]));
    cases.push(case("no_overlap", NonMaxSuppression { iou_threshold: 1.0, max_output: 99, ..HARD }, [1, 1, 65]));
    cases.push(case("centres", NonMaxSuppression { centred: true, ..HARD }, [2, 1, 50]));
    cases.push(case("few", NonMaxSuppression { max_output: 2, ..HARD }, [1, 3, 20]));
    cases.push(case("none_wanted", NonMaxSuppression { max_output: 0, ..HARD }, [1, 2, 7]));
    cases.push(case("no_boxes", HARD, [2, 2, 0]));
    cases.push(case("one_box", HARD, [1, 1, 1]));
    cases.push(case("more_than_a_workgroup", NonMaxSuppression { max_output: 40, ..HARD }, [1, 1, 777]));
    let soft = NonMaxSuppression { soft_sigma: 0.3, score_threshold: 0.1, ..HARD };
    cases.push(case("soft", soft.clone(), [1, 2, 60]));
    cases.push(case("soft_to_the_end", NonMaxSuppression { max_output: 99, ..soft }, [2, 1, 30]));

    // Few distinct scores: the lowest index comes first.
    let mut net = Net::new("nms/ties");
    let tied = boxes(&mut net, 1, 90, false);
    let tied = net.feed(tied);
    let scores: Vec<f32> = (0..180).map(|_| net.random.int(0, 3) as f32 / 2.0).collect();
    let scores = net.feed(Tensor::f32([1, 2, 90], scores).expect("counts agree"));
    let outputs = net.ops(NonMaxSuppression { max_output: 30, ..HARD }, &[tied, scores]);
    cases.push(net.done(&outputs));

    // Exactly at the threshold: 2 of 4 stays. Boxes without an area suppress nothing.
    let mut net = Net::new("nms/at_the_threshold");
    let exact = [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [1.0, 1.0, 1.0, 2.0], [0.0, 0.0, 2.0, 1.5]];
    let exact = net.feed(Tensor::f32([1, 4, 4], exact.concat()).expect("counts agree"));
    let scores = net.feed(Tensor::f32([1, 1, 4], vec![0.9, 0.8, 0.7, 0.6]).expect("counts agree"));
    let outputs = net.ops(HARD, &[exact, scores]);
    cases.push(net.done(&outputs));

    // What a detector does with it: the boxes themselves.
    let mut net = Net::new("nms/gathered");
    let all = boxes(&mut net, 1, 45, false);
    let all = net.feed(all);
    let scores = net.random.tensor(&[1, 1, 45], 0.0, 1.0);
    let scores = net.feed(scores);
    let rows = net.ops(NonMaxSuppression { max_output: 4, ..HARD }, &[all, scores])[0];
    let axes = vec![SliceAxis::ALL, SliceAxis::range(2, 3)];
    let column = net.op(Slice { axes }, &[rows]);
    let found = net.op(Gather { axis: 1 }, &[all, column]);
    cases.push(net.done(&[found]));
}
