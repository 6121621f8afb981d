"""What the README's commands leave in the repository is no change of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OUTPUTS = re.compile(r"(?:\s-o|--output|--calls|--high|--report|--summary|--work|\s>)\s+([\w./-]+)(?=\s|$)")


def written() -> list[str]:
    """The files and folders that the commands of the README's blocks write, by their names."""
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    commands = [line for block in blocks for line in block.splitlines() if re.match(r"\$ |\S*python3? ", line)]
    return sorted({name for line in commands for name in OUTPUTS.findall(line) if name != "-"})


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git repository")
def test_the_readmes_outputs_are_ignored() -> None:
    names = written()
    assert {"scored.vcf.gz", "calls.bed", "part.bed"} <= set(names)
    # A folder is known by its slash, and its name says whether it is one.
    asked = [name if "." in name else f"{name}/" for name in names]
    asked += [f"{name}.tbi" for name in names if name.endswith(".gz")]
    found = subprocess.run(
        ["git", "check-ignore", "--no-index", *asked], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert set(asked) - set(found.stdout.splitlines()) == set()
