"""Haplotypes of one sample in one window, with strings."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """Bases of a contig from `start` on that give way to others, carried by these copies (0, 1) of the sample."""

    start: int
    deleted: int
    inserted: str
    copies: frozenset[int]

    @property
    def end(self) -> int:
        """Behind the last base that gives way."""
        return self.start + self.deleted


def of_window(contig: str, changes: list[Change], start: int, end: int) -> dict[int, tuple[list[Change], str]]:
    """For each copy with an allele in the window: the alleles that fit together, and the window with them."""
    found = {}
    for copy in (0, 1):
        carried = [change for change in changes if copy in change.copies]
        inside = [c for c in carried if start <= c.start < end or (c.start < start < c.start + c.deleted)]
        if not inside:
            continue
        kept: list[Change] = []
        text, at = "", start
        for change in inside:
            if kept and change.start < kept[-1].start + kept[-1].deleted:
                continue
            text += contig[at : change.start]
            if len(text) >= end - start:
                break
            # What a deletion from before the window leaves in place of its first bases lies before it too.
            text += change.inserted[max(0, start - change.start) :]
            at = change.start + change.deleted
            kept.append(change)
        text += (contig + "N" * 200)[at : at + end - start]
        found[copy] = kept, text[: end - start]
    return found
