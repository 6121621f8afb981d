"""What a work folder is not taken for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.jobs import Facts, contents

from dnabert_fast import merge, status
from dnabert_fast.errors import DnabertError, FormatError

MakeModel = Callable[..., Path]


def test_another_job_is_refused_by_what_differs(
    run: Callable[..., Facts], fasta: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    work = tmp_path / "w"
    asked: dict[str, Any] = {"work": work, "shard_size": 3}
    run(tmp_path / "scan.bw", **asked)
    before = contents(tmp_path)
    for changed, what in [
        ({"window": 50}, "window was 40, is 50"),
        ({"stride": 13}, "stride was 12, is 13"),
        ({"shard_size": 2}, "shard-size was 3, is 2"),
        ({"threshold": 0.5}, "threshold was 0.4, is 0.5"),
        ({"calls": None, "threshold": None}, r"--calls was \.bed\.gz, is not given"),
        ({"output": tmp_path / "scan.tsv"}, r"--output was \.bw, is \.tsv"),
        (
            {"model": str(make_model(seed=1)), "window": 50},
            r"window was 40, is 50; model is another than it was \(hash [0-9a-f]{12} then, [0-9a-f]{12} now\); give",
        ),
        ({"strand": "both"}, r"strand was \+, is both"),
    ]:
        with pytest.raises(DnabertError, match=f"holds another job: .*{what}"):
            run(tmp_path / "scan.bw", **(asked | changed))
    text = fasta.read_bytes()
    try:
        fasta.write_bytes(text.replace(b"A", b"C", 1))
        with pytest.raises(DnabertError, match=r"input genome is not the file it was \(.*g.fa; of the same size\)"):
            run(tmp_path / "scan.bw", **asked)
        fasta.write_bytes(text + b"A")
        with pytest.raises(DnabertError, match=r"input genome is not the file it was \(.*g.fa; 2,[0-9]+ bytes then"):
            run(tmp_path / "scan.bw", **asked)
    finally:
        fasta.write_bytes(text)
    with pytest.raises(DnabertError, match="verb was scan, is predict"):
        run(tmp_path / "predict.tsv", **asked)
    assert contents(tmp_path) == before


def test_what_goes_together(run: Callable[..., Facts], tmp_path: Path) -> None:
    out = tmp_path / "scan.bw"
    with pytest.raises(DnabertError, match="give --work DIR too"):
        run(out, shard="1/2")
    with pytest.raises(DnabertError, match="give --work DIR too"):
        run(out, shard_size=2)
    for wrong in ("0/2", "3/2", "1", "1/0", "a/b"):
        with pytest.raises(DnabertError, match="give I/N"):
            run(out, work=tmp_path / "w", shard=wrong)
    with pytest.raises(DnabertError, match="leave it out with --shard"):
        run(out, work=tmp_path / "w", shard="1/2", report=tmp_path / "r.html")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.doc").write_text("")
    with pytest.raises(DnabertError, match=r"holds no job but other things \(thesis.doc\)"):
        run(out, work=tmp_path / "home")
    for verb in (merge, status):
        with pytest.raises(DnabertError, match="holds no job"):
            verb(tmp_path / "home")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "job.json").write_text("{")
    with pytest.raises(FormatError, match=r"job.json: broken"):
        status(tmp_path / "w")


def test_what_stands_where_inputs_are_kept(run: Callable[..., Facts], vcf: Path, tmp_path: Path) -> None:
    plain = tmp_path / "v.vcf.gz"
    plain.write_bytes(gzip.compress(vcf.read_bytes()))
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "inputs").write_text("")
    with pytest.raises(FormatError, match="inputs: cannot be made"):
        run(tmp_path / "variants.vcf", vcf=plain, work=tmp_path / "w")


def test_models_in_another_order_have_other_columns(
    run: Callable[..., Facts], make_model: MakeModel, tmp_path: Path
) -> None:
    models = [f"A={make_model()}", f"B={make_model(seed=1)}"]
    run(tmp_path / "variants.tsv", model=models, work=tmp_path / "w", shard="1/2")
    with pytest.raises(DnabertError, match=r"models was \['A', 'B'\], is \['B', 'A'\]"):
        run(tmp_path / "variants.tsv", model=models[::-1], work=tmp_path / "w", shard="2/2")
