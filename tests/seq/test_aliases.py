"""Contig aliases: known names of GRCh37 and GRCh38, user files, and never a contig of the other assembly."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.aliases import AliasTable, refused, resolve
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.types import I64


@dataclass
class Contigs:
    """A genome without bases."""

    of: dict[str, int]
    names: tuple[str, ...] = field(init=False)
    lengths: I64 = field(init=False)

    def __post_init__(self) -> None:
        self.names, self.lengths = tuple(self.of), np.array(list(self.of.values()), np.int64)

    def row(self, name: str) -> int:
        return self.names.index(name) if name in self.names else -1


def genome(**lengths: int) -> Genome:
    return cast(Genome, Contigs(lengths))


def named(lengths: dict[str, int]) -> Genome:
    return cast(Genome, Contigs(lengths))


GRCH37_1, GRCH38_1 = 249_250_621, 248_956_422
KNOWN = AliasTable()


@pytest.mark.parametrize(
    ("name", "contig", "length"),
    [
        ("1", "chr1", GRCH37_1),
        ("chr1", "1", GRCH38_1),
        ("NC_000001.10", "chr1", GRCH37_1),
        ("NC_000001.11", "chr1", GRCH38_1),
        ("CM000663.1", "1", GRCH37_1),
        ("CM000663.2", "1", GRCH38_1),
        ("chr1", "NC_000001.11", GRCH38_1),
        ("NC_000001.11", "CM000663.2", GRCH38_1),
        ("NC_000001.11", "chr1", 1_000_000),  # a piece of a chromosome tells nothing
        ("NC_000014.9", "14", 107_043_718),
        ("NC_000014.8", "14", 107_349_540),
        ("NC_000021.9", "chr21", 46_709_983),
        ("NC_000022.11", "chr22", 50_818_468),
        ("NC_000023.11", "chrX", 156_040_895),
        ("X", "CM000685.2", 156_040_895),
        ("NC_000024.9", "Y", 59_373_566),
        ("CM000686.2", "chrY", 57_227_415),
        ("MT", "chrM", 16_569),
        ("chrM", "MT", 16_569),
        ("M", "NC_012920.1", 16_569),
        ("J01415.2", "chrM", 16_569),
        ("NC_001807.4", "chrM", 16_571),
        ("IV", "chrIV", 1_531_933),  # not human, yet clear
    ],
)
def test_known_names(name: str, contig: str, length: int) -> None:
    found = named({"other": 5, contig: length})
    assert resolve([name, "other", "none"], found, KNOWN) == ([1, 0, -1], {name: contig})
    assert refused([name, "other", "none"], found, KNOWN) == {}


@pytest.mark.parametrize(
    ("name", "contig", "length"),
    [
        ("NC_000001.10", "chr1", GRCH38_1),
        ("NC_000001.11", "1", GRCH37_1),
        ("CM000663.2", "chr1", GRCH37_1),
        ("MT", "chrM", 16_571),
        ("NC_012920.1", "chrM", 16_571),
        ("NC_001807.4", "MT", 16_569),
    ],
)
def test_another_assembly_is_refused(name: str, contig: str, length: int) -> None:
    rows, aliased = resolve([name], named({contig: length}), KNOWN)
    assert (rows, aliased) == ([-1], {})
    told = refused([name], named({contig: length}), KNOWN)
    if contig != "MT":  # MT and NC_001807.4 are two sequences by their names alone
        assert f"{length:,}" in told[name]
        assert f"{contig} of the genome" in told[name]


def test_accessions_of_two_assemblies_never_meet() -> None:
    assert resolve(["NC_000001.10"], named({"NC_000001.11": 1000}), KNOWN) == ([-1], {})
    assert resolve(["NC_000001.10"], named({"NC_000001.11": 1000, "CM000663.1": 1000}), KNOWN)[0] == [1]


def test_a_name_of_the_genome_is_that_contig_whatever_else() -> None:
    assert resolve(["1", "chr1"], genome(chr1=9, **{"1": 9}), KNOWN) == ([1, 0], {})


def test_more_than_one_contig_is_refused() -> None:
    found = genome(chr1=9, **{"1": 9})
    assert resolve(["NC_000001.11"], found, KNOWN) == ([-1], {})
    assert "could be any of" in refused(["NC_000001.11"], found, KNOWN)["NC_000001.11"]


def test_every_chromosome_has_its_accessions() -> None:
    """RefSeq and GenBank number the chromosomes in order; both assemblies have one accession of each."""
    for i, chromosome in enumerate([*map(str, range(1, 23)), "X", "Y"]):
        found = named({chromosome: 1000})
        matches = [v for v in range(20) if resolve([f"NC_{i + 1:06d}.{v}"], found, KNOWN)[0] == [0]]
        assert len(matches) == 2
        assert matches[1] == matches[0] + 1
        assert [v for v in range(9) if resolve([f"CM{i + 663:06d}.{v}"], found, KNOWN)[0] == [0]] == [1, 2]


LAYOUTS = {
    "columns": "# ucsc\tassembly\tgenbank\tncbi\trefseq\nchrA\tA\tCM1.1\t\tNC_1.1\nchrB_random\tHSB\t\t\tNT_2.1\n",
    "sequenceName": "# sequenceName\talias names\tUCSC database: x\nchrA\tA\tCM1.1\tNC_1.1\nchrB_random\tHSB\tNT_2.1\n",
    "table": "A\tchrA\tensembl\nCM1.1\tchrA\tgenbank\nNC_1.1\tchrA\trefseq\nHSB\tchrB_random\tassembly\n"
    "NT_2.1\tchrB_random\tassembly,refseq\n",
    "titled": "#alias\tchrom\tsource\nA\tchrA\tensembl\nCM1.1\tchrA\tgenbank\nNC_1.1\tchrA\trefseq\n"
    "HSB\tchrB_random\tassembly\nNT_2.1\tchrB_random\tassembly,refseq\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("zipped", [False, True])
def test_user_files(tmp_path: Path, layout: str, zipped: bool) -> None:
    text = LAYOUTS[layout].encode()
    path = tmp_path / "chromAlias.txt"
    path.write_bytes(gzip.compress(text) if zipped else text)
    table = AliasTable.read(path)
    for contig in ("chrA", "A", "CM1.1", "NC_1.1"):
        names = [name for name in ("chrA", "A", "CM1.1", "NC_1.1") if name != contig]
        found = named({contig: 10, "HSB": 10})
        assert resolve([*names, "NT_2.1"], found, table)[0] == [0, 0, 0, 1]
    assert resolve(["ensembl", "assembly"], named({"chrA": 10, "chrB_random": 10}), table) == ([-1, -1], {})


def test_user_file_does_not_override_the_assembly(tmp_path: Path) -> None:
    path = tmp_path / "chromAlias.txt"
    path.write_text("# ucsc\trefseq\nchr1\tNC_000001.10\n")
    table = AliasTable.read(path)
    assert resolve(["NC_000001.10"], genome(chr1=GRCH38_1), table)[0] == [-1]
    assert resolve(["NC_000001.10"], genome(chr1=GRCH37_1), table)[0] == [0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no aliases"),
        (b"chr1 1 NC_000001.10\n", "chromAlias.txt:1: one name only"),
        (b"# ucsc\tncbi\nchr1\t1\nchr2 2\n", "chromAlias.txt:3: one name only"),
        (b"\xff\xfe\x00", "is not a text file of aliases"),
        (gzip.compress(b"a\tb\n" * 1000)[:20], "is not a text file of aliases, or is truncated"),
        (gzip.compress(b"a\tb\n")[:10] + b"\xff" * 20, "is not a text file of aliases, or is truncated"),
    ],
)
def test_broken_user_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "chromAlias.txt"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        AliasTable.read(path)
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        AliasTable.read(tmp_path / "none")
