"""Labelled sets of the verbs that train: tables, FASTA, one file a class, or BED with its genome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..io.bed import bed_labels
from ..io.labelled import Labelled, check_lengths, parse_labels, read_labelled
from ..seq.aliases import AliasTable
from ..seq.batch import Windows, reverse_complement
from ..seq.genome import Genome
from ..train.sets import LabelledSet
from .common import read_regions

__all__ = ["Source", "read_set"]


@dataclass(frozen=True)
class Source:
    """How the sets of a run are given: what labels are (`io.labelled.TASKS`) and the names of classes.

    `labels` is a file of them beside FASTA, `genome` what the regions of BED files lie on. A set that is `held_out` may
    lack classes.
    """

    task: str = "auto"
    classes: tuple[str, ...] | None = None
    labels: str | Path | None = None
    genome: str | Path | None = None
    held_out: bool = False


def read_set(path: str | Path, k: int, source: Source) -> tuple[LabelledSet, tuple[str, ...] | None]:
    """A set, and the names that its files give the classes (None where they give none).

    Raises FormatError, naming the line, for what `io.labelled.read_labelled` refuses.
    """
    if source.genome is None and str(path).lower().endswith((".bed", ".bed.gz")):
        raise FormatError(f"{path}: regions have no bases; give the genome they lie on with --genome")
    if source.genome is not None:
        found = _of_regions(path, source.genome, k, source)
    else:
        found = read_labelled(
            path, k, task=source.task, classes=source.classes, labels=source.labels, held_out=source.held_out
        )
    return LabelledSet(found.windows, found.labels, found.second), found.classes


def _of_regions(path: str | Path, genome: str | Path, k: int, source: Source) -> Labelled:
    """Regions of a BED file on the strand of column 6, with their labels (see `io.bed.bed_labels`)."""
    if source.labels is not None:
        raise FormatError(f"{source.labels}: BED files bring their labels; leave --labels out")
    with Genome.open(genome) as opened:
        regions = read_regions(path, opened, AliasTable(), k)
        windows = opened.fetch(regions.contig, regions.start, regions.end)
    both = Windows.concatenate([windows, reverse_complement(windows)])
    windows = both.take(np.arange(len(windows)) + len(windows) * regions.reverse)
    fields, lines = bed_labels(path)
    check_lengths(windows, None, k, path, lines)
    labels = parse_labels(fields, windows, k, source.task, source.classes, path, lines, source.held_out)
    return Labelled(windows, labels, [f"line {line}" for line in lines])
