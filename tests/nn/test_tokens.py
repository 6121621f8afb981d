"""A label a k-mer, and two sequences at once: the same as transformers, both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from oracle import bert

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]
THREE = ("none", "donor", "acceptor")


@torch.inference_mode()
def test_token_labels_are_those_of_transformers(
    make: Make, rows: list[list[int]], packed: Packed, tmp_path: Path
) -> None:
    network = make("token", THREE, head_dropout=0.25)
    write_network(network, tmp_path / "ours")
    theirs = transformers.BertForTokenClassification.from_pretrained(tmp_path / "ours").eval()
    assert theirs.config.id2label == dict(enumerate(THREE))
    assert theirs.dropout.p == 0.25
    ids, mask = bert.padded(rows)
    expected = theirs(ids, attention_mask=mask).logits[mask.bool()]
    assert expected.std() > 0.1
    torch.testing.assert_close(network(packed.wanting("all")), expected, atol=1e-5, rtol=0)
    # Some tokens alone, in packs whose pieces lie in any order.
    some = np.arange(3, len(expected), 7)
    torch.testing.assert_close(network(packed.wanting(some)), expected[some], atol=1e-5, rtol=0)
    theirs.save_pretrained(tmp_path / "theirs")
    again = read_network(tmp_path / "theirs")
    assert (again.config.head, again.config.labels, again.config.head_dropout) == ("token", THREE, 0.25)
    torch.testing.assert_close(again(packed.wanting("all")), expected, atol=1e-5, rtol=0)
    with pytest.raises(DnabertError, match="this model labels bases"):
        network.pieces(packed)


def pairs(rows: list[list[int]]) -> list[list[int]]:
    """Neighbours joined: [CLS] one [SEP] other [SEP]."""
    return [a + b[1:] for a, b in zip(rows[::2], rows[1::2], strict=False)]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@torch.inference_mode()
def test_pairs_are_read_as_transformers_reads_them(
    make: Make, rows: list[list[int]], tmp_path: Path, backend: str
) -> None:
    network = make("sequence", ("no", "yes"), backend=backend)
    write_network(network, tmp_path / "ours")
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    joined = pairs(rows)
    ids, mask = bert.padded(joined)
    types = torch.zeros_like(ids)
    for i, (a, pair) in enumerate(zip(rows[::2], joined, strict=False)):
        types[i, len(a) : len(pair)] = 1
    packed = Packed.from_arrays(*bert.packed_arrays(joined)).segmented()
    assert torch.equal(packed.types, types[mask.bool()])
    expected = theirs(ids, attention_mask=mask, token_type_ids=types).logits
    torch.testing.assert_close(network(packed), expected, atol=1e-5, rtol=0)
    without = theirs(ids, attention_mask=mask).logits
    assert (expected - without).abs().max() > 1e-3, "the segments must matter"


def test_single_sequences_have_one_segment(packed: Packed) -> None:
    assert not packed.segmented().types.any()
