"""Hidden k-mers against a loop over windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import Windows, tokenize
from dnabert_fast.seq.hidden import hide
from dnabert_fast.seq.vocab import MASK

Row = tuple[str, int, int, bool]
rows = st.tuples(st.text("ACGTN", max_size=30), st.integers(-6, 34), st.integers(0, 12), st.booleans())


@given(st.integers(3, 6), st.lists(rows, min_size=1, max_size=8))
def test_hidden_kmers_are_masked_and_told(k: int, drawn: list[Row]) -> None:
    texts, first, count, reverse = (list(column) for column in zip(*drawn, strict=True))
    windows, backward = Windows.from_strings(texts), np.array(reverse)
    whole = tokenize(windows, k, backward)
    batch, hidden = hide(windows, k, np.array(first, np.int64), np.array(count, np.int64), backward)
    assert batch.cu_seqlens.tolist() == whole.cu_seqlens.tolist()
    for i, (text, begin, n, back) in enumerate(drawn):
        piece = slice(whole.cu_seqlens[i], whole.cu_seqlens[i + 1])
        expected, gone = whole.ids[piece].tolist(), []
        kmers = max(0, len(text) - k + 1)
        for j in range(kmers):
            genomic = kmers - 1 - j if back else j
            if begin <= genomic < begin + n:
                gone.append(expected[j + 1])
                expected[j + 1] = MASK
        assert batch.ids[piece].tolist() == expected
        assert hidden.ids[hidden.offsets[i] : hidden.offsets[i + 1]].tolist() == gone
        if gone:
            assert expected[hidden.first[i] : hidden.first[i] + len(gone)] == [MASK] * len(gone)


def test_a_window_of_several_pieces_is_refused() -> None:
    zero = np.zeros(1, np.int64)
    hide(Windows.from_strings(["A" * 515]), 6, zero, zero + 1, np.zeros(1, np.bool_))
    with pytest.raises(DnabertError, match="516 bases is longer than the 515"):
        hide(Windows.from_strings(["A" * 516]), 6, zero, zero + 1, np.zeros(1, np.bool_))
