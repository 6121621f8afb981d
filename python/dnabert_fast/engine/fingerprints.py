"""What the inputs of a job are known by: all their bytes, which of a long file are read once for a work folder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import FormatError

__all__ = ["FOLDER", "Publish", "checksum", "fingerprint", "remembered"]

FOLDER = "fingerprints"
"""Where a work folder keeps those of long files."""

_LONG_BYTES = 64 << 20  # shorter files are read each time, which takes less than a tenth of a second
_SETTLED = 2.0  # seconds after a change in which another one may leave the times of a file as they are

Publish: TypeAlias = Callable[[Path, bytes], None]
"""Writes a small file so that it is whole and on the disk, or not there at all."""


def checksum(path: str | Path) -> tuple[int, str]:
    """Size of a file and BLAKE2b of all its bytes, 20 bytes in hexadecimal (`b2sum -l 160`)."""
    digest = hashlib.blake2b(digest_size=20)
    size = 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    return size, digest.hexdigest()


def fingerprint(path: str | Path) -> dict[str, Any]:
    """The checksum of a file as JSON holds it: `bytes` and `blake2b`."""
    size, digest = checksum(path)
    return {"bytes": size, "blake2b": digest}


def remembered(work: Path, path: str | Path, publish: Publish) -> dict[str, Any]:
    """The fingerprint of a file; that of a long one is kept in a work folder, and holds while the file is the same.

    It is the same where path, inode, size and both times of change (of the content and of the inode, which nobody can
    set back) are. The device is not looked at: machines number what they mount differently.
    """
    try:
        before = os.stat(path)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror or error})") from error
    if before.st_size < _LONG_BYTES:
        return fingerprint(path)
    known = {"path": os.path.realpath(path), **_signs(before)}
    place = work / FOLDER / f"{hashlib.blake2b(json.dumps(known).encode(), digest_size=8).hexdigest()}.json"
    try:
        stored = json.loads(place.read_bytes())
        if stored["file"] == known:
            return {"bytes": int(stored["bytes"]), "blake2b": str(stored["blake2b"])}
    except (OSError, ValueError, LookupError, TypeError):
        pass  # it was never read, or its page is torn
    began = time.time()
    found = fingerprint(path)
    settled = began - max(before.st_mtime, before.st_ctime) > _SETTLED
    if settled and _signs(os.stat(path)) == _signs(before):
        try:
            place.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise FormatError(f"{place.parent}: cannot be made ({error.strerror or error})") from error
        publish(place, (json.dumps({"file": known, **found}, indent=1) + "\n").encode())
    return found


def _signs(found: os.stat_result) -> dict[str, int]:
    """What changes when a file is written to or replaced."""
    return {"bytes": found.st_size, "inode": found.st_ino, "mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns}
