//! Cones in files.

use argrad::model::{AffineMap, AffineProgram, Layer, ModelError};
use argrad::{Cone, Pattern, Settings};

#[test]
fn every_cone_is_read_as_it_was_written() -> Result<(), Box<dyn std::error::Error>> {
    let cones = vec![
        Cone::Zero(2),
        Cone::Nonnegative(3),
        Cone::SecondOrder(3),
        Cone::PsdTriangle(2),
        Cone::Exponential,
        Cone::Power(0.3),
        Cone::GeneralizedPower { alpha: vec![0.25, 0.75], norm_dim: 2 },
    ];
    let rows: usize = cones.iter().map(Cone::dim).sum();
    let starts = vec![0; rows + 1];
    let zeros = vec![0.0; rows];
    let map = |rows: usize| AffineMap {
        indptr: &starts[..rows + 1],
        indices: &[],
        data: &[],
        base: &zeros[..rows],
    };
    let layer = Layer::from_affine(
        AffineProgram {
            p_pattern: Pattern::diagonal(1),
            a_pattern: Pattern::empty(rows, 1),
            cones: cones.clone(),
            p: AffineMap { base: &[1.0], ..map(1) },
            q: map(1),
            a: map(0),
            b: map(rows),
            constant: map(1),
            parameters: Vec::new(),
            outputs: Vec::new(),
            maximize: false,
        },
        Settings::default(),
    )?;
    let read: Layer = serde_json::from_str(&serde_json::to_string(&layer)?)?;
    assert_eq!(read.structure().cones(), cones);
    Ok(())
}

#[test]
fn a_cone_that_is_not_known_is_not_read() -> Result<(), ModelError> {
    let model = argrad::model::Model::new();
    let x = model.variable(2);
    let problem = argrad::model::Problem::minimize(argrad::atoms::norm2(x - [1.0, 2.0]));
    let text = serde_json::to_string(&problem.compile([], [x])?).unwrap();
    let other = text.replace("SecondOrder", "Rotated");
    assert!(text != other && serde_json::from_str::<Layer>(&other).is_err());
    Ok(())
}
