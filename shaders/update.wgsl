// One update of a parameter w by its gradient g, and of what the RULE keeps (s and t), in place. The formulas stand in
// `UpdateRule`. Buffers are padded to whole vectors, so there are no odd ends.

#include "common.wgsl"

struct Params {
    vectors: u32,
    weight_decay: f32,
    a: f32, // beta_1 or rho
    rest_a: f32, // 1 - a
    b: f32, // beta_2
    rest_b: f32,
    epsilon: f32,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;
@group(0) @binding(__COUNTER__) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(__COUNTER__) var<storage, read> coefficients: array<f32>;
@group(0) @binding(__COUNTER__) var<storage, read_write> parameter: array<vec4<f32>>;
#if SLOTS
@group(0) @binding(__COUNTER__) var<storage, read_write> first: array<vec4<f32>>;
#endif
#if SLOTS == 2
@group(0) @binding(__COUNTER__) var<storage, read_write> second: array<vec4<f32>>;
#endif

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = item(group, groups, local);
    if i >= params.vectors {
        return;
    }
    let rate = coefficients[0];
    // Not finite: the step is called off. By its bits, since compilers may take every float for a number.
    if (bitcast<u32>(rate) & 0x7f800000u) == 0x7f800000u {
        return;
    }
    let epsilon = vec4<f32>(params.epsilon);
    let g = gradient[i];
    var w = parameter[i];
    w -= rate * params.weight_decay * w;
#if SLOTS
    var s = first[i];
#endif
#if SLOTS == 2
    var t = second[i];
#endif
#if RULE == Sgd
    w -= rate * g;
#elif RULE == Momentum
    s = coefficients[1] * s - rate * g;
    w += s;
#elif RULE == Nesterov
    s = coefficients[1] * s - rate * g;
    w += coefficients[1] * s - rate * g;
#elif RULE == RmsProp
    s = params.a * s + params.rest_a * g * g;
    w -= rate * g / sqrt(s + epsilon);
#elif RULE == RmsPropMomentum
    s = params.a * s + params.rest_a * g * g;
    t = coefficients[1] * t + rate * g / sqrt(s + epsilon);
    w -= t;
#elif RULE == Adam
    s += params.rest_a * (g - s);
    t += params.rest_b * (g * g - t);
    w -= coefficients[1] * s / (sqrt(t) + epsilon);
#elif RULE == Adamax
    s += params.rest_a * (g - s);
    t = max(params.b * t, abs(g));
    w -= coefficients[1] * s / (t + epsilon);
#elif RULE == Nadam
    s += params.rest_a * (g - s);
    t += params.rest_b * (g * g - t);
    w -= (coefficients[1] * s + coefficients[2] * g) / (sqrt(coefficients[3] * t) + epsilon);
#elif RULE == Adagrad
    s += g * g;
    w -= rate * g / sqrt(s + epsilon);
#elif RULE == Adadelta
    s = params.a * s + params.rest_a * g * g;
    let change = g * sqrt(t + epsilon) / sqrt(s + epsilon);
    t = params.a * t + params.rest_a * change * change;
    w -= rate * change;
#endif
    parameter[i] = w;
#if SLOTS
    first[i] = s;
#endif
#if SLOTS == 2
    second[i] = t;
#endif
}
