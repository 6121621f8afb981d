"""Two Ray nodes of one core against one: the same scan, the same bytes, and how many times as fast.

    python benchmarks/cluster.py [--pairs N] [--regions N] [--nodes N]

Each node is bound to a core of its own. A pair is a run on one node and one on all of them, on clusters started
anew; which comes first takes turns. Prints the windows a second of both and their ratio, from when the first actor has
opened its model and inputs to the end of the merge (`work`), and of whole runs with what actors take to start (`run`);
then the median of each. Exits with 1 where a byte differs.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dnabert_fast
from dnabert_fast import scan

DEMO = Path(dnabert_fast.__file__).parent / "demo"
REGION_BASES = 16_000
STRIDE = 40


def regions(path: Path, count: int) -> Path:
    """A BED file of so many regions of the demo's chromosome, a shard each."""
    step = (3_900_000 - 60_000) // count
    assert step >= REGION_BASES, "too many regions for the piece of chr20"
    starts = [60_000 + i * step for i in range(count)]
    path.write_text("".join(f"chr20\t{start}\t{start + REGION_BASES}\n" for start in starts))
    return path


@contextmanager
def cluster(cores: Sequence[int]) -> Iterator[str]:
    """The address of a cluster with a node on each of these cores, and a head that offers nothing."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    before = os.sched_getaffinity(0)
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})  # which the node and its actors inherit
            made.add_node(num_cpus=1)
    finally:
        os.sched_setaffinity(0, before)
    try:
        yield made.address
    finally:
        made.shutdown()


def once(folder: Path, bed: Path, cores: Sequence[int]) -> tuple[bytes, float, float, int]:
    """The bytes of a scan on such nodes, the seconds of its work and of the whole run, and its windows."""
    begun: list[float] = []

    def progress(what: str, unit: str, total: int | None) -> Any:
        begun.append(time.monotonic())
        return lambda done, share=None: None

    folder.mkdir()
    with cluster(cores) as address:
        began = time.monotonic()
        facts = scan(
            DEMO / "chr20_piece.fa.gz", model="demo", output=folder / "o.bw", stride=STRIDE, regions=bed, device="cpu",
            threads=1, work=folder / "w", shard_size=1, ray=address, progress=progress,
        )  # fmt: skip
        ended = time.monotonic()
    return (folder / "o.bw").read_bytes(), ended - begun[-1], ended - began, facts["windows"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--regions", type=int, default=120)
    parser.add_argument("--nodes", type=int, default=2)
    asked = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    logging.getLogger("ray").setLevel(logging.ERROR)
    cores = sorted(os.sched_getaffinity(0))[: asked.nodes]
    if len(cores) < asked.nodes:
        raise SystemExit(f"{asked.nodes} nodes need as many cores; there are {len(cores)}")
    found: dict[str, list[float]] = {"work": [], "run": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bed = regions(folder / "regions.bed", asked.regions)
        for pair in range(asked.pairs):
            told = {}
            for which in (cores[:1], cores) if pair % 2 == 0 else (cores, cores[:1]):
                told[len(which)] = once(folder / f"{pair}-{len(which)}", bed, which)
            one, all_of = told[1], told[len(cores)]
            if one[0] != all_of[0]:
                raise SystemExit("the bytes differ")
            for what, at in (("work", 1), ("run", 2)):
                found[what].append(one[at] / all_of[at])
                rates = f"{one[3] / one[at]:,.0f} and {all_of[3] / all_of[at]:,.0f} windows/s"
                print(f"pair {pair + 1}, {what}: {rates}, {found[what][-1]:.2f} times as fast", flush=True)
    for what, ratios in found.items():
        print(f"{what}: {len(cores)} nodes are {statistics.median(ratios):.2f} times as fast as one; the same bytes")


if __name__ == "__main__":
    main()
