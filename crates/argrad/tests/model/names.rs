//! Everything that the fields and functions of argrad's own types are made of can be named through
//! `argrad`.

use argrad::{
    Cone, Differentiation, Engine, Instructions, Interrupt, Method, Mode, OnFailure, Pattern,
    Report, Settings, Slot, Status, Structure,
};

#[test]
fn the_types_of_all_public_fields_have_names() -> Result<(), argrad::model::ModelError> {
    let settings = Settings::default();
    let _: Option<&Interrupt> = settings.interrupt.as_ref();
    let _: (&Instructions, &Engine) = (&settings.instructions, &settings.engine);
    let how = Differentiation::default();
    let _: (&Mode, &OnFailure, &Method) = (&how.mode, &how.on_failure, &how.method);
    let model = argrad::model::Model::new();
    let x = model.variable(2);
    let problem = argrad::model::Problem::minimize(argrad::atoms::norm2(x - [1.0, 2.0]));
    let layer = problem.compile([], [x])?;
    let structure: &Structure = layer.structure();
    let _: (&Pattern, &[Cone]) = (structure.p(), structure.cones());
    let outputs = layer.solve(&[])?;
    let _: (&Report, Status) = (&outputs.reports[0], outputs.reports[0].status);
    let _: Slot<'_> = Slot::Shared(&[]);
    Ok(())
}
