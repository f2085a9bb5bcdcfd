//! Claims about the modelling language, one file each.

mod atom_table;
mod atoms;
mod atoms_all;
mod atoms_composed;
mod atoms_layers;
mod atoms_more;
mod conditions;
mod cones;
mod derivative;
mod dpp;
mod elastic;
mod known_values;
mod names;
mod own_atoms;
mod random;
mod refusals;
mod relaxed;
mod run_time;
mod uniqueness;
mod zeros;
