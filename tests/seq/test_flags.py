"""Flags as names against what is written down by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dnabert_fast.seq.flags import count_flags, spell_flags

NAMES = ("A", "B", "C", "A")


@pytest.mark.parametrize(("bits", "spelt"), [(0, "."), (1, "A"), (6, "B&C"), (9, "A&A")])
def test_spelt(bits: int, spelt: str) -> None:
    assert spell_flags(bits, NAMES) == spelt


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_counted(dtype: type[np.uint16] | type[np.uint32]) -> None:
    """Two bits of one name are counted together, and a bit that never is set has no count."""
    counts = count_flags(np.array([0, 1, 9, 8, 4], dtype), NAMES)
    assert dict(counts) == {"A": 4, "C": 1}
