//! Pictures made by the program: one to test on, with what a photograph has (smooth shading, edges,
//! fine structure), and random ones to learn from. Nothing of the first is in the others but that
//! they are made of shaded pieces.

use rand::RngExt;
use rand::rngs::StdRng;

/// A square picture, row by row from the top, black 0 to white 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub side: usize,
    pub pixels: Vec<f64>,
}

impl Picture {
    /// `shade` gives a pixel by its place: to the right and down, from 0 to 1.
    fn drawn(side: usize, shade: impl Fn(f64, f64) -> f64) -> Self {
        let place = |k: usize| (k as f64 + 0.5) / side as f64;
        let pixel = |k: usize| shade(place(k % side), place(k / side)).clamp(0.0, 1.0);
        Self { side, pixels: (0..side * side).map(pixel).collect() }
    }

    /// A landscape: a sky with a sun, two ridges, a house with roof and windows, a ploughed field.
    pub fn landscape(side: usize) -> Self {
        Self::drawn(side, |x, y| {
            let far = 0.42 - 0.10 * (7.0 * x).sin() - 0.05 * (17.0 * x).cos();
            let near = 0.60 + 0.06 * (5.0 * x + 1.0).sin();
            let roof = 0.50 + 0.9 * (x - 0.68).abs();
            let pane = |left: f64| (x - left).abs() < 0.035 && (y - 0.70).abs() < 0.035;
            if (x - 0.22).hypot(y - 0.18) < 0.10 {
                0.98
            } else if (0.52..0.84).contains(&x) && (roof..0.82).contains(&y) {
                match () {
                    () if y < 0.62 => 0.30,
                    () if pane(0.60) || pane(0.76) => 0.12,
                    () => 0.90 - 0.5 * (x - 0.52),
                }
            } else if y > near + 0.12 {
                // Furrows, closer to each other the farther they are.
                0.38 + 0.14 * (18.0 * (x - 0.5) / (y - 0.35)).sin()
            } else if y > near {
                0.55 - 0.8 * (y - near)
            } else if y > far {
                0.28 + 0.45 * (y - far)
            } else {
                0.60 + 0.45 * y + 0.08 * x
            }
        })
    }

    /// Shaded ellipses and half planes, one over another; now and then one is striped.
    pub fn random(side: usize, rng: &mut StdRng) -> Self {
        let pieces: Vec<Piece> = (0..rng.random_range(3..6)).map(|_| Piece::random(rng)).collect();
        let ground = Piece::random(rng);
        Self::drawn(side, |x, y| {
            pieces.iter().rfind(|piece| piece.covers(x, y)).unwrap_or(&ground).shade(x, y)
        })
    }

    /// Peak signal-to-noise ratio of an estimate of this picture, in decibels.
    pub fn psnr(&self, estimate: &[f64]) -> f64 {
        let squares = self.pixels.iter().zip(estimate).map(|(a, b)| (a - b) * (a - b));
        -10.0 * (squares.sum::<f64>() / self.pixels.len() as f64).log10()
    }
}

/// A part of the plane, and how it is shaded.
struct Piece {
    center: [f64; 2],
    /// Of the ellipse; a half plane where one is infinite.
    radii: [f64; 2],
    turn: f64,
    level: f64,
    slope: [f64; 2],
    /// Height of the stripes, zero for most pieces, and stripes a side.
    stripes: [f64; 2],
}

impl Piece {
    fn random(rng: &mut StdRng) -> Self {
        let far = if rng.random_bool(0.5) { f64::INFINITY } else { rng.random_range(0.15..0.6) };
        let height = if rng.random_bool(0.2) { rng.random_range(0.05..0.15) } else { 0.0 };
        Self {
            center: [rng.random(), rng.random()],
            radii: [rng.random_range(0.1..0.6), far],
            turn: rng.random_range(0.0..std::f64::consts::TAU),
            level: rng.random(),
            slope: [rng.random_range(-0.6..0.6), rng.random_range(-0.6..0.6)],
            stripes: [height, rng.random_range(2.0..5.0)],
        }
    }

    /// The place as the piece's own axes see it.
    fn turned(&self, x: f64, y: f64) -> [f64; 2] {
        let [dx, dy] = [x - self.center[0], y - self.center[1]];
        let (sin, cos) = self.turn.sin_cos();
        [cos * dx + sin * dy, cos * dy - sin * dx]
    }

    fn covers(&self, x: f64, y: f64) -> bool {
        let [across, along] = self.turned(x, y);
        match self.radii {
            [_, f64::INFINITY] => across > 0.0,
            [a, b] => (across / a).hypot(along / b) < 1.0,
        }
    }

    fn shade(&self, x: f64, y: f64) -> f64 {
        let [across, along] = self.turned(x, y);
        let [height, count] = self.stripes;
        let stripes = height * (std::f64::consts::TAU * count * across).sin();
        self.level + self.slope[0] * across + self.slope[1] * along + stripes
    }
}
