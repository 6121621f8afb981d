"""What attention scores cost beside plain prediction of the same windows, and their peak memory.

    python -m pytest benchmarks/test_attention_scores.py -s

Windows of 101 bases of the demonstration's genome, the length of the original's sample data. Prediction and attention
run in turns in one process: the demonstration model on a unit of 4,096 windows, and a random network of 110 million
parameters on 64. Peak memory is that of whole runs of the verb, each in a process of its own. The original holds the
last layer's whole maps of all windows, fp64 of heads x tokens x tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import workload
from test_memory import peak

from dnabert_fast import Model, Windows, load
from dnabert_fast.analysis.attention import full_map

Record = Callable[[str, object], None]

WINDOW = 101
BAR = 1.15


def windows(count: int) -> list[str]:
    """Windows of the demonstration's genome at even distances, none alike."""
    stride = 3_800_000 // count
    bases = workload.stretch(100_000, 100_000 + stride * count + WINDOW)
    return [bases[stride * i : stride * i + WINDOW] for i in range(count)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, quick: bool) -> Path:
    """A network of 110 million parameters."""
    folder = tmp_path_factory.mktemp("attention") / "large"
    return workload.write_model(folder, "tiny" if quick else "dnabert-6", WINDOW)


def check(model: Model, some: Windows) -> None:
    """The scores of a few windows against their whole maps, whose other rows nobody reads."""
    found = model.attention(some, raw=True)
    for row, scores in enumerate(found):
        kmers = full_map(model, some[row])[:, 0, 1:-1].sum(0)
        expected = [kmers[max(0, base - model.k + 1) : base + 1].mean() for base in range(WINDOW)]
        assert scores == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["demo", "large"])
def test_attention_beside_prediction(kind: str, large: Path, quick: bool, record_property: Record) -> None:
    model = load("demo" if kind == "demo" else large, threads=2)
    asked = Windows.from_strings(windows(32 if quick or kind == "large" else 4096))
    check(model, asked[:8])
    seconds = workload.in_turns(
        {"predict": lambda: model.predict(asked), "attention": lambda: model.attention(asked)},
        1 if quick else 5 if kind == "demo" else 3,
    )
    ratio = seconds["attention"] / seconds["predict"]
    print(f"{kind}, {len(asked):,} windows: attention takes {ratio:.3f} times as long as prediction, bar {BAR}")
    record_property(f"attention / prediction, {kind}", ratio)
    assert quick or ratio <= BAR


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["demo", "large"])
def test_memory(kind: str, large: Path, quick: bool, tmp_path: Path, record_property: Record) -> None:
    """Ten times (four times, of the large network) the windows take next to no more."""
    few, many = (50, 500) if quick else (10_000, 100_000) if kind == "demo" else (64, 256)
    found = []
    for count in (few, many):
        path, out = tmp_path / f"{count}.fa", tmp_path / "out.npy"
        path.write_text("".join(f">{i}\n{bases}\n" for i, bases in enumerate(windows(count))))
        model = "demo" if kind == "demo" else large
        found.append(peak("attention", path, "-m", model, "-o", out, "--threads", "2", "-q"))
        assert np.load(out, mmap_mode="r").shape == (count, WINDOW)
        record_property(f"peak, {count:,} windows, {kind}, MB", found[-1])
    config = load("demo" if kind == "demo" else large).network.config
    tokens = WINDOW - config.k + 3
    maps = many * config.encoder.heads * tokens * tokens * 8 / 1e6
    print(
        f"{kind}: {found[0]:,.0f} MB for {few:,} windows, {found[1]:,.0f} MB for {many:,}; "
        f"their whole maps in fp64 are {maps:,.0f} MB"
    )
    assert found[1] < 1.2 * found[0]
