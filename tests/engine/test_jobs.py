"""A work folder: what a job is known by, which shards a part has, and receipts that are believed only when sound."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.engine import jobs
from dnabert_fast.engine.jobs import Job, Receipt, add_counts, open_job, read_job, shard_range
from dnabert_fast.errors import DnabertError
from dnabert_fast.io.atomic import publish, publish_first

IDENTITY: dict[str, Any] = {
    "verb": "scan", "model": "abc", "inputs": {"genome": {"bytes": 5, "blake2b": "00"}},
    "options": {"window": 300, "max_n": 0.5}, "outputs": {"output": ".bw"}, "shard_size": 4, "shards": 3,
}  # fmt: skip
ABOUT: dict[str, Any] = {"inputs": {"genome": "/data/g.fa"}}


@given(st.integers(0, 400), st.integers(1, 60))
def test_parts_cover_all_shards_once(count: int, n: int) -> None:
    parts = [shard_range(f"{i}/{n}", count) for i in range(1, n + 1)]
    assert parts[0].start == 0
    assert parts[-1].stop == count
    assert all(a.stop == b.start for a, b in pairwise(parts))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert shard_range(None, count) == range(count)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), max_size=6))
def test_counts_are_added(counts: list[dict[str, int]]) -> None:
    total: dict[str, Any] = {}
    for one in counts:
        add_counts(total, {"plain": sum(one.values()), "by_name": one, "names": list(one)})
    sums: Counter[str] = Counter()
    for one in counts:
        sums.update(one)
    if counts:
        assert total["plain"] == sum(sums.values())
        assert total["by_name"] == dict(sums)
        assert total["names"] == [name for one in counts for name in one]


def begun(folder: Path, **changed: Any) -> Job:
    return open_job(folder, IDENTITY | changed, ABOUT, publish_first)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"model": "xyz"}, "model was abc, is xyz"),
        ({"verb": "embed"}, "verb was scan, is embed"),
        ({"options": {"window": 301, "max_n": 0.5}}, "window was 300, is 301"),
        ({"options": {"window": 300}}, "max-n was 0.5, is not given"),
        ({"inputs": {"genome": {"bytes": 6, "blake2b": "00"}}}, r"genome is not the file it was \(/data/g.fa; 5 bytes"),
        ({"inputs": IDENTITY["inputs"] | {"regions": {"bytes": 1, "blake2b": ""}}}, "input regions was not given, is"),
        ({"inputs": {}}, "input genome was given, is not given"),
        ({"outputs": {"output": ".tsv"}}, r"--output was \.bw, is \.tsv"),
        (
            {"inputs": {"genome": {"bytes": 5, "blake2b": "01"}}},
            r"not the file it was \(/data/g.fa; of the same size\)",
        ),
        ({"options": {"window": 300, "max_n": 0.5, "alias": "12" * 8}}, "alias was not given, is 121212121212;"),
        ({"shards": 4}, "it has 3 shards, not 4"),
        ({"shard_size": 2, "shards": 6}, "shard-size was 4, is 2"),
    ],
)
def test_another_job_is_named_by_what_differs(tmp_path: Path, changed: dict[str, Any], what: str) -> None:
    first = begun(tmp_path)
    assert begun(tmp_path).key == first.key == read_job(tmp_path).key
    with pytest.raises(DnabertError, match=f"holds another job: .*{what}"):
        begun(tmp_path, **changed)


@pytest.mark.parametrize(
    ("name", "was", "now", "what"),
    [
        ("model", "ab" * 32, "cd" * 32, r"model is another than it was \(hash abababababab then, cdcdcdcdcdcd now\)"),
        ("model_my_net", "ab" * 32, "cd" * 32, r"model my_net is another than it was \(hash ab"),
        ("ref_mismatch", "skip", "warn", "ref-mismatch was skip, is warn"),
        (
            "windows",
            f"4 regions {'ab' * 32}",
            f"5 regions {'cd' * 32}",
            "windows was 4 regions abababababab, is 5 regions",
        ),
    ],
)
def test_models_and_tables_are_told_as_others(tmp_path: Path, name: str, was: str, now: str, what: str) -> None:
    begun(tmp_path, options={name: was})
    with pytest.raises(DnabertError, match=f"^--work {tmp_path}: holds another job: {what}"):
        begun(tmp_path, options={name: now})


def test_of_two_that_begin_at_once_the_first_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(path: Path, data: bytes) -> None:
        begun(tmp_path, model="xyz")
        publish_first(path, data)

    with pytest.raises(DnabertError, match="holds another job: model was xyz, is abc"):
        open_job(tmp_path, IDENTITY, ABOUT, slow)
    assert read_job(tmp_path).identity["model"] == "xyz"
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]

    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    (tmp_path / "other").mkdir()
    assert begun(tmp_path / "other").count == 3
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["job.json"]


def done(job: Job, shard: int, text: bytes = b"scores") -> Path:
    part = job.place(shard, "output.bw")
    publish(part, text)
    receipt = Receipt(shard, {"windows": 7}, {}, 1.5, jobs.now(), "here", "cpu", ("a note",))
    written = job.finish(receipt, {"output": (part, {"longest": 9})}, publish)
    assert job.receipt(shard) == written
    return part


def test_receipts_are_believed_when_they_are_sound(tmp_path: Path) -> None:
    job = begun(tmp_path)
    assert job.survey(range(3)) == ({}, {})
    part = done(job, 1)
    receipts, damaged = job.survey(range(3))
    assert (list(receipts), damaged) == ([1], {})
    assert receipts[1].counts == {"windows": 7}
    assert receipts[1].parts["output"].state == {"longest": 9}
    assert job.part(receipts[1], "output") == part
    part.write_bytes(b"sc0res")
    assert job.survey(range(3)) == ({}, {1: "part 000001.output.bw of shard 2 is damaged or gone"})
    assert list(job.survey(range(3), whole=False)[0]) == [1]
    part.write_bytes(b"scor")
    assert job.survey(range(3), whole=False)[1]
    part.unlink()
    assert job.survey(range(3), whole=False)[1]
    done(job, 1)
    path = job.place(1, "json")
    sound = path.read_bytes()
    for at in range(0, len(sound), 3):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        try:
            changed = json.loads(path.read_bytes()) != json.loads(sound)
        except ValueError:
            changed = True
        if changed:  # white space may change
            assert job.survey([1]) == ({}, {1: "the receipt of shard 2 is damaged"})
    path.write_bytes(sound[: len(sound) // 2])
    assert job.survey([1])[1]
    job.place(2, "json").write_bytes(sound)  # of another shard
    assert 2 in job.survey([2])[1]
    (tmp_path / "other").mkdir()
    other = begun(tmp_path / "other", model="xyz")
    other.place(1, "json").write_bytes(sound)  # of another job
    assert 1 in other.survey([1])[1]


def test_a_part_that_went_while_a_run_went_on(tmp_path: Path) -> None:
    job = begun(tmp_path)
    path = done(job, 1)
    receipt = job.receipt(1)
    assert receipt is not None
    assert job.part(receipt, "output") == path
    for harm in (lambda: path.write_bytes(b"scor"), path.unlink):
        harm()
        with pytest.raises(DnabertError, match=r"part 000001\.output\.bw of shard 2 is damaged or gone"):
            job.part(receipt, "output")


def test_failures_are_kept_for_status(tmp_path: Path) -> None:
    job = begun(tmp_path)
    assert job.failures() == []
    job.failed(2, DnabertError("no memory"))
    with open(tmp_path / "failures.jsonl", "a") as file:
        file.write('7\n{"shard": 1}\n[]\n{"half')
    [told] = job.failures()
    assert (told["shard"], told["error"]) == (2, "no memory")
