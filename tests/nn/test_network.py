"""Networks: prepared weights follow the parameters, the original's quirks, fresh weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import bert

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]
TWO = ("a", "b")


def test_prepared_weights_follow_the_parameters(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO)
    with torch.inference_mode():
        before = network(packed)
    assert network.prepare() is network.prepare()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.train()
    network(packed).square().sum().backward()
    optimizer.step()
    network.eval()
    slow = network(packed).detach()
    with torch.inference_mode():
        torch.testing.assert_close(network(packed), slow, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before, slow, atol=1e-3)
    # A change without train(), as an averaged copy of the weights makes, is seen too.
    with torch.no_grad():
        network.encoder.word.mul_(0.5)
    slow = network(packed).detach()
    with torch.inference_mode():
        torch.testing.assert_close(network(packed), slow, atol=1e-5, rtol=1e-5)


def test_copies_are_whole(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO)
    with torch.inference_mode():
        before = network(packed)
    twins = [copy.deepcopy(network), pickle.loads(pickle.dumps(network))]
    with torch.no_grad():
        network.encoder.word.mul_(0.5)
    with torch.inference_mode():
        for twin in twins:
            assert torch.equal(twin(packed), before)


def test_bf16_is_bf16_and_close(make: Make, packed: Packed) -> None:
    fp32, bf16 = make("sequence", TWO), make("sequence", TWO, precision="bf16")
    with torch.inference_mode():
        exact, rounded = fp32(packed), bf16(packed)
    assert rounded.dtype is torch.float32
    error = (rounded - exact).abs().max()
    assert 1e-5 < error < 0.1 * exact.std(), "bf16 has 8 bits: an error there must be, and a small one"


def quirky(network: Network, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return bert.hidden_states(split(network), ids, mask, network.config.encoder.heads)


def test_legacy_padding_attends_to_the_padding(make: Make, rows: list[list[int]], packed: Packed) -> None:
    network = make("sequence", TWO, backend="reference", options={"legacy_padding": 140})
    ids, mask = bert.padded(rows, 140)
    state = split(network)
    vectors = bert.pooled(state, quirky(network, ids, mask))
    expected = vectors @ state["classifier.weight"].double().T + state["classifier.bias"].double()
    proper = make("sequence", TWO, backend="reference")
    with torch.inference_mode():
        states = network.hidden_states(packed)[-1].split(packed.lengths.tolist())
        for state, wanted, row in zip(states, quirky(network, ids, mask), rows, strict=True):
            torch.testing.assert_close(state.double(), wanted[: len(row)], atol=1e-5, rtol=0)
        torch.testing.assert_close(network(packed).double(), expected, atol=1e-5, rtol=0)
        assert not torch.allclose(proper(packed), network(packed), atol=1e-2), "the quirk must show"


def test_legacy_padding_gives_long_heads_their_unused_pieces(make: Make) -> None:
    options = {"legacy_padding": 3 * 512}
    network = make("xl-concat", TWO, backend="reference", options=options, split=3)
    rows = bert.rows(bert.real_sequences()[-8:-6], 3)  # a window of two pieces; the third is unused
    ids, mask = bert.padded([*rows, []], 512)
    state = split(network)
    vectors = bert.pooled(state, quirky(network, ids, mask)).reshape(1, -1)
    hidden = torch.relu(vectors @ state["classifier1.weight"].double().T + state["classifier1.bias"].double())
    expected = hidden @ state["classifier2.weight"].double().T + state["classifier2.bias"].double()
    with torch.inference_mode():
        found = network(Packed.from_arrays(*bert.packed_arrays(rows)), [2])
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
    with pytest.raises(DnabertError, match="window of 4 pieces, but legacy_padding 1536 is 3"):
        network.windows(torch.zeros(4, 32), [4])


def test_the_original_counts_the_masked_lm_bias_twice(make: Make, packed: Packed) -> None:
    once, twice = (make("mlm", backend="reference", options={"mlm_bias": times}) for times in (1, 2))
    with torch.inference_mode():
        difference = twice(packed) - once(packed)
    head = once.head
    torch.testing.assert_close(difference, head.bias.detach().expand_as(difference), atol=1e-5, rtol=0)


@pytest.mark.parametrize("options", [{"legacy_padding": 140}, {"mlm_bias": 2}])
def test_quirks_are_of_the_reference_backend(make: Make, options: dict[str, int]) -> None:
    with pytest.raises(DnabertError, match="quirks of the reference backend"):
        make("mlm", options=options)


def test_legacy_padding_shorter_than_a_piece(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO, backend="reference", options={"legacy_padding": 20})
    with pytest.raises(DnabertError, match="longer than the padded length 20"):
        network(packed)


def test_fresh_weights_depend_on_the_seed_alone() -> None:
    config = PRESETS["tiny"].with_head("xl-rnn", TWO, rnn_layers=2)
    torch.manual_seed(1)
    first = build(config, seed=3)
    torch.manual_seed(2)
    second, other = build(config, seed=3), build(config, seed=4)
    for (name, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert a.isfinite().all(), name
        assert a.ndim == 1 or not torch.equal(a, c), name
    word = first.encoder.word.detach()
    assert abs(float(word.std()) - 0.02) < 0.002
    assert torch.equal(first.encoder.norm.weight, torch.ones(32))


def test_another_head_keeps_encoder_and_pooler(make: Make, packed: Packed) -> None:
    network = make("mlm")
    classifier = network.with_head(network.config.with_head("sequence", TWO), seed=1)
    with torch.inference_mode():
        vectors = classifier.pieces(packed)
        expected = bert.pooled(split(network), network.encode(packed.wanting("cls"))[:, None].double())
    torch.testing.assert_close(vectors.double(), expected, atol=1e-5, rtol=0)
    assert classifier.encoder is network.encoder


def test_heads_that_do_not_score(make: Make, packed: Packed) -> None:
    with pytest.raises(DnabertError, match="no classifier"):
        make()(packed)
    with pytest.raises(DnabertError, match="masked-LM head, which scores tokens"):
        make("mlm").pieces(packed)
    with pytest.raises(DnabertError, match="sequence head, not one that scores tokens"):
        make("sequence", TWO).token_logits(packed)


def test_bare_pieces_are_the_cls_states(make: Make, packed: Packed) -> None:
    network = make()
    with torch.inference_mode():
        states = network.encode(packed.wanting("all"))
        expected = states[torch.from_numpy(np.asarray(packed.bounds[:-1]))]
        torch.testing.assert_close(network.pieces(packed), expected, atol=1e-5, rtol=0)


def test_networks_made_in_inference_mode_still_train(packed: Packed, tmp_path: Path) -> None:
    with torch.inference_mode():
        network = build(PRESETS["tiny"].with_head("sequence", TWO), seed=1)
        write_network(network, tmp_path / "model")
        for each in (network, read_network(tmp_path / "model")):
            each.eval()(packed)
            with torch.inference_mode(False):
                each.train()(packed).sum().backward()


def test_a_head_trains_on_states_of_a_frozen_encoder(make: Make, packed: Packed) -> None:
    network = make("sequence", TWO)
    with torch.inference_mode():
        network(packed)
    with torch.no_grad():
        states = network.encode(packed.wanting("cls"))
    network.windows(network.head.pieces(states), [1] * packed.pieces).sum().backward()
    assert network.encoder.word.grad is None
    assert network.head.get_parameter("classifier.weight").grad is not None


def test_another_thread_may_drop_the_prepared_weights(
    make: Make, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when both find at once that there are none yet, or none of these parameters."""
    network = make("none")
    with torch.no_grad():
        expected = network.encode(packed)

        def dropped(*_: object) -> bool:
            network._prepared = None
            return True

        monkeypatch.setattr(type(network.prepare()), "made_of", dropped)
        assert torch.equal(network.encode(packed), expected)
