"""Alleles looked up in tables against a dictionary of their rows; and tables that are none."""

from __future__ import annotations

import gzip
import math
import random
from pathlib import Path

import numpy as np
import pysam
import pytest
from oracle import score_table as oracle

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.lookup import HITS, ScoreTable, look_up, lookup_unit
from dnabert_fast.seq.variants import Alleles
from dnabert_fast.seq.vcf_text import Records, allele_table

CADD = "## CADD GRCh38-v1.6 (c) University of Washington\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"


def write_table(path: Path, lines: list[str], header: str = CADD, *, block: int = 60_000, csi: bool = False) -> Path:
    """A BGZF table with blocks of so many bytes, that begin anywhere in a line, and its index."""
    text = (header + "".join(line + "\n" for line in lines)).encode()
    with pysam.BGZFile(str(path), "w") as file:
        for at in range(0, len(text), block):
            file.write(text[at : at + block])
            file.flush()
    pysam.tabix_index(str(path), seq_col=0, start_col=1, end_col=1, force=True, csi=csi)
    return path


def unit_of(records: list[str]) -> tuple[Records, Alleles]:
    """Records given as "CHROM POS REF ALT", and their alleles without a genome."""
    rows = [record.split() for record in records]
    lines = [f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for chrom, pos, ref, alt in rows]
    parsed = Records.parse(np.frombuffer("".join(lines).encode(), np.uint8), 1, "in.vcf")
    table = allele_table(parsed)
    none = np.zeros(len(table.record), np.int32)
    position = parsed.position[table.record] - 1
    return parsed, Alleles.of(table.record, table.kind, none, position, table.ref, table.alt)


def random_rows(rng: random.Random, contig: str, first: int, bases: str) -> list[tuple[int, str, str]]:
    """SNVs of most bases, and some insertions, deletions and two-base changes in normal form."""
    rows = []
    for i, ref in enumerate(bases[:-4]):
        if rng.random() < 0.2:
            continue
        rows += [(first + i, ref, alt) for alt in "ACGT" if alt != ref and rng.random() < 0.9]
        for length in (1, 2):
            deleted = bases[i + 1 : i + 1 + length]
            if rng.random() < 0.2 and deleted[-1] != ref:
                rows.append((first + i, ref + deleted, ref))
        inserted = rng.choice("ACGT") + rng.choice("ACGT")
        if rng.random() < 0.2 and inserted[-1] != ref:
            rows.append((first + i, ref, ref + inserted))
        if rng.random() < 0.1:
            rows.append((first + i, bases[i : i + 2], "".join("TGCA"["ACGT".index(base)] for base in bases[i : i + 2])))
    return rows


@pytest.mark.parametrize(
    ("block", "csi", "order"),
    [(60_000, False, "sorted"), (700, False, "sorted"), (113, True, "sorted"), (1500, True, "any"), (40, False, "any")],
)
def test_alleles_are_those_of_the_rows(tmp_path: Path, block: int, csi: bool, order: str) -> None:
    """Blocks of any size, gaps within tiles and over several, insertions and deletions, in and out of order."""
    rng = random.Random(block)
    lines, alleles, bases = [], [], {}
    for contig, firsts in (("1", (90, 16_380, 200_000)), ("2", (1,)), ("X", (40_000_000,))):
        for first in firsts:
            own = "".join(rng.choice("ACGT") for _ in range(60))
            bases[contig, first] = own
            rows = random_rows(rng, contig, first, own)
            alleles += [(contig, *row) for row in rows]
            for position, ref, alt in rows:
                number = f"{rng.gauss(0, 3):.6f}"
                lines.append(f"{contig}\t{position}\t{ref}\t{alt}\t{number}\t{rng.choice(['.', '1.5', '31', '1e-3'])}")
    path = write_table(tmp_path / "t.tsv.gz", lines, block=block, csi=csi)
    columns, truth = oracle.rows(path)
    assert columns == ["Chrom", "Pos", "Ref", "Alt", "RawScore", "PHRED"]
    asked = [alleles[i] for i in sorted(rng.sample(range(len(alleles)), 150))]
    for contig, first in bases:  # and places without a row, with other alleles, and written otherwise
        own = bases[contig, first]
        for i in rng.sample(range(56), 12):
            asked.append(
                (contig, first + i, own[i : i + 4], rng.choice(["ACGT", own[i], own[i] + "A" + own[i + 1 : i + 4]]))
            )
            asked.append((contig, first + i, rng.choice("ACGT"), rng.choice("ACGTacgt")))
            asked.append((contig, first + 1000 * i, "A", "C"))
    asked.append(("7", 5, "A", "C"))
    if order == "sorted":
        asked.sort(key=lambda allele: ("12X7".index(allele[0]), allele[1]))
    else:
        rng.shuffle(asked)
    table = ScoreTable(path)
    assert table.fields == ("CADD_RAW", "CADD_PHRED")
    seen = set()
    for part in (asked, asked[::-1], asked[50:60]):  # later units may begin before where the last one ended
        records, unit = unit_of([" ".join(map(str, allele)) for allele in part])
        found = look_up(records, unit, table)
        for i, (chrom, position, ref, alt) in enumerate(part):
            hit, numbers = oracle.find(truth, chrom, position, ref, alt)
            assert HITS[found.hits[i]] == hit, part[i]
            seen.add(hit)
            ours = [float(values[i]) for values in found.fields.values()]
            if numbers is None:
                assert all(map(math.isnan, ours))
                continue
            for text, value in zip(numbers, ours, strict=True):
                assert (math.isnan(value) and text == ".") or value == np.float32(float(text))
    assert seen == set(HITS)


