"""Names of weights: the original's and Hugging Face's, and where each lies in our modules. Reads no file.

The names are those of BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification and the original's
two long classifiers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import CheckpointError

__all__ = ["find_head", "fuse", "normalise", "original_keys", "split"]

_LAYER = {
    "qkv": tuple(f"attention.self.{part}" for part in ("query", "key", "value")),
    "out": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "up": ("intermediate.dense",),
    "down": ("output.dense",),
    "norm": ("output.LayerNorm",),
}
_EMBEDDINGS = {
    "encoder.word": "bert.embeddings.word_embeddings.weight",
    "encoder.position": "bert.embeddings.position_embeddings.weight",
    "encoder.token_type": "bert.embeddings.token_type_embeddings.weight",
    "encoder.norm.weight": "bert.embeddings.LayerNorm.weight",
    "encoder.norm.bias": "bert.embeddings.LayerNorm.bias",
    "head.dense.weight": "cls.predictions.transform.dense.weight",
    "head.dense.bias": "cls.predictions.transform.dense.bias",
    "head.norm.weight": "cls.predictions.transform.LayerNorm.weight",
    "head.norm.bias": "cls.predictions.transform.LayerNorm.bias",
    "head.bias": "cls.predictions.bias",
}
_BUFFERS = re.compile(r"bert\.embeddings\.(position_ids|token_type_ids)$")
_HEADS = re.compile(r"(cls|classifier|classifier1|classifier2|rnn)\.")


def original_keys(name: str) -> tuple[str, ...]:
    """The original's names of one of our parameters; three for a fused one, stacked in this order."""
    if name in _EMBEDDINGS:
        return (_EMBEDDINGS[name],)
    layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(\w+)\.(weight|bias)", name)
    if layer:
        number, module, kind = layer.groups()
        return tuple(f"bert.encoder.layer.{number}.{part}.{kind}" for part in _LAYER[module])
    if name.startswith("head.pooler."):
        return (name.replace("head.pooler.", "bert.pooler.dense."),)
    return (name.removeprefix("head."),)


def normalise(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """A file's tensors under today's names with the `bert.` prefix: old gamma and beta renamed, copies left out.

    Raises CheckpointError for a masked-LM decoder that is not tied to the word table.
    """
    bare = not any(key.startswith("bert.") for key in state)
    named = {}
    for key, tensor in state.items():
        key = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", key))
        if bare and key.startswith(("embeddings.", "encoder.", "pooler.")):
            key = f"bert.{key}"
        if not _BUFFERS.match(key):
            named[key] = tensor
    decoder = named.pop("cls.predictions.decoder.weight", None)
    word = named.get("bert.embeddings.word_embeddings.weight")
    if decoder is not None and word is not None and not torch.equal(decoder, word):
        raise CheckpointError(
            f"{source}: cls.predictions.decoder.weight is not the word table; only a tied one is read"
        )
    bias = named.pop("cls.predictions.decoder.bias", None)
    if bias is not None:
        named.setdefault("cls.predictions.bias", bias)
    return named


def find_head(keys: Mapping[str, Tensor], stated: str | None) -> str:
    """The head that a file's (normalised) names speak of; `stated` decides between classifiers of the same names."""
    if "classifier1.weight" in keys:
        return "xl-concat"
    if "rnn.weight_ih_l0" in keys:
        return "xl-rnn"
    if "classifier.weight" in keys:
        return stated if stated in ("xl-mean", "token") else "sequence"
    return "mlm" if any(key.startswith("cls.predictions.") for key in keys) else "none"


def fuse(state: Mapping[str, Tensor], module: nn.Module, source: str, other_heads: bool) -> dict[str, Tensor]:
    """Tensors by our names, fp32, for `module`; `other_heads`: the file may hold a head that was not asked for.

    Raises CheckpointError that names the keys which are missing, unexpected, or of a shape that does not fit.
    """
    wanted = {name: original_keys(name) for name, _ in module.named_parameters()}
    known = {key for keys in wanted.values() for key in keys}
    missing = sorted(known - state.keys())
    unexpected = sorted(key for key in state.keys() - known if not (other_heads and _HEADS.match(key)))
    problems = [
        f"{word} keys: {_some(keys)}" for word, keys in (("missing", missing), ("unexpected", unexpected)) if keys
    ]
    if problems:
        raise CheckpointError(f"{source}: the weights do not fit config.json; {'; '.join(problems)}")
    fused, wrong = {}, []
    for name, parameter in module.named_parameters():
        parts = [state[key] for key in wanted[name]]
        shape = (parameter.shape[0] // len(parts), *parameter.shape[1:])
        for key, part in zip(wanted[name], parts, strict=True):
            if part.shape != shape:
                wrong.append(f"{key} is {_shape(part.shape)}, not {_shape(shape)}")
        if not wrong:
            # Always a copy: a file that stays mapped would crash us when somebody writes it anew.
            fused[name] = torch.cat([part.float() for part in parts])
    if wrong:
        raise CheckpointError(f"{source}: the weights do not fit config.json; shapes: {_some(wrong)}")
    return fused


def split(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters by the original's names, as they are written to files."""
    state = {}
    for name, parameter in module.named_parameters():
        keys = original_keys(name)
        for key, part in zip(keys, parameter.detach().chunk(len(keys)), strict=True):
            state[key] = part.contiguous().cpu()
    return state


def _some(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
