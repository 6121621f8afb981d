"""Disks that are full, and what killed writers leave on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle.jobs import Facts

from dnabert_fast import status
from dnabert_fast.errors import FormatError


def test_a_full_disk_is_one_line_and_loses_nothing(
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import dnabert_fast.io.atomic as atomic

    expected, _ = whole("embed.npy")
    flush, flushed = atomic._flush, 0

    def full(path: Path) -> None:
        nonlocal flushed
        flushed += 1
        if flushed > 14:
            raise OSError(28, "No space left on device")
        flush(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_flush", full)
        with pytest.raises(FormatError, match=r"cannot be written \(No space left on device\); is the disk full\?"):
            run(tmp_path / "embed.npy", work=tmp_path / "w", shard_size=2)
    told = status(tmp_path / "w")
    assert 0 < told["done"] < told["shards"]
    assert "No space left" in told["failures"][0]
    run(tmp_path / "embed.npy", work=tmp_path / "w", shard_size=2)
    assert (tmp_path / "embed.npy").read_bytes() == (expected / "embed.npy").read_bytes()


def test_what_a_killed_writer_left_is_cleared(run: Callable[..., Facts], tmp_path: Path) -> None:
    import dnabert_fast.io.atomic as atomic

    work = tmp_path / "w"
    run(tmp_path / "predict.tsv", work=work)
    gone = os.spawnvp(os.P_NOWAIT, "true", ["true"])
    os.waitpid(gone, 0)
    here = atomic._host()
    left = [
        work / f".job.json.{here}.{gone}-0.partial",
        work / "shards" / "000" / f".000000.output.tsv.{here}.{gone}-3.partial",
        tmp_path / f".predict.tsv.{here}.{gone}-1.partial",
        tmp_path / f".predict.tsv.tbi.{here}.{gone}-1.partial",
    ]
    kept = [
        work / "shards" / "000" / f".000000.output.tsv.{here}.{os.getpid()}-3.partial",
        work / "shards" / "000" / f".000000.output.tsv.elsewhere.{gone}-3.partial",
        tmp_path / f".other.tsv.{here}.{gone}-1.partial",
    ]
    for path in (*left, *kept):
        path.write_text("half")
    run(tmp_path / "predict.tsv", work=work)
    assert [path for path in left if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
