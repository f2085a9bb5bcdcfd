//! The text of the kernels, as one.

/// The files of `kernels/`, each after those that it includes.
const FILES: [&str; 30] = [
    include_str!("../kernels/block.h"),
    include_str!("../kernels/arguments.h"),
    include_str!("../kernels/problem.h"),
    include_str!("../kernels/rows.h"),
    include_str!("../kernels/products.h"),
    include_str!("../kernels/cholesky.h"),
    include_str!("../kernels/three_dimensional.h"),
    include_str!("../kernels/cone.h"),
    include_str!("../kernels/system.h"),
    include_str!("../kernels/gcr.h"),
    include_str!("../kernels/least_norm.h"),
    include_str!("../kernels/exponential.h"),
    include_str!("../kernels/power.h"),
    include_str!("../kernels/central.h"),
    include_str!("../kernels/symmetric_eigen.h"),
    include_str!("../kernels/psd_triangle.h"),
    include_str!("../kernels/second_order.h"),
    include_str!("../kernels/cones.h"),
    include_str!("../kernels/scales.h"),
    include_str!("../kernels/equilibrate.h"),
    include_str!("../kernels/measure.h"),
    include_str!("../kernels/interior_point.h"),
    include_str!("../kernels/balance.h"),
    include_str!("../kernels/polish.h"),
    include_str!("../kernels/uniqueness.h"),
    include_str!("../kernels/solve.h"),
    include_str!("../kernels/derivative.h"),
    include_str!("../kernels/smooth.h"),
    include_str!("../kernels/gradient.h"),
    include_str!("../kernels/kernels.cu"),
];

/// CUDA C of all kernels, for a compiler that reads one file, with `THREADS` to be defined: the
/// threads of a block.
pub fn kernel_text() -> String {
    let is_kept = |line: &&str| !line.starts_with("#include \"") && *line != "#pragma once";
    FILES.iter().flat_map(|file| file.lines()).filter(is_kept).collect::<Vec<_>>().join("\n")
}
