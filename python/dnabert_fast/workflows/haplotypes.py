"""The verb `haplotypes`: phased genotypes and a genome in, a row for every haplotype of every window out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.haplotypes import HaplotypeSummary, HaplotypeUnit, score_haplotypes
from ..analysis.variants import UNIT_RECORDS, ChangeScorer, VariantOptions
from ..errors import DnabertError
from ..io import open_table
from ..io.columns import packed, repeated
from ..io.vcf_source import VcfSource
from ..seq.aliases import AliasTable
from ..seq.genome import Genome
from ..seq.haplotypes import HAPLOTYPE_FLAGS
from ..seq.vcf_text import Records
from .common import GRIDS, check_outputs, read_regions, window_length, write_summary
from .precision import load_first, resolve_precision
from .progress import Follow, Progress, silent
from .screen_inputs import Contigs
from .variants import variant_settings, window_notes

__all__ = ["haplotypes"]


def haplotypes(
    vcf: str | Path,
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    windows: str | Path = "tiled",
    window: int | None = None,
    strand: str = "+",
    class_name: str | None = None,
    normalize: bool = False,
    alias: str | Path | None = None,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score what the alleles on each copy of a sample's chromosome do together, window by window.

    vcf: sorted, with genotypes (GT, and PS where phase is known in sets). Windows are "tiled" (of a grid of half their
    length), "centred" (one around each allele) or the regions of a BED file. output (.tsv, .tsv.gz, .parquet): a row
    for each haplotype of a window that is not the reference, with the samples that carry it, its scores as of
    `variants`, and the score of each of its alleles alone. Haplotypes that are not known, for want of phase, are
    counted and have rows without scores; alleles that cannot be applied are counted by reason. Returns the facts of the
    run, also written to `summary`.
    """
    began = time.monotonic()
    check_outputs([vcf, genome, windows, alias], {"--output": output, "--summary": summary})
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    grid = str(windows) in GRIDS
    if not grid and window is not None:
        raise DnabertError(f"--window {window} is that of tiled and centred windows; leave it or --windows out")
    trained, config = loaded.block.window if loaded.block else None, loaded.network.config
    length = window_length(window, trained, loaded.k, scored_by=config) if grid else None
    counts = HaplotypeSummary()
    with ExitStack() as stack:
        opened = stack.enter_context(Genome.open(genome))
        contigs = Contigs(opened, AliasTable() if alias is None else AliasTable.read(alias))
        if length is not None and length > int(opened.lengths.max()):
            raise DnabertError(f"--window {length} is longer than every contig of {genome}")
        regions = None if grid else read_regions(windows, opened, contigs.aliases, loaded.k, scored_by=config)
        source = VcfSource(vcf, UNIT_RECORDS)
        samples = _samples(source, vcf)
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
        options = VariantOptions(length, regions, normalize, tiled=str(windows) == "tiled")
        scorer = ChangeScorer(loaded, readout)
        rows = stack.enter_context(_Rows(output, scorer, opened, samples))
        follow = Follow(progress("scoring haplotypes", "records", None))
        units = _followed(source, follow)
        score_haplotypes(
            scorer, opened, units, len(samples), contigs.resolve, rows.write, options, counts, progress=follow
        )
        notes = [*opened.notes, *source.header.repairs, *contigs.refused()]
        if counts.alleles and not counts.usable:
            notes.append("no allele fits the genome: is GENOME the assembly of VCF?")
        if counts.without_genotypes:
            of = f"{counts.without_genotypes:,} of {counts.records:,} records"
            notes.append(f"{of} have no known genotype (FORMAT GT), and so no haplotype")
    facts = {
        "verb": "haplotypes",
        **variant_settings(loaded, readout, options, opened, contigs.aliases, choice),
        **choice.facts(),
        "samples": len(samples),
        **counts.facts(),
        "notes": [*notes, *window_notes(loaded, length), *choice.notes, *loaded.notes],
        **loaded.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    return facts


def _samples(source: VcfSource, vcf: str | Path) -> list[str]:
    names = source.header.columns.decode("utf-8", "replace").split("\t")[9:]
    if not names:
        raise DnabertError(f"{vcf}: no samples; haplotypes need genotypes (FORMAT GT)")
    return names


def _followed(source: VcfSource, follow: Follow) -> Iterator[Records]:
    for records in source:
        follow.unit(len(records), source.share)
        yield records


class _Rows:
    """The table of haplotypes; a context manager."""

    def __init__(self, output: str | Path, scorer: ChangeScorer, genome: Genome, samples: list[str]) -> None:
        self._genome = genome
        self._copies = [f"{name}:{copy}" for name in samples for copy in (1, 2)]
        self._fields = list(scorer.meanings)
        shown = ["HAP" if name == "ALT" else name for name in self._fields]
        columns = [("CHROM", "str"), ("START", "int"), ("END", "int"), ("STRAND", "str"), ("ALLELES", "str")]
        columns += [("COPIES", "int"), ("SAMPLES", "str")] + [(name, "float") for name in shown]
        columns += [(f"ALONE_{shown[-1]}", "str"), ("FLAG", "str")]
        self._table = open_table(output, columns)

    def __enter__(self) -> _Rows:
        self._table.__enter__()
        return self

    def __exit__(self, *about: Any) -> None:
        self._table.__exit__(*about)

    def write(self, unit: HaplotypeUnit) -> None:
        """Write the haplotypes of a unit."""
        found, n = unit.haplotypes, len(unit.haplotypes)
        if not n:
            return
        alleles, spelt = found.alleles.tolist(), _spelt(unit, self._genome)
        alone = ["." if value != value else f"{value:.6g}" for value in unit.alone.tolist()]
        bounds = list(zip(found.offsets[:-1].tolist(), found.offsets[1:].tolist(), strict=True))
        window = found.window
        strands = ["-" if reverse else "+" for reverse in unit.reverse[window].tolist()]
        flags = [
            "&".join(name for bit, name in enumerate(HAPLOTYPE_FLAGS) if flag >> bit & 1) or "."
            for flag in found.flags.tolist()
        ]
        self._table.write(
            [
                repeated(self._genome.names[unit.contig], n),
                unit.start[window],
                unit.end[window],
                packed(strands),
                packed([",".join(spelt[row] for row in alleles[first:last]) or "." for first, last in bounds]),
                np.array([len(copies) for copies in found.copies], np.int64),
                packed([",".join(self._copies[copy] for copy in copies.tolist()) for copies in found.copies]),
                *unit.fields.values(),
                packed([",".join(alone[first:last]) or "." for first, last in bounds]),
                packed(flags),
            ]
        )


def _spelt(unit: HaplotypeUnit, genome: Genome) -> list[str]:
    """Each allele as POS:DELETED>INSERTED, POS being the first base that changes, from 1; "-" for no bases."""
    carriers = unit.carriers
    contig = np.full(len(carriers), unit.contig, np.int32)
    gone = genome.fetch(contig, carriers.start, carriers.start + carriers.deleted)
    return [
        f"{start + 1}:{gone[row].decode() or '-'}>{carriers.inserted[row].decode() or '-'}"
        for row, start in enumerate(carriers.start.tolist())
    ]
