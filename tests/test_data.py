"""Every file of others that lies among the tests is told of, with its source, in the README of its folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
FOLDERS = sorted(path.name for path in DATA.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_of_a_folder_tells_of_all_its_files(folder: str) -> None:
    rows = [line for line in (DATA / folder / "README.md").read_text().splitlines() if line.startswith("| ")]
    told = {name for row in rows for name in re.findall(r"[\w.-]+", row.split("|")[1])}
    there = {path.name for path in (DATA / folder).iterdir()} - {"README.md"}
    untold = {name for name in there if name not in told and Path(name).stem not in told}  # of an index: its file
    assert not untold
    assert {name for name in told if "." in name.strip(".") and name not in there} == set()
