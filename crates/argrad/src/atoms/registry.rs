//! Atoms by name, for reading a layer from a file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::Atom;

/// Makes an atom from the numbers that [`Atom::data`] gave.
pub type Maker = fn(&[f64]) -> Arc<dyn Atom>;

fn registered() -> &'static Mutex<HashMap<String, Maker>> {
    static REGISTERED: OnceLock<Mutex<HashMap<String, Maker>>> = OnceLock::new();
    REGISTERED.get_or_init(Mutex::default)
}

/// Makes an atom of your own known by its name, so that a layer with it inside a function of parameters
/// can be read from a file. The atoms of this crate are known already.
pub fn register(name: &str, maker: Maker) {
    registered().lock().unwrap_or_else(|e| e.into_inner()).insert(name.to_owned(), maker);
}

/// The atom of this name and these numbers.
pub(crate) fn restore(name: &str, data: &[f64]) -> Option<Arc<dyn Atom>> {
    built_in(name, data).or_else(|| {
        let maker = registered().lock().unwrap_or_else(|e| e.into_inner()).get(name).copied();
        maker.map(|make| make(data))
    })
}

/// The atoms of this crate.
fn built_in(name: &str, data: &[f64]) -> Option<Arc<dyn Atom>> {
    if let Some(inner) = name.strip_prefix(super::perspective::PREFIX) {
        return Some(Arc::new(super::perspective::Perspective::restore(inner, data)?));
    }
    use super::elementwise::{Abs, Exp, Log};
    use super::extremum::Extremum;
    use super::logarithmic::{ENTR, LOG1P, LOGISTIC, RelativeEntropy, XEXP};
    use super::norm::Norm2;
    use super::norms::{NORM_INF, NORM2_AXIS, pnorm_spec};
    use super::quadratic::{QuadForm, QuadOverLin, Square, SumSquares};
    use super::reductions::{GEO_MEAN, LOG_SUM_EXP, MAX, MIN, SUM_LARGEST};
    use super::roots::{INV_POS, Power, SQRT};
    use super::spec::{Elementwise, Reduction};
    use super::spectral::{LAMBDA_MAX, LAMBDA_SUM_LARGEST, LOG_DET, NORM_NUC, SIGMA_MAX, TR_INV};
    use super::spectral::{MatrixFrac, MatrixFunction};
    let reduction = |spec| Reduction::restore(spec, data);
    let number = data.first().copied().unwrap_or(1.0);
    let of_matrix = |spec| Arc::new(MatrixFunction::new(spec, number));
    Some(match name {
        "arrange" => Arc::new(crate::ready::Arrange),
        "log_sum_exp_rows" => Arc::new(crate::gp::LogSumExpRows::restore(data)),
        "order_differences" => Arc::new(crate::ready::OrderDifferences),
        "recip" => Arc::new(super::Recip),
        "abs" => Arc::new(Abs),
        "exp" => Arc::new(Exp),
        "log" => Arc::new(Log),
        "maximum" => Arc::new(Extremum::MAXIMUM),
        "minimum" => Arc::new(Extremum::MINIMUM),
        "norm2" => Arc::new(Norm2),
        "square" => Arc::new(Square),
        "sum_squares" => Arc::new(SumSquares),
        "quad_over_lin" => Arc::new(QuadOverLin),
        "quad_form" => Arc::new(QuadForm),
        "huber" => Arc::new(super::huber::Huber),
        "sqrt" => Arc::new(Elementwise(&SQRT)),
        "inv_pos" => Arc::new(Elementwise(&INV_POS)),
        "power" => Arc::new(Power::restore(data)?),
        "log1p" => Arc::new(Elementwise(&LOG1P)),
        "entr" => Arc::new(Elementwise(&ENTR)),
        "logistic" => Arc::new(Elementwise(&LOGISTIC)),
        "xexp" => Arc::new(Elementwise(&XEXP)),
        "rel_entr" => Arc::new(RelativeEntropy::REL_ENTR),
        "kl_div" => Arc::new(RelativeEntropy::KL_DIV),
        "max" => Arc::new(reduction(&MAX)?),
        "min" => Arc::new(reduction(&MIN)?),
        "sum_largest" => Arc::new(reduction(&SUM_LARGEST)?),
        "log_sum_exp" => Arc::new(reduction(&LOG_SUM_EXP)?),
        "geo_mean" => Arc::new(reduction(&GEO_MEAN)?),
        "norm_inf" => Arc::new(reduction(&NORM_INF)?),
        "norm2_axis" => Arc::new(reduction(&NORM2_AXIS)?),
        "pnorm" => Arc::new(reduction(pnorm_spec(*data.get(1)?))?),
        "lambda_max" => of_matrix(&LAMBDA_MAX),
        "lambda_sum_largest" => of_matrix(&LAMBDA_SUM_LARGEST),
        "sigma_max" => of_matrix(&SIGMA_MAX),
        "norm_nuc" => of_matrix(&NORM_NUC),
        "log_det" => of_matrix(&LOG_DET),
        "tr_inv" => of_matrix(&TR_INV),
        "matrix_frac" => Arc::new(MatrixFrac),
        _ => return None,
    })
}
