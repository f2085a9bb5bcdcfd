//! An area to draw on that becomes a PNG.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use plotters::prelude::*;

use super::text::Area;
use crate::command::Failure;

/// Writes a picture of so many pixels, width and height, as a PNG; `draw` draws it on white.
///
/// # Errors
/// Those of `draw`; the file cannot be written.
pub fn write_png(
    path: &Path,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    draw(&root)?;
    root.present()?;
    drop(root);
    encode(path, (width, height), &pixels)
        .map_err(|error| format!("cannot write the plot {}: {error}", path.display()).into())
}

/// Red, green and blue of each pixel, a byte each, row by row.
fn encode(
    path: &Path,
    (width, height): (u32, u32),
    pixels: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}
