"""Columns as tab-separated text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import vcf as oracle

from dnabert_fast.seq.table import format_table

F32 = np.float32
FLOATS = st.one_of(
    st.floats(width=32, allow_infinity=False),
    st.integers(0, 2**32 - 1).map(lambda bits: float(np.array(bits, np.uint32).view(F32))),
    st.integers(0, 1_000_001).map(lambda n: float(F32(n / 1e6))),
    st.integers(-40, 38).map(lambda e: float(F32(10.0) ** F32(e))),
    st.integers(-(2**21), 2**21).map(lambda n: n / 2**4),  # many of these end in a five after six digits
).filter(lambda value: abs(value) != float("inf"))


def lines(*columns: object) -> list[list[str]]:
    text = format_table(list(columns)).tobytes().decode()  # type: ignore[arg-type]
    assert text.endswith("\n") or not text
    return [line.split("\t") for line in text.splitlines()]


@given(st.lists(FLOATS, max_size=30))
@example([0.5, -0.0, float("nan"), 1e-45, 3.4028235e38, 999999.5, 9.999995, 1e-4, 9.9999e-5, 123456.5, 123457.5])
def test_floats_are_those_of_printf(values: list[float]) -> None:
    assert lines(np.array(values, F32)) == [[oracle.number(value)] for value in values]


def test_every_exponent() -> None:
    random = np.random.default_rng(5)
    bits = random.integers(0, 2**32, 200_000, dtype=np.uint32).view(F32)
    values = np.concatenate([bits[np.isfinite(bits)], np.arange(1, 200_000, dtype=F32) / F32(1e5)])
    assert [row[0] for row in lines(values)] == [oracle.number(value) for value in values.tolist()]


@given(
    st.lists(
        st.tuples(st.text("abc é", max_size=5), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)),
        max_size=20,
    )
)
def test_columns_of_all_kinds(rows: list[tuple[str, int, int]]) -> None:
    encoded = [text.encode() for text, _, _ in rows]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
    names = (np.frombuffer(b"".join(encoded), np.uint8), offsets)
    longs = np.array([row[1] for row in rows], np.int64)
    ints = np.array([row[2] for row in rows], np.int32)
    assert lines(names, longs, ints, names) == [[t, str(a), str(b), t] for t, a, b in rows]


def test_wrong_columns_are_value_errors() -> None:
    n = np.arange(3)
    text = np.frombuffer(b"abc", np.uint8)
    for other in (n[:2], n.astype(np.float64), n[::2], (text, np.array([0, 1, 2])), (text, np.array([0, 2, 1, 3])),
                  (text, np.array([0, 1, 2, 4])), (text, np.array([-1, 1, 2, 3]))):  # fmt: skip
        with pytest.raises(ValueError, match=r"column|offsets"):
            format_table([n, other])  # type: ignore[list-item]
