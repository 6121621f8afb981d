"""Which alleles are those of another list, by their normalised change. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.predict import runs
from ..seq.genome import Genome
from ..seq.types import I32, Bool
from ..seq.variants import Changes, check_reference, normalized
from ..seq.vcf_text import Records
from .variants import alleles_of

__all__ = ["KnownAlleles", "identities", "known_alleles"]

U64 = NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, as splitmix64 has it
_UPPER = np.uint8(0xDF)  # clears the bit by which small letters differ


@dataclass(frozen=True)
class KnownAlleles:
    """A list of alleles as sorted distinct identities u64[m]; how many alleles it has, and how many could be compared.

    The others are symbolic, on contigs that the genome has not, or of a REF that differs from it.
    """

    name: str
    keys: U64
    alleles: int
    compared: int

    def holds(self, keys: U64) -> Bool:
        """Which identities are of the list."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found: Bool = self.keys[at] == keys
        return found


def known_alleles(
    name: str,
    units: Iterable[Records],
    genome: Genome,
    contig_of: Callable[[list[str]], tuple[list[int], dict[str, str]]],
) -> KnownAlleles:
    """The alleles of records, trimmed and moved left as by `bcftools norm`; `contig_of` as in `score_variants`."""
    keys = [np.empty(0, np.uint64)]
    alleles = compared = 0
    for records in units:
        table = check_reference(alleles_of(records, contig_of)[0], genome)
        rows = np.flatnonzero(table.scored)
        alleles += len(table)
        compared += len(rows)
        keys.append(identities(table.contig, normalized(table, genome))[rows])
    return KnownAlleles(name, np.unique(np.concatenate(keys)), alleles, compared)


def identities(contig: I32, change: Changes) -> U64:
    """A number for each change of bases of a contig: equal for equal changes, and but for chance for no others.

    Two of n changes that differ share one with a chance of about n^2 / 2^65. Small letters count as capital ones.
    """
    lengths = change.inserted.lengths
    letters = (change.inserted.bases & _UPPER).astype(np.uint64)
    powers = np.cumprod(np.full(int(lengths.max(initial=0)) + 1, _ODD))
    place = runs(np.zeros(len(lengths), np.int64), lengths)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(letters * powers[place], dtype=np.uint64)])
    inserted = sums[change.inserted.offsets[1:]] - sums[change.inserted.offsets[:-1]]
    found = np.zeros(len(lengths), np.uint64)
    for part in (contig.astype(np.uint64), change.start, change.deleted, lengths, inserted):
        found = _mixed(found ^ part.astype(np.uint64))
    return found


def _mixed(values: U64) -> U64:
    """Each number replaced one to one by another, every bit of which depends on all of its bits (splitmix64)."""
    values = values + _ODD
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: U64 = values ^ (values >> np.uint64(31))
    return mixed
