//! Walking several tensors with different strides in step.

/// Dimensions with the strides of `N` tensors, merged where all of them allow it; never empty.
///
/// The last dimension is the inner loop; the others are walked by [`Walk::each`].
pub struct Walk<const N: usize> {
    outer: Vec<(usize, [isize; N])>,
    /// Length of the inner loop.
    pub inner: usize,
    /// Each tensor's step in the inner loop.
    pub steps: [isize; N],
}

impl<const N: usize> Walk<N> {
    /// From dimensions, outermost first, and each tensor's strides in elements.
    pub fn new(dims: &[usize], strides: [&[isize]; N]) -> Self {
        let mut merged: Vec<(usize, [isize; N])> = Vec::new();
        for (i, &n) in dims.iter().enumerate() {
            let steps = strides.map(|s| s[i]);
            match merged.last_mut() {
                _ if n == 1 => {}
                Some((count, outer)) if (0..N).all(|t| outer[t] == steps[t] * n as isize) => {
                    *count *= n;
                    *outer = steps;
                }
                _ => merged.push((n, steps)),
            }
        }
        let (inner, steps) = merged.pop().unwrap_or((1, [1; N]));
        Walk { outer: merged, inner, steps }
    }

    /// Calls `body` with each tensor's offset at the start of every inner loop.
    pub fn each(&self, mut body: impl FnMut([isize; N])) {
        // Not generic over the closure: a copy of the recursion for each of them was 25 KB of wasm.
        fn level<const N: usize>(outer: &[(usize, [isize; N])], at: [isize; N], body: &mut dyn FnMut([isize; N])) {
            let Some(((count, steps), rest)) = outer.split_first() else { return body(at) };
            let mut at = at;
            for _ in 0..*count {
                level(rest, at, body);
                (0..N).for_each(|t| at[t] += steps[t]);
            }
        }
        level(&self.outer, [0; N], &mut body);
    }
}

/// Row-major strides of a shape.
pub fn strides(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; dims.len()];
    for i in (0..dims.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * dims[i + 1] as isize;
    }
    strides
}

/// Strides of a shape that is broadcast to `rank` or more dimensions: 0 where it stretches.
pub fn broadcast_strides(dims: &[usize], rank: usize) -> Vec<isize> {
    let own = strides(dims);
    let stretched = dims.iter().zip(own).map(|(&n, s)| if n == 1 { 0 } else { s });
    std::iter::repeat_n(0, rank - dims.len()).chain(stretched).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_merge_into_one_loop() {
        let s = strides(&[2, 3, 4]);
        let walk = Walk::new(&[2, 3, 4], [&s, &s]);
        assert_eq!((walk.inner, walk.steps, walk.outer.len()), (24, [1, 1], 0));
    }

    #[test]
    fn broadcasting_keeps_the_stretched_dimension_apart() {
        let walk = Walk::new(&[2, 3, 4], [&strides(&[2, 3, 4]), &broadcast_strides(&[4], 3)]);
        assert_eq!((walk.inner, walk.steps), (4, [1, 1]));
        let mut seen = Vec::new();
        walk.each(|at| seen.push(at));
        assert_eq!(seen, (0..6).map(|i| [4 * i, 0]).collect::<Vec<_>>());
    }
}
