//! What the host computes of memory is what the kernels take.

use argrad_gpu::{
    CurvedSizes, DerivativeArguments, GradientArguments, Layout, SmoothArguments, SolveArguments,
};
use argrad_gpu_host::Lengths;

const SIZES: [(usize, usize); 9] =
    [(0, 0), (1, 0), (0, 3), (1, 1), (2, 7), (15, 16), (16, 17), (17, 3), (100, 200)];

#[test]
fn lengths_and_arguments_are_those_of_the_kernels() {
    let curved = [CurvedSizes::default(), CurvedSizes { cones: 2, basis_len: 13, data_len: 40 }];
    for ((n, m), curved) in SIZES.into_iter().flat_map(|size| curved.map(|curved| (size, curved))) {
        let (own, kernels) = (Layout::new(n, m, 7 * n, curved), Lengths::new(n, m, 7 * n, curved));
        let place = format!("n = {n}, m = {m}, {curved:?}");
        assert_eq!(own.resident_len, kernels.resident, "resident, {place}");
        assert_eq!(own.spare_len, kernels.spare, "spare, {place}");
        let shared = (kernels.fixed + kernels.resident) * size_of::<f64>();
        assert_eq!(own.shared_bytes(true), shared, "shared, {place}");
        let arguments = [
            size_of::<SolveArguments>(),
            size_of::<DerivativeArguments>(),
            size_of::<GradientArguments>(),
            size_of::<SmoothArguments>(),
        ];
        assert_eq!(arguments, kernels.arguments);
        assert_eq!(kernels.report, 15);
    }
}
