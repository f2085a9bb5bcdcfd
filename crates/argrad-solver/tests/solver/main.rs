//! What the solver promises, each test named by the claim it holds.
