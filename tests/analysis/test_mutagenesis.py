"""Changed windows against the same made by hand, one at a time, whatever the units, the strand and the backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast import Model, load
from dnabert_fast.analysis import mutagenesis
from dnabert_fast.analysis.mutagenesis import (
    MutationSummary,
    all_substitutions,
    deletions,
    edited,
    edited_logits,
    substitutions,
)
from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import Windows

WINDOWS = [b"ACGTTGCAAGTTTTTTCAGGNCATTA", b"ggattacagatta", b"CCCCCCCCCCCC"]
COMPLEMENT = bytes.maketrans(b"ACGTNacgtn", b"TGCANtgcan")


def by_hand(model: Model, window: bytes, reverse: bool = False) -> np.ndarray:
    """Logits of one window."""
    bases = window.translate(COMPLEMENT)[::-1] if reverse else window
    return model.logits(model.prepare(Windows.from_strings([bases])))[0]


@pytest.mark.parametrize("strand", ["+", "-", "both"])
def test_substitutions_are_those_made_by_hand(model: Model, strand: str) -> None:
    model = model.with_strand(strand)
    windows = Windows.from_strings(WINDOWS)
    reverse = np.array([False, True, False])
    reference, mutant = all_substitutions(model, windows, reverse)
    assert mutant.shape == (sum(map(len, WINDOWS)), 4, 2)
    for row, window in enumerate(WINDOWS):
        np.testing.assert_allclose(reference[row], by_hand(model, window, bool(reverse[row])), atol=2e-5)
        for at in range(len(window)):
            for column, letter in enumerate(b"ACGT"):
                changed = window[:at] + bytes([letter]) + window[at + 1 :]
                found = mutant[windows.offsets[row] + at, column]
                np.testing.assert_allclose(found, by_hand(model, changed, bool(reverse[row])), atol=2e-5)
                if changed.upper() == window.upper():
                    assert (found == reference[row]).all()


def test_each_base_is_put_for_the_others_once() -> None:
    edits = substitutions(Windows.from_strings([b"AnU"]))
    assert edits.inserted.bases.tobytes() == b"CGT" + b"ACGT" + b"ACG"
    assert edits.at.tolist() == [0] * 3 + [1] * 4 + [2] * 3


@pytest.mark.parametrize(("flank", "filled"), [(b"", b"N"), (b"TGA", b"TGA")])
def test_deletions_take_in_what_follows_then_unknown_bases(model: Model, flank: bytes, filled: bytes) -> None:
    window, longest = WINDOWS[1], 3
    spans, lengths = Windows.from_strings([window + flank]), np.array([len(window)])
    edits = deletions(lengths, longest)
    changed = edited(spans, edits)
    assert len(edits) == sum(len(window) - gone + 1 for gone in (1, 2, 3))
    _, logits = edited_logits(model, spans, lengths, edits)
    for row in range(0, len(edits), 5):
        at, gone = int(edits.at[row]), int(edits.deleted[row])
        made = window[:at] + window[at + gone :] + (filled + b"N" * longest)[:gone]
        assert changed[row] == (made if flank else window[:at] + window[at + gone :] + b"N" * gone)
        np.testing.assert_allclose(logits[row], by_hand(model, made if flank else changed[row]), atol=2e-5)


def test_no_deletion_is_longer_than_its_window() -> None:
    edits = deletions(np.array([2, 0, 4]), 3)
    rows = list(zip(edits.window.tolist(), edits.deleted.tolist(), edits.at.tolist(), strict=True))
    assert rows == [(0, 1, 0), (0, 1, 1), (0, 2, 0)] + [(2, 1, i) for i in range(4)] + [
        (2, 2, 0), (2, 2, 1), (2, 2, 2), (2, 3, 0), (2, 3, 1)
    ]  # fmt: skip
    assert len(deletions(np.array([5]), 0)) == 0
    assert len(deletions(np.array([2, 1]), 10**12)) == 4  # no longer than the windows


def test_units_do_not_change_the_answers(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a few changes each, so that a window's are in several units, and the window is read again with them."""
    windows = Windows.from_strings(WINDOWS)
    edits = deletions(windows.lengths, 4)
    whole = edited_logits(model, windows, windows.lengths, edits)
    monkeypatch.setattr(mutagenesis, "UNIT_EDITS", 7)
    summary, done = MutationSummary(), []
    parts = edited_logits(model, windows, windows.lengths, edits, None, summary, done.append)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert (summary.windows, summary.mutants) == (3, len(edits)) == (3, sum(done))


def test_what_spells_the_window_has_exactly_its_logits(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of a run deleted where the run goes on beyond the window; in units of four as well."""
    window = WINDOWS[2]
    lengths = np.array([len(window)])
    for size in (4096, 4):
        monkeypatch.setattr(mutagenesis, "UNIT_EDITS", size)
        summary = MutationSummary()
        spans = Windows.from_strings([window + b"CC"])
        reference, changed = edited_logits(model, spans, lengths, deletions(lengths, 2), None, summary)
        assert (changed == reference[0]).all()
        assert summary.pieces_encoded == (1 if size == 4096 else -(-24 // size))


def test_long_windows_share_the_pieces_that_stay(make_model: Callable[..., Path], chr20_window: bytes) -> None:
    model = load(make_model("xl-mean"))
    summary = MutationSummary()
    windows = Windows.from_strings([chr20_window])
    edits = substitutions(windows).take(np.arange(0, 3 * len(chr20_window), 97))
    reference, changed = edited_logits(model, windows, windows.lengths, edits, None, summary)
    assert summary.pieces == 3 * (len(edits) + 1)
    # A base is in one piece, or in two where k-mers of both cover it.
    assert len(edits) < summary.pieces_encoded < 1.1 * len(edits) + 3
    at = int(edits.at[5])
    made = chr20_window[:at] + edits.inserted[5] + chr20_window[at + 1 :]
    np.testing.assert_allclose(changed[5], by_hand(model, made), atol=2e-5)
    np.testing.assert_allclose(reference[0], by_hand(model, chr20_window), atol=2e-5)


@pytest.fixture(scope="module")
def chr20_window(data: Path) -> bytes:
    """1,300 real bases: three pieces."""
    lines = (data / "fasta" / "chrM.fasta").read_bytes().split(b"\n")[1:]
    return b"".join(lines)[1000:2300]


def test_the_reference_backend_says_the_same(make_model: Callable[..., Path]) -> None:
    folder, windows = make_model(), Windows.from_strings(WINDOWS)
    found = [all_substitutions(load(folder, backend=name), windows)[1] for name in ("cpu", "reference")]
    np.testing.assert_allclose(*found, atol=2e-5)


@pytest.mark.parametrize(
    ("head", "labels", "why"),
    [("none", (), "no classification"), ("mlm", (), "no classification"), ("token", ("a", "b"), "scores bases")],
)
def test_models_that_score_no_windows_are_refused(
    make_model: Callable[..., Path], head: str, labels: tuple[str, ...], why: str
) -> None:
    with pytest.raises(DnabertError, match=why):
        all_substitutions(load(make_model(head, labels)), Windows.from_strings(WINDOWS))


def test_windows_shorter_than_a_kmer_are_refused(model: Model) -> None:
    with pytest.raises(DnabertError, match="window 2 has 2 bases; the model reads 3-mers"):
        all_substitutions(model, Windows.from_strings([b"ACGT", b"AC"]))


def test_no_windows_have_no_answers(model: Model) -> None:
    reference, mutant = all_substitutions(model, Windows.from_strings([]))
    assert (reference.shape, mutant.shape) == ((0, 2), (0, 4, 2))
