"""The verb attention as users type it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

Cli = Callable[..., tuple[int, str, str]]


def told(err: str) -> dict[str, str]:
    """The counts of a summary on the screen."""
    return {line.rsplit(None, 1)[0]: line.rsplit(None, 1)[1] for line in err.splitlines() if line.split()[1:]}


def test_it_tells_what_it_did(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    code, stdout, err = cli("attention", genome, "-m", model, "-o", out / "o.tsv", "--high", out / "high.bed")
    assert (code, stdout) == (0, "")
    counts = told(err)
    assert (counts["sequences"], counts["bases"]) == ("2", "430")
    assert "note" not in err
    assert int(counts["high regions"]) == len((out / "high.bed").read_text().splitlines())
    code, stdout, err = cli(
        "attention",
        genome,
        "-m",
        model,
        "-o",
        out / "o.bw",
        "--window",
        40,
        "--stride",
        20,
        "--strand",
        "both",
        "--raw",
    )
    assert (code, stdout) == (0, "")
    assert told(err)["windows"] == "19"  # (400 - 40) / 20 + 1; the other contig has 30 bases
    genome.write_bytes(genome.read_bytes().replace(b">c\n", b">c\n" + b"ACGTTGCAAG" * 12))
    code, stdout, err = cli("attention", genome, "-m", model, "-o", out / "o.tsv")
    assert (code, stdout) == (0, "")
    assert " ".join(err.split()).count("sequence c has 520 bases, more than the 512 of the model's window") == 1
    (out / "one.bed").write_text("d\t0\t30\n")
    flags = ("--regions", out / "one.bed", "--full-map")
    assert cli("attention", genome, "-m", model, "-o", out / "map.npy", *flags, "-q") == (0, "", "")
    assert np.load(out / "map.npy").shape == (2, 30, 30)
    assert sorted(os.listdir(out)) == ["high.bed", "map.npy", "o.bw", "o.tsv", "one.bed"]


def test_mistakes_are_one_line(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    for flags, message in (
        (("-o", out / "o.npy"), "name the output .npz"),
        (("-o", out / "o.npz", "--high", out / "o.npz"), "give two names"),
        (("-o", out / "o.bw"), "--window BASES"),
        (("-o", out / "o.npz", "--window", 500), "no window of 500 bases fits"),
        (("-o", out / "o.npz", "--strand", "x"), "choose one of +, -, both"),
        (("-o", genome), "is an input too"),
    ):
        code, stdout, err = cli("attention", genome, "-m", model, *flags)
        assert (code, stdout) == (1, "")
        assert message in " ".join(err.split())
    assert os.listdir(out) == []
