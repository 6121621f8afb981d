"""The two steps of `screen`, each a job of its own to be resumed: windows are attended to, then alleles scored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..analysis.attention import AttendedUnit, AttentionSummary, attend_genome
from ..analysis.regions import Places
from ..analysis.screen import Ranked
from ..analysis.variants import ChangeScorer, ScoredUnit, VariantOptions, VariantSummary, score_variants
from ..engine.model import Model
from ..io.vcf import VcfSource
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import F32, I64
from ..seq.vcf_text import Records
from .attention_outputs import HighWriter
from .jobs import Results, Task, begun
from .outputs import Output
from .progress import Follow, Progress
from .screen_inputs import Contigs, Kept, Survey, kept_records, most_kept_units
from .screen_outputs import ScoredAlleles
from .work import Work

__all__ = ["Attending", "Scoring", "Steps", "Tiles"]

_TEXTS = ("CHROM", "ID", "REF", "ALT")
_NUMBERS = ("POS", "REF", "ALT", "LOGOR")

Values: TypeAlias = "tuple[Any, ...]"


@dataclass(frozen=True)
class Steps:
    """What both steps share: the model, the folders of their jobs, and what these are known by.

    `inputs` and `options` are those of `Task`; `settings` are for whoever goes on with a job.
    """

    model: Model
    first: Work | None
    work: Work | None
    inputs: Mapping[str, str | Path | None]
    options: Mapping[str, Any]
    settings: Mapping[str, Any]

    def task(
        self, verb: str, outputs: Sequence[Output[Any]], units: int, options: Mapping[str, Any] | None = None
    ) -> Task[Any]:
        """A step as a job of so many units."""
        return Task(
            verb,
            self.inputs,
            {**self.options, **(options or {})},
            self.settings,
            outputs,
            lambda unit: vars(unit.counts),
            lambda: self.model.notes,
            lambda: units,
        )


@dataclass(frozen=True)
class Tiles:
    """The windows to attend to, in genome order: how many each unit has, and the units, as often as is asked."""

    sizes: Sequence[int]
    units: Callable[[], Iterable[Plan]]

    @staticmethod
    def of(units: Callable[[], Iterable[Plan]]) -> Tiles:
        """The windows of these units."""
        return Tiles([len(unit) for unit in units()], units)


@dataclass(frozen=True)
class Attending:
    """The first step: which stretches of windows a model attends to, and which alleles lie there.

    Windows with more than `max_n` of their bases unknown are left out; regions go to the file `bed`.
    """

    genome: Genome
    tiles: Tiles
    found: Survey
    bed: Path
    quantile: float | None
    max_n: float

    def run(self, steps: Steps, progress: Progress) -> tuple[dict[str, Any], list[str], int]:
        """Write the regions, and tell the alleles of windows and of regions; counts, notes, and how many regions."""
        counts, notes = dict[str, Any](), list[str]()
        with ExitStack() as marking:
            marks = HighWriter(
                marking, self.bed, self.genome, self.quantile, ordered=True, told=self.found.sites.enclose
            )
            if steps.first is None:
                advance = progress("attending", "windows", sum(self.tiles.sizes))

                def write(unit: AttendedUnit) -> None:
                    self._take(marks, *self._seen(marks, unit))

                counts = asdict(self._attend(steps.model, self.tiles.units(), write, advance))
            else:
                with self._results(steps, marks) as results:
                    advance = progress(results.doing("attending"), "windows", self._left(results))
                    units = results.follow(results.of_shards(enumerate(self.tiles.units())))
                    self._attend(steps.model, units, results.write, advance)
                for values in results.values("attended"):
                    self._take(marks, *values)
                counts, notes = asdict(AttentionSummary()) | results.counts, results.notes
        return counts, notes, marks.count

    def _attend(
        self, model: Model, units: Iterable[Plan], write: Callable[[AttendedUnit], None], advance: Callable[[int], None]
    ) -> Any:
        return attend_genome(model, self.genome, units, write, max_n=self.max_n, progress=advance)

    def _results(self, steps: Steps, marks: HighWriter) -> Results[AttendedUnit]:
        """Where the units go as parts of the step's job."""
        assert steps.first is not None

        def put(sink: Any, unit: AttendedUnit) -> None:
            sink.write(*self._seen(marks, unit))

        output = Output("attended", steps.first.folder / "attended.values", {"kind": "values"}, put)
        task = steps.task("screen: attention", [output], len(self.tiles.sizes))
        return Results(task, steps.first, steps.model, begun(task, steps.first))

    def _left(self, results: Results[AttendedUnit]) -> int:
        """The windows of the shards that are wanted."""
        size = results.shard_size
        return sum(sum(self.tiles.sizes[shard * size : (shard + 1) * size]) for shard in results.wanted or ())

    def _seen(self, marks: HighWriter, unit: AttendedUnit) -> Values:
        """What is kept of a unit: its alleles and their scores, its regions, and where its last window lies, if any."""
        rows, scores = self.found.sites.seen(unit.plan, unit.windows, unit.scores)
        places = marks.found(unit.plan, unit.windows, unit.scores)
        last = unit.plan[-1:]
        return rows, scores, places.contig, places.start, places.end, places.value, last.contig, last.start

    def _take(self, marks: HighWriter, rows: I64, scores: F32, *values: Any) -> None:
        contig, start, end, value, *last = values
        self.found.sites.attend(rows, scores)
        marks.add(Places(contig, start, end, value), *last)


