//! What the host computes of memory is what the kernels take.

use argrad_gpu::{DerivativeArguments, GradientArguments, Layout, SolveArguments};
use argrad_gpu_host::Lengths;

#[test]
fn lengths_and_arguments_are_those_of_the_kernels() {
    for (n, m) in [(0, 0), (1, 0), (0, 3), (1, 1), (2, 7), (15, 16), (16, 17), (17, 3), (100, 200)]
    {
        let (own, kernels) = (Layout::new(n, m), Lengths::new(n, m));
        assert_eq!(own.resident_len, kernels.resident, "resident, n = {n}, m = {m}");
        assert_eq!(own.spare_len, kernels.spare, "spare, n = {n}, m = {m}");
        let shared = (kernels.fixed + kernels.resident) * size_of::<f64>();
        assert_eq!(own.shared_bytes(true), shared, "shared, n = {n}, m = {m}");
        let arguments = [
            size_of::<SolveArguments>(),
            size_of::<DerivativeArguments>(),
            size_of::<GradientArguments>(),
        ];
        assert_eq!(arguments, kernels.arguments);
        assert_eq!(kernels.report, 14);
    }
}
