"""Runs of one job at one time."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.jobs import Facts, Stopped, contents, fails, same

from dnabert_fast import status
from dnabert_fast.engine.jobs import Job
from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.jobs import Results

HOLD = """
import sys
from pathlib import Path
from dnabert_fast.engine.runs import alone
from dnabert_fast.errors import DnabertError
try:
    with alone(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3]))):
        print("held", flush=True)
        sys.stdin.read()
except DnabertError as error:
    print(error, flush=True)
"""


def test_two_runs_of_the_same_shards_at_once(
    run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], tmp_path: Path
) -> None:
    """The second is refused in one line, before it writes anything; runs of other shards are not."""
    out, work = tmp_path / "variants.vcf.gz", tmp_path / "w"
    run(out, work=work, shard="1/2")
    shards = status(work)["shards"]
    half = shards // 2
    words = [sys.executable, "-c", HOLD, str(work), "0", str(half)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for shard in (None, "1/2", "1/3"):
            with pytest.raises(DnabertError, match=rf"another run computes shards 1 to {half} .*process {other.pid}"):
                run(out, work=work, shard=shard)
        assert not out.exists()
        run(out, work=work, shard="2/2")
        other.kill()
    run(out, work=work)
    shutil.rmtree(work)
    assert contents(tmp_path) == contents(whole("variants.vcf.gz")[0])


@pytest.mark.parametrize("shard", [None, "1/2"])
def test_a_run_holds_its_shards_until_it_ends(run: Callable[..., Facts], tmp_path: Path, shard: str | None) -> None:
    work = tmp_path / "w"
    asked: dict[str, Any] = {"work": work, "shard": shard, "shard_size": 2}

    def claims(first: int, last: int) -> str:
        words = [sys.executable, "-c", HOLD, str(work), str(first), str(last)]
        return subprocess.run(words, input="", capture_output=True, text=True, check=True).stdout

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        finish = Results._finish

        def finished(results: Results[Any]) -> None:
            finish(results)
            said.extend((claims(0, 1), claims(4, 5)))
            raise Stopped

        patch.setattr(Results, "_finish", finished)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", **asked)
    assert "another run computes shards 1 to" in said[0]
    assert (said[1] == "held\n") == (shard is not None)
    assert claims(0, 5) == "held\n"  # it has ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "survey", fails)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", **asked)
    assert claims(0, 5) == "held\n"
    run(tmp_path / "embed.npy", **asked)
    assert claims(0, 5) == "held\n"


@pytest.mark.parametrize("name", ["scan.bw", "embed.npy", "variants.vcf.gz"])
def test_two_runs_at_once_where_nothing_can_be_locked(
    name: str, run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], tmp_path: Path
) -> None:
    """One does the whole job while the other is in the middle of a shard: the bytes are the same."""
    asked: dict[str, Any] = {"work": tmp_path / "w", "shard_size": 2}

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcntl.lockf", no_locks)
        write, results = Results.write, 0

        def between(own: Results[Any], result: Any) -> None:
            nonlocal results
            results += 1
            if results == 4:
                run(tmp_path / name, **asked)
            write(own, result)

        patch.setattr(Results, "write", between)
        told = run(tmp_path / name, **asked)
    assert "lies on a file system without locks" in told["notes"][-1]
    shutil.rmtree(tmp_path / "w")
    expected, facts = whole(name)
    assert contents(tmp_path) == contents(expected)
    assert same(told | {"notes": told["notes"][:-1]}, facts)
