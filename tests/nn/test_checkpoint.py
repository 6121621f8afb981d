"""Model folders: read as released and as Hugging Face writes them, and written whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tokenizers
import torch
import transformers
from oracle import bert

from dnabert_fast.errors import BackendUnavailable, CheckpointError, MissingExtra
from dnabert_fast.nn.checkpoint import network_hash, read_network, write_network
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed

Make = Callable[..., Network]
TWO = ("a", "b")
HEADS = ["none", "mlm", "sequence", "xl-concat", "xl-rnn", "xl-mean"]


def some(head: str) -> tuple[str, ...]:
    return () if head in ("none", "mlm") else TWO


def release(folder: Path, state: dict[str, torch.Tensor], data: Path, **fields: Any) -> Path:
    """A folder as released: pickled weights, the released config.json (sizes cut), vocab.txt."""
    folder.mkdir()
    released = json.loads((data / "dnabert" / "3" / "config.json").read_text())
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    (folder / "config.json").write_text(json.dumps(released | sizes | fields))
    shutil.copy(data / "dnabert" / "3" / "vocab.txt", folder)
    torch.save(state, folder / "pytorch_model.bin")
    return folder


def same(found: Network, expected: Network, packed: Packed) -> None:
    with torch.inference_mode():
        assert torch.equal(found.encode(packed), expected.encode(packed))
        if expected.config.head == "mlm":
            assert torch.equal(found(packed), expected(packed))
        elif expected.config.head != "none":
            counts = [2] * (packed.pieces // 2) if expected.config.head.startswith("xl") else None
            assert torch.equal(found(packed, counts), expected(packed, counts))


@pytest.fixture
def even(rows: list[list[int]]) -> Packed:
    return Packed.from_arrays(*bert.packed_arrays(rows[:6]))


@pytest.mark.parametrize("head", HEADS)
def test_round_trip(make: Make, even: Packed, tmp_path: Path, head: str) -> None:
    block = WindowBlock(k=3, window=101, anchor="centre", classes=some(head), strand="both")
    network = make(head, some(head), split=2, rnn="gru", rnn_layers=2, block=block)
    write_network(network, tmp_path / "model")
    found = read_network(tmp_path / "model")
    assert not found.training
    assert found.config.head == head
    assert found.config.labels == some(head)
    assert found.config.block == block
    same(found, network, even)
    assert network_hash(found) == network_hash(tmp_path / "model")


@pytest.mark.parametrize("prefix", ["bert.", ""])
@pytest.mark.parametrize("old", [False, True])
def test_released_masked_lm(make: Make, even: Packed, tmp_path: Path, data: Path, old: bool, prefix: str) -> None:
    """The names of transformers 2.5, with gamma and beta, with the decoder's copies, with or without `bert.`."""
    network = make("mlm")
    state = split(network)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"].clone()
    state["bert.embeddings.position_ids"] = torch.arange(512)[None]
    if old:
        ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, former in ends.items():
            state = {name.replace(new, former): tensor for name, tensor in state.items()}
    state = {prefix + name[5:] if name.startswith("bert.") else name: tensor for name, tensor in state.items()}
    found = read_network(release(tmp_path / "released", state, data))
    assert found.config.head == "mlm"
    assert found.config.k == 3
    same(found, network, even)
    classifier = found.with_head(found.config.with_head("sequence", TWO), seed=0)
    assert torch.equal(split(classifier)["bert.pooler.dense.weight"], split(network)["bert.pooler.dense.weight"])
    same(read_network(tmp_path / "released", head="none"), make("none"), even)


