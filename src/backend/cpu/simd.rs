//! Four floats at once. The only file with intrinsics: relaxed wasm, wasm simd128, x86-64 SSE2 (FMA where the build
//! target has it), and plain arrays elsewhere. All have the same meaning, but for `madd`, which may round once or twice.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use std::arch::wasm32::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Lanes of a vector.
pub const LANES: usize = 4;

#[cfg(target_arch = "x86_64")]
type Raw = __m128;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
type Raw = v128;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
type Raw = [f32; 4];

/// A vector of four floats.
#[derive(Clone, Copy)]
pub struct F32x4(Raw);

/// One body per instruction set, chosen when the crate is compiled.
macro_rules! pick {
    (x86: $x86:expr, wasm: $wasm:expr, plain: $plain:expr $(,)?) => {{
        // SAFETY: SSE2 is part of x86-64.
        #[cfg(target_arch = "x86_64")]
        #[allow(unused_unsafe)]
        let result = unsafe { $x86 };
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let result = $wasm;
        #[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
        let result = $plain;
        result
    }};
}

/// The body once for every index of the list that is below a constant. A loop would be unrolled too late: LLVM decides
/// before that what lives in registers, and an array with a running index is memory.
macro_rules! unroll {
    ($i:ident < $n:ident in [$($index:literal)*] $body:block) => {{
        $(if $index < $n {
            let $i: usize = $index;
            $body
        })*
    }};
}
pub(super) use unroll;

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
fn zip(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
    F32x4(std::array::from_fn(|i| f(a.0[i], b.0[i])))
}

impl F32x4 {
    /// The same value in every lane.
    #[inline(always)]
    pub fn splat(x: f32) -> F32x4 {
        pick! {
            x86: F32x4(_mm_set1_ps(x)), wasm: F32x4(f32x4_splat(x)), plain: F32x4([x; 4]),
        }
    }

    /// From an array.
    #[inline(always)]
    pub fn from_array(x: [f32; 4]) -> F32x4 {
        pick! {
            x86: F32x4(_mm_loadu_ps(x.as_ptr())),
            wasm: F32x4(f32x4(x[0], x[1], x[2], x[3])),
            plain: F32x4(x),
        }
    }