@dataclass(frozen=True)
class Scoring:
    """The second step: the records with an allele in a region are scored and written, and these alleles ranked."""

    source: VcfSource
    contigs: Contigs
    scorers: Sequence[ChangeScorer]
    options: VariantOptions
    written: Output[ScoredUnit]

    def run(self, steps: Steps, scored: ScoredAlleles, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """Score the records, write them, and keep the scores; counts and notes."""
        with self._results(steps, scored) as results:
            follow = Follow(progress(results.doing("scoring"), "records", None))
            units = results.of_shards(enumerate(kept_records(self.source, scored.inside)))
            records = results.follow(_expected(units, scored, follow))
            score_variants(
                self.scorers, steps.model.run, self.contigs.genome, records, self.contigs.resolve, results.write,
                self.options, VariantSummary(), progress=follow,
            )  # fmt: skip
        if steps.work is not None:
            for row, difference, *columns in results.values("ranked"):
                numbers = dict(zip(_NUMBERS, columns, strict=False))
                texts = {name: Windows(*text) for name, text in zip(_TEXTS, columns[len(_NUMBERS) :], strict=True)}
                scored.add(Ranked(row, difference, numbers, texts))
        return VariantSummary().facts() | results.counts, results.notes

    def _results(self, steps: Steps, scored: ScoredAlleles) -> Results[ScoredUnit]:
        """Where the units go: to the file and the ranking at once, or as parts of the step's job."""
        if steps.work is None:

            def put_both(sink: Any, unit: ScoredUnit) -> None:
                self.written.put(sink, unit)
                scored.add(scored.seen(unit))

            return Results(steps.task("screen", [replace(self.written, put=put_both)], 0), None, steps.model, None)

        def put(sink: Any, unit: ScoredUnit) -> None:
            seen = scored.seen(unit)
            texts = [(seen.texts[name].bases, seen.texts[name].offsets) for name in _TEXTS]
            sink.write(seen.row, seen.difference, *(seen.numbers[name] for name in _NUMBERS), *texts)

        ranked = Output("ranked", steps.work.folder / "ranked.values", {"kind": "values"}, put)
        inside = hashlib.sha256(np.packbits(scored.inside).tobytes()).hexdigest()[:16]
        task = steps.task("screen", [self.written, ranked], most_kept_units(scored.inside), {"alleles_inside": inside})
        return Results(task, steps.work, steps.model, begun(task, steps.work))


def _expected(
    units: Iterable[tuple[int, Kept]], scored: ScoredAlleles, follow: Follow
) -> Iterator[tuple[int, Records]]:
    """The records of the units, once those who wait for them have been told."""
    for shard, unit in units:
        scored.expect(unit.rows)
        follow.unit(len(unit.records), unit.share)
        yield shard, unit.records
