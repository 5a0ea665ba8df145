// Batch normalisation over rows of channels, while training. STEP sum, squares, products: for every channel the sum over a
// part of the rows of x, of its squared distance from the mean, of dy times the normalised x; the parts lie one after the
// other in `y`, and a reduction adds them up. STEP gradient: what goes on to x. WIDTH 4: of four channels.

#include "common.wgsl"

#if WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif

struct Params {
    count: u32,
    channels: u32, // in REALs
    rows: u32,
    slice: u32, // rows of a part
    scale: f32, // of a sum; in the gradient: 1 / rows
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> x: array<REAL>;
#if STEP == products
#define WITH_GRADIENT 1
#elif STEP == gradient
#define WITH_GRADIENT 1
#else
#define WITH_GRADIENT 0
#endif
#if STEP != sum
@group(0) @binding(__COUNTER__) var<storage, read> mean: array<REAL>;
#endif
#if WITH_GRADIENT
@group(0) @binding(__COUNTER__) var<storage, read> inverse: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> dy: array<REAL>;
#endif
#if STEP == gradient
@group(0) @binding(__COUNTER__) var<storage, read> gamma: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> dgamma: array<REAL>;
@group(0) @binding(__COUNTER__) var<storage, read> dbeta: array<REAL>;
#endif
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
#if STEP == gradient
    let normalised = (x[i] - mean[channel]) * inverse[channel];
    let through = dy[i] - (dbeta[channel] + normalised * dgamma[channel]) * params.scale;
    y[i] = gamma[channel] * inverse[channel] * through;
#else
    let first = i / params.channels * params.slice;
    let last = min(first + params.slice, params.rows);
#if STEP != sum
    let middle = mean[channel];
#endif
    var sum = REAL();
    for (var row = first; row < last; row++) {
        let at = row * params.channels + channel;
#if STEP == sum
        sum += x[at];
#elif STEP == squares
        let distance = x[at] - middle;
        sum += distance * distance;
#else
        sum += dy[at] * (x[at] - middle);
#endif
    }
#if STEP == products
    sum *= inverse[channel];
#endif
    y[i] = sum * params.scale;
#endif
}
