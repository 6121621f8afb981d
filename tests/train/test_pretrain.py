"""Masked-LM training: its loss against the plain one, learning, going on bit by bit, and stopping."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.backends import choose, triton_backend
from dnabert_fast.nn.config import PRESETS, NetworkConfig
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import Windows, tokenize
from dnabert_fast.seq.masking import Masking, mask
from dnabert_fast.seq.types import I64
from dnabert_fast.train import pretrain as module
from dnabert_fast.train.distributed import Group
from dnabert_fast.train.objective import Judged, MaskedBatch, judge, masked_batches, masked_loss, packed_parts
from dnabert_fast.train.pretrain import Pretraining, Schedule
from dnabert_fast.train.recipes import PretrainRecipe


class Repeats:
    """Samples of one of four repeats each, of which masked letters can be guessed from any others."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def samples(self, first: int, count: int, rows: I64 | None = None) -> Windows:
        random = [np.random.default_rng((self.seed, number)) for number in range(first, first + count)]
        texts = ["ACT" * 40, "GGT" * 40, "CA" * 60, "TGC" * 40]
        found = Windows.from_strings([texts[each.integers(0, 4)][: each.integers(8, 100)] for each in random])
        return found if rows is None else found.take(rows)

    def lengths(self, first: int, count: int) -> I64:
        return self.samples(first, count).lengths

    def held_out(self, count: int) -> Windows:
        return Repeats(self.seed + 1).samples(0, count)


def config(dropout: float = 0.1) -> NetworkConfig:
    tiny = PRESETS["tiny"].with_head("mlm")
    return replace(tiny, encoder=replace(tiny.encoder, hidden_dropout=dropout, attention_dropout=dropout))


def recipe(dropout: float = 0.1, **fields: Any) -> PretrainRecipe:
    usual = {"steps": 8, "total_steps": 100, "warm_up": 3, "learning_rate": 3e-3, "batch": 12}
    return PretrainRecipe(network=config(dropout), **{**usual, **fields})


def network(dropout: float = 0.1) -> Network:
    return build(config(dropout), seed=1, pooler=False)


def schedule(steps: int, **fields: Any) -> Schedule:
    return Schedule(**{"steps": steps, "save_every": 1000, "max_tokens": 400, **fields})


def trained(
    steps: int,
    of: PretrainRecipe,
    tokens: int = 400,
    stop: Callable[[], bool] = lambda: False,
    begin: Callable[[Pretraining], None] = lambda run: None,
) -> tuple[Pretraining, list[Any]]:
    run, events = Pretraining(network(of.network.encoder.hidden_dropout), Repeats(), of, seed=5), list[Any]()
    begin(run)
    run.run(schedule(steps, max_tokens=tokens), lambda: None, events.append, stop)
    return run, events


def batches_of(windows: Windows, masking: Masking, seed: int, first: int, most: int) -> list[MaskedBatch]:
    parts = packed_parts(windows.lengths, masking.k, most)
    return masked_batches(windows.take(np.concatenate(parts)), parts, masking, seed, first)


def weights(run: Pretraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def test_the_loss_is_the_mean_over_all_masked_tokens() -> None:
    """In batches, without the samples of which nothing is masked, and of the masked rows alone: loss and gradients."""
    windows = Windows.concatenate([Repeats().samples(0, 30), Windows.from_strings(["ACGTA"] * 8)])
    mine, plain = network(), network()
    for each in (mine, plain):
        each.eval()
    masking = Masking(3, 0.15)
    batches = batches_of(windows, masking, 7, 100, 300)
    assert len(batches) > 3
    masked = sum(len(batch.labels) for batch in batches)
    total = 0.0
    for batch in batches:
        assert batch.tokens <= 300
        share = masked_loss(mine, batch) * (len(batch.labels) / masked)
        share.backward()
        total += float(share.detach())
    whole = tokenize(windows, 3)
    drawn = mask(whole, masking, 7, 100)
    assert len(np.unique(np.searchsorted(whole.cu_seqlens, drawn.rows, side="right"))) < len(windows)
    logits = plain.token_logits(Packed.from_arrays(drawn.ids, whole.cu_seqlens, rows="all"))
    labels = np.full(len(whole.ids), -100)
    labels[drawn.rows] = drawn.labels
    expected = F.cross_entropy(logits, torch.from_numpy(labels))
    expected.backward()
    assert masked == len(drawn.labels)
    assert total == pytest.approx(float(expected.detach()), abs=1e-6)
    for (name, one), two in zip(mine.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-6, rtol=1e-4, msg=name)


def test_judging_is_the_same_loss_and_leaves_the_mode() -> None:
    net = network()
    net.train()
    batches = batches_of(Repeats().samples(0, 20), Masking(3, 0.15), 7, 0, 300)
    found = judge(net, batches)
    assert net.training
    net.eval()
    expected = sum(float(masked_loss(net, batch).detach()) * len(batch.labels) for batch in batches)
    assert found.loss == pytest.approx(expected, rel=1e-5)
    assert found.tokens == sum(len(batch.labels) for batch in batches)
    assert 0 <= found.right <= found.tokens


def test_it_learns_what_can_be_guessed() -> None:
    run, events = trained(60, recipe(learning_rate=1e-2, warm_up=10, total_steps=200))
    losses = [event["loss"] for event in events]
    assert losses[0] > 4.1
    assert np.mean(losses[-5:]) < 1.0
    found = run.evaluate(schedule(60, held_out=60))
    assert found["accuracy"] > 0.6
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))


