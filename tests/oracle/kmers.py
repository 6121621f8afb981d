"""K-mer ids the plain way: one dictionary look-up a k-mer."""

from __future__ import annotations

from itertools import product

COMPLEMENT = {"A": "T", "T": "A", "C": "G", "G": "C"}


def vocabulary(k: int) -> dict[str, int]:
    return {"".join(letters): i + 5 for i, letters in enumerate(product("ATCG", repeat=k))}


def kmer_ids(bases: bytes, k: int, reverse: bool = False) -> list[int]:
    ids = vocabulary(k)
    text = bases.decode("latin-1")
    letters = ["T" if letter in "uU" else letter.upper() if letter in "acgtACGT" else "N" for letter in text]
    if reverse:
        letters = [COMPLEMENT.get(letter, "N") for letter in reversed(letters)]
    return [ids.get("".join(letters[i : i + k]), 1) for i in range(len(letters) - k + 1)]
