//! KKT conditions as plain data.

use argrad::{KktConditions, KktMultipliers};

/// (condition, constraint, row, absolute, relative).
type Row = (String, String, Option<usize>, f64, f64);

/// (rows, whether multipliers were given, verdict, the printed table).
pub(crate) type Table = (Vec<Row>, bool, String, String);

/// One for each sample.
pub(crate) fn tables(found: Vec<KktConditions>) -> Vec<Table> {
    let table = |conditions: KktConditions| {
        let (verdict, text) = (conditions.verdict(), conditions.to_string());
        let given = conditions.multipliers == KktMultipliers::Given;
        let row = |row: argrad::KktRow| {
            (row.condition.to_string(), row.constraint, row.entry, row.absolute, row.relative)
        };
        (conditions.rows.into_iter().map(row).collect(), given, verdict, text)
    };
    found.into_iter().map(table).collect()
}
