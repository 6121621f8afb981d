"""Scored alleles read back from what `variants` wrote: VCF and BCF, or tables."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, MissingExtra
from ..io import ends_with
from ..io.vcf import VcfSource
from ..seq.types import F32
from ..seq.vcf_text import Records, allele_table

__all__ = ["Allele", "Scores", "first_columns", "read_scores", "table_chunks"]

_UNIT = 4096
_FIELDS = ("REF", "ALT", "DIFF", "LOGOR")
_PLAIN = "DNABERT"  # how the fields of a model without a name begin
_DIFFERENCE = re.compile(r"(DNABERT(?:_[A-Za-z0-9_]+?)?)_DIFF")


@dataclass(frozen=True)
class Allele:
    """A scored ALT allele as a file has it; `position` from 1; scores by field, NaN where there is none."""

    contig: str
    position: int
    name: str
    ref: str
    alt: str
    flag: str
    scores: Mapping[str, float]


@dataclass
class Scores:
    """The scores of a file: f32[alleles] by field (REF, ALT, DIFF, LOGOR), the `top` of the largest |DIFF|, first the
    largest, alleles by flag, and what the file tells of its run and samples."""

    values: dict[str, F32]
    top: list[Allele]
    records: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    settings: dict[str, str] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    @property
    def alleles(self) -> int:
        """ALT alleles in the file, with and without a score."""
        return len(self.values["DIFF"])


def read_scores(path: str | Path, name: str = "", top: int = 500, *, plain: bool = False) -> Scores:
    """Read the scores of the only model that a file has scores of, or of the one whose fields begin with `name`.

    `plain`: of several, those of the model that has no name (DNABERT_...). Holds 4 bytes a score. Raises FormatError
    for a file without such fields, and for one of several models that leaves the choice open.
    """
    if ends_with(path, (".tsv", ".tsv.gz", ".parquet")):
        return _from_table(path, name, top, plain=plain)
    source = VcfSource(path, _UNIT)
    header = b"\n".join(source.header.meta).decode("utf-8", "replace")
    prefix = _prefix(re.findall(r"^##INFO=<ID=([^,>]+)", header, re.MULTILINE), name, path, plain=plain)
    fields = [field for field in _FIELDS if f"##INFO=<ID={prefix}_{field}," in header]
    own_flag = f"##INFO=<ID={prefix}_FLAG," in header
    best = _Best(top)
    found = Scores({}, [])
    parts: list[dict[str, F32]] = []
    for records in source:
        unit, flags = _unit_scores(records, prefix, fields, prefix if own_flag else _PLAIN)
        found.records += len(records)
        found.reasons.update(_counted(flags))
        parts.append(unit)
        best.add(unit, partial(_allele, records, unit, flags))
    found.values = {field: np.concatenate([np.empty(0, np.float32), *(p[field] for p in parts)]) for field in fields}
    found.top = best.found()
    found.settings = _settings(header, prefix)
    found.samples = source.header.columns.decode("utf-8", "replace").split("\t")[9:]
    return found


def _prefix(names: list[str], wanted: str, path: str | Path, *, plain: bool) -> str:
    """How the fields of a file begin, where it has those of one model, or of the one that is wanted."""
    there = [match[1] for name in names if (match := _DIFFERENCE.fullmatch(name))]
    if wanted:
        there = [prefix for prefix in there if prefix == wanted]
    elif plain and _PLAIN in there:
        there = [_PLAIN]
    if len(there) == 1:
        return there[0]
    if there:
        raise FormatError(f"{path}: has scores of {', '.join(there)}; choose one with --model NAME=DIR")
    raise FormatError(f"{path}: has no field {wanted or _PLAIN}_DIFF; give what `dnabert-fast variants` wrote")


def _unit_scores(records: Records, prefix: str, fields: list[str], flagged: str) -> tuple[dict[str, F32], list[bytes]]:
    """The scores of a unit, one an allele, and its flags: models of one run share those that begin with `flagged`."""
    text = records.text.tobytes()
    alleles = len(allele_table(records).record)

    def values(field: str, prefix: str = prefix) -> list[bytes]:
        found = re.findall(rb"[\t;]%s_%s=([^;\t\r\n]*)" % (prefix.encode(), field.encode()), text)
        each = b",".join(found).split(b",") if found else []
        if len(found) != len(records) or len(each) != alleles:
            raise FormatError(
                f"{records.path}: {prefix}_{field} has {len(each)} values in records from line {records.first_line} "
                f"on, which have {alleles} ALT alleles; give the file as `dnabert-fast variants` wrote it"
            )
        return each

    scores = {field: _numbers(values(field), records.path) for field in fields}
    return scores, values("FLAG", flagged)


def _numbers(texts: list[Any], path: str | Path) -> F32:
    missing = (b".", ".", "", None)
    try:
        found = np.array([np.nan if text in missing else text for text in texts], np.float32)
    except (ValueError, TypeError) as wrong:
        raise FormatError(f"{path}: a score is no number ({wrong}); make the file anew") from None
    if np.isinf(found).any():
        raise FormatError(f"{path}: a score is infinite; make the file anew")
    return found


def _allele(records: Records, scores: dict[str, F32], flags: list[bytes], row: int) -> Allele:
    table = allele_table(records)
    record = int(table.record[row])
    starts = records.columns[record]
    contig, name = (
        records.text[starts[column] : starts[column + 1] - 1].tobytes().decode("utf-8", "replace") for column in (0, 2)
    )
    ref, alt = (side[row].decode("utf-8", "replace") for side in (table.ref, table.alt))
    of_row = {field: float(values[row]) for field, values in scores.items()}
    return Allele(contig, int(records.position[record]), name, ref, alt, flags[row].decode("utf-8", "replace"), of_row)


class _Best:
    """The alleles of the largest |DIFF| met so far; only these are ever spelt."""

    def __init__(self, top: int) -> None:
        self._top, self._floor, self._seen = top, -0.5, 0
        self._kept: list[tuple[float, int, Allele]] = []

    def add(self, scores: dict[str, F32], spell: Callable[[int], Allele]) -> None:
        """Take in a unit; `spell` makes the allele of a row."""
        size = np.where(np.isnan(scores["DIFF"]), -1.0, np.abs(scores["DIFF"]))
        rows = np.flatnonzero(size > self._floor)
        rows = rows[np.argsort(-size[rows], kind="stable")][: self._top]
        new = [(float(size[row]), -self._seen - row, spell(row)) for row in rows.tolist()]
        self._seen += len(size)
        self._kept = nlargest(self._top, [*self._kept, *new], key=lambda item: item[:2])
        if len(self._kept) == self._top:
            self._floor = self._kept[-1][0]

    def found(self) -> list[Allele]:
        """These alleles, the largest first, of equal ones the first in the file."""
        return [allele for _, _, allele in self._kept]


def _counted(flags: list[Any]) -> Counter[str]:
    """Alleles by flag; each set of flags that occurs is split once."""
    found: Counter[str] = Counter()
    for text, count in Counter(flags).items():
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        found.update({name: count for name in shown.split("&") if name not in ("", ".")})
    return found


def _settings(header: str, prefix: str) -> dict[str, str]:
    """What the header line of a run says of it."""
    settings = _command(header, prefix)
    together, name = _command(header, _PLAIN), prefix.removeprefix(f"{_PLAIN}_")
    if not settings and f"model_{name}" in together:  # a run of several models, whose own have their names behind
        own = {setting: together.get(f"{setting}_{name}", "") for setting in ("model", "class", "precision")}
        settings = together | own
    version = re.findall(r"^##source=dnabert_fast (\S+)$", header, re.MULTILINE)
    return settings | ({"version": version[-1]} if version else {})


def _command(header: str, prefix: str) -> dict[str, str]:
    """The words NAME=VALUE of the header line that a run wrote with its fields."""
    line = re.search(rf"^##{re.escape(prefix.lower())}_command=\S+ (.*)$", header, re.MULTILINE)
    words = re.findall(r"(\w+)=(.*?)(?= \w+=|$)", line[1]) if line else []
    return {name: value for name, value in words if value}


def _from_table(path: str | Path, name: str, top: int, *, plain: bool) -> Scores:
    best, reasons = _Best(top), Counter[str]()
    parts: list[dict[str, F32]] = []
    fields: list[str] = []
    records, last, prefix, flag_column = 0, None, "", ""
    for columns in table_chunks(path):
        if not prefix:
            prefix = _prefix(list(columns), name, path, plain=plain)
            fields = [field for field in _FIELDS if f"{prefix}_{field}" in columns]
            flag_column = f"{prefix}_FLAG" if f"{prefix}_FLAG" in columns else f"{_PLAIN}_FLAG"
            missing = {"CHROM", "POS", "ID", "REF", "ALT", flag_column} - columns.keys()
            if missing:
                raise FormatError(f"{path}: no column {sorted(missing)[0]}; give what `dnabert-fast variants` wrote")
        unit = {field: _numbers(columns[f"{prefix}_{field}"], path) for field in fields}
        flags = [flag or "." for flag in columns[flag_column]]
        reasons.update(_counted(flags))
        places = list(zip(columns["CHROM"], columns["POS"], columns["ID"], columns["REF"], strict=True))
        records += sum(one != other for one, other in zip(places, [last, *places], strict=False))
        last = places[-1] if places else last
        parts.append(unit)
        best.add(unit, partial(_row, path, columns, unit, flags))
    if not prefix:
        raise FormatError(f"{path}: no rows")
    return Scores(
        {field: np.concatenate([p[field] for p in parts]) for field in fields}, best.found(), records, reasons
    )


def _row(path: str | Path, columns: dict[str, list[Any]], scores: dict[str, F32], flags: list[str], row: int) -> Allele:
    contig, name, ref, alt = (str(columns[column][row]) for column in ("CHROM", "ID", "REF", "ALT"))
    try:
        position = int(columns["POS"][row])
    except (ValueError, TypeError):
        raise FormatError(f"{path}: POS {columns['POS'][row]!r} is no whole number; make the file anew") from None
    of_row = {field: float(values[row]) for field, values in scores.items()}
    return Allele(contig, position, name, ref, alt, flags[row], of_row)


def table_chunks(path: str | Path) -> Iterator[dict[str, list[Any]]]:
    """The columns of a table by name, some rows at a time."""
    if ends_with(path, [".parquet"]):
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtra("pyarrow", "parquet", "reading Parquet") from error
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_UNIT):
                    yield batch.to_pydict()
        except (OSError, pa.ArrowInvalid) as wrong:
            raise FormatError(f"{path}: cannot be read as Parquet ({wrong})") from None
        return
    try:
        with gzip.open(path, "rt") if ends_with(path, [".gz"]) else open(path, encoding="utf-8") as lines:
            names = next(lines, "").rstrip("\n").split("\t")
            while rows := [line.rstrip("\n").split("\t") for line in islice(lines, _UNIT)]:
                if any(len(row) != len(names) for row in rows):
                    raise FormatError(f"{path}: rows differ from the first line in their number of columns")
                yield dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as wrong:
        raise FormatError(f"{path}: cannot be read ({wrong})") from None


def first_columns(path: str | Path) -> list[str]:
    """The names of the columns of a table."""
    return list(next(iter(table_chunks(path)), {}))
