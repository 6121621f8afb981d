"""Which known motifs those found are like: TOMTOM (Gupta et al. 2007), by memelite. Matrices in, p-values out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import MissingExtra
from ..evaluate.significance import benjamini_hochberg
from ..seq.types import F64, I64, Bool

__all__ = ["FEWEST", "Matches", "match_motifs", "need_memelite"]

FEWEST = 25
"""Motifs of a database from which on p-values mean something: their columns are the background."""


@dataclass(frozen=True)
class Matches:
    """How like each query is to each target, all [queries, targets].

    p f64: of the best place of the target along the query, on either strand; q f64: p adjusted over the targets of a
    query (Benjamini and Hochberg); offset i64: columns of the target before the query's first (< 0: the query begins
    before it); overlap i64: columns they share; reverse bool: the target is turned round.
    """

    p: F64
    q: F64
    offset: I64
    overlap: I64
    reverse: Bool


def need_memelite() -> Callable[..., Any]:
    """memelite's tomtom; raises MissingExtra without it."""
    try:
        from memelite import tomtom
    except ImportError as error:
        raise MissingExtra("memelite", "motifs", "comparing motifs with a database") from error
    found: Callable[..., Any] = tomtom
    return found


def match_motifs(
    queries: Sequence[F64], targets: Sequence[F64], both_strands: bool = True, threads: int = 1
) -> Matches:
    """Compare motifs f64[w, 4] (probabilities of A, C, G, T) with those of a database.

    Distances between columns are Euclidean, and the score is that of the whole query ("complete scores"). The first
    call on a machine compiles for half a minute to a minute. Raises MissingExtra without memelite or scipy.
    """
    shape = (len(queries), len(targets))
    if 0 in shape:
        none, zero = np.ones(shape), np.zeros(shape, np.int64)
        return Matches(none, none, zero, zero, np.zeros(shape, np.bool_))
    tomtom = need_memelite()
    most = import_module("numba").config.NUMBA_NUM_THREADS  # it refuses more
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="tomtom was given")  # callers say it, see FEWEST
        found = tomtom(
            [np.ascontiguousarray(query.T) for query in queries],
            [np.ascontiguousarray(target.T) for target in targets],
            reverse_complement=both_strands,
            n_jobs=min(threads, most),
        )
    p, _, offset, overlap, strand = (np.asarray(table) for table in found)
    q = np.stack([benjamini_hochberg(np.minimum(row, 1.0)) for row in p])
    whole = offset.astype(np.int64), overlap.astype(np.int64)
    return Matches(np.minimum(p, 1.0).astype(np.float64), q, *whole, strand > 0)
