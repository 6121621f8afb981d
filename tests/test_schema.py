"""What is promised of output files (docs/schema.md), held against files that the verbs write."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from dnabert_fast.engine.jobs import SCHEMA

ROOT = Path(__file__).parent.parent
KINDS = ("job", "receipt", "status", "summary")


def stored(name: str) -> Any:
    return json.loads((files("dnabert_fast") / "schema" / name).read_text())


def check(kind: str, content: Any) -> None:
    Draft202012Validator(stored(f"{kind}.schema.json")).validate(json.loads(json.dumps(content)))


def refuses(kind: str, content: Any) -> None:
    with pytest.raises(ValidationError):
        check(kind, content)


FIELDS = stored("fields.json")


def means(one: dict[str, Any], name: str) -> bool:
    """Whether a promise is of a field."""
    return bool(re.fullmatch(one["name"], name)) if "pattern" in one else one["name"] == name


def match(names: Sequence[str], promised: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is promised of each field; each stands for one promise, and all promises that are not optional are kept."""
    found = {}
    for name in names:
        fits = [one for one in promised if means(one, name)]
        assert len(fits) == 1, (name, fits)
        found[name] = fits[0]
    kept = [one["name"] for one in found.values()]
    assert not [one["name"] for one in promised if one["name"] not in kept and not one.get("optional")]
    literal = [one["name"] for one in promised if "pattern" not in one]
    assert [name for name in names if name in literal] == [name for name in literal if name in names]
    return found


def lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def check_table(verb: str, path: Path) -> None:
    """The columns of a text table, by name where it has a header, and their types."""
    told = FIELDS["tables"][verb]
    rows = [line.split("\t") for line in lines(path) if not line.startswith("##")]
    names = rows.pop(0) if told["header"] else [one["name"] for one in told["columns"]]
    of = match(names, told["columns"])
    kinds: dict[str, Callable[[str], object]] = {"int": int, "float": float, "str": str}
    assert rows
    for row in rows:
        assert len(row) == len(names)
        for name, cell in zip(names, row, strict=True):
            if cell not in (".", ""):
                kinds[of[name]["type"]](cell)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_schemas_and_are_told_of(kind: str) -> None:
    schema = stored(f"{kind}.schema.json")
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:dnabert-fast:schema:{kind}:1"
    assert f"`{kind}.schema.json`" in (ROOT / "docs" / "schema.md").read_text()


def test_versions_agree() -> None:
    assert FIELDS["schema"] == SCHEMA
    assert stored("receipt.schema.json")["properties"]["schema"] == {"const": SCHEMA}
    assert stored("job.schema.json")["properties"]["identity"]["properties"]["schema"] == {"const": SCHEMA}


