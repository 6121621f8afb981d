"""The figures of a machine: that each is measured, written, and set beside the reference's of the same kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from dnabert_fast.errors import BackendUnavailable, DnabertError
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.workflows import bench as module
from dnabert_fast.workflows.bench import REFERENCE, Rate, bench, compared


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure is measured for longer than it takes."""
    monkeypatch.setattr(module, "_QUICK", 0.0)
    monkeypatch.setattr(module, "_SECONDS", 0.0)


def test_every_figure_is_measured_and_written(
    make_model: Callable[..., Path], tmp_path: Path, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = WindowBlock(k=3, window=60, anchor="any", classes=("no", "yes"), strand="+")
    model, path, known = make_model(block=block), tmp_path / "facts.json", tmp_path / "known.json"
    known.write_text(
        json.dumps(
            {"date": "2026-01-01", "device": "an abacus", "others": 0.0,
             "rows": [asdict(Rate("encoder, 98 tokens", "tokens", 0.5, "2 x 32", "fp32"))]}
        )
    )  # fmt: skip
    monkeypatch.setattr(module, "REFERENCE", known)
    told: list[float] = []

    def progress(what: str, unit: str, total: int | None) -> Callable[..., None]:
        return lambda done, share=None: told.append(share)

    facts = bench(str(model), device="cpu", precision="fp32", threads=1, json_file=path, progress=progress)
    assert json.loads(path.read_text()) == facts
    rows = [Rate(**row) for row in facts["rows"]]
    assert [row.what for row in rows] == [
        "6-mers of a genome, one thread", "encoder, 98 tokens", "encoder, 512 tokens", "scan, 60 bases every 100",
        "variants, 60 bases",
    ]  # fmt: skip
    assert {(row.network, row.precision) for row in rows[1:]} == {("2 x 32", "fp32")}
    assert all(row.rate > 100 for row in rows)
    assert facts["ratios"] == [None, pytest.approx(2 * rows[1].rate, abs=1e-3), None, None, None]
    assert facts["reference"] == {"date": "2026-01-01", "device": "an abacus", "others": 0.0}
    assert 0 <= facts["others"] <= 1
    assert told == [0.5, 1.0]


def test_a_disturbed_machine_is_told_of() -> None:
    assert module._notes(0.05, None) == module._notes(0.0, 0.1) == []
    [note] = module._notes(0.0, 0.8)
    assert note == "other processes used 80% of the reference's processors, so ratios say little"
    assert len(module._notes(0.5, 0.8)) == 2


def test_figures_are_compared_with_those_of_their_own_kind() -> None:
    reference = {"rows": [asdict(Rate("a", "bases", 10.0, "2 x 32", "fp32")), asdict(Rate("a", "bases", 5.0))]}
    rows = [
        Rate("a", "bases", 20.0, "2 x 32", "fp32"),
        Rate("a", "bases", 20.0, "2 x 32", "bf16"),
        Rate("a", "bases", 20.0, "4 x 32", "fp32"),
        Rate("a", "tokens", 20.0),
        Rate("a", "bases", 1.0),
    ]
    assert compared(rows, reference) == [2.0, None, None, None, 0.2]
    assert compared(rows, None) == [None] * 5


def test_random_weights_of_a_shape_have_its_rates(hasty: None) -> None:
    facts = bench("tiny", device="cpu", precision="fp32", quick=True, threads=1)
    assert {row["network"] for row in facts["rows"]} == {None, "2 x 32"}
    assert [row["what"] for row in facts["rows"]][-1] == "variants, 101 bases"


def test_a_model_without_scores_has_an_encoder(make_model: Callable[..., Path], hasty: None) -> None:
    facts = bench(str(make_model("none", ())), device="cpu", precision="fp32", threads=1)
    assert [row["what"] for row in facts["rows"]][1:] == ["encoder, 98 tokens", "encoder, 512 tokens"]


def test_what_cannot_be_measured_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DnabertError, match="--precision fp31: choose all or one of"):
        bench(precision="fp31", device="cpu")
    with pytest.raises(BackendUnavailable, match="fp8 runs on GPUs"):
        bench(precision="fp8", device="cpu")
    with pytest.raises(DnabertError, match="one device is measured at a time"):
        bench(device="cpu,cpu")
    with pytest.raises(DnabertError, match=r"facts\.json"):
        bench(json_file=tmp_path / "no" / "facts.json")


def test_the_shipped_reference_says_what_it_is() -> None:
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    rows = [Rate(**row) for row in reference["rows"]]
    assert len({row.key for row in rows}) == len(rows)
    assert {"2 x 96", "12 x 768"} <= {row.network for row in rows}
    assert all(row.rate > 0 for row in rows)
    assert reference["date"]
    assert reference["processor"]
    assert reference["machine"]["cores"] >= 1
    assert 0 <= reference["others"] <= 1
    torch.set_num_threads(1)
