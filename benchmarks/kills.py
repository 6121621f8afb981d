"""Kill jobs at random moments, go on with them, and compare the bytes with those of a run in one go.

    python benchmarks/kills.py [--runs N] [--jobs variants,scan,saturate,haplotypes] [--seed SEED] [--cost PAIRS]

Each run of a job with two workers (`--device cpu,cpu`) is killed by SIGKILL again and again until one comes to its end:
the whole run, one of its workers, or a worker and soon after the run. A line a run says what was killed and how many
shards each kill cost: those that a worker had been given units of, and that had no receipt. Exits with 1 where a byte
differs, or where a kill cost more shards than there are workers. `--cost` times as many pairs of runs in one process,
straight and with --work in turns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dnabert_fast

WORKERS = 2
DEMO = Path(dnabert_fast.__file__).parent / "demo"
_LOG = "DNABERT_KILLS_LOG"
_UNIT_RECORDS, _SECTION_BYTES = 64, 7 * 64 * 720  # seven units a section, as of dbSNP, in a file that is small
_REGIONS, _REGION_BASES = 64, 2000
_SNV_BASES = 40  # of each region that saturate scores
_UNIT_BASES, _SHARD_UNITS, _UNIT_WINDOWS = 20, 7, 64
_PATIENCE = 240.0


@dataclass(frozen=True)
class Job:
    """A command as words, less the output and the work folder, and the name of its output."""

    name: str
    words: tuple[str, ...]
    output: str

    def at(self, folder: Path, *more: object) -> list[str]:
        """The command with its output in a folder."""
        return [*self.words, "-o", str(folder / self.output), *map(str, more), "-q"]


@dataclass
class Killed:
    """What became of a run: what was killed in turn, and the shards that each end of a run cost."""

    what: list[str] = field(default_factory=list)
    redone: list[int] = field(default_factory=list)


def jobs(folder: Path) -> dict[str, Job]:
    """A job of each verb on embedded data: real variants, and regions for a scan or a table of sixteen shards."""
    vcf, bed, few = DEMO / "HG002_chr20_piece.vcf.gz", folder / "regions.bed", folder / "few.bed"
    starts = [60_000 + i * 60_000 for i in range(_REGIONS)]
    for path, bases in ((bed, _REGION_BASES), (few, _SNV_BASES)):
        path.write_text("".join(f"chr20\t{start}\t{start + bases}\n" for start in starts))
    genome, device = str(DEMO / "chr20_piece.fa.gz"), ("--device", ",".join(["cpu"] * WORKERS))
    shared = ("--model", "demo", "--window", "60", "--precision", "fp32", "--threads", str(WORKERS), *device)
    scanned = ("--stride", "10", "--regions", str(bed), "--calls", str(folder / "calls.bed.gz"))
    return {
        "variants": Job("variants", ("variants", str(vcf), genome, *shared), "out.vcf.gz"),
        "scan": Job("scan", ("scan", genome, *shared, *scanned), "out.bw"),
        "saturate": Job("saturate", ("saturate", str(few), genome, *shared), "out.tsv.gz"),
        "haplotypes": Job("haplotypes", ("haplotypes", str(vcf), genome, *shared), "out.tsv.gz"),
    }


def checksum(folder: Path) -> str:
    """Of all files of a folder, by their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def start(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Begin a command, which keeps a log of the units that are handed to workers."""
    given = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1", _LOG: str(log)}
    command = [sys.executable, __file__, "--watched", *words]
    return subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(run: subprocess.Popen[bytes]) -> None:
    """Wait for a command that has to end well."""
    _, said = run.communicate(timeout=_PATIENCE)
    if run.returncode != 0:
        raise AssertionError(f"ended with {run.returncode}: {said.decode()}")


def workers_of(process: int) -> list[int]:
    """The processes that a run has started for its devices."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def receipts(work: Path) -> set[int]:
    """The shards that are done."""
    return {int(path.stem) for path in work.glob("shards/*/[0-9]*.json")}


def begun(log: Path) -> set[int]:
    """The shards of which a worker has been given units, as the log of a run says."""
    shard_of: dict[int, int] = {}
    handed: set[int] = set()
    lines = log.read_text().splitlines() if log.exists() else []
    for line in lines:
        kind, *numbers = line.split()
        if kind == "unit":
            shard_of[int(numbers[0])] = int(numbers[1])
        else:
            handed.add(int(numbers[0]))
    return {shard_of[number] for number in handed}


def outlives(job: Job, folder: Path, expected: str, seconds: float, draw: random.Random) -> Killed:
    """Kill a job at random moments until a run of it ends; `seconds` are about what its work takes.

    AssertionError where the bytes are not the expected ones.
    """
    out, work, told = folder / "out", folder / "work", Killed()
    out.mkdir()
    words = [word.replace(str(folder.parent / "calls"), str(out / "calls")) for word in job.at(out, "--work", work)]
    run = None
    for turn in range(50):
        log = folder / f"log{turn}"
        run = start(words, log)
        _wait(lambda log=log: log.exists(), run)
        how = draw.choice(["run", "run", "worker", "worker, run"])
        time.sleep(draw.uniform(0, seconds))
        if how != "run" and (there := workers_of(run.pid)):
            with suppress(ProcessLookupError):
                os.kill(draw.choice(there), signal.SIGKILL)
                told.what.append("worker")
            time.sleep(draw.uniform(0, seconds))
        if how == "worker" or run.poll() is not None:
            finished(run)
            break
        run.send_signal(signal.SIGKILL)
        run.communicate()
        told.what.append("run")
        told.redone.append(len(begun(log) - receipts(work)))
    assert run is not None
    if run.returncode != 0:
        raise AssertionError("killed every time")
    assert checksum(out) == expected, f"{job.name}: other bytes after {told}"
    assert not list(work.rglob(".*.partial")), "something half-written is left"
    return told


def _wait(there: Any, run: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + _PATIENCE
    while not there() and run.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)


def unstopped(job: Job, folder: Path) -> tuple[str, float]:
    """The checksum of a run in one go, and the seconds that one in shards takes from its first unit on."""
    straight, out, log = folder / "straight", folder / "sharded", folder / "log"
    for path in (straight, out):
        path.mkdir()

    def words(into: Path, *more: object) -> list[str]:
        return [word.replace(str(folder.parent / "calls"), str(into / "calls")) for word in job.at(into, *more)]

    finished(start(words(straight), folder / "unused"))
    run = start(words(out, "--work", folder / "work"), log)
    _wait(log.exists, run)
    began = time.monotonic()
    finished(run)
    assert checksum(straight) == checksum(out), f"{job.name}: shards give other bytes"
    return checksum(straight), time.monotonic() - began


def kills(
    folder: Path,
    names: Sequence[str],
    runs: int,
    seed: int,
) -> Iterator[tuple[str, Killed]]:
    """So many runs, of each job in turn, that were killed; AssertionError where one does not give the same bytes."""
    draw = random.Random(seed)
    given = jobs(folder)
    whole = {}
    for name in names if runs else ():
        place = folder / f"whole-{name}"
        place.mkdir()
        whole[name] = unstopped(given[name], place)
    for turn in range(runs):
        name = names[turn % len(names)]
        place = folder / f"run{turn}"
        place.mkdir()
        told = outlives(given[name], place, *whole[name], draw)
        shutil.rmtree(place)
        yield name, told


def cost(folder: Path, names: Sequence[str], pairs: int) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds of a job with --work over those without, medians of pairs, in turns in one process."""
    import torch

    from dnabert_fast import scan, variants
    from dnabert_fast.workflows.haplotypes import haplotypes
    from dnabert_fast.workflows.saturate import saturate

    torch.set_num_threads(WORKERS)
    jobs(folder)
    genome, vcf, bed = DEMO / "chr20_piece.fa.gz", DEMO / "HG002_chr20_piece.vcf.gz", folder / "regions.bed"
    runs: dict[str, Callable[..., Any]] = {
        "variants": partial(variants, vcf, genome, output=folder / "o.vcf.gz"),
        "scan": partial(scan, genome, output=folder / "o.bw", stride=10, regions=bed),
        "saturate": partial(saturate, genome, output=folder / "o.tsv.gz", regions=folder / "few.bed"),
        "haplotypes": partial(haplotypes, vcf, genome, output=folder / "h.tsv.gz"),
    }
    shared: dict[str, Any] = {"model": "demo", "window": 300, "precision": "fp32", "device": "cpu"}
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in names}

    def once(name: str, work: Path | None) -> tuple[float, float]:
        began, used = time.monotonic(), time.process_time()
        runs[name](work=work, **shared)
        return time.monotonic() - began, time.process_time() - used

    for turn in range(pairs + 1):  # the first warms up
        for name in names:
            work = folder / f"cost-{name}-{turn}"
            order = (None, work) if turn % 2 else (work, None)
            times = {how: once(name, how) for how in order}
            shutil.rmtree(work)
            if turn:
                wall, used = (a / b for a, b in zip(times[work], times[None], strict=True))
                ratios[name].append((wall, used))
    return {
        name: (statistics.median(wall for wall, _ in found), statistics.median(used for _, used in found))
        for name, found in ratios.items()
    }


def _watched(words: list[str]) -> None:
    """The command line in small units, with a log of which shard each is of and of those handed to workers."""
    import dnabert_fast.workflows.record_input as of_records
    import dnabert_fast.workflows.saturate as of_snvs
    from dnabert_fast.analysis import carriers, saturate
    from dnabert_fast.cli import main as command_line
    from dnabert_fast.engine.fleet import _Running
    from dnabert_fast.workflows.jobs import Results

    of_records.UNIT_RECORDS, of_records.SECTION_BYTES = _UNIT_RECORDS, _SECTION_BYTES
    saturate.UNIT_BASES, of_snvs._SHARD_UNITS, carriers._UNIT_WINDOWS = _UNIT_BASES, _SHARD_UNITS, _UNIT_WINDOWS
    log = os.open(os.environ[_LOG], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    follow, hand_out = Results.follow, _Running._hand_out
    seen: set[int] = set()

    def followed(self: Any, units: Any) -> Any:
        def noted() -> Any:
            for number, (shard, unit) in enumerate(units, 1):
                os.write(log, f"unit {number} {shard}\n".encode())
                yield shard, unit

        return follow(self, noted())

    def handed(self: Any) -> None:
        hand_out(self)
        there = {number for member in self._members for number in member.jobs}
        os.write(log, "".join(f"handed {number}\n" for number in sorted(there - seen)).encode())
        seen.update(there)

    Results.follow, _Running._hand_out = followed, handed  # type: ignore[method-assign]
    sys.argv[1:] = words
    command_line()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--jobs", default="variants,scan")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--cost", type=int, default=0, metavar="PAIRS")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redone: list[int] = []
        dead = 0
        for turn, (job, told) in enumerate(kills(folder, asked.jobs.split(","), asked.runs, asked.seed), 1):
            redone += told.redone
            dead += len(told.what)
            print(f"{turn} {job}: killed {', '.join(told.what) or 'nothing'}; shards redone {told.redone}", flush=True)
        if asked.runs:
            print(f"{asked.runs} runs, seed {asked.seed}: {dead} kills, {len(redone)} of whole runs; the same bytes")
            print(f"shards redone a kill: {statistics.mean(redone or [0]):.2f}, at most {max(redone, default=0)}")
            assert max(redone, default=0) <= WORKERS
        if asked.cost:
            for job, (wall, used) in cost(folder, asked.jobs.split(","), asked.cost).items():
                print(f"{job}: with --work {wall:.3f} of the seconds without, {used:.3f} of the processors' seconds")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watched"]:
        _watched(sys.argv[2:])
    else:
        main()
