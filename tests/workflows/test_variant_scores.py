"""Scores of real variants against transformers, one window at a time, made of slices of a string."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from oracle import scored
from oracle import variants as oracle

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
THREE = ("a", "b", "c")


def check(allele: dict[str, str], expected: oracle.Scores) -> None:
    for name, value in (
        ("REF", expected.ref),
        ("ALT", expected.alt),
        ("DIFF", expected.diff),
        ("LOGOR", expected.logor),
    ):
        assert float(allele[name]) == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize(
    ("labels", "class_name", "column", "strand", "window"),
    [
        (("no", "yes"), None, 1, "+", 101),
        (("no", "yes"), None, 1, "-", 100),
        (("no", "yes"), "no", 0, "both", 60),
        (THREE, "b", 1, "+", 41),
        (THREE, "c", 2, "both", 41),
    ],
)
def test_scores_of_real_variants(
    make_model: MakeModel,
    real_grch38: Path,
    grch38: Path,
    chr20: bytes,
    tmp_path: Path,
    labels: tuple[str, ...],
    class_name: str | None,
    column: int,
    strand: str,
    window: int,
) -> None:
    folder = make_model("sequence", labels)
    out = tmp_path / "out.vcf"
    facts = variants(
        real_grch38, grch38, model=str(folder), output=out, window=window, strand=strand, class_name=class_name
    )
    reference = oracle.Reference(folder, 3, strand=strand, column=column)
    found = scored.alleles(scored.text(out))
    assert len(found) == facts["alleles"] >= 50
    assert facts["scored"] == len(found)
    differences = set()
    for _, pos, ref, alt, ours in found:
        expected = reference.score(*oracle.centred(chr20, pos - 1, ref, alt, window))
        check(ours, expected)
        differences.add(ours["DIFF"])
    assert len(differences) > 40
    assert max(abs(float(difference)) for difference in differences) > 1e-2


def test_normalised_alleles_are_scored_where_they_belong(
    make_model: MakeModel, real_grch38: Path, grch38: Path, chr20: bytes, tmp_path: Path
) -> None:
    folder, out = make_model(), tmp_path / "out.vcf"
    variants(real_grch38, grch38, model=str(folder), output=out, window=50, normalize=True)
    reference, moved = oracle.Reference(folder, 3), 0
    for _, pos, ref, alt, ours in scored.alleles(scored.text(out)):
        start, deleted, inserted = oracle.normalized(chr20, pos - 1, ref, alt)
        expected = oracle.windows(chr20, start - 25, 50, start, len(deleted), inserted)
        check(ours, reference.score(*expected))
        moved += expected != oracle.centred(chr20, pos - 1, ref, alt, 50)
    assert moved > 5
    text = scored.text(out)
    assert [line.split(b"\t")[:5] for line in scored.lines(text)] == [
        line.split(b"\t")[:5] for line in scored.lines(real_grch38.read_bytes())
    ]


def test_variants_are_scored_in_place_in_given_windows(
    make_model: MakeModel, real_grch38: Path, grch38: Path, chr20: bytes, tmp_path: Path
) -> None:
    positions = sorted({pos - 1 for _, pos, _, _, _ in scored.alleles(real_grch38.read_bytes())})
    regions = []
    for i, position in enumerate(positions[::3]):
        regions.append((position - 30 - i, position + 25 + i, "+-"[i % 2]))
        regions.append((position - 3, position + 40, "-+"[i % 2]))
    bed = tmp_path / "windows.bed"
    bed.write_text("".join(f"20\t{start}\t{end}\tname\t0\t{strand}\n" for start, end, strand in regions))
    folder, out = make_model(), tmp_path / "out.vcf"
    facts = variants(real_grch38, grch38, model=str(folder), output=out, windows=bed)
    reference, outside, used = oracle.Reference(folder, 3), 0, set()
    backward = oracle.Reference(folder, 3, strand="-")
    for _, pos, ref, alt, ours in scored.alleles(scored.text(out)):
        prefix, _ = oracle.trim(ref, alt)
        at = pos - 1 + prefix
        holding = [(abs(start + end - 1 - 2 * at), i) for i, (start, end, _) in enumerate(regions) if start <= at < end]
        if not holding:
            outside += 1
            assert ours == {"REF": ".", "ALT": ".", "DIFF": ".", "LOGOR": ".", "FLAG": "OUTSIDE"}
            continue
        start, end, strand = regions[min(holding)[1]]
        deleted, inserted = len(ref) - prefix, alt[prefix:]
        if max(deleted, len(inserted)) > end - start:
            assert ours["FLAG"] == "LONG_ALLELE"
            continue
        used.add((start, strand))
        sides = oracle.windows(chr20, start, end - start, at, deleted, inserted)
        check(ours, (reference if strand == "+" else backward).score(*sides))
    assert facts["reasons"]["OUTSIDE"] == outside > 5
    assert {strand for _, strand in used} == {"+", "-"}


def test_a_regression_gives_values_and_their_difference(
    make_model: MakeModel, real_grch38: Path, grch38: Path, chr20: bytes, tmp_path: Path
) -> None:
    folder, out = make_model("sequence", ("signal",), regression=True), tmp_path / "out.vcf"
    variants(real_grch38, grch38, model=str(folder), output=out, window=40)
    reference = oracle.Reference(folder, 3)
    text = scored.text(out)
    assert b"LOGOR" not in text
    for _, pos, ref, alt, ours in scored.alleles(text):
        values = [reference.logits(window)[0] for window in oracle.centred(chr20, pos - 1, ref, alt, 40)]
        assert float(ours["REF"]) == pytest.approx(values[0], abs=1e-5)
        assert float(ours["ALT"]) == pytest.approx(values[1], abs=1e-5)
        assert float(ours["DIFF"]) == pytest.approx(values[1] - values[0], abs=1e-5)


@pytest.mark.parametrize(
    ("head", "fields", "window"), [("xl-mean", {}, 1200), ("xl-mean", {}, 512), ("xl-concat", {"split": 2}, 600)]
)
def test_long_windows(
    make_model: MakeModel,
    real_grch38: Path,
    grch38: Path,
    chr20: bytes,
    tmp_path: Path,
    head: str,
    fields: dict[str, int],
    window: int,
) -> None:
    folder, out = make_model(head, **fields), tmp_path / "out.vcf"
    vcf = tmp_path / "few.vcf"
    real = real_grch38.read_bytes()
    vcf.write_bytes(b"\n".join(scored.header(real) + scored.lines(real)[::5]) + b"\n")
    facts = variants(vcf, grch38, model=str(folder), output=out, window=window, strand="both")
    reference = oracle.Reference(folder, 3, head=head, strand="both")
    found = scored.alleles(scored.text(out))
    assert facts["scored"] == len(found) >= 8
    for _, pos, ref, alt, ours in found:
        check(ours, reference.score(*oracle.centred(chr20, pos - 1, ref, alt, window)))


def test_more_classes_need_a_choice(make_model: MakeModel, real_grch38: Path, grch38: Path, tmp_path: Path) -> None:
    three, two = str(make_model("sequence", THREE)), str(make_model())
    value = str(make_model("sequence", ("signal",), regression=True))
    for model, name, message in [
        (three, None, "3 classes; choose one with --class: a, b, c"),
        (three, "d", "--class d: this model's classes are a, b, c"),
        (two, "maybe", "classes are no, yes"),
        (value, "signal", "regression and has no classes"),
        (str(make_model("none", ())), None, "no classification or regression head"),
        (str(make_model("mlm", ())), "yes", "pre-trained and has no task"),
    ]:
        with pytest.raises(DnabertError, match=message):
            variants(real_grch38, grch38, model=model, output=tmp_path / "out.vcf", window=20, class_name=name)
    assert list(tmp_path.iterdir()) == []


def test_the_window_is_the_one_the_model_was_trained_on(
    make_model: MakeModel, real_grch38: Path, grch38: Path, tmp_path: Path
) -> None:
    def block(anchor: str) -> WindowBlock:
        return WindowBlock(k=3, window=30, anchor=anchor, classes=("no", "yes"), strand="+")

    anchored, free = make_model(block=block("TSS at base 20")), make_model(block=block("any"))
    first, second = (
        variants(real_grch38, grch38, model=str(folder), output=tmp_path / "out.vcf", **given)  # type: ignore[arg-type]
        for folder, given in ((free, {}), (anchored, {"window": 40}))
    )
    assert (first["window"], first["notes"]) == (30, [])
    assert second["window"] == 40
    assert "anchored at: TSS at base 20" in second["notes"][0]
    assert "windows of 30 bases, not 40" in second["notes"][1]
    with pytest.raises(DnabertError, match="give --window BASES"):
        variants(real_grch38, grch38, model=str(make_model()), output=tmp_path / "no.vcf")
