//! A panel: axes, and what is drawn between them.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::text::{self, Align, Area, Style};
use super::{Axis, FAINT, GRID, INK};
use crate::command::Failure;

/// A panel of a figure. What lies outside the axes is not drawn.
pub struct Panel<'a, 'b> {
    chart: ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    area: &'a Area<'b>,
    x: Axis,
    y: Axis,
}

/// Pixels around the place where data are drawn.
const LEFT: u32 = 92;
const RIGHT: u32 = 28;
const TOP: u32 = 48;
const BOTTOM: u32 = 68;
/// Length of an arrow's head.
const HEAD: f64 = 8.0;

impl<'a, 'b> Panel<'a, 'b> {
    /// An empty panel that fills the area; the name of y stands above it, beside the caption.
    pub fn new(area: &'a Area<'b>, caption: &str, x: Axis, y: Axis) -> Result<Self, Failure> {
        let style = Style { size: 18.0, bold: true, color: INK, align: Align::Left };
        text::draw(area, caption, (LEFT as i32, 20), style)?;
        let after = LEFT as i32 + text::width(caption, style)? as i32;
        let regular = Style { size: 15.0, bold: false, color: FAINT, align: Align::Left };
        let gap = if caption.is_empty() { 0 } else { 18 };
        text::draw(area, &y.name, (after + gap, 20), regular)?;

        let chart = ChartBuilder::on(area)
            .margin_left(LEFT)
            .margin_right(RIGHT)
            .margin_top(TOP)
            .margin_bottom(BOTTOM)
            .build_cartesian_2d(x.range.clone(), y.range.clone())?;
        let panel = Self { chart, area, x, y };
        panel.draw_axes()?;
        Ok(panel)
    }

    fn draw_axes(&self) -> Result<(), Failure> {
        let ((left, bottom), (right, top)) = self.corners();
        let label = Style { size: 15.0, bold: false, color: INK, align: Align::Right };
        for (place, name) in self.y.ticks() {
            let (_, at) = self.pixel((self.x.range.start, place));
            self.area.draw(&PathElement::new([(left, at), (right, at)], GRID))?;
            text::draw(self.area, &name, (left - 10, at), label)?;
        }
        let label = Style { align: Align::Center, ..label };
        for (place, name) in self.x.ticks() {
            let (at, _) = self.pixel((place, self.y.range.start));
            self.area.draw(&PathElement::new([(at, bottom), (at, top)], GRID))?;
            text::draw(self.area, &name, (at, bottom + 20), label)?;
        }
        text::draw(self.area, &self.x.name, (i32::midpoint(left, right), bottom + 46), label)?;
        let frame = [(left, top), (left, bottom), (right, bottom)];
        self.area.draw(&PathElement::new(frame, FAINT))?;
        Ok(())
    }

    /// Pixels of the lower left and the upper right corner.
    fn corners(&self) -> ((i32, i32), (i32, i32)) {
        let (x, y) = (&self.x.range, &self.y.range);
        (self.pixel((x.start, y.start)), self.pixel((x.end, y.end)))
    }

    fn pixel(&self, place: (f64, f64)) -> (i32, i32) {
        let (x, y) = self.area.get_base_pixel();
        let (across, down) = self.chart.backend_coord(&place);
        (across - x, down - y)
    }

    fn places(&self, points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
        let place = |(x, y): (f64, f64)| (self.x.place(x), self.y.place(y));
        points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).map(place).collect()
    }

    /// A line through the points; points that are not finite are left out.
    pub fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), Failure> {
        let points = self.places(points);
        self.chart.draw_series(LineSeries::new(points, color.stroke_width(width)))?;
        Ok(())
    }

    /// A dashed line through the points.
    pub fn dashes(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: u32,
    ) -> Result<(), Failure> {
        let points = self.places(points);
        let style = color.stroke_width(width);
        self.chart.draw_series(DashedLineSeries::new(points, 8, 6, style))?;
        Ok(())
    }

    /// Discs of a radius in pixels.
    pub fn dots(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        radius: i32,
    ) -> Result<(), Failure> {
        let points = self.places(points);
        let dot = |point: (f64, f64)| Circle::new(point, radius, color.filled());
        self.chart.draw_series(points.into_iter().map(dot))?;
        Ok(())
    }

    /// The area between two lines over the same x, in a pale shade: (x, low, high).
    pub fn band(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64, f64)>,
        color: RGBColor,
    ) -> Result<(), Failure> {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (x, below, above) in points {
            low.push((x, below));
            high.push((x, above));
        }
        low.extend(high.into_iter().rev());
        let outline = self.places(low);
        self.chart.draw_series([Polygon::new(outline, color.mix(0.18))])?;
        Ok(())
    }

    /// A filled rectangle between two opposite corners.
    pub fn rectangle(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        color: RGBColor,
    ) -> Result<(), Failure> {
        let corners = self.places([from, to]);
        if let [from, to] = corners[..] {
            self.chart.draw_series([Rectangle::new([from, to], color.filled())])?;
        }
        Ok(())
    }

    /// Text that begins right of a point.
    pub fn label(&self, point: (f64, f64), words: &str, color: RGBColor) -> Result<(), Failure> {
        for place in self.places([point]) {
            let (x, y) = self.pixel(place);
            let style = Style { size: 15.0, bold: false, color, align: Align::Left };
            text::draw(self.area, words, (x + 8, y), style)?;
        }
        Ok(())
    }

    /// An arrow with a head of a few pixels; none where an end lies outside the axes.
    pub fn arrow(&self, from: (f64, f64), to: (f64, f64), color: RGBColor) -> Result<(), Failure> {
        let inside = |(x, y): &(f64, f64)| self.x.range.contains(x) && self.y.range.contains(y);
        let mut ends = self.places([from, to]);
        ends.retain(inside);
        let [tail, tip] = ends[..] else { return Ok(()) };
        let (tail, tip) = (self.pixel(tail), self.pixel(tip));
        let (across, down) = (f64::from(tip.0 - tail.0), f64::from(tip.1 - tail.1));
        let length = across.hypot(down);
        if length == 0.0 {
            return Ok(());
        }
        let head = HEAD.min(length) / length;
        let corner = |side: f64| {
            let x = f64::from(tip.0) - head * (across - 0.4 * side * down);
            let y = f64::from(tip.1) - head * (down + 0.4 * side * across);
            (x.round() as i32, y.round() as i32)
        };
        self.area.draw(&PathElement::new([tail, tip], color))?;
        self.area.draw(&Polygon::new([tip, corner(1.0), corner(-1.0)], color.filled()))?;
        Ok(())
    }

    /// A heat map: a matrix row by row, each number a cell of size one. The first row is at the
    /// top; the cell of row i and column j of m rows is around (j, m - 1 - i).
    pub fn heat_map(
        &mut self,
        columns: usize,
        values: &[f64],
        color: impl Fn(f64) -> RGBColor,
    ) -> Result<(), Failure> {
        let rows = values.len() / columns.max(1);
        for (k, &value) in values.iter().enumerate() {
            let (x, y) = ((k % columns) as f64, (rows - 1 - k / columns) as f64);
            self.rectangle((x - 0.5, y - 0.5), (x + 0.5, y + 0.5), color(value))?;
        }
        Ok(())
    }
}
