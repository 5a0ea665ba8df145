// Matrix product with a fused epilogue: y[m, n] = activation(sum over k of A[m, k] B[k, n] + bias[n] + residual[m, n]).
// A convolution is one as well (implicit GEMM: A's rows are output pixels, k runs over taps and channels).
//
// SOURCE (gemm_conv, gemm_matmul) says how A and B are read and where y is; BODY (tiled, register, sum) how the sum is
// made. k counts in groups of four channels of one tap; a tap's last group may hold fewer (`lanes`).
// A_WIDTH, B_WIDTH: 4 reads vectors, 1 single floats with a guard. SPLIT: this dispatch makes partial sums of a slice of
// k each, in `partial`; a second one with BODY sum adds them up.

struct Gemm {
    rows: u32,      // M of one batch (or group)
    columns: u32,   // N of one batch
    depth: u32,     // K in groups of four
    batches: u32,
    row_blocks: u32,    // blocks of ROWS_PER_BLOCK rows
    column_blocks: u32, // blocks of 32 (tiled) or 4 columns
    splits: u32,
    slice: u32,     // groups of four of k in one split
    alpha: f32,
    beta: f32,
    _pad: vec2<u32>,
}

#if B_WIDTH == 4
#define REAL vec4<f32>
#else
#define REAL f32
#endif
#if A_WIDTH == 4
#define A_ELEMENT vec4<f32>
#else
#define A_ELEMENT f32
#endif
#if SPLIT != 1
#include "activation.wgsl"
#endif

// Which part of the product a thread works at.
struct Block {
    batch: u32,
    split: u32,
    row: u32,    // in blocks
    column: u32, // in blocks
    valid: bool,
}

#if SOURCE == matmul
#include "gemm_matmul.wgsl"
#else
#include "gemm_conv.wgsl"
#endif

#if BODY == sum
@group(0) @binding(__COUNTER__) var<storage, read> partial: array<vec4<f32>>;
#else
@group(0) @binding(__COUNTER__) var<storage, read> a: array<A_ELEMENT>;
@group(0) @binding(__COUNTER__) var<storage, read> b: array<REAL>;
#endif
#if BIAS
@group(0) @binding(__COUNTER__) var<storage, read> bias: array<REAL>;
#endif
#if RESIDUAL
@group(0) @binding(__COUNTER__) var<storage, read> residual: array<REAL>;
#endif
#if SPLIT
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<vec4<f32>>;
#else
@group(0) @binding(__COUNTER__) var<storage, read_write> y: array<REAL>;
#endif

fn block_at(index: u32) -> Block {
    let gemm = params.gemm;
    let column = index % gemm.column_blocks;
    let rest = index / gemm.column_blocks;
    let row = rest % gemm.row_blocks;
    let outer = rest / gemm.row_blocks;
    let split = outer % gemm.splits;
    let batch = outer / gemm.splits;
    return Block(batch, split, row, column, batch < gemm.batches);
}

#if SPLIT
fn store(block: Block, m: u32, n: u32, sum: vec4<f32>) {
    let gemm = params.gemm;
    if m >= gemm.rows || n >= gemm.columns {
        return;
    }
    let width = (gemm.columns + 3u) / 4u;
    y[((block.split * gemm.batches + block.batch) * gemm.rows + m) * width + n / 4u] = sum;
}
#else
fn finish(sum: REAL, channel: u32, index: u32) {
    var value = sum;
#if BIAS
    value += bias[channel];
#endif
#if RESIDUAL
    value += residual[index];
#endif
    y[index] = activate(value, params.gemm.alpha, params.gemm.beta);
}

// Stores columns n..n+3 of row m.
fn store(block: Block, m: u32, n: u32, sum: vec4<f32>) {
    let gemm = params.gemm;
    if m >= gemm.rows || n >= gemm.columns {
        return;
    }
    let channel = channel_of(block.batch, n);
    let index = output_row(block.batch, m) + channel;
#if B_WIDTH == 4
    finish(sum, channel / 4u, index / 4u);
#else
    finish(sum.x, channel, index);
    if n + 1u < gemm.columns {
        finish(sum.y, channel + 1u, index + 1u);
    }
    if n + 2u < gemm.columns {
        finish(sum.z, channel + 2u, index + 2u);
    }
    if n + 3u < gemm.columns {
        finish(sum.w, channel + 3u, index + 3u);
    }
#endif
}
#endif

#if BODY == tiled
#include "gemm_tiled.wgsl"
#elif BODY == register
#include "gemm_register.wgsl"
#else
#include "gemm_sum.wgsl"
#endif
