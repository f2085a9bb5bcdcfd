//! The structure of a program in the memory of a machine.

use argrad_solver::Structure;

use crate::arguments::{ListsArguments, StructureArguments};
use crate::cones::Cones;
use crate::error::Error;
use crate::machine::Machine;
use crate::matrix::{Lists, Matrix};

/// Patterns and kinds of rows, uploaded once.
pub(crate) struct Patterns<M: Machine> {
    /// Keeps alive what the addresses point to.
    _memory: Vec<M::Memory>,
    arguments: StructureArguments,
}

impl<M: Machine> Patterns<M> {
    pub(crate) fn new(
        machine: &M,
        structure: &Structure,
        cones: &Cones,
        matrix: &Matrix,
    ) -> Result<Self, Error> {
        let (p, a) = (structure.p(), structure.a());
        let flags = |flags: &mut dyn Iterator<Item = bool>| flags.map(i32::from).collect();
        let lists: [Vec<i32>; 10] = [
            p.entries().map(|(row, _)| row as i32).collect(),
            p.entries().map(|(_, column)| column as i32).collect(),
            a.entries().map(|(row, _)| row as i32).collect(),
            a.entries().map(|(_, column)| column as i32).collect(),
            cones.row_kinds.clone(),
            flags(&mut (0..p.cols()).map(|j| structure.is_auxiliary(j))),
            flags(&mut (0..p.nnz()).map(|k| structure.is_zero_in_p(k))),
            flags(&mut (0..a.nnz()).map(|k| structure.is_zero_in_a(k))),
            cones.list.clone(),
            matrix.places.clone(),
        ];
        let mut memory =
            lists.iter().map(|list| machine.upload_indices(list)).collect::<Result<Vec<_>, _>>()?;
        let [
            p_row,
            p_column,
            a_row,
            a_column,
            row_kind,
            auxiliary,
            p_zero,
            a_zero,
            cones_at,
            place,
        ] = std::array::from_fn(|k| machine.address(&memory[k]));
        let exponents = machine.upload(&cones.exponents)?;
        let arguments = StructureArguments {
            n: p.cols() as i32,
            m: a.rows() as i32,
            p_len: p.nnz() as i32,
            a_len: a.nnz() as i32,
            inequalities: cones.inequalities as i32,
            degree: cones.degree as i32,
            convexity_checks: 0,
            cones: cones.sizes.cones as i32,
            is_symmetric: i32::from(cones.is_symmetric),
            basis_len: cones.sizes.basis_len as i32,
            data_len: cones.sizes.data_len as i32,
            is_sparse: i32::from(matrix.is_sparse),
            matrix_len: matrix.len as i32,
            fill_len: matrix.lists.fill_row.len() as i32,
            p_row,
            p_column,
            a_row,
            a_column,
            row_kind,
            is_auxiliary: auxiliary,
            p_is_zero: p_zero,
            a_is_zero: a_zero,
            cone_list: cones_at,
            exponents: machine.address(&exponents),
            a_place: place,
            lists: upload_lists(machine, &matrix.lists, &mut memory)?,
        };
        memory.push(exponents);
        Ok(Self { _memory: memory, arguments })
    }

    /// Where they are.
    pub(crate) fn arguments(&self) -> StructureArguments {
        self.arguments
    }
}

/// The lists on the machine; `memory` gets what holds them.
fn upload_lists<M: Machine>(
    machine: &M,
    lists: &Lists,
    memory: &mut Vec<M::Memory>,
) -> Result<ListsArguments, Error> {
    let mut upload = |list: &[i32]| -> Result<u64, Error> {
        let uploaded = machine.upload_indices(list)?;
        let address = machine.address(&uploaded);
        memory.push(uploaded);
        Ok(address)
    };
    Ok(ListsArguments {
        column_start: upload(&lists.column_start)?,
        entry_row: upload(&lists.entry_row)?,
        row_start: upload(&lists.row_start)?,
        row_entry: upload(&lists.row_entry)?,
        row_column: upload(&lists.row_column)?,
        cone_start: upload(&lists.cone_start)?,
        cone_first: upload(&lists.cone_first)?,
        fill_row: upload(&lists.fill_row)?,
        fill_column: upload(&lists.fill_column)?,
        fill_start: upload(&lists.fill_start)?,
        term_row: upload(&lists.term_row)?,
        term_first: upload(&lists.term_first)?,
        term_second: upload(&lists.term_second)?,
    })
}
