// Circular and hyperbolic functions and their inverses to a few units in the last place (Cephes' polynomials).

// The sine, `quarters` quarter turns further.
fn sine(x: REAL, quarters: f32) -> REAL {
    // x - k pi / 2, with pi / 2 in three parts of few digits.
    let k = round(x * 0.6366197723675814);
    let r = ((x - k * 1.5703125) - k * 4.837512969970703125e-4) - k * 7.54978995489188216e-8;
    return folded_sine(r, k + quarters);
}

// The sine of r and so many quarter turns; |r| is pi / 4 at most.
fn folded_sine(r: REAL, turn: REAL) -> REAL {
    let z = r * r;
    let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let q = turn - 4.0 * floor(turn * 0.25);
    let value = select(s, c, (q == REAL(1.0)) | (q == REAL(3.0)));
    return select(value, -value, q >= REAL(2.0));
}

fn arc_tangent(x: REAL) -> REAL {
    let a = abs(x);
    let far = a > REAL(2.414213562373095);
    let middle = a > REAL(0.4142135623730950);
    let t = select(select(a, (a - 1.0) / (a + 1.0), middle), -1.0 / max(a, REAL(1.0)), far);
    let base = select(select(REAL(0.0), REAL(0.7853981633974483), middle), REAL(1.5707963267948966), far);
    let z = t * t;
    let p = ((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1;
    return sign(x) * (base + (p * z * t + t));
}

fn arc_sine(x: REAL) -> REAL {
    return 2.0 * arc_tangent(x / (1.0 + sqrt((1.0 - x) * (1.0 + x))));
}

fn sinh_(x: REAL) -> REAL {
    let e = exp(abs(x));
    let z = x * x;
    let near = ((2.03721912945e-4 * z + 8.33028376239e-3) * z + 1.66667160211e-1) * z * x + x;
    return select(sign(x) * (0.5 * e - 0.5 / e), near, abs(x) < REAL(1.0));
}

fn cosh_(x: REAL) -> REAL {
    let e = exp(abs(x));
    return 0.5 * e + 0.5 / e;
}

fn asinh_(x: REAL) -> REAL {
    let a = abs(x);
    let z = x * x;
    let near = (((2.0122003309e-2 * z - 4.2699340972e-2) * z + 7.4847586088e-2) * z - 1.6666288134e-1) * z * x + x;
    // Far out the square would overflow, and one more does not count.
    let far = log(select(a + sqrt(z + 1.0), 2.0 * a, a > REAL(1e4)));
    return select(sign(x) * far, near, a < REAL(0.5));
}

fn atanh_(x: REAL) -> REAL {
    let z = x * x;
    let near = ((((1.81740078349e-1 * z + 8.24370301058e-2) * z + 1.46691431730e-1) * z + 1.99782164500e-1) * z
        + 3.33337300303e-1) * z * x + x;
    return select(0.5 * log((1.0 + x) / (1.0 - x)), near, abs(x) < REAL(0.5));
}
