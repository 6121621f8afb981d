"""--work, --shard and --shard-size: the folder of a run, inputs that it can read again, and what it has decided."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..engine.jobs import claim, fingerprint, read_job, shard_range
from ..engine.model import Model, load
from ..errors import DnabertError, FormatError
from ..io.atomic import failures, writing
from .precision import AUTO, Choice, resolve_precision
from .progress import Progress

__all__ = ["Work", "asked_work", "inputs_folder", "precision_of", "stored_input", "try_places"]


@dataclass(frozen=True)
class Work:
    """What --work, --shard and --shard-size asked for."""

    folder: Path
    shard: str | None
    shard_size: int


def asked_work(
    work: str | Path | None, shard: str | None, shard_size: int | None, usual: int, report: object = None,
    *, estimate: int | None = None,
) -> Work | None:  # fmt: skip
    """The work folder that was asked for, made; None for a run that writes straight to its outputs, and an estimate.

    Raises DnabertError where flags do not go together, and for a folder that is something else.
    """
    if work is None:
        for flag, value in (("--shard", shard), ("--shard-size", shard_size)):
            if value is not None:
                raise DnabertError(f"{flag} {value}: shards are kept in a folder; give --work DIR too")
        return None
    if shard_size is not None and shard_size < 1:
        raise DnabertError(f"--shard-size {shard_size}: give 1 or more")
    if shard is not None:
        shard_range(shard, 1)
        if report is not None:
            raise DnabertError("--report is of the whole output; leave it out with --shard, and report after merge")
    if estimate is not None:
        if shard is not None:
            raise DnabertError(f"--shard {shard}: --estimate is of the whole run; leave it out, and see --machines")
        return None
    return Work(claim(work), shard, shard_size or usual)


def stored_input(
    work: Work | None, name: str, path: str | Path, copy: Callable[[Path], None] | None = None
) -> str | Path:
    """An input that can be read again: itself, or what `copy` makes of standard input and other pipes (their bytes).

    Raises DnabertError where the job of the folder was begun with another; what no job was begun with gives way.
    """
    if work is None or (str(path) != "-" and not Path(path).is_fifo()):
        return path
    target = inputs_folder(work) / name
    with writing(target) as partial:
        if copy is not None:
            copy(partial)
        else:
            _save(path, partial, target)
        begun = target.exists() and (work.folder / "job.json").exists()
        if begun and fingerprint(partial) != fingerprint(target):
            raise DnabertError(
                f"--work {work.folder}: {name} on the pipe is not what the job was begun with; that is {target}, which "
                "may be given in its place"
            )
    return target


def inputs_folder(work: Work) -> Path:
    """The folder of inputs that were kept, made."""
    folder = work.folder / "inputs"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FormatError(f"{folder}: cannot be made ({error.strerror or error})") from error
    return folder


def _save(path: str | Path, partial: Path, target: Path) -> None:
    """Copy what comes from a pipe."""
    standard = str(path) == "-"
    given = open(0 if standard else path, "rb", closefd=not standard)  # noqa: SIM115 - closed by `with`
    with given, failures(target), open(partial, "wb") as stored:
        shutil.copyfileobj(given, stored, 1 << 20)


def precision_of(
    work: Work | None, loaded: Model, model: str | Path, precision: str, *, device: str, expected: float | None,
    progress: Progress, number: int = 0,
) -> tuple[Model, Choice]:  # fmt: skip
    """See `resolve_precision`; a job that was begun keeps what "auto" chose then for the model of this `number`.

    Its settings have `choices`, the facts of each model's choice.
    """
    if work is None or precision != AUTO or not (work.folder / "job.json").exists():
        return resolve_precision(loaded, model, precision, device=device, expected=expected, progress=progress)
    choices = read_job(work.folder).about["settings"]["choices"]
    if number >= len(choices):  # of a job with fewer models, which is about to be refused
        return loaded, Choice("fp32", "", loaded.hash())
    said = choices[number]
    chosen, left = said["precision"], tuple(said["precision_exceptions"])
    network = loaded.hash()
    if (chosen, left) != ("fp32", ()):
        threads = torch.get_num_threads()
        loaded = load(model, device=device, precision=chosen, exceptions=left, threads=threads, strand=loaded.strand)
    return loaded, Choice(chosen, said["precision_reason"], network, left)


def try_places(work: Work | None, paths: Sequence[str | Path | None]) -> None:
    """Raise FormatError for an output that cannot be made, before work is spent on it."""
    for path in paths:
        if path is not None and str(path) != "-":
            with writing(path):
                pass
