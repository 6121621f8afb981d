"""A run in shards gives the bytes and the summary of a run in one go, however it is cut, stopped and damaged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.jobs import Facts, Stopped, Stopping, contents, harm, same

from dnabert_fast import merge, status
from dnabert_fast.errors import DnabertError

REUSE = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


OUTPUTS = [
    *("scan.bw", "scan.bedgraph.gz", "scan.bed", "scan.bed.gz", "scan.tsv.gz", "scan.tsv", "scan.parquet"),
    *("predict.tsv", "predict.tsv.gz", "predict.parquet", "embed.npy", "embed.parquet"),
    *("variants.vcf", "variants.vcf.gz", "variants.bcf", "variants.tsv.gz", "variants.parquet"),
]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_job_gives_the_bytes_and_the_summary_of_a_run_in_one_go(
    name: str, run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], place: Callable[[], Path]
) -> None:
    expected, facts = whole(name)
    out = place()
    found = run(out / name, work=out / "w", shard_size=3)
    shutil.rmtree(out / "w" / "inputs", ignore_errors=True)
    assert contents(out) == contents(expected)
    assert same(found, facts)


@REUSE
@given(data=st.data())
def test_whatever_stops_it_and_whatever_is_damaged(
    data: st.DataObject,
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    place: Callable[[], Path],
) -> None:
    names = ["scan.bw", "scan.bedgraph.gz", "predict.tsv.gz", "embed.npy", "variants.vcf.gz", "variants.parquet"]
    name = data.draw(st.sampled_from(names))
    size = data.draw(st.integers(1, 6))
    expected, facts = whole(name)
    out = place()
    asked: dict[str, Any] = {"work": out / "w", "shard_size": size}
    stops = data.draw(st.lists(st.integers(0, 25), max_size=3))
    damaged = 0
    for at in stops:
        with pytest.MonkeyPatch.context() as patch:
            stopping = Stopping(patch, at)
            try:
                run(out / name, **asked)
            except Stopped:
                assert stopping.results == at
        done = sorted((out / "w").glob("shards/*/*"))
        assert not list((out / "w").rglob(".*partial"))
        if done and data.draw(st.booleans()):
            path = data.draw(st.sampled_from(done))
            harm(path, data.draw(st.sampled_from(["cut", "turn", "remove"])))
            damaged += 1
    found = run(out / name, **asked)
    assert contents(out) == contents(expected)
    if not damaged:
        assert same(found, facts)
    assert status(out / "w")["done"] == status(out / "w")["shards"]


@pytest.mark.parametrize("name", ["scan.bw", "predict.parquet", "variants.vcf.gz"])
@pytest.mark.parametrize("runs", [1, 3, 30])
def test_shards_in_any_order_then_a_merge(
    name: str,
    runs: int,
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    place: Callable[[], Path],
) -> None:
    expected, facts = whole(name)
    out = place()
    order = list(range(1, runs + 1))
    random.Random(runs).shuffle(order)
    told = [run(out / name, work=out / "w", shard_size=2, shard=f"{i}/{runs}") for i in order[1:]]
    if runs > 1:
        with pytest.raises(DnabertError, match="shards are not done"):
            merge(out / "w", output=out / name)
    told.append(run(out / name, work=out / "w", shard_size=2, shard=f"{order[0]}/{runs}"))
    assert not (out / name).exists()
    key = {"scan": "windows", "predict": "sequences", "variants": "records"}[name.split(".")[0]]
    assert sum(one.get(key, 0) for one in told) == facts[key]
    assert sorted(one["shards"]["last"] for one in told)[-1] == status(out / "w")["shards"]
    assert same(merge(out / "w", summary=out / "s.json"), facts)
    assert same(json.loads((out / "s.json").read_text()), facts)
    (out / "s.json").unlink()
    assert contents(out) == contents(expected)


def test_a_merge_elsewhere_and_of_what_is_not_there(run: Callable[..., Facts], tmp_path: Path) -> None:
    work = tmp_path / "w"
    run(tmp_path / "predict.tsv.gz", work=work)
    merge(work, output=tmp_path / "again.tsv.gz")
    assert (tmp_path / "again.tsv.gz").read_bytes() == (tmp_path / "predict.tsv.gz").read_bytes()
    with pytest.raises(DnabertError, match=r"the parts are of a \.tsv\.gz file"):
        merge(work, output=tmp_path / "again.tsv")
    with pytest.raises(DnabertError, match="begun without --calls"):
        merge(work, calls=tmp_path / "calls.bed")


def test_status_tells_what_is_left_and_what_failed(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = tmp_path / "w"
    with pytest.MonkeyPatch.context() as patch:
        Stopping(patch, 5)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", work=work, shard_size=2)
    told = status(work)
    assert (told["shards"], told["done"], told["missing"]) == (5, 2, [3, 4, 5])
    assert len(told["failures"]) == 1
    assert "shard 3: Stopped()" in told["failures"][0]
    assert told["counts"]["sequences"] == 28
    assert told["hours_left"] is not None
    harm(next(work.glob("shards/000/000001.output.npy")), "cut")
    assert status(work)["damaged"] == ["part 000001.output.npy of shard 2 is damaged or gone"]
    facts = run(tmp_path / "embed.npy", work=work, shard_size=2)
    assert [note for note in facts["notes"] if "part 000001.output.npy" in note and "computed anew" in note]
    told = status(work)
    assert (told["done"], told["missing"], told["failures"], told["hours_left"]) == (5, [], [], 0)
