use super::Exponential;
use crate::cones::three_dimensional::tests::barrier_tests;

barrier_tests!(Exponential);
