"""The verb `screen`: the variants in regions that a model attends to, scored, ranked and looked up in known lists."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.known import KnownAlleles
from ..analysis.scan import ScanSummary, plan_scan
from ..analysis.screen import Ranking
from ..analysis.variants import UNIT_RECORDS, ChangeScorer, VariantOptions
from ..engine.jobs import FIRST, claim, refuse_another
from ..engine.model import Model
from ..errors import DnabertError
from ..evaluate.enrichment import need_fisher
from ..io.atomic import clear_leftovers, make_folder, publish, refuse_file, writing
from ..io.vcf import VcfSource
from ..seq.aliases import AliasTable
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.variants import Regions
from .attention import STRIDE, plan_units, tile_units
from .common import check_fits, check_outputs, other_assembly, read_regions, window_length, write_summary
from .precision import load_first
from .progress import Progress, silent
from .report import check_report
from .report import report as report_run
from .report_parts import command_line
from .screen_inputs import Contigs, Survey, named_files, read_known, survey
from .screen_outputs import ScoredAlleles, compare, write_candidates, write_enrichment
from .screen_steps import Attending, Scoring, Steps, Tiles
from .session import those_of
from .variant_output import variant_output
from .variants import variant_settings, window_notes
from .work import Work, asked_work, precision_of, stored_input, try_places

__all__ = ["TOP", "screen"]

TOP = 100
"""Candidates, where neither their number nor a threshold is given."""

_SHARD_UNITS = 4
_FILES = ("candidates.tsv", "regions.bed", "scored.vcf.gz", "enrichment.tsv", "summary.json")


def screen(
    vcf: str | Path,
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    windows: str | Path | None = None,
    known: Sequence[str] = (),
    top: int | None = None,
    threshold: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    quantile: float | None = None,
    max_n: float = 0.5,
    strand: str = "+",
    class_name: str | None = None,
    normalize: bool = False,
    alias: str | Path | None = None,
    overwrite: bool = False,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    report: str | Path | None = None,
    work: str | Path | None = None,
    shard: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Find the regions a model attends to, score the variants in them, rank these, and look them up in known lists.

    Regions are those of `attention` in the windows of a BED file (`windows`), else in windows of `window` bases at
    every `stride` (100) of the contigs that the VCF names. An allele is inside where its first changed base is. It is
    scored as by `variants`, in the BED file's windows or centred. Candidates are the `top` (100) of the largest
    |difference|, or all from a `threshold` on; `known` lists, each NAME=FILE, say which of them are known, and Fisher's
    exact test whether more than of the others. Writes candidates.tsv, regions.bed, scored.vcf.gz, enrichment.tsv and
    summary.json into the folder `output`. The VCF is read twice; memory grows with its alleles. `work` makes the run
    one that can be resumed, but not split, so that a `shard` is refused (see docs/jobs.md). Returns the facts of the
    run, also written to `summary`; `report` is a page of them and the results.
    """
    arguments = dict(locals())
    began = time.monotonic()
    asked = _Asked(**those_of(_Asked, arguments))
    asked.check()
    if shard is not None:
        raise DnabertError(f"--shard {shard}: what is scored follows from the regions of all windows; leave it out")
    files = named_files(known)
    folder = Path(output)
    refuse_file(folder)
    outputs: dict[str, str | Path | None] = {f"--output, {name}:": folder / name for name in _FILES}
    check_outputs([vcf, genome, windows, alias, *files.values()], {**outputs, "--summary": summary, "--report": report})
    check_report(report, [], output)
    if files:
        need_fisher()
    job = asked_work(work, None, None, _SHARD_UNITS)
    genome = stored_input(job, "genome", genome)
    with ExitStack() as stack:
        facts = _screened(stack, replace(asked, genome=genome), files, folder, job, progress)
    facts |= {"seconds": round(time.monotonic() - began, 3), "output": str(output)}
    for path in (folder / "summary.json", summary):
        write_summary(path, facts)
    if report is not None:
        report_run(
            output, output=report, model=model, genome=genome, windows=windows or "centred", window=window, alias=alias,
            class_name=class_name, facts=facts,
            command=command_line(screen, arguments), device=device, threads=threads, progress=progress,
        )  # fmt: skip
    return facts


