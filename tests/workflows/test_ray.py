"""Jobs on a real Ray cluster of several nodes of one core: the bytes of a run here, whatever is killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

import dnabert_fast.workflows.cluster as of_cluster
from dnabert_fast.engine.cluster import Offer
from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.cluster import _There
from dnabert_fast.workflows.saturate import saturate
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.sequences import predict
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
Facts = dict[str, Any]

PATIENCE = 90.0
REGIONS, REGION_BASES = 30, 9000
NOTE = "N" * 40_000  # in each record, so that a hundred of them make a section


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head that offers nothing, and two nodes of one core each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20, "_system_config": quick}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        made = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            made.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def words(make_model: MakeModel, grch38: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A scan of many regions as words, less where it writes."""
    bed = tmp_path_factory.mktemp("regions") / "r.bed"
    starts = [60_000 + i * 80_000 for i in range(REGIONS)]
    bed.write_text("".join(f"chr20\t{start}\t{start + REGION_BASES}\n" for start in starts))
    asked = f"scan {grch38} --model {make_model()} --window 60 --stride 8 --regions {bed} --threads 1 --shard-size 1"
    return asked.split()


@pytest.fixture(scope="module")
def expected(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What that scan gives in one go."""
    out = tmp_path_factory.mktemp("whole") / "o.bw"
    _, genome, _, model, _, window, _, stride, _, regions, *_ = words
    scan(
        genome, model=model, output=out, window=int(window), stride=int(stride), regions=regions, device="cpu",
        threads=1,
    )  # fmt: skip
    return out.read_bytes()


def begun(words: list[str], address: str, out: Path) -> subprocess.Popen[str]:
    """The command on a cluster, when a few of its shards are done."""
    command = [sys.executable, "-m", "dnabert_fast", *words, "-o", str(out), "--work", str(out.parent / "w")]
    run = subprocess.Popen([*command, "--ray", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + PATIENCE
    while len(receipts(out.parent / "w")) < 3:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)
    return run


def receipts(work: Path) -> list[Path]:
    return list(work.glob("shards/*/[0-9]*.json"))


def finished(run: subprocess.Popen[str], out: Path, expected: bytes) -> str:
    """Wait for a run that has to end well, with these bytes; returns what it said."""
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    assert out.read_bytes() == expected
    assert len(receipts(out.parent / "w")) == REGIONS
    assert not list((out.parent / "w").rglob(".*"))
    return said


def actors() -> list[int]:
    """Processes of actors of ours on clusters that this process has started."""
    parents: dict[int, int] = {}
    names: dict[int, bytes] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            names[int(entry.name)] = (entry / "cmdline").read_bytes()

    def ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and ours(parents[process]))

    return [process for process, name in names.items() if name.startswith(b"ray::_Runner") and ours(process)]


@pytest.mark.parametrize("name", ["variants.vcf.gz", "predict.parquet", "snvs.tsv.gz"])
@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_a_run_on_a_cluster_gives_the_bytes_and_facts_of_one_here(
    name: str, cluster: Any, make_model: MakeModel, grch38: Path, tmp_path: Path
) -> None:
    asked: Facts = {"model": str(make_model()), "device": "cpu", "threads": 1, "precision": "fp32"}
    draw = random.Random(3)
    if name.startswith("variants"):
        given = tmp_path / "v.vcf"
        rows = [f"chr20\t{70_000 + 31 * i}\t.\tN\tA\t.\t.\tNOTE={NOTE}\n" for i in range(330)]
        given.write_text('##fileformat=VCFv4.2\n##INFO=<ID=NOTE,Number=1,Type=String,Description="n">\n'
                         "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(rows))  # fmt: skip

        def run(out: Path, **more: Any) -> Facts:
            return variants(given, grch38, output=out, window=40, ref_mismatch="warn", **asked, **more)
    elif name.startswith("snvs"):
        given = tmp_path / "r.bed"
        given.write_text("chr20\t70000\t74300\n")
        asked["model"] = str(
            shutil.copytree(make_model(), tmp_path / "m", ignore=shutil.ignore_patterns("background-*"))
        )

        def run(out: Path, **more: Any) -> Facts:
            return saturate(grch38, regions=given, output=out, window=20, **asked, **more)
    else:
        given = tmp_path / "s.fa"
        given.write_text("".join(f">s{i}\n{''.join(draw.choices('ACGT', k=20))}\n" for i in range(9000)))

        def run(out: Path, **more: Any) -> Facts:
            return predict(given, output=out, **asked, **more)

    here = run(tmp_path / name)
    there = run(tmp_path / f"ray.{name}", work=tmp_path / "w", shard_size=1, ray=cluster.address)
    assert (tmp_path / f"ray.{name}").read_bytes() == (tmp_path / name).read_bytes()
    left_out = {"seconds", "output"}
    assert {k: v for k, v in there.items() if k not in left_out} == {k: v for k, v in here.items() if k not in left_out}
    assert len(receipts(tmp_path / "w")) >= 3


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_an_actor_that_is_killed_is_replaced(cluster: Any, words: list[str], expected: bytes, tmp_path: Path) -> None:
    run = begun(words, cluster.address, tmp_path / "o.bw")
    there = actors()
    os.kill(there[0], signal.SIGKILL)
    said = finished(run, tmp_path / "o.bw", expected)
    assert "its worker process has died" in said
    assert "was replaced" in said


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_on_a_node_is_one_line(cluster: Any, grch38: Path, tmp_path: Path) -> None:
    with pytest.raises(DnabertError, match=r"^on node \S+: .*nothing-here"):
        scan(
            grch38, model=str(tmp_path / "nothing-here"), output=tmp_path / "o.bw", window=60, work=tmp_path / "w",
            ray=cluster.address,
        )  # fmt: skip


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_is_lost(cluster: Any, words: list[str], expected: bytes, tmp_path: Path) -> None:
    """The last test on the cluster: of two nodes one is left."""
    run = begun(words, cluster.address, tmp_path / "o.bw")
    assert len(actors()) == 2
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
    assert len(receipts(tmp_path / "w")) < REGIONS
    finished(run, tmp_path / "o.bw", expected)
    assert len(actors()) <= 1


def test_a_node_that_sees_another_folder(tmp_path: Path) -> None:
    place = tmp_path / "w" / ".seen-1"
    there = _There(scan, {}, str(tmp_path), place, "token")
    line = r"w: is not the folder that the run was started with; it must lie on a file system that all nodes share"
    for text in (None, "another"):
        place.parent.mkdir(exist_ok=True)
        if text is not None:
            place.write_text(text)
        with pytest.raises(FormatError, match=line), there("cpu", 1):
            pass


def test_what_goes_together(grch38: Path, tmp_path: Path) -> None:
    def run(**more: Any) -> None:
        scan(grch38, **({"model": "demo", "output": tmp_path / "o.bw", "work": tmp_path / "w"} | more))

    for given, line in [
        ({"ray": "auto", "work": None}, "--ray auto: shards are kept in a folder that all nodes see; give --work DIR"),
        ({"ray": "auto", "shard": "1/2"}, "--ray auto: --shard is of this machine"),
        ({"ray": "auto", "estimate": 1}, "--ray auto: --estimate is of this machine"),
        ({"ray": "auto", "device": "cpu,cpu"}, "--device cpu,cpu: an actor has one device"),
        ({"ray": "auto", "ray_cpus": 0}, "--ray-cpus 0: give 1 or more"),
        ({"ray_cpus": 2}, "--ray-cpus 2: are those of an actor; give --ray auto"),
        ({"ray": "auto", "output": tmp_path / "gone" / "o.bw"}, "does not exist; make it first"),
    ]:
        with pytest.raises(DnabertError, match=line):
            run(**given)


def test_shards_are_joined_where_this_run_writes(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not where the job was begun to write."""
    reads = tmp_path / "r.fa"
    reads.write_text(">a\nACGTACGTTT\n")
    first, second = tmp_path / "first.tsv", tmp_path / "second.tsv"
    predict(reads, model=str(make_model()), output=first, device="cpu", work=tmp_path / "w", threads=1)
    expected = first.read_bytes()
    first.unlink()
    monkeypatch.setattr(of_cluster, "connected", nullcontext)
    monkeypatch.setattr(of_cluster, "offered", lambda *_: Offer(1, "cpu", 1))
    monkeypatch.setattr(of_cluster, "run_shards", lambda *_: [])  # all are done
    predict(reads, model=str(make_model()), output=second, ray="auto", work=tmp_path / "w")
    assert (second.read_bytes(), first.exists()) == (expected, False)


@pytest.mark.filterwarnings("ignore")
def test_no_cluster_is_one_line(grch38: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    before = signal.getsignal(signal.SIGTERM)
    for address, line in [
        ("127.0.0.1:1", r"no cluster answers \(.*refused\); start one with `ray start --head`"),
        ("somewhere", "give auto, or HOST:PORT"),
    ]:
        with pytest.raises(DnabertError, match=f"--ray {address}: {line}"):
            scan(grch38, model="demo", output=tmp_path / "o.bw", work=tmp_path / "w", ray=address)
    assert signal.getsignal(signal.SIGTERM) is before
