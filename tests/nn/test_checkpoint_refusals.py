"""Every way a model folder can be wrong, told in one line."""

from __future__ import annotations

import json
import os
import pickle
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


def refuses(folder: Path, message: str, **options: Any) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_network(folder, **options)
    assert "\n" not in str(caught.value), "one line"


def test_missing_and_unexpected_keys(folder: Path) -> None:
    damage(folder, lambda state: state.pop("bert.encoder.layer.1.attention.self.key.bias"))
    refuses(folder, "model.safetensors: .* missing keys: bert.encoder.layer.1.attention.self.key.bias$")
    damage(folder, lambda state: state.update({"cls.seq_relationship.bias": torch.zeros(2)}))
    refuses(folder, "missing keys: bert.encoder.layer.1.attention.self.key.bias; unexpected keys: cls.seq_rel")
    edit(folder, num_hidden_layers=5)
    refuses(folder, "missing keys: .* and 27 more")


def test_shapes_that_do_not_fit(folder: Path) -> None:
    edit(folder, intermediate_size=128)
    refuses(folder, "shapes: bert.encoder.layer.0.intermediate.dense.weight is 64 x 32, not 128 x 32, .* and 3 more")


def test_vocabulary_of_no_k(folder: Path) -> None:
    edit(folder, vocab_size=4096)
    refuses(folder, r"config.json: a vocabulary of 4096 tokens; DNABERT's have 69 \(k = 3\), 261 .*4101 \(k = 6\)")


def test_k_that_does_not_match(folder: Path) -> None:
    edit(folder, dnabert_fast={"k": 6})
    refuses(folder, "dnabert_fast.k is 6, but 69 tokens are those of k = 3")


def test_vocabulary_in_another_order(folder: Path) -> None:
    lines = (folder / "vocab.txt").read_text().split("\n")
    lines[6], lines[7] = lines[7], lines[6]
    (folder / "vocab.txt").write_text("\n".join(lines))
    refuses(folder, "vocab.txt, line 7: 'AAC' where DNABERT for k = 3 has 'AAT'")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    refuses(folder, "vocab.txt: 2 lines; DNABERT for k = 3 has 69 tokens")
    (folder / "vocab.txt").write_bytes(b"\xff\xfe")
    refuses(folder, "vocab.txt: cannot be read as text")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(folder: Path, value: float) -> None:
    damage(folder, lambda state: state["classifier.weight"].fill_(value))
    refuses(folder, "model.safetensors: classifier.weight holds values that are not finite")


def test_untied_decoder(make: Make, folder: Path) -> None:
    write_network(make("mlm"), folder)
    damage(folder, lambda state: state.update({"cls.predictions.decoder.weight": torch.zeros(69, 32)}))
    refuses(folder, "decoder.weight is not the word table")


def test_labels_that_do_not_fit(folder: Path) -> None:
    edit(folder, num_labels=3)
    refuses(folder, "config.json: 3 labels, but the classifier of the weights has 2 outputs")


@pytest.mark.parametrize("head", ["sequence", "xl-rnn", "xl-concat", "mlm"])
def test_a_head_that_is_not_there(make: Make, folder: Path, head: str) -> None:
    write_network(make("none"), folder)
    refuses(folder, f"{head} head was asked for|missing keys: cls.predictions", head=head)


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
    refuses(folder, message)


def test_folders_that_are_none(tmp_path: Path, folder: Path) -> None:
    refuses(
        tmp_path / "absent",
        r"absent: no such model; give a folder that holds .* hub name \(OWNER/MODEL\), or demo or human-mini$",
    )
    refuses("nope", "^nope: no such model; .*, or demo or human-mini$")
    (tmp_path / "file").touch()
    refuses(tmp_path / "file", "file: a file; give the folder")
    (folder / "model.safetensors").unlink()
    refuses(folder, "model: no weights; neither model.safetensors nor pytorch_model.bin is there")
    (folder / "config.json").write_text("{")
    refuses(folder, "config.json: cannot be read as JSON")
    (folder / "config.json").write_text("[]")
    refuses(folder, "config.json: not a JSON object")
    (folder / "config.json").unlink()
    refuses(folder, "model: no config.json; not a model folder")


def test_files_cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    state = safetensors.torch.load(path.read_bytes())
    path.write_bytes(path.read_bytes()[:5000])
    refuses(folder, "model.safetensors: not a whole safetensors file")
    path.unlink()
    path = folder / "pytorch_model.bin"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:5000])
    refuses(folder, "pytorch_model.bin: not a whole PyTorch file")
    path.write_bytes(b"")
    refuses(folder, "pytorch_model.bin: not a whole PyTorch file")


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
    refuses(folder, "pytorch_model.bin: holds more than weights, .* refused. Convert it to model.safetensors")
    assert not (folder / "hostile-was-here").exists()


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}])
def test_pickles_of_something_else(folder: Path, content: object) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(content, folder / "pytorch_model.bin")
    refuses(folder, "pytorch_model.bin: not a dictionary of tensors")
