"""Every substitution of a 101-base window against the original's procedure, on transformers with the same weights.

    python -m pytest benchmarks/test_mutagenesis.py -s

The original writes four sequences a position, the wild type among them, as k-mers and predicts them in padded batches
of 32: 404 sequences. Ours reads the window once and its 303 mutants once. Both begin with the bases and a loaded 110 M
network of random weights, and end with the logits. They run in turns in one process, and no ratio is given where their
answers differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import straight_script
import torch
import workload
from transformers import AutoTokenizer, BertForSequenceClassification

from dnabert_fast.analysis.mutagenesis import LETTERS, MutationSummary, all_substitutions
from dnabert_fast.engine.model import load
from dnabert_fast.seq.batch import Windows

Record = Callable[[str, object], None]

WINDOW = 101
ORDER = "ATGC"  # in which the original goes through the bases
TURNS = 2
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
BAR = 1.3


def four_a_position(window: str) -> Iterator[str]:
    """The original's sequences, in its order."""
    for at in range(len(window)):
        for letter in ORDER:
            yield window[:at] + letter + window[at + 1 :]


class Peer:
    """The original's procedure on transformers."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa")
        self._model = model.to(DTYPES[precision]).eval()

    def __call__(self, window: str) -> np.ndarray:
        """Logits [L, 4, 2] in the original's order of bases."""
        found = []
        with torch.inference_mode():
            for batch in straight_script.batches(list(four_a_position(window))):
                kmers = [straight_script.kmers(sequence) for sequence in batch]
                inputs = self._tokenizer(kmers, padding=True, return_tensors="pt")
                found.append(self._model(**inputs).logits.float())
        return torch.cat(found).view(len(window), 4, -1).numpy()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("precision", DTYPES)
def test_ratio(tmp_path: Path, precision: str, quick: bool, record_property: Record) -> None:
    folder = workload.write_model(tmp_path / "model", "small" if quick else "dnabert-6", WINDOW)
    window = workload.stretch(2_652_500, 2_652_500 + WINDOW)
    windows, model, peer = Windows.from_strings([window]), load(folder, precision=precision), Peer(folder, precision)
    summary = MutationSummary()
    answers: dict[str, np.ndarray] = {}

    def ours() -> None:
        answers["ours"] = all_substitutions(model, windows, summary=summary)[1]

    def original() -> None:
        answers["original"] = peer(window)[:, [ORDER.index(letter) for letter in LETTERS]]

    seconds = workload.in_turns({"ours": ours, "original": original}, 1 if quick else TURNS)
    assert summary.pieces == summary.pieces_encoded  # no two mutants of these are alike
    assert summary.pieces % (3 * WINDOW + 1) == 0
    assert answers["original"].std() > 0.01
    difference = float(np.abs(answers["ours"] - answers["original"]).max())
    assert difference < (1e-4 if precision == "fp32" else 0.2)
    found = seconds["original"] / seconds["ours"]
    told = f"{found:.3g} times the original's procedure, bar {BAR}; logits differ by {difference:.1g}"
    print(f"303 mutants in {precision}: {told}")
    record_property(f"mutagenesis / original {precision}", found)
    assert quick or found >= BAR
