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
import typer
from jsonschema import Draft202012Validator, ValidationError

from dnabert_fast.cli.app import app
from dnabert_fast.engine.jobs import SCHEMA
from dnabert_fast.workflows import estimate as foretold
from dnabert_fast.workflows.attention import attention
from dnabert_fast.workflows.check import check as check_precisions
from dnabert_fast.workflows.common import SUMMARY
from dnabert_fast.workflows.haplotypes import haplotypes
from dnabert_fast.workflows.lookup import lookup
from dnabert_fast.workflows.merge import merge, status
from dnabert_fast.workflows.motifs import motifs
from dnabert_fast.workflows.mutate import mutate
from dnabert_fast.workflows.saturate import saturate
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.screen import screen
from dnabert_fast.workflows.sequences import embed, predict
from dnabert_fast.workflows.variants import variants

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
SUMMARIES = stored("summary.schema.json")["$defs"]


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
    assert {of["properties"]["schema"]["const"] for of in SUMMARIES.values()} == {SUMMARY}
    assert all(of["required"][0] == "schema" for of in SUMMARIES.values())
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
    (out / "window.bed").write_text(whole[0])
    (out / "part.bed").write_text("chr20\t2651000\t2654000\n")
    (out / "few.bed").write_text("chr20\t3000000\t3000004\n")
    return {
        "out": out,
        "vcf": data / "vcf" / "cohort.vcf",
        "calls": grch38.parent / "HG002_chr20_piece.vcf.gz",
        "genome": grch38,
        "sequences": data / "labelled" / "prom_300_tata_60.csv.gz",
        "motifs": data / "motifs",
    }


def model_of(name: str) -> dict[str, Any]:
    return {"model": name, **OPTIONS}


Demo = dict[str, Path]
WITH_SUMMARY: dict[str, Callable[[Demo, dict[str, Any]], dict[str, Any]]] = {
    "variants": lambda demo, more: variants(
        demo["vcf"], demo["genome"], output=demo["out"] / "s.vcf", **model_of("demo"), **more
    ),
    "variants --estimate": lambda demo, more: variants(
        demo["vcf"], demo["genome"], output=demo["out"] / "s.vcf", estimate=2, **model_of("demo"), **more
    ),
    "scan": lambda demo, more: scan(
        demo["genome"], output=demo["out"] / "s.bw", regions=demo["out"] / "part.bed", **model_of("demo"), **more
    ),
    "predict": lambda demo, more: predict(
        demo["sequences"], output=demo["out"] / "s.tsv", **model_of("demo"), **more
    ),
    "embed": lambda demo, more: embed(demo["sequences"], output=demo["out"] / "s.npy", **model_of("demo"), **more),
    "attention": lambda demo, more: attention(
        demo["genome"], output=demo["out"] / "s.tsv", regions=demo["out"] / "windows.bed", **model_of("demo"), **more
    ),
    "attention --full-map": lambda demo, more: attention(
        demo["genome"], output=demo["out"] / "m.npy", regions=demo["out"] / "window.bed", map_only=True,
        **model_of("demo"), **more,
    ),
    "screen": lambda demo, more: screen(
        demo["calls"], demo["genome"], output=demo["out"] / "s", windows=demo["out"] / "windows.bed",
        **model_of("demo"), **more,
    ),
    "saturate": lambda demo, more: saturate(
        demo["genome"], output=demo["out"] / "s.tsv.gz", regions=demo["out"] / "few.bed", **model_of("demo"), **more
    ),
    "lookup": lambda demo, more: looked_up(demo, more),
    "haplotypes": lambda demo, more: haplotypes(
        demo["calls"], demo["genome"], output=demo["out"] / "s.tsv", windows=demo["out"] / "windows.bed",
        **model_of("demo"), **more,
    ),
    "mutate": lambda demo, more: mutate(
        demo["genome"], output=demo["out"] / "mutated", region=["chr20:60001-60009"], **model_of("demo"), **more
    ),
    "mutate --variants": lambda demo, more: mutate(
        demo["genome"], output=demo["out"] / "mutated", variants=demo["vcf"], window=9, **model_of("demo"), **more
    ),
    "motifs": lambda demo, more: motifs(
        demo["motifs"] / "ctcf_400.tsv.gz", scores=str(demo["motifs"] / "ctcf_400_attention.npz"),
        output=demo["out"] / "found", quantile=0.8, logos=False, **more,
    ),
    "check": lambda demo, more: check_precisions("demo", precision="fp32", count=8, threads=1, device="cpu", **more),
    "merge": lambda demo, more: merged(demo, more),
}  # fmt: skip


def looked_up(demo: Demo, more: dict[str, Any]) -> dict[str, Any]:
    table = demo["out"] / "known.tsv.gz"
    saturate(demo["genome"], output=table, regions=demo["out"] / "few.bed", **model_of("demo"))
    return lookup(demo["vcf"], [str(table)], output=demo["out"] / "l.vcf", **more)


