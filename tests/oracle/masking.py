"""Masking of one piece after another, token by token."""

from __future__ import annotations

from oracle import philox

MASK_TOKEN = 4


def mask(
    pieces: list[list[int]],
    owner: list[int],
    k: int,
    span: int,
    rate: float,
    whole_spans: bool,
    seed: int,
    first: int,
    stream: int,
) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """The pieces after masking, and (piece, place in it, id before) of all that was masked."""
    out, hidden = [], []
    for j, piece in enumerate(pieces):
        before = 0  # pieces of the same owner that stand directly before
        while j - before > 0 and owner[j - before - 1] == owner[j]:
            before += 1
        tokens = piece[1:-1]
        index = first + owner[j]

        def words(number: int, index: int = index, base: int = before << 16) -> tuple[int, ...]:
            return philox.block(seed, philox.MASK, stream, index, base + number)

        masked = masked_places(len(tokens), span, rate, words)
        new = list(tokens)
        outcome = 0
        for t in sorted(masked):
            drawn = words((1 << 15) + t)
            if not whole_spans or t - 1 not in masked:
                outcome = drawn[0]
            hidden.append((j, t + 1, tokens[t]))
            if outcome < round(0.8 * 2**32):
                new[t] = MASK_TOKEN
            elif outcome < round(0.9 * 2**32):
                new[t] = philox.below32(drawn[1], 5 + 4**k)
        out.append([piece[0], *new, piece[-1]])
    return out, hidden


def masked_places(n: int, span: int, rate: float, words) -> set[int]:
    offsets = range(-((span - 1) // 2), span // 2 + 1)
    limit = int(rate / span * 2**32 + 0.5)
    centres = [t for t in range(n) if words(t // 4)[t % 4] < limit]
    return {centre + offset for centre in centres for offset in offsets if 0 <= centre + offset < n}