def _screened(
    stack: ExitStack, asked: _Asked, files: dict[str, str], folder: Path, job: Work | None, progress: Progress
) -> dict[str, Any]:
    """Make both steps and write the files of `folder`, some when `stack` is left; the facts of what was done."""
    inputs = {"vcf": asked.vcf, "genome": asked.genome}
    if job is not None:  # the job of the second step is opened only when the first is done
        refuse_another(job.folder, "screen", inputs, {}, publish)
    loaded = load_first(asked.model, asked.precision, device=asked.device, threads=asked.threads, strand=asked.strand)
    loaded.need_pairs(False)
    readout = loaded.readout(asked.class_name)
    length = asked.length(loaded)
    genome = stack.enter_context(Genome.open(asked.genome))
    contigs = Contigs(genome, AliasTable() if asked.alias is None else AliasTable.read(asked.alias))
    check_fits(length, genome, asked.genome)
    given = asked.regions(contigs, loaded)
    lists = read_known(files, contigs, progress)
    found = survey(asked.vcf, contigs, lists, asked.normalize, progress)
    first = None if job is None else replace(job, folder=claim(job.folder / FIRST))
    loaded, choice = precision_of(
        first, loaded, asked.model, asked.precision, device=asked.device, expected=inf, progress=progress
    )
    options = VariantOptions(length, given, asked.normalize)
    settings = variant_settings(loaded, readout, options, genome, contigs.aliases, choice) | asked.settings(length)
    depends = settings | choice.decisive() | {"max_n": asked.unknown, "overwrite": asked.overwrite}
    if job is not None:
        refuse_another(job.folder, "screen", {}, depends, publish)
    make_folder(folder)
    clear_leftovers(folder)
    try_places(job, [folder / name for name in _FILES])
    scorers, source = [ChangeScorer(loaded, readout)], VcfSource(asked.vcf, UNIT_RECORDS)
    table = folder / "scored.vcf.gz"
    written, replaced = variant_output(table, source.header, "DNABERT", scorers, settings, asked.overwrite)
    steps = Steps(loaded, first, job, inputs, depends, {"choices": [choice.facts()]})
    bed = stack.enter_context(writing(folder / "regions.bed"))
    tiles = _tiles(genome, found, given, length, asked.step)
    attended, notes, regions = Attending(genome, tiles, found, bed, asked.quantile, asked.unknown).run(steps, progress)
    scored = ScoredAlleles(found, asked.ranking())
    counts, more = Scoring(source, contigs, scorers, options, written).run(steps, scored, progress)
    facts: dict[str, Any] = {"verb": "screen", **settings, **choice.facts(), "regions": regions}
    facts |= _counted(found, scored, attended, counts) | {"candidates_are": asked.candidates()}
    facts |= _ranked(folder, found, scored, lists)
    told = [*genome.notes, *source.header.repairs, *contigs.refused(), *window_notes(loaded, length)]
    told += [*_about(facts), *replaced, *choice.notes, *notes, *more]
    return facts | {"notes": list(dict.fromkeys(told)), **loaded.facts()}


@dataclass(frozen=True)
class _Asked:
    """What is read and by which model, where to look and what to take for a candidate: arguments of `screen`."""

    vcf: str | Path
    genome: str | Path
    model: str
    strand: str
    class_name: str | None
    normalize: bool
    alias: str | Path | None
    overwrite: bool
    precision: str
    device: str
    threads: int | None
    windows: str | Path | None
    window: int | None
    stride: int | None
    quantile: float | None
    max_n: float
    top: int | None
    threshold: float | None

    def check(self) -> None:
        """Refuse flags that contradict each other, and values that mean nothing."""
        if self.windows is not None:
            if self.window is not None or self.stride is not None:
                flag = f"--window {self.window}" if self.window is not None else f"--stride {self.stride}"
                raise DnabertError(f"{flag} is of windows on a grid; with --windows its regions are the windows")
            if not Path(self.windows).is_file():
                raise DnabertError(f"--windows {self.windows}: no such file; give a BED file")
        if self.stride is not None and self.stride < 1:
            raise DnabertError(f"--stride {self.stride}: give 1 or more")
        if self.top is not None and self.threshold is not None:
            raise DnabertError("--top and --threshold both say which alleles are candidates; give one of them")
        if self.top is not None and self.top < 1:
            raise DnabertError(f"--top {self.top}: give 1 or more")
        if self.threshold is not None and not 0 <= self.threshold < inf:
            raise DnabertError(f"--threshold {self.threshold:g}: give a difference from 0 up")
        if self.quantile is not None and not 0 <= self.quantile <= 1:
            raise DnabertError(f"--quantile {self.quantile:g} is not between 0 and 1")

    @property
    def step(self) -> int:
        """Bases between the windows of a grid."""
        return self.stride or STRIDE

    @property
    def unknown(self) -> float:
        """The share of unknown bases up to which a window is attended to; regions that somebody names always are."""
        return self.max_n if self.windows is None else 1.0

    def length(self, model: Model) -> int | None:
        """Bases of the windows of a grid; None where a file's regions are the windows."""
        if self.windows is not None:
            return None
        trained = model.block.window if model.block else None
        return window_length(self.window, trained, model.k, scored_by=model.network.config)

    def regions(self, contigs: Contigs, model: Model) -> Regions | None:
        """The regions that are the windows; None for those of a grid."""
        if self.windows is None:
            return None
        return read_regions(self.windows, contigs.genome, contigs.aliases, model.k, scored_by=model.network.config)

    def settings(self, length: int | None) -> dict[str, Any]:
        """What changes the results of a run beside what changes those of `variants`."""
        return {"stride": None if length is None else self.step, "quantile": self.quantile}

    def ranking(self) -> Ranking:
        """What picks the candidates."""
        return Ranking(TOP if self.top is None else self.top, self.threshold)

    def candidates(self) -> str:
        """Which alleles are candidates, for people."""
        if self.threshold is not None:
            return f"|difference| >= {self.threshold:g}"
        return f"the {TOP if self.top is None else self.top} of the largest |difference|"