OPTIONS: dict[str, Any] = {"precision": "fp32", "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def demo(grch38: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small inputs out of the demonstration, and a place for what comes of them."""
    out = tmp_path_factory.mktemp("schema")
    whole = (grch38.parent / "promoters.bed").read_text().splitlines(keepends=True)
    (out / "windows.bed").write_text("".join(whole[:4]))
    (out / "part.bed").write_text("chr20\t2651000\t2654000\n")
    (out / "few.bed").write_text("chr20\t3000000\t3000004\n")
    return {
        "out": out,
        "vcf": data / "vcf" / "cohort.vcf",
        "calls": grch38.parent / "HG002_chr20_piece.vcf.gz",
        "genome": grch38,
        "sequences": data / "labelled" / "prom_300_tata_60.csv.gz",
    }


def test_variants(demo: dict[str, Path]) -> None:
    from dnabert_fast import variants

    out = demo["out"]
    facts = variants(demo["vcf"], demo["genome"], model="demo", output=out / "one.vcf", **OPTIONS)
    check("summary", facts)
    refuses("summary", {name: value for name, value in facts.items() if name != "reason_records"})
    refuses("summary", facts | {"scored": "12"})
    declared = [line for line in lines(out / "one.vcf") if line.startswith("##INFO=<ID=DNABERT")]
    header = [re.match(r"##INFO=<ID=(\w+),Number=(\w),Type=(\w+)", line) for line in declared]
    assert all(header)
    found = {one[1]: (one[2], one[3]) for one in header if one is not None}
    for name, promise in match(list(found), FIELDS["info"]["variants"]).items():
        assert found[name] == (promise["number"], promise["type"])


def test_variants_of_several_models(demo: dict[str, Path]) -> None:
    from dnabert_fast import variants

    path = demo["out"] / "two.tsv"
    several = ["a=demo", "b=demo"]
    check("summary", variants(demo["vcf"], demo["genome"], model=several, ensemble="mean", output=path, **OPTIONS))
    check_table("variants", path)


def test_scan(demo: dict[str, Path]) -> None:
    from dnabert_fast import scan

    out = demo["out"]
    common = {"model": "demo", "regions": out / "part.bed", "stride": 100, **OPTIONS}
    facts = scan(demo["genome"], output=out / "scan.tsv.gz", calls=out / "calls.bed", threshold=0.05, **common)
    check("summary", facts)
    check_table("scan", out / "scan.tsv.gz")
    check_table("scan --calls", out / "calls.bed")


def test_sequences(demo: dict[str, Path]) -> None:
    from dnabert_fast import embed, predict

    out = demo["out"]
    check("summary", predict(demo["sequences"], model="demo", output=out / "p.tsv", **OPTIONS))
    check_table("predict", out / "p.tsv")
    check("summary", embed(demo["sequences"], model="demo", output=out / "e.npy", **OPTIONS))


def test_embed_columns(demo: dict[str, Path]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from dnabert_fast import embed

    embed(demo["sequences"], model="demo", output=demo["out"] / "e.parquet", **OPTIONS)
    match(parquet.read_schema(demo["out"] / "e.parquet").names, FIELDS["tables"]["embed"]["columns"])


def test_attention(demo: dict[str, Path]) -> None:
    from dnabert_fast import attention

    out = demo["out"]
    common = {"model": "demo", "regions": out / "windows.bed", **OPTIONS}
    check("summary", attention(demo["genome"], output=out / "a.tsv", **common))
    check_table("attention", out / "a.tsv")


def test_screen(demo: dict[str, Path]) -> None:
    from dnabert_fast import screen

    out = demo["out"]
    windows = demo["genome"].parent / "promoters.bed"
    common = {"model": "demo", "windows": windows, "top": 3, "known": [f"hg002={demo['calls']}"], **OPTIONS}
    check("summary", screen(demo["calls"], demo["genome"], output=out / "screened", **common))
    check_table("screen: candidates.tsv", out / "screened" / "candidates.tsv")
    check_table("screen: enrichment.tsv", out / "screened" / "enrichment.tsv")


def test_tables_of_scores(demo: dict[str, Path]) -> None:
    from dnabert_fast.workflows.lookup import lookup
    from dnabert_fast.workflows.saturate import saturate

    out = demo["out"]
    table = out / "snvs.tsv.gz"
    check("summary", saturate(demo["genome"], model="demo", regions=out / "few.bed", output=table, **OPTIONS))
    check_table("saturate", table)
    check("summary", lookup(demo["vcf"], [str(table)], output=out / "looked_up.vcf"))


def test_haplotypes(demo: dict[str, Path]) -> None:
    from dnabert_fast.workflows.haplotypes import haplotypes

    out = demo["out"]
    common = {"model": "demo", "windows": demo["genome"].parent / "promoters.bed", **OPTIONS}
    check("summary", haplotypes(demo["calls"], demo["genome"], output=out / "h.tsv", **common))
    check_table("haplotypes", out / "h.tsv")


def test_variants_without_a_task(demo: dict[str, Path], make_model: Callable[..., Path]) -> None:
    from dnabert_fast import variants

    path = demo["out"] / "likely.tsv"
    common = {"model": str(make_model("mlm", ())), "window": 41, **OPTIONS}
    check("summary", variants(demo["vcf"], demo["genome"], output=path, **common))
    check_table("variants", path)


def test_job(demo: dict[str, Path]) -> None:
    from dnabert_fast import variants
    from dnabert_fast.workflows.merge import merge, status

    work, output = demo["out"] / "work", demo["out"] / "job.vcf.gz"
    common = {"model": "demo", "windows": demo["out"] / "windows.bed", "output": output, "work": work, **OPTIONS}
    facts = variants(demo["calls"], demo["genome"], shard="1/2", **common)
    check("summary", facts)
    assert facts["shards"] == {"first": 1, "last": 1, "of": 2}
    job = json.loads((work / "job.json").read_text())
    check("job", job)
    refuses("job", {**job, "identity": job["identity"] | {"schema": SCHEMA + 1}})
    (path,) = (work / "shards").rglob("*.json")
    receipt = json.loads(path.read_text())
    check("receipt", receipt)
    refuses("receipt", receipt | {"schema": SCHEMA + 1})
    refuses("receipt", receipt | {"another": 1})
    check("status", status(work))
    variants(demo["calls"], demo["genome"], shard="2/2", **common)
    check("status", status(work))
    check("summary", merge(work))
