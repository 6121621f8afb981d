"""Jobs with two workers that are killed at random moments; `benchmarks/kills.py` does it as often as is asked."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kills import WORKERS, Killed, jobs, outlives, unstopped


@pytest.mark.timeout(300)
def test_killed_jobs_give_the_same_bytes(tmp_path: Path) -> None:
    """Until runs or workers have been killed three times."""
    draw = random.Random(3)
    [job] = [job for job in jobs(tmp_path).values() if job.name == "variants"]
    (tmp_path / "whole").mkdir()
    expected, seconds = unstopped(job, tmp_path / "whole")
    told: list[Killed] = []
    while sum(len(one.what) for one in told) < 3:
        place = tmp_path / f"run{len(told)}"
        place.mkdir()
        told.append(outlives(job, place, expected, seconds, draw))
    assert max((shards for one in told for shards in one.redone), default=0) <= WORKERS
