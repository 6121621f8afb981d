"""Variant scores the plain way: slices of a string, k-mers by dictionary, transformers one window at a time."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from oracle.alleles import reverse_complement, trim
from oracle.kmers import kmer_ids
from safetensors.torch import load_file


def contigs(fasta: Path) -> dict[str, bytes]:
    """The sequences of a FASTA file, gzip or not, by name."""
    data = fasta.read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    found = {}
    for record in text.split(b">")[1:]:
        name, _, bases = record.partition(b"\n")
        found[name.split()[0].decode()] = bases.replace(b"\n", b"").replace(b"\r", b"")
    return found


def span(contig: bytes, start: int, end: int) -> bytes:
    """Bases of [start, end), N where that is outside the contig."""
    left, right = max(0, -start), max(0, end - max(len(contig), start))
    return b"N" * left + contig[max(0, start) : max(0, end)] + b"N" * right


def windows(contig: bytes, start: int, length: int, at: int, deleted: int, inserted: bytes) -> tuple[bytes, bytes]:
    """The window [start, start + length) as it is, and with `deleted` bases from `at` on replaced by `inserted`."""
    far = start + length + deleted
    changed = span(contig, start, at) + inserted + span(contig, at + deleted, far)
    return span(contig, start, start + length), changed[:length]


def centred(contig: bytes, position: int, ref: bytes, alt: bytes, length: int) -> tuple[bytes, bytes]:
    """REF and ALT windows; the base after the common prefix stands at length // 2. position is 0-based."""
    prefix, _ = trim(ref, alt)
    at = position + prefix
    return windows(contig, at - length // 2, length, at, len(ref) - prefix, alt[prefix:])


def normalized(contig: bytes, position: int, ref: bytes, alt: bytes) -> tuple[int, bytes, bytes]:
    """Figure 1 of Tan et al. 2015: until nothing changes, drop a common last base and extend empty alleles leftwards.

    Then common first bases go, all of them: what is left is (0-based place, deleted, inserted).
    """
    ref, alt = ref.upper(), alt.upper()
    if ref == alt:
        return position + len(ref), b"", b""
    while True:
        if ref and alt and ref[-1:] == alt[-1:]:
            ref, alt = ref[:-1], alt[:-1]
        elif (not ref or not alt) and position > 0:
            base = contig[position - 1 : position].upper()
            if (ref or alt)[-1:] != base:
                break
            position, ref, alt = position - 1, base + ref, base + alt
        else:
            break
    while ref and alt and ref[:1] == alt[:1]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


@dataclass
class Scores:
    """REF, ALT, DIFF and LOGOR of one allele."""

    ref: float
    alt: float
    diff: float
    logor: float


@dataclass
class Reference:
    """A model folder in transformers, one window at a time."""

    folder: Path
    k: int
    head: str = "sequence"
    strand: str = "+"
    column: int = 1
    _model: Any = field(init=False, repr=False)
    _weights: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._model = transformers.BertForSequenceClassification.from_pretrained(self.folder).eval()
        self._weights = load_file(self.folder / "model.safetensors")

    @torch.no_grad()
    def logits(self, window: bytes) -> list[float]:
        """The logits of one window; the mean of both strands where the strand is "both"."""
        forward = [window] if self.strand != "-" else []
        backward = [reverse_complement(window)] if self.strand != "+" else []
        sides = [self._one(bases) for bases in forward + backward]
        return [sum(values) / len(values) for values in zip(*sides, strict=True)]

    def _one(self, window: bytes) -> list[float]:
        ids = kmer_ids(window, self.k)
        pieces = [torch.tensor([[2, *ids[i : i + 510], 3]]) for i in range(0, max(1, len(ids)), 510)]
        if self.head == "sequence":
            (piece,) = pieces
            return self._model(piece).logits[0].tolist()
        vectors = torch.cat([self._model.bert(piece).pooler_output for piece in pieces])
        if self.head == "xl-mean":
            return self._model.classifier(vectors.mean(0)).tolist()
        hidden = self._weights["classifier1.weight"] @ vectors.reshape(-1) + self._weights["classifier1.bias"]
        return (self._weights["classifier2.weight"] @ hidden.relu() + self._weights["classifier2.bias"]).tolist()

    @torch.no_grad()
    def states(self, window: bytes) -> list[torch.Tensor]:
        """The last hidden states [T, H] of each piece of a window on the forward strand."""
        ids = kmer_ids(window, self.k)
        pieces = [torch.tensor([[2, *ids[i : i + 510], 3]]) for i in range(0, max(1, len(ids)), 510)]
        return [self._model.bert(piece).last_hidden_state[0] for piece in pieces]

    def probability(self, logits: list[float]) -> float:
        """Softmax at the column of the class that is scored."""
        return math.exp(logits[self.column]) / sum(map(math.exp, logits))

    def score(self, ref: bytes, alt: bytes) -> Scores:
        """The four scores of a change, by their definitions."""
        p, q = self.probability(self.logits(ref)), self.probability(self.logits(alt))
        return Scores(p, q, (q - p) * max(p, q), math.log2(p / (1 - p)) - math.log2(q / (1 - q)))
