"""The verb `saturate`: a table of every possible SNV of regions, or of a whole genome, ready to be looked up."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..analysis.changes import change_meanings
from ..analysis.saturate import Background, Saturated, Saturation, SaturationSummary, raw_score
from ..analysis.saturate import saturate as score_snvs
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError, FormatError
from ..io.atomic import writing
from ..io.columns import packed
from ..io.score_table import ScoreTableSink, StoredBackground, read_background, write_background
from ..seq.aliases import AliasTable
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.lookup import META
from ..seq.types import F32, U8
from ..seq.variants import Regions
from .common import check_outputs, read_regions, window_length, write_summary
from .precision import AUTO, load_first, resolve_precision
from .progress import Progress, silent

__all__ = ["saturate"]


def saturate(
    genome: str | Path,
    *,
    model: str,
    output: str | Path | None = None,
    regions: str | Path | None = None,
    genome_wide: bool = False,
    background: str | Path | None = None,
    window: int | None = None,
    strand: str = "+",
    class_name: str | None = None,
    assembly: str | None = None,
    alias: str | Path | None = None,
    precision: str = AUTO,
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score the three SNVs of every base of `regions` (BED), or with `genome_wide` of all contigs, into a table.

    The table is CADD's layout with our scores behind it: BGZF with a tabix index. Windows are centred, so that scores
    are those of `variants`. PHRED is -10 log10(rank / n) among the SNVs of `background` (BED), whose distribution is
    kept with the model and used by later runs of the same settings; without one, among those of the table itself.
    `assembly` is a name for the header (GRCh38).
    Without regions the background alone is made. Returns the facts of the run, also written to `summary` as JSON.
    """
    began = time.monotonic()
    _check(output, regions, genome_wide, background)
    check_outputs([genome, regions, background, alias], {"--output": output, "--summary": summary})
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    config, block = loaded.network.config, loaded.block
    length = window_length(window, block.window if block else None, loaded.k, scored_by=config)
    counts = SaturationSummary()
    with ExitStack() as stack:
        opened = stack.enter_context(Genome.open(genome))
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        if length > int(opened.lengths.max()):
            raise DnabertError(f"--window {length} is longer than every contig of {genome}")
        plan = None if output is None else _plan(regions, opened, aliases)
        ranked = None if background is None else _plan(background, opened, aliases)
        expected = sum(part.bases for part in (plan, ranked) if part is not None)
        loaded, choice = resolve_precision(
            loaded, model, precision, device=device, expected=expected, progress=progress
        )
        settings = {"model": choice.network, "window": length, "strand": strand, "class": readout.label}
        distribution = _Distribution(model, settings)
        stored = distribution.read()

        def score(what: str, part: Saturation, write: Callable[[Saturated], None]) -> None:
            advance = progress(what, "bases", part.bases)
            score_snvs(loaded, readout, opened, part, write, length, counts, progress=advance)

        if ranked is not None:
            made = Background()
            score("scoring the background", ranked, lambda unit: made.add(raw_score(unit.fields)))
            stored = distribution.write(made, _told(ranked, opened))
        if plan is not None:
            assert output is not None
            table = _Table(Path(output), opened, plan, readout, settings | {"precision": choice.precision}, assembly)
            if stored is not None:
                found = Background.of(stored.bins, stored.counts)
                with table.sink(stored.facts) as sink:
                    scale = found.scale()
                    score("scoring", plan, lambda unit: table.write(sink, unit, scale))
            else:
                with _Spool(Path(output), tuple(change_meanings(readout))) as spool:
                    found = Background()

                    def keep(unit: Saturated) -> None:
                        found.add(raw_score(unit.fields))
                        spool.write(unit)

                    score("scoring", plan, keep)
                    with table.sink({"snvs": found.total}, own=True) as sink:
                        scale, advance = found.scale(), progress("ranking", "SNVs", found.total)
                        for unit in spool.read():
                            table.write(sink, unit, scale)
                            advance(len(unit))
        notes = [*opened.notes, *_window_notes(loaded, length), *choice.notes, *loaded.notes]
    if plan is not None and stored is None:
        notes.append("PHRED ranks the SNVs of this table among themselves; --background gives it a scale to share")
    facts = {
        "verb": "saturate",
        **settings,
        **choice.facts(),
        "bases": expected,
        **asdict(counts),
        "background": None if stored is None else {**stored.facts, "file": str(distribution.path)},
        "notes": notes,
        **loaded.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": None if output is None else str(output),
    }
    write_summary(summary, facts)
    return facts


def _check(
    output: str | Path | None, regions: str | Path | None, genome_wide: bool, background: str | Path | None
) -> None:
    """Refuse flags that do not go together, and an output that is no table."""
    if regions is not None and genome_wide:
        raise DnabertError("--genome-wide takes no REGIONS: it scores every contig")
    if (regions is not None or genome_wide) != (output is not None):
        raise DnabertError(
            "-o TABLE.tsv.gz needs REGIONS (a BED file) or --genome-wide"
            if output is not None
            else "give -o TABLE.tsv.gz for what is scored; the background alone needs no REGIONS"
        )
    if output is None and background is None:
        raise DnabertError("nothing to do: give REGIONS or --genome-wide with -o, or --background")
    if output is not None and not str(output).endswith(".tsv.gz"):
        raise FormatError(f"{output}: a table of scores is BGZF text with an index; name it .tsv.gz")
    if output is not None:
        with writing(output):  # a place that cannot be written is known before hours of work
            pass


