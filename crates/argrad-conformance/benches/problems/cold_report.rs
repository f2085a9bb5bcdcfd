//! Table and summary of the programs solved from scratch.

use std::io::Write;

use comfy_table::{Table, presets::ASCII_MARKDOWN};

use crate::Failure;
use crate::cold::{ByArgrad, ByClarabel, Row};
use crate::judgement::shifted_geometric_mean;

/// Shift of the geometric means, in milliseconds.
const SHIFT: f64 = 10.0;

const NONE: &str = "-";

/// All rows.
pub struct Report {
    pub rows: Vec<Row>,
    /// Largest residual of a solved program.
    pub tolerance: f64,
}

impl Report {
    /// Whether argrad called nothing solved that is not.
    pub fn is_sound(&self) -> bool {
        self.rows.iter().all(|row| !row.argrad.as_ref().is_ok_and(ByArgrad::is_unsound))
    }

    /// Table, summaries and legend.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "set",
            "name",
            "n",
            "m",
            "nnz",
            "status",
            "iterations",
            "polish",
            "primal",
            "dual",
            "gap",
            "outside cones",
            "condition",
            "unique",
            "adjoint",
            "analysis ms",
            "total ms",
            "backward ms",
            "Clarabel",
            "its iterations",
            "its residual",
            "its ms",
            "objective difference",
        ]);
        for row in &self.rows {
            table.add_row(cells(row));
        }
        let mut summary = Table::new();
        summary.load_style(ASCII_MARKDOWN).set_header([
            "set",
            "programs",
            "solved by argrad",
            "by Clarabel's word",
            "Clarabel's as measured",
            "by both",
            "argrad ms",
            "Clarabel ms",
            "ratio",
        ]);
        for set in self.sets() {
            summary.add_row(self.summary(set));
        }
        let mut text = format!("{table}\n\n{summary}\n\n{}", legend(self.tolerance));
        for row in &self.rows {
            if let Some(complaint) = complaint(row) {
                text += &format!("\n{}: {complaint}", row.name);
            }
        }
        text
    }

    /// Names of the sets, in order.
    fn sets(&self) -> Vec<&str> {
        let mut sets: Vec<&str> = self.rows.iter().map(|row| row.set.as_str()).collect();
        sets.dedup();
        sets
    }

    fn summary(&self, set: &str) -> Vec<String> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.set == set).collect();
        let both: Vec<&&Row> =
            rows.iter().filter(|row| row.solved_by_argrad() && row.solved_by_clarabel()).collect();
        let mean = |time: &dyn Fn(&Row) -> Option<f64>| {
            let times: Vec<f64> = both.iter().filter_map(|row| time(row)).collect();
            shifted_geometric_mean(&times, SHIFT)
        };
        let ours = mean(&|row| row.argrad.as_ref().ok().map(ByArgrad::total));
        let theirs = mean(&|row| row.clarabel.as_ref().map(|clarabel| clarabel.time));
        let is_optimal =
            |row: &Row| row.clarabel.as_ref().is_some_and(|clarabel| clarabel.is_optimal);
        let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
        vec![
            set.into(),
            rows.len().to_string(),
            rows.iter().filter(|row| row.solved_by_argrad()).count().to_string(),
            rows.iter().filter(|row| row.solved_by_clarabel()).count().to_string(),
            rows.iter().filter(|row| is_optimal(row)).count().to_string(),
            both.len().to_string(),
            optional(ours.map(milliseconds)),
            optional(theirs.map(milliseconds)),
            optional(ratio.map(|ratio| format!("{ratio:.2}"))),
        ]
    }

    /// Every number, one line per program.
    pub fn write_csv(&self, writer: &mut csv::Writer<impl Write>) -> Result<(), Failure> {
        writer.write_record([
            "set",
            "name",
            "n",
            "m",
            "nnz",
            "status",
            "iterations",
            "polish_steps",
            "factorizations",
            "primal_residual",
            "dual_residual",
            "gap",
            "slack_outside",
            "dual_outside",
            "reported_residual",
            "condition",
            "unique",
            "weakly_active",
            "adjoint_residual",
            "analysis_ms",
            "solve_ms",
            "backward_ms",
            "objective",
            "clarabel_status",
            "clarabel_iterations",
            "clarabel_residual",
            "clarabel_ms",
            "clarabel_objective",
        ])?;
        for row in &self.rows {
            let mut record = vec![
                row.set.clone(),
                row.name.clone(),
                row.variables.to_string(),
                row.rows.to_string(),
                row.entries.to_string(),
            ];
            match &row.argrad {
                Ok(argrad) => record.extend(csv_cells(argrad)),
                Err(error) => {
                    record.push(error.to_string());
                    record.extend(std::iter::repeat_n(String::new(), 17));
                }
            }
            match &row.clarabel {
                Some(ByClarabel { solution, residual, time, .. }) => record.extend([
                    solution.status.to_string(),
                    solution.iterations.to_string(),
                    residual.worst().to_string(),
                    time.to_string(),
                    residual.objective.to_string(),
                ]),
                None => record.extend(std::iter::repeat_n(String::new(), 5)),
            }
            writer.write_record(record)?;
        }
        Ok(())
    }
}

