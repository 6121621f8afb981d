"""Which shards of a work folder a run has to itself: a lock a shard, so that no two runs compute the same at once.

The locks are the kernel's (POSIX record locks on byte i of a file for shard i, far beyond its end): they go with their
process, whatever ends it, and hold between machines on file systems that have them, as NFS does. In the file itself
each run says who it is, for the others to tell.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from ..errors import DnabertError, FormatError

__all__ = ["RUNS", "alone"]

RUNS = "runs.jsonl"
_BEYOND = 1 << 40  # where no line comes to: some file systems refuse to write what another process has locked
_ALL = 0  # as many bytes as there may ever be, to the kernel


@contextmanager
def alone(work: Path, shards: range | None) -> Iterator[list[str]]:
    """A block in which no other process computes any of these shards, or, with None, any of the folder's.

    Gives notes: one where the file system has no locks, and nothing is held. Raises DnabertError where another process
    has one of them, and says who; threads of one process do not keep each other out. Nobody else may open the file
    within the block: the kernel lets go of all locks on a file when any handle of the process to it is closed.
    """
    if shards is not None and not shards:
        yield []
        return
    first, count = (0, _ALL) if shards is None else (shards.start, len(shards))
    path = work / RUNS
    try:
        file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed by `with`
    except OSError as error:
        raise FormatError(f"{path}: cannot be written ({error.strerror or error})") from error
    with file:
        free = _lock(file, first, count)
        if free is False:
            raise DnabertError(f"--work {work}: {_other(file, path, first, count)}")
        with suppress(OSError):  # a full disk is told of when there is something to keep
            file.write(_line(first, count))
            os.fsync(file.fileno())
        yield [] if free else [f"{work} lies on a file system without locks: no run of the same shards was looked for"]


def _lock(file: BinaryIO, first: int, count: int) -> bool | None:
    """Lock the bytes of shards; False where another process has one of them, None where files cannot be locked."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, _BEYOND + first)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _line(first: int, count: int) -> bytes:
    """What a run says of itself; `last` is null for all shards."""
    said = {
        "time": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%MZ}",
        "host": socket.gethostname(),
        "process": os.getpid(),
        "first": first + 1,
        "last": None if count == _ALL else first + count,
    }
    return (json.dumps(said) + "\n").encode()


def _other(file: BinaryIO, path: Path, first: int, count: int) -> str:
    """Who has shards that are wanted: the latest run whose shards are locked and overlap them."""
    file.seek(0)
    for line in reversed(file.read().splitlines()):
        with suppress(ValueError, LookupError, TypeError):  # of a process that was killed as it wrote
            said = json.loads(line)
            start, last = said["first"] - 1, said["last"]
            apart = (count != _ALL and start >= first + count) or (last is not None and last <= first)
            if apart or _lock(file, start, _ALL if last is None else last - start) is not False:
                continue
            which = "the shards" if last is None else f"shards {start + 1:,} to {last:,}"
            who = f"{said['host']}, process {said['process']}, since {said['time']}"
            gone = "" if said["host"] == socket.gethostname() else f", or delete {path} if that machine is gone"
            return f"another run computes {which} of this job ({who}); wait for it or end it{gone}"
    return "another run computes shards of this part; wait for it or end it"
