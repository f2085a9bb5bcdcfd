//! Table and summary of the sequences.

use std::io::Write;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

use crate::Failure;
use crate::judgement::shifted_geometric_mean;
use crate::warm::Row;

/// All rows.
pub struct Report {
    pub rows: Vec<Row>,
    /// Largest residual of a solved program.
    pub tolerance: f64,
}

impl Report {
    /// Whether argrad called nothing solved that is not.
    pub fn is_sound(&self) -> bool {
        self.rows.iter().all(|row| row.unsound == 0)
    }

    /// Table, summary and legend.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "set",
            "name",
            "change",
            "solved cold",
            "solved warm",
            "accepted",
            "iterations cold",
            "polish warm",
            "cold ms",
            "warm ms",
            "ratio",
            "worst residual",
            "x difference",
        ]);
        for row in &self.rows {
            let of = |count: usize| format!("{count}/{}", row.steps);
            table.add_row([
                row.set.clone(),
                row.name.clone(),
                format!("{:.0e}", row.change),
                of(row.solved[0]),
                of(row.solved[1]),
                of(row.accepted),
                format!("{:.1}", row.iterations),
                format!("{:.1}", row.polish_steps),
                format!("{:.3}", row.times[0]),
                format!("{:.3}", row.times[1]),
                format!("{:.1}", row.times[0] / row.times[1]),
                format!("{:.1e}", row.worst),
                format!("{:.1e}", row.difference),
            ]);
        }
        let mut summary = Table::new();
        summary.load_style(ASCII_MARKDOWN).set_header([
            "set",
            "change",
            "sequences",
            "programs",
            "solved cold",
            "solved warm",
            "accepted",
            "ratio, geometric mean",
            "smallest ratio",
        ]);
        let mut groups: Vec<(&str, f64)> =
            self.rows.iter().map(|row| (row.set.as_str(), row.change)).collect();
        groups.sort_by(|left, right| left.0.cmp(right.0).then(left.1.total_cmp(&right.1)));
        groups.dedup();
        for (set, change) in groups {
            let rows: Vec<&Row> =
                self.rows.iter().filter(|row| row.set == set && row.change == change).collect();
            let sum =
                |of: fn(&Row) -> usize| rows.iter().map(|row| of(row)).sum::<usize>().to_string();
            let ratios: Vec<f64> = rows.iter().map(|row| row.times[0] / row.times[1]).collect();
            let mean = shifted_geometric_mean(&ratios, 0.0).unwrap_or(f64::NAN);
            let smallest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            summary.add_row([
                set.to_string(),
                format!("{change:.0e}"),
                rows.len().to_string(),
                sum(|row| row.steps),
                sum(|row| row.solved[0]),
                sum(|row| row.solved[1]),
                sum(|row| row.accepted),
                format!("{mean:.2}"),
                format!("{smallest:.2}"),
            ]);
        }
        format!("{table}\n\n{summary}\n\n{}", legend(self.tolerance))
    }

    /// Every number, one line a sequence.
    pub fn write_csv(&self, writer: &mut csv::Writer<impl Write>) -> Result<(), Failure> {
        writer.write_record([
            "set",
            "name",
            "change",
            "steps",
            "solved_cold",
            "solved_warm",
            "unsound",
            "accepted",
            "iterations_cold",
            "polish_steps_warm",
            "cold_ms",
            "warm_ms",
            "worst_residual",
            "x_difference",
        ])?;
        for row in &self.rows {
            writer.write_record([
                row.set.clone(),
                row.name.clone(),
                row.change.to_string(),
                row.steps.to_string(),
                row.solved[0].to_string(),
                row.solved[1].to_string(),
                row.unsound.to_string(),
                row.accepted.to_string(),
                row.iterations.to_string(),
                row.polish_steps.to_string(),
                row.times[0].to_string(),
                row.times[1].to_string(),
                row.worst.to_string(),
                row.difference.to_string(),
            ])?;
        }
        Ok(())
    }
}

fn legend(tolerance: f64) -> String {
    format!(
        "Each entry of q and b follows a sine of its own; change is the root mean square of an \
         entry's relative change per step. Cold and warm solve the same programs with the same \
         solver; times are for a whole sequence. Solved is by argrad's word and as measured here, \
         with every residual at most {tolerance:.0e}. Threads: {} (RAYON_NUM_THREADS).",
        rayon::current_num_threads()
    )
}
