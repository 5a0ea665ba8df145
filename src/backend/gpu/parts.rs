//! Few results of long sums, made in parts by one dispatch and added up by a second.

use super::lower::{Lowering, Operand};
pub(super) use super::reduce::sum_parts;

/// Least items of a part: below, adding up the parts costs more than they gain.
const LEAST: usize = 128;
/// Most items of a part: longer sums lose digits, and llvmpipe ends a loop after 65,536 rounds.
const MOST: usize = 4096;
/// Most bytes for all parts, where that leaves at least one.
const MOST_BYTES: usize = 64 << 20;

/// About how many threads there should be, where one makes one part of one result.
pub(super) fn thread_goal(lowering: &Lowering) -> usize {
    if lowering.workgroup_memory { 1 << 16 } else { 1 << 12 }
}

/// How many items (pixels, rows) one part takes so that `blocks` of each become about `goal`, and how many parts there
/// are. `floats` is what a part leaves.
pub(super) fn slices(items: usize, blocks: usize, goal: usize, floats: usize) -> (usize, usize) {
    let wanted = goal.div_ceil(blocks.max(1));
    let fits = (MOST_BYTES / 4 / floats.max(1)).max(1);
    let slice = items.div_ceil(wanted).clamp(LEAST, MOST).max(items.div_ceil(fits));
    (slice, items.div_ceil(slice).max(1))
}

/// Where the parts of a result go: to the result if there is only one.
pub(super) fn parts_of(lowering: &mut Lowering, parts: usize, floats: usize, whole: Operand) -> Operand {
    if parts == 1 { whole } else { lowering.scratch(1, (parts * floats).next_multiple_of(4) * 4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_every_item_once() {
        for (items, blocks, floats) in [(0, 1, 9), (1, 1, 9), (401_408, 18, 9 * 64 * 64), (1568, 1152, 9 * 512 * 512)] {
            let (slice, parts) = slices(items, blocks, 512, floats);
            assert!(parts * slice >= items && parts.saturating_sub(1) * slice <= items, "{items}: {parts} of {slice}");
            assert!(parts == 1 || parts * floats * 4 <= MOST_BYTES);
        }
        // Long sums are cut even where there are workgroups enough.
        assert!(slices(25_000, 1000, 512, 9).1 > 1);
    }
}
