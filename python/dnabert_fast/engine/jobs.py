"""A job in shards that outlives its processes: what it is, what is done of it and what is left. Knows no file format.

A work folder holds job.json, and in shards/ a receipt and a part of each output for every shard that is done. A receipt
is written when its parts are on the disk: whatever ends a process leaves whole shards, and nothing that looks like one.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import DnabertError, FormatError
from .fingerprints import FOLDER, Publish, checksum, remembered
from .runs import RUNS

__all__ = [
    "FIRST",
    "Job",
    "Part",
    "Receipt",
    "add_counts",
    "claim",
    "now",
    "open_job",
    "read_job",
    "refuse_another",
    "shard_range",
]

SCHEMA = 1
FIRST = "first"
"""The folder in a work folder of the job that has to be done before its own."""

_JOB, _SHARDS, _FAILURES = "job.json", "shards", "failures.jsonl"
_OURS = {_JOB, _SHARDS, _FAILURES, FIRST, FOLDER, RUNS, "inputs", "choices"}
_FOLDER_SHARDS = 1000  # shards in a folder, so that no folder has more names than file systems like
_CHECKERS = 4
_HASH = re.compile(r"\b[0-9a-f]{16,}\b")


def shard_range(shard: str | None, count: int) -> range:
    """The shards, from 0, that "I/N" stands for: the I-th of N runs of neighbours, from 1; all of them for None."""
    if shard is None:
        return range(count)
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise DnabertError(
            f"--shard {shard}: give I/N, I from 1 to N, such as 3/40 for the third of forty parts of the job"
        )
    i, n = int(found[1]), int(found[2])
    return range(count * (i - 1) // n, count * i // n)


def add_counts(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add counts as JSON holds them to others: numbers are added, mappings by their keys, lists put end to end."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            add_counts(total.setdefault(name, {}), value)
        elif isinstance(value, (list, tuple)):
            total.setdefault(name, []).extend(value)
        else:
            total[name] = total.get(name, 0) + value


@dataclass(frozen=True)
class Part:
    """A file of a shard: its name, size and BLAKE2b, and what its sink has to know of it (see `io.bgzf.UnitsFile`)."""

    file: str
    bytes: int
    blake2b: str
    state: dict[str, Any]


@dataclass(frozen=True)
class Receipt:
    """What is known of a shard that is done: counts as its verb makes them, parts by output, and how it was made.

    seconds: since the shard before it was done; finished: UTC; device: its name and the tokens of its batches.
    """

    shard: int
    counts: dict[str, Any]
    parts: dict[str, Part]
    seconds: float
    finished: str
    host: str
    device: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A work folder with the job it was made for.

    `identity` is what results depend on (see `open_job`); `about` is what a merge needs besides: paths, how outputs are
    opened, facts for the summary. All as JSON holds it.
    """

    folder: Path
    identity: dict[str, Any]
    about: dict[str, Any]

    @property
    def count(self) -> int:
        """Shards there are."""
        return int(self.identity["shards"])

    @property
    def key(self) -> str:
        """A hash of the identity, which receipts carry."""
        return _digest(self.identity)

    def place(self, shard: int, name: str) -> Path:
        """Where a file of a shard lies; its folder is made."""
        folder = self.folder / _SHARDS / f"{shard // _FOLDER_SHARDS:03d}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(f"{folder}: cannot be made ({error.strerror or error})") from error
        return folder / f"{shard:06d}.{name}"

    def finish(self, receipt: Receipt, states: Mapping[str, tuple[Path, dict[str, Any]]], publish: Publish) -> Receipt:
        """Write the receipt of a shard whose parts are on the disk, and return it with them.

        `states`: file and state of each part, by output.
        """
        parts = {name: Part(path.name, *checksum(path), state) for name, (path, state) in states.items()}
        content = asdict(receipt) | {"parts": {name: asdict(part) for name, part in parts.items()}}
        content |= {"schema": SCHEMA, "job": self.key}
        text = json.dumps(content | {"check": _digest(content)}, indent=1) + "\n"
        publish(self.place(receipt.shard, "json"), text.encode())
        return replace(receipt, parts=parts)

    def receipt(self, shard: int) -> Receipt | None:
        """The receipt of a shard; None where it has none. DnabertError for one that is damaged or of another job."""
        path = self.folder / _SHARDS / f"{shard // _FOLDER_SHARDS:03d}" / f"{shard:06d}.json"
        try:
            content = json.loads(path.read_bytes())
            check = content.pop("check")
            sound = check == _digest(content) and content["job"] == self.key and content["shard"] == shard
            known = {field.name: content[field.name] for field in fields(Receipt)}
            known["parts"] = {name: Part(**part) for name, part in content["parts"].items()}
            known["notes"] = tuple(content["notes"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise DnabertError(f"the receipt of shard {shard + 1} is damaged")
        return Receipt(**known)

    def check(self, shard: int, *, whole: bool = True) -> Receipt | None:
        """The receipt of a shard that is done, None for one that is not; DnabertError says what is damaged.

        `whole` reads the parts; else only their sizes are looked at.
        """
        receipt = self.receipt(shard)
        if receipt is None:
            return None
        for name in receipt.parts:
            self.part(receipt, name, whole=whole)
        return receipt

    def survey(
        self, shards: Sequence[int], *, whole: bool = True, told: Callable[[int], object] = lambda done: None
    ) -> tuple[dict[int, Receipt], dict[int, str]]:
        """The receipts of the shards that are done, and what is damaged, by shard; the others are in neither.

        `whole` as in `check`; `told` of each shard that has been looked at.
        """
        done: dict[int, Receipt] = {}
        damaged: dict[int, str] = {}

        def look(shard: int) -> Receipt | str | None:
            try:
                return self.check(shard, whole=whole)
            except DnabertError as error:
                return str(error)

        with ThreadPoolExecutor(_CHECKERS, thread_name_prefix="check") as pool:
            for shard, found in zip(shards, pool.map(look, shards), strict=True):
                if isinstance(found, str):
                    damaged[shard] = found
                elif found is not None:
                    done[shard] = found
                told(1)
        return done, damaged

    def part(self, receipt: Receipt, name: str, *, whole: bool = False) -> Path:
        """The part of an output; DnabertError for one that is gone or damaged, `whole` as in `check`."""
        part = receipt.parts[name]
        path = self.place(receipt.shard, "json").with_name(part.file)
        try:
            sound = path.stat().st_size == part.bytes and (not whole or checksum(path)[1] == part.blake2b)
        except (OSError, FormatError):
            sound = False
        if not sound:
            raise DnabertError(f"part {part.file} of shard {receipt.shard + 1} is damaged or gone")
        return path

    def failed(self, shard: int, error: BaseException) -> None:
        """Note for `status` that a run ended in this shard, if the disk takes it."""
        said = {"time": now(), "host": socket.gethostname(), "shard": shard, "error": str(error) or repr(error)}
        try:
            with open(self.folder / _FAILURES, "a", encoding="utf-8") as file:
                file.write(json.dumps(said) + "\n")
        except OSError:
            pass  # the error itself is told anyway

    def failures(self) -> list[dict[str, Any]]:
        """What `failed` has noted, oldest first."""
        try:
            lines = (self.folder / _FAILURES).read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            with suppress(ValueError, LookupError, TypeError):  # of a process that was killed as it wrote
                said = json.loads(line)
                found.append({name: said[name] for name in ("time", "host", "shard", "error")})
        return found


def now() -> str:
    """The time, UTC, to the millisecond."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def claim(folder: str | Path) -> Path:
    """A work folder, made where there is none; DnabertError for one that holds other things and no job."""
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise FormatError(f"--work {folder}: cannot be made or read ({error.strerror or error})") from error
    if _JOB not in names and (strange := sorted(names - _OURS)):
        raise DnabertError(f"--work {folder}: holds no job but other things ({strange[0]}); give an empty folder")
    return root


def open_job(folder: str | Path, identity: Mapping[str, Any], about: Mapping[str, Any], publish: Publish) -> Job:
    """The job of a work folder: begun now, or the one that was begun there, if it is the same.

    identity: `verb`, `model`, the versions, `inputs` (fingerprints by name), `options`, `outputs` (suffixes by name),
    `shard_size` and `shards`. `publish` keeps what others began. DnabertError, naming what differs, for another.
    """
    root = claim(folder)
    wanted: dict[str, Any] = json.loads(json.dumps({"schema": SCHEMA, **identity}))
    if not (root / _JOB).exists():
        text = json.dumps({"identity": wanted, "about": about, "begun": now()}, indent=1) + "\n"
        publish(root / _JOB, text.encode())
    return _same(read_job(root), wanted)


def refuse_another(
    folder: Path, verb: str, inputs: Mapping[str, str | Path | None], options: Mapping[str, Any], publish: Publish
) -> None:
    """Raise the DnabertError of `open_job` early, where a folder holds a job that is another by what is known so far.

    `inputs` are files, None for one that is not given. Neither they nor `options` need be all of them.
    """
    if not (folder / _JOB).exists():
        return
    job = read_job(folder)
    wanted = {**job.identity, "verb": verb}
    if job.identity.get("verb") == verb:  # else long files would be read for nothing
        found = {name: None if path is None else remembered(folder, path, publish) for name, path in inputs.items()}
        known: dict[str, Any] = json.loads(json.dumps({"inputs": found, "options": options}))
        wanted |= {name: {**(job.identity.get(name) or {}), **of} for name, of in known.items()}
    _same(job, wanted)


def _same(job: Job, wanted: Mapping[str, Any]) -> Job:
    """The job, if it has the identity that is wanted; DnabertError, naming what differs, if not."""
    if others := list(_differences(job.identity, wanted, job.about)):
        raise DnabertError(f"--work {job.folder}: holds another job: {'; '.join(others)}; give another folder")
    return job


def read_job(folder: str | Path) -> Job:
    """The job of a work folder; DnabertError where there is none."""
    path = Path(folder) / _JOB
    try:
        content = json.loads(path.read_bytes())
        identity, about = content["identity"], content["about"]
        sound = isinstance(identity["shards"], int)
    except FileNotFoundError:
        raise DnabertError(f"{folder}: holds no job; give the folder that --work was given") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, LookupError, TypeError):
        sound = False
    if not sound:
        raise FormatError(f"{path}: broken; nobody knows what job this folder is of: start anew in another")
    return Job(Path(folder), identity, about)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], about: Mapping[str, Any]) -> Iterable[str]:
    """What differs between two identities, in words."""
    paths = about.get("inputs", {})
    if old.get("schema") != new.get("schema"):  # what the rest means may have changed
        yield _change("schema", old.get("schema"), new.get("schema"))
        return
    if old.get("verb") != new.get("verb"):  # whose options are others too
        yield f"verb was {old.get('verb')}, is {new.get('verb')}"
        return
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before == after or name == "shards":
            continue
        if name not in ("inputs", "options", "outputs"):
            yield _change(name, before, after)
            continue
        before, after = before or {}, after or {}
        for key in dict.fromkeys((*before, *after)):
            was, is_now = before.get(key), after.get(key)
            if was == is_now:
                continue
            if name == "inputs" and was is not None and is_now is not None:
                same = was["bytes"] == is_now["bytes"]
                how = "of the same size" if same else f"{was['bytes']:,} bytes then, {is_now['bytes']:,} now"
                yield f"input {key} is not the file it was ({paths.get(key, key)}; {how})"
            elif name == "inputs":
                yield f"input {key} was {'not ' if was is None else ''}given, is {'' if was is None else 'not '}given"
            else:
                yield _change(f"--{key}" if name == "outputs" else key, was, is_now)
    if old.get("shards") != new.get("shards") and all(old.get(name) == new.get(name) for name in ("inputs", "options")):
        yield f"it has {old.get('shards')} shards, not {new.get('shards')}"


def _change(name: str, was: object, is_now: object) -> str:
    """One setting that differs; of models and tables their hashes, cut short, say that they are others."""
    kind, _, own = name.partition("_")
    word = f"{kind} {own}".strip() if kind == "model" else name.replace("_", "-")  # of several, each has a name
    if all(isinstance(value, str) and _HASH.fullmatch(value) for value in (was, is_now)):
        return f"{word} is another than it was (hash {str(was)[:12]} then, {str(is_now)[:12]} now)"
    told = ("not given" if value is None else str(value) for value in (was, is_now))
    shown = (_HASH.sub(lambda found: found[0][:12], value) for value in told)
    return "{} was {}, is {}".format(word, *shown)


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
