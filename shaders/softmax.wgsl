// Softmax, or (LOG) its logarithm, along one axis of [outer, size, inner]. A thread makes one line; COOPERATIVE: a workgroup does.

#include "common.wgsl"

struct Params {
    lines: u32, // outer * inner
    size: u32,
    inner: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<f32>;

#if COOPERATIVE
var<workgroup> parts: array<f32, 64>;

fn total(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    parts[local] = value;
    for (var half = THREADS / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if local < half {
            parts[local] = parts[local] + parts[local + half];
        }
    }
    workgroupBarrier();
    return parts[0];
}

fn largest(local: u32, value: f32) -> f32 {
    parts[local] = value;
    for (var half = THREADS / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if local < half {
            parts[local] = max(parts[local], parts[local + half]);
        }
    }
    workgroupBarrier();
    return parts[0];
}
#else
fn total(local: u32, value: f32) -> f32 {
    return value;
}

fn largest(local: u32, value: f32) -> f32 {
    return value;
}
#endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
#if COOPERATIVE
    let i = group.y * groups.x + group.x;
    let first = local;
    let step = THREADS;
#else
    let i = item(group, groups, local);
    let first = 0u;
    let step = 1u;
#endif
    if i >= params.lines {
        return;
    }
    let inner = params.inner;
    let base = i / inner * params.size * inner + i % inner;
    // Every thread starts from an element of the line: no infinity is needed.
    var top = x[base];
    for (var k = first; k < params.size; k += step) {
        top = max(top, x[base + k * inner]);
    }
    top = largest(local, top);
    var sum = 0.0;
    for (var k = first; k < params.size; k += step) {
        sum += exp(x[base + k * inner] - top);
    }
    sum = total(local, sum);
#if LOG
    let shift = log(sum);
#endif
    for (var k = first; k < params.size; k += step) {
#if LOG
        y[base + k * inner] = x[base + k * inner] - top - shift;
#else
        y[base + k * inner] = exp(x[base + k * inner] - top) / sum;
#endif
    }
}
