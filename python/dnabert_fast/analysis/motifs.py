"""Motifs out of what a model attends to: enriched strings merged, and the windows round them counted. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import DnabertError
from ..seq.batch import Windows
from ..seq.types import F64, I64, U8, Bool
from .candidates import BASES, Candidates, Instances, base_codes

__all__ = [
    "Criteria",
    "FoundMotif",
    "Sites",
    "background_of",
    "consensus",
    "find_motifs",
    "informative",
    "probabilities",
]

_INFORMATIVE = 0.15
"""Bits that a column must be worth for a motif to reach over it."""

_PSEUDO = 1.0
"""Sites' worth of the background that is added to the counts of every column."""

# Letters of IUPAC for sets of bases, bit 0 for A to bit 3 for T.
_IUPAC = "?ACMGRSVTWYHKDBN"


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What makes a motif; the defaults are those of Ji et al. 2021.

    `width` bases make the window of a site; strings of `min_length` bases or more join a motif where at least
    max(min_length - 1, half of the shorter string's) are equal; their adjusted p is below `cutoff`; a motif has
    `min_sites` sites or more. With `all_ties` a string that fits several motifs equally well joins all of them.
    """

    width: int = 24
    min_length: int = 5
    cutoff: float = 0.005
    min_sites: int = 3
    all_ties: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.min_length < 1 or self.min_sites < 1:
            raise DnabertError("--width, --min-length and --min-sites are numbers from 1 up")
        if not 0 < self.cutoff <= 1:
            raise DnabertError(f"--cutoff {self.cutoff:g} is not a p-value above 0, up to 1")


@dataclass(frozen=True)
class Sites:
    """Where a motif stands: `width` bases of window[i] from start[i] on, on its other strand where reverse[i].

    Parts of sites may lie outside of their window: start[i] < 0, or beyond its end. i64[r] and bool[r].
    """

    window: I64
    start: I64
    reverse: Bool

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class FoundMotif:
    """A motif of merged strings: numbers of candidates, the most significant first, its sites and their bases.

    counts i64[width, 4] (A, C, G, T): what the sites have in each column; what lies outside of a sequence, and letters
    besides A, C, G, T, count nowhere. Columns `first` to `last` (half-open) are the motif less uninformative flanks.
    """

    strings: list[int]
    sites: Sites
    counts: I64
    first: int
    last: int


@dataclass
class _Growing:
    """A key, and the strings aligned to it: string, where the key begins in it, and whether it is turned round."""

    key: U8
    members: list[tuple[int, int, bool]] = field(default_factory=list)


def find_motifs(
    windows: Windows, candidates: Candidates, criteria: Criteria, both_strands: bool = True
) -> list[FoundMotif]:
    """Motifs of the candidates that are significant, by the p of their best string, then by number of sites.

    Shorter strings first, and of those of one length the most significant first, each is aligned without gaps to all
    motifs' first strings and joins the one with which it has most bases in common, or begins a motif of its own.
    """
    chosen = np.flatnonzero(candidates.adjusted < criteria.cutoff)
    lengths = np.array([len(string) for string in candidates.strings], np.int64)
    p, adjusted = _comparable(candidates.p), _comparable(candidates.adjusted)
    chosen = chosen[np.lexsort((chosen, adjusted[chosen], lengths[chosen]))]
    firsts = np.searchsorted(candidates.instances.string, np.arange(len(candidates) + 1))
    found = []
    for group in _merge([candidates.strings[i] for i in chosen], criteria, both_strands):
        members = [(int(chosen[i]), at, turned) for i, at, turned in group.members]
        sites = _sites(windows, candidates.instances, firsts, members, len(group.key), criteria.width)
        if len(sites) < criteria.min_sites:
            continue
        counts = _count(windows, sites, criteria.width)
        first, last = informative(counts)
        strings = sorted({i for i, _, _ in members}, key=lambda i: (p[i], -candidates.positives[i], i))
        found.append(FoundMotif(strings, sites, counts, first, last))
    best = [p[motif.strings[0]] for motif in found]
    return [found[i] for i in sorted(range(len(found)), key=lambda i: (best[i], -len(found[i].sites), i))]


def _comparable(p: F64) -> F64:
    """p on a scale of its own order, of which equal ones stay equal whatever rounding did to them."""
    scale: F64 = np.round(np.log(np.maximum(p, np.finfo(np.float64).tiny)), 9)
    return scale


def background_of(windows: Windows, both_strands: bool = True) -> F64:
    """Share of A, C, G, T among the known bases f64[4]; with `both_strands` A and T have the same, and C and G."""
    counts = np.bincount(base_codes(windows.bases), minlength=5)[:4].astype(np.float64)
    if both_strands:
        counts = counts + counts[::-1]
    return counts / counts.sum() if counts.sum() else np.full(4, 0.25)


def probabilities(counts: I64, background: F64) -> F64:
    """Counts of a motif as probabilities f64[w, 4], rows summing to 1; one site's worth of the background is added."""
    shares: F64 = (counts + _PSEUDO * background) / (counts.sum(axis=1, keepdims=True) + _PSEUDO)
    return shares


def informative(counts: I64) -> tuple[int, int]:
    """The columns (first, and the one after the last) with the most information above 0.15 bits a column.

    So flanks go, and so does a telling column that lies further off than it is worth. Information is that of the
    counts, less the 3 / (2 ln 2 n) bits that n sites have by chance (Schneider et al. 1986). All columns where none
    tells as much.
    """
    n = counts.sum(axis=1)
    share = counts / np.maximum(n, 1)[:, None]
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
    bits = np.where(n > 0, 2 - entropy - 3 / (2 * np.log(2) * np.maximum(n, 1)), 0)
    running = np.concatenate([[0.0], np.cumsum(bits - _INFORMATIVE)])
    gain = np.tril(running[:, None] - running[None, :])  # of the columns from the second to the first number
    last, first = np.unravel_index(int(gain.argmax()), gain.shape)
    return (int(first), int(last)) if gain[last, first] > 0 else (0, len(counts))


def consensus(matrix: F64) -> str:
    """A motif in letters, by the rule of Cavener 1987.

    A base with more than half of a column and twice as much as the next, or two with more than three quarters, else N.
    """
    letters = []
    for column in matrix:
        order = np.argsort(-column, kind="stable")
        high, next_, *_ = column[order]
        bits = 15
        if high > 0.5 and high >= 2 * next_:
            bits = 1 << int(order[0])
        elif high + next_ > 0.75:
            bits = 1 << int(order[0]) | 1 << int(order[1])
        letters.append(_IUPAC[bits])
    return "".join(letters)


def _merge(strings: list[bytes], criteria: Criteria, both_strands: bool) -> list[_Growing]:
    """Groups of strings, given by length; `members` hold their numbers in `strings`."""
    groups: list[_Growing] = []
    widest = max(map(len, strings), default=0)
    keys = np.empty((0, widest), np.uint8)
    for number, string in enumerate(strings):
        codes = base_codes(np.frombuffer(string, np.uint8))
        fits = _fits(codes, keys, criteria.min_length, both_strands)
        for at, (group, place, turned) in enumerate(fits):
            if at == 0 or criteria.all_ties:
                groups[group].members.append((number, place, turned))
        if not fits:
            groups.append(_Growing(codes, [(number, 0, False)]))
            keys = np.concatenate([keys, np.full((1, widest), 4, np.uint8)])
            keys[-1, : len(codes)] = codes
    return groups


def _fits(codes: U8, keys: U8, min_length: int, both_strands: bool) -> list[tuple[int, int, bool]]:
    """Keys that a string fits best: number, where the key begins in it, and whether the string is turned round.

    Best is the most equal bases, then the fewest different ones; of one key's places the first on the forward strand.
    What is left are ties, in the order of the keys.
    """
    n, widest = len(keys), keys.shape[1]
    if not n:
        return []
    lengths = (keys < 4).sum(axis=1)
    places = np.arange(1 - widest, len(codes))
    equal, overlap = [], []
    for turned in (False, True) if both_strands else (False,):
        text = np.full(len(codes) + 2 * (widest - 1), 5, np.uint8)
        text[widest - 1 : widest - 1 + len(codes)] = 3 - codes[::-1] if turned else codes
        beside = np.lib.stride_tricks.sliding_window_view(text, widest)
        equal.append((keys[:, None, :] == beside[None]).sum(axis=2, dtype=np.int64))
        reach = np.minimum(places + lengths[:, None], len(codes)) - np.maximum(places, 0)
        overlap.append(np.maximum(reach, 0))
    score, shared = np.concatenate(equal, axis=1), np.concatenate(overlap, axis=1)
    rank = score * (widest + 1) - (shared - score)
    best = rank.argmax(axis=1)
    top, identities = rank[np.arange(n), best], score[np.arange(n), best]
    need = np.maximum(min_length - 1, 0.5 * np.minimum(lengths, len(codes)))
    good = np.flatnonzero(identities >= need)
    if not len(good):
        return []
    tied = good[top[good] == top[good].max()]
    return [(int(key), int(places[best[key] % len(places)]), bool(best[key] >= len(places))) for key in tied]


def _sites(
    windows: Windows, instances: Instances, firsts: I64, members: list[tuple[int, int, bool]], key: int, width: int
) -> Sites:
    """The windows round the places of a key of so many bases, each once, by window and start."""
    parts = []
    for string, place, turned in members:
        some = slice(int(firsts[string]), int(firsts[string + 1]))
        window = instances.window[some]
        reverse = instances.reverse[some] ^ turned
        length = windows.lengths[window]
        # Where the string begins on the strand that reads as the key.
        begin = np.where(reverse, length - instances.end[some], instances.start[some])
        start = begin + place - (width - key) // 2
        parts.append(np.stack([window, np.where(reverse, length - start - width, start), reverse]))
    window, start, reverse = np.unique(np.concatenate(parts, axis=1), axis=1)
    return Sites(window, start, reverse.astype(np.bool_))


def _count(windows: Windows, sites: Sites, width: int) -> I64:
    """What the sites have in each column, i64[width, 4]."""
    place = sites.start[:, None] + np.arange(width)
    length = windows.lengths[sites.window][:, None]
    inside = (place >= 0) & (place < length)
    at = np.where(inside, windows.offsets[sites.window][:, None] + place, 0)
    codes = np.where(inside, base_codes(windows.bases)[at], 4)
    complement = np.array([3, 2, 1, 0, 4])
    codes = np.where(sites.reverse[:, None], complement[codes[:, ::-1]], codes)
    found: I64 = np.stack([(codes == base).sum(axis=0) for base in range(len(BASES))], axis=1).astype(np.int64)
    return found
