// What the words of the kernels mean: on a card, and on the host.
//
// A *block* of THREADS threads works on one problem. The text of a kernel says what the block does:
//   EACH(i, n) { ... }   the body for every i below n, spread over the threads, in any order
//   SYNC()               what was written before it can be read by all threads after it
//   ONE { ... }          by one thread
//   reduce<MAXES, SUMS>  maxima and sums over i, the same in all threads
// Variables outside of EACH are the same in all threads, because all compute them from the same
// numbers. What one thread writes and another reads lives in arrays, with SYNC() between. An index
// belongs to the same thread in every EACH and reduce, so what only passes from `a[i]` to `b[i]`
// needs none.
//
// On the host a block is one of three things, by HOST_ORDER:
//   0  one thread, loops in order: what tests run
//   1  one thread, every EACH in a random order: finds bodies that depend on each other
//   2  four threads with barriers: with a thread sanitizer, finds missing SYNC()
#pragma once

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS, AT_LEAST)
#define DEVICE static __device__ __forceinline__
#define MEMBER __device__ __forceinline__
#define LARGE static __device__ __noinline__
#define EACH(i, n) for (int i = this_thread(); i < (n); i += THREADS)
#define ONE if (threadIdx.x == 0)
// Before a loop: so many of its passes one after the other in the code.
#define PRAGMA(text) _Pragma(#text)
// The number is read here, and not where it is used first.
#define READ_NOW(number) asm volatile("" : "+d"(number))
#define UNROLL(n) PRAGMA(unroll n)
#if THREADS == 32
#define SYNC() __syncwarp()
#else
#define SYNC() __syncthreads()
#endif
// The argument of a kernel, called `of`; its shared memory; the number of its block, of so many;
// every k below n by one thread of all blocks.
#define ARGUMENTS(TYPE) const __grid_constant__ TYPE of
#define SHARED(name) extern __shared__ double name[]
#define BLOCK ((int)blockIdx.x)
#define BLOCKS ((int)gridDim.x)
#define ALL(k, n)                                                                     \
    for (long long k = (long long)blockIdx.x * THREADS + threadIdx.x; k < (n); \
         k += (long long)gridDim.x * THREADS)
#define FETCH_AND_ADD(counter) atomicAdd(counter, 1)
#define INFINITE_NUMBER __longlong_as_double(0x7ff0000000000000LL)

// Below THREADS, as the compiler does not know by itself.
DEVICE int this_thread() {
    int thread = threadIdx.x;
    __builtin_assume(thread >= 0 && thread < THREADS);
    return thread;
}

// The same address, of which the compiler knows from here on that it is in shared memory, and reads
// by a shorter way.
DEVICE double* in_shared(double* array) {
    unsigned long long at;
    asm("cvta.to.shared.u64 %0, %1;" : "=l"(at) : "l"(array));
    return (double*)__cvta_shared_to_generic(at);
}

DEVICE long long bits_of(double x) { return __double_as_longlong(x); }
DEVICE double of_bits(long long bits) { return __longlong_as_double(bits); }

#else
#include <cmath>
#include <cstring>
#include <limits>
#define KERNEL extern "C" void
#define DEVICE static inline
#define MEMBER inline
#define LARGE static
#define UNROLL(n)
#define READ_NOW(number)
#define ARGUMENTS(TYPE) const TYPE &of, double *shared_memory
#define SHARED(name) double* name = shared_memory
#define BLOCK 0
#define BLOCKS 1
#define FETCH_AND_ADD(counter) ((*(counter))++)
#define INFINITE_NUMBER std::numeric_limits<double>::infinity()
using std::exp;
using std::fabs;
using std::fma;
using std::log;
using std::sqrt;

DEVICE double* in_shared(double* array) { return array; }

