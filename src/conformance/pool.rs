//! Pooling windows.

use super::Case;
use super::generate::{by, single};
use crate::ops::{Pool2d, PoolKind};
use crate::shape::Padding;

const KINDS: [(&str, PoolKind); 3] = [
    ("max", PoolKind::Max),
    ("average", PoolKind::Average { include_padding: false }),
    ("average_padded", PoolKind::Average { include_padding: true }),
];

pub(super) fn cases(cases: &mut Vec<Case>) {
    for (name, kind) in KINDS {
        let mut push = |tag: String, kernel, strides, dilations, padding, image: [usize; 4]| {
            let op = Pool2d { kind, kernel, strides, dilations, padding };
            cases.push(single(format!("pool/{name}_{tag}"), op, &[&image]));
        };
        let one = [1, 1];
        for (kernel, strides) in
            [([2, 2], [2, 2]), ([3, 3], [2, 2]), ([3, 3], [1, 1]), ([2, 3], [2, 1]), ([5, 4], [3, 3]), ([2, 2], [3, 4])]
        {
            for (tag, padding) in
                [("same", Padding::Same), ("valid", Padding::Valid), ("explicit", Padding::Explicit([[1, 0], [0, 1]]))]
            {
                push(format!("k{}_s{}_{tag}", by(&kernel), by(&strides)), kernel, strides, one, padding, [2, 7, 10, 5]);
            }
        }
        for c in [1, 3, 4, 6, 21, 66, 255] {
            push(format!("c{c}"), [3, 3], [2, 2], one, Padding::Same, [1, 5, 6, c]);
        }
        push("dilated".into(), [3, 2], [1, 1], [2, 3], Padding::Valid, [1, 9, 8, 3]);
        push("dilated_same".into(), [3, 3], [1, 2], [2, 2], Padding::Same, [1, 7, 8, 3]);
        push("one_pixel".into(), [1, 1], [2, 2], one, Padding::Valid, [2, 5, 5, 3]);
        push("above_the_image".into(), [4, 4], [3, 3], one, Padding::Same, [2, 2, 3, 3]);
        push("whole_image".into(), [5, 7], [5, 7], one, Padding::Valid, [2, 5, 7, 6]);
    }
}
