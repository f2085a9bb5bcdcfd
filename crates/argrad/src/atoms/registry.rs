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
    use super::elementwise::{Abs, Exp, Log};
    use super::extremum::Extremum;
    use super::norm::Norm2;
    use super::quadratic::{QuadForm, QuadOverLin, Square, SumSquares};
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
        _ => return None,
    })
}
