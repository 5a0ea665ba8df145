// One output row or column of something that is stretched: both rows or columns of the input, and the weight of the second.
struct Tap {
    low: u32,
    high: u32,
    weight: f32,
    _pad: u32,
}