DEVICE long long bits_of(double x) {
    long long bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
DEVICE double of_bits(long long bits) {
    double x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

#if HOST_ORDER == 2
#include <condition_variable>
#include <mutex>
#define THREADS 4
// A barrier that a thread sanitizer understands.
struct Barrier {
    std::mutex mutex;
    std::condition_variable all_here;
    int waiting = 0, turn = 0;
    void wait() {
        std::unique_lock<std::mutex> lock(mutex);
        int mine = turn;
        if (++waiting == THREADS) {
            waiting = 0;
            turn++;
            all_here.notify_all();
        } else {
            all_here.wait(lock, [&] { return turn != mine; });
        }
    }
};
static Barrier barrier;
static thread_local int thread_index;
#define EACH(i, n) for (int i = thread_index; i < (n); i += THREADS)
#define ALL(k, n) for (long long k = thread_index; k < (n); k += THREADS)
#define ONE if (thread_index == 0)
#define SYNC() barrier.wait()

#elif HOST_ORDER == 1
#define THREADS 1
// The numbers below n in an order that changes from loop to loop: steps of a width prime to n.
struct Order {
    int n, step, at, left;
    explicit Order(int n) : n(n), step(1), at(0), left(n > 0 ? n : 0) {
        static thread_local unsigned state = 1;
        if (n > 1) {
            state = state * 1664525u + 1013904223u;
            step = 1 + int((state >> 8) % unsigned(n - 1));
            while (common_divisor(step, n) != 1) step++;
            at = int((state >> 4) % unsigned(n));
        }
    }
    static int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }
    void next() {
        left--;
        at = int((long long)(at + step) % n);
    }
};
#define EACH(i, n)                                                    \
    for (Order order_(n); order_.left > 0; order_.next())             \
        for (int i = order_.at, once_ = 1; once_ != 0; once_ = 0)
#define ALL(k, n) for (long long k = 0; k < (n); k++)
#define ONE
#define SYNC()

#else
#define THREADS 1
#define EACH(i, n) for (int i = 0; i < (n); i++)
#define ALL(k, n) for (long long k = 0; k < (n); k++)
#define ONE
#define SYNC()
#endif
#endif

// Numbers that a reduction may have, and the length of its scratch: so many for each of 8 warps.
#define MOST_REDUCED 6
#define REDUCTION_SCRATCH (MOST_REDUCED * 8)

// The larger of a and |b|; not a number once either is none.
DEVICE double max_abs(double a, double b) {
    b = fabs(b);
    return (b <= a || a != a) ? a : b;
}

DEVICE double larger(double a, double b) { return a > b ? a : b; }
DEVICE double smaller(double a, double b) { return a < b ? a : b; }
DEVICE bool is_nan(double a) { return a != a; }

// Products whose factors are read at once.
#define AT_ONCE 8

// The sum of left(k) right(k), k < count. All factors of AT_ONCE products are read before the first
// is used, so that a thread waits for memory once.
template <class Left, class Right>
DEVICE double sum_of_products(int count, Left left, Right right) {
    double sum[4] = {}, a[AT_ONCE], b[AT_ONCE];
    int k = 0;
    UNROLL(1)
    for (; k + AT_ONCE <= count; k += AT_ONCE) {
        UNROLL(AT_ONCE)
        for (int l = 0; l < AT_ONCE; l++) {
            a[l] = left(k + l);
            b[l] = right(k + l);
        }
        UNROLL(AT_ONCE)
        for (int l = 0; l < AT_ONCE; l++) sum[l % 4] = fma(a[l], b[l], sum[l % 4]);
    }
    if (k < count) {
        UNROLL(AT_ONCE)
        for (int l = 0; l < AT_ONCE; l++) {
            bool there = k + l < count;
            a[l] = there ? left(k + l) : 0.0;
            b[l] = there ? right(k + l) : 0.0;
        }
        UNROLL(AT_ONCE)
        for (int l = 0; l < AT_ONCE; l++) sum[l % 4] = fma(a[l], b[l], sum[l % 4]);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <int COUNT>
struct Numbers {
    double at[COUNT];
};

template <int MAXES, int SUMS>
DEVICE void combine(Numbers<MAXES + SUMS>& out, const double* other) {
    for (int k = 0; k < MAXES; k++) out.at[k] = max_abs(out.at[k], other[k]);
    for (int k = MAXES; k < MAXES + SUMS; k++) out.at[k] += other[k];
}

// From what each thread has found to what all have, always in the same order.
template <int MAXES, int SUMS>
LARGE Numbers<MAXES + SUMS> combine_threads(Numbers<MAXES + SUMS> out, double* scratch) {
    [[maybe_unused]] constexpr int COUNT = MAXES + SUMS;
    scratch = in_shared(scratch);
#if defined(__CUDACC__)
    UNROLL(1)
    for (int width = 16; width > 0; width /= 2) {
        double other[COUNT];
        for (int k = 0; k < COUNT; k++) other[k] = __shfl_xor_sync(0xffffffffu, out.at[k], width);
        combine<MAXES, SUMS>(out, other);
    }
    SYNC();
#if THREADS > 32
    if (threadIdx.x % 32 == 0) {
        for (int k = 0; k < COUNT; k++) scratch[threadIdx.x / 32 * COUNT + k] = out.at[k];
    }
    SYNC();
    for (int k = 0; k < COUNT; k++) out.at[k] = scratch[k];
    UNROLL(1)
    for (int warp = 1; warp < THREADS / 32; warp++) {
        combine<MAXES, SUMS>(out, scratch + warp * COUNT);
    }
#endif
#elif HOST_ORDER == 2
    for (int k = 0; k < COUNT; k++) scratch[thread_index * COUNT + k] = out.at[k];
    SYNC();
    for (int k = 0; k < COUNT; k++) out.at[k] = scratch[k];
    for (int thread = 1; thread < THREADS; thread++) {
        combine<MAXES, SUMS>(out, scratch + thread * COUNT);
    }
    SYNC();
#else
    (void)scratch;
#endif
    return out;
}

// `out[k]`, for k < MAXES the largest absolute value, else the sum, over i < n of what `term(i,
// out)` adds by max_abs and +=. `scratch` has REDUCTION_SCRATCH numbers.
template <int MAXES, int SUMS, class Term>
DEVICE void reduce(int n, double* scratch, double (&out)[MAXES + SUMS], Term term) {
    static_assert(MAXES + SUMS <= MOST_REDUCED, "the scratch has room for fewer");
    Numbers<MAXES + SUMS> values = {};
    EACH(i, n) term(i, values.at);
    values = combine_threads<MAXES, SUMS>(values, scratch);
    for (int k = 0; k < MAXES + SUMS; k++) out[k] = values.at[k];
}
