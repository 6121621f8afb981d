"""The loop learns, repeats itself, keeps the best, reads both strands, and stops where the loss is not a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import DnabertError
from dnabert_fast.evaluate.metrics import class_metrics
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import Windows, tokenize
from dnabert_fast.train import loop
from dnabert_fast.train.criterion import Criterion, collapse_warning
from dnabert_fast.train.finetune import starting_network
from dnabert_fast.train.fitting import classifier
from dnabert_fast.train.learner import NetworkLearner
from dnabert_fast.train.loop import evaluate, train
from dnabert_fast.train.optimizer import adamw
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet, shifted

from .conftest import poly_runs


def fresh(data: LabelledSet, recipe: Recipe, seed: int = 1) -> Network:
    return classifier(starting_network(None, recipe, seed), recipe, data, seed)


def one_step(
    network: Network, data: LabelledSet, recipe: Recipe, reverse: Any = None, max_tokens: int = 10_000
) -> tuple[float, float]:
    """One step on all of `data` at the recipe's rate."""
    optimizer = adamw(network, learning_rate=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=recipe.weight_decay)
    stepper = loop._Stepper(NetworkLearner(network, max_tokens), optimizer, Criterion(data.kind), recipe)
    reverse = np.zeros(len(data), bool) if reverse is None else reverse
    return stepper(data, reverse, recipe.learning_rate, 1, "here")


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_tiny_set_is_learnt(recipe: Recipe) -> None:
    data, dev = poly_runs(128, seed=1), poly_runs(64, seed=2)
    network = fresh(data, recipe)
    losses: list[float] = []
    recipe = replace(recipe, epochs=20)
    outcome = train(
        NetworkLearner(network),
        data,
        dev,
        recipe,
        1,
        lambda e: losses.append(e["loss"]) if e["event"] == "step" else None,
    )
    assert losses[-1] < 0.1 < 0.5 < losses[0]
    assert evaluate(NetworkLearner(network), data)["accuracy"] > 0.95
    assert outcome.dev["mcc"] > 0.9
    assert outcome.steps == len(losses) == 20 * 8


def test_equal_seeds_give_equal_weights_and_others_do_not(data: LabelledSet, dev: LabelledSet, recipe: Recipe) -> None:
    found = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # the global generator's state must not matter
        network = fresh(data, recipe, seed)
        train(NetworkLearner(network), data, dev, recipe, seed)
        found.append(weights(network))
    assert equal(found[0], found[1])
    assert not equal(found[0], found[2])


def test_the_callers_random_state_is_left_alone(data: LabelledSet, dev: LabelledSet, recipe: Recipe) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(NetworkLearner(fresh(data, recipe)), data, dev, replace(recipe, epochs=1), 1)
    assert torch.equal(torch.rand(1), expected)


