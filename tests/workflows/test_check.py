"""The precision gate: which SNVs it reads, what it compares, and whether two machines agree."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from oracle.machine import Machine

from dnabert_fast import load
from dnabert_fast.engine.fleet import Fleet
from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.encoder import Layer
from dnabert_fast.workflows import gate
from dnabert_fast.workflows.check import check
from dnabert_fast.workflows.gate import compare, read_sample
from dnabert_fast.workflows.layers import find_exceptions

MakeModel = Callable[..., Path]
MakeMachine = Callable[..., Machine]
MakeVcf = Callable[..., Path]
SMALL, LARGE = 1e-6, 1.0


def by_name(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["precision"]: row for row in facts["precisions"]}


def checks(cache: Path) -> list[dict[str, Any]]:
    (file,) = (cache / "dnabert_fast" / "checks").iterdir()
    found: list[dict[str, Any]] = json.loads(file.read_text())["verdicts"]
    return found


def test_fp32_is_the_reference(make_model: MakeModel, tmp_path: Path) -> None:
    """As it runs here, with nothing in the place of anything."""
    facts = check(str(make_model()), precision="fp32", threads=1, summary=tmp_path / "facts.json")
    (row,) = facts["precisions"]
    assert (row["precision"], row["against"], row["passed"], facts["failed"]) == ("fp32", "reference", True, [])
    assert 0 < row["largest_difference"] < 1e-5 * max(1, row["scale"])
    assert (row["same_call"], row["sign_scores"]) == (1.0, 1.0)
    assert row["spearman_changes"] > 0.9999
    assert (facts["snvs"], facts["window"], row["speed"]) == (256, 101, 1.0)
    assert json.loads((tmp_path / "facts.json").read_text()) == facts


def test_noise_fails_and_is_remembered(make_model: MakeModel, machine: MakeMachine, own_cache: Path) -> None:
    made = machine({"int8": LARGE, "bf16": SMALL}, {"fp8": "this GPU is too old"})
    facts = check(str(make_model()), count=64)
    assert [row["precision"] for row in facts["precisions"]] == ["int8", "bf16", "fp32"]
    assert [row["passed"] for row in facts["precisions"]] == [False, True, True]
    assert (facts["failed"], facts["unavailable"]) == (["int8"], {"fp8": "this GPU is too old"})
    assert made.loaded == ["fp32", "reference", "int8", "bf16", "int8-1", "int8-2", "int8-4"]
    assert (by_name(facts)["int8"]["label"], by_name(facts)["int8"]["exceptions"]) == ("int8", [])
    assert [(kept["precision"], kept["passed"]) for kept in checks(own_cache)] == [("int8", False), ("bf16", True)]
    assert checks(own_cache)[0]["sign"] == by_name(facts)["int8"]["sign_changes"] < 0.99
    check(str(make_model()), count=64, precision="bf16")
    assert len(checks(own_cache)) == 2


def test_layers_are_left_out_until_it_passes(
    make_model: MakeModel, machine: MakeMachine, own_cache: Path, tmp_path: Path
) -> None:
    made = machine({"int8": LARGE, "bf16": SMALL}, spared={"int8": 2})
    facts = check(str(make_model()), count=64, scores=tmp_path / "there.tsv")
    row = by_name(facts)["int8"]
    assert (row["passed"], row["label"], len(row["exceptions"])) == (True, "int8 (2 layers bf16)", 2)
    assert facts["failed"] == []
    assert facts["notes"] == [f"int8 leaves these layers in bf16: {', '.join(row['exceptions'])}"]
    assert made.loaded == ["fp32", "reference", "int8", "bf16", "int8-1", "int8-2"]
    kept = {verdict["precision"]: verdict for verdict in checks(own_cache)}
    assert (kept["int8"]["passed"], kept["int8"]["exceptions"], kept["int8"]["rest"]) == (
        True,
        row["exceptions"],
        "bf16",
    )
    # Another machine leaves out the same.
    made.loaded.clear()
    facts = check(str(make_model()), against=tmp_path / "there.tsv")
    assert by_name(facts)["int8"]["exceptions"] == row["exceptions"]
    assert by_name(facts)["int8"]["largest_difference"] == 0
    assert made.loaded == ["fp32", "int8-2", "bf16"]


def test_one_precision_asks_what_the_rest_is_worth(
    make_model: MakeModel, machine: MakeMachine, own_cache: Path
) -> None:
    made = machine({"int8": LARGE, "bf16": LARGE}, spared={"int8": 1})
    assert check(str(make_model()), count=64, precision="int8")["failed"] == ["int8"]
    assert made.loaded == ["fp32", "reference", "int8", "bf16"]
    made = machine({"int8": LARGE, "bf16": SMALL}, spared={"int8": 1})
    facts = check(str(make_model()), count=64, precision="int8")
    assert [row["label"] for row in facts["precisions"]] == ["int8 (1 layer bf16)"]
    assert made.loaded == ["fp32", "reference", "int8", "bf16", "int8-1"]
    assert [kept["precision"] for kept in checks(own_cache)] == ["int8"]


def test_the_worst_layers_are_left_out_first(make_model: MakeModel, tmp_path: Path) -> None:
    """Of a real network whose second layer has an outlier that int8 has no steps for."""
    network = read_network(make_model(), device="cpu")
    with torch.no_grad():
        layer = network.encoder.layers[1]
        assert isinstance(layer, Layer)
        layer.attention_norm.weight[3] = 0
        layer.attention_norm.bias[3] = 0
        layer.up.weight[:, 3] = 1000
    write_network(network, tmp_path / "model")
    model = load(tmp_path / "model", device="cpu")
    windows = read_sample(gate.DEMO_VCF, gate.DEMO_GENOME, 101, 20).windows
    tried: list[tuple[str, ...]] = []

    def passes(names: tuple[str, ...]) -> bool:
        tried.append(names)
        return len(names) == 4

    assert find_exceptions(tmp_path / "model", model, windows, lambda: False, passes) == ()
    assert tried == []
    found = find_exceptions(tmp_path / "model", model, windows, lambda: True, passes)
    assert tried == [("layers.1.up",), found[:2], found]
    assert len(set(found)) == 4
    assert find_exceptions(tmp_path / "model", model, windows, lambda: True, lambda names: False) == ()
    # A network on a GPU is measured on the processor all the same.
    far: Any = SimpleNamespace(network=SimpleNamespace(backend=SimpleNamespace(device="cuda:0")))
    assert find_exceptions(tmp_path / "model", far, windows, lambda: True, passes) == found


def test_fp32_that_is_off_fails(make_model: MakeModel, machine: MakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine({"fp32": 1e-4})
    assert check(str(make_model()), count=64)["failed"] == ["fp32"]
    machine({"fp32": 1e-7})
    assert check(str(make_model()), count=64)["failed"] == []


def test_few_snvs_are_not_remembered(make_model: MakeModel, machine: MakeMachine, own_cache: Path) -> None:
    machine({"int8": SMALL})
    for given, why in [({"count": 63}, "63 SNVs are fewer than 64"), ({"class_name": "no"}, "they are of one class")]:
        assert why in check(str(make_model()), **given)["notes"][-1]  # type: ignore[arg-type]
    assert os.listdir(own_cache) == []


@pytest.mark.parametrize(
    ("head", "labels", "fields", "window"),
    [
        ("sequence", ("a", "b", "c"), {}, 101),
        ("sequence", ("signal",), {"regression": True}, 101),
        ("none", (), {}, 101),
        ("mlm", (), {}, 101),
        ("xl-concat", ("no", "yes"), {"split": 2}, 1022),
        ("xl-rnn", ("no", "yes"), {}, 1022),
        ("xl-mean", ("no", "yes"), {}, 1022),
    ],
)
def test_every_kind_of_model(
    make_model: MakeModel, machine: MakeMachine, head: str, labels: tuple[str, ...], fields: Any, window: int
) -> None:
    machine({"int8": SMALL, "fp8": LARGE})
    facts = check(str(make_model(head, labels, **fields)), count=24)
    rows = by_name(facts)
    assert (facts["window"], rows["fp32"]["passed"]) == (window, True)
    if not labels:
        assert (rows["int8"]["passed"], rows["int8"]["same_call"], facts["failed"]) == (None, None, [])
        assert "there are no scores" in facts["notes"][0]
        assert "spearman_changes" not in rows["int8"]
        return
    assert (rows["int8"]["passed"], rows["fp8"]["passed"]) == (True, False)
    assert (rows["int8"]["same_call"] is None) == (labels == ("signal",))


def test_two_classes_by_hand() -> None:
    config = PRESETS["tiny"].with_head("sequence", ("no", "yes"))
    #             REF: three SNVs                        ALT
    exact = np.array([[0, 1], [0, -1], [0, 2], [0, 0.5], [0, -1.5], [0, 3]], np.float32)
    found = exact.copy()
    found[3] = [0, 1.25]  # the first SNV now raises the odds, which it lowered
    told = compare(config, exact, found)
    assert (told.delta, told.scale, told.calls) == (0.75, 3.0, 1.0)
    assert told.changes is not None
    assert told.changes.sign == pytest.approx(2 / 3)
    assert told.changes.largest == pytest.approx(0.75 / math.log(2))
    assert told.agrees is False
    assert compare(config, exact, exact).agrees is True
    found[1] = [0, 1]
    assert compare(config, exact, found).calls == pytest.approx(5 / 6)


def test_of_many_classes_the_likeliest_is_read() -> None:
    config = PRESETS["tiny"].with_head("sequence", ("a", "b", "c"))
    exact = np.array([[3, 0, 0], [0, 0, 4], [1, 0, 0], [0, 0, 6]], np.float32)
    odds = [3 - math.log(2), 4 - math.log(2), 1 - math.log(2), 6 - math.log(2)]
    columns = gate.score_columns(config, exact, None)
    assert columns.tolist() == [0, 2, 0, 2]
    assert gate.scores(config, exact, columns) == pytest.approx(odds)
    found = exact.copy()
    found[2] = [5, 0, 0]  # SNV 1 lowered the odds of its class and raises them now
    told = compare(config, exact, found)
    assert told.changes is not None
    assert told.changes.sign == 0.5
    of_b = compare(config, exact, found, column=1).changes
    assert of_b is not None
    others = [math.log(math.exp(a) + 1) for a in (1, 5)]  # of class b's odds in the window that changed
    assert of_b.largest == pytest.approx((others[1] - others[0]) / math.log(2))


def test_a_regression_is_read_as_it_is() -> None:
    config = PRESETS["tiny"].with_head("sequence", ("signal",), regression=True)
    exact = np.array([[1.0], [2.0], [1.5], [1.0]], np.float32)
    told = compare(config, exact, exact)
    assert (told.calls, told.agrees) == (None, True)
    assert gate.change(config, np.array([1.0]), np.array([1.5])).tolist() == [0.5]


def test_what_is_not_finite_fails() -> None:
    config = PRESETS["tiny"].with_head("sequence", ("no", "yes"))
    exact = np.array([[0, 1], [0, -1], [0, 2], [0, 3]], np.float32)
    for odd in (math.nan, math.inf):
        found = exact.copy()
        found[2, 1] = odd
        told = compare(config, exact, found)
        assert (told.close, told.agrees, told.facts()["largest_difference"]) == (False, False, None)


def test_snvs_are_spread_and_skipped_with_reasons(make_vcf: MakeVcf, grch38: Path, chr20: bytes) -> None:
    def base(position: int) -> str:
        return chr(chr20[position - 1])

    def other(position: int) -> str:
        return "A" if base(position) != "A" else "C"

    places = list(range(1_000_000, 1_000_500, 5))
    rows = [f"chr20 {p} {base(p)} {other(p)}" for p in places]
    wrong = [f"chr20 1000502 {other(1000502)} {base(1000502)}", "chr20 100 A C", "chr9 5 A C", "chr20 9000000 A C"]
    not_snvs = ["chr20 1000503 AC A", "chr20 1000504 N A", "chr20 1000505 A <DEL>", "chr20 1000506 A A"]
    vcf = make_vcf([*wrong, *rows[:50], *not_snvs, *rows[50:]])
    sample = read_sample(vcf, grch38, 21, 25)
    assert sample.skipped == {"outside the genome": 2, "at an unknown base": 1, "with another REF": 1}
    assert sample.position.tolist() == [places[round(i)] for i in np.linspace(0, 99, 25)]
    for i, p in enumerate(sample.position.tolist()):
        window = chr20[p - 11 : p + 10].decode()
        assert sample.windows[i].decode() == window
        assert sample.windows[25 + i].decode() == window[:10] + other(p) + window[11:]
    assert len(read_sample(vcf, grch38, 21, 500)) == 100


def test_all_alts_and_lower_case_count(tmp_path: Path, make_vcf: MakeVcf) -> None:
    (tmp_path / "g.fa").write_text(">1\n" + "acgtn" * 8 + "\n")
    sample = read_sample(make_vcf(["chr1 2 c A,G,T", "chr1 3 G a", "1 4 t c", "1 5 A C"]), tmp_path / "g.fa", 5, 9)
    shown = [f"{c}:{p}{chr(r)}>{chr(a)}" for c, p, r, a in zip(*list(vars(sample).values())[:4], strict=True)]
    assert shown == ["1:2C>A", "1:2C>G", "1:2C>T", "1:3G>A", "1:4T>C"]
    assert sample.skipped == {"at an unknown base": 1}
    assert sample.windows[0].upper() == b"NACGT"


def test_long_files_are_thinned_evenly(
    make_vcf: MakeVcf, grch38: Path, chr20: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = range(2_000_000, 2_009_000)
    rows = [f"chr20 {p} {chr(chr20[p - 1])} {'A' if chr20[p - 1] != ord('A') else 'C'}" for p in places]
    vcf = make_vcf(rows)  # three units
    monkeypatch.setattr(gate, "_HELD", 100)
    steps = np.diff(read_sample(vcf, grch38, 11, 20).position)
    assert len(steps) == 19
    assert steps.min() >= 9000 / 20 * 0.6
    assert steps.max() <= 9000 / 20 * 1.5
    assert steps.sum() > 8000


@pytest.fixture
def there(make_model: MakeModel, machine: MakeMachine, tmp_path: Path) -> Path:
    """Scores of a machine of fp32 and bf16."""
    machine({"bf16": SMALL})
    check(str(make_model()), count=40, scores=tmp_path / "there.tsv")
    return tmp_path / "there.tsv"


def test_scores_are_kept_exactly(make_model: MakeModel, there: Path, grch38: Path) -> None:
    lines = there.read_text().splitlines()
    head = dict(line[2:].split("=", 1) for line in lines[1:] if line.startswith("#"))
    model = load(make_model())
    assert (head["network"], head["window"], head["labels"]) == (model.hash(), "101", '["no", "yes"]')
    assert {"device", "torch", "dnabert_fast", "windows"} <= set(head)
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert rows[0][:7] == ["contig", "pos", "ref", "alt", "precision", "ref_logit_0", "ref_logit_1"]
    assert [row[4] for row in rows[1:]] == [name for name in ("reference", "fp32", "bf16") for _ in range(40)]
    sample = read_sample(gate.DEMO_VCF, gate.DEMO_GENOME, 101, 40)
    exact = load(make_model(), threads=1).logits(model.prepare(sample.windows))
    kept = np.array([row[5:10] for row in rows[1:] if row[4] == "fp32"], np.float32)
    assert np.abs(kept[:, :4] - np.concatenate([exact[:40], exact[40:]], axis=1)).max() < 1e-5
    odds = kept[:, [1, 3]] - kept[:, [0, 2]]
    assert kept[:, 4] == pytest.approx((odds[:, 0] - odds[:, 1]) / math.log(2), abs=1e-5)


def test_two_machines_agree_or_not(
    make_model: MakeModel, machine: MakeMachine, there: Path, own_cache: Path, tmp_path: Path
) -> None:
    before = sorted(path.read_bytes() for path in own_cache.rglob("*.json"))
    machine({"int8": SMALL, "bf16": SMALL})
    facts = check(str(make_model()), against=there)
    assert [(row["precision"], row["against"], row["passed"]) for row in facts["precisions"]] == [
        ("int8", "fp32", True),  # the other had none
        ("bf16", "bf16", True),
        ("fp32", "fp32", True),
    ]
    assert facts["snvs"] == 40
    machine({"bf16": LARGE, "fp32": 1e-4})
    facts = check(str(make_model()), against=there, scores=tmp_path / "here.tsv")
    assert facts["failed"] == ["bf16", "fp32"]
    assert "reference" not in {line.split("\t")[4] for line in (tmp_path / "here.tsv").read_text().split("\n")[10:-1]}
    assert check(str(make_model()), against=tmp_path / "here.tsv", precision="fp32")["failed"] == []
    assert sorted(path.read_bytes() for path in own_cache.rglob("*.json")) == before  # nothing of it is remembered


def test_another_model_or_genome_is_refused(
    make_model: MakeModel, there: Path, tmp_path: Path, chr20: bytes, machine: MakeMachine
) -> None:
    with pytest.raises(DnabertError, match="scores of another model"):
        check(str(make_model(seed=1)), against=there)
    model = str(make_model())
    (tmp_path / "other.fa").write_bytes(b">chr21\nACGT\n")
    with pytest.raises(DnabertError, match="contig chr20 is not in"):
        check(model, against=there, genome=tmp_path / "other.fa")
    changed = bytearray(chr20)
    first = int(next(line for line in there.read_text().split("\n") if line.startswith("chr20")).split("\t")[1])
    changed[first + 3] = ord("A") if changed[first + 3] != ord("A") else ord("C")
    (tmp_path / "changed.fa").write_bytes(b">chr20\n" + changed + b"\n")
    with pytest.raises(DnabertError, match="gives other windows"):
        check(model, against=there, genome=tmp_path / "changed.fa")
    changed[first - 1] = ord("A") if changed[first - 1] != ord("A") else ord("C")
    (tmp_path / "changed.fa").write_bytes(b">chr20\n" + changed + b"\n")
    with pytest.raises(DnabertError, match="is not what the genome has"):
        check(model, against=there, genome=tmp_path / "changed.fa")


def test_a_file_that_is_not_one_of_scores(make_model: MakeModel, there: Path, tmp_path: Path) -> None:
    lines = there.read_text().splitlines(keepends=True)

    def edited(name: str, value: str) -> bytes:
        return "".join(f"# {name}={value}\n" if line.startswith(f"# {name}=") else line for line in lines).encode()

    def snv(column: str, value: str) -> bytes:
        """With another value of the first SNV in every precision."""
        at = ["contig", "pos", "ref", "alt"].index(column)
        first = lines[11].split("\t")[:4]
        rows = [line.split("\t") for line in lines]
        changed = [[*row[:at], value, *row[at + 1 :]] if row[:4] == first else row for row in rows]
        return "".join("\t".join(row) for row in changed).encode()

    cases = [
        (b"", "is not a file that"),
        (b"chr20\t5\n", "is not a file that"),
        (b"\xff\xfe", "is not a file that"),
        ("".join(lines[:1] + lines[2:]).encode(), "its head lacks network"),
        ("".join(lines[:10]).encode(), "holds no scores"),
        ("".join(lines)[:-40].encode(), r":131: \d columns where there should be 10"),
        ("".join(lines[:-1]).encode(), "other SNVs"),
        ("".join(lines).replace("\tfp32\t", "\tfp32\tx", 1).encode(), r"bad\.tsv:\d+: x\S+ is not a number"),
        (edited("window", "abc"), r"bad\.tsv:3: window=abc is not a number of bases"),
        (edited("window", ""), r"bad\.tsv:3: window= is not"),
        (edited("window", "99999999999"), r"bad\.tsv:3: window=99999999999 is longer than every contig of "),
        (edited("window", "9" * 30), r"bad\.tsv:3: window=9{30} is not"),
        (edited("labels", "[no"), r"bad\.tsv:5: labels=\[no is not a list of names"),
        (edited("labels", "5"), r"bad\.tsv:5: labels=5 is not a list of names"),
        (edited("labels", '["a", "b"]'), r"bad\.tsv:5: these labels are not the model's"),
        (edited("labels", "[" * 100_000), r"bad\.tsv:5: labels=\[{60} is not"),
        (edited("exceptions", '["int8"]'), r"bad\.tsv:10: exceptions=\S+ is not a list of layers for each precision"),
        (snv("pos", "9" * 30), r"bad\.tsv:12: 9{30} is not a position"),
        (snv("pos", "-5"), r"bad\.tsv:12: -5 is not a position"),
        (snv("pos", "64444168"), r"bad\.tsv:12: chr20:64444168 lies outside the contig"),
        (snv("ref", "AC"), r"bad\.tsv:12: AC is not a base"),
        (snv("alt", "é"), r"bad\.tsv:12: é is not a base"),
    ]
    for content, message in cases:
        (tmp_path / "bad.tsv").write_bytes(content)
        with pytest.raises(DnabertError, match=message):
            check(str(make_model()), against=tmp_path / "bad.tsv")
    with pytest.raises(DnabertError, match=r"missing\.tsv: cannot be read"):
        check(str(make_model()), against=tmp_path / "missing.tsv")


def test_scores_are_refused_before_the_work(make_model: MakeModel, machine: MakeMachine, tmp_path: Path) -> None:
    made = machine({"int8": SMALL})
    with pytest.raises(DnabertError, match="does not exist; make it first"):
        check(str(make_model()), scores=tmp_path / "no" / "s.tsv")
    assert made.loaded == []


def test_one_snv_says_nothing(
    make_model: MakeModel, machine: MakeMachine, own_cache: Path, make_vcf: MakeVcf, grch38: Path, chr20: bytes
) -> None:
    made = machine({"int8": LARGE, "bf16": math.inf})
    facts = check(str(make_model()), count=1)
    rows = by_name(facts)
    assert (rows["int8"]["passed"], rows["bf16"]["passed"], rows["fp32"]["passed"]) == (None, False, True)
    assert facts["failed"] == ["bf16"]
    assert facts["notes"][0].startswith("no rule passes or fails int8: without two SNVs whose differences")
    assert made.loaded == ["fp32", "reference", "int8", "bf16"]
    # Nor do many that change the score by the same.
    base = chr(chr20[999_999])
    row = f"chr20 1000000 {base} {'A' if base != 'A' else 'C'}"
    facts = check(str(make_model()), count=70, variants=make_vcf([row] * 70), genome=grch38, precision="int8")
    assert (facts["snvs"], by_name(facts)["int8"]["passed"], facts["failed"]) == (70, None, [])
    assert os.listdir(own_cache) == []


def test_of_several_devices_the_first_is_checked(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, machine: MakeMachine
) -> None:
    machine({"int8": SMALL})
    monkeypatch.setattr(Fleet, "__init__", lambda *_: pytest.fail("one device does it"))
    facts = check(str(make_model()), device="cpu,cpu", count=8)
    assert facts["failed"] == []
    assert facts["notes"][0] == "checked on cpu, the first of 2 devices"


def test_what_cannot_be_checked(
    make_model: MakeModel, machine: MakeMachine, make_vcf: MakeVcf, grch38: Path, there: Path, tmp_path: Path
) -> None:
    machine({"int8": SMALL}, {"fp8": "this GPU is too old"})
    model, bare = str(make_model()), str(make_model("none", ()))
    other = make_vcf(["chr9 5 A C", "chr20 100 A C"])
    cases: list[tuple[str, dict[str, Any], str]] = [
        (model, {"precision": "fp8"}, "this GPU is too old"),
        (model, {"precision": "fp7"}, "--precision fp7: choose all or one of int8, fp32, fp8"),
        (model, {"variants": other}, "--variants and --genome go together"),
        (model, {"genome": grch38}, "--variants and --genome go together"),
        (model, {"variants": other, "genome": grch38}, "1 outside the genome, 1 at an unknown base"),
        (model, {"window": 2}, "--window 2 is shorter than one 3-mer"),
        (model, {"window": 5_000_000}, "longer than every contig"),
        (model, {"window": 900}, "2 pieces"),
        (model, {"class_name": "maybe"}, "--class maybe"),
        (model, {"against": there, "count": 3}, "leave out --variants, --window, --count"),
        (model, {"scores": tmp_path / "no" / "s.tsv"}, "does not exist"),
        (model, {"against": there, "scores": there}, "give two names"),
        (bare, {"scores": tmp_path / "s.tsv"}, "there are no scores"),
        (bare, {"against": there}, "there are no scores"),
    ]
    files = sorted(os.listdir(tmp_path))
    for folder, given, message in cases:
        with pytest.raises(DnabertError, match=message):
            check(folder, **({"count": 8} if "against" not in given else {}) | given)
        assert sorted(os.listdir(tmp_path)) == files
