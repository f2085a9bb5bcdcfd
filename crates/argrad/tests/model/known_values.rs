//! Known optimal values and duals (of CVXPY's solver tests and closed forms).

use argrad::atoms::*;
use argrad::prelude::*;

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{found:?} against {expected:?}");
    }
}

#[test]
fn lp_0_and_qp_0_norms_and_squares() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    // lp_0: norm1(x) + 1, x == 0.
    let origin = x.equals([0.0, 0.0]);
    let answer = Problem::minimize(abs(x).sum() + 1.0).subject_to([origin]).solve(&[])?;
    close(&[answer.value], &[1.0], 1e-8);
    close(&answer.get(x).unwrap(), &[0.0, 0.0], 1e-8);
    // qp_0: x^2, x >= 1.
    let y = model.variable(1);
    let bound = y.geq(1.0);
    let answer = Problem::minimize(square(y).sum()).subject_to([bound]).solve(&[])?;
    close(&[answer.value], &[1.0], 1e-8);
    close(answer.dual(bound).unwrap(), &[2.0], 1e-8);
    Ok(())
}

#[test]
fn lp_1_and_its_duals() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let (x0, x1) = (x.index(0), x.index(1));
    let rows = [(2.0 * x0 + x1).leq(3.0), (x0 + 2.0 * x1).leq(3.0), x0.geq(0.0), x1.geq(0.0)];
    let answer = Problem::minimize(-4.0 * x0 - 5.0 * x1).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-9.0], 1e-8);
    close(&answer.get(x).unwrap(), &[1.0, 1.0], 1e-8);
    let duals: Vec<f64> = rows.iter().map(|row| answer.dual(*row).unwrap()[0]).collect();
    close(&duals, &[1.0, 2.0, 0.0, 0.0], 1e-8);
    Ok(())
}

/// lp_2: min x0 + x1 / 2, -100 <= x0 <= -10, x1 == 1.
#[test]
fn lp_2_and_its_duals() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let rows = [x.index(0).geq(-100.0), x.index(0).leq(-10.0), x.index(1).equals(1.0)];
    let answer = Problem::minimize(x.dot([1.0, 0.5])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-99.5], 1e-8);
    let duals: Vec<f64> = rows.iter().map(|row| answer.dual(*row).unwrap()[0]).collect();
    close(&duals, &[1.0, 0.0, -0.5], 1e-8);
    Ok(())
}

/// socp_2: lp_1 with one row as a cone.
#[test]
fn socp_2() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let rows = [
        x.dot([2.0, 1.0]).leq(3.0),
        second_order(model.constant(3.0), x.dot([1.0, 2.0])),
        x.geq(0.0),
    ];
    let answer = Problem::minimize(x.dot([-4.0, -5.0])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-9.0], 1e-8);
    close(&answer.get(x).unwrap(), &[1.0, 1.0], 1e-7);
    Ok(())
}

/// socp_3: the intersection of a rotated ellipse, a disc and an ellipse.
#[test]
fn socp_3() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(2);
    let half = 0.5f64.sqrt();
    let rotated = matmul([[half, half], [-half, half]], x);
    let rows = [[2f64.sqrt(), half] * rotated, 1.0 * x, [0.2, 1.8] * x].map(|e| norm2(e).leq(1.0));
    let answer = Problem::minimize(x.dot([-1.0, 2.0])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-1.932105], 1e-6);
    close(&answer.get(x).unwrap(), &[0.83666003, -0.54772256], 1e-7);
    Ok(())
}

/// expcone_socp_1: risk parity, as cones and as atoms.
#[test]
fn expcone_socp_1() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, s, t) = (model.variable(3), model.variable(3), model.variable(()));
    let sigma = [[1.83, 1.79, 3.22], [1.79, 2.18, 3.18], [3.22, 3.18, 8.69]];
    let mut root = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| root[i][k] * root[j][k]).sum();
            root[i][j] =
                if i == j { (sigma[i][i] - dot).sqrt() } else { (sigma[i][j] - dot) / root[j][j] };
        }
    }
    let length = norm2(model.constant(root).t().matmul(x));
    let rows = [length.leq(t), exponential_cone(s, model.constant([1.0; 3]), x)];
    let answer = Problem::minimize(t - 0.75 * s.sum()).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[4.0751197], 1e-7);
    close(&answer.get(x).unwrap(), &[0.576079, 0.54315, 0.28037], 1e-5);
    let atoms = Problem::minimize(length - 0.75 * log(x).sum()).solve(&[])?;
    close(&[atoms.value], &[answer.value], 1e-8);
    Ok(())
}

/// pcp_2: max x0^0.2 x1^0.8 + x2^0.4 - x0, x0 + x1 + x2 / 2 == 2.
#[test]
fn pcp_2() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, above) = (model.variable(3), model.variable(2));
    let rows = [
        x.dot([1.0, 1.0, 0.5]).equals(2.0),
        power_cone(x.index(0), x.index(1), above.index(0), 0.2),
        power_cone(x.index(2), model.constant(1.0), above.index(1), 0.4),
    ];
    let problem = Problem::maximize(above.sum() - x.index(0)).subject_to(rows);
    let answer = problem.solve(&[])?;
    close(&[answer.value], &[1.8073406786220672], 1e-8);
    // CVXPY's point is good to four digits.
    close(&answer.get(x).unwrap(), &[0.06393515, 0.78320961, 2.30571048], 1e-3);
    Ok(())
}

