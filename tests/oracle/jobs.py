"""What tests of jobs share: what a run has left, and what stops it and damages that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnabert_fast.workflows.jobs import Results

Facts = dict[str, Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def same(facts: Facts, others: Facts) -> bool:
    """Whether two summaries say the same, besides seconds and where."""
    left_out = {"seconds", "output"}
    return {k: v for k, v in facts.items() if k not in left_out} == {
        k: v for k, v in others.items() if k not in left_out
    }


class Stopped(Exception):
    """Ends a run."""


class Stopping:
    """Has a run fail at the n-th result."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.results = 0
        write = Results.write

        def counted(results: Results[Any], result: Any) -> None:
            if self.results == at:
                raise Stopped
            self.results += 1
            write(results, result)

        patch.setattr(Results, "write", counted)


def fails(*args: Any, **more: Any) -> None:
    raise Stopped


def harm(path: Path, how: str) -> None:
    """Do to a file what bad disks do."""
    text = bytearray(path.read_bytes())
    if how == "remove" or not text:
        path.unlink()
        return
    if how == "cut":
        path.write_bytes(text[: len(text) // 2])
        return
    text[len(text) // 2] ^= 1
    path.write_bytes(text)
