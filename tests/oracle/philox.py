"""Philox4x32-10 in plain numbers, and the numbers drawn with it."""

from __future__ import annotations

MASK, SPLIT, ORDER, PLACE = 1, 2, 3, 4  # what numbers are drawn for


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 1 << 32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return c0, c1, c2, c3


def block(seed: int, purpose: int, stream: int, index: int, number: int) -> tuple[int, int, int, int]:
    """Four words: block `number` of (seed, purpose, stream, index)."""
    counter = (number, purpose << 24 | stream, index % (1 << 32), index >> 32)
    return philox(counter, (seed % (1 << 32), seed >> 32))


def below32(word: int, n: int) -> int:
    return word * n >> 32


def below64(low: int, high: int, n: int) -> int:
    return (high << 32 | low) * n >> 64
