// Non-maximum suppression. First a workgroup for each line (a class of a picture): `limit` times the best score that is left
// is picked, and every other score lowered or dropped by its overlap with that box. A line's picks are their number, then
// index and score of each. COLLECT: a thread for each row of the results finds its pick behind the numbers of all lines.

#include "common.wgsl"

struct Params {
    lines: u32, // pictures * classes
    classes: u32,
    size: u32, // boxes of a picture
    limit: u32, // most picks of a line
    iou_threshold: f32,
    score_threshold: f32,
    decay: f32, // below 0: of soft suppression
    centred: u32, // boxes are a centre and a size
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if COLLECT
@group(0) @binding(__COUNTER__) var<storage, read> picks: array<u32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> rows: array<i32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> scores: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> count: array<i32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    let stride = 1u + 2u * params.limit;
    var before = 0u;
    var line = 0u;
    for (; line < params.lines; line++) {
        let own = picks[line * stride];
        if before + own > i {
            break;
        }
        before += own;
    }
    if i == 0u {
        var total = before;
        for (var l = line; l < params.lines; l++) {
            total += picks[l * stride];
        }
        count[0] = i32(total);
    }
    if i >= params.lines * params.limit {
        return;
    }
    var row = vec3(-1, -1, -1);
    var score = 0.0;
    if line < params.lines {
        let at = line * stride + 1u + 2u * (i - before);
        row = vec3(i32(line / params.classes), i32(line % params.classes), i32(picks[at]));
        score = bitcast<f32>(picks[at + 1u]);
    }
    rows[3u * i] = row.x;
    rows[3u * i + 1u] = row.y;
    rows[3u * i + 2u] = row.z;
    scores[i] = score;
}
#else
@group(0) @binding(__COUNTER__) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(__COUNTER__) var<storage, read> scores: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> live: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> picks: array<u32>;

const NONE: u32 = 0xffffffffu;

var<workgroup> values: array<f32, 64>;
var<workgroup> places: array<u32, 64>;
var<workgroup> chosen: u32;

// The lower corner first.
fn corners(index: u32) -> vec4<f32> {
    var box = boxes[index];
    if params.centred != 0u {
        box = vec4(box.xy - box.zw / 2.0, box.xy + box.zw / 2.0);
    }
    return vec4(min(box.xy, box.zw), max(box.xy, box.zw));
}

fn area(box: vec4<f32>) -> f32 {
    return (box.z - box.x) * (box.w - box.y);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let line = group.y * groups.x + group.x;
    if line >= params.lines {
        return;
    }
    let start = line * params.size;
    let first_box = line / params.classes * params.size;
    let first_pick = line * (1u + 2u * params.limit);
    // A thread keeps to its own boxes, so only the choice is shared.
    for (var c = local; c < params.size; c += THREADS) {
        live[start + c] = scores[start + c];
    }
    var kept = 0u;
    for (; kept < params.limit; kept++) {
        var best = params.score_threshold;
        var place = NONE;
        for (var c = local; c < params.size; c += THREADS) {
            let score = live[start + c];
            if score > best {
                best = score;
                place = c;
            }
        }
        values[local] = best;
        places[local] = place;
        for (var half = THREADS / 2u; half > 0u; half = half / 2u) {
            workgroupBarrier();
            if local < half {
                let value = values[local + half];
                let other = places[local + half];
                if value > values[local] || (value == values[local] && other < places[local]) {
                    values[local] = value;
                    places[local] = other;
                }
            }
        }
        if local == 0u {
            chosen = places[0];
        }
        let next = workgroupUniformLoad(&chosen);
        if next == NONE {
            break;
        }
        if local == 0u {
            picks[first_pick + 1u + 2u * kept] = next;
            picks[first_pick + 2u + 2u * kept] = bitcast<u32>(values[0]);
        }
        let box = corners(first_box + next);
        for (var c = local; c < params.size; c += THREADS) {
            let score = live[start + c];
            if score > params.score_threshold {
                let other = corners(first_box + c);
                let sides = max(min(box.zw, other.zw) - max(box.xy, other.xy), vec2(0.0));
                let both = sides.x * sides.y;
                let either = area(box) + area(other) - both;
                var left = score;
                if c == next {
                    left = params.score_threshold;
                } else if params.decay < 0.0 {
                    let iou = select(0.0, both / either, both > 0.0);
                    left = score * exp(params.decay * iou * iou);
                } else if both > 0.0 && both > params.iou_threshold * either {
                    // Not divided: a quotient may be off by some last bits here.
                    left = params.score_threshold;
                }
                live[start + c] = left;
            }
        }
    }
    if local == 0u {
        picks[first_pick] = kept;
    }
}
#endif
