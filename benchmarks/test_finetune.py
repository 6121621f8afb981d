"""A step of fine-tuning the 110 M network: ours, and the loop of transformers on the same weights and rows.

    python -m pytest benchmarks/test_finetune.py -k ratio -s

Windows of 30 to 512 tokens in random order. transformers' batches are padded to their longest, as its
DataCollatorWithPadding does, and run with SDPA; its step is that of its Trainer: forward, backward, gradients clipped
to a norm of 1, AdamW (fused, two groups), linear warm-up and decay. Ours are packed. Both train in fp32 with dropout
0.1. A pair whose losses differ before training, without dropout, is not timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
import transformers
from oracle import bert
from oracle.kmers import kmer_ids
from workload import in_turns

from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import build
from dnabert_fast.seq.batch import Windows
from dnabert_fast.train import loop
from dnabert_fast.train.criterion import Criterion
from dnabert_fast.train.learner import NetworkLearner
from dnabert_fast.train.optimizer import adamw
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet

BATCH, TURNS, BAR = 16, 2, 1.5
RATE, DECAY = 5e-5, 0.01


@dataclass(frozen=True)
class Case:
    """A batch of labelled windows, and a step of each implementation on it; `losses` are those before training."""

    data: LabelledSet
    ours: Callable[[], object]
    theirs: Callable[[], object]
    losses: tuple[float, float]


@cache
def case(quick: bool) -> Case:
    random = np.random.default_rng(1)
    shortest, longest, batch = (30, 90, 8) if quick else (30, 512, BATCH)
    config = PRESETS["small" if quick else "dnabert-6"].with_head("sequence", ("0", "1"))
    lengths = random.integers(shortest, longest + 1, batch) + config.k - 3
    strings = ["".join(random.choice(list("ACGT"), n)) for n in lengths]
    data = LabelledSet(Windows.from_strings(strings), random.integers(0, 2, batch))
    network = build(config, choose("cpu", "cpu"), seed=1)
    rows = [[bert.CLS, *kmer_ids(text.encode(), config.k), bert.SEP] for text in strings]
    ids, mask = bert.padded(rows)
    labels = torch.from_numpy(data.labels)
    peer = _peer(network)

    recipe = Recipe(learning_rate=RATE, epochs=1, batch=batch, weight_decay=DECAY)
    learner = NetworkLearner(network)
    optimizer = adamw(network, learning_rate=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    step = loop._Stepper(learner, optimizer, Criterion("classes"), recipe)
    forward = np.zeros(batch, np.bool_)

    decayed = [parameter for parameter in peer.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in peer.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    their_optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(their_optimizer, 100, 1000)

    def theirs() -> None:
        loss = peer(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        their_optimizer.step()
        schedule.step()
        peer.zero_grad()

    network.eval()
    peer.eval()
    with torch.no_grad():
        mine = loop.evaluate(learner, data)["loss"]
        other = float(peer(input_ids=ids, attention_mask=mask, labels=labels).loss)
    network.train()
    peer.train()
    return Case(data, lambda: step(data, forward, RATE, 1, "here"), theirs, (mine, other))


def _peer(network: torch.nn.Module) -> transformers.BertForSequenceClassification:
    encoder = network.config.encoder
    config = transformers.BertConfig(
        vocab_size=encoder.vocab_size,
        hidden_size=encoder.hidden_size,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate_size,
        attn_implementation="sdpa",
    )
    peer = transformers.BertForSequenceClassification(config)
    peer.load_state_dict(split(network))
    return peer


@pytest.mark.parametrize("impl", ["ours", "theirs"])
def test_step(benchmark: object, quick: bool, impl: str) -> None:
    found = case(quick)
    benchmark.pedantic(getattr(found, impl), rounds=2, warmup_rounds=1)  # type: ignore[attr-defined]
    seconds = benchmark.stats.stats.min  # type: ignore[attr-defined]
    benchmark.extra_info["sequences_per_second"] = len(found.data) / seconds  # type: ignore[attr-defined]


def test_ratio(quick: bool, record_property: Callable[[str, object], None]) -> None:
    found = case(quick)
    assert abs(found.losses[0] - found.losses[1]) < 1e-5, f"losses of the same weights: {found.losses}"
    # The first step makes the optimiser's state.
    found.ours()
    found.theirs()
    seconds = in_turns({"ours": found.ours, "transformers": found.theirs}, TURNS)
    ratio, tokens = seconds["transformers"] / seconds["ours"], int(found.data.windows.lengths.sum())
    print(
        f"fine-tuning step: {ratio:.2f} times transformers, bar {BAR}; {len(found.data) / seconds['ours']:.2f} "
        f"sequences/s, {tokens / seconds['ours']:.0f} bases/s on {torch.get_num_threads()} threads"
    )
    record_property("fine-tuning / transformers", ratio)
    if not quick:
        assert ratio >= BAR
