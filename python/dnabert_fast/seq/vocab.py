"""The released vocabularies: five special tokens, then every k-mer. Knows nothing of windows or genomes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

__all__ = ["CLS", "FIRST_KMER", "KS", "MASK", "PAD", "SEP", "SPECIAL", "UNK", "Vocabulary"]

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
