"""The verbs `saturate` and `lookup` as users type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., tuple[int, str, str]]


def told(err: str) -> dict[str, str]:
    """The counts that a verb shows, by their names."""
    rows = [line.rsplit(None, 1) for line in err.splitlines() if len(line.split()) > 1]
    return {name.strip(): number for name, number in rows}


def test_a_table_is_made_and_looked_up(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    regions, vcf, table = out / "r.bed", out / "in.vcf", out / "t.tsv.gz"
    regions.write_text("c\t20\t40\nd\t5\t10\n")
    options = ("-m", model, "--window", 20, "--precision", "fp32")
    code, stdout, err = cli("saturate", regions, genome, *options, "-o", table)
    assert (code, stdout) == (0, "")
    assert (told(err)["bases"], told(err)["SNVs"]) == ("25", "75")
    assert "note: PHRED ranks the SNVs of this table" in err

    ground = out / "b.bed"
    ground.write_text("c\t0\t400\n")
    code, _, err = cli("saturate", genome, *options, "--background", ground)
    assert (code, told(err)["SNVs of the background"]) == (0, "1,200")
    code, _, err = cli("saturate", "--genome-wide", genome, *options, "-o", table, "-q")
    assert (code, err) == (0, "")

    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "c\t21\t.\tN\tA\t.\t.\t.\nc\t22\t.\tA\tAT\t.\t.\t.\n"
    )
    code, stdout, err = cli(
        "lookup", vcf, table, f"X={table}", "-o", "-", "-g", genome, "--columns", "PHRED",
        "--misses", out / "m.vcf", "--summary", out / "s.json",
    )  # fmt: skip
    assert code == 0
    assert stdout.splitlines()[-1].startswith("c\t22\t.\tA\tAT\t.\t.\tDNABERT_PHRED=.;X_PHRED=.")
    assert told(err)["ALT alleles"] == "2"
    facts = json.loads((out / "s.json").read_text())
    assert (facts["verb"], facts["fields"]) == ("lookup", ["DNABERT_PHRED", "X_PHRED"])


def test_bad_input_ends_with_one_line(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    vcf = out / "in.vcf"
    vcf.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    for words, why in (
        (("saturate", genome, "-m", model, "-o", out / "t.tsv.gz"), "needs REGIONS (a BED file) or --genome-wide"),
        (("saturate", "a.bed", "b.bed", genome, "-m", model), "give one BED file of regions, and the genome"),
        (("lookup", vcf, genome, "-o", out / "o.vcf"), "where a table of scores is BGZF"),
        (("lookup", vcf, out / "none.tsv.gz", "-o", out / "o.vcf"), "none.tsv.gz: no such file"),
    ):
        code, stdout, err = cli(*words)
        assert (code, stdout, len(err.splitlines())) == (1, "", 1)
        assert err.startswith("error: ")
        assert why in err
