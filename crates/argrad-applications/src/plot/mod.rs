//! Plots: a titled figure with a legend, cut into panels with axes, written as a PNG.

mod axis;
mod canvas;
mod figure;
mod panel;
pub mod text;

pub use axis::Axis;
pub use canvas::write_png;
pub use figure::{Figure, Key};
pub use panel::Panel;
pub use plotters::style::RGBColor;
pub use text::Area;

/// Told apart by colour-blind readers too (Okabe and Ito 2008): blue, vermilion, green, orange,
/// sky blue, purple, grey.
pub const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(80, 80, 80),
];

/// Text and frames.
pub const INK: RGBColor = RGBColor(34, 40, 49);
/// What is said beside.
pub const FAINT: RGBColor = RGBColor(110, 118, 129);
/// Lines behind the data.
pub const GRID: RGBColor = RGBColor(228, 231, 235);

#[cfg(test)]
mod tests;
