"""What verbs share: opening a genome, reading the user's windows, and writing summaries."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.given import check_lengths
from ..errors import DnabertError, FormatError
from ..io.atomic import make_folder, refuse_folder, writing
from ..io.bed import read_bed
from ..nn.config import NetworkConfig
from ..seq.aliases import AliasTable, resolve
from ..seq.genome import Genome
from ..seq.variants import Regions

__all__ = [
    "GRIDS",
    "SUMMARY",
    "check_fits",
    "check_outputs",
    "check_seed",
    "field_name",
    "made_folder",
    "named",
    "on_grid",
    "other_assembly",
    "read_regions",
    "window_length",
    "write_facts",
    "write_summary",
]

GRIDS = ("centred", "tiled")
"""What `--windows` may say in place of a BED file: each variant in its own window, or in one that neighbours share."""

SUMMARY = 1
"""The version of what summaries hold (schema/summary.schema.json), which each says."""

_LARGEST_SEED = 1 << 63
_MISMATCHES = 20  # fewer may be chance, or a file of few records


def read_regions(
    path: str | Path,
    genome: Genome,
    aliases: AliasTable,
    k: int = 0,
    *,
    may_be_empty: bool = False,
    scored_by: NetworkConfig | None = None,
) -> Regions:
    """Regions of a BED file on a genome's contigs; column 6, where it says "-", turns a window round.

    Raises FormatError naming the line for a contig that the genome has not, for a region that reaches outside it, and
    for one shorter than `k` bases; and for a file without regions unless it `may_be_empty`. Raises DnabertError, naming
    the line, for a region of a length that the head of `scored_by` does not score.
    """
    bed = read_bed(path, may_be_empty=may_be_empty)
    rows, _ = resolve(bed.contigs, genome, aliases)
    contig = np.array(rows, np.int32)[bed.contig]
    missing = np.flatnonzero(contig < 0)
    if len(missing):
        at = int(missing[0])
        raise FormatError(f"{path}:{bed.line[at]}: contig {bed.contigs[bed.contig[at]]} is not in the genome")
    outside = np.flatnonzero(bed.end > genome.lengths[contig])
    if len(outside):
        at = int(outside[0])
        name, length = genome.names[contig[at]], genome.lengths[contig[at]]
        raise FormatError(f"{path}:{bed.line[at]}: ends at {bed.end[at]}, but contig {name} has {length} bases")
    short = np.flatnonzero(bed.end - bed.start < k)
    if len(short):
        at = int(short[0])
        length = bed.end[at] - bed.start[at]
        raise FormatError(f"{path}:{bed.line[at]}: a window of {length} bases is shorter than one {k}-mer")
    if scored_by is not None:
        check_lengths(scored_by, bed.end - bed.start, lambda row: f"{path}:{bed.line[row]}")
    return Regions(contig, bed.start, bed.end, bed.strand == ord("-"))


def window_length(given: int | None, trained: int | None, k: int, *, scored_by: NetworkConfig | None = None) -> int:
    """The window of a verb: as given, or the one the model was trained on.

    Raises DnabertError where neither says it, for a window shorter than k, and for one of a length that the head of
    `scored_by` does not score.
    """
    window = given if given is not None else trained
    if window is None:
        raise DnabertError("this model does not say the window it was trained on; give --window BASES")
    if window < k:
        raise DnabertError(f"--window {window} is shorter than one {k}-mer")
    if scored_by is not None:
        scored_by.check_window(window, "--window")
    return window


def on_grid(windows: str | Path, window: int | None) -> bool:
    """Whether `--windows` names a grid, and not a BED file.

    Raises DnabertError for a file that is not there, and where `--window` says how long regions of a file are.
    """
    if str(windows) in GRIDS:
        return True
    if not Path(windows).exists():
        raise DnabertError(f"--windows {windows}: no such file; give a BED file, 'centred' or 'tiled'")
    if window is not None:
        raise DnabertError(f"--window {window} is that of centred and tiled windows; leave it or --windows out")
    return False


def check_fits(window: int | None, genome: Genome, path: str | Path) -> None:
    """Raise DnabertError for a window that is longer than every contig of the genome at `path`."""
    if window is not None and window > int(genome.lengths.max(initial=0)):
        raise DnabertError(f"--window {window} is longer than every contig of {path}")


def other_assembly(reasons: Mapping[str, int], alleles: int) -> list[str]:
    """A note where most alleles on contigs of the genome have another REF than it: by chance a quarter has the same.

    `reasons` counts alleles by flag, REF_MISMATCH among them.
    """
    wrong, compared = reasons.get("REF_MISMATCH", 0), alleles - reasons.get("NO_CONTIG", 0)
    if wrong < _MISMATCHES or 2 * wrong <= compared:
        return []
    return [f"{wrong:,} of {compared:,} alleles have another REF than the genome: is GENOME the assembly of VCF?"]


def check_outputs(inputs: Sequence[str | Path | None], outputs: Mapping[str, str | Path | None]) -> None:
    """Raise DnabertError where an output, by its flag, would replace an input or another output.

    All outputs are files. Raises FormatError for a folder, and where `--summary` could not be written: before hours of
    work and not after.
    """
    taken = {os.path.realpath(path): "an input" for path in inputs if path is not None and str(path) != "-"}
    for flag, path in outputs.items():
        if path is None or str(path) == "-":
            continue
        if (what := taken.get(os.path.realpath(path))) is not None:
            raise DnabertError(f"{flag} {path} is {what} too; give two names")
        refuse_folder(path)
        taken[os.path.realpath(path)] = f"what {flag} writes"
    summary = outputs.get("--summary")
    if summary is not None:
        with writing(summary):
            pass


def made_folder(output: str | Path, inputs: Sequence[str | Path | None] = ()) -> Path:
    """The output folder, made now, so that a place that cannot be written is known before hours of work.

    Raises DnabertError where it is one of the `inputs`, FormatError where it cannot be made or written.
    """
    place = os.path.realpath(output)
    if os.path.exists(place) and place in {os.path.realpath(path) for path in inputs if path is not None}:
        raise DnabertError(f"-o {output}: is an input too; choose another folder")
    return make_folder(output)


def named(text: str, flag: str = "") -> tuple[str, str]:
    """NAME and path of [NAME=]PATH, "" where there is no NAME; a path that exists may have = in it.

    Raises DnabertError, naming the flag, for a NAME that no field of a VCF may have in its own.
    """
    name, equals, path = text.partition("=")
    if not equals or Path(text).exists():
        return "", text
    return field_name(name, f"{flag} {text}".lstrip()), path


def field_name(name: str, where: str) -> str:
    """The name, if fields of a VCF may have it in theirs; DnabertError, saying `where` it was given, if not."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise DnabertError(f"{where}: NAME may hold letters, digits and _, and starts with a letter")
    return name


def check_seed(seed: int, seeds: int = 1) -> None:
    """Raise DnabertError for a seed that numbers cannot be drawn from, where `seeds` are taken from it on."""
    if not 0 <= seed <= _LARGEST_SEED - seeds:
        raise DnabertError(f"--seed {seed}: give a whole number from 0 to 2^63 - 1")


def write_summary(path: str | Path | None, facts: dict[str, Any]) -> None:
    """Say in the facts of a run which version of summary.schema.json they follow; write them, if a path is given."""
    facts["schema"] = SUMMARY
    if path is not None:
        write_facts(path, {"schema": SUMMARY, **facts})


def write_facts(path: str | Path, facts: Mapping[str, Any]) -> None:
    """Write one JSON object."""
    with writing(path) as partial:
        Path(partial).write_text(json.dumps(facts, indent=2) + "\n")
