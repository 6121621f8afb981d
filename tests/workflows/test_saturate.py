"""`saturate` from a genome to a table: its scores are those of `variants`, its ranks those of a sorted list."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import scored

from dnabert_fast.analysis.saturate import UNIT_BASES, Background, Saturation
from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.io.score_table import read_background
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.seq.variants import Regions
from dnabert_fast.workflows.lookup import lookup
from dnabert_fast.workflows.saturate import saturate
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
MakeVcf = Callable[..., Path]
NAMES = ("REF", "ALT", "DIFF", "LOGOR")


def rows(path: Path) -> list[dict[str, str]]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    [title] = [line for line in lines if line.startswith("#") and not line.startswith("##")]
    names = title.lstrip("#").split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]


def meta(path: Path) -> list[str]:
    return [line for line in gzip.decompress(path.read_bytes()).decode().splitlines() if line.startswith("##")]


def bed(path: Path, *spans: tuple[int, int]) -> Path:
    path.write_text("".join(f"chr20\t{start}\t{end}\n" for start, end in spans))
    return path


def as_vcf(make_vcf: MakeVcf, table: list[dict[str, str]]) -> Path:
    return make_vcf([f"{row['Chrom']} {row['Pos']} {row['Ref']} {row['Alt']}" for row in table])


@pytest.mark.parametrize(("strand", "kind"), [("+", "sequence"), ("both", "sequence"), ("+", "regression")])
def test_scores_are_those_of_variants_to_the_last_digit(
    tmp_path: Path, make_model: MakeModel, make_vcf: MakeVcf, grch38: Path, strand: str, kind: str
) -> None:
    """Regions that overlap and touch are merged; the table is in order, with three SNVs of every base."""
    regression = kind == "regression"
    model = make_model("sequence", ("value",), regression=True) if regression else make_model()
    regions = bed(tmp_path / "r.bed", (2_652_500, 2_652_560), (2_652_400, 2_652_440), (2_652_430, 2_652_500))
    out = tmp_path / "t.tsv.gz"
    facts = saturate(grch38, model=str(model), output=out, regions=regions, window=41, strand=strand, precision="fp32")
    found = rows(out)
    assert [int(row["Pos"]) for row in found] == [at for at in range(2_652_401, 2_652_561) for _ in range(3)]
    for i in range(0, len(found), 3):
        own = found[i]["Ref"]
        assert [(row["Ref"], row["Alt"]) for row in found[i : i + 3]] == [
            (own, other) for other in "ACGT" if other != own
        ]
    assert (facts["bases"], facts["snvs"], facts["unknown_bases"]) == (160, 480, 0)
    assert facts["pieces_encoded"] <= (4 * 160) * (1 + (strand == "both"))  # a window with REF serves three SNVs

    scored_vcf = tmp_path / "v.vcf"
    variants(
        as_vcf(make_vcf, found), grch38, model=str(model), output=scored_vcf, window=41, strand=strand, precision="fp32"
    )
    names = NAMES[:3] if regression else NAMES
    again = scored.alleles(scored.text(scored_vcf))
    assert [[ours[name] for name in names] for *_, ours in again] == [
        [row[f"DNABERT_{name}"] for name in names] for row in found
    ]
    raw = "DNABERT_DIFF" if regression else "DNABERT_LOGOR"
    assert all(row["RawScore"] == row[raw].removeprefix("-") for row in found)

    looked_up = tmp_path / "l.vcf.gz"
    counts = lookup(as_vcf(make_vcf, found), [str(out)], output=looked_up)
    assert counts["found"] == len(found)
    fields = [f"DNABERT_{name}" for name in names]
    assert [
        [part for part in line.split(b"\t")[7].split(b";") if part.split(b"=")[0].decode() in fields]
        for line in scored.lines(scored.text(looked_up))
    ] == [line.split(b"\t")[7].split(b";")[:-1] for line in scored.lines(scored.text(scored_vcf))]


def test_a_table_of_several_units_agrees_with_variants(
    tmp_path: Path, make_model: MakeModel, make_vcf: MakeVcf, grch38: Path
) -> None:
    start = 2_652_000
    regions, out, scored_vcf = (
        bed(tmp_path / "r.bed", (start, start + UNIT_BASES + 40)),
        tmp_path / "t.tsv.gz",
        tmp_path / "v.vcf",
    )
    saturate(grch38, model=str(make_model()), output=out, regions=regions, window=12, precision="fp32")
    found = rows(out)
    assert len(found) == 3 * (UNIT_BASES + 40)
    near = found[3 * UNIT_BASES - 60 :]
    variants(as_vcf(make_vcf, near), grch38, model=str(make_model()), output=scored_vcf, window=12, precision="fp32")
    for row, (*_, ours) in zip(near, scored.alleles(scored.text(scored_vcf)), strict=True):
        for name in NAMES:
            assert float(row[f"DNABERT_{name}"]) == pytest.approx(float(ours[name]), abs=1e-5)


def test_unknown_bases_have_no_snvs_and_ends_are_filled(
    tmp_path: Path, make_model: MakeModel, make_vcf: MakeVcf
) -> None:
    genome = tmp_path / "g.fa"
    genome.write_text(">one\nACGTNacgtRACGTTGCA\n>two\nNNNNN\n>three\nCCATG\n")
    out, scored_vcf = tmp_path / "t.tsv.gz", tmp_path / "v.vcf"
    facts = saturate(genome, model=str(make_model()), output=out, genome_wide=True, window=12, precision="fp32")
    found = rows(out)
    assert (facts["bases"], facts["unknown_bases"], facts["snvs"]) == (28, 7, 63)
    assert {row["Ref"] for row in found} == set("ACGT")
    assert "two" not in {row["Chrom"] for row in found}
    variants(as_vcf(make_vcf, found), genome, model=str(make_model()), output=scored_vcf, window=12, precision="fp32")
    again = scored.alleles(scored.text(scored_vcf))
    assert [[ours[name] for name in NAMES] for *_, ours in again] == [
        [row[f"DNABERT_{name}"] for name in NAMES] for row in found
    ]
    assert any(ours["FLAG"] == "CONTIG_END" for *_, ours in again)


def test_a_table_says_what_it_is_and_is_indexed(tmp_path: Path, make_model: MakeModel, grch38: Path) -> None:
    block = WindowBlock(k=3, window=20, anchor="centre", classes=("no", "yes"), strand="+")
    model, out, regions = make_model(block=block), tmp_path / "t.tsv.gz", bed(tmp_path / "r.bed", (999_990, 1_000_020))
    facts = saturate(grch38, model=str(model), output=out, regions=regions, assembly="GRCh38")
    lines = meta(out)
    assert "##assembly=GRCh38" in lines
    told = json.loads(next(line for line in lines if line.startswith("##dnabert_fast_table=")).split("=", 1)[1])
    assert told == {
        "prefix": "DNABERT", "model": facts["model"], "window": 20, "strand": "+", "class": "yes",
        "precision": facts["precision"], "background": None,
    }  # fmt: skip
    assert "##RawScore=|LOGOR|" in lines
    assert "##PHRED=-10 log10(rank / n) of RawScore among the n=90 SNVs of this table" in lines
    assert any("among themselves" in text for text in facts["notes"])
    assert not any(str(tmp_path) in line for line in lines)
    with pysam.TabixFile(str(out)) as table:
        assert [row.split("\t")[1] for row in table.fetch("chr20", 1_000_000, 1_000_002)] == ["1000001"] * 3 + [
            "1000002"
        ] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.bed", "t.tsv.gz", "t.tsv.gz.tbi"]
    again = tmp_path / "again.tsv.gz"
    saturate(grch38, model=str(model), output=again, regions=regions, assembly="GRCh38")
    assert again.read_bytes() == out.read_bytes()


def phred(raw: float, background: list[float]) -> float:
    """By counting those at least as high."""
    rank = max(1, sum(other >= raw for other in background))
    return -10 * math.log10(rank / len(background))


def test_ranks_within_a_table(tmp_path: Path, make_model: MakeModel, grch38: Path) -> None:
    out, model = tmp_path / "t.tsv.gz", tmp_path / "model"
    shutil.copytree(make_model(), model, ignore=shutil.ignore_patterns("background-*"))
    saturate(grch38, model=str(model), output=out, regions=bed(tmp_path / "r.bed", (500_000, 500_100)), window=20)
    found = rows(out)
    raw = [float(row["RawScore"]) for row in found]
    for value, row in zip(raw, found, strict=True):
        # Scores within 1/4,096 of each other may share a rank.
        wanted = [phred(value * factor, raw) for factor in (1 - 1 / 4000, 1 + 1 / 4000)]
        assert wanted[0] - 1e-4 <= float(row["PHRED"]) <= wanted[1] + 1e-4
    best = max(found, key=lambda row: float(row["RawScore"]))
    assert float(best["PHRED"]) == pytest.approx(10 * math.log10(300), rel=1e-5)


def test_a_background_is_kept_with_the_model_and_used(tmp_path: Path, make_model: MakeModel, grch38: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(make_model(), model, ignore=shutil.ignore_patterns("background-*"))
    options = {"model": str(model), "window": 20, "precision": "fp32"}
    ground = bed(tmp_path / "b.bed", (600_000, 600_200))
    made = saturate(grch38, background=ground, **options)
    assert made["output"] is None
    assert made["snvs"] == made["background"]["snvs"] == 600
    [kept] = model.glob("background-*.npz")
    assert made["background"]["file"] == str(kept)
    stored = read_background(kept)
    assert stored is not None
    assert stored.counts.sum() == 600

    whole, out, both = tmp_path / "b.tsv.gz", tmp_path / "t.tsv.gz", tmp_path / "both.tsv.gz"
    saturate(grch38, output=whole, regions=ground, **options)
    regions = bed(tmp_path / "r.bed", (700_000, 700_040))
    saturate(grch38, output=out, regions=regions, **options)
    saturate(grch38, output=both, regions=regions, background=ground, **options)
    assert both.read_bytes() == out.read_bytes()
    assert "n=600 SNVs of the background" in "".join(meta(out))
    background = [float(row["RawScore"]) for row in rows(whole)]
    for row in rows(out):
        wanted = [phred(float(row["RawScore"]) * factor, background) for factor in (1 - 1 / 4000, 1 + 1e-5)]
        assert wanted[0] - 1e-4 <= float(row["PHRED"]) <= wanted[1] + 1e-4

    other = saturate(grch38, output=out, regions=regions, model=str(model), window=24)
    assert other["background"] is None  # settings of its own
    kept.write_bytes(b"no archive")
    with pytest.raises(FormatError, match=r"background-.*npz: broken background"):
        saturate(grch38, output=out, regions=regions, **options)


def test_a_background_of_a_shipped_model_is_kept_in_the_cache(
    tmp_path: Path, own_cache: Path, grch38: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = bed(tmp_path / "b.bed", (600_000, 600_002))
    made = saturate(grch38, model="demo", background=ground, precision="fp32")
    assert Path(made["background"]["file"]).is_relative_to(own_cache)
    found = saturate(grch38, model="demo", regions=ground, output=tmp_path / "t.tsv.gz", precision="fp32")
    assert found["background"] == made["background"]
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DnabertError, match=r"--background: no place to keep it: .* cannot be written"):
        saturate(grch38, model="demo", background=ground, precision="fp32")


def test_distributions_of_parts_add_up_and_survive_their_file() -> None:
    rng = np.random.default_rng(4)
    raw = np.concatenate([rng.lognormal(0, 3, 5000), [0, 0, 1e-30, 1e30]]).astype(np.float32)
    whole, parts = Background(), Background()
    whole.add(raw)
    for part in np.array_split(raw, 7):
        parts.add(part)
    assert np.array_equal(whole.counts, parts.counts)
    kept = Background.of(whole.bins, whole.counts[whole.bins])
    assert np.array_equal(kept.scale()(raw), whole.scale()(raw))
    scaled = whole.scale()(np.array([0, 1e30, 3e30, np.sort(raw)[-100]], np.float32))
    assert scaled[0] == 0
    assert scaled[1] == scaled[2] == np.float32(10 * np.log10(5004))
    assert scaled[3] == pytest.approx(10 * math.log10(5004 / 100), abs=0.05)
    with pytest.raises(ValueError, match="no bins"):
        Background.of(np.array([1 << 20]), np.array([1]))


def test_units_are_stretches_of_the_merged_regions() -> None:
    none = np.zeros(4, np.bool_)
    contig, start, end = np.array([1, 0, 0, 0], np.int32), np.array([0, 50, 10, 10]), np.array([9, 5000, 60, 12])
    plan = Saturation.of(Regions(contig, start, end, none))
    assert (plan.contig.tolist(), plan.start.tolist(), plan.end.tolist()) == ([0, 1], [10, 0], [5000, 9])
    assert (plan.bases, len(plan)) == (4999, 4)
    units = [plan.places(plan.unit(i)) for i in range(len(plan))]
    assert [len(place) for _, place in units] == [UNIT_BASES] * 3 + [4999 - 3 * UNIT_BASES]
    assert np.concatenate([place for _, place in units]).tolist() == [*range(10, 5000), *range(9)]
    assert np.concatenate([own for own, _ in units]).tolist() == [0] * 4990 + [1] * 9


spans = st.tuples(st.integers(0, 4), st.integers(0, 60), st.integers(0, 30))


@given(st.lists(spans, max_size=30))
def test_the_bases_of_regions_are_those_of_a_set(drawn: list[tuple[int, int, int]]) -> None:
    contig, start, size = (np.array([row[i] for row in drawn], np.int64) for i in range(3))
    plan = Saturation.of(Regions(contig.astype(np.int32), start, start + size, np.zeros(len(drawn), np.bool_)))
    own, place = plan.places(range(plan.bases))
    bases = {(name, at) for name, first, length in drawn for at in range(first, first + length)}
    assert list(zip(own.tolist(), place.tolist(), strict=True)) == sorted(bases)
    apart = (plan.contig[1:] != plan.contig[:-1]) | (plan.start[1:] > plan.end[:-1])
    assert apart.all()


def test_what_does_not_go_together_is_refused(tmp_path: Path, make_model: MakeModel, grch38: Path) -> None:
    regions, out = bed(tmp_path / "r.bed", (5, 9)), tmp_path / "t.tsv.gz"
    options = {"model": str(make_model()), "window": 20}
    with pytest.raises(DnabertError, match="--genome-wide takes no REGIONS"):
        saturate(grch38, output=out, regions=regions, genome_wide=True, **options)
    with pytest.raises(DnabertError, match="needs REGIONS"):
        saturate(grch38, output=out, **options)
    with pytest.raises(DnabertError, match="give -o"):
        saturate(grch38, regions=regions, **options)
    with pytest.raises(DnabertError, match="nothing to do"):
        saturate(grch38, **options)
    with pytest.raises(FormatError, match=r"name it \.tsv\.gz"):
        saturate(grch38, output=tmp_path / "t.tsv", regions=regions, **options)
    with pytest.raises(FormatError, match="ends at 70000000, but contig chr20 has"):
        saturate(grch38, output=out, regions=bed(tmp_path / "far.bed", (5, 70_000_000)), **options)
    with pytest.raises(DnabertError, match="is an input too"):
        saturate(grch38, output=out, regions=regions, summary=regions, **options)
    assert not out.exists()
