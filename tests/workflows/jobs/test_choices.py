"""The precision that a job has begun with is that of all its runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.jobs import Facts, Stopped, fails, same

import dnabert_fast.analysis.scan as analysis
from dnabert_fast import merge
from dnabert_fast.engine.model import Model, load
from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.workflows.precision import Choice


def test_auto_stays_what_it_was_when_the_job_began(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}
    monkeypatch.setattr(analysis, "UNIT_BASES", 300)
    first = run(tmp_path / "scan.tsv", shard="1/2", **asked)
    monkeypatch.setattr(jobs, "resolve_precision", None)
    second = run(tmp_path / "scan.tsv", **asked)
    assert second["precision_reason"] == first["precision_reason"]


@pytest.mark.parametrize("begins", [True, False])
def test_of_runs_that_choose_at_once_the_first_decides(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begins: bool
) -> None:
    """Another run chooses, and maybe begins the job, while this one still comes to something else."""
    import dnabert_fast.workflows.session as session
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}

    def quick(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        return loaded, Choice("fp32", "the first", loaded.hash())

    def slow(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs, "resolve_precision", quick)
            if begins:
                run(tmp_path / "predict.tsv", shard="2/2", **asked)
            else:
                patch.setattr(session, "begun", fails)
                with pytest.raises(Stopped):
                    run(tmp_path / "predict.tsv", shard="2/2", **asked)
        return loaded, Choice("int8", "too late", loaded.hash())

    monkeypatch.setattr(jobs, "resolve_precision", slow)
    told = run(tmp_path / "predict.tsv", shard="1/2", **asked)
    assert (told["precision"], told["precision_reason"]) == ("fp32", "the first")
    if begins:
        assert same(merge(tmp_path / "w"), run(tmp_path / "predict.tsv", **asked))


def test_the_first_choice_is_loaded(run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that has chosen fp32 computes in what a faster one has begun with."""
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}
    loads: list[str] = []

    def quick(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        return loaded, Choice("int8", "the first", loaded.hash(), ("layers.0.up",))

    def loading(model: str, *, precision: str, exceptions: tuple[str, ...], threads: int, **more: Any) -> Model:
        loads.append(f"{precision} but {' '.join(exceptions)}")
        return load(model, precision="fp32", threads=threads, **more)

    monkeypatch.setattr(jobs, "resolve_precision", quick)
    run(tmp_path / "predict.tsv", shard="2/2", **asked)
    monkeypatch.setattr(jobs, "load", loading)
    for _ in range(2):
        told = run(tmp_path / "predict.tsv", shard="1/2", **asked)
        assert (told["precision"], told["precision_exceptions"]) == ("int8", ["layers.0.up"])
    assert loads == ["int8 but layers.0.up"] * 2


def test_a_device_that_has_not_what_was_chosen(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line does not tell to take another precision, which would be another job."""
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto"}

    def elsewhere(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        return loaded, Choice("fp8", "of a GPU", loaded.hash())

    monkeypatch.setattr(jobs, "resolve_precision", elsewhere)
    run(tmp_path / "predict.tsv", shard="1/2", **asked)
    with pytest.raises(BackendUnavailable) as error:
        run(tmp_path / "predict.tsv", shard="2/2", **asked)
    assert error.match(
        r"^--work \S+/w: the job was begun in fp8, and here fp8 runs on GPUs[^;]*; begin it anew in another"
    )
    assert "--precision fp32" not in str(error.value)
