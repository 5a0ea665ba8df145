// A plain matrix product, batched: operands with any strides, batch dimensions broadcast (stride 0).
// 1x1 convolutions with stride 1 come here as well.

struct Params {
    gemm: Gemm,
    depth: u32, // K in floats
    rank: u32,  // of the batch dimensions
    a_row: u32,
    a_k: u32,
    b_k: u32,
    b_column: u32,
    _pad: vec2<u32>,
    size: array<vec4<u32>, 2>,
    a_stride: array<vec4<u32>, 2>,
    b_stride: array<vec4<u32>, 2>,
}

@group(0) @binding(__COUNTER__) var<uniform> params: Params;

fn output_row(batch: u32, m: u32) -> u32 {
    return (batch * params.gemm.rows + m) * params.gemm.columns;
}

fn channel_of(batch: u32, n: u32) -> u32 {
    return n;
}

#if BODY != sum
struct Row {
    base: u32,
    valid: bool,
}

struct Tap {
    k: u32,
    lanes: u32,
}

// Offsets of a batch's matrices in both operands.
fn batch_base(batch: u32) -> vec2<u32> {
    var rest = batch;
    var base = vec2<u32>();
    for (var d = params.rank; d > 1u; d--) {
        let axis = d - 1u;
        let size = params.size[axis / 4u][axis % 4u];
        let c = rest % size;
        rest = rest / size;
        base += c * vec2(params.a_stride[axis / 4u][axis % 4u], params.b_stride[axis / 4u][axis % 4u]);
    }
    return base + rest * vec2(params.a_stride[0].x, params.b_stride[0].x);
}

var<private> b_base: u32;

fn row_at(block: Block, m: u32) -> Row {
    let base = batch_base(block.batch);
    b_base = base.y;
    return Row(base.x + m * params.a_row, m < params.gemm.rows);
}

fn tap_at(k: u32) -> Tap {
    return Tap(4u * k, min(4u, params.depth - 4u * k));
}

fn next_tap(tap: Tap) -> Tap {
    return Tap(tap.k + 4u, min(4u, params.depth - tap.k - 4u));
}

fn load_a(row: Row, tap: Tap) -> vec4<f32> {
    if !row.valid {
        return vec4<f32>();
    }
#if A_WIDTH == 4
    return a[(row.base + tap.k) / 4u];
#else
    let i = row.base + tap.k * params.a_k;
    var v = vec4(a[i], 0.0, 0.0, 0.0);
    if tap.lanes > 1u {
        v.y = a[i + params.a_k];
    }
    if tap.lanes > 2u {
        v.z = a[i + 2u * params.a_k];
    }
    if tap.lanes > 3u {
        v.w = a[i + 3u * params.a_k];
    }
    return v;
#endif
}

// Columns n..n+3 of line `lane` of the four at the tap.
fn load_b(block: Block, tap: Tap, lane: u32, n: u32) -> vec4<f32> {
    if lane >= tap.lanes || n >= params.gemm.columns {
        return vec4<f32>();
    }
    let i = b_base + (tap.k + lane) * params.b_k + n * params.b_column;
#if B_WIDTH == 4
    return b[i / 4u];
#else
    let left = params.gemm.columns - n;
    var v = vec4(b[i], 0.0, 0.0, 0.0);
    if left > 1u {
        v.y = b[i + params.b_column];
    }
    if left > 2u {
        v.z = b[i + 2u * params.b_column];
    }
    if left > 3u {
        v.w = b[i + 3u * params.b_column];
    }
    return v;
#endif
}
#endif