def _tiles(genome: Genome, found: Survey, given: Regions | None, length: int | None, stride: int) -> Tiles:
    """The windows of a user, or those of a grid over the contigs that the records name."""
    if given is not None:
        plan = Plan(given.contig, given.start, given.end, given.reverse)
        plan = plan.take(np.lexsort((plan.end, plan.start, plan.contig)))
        return Tiles.of(lambda: plan_units(plan))
    assert length is not None
    rows = found.contigs[genome.lengths[found.contigs] >= length]
    if not len(rows):
        return Tiles.of(lambda: ())
    whole = Regions(
        rows.astype(np.int32), np.zeros(len(rows), np.int64), genome.lengths[rows], np.zeros(len(rows), np.bool_)
    )
    grid = plan_scan(genome, length, stride, whole, ScanSummary())
    return Tiles.of(lambda: tile_units(grid, length, stride))


def _ranked(folder: Path, found: Survey, scored: ScoredAlleles, lists: Sequence[KnownAlleles]) -> dict[str, Any]:
    """Write the candidates and how many of them are known; facts of both."""
    candidates = scored.candidates()
    compared = compare(found, scored, candidates, lists)
    write_candidates(folder / "candidates.tsv", found, candidates, lists)
    write_enrichment(folder / "enrichment.tsv", compared)
    return {
        "candidates": 0 if candidates is None else len(candidates),
        "known": {part.name: {"alleles": part.alleles, "compared": part.compared} for part in lists},
        "enrichment": [row.facts() for row in compared],
    }


def _counted(
    found: Survey, scored: ScoredAlleles, attended: Mapping[str, Any], counts: Mapping[str, Any]
) -> dict[str, Any]:
    """How many windows, records and alleles came how far."""
    outside = found.usable & ~scored.inside
    looked_at = found.sites.windows > 0
    return {
        "windows_attended": attended["windows"],
        "left_out_n": attended["left_out_n"],
        "records": found.records,
        "alleles": len(found.usable),
        "usable": int(np.count_nonzero(found.usable)),
        "reasons": {
            **found.reasons,
            "IN_NO_WINDOW": int(np.count_nonzero(outside & ~looked_at)),
            "IN_NO_REGION": int(np.count_nonzero(outside & looked_at)),
        },
        "aliased": dict(found.aliased),
        "inside": int(np.count_nonzero(scored.inside)),
        "scored": int(np.count_nonzero(scored.scored)),
        "records_kept": counts["records"],
        "flags": counts["reasons"],
        "pieces": attended["pieces"] + counts["pieces"],
        "pieces_encoded": attended["pieces_encoded"] + counts["pieces_encoded"],
    }


def _about(facts: Mapping[str, Any]) -> list[str]:
    """Where a run found nothing, or compares with nothing."""
    notes = other_assembly(facts["reasons"], facts["alleles"])
    if facts["alleles"] and not facts["usable"]:
        notes.append("no allele fits the genome: is GENOME the assembly of VCF?")
    elif not facts["regions"]:
        notes.append("no window has a region that the model attends to more than to the rest; nothing was scored")
    elif not facts["inside"]:
        notes.append("no variant lies in a high-attention region; nothing was scored")
    elif facts["known"] and facts["candidates"] == facts["scored"]:
        notes.append(
            "every scored allele is a candidate, so that there are no others inside; give --top or --threshold"
        )
    for name, known in facts["known"].items():
        if not known["compared"]:
            notes.append(f"no allele of {name} fits the genome: is it of its assembly?")
    return notes
