"""Jobs of files that cannot be read twice or in parts, and of several models."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pysam
import pysam.bcftools
import pytest
from oracle.jobs import Facts, Stopped, contents, fails, same

import dnabert_fast.workflows.sequences as of_sequences
from dnabert_fast import merge
from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.sequences import predict

MakeModel = Callable[..., Path]


def test_sequences_from_a_pipe(
    run: Callable[..., Facts], reads: Path, make_model: MakeModel, whole: Callable[[str], tuple[Path, Facts]],
    tmp_path: Path,
) -> None:  # fmt: skip
    """A pipe is kept in the work folder; going on with another one is refused."""
    expected, _ = whole("predict.tsv")
    pipe, out = tmp_path / "pipe", tmp_path / "predict.tsv"

    def through(text: bytes) -> Facts:
        os.mkfifo(pipe)
        if os.fork() == 0:
            pipe.write_bytes(text)
            os._exit(0)
        try:
            return predict(pipe, model=str(make_model()), output=out, device="cpu", work=tmp_path / "w", threads=1)
        finally:
            pipe.unlink()
            os.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_sequences, "precision_of", fails)  # before a job is begun
        with pytest.raises(Stopped):
            through(b">another\nACGTACGT\n")
    for _ in range(2):
        through(gzip.compress(reads.read_bytes(), mtime=0))
        assert out.read_bytes() == (expected / "predict.tsv").read_bytes()
    with pytest.raises(DnabertError, match="sequences on the pipe is not what the job was begun with"):
        through(gzip.compress(reads.read_bytes() + b">more\nACGTACGT\n", mtime=0))
    kept = tmp_path / "w" / "inputs" / "sequences"
    predict(kept, model=str(make_model()), output=out, device="cpu", work=tmp_path / "w", threads=1)


def test_regions_from_a_pipe(run: Callable[..., Facts], tmp_path: Path) -> None:
    bed, pipe = tmp_path / "r.bed", tmp_path / "pipe"
    bed.write_text("one\t100\t900\n")
    (tmp_path / "again").mkdir()
    expected = run(tmp_path / "scan.bw", regions=bed)
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_bytes(bed.read_bytes())
        os._exit(0)
    try:
        found = run(tmp_path / "again" / "scan.bw", regions=pipe, work=tmp_path / "w")
    finally:
        os.wait()
    assert found["windows"] == expected["windows"]
    assert (tmp_path / "again" / "scan.bw").read_bytes() == (tmp_path / "scan.bw").read_bytes()


@pytest.mark.parametrize("kind", ["gz", "bgz", "bcf", "pipe", "unsorted"])
def test_records_of_any_kind_of_file(
    kind: str,
    run: Callable[..., Facts],
    vcf: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What has no sections is rewritten once in the work folder; records out of order stay so."""
    given: Path = tmp_path / "in.vcf.gz"
    text = vcf.read_bytes()
    if kind in ("gz", "pipe"):
        given.write_bytes(gzip.compress(text, mtime=0))
    elif kind == "bgz":
        pysam.tabix_compress(str(vcf), str(given))
    elif kind == "bcf":
        given = tmp_path / "in.bcf"
        pysam.bcftools.view("--no-version", "-Ob", "-o", str(given), str(vcf), catch_stdout=False)
    else:
        head, columns, rows = text.partition(b"FILTER\tINFO\n")
        lines = rows.splitlines(keepends=True)
        given = tmp_path / "in.vcf"
        given.write_bytes(head + columns + b"".join(lines[40:] + lines[:40]))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    facts = run(tmp_path / "a" / "variants.vcf.gz", vcf=given)
    for _ in range(2):
        source = given
        if kind == "pipe":
            source = tmp_path / "pipe"
            os.mkfifo(source)
            if os.fork() == 0:
                source.write_bytes(given.read_bytes())
                os._exit(0)
        found = run(tmp_path / "b" / "variants.vcf.gz", vcf=source, work=tmp_path / "w", shard_size=2)
        if kind == "pipe":
            os.wait()
            source.unlink()
        assert same(found, facts)
        assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert ("not sorted" in str(facts["notes"])) == (kind == "unsorted")
    copies = list((tmp_path / "w").glob("inputs/*"))
    assert len(copies) == (1 if kind in ("gz", "bcf", "pipe") else 0)


def test_several_models_in_shards(run: Callable[..., Facts], make_model: MakeModel, tmp_path: Path) -> None:
    models = [f"A={make_model()}", f"B={make_model(seed=1)}"]
    (tmp_path / "w").mkdir()
    one = run(tmp_path / "variants.vcf", model=models, ensemble="mean")
    whole = (tmp_path / "variants.vcf").read_bytes()
    for i in (2, 1):
        run(tmp_path / "variants.vcf", model=models, ensemble="mean", work=tmp_path / "w", shard=f"{i}/2")
    assert same(merge(tmp_path / "w", output=tmp_path / "merged.vcf"), one)
    assert (tmp_path / "merged.vcf").read_bytes() == whole
    with pytest.raises(DnabertError, match="holds another job"):
        run(tmp_path / "variants.vcf", model=models[:1], precision="auto", work=tmp_path / "w")