def test_the_weights_of_the_best_evaluation_are_restored(
    data: LabelledSet, dev: LabelledSet, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = fresh(data, recipe)
    at_evaluation: list[dict[str, torch.Tensor]] = []
    ranks = iter([(0.2, 0.5), (0.6, 0.5), (0.6, 0.4), (0.6, 0.45), (0.1, 0.1), (0.6, 0.4)])

    def evaluation(learner: NetworkLearner, *rest: Any) -> dict[str, float]:
        at_evaluation.append(weights(learner.network))
        mcc, loss = next(ranks)
        return {"mcc": mcc, "loss": loss, "classes_predicted": 2}

    monkeypatch.setattr(loop, "evaluate", evaluation)
    events: list[Any] = []
    outcome = train(NetworkLearner(network), data, dev, replace(recipe, evaluations=2), 1, events.append)
    assert [e["step"] for e in events if e["event"] == "evaluation"] == [2, 4, 6, 8, 10, 12]
    assert [e["best"] for e in events if e["event"] == "evaluation"] == [True, True, True, False, False, False]
    assert outcome.best_step == 6
    assert equal(weights(network), at_evaluation[2])
    assert not equal(at_evaluation[2], at_evaluation[-1])
    assert not network.training


@pytest.mark.parametrize(
    ("per_epoch", "epochs", "evaluations", "expected"),
    [(4, 2, 1, {4, 8}), (4, 2, 2, {2, 4, 6, 8}), (5, 1, 2, {3, 5}), (3, 1, 9, {1, 2, 3}), (1, 3, 2, {1, 2, 3})],
)
def test_evaluation_steps(per_epoch: int, epochs: int, evaluations: int, expected: set[int]) -> None:
    assert loop._evaluation_steps(per_epoch, per_epoch * epochs, evaluations) == expected


def test_reverse_complements_are_half_of_the_sequences_and_change_with_the_epoch(recipe: Recipe) -> None:
    both = replace(recipe, reverse_complement=True, epochs=2)
    flags = np.zeros((2, 1000), np.bool_)
    seen = np.zeros((2, 1000), np.int64)
    for step, (rows, reverse, _) in enumerate(loop._steps(1000, both, 1)):
        flags[step * 16 // 1008, rows] = reverse
        seen[step * 16 // 1008, rows] += 1
    assert (seen == 1).all()
    # 1,000 fair coins: five standard deviations are 80.
    assert (abs(flags.sum(axis=1) - 500) < 80).all()
    assert abs(int((flags[0] ^ flags[1]).sum()) - 500) < 80
    assert not any(reverse.any() or shift.any() for _, reverse, shift in loop._steps(100, recipe, 1))


def test_shifts_take_every_value_to_either_side(recipe: Recipe) -> None:
    steps = loop._steps(1000, replace(recipe, shift=3, epochs=2), 1)
    shifts = np.concatenate([shift[np.argsort(rows)] for rows, _, shift in steps])
    assert set(shifts.tolist()) == set(range(-3, 4))
    # 2,000 draws of seven values: five standard deviations of a count are 78.
    assert abs(np.bincount(shifts + 3) - 2000 / 7).max() < 78


@given(st.lists(st.tuples(st.text("ACGT", max_size=8), st.integers(-10, 10)), min_size=1, max_size=5))
def test_a_shifted_window_keeps_its_length_and_takes_n(rows: list[tuple[str, int]]) -> None:
    windows = Windows.from_strings([bases for bases, _ in rows])
    moved = shifted(LabelledSet(windows, np.zeros(len(rows), np.int64)), np.array([by for _, by in rows]))
    found = moved.windows
    for i, (bases, by) in enumerate(rows):
        expected = "".join(bases[j - by] if 0 <= j - by < len(bases) else "N" for j in range(len(bases)))
        assert found[i].decode() == expected


def test_a_reversed_row_is_read_as_its_reverse_complement(data: LabelledSet, recipe: Recipe) -> None:
    data = LabelledSet(data.windows[:16], data.labels[:16])
    letters = str.maketrans("ACGT", "TGCA")
    turned = Windows.from_strings([data.windows[i].decode().translate(letters)[::-1] for i in range(16)])
    found = []
    for windows, strand in ((data.windows, True), (turned, False)):
        network = fresh(data, recipe).eval()  # no dropout
        found.append(one_step(network, LabelledSet(windows, data.labels), recipe, np.full(16, strand)))
    assert found[0] == found[1]


def test_a_step_is_the_same_however_its_tokens_are_cut(recipe: Recipe) -> None:
    random = np.random.default_rng(4)
    windows = Windows.from_strings(["".join(random.choice(list("ACGT"), n)) for n in random.integers(8, 60, 16)])
    data = LabelledSet(windows, np.arange(16) % 2)
    found = []
    for max_tokens in (100_000, 130, 1):
        network = fresh(data, recipe).eval()
        loss, norm = one_step(network, data, recipe, max_tokens=max_tokens)
        found.append((loss, norm))
    # The gradients are fp32 sums in another order: relative error of some 1e-6.
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-5)


class Crowded(NetworkLearner):
    """A learner on a device that holds batches of so many tokens."""

    holds = 200

    def outputs(self, data: LabelledSet, rows: Any, reverse: Any) -> torch.Tensor:
        if self.costs(data)[rows].sum() > self.holds:
            raise torch.OutOfMemoryError
        return super().outputs(data, rows, reverse)


def test_a_batch_that_memory_does_not_hold_is_halved(data: LabelledSet, recipe: Recipe) -> None:
    found = []
    for kind in (NetworkLearner, Crowded):
        learner = kind(fresh(data, recipe).eval(), 4096 if kind is NetworkLearner else 1500)
        optimizer = adamw(learner.network, learning_rate=0.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        stepper = loop._Stepper(learner, optimizer, Criterion("classes"), recipe)
        found.append(stepper(data, np.zeros(len(data), bool), 1e-3, 1, "here"))
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert stepper.max_tokens == 187
    Crowded.holds = 20
    with pytest.raises(DnabertError, match="here: the device has no memory for one sequence of 24 tokens; free some"):
        stepper(data, np.zeros(len(data), bool), 1e-3, 1, "here")
    Crowded.holds = 200


def test_a_step_equals_plain_torch(data: LabelledSet, recipe: Recipe) -> None:
    """One step against AdamW and cross-entropy written out here."""
    recipe = replace(recipe, clip=0.002)
    ours, theirs = fresh(data, recipe).eval(), fresh(data, recipe).eval()
    data = LabelledSet(data.windows[:16], data.labels[:16])
    loss, norm = one_step(ours, data, recipe)
    batch = tokenize(data.windows, 3)
    expected = F.cross_entropy(theirs(Packed.from_arrays(batch.ids, batch.cu_seqlens)), torch.from_numpy(data.labels))
    names, parameters = zip(*theirs.named_parameters(), strict=True)
    gradients = torch.autograd.grad(expected, parameters)
    total = torch.sqrt(sum((g.double() ** 2).sum() for g in gradients))
    assert loss == pytest.approx(float(expected.detach()), rel=1e-6)
    assert norm == pytest.approx(float(total), rel=1e-5)
    assert total > recipe.clip, "the case must clip"
    after = dict(ours.named_parameters())
    for name, parameter, gradient in zip(names, parameters, gradients, strict=True):
        clipped = gradient * recipe.clip / total
        decay = 0.01 if parameter.ndim > 1 else 0.0
        # AdamW's first step: both moments corrected are the gradient and its square.
        step = clipped / (clipped.abs() + 1e-8)
        wanted = parameter * (1 - recipe.learning_rate * decay) - recipe.learning_rate * step
        # Where the gradient is near epsilon its rounding shows; the step is at most the rate.
        solid = clipped.abs() > 1e-6
        assert torch.allclose(after[name][solid], wanted[solid].float(), atol=1e-2 * recipe.learning_rate), name


def test_evaluation_is_the_metrics_of_the_softmax(dev: LabelledSet, recipe: Recipe) -> None:
    network = fresh(dev, recipe)
    batch = tokenize(dev.windows, 3)
    with torch.no_grad():
        scores = network.eval()(Packed.from_arrays(batch.ids, batch.cu_seqlens)).double()
    found = evaluate(NetworkLearner(network), dev)
    assert found["loss"] == pytest.approx(float(F.cross_entropy(scores, torch.from_numpy(dev.labels))), abs=1e-6)
    expected = class_metrics(dev.labels, scores.softmax(1).numpy())
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("value", "words"), [(float("nan"), "the loss is nan"), (float("inf"), "the gradient's norm")])
def test_training_stops_where_numbers_end(
    data: LabelledSet, dev: LabelledSet, recipe: Recipe, value: float, words: str
) -> None:
    network = fresh(data, recipe)
    with torch.no_grad():
        if value == value:
            # A finite loss whose gradient is not: the norm of a constant input divides by a zero spread.
            network.encoder.norm.eps = 0.0
            network.encoder.norm.weight.zero_()
            network.encoder.layers[0].attention_norm.eps = 0.0
            for part in (network.encoder.norm.bias, network.encoder.layers[0].out.weight):
                part.zero_()
            words = "the "
        else:
            network.encoder.word[:] = value
    before = weights(network)
    with pytest.raises(DnabertError) as caught:
        train(NetworkLearner(network), data, dev, recipe, 1)
    assert str(caught.value).startswith(f"step 1 of 12: {words}")
    assert "lower the learning rate (0.003) or warm up longer" in str(caught.value)
    after = weights(network)
    assert all(torch.equal(before[name].nan_to_num(9), after[name].nan_to_num(9)) for name in before)


def test_a_dev_set_that_ends_in_no_number_stops_training(
    data: LabelledSet, dev: LabelledSet, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step's weights are judged by no further step: they are not taken for the best."""
    judged = iter([{"loss": 0.5, "mcc": 0.1, "classes_predicted": 2}, {"loss": float("nan"), "mcc": 0.9}])
    monkeypatch.setattr(loop, "evaluate", lambda *given: next(judged))
    with pytest.raises(DnabertError, match=r"step 8 of 12: the loss of the dev set is nan.*the best before was step 4"):
        train(NetworkLearner(fresh(data, recipe)), data, dev, recipe, 1)


def test_a_collapse_is_said(data: LabelledSet, dev: LabelledSet, recipe: Recipe) -> None:
    network = fresh(data, recipe)
    with torch.no_grad():
        network.head.classifier.bias[:] = torch.tensor([50.0, -50.0])
    events: list[Any] = []
    outcome = train(NetworkLearner(network), data, dev, replace(recipe, learning_rate=1e-9, epochs=1), 1, events.append)
    assert "one class is predicted" in events[-1]["warning"]
    assert collapse_warning(outcome.dev) == events[-1]["warning"]
    assert outcome.dev["mcc"] == 0.0
