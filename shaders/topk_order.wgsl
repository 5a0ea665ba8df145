// The order of top-k: a candidate is (key, index) with keys that compare as the floats do; the larger key comes first,
// of equals the lower index. Padding has key 0, which no number has, and the last index.

const PADDING: vec2<u32> = vec2<u32>(0u, 0xffffffffu);

fn candidate(value: f32, index: u32) -> vec2<u32> {
    var bits = bitcast<u32>(value);
    if bits == 0x80000000u {
        bits = 0u; // minus zero equals zero
    }
    return vec2(select(bits | 0x80000000u, ~bits, bits >= 0x80000000u), index);
}

fn comes_first(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y < b.y);
}
