"""Scores of alleles that a table has already: matched by what an allele changes. Knows no model and no output."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from ..errors import DnabertError, FormatError
from . import edits
from .aliases import AliasTable
from .batch import Windows
from .genome import Genome
from .types import F32, I32, I64, U8, Bool
from .variants import Alleles, normalized
from .vcf_text import Records

__all__ = [
    "FOUND",
    "HITS",
    "META",
    "OTHER_REF",
    "Change",
    "LookedUp",
    "ScoreTable",
    "look_up",
    "lookup_unit",
]

HITS = ("NOT_IN_TABLE", "FOUND", "OTHER_ALT", "OTHER_REF")
"""What a table can say of an allele: no row at its place; its row; its REF without its ALT; another REF there."""

FOUND, OTHER_REF = HITS.index("FOUND"), HITS.index("OTHER_REF")

META = "##dnabert_fast_table="
"""What begins the header line of our tables that holds their settings as JSON."""

_NAMES = {"RawScore": "RAW", "PHRED": "PHRED"}  # CADD's columns, and what VEP's CADD plugin calls them


class ScoreTable:
    """A table of scores of alleles: BGZF text with a tabix index, its columns chrom, pos, ref, alt and numbers.

    `fields` are the names of the scores that are read, `settings` what our own tables say of their making (else None).
    Safe to share between threads, one of which reads at a time.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        columns: Sequence[str] | None = None,
        aliases: AliasTable | None = None,
    ) -> None:
        """Opens the table at `path` and its index PATH.tbi or PATH.csi.

        `columns` are those to read; by default all of our own tables but RawScore, which is the size of another, and
        RawScore and PHRED of others. A field is called
        as its column is, RawScore and PHRED PREFIX_RAW and PREFIX_PHRED; `name` replaces the prefix (DNABERT, CADD) and
        stands before the others. Raises FormatError for what is no such table.
        """
        self.path = os.fspath(path)
        if _is_vcf(self.path):
            raise FormatError(f"{path}: is a VCF, where a table of scores is needed: chrom, pos, ref, alt and numbers")
        self._aliases = AliasTable() if aliases is None else aliases
        self._file = _core.ScoreTable(os.fsencode(path), os.fsencode(_index_of(self.path)))
        header = self._file.header.decode("utf-8", "replace").splitlines()
        self.columns: tuple[str, ...] = tuple(header[-1].lstrip("#").split("\t"))
        self.contigs: tuple[str, ...] = tuple(self._file.contigs)
        self.settings = _settings(header, self.path)
        cadd = header[0].upper().startswith("## CADD")
        prefix = str(self.settings["prefix"]) if self.settings else "CADD" if cadd else "TABLE"
        chosen = self._chosen(columns)
        self._columns = np.array([self.columns.index(column) for column in chosen], np.int32)
        self.fields: tuple[str, ...] = tuple(_field(column, name, prefix) for column in chosen)
        self._rows: dict[str, int] = {}

    def _chosen(self, columns: Sequence[str] | None) -> list[str]:
        there = self.columns[4:]
        if columns is None:
            own = self.settings is not None
            found = [column for column in there if (column != "RawScore" if own else column in _NAMES)]
            if not found:
                raise FormatError(
                    f"{self.path}: has no column RawScore or PHRED; choose with --columns: {', '.join(there)[:200]}"
                )
            return found
        for column in columns:
            if column not in there:
                raise FormatError(f"{self.path}: has no column {column}; there are {', '.join(there)[:200]}")
        return sorted(dict.fromkeys(columns), key=self.columns.index)

    @cached_property
    def _known(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.contigs)}

    def row(self, contig: str) -> int:
        """The number of a contig by this or another name, -1 where the table has none."""
        if contig not in self._rows:
            names = (contig, *self._aliases.candidates(contig))
            self._rows[contig] = next((self._known[name] for name in names if name in self._known), -1)
        return self._rows[contig]

    def find(self, contig: I32, change: Change) -> tuple[F32, U8]:
        """Scores f32[fields, n] of changes, NaN for none, and hits u8[n]; contig i32[n] are rows of `contigs`, or -1.

        Ascending changes are fastest; any order is right.
        """
        n = len(contig)
        values = np.full((len(self.fields), n), np.nan, np.float32)
        hits = np.zeros(n, np.uint8)
        anchored = (change.deleted.lengths == 0) != (change.inserted.lengths == 0)  # on a base beside
        rows = change.start + ((change.start == 0) | ~anchored)
        order = None
        if n and (np.diff(contig) < 0).any() | ((np.diff(rows) < 0) & (np.diff(contig) == 0)).any():
            order = np.lexsort((rows, contig))
            contig, change = contig[order], change.take(order)
        edges = np.flatnonzero(np.concatenate([[True], contig[1:] != contig[:-1], [True]])) if n else np.zeros(1, int)
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if contig[a] < 0:
                continue
            flat = np.empty(len(self.fields) * (b - a), np.float32)
            part = np.empty(b - a, np.uint8)
            deleted, inserted = change.deleted, change.inserted
            self._file.find(
                int(contig[a]), change.start[a:b], deleted.bases, deleted.offsets[a : b + 1],
                inserted.bases, inserted.offsets[a : b + 1], self._columns, flat, part,
            )  # fmt: skip
            there = slice(a, b) if order is None else order[a:b]
            values[:, there] = flat.reshape(len(self.fields), b - a)
            hits[there] = part
        return values, hits


