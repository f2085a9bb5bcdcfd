// Runs a block of the kernels on the host.
#include "kernels.cu"

#if HOST_ORDER == 2
#include <thread>
#include <vector>
#endif

template <class Arguments>
static void run(void (*kernel)(const Arguments&, double*), const void* arguments, double* shared) {
    const Arguments& of = *static_cast<const Arguments*>(arguments);
#if HOST_ORDER == 2
    std::vector<std::thread> threads;
    for (int index = 0; index < THREADS; index++) {
        threads.emplace_back([=, &of] {
            thread_index = index;
            kernel(of, shared);
        });
    }
    for (std::thread& thread : threads) thread.join();
#else
    kernel(of, shared);
#endif
}

// Entry points in the order of `Entry::ALL`.
extern "C" void argrad_launch(int entry, const void* arguments, double* shared) {
    if (entry == 0) run<SolveArguments>(argrad_solve, arguments, shared);
    if (entry == 1) run<DerivativeArguments>(argrad_adjoint, arguments, shared);
    if (entry == 2) run<DerivativeArguments>(argrad_tangent, arguments, shared);
    if (entry == 3) run<GradientArguments>(argrad_gradient, arguments, shared);
    if (entry == 4) run<SmoothArguments>(argrad_smooth, arguments, shared);
}

// Lengths that the kernels take for programs of this size, with so many curved cones, numbers of
// their bases and data; and sizes of what they are given.
extern "C" void argrad_lengths(int n, int m, int matrix_len, const int* curved, long long* out) {
    Problem p = {};
    p.n = n;
    p.m = m;
    p.cones = curved[0];
    p.basis_len = curved[1];
    p.matrix_len = matrix_len;
    double base = 0.0; // nothing is read or written there
    Cursor resident = {&base, 0}, spare = {&base, 0};
    place_resident(p, resident, curved[2]);
    place_spare(p, spare);
    out[0] = resident.used;
    out[1] = spare.used;
    out[2] = FIXED_LEN;
    out[3] = sizeof(SolveArguments);
    out[4] = sizeof(DerivativeArguments);
    out[5] = sizeof(GradientArguments);
    out[6] = sizeof(SmoothArguments);
    out[7] = REPORT_LEN;
}
