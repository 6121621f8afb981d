"""Precision "auto": the fastest that agrees with fp32, remembered for what it was found on."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.machine import Machine

from dnabert_fast.engine.fleet import Fleet
from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.workflows import precision, variants, work
from dnabert_fast.workflows.check import check
from dnabert_fast.workflows.precision import Choice, load_first, resolve_precision
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.sequences import embed, predict

MakeModel = Callable[..., Path]
MakeMachine = Callable[..., Machine]
SMALL, LARGE = 1e-6, 1.0


@pytest.fixture
def auto(make_model: MakeModel) -> Callable[..., Choice]:
    """Resolves "auto" for a tiny model and a large input."""

    def resolve(folder: Path | None = None, expected: float | None = 1e6, **given: Any) -> Choice:
        model = make_model() if folder is None else folder
        loaded = load_first(model, "auto", device="auto", threads=1)
        used, choice = resolve_precision(loaded, model, "auto", expected=expected, **given)
        assert (used is loaded) == (choice.precision == "fp32")
        return choice

    return resolve


def records(cache: Path) -> list[dict[str, Any]]:
    (file,) = (cache / "dnabert_fast" / "checks").iterdir()
    found: list[dict[str, Any]] = json.loads(file.read_text())["verdicts"]
    return found


def test_a_name_passes_through(make_model: MakeModel, machine: MakeMachine) -> None:
    made = machine({"int8": LARGE})
    loaded = load_first(make_model(), "int8", device="auto", threads=1)
    assert resolve_precision(loaded, make_model(), "int8", expected=1e6) == (
        loaded,
        Choice("int8", "asked for", loaded.hash()),
    )
    assert made.loaded == ["int8"]


def test_what_passes_is_remembered(machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path) -> None:
    made = machine({"int8": SMALL, "bf16": SMALL})
    said: list[tuple[str, int | None]] = []

    def progress(what: str, unit: str, total: int | None) -> Callable[..., None]:
        said.append((what, total))
        return lambda done, share=None: None

    first = auto(progress=progress)
    assert first.precision == "int8"
    assert first.reason.startswith("int8 passed the check of 20")
    assert first.reason.endswith("rho 0.999, sign 1.000") or first.reason.endswith("rho 1.000, sign 1.000")
    assert [what for what, _ in said] == ["checking int8, bf16 against fp32"]
    (kept,) = records(own_cache)  # the slower one was not tried
    assert (kept["precision"], kept["passed"], kept["snvs"], kept["exceptions"]) == ("int8", True, 256, [])
    assert made.loaded == ["fp32", "int8", "int8"]
    assert auto(progress=progress) == first
    assert len(said) == 1
    assert auto(expected=3).precision == auto(expected=None).precision == "int8"  # it costs nothing now


def test_noise_falls_back(machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path) -> None:
    made = machine({"int8": LARGE})
    first = auto()
    assert first.precision == "fp32"
    assert first.reason.startswith("fp32: int8 failed the check of 20")
    assert records(own_cache)[0]["passed"] is False
    made.loaded.clear()
    assert auto() == first
    assert made.loaded == ["fp32"]


def test_the_fastest_that_passes(machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path) -> None:
    machine({"fp16": LARGE, "bf16": SMALL})
    assert auto().precision == "bf16"
    assert [(kept["precision"], kept["passed"]) for kept in records(own_cache)] == [("fp16", False), ("bf16", True)]


def test_layers_are_left_out_until_it_passes(
    machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path
) -> None:
    made = machine({"int8": LARGE, "bf16": SMALL}, spared={"int8": 2})
    first = auto()
    assert (first.precision, len(first.exceptions)) == ("int8", 2)
    assert first.reason.startswith("int8 (2 layers bf16) passed the check of 20")
    assert first.facts()["precision_exceptions"] == list(first.exceptions)
    assert made.loaded == ["fp32", "int8", "bf16", "int8-1", "int8-2", "int8-2"]
    kept = {verdict["precision"]: verdict for verdict in records(own_cache)}
    assert (kept["int8"]["passed"], kept["int8"]["exceptions"]) == (True, list(first.exceptions))
    assert (kept["int8"]["rest"], kept["bf16"]["exceptions"]) == ("bf16", [])
    made.loaded.clear()
    assert auto() == first
    assert made.loaded == ["fp32", "int8-2"]


@pytest.mark.parametrize(
    ("noise", "spared", "taken", "loaded"),
    [
        # What is left out cannot be better than what it stays in.
        ({"int8": LARGE, "bf16": LARGE}, 1, "fp32", ["int8", "bf16"]),
        ({"int8": LARGE, "bf16": SMALL}, 5, "bf16", ["int8", "bf16", "int8-1", "int8-2", "int8-4", "bf16"]),
        ({"int8": LARGE}, 4, "int8 (4 layers fp32)", ["int8", "int8-1", "int8-2", "int8-4", "int8-4"]),
        ({"fp8": LARGE, "fp16": SMALL, "bf16": LARGE}, 1, "fp16", ["fp8", "fp16", "bf16", "fp16"]),
        (
            {"fp8": LARGE, "fp16": SMALL, "bf16": SMALL},
            1,
            "fp8 (1 layer bf16)",
            ["fp8", "fp16", "bf16", "fp8-1", "fp8-1"],
        ),
    ],
)
def test_how_far_layers_are_left_out(
    machine: MakeMachine,
    auto: Callable[..., Choice],
    noise: dict[str, float],
    spared: int,
    taken: str,
    loaded: list[str],
) -> None:
    made = machine(noise, spared={next(iter(noise)): spared})
    choice = auto()
    assert choice.reason.startswith(f"{taken}: " if taken == "fp32" else f"{taken} passed")
    assert made.loaded == ["fp32", *loaded]


def test_a_remembered_verdict_on_the_rest_is_believed(
    machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path
) -> None:
    machine({"bf16": SMALL})
    auto()
    made = machine({"int8": LARGE, "bf16": SMALL}, spared={"int8": 1})
    assert auto().reason.startswith("int8 (1 layer bf16) passed")
    assert made.loaded == ["fp32", "int8", "int8-1", "int8-1"]


def test_what_overflows_fails(machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path) -> None:
    machine({"fp16": math.inf})
    assert auto().precision == "fp32"
    assert (records(own_cache)[0]["spearman"], records(own_cache)[0]["sign"]) == (None, 0.0)


@pytest.mark.parametrize("what", ["torch", "dnabert_fast", "device", "precision"])
def test_a_verdict_holds_for_what_it_was_found_on(
    machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path, what: str
) -> None:
    machine({"int8": LARGE})
    auto()
    (file,) = (own_cache / "dnabert_fast" / "checks").iterdir()
    kept = json.loads(file.read_text())
    kept["verdicts"][0] |= {what: "another", "passed": True, "spearman": 1.0, "sign": 1.0}
    file.write_text(json.dumps(kept))
    assert auto().precision == "fp32"
    assert [(verdict[what] == "another", verdict["passed"]) for verdict in records(own_cache)] == [
        (True, True),
        (False, False),
    ]
    kept["verdicts"][0] |= {what: records(own_cache)[1][what]}
    file.write_text(json.dumps(kept))
    assert auto().precision == "int8"


def test_another_model_is_another_verdict(
    machine: MakeMachine, auto: Callable[..., Choice], make_model: MakeModel, own_cache: Path
) -> None:
    machine({"int8": SMALL})
    auto()
    machine({"int8": LARGE})
    assert auto().precision == "int8"
    assert auto(make_model(seed=1)).precision == "fp32"
    assert len(list((own_cache / "dnabert_fast" / "checks").iterdir())) == 2


@pytest.mark.parametrize(("expected", "why"), [(1999, "too few variants to repay a check"), (None, "a pipe")])
def test_a_check_has_to_repay(
    machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path, expected: float | None, why: str
) -> None:
    made = machine({"int8": SMALL})
    choice = auto(expected=expected)
    assert (choice.precision, made.loaded, os.listdir(own_cache)) == ("fp32", ["fp32"], [])
    assert why in choice.reason
    assert "`dnabert-fast check " in choice.reason


def test_a_check_in_passing_is_bounded(machine: MakeMachine, make_model: MakeModel, own_cache: Path) -> None:
    machine({"int8": SMALL})
    model = make_model("xl-concat", split=2)  # windows of 1,022 bases
    resolve_precision(load_first(model, "auto", device="auto", threads=1), model, "auto", expected=1e6)
    assert records(own_cache)[0]["snvs"] == 48


@pytest.mark.parametrize("head", ["none", "mlm"])
def test_without_scores_there_is_nothing_to_judge_by(
    machine: MakeMachine, auto: Callable[..., Choice], make_model: MakeModel, head: str
) -> None:
    machine({"int8": SMALL})
    choice = auto(make_model(head, ()))
    assert (choice.precision, "without scores" in choice.reason) == ("fp32", True)


def test_devices_with_little(machine: MakeMachine, auto: Callable[..., Choice]) -> None:
    machine({}, {"fp8": "no such GPU"})
    assert auto().reason == "fp32: this device has no faster precision"
    machine({"int8": SMALL}, {"fp32": "no fp32 here"})
    with pytest.raises(BackendUnavailable, match="no fp32 here"):
        auto()


@pytest.mark.parametrize("content", ["{", "[]", '{"verdicts": [{"precision": "int8"}]}', '{"verdicts": 3}', "\xff"])
def test_a_broken_memory_is_no_memory(
    machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path, content: str
) -> None:
    machine({"int8": SMALL})
    auto()
    (file,) = (own_cache / "dnabert_fast" / "checks").iterdir()
    file.write_bytes(content.encode("latin-1"))
    assert auto().precision == "int8"
    assert [kept["precision"] for kept in records(own_cache)] == ["int8"]


EDITED: list[dict[str, Any]] = [
    {"passed": "no"},
    {"passed": 1},
    {"spearman": math.nan},
    {"spearman": "0.999"},
    {"spearman": 0.5},
    {"sign": None},
    {"sign": 10**400},
    {"sign": "left out"},
    {"precision": ["int8"]},
    {"snvs": 64.0},
    {"exceptions": "layers.0.up"},
    {"exceptions": ["layers.9.up"]},
    {"rest": None},
    {"speed": 0},
    {"speed": "fast"},
    {"other": 1},
]


def test_an_edited_verdict_is_not_believed(machine: MakeMachine, auto: Callable[..., Choice], own_cache: Path) -> None:
    machine({"bf16": SMALL, "int8": SMALL})
    auto()
    machine({"int8": SMALL, "bf16": SMALL})
    (file,) = (own_cache / "dnabert_fast" / "checks").iterdir()
    content = json.loads(file.read_text())
    (bf16,) = content["verdicts"]
    int8 = {**bf16, "precision": "int8", "exceptions": ["layers.0.up"], "speed": 2.5}

    def taken(entry: dict[str, Any]) -> str:
        file.write_text(json.dumps({"verdicts": [entry, 3, bf16]}))
        return auto(expected=1).precision

    assert taken(int8) == "int8"
    for edited in EDITED:
        entry = {name: value for name, value in (int8 | edited).items() if value != "left out"}
        assert taken(entry) == "bf16", edited


def test_measured_speeds_overrule_the_order(
    machine: MakeMachine, auto: Callable[..., Choice], make_model: MakeModel, own_cache: Path
) -> None:
    machine({"int8": SMALL, "bf16": SMALL}, speeds={"int8": 1.25, "bf16": 1.5})
    check(str(make_model()), count=64)
    choice = auto()
    assert choice.precision == "bf16"
    assert choice.reason.endswith(", 1.50 times as fast as fp32")
    machine({"int8": SMALL, "bf16": SMALL}, speeds={"int8": 0.5, "bf16": 0.75})
    check(str(make_model()), count=64)
    assert auto().precision == "fp32"
    # A file of an earlier version, or one of a check in passing, has no speeds.
    (file,) = (own_cache / "dnabert_fast" / "checks").iterdir()
    content = json.loads(file.read_text())
    del content["verdicts"][0]["speed"]
    file.write_text(json.dumps(content))
    assert auto().precision == "int8"


def test_a_precision_that_one_device_lacks_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {
        "cuda:0": {"fp8": None, "fp16": None, "bf16": None, "fp32": None, "int8": "int8 runs on processors"},
        "cuda:1": {"fp8": "too old", "fp16": None, "bf16": None, "fp32": None, "int8": "int8 runs on processors"},
        "cpu": {"int8": None, "bf16": None, "fp32": None, "fp16": "fp16 runs on GPUs", "fp8": "fp8 runs on GPUs"},
    }
    monkeypatch.setattr(precision, "available", there.__getitem__)
    assert precision._faster(["cuda:0"]) == ["fp8", "fp16", "bf16"]
    assert precision._faster(["cuda:0", "cuda:1"]) == ["fp16", "bf16"]
    assert precision._faster(["cpu", "cuda:0"]) == ["bf16"]


def test_several_devices_are_judged_by_the_first_alone(
    machine: MakeMachine, auto: Callable[..., Choice], monkeypatch: pytest.MonkeyPatch, make_model: MakeModel
) -> None:
    machine({"int8": SMALL})
    model = make_model()
    loaded = load_first(model, "auto", device="cpu,cpu", threads=1)
    monkeypatch.setattr(Fleet, "ask", lambda *_: pytest.fail("one device does it"))
    used, choice = resolve_precision(loaded, model, "auto", device="cpu,cpu", expected=1e6)
    assert (choice.precision, used.fleet is not None) == ("int8", True)


def test_a_cache_that_cannot_be_written(
    machine: MakeMachine, auto: Callable[..., Choice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine({"int8": SMALL})
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    choice = auto()
    assert choice.precision == "int8"
    assert [note.startswith("the check is not remembered: ") for note in choice.notes] == [True]

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert auto().notes == ("the check is not remembered: there is no cache folder",)


def test_variants_take_auto_and_say_what_came_of_it(
    machine: MakeMachine, make_model: MakeModel, real_grch38: Path, grch38: Path, tmp_path: Path, own_cache: Path
) -> None:
    machine({"int8": SMALL})

    def run(model: Path | None = None) -> dict[str, Any]:
        folder = str(model or make_model())
        facts = variants.variants(
            real_grch38, grch38, model=folder, output=tmp_path / "out.vcf", window=60, overwrite=True
        )
        assert f" precision={facts['precision']}" in (tmp_path / "out.vcf").read_text()
        assert "auto" not in (tmp_path / "out.vcf").read_text()
        return facts

    facts = run()
    assert (facts["precision"], os.listdir(own_cache)) == ("fp32", [])
    assert "too few variants" in facts["precision_reason"]
    resolve_precision(
        load_first(make_model(), "auto", device="auto", threads=1), make_model(), "auto", expected=1e6
    )  # from here on it is known
    facts = run()
    assert (facts["precision"], facts["precision_reason"][:27]) == ("int8", "int8 passed the check of 20")
    assert "precision_exceptions" not in (tmp_path / "out.vcf").read_text()
    machine({"int8": LARGE, "bf16": SMALL}, spared={"int8": 2})
    other = make_model(seed=1)
    resolve_precision(load_first(other, "auto", device="auto", threads=1), other, "auto", expected=1e6)
    facts = run(other)
    assert len(facts["precision_exceptions"]) == 2
    told = f" precision=int8 precision_exceptions={','.join(facts['precision_exceptions'])}\n"
    assert told in (tmp_path / "out.vcf").read_text()


def test_scans_and_sequences_take_auto_when_asked(
    machine: MakeMachine, make_model: MakeModel, grch38: Path, data: Path, tmp_path: Path
) -> None:
    machine({"int8": SMALL})
    model = str(make_model())
    table = data / "labelled" / "prom_300_tata_60.csv.gz"
    (tmp_path / "part.bed").write_text("chr20\t1000000\t1001000\n")
    runs: list[Callable[..., dict[str, Any]]] = [
        lambda **more: scan(
            grch38, model=model, output=tmp_path / "o.bw", window=60, regions=tmp_path / "part.bed", **more
        ),
        lambda **more: predict(table, model=model, output=tmp_path / "o.tsv", **more),
        lambda **more: embed(table, model=model, output=tmp_path / "o.npy", **more),
    ]
    assert [run()["precision"] for run in runs] == ["fp32"] * 3
    assert "too few" in runs[0](precision="auto")["precision_reason"]  # ten windows
    assert [run(precision="auto")["precision"] for run in runs[1:]] == ["int8"] * 2
    assert runs[0](precision="auto")["precision"] == "int8"


class Stopped(Exception):
    """Raised in place of a check."""


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch, make_model: MakeModel, tmp_path: Path) -> Callable[..., float | None]:
    """How many records a run of `variants` expects to score."""

    def ask(vcf: Path, genome: Path, **options: Any) -> float | None:
        told: list[float | None] = []

        def stop(*_: object, expected: float | None, **__: object) -> None:
            told.append(expected)
            raise Stopped

        monkeypatch.setattr(work, "resolve_precision", stop)
        with pytest.raises(Stopped):
            variants.variants(vcf, genome, model=str(make_model()), output=tmp_path / "o.vcf", **options)
        return told[0]

    return ask


def test_how_much_there_is_to_score(
    expected: Callable[..., float | None],
    grch38: Path,
    make_vcf: Callable[..., Path],
    real_grch38: Path,
    tmp_path: Path,
) -> None:
    demo = grch38.parent / "HG002_chr20_piece.vcf.gz"  # 6,457 records; 72 in a promoter
    assert 4096 <= (expected(demo, grch38, window=60) or 0) <= 6457
    assert 30 <= (expected(demo, grch38, windows=grch38.parent / "promoters.bed") or 0) <= 72
    assert expected(make_vcf(["chr21 5 A C", "chr20 70000 A C"]), grch38, window=60) == pytest.approx(1, rel=0.1)
    assert expected(make_vcf([]), grch38, window=60) == 0
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(real_grch38.read_bytes()))
    writer.start()
    assert expected(pipe, grch38, window=60) is None
    writer.join()


def test_an_output_is_refused_before_a_check(
    machine: MakeMachine, make_model: MakeModel, grch38: Path, tmp_path: Path
) -> None:
    made = machine({"int8": SMALL})
    with pytest.raises(Exception, match="does not exist"):
        variants.variants(
            grch38.parent / "HG002_chr20_piece.vcf.gz",
            grch38,
            model=str(make_model()),
            output=tmp_path / "no" / "o.vcf",
            window=60,
        )
    assert made.loaded == ["fp32"]


def test_devices_have_names() -> None:
    name = precision.device_name("cpu")
    assert len(name) > 4
    assert name == precision.device_name("cpu")
