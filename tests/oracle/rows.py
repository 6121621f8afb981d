"""Windows as pieces, and pieces grouped by content, with lists."""

from __future__ import annotations

from oracle.kmers import kmer_ids


def rows(windows: list[bytes], reverse: list[bool], k: int, piece: int = 510) -> tuple[list[list[int]], list[int]]:
    """The pieces, and the window that each belongs to."""
    pieces, owner = [], []
    for i, (window, backward) in enumerate(zip(windows, reverse, strict=True)):
        ids = kmer_ids(window, k, backward)
        for at in range(0, max(1, len(ids)), piece):
            pieces.append([2, *ids[at : at + piece], 3])
            owner.append(i)
    return pieces, owner


def distinct(pieces: list[list[int]]) -> tuple[list[int], list[int]]:
    """First piece of each group, group of each piece."""
    first: list[int] = []
    groups: dict[tuple[int, ...], int] = {}
    inverse = []
    for j, piece in enumerate(pieces):
        if tuple(piece) not in groups:
            groups[tuple(piece)] = len(first)
            first.append(j)
        inverse.append(groups[tuple(piece)])
    return first, inverse
