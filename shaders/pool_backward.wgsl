// Gradient of pooling: every input pixel gathers from the windows that hold it. KIND Max: from those whose first maximum
// it is (pool_first.wgsl); Average: from all, by the weight of one pixel. WIDTH 4: of four channels.

#include "common.wgsl"
#include "window.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#define INDEX vec4<u32>
#else
#define REAL f32
#define INDEX u32
#endif

struct Params {
    count: u32,
    channels: u32, // in REALs
    in_height: u32,
    in_width: u32,
    vertical: Axis,
    horizontal: Axis,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
#if KIND == Max
@group(0) @binding(__COUNTER__) var<storage, read> first: array<INDEX>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> weights: array<f32>; // of rows of windows, then of columns
#endif
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dx: array<REAL>;

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
    let x = rest % params.in_width;
    rest = rest / params.in_width;
    let y = rest % params.in_height;
    let image = rest / params.in_height;

    let rows = params.vertical;
    let columns = params.horizontal;
    let top = walk_from(rows, y);
    let left = walk_from(columns, x);
    var sum = REAL();
    for (var row = top; row.tap < rows.taps; row = walk_on(rows, row)) {
        if !holds(rows, row) {
            continue;
        }
        let line = (image * rows.windows + u32(row.window)) * columns.windows;
        for (var column = left; column.tap < columns.taps; column = walk_on(columns, column)) {
            if !holds(columns, column) {
                continue;
            }
            let window = (line + u32(column.window)) * params.channels + channel;
#if KIND == Max
            sum += select(REAL(), dy[window], first[window] == INDEX(row.tap * columns.taps + column.tap));
#else
            sum += dy[window] * (weights[row.window] * weights[rows.windows + u32(column.window)]);
#endif
        }
    }
    dx[i] = sum;
}
