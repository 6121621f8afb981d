"""The encoder against transformers and against itself: parity, gradients, packing, wanted rows, repetition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import transformers
from oracle import bert

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]


def hf_config(network: Network, **fields: object) -> transformers.BertConfig:
    encoder = network.config.encoder
    return transformers.BertConfig(
        vocab_size=encoder.vocab_size,
        hidden_size=encoder.hidden_size,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate_size,
        **fields,
    )


def twin(network: Network, kind: type[transformers.BertPreTrainedModel]) -> transformers.BertPreTrainedModel:
    """The same weights in transformers."""
    model = kind(hf_config(network, num_labels=max(1, len(network.config.labels))))
    missing, unexpected = model.load_state_dict(split(network), strict=False)
    assert all(name.startswith("cls.predictions.decoder") for name in missing)
    assert all(name.startswith("bert.pooler") for name in unexpected)
    model.tie_weights()
    return model.eval()


def without_padding(padded: torch.Tensor, rows: list[list[int]]) -> torch.Tensor:
    return torch.cat([padded[i, : len(row)] for i, row in enumerate(rows)])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_logits_are_those_of_transformers(make: Make, k: int, backend: str) -> None:
    network = make("sequence", ("a", "b"), k=k, backend=backend)
    rows = bert.rows(bert.real_sequences()[8:36], k)
    ids, mask = bert.padded(rows)
    with torch.inference_mode():
        expected = twin(network, transformers.BertForSequenceClassification)(ids, attention_mask=mask).logits
        found = network(Packed.from_arrays(*bert.packed_arrays(rows)))
    assert expected.std(0).min() > 0.1, "logits that hardly vary show nothing"
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_masked_lm_states_and_logits_are_those_of_transformers(
    make: Make, rows: list[list[int]], packed: Packed, backend: str
) -> None:
    network = make("mlm", backend=backend)
    ids, mask = bert.padded(rows)
    model = twin(network, transformers.BertForMaskedLM)
    with torch.inference_mode():
        expected = model(ids, attention_mask=mask, output_hidden_states=True)
        logits = network(packed.wanting("all"))
        states = network.hidden_states(packed)
    torch.testing.assert_close(logits, without_padding(expected.logits, rows), atol=2e-5, rtol=0)
    assert len(states) == len(expected.hidden_states)
    for found, wanted in zip(states, expected.hidden_states, strict=True):
        torch.testing.assert_close(found, without_padding(wanted, rows), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_full_size(precision: str) -> None:
    """110 M weights, k = 6, drawn twice as wide as BERT's beginning so that logits vary."""
    config = PRESETS["dnabert-6"].with_head("sequence", ("a", "b"))
    network = build(config, choose("cpu", "cpu", precision), seed=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    rows = bert.rows([sequence for sequence in bert.real_sequences() if len(sequence) < 130][::4], 6)
    ids, mask = bert.padded(rows)
    model = twin(network, transformers.BertForSequenceClassification)
    with torch.inference_mode():
        expected = model(ids, attention_mask=mask).logits
        found = network(Packed.from_arrays(*bert.packed_arrays(rows)))
        assert expected.std(0).min() > 0.05
        if precision == "fp32":
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
            return
        theirs = model.to(torch.bfloat16)(ids, attention_mask=mask).logits.float()
    # Against fp32 at most twice as far as transformers in the same precision: of few windows both are estimates.
    assert (found - expected).square().mean().sqrt() <= 2 * (theirs - expected).square().mean().sqrt()


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.1)])
def test_a_piece_alone_is_the_piece_packed(
    make: Make, rows: list[list[int]], packed: Packed, precision: str, tolerance: float
) -> None:
    network = make("sequence", ("a", "b"), precision=precision)
    with torch.inference_mode():
        together = network(packed)
        for i, row in enumerate(rows):
            alone = network(Packed.from_arrays(*bert.packed_arrays([row])))
            torch.testing.assert_close(alone, together[i : i + 1], atol=tolerance, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_second_run_is_bit_identical(make: Make, packed: Packed, precision: str) -> None:
    network = make("sequence", ("a", "b"), precision=precision)
    with torch.inference_mode():
        first = network(packed)
        assert torch.equal(first, network(packed))
    again = make("sequence", ("a", "b"), precision=precision)
    with torch.inference_mode():
        assert torch.equal(first, again(packed))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("which", ["cls", "some"])
def test_wanted_rows_are_rows_of_all(make: Make, packed: Packed, backend: str, which: str) -> None:
    network = make(backend=backend)
    total = int(packed.lengths.sum())
    wanted = packed.bounds[:-1] if which == "cls" else np.flatnonzero(np.random.default_rng(0).random(total) < 0.15)
    with torch.inference_mode():
        everything = network.encode(packed.wanting("all"))
        some = network.encode(packed.wanting(wanted))
    torch.testing.assert_close(some, everything[torch.from_numpy(wanted)], atol=1e-5, rtol=0)
    # The same with gradients on, where the parameters themselves are used.
    torch.testing.assert_close(network.encode(packed.wanting(wanted)).detach(), some, atol=1e-5, rtol=0)


def test_fast_and_slow_paths_agree_on_types(make: Make, packed: Packed) -> None:
    network = make("sequence", ("a", "b"))
    ids, bounds = packed.ids.numpy(), packed.cu_seqlens.numpy()
    paired = Packed.from_arrays(ids, bounds, types=np.arange(len(ids)) % 2)
    slow = network(paired).detach()
    with torch.inference_mode():
        torch.testing.assert_close(network(paired), slow, atol=1e-5, rtol=0)
        assert not torch.allclose(network(packed), slow, atol=1e-3)


def test_gradients_are_those_of_transformers(make: Make, rows: list[list[int]], packed: Packed) -> None:
    network = make("sequence", ("a", "b"))
    model = twin(network, transformers.BertForSequenceClassification)
    labels = torch.arange(len(rows)) % 2
    ids, mask = bert.padded(rows)
    torch.nn.functional.cross_entropy(model(ids, attention_mask=mask).logits, labels).backward()
    torch.nn.functional.cross_entropy(network(packed), labels).backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    compared = 0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        parameter.data = parameter.grad  # so that `split` names gradients as it names weights
    for name, gradient in split(network).items():
        wanted = expected[name]
        assert wanted is not None
        torch.testing.assert_close(gradient, wanted, atol=1e-5 * float(wanted.abs().max() + 1), rtol=1e-4)
        compared += 1
    assert compared == len(expected)


def test_training_draws_dropout_and_evaluation_does_not(make: Make, packed: Packed) -> None:
    network = make("sequence", ("a", "b")).train()
    torch.manual_seed(0)
    first = network(packed)
    assert not torch.equal(first, network(packed))
    torch.manual_seed(0)
    assert torch.equal(first, network(packed))
    network.eval()
    assert torch.equal(network(packed), network(packed))


def test_a_piece_longer_than_the_positions(make: Make) -> None:
    network = make()
    long = Packed.from_arrays(np.ones(513, np.uint16), np.array([0, 513], np.int32))
    with torch.inference_mode(), pytest.raises(DnabertError, match="piece of 513 tokens; this model takes 512"):
        network.encode(long)
    with pytest.raises(DnabertError, match="513"):
        network.encode(long)
