"""Model folders: read as released or as written by Hugging Face, written whole or not at all. Knows no training."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .backends import choose
from .config import NetworkConfig, config_from_json, config_to_json
from .keys import find_head, fuse, normalise, split
from .network import Network
from .vocabulary import check_vocabulary, tokenizer_json, vocabulary_text
from .weights import PICKLE, SAFETENSORS, find_folder, read_json, read_tensors, write_tensors

__all__ = ["linear_layers", "network_hash", "read_network", "write_network"]


@torch.inference_mode(False)  # the parameters must be fit for training wherever they are read
def read_network(
    name: str | Path,
    *,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "fp32",
    exceptions: tuple[str, ...] = (),
    head: str | None = None,
    legacy_padding: int | None = None,
    mlm_bias: int = 1,
) -> Network:
    """The network of a folder (or hub name), in evaluation mode.

    `head` None takes the one that the weights have; "none" leaves it out; "xl-mean" reads a sequence classifier for
    windows of any number of pieces. `exceptions` are linear layers (layers.3.down) that int8 and fp8 leave alone.

    Raises CheckpointError for a folder that is not one of DNABERT's, whose weights do not fit, or that has not one of
    the exceptions, BackendUnavailable for a backend, device or precision that is not to be had.
    """
    chosen = choose(backend, device, precision, exceptions)
    folder = find_folder(name)
    fields = read_json(folder / "config.json")
    state, path = read_tensors(folder)
    state = normalise(state, str(path))
    config = _config(fields, state, folder / "config.json", head)
    _check_layers(exceptions, config, folder)
    if (folder / "vocab.txt").is_file():
        check_vocabulary(folder / "vocab.txt", config.k)
    pooler = "bert.pooler.dense.weight" in state
    with torch.device("meta"):
        network = Network(config, chosen, pooler=pooler, legacy_padding=legacy_padding, mlm_bias=mlm_bias)
    fused = fuse(state, network, str(path), other_heads=head is not None)
    network.load_state_dict(fused, assign=True)
    return network.to(chosen.device).requires_grad_(True).eval()


def linear_layers(config: NetworkConfig) -> set[str]:
    """The names of an encoder's linear layers, which int8 and fp8 may leave alone."""
    return {f"layers.{i}.{part}" for i in range(config.encoder.layers) for part in ("qkv", "out", "up", "down")}


def _check_layers(exceptions: tuple[str, ...], config: NetworkConfig, folder: Path) -> None:
    count, known = config.encoder.layers, linear_layers(config)
    for name in exceptions:
        if name not in known:
            raise CheckpointError(
                f"{folder}: no linear layer is named {name}; there are layers.0.qkv, layers.0.out, layers.0.up, "
                f"layers.0.down and so on to layers.{count - 1}.down"
            )


def _config(fields: dict[str, Any], state: dict[str, Tensor], path: Path, head: str | None) -> NetworkConfig:
    # transformers names a token classifier's weights as a sequence classifier's; the class it writes tells them apart.
    of_tokens = "BertForTokenClassification" in (fields.get("architectures") or ())
    stated = "token" if of_tokens else (fields.get("dnabert_fast") or {}).get("head")
    head = head or find_head(state, stated)
    classifier = dict.fromkeys(("sequence", "xl-mean", "xl-rnn", "token"), "classifier") | {"xl-concat": "classifier2"}
    last = state.get(f"{classifier[head]}.weight") if head in classifier else None
    if head in classifier and last is None:
        raise CheckpointError(f"{path.parent}: a {head} head was asked for, but the weights hold no {classifier[head]}")
    joined = state.get("classifier1.weight")
    recurrent = state.get("rnn.weight_hh_l0")
    hidden = fields.get("hidden_size") or 1
    return config_from_json(
        fields,
        str(path),
        head=head,
        outputs=0 if last is None else len(last),
        split=1 if joined is None else joined.shape[1] // hidden,
        rnn="gru" if recurrent is not None and len(recurrent) == 3 * hidden else "lstm",
        rnn_layers=max(1, sum(key.startswith("rnn.weight_hh_l") and not key.endswith("_reverse") for key in state)),
    )


def write_network(network: Network, folder: str | Path) -> None:
    """Write a model folder: model.safetensors, config.json, vocab.txt, tokenizer.json and tokenizer_config.json.

    Everything is written aside first, so that no file is ever half there: a new folder takes its name when it is whole,
    in an existing one each file replaces its former self, and all other files stay. Raises CheckpointError where the
    place cannot be written.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise CheckpointError(f"{folder}: is a file; give a folder name for the output")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # An existing folder may be one that cannot be renamed: the present one, a mount point.
        place = target if target.is_dir() else target.parent
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=place))
    except OSError as wrong:
        raise CheckpointError(f"{folder}: cannot be written: {wrong.strerror or wrong}") from None
    try:
        write_tensors(split(network), aside / SAFETENSORS, {"format": "pt"})
        k = network.config.k
        _write_json(aside / "config.json", config_to_json(network.config))
        (aside / "vocab.txt").write_text(vocabulary_text(k), encoding="utf-8")
        _write_json(aside / "tokenizer.json", tokenizer_json(k))
        _write_json(aside / "tokenizer_config.json", _tokenizer_config(network.config))
        _publish(aside, target)
    except OSError as wrong:
        raise CheckpointError(f"{folder}: cannot be written: {wrong.strerror or wrong}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def network_hash(network: Network | str | Path) -> str:
    """SHA-256 (hex) of a network's configuration and weights; equal for equal content, whatever the files' format."""
    if not isinstance(network, Network):
        network = read_network(network, backend="reference")
    digest = hashlib.sha256(json.dumps(config_to_json(network.config), sort_keys=True).encode())
    for key, tensor in sorted(split(network).items()):
        digest.update(key.encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _publish(aside: Path, target: Path) -> None:
    """Give `aside` the name of `target`, or move its files into the folder that is there."""
    if not target.exists():
        aside.chmod(0o777 & ~_umask())
        aside.rename(target)
        return
    for file in sorted(aside.iterdir()):
        os.replace(file, target / file.name)
    (target / PICKLE).unlink(missing_ok=True)  # a pickle of the former model would be a second model


def _tokenizer_config(config: NetworkConfig) -> dict[str, Any]:
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = {name: f"[{name[:-6].upper()}]" for name in names}
    length = {"model_max_length": config.encoder.max_positions}
    return special | length | {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False}


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
