"""Tables of SNVs whose scores are ranked among themselves, and so are written when all of them are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.saturate import Background, Saturated, raw_score
from ..errors import FormatError
from ..io.atomic import writing
from ..io.columns import packed
from ..io.parts import CallPart, Spool, replay
from ..io.score_table import ScoreTableSink
from ..seq.batch import Windows
from ..seq.types import F32, I32, I64, U8
from .progress import Progress, silent

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["PREFIX", "RankedPart", "RankedSink", "SnvRows", "phred_meaning"]

PREFIX = "DNABERT"
"""What the names of our columns begin with."""


def phred_meaning(snvs: int, where: str) -> str:
    """The header line that says among how many SNVs, and whose, PHRED is a rank."""
    return f"##PHRED=-10 log10(rank / n) of RawScore among the n={snvs} SNVs {where}"


class SnvRows:
    """SNVs as rows of a table, with their contigs by name."""

    def __init__(self, contigs: Sequence[str]) -> None:
        self._names = Windows(*packed(contigs))

    def write(self, sink: ScoreTableSink, unit: Saturated, raw: F32, phred: F32) -> None:
        """Write the SNVs of a unit."""
        names = self._names.take(unit.contig)
        scores = [raw, phred, *unit.fields.values()]
        sink.write((names.bases, names.offsets), unit.position + 1, _letters(unit.ref), _letters(unit.alt), scores)


def _letters(bases: U8) -> tuple[U8, I64]:
    return np.ascontiguousarray(bases), np.arange(len(bases) + 1, dtype=np.int64)


class RankedPart(CallPart):
    """The SNVs of a shard as `RankedSink` is given them, and behind them, from byte `end` on, how they are distributed.

    `scores` are the names of the scores, as `raw_score` knows them.
    """

    def __init__(self, path: str | Path, scores: Sequence[str]) -> None:
        super().__init__(path)
        self._scores = scores
        self._found = Background()
        self._end = 0

    def write(self, *values: Any) -> None:
        """Add the SNVs of a unit."""
        super().write(*values)
        self._found.add(raw_score(dict(zip(self._scores, values[4:], strict=True))))

    @property
    def state(self) -> dict[str, Any]:
        """Where the distribution begins."""
        return {"end": self._end}

    def _finish(self, afterwards: ExitStack) -> None:
        self._end = self._file.tell()
        bins = self._found.bins
        self._record(bins, self._found.counts[bins])
        super()._finish(afterwards)


class RankedSink:
    """A table of SNVs, their PHRED being ranks among themselves, which is written when it is closed.

    Until then they wait in a file without a name beside it, or in the parts of a job. `head`: its `before` and `after`
    are the lines around that of PHRED, `scores` the names of scores and `contigs` those of contigs.
    """

    def __init__(self, path: str | Path, head: Mapping[str, Any], progress: Progress = silent) -> None:
        if not str(path).endswith(".tsv.gz"):
            raise FormatError(f"{path}: a table of scores is BGZF text with an index; name it .tsv.gz")
        with writing(path):
            pass  # a place that cannot be written is known before hours of work
        self._path, self._head, self._progress = Path(path), head, progress
        self._found = Background()
        self._spool = Spool(path)
        self._parts: list[tuple[Path, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            if error is None:
                self._rank()
        finally:
            self._spool.close()

    def write(self, contig: I32, position: I64, ref: U8, alt: U8, *scores: F32) -> None:
        """Take the SNVs of a unit; see `Saturated`."""
        self._found.add(raw_score(self._named(scores)))
        self._spool.write(contig, position, ref, alt, *scores)

    def append(self, part: Path, state: Mapping[str, Any]) -> None:
        """Take the SNVs of a part, which has to stay until the table is closed."""
        [(bins, counts)] = replay(part, state["end"])
        self._found.counts[bins] += counts
        self._parts.append((part, state["end"]))

    def _named(self, scores: Sequence[F32]) -> dict[str, F32]:
        return dict(zip(self._head["scores"], scores, strict=True))

    def _units(self) -> Iterator[Saturated]:
        calls = [self._spool.replay(), *(replay(part, stop=end) for part, end in self._parts)]
        for contig, position, ref, alt, *scores in chain.from_iterable(calls):
            yield Saturated(contig, position, ref, alt, self._named(scores))

    def _rank(self) -> None:
        head, total = self._head, self._found.total
        meta = [*head["before"], phred_meaning(total, "of this table"), *head["after"]]
        rows, scale, advance = SnvRows(head["contigs"]), self._found.scale(), self._progress("ranking", "SNVs", total)
        with ScoreTableSink(self._path, meta, [f"{PREFIX}_{name}" for name in head["scores"]]) as sink:
            for unit in self._units():
                raw = raw_score(unit.fields)
                rows.write(sink, unit, raw, scale(raw))
                advance(len(unit))
