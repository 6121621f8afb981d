"""The verb `haplotypes`: phased genotypes and a genome in, a row for every haplotype of every window out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from ..analysis.carriers import HaplotypeSummary, Ready, ready_windows
from ..analysis.haplotypes import HaplotypeUnit, score_haplotypes
from ..analysis.variants import ChangeScorer, VariantOptions
from ..errors import DnabertError
from ..seq.aliases import AliasTable, refused, resolve
from ..seq.genome import Genome
from ..seq.vcf_text import Records
from .common import check_fits, check_outputs, on_grid, other_assembly, read_regions, window_length, write_summary
from .haplotype_output import haplotype_output
from .jobs import Results, Task, begun
from .precision import Choice, load_first
from .progress import Follow, Progress, silent
from .record_input import RecordInput
from .session import those_of
from .variants import variant_settings, window_notes
from .work import Work, asked_work, precision_of, stored_input, try_places

__all__ = ["haplotype_facts", "haplotypes"]

_SHARD_SECTIONS = 1


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
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score what the alleles on each copy of a sample's chromosome do together, window by window.

    vcf: sorted, with genotypes (GT, and PS where phase is known in sets). Windows are "tiled" (of a grid of half their
    length), "centred" (one around each allele) or the regions of a BED file. output (.tsv, .tsv.gz, .parquet): a row
    for each haplotype of a window that is not the reference, with the samples that carry it, its scores as of
    `variants`, and the score of each of its alleles alone. Haplotypes that are not known, for want of phase, are
    counted and have rows without scores; alleles that cannot be applied are counted by reason. `work`, `shard` and
    `shard_size` (in sections of 4 MiB of text) make the run one that can be resumed and split (see docs/jobs.md).
    Returns the facts of the run, also written to `summary`.
    """
    asked = dict(locals())
    began = time.monotonic()
    check_outputs([vcf, genome, windows, alias], {"--output": output, "--summary": summary})
    job = asked_work(work, shard, shard_size, _SHARD_SECTIONS)
    with _opened(**those_of(_opened, asked | {"work": job})) as run:
        task = run.task(output)
        with Results(task, job, run.scorer.model, begun(task, job), progress=progress) as results:
            run.answer(results, progress)
    facts = haplotype_facts(results.settings, results.counts, results.notes)
    facts |= run.scorer.model.facts() | results.facts(began, output)
    write_summary(summary, facts)
    return facts


@contextmanager
def _opened(
    vcf: str | Path,
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    windows: str | Path,
    window: int | None,
    strand: str,
    class_name: str | None,
    normalize: bool,
    alias: str | Path | None,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    progress: Progress,
) -> Iterator[_Haplotypes]:
    """What `haplotypes` of such arguments needs, opened."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    grid = on_grid(windows, window)
    trained, config = loaded.block.window if loaded.block else None, loaded.network.config
    length = window_length(window, trained, loaded.k, scored_by=config) if grid else None
    genome = stored_input(work, "genome", genome)
    with Genome.open(genome) as opened:
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        check_fits(length, opened, genome)
        regions = None if grid else read_regions(windows, opened, aliases, loaded.k, scored_by=config)
        records = RecordInput(work, vcf)
        samples = records.header.columns.decode("utf-8", "replace").split("\t")[9:]
        if not samples:
            raise DnabertError(f"{vcf}: no samples; haplotypes need genotypes (FORMAT GT)")
        try_places(work, [output])
        loaded, choice = precision_of(work, loaded, model, precision, device=device, expected=inf, progress=progress)
        options = VariantOptions(length, regions, normalize, tiled=str(windows) == "tiled")
        scorer = ChangeScorer(loaded, readout)
        yield _Haplotypes(scorer, genome, opened, aliases, records, samples, options, choice)


@dataclass(frozen=True)
class _Haplotypes:
    """Genotypes of a genome's variants, and what scores their haplotypes."""

    scorer: ChangeScorer
    path: str | Path
    genome: Genome
    aliases: AliasTable
    records: RecordInput
    samples: Sequence[str]
    options: VariantOptions
    choice: Choice

    def task(self, output: str | Path) -> Task[HaplotypeUnit]:
        """The haplotypes on their way into a table."""
        model, choice = self.scorer.model, self.choice
        told = variant_settings(model, self.scorer.readout, self.options, self.genome, self.aliases, choice)
        settings = {
            "facts": {**told, **choice.facts(), "samples": len(self.samples)},
            "choices": [choice.facts()],
            "notes": [*self.genome.notes, *self.records.header.repairs],
            "later_notes": [*window_notes(model, self.options.window), *choice.notes],
        }
        return Task(
            "haplotypes",
            {"vcf": self.records.named, "genome": self.path},
            told | choice.decisive(),
            settings,
            [haplotype_output(output, list(self.scorer.meanings), self.genome, self.samples)],
            self._counts,
            lambda: model.notes,
            self.records.sections,
        )

    def answer(self, results: Results[HaplotypeUnit], progress: Progress) -> None:
        """Run the windows that results want."""
        follow = Follow(progress(results.doing("scoring haplotypes"), "records", None))
        score_haplotypes(
            self.scorer, self.genome, results.follow(self._units(results, follow)), results.write, progress=follow
        )

    def _units(self, results: Results[HaplotypeUnit], follow: Follow) -> Iterator[tuple[int, Ready]]:
        """The windows whose shards are wanted, each with its shard: that of the section in which it is known whole.

        Records before them are read, as windows of a contig make units from its first on.
        """
        if results.wanted is not None and not results.wanted:
            return

        def read() -> Iterator[Records]:
            source = self.records.all()
            for records in source:
                share[0] = source.share
                yield records

        share: list[float | None] = [None]
        for ready in ready_windows(read(), len(self.samples), self.genome, self._contig_of, self.options):
            shard = ready.since.section // results.shard_size
            if results.wanted is None or shard in results.wanted:
                follow.unit(ready.since.counts.records, share[0])
                yield shard, ready
            elif shard > results.wanted[-1]:
                return

    def _contig_of(self, names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
        return resolve(names, self.genome, self.aliases)

    def _counts(self, unit: HaplotypeUnit) -> dict[str, Any]:
        """What a unit is counted as; `refused`: why aliases of its contigs were not applied."""
        reasons = refused(list(unit.names), self.genome, self.aliases)
        return {**unit.counts.facts(), "refused": Counter(reasons.values())}


def haplotype_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = HaplotypeSummary().facts() | dict(counts)
    said = [*settings["notes"], *counted.pop("refused", {})]
    if counted["alleles"] and not counted["usable"]:
        said.append("no allele fits the genome: is GENOME the assembly of VCF?")
    said += other_assembly(counted["reasons"], counted["alleles"])
    if counted["without_genotypes"]:
        of = f"{counted['without_genotypes']:,} of {counted['records']:,} records"
        said.append(f"{of} have no known genotype (FORMAT GT), and so no haplotype")
    return {"verb": "haplotypes", **settings["facts"], **counted, "notes": [*said, *settings["later_notes"], *notes]}
