"""Other names of a genome's contigs: chr1 = 1 = NC_000001.11 = CM000663.2. Knows no records and no bases."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import FormatError
from .genome import Genome

__all__ = ["AliasTable", "refused", "resolve"]


class _Known(NamedTuple):
    """A human chromosome by a name; `length` where that name stands for one assembly alone, else 0."""

    chromosome: str
    length: int


# Chromosome, RefSeq version and length in GRCh37, the same in GRCh38 (NCBI Assembly GCF_000001405.25 and .26). RefSeq
# numbers them NC_000001 to NC_000024, GenBank CM000663 to CM000686, version 1 in GRCh37 and 2 in GRCh38.
_ASSEMBLIES = (
    ("1", 10, 249250621, 11, 248956422),
    ("2", 11, 243199373, 12, 242193529),
    ("3", 11, 198022430, 12, 198295559),
    ("4", 11, 191154276, 12, 190214555),
    ("5", 9, 180915260, 10, 181538259),
    ("6", 11, 171115067, 12, 170805979),
    ("7", 13, 159138663, 14, 159345973),
    ("8", 10, 146364022, 11, 145138636),
    ("9", 11, 141213431, 12, 138394717),
    ("10", 10, 135534747, 11, 133797422),
    ("11", 9, 135006516, 10, 135086622),
    ("12", 11, 133851895, 12, 133275309),
    ("13", 10, 115169878, 11, 114364328),
    ("14", 8, 107349540, 9, 107043718),
    ("15", 9, 102531392, 10, 101991189),
    ("16", 9, 90354753, 10, 90338345),
    ("17", 10, 81195210, 11, 83257441),
    ("18", 9, 78077248, 10, 80373285),
    ("19", 9, 59128983, 10, 58617616),
    ("20", 10, 63025520, 11, 64444167),
    ("21", 8, 48129895, 9, 46709983),
    ("22", 10, 51304566, 11, 50818468),
    ("X", 10, 155270560, 11, 156040895),
    ("Y", 9, 59373566, 10, 57227415),
)


def _known_names() -> dict[str, _Known]:
    known = {}
    for i, (chromosome, version37, length37, version38, length38) in enumerate(_ASSEMBLIES):
        known[chromosome] = known[f"chr{chromosome}"] = _Known(chromosome, 0)
        known[f"NC_{i + 1:06d}.{version37}"] = known[f"CM{663 + i:06d}.1"] = _Known(chromosome, length37)
        known[f"NC_{i + 1:06d}.{version38}"] = known[f"CM{663 + i:06d}.2"] = _Known(chromosome, length38)
    # chrM is the revised Cambridge sequence everywhere but in UCSC's hg19, whose chrM is two bases longer.
    known["chrM"] = known["M"] = _Known("MT", 0)
    known["MT"] = known["NC_012920.1"] = known["J01415.2"] = _Known("MT", 16569)
    known["NC_001807.4"] = _Known("MT", 16571)
    return known


_KNOWN = _known_names()
_LENGTHS = {chromosome: {length37, length38} for chromosome, _, length37, _, length38 in _ASSEMBLIES} | {
    "MT": {16569, 16571}
}


@dataclass(frozen=True)
class AliasTable:
    """Which names mean the same contig: those of the human chromosomes in GRCh37 and GRCh38 (chr1, 1, RefSeq, GenBank;
    chrM, M, MT), any name with and without "chr", and the groups of a user's file, which go first."""

    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @staticmethod
    def read(path: str | Path) -> AliasTable:
        """Read UCSC's chromAlias.txt, plain or gzip, in any of its layouts.

        Rows of equal names under a header "# ucsc assembly genbank ..." or "# sequenceName alias names ...", or rows
        "alias chrom source" with or without a header; tabs between. FormatError names a line without two names.
        """
        joined: dict[str, set[str]] = {}
        for row in _rows(path):
            group = set(row).union(*(joined.get(name, ()) for name in row))
            joined.update(dict.fromkeys(group, group))
        if not joined:
            raise FormatError(f"{path}: holds no aliases; give a chromAlias.txt, with names of one contig on each line")
        return AliasTable({name: tuple(sorted(group)) for name, group in joined.items()})

    def hash(self) -> str | None:
        """16 hexadecimal digits that are the same for the same groups; None where the user gave none."""
        if not self.groups:
            return None
        lines = sorted({"\t".join(group) for group in self.groups.values()})
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def candidates(self, name: str) -> Iterator[str]:
        """Other names of a contig, the user's before the known ones; names of another assembly are not among them."""
        yield from self.groups.get(name, ())
        for other in (name, *self.groups.get(name, ())):
            yield other.removeprefix("chr")
            yield f"chr{other}"
            if known := _KNOWN.get(other):
                yield from (alias for alias, meaning in _KNOWN.items() if _agree(known, meaning))


