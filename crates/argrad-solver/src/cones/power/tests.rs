/// The tests of all cones in three dimensions.
macro_rules! tests_for {
    ($($name:ident: $alpha:expr,)*) => {
        $(mod $name {
            use crate::cones::power::Power;
            use crate::cones::three_dimensional::tests::barrier_tests;
            barrier_tests!(Power { alpha: $alpha });
        })*
    };
}

tests_for! {
    alpha_001: 0.01,
    alpha_03: 0.3,
    alpha_05: 0.5,
    alpha_09: 0.9,
    alpha_099: 0.99,
}
