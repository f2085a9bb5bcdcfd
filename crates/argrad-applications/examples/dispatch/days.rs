//! Days of hourly prices, loads and temperatures, from a file.

use std::fmt;
use std::path::{Path, PathBuf};

/// Hours of a day.
pub const HOURS: usize = 24;

/// A day of 24 hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Days since 1970-01-01, a Thursday.
    pub number: i64,
    /// Day-ahead prices, in dollars for a megawatt-hour.
    pub prices: [f64; HOURS],
    /// Forecast of the load, as known before the day.
    pub loads: [f64; HOURS],
    /// Temperatures; those of the day itself are taken as forecast.
    pub temperatures: [f64; HOURS],
}

/// What is wrong with a file of hours.
#[derive(Debug, thiserror::Error)]
pub enum DaysError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A line of it.
    #[error("{}, line {line}: {reason}", path.display())]
    Line { path: PathBuf, line: usize, reason: Reason },
    /// Too few days remain.
    #[error("{}: expected at least {wanted} whole days, found {found}", path.display())]
    TooFew { path: PathBuf, found: usize, wanted: usize },
}

/// Why a line is refused.
#[derive(Debug, PartialEq)]
pub enum Reason {
    /// Not four fields.
    Fields(usize),
    /// The first is no date and hour.
    Time(String),
    /// A number that is none: its name and its text.
    Number(&'static str, String),
    /// An hour that is given twice.
    Repeated,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(found) => write!(
                f,
                "expected 4 fields between commas (time, price, load forecast, temperature), \
                 found {found}"
            ),
            Self::Time(text) => write!(f, "expected YYYY-MM-DD HH:00:00, found {text:?}"),
            Self::Number(name, text) => {
                write!(
                    f,
                    "{name}: expected a number, or nothing where it is missing, found {text:?}"
                )
            }
            Self::Repeated => write!(f, "this hour is given before"),
        }
    }
}

/// Least number of days that experiments are made with.
pub const FEWEST: usize = 200;

/// The days of a file. A number that is missing is taken from the hour after it, else from the
/// hour before; days with an hour missing altogether, and with prices that are not positive or
/// above 500, are left out, as the authors of the data do.
///
/// # Errors
/// The file cannot be read, a line of it is wrong, or less than [`FEWEST`] days remain.
pub fn read(path: &Path) -> Result<Vec<Day>, DaysError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| DaysError::Read { path: path.into(), source })?;
    let mut days: std::collections::BTreeMap<i64, [Option<[f64; 3]>; HOURS]> = Default::default();
    for (k, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let at = |reason| DaysError::Line { path: path.into(), line: k + 1, reason };
        let (number, hour, values) = parse(line).map_err(at)?;
        let place = &mut days.entry(number).or_default()[hour];
        if place.replace(values).is_some() {
            return Err(at(Reason::Repeated));
        }
    }
    let whole = days.into_iter().filter_map(|(number, hours)| whole_day(number, &hours));
    let days: Vec<Day> = whole.collect();
    if days.len() < FEWEST {
        return Err(DaysError::TooFew { path: path.into(), found: days.len(), wanted: FEWEST });
    }
    Ok(days)
}

/// Day, hour, and price, load and temperature (NaN where missing).
fn parse(line: &str) -> Result<(i64, usize, [f64; 3]), Reason> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [time, price, load, temperature] = fields[..] else {
        return Err(Reason::Fields(fields.len()));
    };
    let number = |name, text: &str| match text.parse::<f64>() {
        _ if text.is_empty() => Ok(f64::NAN),
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(Reason::Number(name, text.into())),
    };
    let values =
        [number("price", price)?, number("load", load)?, number("temperature", temperature)?];
    let (day, hour) = day_and_hour(time).ok_or_else(|| Reason::Time(time.into()))?;
    Ok((day, hour, values))
}

