"""Fisher's exact test the plain way: the chance of every table, as fractions of whole numbers."""

from __future__ import annotations

from fractions import Fraction
from math import comb


def fisher(marked: int, n: int, other_marked: int, others: int) -> tuple[float, float]:
    """P(as many marked ones among the n, or more), and P(a table no more likely than this one)."""
    all_marked, total = marked + other_marked, n + others
    possible = range(max(0, all_marked - others), min(n, all_marked) + 1)
    chance = {
        hits: Fraction(comb(n, hits) * comb(others, all_marked - hits), comb(total, all_marked)) for hits in possible
    }
    greater = sum(chance[hits] for hits in possible if hits >= marked)
    return float(greater), float(sum(value for value in chance.values() if value <= chance[marked]))
