"""Configurations that cannot be, and presets that can."""

from __future__ import annotations

from typing import Any

import pytest

from dnabert_fast.errors import CheckpointError, DnabertError
from dnabert_fast.nn.config import HEADS, PRESETS, EncoderConfig, NetworkConfig, config_from_json, config_to_json

ENCODER = EncoderConfig(vocab_size=69, hidden_size=32, layers=1, heads=2, intermediate_size=64)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"head": "tail"}, "no head named tail; there are none, mlm"),
        ({"head": "sequence"}, "a sequence head needs labels"),
        ({"head": "xl-rnn", "labels": ("a", "b"), "rnn": "elman"}, "no recurrent network named elman"),
        ({"head": "sequence", "labels": ("a", "b"), "regression": True}, "a regression has one output, not 2"),
    ],
)
def test_what_does_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(encoder=ENCODER, k=3, **fields)


def test_heads_that_do_not_divide_the_states() -> None:
    with pytest.raises(ValueError, match="hidden size 768 is not a multiple of 7 heads"):
        EncoderConfig(vocab_size=69, heads=7)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_of_their_k(name: str) -> None:
    config = PRESETS[name]
    assert config.encoder.vocab_size == 5 + 4**config.k
    if name.startswith("dnabert-"):
        assert config.k == int(name[-1])
        assert config.encoder == EncoderConfig(vocab_size=config.encoder.vocab_size)


@pytest.mark.parametrize("head", HEADS)
def test_json_says_the_whole_configuration(head: str) -> None:
    labels = () if head in ("none", "mlm") else ("a", "b", "c")
    config = NetworkConfig(encoder=ENCODER, k=3, head=head, labels=labels, split=1, rnn_dropout=0.0)
    of_weights = {"outputs": len(labels), "split": 1, "rnn": "lstm", "rnn_layers": 1}
    assert config_from_json(config_to_json(config), "config.json", head=head, **of_weights) == config


@pytest.mark.parametrize(
    ("head", "split", "expected", "said"),
    [
        ("sequence", 1, (3, 512), "of 3 to 512 bases"),
        ("xl-concat", 3, (1023, 1532), "of 1,023 to 1,532 bases"),
        ("xl-mean", 1, (3, None), "from 3 bases on"),
        ("token", 1, (3, None), "from 3 bases on"),
    ],
)
def test_windows_that_a_head_scores(head: str, split: int, expected: tuple[int, int | None], said: str) -> None:
    config = NetworkConfig(encoder=ENCODER, k=3, head=head, labels=("a", "b"), split=split)
    assert config.window_bases == expected
    for fitting in filter(None, expected):
        config.check_window(fitting, "window")
    for wrong in (expected[0] - 1, *([] if expected[1] is None else [expected[1] + 1])):
        with pytest.raises(
            DnabertError, match=rf"^window: {wrong:,} bases, but this model scores windows {said}; give"
        ):
            config.check_window(wrong, "window")


def test_a_window_without_the_rest_of_its_block() -> None:
    fields = config_to_json(NetworkConfig(encoder=ENCODER, k=3)) | {"dnabert_fast": {"k": 3, "window": 300}}
    with pytest.raises(CheckpointError, match=r"config\.json: .* window, but no anchor, classes, strand"):
        config_from_json(fields, "config.json", head="none", outputs=0, split=1, rnn="lstm", rnn_layers=1)