#[test]
fn lp_3_is_unbounded_and_lp_4_infeasible() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(5);
    let answer = Problem::minimize(x.sum()).subject_to([x.leq(1.0)]).solve(&[])?;
    assert_eq!((answer.status, answer.value), (Status::DualInfeasible, f64::NEG_INFINITY));
    let rows = [x.leq(0.0), x.geq(1.0)];
    let answer = Problem::minimize(x.sum()).subject_to(rows).solve(&[])?;
    assert_eq!((answer.status, answer.value), (Status::PrimalInfeasible, f64::INFINITY));
    Ok(())
}

/// socp_1: min 3 x0 + 2 x1 + x2, |x| <= y, x0 + x1 + 3 x2 >= 1, y <= 5.
#[test]
fn socp_1_and_its_duals() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(3), model.variable(()));
    let cone = norm2(x).leq(y);
    let rows = [cone, x.dot([1.0, 1.0, 3.0]).geq(1.0), y.leq(5.0)];
    let problem = Problem::minimize(x.dot([3.0, 2.0, 1.0])).subject_to(rows);
    let answer = problem.solve(&[])?;
    close(&[answer.value], &[-13.548638904065102], 1e-8);
    close(
        &answer.get(x).unwrap(),
        &[-3.874621860638774, -2.129788233677883, 2.33480343377204],
        1e-7,
    );
    let duals: Vec<f64> = rows.iter().map(|row| answer.dual(*row).unwrap()[0]).collect();
    close(&duals, &[2.865602699, 0.779374595, 2.865602699], 1e-7);
    // The same with the cone written out.
    let rows = [second_order(y, x), rows[1], rows[2]];
    let answer = Problem::minimize(x.dot([3.0, 2.0, 1.0])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-13.548638904065102], 1e-8);
    // Stationarity: the objective's gradient is the cone's dual and that of the inequality.
    let expected = [2.865602699, 2.220625405, 1.220625405, -1.338123784];
    close(answer.dual(rows[0]).unwrap(), &expected, 1e-8);
    Ok(())
}

/// expcone_1: min 3 x0 + 2 x1 + x2, 0.1 <= x0 + x1 + x2 <= 1, x >= 0, (x2, x1, x0) in the
/// exponential cone.
#[test]
fn expcone_1() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3);
    let rows = [
        x.sum().leq(1.0),
        x.sum().geq(0.1),
        x.geq(0.0),
        exponential_cone(x.index(2), x.index(1), x.index(0)),
    ];
    let answer = Problem::minimize(x.dot([3.0, 2.0, 1.0])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[0.23534820622420757], 1e-8);
    close(&answer.get(x).unwrap(), &[0.05462721, 0.02609378, 0.01927901], 1e-6);
    Ok(())
}

/// sdp_1: extremes of a correlation.
#[test]
fn sdp_1() -> Result<(), ModelError> {
    let model = Model::new();
    let rho = model.variable((4, 4)).symmetric();
    let rows = [
        rho.at(0, 1).geq(0.6),
        rho.at(0, 1).leq(0.9),
        rho.at(0, 2).geq(0.8),
        rho.at(0, 2).leq(0.9),
        rho.at(1, 3).geq(0.5),
        rho.at(1, 3).leq(0.7),
        rho.at(2, 3).geq(-0.8),
        rho.at(2, 3).leq(-0.4),
        rho.diag().equals(1.0),
        rho.psd_geq(0.0),
    ];
    let least = Problem::minimize(rho.at(0, 3)).subject_to(rows).solve(&[])?;
    close(&[least.value], &[-0.39], 1e-2);
    let most = Problem::maximize(rho.at(0, 3)).subject_to(rows).solve(&[])?;
    close(&[most.value], &[0.23], 1e-2);
    // Strong duality for the semidefinite constraint: its dual is orthogonal to the matrix.
    let (value, dual) = (least.get(rho).unwrap(), least.dual(rows[9]).unwrap());
    let product: f64 = value.iter().zip(dual).map(|(v, d)| v * d).sum();
    assert!(product.abs() < 1e-7 && dual.iter().any(|d| d.abs() > 1e-3));
    Ok(())
}

