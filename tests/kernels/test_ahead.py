"""Every launch of every kernel compiles for chips that are not there, fits them, and multiplies with their units.

Compiled in processes of their own, since Triton's interpreter must not be on. By default heads of 64 on all chips and
the row-wise kernels for 90; DNABERT_AHEAD=all takes every launch for every chip, and in fp16 what runs in bf16.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "ahead.py"
ALL = os.environ.get("DNABERT_AHEAD") == "all"
ARCHS = ("80", "86", "89", "90", "100", "120") if ALL else ("80", "86", "89", "90", "100")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800 if ALL else 600)]


def run(*command: str) -> str:
    """What a fresh interpreter prints that compiles kernels; exit code 1 says that a launch has a fault."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    pytest.importorskip("triton")
    return json.loads(run(str(SCRIPT), "--json", "--arch", ",".join(ARCHS), *["--all"] * ALL))


def test_every_launch_fits_its_chip(found: dict[str, Any]) -> None:
    faults = [
        f"{use['kernel']} {use['name']} on {use['arch']}: {use['faults']}" for use in found["uses"] if use["faults"]
    ]
    assert not faults, "\n".join(faults)


def test_every_kernel_that_is_launched_is_compiled(found: dict[str, Any]) -> None:
    assert len(found["launched"]) >= 10
    assert found["launched"] == sorted({use["kernel"] for use in found["uses"]})


def test_attention_uses_wgmma_on_hopper(found: dict[str, Any]) -> None:
    large = [use for use in found["uses"] if use["arch"] == 90 and use["tile"] >= 64]
    assert len({use["kernel"] for use in large}) == 3
    assert {use["dots"] for use in large} == {"wgmma"}


def test_a_launch_that_is_too_large_is_seen() -> None:
    """A tile of 256 KiB on 90, one that spills, and one whose products are not 16 bits."""
    pytest.importorskip("triton")
    code = f"""
import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})
from dataclasses import replace
from ahead import compiled, faults
from dnabert_fast.kernels import attention_forward
for entry in attention_forward.ahead(90):
    if entry.constexprs["DIM"] == 128 and not entry.constexprs["DROPOUT"] and entry.signature["query"] == "*bf16":
        break
large = replace(entry, constexprs={{**entry.constexprs, "BLOCK_M": 128, "BLOCK_N": 128}}, warps=8, stages=4)
print("large", *faults(compiled(large, 90, 90)), sep="|")
few = replace(entry, constexprs={{**entry.constexprs, "BLOCK_M": 128, "BLOCK_N": 64}}, warps=1, stages=2)
print("few", *faults(compiled(few, 90, 90)), sep="|")
"""
    seen = dict(line.split("|", 1) for line in run("-c", code).splitlines())
    assert "shared memory" in seen["large"]
    assert "spilled" in seen["few"]
    assert "not wgmma" in seen["few"]
