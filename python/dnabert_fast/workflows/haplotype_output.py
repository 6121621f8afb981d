"""The table that `haplotypes` writes: a row for each haplotype of a window that is not the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.haplotypes import HaplotypeUnit
from ..io.columns import packed, repeated
from ..seq.flags import spell_flags
from ..seq.genome import Genome
from ..seq.haplotypes import HAPLOTYPE_FLAGS
from .outputs import Output

__all__ = ["haplotype_output"]


def haplotype_output(
    path: str | Path, scores: Sequence[str], genome: Genome, samples: Sequence[str]
) -> Output[HaplotypeUnit]:
    """The table of haplotypes by the file's name; `scores` are the names of the scores, ALT being the haplotype's."""
    copies = [f"{name}:{copy}" for name in samples for copy in (1, 2)]
    shown = ["HAP" if name == "ALT" else name for name in scores]
    columns = [("CHROM", "str"), ("START", "int"), ("END", "int"), ("STRAND", "str"), ("ALLELES", "str")]
    columns += [("COPIES", "int"), ("SAMPLES", "str")] + [(name, "float") for name in shown]
    columns += [(f"ALONE_{shown[-1]}", "str"), ("FLAG", "str")]

    def put(sink: Any, unit: HaplotypeUnit) -> None:
        if len(unit.haplotypes):
            sink.write(_rows(unit, genome, copies))

    return Output("output", path, {"kind": "table", "columns": columns}, put)


def _rows(unit: HaplotypeUnit, genome: Genome, copies: Sequence[str]) -> list[Any]:
    """The columns of a unit's haplotypes; `copies` are the names of the samples' copies."""
    found, window = unit.haplotypes, unit.haplotypes.window
    alleles, spelt = found.alleles.tolist(), _spelt(unit, genome)
    alone = ["." if value != value else f"{value:.6g}" for value in unit.alone.tolist()]
    bounds = list(zip(found.offsets[:-1].tolist(), found.offsets[1:].tolist(), strict=True))
    strands = ["-" if reverse else "+" for reverse in unit.reverse[window].tolist()]
    flags = [spell_flags(flag, HAPLOTYPE_FLAGS) for flag in found.flags.tolist()]
    return [
        repeated(genome.names[unit.contig], len(found)),
        unit.start[window],
        unit.end[window],
        packed(strands),
        packed([",".join(spelt[row] for row in alleles[first:last]) or "." for first, last in bounds]),
        np.array([len(carrying) for carrying in found.copies], np.int64),
        packed([",".join(copies[copy] for copy in carrying.tolist()) for carrying in found.copies]),
        *unit.fields.values(),
        packed([",".join(alone[first:last]) or "." for first, last in bounds]),
        packed(flags),
    ]


def _spelt(unit: HaplotypeUnit, genome: Genome) -> list[str]:
    """Each allele as POS:DELETED>INSERTED, POS being the first base that changes, from 1; "-" for no bases."""
    carriers = unit.carriers
    contig = np.full(len(carriers), unit.contig, np.int32)
    gone = genome.fetch(contig, carriers.start, carriers.start + carriers.deleted)
    return [
        f"{start + 1}:{gone[row].decode() or '-'}>{carriers.inserted[row].decode() or '-'}"
        for row, start in enumerate(carriers.start.tolist())
    ]
