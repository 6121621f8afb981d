"""The verb `mutate` as users type it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., tuple[int, str, str]]


def test_it_tells_what_it_did(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    code, stdout, err = cli(
        "mutate", genome, "--region", "c:1-20", "--region", "d:5-24", "-m", model, "-o", out / "o",
        "--deletions", 2, "--gradients", 2, "--picture",
    )  # fmt: skip
    assert (code, stdout) == (0, "")
    told = {line.rsplit(None, 1)[0].strip(): line.rsplit(None, 1)[1] for line in err.splitlines() if line.split()[1:]}
    assert (told["windows"], told["changed windows"], told["pictures"]) == ("2", str(2 * (60 + 20 + 19)), "4")
    for pair in ("attention and substitutions", "attention and gradients", "substitutions and gradients"):
        assert f"rank correlation, {pair}" in err
    assert len(os.listdir(out / "o")) == 7


def test_quiet_is_quiet(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    assert cli("mutate", genome, "--region", "c:1-9", "-m", model, "-o", out / "o", "-q") == (0, "", "")


def test_bad_input_ends_with_one_line(
    cli: Cli, genome: Path, model: Path, out: Path, make_model: Callable[..., Path]
) -> None:
    for words, why in (
        (("mutate", genome, "--region", "c:390-410", "-m", model), "contig c has the bases 1 to 400"),
        (("mutate", genome, "--region", "c:1-9", "-m", make_model("none", ())), "has no classification or regression"),
        (("mutate", "-m", model), "no windows: give GENOME with --region"),
    ):
        code, stdout, err = cli(*words, "-o", out / "o")
        assert (code, stdout, len(err.splitlines())) == (1, "", 1)
        assert err.startswith("error: ")
        assert why in err
    assert os.listdir(out) == []


def test_another_run_in_the_folder_leaves_nothing_of_the_first(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    given = ("mutate", genome, "-m", model, "-o", out / "o")
    assert cli(*given, "--region", "c:1-20", "--deletions", 2, "--picture")[0] == 0
    (out / "o" / "notes.txt").write_text("the user's own")
    assert cli(*given, "--region", "d:5-24")[0] == 0
    assert sorted(os.listdir(out / "o")) == ["bases.tsv", "notes.txt", "scores.tsv"]
