use super::{Axis, COLORS, Figure, Key, Panel};

/// Draws every kind of mark and gives the size of the file.
fn draw(x: Axis, y: Axis) -> u64 {
    let name = format!("applications-plot-{}-{:p}.png", std::process::id(), &raw const x);
    let path = std::env::temp_dir().join(name);
    let figure = Figure {
        title: "title".into(),
        subtitle: "subtitle".into(),
        legend: COLORS.iter().map(|&color| Key::new("a name of some length", color)).collect(),
        size: (900, 400),
    };
    let points = [(1.0, 2.0), (2.0, 0.0), (f64::NAN, 1.0), (3.0, 40.0)];
    figure
        .write(&path, |area| {
            let mut panel = Panel::new(area, "caption", x, y)?;
            panel.band(points.map(|(x, y)| (x, 0.5 * y, y)), COLORS[0])?;
            panel.line(points, COLORS[1], 2)?;
            panel.dashes(points, COLORS[2], 2)?;
            panel.dots(points, COLORS[3], 4)?;
            panel.rectangle(points[0], points[3], COLORS[4])?;
            panel.arrow(points[0], points[3], COLORS[6])?;
            panel.arrow(points[0], points[0], COLORS[6])?;
            panel.heat_map(2, &[0.0, f64::NAN, 1.0, 2.0], |_| COLORS[6])?;
            panel.label(points[0], "label", COLORS[5])
        })
        .unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::remove_file(&path).unwrap();
    size
}

#[test]
fn every_mark_is_drawn_on_every_axis() {
    for values in [vec![1.0, 3.0], vec![2.0], vec![], vec![0.0, f64::NAN]] {
        let linear = Axis::linear("x", values.clone()).with_margin(0.05);
        let logarithmic = Axis::logarithmic("y", values);
        assert!(draw(linear.clone(), logarithmic.clone()) > 0);
        assert!(draw(logarithmic, linear) > 0);
    }
}

#[test]
fn ticks_are_round_numbers_and_whole_decades() {
    let labels = |axis: &Axis| axis.ticks().into_iter().map(|tick| tick.1).collect::<Vec<_>>();
    assert_eq!(labels(&Axis::linear("", [0.0, 1.0])), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(&Axis::linear("", [-3.0, 47.0])), ["0", "10", "20", "30", "40"]);
    assert_eq!(labels(&Axis::logarithmic("", [0.02, 3.0])), ["0.01", "0.1", "1", "10"]);
    let named = Axis::linear("", [0.0, 1.0]).with_ticks([(0.5, "half"), (2.0, "outside")]);
    assert_eq!(labels(&named), ["half"]);
}

#[test]
fn a_folder_that_is_gone_is_named() {
    let figure = Figure { size: (200, 200), ..Figure::default() };
    let error = figure.write(std::path::Path::new("no-such-folder/a.png"), |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("no-such-folder/a.png"), "{error}");
}