def test_contigs_may_have_other_names(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv.gz", ["20\t5\tA\tC\t1.5\t2", "MT\t7\tG\tT\t2.5\t3"])
    fields, missing = lookup_unit(
        *unit_of(["chr20 5 A C", "NC_000020.11 5 a c", "chrM 7 G T", "21 5 A C"]), ScoreTable(path)
    )
    assert fields["CADD_RAW"].tolist()[:3] == [1.5, 1.5, 2.5]
    assert missing.tolist() == [False, False, False, True]


def test_what_is_no_bases_is_missing(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv.gz", ["1\t5\tA\tC\t1.5\t2"])
    found = look_up(*unit_of(["1 5 A <DEL>", "1 5 A *,C", "1 5 N C", "1 5 A ."]), ScoreTable(path))
    assert found.missing.tolist() == [True, True, False, True, True]


def test_columns_are_chosen_and_named(tmp_path: Path) -> None:
    header = "#chr\tpos\tref\talt\tconsequence\tGerp RS\tRawScore\tPHRED\n"
    path = write_table(tmp_path / "t.tsv.gz", ["1\t5\tA\tC\tstop\t2.5\t-0.25\tNA"], header)
    records, alleles = unit_of(["1 5 A C"])
    table = ScoreTable(path, name="X", columns=["PHRED", "Gerp RS"])
    found = look_up(records, alleles, table)
    assert {name: str(values[0]) for name, values in found.fields.items()} == {"X_Gerp_RS": "2.5", "X_PHRED": "nan"}
    assert ScoreTable(path).fields == ("TABLE_RAW", "TABLE_PHRED")
    with pytest.raises(FormatError, match=r"has no column Score; there are consequence, Gerp RS"):
        ScoreTable(path, columns=["Score"])
    with pytest.raises(FormatError, match=r"the row at 1:5 has 'stop' in column consequence, which is no number"):
        look_up(records, alleles, ScoreTable(path, columns=["consequence"]))


def test_a_table_that_can_not_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    lines = ["1\t5\tA\tC\t1.5\t2", "1\t9\tA\tC\t1.5\t2"]
    good = write_table(tmp_path / "good.tsv.gz", lines)
    index = good.with_name(good.name + ".tbi")
    records, alleles = unit_of(["1 9 A C"])

    def copy(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        path.with_name(name + ".tbi").write_bytes(index.read_bytes())
        return path

    text = gzip.decompress(good.read_bytes())
    cases = [
        (copy("plain.tsv", text), r"plain\.tsv: is not compressed, where a table of scores is BGZF"),
        (copy("gzip.tsv.gz", gzip.compress(text)), r"is plain gzip, where a table of scores is BGZF; compress it with"),
        (copy("cut.tsv.gz", good.read_bytes()[:-28]), r"is truncated: it lacks the empty block that ends a BGZF file"),
        (copy("empty.tsv.gz", b""), r"is empty; name a table"),
        (tmp_path / "none.tsv.gz", r"none\.tsv\.gz: no such file"),
    ]
    for path, why in cases:
        with pytest.raises(FormatError, match=why) as told:
            ScoreTable(path)
        assert "\n" not in str(told.value)

    bare = tmp_path / "bare.tsv.gz"
    bare.write_bytes(good.read_bytes())
    with pytest.raises(FormatError, match=r"has no index; make one: tabix -s1 -b2 -e2 .*bare\.tsv\.gz"):
        ScoreTable(bare)
    for broken in (
        index.read_bytes()[:-40],
        gzip.compress(gzip.decompress(index.read_bytes())[:50]),
        gzip.compress(b"x"),
    ):
        bare.with_name("bare.tsv.gz.tbi").write_bytes(broken)
        with pytest.raises(FormatError, match=r"bare\.tsv\.gz\.tbi: is (no whole index|truncated)"):
            ScoreTable(bare)
    pysam.tabix_index(str(bare), seq_col=0, start_col=1, end_col=1, zerobased=True, force=True)
    with pytest.raises(FormatError, match=r"is not an index of columns 1 and 2 counted from 1"):
        ScoreTable(bare)

    few = write_table(tmp_path / "few.tsv.gz", lines, "#Chrom\tPos\tRef\tRawScore\tPHRED\n")
    with pytest.raises(FormatError, match=r"is no table of scores: its last line of header has to be #Chrom, Pos"):
        ScoreTable(few)
    headless = write_table(tmp_path / "headless.tsv.gz", lines, "")
    with pytest.raises(FormatError, match=r"with tabs between them, but is ''"):
        ScoreTable(headless)
    short = write_table(tmp_path / "short.tsv.gz", ["1\t9\tA\tC\t1.5"])
    with pytest.raises(FormatError, match=r"the row at 1:9 has 5 columns, but the header names 6"):
        look_up(records, alleles, ScoreTable(short))
    with pytest.raises(DnabertError, match="cannot name a field"):
        ScoreTable(write_table(tmp_path / "odd.tsv.gz", [], CADD.replace("RawScore", "1st")), columns=["1st"])


def test_rows_out_of_order_are_named(tmp_path: Path) -> None:
    """The index is that of a table in order with rows of the same size."""
    rows = [f"1\t{100 + i}\tA\tC\t1.5\t2" for i in range(300)]
    good = write_table(tmp_path / "good.tsv.gz", rows)
    rows[100], rows[200] = rows[200], rows[100]
    text = (CADD + "".join(row + "\n" for row in rows)).encode()
    bad = tmp_path / "bad.tsv.gz"
    with pysam.BGZFile(str(bad), "w") as file:
        file.write(text)
    bad.with_name("bad.tsv.gz.tbi").write_bytes(good.with_name("good.tsv.gz.tbi").read_bytes())
    records, alleles = unit_of(["1 110 A C", "1 390 A C"])
    with pytest.raises(FormatError, match=r"is not sorted: a row at 1:201 follows one at 1:300; sort it, and index it"):
        look_up(records, alleles, ScoreTable(bad))


def test_an_index_of_another_table_is_no_crash(tmp_path: Path) -> None:
    long = write_table(tmp_path / "long.tsv.gz", [f"1\t{100 * i + 1}\tA\tC\t{i}.5\t2" for i in range(20_000)])
    short = write_table(tmp_path / "short.tsv.gz", ["1\t1\tA\tC\t1.5\t2"])
    short.with_name("short.tsv.gz.tbi").write_bytes(long.with_name("long.tsv.gz.tbi").read_bytes())
    records, alleles = unit_of(["1 1900001 A C"])
    with pytest.raises(FormatError, match="its index is of another file"):
        look_up(records, alleles, ScoreTable(short))


def test_rows_of_another_contig_do_not_stay(tmp_path: Path) -> None:
    """POS 0 is a telomere; what is deleted there has no row before it."""
    table = ScoreTable(write_table(tmp_path / "t.tsv.gz", ["1\t5\tGA\tG\t1\t1", "2\t5\tG\tA\t1\t1"]))
    records, alleles = unit_of(["1 5 GA G", "2 0 AT T"])
    assert look_up(records, alleles, table).hits.tolist() == [HITS.index("FOUND"), HITS.index("NOT_IN_TABLE")]


def test_numbers_smaller_than_floats_are_nothing(tmp_path: Path) -> None:
    lines = ["1\t5\tG\tA\t1e-50\t-1e-60", "1\t6\tG\tA\t1e50\t1"]
    table = ScoreTable(write_table(tmp_path / "t.tsv.gz", lines))
    records, alleles = unit_of(["1 5 G A"])
    assert [values.tolist() for values in look_up(records, alleles, table).fields.values()] == [[0.0], [0.0]]
    with pytest.raises(FormatError, match="the row at 1:6 has '1e50' in column RawScore, which is no number"):
        look_up(*unit_of(["1 6 G A"]), table)


def test_insertions_and_deletions_at_the_start_of_a_contig(tmp_path: Path) -> None:
    """Nothing lies before them, so their rows have the base behind them."""
    lines = ["1\t1\tAAA\tA\t1\t1", "1\t1\tA\tGTA\t2\t2", "1\t1\tA\tC\t3\t3", "1\t1\tA\tAT\t4\t4"]
    table = ScoreTable(write_table(tmp_path / "t.tsv.gz", lines))
    (tmp_path / "g.fa").write_text(">1\nAAACGT\n")
    records, alleles = unit_of(["1 3 AC C", "1 1 AAA A", "1 1 A GTA", "1 1 A C", "1 1 A AT", "1 1 AA A"])
    with Genome.open(tmp_path / "g.fa") as genome:
        found = look_up(records, alleles, table, genome)
    assert found.fields["CADD_RAW"].tolist()[1:5] == [1, 2, 3, 4]
    assert found.hits.tolist() == [HITS.index("NOT_IN_TABLE"), *[HITS.index("FOUND")] * 4, HITS.index("NOT_IN_TABLE")]
