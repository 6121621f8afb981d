"""The verb `variants`: a VCF and a genome in, the same VCF with scores out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from ..analysis.variants import ScoredUnit, VariantOptions, VariantSummary, score_variants
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError
from ..seq.aliases import AliasTable, refused, resolve
from ..seq.genome import Genome
from ..seq.variants import Flag
from ..seq.vcf_text import Records
from .asked_models import AskedModel, asked_fields, asked_models, prefix_of
from .common import check_fits, on_grid, other_assembly
from .estimate import estimate as foretold
from .jobs import Results, Task
from .known_scores import KnownScores, table_settings
from .measure import Watch
from .precision import AUTO, Choice
from .progress import Follow, Progress, silent
from .record_input import RecordInput, stored_vcf
from .report import report as report_run
from .report_parts import command_line
from .scorers import load_models, resolve_models, shared_regions, shared_window, window_notes
from .session import Session
from .variant_output import variant_output
from .verb import run_verb
from .work import Work, precision_of, stored_input, try_places

__all__ = ["open_variants", "variant_facts", "variant_settings", "variants", "window_notes"]

_MISMATCHES = ("error", "warn", "skip")
_SHARD_SECTIONS = 1


def variants(
    vcf: str | Path,
    genome: str | Path,
    *,
    model: str | Sequence[str] | None = None,
    models: str | Path | None = None,
    output: str | Path,
    ensemble: str | None = None,
    fields: str | Sequence[str] | None = None,
    windows: str | Path = "centred",
    window: int | None = None,
    strand: str = "+",
    class_name: str | None = None,
    ref_mismatch: str = "skip",
    normalize: bool = False,
    alias: str | Path | None = None,
    overwrite: bool = False,
    table: str | Path | None = None,
    precision: str = AUTO,
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    report: str | Path | None = None,
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    ray: str | None = None,
    ray_cpus: int | None = None,
    estimate: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score every ALT allele of a VCF or BCF and write each record back with its scores in INFO.

    `model` is a folder, hub name or "demo", or NAME=one of these to put NAME into the fields' names; several are each
    named, or listed in a file `models` of name, folder and, if wanted, class. `ensemble` "mean" adds the fields of the
    mean of their log-odds; `fields` are the scores that are written of each, such as "LOGOR,DIFF". output: .vcf.gz
    (BGZF with index), .vcf, .bcf, "-" (VCF on standard output), or a table of alleles: .tsv, .tsv.gz, .parquet.
    `windows` is "centred" (the first changed base stands at window // 2), "tiled" (windows of a grid, which neighbours
    share: a changed base stands in the middle half of its own) or a BED file whose regions are the windows.
    Every record comes out in order, unchanged but for INFO; an allele without a score has "." and its reasons in
    DNABERT_FLAG. `precision` "auto" is the fastest that has passed a check on this model and device, fp32 for short
    inputs that no check was made for. Alleles that `table` (see `saturate`) has are not scored again, and "auto" is its
    precision. A pre-trained model without a task gives DNABERT_LLR (see docs/zeroshot.md), in
    windows as long as it reads at once unless `window` says otherwise. `work`, `shard` and `shard_size` (in sections of
    4 MiB of text) make the run one that can be resumed and split (see docs/jobs.md), `ray` and `ray_cpus` one of the
    nodes of a Ray cluster (docs/clusters.md); `estimate` foretells the run on so many machines in place of making it.
    Returns the facts of the run, also written to `summary` as JSON; `report` is a page of them and the results.
    """
    asked = dict(locals())
    if ref_mismatch not in _MISMATCHES:
        raise DnabertError(f"--ref-mismatch {ref_mismatch}: choose one of {', '.join(_MISMATCHES)}")
    facts = run_verb(
        asked,
        open_variants,
        variant_facts,
        inputs=[vcf, genome, windows, alias, models, table],
        outputs={"--output": output},
        stored=lambda work: {"vcf": stored_vcf(work, vcf), "genome": stored_input(work, "genome", genome)},
        items="records",
        shard_size=_SHARD_SECTIONS,
    )
    if report is not None and estimate is None:
        [named] = asked_models(model, models, class_name)
        report_run(
            output, output=report, model=_report_of(named), genome=genome, windows=windows, window=window, alias=alias,
            class_name=class_name, facts=facts, command=command_line(variants, asked),
            device=device if ray is None else "auto", threads=threads, progress=progress,
        )  # fmt: skip
    return facts


