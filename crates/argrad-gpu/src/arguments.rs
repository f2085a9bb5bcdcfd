//! What a launch is given: the structs of `kernels/arguments.h`, field by field. Addresses are
//! those of the machine, zero for none.

/// A and A'WA as lists.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct ListsArguments {
    pub column_start: u64,
    pub entry_row: u64,
    pub row_start: u64,
    pub row_entry: u64,
    pub row_column: u64,
    pub cone_start: u64,
    pub cone_first: u64,
    pub fill_row: u64,
    pub fill_column: u64,
    pub fill_start: u64,
    pub term_row: u64,
    pub term_first: u64,
    pub term_second: u64,
}

/// The part of a program that never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct StructureArguments {
    pub n: i32,
    pub m: i32,
    pub p_len: i32,
    pub a_len: i32,
    pub inequalities: i32,
    pub degree: i32,
    pub convexity_checks: i32,
    pub cones: i32,
    pub is_symmetric: i32,
    pub basis_len: i32,
    pub data_len: i32,
    pub is_sparse: i32,
    pub matrix_len: i32,
    pub fill_len: i32,
    pub p_row: u64,
    pub p_column: u64,
    pub a_row: u64,
    pub a_column: u64,
    pub row_kind: u64,
    pub is_auxiliary: u64,
    pub p_is_zero: u64,
    pub a_is_zero: u64,
    pub cone_list: u64,
    pub exponents: u64,
    pub a_place: u64,
    pub lists: ListsArguments,
}

/// Numbers of a batch; an argument of stride zero is shared.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct ValuesArguments {
    pub p: u64,
    pub q: u64,
    pub a: u64,
    pub b: u64,
    pub p_stride: i64,
    pub q_stride: i64,
    pub a_stride: i64,
    pub b_stride: i64,
}

/// What the caller may choose.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct SettingsArguments {
    pub tolerance: f64,
    pub reduced_tolerance: f64,
    pub infeasibility_tolerance: f64,
    pub data_rounding: f64,
    pub convexity_tolerance: f64,
    pub max_iterations: i32,
    pub max_polish_steps: i32,
}

/// Memory of a launch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct MemoryArguments {
    pub workspace: u64,
    pub resident_len: i64,
    pub spare_len: i64,
    pub is_resident: i32,
    pub next: u64,
}

/// A batch, solved or to solve: what every launch over its problems is given.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct BatchArguments {
    pub structure: StructureArguments,
    pub values: ValuesArguments,
    pub memory: MemoryArguments,
    pub batch: i32,
    pub x: u64,
    pub z: u64,
    pub s: u64,
    pub report: u64,
    pub tape: u64,
    pub tape_len: i64,
}

/// Of [`crate::Entry::Solve`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct SolveArguments {
    pub batch: BatchArguments,
    pub settings: SettingsArguments,
    pub start_x: u64,
    pub start_z: u64,
    pub start_s: u64,
    pub is_given: i32,
}

/// Of [`crate::Entry::Adjoint`] and [`crate::Entry::Tangent`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct DerivativeArguments {
    pub batch: BatchArguments,
    pub of_x: u64,
    pub of_z: u64,
    pub of_s: u64,
    pub change: ValuesArguments,
    pub out_x: u64,
    pub out_z: u64,
    pub out_s: u64,
    pub linear: u64,
}

/// Of [`crate::Entry::Smooth`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct SmoothArguments {
    pub batch: BatchArguments,
    pub mu: f64,
    pub out_x: u64,
    pub out_z: u64,
    pub out_tape: u64,
    pub reached: u64,
}

/// Of [`crate::Entry::Gradient`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "kernels/arguments.h says what the fields are")]
pub struct GradientArguments {
    pub structure: StructureArguments,
    pub batch: i32,
    pub x: u64,
    pub z: u64,
    pub l1: u64,
    pub l2: u64,
    pub weights: u64,
    pub dp: u64,
    pub dq: u64,
    pub da: u64,
    pub db: u64,
    pub p_is_shared: i32,
    pub q_is_shared: i32,
    pub a_is_shared: i32,
    pub b_is_shared: i32,
}

/// The argument of a launch.
#[derive(Clone, Copy, Debug)]
pub enum Arguments {
    /// Of [`crate::Entry::Solve`].
    Solve(SolveArguments),
    /// Of [`crate::Entry::Adjoint`].
    Adjoint(DerivativeArguments),
    /// Of [`crate::Entry::Tangent`].
    Tangent(DerivativeArguments),
    /// Of [`crate::Entry::Gradient`].
    Gradient(GradientArguments),
    /// Of [`crate::Entry::Smooth`].
    Smooth(SmoothArguments),
}
