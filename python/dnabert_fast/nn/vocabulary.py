"""The released vocabularies as text: vocab.txt and tokenizer.json. Knows no tensors and encodes nothing."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

__all__ = ["check_vocabulary", "tokenizer_json", "vocabulary", "vocabulary_text"]

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def vocabulary(k: int) -> list[str]:
    """The tokens in the order of their ids: five special ones, then all k-mers over A, T, C, G, the last fastest."""
    return [*SPECIAL, *("".join(letters) for letters in product("ATCG", repeat=k))]


def vocabulary_text(k: int) -> str:
    """The released vocab.txt, byte for byte: only that of k = 6 ends with a line end."""
    return "\n".join(vocabulary(k)) + ("\n" if k == 6 else "")


def check_vocabulary(path: Path, k: int) -> None:
    """Raises CheckpointError, with the line, where a vocab.txt is not the released one of k."""
    expected = vocabulary(k)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as wrong:
        raise CheckpointError(f"{path}: cannot be read as text: {wrong}") from None
    for number, (line, token) in enumerate(zip(lines, expected, strict=False), 1):
        if line.strip() != token:
            raise CheckpointError(f"{path}, line {number}: {line.strip()!r} where DNABERT for k = {k} has {token!r}")
    if len(lines) != len(expected):
        raise CheckpointError(f"{path}: {len(lines)} lines; DNABERT for k = {k} has {len(expected)} tokens")


def tokenizer_json(k: int) -> dict[str, Any]:
    """tokenizer.json for Hugging Face `tokenizers`: k-mers parted by white space, [CLS] and [SEP] around them."""
    special = [
        {
            "id": i,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, token in enumerate(SPECIAL)
    ]
    start, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("[CLS]", "[SEP]"))
    second_end = {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    first, second = ({"Sequence": {"id": name, "type_id": kind}} for kind, name in enumerate("AB"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, first, end],
            "pair": [start, first, end, second, second_end],
            "special_tokens": {
                token: {"id": token, "ids": [SPECIAL.index(token)], "tokens": [token]} for token in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {token: i for i, token in enumerate(vocabulary(k))},
            "unk_token": "[UNK]",
        },
    }