def resolve(names: Sequence[str], genome: Genome, aliases: AliasTable) -> tuple[list[int], dict[str, str]]:
    """The row of `Genome.names` of each name (-1: none), and which names were aliased, as {name: contig}.

    A name that the genome has is that contig. An alias of one assembly, as NC_000001.10 is, is not applied to a contig
    of another assembly's length; `refused` tells of those.
    """
    rows = [_row(name, genome, aliases)[0] for name in names]
    return rows, {name: genome.names[row] for name, row in zip(names, rows, strict=True) if _aliased(name, row, genome)}


def refused(names: Sequence[str], genome: Genome, aliases: AliasTable) -> dict[str, str]:
    """The names whose alias was not applied, each with the reason: another assembly, or more than one contig."""
    reasons = {name: _row(name, genome, aliases)[1] for name in names}
    return {name: reason for name, reason in reasons.items() if reason}


def _aliased(name: str, row: int, genome: Genome) -> bool:
    return row >= 0 and genome.names[row] != name


def _agree(one: _Known, other: _Known) -> bool:
    return one.chromosome == other.chromosome and (not one.length or not other.length or one.length == other.length)


def _row(name: str, genome: Genome, aliases: AliasTable) -> tuple[int, str]:
    """The contig of a name, or -1 and why an alias was refused."""
    if (row := genome.row(name)) >= 0:
        return row, ""
    wrong = ""
    found: list[str] = []
    for contig in dict.fromkeys(aliases.candidates(name)):
        if (row := genome.row(contig)) < 0:
            continue
        if reason := _other_assembly(name, contig, int(genome.lengths[row])):
            wrong = reason
        else:
            found.append(contig)
    if len(found) == 1:
        return genome.row(found[0]), ""
    return -1, f"{name} could be any of {', '.join(found)}" if found else wrong


def _other_assembly(name: str, contig: str, length: int) -> str:
    """Why a name must not stand for a contig: its assembly gives that chromosome another length."""
    meaning = _KNOWN.get(name)
    if meaning is None or not meaning.length or length == meaning.length or length not in _LENGTHS[meaning.chromosome]:
        return ""
    return (
        f"{name} is of an assembly in which this contig has {meaning.length:,} bases, "
        f"but {contig} of the genome has {length:,}"
    )


def _rows(path: str | Path) -> Iterator[list[str]]:
    source: int | None = None
    for number, line in enumerate(_lines(path), 1):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if number == 1 and line.startswith("#"):
            titles = [cell.lstrip("# ") for cell in cells]
            source = titles.index("source") if "source" in titles else -1
            continue
        if line.startswith("#") or not line.strip():
            continue
        if source is None:  # no header: "alias chrom source"
            source = 2
        row = [cell for column, cell in enumerate(cells) if cell and column != source]
        if not row or (len(row) == 1 and len(cells) == 1):
            raise FormatError(f"{path}:{number}: one name only; put all names of a contig on one line, with tabs")
        yield row


def _lines(path: str | Path) -> Iterable[str]:
    try:
        data = Path(path).read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        return text.decode("utf-8").split("\n")
    except OSError as error:
        reason = error.strerror or "damaged gzip"
        raise FormatError(f"{path}: cannot be read: {reason}") from None
    except (EOFError, zlib.error, UnicodeDecodeError):
        raise FormatError(f"{path}: is not a text file of aliases, or is truncated") from None
