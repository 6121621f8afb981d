"""--work, --shard and --shard-size: the folder of a run, inputs that it can read again, and what it has decided."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..engine.fingerprints import fingerprint
from ..engine.jobs import claim, read_job, shard_range
from ..engine.model import Model, load
from ..errors import BackendUnavailable, DnabertError, FormatError
from ..io.atomic import failures, publish_first, writing
from .precision import AUTO, WORTH, Choice, resolve_precision
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
    return _folder(work, "inputs")


def _folder(work: Work, name: str) -> Path:
    folder = work.folder / name
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
    """See `resolve_precision`; of several runs that begin a job, the first to choose for "auto" does so for all.

    Choices are told apart by the `number` of the model. A job that was begun has them in its settings, by `choices`;
    until then they stand in the folder, where what is there first stays. Raises BackendUnavailable where this device
    does not have what was chosen.
    """
    if work is None or precision != AUTO:
        return resolve_precision(loaded, model, precision, device=device, expected=expected, progress=progress)
    said, network = _kept_choice(work, number), loaded.hash()
    if said is None:
        loaded, choice = resolve_precision(
            loaded, model, precision, device=device, expected=expected, progress=progress
        )
        said = _first_choice(work, number, choice, expected)
        if said == choice.facts():
            return loaded, choice
    chosen, left = said["precision"], tuple(said["precision_exceptions"])
    backend = loaded.network.backend
    if (chosen, left) != (backend.precision, backend.exceptions):
        threads = torch.get_num_threads()
        try:
            loaded = load(
                model, device=device, precision=chosen, exceptions=left, threads=threads, strand=loaded.strand
            )
        except BackendUnavailable as error:
            why = str(error).partition(";")[0]
            raise BackendUnavailable(
                f"--work {work.folder}: the job was begun in {chosen}, and here {why}; begin it anew in another folder "
                "with a --precision that all devices have"
            ) from None
    return loaded, Choice(chosen, said["precision_reason"], network, left)


def _kept_choice(work: Work, number: int) -> dict[str, Any] | None:
    """The facts of what a job that was begun has chosen for a model; None where none was begun."""
    if not (work.folder / "job.json").exists():
        return None
    choices: list[dict[str, Any]] = read_job(work.folder).about["settings"]["choices"]
    if number < len(choices):
        return choices[number]
    return Choice("fp32", "", "").facts()  # of a job with fewer models, which is about to be refused


def _first_choice(work: Work, number: int, choice: Choice, expected: float | None) -> dict[str, Any]:
    """The facts of the choice that counts, this one or one that another run was faster to make of the same question."""
    question = [choice.network, __version__, torch.__version__, expected is not None and expected >= WORTH]
    name = hashlib.blake2b(json.dumps(question).encode(), digest_size=8).hexdigest()
    place = _folder(work, "choices") / f"{number}-{name}.json"
    publish_first(place, (json.dumps(choice.facts(), indent=1) + "\n").encode())
    try:
        said: dict[str, Any] = json.loads(place.read_bytes())
    except (OSError, ValueError) as error:
        raise FormatError(f"{place}: cannot be read; delete it") from error
    # Runs that are behind may find what one that is ahead has begun with.
    return _kept_choice(work, number) or said


def try_places(work: Work | None, paths: Sequence[str | Path | None]) -> None:
    """Raise FormatError for an output that cannot be made, before work is spent on it."""
    for path in paths:
        if path is not None and str(path) != "-":
            with writing(path):
                pass
