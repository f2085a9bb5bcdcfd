// The entry points. A launch has as many blocks as the card runs at once; each fetches one problem
// after the other. The host launches the same text, one block after the other.
#include "gradient.h"
#include "smooth.h"

// Every problem that this block gets, by its sample.
#define PROBLEMS(sample, p, of)                                               \
    for (long long sample = next_problem(p, of.memory); sample < of.batch;    \
         sample = next_problem(p, of.memory))

// The number of a problem that no other block has.
DEVICE long long next_problem(const Problem& p, const Memory& memory) {
    SYNC();
    ONE p.scratch[0] = (double)FETCH_AND_ADD(memory.next);
    SYNC();
    double next = p.scratch[0];
    SYNC();
    return (long long)next;
}

// From values to solutions, reports and what derivatives need.
KERNEL argrad_solve(ARGUMENTS(SolveArguments)) {
    SHARED(shared);
    const Problem& p = new_problem(of.structure, of.memory, shared, BLOCK);
    PROBLEMS(sample, p, of) solve_sample(of, p, sample);
}

// From cotangents to adjoints.
KERNEL argrad_adjoint(ARGUMENTS(DerivativeArguments)) {
    SHARED(shared);
    const Problem& p = new_problem(of.structure, of.memory, shared, BLOCK);
    PROBLEMS(sample, p, of) adjoint_of_sample(of, p, sample);
}

// From changes of the values to those of the solutions.
KERNEL argrad_tangent(ARGUMENTS(DerivativeArguments)) {
    SHARED(shared);
    const Problem& p = new_problem(of.structure, of.memory, shared, BLOCK);
    PROBLEMS(sample, p, of) tangent_of_sample(of, p, sample);
}

// From solutions to points of the central path.
KERNEL argrad_smooth(ARGUMENTS(SmoothArguments)) {
    SHARED(shared);
    const Problem& p = new_problem(of.structure, of.memory, shared, BLOCK);
    PROBLEMS(sample, p, of) smooth_sample(of, p, sample);
}

// From adjoints to gradients.
KERNEL argrad_gradient(ARGUMENTS(GradientArguments)) {
    SHARED(shared);
    write_gradients(of, shared);
}
