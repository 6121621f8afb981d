"""What each way of masking gives: one small network pre-trained with each, and asked for bases that are really hidden.

    python benchmarks/maskings.py GENOME --exclude CONTIG -o DIR

Runs differ in masking alone: as released (each masked token drawn by itself), whole spans alike, spans twice as long,
and both. They are judged on the same held-out samples and masks, whatever they were trained with: spans of k tokens by
themselves, every one of them [MASK], so that no token spells out the base they hide. ln 4 = 1.386 nats a token is to
know nothing of it but what k-mers go together. Beside it the loss by a run's own masks, which runs cannot be compared
by. Runs that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from dnabert_fast.nn.checkpoint import read_network
from dnabert_fast.nn.heads import MaskedLM
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import Windows, tokenize
from dnabert_fast.seq.corpus import Corpus
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.masking import Masking, mask
from dnabert_fast.seq.runs import Places
from dnabert_fast.seq.vocab import MASK
from dnabert_fast.workflows.pretrain import pretrain

K, LONGEST, JUDGED, AT_ONCE, STREAM = 3, 40, 20_000, 1000, 2
WAYS: Mapping[str, Mapping[str, Any]] = {
    "released": {},
    "whole": {"whole_spans": True},
    "span6": {"span": 2 * K},
    "span6w": {"span": 2 * K, "whole_spans": True},
}


def trained(genome: Path, held_out: str, folder: Path, way: str, steps: int) -> dict[str, Any]:
    """The facts of a run."""
    told = folder / "metrics.json"
    if not told.exists():
        pretrain(
            genomes=[genome], output=folder, exclude=[held_out], preset="tiny", longest=LONGEST, batch=64, warm_up=100,
            learning_rate=4e-3, steps=steps, total_steps=steps + steps // 10, save_every=max(1, steps // 2),
            evaluate_samples=500, threads=1, resume=(folder / "checkpoints").exists(), **WAYS[way],
        )  # fmt: skip
    facts: dict[str, Any] = json.loads(told.read_text())
    return facts


@torch.no_grad()
def judged(network: Network, windows: Windows) -> tuple[float, float, int]:
    """Mean cross-entropy of tokens whose base is hidden, the share of them that is guessed right, how many they are."""
    head = network.head
    assert isinstance(head, MaskedLM)
    loss, right, tokens = 0.0, 0, 0
    for first in range(0, len(windows), AT_ONCE):
        batch = tokenize(windows[first : first + AT_ONCE], K)
        drawn = mask(batch, Masking(K, whole_spans=True), 0, first, STREAM)
        spans = np.split(np.arange(len(drawn.rows)), np.flatnonzero(np.diff(drawn.rows) > 1) + 1)
        alone = [span for span in spans if len(span) == K and (drawn.ids[drawn.rows[span]] == MASK).all()]
        chosen = np.concatenate(alone)
        packed = Packed.from_arrays(drawn.ids, batch.cu_seqlens, rows=drawn.rows[chosen])
        logits = head.logits(network.encoder.encode(packed).float(), network.encoder.word)
        labels = torch.from_numpy(drawn.labels[chosen])
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
        tokens += len(labels)
    return loss / tokens, right / tokens, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genome", type=Path)
    parser.add_argument("--exclude", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with Genome.open(given.genome) as genome:
        corpus = Corpus.of([genome], K, seed=42, exclude=Places.whole([given.exclude]), longest=LONGEST)
        windows = corpus.held_out(JUDGED)
        for way in WAYS:
            folder = given.output / way
            facts = trained(given.genome, given.exclude, folder, way, given.steps)
            loss, right, tokens = judged(read_network(folder, backend="cpu", device="cpu"), windows)
            own = facts["evaluation"]["loss"]
            print(f"{way:9} hidden bases: loss {loss:.3f}, right {right:.3f} of {tokens:,}; own masks: {own:.3f}")


if __name__ == "__main__":
    main()
