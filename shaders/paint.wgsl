// A picture of a network's maps: for every pixel a colour of a table, by the class there or by how much of something is there.
// Maps of any size are interpolated first (bilinear, half-pixel centres, edges repeated), so that outlines are smooth.

#include "common.wgsl"
#include "tap.wgsl"

const CLASSES: u32 = 0u; // the channel with the highest score; of a single map, 1 where it is above `low`
const INDICES: u32 = 1u; // the maps are classes already
const LEVEL: u32 = 2u; // a channel, from `low` on
const SHARE: u32 = 3u; // the same of the softmax over the channels; of a single map, of its sigmoid

struct Params {
    size: vec2<u32>, // of the picture: height, width
    pitch: u32, // words in a row of it
    kind: u32,
    // Elements of the maps from one to the next.
    row: u32,
    column: u32,
    plane: u32,
    channels: u32,
    channel: u32,
    integers: u32, // the maps are integers
    low: f32,
    factor: f32, // colours for each step of 1
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> maps: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read> taps: array<Tap>; // rows, then columns
@group(0) @binding(__COUNTER__) var<storage, read> palette: array<u32>; // 256 colours, RGBA from the lowest byte
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<u32>;

fn value(at: u32) -> f32 {
    let found = maps[at];
    return select(found, f32(bitcast<i32>(found)), params.integers == 1u);
}

fn score(row: Tap, column: Tap, channel: u32) -> f32 {
    let first = channel * params.plane;
    let above = first + row.low * params.row;
    let below = first + row.high * params.row;
    let a = value(above + column.low * params.column);
    let b = value(above + column.high * params.column);
    let left = a + (value(below + column.low * params.column) - a) * row.weight;
    let right = b + (value(below + column.high * params.column) - b) * row.weight;
    return left + (right - left) * column.weight;
}

fn share(row: Tap, column: Tap) -> f32 {
    let own = score(row, column, params.channel);
    var sum = 1.0;
    if params.channels == 1u {
        sum += exp(min(-own, 80.0));
    } else {
        for (var c = 0u; c < params.channels; c++) {
            if c != params.channel {
                sum += exp(min(score(row, column, c) - own, 80.0));
            }
        }
    }
    return 1.0 / sum;
}

fn best(row: Tap, column: Tap) -> u32 {
    var most = score(row, column, 0u);
    if params.channels == 1u {
        return select(0u, 1u, most > params.low);
    }
    var found = 0u;
    for (var c = 1u; c < params.channels; c++) {
        let value = score(row, column, c);
        if value > most {
            most = value;
            found = c;
        }
    }
    return found;
}

fn index(row: Tap, column: Tap) -> u32 {
    let at = select(row.low, row.high, row.weight >= 0.5) * params.row
        + select(column.low, column.high, column.weight >= 0.5) * params.column;
    return u32(clamp(round(value(at)), 0.0, 255.0));
}

fn level(value: f32) -> u32 {
    return u32(clamp(floor((value - params.low) * params.factor + 0.5), 0.0, 255.0));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.size.x * params.size.y {
        return;
    }
    let row = taps[i / params.size.y];
    let column = taps[params.size.x + i % params.size.y];
    var colour = 0u;
    if params.kind == CLASSES {
        colour = best(row, column);
    } else if params.kind == INDICES {
        colour = index(row, column);
    } else if params.kind == LEVEL {
        colour = level(score(row, column, params.channel));
    } else {
        colour = level(share(row, column));
    }
    y[i / params.size.y * params.pitch + i % params.size.y] = palette[min(colour, 255u)];
}
