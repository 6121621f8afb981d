"""Values of VCF records, one an ALT allele: INFO fields, ID, QUAL and FILTER. Knows nothing of what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError
from ..seq.batch import Windows
from ..seq.types import F64, I32, I64
from ..seq.vcf_text import Header, Records

__all__ = ["FIXED", "Declared", "Values", "allele_values", "as_numbers", "declared_info"]

FIXED = {"ID": 2, "QUAL": 5, "FILTER": 6}
"""Columns that can be asked for as if they were fields."""

_DECLARED = re.compile(rb"##INFO=<ID=([^,>]+),Number=([^,>]+),Type=([^,>]+)")
_SEMICOLON, _EQUALS, _COMMA, _DOT = b";=,."
_LONGEST_NUMBER = 32
_SHOWN = 40  # letters of a value in a message


@dataclass(frozen=True)
class Declared:
    """What the header says of a field: how many values it has (Number) and of what Type."""

    number: str
    type: str


@dataclass(frozen=True)
class Values:
    """Texts of alleles, and bool [a] which of those that are empty had another number of values than alleles."""

    texts: Windows
    misfit: NDArray[np.bool_]


def declared_info(header: Header) -> dict[str, Declared]:
    """The INFO fields that a header declares, in its order."""
    found = {}
    for line in header.meta:
        if match := _DECLARED.match(line):
            name, number, kind = (part.decode("utf-8", "replace") for part in match.groups())
            found[name] = Declared(number, kind)
    return found


def allele_values(records: Records, record: I32, name: str, declared: Declared | None = None) -> Values:
    """A field of each allele as text; empty where the record does not have it, or has ".".

    record i32[a]: the record of each allele, ascending, as `allele_table` gives it. Number A is one value an ALT, R one
    more for REF, "." and undeclared fields are one an ALT where there are as many, and any other is one for all. A Flag
    is "1" or "0". ID, QUAL and FILTER are those columns, with their "." as it is.
    """
    if name in FIXED:
        begin, end = records.columns[:, FIXED[name]], records.columns[:, FIXED[name] + 1] - 1
        texts = Windows.from_spans(records.text, begin[record], end[record])
        return Values(texts, np.zeros(len(record), np.bool_))
    begin, end = _spans(records, name.encode())
    if declared is not None and declared.type == "Flag":
        there = np.frombuffer(b"01", np.uint8)[(begin >= 0).astype(np.int64)[record]]
        return Values(Windows.from_matrix(there[:, None]), np.zeros(len(record), np.bool_))
    begin, end = np.maximum(begin, 0), np.maximum(end, 0)
    return _by_allele(records, record, begin, end, "." if declared is None else declared.number)


def _spans(records: Records, name: bytes) -> tuple[I64, I64]:
    """Where the value of an INFO field begins and ends in each record, i64[n] both; -1 where it is not there."""
    text, first, last = records.text, records.columns[:, 7], records.columns[:, 8]
    semicolons = np.flatnonzero(text == _SEMICOLON)
    keys = np.concatenate([first, semicolons + 1])
    keys = keys[keys + len(name) <= len(text)]
    for place, letter in enumerate(name):
        keys = keys[text[keys + place] == letter]
    keys.sort()
    record = np.searchsorted(first, keys, side="right") - 1
    inside = (record >= 0) & (keys + len(name) <= last[np.maximum(record, 0)])
    keys, record = keys[inside], record[inside]
    after = keys + len(name)
    following = text[np.minimum(after, len(text) - 1)]
    whole = (after == last[record]) | (following == _EQUALS) | (following == _SEMICOLON)
    after, record, following = after[whole], record[whole], following[whole]
    record, kept = np.unique(record, return_index=True)  # of a field that comes twice the first
    valued = (following[kept] == _EQUALS) & (after[kept] < last[record])
    begin, end = np.full(len(records), -1, np.int64), np.full(len(records), -1, np.int64)
    begin[record] = after[kept] + valued
    stop = np.append(semicolons, len(text))[np.searchsorted(semicolons, begin[record])]
    end[record] = np.minimum(stop, last[record])
    return begin, end


def _by_allele(records: Records, record: I32, begin: I64, end: I64, number: str) -> Values:
    """The part of each record's value that is an allele's."""
    alleles = np.bincount(record, minlength=len(records)).astype(np.int64)
    ordinal = np.arange(len(record)) - (np.cumsum(alleles) - alleles)[record]
    commas = np.flatnonzero(records.text == _COMMA)
    low, high = np.searchsorted(commas, begin), np.searchsorted(commas, end)
    count = np.where(end > begin, high - low + 1, 0)
    missing = count == 0
    single = np.flatnonzero(end - begin == 1)
    missing[single] = records.text[begin[single]] == _DOT
    extra = 1 if number == "R" else 0
    split = count == alleles + extra
    if number not in ("A", "R"):
        split &= number == "."
    misfit = ~split & ~missing if number in ("A", "R") else np.zeros(len(records), np.bool_)
    part = np.where(split[record], ordinal + extra, 0)
    inner = np.append(commas, 0)  # one more, for places that are not asked
    start = np.where(part > 0, inner[np.minimum(low[record] + part - 1, len(commas))] + 1, begin[record])
    stop = np.where(split[record] & (part < count[record] - 1), inner[np.minimum(low[record] + part, len(commas))],
                    end[record])  # fmt: skip
    empty = (missing | misfit)[record]
    stop = np.where(empty, start, stop)
    dots = np.flatnonzero(stop - start == 1)
    dots = dots[records.text[start[dots]] == _DOT]
    stop[dots] = start[dots]
    return Values(Windows.from_spans(records.text, start, stop), misfit[record])


def as_numbers(texts: Windows, name: str, where: str) -> F64:
    """Texts as float64 [n], NaN for empty ones; FormatError, with the file `where`, for what is no finite number."""
    lengths = texts.lengths
    long = np.flatnonzero(lengths > _LONGEST_NUMBER)
    if len(long):
        raise _no_number(texts[int(long[0])], name, where)
    width = max(3, int(lengths.max(initial=0)))
    at = np.arange(width)
    filled = at < lengths[:, None]
    places = np.minimum(texts.offsets[:-1, None] + at, max(0, len(texts.bases) - 1))
    letters = np.where(filled, texts.bases[places] if len(texts.bases) else 0, 0).astype(np.uint8)
    letters[lengths == 0, :3] = np.frombuffer(b"nan", np.uint8)
    strings = np.ascontiguousarray(letters).view(f"S{width}").reshape(-1)
    try:
        numbers: F64 = strings.astype(np.float64)
        broken = np.flatnonzero(~np.isfinite(numbers) & (lengths > 0))
    except ValueError:
        broken = np.array([row for row in range(len(texts)) if lengths[row] and not _is_number(texts[row])])
    if len(broken):
        raise _no_number(texts[int(broken[0])], name, where)
    return numbers


def _is_number(text: bytes) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _no_number(text: bytes, name: str, where: str) -> FormatError:
    shown = text[:_SHOWN].decode("utf-8", "replace")
    return FormatError(f"{where}: {name} is {shown!r}, no finite number")
