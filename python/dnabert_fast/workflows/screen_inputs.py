"""What `screen` reads: the alleles of a VCF and where they lie, lists of known alleles, and the records it keeps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..analysis.known import KnownAlleles, identities, known_alleles
from ..analysis.screen import Sites
from ..analysis.variants import UNIT_RECORDS, alleles_of
from ..errors import DnabertError, FormatError
from ..io.known import known_records
from ..io.vcf import VcfSource
from ..seq.aliases import AliasTable, refused, resolve
from ..seq.batch import Windows
from ..seq.flags import count_flags
from ..seq.genome import Genome
from ..seq.types import I64, U8, Bool
from ..seq.variants import FLAG_NAMES, UNSCORED, changes, check_reference, normalized
from ..seq.vcf_text import Records, allele_table
from .progress import Progress

__all__ = ["Contigs", "Kept", "Survey", "kept_records", "most_kept_units", "named_files", "read_known", "survey"]


@dataclass
class Contigs:
    """Names of contigs as files have them, and what they are in a genome; remembers the names it was asked for."""

    genome: Genome
    aliases: AliasTable
    names: dict[str, None] = field(default_factory=dict)

    def resolve(self, names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
        """See `seq.aliases.resolve`."""
        self.names.update(dict.fromkeys(names))
        return resolve(names, self.genome, self.aliases)

    def refused(self) -> list[str]:
        """Why aliases of the names asked for were not applied."""
        return list(refused(list(self.names), self.genome, self.aliases).values())


@dataclass(frozen=True)
class Survey:
    """The alleles of a VCF, one row each in its order.

    usable bool[n]: bases that fit the genome; known bool[lists, n]; contigs: rows of the genome that the records name;
    `reasons` counts alleles that are not usable by flag.
    """

    records: int
    usable: Bool
    known: Bool
    sites: Sites
    contigs: I64
    reasons: Counter[str]
    aliased: Counter[str]


def named_files(known: Sequence[str]) -> dict[str, str]:
    """The files of --known by name. Raises DnabertError for what is not NAME=FILE, and for a name that comes twice."""
    files: dict[str, str] = {}
    for text in known:
        name, equals, path = text.partition("=")
        if not equals or not path or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name):
            raise DnabertError(f"--known {text}: give NAME=FILE; NAME may hold letters, digits, _ . + and -")
        if name in files:
            raise DnabertError(f"--known {text}: {name} is the name of {files[name]}; give each list its own")
        if not Path(path).is_file():
            raise DnabertError(f"--known {text}: no file {path}")
        files[name] = path
    return files


def read_known(files: dict[str, str], contigs: Contigs, progress: Progress) -> list[KnownAlleles]:
    """The lists of known alleles, by their normalised changes."""
    lists = []
    for name, path in files.items():
        advance = progress(f"reading {name}", "records", None)

        def told(units: Iterator[Records], advance: Callable[[int], None] = advance) -> Iterator[Records]:
            for records in units:
                yield records
                advance(len(records))

        asked = Contigs(contigs.genome, contigs.aliases)
        lists.append(known_alleles(name, told(known_records(path)), contigs.genome, asked.resolve))
    return lists


def survey(
    vcf: str | Path, contigs: Contigs, lists: Sequence[KnownAlleles], normalize: bool, progress: Progress
) -> Survey:
    """Read all alleles of a VCF or BCF: where their first changed base lies, and which lists hold them."""
    if not Path(vcf).is_file():
        raise FormatError(f"{vcf}: is no regular file; a VCF to screen is read twice")
    genome = contigs.genome
    advance = progress("reading", "records", None)
    usable, contig, position = [np.empty(0, np.bool_)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    known = [np.empty((len(lists), 0), np.bool_)]
    reasons: Counter[str] = Counter()
    aliased: Counter[str] = Counter()
    named: set[int] = set()
    count = 0
    source = VcfSource(vcf, UNIT_RECORDS)
    for records in source:
        alleles, renamed = alleles_of(records, contigs.resolve)
        named.update(np.unique(alleles.contig).tolist())
        alleles = check_reference(alleles, genome)
        normal = normalized(alleles, genome) if lists or normalize else None
        change = normal if normalize and normal is not None else changes(alleles)
        usable.append(alleles.scored)
        contig.append(np.where(alleles.scored, alleles.contig, -1).astype(np.int32))
        # An insertion after a contig's last base comes before no base; it counts as at that one.
        last = genome.lengths[alleles.contig] - 1
        position.append(np.where(alleles.scored, np.minimum(change.start, last), 0))
        keys = np.empty(0, np.uint64) if normal is None else identities(alleles.contig, normal)
        held = np.zeros((len(lists), len(alleles)), np.bool_)
        for row, part in zip(held, lists, strict=True):
            row[:] = part.holds(keys) & alleles.scored
        known.append(held)
        reasons += count_flags(alleles.flags & np.uint32(UNSCORED), FLAG_NAMES)
        aliased += renamed
        count += len(records)
        advance(len(records), source.share)
    everywhere = np.concatenate(usable)
    sites = Sites(np.concatenate(contig), np.concatenate(position))
    rows = np.array(sorted(named - {-1}), np.int64)
    return Survey(count, everywhere, np.concatenate(known, axis=1), sites, rows, reasons, aliased)


@dataclass(frozen=True)
class Kept:
    """Records that were kept, their alleles by their rows among all of the file, and the share of it that was read."""

    records: Records
    rows: I64
    share: float


def most_kept_units(inside: Bool) -> int:
    """How many units `kept_records` gives at most."""
    return int(np.count_nonzero(inside)) // UNIT_RECORDS + 1


def kept_records(source: VcfSource, inside: Bool) -> Iterator[Kept]:
    """The records of a file that have an allele inside, bool[n] of all its alleles, in units of as many as `variants`,
    or of more.

    Raises FormatError where the file has other alleles than it had.
    """
    pending: list[U8] = []
    rows: list[I64] = []
    first, done, lines = 1, 0, 0
    at = len(source.header.meta) + 2

    def unit() -> Kept:
        records = Records.parse(np.concatenate(pending), first, source.path)
        return Kept(records, np.concatenate(rows), done / max(1, len(inside)))

    for records in source:
        record = allele_table(records).record
        row = done + np.arange(len(record))
        done += len(record)
        if done > len(inside):
            break
        kept = np.zeros(len(records), np.bool_)
        kept[record[inside[row]]] = True
        if kept.any():
            begins = records.columns[:, 0]
            which = np.flatnonzero(kept)
            ends = np.append(begins[1:], len(records.text))
            first = first if pending else at + int(which[0])
            pending.append(Windows.from_spans(records.text, begins[which], ends[which]).bases)
            rows.append(row[kept[record]])
            lines += len(which)
        at += len(records)
        if lines >= UNIT_RECORDS:
            yield unit()
            pending, rows, lines = [], [], 0
    if done != len(inside):
        raise FormatError(f"{source.path}: has other variants than when it was first read; screen a file at rest")
    if pending:
        yield unit()
