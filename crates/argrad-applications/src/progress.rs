//! Progress bars, on standard error; none where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` steps, called `unit` in the plural. `{msg}` after it is set by
/// `set_message`, for what changes: a loss, a name.
pub fn bar(length: usize, unit: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{eta}} left {{msg}}");
    let bar = ProgressBar::new(length as u64);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
