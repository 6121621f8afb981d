"""Importing the package and asking for help are cheap: neither loads torch."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "transformers", "matplotlib", "pyarrow", "triton", "scipy", "sklearn")


def loaded_after(code: str) -> set[str]:
    """Heavy packages that a fresh interpreter has loaded after running some code."""
    script = f"import sys\n{code}\nprint('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import dnabert_fast") == set()


def test_help_loads_nothing_heavy() -> None:
    code = """
from dnabert_fast.cli import main
sys.argv = ["dnabert-fast", "--help"]
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""
    assert loaded_after(code) == set()


def test_seq_and_io_load_no_torch() -> None:
    modules = ("seq.batch", "seq.genome", "io.vcf", "io.tsv", "io.bigwig", "io.parquet", "report.tracks")
    code = "\n".join(f"import dnabert_fast.{module}" for module in modules)
    assert loaded_after(code) & {"torch", "matplotlib", "pyarrow"} == set()


def test_the_check_sees_what_is_loaded() -> None:
    assert "torch" in loaded_after("import torch")


def test_processors_need_no_triton() -> None:
    """The package imports, loads the shipped model and predicts where `import triton` fails."""
    code = """
sys.modules["triton"] = None  # makes any import of it raise ImportError
import dnabert_fast
scores = dnabert_fast.load("demo", device="cpu").predict(["ACGT" * 75, "TATAAAGC" * 40])
assert scores.shape == (2, 2) and abs(scores.sum(1) - 1).max() < 1e-6, scores
del sys.modules["triton"]
"""
    assert "triton" not in loaded_after(code)
