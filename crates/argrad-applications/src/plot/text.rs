//! Text on a plot, in a font that the program carries with it, with the glyphs where the font
//! wants them.

use std::error::Error;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use plotters::prelude::{BitMapBackend, Color, DrawingArea, RGBColor};

/// How a piece of text looks.
#[derive(Clone, Copy)]
pub struct Style {
    /// Pixels an em.
    pub size: f32,
    /// Bold or regular.
    pub bold: bool,
    /// The ink.
    pub color: RGBColor,
    /// What stands at the place that is given.
    pub align: Align,
}

/// What of the text stands at the given place.
#[derive(Clone, Copy)]
pub enum Align {
    /// Its start.
    Left,
    /// Its middle.
    Center,
    /// Its end.
    Right,
}

/// Height of a capital letter, in ems.
const CAPITAL: f32 = 0.714;

/// An area whose places are pixels.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// Draws a line of text; its capital letters are centred at the height `y`.
pub fn draw(
    area: &Area<'_>,
    text: &str,
    (x, y): (i32, i32),
    style: Style,
) -> Result<(), Box<dyn Error>> {
    let font = font(style)?;
    let scaled = font.as_scaled(scale(&font, style.size));
    let shift = match style.align {
        Align::Left => 0.0,
        Align::Center => 0.5,
        Align::Right => 1.0,
    };
    let mut pen = point(
        x as f32 - shift * width(text, style)?,
        (y as f32 + 0.5 * CAPITAL * style.size).round(),
    );
    for character in text.chars() {
        let glyph = font.glyph_id(character);
        if let Some(outline) =
            font.outline_glyph(glyph.with_scale_and_position(scaled.scale(), pen))
        {
            let corner = outline.px_bounds().min;
            let mut result = Ok(());
            outline.draw(|dx, dy, coverage| {
                let pixel = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                let ink = style.color.mix(f64::from(coverage.min(1.0)));
                if result.is_ok() {
                    result = area.draw_pixel(pixel, &ink);
                }
            });
            result?;
        }
        pen.x += scaled.h_advance(glyph);
    }
    Ok(())
}

/// Pixels from the start of the text to its end.
pub fn width(text: &str, style: Style) -> Result<f32, Box<dyn Error>> {
    let font = font(style)?;
    let scaled = font.as_scaled(scale(&font, style.size));
    Ok(text.chars().map(|character| scaled.h_advance(font.glyph_id(character))).sum())
}

fn font(style: Style) -> Result<FontRef<'static>, Box<dyn Error>> {
    let bytes = if style.bold { notosans::BOLD_TTF } else { notosans::REGULAR_TTF };
    Ok(FontRef::try_from_slice(bytes)?)
}

/// ab_glyph measures a font by the height of its lines.
fn scale(font: &FontRef<'_>, em: f32) -> PxScale {
    PxScale::from(em * font.height_unscaled() / font.units_per_em().unwrap_or(1000.0))
}
