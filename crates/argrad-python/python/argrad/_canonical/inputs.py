"""The way in: from the parameters of the user to CVXPY's parameter vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from argrad._attributes import attributes_of
from argrad._canonical.canonical import Canonical
from argrad._canonical.leaves import lowered
from argrad._compiled import Input, Parameter


class Inputs(NamedTuple):
    """What a layer takes."""

    parameters: list[Parameter]
    """What the user passes."""
    vectors: list[Input]
    """What the core takes."""
    theta: sp.csr_array
    """CVXPY's parameter vector, without its last entry, the constant 1, as a linear map of the
    concatenated vectors."""


def read_parameters(
    parameters: Sequence[cp.Parameter], canonical: Canonical, check_attributes: bool
) -> Inputs:
    """Finds where the entries of the parameters go. Their attributes are to be checked where
    `check_attributes`."""
    conic, ids = canonical.conic, canonical.ids
    columns = conic.param_id_to_col
    infos, inputs = [], []
    triplets: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    offset = 0
    for number, parameter in enumerate(parameters):
        raw, log = ids.parameter(parameter.id), ids.log_parameter(parameter.id)
        # That a geometric program's parameters are positive is checked where logarithms are taken.
        promised = attributes_of(parameter) if check_attributes and log is None else ()
        infos.append(Parameter(parameter.name(), tuple(parameter.shape), log is not None, promised))
        for ident, is_log in ((raw, False), (log, True)):
            if ident is None or ident not in columns:
                continue
            places, entries, weights, stored = _stored(parameter, ident == parameter.id or is_log)
            if conic.param_id_to_size[ident] != stored:
                raise NotImplementedError(
                    f"Parameter {parameter.name()} has attributes that CVXPY lowers in a way "
                    "which is not known here"
                )
            triplets.append((places + columns[ident], entries + offset, weights))
            inputs.append(Input(number, is_log))
            offset += parameter.size
    if triplets:
        rows, entries, weights = (np.concatenate(part) for part in zip(*triplets, strict=True))
    else:
        rows, entries, weights = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    shape = (int(conic.total_param_size), offset)
    return Inputs(infos, inputs, sp.csr_array((weights, (rows, entries)), shape=shape))


def _stored(
    parameter: cp.Parameter, is_plain: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Triplets (stored entry, entry of the parameter, weight) and the number of stored entries; of
    a plain parameter CVXPY stores every entry."""
    if is_plain:
        order = np.arange(parameter.size).reshape(parameter.shape).ravel(order="F")
        return np.arange(order.size), order, np.ones(order.size), order.size
    entries, places, weights, stored = lowered(parameter)
    # Where two entries share a place, it holds their mean.
    return places, entries, weights / np.bincount(places, minlength=stored)[places], stored
