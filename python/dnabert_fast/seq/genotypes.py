"""Genotypes of VCF records as arrays: which allele each copy of a sample's chromosome carries. Knows no genome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import FormatError
from .types import I16, I64, Bool
from .vcf_text import Records

__all__ = ["MANY", "NONE", "UNKNOWN", "Genotypes", "genotypes"]

UNKNOWN, NONE, MANY = -1, -2, -3
"""What a copy carries where it is no allele's number: nobody knows; there is no second copy; more copies than two."""


@dataclass(frozen=True)
class Genotypes:
    """GT and PS of n records and s samples (VCF 4.4, sections 1.6.2 and 1.4.2).

    carried i16[n, s, 2]: 0 is REF, 1 the first ALT, or UNKNOWN, NONE, MANY; phased bool[n, s]: the order of the two is
    known (or there is one); phase_set i64[n, s]: within which it is, 0 where the file does not say.
    """

    carried: I16
    phased: Bool
    phase_set: I64


def genotypes(records: Records, samples: int) -> Genotypes:
    """The genotypes of a unit's records.

    FormatError names a record with a GT that is none or of alleles that it does not have, or with columns missing.
    """
    n = len(records)
    carried = np.empty((n, samples, 2), np.int16)
    phased = np.empty((n, samples), np.uint8)
    phase_set = np.empty((n, samples), np.int64)
    flat = carried.reshape(-1), phased.reshape(-1), phase_set.reshape(-1)
    wrong = _core.genotypes(records.text, np.ascontiguousarray(records.columns), samples, *flat)
    if wrong >= 0:
        raise FormatError(
            f"{records.where(wrong)}: a genotype that cannot be read, or fewer of them than the header has samples; GT "
            "is numbers of the record's alleles, as in 0|1"
        )
    return Genotypes(carried, phased.astype(np.bool_), phase_set)
