"""What an estimate is reckoned from: samples, counts, measured time; and that it foretells what a run then does."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from dnabert_fast.seq.sections import Sections
from dnabert_fast.workflows import estimate as module
from dnabert_fast.workflows import measure as clocked
from dnabert_fast.workflows.estimate import Whole, estimate, of_records, of_sequences, of_stretches
from dnabert_fast.workflows.measure import Sample, Tally, Watch, lanes, spread
from dnabert_fast.workflows.outputs import Output
from dnabert_fast.workflows.scan import scan as scan_verb
from dnabert_fast.workflows.sequences import embed, predict
from dnabert_fast.workflows.variants import variants


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

    def score(self, watch: Watch, units: Iterable[tuple[int, int]], write: Callable[[int], None]) -> None:
        held = list(units)
        tokens = sum(round(self.tokens[place] * items / self.items) for place, items in held)
        watch.tally.tokens += tokens
        watch.tally.passes += tokens // 100
        watch.tally.windows += tokens // 50
        if not watch.real:
            self.clock.now += 0.01
            return
        self.clock.now += (not self.asked) * 1.0 + tokens / self.rate
        self.asked.append(held)
        write(sum(items for _, items in held))

    def whole(self, **given: Any) -> Whole[tuple[int, int]]:
        units = [(place, self.items) for place in range(len(self.tokens))]
        sample = Sample(units, lambda unit: unit[1], lambda unit, items: (unit[0], items))
        return Whole(
            **{"item": "records", "total": self.items * len(units), "shards": len(units), "sample": sample} | given
        )


def foretold(work: Work, model: Model, loading: float = 0.0, path: str = "o.vcf", **given: Any) -> dict[str, Any]:
    """The estimate of a job whose output is a VCF with a header of 500 bytes and a byte an item."""
    machines = {name: given.pop(name) for name in ("machines",) if name in given}
    header = "##fileformat=VCFv4.2\n".ljust(499, "#") + "\n"
    output = Output(
        "output", path, {"kind": "vcf", "header": header}, lambda sink, n: sink.write(np.full(n, 65, np.uint8))
    )
    return estimate("scan", model, work.whole(**given), work.score, [output], began=-loading, **machines)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for each in (module, clocked):
        monkeypatch.setattr(each, "time", clock)
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
    found = foretold(work, model, 3.0, machines=3)
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
    assert foretold(work, model, seconds=70.0)["seconds"] >= 70
    assert foretold(work, model, seconds=0.0)["seconds"] < 2


def test_a_slow_machine_runs_a_batch_for_each_core_and_no_more(clock: Clock, model: Model) -> None:
    work = Work(clock, [50_000] * 4, rate=100.0)
    found = foretold(work, model)
    assert found["measured"]["tokens"] == pytest.approx(lanes(model) * model.max_tokens, rel=0.06)
    assert len(work.asked) == 2
    assert found["seconds"] == pytest.approx(2001, rel=0.01)


def test_few_large_units_are_measured_as_long_as_many(clock: Clock, model: Model) -> None:
    found = foretold(Work(clock, [1_000_000, 1_500_000]), model)
    assert 3.5 <= found["measured"]["seconds"] <= 7.5
    assert found["seconds"] == pytest.approx(251, rel=0.01)


def test_a_short_run_is_run_whole(clock: Clock, model: Model) -> None:
    work = Work(clock, [500, 700])
    found = foretold(work, model, 0.5, machines=5)
    assert work.asked[-1] == [(0, 1000), (1, 1000)]
    assert found["seconds"] == pytest.approx(1.62, abs=0.01)
    assert found["notes"] == ["shards of the run: 2; each is done whole, so more machines have nothing to do"]


def test_an_output_that_grows_with_what_is_scored(clock: Clock, model: Model) -> None:
    work = Work(clock, [0, 40_000] * 8)  # every other stretch is of unknown bases
    found = foretold(work, model, by_tokens=True)
    assert found["output_bytes"] == pytest.approx(500 + 8_000, rel=0.01)
    assert all(place % 2 for place, _ in work.asked[-1])


def test_nothing_to_score_and_impossible_wishes(clock: Clock, model: Model) -> None:
    work = Work(clock, [0, 0])
    found = foretold(work, model, 1.5)
    assert (found["seconds"], found["passes"], found["output_bytes"]) == (1.5, 0, 0)
    assert found["notes"] == ["nothing to score was found in 2 units of the input"]
    with pytest.raises(DnabertError, match="--machines 0"):
        foretold(work, model, machines=0)
    with pytest.raises(DnabertError, match="joined into a file"):
        foretold(work, model, path="-", machines=2)


def test_a_scan_is_foretold_by_its_plan(grch38: Path, model: Model, tmp_path: Path) -> None:
    """Windows, passes and tokens are exactly those that the run then has; the file's first 60,000 bases are N."""
    opened = Genome.open(grch38)
    plan = plan_scan(opened, 100, 5000, None, ScanSummary())
    summary = ScanSummary()

    def score(watch: Watch, units: Iterable[Any], write: Callable[[Any], None]) -> None:
        asked, readout = watch.model(model), model.readout()
        scan(asked, opened, list(units), write, summary, window=100, stride=5000, readout=readout)

    output = Output(
        "output", "o.bed", {"kind": "bed"}, lambda sink, unit: sink.write("c", unit.start, unit.start, unit.score)
    )
    found = estimate("scan", model, of_stretches(plan, 5000), score, [output], began=time.monotonic())
    summary, tally = ScanSummary(), Tally()
    score(Watch(tally, real=True), plan, lambda unit: None)
    assert (found["items"], found["windows"], found["passes"]) == (4_000_000, summary.windows, summary.pieces_encoded)
    assert found["tokens"] == tally.tokens > 0