@contextmanager
def open_variants(
    vcf: str | Path,
    genome: str | Path,
    *,
    model: str | Sequence[str] | None,
    models: str | Path | None,
    output: str | Path,
    ensemble: str | None,
    fields: str | Sequence[str] | None,
    windows: str | Path,
    window: int | None,
    strand: str,
    class_name: str | None,
    ref_mismatch: str,
    normalize: bool,
    alias: str | Path | None,
    overwrite: bool,
    table: str | Path | None,
    precision: str,
    device: str,
    threads: int | None,
    report: str | Path | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[ScoredUnit]]:
    """What `variants` of such arguments needs, opened; an estimate counts from when the verb `began`."""
    named, keys = asked_models(model, models, class_name), asked_fields(fields)
    if table is not None:
        if len(named) > 1:
            raise DnabertError(f"--table {table}: holds the scores of one model; give one")
        precision = table_settings(table)["precision"] if precision == AUTO else precision
    if report is not None and (len(named) > 1 or fields is not None):
        raise DnabertError("--report is of one model and all of its fields; leave it out, or --fields and other models")
    loaded = load_models(
        named, precision, device=device, threads=threads, strand=strand, ensemble=ensemble, keys=keys, progress=progress
    )
    if report is not None and loaded[0].model.network.config.head == "mlm":
        raise DnabertError("--report shows the scores of a model with a task; leave it out for a pre-trained one")
    grid = on_grid(windows, window)
    length = shared_window(loaded, window) if grid else None
    genome = stored_input(work, "genome", genome)
    with Genome.open(genome) as opened:
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        check_fits(length, opened, genome)
        regions = None if grid else shared_regions(windows, loaded, opened, aliases)
        options = VariantOptions(length, regions, normalize, ref_mismatch, tiled=str(windows) == "tiled")
        records = RecordInput(work, vcf)

        def contig_of(names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
            return resolve(names, opened, aliases)

        expected = records.placed(contig_of, regions) if precision == AUTO else None
        try_places(work, [output])
        numbers = count()

        def in_precision(model: Model, folder: str) -> tuple[Model, Choice]:
            return precision_of(
                work, model, folder, precision,
                device=device, expected=expected, progress=progress, number=next(numbers),
            )  # fmt: skip

        panel = resolve_models(loaded, in_precision, window=length, ensemble=ensemble, keys=keys)
        shared = variant_settings(panel.model, panel.readouts[0], options, opened, aliases, panel.choices[0])
        settings = panel.settings(shared)
        prefix = prefix_of(named)
        order = {"models": [one.name for one in named]} if len(named) > 1 else {}  # that of the columns
        known = None
        if table is not None:
            known = KnownScores(table, settings, list(panel.scorer.meanings), opened)
        written, replaced = variant_output(output, records.header, prefix, [panel.scorer], settings, overwrite)

        def foretell(machines: int, shard: int) -> dict[str, Any]:
            def watched(watch: Watch, units: Iterable[Records], write: Callable[[ScoredUnit], None]) -> None:
                counting, run = [watch.scorer(panel.scorer)], watch.run(panel.run)
                score_variants(counting, run, opened, units, contig_of, write, options, VariantSummary(), known=known)

            whole, about = records.whole(shard), panel.choices[0].facts()
            return foretold(
                "variants", panel.model, whole, watched, [written], began=began, machines=machines, about=about
            )

        def answer(results: Results[ScoredUnit], progress: Progress) -> None:
            follow = Follow(progress(results.doing("scoring"), "records", None))
            units = results.follow(records.units(results, follow))
            score_variants(
                [panel.scorer], panel.run, opened, units, contig_of, results.write, options, VariantSummary(),
                known=known, progress=follow,
            )  # fmt: skip

        task = Task(
            "variants",
            {"vcf": records.named, "genome": genome, "table": table},
            settings | order | {"names": prefix, "overwrite": overwrite},
            {
                "facts": panel.facts(settings), "choices": [choice.facts() for choice in panel.choices],
                "notes": [*opened.notes, *records.header.repairs], "later_notes": [*replaced, *panel.notes()],
            },
            [written],
            lambda unit: _counts(unit, opened, aliases),
            panel.run_notes,
            records.sections,
        )  # fmt: skip
        yield Session(task, work, panel.model, answer, foretell)


def variant_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = VariantSummary().facts() | dict(counts)
    said = [*settings["notes"], *counted.pop("refused", {}), *_nothing_scored(counted)]
    said += [*other_assembly(counted["reasons"], counted["alleles"]), *settings["later_notes"]]
    return {"verb": "variants", **settings["facts"], **counted, "notes": [*said, *notes]}


def _counts(unit: ScoredUnit, genome: Genome, aliases: AliasTable) -> dict[str, Any]:
    """What a unit is counted as; `refused`: why aliases of its contigs were not applied, and to how many contigs."""
    reasons = refused(unit.records.contigs()[0], genome, aliases)
    return {**unit.counts.facts(), "refused": Counter(reasons.values())}


def variant_settings(
    model: Model, readout: Readout, options: VariantOptions, genome: Genome, aliases: AliasTable, choice: Choice
) -> dict[str, Any]:
    """What changes the results of a run, for its header line and summary."""
    regions, grid = options.regions, "tiled" if options.tiled else "centred"
    return {
        "model": choice.network,
        "windows": grid if regions is None else f"{len(regions.start)} regions {regions.hash(genome.names)}",
        "window": options.window,
        "strand": model.strand,
        "class": readout.label,
        "normalize": options.normalize,
        "ref_mismatch": options.ref_mismatch,
        "alias": aliases.hash(),
        "precision": choice.precision,
        "precision_exceptions": ",".join(choice.exceptions) or None,
    }


def _nothing_scored(counts: Mapping[str, Any]) -> list[str]:
    """Why no allele has a score, where none has: the genome has none of the contigs or none of the REFs, or reasons."""
    if counts["scored"] or not counts["alleles"]:
        return []
    reasons = counts["reasons"]
    wrong = (Flag.NO_CONTIG, Flag.OUT_OF_CONTIG, Flag.REF_MISMATCH)
    right = (Flag.OUTSIDE, Flag.LONG_ALLELE)  # of these the REF is the genome's
    if [any(str(flag.name) in reasons for flag in flags) for flags in (wrong, right)] == [True, False]:
        return ["no allele was scored: is GENOME the assembly of VCF?"]
    return [f"no allele was scored: {', '.join(f'{reason} {count:,}' for reason, count in reasons.items())}"]


def _report_of(one: AskedModel) -> str:
    """The model that a report is of, as it takes it."""
    return f"{one.name}={one.folder}" if one.name else one.folder