    /// Lane-wise sum.
    #[inline(always)]
    pub fn add(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_add_ps(self.0, b.0)), wasm: F32x4(f32x4_add(self.0, b.0)), plain: zip(self, b, |a, b| a + b),
        }
    }

    /// Lane-wise difference.
    #[inline(always)]
    pub fn sub(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_sub_ps(self.0, b.0)), wasm: F32x4(f32x4_sub(self.0, b.0)), plain: zip(self, b, |a, b| a - b),
        }
    }

    /// Lane-wise product.
    #[inline(always)]
    pub fn mul(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_mul_ps(self.0, b.0)), wasm: F32x4(f32x4_mul(self.0, b.0)), plain: zip(self, b, |a, b| a * b),
        }
    }

    /// Lane-wise quotient.
    #[inline(always)]
    pub fn div(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_div_ps(self.0, b.0)), wasm: F32x4(f32x4_div(self.0, b.0)), plain: zip(self, b, |a, b| a / b),
        }
    }

    /// The smaller of each pair, `b < a ? b : a`: a NaN in `a` stays.
    #[inline(always)]
    pub fn min(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_min_ps(b.0, self.0)), wasm: F32x4(f32x4_pmin(self.0, b.0)),
            plain: zip(self, b, |a, b| if b < a { b } else { a }),
        }
    }

    /// The larger of each pair, `a < b ? b : a`: a NaN in `a` stays.
    #[inline(always)]
    pub fn max(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_max_ps(b.0, self.0)), wasm: F32x4(f32x4_pmax(self.0, b.0)),
            plain: zip(self, b, |a, b| if a < b { b } else { a }),
        }
    }

    /// All bits set where `a < b`, none elsewhere: for `select`.
    #[inline(always)]
    pub fn less(self, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_cmplt_ps(self.0, b.0)),
            wasm: F32x4(f32x4_lt(self.0, b.0)),
            plain: zip(self, b, |a, b| f32::from_bits(if a < b { u32::MAX } else { 0 })),
        }
    }

    /// `a` where the mask's bits are set, `b` elsewhere.
    #[inline(always)]
    pub fn select(mask: F32x4, a: F32x4, b: F32x4) -> F32x4 {
        pick! {
            x86: F32x4(_mm_or_ps(_mm_and_ps(mask.0, a.0), _mm_andnot_ps(mask.0, b.0))),
            wasm: {
                #[cfg(target_feature = "relaxed-simd")]
                let picked = i32x4_relaxed_laneselect(a.0, b.0, mask.0);
                #[cfg(not(target_feature = "relaxed-simd"))]
                let picked = v128_bitselect(a.0, b.0, mask.0);
                F32x4(picked)
            },
            plain: F32x4(std::array::from_fn(|i| if mask.0[i].to_bits() != 0 { a.0[i] } else { b.0[i] })),
        }
    }

    /// `a * b + c`: rounded once where the target has a fused instruction (LLVM never emits wasm's by itself).
    #[inline(always)]
    pub fn madd(a: F32x4, b: F32x4, c: F32x4) -> F32x4 {
        pick! {
            x86: {
                #[cfg(target_feature = "fma")]
                let sum = _mm_fmadd_ps(a.0, b.0, c.0);
                #[cfg(not(target_feature = "fma"))]
                let sum = _mm_add_ps(_mm_mul_ps(a.0, b.0), c.0);
                F32x4(sum)
            },
            wasm: {
                #[cfg(target_feature = "relaxed-simd")]
                let sum = f32x4_relaxed_madd(a.0, b.0, c.0);
                #[cfg(not(target_feature = "relaxed-simd"))]
                let sum = f32x4_add(f32x4_mul(a.0, b.0), c.0);
                F32x4(sum)
            },
            plain: F32x4(std::array::from_fn(|i| a.0[i] * b.0[i] + c.0[i])),
        }
    }

    /// The nearest integer, halves to even.
    #[inline(always)]
    pub fn round(self) -> F32x4 {
        pick! {
            x86: self.map(f32::round_ties_even), wasm: F32x4(f32x4_nearest(self.0)), plain: self.map(f32::round_ties_even),
        }
    }

    /// The next integer below.
    #[inline(always)]
    pub fn floor(self) -> F32x4 {
        pick! {
            x86: self.map(f32::floor), wasm: F32x4(f32x4_floor(self.0)), plain: self.map(f32::floor),
        }
    }

    /// The next integer above.
    #[inline(always)]
    pub fn ceil(self) -> F32x4 {
        pick! {
            x86: self.map(f32::ceil), wasm: F32x4(f32x4_ceil(self.0)), plain: self.map(f32::ceil),
        }
    }

    /// The square root.
    #[inline(always)]
    pub fn sqrt(self) -> F32x4 {
        pick! {
            x86: F32x4(_mm_sqrt_ps(self.0)), wasm: F32x4(f32x4_sqrt(self.0)), plain: self.map(f32::sqrt),
        }
    }

    /// The magnitude.
    #[inline(always)]
    pub fn abs(self) -> F32x4 {
        pick! {
            x86: F32x4(_mm_andnot_ps(_mm_set1_ps(-0.0), self.0)), wasm: F32x4(f32x4_abs(self.0)), plain: self.map(f32::abs),
        }
    }

    /// `2^n` for whole `n` in -126..=127.
    #[inline(always)]
    pub fn power_of_two(self) -> F32x4 {
        pick! {
            x86: F32x4(_mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(_mm_cvttps_epi32(self.0), _mm_set1_epi32(127)), 23))),
            wasm: F32x4(i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(self.0), i32x4_splat(127)), 23)),
            plain: self.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)),
        }
    }

    /// The lanes.
    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        pick! {
            x86: { let mut x = [0.0; 4]; _mm_storeu_ps(x.as_mut_ptr(), self.0); x },
            wasm: [
                f32x4_extract_lane::<0>(self.0), f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0), f32x4_extract_lane::<3>(self.0),
            ],
            plain: self.0,
        }
    }
}

impl F32x4 {
    /// Four floats from memory, any alignment.
    ///
    /// # Safety
    /// All four must be readable.
    #[inline(always)]
    pub unsafe fn load(p: *const f32) -> F32x4 {
        // SAFETY: readable by the caller's promise; the read does not ask for alignment.
        unsafe { p.cast::<F32x4>().read_unaligned() }
    }

