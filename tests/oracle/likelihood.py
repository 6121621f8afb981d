"""How likely a masked language model finds an allele, one window at a time, in words of text."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertForMaskedLM

_TURNED = str.maketrans("ACGT", "TGCA")


class LikelihoodReference:
    """A model folder in transformers."""

    def __init__(self, folder: Path, k: int) -> None:
        self.k = k
        self.model = BertForMaskedLM.from_pretrained(folder).eval()
        self.ids = {word: number for number, word in enumerate((folder / "vocab.txt").read_text().split("\n"))}

    def mean(self, window: str, first: int, count: int, reverse: bool) -> float:
        """The mean log-likelihood of k-mers first to first + count of a window, those with other letters left out."""
        kmers = [window[i : i + self.k] for i in range(len(window) - self.k + 1)]
        hidden = [i in range(first, first + count) for i in range(len(kmers))]
        if reverse:
            kmers = [kmer[::-1].translate(_TURNED) for kmer in reversed(kmers)]
            hidden.reverse()
        ids = [self.ids.get(kmer, self.ids["[UNK]"]) for kmer in kmers]
        shown = [self.ids["[MASK]"] if gone else word for word, gone in zip(ids, hidden, strict=True)]
        tokens = torch.tensor([[self.ids["[CLS]"], *shown, self.ids["[SEP]"]]])
        with torch.no_grad():
            table = self.model(tokens).logits[0, 1:-1].log_softmax(dim=-1)
        counted = [
            float(table[i, word])
            for i, (word, gone) in enumerate(zip(ids, hidden, strict=True))
            if gone and word != self.ids["[UNK]"]
        ]
        return sum(counted) / len(counted) if counted else float("nan")

    def ratio(
        self, contig: str, start: int, length: int, at: int, deleted: int, inserted: str, strands: str = "+"
    ) -> float:
        """LLR of a change in the window of `length` bases from `start` on; N stands beyond the contig's ends."""
        padded = "N" * length + contig + "N" * 2 * length
        begin = start + length
        ref = padded[begin : begin + length]
        change = at - start
        longer = ref[:change] + inserted + padded[begin + change + deleted : begin + 2 * length]
        alt = longer[:length]
        first, count = change - self.k + 1, max(deleted, len(inserted)) + self.k - 1
        found = [
            self.mean(alt, first, count, reverse) - self.mean(ref, first, count, reverse)
            for reverse in {"+": [False], "-": [True], "both": [False, True]}[strands]
        ]
        return sum(found) / len(found)
