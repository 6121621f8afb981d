"""The 110 M network in fp32 against transformers on the same weights and real sequences, k = 3 to 6. No timing.

python -m pytest benchmarks/test_logits.py -s
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from oracle import bert

from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed

Record = Callable[[str, object], None]


def pair(k: int, head: str, quick: bool) -> tuple[Network, torch.nn.Module]:
    """The same random weights, twice as wide as BERT's beginning so that logits vary, in both implementations."""
    config = PRESETS[f"dnabert-{k}"].with_head(head, ("no", "yes") if head == "sequence" else ())
    layers = 2 if quick else config.encoder.layers
    config = replace(config, encoder=replace(config.encoder, layers=layers, initializer_range=0.04))
    network = build(config, seed=k).eval()
    theirs = transformers.BertConfig(
        vocab_size=config.encoder.vocab_size, num_hidden_layers=layers, attn_implementation="sdpa"
    )
    kind = transformers.BertForSequenceClassification if head == "sequence" else transformers.BertForMaskedLM
    model = kind(theirs).eval()
    model.load_state_dict(split(network), strict=head == "sequence")
    return network, model


@pytest.mark.timeout(1200)
@torch.inference_mode()
@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_logits(k: int, quick: bool, record_property: Record) -> None:
    sequences = [sequence for sequence in bert.real_sequences() if k <= len(sequence) < 510 + k][::2]
    rows = bert.rows(sequences, k)
    packed = Packed.from_arrays(*bert.packed_arrays(rows), rows="all")
    ids, mask = bert.padded(rows)

    network, model = pair(k, "sequence", quick)
    ours, theirs = network(packed), model(ids, attention_mask=mask).logits
    assert theirs.std(0).min() > 0.02
    logits = float((ours - theirs).abs().max())

    network, model = pair(k, "mlm", quick)
    states = model.bert(ids, attention_mask=mask).last_hidden_state[mask.bool()]
    hidden = float((network.encode(packed) - states).abs().max())

    lengths = np.diff(packed.cu_seqlens)
    print(f"k = {k}, {len(rows)} sequences of {min(lengths)} to {max(lengths)} tokens: logits differ by {logits:.2g},")
    print(f"hidden states of the masked-LM model by {hidden:.2g}, bar 1e-4")
    record_property(f"logits, k = {k}", logits)
    record_property(f"hidden states, k = {k}", hidden)
    assert max(logits, hidden) < 1e-4
