"""The released vocabularies: five special tokens, then every k-mer. Knows nothing of windows or genomes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import FormatError

__all__ = ["CLS", "FIRST_KMER", "KS", "MASK", "PAD", "SEP", "SPECIAL", "UNK", "Vocabulary", "bases_of_kmers", "k_of"]

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FIRST_KMER = len(SPECIAL)
KS = (3, 4, 5, 6)
"""The k of the released models."""

_LETTERS = "ATCG"
"""The vocabulary's order of letters; a letter's place is its base-4 digit."""


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary of k-mers: id = 5 + base-4 number, A 0, T 1, C 2, G 3, first letter most significant."""

    k: int

    def __post_init__(self) -> None:
        if self.k not in KS:
            raise ValueError(f"k must be one of {KS}, not {self.k}")

    @property
    def size(self) -> int:
        """Number of tokens: 69, 261, 1029 or 4101."""
        return FIRST_KMER + (1 << 2 * self.k)

    def tokens(self) -> tuple[str, ...]:
        """Every token; its place is its id."""
        return (*SPECIAL, *("".join(letters) for letters in product(_LETTERS, repeat=self.k)))

    def ids(self) -> dict[str, int]:
        """The id of every token."""
        return {token: i for i, token in enumerate(self.tokens())}

    def text(self) -> str:
        """The released vocab.txt, byte for byte: a token a line; only that of k = 6 ends with a line end."""
        return "\n".join(self.tokens()) + ("\n" if self.k == 6 else "")


def k_of(size: int) -> int:
    """The k of the vocabulary with `size` tokens; ValueError where there is none."""
    for k in KS:
        if Vocabulary(k).size == size:
            return k
    sizes = ", ".join(str(Vocabulary(k).size) for k in KS)
    raise ValueError(f"no vocabulary has {size} tokens; those of k = 3 to 6 have {sizes}")


def bases_of_kmers(text: str) -> str:
    """The sequence that a text of overlapping k-mers stands for: "AAT ATC" -> "AATC"; one word is itself.

    Raises FormatError where a k-mer has another length or does not continue the one before it.
    """
    words = text.split()
    if len(words) < 2:
        return words[0] if words else ""
    k = len(words[0])
    if set(map(len, words)) != {k} or not text.isascii():
        odd = next(word for word in words if len(word) != k or not word.isascii())
        raise FormatError(f"k-mers of unequal length: {words[0]!r} and {odd!r}; give overlapping k-mers or plain bases")
    table = np.frombuffer("".join(words).encode(), np.uint8).reshape(len(words), k)
    broken = np.flatnonzero((table[1:, :-1] != table[:-1, 1:]).any(axis=1))
    if len(broken):
        at = int(broken[0])
        raise FormatError(
            f"k-mer {at + 2} {words[at + 1]!r} does not continue {words[at]!r}; k-mers must overlap by k - 1"
        )
    return (table[0, :-1].tobytes() + table[:, -1].tobytes()).decode()
