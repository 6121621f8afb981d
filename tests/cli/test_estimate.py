"""`--estimate` as users type it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dnabert_fast.cli.estimate import show_estimate
from dnabert_fast.workflows import estimate as module

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("verb", ["variants", "scan", "predict", "embed"])
def test_a_run_is_foretold_and_not_made(
    verb: str, cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.0)
    given = {"variants": (vcf, genome, "--window", 12), "scan": (genome, "--window", 12)}.get(verb, (genome,))
    name = {"variants": "o.vcf.gz", "scan": "o.bw", "predict": "o.tsv", "embed": "o.npy"}[verb]
    words = (verb, *given, "-m", model, "-o", out / name, "--device", "cpu", "--precision", "fp32")
    code, stdout, err = cli(*words, "--estimate", "--machines", 2, "--summary", out / "facts.json")
    assert (code, stdout) == (0, "")
    facts = json.loads((out / "facts.json").read_text())
    assert os.listdir(out) == ["facts.json"]
    assert err.splitlines()[0] == f"{verb} would take, on cpu in fp32"
    assert re.search(rf"^passes through the encoder +{facts['passes']:,} *$", err, re.MULTILINE)
    for name in ("time here", "time on 2 such machines", "memory", "output"):
        assert re.search(rf"^{name} +[0-9.]+ (s|kB|MB|GB) *$", err, re.MULTILINE)
    assert "measured: " in err
    code, _, err = cli(*words, "--machines", 2)
    assert code == 1
    assert "--machines 2 belongs to --estimate" in err


def test_large_numbers_are_shown_in_their_units(capfd: pytest.CaptureFixture[str]) -> None:
    show_estimate(
        {
            "of": "variants", "item": "records", "items": 1_100_000_000, "exact": False, "windows": 2, "passes": 1,
            "seconds": 3e6, "machines": 32, "seconds_on_machines": 93_750.0, "memory_bytes": 2_500_000_000,
            "device": "cuda:0", "device_memory_bytes": 7e10, "output_bytes": 3.2e11, "precision": "bf16",
            "measured": None, "units_counted": 16, "notes": ["a note"],
        }
    )  # fmt: skip
    err = capfd.readouterr().err
    for text in ("about 1,100,000,000", "34.7 days", "26.0 h", "2.5 GB", "70.0 GB", "320.0 GB", "note: a note"):
        assert text in err