def test_a_run_that_goes_on_takes_the_same_steps() -> None:
    of = recipe(mask_rates=((0, 0.15), (5, 0.3)))
    whole, events = trained(8, of)
    first, before = trained(3, of)
    state = {name: tensor.clone() for name, tensor in first.tensors().items()}

    def go_on(run: Pretraining) -> None:
        run.network.load_state_dict(weights(first))
        run.go_on(state, first.facts())

    torch.rand(3)  # the global generator's state must not matter
    second, after = trained(8, of, begin=go_on)
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(whole).items())
    assert all(torch.equal(value, second.tensors()[name]) for name, value in whole.tensors().items())
    told = [(event["step"], event["loss"], event["gradient_norm"], event["learning_rate"]) for event in events]
    again = [(e["step"], e["loss"], e["gradient_norm"], e["learning_rate"]) for e in before + after]
    assert told == again
    assert second.tokens == whole.tokens
    assert sum(e["masked"] for e in events[5:]) > 1.3 * sum(e["masked"] for e in events[2:5])


def test_other_seeds_and_dropout_matter() -> None:
    found = [trained(2, recipe())[1][1]["loss"]]
    for other in (recipe(dropout=0.0), recipe(whole_spans=True), recipe(span=5), recipe(batch=13)):
        found.append(trained(2, other)[1][1]["loss"])
    assert len(set(found)) == len(found)


def test_how_a_step_is_cut_changes_rounding_alone() -> None:
    found = [trained(4, recipe(dropout=0.0), tokens=tokens) for tokens in (200, 100_000)]
    for one, two in zip(found[0][1], found[1][1], strict=True):
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-5)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)


def test_steps_are_told() -> None:
    run, events = trained(3, recipe())
    assert [event["step"] for event in events] == [1, 2, 3]
    assert [event["learning_rate"] for event in events] == pytest.approx([1e-3, 2e-3, 3e-3])
    assert all(event["masked"] < event["tokens"] for event in events)
    assert all(event["share_of_peak"] > 0 for event in events)
    assert run.tokens == sum(event["tokens"] for event in events)
    assert events[-1]["seconds"] <= run.seconds
    assert events[0]["seconds_left"] == pytest.approx(2 * events[0]["seconds"])
    assert events[-1]["seconds_left"] == 0


def test_evaluations_and_checkpoints_come_when_they_are_due() -> None:
    run, told, saved = Pretraining(network(), Repeats(), recipe(), seed=5), list[Any](), list[int]()
    plan = schedule(7, save_every=3, evaluate_every=2, held_out=20)
    assert run.run(plan, lambda: saved.append(run.step), told.append)
    evaluations = [event for event in told if event["event"] == "evaluation"]
    assert [event["step"] for event in evaluations] == [2, 4, 6, 7]
    assert saved == [3, 6, 7]
    again = run.evaluate(plan)
    assert {name: evaluations[-1][name] for name in again} == again  # fixed samples, fixed masks, no dropout


@pytest.mark.parametrize("after", [0, 1, 4])
def test_asked_to_stop_it_leaves_whole_steps(after: int) -> None:
    """Between two batches of a step too: what was begun is dropped."""
    asked = iter([False] * after + [True] * 99)
    run, events = trained(8, recipe(), tokens=300, stop=lambda: next(asked))
    assert run.step == len(events) < 8
    whole, _ = trained(run.step, recipe(), tokens=300)
    assert all(torch.equal(value, weights(run)[name]) for name, value in weights(whole).items())


def test_stopping_saves_what_was_not_saved() -> None:
    run, saved = Pretraining(network(), Repeats(), recipe(), seed=5), list[int]()
    assert not run.run(schedule(8, save_every=2), lambda: saved.append(run.step), stop=lambda: run.step == 3)
    assert saved == [2, 3]


@pytest.mark.parametrize(
    ("saved", "told"),
    [(2, "the last good checkpoint is that of step 2"), (9, "no checkpoint is good"), (3, "no checkpoint is good")],
)
def test_a_loss_that_is_no_number_stops(monkeypatch: pytest.MonkeyPatch, saved: int, told: str) -> None:
    run = Pretraining(network(), Repeats(), recipe(), seed=5)

    def loss(net: Network, batch: MaskedBatch) -> torch.Tensor:
        found = masked_loss(net, batch)
        return found * math.nan if run.step == 3 else found

    monkeypatch.setattr(module, "masked_loss", loss)
    with pytest.raises(DnabertError, match=rf"step 4: the loss is nan; training stopped, .*{told}"):
        run.run(schedule(8, save_every=saved), lambda: None)
    assert all(bool(value.isfinite().all()) for value in weights(run).values())


