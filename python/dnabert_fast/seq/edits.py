"""Alleles as bases: edited windows, REF checks, trimming, left-alignment. Knows nothing of VCF or genomes."""

from __future__ import annotations

import numpy as np

from .. import _core
from .batch import Windows
from .types import I32, I64, Bool

__all__ = ["edit_windows", "left_align", "match_reference", "trim"]


def edit_windows(spans: Windows, at: I64, deleted: I64, inserted: Windows, lengths: I64, threads: int = 1) -> Windows:
    """Each span with `deleted[i]` bases from its place `at[i]` on replaced by `inserted[i]`, lengths[i] bases long.

    What is longer is cut on the right, what is shorter is filled with N: give spans that reach far enough to the right
    for deletions. ValueError where `at` lies outside its span.
    """
    offsets = np.zeros(len(spans) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    out = np.empty(offsets[-1], np.uint8)
    _core.edit_windows(
        spans.bases,
        spans.offsets,
        np.ascontiguousarray(at, np.int64),
        np.ascontiguousarray(deleted, np.int64),
        inserted.bases,
        inserted.offsets,
        np.ascontiguousarray(lengths, np.int64),
        out,
        threads,
    )
    return Windows(out, offsets)


def match_reference(genome: Windows, ref: Windows) -> Bool:
    """Whether each REF is what the genome has, bool[n]: letter by letter, any case, U as T.

    An IUPAC code of two or three bases in the genome also agrees with its alphabetically first base (VCF 4.3,
    section 1.6.1, REF); N agrees with N alone.
    """
    out = np.empty(len(genome), np.uint8)
    _core.match_reference(genome.bases, genome.offsets, ref.bases, ref.offsets, out)
    return out.astype(np.bool_)


def trim(ref: Windows, alt: Windows) -> tuple[I32, I32]:
    """Lengths i32[n] of the prefix that REF and ALT share (any case), and of the suffix that what remains shares."""
    prefix, suffix = np.empty(len(ref), np.int32), np.empty(len(ref), np.int32)
    _core.trim(ref.bases, ref.offsets, alt.bases, alt.offsets, prefix, suffix)
    return prefix, suffix


def left_align(flanks: Windows, ref: Windows, alt: Windows) -> tuple[I64, Bool]:
    """How far each trimmed pure insertion or deletion moves left in the bases that precede it.

    Returns shift i64[n] and at_edge bool[n], true where the flank ended first, so that it might move on. Both are 0
    where neither or both alleles are empty. The rule of vt (Tan et al. 2015) and of `bcftools norm`.
    """
    shift, at_edge = np.empty(len(flanks), np.int64), np.empty(len(flanks), np.uint8)
    _core.left_align(flanks.bases, flanks.offsets, ref.bases, ref.offsets, alt.bases, alt.offsets, shift, at_edge)
    return shift, at_edge.astype(np.bool_)