@dataclass(frozen=True)
class Change:
    """What alleles change: `deleted` bases from `start` i64[n] (from 0) on give way to `inserted` ones."""

    start: I64
    deleted: Windows
    inserted: Windows

    def take(self, rows: I64) -> Change:
        """These changes, in the order given."""
        return Change(self.start[rows], self.deleted.take(rows), self.inserted.take(rows))


def trimmed(alleles: Alleles, genome: Genome | None = None) -> Change:
    """The change of each allele, trimmed on both sides and moved left: as far as `genome` allows, else within REF.

    With a genome the contigs of `alleles` are its own, and only those with a score to expect move.
    """
    simple = (alleles.ref.lengths == 1) & (alleles.alt.lengths == 1)
    if simple.all():
        return Change(alleles.position, alleles.ref, alleles.alt)
    if genome is not None:
        found = normalized(alleles, genome)
        contig = np.maximum(alleles.contig, 0)
        deleted = genome.fetch(contig, found.start, found.start + found.deleted)
        return Change(found.start, deleted, found.inserted)
    prefix, suffix = edits.trim(alleles.ref, alleles.alt)
    lead, tail = prefix.astype(np.int64), suffix.astype(np.int64)
    ref, alt = alleles.ref.skip(lead, tail), alleles.alt.skip(lead, tail)
    begins = alleles.ref.offsets[:-1]
    before = Windows.from_spans(alleles.ref.bases, begins, begins + lead)
    shift, _ = edits.left_align(before, ref, alt)

    def moved(allele: Windows, rest: Windows) -> Windows:
        at = allele.offsets[:-1] + lead - shift
        return Windows.from_spans(allele.bases, at, at + rest.lengths)

    return Change(alleles.position + lead - shift, moved(alleles.ref, ref), moved(alleles.alt, alt))


@dataclass(frozen=True)
class LookedUp:
    """What a table has of the alleles of a unit: scores f32[a] by field, NaN for none; hits u8[a], see `HITS`."""

    fields: dict[str, F32]
    hits: U8

    @property
    def missing(self) -> Bool:
        """Alleles that the table has not, bool[a]."""
        found: Bool = self.hits != FOUND
        return found


def look_up(records: Records, alleles: Alleles, table: ScoreTable, genome: Genome | None = None) -> LookedUp:
    """Look up the alleles of a unit; those that are no bases, or have another reason against a score, are not there.

    `alleles.contig` needs to be that of a genome only where one is given, which alleles are moved left by.
    """
    names, code = records.contigs()
    contig = np.array([table.row(name) for name in names], np.int32)[code][alleles.record]
    usable = np.flatnonzero(alleles.scored & (contig >= 0))
    values = np.full((len(table.fields), len(alleles)), np.nan, np.float32)
    hits = np.zeros(len(alleles), np.uint8)
    if len(usable) == len(alleles):
        values, hits = table.find(contig, trimmed(alleles, genome))
    elif len(usable):
        found, hit = table.find(contig[usable], trimmed(_rows(alleles, usable), genome))
        values[:, usable], hits[usable] = found, hit
    return LookedUp(dict(zip(table.fields, values, strict=True)), hits)


def lookup_unit(
    records: Records, alleles: Alleles, table: ScoreTable, genome: Genome | None = None
) -> tuple[dict[str, F32], Bool]:
    """The scores that a table has of a unit's alleles, f32[a] by field, and which alleles it has not, bool[a]."""
    found = look_up(records, alleles, table, genome)
    return found.fields, found.missing


def _rows(alleles: Alleles, rows: I64) -> Alleles:
    numbers = alleles.record[rows], alleles.contig[rows], alleles.position[rows]
    return Alleles(*numbers, alleles.ref.take(rows), alleles.alt.take(rows), alleles.flags[rows])


def _is_vcf(path: str) -> bool:
    """Whether a file, plain or compressed, begins as a VCF does; False for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            begin = file.read(1 << 16)
        text = zlib.decompressobj(31).decompress(begin, 64) if begin[:2] == b"\x1f\x8b" else begin
    except (OSError, zlib.error):
        return False
    return text.startswith(b"##fileformat=VCF")


def _index_of(path: str) -> str:
    """The index of a table, empty where it has none; FormatError where there is no table."""
    if not Path(path).is_file():
        raise FormatError(f"{path}: no such file; name a table of scores")
    return next((path + suffix for suffix in (".tbi", ".csi") if Path(path + suffix).is_file()), "")


def _settings(header: Sequence[str], path: str) -> dict[str, Any] | None:
    """What our own tables say of their making; None for the tables of others."""
    for line in header:
        if line.startswith(META):
            try:
                found = json.loads(line.removeprefix(META))
            except ValueError:
                found = None
            if not isinstance(found, dict) or not isinstance(found.get("prefix"), str):
                raise FormatError(f"{path}: its line {META}... is broken; make the table anew")
            return found
    return None


def _field(column: str, name: str | None, prefix: str) -> str:
    """What a column is called in INFO."""
    if column in _NAMES:
        return f"{name or prefix}_{_NAMES[column]}"
    if name is not None:
        column = f"{name}_{column.removeprefix(prefix + '_')}"
    found = re.sub(r"[^A-Za-z0-9_.]", "_", column)
    if not re.match(r"[A-Za-z_]", found):
        raise DnabertError(f"column {column!r} cannot name a field of INFO; leave it out with --columns")
    return found
