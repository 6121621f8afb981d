"""Motif search the plain way: strings, fractions and loops, one alignment after the other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb

COMPLEMENT = str.maketrans("ACGT", "TGCA")
Region = tuple[int, int, int]
"""A sequence, and where the region begins and ends in it."""


@dataclass
class Candidate:
    """A string, its places (sequence, start, end, on the other strand), and how many hold it by chance."""

    string: str
    places: list[tuple[int, int, int, bool]]
    sequences: int
    positives: int
    p: Fraction
    adjusted: float = 1.0


@dataclass
class Motif:
    """Merged strings, their windows (sequence, start, on the other strand), and what these have in each column."""

    strings: list[str]
    sites: list[tuple[int, int, bool]]
    counts: list[list[int]]


def turned(string: str) -> str:
    return string.translate(COMPLEMENT)[::-1]


def containing(strings: list[str], texts: list[str], marked: list[bool], both: bool) -> tuple[list[int], list[int]]:
    texts = [text.upper().replace("U", "T") for text in texts]
    held = [[s in text or (both and turned(s) in text) for text in texts] for s in strings]
    return [sum(row) for row in held], [sum(a and b for a, b in zip(row, marked, strict=True)) for row in held]


def tail(hits: int, drawn: int, marked: int, total: int) -> Fraction:
    ways = sum(comb(marked, x) * comb(total - marked, drawn - x) for x in range(hits, min(drawn, marked) + 1))
    return Fraction(ways, comb(total, drawn))


def benjamini_hochberg(p: list[float]) -> list[float]:
    order = sorted(range(len(p)), key=lambda i: p[i], reverse=True)
    adjusted, least = [0.0] * len(p), 1.0
    for rank, i in zip(range(len(p), 0, -1), order, strict=True):
        least = min(least, p[i] * len(p) / rank)
        adjusted[i] = least
    return adjusted


def candidates(sequences: list[str], positive: list[bool], regions: list[Region], both: bool = True) -> list[Candidate]:
    places: dict[str, list[tuple[int, int, int, bool]]] = {}
    for row, start, end in regions:
        string = sequences[row][start:end].upper()
        if not positive[row] or set(string) - set("ACGT"):
            continue
        reverse = both and turned(string) < string
        places.setdefault(turned(string) if reverse else string, []).append((row, start, end, reverse))
    strings = sorted(places, key=lambda s: (len(s), s))
    total, of_positives = containing(strings, sequences, positive, both)
    found = []
    for i, string in enumerate(strings):
        p = tail(of_positives[i], total[i], sum(positive), len(sequences))
        found.append(Candidate(string, sorted(places[string]), total[i], of_positives[i], p))
    for candidate, adjusted in zip(found, benjamini_hochberg([float(c.p) for c in found]), strict=True):
        candidate.adjusted = adjusted
    return found


def best_place(key: str, string: str, both: bool) -> tuple[int, int, int, bool]:
    """Identities, differences (< 0), the key's first base in the string, and whether the string is turned round."""
    best = None
    for reverse in (False, True) if both else (False,):
        text = turned(string) if reverse else string
        for place in range(1 - len(key), len(text)):
            pairs = [(key[i], text[place + i]) for i in range(len(key)) if 0 <= place + i < len(text)]
            same = sum(a == b for a, b in pairs)
            rank = (same, same - len(pairs))
            if best is None or rank > best[:2]:
                best = (*rank, place, reverse)
    assert best is not None
    return best


def motifs(
    sequences: list[str],
    found: list[Candidate],
    *,
    width: int = 24,
    min_length: int = 5,
    cutoff: float = 0.005,
    min_sites: int = 3,
    all_ties: bool = False,
    both: bool = True,
) -> list[Motif]:
    groups: list[tuple[str, list[tuple[Candidate, int, bool]]]] = []
    chosen = [c for c in found if c.adjusted < cutoff]
    for candidate in sorted(chosen, key=lambda c: (len(c.string), c.adjusted, c.string)):
        fits = []
        for number, (key, _) in enumerate(groups):
            same, differences, place, reverse = best_place(key, candidate.string, both)
            if same >= max(min_length - 1, 0.5 * min(len(key), len(candidate.string))):
                fits.append((-same, -differences, number, place, reverse))
        fits.sort()
        ties = [fit for fit in fits if fit[:2] == fits[0][:2]]
        for _, _, number, place, reverse in ties if all_ties else ties[:1]:
            groups[number][1].append((candidate, place, reverse))
        if not fits:
            groups.append((candidate.string, [(candidate, 0, False)]))
    merged = []
    for key, members in groups:
        sites = set()
        for candidate, place, flipped in members:
            for row, start, end, other in candidate.places:
                length, reverse = len(sequences[row]), other != flipped
                first = (length - end if reverse else start) + place - (width - len(key)) // 2
                sites.add((row, length - first - width if reverse else first, reverse))
        if len(sites) < min_sites:
            continue
        ordered = sorted(members, key=lambda member: (member[0].p, -member[0].positives, found.index(member[0])))
        merged.append((ordered[0][0].p, Motif([m[0].string for m in ordered], sorted(sites), [])))
        merged[-1][1].counts = [[0] * 4 for _ in range(width)]
        for row, start, reverse in sites:
            letters = [
                sequences[row][i].upper() if 0 <= i < len(sequences[row]) else "-" for i in range(start, start + width)
            ]
            for column, letter in enumerate(turned("".join(letters)) if reverse else letters):
                if letter in "ACGT":
                    merged[-1][1].counts[column]["ACGT".index(letter)] += 1
    return [motif for _, motif in sorted(merged, key=lambda pair: (pair[0], -len(pair[1].sites)))]
