"""A step of masked-LM training of the 110 M network on a processor, fp32: ours, and transformers' BertForMaskedLM.

    python -m pytest benchmarks/test_pretrain.py -s

Samples are those of the released mixture on the demonstration's genome, masks those of seq.masking. transformers gets
them as its data collator pads them, to the longest of the batch, with an attention mask; ours are packed. A step is
forward, backward, clipping and AdamW (fused, both). Without dropout both begin with the same loss and weights, which is
asserted before anything is timed; with dropout, as in training, losses are each one's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from workload import GENOME, Watch

from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network, build
from dnabert_fast.seq.batch import tokenize
from dnabert_fast.seq.corpus import Corpus
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.masking import Masking, mask
from dnabert_fast.train.pretrain import Pretraining, Schedule
from dnabert_fast.train.recipes import PRETRAINING, PretrainRecipe

BAR = 1.4
SEED = 42
SAMPLES = 10  # of a GPU at a time, in the original
TURNS = 2


def recipe(dropout: float, quick: bool) -> PretrainRecipe:
    """The paper's, on few samples, at its peak rate from the first step on."""
    of = PRETRAINING["mini" if quick else "dnabert-6"]
    encoder = replace(of.network.encoder, hidden_dropout=dropout, attention_dropout=dropout)
    return replace(of, network=replace(of.network, encoder=encoder), batch=SAMPLES, warm_up=0)


class Ours:
    """Pre-training as the verb does it; a call takes a step and gives its loss and seconds."""

    def __init__(self, network: Network, corpus: Corpus, of: PretrainRecipe) -> None:
        self._run = Pretraining(network, corpus, of, SEED)

    def __call__(self) -> tuple[float, float]:
        events: list[Any] = []
        plan = Schedule(steps=self._run.step + 1, save_every=1 << 30, max_tokens=4096)
        self._run.run(plan, lambda: None, events.append)
        return events[0]["loss"], events[0]["tokens"] / events[0]["tokens_per_second"]


class Transformers:
    """BertForMaskedLM with SDPA on the same samples and masks, padded; a call takes a step, as `Ours`."""

    def __init__(self, network: Network, corpus: Corpus, of: PretrainRecipe) -> None:
        encoder = of.network.encoder
        config = transformers.BertConfig(
            vocab_size=encoder.vocab_size,
            hidden_size=encoder.hidden_size,
            num_hidden_layers=encoder.layers,
            num_attention_heads=encoder.heads,
            intermediate_size=encoder.intermediate_size,
            hidden_dropout_prob=encoder.hidden_dropout,
            attention_probs_dropout_prob=encoder.attention_dropout,
            attn_implementation="sdpa",
        )
        self._model = transformers.BertForMaskedLM(config)
        unknown = self._model.load_state_dict(split(network), strict=False)
        assert not [name for name in unknown.missing_keys if "decoder" not in name], unknown
        self._model.train()
        parameters = list(self._model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": of.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=of.learning_rate, betas=of.betas, eps=of.eps, fused=True)
        self._corpus, self._of, self._step = corpus, of, 0

    def __call__(self) -> tuple[float, float]:
        began = time.monotonic()
        ids, labels, there = self._batch(self._step * self._of.batch)
        self._step += 1
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._model(input_ids=ids, attention_mask=there, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._of.clip)
        self._optimizer.step()
        return float(loss.detach()), time.monotonic() - began

    def _batch(self, first: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        k = self._of.network.k
        batch = tokenize(self._corpus.samples(first, self._of.batch), k)
        drawn = mask(batch, Masking(k, self._of.mask_rate(1)), SEED, first)
        labels = np.full(len(batch.ids), -100)
        labels[drawn.rows] = drawn.labels
        inside = np.arange(batch.lengths.max()) < batch.lengths[:, None]
        padded, wanted = np.zeros(inside.shape, np.int64), np.full(inside.shape, -100)
        padded[inside], wanted[inside] = drawn.ids, labels
        return torch.from_numpy(padded), torch.from_numpy(wanted), torch.from_numpy(inside.astype(np.int64))


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_ratio(dropout: float, quick: bool, record_property: Callable[[str, object], None]) -> None:
    of = recipe(dropout, quick)
    with Genome.open(GENOME) as genome:
        corpus = Corpus.of([genome], of.network.k, seed=SEED, both_strands=False)
        network = build(of.network, choose("cpu", "cpu"), seed=1, pooler=False)
        sides: dict[str, Callable[[], tuple[float, float]]] = {
            "transformers": Transformers(network, corpus, of),
            "ours": Ours(network, corpus, of),
        }
        # The first step is not timed: both make their optimizer's state.
        losses = {name: side()[0] for name, side in sides.items()}
        if not dropout:
            assert losses["ours"] == pytest.approx(losses["transformers"], abs=1e-4)
        # Both times of a step are of the same samples, so that their ratio is that of tokens a second.
        ratios, disturbed = [], 0.0
        for _ in range(TURNS):
            watch = Watch()
            seconds = {name: side()[1] for name, side in sides.items()}
            disturbed = max(disturbed, watch.read()[1])
            ratios.append(seconds["transformers"] / seconds["ours"])
            print(f"transformers {seconds['transformers']:.2f} s, ours {seconds['ours']:.2f} s a step")
    found = float(np.median(ratios))
    print(
        f"pre-training step, fp32, dropout {dropout}: {found:.2f} times transformers, bar {BAR}; "
        f"others used {disturbed:.0%} of the processors"
    )
    record_property(f"pretrain / transformers fp32 dropout {dropout}", found)
    if not quick:
        assert found >= BAR
