"""What every test may use: the data folder, and one profile for hypothesis."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# Machines that run tests are shared: a slow example is no failure. In CI the same examples are drawn each time.
hypothesis.settings.register_profile("dnabert", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("dnabert")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real, small files."""
    return Path(__file__).parent / "data"
