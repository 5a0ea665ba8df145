// Gradient of a convolution by its kernel: a matrix product over output pixels. Row m is a tap and a channel of the group
// (as in the kernel's memory), column n a filter of the group: sum over pixels of x at the tap, times dy.
//
// The sums are few and long, so pixels are cut into parts: each makes a whole kernel, one after the other in `dkernel`;
// a reduction adds them up. BODY tiled: 8x8 threads make 32x32 sums from slices in workgroup memory; register: a thread
// makes 4x4. A_WIDTH 4: four channels of x at once, 1: rows m may lie in four taps; B_WIDTH 4: four filters at once.
// The sums have names because Tint keeps arrays that are indexed in memory.

#include "common.wgsl"

#if A_WIDTH == 4
#define A_ELEMENT vec4<f32>
#else
#define A_ELEMENT f32
#endif
#if B_WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    rows: u32, // of one group: taps times channels
    columns: u32, // filters of one group
    pixels: u32,
    slice: u32, // pixels of one part
    row_blocks: u32, // of 32 (tiled) or 4 rows
    column_blocks: u32, // of 32 or 4 columns
    parts: u32,
    groups: u32,
    in_size: vec2<u32>, // height, width
    out_size: vec2<u32>,
    stride: vec2<i32>,
    dilation: vec2<i32>,
    before: vec2<i32>,
    width: u32, // of the kernel
    channels: u32, // of one group
    in_channels: u32,
    filters: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<A_ELEMENT>;
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read_write> dkernel: array<REAL>;

// Which part of the work a thread or a workgroup does.
struct Block {
    group: u32,
    part: u32,
    row: u32,
    column: u32,
    valid: bool,
}

fn block_at(index: u32) -> Block {
    let column = index % params.column_blocks;
    let rest = index / params.column_blocks;
    let row = rest % params.row_blocks;
    let outer = rest / params.row_blocks;
    let group = outer / params.parts;
    return Block(group, outer % params.parts, row, column, group < params.groups);
}

// Row m: where its tap lies, from a window's first pixel in the padding, and the channel of x.
struct Line {
    offset: vec2<i32>,
    channel: u32,
    valid: bool,
}

fn line_at(block: Block, m: u32) -> Line {
    let tap = m / params.channels;
    let place = vec2(i32(tap / params.width), i32(tap % params.width));
    let channel = block.group * params.channels + m % params.channels;
    return Line(place * params.dilation - params.before, channel, m < params.rows);
}

fn load_line(line: Line, pixel: vec3<u32>) -> A_ELEMENT {
    let at = vec2<u32>(vec2<i32>(pixel.yz) * params.stride + line.offset);
    // Negative coordinates are huge as unsigned ones.
    if !line.valid || any(at >= params.in_size) {
        return A_ELEMENT();
    }
    let i = ((pixel.x * params.in_size.x + at.x) * params.in_size.y + at.y) * params.in_channels + line.channel;
#if A_WIDTH == 4
    return x[i / 4u];
#else
    return x[i];
#endif
}

// Rows m..m+3.
struct Lines {
    line0: Line,
#if A_WIDTH != 4
    line1: Line,
    line2: Line,
    line3: Line,
#endif
}

fn lines_at(block: Block, m: u32) -> Lines {
#if A_WIDTH == 4
    return Lines(line_at(block, m));
#else
    return Lines(line_at(block, m), line_at(block, m + 1u), line_at(block, m + 2u), line_at(block, m + 3u));
#endif
}

fn load_x(lines: Lines, pixel: vec3<u32>) -> vec4<f32> {
#if A_WIDTH == 4
    return load_line(lines.line0, pixel);
#else
    return vec4(
        load_line(lines.line0, pixel),
        load_line(lines.line1, pixel),
        load_line(lines.line2, pixel),
        load_line(lines.line3, pixel),
    );
#endif
}

