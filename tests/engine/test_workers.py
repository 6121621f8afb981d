"""Batches in threads of one core each: the same bytes whatever their number, and no trace left behind."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dnabert_fast.engine.model import load
from dnabert_fast.engine.runner import Runner
from dnabert_fast.engine.workers import Workers


def test_items_come_back_in_order_from_several_threads() -> None:
    workers = Workers(3)
    barrier = threading.Barrier(3, timeout=20)

    def work(item: int) -> tuple[int, int, bool]:
        if item < 3:
            barrier.wait()  # passes only when three run at once
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    assert list(workers.map(work, range(9))) == [(item, 1, True) for item in range(9)]
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_single_item_stays_in_the_calling_thread(threads: int) -> None:
    here = threading.get_ident()
    assert list(Workers(threads).map(lambda _: threading.get_ident(), [0])) == [here]


def test_a_failure_is_raised_and_the_rest_is_left_undone() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 0:
            raise ValueError("bad batch")
        return item

    with pytest.raises(ValueError, match="bad batch"):
        list(Workers(2).map(work, range(200)))
    assert len(begun) < 200
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_the_number_of_threads_does_not_change_a_byte(make_model: Callable[..., Path]) -> None:
    model = replace(load(make_model(), threads=1), max_tokens=256)
    rng = np.random.default_rng(3)
    sequences = [bytes(rng.choice(list(b"ACGT"), rng.integers(20, 120)).tolist()) for _ in range(80)]
    one = model.predict(sequences)
    for threads in (2, 3):
        many = replace(model, runner=Runner("cpu", threads))
        assert many.predict(sequences).tobytes() == one.tobytes()
        assert many.embed(sequences).tobytes() == model.embed(sequences).tobytes()
    torch.set_num_threads(1)


def test_copies_start_their_own_threads() -> None:
    workers = Workers(2)
    assert list(workers.map(abs, [-1, -2])) == [1, 2]
    for other in (copy.deepcopy(workers), pickle.loads(pickle.dumps(workers))):
        assert other.threads == 2
        assert list(other.map(abs, [-3, -4])) == [3, 4]
