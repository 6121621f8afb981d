"""The command line in this process, and as users start it."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from dnabert_fast.cli import app

torch.set_num_threads(1)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


def command(*words: object) -> list[str]:
    """What a user types, for subprocess."""
    return [sys.executable, "-m", "dnabert_fast", *map(str, words)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test alone: no verdict or index of the user's is read or written."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command in this process."""

    def call(*words: object) -> Ended:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["dnabert-fast", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app.run()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def real() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a command in a process of its own."""

    def call(*words: object, **given: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(*words),
            capture_output=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"},
            timeout=120,
            **({"input": b""} | given),
        )

    return call


@pytest.fixture(scope="session")
def model(make_model: Callable[..., Path]) -> Path:
    return make_model()


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    """A plain FASTA of two contigs, 400 and 30 bases."""
    (tmp_path / "in").mkdir(exist_ok=True)
    path = tmp_path / "in" / "genome.fa"
    path.write_bytes(b">c\n" + b"ACGTTGCAAG" * 40 + b"\n>d\n" + b"GATTACA" * 4 + b"GA\n")
    return path


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    """Twenty SNVs of the genome, plain gzip."""
    (tmp_path / "in").mkdir(exist_ok=True)
    path = tmp_path / "in" / "in.vcf.gz"
    head = "##fileformat=VCFv4.2\n##contig=<ID=c,length=400>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    body = "".join(f"c\t{10 * i + 1}\trs{i}\tA\tC,G\t.\tPASS\tDP={i}\n" for i in range(3, 23))
    path.write_bytes(gzip.compress((head + body).encode()))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for results."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"
