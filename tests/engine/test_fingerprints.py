"""What inputs are known by: every byte counts, and a long file is read once for a work folder, until it changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnabert_fast.engine import fingerprints
from dnabert_fast.engine.fingerprints import FOLDER, fingerprint, remembered
from dnabert_fast.errors import FormatError
from dnabert_fast.io.atomic import publish

SIZE = 100_000


@pytest.mark.parametrize("size", [0, 1000, (64 << 20) + 1000])
def test_any_byte_counts(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    os.truncate(path, size)
    known = fingerprint(path)
    assert known["bytes"] == size
    for at in {0, 700, size // 2 + 321, size - 1} if size else ():
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(b"x")
            file.flush()
            assert fingerprint(path) != known
            file.seek(at)
            file.write(b"\0")
    assert fingerprint(path) == known
    with pytest.raises(FormatError, match="cannot be read"):
        fingerprint(tmp_path / "none")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that are read whole; all are long here, and none has just changed."""
    found: list[Path] = []
    checksum = fingerprints.checksum

    def counted(path: Path) -> tuple[int, str]:
        found.append(path)
        return checksum(path)

    monkeypatch.setattr(fingerprints, "checksum", counted)
    monkeypatch.setattr(fingerprints, "_LONG_BYTES", 10)
    monkeypatch.setattr(fingerprints, "_SETTLED", -1.0)
    return found


def test_a_long_file_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(SIZE))
    expected = {"bytes": SIZE, "blake2b": hashlib.blake2b(bytes(SIZE), digest_size=20).hexdigest()}
    for _ in range(3):
        assert remembered(tmp_path, path, publish) == expected
    (tmp_path / "link").symlink_to(path)
    assert remembered(tmp_path, tmp_path / "link", publish) == expected
    assert read == [path]
    (tmp_path / "other").mkdir()
    assert remembered(tmp_path / "other", path, publish) == expected
    assert len(read) == 2
    with pytest.raises(FormatError, match="cannot be read"):
        remembered(tmp_path, tmp_path / "none", publish)


def rewrite(path: Path) -> None:
    """Change one base in place, and set the time back, as some copying does."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    before = path.stat()
    path.with_name("new").write_bytes(bytes(SIZE - 1) + b"x")
    os.utime(path.with_name("new"), ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(path.with_name("new"), path)


@pytest.mark.parametrize("change", [rewrite, replace])
def test_a_long_file_that_changed_is_read_anew(
    tmp_path: Path, read: list[Path], change: Callable[[Path], None]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(SIZE))
    known = remembered(tmp_path, path, publish)
    change(path)
    assert path.stat().st_size == SIZE
    found = remembered(tmp_path, path, publish)
    assert found != known
    assert found == fingerprint(path)


def test_what_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(SIZE))
    monkeypatch.setattr(fingerprints, "_SETTLED", 2.0)
    remembered(tmp_path, path, publish)  # written to just now: its times may stay through another change
    assert not (tmp_path / FOLDER).exists()
    monkeypatch.setattr(fingerprints, "_SETTLED", -1.0)
    counted = fingerprints.checksum

    def slow(path: Path) -> tuple[int, str]:
        found = counted(path)
        rewrite(path)
        return found

    monkeypatch.setattr(fingerprints, "checksum", slow)
    remembered(tmp_path, path, publish)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"file": 1}'])
def test_a_torn_memory_is_made_anew(tmp_path: Path, read: list[Path], torn: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(SIZE))
    known = remembered(tmp_path, path, publish)
    [place] = (tmp_path / FOLDER).iterdir()
    sound: dict[str, Any] = json.loads(place.read_bytes())
    place.write_text(torn)
    assert remembered(tmp_path, path, publish) == known
    assert json.loads(place.read_bytes()) == sound