fn csv_cells(argrad: &ByArgrad) -> [String; 18] {
    let ByArgrad { report, residual, adjoint_residual, analysis, solve, backward, .. } = argrad;
    [
        report.status.to_string(),
        report.iterations.to_string(),
        report.polish_steps.to_string(),
        report.factorizations.to_string(),
        residual.primal.to_string(),
        residual.dual.to_string(),
        residual.gap.to_string(),
        residual.slack_outside.to_string(),
        residual.dual_outside.to_string(),
        report.residual.to_string(),
        report.condition.to_string(),
        report.is_unique().to_string(),
        report.weakly_active.to_string(),
        adjoint_residual.to_string(),
        analysis.to_string(),
        solve.to_string(),
        backward.to_string(),
        residual.objective.to_string(),
    ]
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![
        row.set.clone(),
        row.name.clone(),
        row.variables.to_string(),
        row.rows.to_string(),
        row.entries.to_string(),
    ];
    match &row.argrad {
        Ok(argrad) => {
            let ByArgrad { report, residual, adjoint_residual, analysis, backward, .. } = argrad;
            let status =
                if argrad.is_unsound() { "NOT SOLVED".into() } else { report.status.to_string() };
            cells.extend([
                status,
                report.iterations.to_string(),
                report.polish_steps.to_string(),
                exponent(residual.primal),
                exponent(residual.dual),
                exponent(residual.gap),
                exponent(residual.slack_outside.max(residual.dual_outside)),
                exponent(report.condition),
                if report.is_unique() { "yes" } else { "no" }.into(),
                exponent(*adjoint_residual),
                milliseconds(*analysis),
                milliseconds(argrad.total()),
                milliseconds(*backward),
            ]);
        }
        Err(_) => {
            cells.push("refused".into());
            cells.extend(std::iter::repeat_n(NONE.to_string(), 12));
        }
    }
    match &row.clarabel {
        Some(ByClarabel { solution, residual, time, .. }) => cells.extend([
            solution.status.to_string(),
            solution.iterations.to_string(),
            exponent(residual.worst()),
            milliseconds(*time),
        ]),
        None => cells.extend(std::iter::repeat_n(NONE.to_string(), 4)),
    }
    cells.push(optional(row.objective_difference().map(exponent)));
    cells
}

/// What deserves a line of its own.
fn complaint(row: &Row) -> Option<String> {
    match &row.argrad {
        Err(error) => Some(format!("refused: {error}")),
        Ok(argrad) if argrad.is_unsound() => Some(format!(
            "called solved with a residual of {:.1e}, measured {:.1e}",
            argrad.report.residual,
            argrad.residual.worst()
        )),
        Ok(argrad) if !argrad.is_solved() => {
            Some(format!("{}, residual {:.1e}", argrad.report.status, argrad.residual.worst()))
        }
        Ok(_) => None,
    }
}

fn legend(tolerance: f64) -> String {
    format!(
        "Solved means: by argrad's own word and with every residual, measured here from x, z, s in \
         the units of the file, at most {tolerance:.0e} (each relative to its largest term or to \
         one). Clarabel's tolerances are the same; as measured counts its points by the same \
         residuals, whatever its word. Times are medians where a program is short. argrad's total \
         is symbolic analysis and solve, Clarabel's is setup and solve; backward (gradients of a \
         weighted sum of x with respect to P, q, A, b) is not in the total. Means are geometric, \
         shifted by {SHIFT} ms, over what both solved. Clarabel uses one thread, argrad up to {} \
         (RAYON_NUM_THREADS). Clarabel has no numbers where it was left out: with --alone, and \
         where its factors take too much memory.",
        rayon::current_num_threads()
    )
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.into())
}

fn exponent(value: f64) -> String {
    format!("{value:.1e}")
}

fn milliseconds(time: f64) -> String {
    if time < 10.0 { format!("{time:.3}") } else { format!("{time:.0}") }
}
