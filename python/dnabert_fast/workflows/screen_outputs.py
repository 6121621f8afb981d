"""What `screen` writes besides scored records: the table of candidates, and how many of them are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from ..analysis.known import KnownAlleles
from ..analysis.screen import Ranked, Ranking
from ..analysis.variants import ScoredUnit
from ..evaluate.enrichment import Enrichment, enrichment
from ..io import open_table
from ..seq.batch import Windows
from ..seq.table import TextColumn
from ..seq.types import F32, I64, Bool
from .screen_inputs import Survey

__all__ = ["Compared", "ScoredAlleles", "compare", "write_candidates", "write_enrichment"]

_CANDIDATES = (
    ("rank", "int"),
    ("CHROM", "str"),
    ("POS", "int"),
    ("ID", "str"),
    ("REF", "str"),
    ("ALT", "str"),
    ("region_start", "int"),
    ("region_end", "int"),
    ("attention", "float"),
    ("score_ref", "float"),
    ("score_alt", "float"),
    ("difference", "float"),
    ("log_odds", "float"),
    ("known", "str"),
)
_ENRICHMENT = (
    ("known", "str"),
    ("against", "str"),
    ("candidates_known", "int"),
    ("candidates", "int"),
    ("others_known", "int"),
    ("others", "int"),
    ("odds_ratio", "str"),
    ("p_greater", "str"),
    ("p_two_sided", "str"),
)
_TEXTS = {"CHROM": 0, "ID": 2}  # columns of a VCF line


class ScoredAlleles:
    """Takes in scored units: which alleles have a score, bool[n] of all alleles of the file, and ranks those inside."""

    def __init__(self, found: Survey, ranking: Ranking) -> None:
        self.scored = np.zeros(len(found.usable), np.bool_)
        self.inside: Bool = found.sites.inside
        self._ranking = ranking
        self._expected: deque[I64] = deque()

    def expect(self, rows: I64) -> None:
        """The alleles of a unit to come, by their rows among all; units come in this order."""
        self._expected.append(rows)

    def seen(self, unit: ScoredUnit) -> Ranked:
        """The scored alleles inside of the next unit."""
        rows = self._expected.popleft()
        alleles, records, fields = unit.alleles, unit.records, unit.fields
        good = np.flatnonzero(self.inside[rows] & ~np.isnan(fields["DIFF"]))
        record = alleles.record[good]
        spans = {name: records.columns[record, at : at + 2] for name, at in _TEXTS.items()}
        texts = {name: Windows.from_spans(records.text, span[:, 0], span[:, 1] - 1) for name, span in spans.items()}
        texts |= {"REF": alleles.ref.take(good), "ALT": alleles.alt.take(good)}
        numbers: dict[str, F32 | I64] = {"POS": records.position[record]}
        numbers |= {name: fields[name][good] for name in ("REF", "ALT")}
        numbers["LOGOR"] = fields["LOGOR"][good] if "LOGOR" in fields else np.full(len(good), np.nan, np.float32)
        return Ranked(rows[good], fields["DIFF"][good], numbers, texts)

    def add(self, alleles: Ranked) -> None:
        """Take in what was `seen`."""
        self.scored[alleles.row] = True
        if len(alleles):
            self._ranking.add(alleles)

    def candidates(self) -> Ranked | None:
        """The best of what came; None where nothing did."""
        return self._ranking.best()


@dataclass(frozen=True)
class Compared:
    """Candidates of a list of known alleles against other alleles."""

    known: str
    against: str
    counts: Enrichment

    def facts(self) -> dict[str, str | int | float | None]:
        """The row as JSON can hold it: None for an odds ratio that is infinite or undefined."""
        counts = vars(self.counts)
        ratio = self.counts.odds_ratio
        return {
            "known": self.known,
            "against": self.against,
            **counts,
            "odds_ratio": ratio if isfinite(ratio) else None,
        }


def compare(
    found: Survey, scored: ScoredAlleles, candidates: Ranked | None, lists: Sequence[KnownAlleles]
) -> list[Compared]:
    """Whether more of the candidates than of other alleles are known, for each list and each group of others.

    "inside": the other scored alleles inside; "windows": those outside that a window held; "outside": all outside.
    """
    chosen = np.zeros(len(found.usable), np.bool_)
    if candidates is not None:
        chosen[candidates.row] = True
    outside = found.usable & ~scored.inside
    groups = {
        "inside": scored.scored & ~chosen,
        "windows": outside & (found.sites.windows > 0),
        "outside": outside,
    }
    return [
        Compared(part.name, against, enrichment(_count(known & chosen), _count(chosen), _count(known & group), n))
        for part, known in zip(lists, found.known, strict=True)
        for against, group in groups.items()
        for n in [_count(group)]
    ]


def write_candidates(path: Path, found: Survey, candidates: Ranked | None, lists: Sequence[KnownAlleles]) -> None:
    """The candidates, best first; regions as BED has them, `known` the lists that hold an allele."""
    with open_table(path, _CANDIDATES) as table:
        if candidates is None:
            return
        row, numbers, texts = candidates.row, candidates.numbers, candidates.texts
        known = [
            ",".join(part.name for part, holds in zip(lists, found.known[:, i], strict=True) if holds) for i in row
        ]
        chrom, identifier, ref, alt = (_text(texts[name]) for name in ("CHROM", "ID", "REF", "ALT"))
        table.write(
            [
                np.arange(1, len(row) + 1),
                chrom,
                numbers["POS"],
                identifier,
                ref,
                alt,
                found.sites.start[row],
                found.sites.end[row],
                found.sites.score(row),
                numbers["REF"],
                numbers["ALT"],
                candidates.difference,
                numbers["LOGOR"],
                [names or "." for names in known],
            ]
        )


def write_enrichment(path: Path, compared: Sequence[Compared]) -> None:
    """A row a list and group of others."""
    with open_table(path, _ENRICHMENT) as table:
        if not compared:
            return
        counts = [row.counts for row in compared]
        columns: list[TextColumn | list[str]] = [[row.known for row in compared], [row.against for row in compared]]
        columns += [
            np.array(numbers, np.int64)
            for numbers in zip(*((c.marked, c.n, c.other_marked, c.others) for c in counts), strict=True)
        ]
        columns += [
            [f"{value:.6g}" for value in values]
            for values in zip(*((c.odds_ratio, c.p_greater, c.p) for c in counts), strict=True)
        ]
        table.write(columns)


def _text(column: Windows) -> TextColumn:
    return column.bases, column.offsets


def _count(rows: Bool) -> int:
    return int(np.count_nonzero(rows))
