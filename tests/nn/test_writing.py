"""Model folders written over what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.network import Network

Make = Callable[..., Network]


def test_writing_into_the_present_folder(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it cannot be renamed, nor can a mount point
    kept = {"a.txt", "log.jsonl", "zz.txt"}
    for name in kept:
        Path(name).write_text(name)
    write_network(make("sequence", ("no", "yes")), ".")
    assert read_network(".").config.labels == ("no", "yes")
    assert all(Path(name).read_text() == name for name in kept)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")], "nothing is left beside them"


def test_others_may_read_what_they_may_read_of_any_file(make: Make, tmp_path: Path) -> None:
    write_network(make("sequence", ("no", "yes")), tmp_path / "model")
    (tmp_path / "any").touch()
    usual = (tmp_path / "any").stat().st_mode
    assert {path.name: path.stat().st_mode for path in (tmp_path / "model").iterdir()} == dict.fromkeys(
        (path.name for path in (tmp_path / "model").iterdir()), usual
    )
