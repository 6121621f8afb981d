"""The verb motifs as users type it: a summary, an empty result, and one line for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., tuple[int, str, str]]


def test_motifs_of_real_attention(cli: Cli, data: Path, tmp_path: Path) -> None:
    folder = data / "motifs"
    given = (folder / "ctcf_400.tsv.gz", "--scores", folder / "ctcf_400_attention.npz", "-o", tmp_path / "out")
    code, out, err = cli("motifs", *given, "--quantile", 0.8, "--database", folder / "jaspar_31.pfm", "--no-logos")
    assert (code, out) == (0, "")
    assert "MA0139.1 CTCF" in err
    assert "enriched strings" in err
    code, out, err = cli("motifs", *given, "--cutoff", 1e-12, "--quiet")
    assert (code, out, err) == (0, "", "")
    code, _, err = cli("motifs", *given, "--cutoff", 1e-12)
    assert code == 0
    assert "note: no motif found" in " ".join(err.split())


def test_a_wrong_database_is_one_line(cli: Cli, data: Path, tmp_path: Path) -> None:
    folder = data / "motifs"
    wrong = tmp_path / "wrong.meme"
    wrong.write_text("MEME version 4\n\nMOTIF a\nletter-probability matrix: alength= 4 w= 1\n0.5 0.2 0.1\n")
    code, out, err = cli(
        "motifs", folder / "ctcf_400.tsv.gz", "--scores", folder / "ctcf_400_attention.npz", "-o", tmp_path / "out",
        "--database", wrong,
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {wrong}:5: 3 numbers in motif a")
    assert len(err.splitlines()) == 1
