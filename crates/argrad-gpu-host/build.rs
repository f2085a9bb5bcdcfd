//! Compiles the kernels for the host, once for each order of their loops. `ARGRAD_GPU_SANITIZE`
//! names sanitizers of the compiler, such as `address,undefined` or `thread`. Where there is no C++
//! compiler there are no kernels and no tests of them, which a warning says.

use std::env;
use std::path::Path;

fn main() {
    let kernels = "../argrad-gpu/kernels";
    println!("cargo:rerun-if-changed={kernels}");
    println!("cargo:rerun-if-changed=src/launch.cpp");
    println!("cargo:rerun-if-changed=src/three_dimensional.cpp");
    println!("cargo:rerun-if-env-changed=ARGRAD_GPU_SANITIZE");
    println!("cargo:rustc-check-cfg=cfg(host_kernels)");
    if !has_compiler() {
        println!("cargo:warning=no C++ compiler is found: the kernels for GPUs are not tested");
        return;
    }
    println!("cargo:rustc-cfg=host_kernels");
    let sanitizers = env::var("ARGRAD_GPU_SANITIZE").ok().filter(|names| !names.is_empty());
    for order in ["0", "1", "2"] {
        let mut build = builder(kernels, sanitizers.as_deref());
        build.file("src/launch.cpp").define("HOST_ORDER", order);
        for name in ["solve", "adjoint", "tangent", "gradient", "smooth", "launch", "lengths"] {
            let own = format!("argrad_{name}_{order}");
            build.define(&format!("argrad_{name}"), own.as_str());
        }
        build.compile(&format!("argrad_kernels_{order}"));
    }
    let mut build = builder(kernels, sanitizers.as_deref());
    build.file("src/three_dimensional.cpp").compile("argrad_three_dimensional");
    for name in sanitizers.iter().flat_map(|names| names.split(',')) {
        link_sanitizer(name);
    }
}

/// A compiler of kernels in this folder.
fn builder(kernels: &str, sanitizers: Option<&str>) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .include(kernels)
        // Nothing is fused but what the text fuses.
        .flag_if_supported("-ffp-contract=off")
        .flag_if_supported("-Wno-unknown-pragmas")
        .flag_if_supported("-Wno-unused-parameter");
    if cfg!(target_arch = "x86_64") {
        build.flag_if_supported("-mfma"); // fma() without a call; every x86-64 since 2013
    }
    if let Some(names) = sanitizers {
        build.flag(format!("-fsanitize={names}")).flag("-fno-sanitize-recover=all").flag("-g");
    }
    build
}

/// Whether there is a C++ compiler, and it runs.
fn has_compiler() -> bool {
    let compiler = cc::Build::new().cpp(true).try_get_compiler();
    compiler.is_ok_and(|compiler| compiler.to_command().arg("--version").output().is_ok())
}

/// Links the run-time library of a sanitizer, which rustc keeps the compiler from doing.
fn link_sanitizer(name: &str) {
    let library = match name {
        "address" => "asan",
        "undefined" => "ubsan",
        "thread" => "tsan",
        other => panic!("ARGRAD_GPU_SANITIZE: address, undefined or thread, not {other}"),
    };
    let mut command = cc::Build::new().cpp(true).get_compiler().to_command();
    let output = command.arg(format!("-print-file-name=lib{library}.so")).output();
    let found = String::from_utf8(output.expect("the compiler runs").stdout).expect("a path");
    let folder = Path::new(found.trim()).parent().expect("a file in a folder");
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=dylib={library}");
}