    /// Four floats to memory, any alignment.
    ///
    /// # Safety
    /// All four must be writable.
    #[inline(always)]
    pub unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable by the caller's promise; the write does not ask for alignment.
        unsafe { p.cast::<F32x4>().write_unaligned(self) }
    }

    /// One float from memory in every lane.
    ///
    /// # Safety
    /// It must be readable.
    #[inline(always)]
    pub unsafe fn load_splat(p: *const f32) -> F32x4 {
        // SAFETY: readable by the caller's promise; v128.load32_splat does not ask for alignment.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return unsafe { F32x4(v128_load32_splat(p.cast())) };
        // SAFETY: readable by the caller's promise.
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        return F32x4::splat(unsafe { *p });
    }

    /// Four vectors as the rows of a matrix, exchanged for its columns.
    #[inline(always)]
    pub fn transpose([a, b, c, d]: [F32x4; 4]) -> [F32x4; 4] {
        pick! {
            x86: {
                let (ab, cd) = (_mm_unpacklo_ps(a.0, b.0), _mm_unpacklo_ps(c.0, d.0));
                let (ab_high, cd_high) = (_mm_unpackhi_ps(a.0, b.0), _mm_unpackhi_ps(c.0, d.0));
                [
                    F32x4(_mm_movelh_ps(ab, cd)), F32x4(_mm_movehl_ps(cd, ab)),
                    F32x4(_mm_movelh_ps(ab_high, cd_high)), F32x4(_mm_movehl_ps(cd_high, ab_high)),
                ]
            },
            wasm: {
                let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0));
                let (ab_high, cd_high) = (i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0), i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
                [
                    F32x4(i64x2_shuffle::<0, 2>(ab, cd)), F32x4(i64x2_shuffle::<1, 3>(ab, cd)),
                    F32x4(i64x2_shuffle::<0, 2>(ab_high, cd_high)), F32x4(i64x2_shuffle::<1, 3>(ab_high, cd_high)),
                ]
            },
            plain: std::array::from_fn(|i| F32x4([a.0[i], b.0[i], c.0[i], d.0[i]])),
        }
    }

    /// Zero in every lane.
    #[inline(always)]
    pub fn zero() -> F32x4 {
        F32x4::splat(0.0)
    }

    /// Applies a function of one float to every lane.
    #[inline(always)]
    pub fn map(self, f: impl Fn(f32) -> f32) -> F32x4 {
        F32x4::from_array(self.to_array().map(f))
    }

    /// Restricts to `low..=high`; a NaN stays.
    #[inline(always)]
    pub fn clamp(self, low: F32x4, high: F32x4) -> F32x4 {
        self.max(low).min(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_keep_their_order_and_nan_stays() {
        let a = F32x4::from_array([1.5, -2.5, f32::NAN, 0.0]);
        let b = F32x4::from_array([2.0, -3.0, 1.0, -0.5]);
        assert_eq!(a.add(b).to_array()[..2], [3.5, -5.5]);
        assert_eq!(a.min(b).to_array()[..2], [1.5, -3.0]);
        assert!(a.min(b).to_array()[2].is_nan() && a.max(b).to_array()[2].is_nan());
        assert_eq!(F32x4::select(a.less(b), a, b).to_array(), [1.5, -3.0, 1.0, -0.5]);
        assert_eq!(a.round().to_array()[..2], [2.0, -2.0]);
        assert_eq!(a.floor().to_array()[..2], [1.0, -3.0]);
        assert_eq!(F32x4::from_array([-126.0, 0.0, 10.0, 127.0]).power_of_two().to_array()[1..3], [1.0, 1024.0]);
        assert_eq!(F32x4::madd(b, b, b).to_array(), [6.0, 6.0, 2.0, -0.25]);
        let rows = [0.0, 10.0, 20.0, 30.0].map(|x| F32x4::from_array([x, x + 1.0, x + 2.0, x + 3.0]));
        let columns = F32x4::transpose(rows).map(F32x4::to_array);
        assert_eq!(columns, [0.0, 1.0, 2.0, 3.0].map(|x| [x, x + 10.0, x + 20.0, x + 30.0]));
    }
}
