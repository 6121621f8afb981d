"""Every way a model folder can be wrong, told in one line."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from dnabert_fast.errors import CheckpointError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.network import Network

Make = Callable[..., Network]


def edit(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def damage(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = safetensors.torch.load((folder / "model.safetensors").read_bytes())
    change(state)
    safetensors.torch.save_file(state, folder / "model.safetensors")


def refusal(folder: Path, **options: Any) -> str:
    """The one line that a folder is refused with."""
    with pytest.raises(CheckpointError) as caught:
        read_network(folder, **options)
    assert "\n" not in str(caught.value), "one line"
    return str(caught.value)


def test_missing_and_unexpected_keys(folder: Path) -> None:
    damage(folder, lambda state: state.pop("bert.encoder.layer.1.attention.self.key.bias"))
    assert re.search(
        "model.safetensors: .* missing keys: bert.encoder.layer.1.attention.self.key.bias$", refusal(folder)
    )
    damage(folder, lambda state: state.update({"cls.seq_relationship.bias": torch.zeros(2)}))
    assert re.search(
        "missing keys: bert.encoder.layer.1.attention.self.key.bias; unexpected keys: cls.seq_rel", refusal(folder)
    )
    edit(folder, num_hidden_layers=5)
    assert re.search("missing keys: .* and 27 more", refusal(folder))


def test_shapes_that_do_not_fit(folder: Path) -> None:
    edit(folder, intermediate_size=128)
    assert re.search(
        "shapes: bert.encoder.layer.0.intermediate.dense.weight is 64 x 32, not 128 x 32, .* and 3 more",
        refusal(folder),
    )


def test_vocabulary_of_no_k(folder: Path) -> None:
    edit(folder, vocab_size=4096)
    assert re.search(
        r"config.json: a vocabulary of 4096 tokens; DNABERT's have 69 \(k = 3\), 261 .*4101 \(k = 6\)", refusal(folder)
    )


def test_k_that_does_not_match(folder: Path) -> None:
    edit(folder, dnabert_fast={"k": 6})
    assert re.search("dnabert_fast.k is 6, but 69 tokens are those of k = 3", refusal(folder))


def test_vocabulary_in_another_order(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text().split("\n")
    lines[6], lines[7] = lines[7], lines[6]
    (folder / "vocab.txt").write_text("\n".join(lines))
    assert re.search("vocab.txt, line 7: 'AAC' where DNABERT for k = 3 has 'AAT'", refusal(folder))
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    assert re.search("vocab.txt: 2 lines; DNABERT for k = 3 has 69 tokens", refusal(folder))
    (folder / "vocab.txt").write_bytes(b"\xff\xfe")
    assert re.search("vocab.txt: cannot be read as text", refusal(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(folder: Path, value: float) -> None:
    damage(folder, lambda state: state["classifier.weight"].fill_(value))
    assert re.search("model.safetensors: classifier.weight holds values that are not finite", refusal(folder))


def test_untied_decoder(make: Make, folder: Path) -> None:
    write_network(make("mlm"), folder)
    damage(folder, lambda state: state.update({"cls.predictions.decoder.weight": torch.zeros(69, 32)}))
    assert re.search("decoder.weight is not the word table", refusal(folder))


def test_labels_that_do_not_fit(folder: Path) -> None:
    edit(folder, num_labels=3)
    assert re.search("config.json: 3 labels, but the classifier of the weights has 2 outputs", refusal(folder))


@pytest.mark.parametrize("head", ["sequence", "xl-rnn", "xl-concat", "mlm"])
def test_a_head_that_is_not_there(make: Make, folder: Path, head: str) -> None:
    write_network(make("none"), folder)
    assert re.search(f"{head} head was asked for|missing keys: cls.predictions", refusal(folder, head=head))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act is relu; only gelu"),
        ({"model_type": "roberta"}, "model_type is roberta; only bert"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is relative_key; only absolute"),
        ({"problem_type": "multi_label_classification"}, "multi_label_classification; one label a sequence"),
        ({"hidden_size": None}, "not the configuration of a BERT network: no hidden_size"),
        ({"num_attention_heads": 5}, "hidden size 32 is not a multiple of 5 heads"),
    ],
)
def test_other_networks(folder: Path, fields: dict[str, Any], message: str) -> None:
    edit(folder, **fields)
    assert re.search(message, refusal(folder))


def test_folders_that_are_none(tmp_path: Path, folder: Path) -> None:
    told = r"absent: no such model; give a folder that holds .* hub name \(OWNER/MODEL\), or demo or human-mini$"
    assert re.search(told, refusal(tmp_path / "absent"))
    assert re.search("^nope: no such model; .*, or demo or human-mini$", refusal("nope"))
    (tmp_path / "file").touch()
    assert re.search("file: a file; give the folder", refusal(tmp_path / "file"))
    (folder / "model.safetensors").unlink()
    assert re.search("model: no weights; neither model.safetensors nor pytorch_model.bin is there", refusal(folder))
    (folder / "config.json").write_text("{")
    assert re.search("config.json: cannot be read as JSON", refusal(folder))
    (folder / "config.json").write_text("[]")
    assert re.search("config.json: not a JSON object", refusal(folder))
    (folder / "config.json").unlink()
    assert re.search("model: no config.json; not a model folder", refusal(folder))


def test_files_cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    state = safetensors.torch.load(path.read_bytes())
    path.write_bytes(path.read_bytes()[:5000])
    assert re.search("model.safetensors: not a whole safetensors file", refusal(folder))
    path.unlink()
    path = folder / "pytorch_model.bin"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:5000])
    assert re.search("pytorch_model.bin: not a whole PyTorch file", refusal(folder))
    path.write_bytes(b"")
    assert re.search("pytorch_model.bin: not a whole PyTorch file", refusal(folder))


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("hostile-was-here",))


@pytest.mark.parametrize("write", [torch.save, lambda object, path: path.write_bytes(pickle.dumps(object, protocol=2))])
def test_pickles_that_run_code_are_refused(
    folder: Path, write: Callable[[object, Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    write({"weight": Hostile()}, folder / "pytorch_model.bin")
    assert re.search(
        "pytorch_model.bin: holds more than weights, .* refused. Convert it to model.safetensors", refusal(folder)
    )
    assert not (folder / "hostile-was-here").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}])
def test_pickles_of_something_else(folder: Path, content: object) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    assert re.search("pytorch_model.bin: not a dictionary of tensors", refusal(folder))
