//! Settings and kinds of derivative, from keywords.

use std::time::Duration;

use argrad::{Differentiation, Mode, OnFailure, Settings};
use argrad_solver::{Engine, Interrupt, Method};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

const KEYS: &str = "tolerance, reduced_tolerance, infeasibility_tolerance, data_rounding, \
                    max_iterations, time_limit, max_polish_steps, check_convexity, \
                    convexity_tolerance, memory_limit, share_matrices, engine";

/// Settings of the solver, with an interrupt of their own.
pub(crate) fn settings(given: Option<&Bound<'_, PyDict>>) -> PyResult<Settings> {
    let mut settings = Settings { interrupt: Some(Interrupt::default()), ..Settings::default() };
    let Some(given) = given else { return Ok(settings) };
    for (key, value) in given {
        let key: String = key.extract()?;
        let bad = |expected: &str| {
            let found = value.repr().map(|r| r.to_string()).unwrap_or_default();
            PyValueError::new_err(format!("setting {key}: expected {expected}, found {found}"))
        };
        let number = || value.extract::<f64>().map_err(|_| bad("a number"));
        let count = || value.extract::<usize>().map_err(|_| bad("a whole number from 0"));
        match key.as_str() {
            "tolerance" => settings.tolerance = number()?,
            "reduced_tolerance" => settings.reduced_tolerance = number()?,
            "infeasibility_tolerance" => settings.infeasibility_tolerance = number()?,
            "data_rounding" => settings.data_rounding = number()?,
            "max_iterations" => settings.max_iterations = count()?,
            "max_polish_steps" => settings.max_polish_steps = count()?,
            "check_convexity" => {
                settings.check_convexity = value.extract().map_err(|_| bad("True or False"))?;
            }
            "convexity_tolerance" => settings.convexity_tolerance = number()?,
            "share_matrices" => {
                settings.share_matrices = value.extract().map_err(|_| bad("True or False"))?;
            }
            "chordal_decomposition" => {
                settings.chordal_decomposition =
                    value.extract().map_err(|_| bad("True or False"))?;
            }
            "memory_limit" => {
                settings.memory_limit = match value.is_none() {
                    true => None,
                    false => {
                        Some(value.extract().map_err(|_| bad("a whole number of bytes, or None"))?)
                    }
                };
            }
            "time_limit" => {
                settings.time_limit = match value.is_none() {
                    true => None,
                    false => Some(
                        Duration::try_from_secs_f64(number()?)
                            .map_err(|_| bad("seconds, at least 0, or None"))?,
                    ),
                };
            }
            "engine" => {
                settings.engine = match value.extract::<String>().unwrap_or_default().as_str() {
                    "auto" => Engine::Auto,
                    "lanes" => Engine::Lanes,
                    "sparse" => Engine::Sparse,
                    "matrix_free" => Engine::MatrixFree,
                    _ => return Err(bad("\"auto\", \"lanes\", \"sparse\" or \"matrix_free\"")),
                };
            }
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "setting {key} is not known; expected one of {KEYS}"
                )));
            }
        }
    }
    Ok(settings)
}

/// The interrupt that [`settings`] gave.
pub(crate) fn interrupt(settings: &Settings) -> Interrupt {
    settings.interrupt.clone().unwrap_or_default()
}

/// From the option of that name; `None` is the default.
pub(crate) fn on_failure(given: Option<&str>) -> PyResult<OnFailure> {
    match given {
        None | Some("raise") => Ok(OnFailure::Error),
        Some("nan") => Ok(OnFailure::Nan),
        Some("zero") => Ok(OnFailure::Zero),
        Some(other) => Err(PyValueError::new_err(format!(
            "on_failure: expected \"raise\", \"nan\" or \"zero\", found {other:?}"
        ))),
    }
}

/// From the options `mode`, `on_failure` and `method`; `None` is the default.
pub(crate) fn differentiation(
    mode: Option<&Bound<'_, PyAny>>,
    on_failure: Option<&str>,
    method: Option<&Bound<'_, PyAny>>,
) -> PyResult<Differentiation> {
    let repr = |value: &Bound<'_, PyAny>| value.repr().map(|r| r.to_string()).unwrap_or_default();
    let mode = match mode.filter(|mode| !mode.is_none()) {
        None => Mode::Exact,
        Some(mode) => {
            let bad = || {
                PyValueError::new_err(format!(
                    "mode: expected \"exact\", (\"smoothed\", mu > 0) or (\"lpgd\", tau > 0), \
                     found {}",
                    repr(mode)
                ))
            };
            match (mode.extract::<String>(), mode.extract::<(String, f64)>()) {
                (Ok(name), _) if name == "exact" => Mode::Exact,
                (_, Ok((name, mu))) if name == "smoothed" && mu > 0.0 => Mode::Smoothed(mu),
                (_, Ok((name, tau))) if name == "lpgd" && tau > 0.0 => Mode::Lpgd(tau),
                _ => return Err(bad()),
            }
        }
    };
    let on_failure = self::on_failure(on_failure)?;
    let method = match method.filter(|method| !method.is_none()) {
        None => Method::Direct,
        Some(method) => {
            match (method.extract::<String>(), method.extract::<(String, f64, usize)>()) {
                (Ok(name), _) if name == "direct" => Method::Direct,
                (_, Ok((name, tolerance, max_iterations))) if name == "lsqr" => {
                    Method::Lsqr { tolerance, max_iterations }
                }
                _ => {
                    return Err(PyValueError::new_err(format!(
                        "method: expected \"direct\" or (\"lsqr\", tolerance, max_iterations), \
                         found {}",
                        repr(method)
                    )));
                }
            }
        }
    };
    Ok(Differentiation { mode, on_failure, method })
}