def test_records_are_counted_and_kept_from_all_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"chr20\t{60_001 + i}\t.\tA\tC\t.\t.\tX={i}\n" for i in range(2000)]
    path = tmp_path / "in.vcf.gz"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_bytes(gzip.compress((head + "".join(rows)).encode()))

    whole = of_records(VcfSource(path, 40))
    assert (whole.total, whole.exact, whole.shards) == (2000, True, 1)
    first = [int(unit.position[0]) - 60_001 for unit in whole.sample.units]
    assert first == [160 * i for i in range(13)]  # every fourth of 50
    part = whole.sample.part(whole.sample.units[1], 3)
    assert part.text.tobytes().decode() == "".join(rows[160:163])
    assert part.where(2) == whole.sample.units[1].where(2)
    early = of_records(VcfSource(path, 40), reading=-1.0)
    assert (early.exact, len(early.sample.units)) == (False, 1)
    assert early.total == pytest.approx(40 / next(_shares(path)))


def _shares(path: Path) -> Iterator[float]:
    source = VcfSource(path, 40)
    for _ in source:
        assert source.share is not None
        yield source.share


def test_of_a_file_of_many_sections_some_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in.vcf"
    rows = [f"chr20\t{60_001 + i}\t.\tA\tC\t.\t.\tX={i:0{8 + 8 * (i > 2000)}}\n" for i in range(4000)]
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(rows))
    monkeypatch.setattr(module, "VcfSource", lambda path, **given: VcfSource(path, 40, 2000, **given))
    find = Sections.find
    monkeypatch.setattr(module.Sections, "find", staticmethod(lambda path: find(path, 2000)))
    whole = of_records(VcfSource(path), shard=10)
    sections = -(-path.stat().st_size // 2000)
    assert (whole.exact, whole.shards, len(whole.sample.units)) == (False, -(-sections // 10), 16)
    assert whole.total == pytest.approx(4000, rel=0.02)
    places = [int(unit.position[0]) - 60_001 for unit in whole.sample.units]
    assert max(np.diff(places)) < 4000 / 10


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


def test_a_watch_counts_what_is_read_and_changes_no_answer(model: Model) -> None:
    written: list[Any] = []
    reads, real = Watch(Tally(), real=False), Watch(Tally(), real=True)
    for watch in (reads, real):
        asked = watch.model(model.with_strand("both"))
        asked.run([_windows(["ACGTACGT"] * 3)], asked.prepare, asked.begin, written.append)
        assert (watch.tally.windows, watch.tally.passes, watch.tally.tokens) == (6, 2, 2 * (8 - model.k + 3))
        assert watch.tally.largest > 0
    [answer] = written
    both = model.with_strand("both")
    assert np.array_equal(answer, both.logits(both.prepare(_windows(["ACGTACGT"] * 3))))


def _windows(strings: Sequence[str]) -> Any:
    from dnabert_fast.seq.batch import Windows

    return Windows.from_strings(strings)


def test_verbs_foretell_what_they_then_do(
    grch38: Path, make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts and sizes of the estimate are those of the run; the estimate itself leaves nothing."""
    monkeypatch.setattr(module, "SECONDS", 0.1)
    folder, table = str(make_model()), tmp_path / "in.csv"
    table.write_text("name,sequence\n" + "".join(f"s{i},{'ACGGT' * (6 + i % 5)}\n" for i in range(900)))
    (tmp_path / "out").mkdir()

    def both(verb: Callable[..., Any], given: Path, name: str, **flags: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        output = tmp_path / "out" / name
        flags |= {"model": folder, "device": "cpu", "threads": 1, "precision": "fp32", "output": output}
        found = verb(given, **flags, estimate=2, summary=tmp_path / "summary.json")
        assert json.loads((tmp_path / "summary.json").read_text()) == found
        assert list((tmp_path / "out").iterdir()) == []
        made = verb(given, **flags)
        size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
        assert found["output_bytes"] == pytest.approx(size, rel=0.2)
        assert found["precision"] == made["precision"] == "fp32"
        assert found["memory_bytes"] > 50e6
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()
        return found, made

    found, made = both(scan_verb, grch38, "o.bed.gz", window=60, stride=1000)
    assert (found["of"], found["windows"], found["passes"]) == ("scan", made["windows"], made["pieces_encoded"])
    found, made = both(predict, table, "o.tsv")
    assert (found["of"], found["items"], found["windows"]) == ("predict", made["sequences"], 900)
    assert found["passes"] == 5  # sequences that differ
    found, made = both(embed, table, "o.npy")
    assert (found["of"], found["items"], found["shards"]) == ("embed", 900, 1)


@pytest.mark.parametrize("output", ["o.vcf.gz", "o.tsv"])
def test_variants_are_foretold(
    grch38: Path, real_grch38: Path, make_model: Callable[..., Path], tmp_path: Path, output: str
) -> None:
    models = [f"A={make_model()}", f"B={make_model(seed=1)}"]
    flags: dict[str, Any] = {"window": 61, "device": "cpu", "threads": 1, "precision": "fp32"}
    (tmp_path / "out").mkdir()
    for model in (models[:1], models):
        flags |= {"model": model, "output": tmp_path / "out" / output}
        found = variants(real_grch38, grch38, **flags, estimate=3)
        assert list((tmp_path / "out").iterdir()) == []
        made = variants(real_grch38, grch38, **flags)
        assert (found["of"], found["items"], found["exact"]) == ("variants", made["records"], True)
        assert found["passes"] == made["pieces_encoded"]
        assert found["windows"] == 2 * made["scored"] * len(model)
        size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
        assert found["output_bytes"] == pytest.approx(size, rel=0.05)
        assert found["notes"] == ["shards of the run: 1; each is done whole, so more machines have nothing to do"]
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "out").mkdir()


def test_a_file_without_records_takes_nothing(grch38: Path, make_model: Callable[..., Path], tmp_path: Path) -> None:
    vcf = tmp_path / "v.vcf"
    vcf.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    flags: dict[str, Any] = {
        "window": 61,
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "model": str(make_model()),
    }
    found = variants(vcf, grch38, output=tmp_path / "o.vcf", estimate=2, **flags)
    assert (found["items"], found["passes"], found["output_bytes"]) == (0, 0, 0)
    assert "nothing to score was found in 0 units of the input" in found["notes"]


def test_an_estimate_leaves_the_work_folder_alone(
    make_model: Callable[..., Path], grch38: Path, real_grch38: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "v.vcf.gz"
    plain.write_bytes(gzip.compress(real_grch38.read_bytes()))
    flags: dict[str, Any] = {"window": 61, "device": "cpu", "threads": 1, "precision": "fp32"}
    flags |= {"model": str(make_model()), "output": tmp_path / "o.vcf", "work": tmp_path / "w", "estimate": 1}
    found = variants(plain, grch38, shard_size=2, **flags)
    assert (found["shards"], os.listdir(tmp_path)) == (1, ["v.vcf.gz"])
    with pytest.raises(DnabertError, match="--estimate is of the whole run"):
        variants(plain, grch38, shard="1/2", **flags)