def _plan(bed: str | Path | None, genome: Genome, aliases: AliasTable) -> Saturation:
    """The bases of a BED file, or of every contig."""
    if bed is not None:
        return Saturation.of(read_regions(bed, genome, aliases, 1))
    n = len(genome.names)
    return Saturation.of(
        Regions(np.arange(n, dtype=np.int32), np.zeros(n, np.int64), genome.lengths, np.zeros(n, np.bool_))
    )


def _window_notes(model: Model, window: int) -> list[str]:
    """Where centred windows of this length are not what the model was trained on."""
    block = model.block
    if block is None:
        return []
    notes = []
    if block.anchor not in ("any", "centre"):
        notes.append(
            f"the model was trained on windows anchored at: {block.anchor}; a window centred on a variant is another "
            "kind of input; `variants --windows FILE.bed` scores variants in such windows, a table cannot"
        )
    if window != block.window:
        notes.append(f"the model was trained on windows of {block.window} bases, not {window}")
    return notes


def _told(plan: Saturation, genome: Genome) -> dict[str, Any]:
    """What is said of a background: its regions by hash, and how many bases they have."""
    regions = Regions(plan.contig, plan.start, plan.end, np.zeros(len(plan.start), np.bool_))
    return {"regions": regions.hash(genome.names), "bases": plan.bases}


class _Distribution:
    """Where the background of a model in these settings is kept: beside the model, else in the user's cache."""

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        name = f"background-{digest}.npz"
        self._places = [Path(model) / name] if Path(model).is_dir() else []
        try:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
            self._places.append(cache / "dnabert_fast" / "backgrounds" / name)
        except RuntimeError:  # a user without a home keeps it with the model or not at all
            pass
        self._settings = settings
        self.path: Path | None = None

    def read(self) -> StoredBackground | None:
        """The distribution that an earlier run has left, if any."""
        for path in self._places:
            if (found := read_background(path)) is not None:
                self.path = path
                return found
        return None

    def write(self, found: Background, facts: dict[str, Any]) -> StoredBackground:
        """Keep a distribution in the place of the one before."""
        bins = found.bins
        stored = StoredBackground(bins, found.counts[bins], {**self._settings, "snvs": found.total, **facts})
        for path in self._places:
            with suppress(OSError, DnabertError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_background(path, stored)
                self.path = path
                return stored
        where = " or ".join(str(path.parent) for path in self._places)
        raise DnabertError(f"--background: no place to keep it: {where or 'the model is no folder'} cannot be written")


@dataclass(frozen=True)
class _Table:
    """What the table of a run looks like."""

    path: Path
    genome: Genome
    plan: Saturation
    readout: Readout
    settings: dict[str, Any]
    assembly: str | None

    def sink(self, background: dict[str, Any], own: bool = False) -> ScoreTableSink:
        """Open the table; `background` is what its ranks are among, `own` that these are its own SNVs."""
        meanings = change_meanings(self.readout)
        raw = "LOGOR" if "LOGOR" in meanings else "DIFF"
        where = "of this table" if own else f"of the background {background['regions']}"
        contigs = [
            f"##contig=<ID={self.genome.names[row]},length={self.genome.lengths[row]}>"
            for row in np.unique(self.plan.contig).tolist()
        ]
        told = {"prefix": "DNABERT", **self.settings, "background": None if own else background}
        meta = [
            "##fileformat=dnabert_fast scores of SNVs, version 1",
            f"##source=dnabert_fast {__version__}",
            META + json.dumps(told),
            *([] if self.assembly is None else [f"##assembly={' '.join(self.assembly.split())}"]),
            *contigs,
            f"##RawScore=|{raw}|",
            f"##PHRED=-10 log10(rank / n) of RawScore among the n={background['snvs']} SNVs {where}",
            *(f"##DNABERT_{name}={said}" for name, said in meanings.items()),
        ]
        return ScoreTableSink(self.path, meta, [f"DNABERT_{name}" for name in meanings])

    def write(self, sink: ScoreTableSink, unit: Saturated, scale: Callable[[F32], F32]) -> None:
        """Write the rows of a unit."""
        raw = raw_score(unit.fields)
        names = Windows(*packed(self.genome.names)).take(unit.contig)
        scores = [raw, scale(raw), *unit.fields.values()]
        sink.write((names.bases, names.offsets), unit.position + 1, _letters(unit.ref), _letters(unit.alt), scores)


def _letters(bases: U8) -> tuple[U8, Any]:
    return np.ascontiguousarray(bases), np.arange(len(bases) + 1, dtype=np.int64)


class _Spool:
    """Units in a file without a name beside the output, until all are there and can be ranked."""

    def __init__(self, output: Path, names: tuple[str, ...]) -> None:
        self._names = names
        self._output = output
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=output.parent or ".", prefix=f".{output.name}.")  # noqa: SIM115

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, unit: Saturated) -> None:
        """Append a unit."""
        columns: list[NDArray[Any]] = [
            unit.contig,
            unit.position,
            unit.ref,
            unit.alt,
            *(unit.fields[name] for name in self._names),
        ]
        try:
            for column in columns:
                np.lib.format.write_array(self._file, column, allow_pickle=False)
        except OSError as error:
            raise FormatError(f"{self._output}: cannot be written ({error.strerror}); is the disk full?") from error

    def read(self) -> Iterator[Saturated]:
        """The units in order."""
        size = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < size:
            contig, position, ref, alt, *scores = (
                np.lib.format.read_array(self._file, allow_pickle=False) for _ in range(4 + len(self._names))
            )
            yield Saturated(contig, position, ref, alt, dict(zip(self._names, scores, strict=True)))
