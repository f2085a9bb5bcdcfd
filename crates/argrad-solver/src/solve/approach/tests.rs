use super::*;
use crate::lanes::{LaneTask, MOST_LANES, dispatch};
use crate::program::{Cone, Instructions, Pattern, Settings, Slot, Structure, Values};
use crate::solve::equilibrate::{equilibrate, load};
use crate::solve::measure::measure;
use crate::system::memory::{EquilibrationVectors, state_len, work_len};

const VARIABLES: usize = 6;
const EQUALITIES: usize = 2;
const INEQUALITIES: usize = 9;
const ROWS: usize = EQUALITIES + INEQUALITIES;
const SAMPLES: usize = 2 * MOST_LANES;

/// Number `k` of a sequence without a pattern, in [-1, 1].
fn number(k: usize) -> f64 {
    let k = k as f64;
    (12.9898 * k + 0.37 * k * k).sin()
}

fn numbers(first: usize, len: usize) -> Vec<f64> {
    (first..first + len).map(number).collect()
}

fn analysis(instructions: Instructions) -> Analysis {
    let cones = vec![Cone::Nonnegative(4), Cone::Zero(EQUALITIES), Cone::Nonnegative(5)];
    let (p, a) = (Pattern::dense_upper(VARIABLES), Pattern::dense(ROWS, VARIABLES));
    let structure = Structure::new(p, a, cones).unwrap();
    Analysis::new(structure, &Settings { instructions, ..Settings::default() }).unwrap()
}

/// P, q, A and b of programs, with the numbers `b(sample, row)`.
fn programs(b: impl Fn(usize, usize) -> f64) -> [Vec<f64>; 4] {
    let mut p = Vec::new();
    for j in 0..VARIABLES {
        p.extend((0..=j).map(|i| if i == j { 4.0 } else { 0.3 * number(7 * i + j) }));
    }
    // Row 1 is the opposite of row 0: together they leave nothing where their b are negative.
    let mut a = numbers(5000, ROWS * VARIABLES);
    a.chunks_exact_mut(ROWS).for_each(|column| column[1] = -column[0]);
    let places = (0..SAMPLES).flat_map(|sample| (0..ROWS).map(move |row| (sample, row)));
    let b = places.map(|(sample, row)| b(sample, row)).collect();
    [p, numbers(100, SAMPLES * VARIABLES), a, b]
}

/// Approaches samples by teams of `together` groups; for each whether it was found, its
/// residual, and its point as bits.
struct Teams<'a> {
    analysis: &'a Analysis,
    programs: &'a [Vec<f64>; 4],
    together: usize,
}

impl LaneTask for Teams<'_> {
    type Output = Vec<(bool, f64, Vec<u64>)>;

    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let Self { analysis, programs: [p, q, a, b], together } = self;
        let lanes = V::<S>::LANES;
        let values = Values {
            batch: SAMPLES,
            p: Slot::Shared(p),
            q: Slot::Each(q),
            a: Slot::Shared(a),
            b: Slot::Each(b),
        };
        let mut memory = vec![0.0; work_len(analysis, 0, lanes)];
        let work = &mut Work::new(simd, analysis, &mut memory);
        let together = together.min(Single::<S>::GROUPS);
        let mut results = Vec::new();
        for first in (0..SAMPLES).step_by(lanes * together) {
            let mut buffers = vec![vec![0.0; state_len(analysis, false, lanes)]; together];
            let mut states = Vec::new();
            for (group, buffer) in buffers.iter_mut().enumerate() {
                let mut state = State::new(simd, analysis, None, buffer, &mut []);
                let samples: Vec<usize> =
                    (0..lanes).map(|lane| first + group * lanes + lane).collect();
                load(simd, analysis, &values, &samples, &mut state);
                let vectors = EquilibrationVectors::new(&work.lengths, work.phase);
                equilibrate(simd, analysis, &mut state, vectors);
                analysis.kkt.write_static(state.values);
                states.push(state);
            }
            let all = [M::splat(simd, true); MOST_GROUPS];
            let mut rest = states.iter_mut();
            let team = std::array::from_fn(|_| rest.next());
            let approached = approach(simd, analysis, team, all, work, 100);
            for (state, approached) in states.iter().zip(approached) {
                let residual = measure(simd, analysis, state, &mut work.system).residual();
                for lane in 0..lanes {
                    let point = state.x.iter().chain(&*state.v);
                    let bits = point.map(|value| value.lane(lane).to_bits()).collect();
                    let found = approached.found.lane(lane);
                    results.push((found, residual.lane(lane), bits));
                }
            }
        }
        results
    }
}

fn approached(
    instructions: Instructions,
    programs: &[Vec<f64>; 4],
    together: usize,
) -> Vec<(bool, f64, Vec<u64>)> {
    let analysis = &analysis(instructions);
    dispatch(instructions, Teams { analysis, programs, together })
}

#[test]
fn every_program_with_a_solution_is_approached_and_no_other() {
    // Samples with an odd number have no point in rows 0 and 1.
    let programs = programs(|sample, row| match row {
        0 | 1 if sample % 2 == 1 => -5.0,
        row if (4..4 + EQUALITIES).contains(&row) => 0.0,
        row => 0.5 + 0.4 * number(sample * ROWS + row),
    });
    for (sample, (found, residual, _)) in
        approached(Instructions::Detect, &programs, 2).into_iter().enumerate()
    {
        assert_eq!(found, sample % 2 == 0, "sample {sample}");
        // The residuals of the handover are relative to terms of one or more.
        assert!(!found || residual < 1e-2, "sample {sample}: {residual}");
    }
}

#[test]
fn neighbours_and_instructions_do_not_change_a_bit() {
    let programs = programs(|sample, row| match row {
        0 | 1 if sample % 5 == 1 => -5.0,
        row if (4..4 + EQUALITIES).contains(&row) => 0.1 * number(sample + row),
        row => 0.5 + 0.4 * number(sample * ROWS + row),
    });
    let of_one_lane = approached(Instructions::Scalar, &programs, 1);
    assert!(of_one_lane.iter().any(|(found, ..)| *found));
    for instructions in [Instructions::Detect, Instructions::Avx2] {
        for together in [1, 2] {
            let found = approached(instructions, &programs, together);
            for (sample, (found, one)) in found.iter().zip(&of_one_lane).enumerate() {
                assert!(found.0 == one.0, "sample {sample} of {instructions:?}");
                assert!(!found.0 || found.2 == one.2, "sample {sample} of {instructions:?}");
            }
        }
    }
}
