use super::*;
use crate::Instructions;
use crate::lanes::{LaneTask, dispatch};
use pulp::Simd;
use std::hint::black_box;
struct T(usize);
impl LaneTask for T {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let n = self.0;
        let cone = SecondOrder::new(n);
        let sp = |x: f64| V::splat(simd, x);
        let mut s = vec![sp(0.3); n];
        s[0] = sp(0.31 * (n as f64).sqrt());
        let mut z = vec![sp(-0.2); n];
        z[0] = sp(0.21 * (n as f64).sqrt());
        let d = vec![sp(0.1); n];
        let mut data = vec![sp(0.0); cone.scaling_len()];
        let mut h = vec![sp(0.0); cone.h_entries().len()];
        let mut y = vec![sp(0.0); n];
        let mut scratch = vec![sp(0.0); cone.scratch_len()];
        let mut pd = vec![sp(0.0); cone.projection_len()];
        let one = sp(1.0);
        let reps = 200_000;
        macro_rules! time {
            ($name:literal, $e:expr) => {
                let cpu = || -> f64 {
                    std::fs::read_to_string("/proc/thread-self/schedstat")
                        .unwrap()
                        .split(' ')
                        .next()
                        .unwrap()
                        .parse()
                        .unwrap()
                };
                let t = cpu();
                for _ in 0..reps {
                    $e;
                    black_box(&mut data);
                    black_box(&mut y);
                    black_box(&mut h);
                    black_box(&mut pd);
                    black_box(&mut s);
                    black_box(&mut z);
                }
                println!(
                    "dim {n} lanes {} {}: {:.1} ns",
                    V::<S>::LANES,
                    $name,
                    (cpu() - t) / reps as f64
                );
            };
        }
        time!("scaling", cone.scaling(simd, (&s, &z), one, &mut data, &mut scratch));
        time!("write", cone.write_scaling_block(simd, &data, &mut h));
        time!("multiply", cone.multiply_scaling(simd, &data, &d, &mut y, &mut scratch));
        time!(
            "combined",
            cone.combined_constant(simd, &data, (&s, &z), (&d, &d), one, &mut y, &mut scratch)
        );
        time!("step", {
            black_box(cone.step_length(simd, &data, (&s, &z), (&d, &d), one, &mut scratch));
        });
        time!("projection", cone.projection(simd, &d, sp(0.0), &mut y, &mut pd, &mut scratch));
        time!("write p", cone.write_projection_block(simd, &pd, &mut h, &mut scratch));
        time!("apply", cone.apply(simd, &pd, Function::Derivative, &d, &mut y, &mut scratch));
    }
}
#[test]
#[ignore]
fn timing() {
    for n in [3, 8, 20, 200] {
        dispatch(Instructions::Detect, T(n));
    }
}