def merged(demo: Demo, more: dict[str, Any]) -> dict[str, Any]:
    embed(demo["sequences"], output=demo["out"] / "m.npy", work=demo["out"] / "merged", **model_of("demo"))
    return merge(demo["out"] / "merged", **more)


def test_every_verb_that_has_a_summary_is_held_to_the_schema() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    verbs = {name for name, verb in group.commands.items() if any("--summary" in one.opts for one in verb.params)}
    assert verbs == {name.split()[0] for name in WITH_SUMMARY}
    assert set(SUMMARIES) == (verbs - {"merge"}) | {"estimate"}  # a merge tells what its job is


@pytest.mark.parametrize("name", WITH_SUMMARY)
def test_summaries(demo: Demo, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written and returned is the same, says its version and is as the schema of that version has it."""
    monkeypatch.setattr(foretold, "SECONDS", 0.05)
    path = demo["out"] / "facts.json"
    facts = WITH_SUMMARY[name](demo, {"summary": path})
    written = json.loads(path.read_text())
    assert written == json.loads(json.dumps(facts))
    assert written["schema"] == SUMMARY
    assert written["verb"] == {"variants --estimate": "estimate", "merge": "embed"}.get(name, name.split()[0])
    check("summary", written)
    refuses("summary", written | {"schema": SUMMARY + 1})
    refuses("summary", {key: value for key, value in written.items() if key != "schema"})
    refuses("summary", written | {"notes": "none"})


def test_variants(demo: dict[str, Path]) -> None:
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
    path = demo["out"] / "two.tsv"
    several = ["a=demo", "b=demo"]
    check("summary", variants(demo["vcf"], demo["genome"], model=several, ensemble="mean", output=path, **OPTIONS))
    check_table("variants", path)


def test_scan(demo: dict[str, Path]) -> None:
    out = demo["out"]
    common = {"model": "demo", "regions": out / "part.bed", "stride": 100, **OPTIONS}
    facts = scan(demo["genome"], output=out / "scan.tsv.gz", calls=out / "calls.bed", threshold=0.05, **common)
    check("summary", facts)
    check_table("scan", out / "scan.tsv.gz")
    check_table("scan --calls", out / "calls.bed")


def test_sequences(demo: dict[str, Path]) -> None:
    out = demo["out"]
    check("summary", predict(demo["sequences"], model="demo", output=out / "p.tsv", **OPTIONS))
    check_table("predict", out / "p.tsv")
    check("summary", embed(demo["sequences"], model="demo", output=out / "e.npy", **OPTIONS))


def test_embed_columns(demo: dict[str, Path]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embed(demo["sequences"], model="demo", output=demo["out"] / "e.parquet", **OPTIONS)
    match(parquet.read_schema(demo["out"] / "e.parquet").names, FIELDS["tables"]["embed"]["columns"])


def test_attention(demo: dict[str, Path]) -> None:
    out = demo["out"]
    common = {"model": "demo", "regions": out / "windows.bed", **OPTIONS}
    check("summary", attention(demo["genome"], output=out / "a.tsv", **common))
    check_table("attention", out / "a.tsv")


def test_screen(demo: dict[str, Path]) -> None:
    out = demo["out"]
    windows = demo["genome"].parent / "promoters.bed"
    common = {"model": "demo", "windows": windows, "top": 3, "known": [f"hg002={demo['calls']}"], **OPTIONS}
    check("summary", screen(demo["calls"], demo["genome"], output=out / "screened", **common))
    check_table("screen: candidates.tsv", out / "screened" / "candidates.tsv")
    check_table("screen: enrichment.tsv", out / "screened" / "enrichment.tsv")


def test_tables_of_scores(demo: dict[str, Path]) -> None:
    out = demo["out"]
    table = out / "snvs.tsv.gz"
    check("summary", saturate(demo["genome"], model="demo", regions=out / "few.bed", output=table, **OPTIONS))
    check_table("saturate", table)
    check("summary", lookup(demo["vcf"], [str(table)], output=out / "looked_up.vcf"))


def test_haplotypes(demo: dict[str, Path]) -> None:
    out = demo["out"]
    common = {"model": "demo", "windows": demo["genome"].parent / "promoters.bed", **OPTIONS}
    check("summary", haplotypes(demo["calls"], demo["genome"], output=out / "h.tsv", **common))
    check_table("haplotypes", out / "h.tsv")


def test_variants_without_a_task(demo: dict[str, Path], make_model: Callable[..., Path]) -> None:
    path = demo["out"] / "likely.tsv"
    common = {"model": str(make_model("mlm", ())), "window": 41, **OPTIONS}
    check("summary", variants(demo["vcf"], demo["genome"], output=path, **common))
    check_table("variants", path)


def test_job(demo: dict[str, Path]) -> None:
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
