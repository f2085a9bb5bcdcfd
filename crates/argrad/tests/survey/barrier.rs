//! Section 1.2: the sign of the barrier in (8).

/// The minimizer of t (y - x)^2 - log(-y), (7) for f = (y - x)^2 and the constraint y <= 0: the
/// negative root of 2 t y^2 - 2 t x y - 1 = 0.
fn minimizer(t: f64, x: f64) -> f64 {
    let discriminant = (x * x + 2.0 / t).sqrt();
    // The form without cancellation for each sign of x.
    if x > 0.0 { -1.0 / (t * (x + discriminant)) } else { 0.5 * (x - discriminant) }
}

/// (8) defines phi as the sum of log(-f_i), while (7) subtracts it. With phi as printed the barrier
/// curves the wrong way, and the derivative is wrong by as much as the constraint matters; with
/// phi = -sum log(-f_i) it is that of the minimizer.
#[test]
fn equation_8_needs_the_sign_of_equation_7() {
    for (t, x) in [(1.0, 0.5), (10.0, -0.3), (100.0, 1.0)] {
        let y = minimizer(t, x);
        assert!((2.0 * t * (y - x) - 1.0 / y).abs() < 1e-10 * t, "stationary for (7)");
        let step = 1e-4 / t;
        let expected = (minimizer(t, x + step) - minimizer(t, x - step)) / (2.0 * step);
        let (f_yy, f_xy, log_yy) = (2.0, -2.0, -1.0 / (y * y));
        let formula = |phi_yy: f64| -(t * f_xy) / (t * f_yy + phi_yy);
        assert!((formula(-log_yy) - expected).abs() < 1e-6, "{t} {x}: {expected}");
        assert!((formula(log_yy) - expected).abs() > 0.5 * expected, "{t} {x}: the printed sign");
    }
}
