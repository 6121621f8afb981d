"""What verbs write, as data: a process that joins parts opens the sink that a run in one go would have opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from ..analysis.scan import CallMerger
from ..io import open_table, open_track
from ..io.bed import BedSink
from ..io.bgzf import TabixColumns
from ..io.npy import NpySink
from ..io.parts import CallPart, replay
from ..io.score_table import ScoreTableSink
from ..io.vcf import VcfSink
from ..seq.types import F32, I64
from .progress import Progress, silent
from .ranked import RankedPart, RankedSink

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CallSink", "Output", "join", "open_part", "open_sink", "suffix_of", "try_sink"]

Result_contra = TypeVar("Result_contra", contravariant=True)

_SUFFIXES = (".vcf.gz", ".tsv.gz", ".bed.gz", ".bedgraph.gz")


@dataclass(frozen=True)
class Output(Generic[Result_contra]):
    """A file that a verb writes: its flag, its path, how its sink is opened, and what hands a result to that sink.

    `sink` is JSON: `kind` of `open_sink`, and what that kind needs. One of the kind "values" has parts alone, which are
    read by the verb itself (see `Results.values`).
    """

    name: str
    path: str | Path
    sink: dict[str, Any]
    put: Callable[[Any, Result_contra], None]


def open_sink(sink: dict[str, Any], path: str | Path, *, part: bool = False, progress: Progress = silent) -> Any:
    """The sink of an output, or one for a part of it, whose bytes are joined or whose calls are replayed.

    `progress` is told of what takes long once all is there.
    """
    kind = sink["kind"]
    if kind == "track":
        return open_track(path, sink["contigs"], part=part)
    if kind == "table":
        index = sink.get("index")
        columns = [(name, of) for name, of in sink["columns"]]
        return open_table(path, columns, None if index is None else TabixColumns(*index), part=part)
    if kind == "bed":
        return BedSink(path, part=part)
    if kind == "array":
        return NpySink(path, sink["columns"], part=part)
    if kind == "calls":
        return CallPart(path) if part else CallSink(path, sink["contigs"])
    if kind == "snvs":
        return ScoreTableSink(path, sink["meta"], sink["fields"], part=part)
    if kind == "ranked":
        return RankedPart(path, sink["scores"]) if part else RankedSink(path, sink, progress)
    if kind == "values":
        return CallPart(path)
    assert kind == "vcf", kind
    return VcfSink(path, sink["header"].encode("latin-1"), part=part)


def suffix_of(path: str | Path) -> str:
    """What the kind of a file is told by: .vcf.gz, .bw; "-" is that of VCF text."""
    if str(path) == "-":
        return ".vcf"
    name = Path(path).name.lower()
    return next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), Path(name).suffix)


def open_part(output: Output[Any], place: Callable[[str], Path]) -> tuple[Path, Any]:
    """The file and sink of a part; `place` gives the path of a name. A .bcf is joined as text."""
    suffix = suffix_of(output.path)
    path = place(f"{output.name}{'.vcf.gz' if suffix == '.bcf' else suffix}")
    return path, open_sink(output.sink, path, part=True)


def try_sink(output: Output[Any], path: str | Path) -> None:
    """Open the sink of an output at `path` and let go of it, so that what it cannot do is known before the work."""
    if str(path) != "-":
        refusal = RuntimeError("tried alone")
        open_sink(output.sink, path).__exit__(RuntimeError, refusal, None)


def join(
    sink: dict[str, Any], path: str | Path, parts: Iterable[tuple[Path, dict[str, Any]]], progress: Progress = silent
) -> Any:
    """Write the file at `path` out of the parts, each with the state its sink had; returns the closed sink."""
    with open_sink(sink, path, progress=progress) as whole:
        for part, state in parts:
            if hasattr(whole, "append"):
                whole.append(part, state)
                continue
            for values in replay(part):
                if sink["kind"] == "table":
                    whole.write(values)
                else:
                    (whole.write_runs if sink["kind"] == "track" else whole.write)(*values)
    return whole


class CallSink:
    """Called regions as BED; those that touch are merged, and written when they are closed, the last one at the end."""

    def __init__(self, path: str | Path, contigs: list[str]) -> None:
        self._bed = BedSink(path)
        self._contigs = contigs
        self._merger = CallMerger()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if error is not None:
            self._bed.__exit__(kind, error, trace)
            return
        with self._bed:
            self._put(self._merger.close())

    def write(self, contig: int, starts: I64, ends: I64, scores: F32) -> None:
        """Write the regions of a unit: start and end i64[n], highest score f32[n]."""
        self._put(self._merger.add(contig, starts, ends, scores))

    def _put(self, regions: list[tuple[int, int, int, float]]) -> None:
        for contig, group in groupby(regions, key=itemgetter(0)):
            _, start, end, score = zip(*group, strict=True)
            self._bed.write(self._contigs[contig], np.array(start), np.array(end), np.array(score, np.float32))
