//! Transcendental functions of vectors, to a few units in the last place.

use super::simd::F32x4;

#[inline(always)]
fn c(x: f32) -> F32x4 {
    F32x4::splat(x)
}

/// Horner's rule, highest coefficient first.
#[inline(always)]
fn polynomial<const N: usize>(x: F32x4, coefficients: [f32; N]) -> F32x4 {
    let mut sum = c(coefficients[0]);
    for &a in &coefficients[1..] {
        sum = F32x4::madd(sum, x, c(a));
    }
    sum
}

/// `e^x` (Cephes' expf: `x = n ln 2 + r`, a polynomial in `r`); overflows to infinity, underflows through denormals.
#[inline(always)]
pub fn exp(x: F32x4) -> F32x4 {
    let x = x.clamp(c(-104.0), c(89.0));
    let n = x.mul(c(std::f32::consts::LOG2_E)).round();
    let r = F32x4::madd(n, c(-0.693_359_4), x);
    let r = F32x4::madd(n, c(2.121_944_4e-4), r);
    let p = polynomial(r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let p = F32x4::madd(p, r.mul(r), r.add(c(1.0)));
    // In two steps, so that neither factor leaves the normal numbers.
    let half = n.mul(c(0.5)).floor();
    p.mul(half.power_of_two()).mul(n.sub(half).power_of_two())
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: F32x4) -> F32x4 {
    c(1.0).div(c(1.0).add(exp(F32x4::zero().sub(x))))
}

/// The hyperbolic tangent (Eigen's rational approximation).
#[inline(always)]
pub fn tanh(x: F32x4) -> F32x4 {
    let clamped = x.clamp(c(-7.905_311), c(7.905_311));
    let square = clamped.mul(clamped);
    let p = polynomial(
        square,
        [
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297_3e-8,
            1.485_722_4e-5,
            6.372_619_4e-4,
            4.893_524_6e-3,
        ],
    );
    let q = polynomial(square, [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525_3e-3]);
    F32x4::select(x.abs().less(c(4e-4)), x, clamped.mul(p).div(q))
}

/// The error function (Eigen's rational approximation).
#[inline(always)]
pub fn erf(x: F32x4) -> F32x4 {
    let x = x.clamp(c(-4.0), c(4.0));
    let square = x.mul(x);
    let p = polynomial(
        square,
        [
            -2.726_142_3e-10,
            2.770_681_3e-8,
            -2.101_024e-6,
            -5.692_506_4e-5,
            -7.349_906_5e-4,
            -2.954_6e-3,
            -1.609_603_3e-2,
        ],
    );
    let q = polynomial(square, [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2]);
    x.mul(p).div(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, f: fn(F32x4) -> F32x4, exact: fn(f64) -> f64, range: f64, tolerance: f64) {
        for i in -4000..=4000 {
            let x = (i as f64 / 4000.0 * range) as f32;
            let (got, want) = (f(c(x)).to_array()[0] as f64, exact(x as f64));
            assert!((got - want).abs() <= tolerance * want.abs().max(1e-30), "{name}({x}) = {got}, not {want}");
        }
    }

    #[test]
    fn close_to_the_exact_functions() {
        check("exp", exp, f64::exp, 87.0, 2.5e-7);
        check("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 80.0, 5e-7);
        check("tanh", tanh, f64::tanh, 10.0, 5e-7);
    }

    #[test]
    fn erf_at_tabulated_points() {
        // Abramowitz and Stegun, table 7.1.
        for (x, y) in [(0.0, 0.0), (0.1, 0.112_462_916), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3)] {
            for sign in [1.0, -1.0] {
                let got = erf(c(sign * x)).to_array()[0];
                assert!((got - sign * y).abs() < 2e-7, "erf({x}) = {got}");
            }
        }
    }

    #[test]
    fn extremes() {
        assert_eq!(exp(c(f32::INFINITY)).to_array()[0], f32::INFINITY);
        assert_eq!(exp(c(89.5)).to_array()[0], f32::INFINITY);
        assert_eq!(exp(c(f32::NEG_INFINITY)).to_array()[0], 0.0);
        assert!(exp(c(-100.0)).to_array()[0] > 0.0);
        assert!(exp(c(f32::NAN)).to_array()[0].is_nan());
        assert_eq!(sigmoid(c(-1000.0)).to_array()[0], 0.0);
        assert_eq!(tanh(c(50.0)).to_array()[0], 1.0);
    }
}