@pytest.mark.parametrize(
    ("head", "fields", "extra"),
    [
        ("sequence", {"num_labels": 2, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, {}),
        ("sequence", {"num_labels": 3, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, {"labels": ("x", "y", "z")}),
        ("xl-concat", {"split": 2}, {"split": 2}),
        ("xl-rnn", {"rnn": "lstm", "num_rnn_layer": 1}, {"rnn": "lstm", "rnn_layers": 1}),
        ("xl-rnn", {"rnn": "gru", "num_rnn_layer": 2}, {"rnn": "gru", "rnn_layers": 2}),
    ],
)
def test_fine_tuned_by_the_original(
    make: Make, even: Packed, tmp_path: Path, data: Path, head: str, fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    labels = extra.pop("labels", TWO)
    network = make(head, labels, **extra)
    found = read_network(release(tmp_path / "released", split(network), data, **fields))
    assert found.config.head == head
    assert found.config.labels == tuple(f"LABEL_{i}" for i in range(len(labels)))
    same(found, network, even)


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_released_configurations(make: Make, tmp_path: Path, data: Path, k: int) -> None:
    network = make("sequence", TWO, k=k)
    write_network(network, tmp_path / "model")
    released = data / "dnabert" / str(k)
    assert (tmp_path / "model" / "vocab.txt").read_bytes() == (released / "vocab.txt").read_bytes()
    theirs = json.loads((released / "config.json").read_text())
    ours = json.loads((tmp_path / "model" / "config.json").read_text())
    assert theirs.keys() <= ours.keys()
    for name in ("vocab_size", "hidden_act", "max_position_embeddings", "type_vocab_size", "hidden_dropout_prob"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize("safe", [True, False])
def test_written_by_transformers_and_read_back_by_it(
    rows: list[list[int]], packed: Packed, tmp_path: Path, safe: bool
) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=69,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.3,
        id2label={0: "background", 1: "promoter"},
    )
    model = transformers.BertForSequenceClassification(config).eval()
    if safe:
        model.save_pretrained(tmp_path / "theirs")
    else:
        config.save_pretrained(tmp_path / "theirs")
        torch.save(model.state_dict(), tmp_path / "theirs" / "pytorch_model.bin")
    network = read_network(tmp_path / "theirs")
    assert network.config.labels == ("background", "promoter")
    ids, mask = bert.padded(rows)
    with torch.inference_mode():
        expected = model(ids, attention_mask=mask).logits
        torch.testing.assert_close(network(packed), expected, atol=1e-5, rtol=0)
    write_network(network, tmp_path / "ours")
    back, info = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert back.config.id2label == {0: "background", 1: "promoter"}
    with torch.inference_mode():
        assert torch.equal(back.eval()(ids, attention_mask=mask).logits, expected)


def test_masked_lm_read_back_by_transformers(make: Make, even: Packed, rows: list[list[int]], tmp_path: Path) -> None:
    network = make("mlm", options={"pooler": False})
    write_network(network, tmp_path / "model")
    back, info = transformers.BertForMaskedLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    ids, mask = bert.padded(rows[:6])
    with torch.inference_mode():
        expected = back.eval()(ids, attention_mask=mask).logits
        found = network(even.wanting("all"))
    for i, part in enumerate(found.split(even.lengths.tolist())):
        torch.testing.assert_close(part, expected[i, : len(part)], atol=2e-5, rtol=0)


@pytest.mark.parametrize("k", [3, 6])
def test_tokenizer(make: Make, tmp_path: Path, k: int) -> None:
    write_network(make(k=k), tmp_path / "model")
    sequence = "ACGTTGCANCCGATTAGACC"
    text = " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))
    expected = bert.rows([sequence], k)[0]
    fast = tokenizers.Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    assert fast.encode(text).ids == expected
    pair = fast.encode(text, text)
    assert pair.ids == expected + expected[1:]
    assert pair.type_ids == [0] * len(expected) + [1] * (len(expected) - 1)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "model")(text)["input_ids"] == expected


def test_precision_and_backend(folder: Path) -> None:
    assert read_network(folder, precision="bf16").backend.precision == "bf16"
    assert read_network(folder, exceptions=("layers.0.down",)).backend.exceptions == ("layers.0.down",)
    assert read_network(folder, backend="reference", legacy_padding=200, mlm_bias=2).legacy_padding == 200
    with pytest.raises(BackendUnavailable, match=r"device cuda:99: .*; use --device cpu"):
        read_network(folder, device="cuda:99")


def test_half_precision_weights_are_read_as_fp32(folder: Path) -> None:
    state = safetensors.torch.load((folder / "model.safetensors").read_bytes())
    safetensors.torch.save_file({name: t.bfloat16() for name, t in state.items()}, folder / "model.safetensors")
    network = read_network(folder)
    assert all(parameter.dtype is torch.float32 for parameter in network.parameters())


def test_a_sequence_classifier_reads_as_the_mean_of_pieces(folder: Path) -> None:
    assert read_network(folder, head="xl-mean").config.head == "xl-mean"


def test_regression(make: Make, folder: Path, tmp_path: Path) -> None:
    write_network(make("sequence", ("expression",), regression=True), tmp_path / "regression")
    config = read_network(tmp_path / "regression").config
    assert config.regression
    assert config.labels == ("expression",)
    assert not read_network(folder).config.regression


def test_hash_follows_content(make: Make, folder: Path, tmp_path: Path, data: Path) -> None:
    network = make("sequence", TWO)
    assert network_hash(network) == network_hash(folder)
    other = release(tmp_path / "pickled", split(network), data, id2label={"0": "a", "1": "b"})
    assert len(network_hash(other)) == 64
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"id2label": {"0": "b", "1": "a"}}))
    assert network_hash(folder) != network_hash(network)
    with torch.no_grad():
        changed = make("sequence", TWO)
        changed.encoder.word[5, 0] += 1e-3
    assert network_hash(changed) != network_hash(network)


def test_writing_replaces_the_model_and_keeps_other_files(make: Make, folder: Path) -> None:
    (folder / "metrics.json").write_text("{}")
    (folder / "pytorch_model.bin").write_text("an older model")
    network = make("sequence", ("x", "y"))
    write_network(network, folder)
    assert read_network(folder).config.labels == ("x", "y")
    assert (folder / "metrics.json").exists()
    assert not (folder / "pytorch_model.bin").exists(), "two models in one folder"
    assert [path.name for path in folder.parent.iterdir()] == ["model"], "nothing is left beside it"


def test_writing_fails_whole(make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = network_hash(folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_network(make("none"), folder)
    assert network_hash(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_writing_where_none_may(make: Make, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match="cannot be written: Permission denied"):
        write_network(make(), tmp_path / "model")


def test_writing_under_a_file(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"file/model: cannot be written"):
        write_network(make(), tmp_path / "file" / "model")
    with pytest.raises(CheckpointError, match=r"file: is a file; give a folder name for the output"):
        write_network(make(), tmp_path / "file")


def test_hub_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert read_network("someone/DNA_bert_3").config.k == 3
    assert asked == [("someone/DNA_bert_3", ["config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin"])]
    read_network(folder)
    assert len(asked) == 1, "a local folder asks nobody"

    def fail(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no route to host\nand a long tale")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match=r"hub did not give it: no route to host$"):
        read_network("someone/DNA_bert_3")
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"dnabert-fast\[hub\]"):
        read_network("someone/DNA_bert_3")
