// Gradient of a depthwise convolution by its input: every input pixel gathers from the windows that hold it. Kernel
// [kh, kw, in, multiplier]; WIDTH 4: of four channels (multiplier 1).

#include "common.wgsl"
#include "window.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    channels: u32, // of the input, in REALs
    multiplier: u32,
    in_height: u32,
    in_width: u32,
    _pad0: u32,
    _pad1: u32,
    _pad2: u32,
    vertical: Axis,
    horizontal: Axis,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> kernel: array<REAL>;
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

    let filters = params.channels * params.multiplier;
    let filter0 = channel * params.multiplier;
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
            let gradient = (line + u32(column.window)) * filters + filter0;
            let weight = (row.tap * columns.taps + column.tap) * filters + filter0;
            for (var m = 0u; m < params.multiplier; m++) {
                sum += dy[gradient + m] * kernel[weight + m];
            }
        }
    }
    dx[i] = sum;
}