fn day_and_hour(time: &str) -> Option<(i64, usize)> {
    let (date, clock) = time.split_once(' ')?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let hour: usize = clock.split(':').next()?.parse().ok()?;
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < HOURS;
    (sound && (0..=9999).contains(&year)).then(|| (day_number(year, month, day), hour))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, so
/// that the day that leap years add is the last.
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let before = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (153 * months + 2) / 5 + day - 1 - 719_468
}

fn whole_day(number: i64, hours: &[Option<[f64; 3]>; HOURS]) -> Option<Day> {
    let known: Vec<[f64; 3]> = hours.iter().copied().collect::<Option<_>>()?;
    let mut columns = [[0.0; HOURS]; 3];
    for (quantity, column) in columns.iter_mut().enumerate() {
        for (hour, value) in column.iter_mut().enumerate() {
            let present = |hour: &usize| !known[*hour][quantity].is_nan();
            let after = (hour..HOURS).find(present);
            let from = after.or_else(|| (0..hour).rev().find(present))?;
            *value = known[from][quantity];
        }
    }
    let [prices, loads, temperatures] = columns;
    let usual = prices.iter().all(|&price| price > 0.0 && price <= 500.0);
    usual.then_some(Day { number, prices, loads, temperatures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("dispatch-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn refused(name: &str, text: &str) -> String {
        let path = file(name, text);
        let error = read(&path).unwrap_err().to_string();
        std::fs::remove_file(path).unwrap();
        error
    }

    #[test]
    fn dates_are_counted_from_1970() {
        assert_eq!(day_number(1970, 1, 1), 0);
        assert_eq!(day_number(2000, 3, 1) - day_number(2000, 2, 28), 2);
        assert_eq!(day_number(2100, 3, 1) - day_number(2100, 2, 28), 1);
        assert_eq!(day_number(2016, 12, 31), 17_166);
    }

    #[test]
    fn days_are_read_and_what_is_missing_is_taken_from_the_hour_after() {
        let mut text = String::from("datetime,da_price,load_forecast,temp_dca\n");
        for day in 0..FEWEST + 2 {
            for hour in 0..HOURS {
                let date = format!("2015-{:02}-{:02}", day / 28 + 1, day % 28 + 1);
                let price = if day == 3 { -1.0 } else { 20.0 + hour as f64 };
                let load = if hour == 4 { String::new() } else { format!("{}", 100 * hour) };
                text += &format!("{date} {hour:02}:00:00,{price},{load},{day}\n");
            }
        }
        let path = file("good", &text);
        let days = read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(days.len(), FEWEST + 1); // without the one with prices below zero
        assert_eq!(days[0].number, day_number(2015, 1, 1));
        assert_eq!(
            (days[0].prices[5], days[0].loads[4], days[1].temperatures[0]),
            (25.0, 500.0, 1.0)
        );
    }

    #[test]
    fn a_bad_line_is_named_with_its_reason() {
        let head = "datetime,da_price,load_forecast,temp_dca\n2015-01-01 00:00:00,20,100,30\n";
        for (name, line, words) in [
            ("fields", "2015-01-01 01:00:00,20,100", "line 3: expected 4 fields"),
            ("time", "2015-13-01 01:00:00,20,100,30", "line 3: expected YYYY-MM-DD"),
            ("price", "2015-01-01 01:00:00,abc,100,30", "line 3: price: expected a number"),
            ("load", "2015-01-01 01:00:00,20,inf,30", "line 3: load: expected a number"),
            ("twice", "2015-01-01 00:00:00,20,100,30", "line 3: this hour is given before"),
        ] {
            let message = refused(name, &format!("{head}{line}\n"));
            assert!(message.contains(words), "{message}");
        }
        let message = refused("few", head);
        assert!(message.contains("at least 200 whole days, found 0"), "{message}");
        let message = read(Path::new("no-such-file.csv")).unwrap_err().to_string();
        assert!(message.contains("no-such-file.csv"), "{message}");
    }
}
