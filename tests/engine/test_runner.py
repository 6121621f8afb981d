"""How batches run: cut smaller where memory runs out, staged on a device, and asked for before they are wanted."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast import DnabertError, Model, Windows
from dnabert_fast.engine.predict import MAX_TOKENS, batch_tokens, begin_logits, logits
from dnabert_fast.engine.runner import Job, Runner
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed
from dnabert_fast.nn.staging import Host
from dnabert_fast.seq.batch import TokenBatch


def batch(lengths: list[int]) -> TokenBatch:
    """Pieces whose first token is their number."""
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    ids = np.zeros(bounds[-1], np.uint16)
    ids[bounds[:-1]] = np.arange(len(lengths))
    return TokenBatch(ids, bounds, np.arange(len(lengths), dtype=np.int32))


class Small(Host):
    """A device that counts how often it was asked to let memory go."""

    released = 0

    def release(self) -> None:
        self.released += 1


def run(runner: Runner, lengths: list[int], holds: int, max_tokens: int = 10_000) -> tuple[list[list[int]], list[int]]:
    """The pieces of each batch that ran, and what came out, where batches of more than `holds` tokens fail."""
    ran: list[list[int]] = []

    def encode(packed: Packed) -> torch.Tensor:
        assert packed.ids is not None
        first = packed.ids[packed.cu_seqlens[:-1].long()]
        if len(packed.ids) > holds:
            raise torch.OutOfMemoryError(f"{len(packed.ids)} tokens")
        ran.append(first.tolist())
        return first[:, None].float()

    given = batch(lengths)
    job = Job(given, np.arange(len(given), dtype=np.int32), encode, "cls", max_tokens, lambda share: None)
    table, rows = runner.vectors(job)
    return ran, table[torch.from_numpy(rows), 0].int().tolist()


@given(st.lists(st.integers(2, 60), min_size=1, max_size=30), st.integers(60, 900), st.sampled_from([60, 300, 10_000]))
def test_batches_are_halved_until_memory_holds_them(lengths: list[int], holds: int, max_tokens: int) -> None:
    staging = Small()
    runner = Runner(staging=staging)
    ran, found = run(runner, lengths, holds, max_tokens)
    assert found == list(range(len(lengths)))
    assert sorted(piece for part in ran for piece in part) == found
    assert max(sum(lengths[i] for i in part) for part in ran) <= holds
    assert bool(staging.released) == bool(runner.notes)
    if min(max_tokens, sum(lengths)) <= holds:
        assert runner.notes == ()


def test_the_smaller_limit_is_kept_and_told_once() -> None:
    staging = Small()
    runner = Runner("cuda:0", staging=staging)
    assert runner.notes == ()
    ran, _ = run(runner, [10] * 100, holds=300)
    assert [len(part) for part in ran] == [25] * 4
    assert staging.released == 2
    assert runner.notes == ("cuda:0 ran out of memory, so batches were cut to 250 tokens",)
    again, _ = run(runner, [10] * 100, holds=300)
    assert again == ran
    assert staging.released == 2
    assert len(runner.notes) == 1


def test_a_piece_that_does_not_fit_alone() -> None:
    with pytest.raises(DnabertError, match="cuda:1 has no memory for one piece of 50 tokens; free some"):
        run(Runner("cuda:1", staging=Small()), [50, 40, 30], holds=45)


def test_other_failures_are_not_tried_again() -> None:
    calls = []

    def encode(packed: Packed) -> torch.Tensor:
        calls.append(packed)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Runner().vectors(Job(batch([3, 4]), np.arange(2, dtype=np.int32), encode, "cls", 100, lambda share: None))
    assert len(calls) == 1


def test_answers_are_those_of_larger_batches(
    model: Model, sequences: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model.predict(sequences)
    small = replace(model, runner=Runner(staging=Small()))
    pieces = Network.pieces

    def limited(network: Network, packed: Packed) -> torch.Tensor:
        if int(packed.lengths.sum()) > 500:
            raise torch.OutOfMemoryError("full")
        return pieces(network, packed)

    monkeypatch.setattr(Network, "pieces", limited)
    assert small.predict(sequences) == pytest.approx(expected, abs=1e-5)
    assert "cut to" in small.notes[0]
    assert model.notes == ()


class Full(Small):
    """A device without memory for what is sent to it outside of batches."""

    def send(self, array: np.ndarray) -> torch.Tensor:
        raise torch.OutOfMemoryError("full")


def test_memory_that_ends_outside_of_batches_is_told(model: Model, sequences: list[bytes]) -> None:
    unit = model.prepare(Windows.from_strings(sequences[:10]))
    full = replace(model, runner=Runner("cuda:0", staging=Full()))
    with pytest.raises(DnabertError, match=r"cuda:0 has no memory for 10 windows of together \d+ pieces"):
        full.logits(unit)


def network_on(device: str, preset: str = "dnabert-6") -> Network:
    return cast(Network, SimpleNamespace(backend=SimpleNamespace(device=device), config=PRESETS[preset]))


def test_tokens_of_a_batch() -> None:
    assert batch_tokens(network_on("cpu"), None) == MAX_TOKENS == 4096
    gigabyte = 1 << 30
    assert batch_tokens(network_on("cuda:0"), 139 * gigabyte) == 65_536
    limits = [batch_tokens(network_on("cuda:0"), int(free * gigabyte)) for free in (0, 0.01, 0.5, 1, 2, 4, 8)]
    assert limits == sorted(limits)
    assert limits[0] == 512
    assert 4096 <= limits[3] < 65_536 == limits[-1]
    # The widest arrays of a batch, one of each, fit many times over into the share that they are given.
    assert limits[3] * (3072 + 768) * 4 < gigabyte / 4
    assert batch_tokens(network_on("cuda:0", "tiny"), gigabyte) == 65_536


def test_answers_can_be_asked_for_and_waited_for_later(model: Model, sequences: list[bytes]) -> None:
    units = [model.prepare(Windows.from_strings(sequences[i : i + 10])) for i in range(0, 40, 10)]
    waiting = [model.begin(unit) for unit in units]
    found = [wait() for wait in reversed(waiting)][::-1]
    for unit, answer in zip(units, found, strict=True):
        assert answer.tobytes() == model.logits(unit).tobytes()
        assert begin_logits(model.network, unit[0])().tobytes() == logits(model.network, unit[0]).tobytes()
    vectors = model.begin(units[0], pooling="mean")()
    assert vectors.tobytes() == model.vectors(units[0], "mean").tobytes()


def test_copies_make_their_own_staging() -> None:
    runner = Runner("cpu", 2)
    for other in (copy.deepcopy(runner), pickle.loads(pickle.dumps(runner))):
        assert (other.device, other.workers.threads) == ("cpu", 2)
        assert other.staging is not runner.staging
