"""Whether marked ones are more frequent among some than among others: odds ratio and Fisher's exact test."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Any

from ..errors import MissingExtra
from .packages import need

__all__ = ["Enrichment", "enrichment", "need_fisher"]


@dataclass(frozen=True)
class Enrichment:
    """`marked` of `n` against `other_marked` of `others`.

    odds_ratio: that of the table as it is, inf where only its divisor is 0 and nan where both are. p_greater: the
    chance of as many marked ones or more among the n, were all as likely to be; p: that of any table no more likely
    than this one (two-sided).
    """

    marked: int
    n: int
    other_marked: int
    others: int
    odds_ratio: float
    p_greater: float
    p: float


def enrichment(marked: int, n: int, other_marked: int, others: int) -> Enrichment:
    """Fisher's exact test of `marked` of `n` against `other_marked` of `others`, two groups that share none.

    Raises MissingExtra without scipy, and ValueError for more marked ones than there are.
    """
    if not (0 <= marked <= n and 0 <= other_marked <= others):
        raise ValueError(f"{marked} of {n} against {other_marked} of {others}")
    fisher = need_fisher()
    table = [[marked, n - marked], [other_marked, others - other_marked]]
    p_greater, p = (float(fisher(table, alternative=side)[1]) for side in ("greater", "two-sided"))
    above, below = marked * (others - other_marked), (n - marked) * other_marked
    ratio = above / below if below else (inf if above else nan)
    return Enrichment(marked, n, other_marked, others, ratio, p_greater, p)


def need_fisher() -> Any:
    """scipy's test; raises MissingExtra, before hours of work and not after, where it is not installed."""
    try:
        return need("scipy.stats").fisher_exact
    except MissingExtra as error:
        raise MissingExtra("scipy", "stats", "counting known variants") from error
