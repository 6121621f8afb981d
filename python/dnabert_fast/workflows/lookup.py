"""The verb `lookup`: alleles of a VCF annotated from tables of scores, and what the tables lack written apart."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..engine.pipeline import pipeline
from ..errors import DnabertError, FormatError
from ..io import VARIANTS, ends_with
from ..io.vcf import VcfSink, VcfSource, header_lines
from ..seq.aliases import AliasTable, resolve
from ..seq.batch import Windows
from ..seq.flags import count_flags
from ..seq.genome import Genome
from ..seq.lookup import FOUND, HITS, OTHER_REF, LookedUp, ScoreTable, look_up
from ..seq.types import F32, I32, U8, Bool
from ..seq.variants import FLAG_NAMES, Alleles, check_reference
from ..seq.vcf_text import Records, allele_table, splice
from .common import check_outputs, named, other_assembly, write_summary
from .progress import Follow, Progress, silent

__all__ = ["lookup"]

_UNIT = 4096
_JUDGED = 20
"""Places at which table and VCF are compared before one of them is called another assembly's."""


def lookup(
    vcf: str | Path,
    tables: Sequence[str],
    *,
    output: str | Path,
    genome: str | Path | None = None,
    columns: Sequence[str] = (),
    misses: str | Path | None = None,
    alias: str | Path | None = None,
    overwrite: bool = False,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the scores that tables have of a VCF's alleles into INFO, and change nothing else of its records.

    `tables` are files of `saturate` or in CADD's layout, each [NAME=]FILE; of several that give the same fields the
    first that has an allele counts. Alleles match after trimming, and with `genome` after moving left. `columns` are
    those to read (default: all of ours but RawScore; of others RawScore and PHRED). `misses` gets the records with an
    allele of bases that is not there, as they were. Returns the facts of the run, also written to `summary` as JSON.
    """
    began = time.monotonic()
    if not tables:
        raise DnabertError("give a table of scores after the VCF")
    given = [named(table) for table in tables]
    check_outputs(
        [vcf, *(path for _, path in given), genome, alias],
        {"--output": output, "--misses": misses, "--summary": summary},
    )
    for flag, path in (("--output", output), ("--misses", misses)):
        if path is not None and str(path) != "-" and not ends_with(path, VARIANTS):
            raise FormatError(f"{flag} {path}: unknown kind of output; name it {', '.join(VARIANTS)}")
    aliases = AliasTable() if alias is None else AliasTable.read(alias)
    opened = [ScoreTable(path, name=name or None, columns=columns or None, aliases=aliases) for name, path in given]
    with ExitStack() as stack:
        reference = None if genome is None else stack.enter_context(Genome.open(genome))
        source = VcfSource(vcf, _UNIT)
        work = _Work(opened, reference, aliases, source.path)
        lines = [line.encode() for line in _declarations(opened, reference is not None)]
        header, replaced = header_lines(source.header, lines, work.fields, overwrite)
        out = stack.enter_context(VcfSink(output, header))
        rest = None
        if misses is not None:
            rest = stack.enter_context(VcfSink(misses, source.header.with_lines([])))
        follow = Follow(progress("looking up", "records", None))

        def write(unit: _Unit) -> None:
            records = unit.records
            names, code = records.contigs()
            none = np.zeros(len(unit.record), np.uint32)
            out.note_positions(names, code, records.position)
            out.write(splice(records, unit.record, unit.fields, "", none, (), overwrite=overwrite))
            if rest is not None and len(rows := np.flatnonzero(unit.missed)):
                rest.note_positions(names, code[rows], records.position[rows])
                rest.write(_lines(records, unit.missed))
            follow(len(records))

        pipeline(_followed(source, follow), work.read, work.find, write)
    notes = [*source.header.repairs, *work.notes()]
    notes += other_assembly(work.counts.reasons, work.counts.alleles)
    notes += [f"fields of an earlier run were replaced: {', '.join(replaced)}"] if replaced else []
    if out.unsorted:
        notes.append("the input is not sorted by position, so the output has no index")
    facts = {
        "verb": "lookup",
        "tables": [{"file": table.path, "fields": list(table.fields), **(table.settings or {})} for table in opened],
        "fields": work.fields,
        **vars(work.counts),
        "reasons": dict(work.counts.reasons),
        "notes": notes,
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
        "misses": None if misses is None else str(misses),
    }
    write_summary(summary, facts)
    return facts


def _followed(source: VcfSource, follow: Follow) -> Iterator[Records]:
    for records in source:
        follow.unit(len(records), source.share)
        yield records


@dataclass
class _Counts:
    """What was looked up: `reasons` counts alleles that have no score, `records_missed` the records with such bases."""

    records: int = 0
    alleles: int = 0
    found: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    records_missed: int = 0


@dataclass(frozen=True)
class _Unit:
    """The records of a unit with the fields of their alleles; missed bool[records]: with one that could be scored."""

    records: Records
    record: I32
    fields: dict[str, F32]
    missed: Bool


class _Work:
    """Tables, and what was found in them. `read` may run in any thread, `find` in one."""

    def __init__(self, tables: Sequence[ScoreTable], genome: Genome | None, aliases: AliasTable, path: str) -> None:
        self.counts = _Counts()
        self.fields = list(dict.fromkeys(name for table in tables for name in table.fields))
        self._tables = tables
        self._genome = genome
        self._aliases = aliases
        self._path = path
        self._groups = list(dict.fromkeys(table.fields for table in tables))
        shared = [name for name in self.fields if sum(name in group for group in self._groups) > 1]
        if shared:
            raise DnabertError(f"two tables have {shared[0]} beside other fields; give them names: NAME=TABLE")
        self._judged = [[0, 0] for _ in tables]
        self._without: dict[str, None] = {}

    def read(self, records: Records) -> tuple[Records, Alleles]:
        """The alleles of a unit, with the reasons that need no table."""
        table = allele_table(records)
        contig = np.zeros(len(table.record), np.int32)
        if self._genome is not None:
            names, code = records.contigs()
            contig = np.array(resolve(names, self._genome, self._aliases)[0], np.int32)[code][table.record]
        position = records.position[table.record] - 1
        alleles = Alleles.of(table.record, table.kind, contig, position, table.ref, table.alt)
        return records, alleles if self._genome is None else check_reference(alleles, self._genome)

    def find(self, unit: tuple[Records, Alleles]) -> _Unit:
        """Look a unit up in all tables, and count."""
        records, alleles = unit
        n = len(alleles)
        fields = {name: np.full(n, np.nan, np.float32) for name in self.fields}
        hits = {group: np.zeros(n, np.uint8) for group in self._groups}
        for number, table in enumerate(self._tables):
            found = look_up(records, alleles, table, self._genome)
            self._judge(number, found, records, alleles)
            there, before = found.hits == FOUND, hits[table.fields]
            new = there & (before != FOUND)
            for name, values in found.fields.items():
                fields[name][new] = values[new]
            hits[table.fields] = np.where(there | (before == FOUND), FOUND, np.maximum(before, found.hits))
        return _Unit(records, alleles.record, fields, self._count(records, alleles, list(hits.values())))

    def notes(self) -> list[str]:
        """What a user should know of the tables."""
        notes = []
        for table, (seen, wrong) in zip(self._tables, self._judged, strict=True):
            if wrong:
                notes.append(f"{table.path} has another REF than the VCF at {wrong:,} of {seen:,} places")
        if self._without:
            shown = ", ".join(list(self._without)[:5])
            notes.append(f"no table has the contigs {shown}{', ...' if len(self._without) > 5 else ''}")
        return notes

    def _count(self, records: Records, alleles: Alleles, hits: list[U8]) -> Bool:
        """Which records have an allele of bases that a group of tables lacks; counts all."""
        counts = self.counts
        complete = np.logical_and.reduce([hit == FOUND for hit in hits])
        missing = alleles.scored & ~complete
        counts.records += len(records)
        counts.alleles += len(alleles)
        counts.found += int(np.count_nonzero(complete))
        counts.reasons += count_flags(alleles.flags, FLAG_NAMES)
        names, code = records.contigs()
        gone = [name for name in names if all(table.row(name) < 0 for table in self._tables)]
        self._without.update(dict.fromkeys(gone))
        away = np.isin(code, [names.index(name) for name in gone])[alleles.record]
        if count := int(np.count_nonzero(missing & away)):
            counts.reasons["CONTIG_NOT_IN_TABLE"] += count
        worst = np.maximum.reduce([np.where(hit == FOUND, 0, hit) for hit in hits])
        for hit, name in enumerate(HITS):
            if hit != FOUND and (count := int(np.count_nonzero(missing & ~away & (worst == hit)))):
                counts.reasons[name] += count
        missed = np.zeros(len(records), np.bool_)
        missed[alleles.record[missing]] = True
        counts.records_missed += int(np.count_nonzero(missed))
        return missed

    def _judge(self, number: int, found: LookedUp, records: Records, alleles: Alleles) -> None:
        """Refuse a table whose REFs are not those of the VCF."""
        judged = self._judged[number]
        wrong = np.flatnonzero(found.hits == OTHER_REF)
        judged[0] += int(np.count_nonzero(found.hits))
        judged[1] += len(wrong)
        if len(wrong) and judged[0] >= _JUDGED and 2 * judged[1] > judged[0]:
            row = int(wrong[0])
            raise FormatError(
                f"{self._tables[number].path}: has another REF than {records.where(int(alleles.record[row]))} with "
                f"{alleles.ref[row].decode()}, and so at {judged[1]:,} of the first {judged[0]:,} places: "
                "table and VCF are not of one assembly"
            )


def _declarations(tables: Sequence[ScoreTable], moved: bool) -> list[str]:
    """Header lines of the fields, and of the run: what changes results, and no path."""
    lines: dict[str, str] = {}
    told = []
    for table in tables:
        settings = table.settings or {}
        of = f"model {settings['model']}" if settings.get("model") else Path(table.path).name
        for name in table.fields:
            lines.setdefault(
                name, f'##INFO=<ID={name},Number=A,Type=Float,Description="Looked up, {_quoted(of)}: {name}">'
            )
        told.append(f"{Path(table.path).name}:{settings.get('model', '')}")
    run = f"##dnabert_fast_lookup=tables={','.join(told)} moved_left={'genome' if moved else 'within REF'}"
    return [*lines.values(), f"##source=dnabert_fast {__version__}", run.replace("\n", " ")]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _lines(records: Records, chosen: Bool) -> U8:
    """The text of some records, each with its line end."""
    starts = records.columns[:, 0]
    ends = np.append(starts[1:], len(records.text))
    text = Windows.from_spans(records.text, starts[chosen], ends[chosen]).bases
    return text if text[-1] == ord("\n") else np.append(text, np.uint8(ord("\n")))
