"""What an estimate is reckoned from: samples, counts, measured time; and that it foretells what a run then does."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast.analysis.scan import ScanSummary, plan_scan, scan
from dnabert_fast.engine.model import Model, load
from dnabert_fast.errors import DnabertError
from dnabert_fast.io.sequences import sequence_units
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.seq.genome import Genome
from dnabert_fast.workflows import measure as clocked
from dnabert_fast.workflows.estimate import Whole, estimate, of_records, of_sequences, of_stretches
from dnabert_fast.workflows.measure import Counting, Sample, Tally, lanes, spread


@dataclass
class Clock:
    """A time that only work moves on."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter


@dataclass
class Work:
    """A job on units of `items` items and `tokens[i]` tokens, which takes 1 s at first and `rate` tokens a second.

    A unit is (its place, its items).
    """

    clock: Clock
    tokens: Sequence[int]
    items: int = 1000
    rate: float = 10_000.0
    asked: list[list[tuple[int, int]]] = field(default_factory=list)

    def score(self, model: Model, units: Iterable[tuple[int, int]], path: Path | None) -> None:
        assert isinstance(model, Counting)
        held = list(units)
        tokens = sum(round(self.tokens[place] * items / self.items) for place, items in held)
        model.tally.tokens += tokens
        model.tally.passes += tokens // 100
        model.tally.windows += tokens // 50
        if not model.real:
            assert path is None
            self.clock.now += 0.01
            return
        assert path is not None
        self.clock.now += (not self.asked) * 1.0 + tokens / self.rate
        self.asked.append(held)
        path.write_bytes(b"h" * 500 + b"x" * sum(items for _, items in held))

    def whole(self, **given: Any) -> Whole[tuple[int, int]]:
        units = [(place, self.items) for place in range(len(self.tokens))]
        sample = Sample(units, lambda unit: unit[1], lambda unit, items: (unit[0], items))
        return Whole(
            **{"item": "records", "total": self.items * len(units), "shards": len(units), "sample": sample} | given
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(clocked, "time", clock)
    return clock


@pytest.fixture
def model(make_model: Callable[..., Path]) -> Model:
    return load(make_model(), device="cpu", threads=1)


def test_the_first_places_lie_spread() -> None:
    assert sorted(spread(1000)) == list(range(1000))
    first = [place for place, _ in zip(spread(1000), range(16), strict=False)]
    assert max(np.diff(sorted(first))) <= 2 * 1000 / 16
    assert list(spread(1)) == [0]


def test_seconds_bytes_and_passes_are_those_of_the_whole(clock: Clock, model: Model) -> None:
    work = Work(clock, [20_000, 60_000] * 20)  # 1,600,000 tokens that take 160 s, and 1 s at first
    found = estimate("scan", model, work.whole(), work.score, output="o.bed", loading=3.0, machines=3)
    assert found["tokens"] == 1_600_000
    assert (found["windows"], found["passes"]) == (32_000, 16_000)
    assert found["seconds_once"] == pytest.approx(4.0, abs=0.02)
    assert found["seconds"] == pytest.approx(164.0, rel=0.01)
    assert found["seconds_on_machines"] == pytest.approx(4 + 160 * 14 / 40, rel=0.01)
    assert found["output_bytes"] == pytest.approx(500 + 40_000, abs=2)
    assert 2.5 <= found["measured"]["seconds"] <= 7.5
    places = [place for place, _ in work.asked[-1]]
    assert places == sorted(places)
    assert len(places) >= 4  # spread
    assert max(places) - min(places) >= 20


def test_reading_that_takes_longer_than_scoring_is_what_a_run_takes(clock: Clock, model: Model) -> None:
    work = Work(clock, [1000] * 4, rate=1e6)
    assert estimate("v", model, work.whole(seconds=70.0), work.score, output="o", loading=0.0)["seconds"] >= 70
    assert estimate("v", model, work.whole(seconds=0.0), work.score, output="o", loading=0.0)["seconds"] < 2


def test_a_slow_machine_runs_a_batch_for_each_core_and_no_more(clock: Clock, model: Model) -> None:
    work = Work(clock, [50_000] * 4, rate=100.0)
    found = estimate("v", model, work.whole(), work.score, output="o", loading=0.0)
    assert found["measured"]["tokens"] == pytest.approx(lanes(model) * model.max_tokens, rel=0.06)
    assert len(work.asked) == 2
    assert found["seconds"] == pytest.approx(2001, rel=0.01)


def test_a_short_run_is_run_whole(clock: Clock, model: Model) -> None:
    work = Work(clock, [500, 700])
    found = estimate("v", model, work.whole(), work.score, output="o", loading=0.5, machines=5)
    assert work.asked[-1] == [(0, 1000), (1, 1000)]
    assert found["seconds"] == pytest.approx(1.62, abs=0.01)
    assert found["notes"] == ["the run has 2 shards, so no more than so many machines have work"]


def test_an_output_that_grows_with_what_is_scored(clock: Clock, model: Model) -> None:
    work = Work(clock, [0, 40_000] * 8)  # every other stretch is of unknown bases
    found = estimate("scan", model, work.whole(by_tokens=True), work.score, output="o", loading=0.0)
    assert found["output_bytes"] == pytest.approx(500 + 8_000, rel=0.01)
    assert all(place % 2 for place, _ in work.asked[-1])


def test_nothing_to_score_and_impossible_wishes(clock: Clock, model: Model) -> None:
    work = Work(clock, [0, 0])
    found = estimate("scan", model, work.whole(), work.score, output="o", loading=1.5)
    assert (found["seconds"], found["passes"], found["output_bytes"]) == (1.5, 0, 0)
    assert found["notes"] == ["nothing to score was found in 2 units of the input"]
    with pytest.raises(DnabertError, match="--machines 0"):
        estimate("scan", model, work.whole(), work.score, output="o", loading=0, machines=0)
    with pytest.raises(DnabertError, match="joined into a file"):
        estimate("variants", model, work.whole(), work.score, output="-", loading=0, machines=2)


def test_a_scan_is_foretold_by_its_plan(grch38: Path, model: Model, tmp_path: Path) -> None:
    """Windows, passes and tokens are exactly those that the run then has; the file's first 60,000 bases are N."""
    opened = Genome.open(grch38)
    plan = plan_scan(opened, 100, 5000, None, ScanSummary())
    summary = ScanSummary()

    def score(asked: Model, units: Iterable[Any], path: Path | None) -> None:
        with open(path or "/dev/null", "w") as file:
            scan(
                asked, opened, units, lambda unit: print(len(unit.start), file=file), summary,
                window=100, stride=5000, readout=model.readout(),
            )  # fmt: skip

    found = estimate("scan", model, of_stretches(plan, 5000), score, output="o.bed", loading=0.0)
    summary, tally = ScanSummary(), Tally()
    score(Counting.of(model, tally, real=True), plan, tmp_path / "o.bed")
    assert (found["items"], found["windows"], found["passes"]) == (4_000_000, summary.windows, summary.pieces_encoded)
    assert found["tokens"] == tally.tokens > 0


def test_records_are_counted_and_kept_from_all_of_a_file(tmp_path: Path) -> None:
    rows = [f"chr20\t{60_001 + i}\t.\tA\tC\t.\t.\tX={i}\n" for i in range(2000)]
    path = tmp_path / "in.vcf.gz"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_bytes(gzip.compress((head + "".join(rows)).encode()))

    def units() -> Iterable[Any]:
        source = VcfSource(path, 40)
        for records in source:
            yield records, source.share

    whole = of_records(units(), shard_bytes=10_000)
    assert (whole.total, whole.exact, whole.shards) == (2000, True, -(-len("".join(rows)) // 10_000))
    first = [int(unit.position[0]) - 60_001 for unit in whole.sample.units]
    assert first == [160 * i for i in range(13)]  # every fourth of 50
    part = whole.sample.part(whole.sample.units[1], 3)
    assert part.text.tobytes().decode() == "".join(rows[160:163])
    assert part.where(2) == whole.sample.units[1].where(2)
    early = of_records(units(), reading=-1.0)
    assert (early.exact, len(early.sample.units)) == (False, 1)
    assert early.total == pytest.approx(40 / next(iter(units()))[1])


def test_sequences_are_counted_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("sequence,label\n" + "ACGTACGTAC,0\n" * 5000)
    whole = of_sequences(sequence_units(path), shard=1)
    assert (whole.total, whole.shards, [whole.sample.size(unit) for unit in whole.sample.units]) == (
        5000,
        2,
        [4096, 904],
    )
    part = whole.sample.part(whole.sample.units[1], 2)
    assert (part.names, len(part.windows), part.first) == (whole.sample.units[1].names[:2], 2, 4096)


def test_a_model_that_is_not_real_reads_and_answers_nothing(model: Model) -> None:
    tally, written = Tally(), []
    asked = Counting.of(model.with_strand("both"), tally, real=False)
    asked.run([["ACGTACGT"] * 3], lambda unit: asked.prepare(_windows(unit)), asked.begin, written.append)
    assert (tally.windows, tally.passes, tally.tokens, written) == (6, 2, 2 * (8 - model.k + 3), [])
    assert tally.largest > 0
    real = Counting.of(model, Tally(), real=True)
    real.run([["ACGTACGT"]], lambda unit: real.prepare(_windows(unit)), real.begin, written.append)
    assert np.array_equal(written[0], model.logits(model.prepare(_windows(["ACGTACGT"]))))


def _windows(strings: Sequence[str]) -> Any:
    from dnabert_fast.seq.batch import Windows

    return Windows.from_strings(strings)
