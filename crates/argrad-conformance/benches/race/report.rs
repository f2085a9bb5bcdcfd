//! The table.

use argrad_conformance::fma_peak::FmaPeak;
use argrad_solver::Report;
use comfy_table::{Table, presets::ASCII_MARKDOWN};

/// Measurements of one case; times in milliseconds for the whole batch.
pub struct Row {
    pub name: String,
    pub batch: usize,
    pub forward: f64,
    /// `None` where it was not measured.
    pub backward: Option<f64>,
    pub opponent: Opponent,
    pub opponent_time: f64,
    /// Useful operations of the forward solve; `None` where there is no count.
    pub operations: Option<f64>,
    pub reports: Vec<Report>,
}

/// Against whom.
#[derive(Clone, Copy, Debug)]
pub enum Opponent {
    Clarabel,
    ColdStart,
}

/// One markdown table of all rows.
pub fn table(rows: &[Row], peak: &FmaPeak) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "case",
        "batch",
        "forward ms",
        "against",
        "its ms",
        "ratio",
        "ratio with backward",
        "share of peak",
        "backward ms",
        "of forward",
        "iterations mean / max",
        "polish mean",
        "warm starts accepted",
        "worst residual",
    ]);
    for row in rows {
        table.add_row(cells(row, peak));
    }
    table
}

/// What the columns mean, and the machine.
pub fn legend(peak: &FmaPeak) -> String {
    let expected = peak.one_thread * peak.threads as f64;
    let busy = if peak.all_threads < 0.8 * expected {
        "\nAll threads together reached less than 80 % of one thread's peak each: the machine was \
         busy with something else (or its cores share units), so shares of peak and ratios are \
         doubtful."
    } else {
        ""
    };
    format!(
        "\nFMA peak: {:.1} GFlop/s on one thread, {:.1} on {} threads ({} f64 lanes).\n\
         Times are medians of interleaved repeats, for the whole batch. Forward keeps the tape; \
         backward is the VJP of x, z, s to all of P, q, A, b, into the memory of the one before. \
         Clarabel runs one sample per task on {} threads, forward only. Warm rows compare a warm \
         with a cold solve after a change of the data by 0.1 %.{busy}",
        peak.one_thread, peak.all_threads, peak.threads, peak.lanes, peak.threads,
    )
}

fn cells(row: &Row, peak: &FmaPeak) -> Vec<String> {
    const NONE: &str = "-";
    let optional = |text: Option<String>| text.unwrap_or_else(|| NONE.into());
    let count = row.reports.len().max(1) as f64;
    let mean = |of: fn(&Report) -> u32| {
        row.reports.iter().map(|report| f64::from(of(report))).sum::<f64>() / count
    };
    let most = row.reports.iter().map(|report| report.iterations).max().unwrap_or(0);
    // Not `f64::max`, which drops a NaN.
    let worst = row.reports.iter().map(|report| report.residual).max_by(f64::total_cmp);
    let attainable = if row.batch == 1 { peak.one_thread } else { peak.all_threads };
    let opponent = match row.opponent {
        Opponent::Clarabel => "Clarabel",
        Opponent::ColdStart => "cold start",
    };
    let accepted = row.reports.iter().filter(|report| report.warm_started).count() as f64 / count;
    vec![
        row.name.clone(),
        row.batch.to_string(),
        milliseconds(row.forward),
        opponent.into(),
        milliseconds(row.opponent_time),
        format!("{:.1}", row.opponent_time / row.forward),
        optional(row.backward.map(|b| format!("{:.1}", row.opponent_time / (row.forward + b)))),
        optional(row.operations.map(|count| percent(count / (row.forward * 1e6) / attainable))),
        optional(row.backward.map(milliseconds)),
        optional(row.backward.map(|backward| percent(backward / row.forward))),
        format!("{:.1} / {most}", mean(|report| report.iterations)),
        format!("{:.1}", mean(|report| report.polish_steps)),
        match row.opponent {
            Opponent::ColdStart => percent(accepted),
            Opponent::Clarabel => NONE.into(),
        },
        optional(worst.map(|worst| format!("{worst:.1e}"))),
    ]
}

fn milliseconds(time: f64) -> String {
    if time < 1.0 { format!("{time:.4}") } else { format!("{time:.2}") }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
