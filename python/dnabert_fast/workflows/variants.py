"""The verb `variants`: a VCF and a genome in, the same VCF with scores out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..analysis.variants import (
    UNIT_RECORDS,
    ScoredUnit,
    Scorer,
    VariantOptions,
    VariantSummary,
    score_variants,
)
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError, FormatError
from ..io import TABLES, VARIANTS, ends_with, open_table
from ..io.atomic import writing
from ..io.vcf import VcfSink, VcfSource, header_lines
from ..seq.aliases import AliasTable, refused, resolve
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.types import F32
from ..seq.variants import FLAG_NAMES, Flag, Regions
from ..seq.vcf_text import Records, splice
from .common import GRIDS, check_outputs, write_summary
from .precision import AUTO, Choice, resolve_precision
from .progress import Follow, Progress, silent
from .report import check_report
from .report import report as report_run
from .report_parts import command_line
from .scorers import (
    AskedModel,
    asked_fields,
    asked_models,
    load_models,
    prefix_of,
    resolve_models,
    shared_regions,
    shared_window,
    window_notes,
)

__all__ = ["VariantOutput", "variant_settings", "variants", "window_notes"]

_MISMATCHES = ("error", "warn", "skip")


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
    precision: str = AUTO,
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    report: str | Path | None = None,
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
    inputs that no check was made for. Returns the facts of the run, also written to `summary` as JSON; `report` is a
    page of them and the results.
    """
    asked = dict(locals())
    began = time.monotonic()
    if ref_mismatch not in _MISMATCHES:
        raise DnabertError(f"--ref-mismatch {ref_mismatch}: choose one of {', '.join(_MISMATCHES)}")
    check_outputs([vcf, genome, windows, alias, models], {"--output": output, "--summary": summary, "--report": report})
    check_report(report, [], output)
    named, keys = asked_models(model, models, class_name), asked_fields(fields)
    if report is not None and (len(named) > 1 or fields is not None):
        raise DnabertError("--report is of one model and all of its fields; leave it out, or --fields and other models")
    loaded = load_models(
        named, precision, device=device, threads=threads, strand=strand, ensemble=ensemble, keys=keys, progress=progress
    )
    grid = str(windows) in GRIDS
    if not grid and not Path(windows).exists():
        raise DnabertError(f"--windows {windows}: no such file; give a BED file, 'centred' or 'tiled'")
    if not grid and window is not None:
        raise DnabertError(f"--window {window} is that of centred and tiled windows; leave it or --windows out")
    length = shared_window(loaded, window) if grid else None
    counts = VariantSummary()
    with ExitStack() as stack:
        opened = stack.enter_context(Genome.open(genome))
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        if length is not None and length > int(opened.lengths.max()):
            raise DnabertError(f"--window {length} is longer than every contig of {genome}")
        regions = None if grid else shared_regions(windows, loaded, opened, aliases)
        options = VariantOptions(length, regions, normalize, ref_mismatch, tiled=str(windows) == "tiled")
        source = VcfSource(vcf, UNIT_RECORDS)
        contigs: dict[str, None] = {}

        def contig_of(names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
            contigs.update(dict.fromkeys(names))
            return resolve(names, opened, aliases)

        units = _with_shares(source)
        expected = None
        if precision == AUTO and Path(vcf).is_file():  # a pipe may keep this thread, where Ctrl-C arrives, waiting
            first = list(islice(units, 1))
            expected = _expected(first, lambda names: contig_of(names)[0], regions)
            units = chain(first, units)
            _try_to_write(output)

        def in_precision(model: Model, folder: str) -> tuple[Model, Choice]:
            return resolve_precision(model, folder, precision, device=device, expected=expected, progress=progress)

        panel = resolve_models(loaded, in_precision, window=length, ensemble=ensemble, keys=keys)
        scorers = [panel.scorer]
        shared = variant_settings(panel.model, panel.readouts[0], options, opened, aliases, panel.choices[0])
        settings = panel.settings(shared)
        out = VariantOutput(stack, output, source, prefix_of(named), scorers, settings, overwrite)
        follow = Follow(progress("scoring", "records", None))
        units_followed = _followed(units, follow)
        score_variants(
            scorers, panel.run, opened, units_followed, contig_of, out.write, options, counts, progress=follow
        )
        notes = [*opened.notes, *source.header.repairs, *refused(list(contigs), opened, aliases).values()]
    notes += [*_other_assembly(counts), *out.notes(), *panel.notes()]
    facts = {
        "verb": "variants",
        **panel.facts(settings),
        **counts.facts(),
        "notes": notes,
        **panel.model.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    if report is not None:
        report_run(
            output, output=report, model=_report_of(named), genome=genome, windows=windows, window=window, alias=alias,
            class_name=class_name, facts=facts, command=command_line(variants, asked), device=device, threads=threads,
            progress=progress,
        )  # fmt: skip
    return facts


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


def _with_shares(source: VcfSource) -> Iterator[tuple[Records, float | None]]:
    """The units of a file, each with the share of the file that has been read with it."""
    for records in source:
        yield records, source.share


def _followed(units: Iterator[tuple[Records, float | None]], follow: Follow) -> Iterator[Records]:
    for records, share in units:
        follow.unit(len(records), share)
        yield records


def _try_to_write(output: str | Path) -> None:
    """Refuse an output that cannot be made before a check is spent on it; what is left is refused where it is made."""
    with suppress(OSError):
        if str(output) != "-":
            with writing(output):
                pass


def _expected(
    first: Sequence[tuple[Records, float | None]],
    contig_of: Callable[[Sequence[str]], Sequence[int]],
    regions: Regions | None,
) -> float | None:
    """About how many records of a file stand in a window, judged by its first unit; None where nobody knows.

    Too few rather than too many: a share counts what has been read ahead too.
    """
    if not first:
        return 0
    records, share = first[0]
    names, name_of_record = records.contigs()
    contig = np.array(contig_of(names), np.int32)[name_of_record]
    inside = contig >= 0
    if regions is not None:
        inside &= regions.nearest(contig, records.position - 1) >= 0
    placed = int(np.count_nonzero(inside))
    if share:
        return placed / share
    return placed if len(records) < UNIT_RECORDS else None


def _other_assembly(counts: VariantSummary) -> list[str]:
    """A warning where no allele has a score because the genome has none of the contigs or none of the REFs."""
    wrong = (Flag.NO_CONTIG, Flag.OUT_OF_CONTIG, Flag.REF_MISMATCH)
    right = (Flag.OUTSIDE, Flag.LONG_ALLELE)  # of these the REF is the genome's
    there = [any(str(flag.name) in counts.reasons for flag in flags) for flags in (wrong, right)]
    if counts.scored or there != [True, False]:
        return []
    return ["no allele was scored: is GENOME the assembly of VCF?"]


def _report_of(named: Sequence[AskedModel]) -> str:
    """The model that a report is of, as it takes it."""
    [one] = named
    return f"{one.name}={one.folder}" if one.name else one.folder


class VariantOutput:
    """Where scored units go: VCF text with INFO spliced in, or rows of a table."""

    def __init__(
        self,
        stack: ExitStack,
        output: str | Path,
        source: VcfSource,
        prefix: str,
        scorers: Sequence[Scorer],
        settings: dict[str, Any],
        overwrite: bool,
    ) -> None:
        meanings = {scorer.name + key: said for scorer in scorers for key, said in scorer.meanings.items()}
        self._fields = {name: f"{prefix}_{name}" for name in meanings}
        self._flag = f"{prefix}_FLAG"
        self._overwrite = overwrite
        self._replaced: tuple[str, ...] = ()
        self._sink: VcfSink | None = None
        self._write: Callable[[ScoredUnit], None]
        if str(output) == "-" or ends_with(output, VARIANTS):
            lines = self._declarations(prefix, meanings, settings)
            given = source.header
            if overwrite:  # the command whose scores give way
                kept = [line for line in given.meta if not line.startswith(_command(prefix))]
                given = replace(given, meta=tuple(kept))
            header, self._replaced = header_lines(given, lines, [*self._fields.values(), self._flag], overwrite)
            self._sink = stack.enter_context(VcfSink(output, header))
            self._write = self._write_vcf
            return
        if not ends_with(output, TABLES):
            raise FormatError(f"{output}: unknown kind of output; name it {', '.join((*VARIANTS, *TABLES))}")
        columns = [("CHROM", "str"), ("POS", "int"), ("ID", "str"), ("REF", "str"), ("ALT", "str")]
        columns += [(name, "float") for name in self._fields.values()] + [(self._flag, "str")]
        self._table = stack.enter_context(open_table(output, columns))
        self._write = self._write_rows

    def write(self, unit: ScoredUnit) -> None:
        """Write the records of a unit."""
        self._write(unit)

    def notes(self) -> list[str]:
        """What the file turned out to be, once it is closed."""
        notes = [f"fields of an earlier run were replaced: {', '.join(self._replaced)}"] if self._replaced else []
        if self._sink is not None and self._sink.unsorted:
            notes.append("the input is not sorted by position, so the output has no index")
        return notes

    def _declarations(self, prefix: str, meanings: dict[str, str], settings: dict[str, Any]) -> list[bytes]:
        lines = [
            f'##INFO=<ID={field},Number=A,Type=Float,Description="{_quoted(meanings[name])}">'
            for name, field in self._fields.items()
        ]
        reasons = ", ".join(dict.fromkeys(FLAG_NAMES))
        lines.append(
            f'##INFO=<ID={self._flag},Number=A,Type=String,Description="Reasons of an allele, joined by &: {reasons}">'
        )
        said = " ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
        lines.append(f"##source=dnabert_fast {__version__}")
        return [*(line.encode() for line in lines), _command(prefix) + f"variants {_one_line(said)}".encode()]

    def _write_vcf(self, unit: ScoredUnit) -> None:
        assert self._sink is not None
        fields = {self._fields[name]: values for name, values in unit.fields.items()}
        text = splice(
            unit.records,
            unit.alleles.record,
            fields,
            self._flag,
            unit.alleles.flags,
            FLAG_NAMES,
            overwrite=self._overwrite,
        )
        names, code = unit.records.contigs()
        self._sink.note_positions(names, code, unit.records.position)
        self._sink.write(text)

    def _write_rows(self, unit: ScoredUnit) -> None:
        records, record = unit.records, unit.alleles.record

        def column(number: int) -> Windows:
            starts = records.columns[record, number]
            return Windows.from_spans(records.text, starts, records.columns[record, number + 1] - 1)

        strings = [column(0), column(2), unit.alleles.ref, unit.alleles.alt]
        chrom, identifier, ref, alt = [(text.bases, text.offsets) for text in strings]
        scores: list[F32] = list(unit.fields.values())
        reasons = _reasons(unit)
        self._table.write(
            [chrom, records.position[record], identifier, ref, alt, *scores, (reasons.bases, reasons.offsets)]
        )


def _command(prefix: str) -> bytes:
    """How the header line begins that holds a run's settings."""
    return f"##{prefix.lower()}_command=".encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """Text as it may stand between quotes in a header line (VCF 4.3, section 1.4)."""
    return _one_line(text).replace("\\", "\\\\").replace('"', '\\"')


def _reasons(unit: ScoredUnit) -> Windows:
    """The flags of each allele as text; only the sets of flags that occur are spelt."""
    sets, which = np.unique(unit.alleles.flags, return_inverse=True)
    spelt = ["&".join(name for bit, name in enumerate(FLAG_NAMES) if int(flags) >> bit & 1) or "." for flags in sets]
    words = Windows.from_strings(spelt)
    rows: np.ndarray[Any, np.dtype[np.int64]] = which.reshape(-1)
    return words.take(rows)