// Columns n..n+3 at pixel p.
fn load_dy(block: Block, n: u32, p: u32) -> vec4<f32> {
    if n >= params.columns {
        return vec4<f32>();
    }
    let i = p * params.filters + block.group * params.columns + n;
#if B_WIDTH == 4
    return dy[i / 4u];
#else
    let left = params.columns - n;
    var v = vec4(dy[i], 0.0, 0.0, 0.0);
    if left > 1u {
        v.y = dy[i + 1u];
    }
    if left > 2u {
        v.z = dy[i + 2u];
    }
    if left > 3u {
        v.w = dy[i + 3u];
    }
    return v;
#endif
}

// (image, y, x) of output pixel p.
fn pixel_at(p: u32) -> vec3<u32> {
    let rest = p / params.out_size.y;
    return vec3(rest / params.out_size.x, rest % params.out_size.x, p % params.out_size.y);
}

fn store(block: Block, m: u32, n: u32, sum: vec4<f32>) {
    if m >= params.rows || n >= params.columns {
        return;
    }
    let i = (block.part * params.rows + m) * params.filters + block.group * params.columns + n;
#if B_WIDTH == 4
    dkernel[i / 4u] = sum;
#else
    let left = params.columns - n;
    dkernel[i] = sum.x;
    if left > 1u {
        dkernel[i + 1u] = sum.y;
    }
    if left > 2u {
        dkernel[i + 2u] = sum.z;
    }
    if left > 3u {
        dkernel[i + 3u] = sum.w;
    }
#endif
}

#if BODY == tiled
const STEP: u32 = 16u; // pixels of one slice in workgroup memory

var<workgroup> tile_x: array<array<vec4<f32>, 8>, 16>; // [pixel][row / 4]
var<workgroup> tile_dy: array<array<vec4<f32>, 8>, 16>; // [pixel][column / 4]

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let block = block_at(group.y * groups.x + group.x);
    if !block.valid {
        return;
    }
    let m = block.row * 32u;
    let n = block.column * 32u + 4u * local.x;
    // What this thread loads: neighbours take neighbouring channels of one pixel.
    let lines = lines_at(block, m + 4u * local.x);
    let first = block.part * params.slice;
    let last = min(first + params.slice, params.pixels);

    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var p = first; p < last; p += STEP) {
        for (var k = local.y; k < STEP; k += 8u) {
            if p + k < last {
                tile_x[k][local.x] = load_x(lines, pixel_at(p + k));
                tile_dy[k][local.x] = load_dy(block, n, p + k);
            } else {
                tile_x[k][local.x] = vec4<f32>();
                tile_dy[k][local.x] = vec4<f32>();
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k++) {
            let a = tile_x[k][local.y];
            let b = tile_dy[k][local.x];
            sum0 = fma(vec4(a.x), b, sum0);
            sum1 = fma(vec4(a.y), b, sum1);
            sum2 = fma(vec4(a.z), b, sum2);
            sum3 = fma(vec4(a.w), b, sum3);
        }
        workgroupBarrier();
    }
    let row = m + 4u * local.y;
    store(block, row, n, sum0);
    store(block, row + 1u, n, sum1);
    store(block, row + 2u, n, sum2);
    store(block, row + 3u, n, sum3);
}
#else
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = block_at(item(group, groups, local));
    if !block.valid {
        return;
    }
    let row = block.row * 4u;
    let n = block.column * 4u;
    let lines = lines_at(block, row);
    let first = block.part * params.slice;
    let last = min(first + params.slice, params.pixels);

    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    var pixel = pixel_at(first);
    for (var p = first; p < last; p++) {
        let a = load_x(lines, pixel);
        let b = load_dy(block, n, p);
        sum0 += a.x * b;
        sum1 += a.y * b;
        sum2 += a.z * b;
        sum3 += a.w * b;
        pixel.z++;
        if pixel.z == params.out_size.y {
            pixel = vec3(pixel.x, pixel.y + 1u, 0u);
            if pixel.y == params.out_size.x {
                pixel = vec3(pixel.x + 1u, 0u, 0u);
            }
        }
    }
    store(block, row, n, sum0);
    store(block, row + 1u, n, sum1);
    store(block, row + 2u, n, sum2);
    store(block, row + 3u, n, sum3);
}
#endif
