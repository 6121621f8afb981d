"""Regions as users write them, and which windows they take."""

from __future__ import annotations

import numpy as np
import pytest

from dnabert_fast.datasets.spans import Spans
from dnabert_fast.datasets.splits import Splits
from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.genome import Genome


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("d", (1, 0, 20_000)),
        ("c:1000-2000", (0, 1000, 2000)),
        ("c:1,000-20,000", (0, 1000, 20_000)),
        ("c:10-12k", (0, 10_000, 12_000)),
        ("c:900-1.5k", None),
        ("c:0.01-0.02M", (0, 10_000, 20_000)),
        ("c:500k-1M", None),
        ("c:5K-0.006m", (0, 5000, 6000)),
        ("c:1.001k-2.002k", (0, 1001, 2002)),  # as doubles neither is a whole number of bases
    ],
)
def test_regions(genome: Genome, text: str, place: tuple[int, int, int] | None) -> None:
    if place is None:
        with pytest.raises(DnabertError, match=r"is not inside c, which has 60,000 bases"):
            Splits.of(genome, [], [text], [])
        return
    spans = Splits.of(genome, [], [text], []).spans["dev"]
    assert (int(spans.contig[0]), int(spans.start[0]), int(spans.end[0])) == place


def test_the_rest_trains_and_windows_belong_to_one_split(genome: Genome) -> None:
    splits = Splits.of(genome, [], ["c:50-60k,d:1,000-2,000"], ["e"])
    described = splits.described(genome)
    assert described == {
        "train": ["c:0-50000", "d:0-1000", "d:2000-20000"],
        "dev": ["c:50000-60000", "d:1000-2000"],
        "test": ["e"],
    }
    again = Splits.of(genome, described["train"], described["dev"], described["test"])
    assert again.described(genome) == described
    start = np.array([0, 49_950, 50_000, 59_901, 0, 990], np.int64)
    windows = Spans(np.array([0, 0, 0, 0, 2, 1], np.int32), start, start + 100)
    assert splits.of_windows(windows).tolist() == [0, -1, 1, -1, 2, -1]


@pytest.mark.parametrize(
    ("train", "dev", "test", "message"),
    [
        ((), ("x:1-5",), (), r"--dev x:1-5: the genome has no contig 'x' \(it has c, d, e\)"),
        ((), ("c:5",), (), r"--dev c:5: the genome has no contig 'c:5'"),
        ((), ("c:1.2.3-5",), (), r"--dev c:1\.2\.3-5: not a region"),
        ((), ("c:1.5-5",), (), r"is not inside c"),
        ((), ("c:9-5",), (), r"is not inside c"),
        ((), ("c:1-50",), ("c:40-60",), r"--dev and --test both have c:40-50"),
        (("c",), ("c:1-50",), (), r"--train has c:1-50, which is held out"),
        ((), ("c", "d", "e"), (), r"leave nothing of the genome to train on"),
    ],
)
def test_refusals(
    genome: Genome, train: tuple[str, ...], dev: tuple[str, ...], test: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DnabertError, match=message):
        Splits.of(genome, train, dev, test)
