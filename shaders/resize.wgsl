// Resizing of images; WIDTH 4: four channels. Which pixels and weights belong to an output row or column comes in a
// table made by the host, in the arithmetic of the reference: a device may fuse or reorder sums, and a nearest
// neighbour at a tie would jump by a pixel.

#include "common.wgsl"
#include "tap.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    channels: u32, // in REALs
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> taps: array<Tap>; // rows, then columns
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<REAL>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.count {
        return;
    }
    let channel = i % params.channels;
    var rest = i / params.channels;
    let ox = rest % params.out_size.y;
    rest = rest / params.out_size.y;
    let oy = rest % params.out_size.x;
    let image = rest / params.out_size.x;

    let row = taps[oy];
    let column = taps[params.out_size.x + ox];
    let top = (image * params.in_size.x + row.low) * params.in_size.y;
#if MODE == Nearest
    y[i] = x[(top + column.low) * params.channels + channel];
#else
    let bottom = (image * params.in_size.x + row.high) * params.in_size.y;
    let a = x[(top + column.low) * params.channels + channel];
    let b = x[(top + column.high) * params.channels + channel];
    let c = x[(bottom + column.low) * params.channels + channel];
    let d = x[(bottom + column.high) * params.channels + channel];
    let above = a + (b - a) * column.weight;
    let below = c + (d - c) * column.weight;
    y[i] = above + (below - above) * row.weight;
#endif
}
