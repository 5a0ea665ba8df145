// Index of the largest value along one axis of [outer, size, inner]; ties go to the lowest index. A thread makes one
// result; COOPERATIVE: a workgroup does.

#include "common.wgsl"

struct Params {
    lines: u32, // outer * inner
    size: u32,
    inner: u32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<u32>;

#if COOPERATIVE
var<workgroup> values: array<f32, 64>;
var<workgroup> places: array<u32, 64>;
#endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
#if COOPERATIVE
    let i = group.y * groups.x + group.x;
    // The axis has at least 64 elements here.
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
    var best = x[base + first * inner];
    var place = first;
    for (var k = first + step; k < params.size; k += step) {
        let value = x[base + k * inner];
        if value > best {
            best = value;
            place = k;
        }
    }
#if COOPERATIVE
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
    if local > 0u {
        return;
    }
    place = places[0];
#endif
    y[i] = place;
}