def test_a_run_that_goes_on_knows_which_checkpoint_was_good(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Pretraining(network(), Repeats(), recipe(), seed=5)
    run.run(schedule(4, save_every=2), lambda: None)
    again = Pretraining(network(), Repeats(), recipe(), seed=5)
    again.go_on(run.tensors(), run.facts())
    monkeypatch.setattr(module, "masked_loss", lambda net, batch: masked_loss(net, batch) * math.nan)
    with pytest.raises(DnabertError, match=r"step 5: .* the last good checkpoint is that of step 2"):
        again.run(schedule(8, save_every=2), lambda: None)


def test_an_evaluation_that_is_no_number_stops_before_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    run, saved = Pretraining(network(), Repeats(), recipe(), seed=5), list[int]()
    monkeypatch.setattr(module, "judge", lambda *given: Judged(math.nan if run.step == 4 else 9.0, 1.0, 9.0))
    with pytest.raises(
        DnabertError, match=r"step 4: the loss of held-out samples is nan.*checkpoint is that of step 2"
    ):
        run.run(schedule(8, save_every=2, evaluate_every=2), lambda: saved.append(run.step))
    assert saved == [2]


def test_the_callers_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trained(1, recipe())
    assert torch.equal(torch.rand(1), expected)


def test_a_pooler_is_neither_trained_nor_saved(tmp_path: Path) -> None:
    """As in the original, where it gets no gradient."""
    net = build(config(), seed=1)
    assert net.head.pooler is not None
    before = net.head.pooler.weight.clone()
    run = Pretraining(net, Repeats(), recipe(), seed=5)
    run.run(schedule(2), lambda: None)
    assert torch.equal(net.head.pooler.weight, before)
    assert not any("pooler" in name for name in run.tensors())


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")]


@pytest.mark.parametrize(("precision", "far"), [("fp32", 1e-5), pytest.param("bf16", 0.02, marks=ON_GPU)])
def test_kernels_train_as_processors_do(precision: str, far: float) -> None:
    pytest.importorskip("triton")
    of, found = recipe(dropout=0.0, batch=2), []
    for backend in (choose("cpu", "cpu"), triton_backend(DEVICE, precision, "asked for")):
        run, events = Pretraining(build(of.network, backend, seed=1, pooler=False), Repeats(), of, seed=5), list[Any]()
        run.run(schedule(1), lambda: None, events.append)
        found.append([events[0]["loss"], events[0]["gradient_norm"]])
    assert found[0] == pytest.approx(found[1], abs=far)


def test_a_process_may_have_no_share_of_a_step() -> None:
    assert [Group(rank, 3).mine([7, 8]) for rank in range(3)] == [[7], [8], []]
    assert masked_batches(Repeats().samples(10, 0), [], Masking(3, 0.15), 7, 10) == []
    assert judge(network(), []).tokens == 0


def test_parts_of_a_step_are_even_and_alike_for_several_processes() -> None:
    lengths = Repeats().samples(0, 200).lengths
    tokens = lengths - 2 + 2
    found = packed_parts(lengths, 3, 900)
    assert sorted(np.concatenate(found).tolist()) == list(range(200))
    sizes = [int(tokens[part].sum()) for part in found]
    assert max(sizes) <= 900
    assert max(sizes) - min(sizes) <= tokens.max()
    assert [tokens[part].tolist() for part in found] == [sorted(tokens[part]) for part in found]
    assert len(found) == -(-tokens.sum() // 900 // 8) * 8
    for processes in (2, 4, 8):
        again = packed_parts(lengths, 3, 900, processes)
        assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    assert len(packed_parts(lengths, 3, 900, 12)) % 12 == 0
    assert [part.tolist() for part in packed_parts(lengths[:3], 3, 10**6)] == [np.argsort(tokens[:3]).tolist()]
    assert [len(part) for part in packed_parts(lengths[:2], 3, 10**6, 2)] == [1, 1]
    assert max(map(len, packed_parts(np.full(5, 100), 3, 1))) == 1  # a sample is not cut
    assert sum(map(len, packed_parts(lengths[:0], 3, 900, 2))) == 0


def test_nothing_to_learn_from_is_said() -> None:
    class Short(Repeats):
        def samples(self, first: int, count: int, rows: I64 | None = None) -> Windows:
            return Windows.from_strings(["ACGTA"] * (count if rows is None else len(rows)))

    run = Pretraining(network(), Short(), recipe(batch=1, mask_rates=((0, 1e-6),)), seed=5)
    with pytest.raises(DnabertError, match="step 1: nothing is masked in a whole batch; take a larger --batch"):
        run.run(schedule(1), lambda: None)
