use super::*;
use crate::Instructions;
use crate::lanes::{Buffer, LaneTask, dispatch};
use pulp::Simd;
use std::hint::black_box;
use std::time::Instant;

struct Bench(usize);
macro_rules! time {
    ($name:expr, $lanes:expr, $body:expr) => {{
        let mut best = f64::INFINITY;
        for _ in 0..7 {
            let reps = 2000;
            let t = Instant::now();
            for _ in 0..reps {
                $body;
            }
            best = best.min(t.elapsed().as_secs_f64() / reps as f64);
        }
        println!("{:28} {:9.1} ns/group", $name, best * 1e9);
    }};
}
impl LaneTask for Bench {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.0;
        let cone = PsdTriangle::new(n);
        let (m, lanes) = (cone.dim(), V::<S>::LANES);
        println!("side {n} lanes {lanes}");
        let zeros = |len: usize| Buffer::zeros(len * lanes);
        let mut seed = 1u64;
        let mut rnd = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let mut inputs = zeros(6 * m);
        for k in 0..6 {
            for e in 0..m * lanes {
                inputs.as_mut_slice()[k * m * lanes + e] = rnd();
            }
        }
        for k in 0..2 {
            for j in 0..n {
                for l in 0..lanes {
                    inputs.as_mut_slice()[(k * m + triangle_index(j, j)) * lanes + l] +=
                        n as f64 * 0.7;
                }
            }
        }
        let input = |k: usize| &V::slice(simd, inputs.as_slice())[k * m..(k + 1) * m];
        let (s, z, ds, dz, v, x) = (input(0), input(1), input(2), input(3), input(4), input(5));
        let mut scratch = zeros(cone.scratch_len());
        let scratch = V::slice_mut(simd, scratch.as_mut_slice());
        let mut y = zeros(m);
        let y = V::slice_mut(simd, y.as_mut_slice());
        let mut h = zeros(m * (m + 1) / 2);
        let h = V::slice_mut(simd, h.as_mut_slice());
        let mut data = zeros(cone.scaling_len());
        let data = V::slice_mut(simd, data.as_mut_slice());
        let mut pdata = zeros(cone.projection_len());
        let pdata = V::slice_mut(simd, pdata.as_mut_slice());
        let one = V::splat(simd, 1.0);
        let mut a = zeros(n * n);
        let a = V::slice_mut(simd, a.as_mut_slice());
        let mut u = zeros(n * n);
        let u = V::slice_mut(simd, u.as_mut_slice());
        let mut vals = zeros(n);
        let vals = V::slice_mut(simd, vals.as_mut_slice());
        time!("unpack", lanes, { unpack(simd, n, black_box(v), a) });
        time!("eigen", lanes, {
            unpack(simd, n, black_box(v), a);
            eigen(simd, n, a, u, vals, scratch)
        });
        time!("eigenvalues", lanes, {
            unpack(simd, n, black_box(v), a);
            eigen(simd, n, a, &mut [], vals, scratch)
        });
        time!("scaling", lanes, cone.scaling(simd, black_box((s, z)), one, data, scratch));
        time!("write_scaling_block", lanes, cone.write_scaling_block(simd, black_box(data), h));
        time!(
            "multiply_scaling",
            lanes,
            cone.multiply_scaling(simd, black_box(data), x, y, scratch)
        );
        time!(
            "combined_constant",
            lanes,
            cone.combined_constant(simd, black_box(data), (s, z), (ds, dz), one, y, scratch)
        );
        let big = V::splat(simd, 1e3);
        time!("step_length", lanes, {
            black_box(cone.step_length(simd, black_box(data), (s, z), (ds, dz), big, scratch));
        });
        time!(
            "projection",
            lanes,
            cone.projection(simd, black_box(v), one.like(0.0), y, pdata, scratch)
        );
        time!(
            "write_projection_block",
            lanes,
            cone.write_projection_block(simd, black_box(pdata), h, scratch)
        );
        time!(
            "apply derivative",
            lanes,
            cone.apply(simd, black_box(pdata), Function::Derivative, x, y, scratch)
        );
        time!(
            "apply block",
            lanes,
            cone.apply(simd, black_box(pdata), Function::Block, x, y, scratch)
        );
    }
}

#[test]
#[ignore]
fn bench() {
    for n in [6, 10] {
        dispatch(Instructions::Avx2, Bench(n));
        dispatch(Instructions::Detect, Bench(n));
    }
}
