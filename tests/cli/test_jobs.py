"""Jobs as users type them: a part, what is left of it, and the merge."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., tuple[int, str, str]]


def test_shards_status_and_merge(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    words = ["variants", vcf, genome, "-m", model, "--window", 12, "--precision", "fp32"]
    assert cli(*words, "-o", out / "whole.vcf.gz", "-q")[0] == 0
    job = [*words, "-o", out / "o.vcf.gz", "--work", work]
    code, _, err = cli(*job, "--shard", "1/2")
    assert code == 0
    assert "none of the job's shards (1) is in this part" in err
    code, _, err = cli(*job, "--shard", "2/2")
    assert code == 0
    assert "shards 1 to 1 of 1; when all are done, merge them" in err  # the only shard is in the second half
    code, stdout, _ = cli("status", work)
    assert code == 0
    assert stdout.startswith("variants: 1 of 1 shards are done")
    assert "records: 20" in stdout
    facts = json.loads(stdout.splitlines()[-1])
    assert (facts["done"], facts["missing"], facts["counts"]["alleles"]) == (1, [], 40)
    assert not (out / "o.vcf.gz").exists()
    code, stdout, err = cli("merge", work, "--summary", out / "facts.json")
    assert (code, stdout) == (0, "")
    assert "records" in err
    assert json.loads((out / "facts.json").read_text())["output"] == str(out / "o.vcf.gz")
    assert (out / "o.vcf.gz").read_bytes() == (out / "whole.vcf.gz").read_bytes()
    assert (out / "o.vcf.gz.tbi").read_bytes() == (out / "whole.vcf.gz.tbi").read_bytes()
    code, stdout, err = cli(*words, "-o", "-", "--work", tmp_path / "other", "-q")
    assert (code, err) == (0, "")
    assert cli(*words, "-o", "-", "-q")[1] == stdout


@pytest.mark.parametrize("verb", ["merge", "status"])
def test_a_folder_of_nothing(cli: Cli, tmp_path: Path, verb: str) -> None:
    code, stdout, err = cli(verb, tmp_path)
    assert (code, stdout) == (1, "")
    assert err.replace("\n", " ") == f"error: {tmp_path}: holds no job; give the folder that --work was given "


def test_errors_are_one_line(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, tmp_path: Path) -> None:
    words = ["scan", genome, "-m", model, "-o", out / "o.bw", "--work", tmp_path / "w"]
    assert cli(*words, "--window", 12)[0] == 0
    code, _, err = cli(*words, "--window", 13)
    assert code == 1
    assert err.count("\n") == 1
    assert "holds another job: window was 12, is 13; give another folder" in err
    os.truncate(next((tmp_path / "w").glob("shards/*/*.bw")), 3)
    code, _, err = cli("merge", tmp_path / "w")
    assert code == 1
    assert "1 of 1 shards are not done (1); part 000000.output.bw of shard 1 is damaged or gone" in err
    code, _, err = cli(*words, "--window", 12)
    assert code == 0
    assert "part 000000.output.bw of shard 1 is damaged or gone; it was computed anew" in err.replace("\n", " ")
