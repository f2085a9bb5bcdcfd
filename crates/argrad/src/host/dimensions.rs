//! The shapes of arguments: is there one batch size, and does each argument fit.

/// The shape of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions<'a> {
    /// As the framework says it.
    pub dims: &'a [usize],
    /// Whether the first dimension is the batch. If not, the batch shares the argument.
    pub each: bool,
}

/// What the numbers of an argument are for one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many.
    pub len: usize,
    /// Rows and columns, where the numbers are those of a dense matrix.
    pub matrix: Option<[usize; 2]>,
    /// Whether a tensor without dimensions will do.
    pub scalar: bool,
}

/// An argument that does not fit, by its position. Who knows its name makes an error of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Position of the argument.
    pub at: usize,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// The batch size: as told, else the first dimension of the arguments that have one, else 1.
///
/// # Errors
/// An argument with another first dimension. `names` are those of the arguments.
pub fn common_batch(
    told: Option<usize>,
    arguments: &[Dimensions<'_>],
    names: &[&str],
) -> Result<usize, Misfit> {
    let mut known = told.map(|batch| (batch, "the batch"));
    for (at, argument) in arguments.iter().enumerate().filter(|(_, argument)| argument.each) {
        let found = argument.dims.first().copied().unwrap_or(0);
        match known {
            None => known = Some((found, names[at])),
            Some((batch, whose)) if batch != found => {
                let expected = format!("a leading dimension of {batch}, as {whose} has");
                return Err(Misfit { at, expected, found: argument.text() });
            }
            Some(_) => {}
        }
    }
    Ok(known.map_or(1, |(batch, _)| batch))
}

/// Whether each argument has the shape of its extent, as a matrix or flat, after the batch
/// dimension where it has one. A transposed matrix has the right number of numbers, so lengths
/// alone would not do.
///
/// # Errors
/// The first argument that does not fit.
pub fn check_dimensions(
    arguments: &[Dimensions<'_>],
    extents: impl IntoIterator<Item = Extent>,
) -> Result<(), Misfit> {
    for (at, (argument, extent)) in arguments.iter().zip(extents).enumerate() {
        let Extent { len, matrix, scalar } = extent;
        let dims = &argument.dims[usize::from(argument.each).min(argument.dims.len())..];
        let fits = dims == [len]
            || matrix.is_some_and(|matrix| dims == matrix)
            || scalar && dims.is_empty()
            || len == 0 && dims.iter().product::<usize>() == 0;
        if !fits {
            let batch = if argument.each { "batch x " } else { "" };
            let expected = match matrix {
                Some([rows, cols]) => format!("shape {batch}{rows} x {cols}"),
                None => format!("shape {batch}{len}"),
            };
            let is_transposed = matrix.is_some_and(|[rows, cols]| dims == [cols, rows]);
            let hint = if is_transposed { "; did you mean its transpose?" } else { "" };
            return Err(Misfit { at, expected, found: format!("{}{hint}", argument.text()) });
        }
    }
    Ok(())
}

impl Dimensions<'_> {
    /// As errors show it.
    fn text(&self) -> String {
        format!("shape {:?}", self.dims)
    }
}