/// sdp_2: two semidefinite matrices.
#[test]
fn sdp_2() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable((2, 2)).symmetric(), model.variable((4, 4)).symmetric());
    let (c1, a1) = ([[1.0, 0.0], [0.0, 6.0]], [[1.0, 1.0], [1.0, 2.0]]);
    let c2 = [[1.0, -3.0, 0.0, 0.0], [-3.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0; 4]];
    let a2 = [[0.0, 1.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0], [0.0; 4], [0.0, 0.0, 0.0, -3.0]];
    let rows = [
        (x.dot(a1) + y.dot(a2)).equals(23.0),
        y.at(0, 1).leq(-3.0),
        x.psd_geq(0.0),
        y.psd_geq(0.0),
    ];
    let answer = Problem::minimize(x.dot(c1) + y.dot(c2)).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[52.40127214], 1e-8);
    // The semidefinite duals are what stationarity says.
    let nu = answer.dual(rows[0]).unwrap()[0];
    let expected: Vec<f64> = c1.concat().iter().zip(a1.concat()).map(|(c, a)| c + nu * a).collect();
    close(answer.dual(rows[2]).unwrap(), &expected, 1e-7);
    Ok(())
}

/// pcp_1: socp_1 with the norm as power cones.
#[test]
fn pcp_1_power_cones() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y, r) = (model.variable(3), model.variable(()), model.variable(3));
    // |x_i|^2 <= r_i y, sum r = y.
    let y3 = broadcast_to(y, 3);
    let rows =
        [power_cone(r, y3, x, 0.5), r.sum().equals(y), x.dot([1.0, 1.0, 3.0]).geq(1.0), y.leq(5.0)];
    let answer = Problem::minimize(x.dot([3.0, 2.0, 1.0])).subject_to(rows).solve(&[])?;
    close(&[answer.value], &[-13.548638904065102], 1e-8);
    Ok(())
}

#[test]
fn sensitivity_is_the_derivative_of_the_value() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, a, g) = (model.variable(3), model.parameter(3), model.parameter(()).nonneg());
    let problem = Problem::maximize(x.sum() - g * sum_squares(x - a)).subject_to([x.leq(1.0)]);
    let value = |a_at: [f64; 3], g_at: f64| -> Result<f64, ModelError> {
        Ok(problem.solve(&[(a, &a_at), (g, &[g_at])])?.value)
    };
    let answer = problem.solve(&[(a, &[0.1, 0.9, 0.4]), (g, &[2.0])])?;
    // x = min(1, a + 1 / (2 g)).
    close(&answer.get(x).unwrap(), &[0.35, 1.0, 0.65], 1e-8);
    let h = 1e-5;
    let da = (value([0.1, 0.9 + h, 0.4], 2.0)? - value([0.1, 0.9 - h, 0.4], 2.0)?) / (2.0 * h);
    let dg = (value([0.1, 0.9, 0.4], 2.0 + h)? - value([0.1, 0.9, 0.4], 2.0 - h)?) / (2.0 * h);
    close(&[answer.sensitivity(a).unwrap()[1], answer.sensitivity(g).unwrap()[0]], &[da, dg], 1e-8);
    Ok(())
}

#[test]
fn attributes_of_variables_are_constraints() -> Result<(), ModelError> {
    let model = Model::new();
    let x = model.variable(3).bounds(-0.5, 0.5);
    let target = [1.0, 0.2, -3.0];
    let answer = Problem::minimize(sum_squares(x - target)).solve(&[])?;
    close(&answer.get(x).unwrap(), &[0.5, 0.2, -0.5], 1e-8);
    let d = model.variable((2, 2)).diagonal();
    let answer = Problem::minimize(sum_squares(d - [[1.0, 2.0], [3.0, 4.0]])).solve(&[])?;
    close(&answer.get(d).unwrap(), &[1.0, 0.0, 0.0, 4.0], 1e-8);
    let s = model.variable((2, 2)).psd();
    // The projection of diag(1, -1) onto the semidefinite cone.
    let answer = Problem::minimize(sum_squares(s - [[1.0, 0.0], [0.0, -1.0]])).solve(&[])?;
    close(&answer.get(s).unwrap(), &[1.0, 0.0, 0.0, 0.0], 1e-7);
    let p = model.variable((2, 2)).sparse(&[(0, 1)]);
    let answer = Problem::minimize(sum_squares(p - [[1.0, 2.0], [3.0, 4.0]])).solve(&[])?;
    close(&answer.get(p).unwrap(), &[0.0, 2.0, 0.0, 0.0], 1e-8);
    Ok(())
}

/// Convex and concave expressions inside of cones.
#[test]
fn cones_of_curved_expressions() -> Result<(), ModelError> {
    let model = Model::new();
    let (x, y) = (model.variable(()), model.variable(()));
    let one = model.constant(1.0);
    // exp(x^2) <= y at x = 1.
    let cone = exponential_cone(square(x), one, y);
    let answer = Problem::minimize(y).subject_to([cone, x.geq(1.0)]).solve(&[])?;
    close(&[answer.value], &[1f64.exp()], 1e-8);
    // sqrt(log(x)) >= y at x = e^4.
    let cone = power_cone(log(x), one, y, 0.5);
    let answer = Problem::maximize(y).subject_to([cone, x.leq(4f64.exp())]).solve(&[])?;
    close(&[answer.value], &[2.0], 1e-7);
    // |x| <= min(3, y).
    let cone = second_order(minimum(y, 3.0), x);
    let answer = Problem::maximize(x).subject_to([cone, y.leq(2.0)]).solve(&[])?;
    close(&[answer.value], &[2.0], 1e-8);
    Ok(())
}
