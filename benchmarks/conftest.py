"""What benchmarks may be told on the command line, and two threads for all that torch does."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="small networks, few windows: that it runs, not how fast")
    parser.addoption("--data", help="folder of larger inputs; see benchmarks/README.md")


@pytest.fixture(scope="session")
def quick(pytestconfig: pytest.Config) -> bool:
    """Whether to use small networks and few windows."""
    return bool(pytestconfig.getoption("--quick"))


@pytest.fixture(scope="session")
def larger_data(pytestconfig: pytest.Config) -> Path:
    """The folder of larger inputs; without one what needs it is skipped."""
    folder = pytestconfig.getoption("--data")
    if folder is None:
        pytest.skip("needs --data FOLDER")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _two_threads() -> None:
    import torch

    torch.set_num_threads(2)
