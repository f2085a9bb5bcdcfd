//! What the derivatives of a solution map take and give.

/// One number for each stored entry of a program, in storage order: a gradient, or a direction in
/// which the program moves. An entry of P off the diagonal stands for both of its places.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredGradients {
    /// For the entries of P.
    pub p: Vec<f64>,
    /// For q.
    pub q: Vec<f64>,
    /// For the entries of A.
    pub a: Vec<f64>,
    /// For b.
    pub b: Vec<f64>,
}

/// Directional derivative of a solution.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionDirection {
    /// Of x.
    pub x: Vec<f64>,
    /// Of z.
    pub z: Vec<f64>,
    /// Of s; 0 in a removed row.
    pub s: Vec<f64>,
}
