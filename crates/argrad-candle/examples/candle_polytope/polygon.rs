//! Polygons as what their sides leave: `{ x : a_i'x <= b_i }`.

use rand::RngExt;
use rand::rngs::StdRng;

/// A point of the plane.
pub type Point = [f64; 2];

/// What lies on the inner side of every line.
#[derive(Clone, Debug, PartialEq)]
pub struct Polygon {
    /// A unit vector outwards and the distance from the origin, per side.
    pub sides: Vec<(Point, f64)>,
}

/// Half of the side of the square that polygons are looked at in.
const WINDOW: f64 = 10.0;

impl Polygon {
    /// Around the origin, with this many sides in about even directions.
    pub fn random(sides: usize, rng: &mut StdRng) -> Self {
        let turn = std::f64::consts::TAU / sides as f64;
        let start = rng.random_range(0.0..turn);
        let side = |k: usize| {
            let angle = start + turn * (k as f64 + rng.random_range(-0.25..0.25));
            ([angle.cos(), angle.sin()], rng.random_range(0.8..1.3))
        };
        Self { sides: (0..sides).map(side).collect() }
    }

    /// Its corners in order, as far as they are in the window: a square from which each side cuts
    /// off what is beyond it (Sutherland and Hodgman 1974).
    pub fn corners(&self) -> Vec<Point> {
        let w = WINDOW;
        let window = vec![[-w, -w], [w, -w], [w, w], [-w, w]];
        self.sides.iter().fold(window, |corners, side| cut(&corners, side))
    }

    /// Area of what is in both, divided by that of what is in one of them at least: 1 for equal
    /// polygons.
    pub fn overlap(&self, other: &Self) -> f64 {
        let own = self.corners();
        let both = area(&other.sides.iter().fold(own.clone(), |corners, side| cut(&corners, side)));
        both / (area(&own) + area(&other.corners()) - both)
    }

    /// How far beyond a side the point is, at most; 0 inside.
    pub fn violation(&self, [x, y]: Point) -> f64 {
        self.sides.iter().map(|([a, b], offset)| a * x + b * y - offset).fold(0.0, f64::max)
    }
}

/// What is left of a convex polygon, given by its corners, on the inner side of a line.
fn cut(corners: &[Point], &([a, b], offset): &(Point, f64)) -> Vec<Point> {
    let beyond = |[x, y]: Point| a * x + b * y - offset;
    let mut left = Vec::with_capacity(corners.len() + 1);
    for (k, &from) in corners.iter().enumerate() {
        let to = corners[(k + 1) % corners.len()];
        let (here, there) = (beyond(from), beyond(to));
        if here <= 0.0 {
            left.push(from);
        }
        if (here <= 0.0) != (there <= 0.0) {
            let share = here / (here - there);
            left.push([0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis])));
        }
    }
    left
}

/// By the trapezoids under the sides.
fn area(corners: &[Point]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).map(|(p, q)| 0.5 * (p[0] * q[1] - q[0] * p[1])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(half: f64) -> Polygon {
        let sides = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
        Polygon { sides: sides.map(|normal| (normal, half)).to_vec() }
    }

    #[test]
    fn corners_area_and_overlap_of_squares() {
        assert_eq!(square(1.0).corners().len(), 4);
        assert_eq!(area(&square(1.0).corners()), 4.0);
        assert_eq!(square(1.0).overlap(&square(2.0)), 0.25);
        assert_eq!(square(1.0).violation([0.5, -3.0]), 2.0);
        assert_eq!(square(1.0).violation([0.5, 0.0]), 0.0);
    }
}
