"""Alleles in their windows, normalised alleles and REF checks, against string slices, vt's algorithm and bcftools."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import variants as oracle
from oracle.alleles import trim

from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.genome import Genome
from dnabert_fast.seq.variants import (
    FLAG_NAMES,
    UNSCORED,
    Alleles,
    Flag,
    Regions,
    changes,
    check_reference,
    normalized,
    place,
    tiles,
)

ONE = (b"ACACACACGTTTTTTTGACGACGACGTATATATCCGGaacgtgcaTTTTACGATCGGGATTACAGATTACAGATTACACCCCCCCAGT" * 3)[:230]
TWO = b"GATTACA" * 9
CONTIGS = {"one": ONE, "two": TWO}
NAMES = tuple(CONTIGS)

Row = tuple[int, int, bytes, bytes]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), bases) for name, bases in CONTIGS.items()))
    return Genome.open(path)


def alleles_of(rows: list[Row], kind: int = 0) -> Alleles:
    contig, position, ref, alt = zip(*rows, strict=True)
    return Alleles.of(
        np.arange(len(rows), dtype=np.int32),
        np.full(len(rows), kind, np.uint8),
        np.array(contig, np.int32),
        np.array(position, np.int64),
        Windows.from_strings(ref),
        Windows.from_strings(alt),
    )


def flags(alleles: Alleles) -> list[Flag]:
    return [Flag(int(flag)) for flag in alleles.flags]


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Alleles of every shape whose REF is the genome's: random, repeats of what stands there, long, at both ends."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        contig = draw(st.integers(0, 1))
        bases = CONTIGS[NAMES[contig]]
        position = draw(st.integers(0, len(bases) - 1))
        ref = bases[position : position + draw(st.integers(1, 14))]
        here = bases[position : position + draw(st.integers(0, 30))]
        alt = (
            draw(st.sampled_from([b"", ref[:1], ref, here]))
            + draw(st.sampled_from([b"", ref[1:], here]))
            + bytes(draw(st.lists(st.sampled_from(b"ACGTacgt"), max_size=4)))
        )
        found.append((contig, position, ref, alt or b"T"))
    return found


@given(rows(), st.integers(3, 40))
def test_centred_windows(genome: Genome, found: list[Row], window: int) -> None:
    alleles = alleles_of(found)
    alleles, placed = place(alleles, changes(alleles), genome, window, None)
    row = iter(range(len(placed.rows)))
    for i, (contig, position, ref, alt) in enumerate(found):
        bases = CONTIGS[NAMES[contig]]
        prefix, _ = trim(ref, alt)
        deleted, inserted = len(ref) - prefix, alt[prefix:]
        start = position + prefix - window // 2
        if max(deleted, len(inserted)) > window:
            assert flags(alleles)[i] == Flag.LONG_ALLELE
            continue
        at = next(row)
        assert placed.rows[at] == i
        assert (placed.start[at], placed.end[at]) == (start, start + window)
        assert (placed.reference[at], placed.alternative[at]) == oracle.centred(bases, position, ref, alt, window)
        expected = Flag(0)
        if max(deleted, len(inserted)) > window - window // 2:
            expected |= Flag.TRUNCATED
        if b"N" in placed.reference[at] + placed.alternative[at]:
            expected |= Flag.CONTIG_END
        assert flags(alleles)[i] == expected
    assert next(row, None) is None
    assert not placed.reverse.any()


@pytest.mark.parametrize(
    ("ref", "alt", "reference", "alternative"),
    [
        (b"G", b"T", b"ACACGTTT", b"ACACTTTT"),
        (b"GT", b"CA", b"ACACGTTT", b"ACACCATT"),
        (b"GT", b"GAAT", b"CACGTTTT", b"CACGAATT"),  # the base after the common prefix G
        (b"GTTT", b"G", b"CACGTTTT", b"CACGTTTT"),  # all T are alike
        (b"GTTTTTTT", b"G", b"CACGTTTT", b"CACGGACG"),
        (b"GT", b"CCC", b"ACACGTTT", b"ACACCCCT"),
        (b"G", b"G", b"CACGTTTT", b"CACGTTTT"),
        (b"g", b"G", b"CACGTTTT", b"CACGTTTT"),
    ],
)
def test_the_first_changed_base_stands_in_the_middle(
    genome: Genome, ref: bytes, alt: bytes, reference: bytes, alternative: bytes
) -> None:
    alleles = alleles_of([(0, ONE.index(b"GTTTTTTTGACGACG"), ref, alt)])
    alleles, placed = place(alleles, changes(alleles), genome, 8, None)
    assert (placed.reference[0], placed.alternative[0]) == (reference, alternative)


@pytest.mark.parametrize("regions", [None, Regions(np.array([1], np.int32), *(np.array([n]) for n in (53, 63, False)))])
def test_a_deletion_at_the_end_of_a_contig_takes_in_what_is_not_there(genome: Genome, regions: Regions | None) -> None:
    alleles = alleles_of([(1, 57, TWO[57:60], TWO[57:58]), (1, 56, TWO[56:58], TWO[56:57])])
    alleles, placed = place(alleles, changes(alleles), genome, 10, regions)
    assert placed.end.tolist() == [63, 63 if regions else 62]
    assert placed.alternative[0].endswith(b"NN")
    assert flags(alleles) == [Flag.CONTIG_END, Flag.CONTIG_END if regions else Flag(0)]


def naive_nearest(regions: list[tuple[int, int, int]], contig: int, position: int) -> int:
    holding = [
        (abs(start + end - 1 - 2 * position), i)
        for i, (where, start, end) in enumerate(regions)
        if where == contig and start <= position < end
    ]
    return min(holding, default=(0, -1))[1]


regions_of = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 50), st.integers(0, 12)).map(lambda r: (r[0], r[1], r[1] + r[2])),
    min_size=1,
    max_size=12,
)


@given(regions_of, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 62)), min_size=1, max_size=20))
def test_the_nearest_region(regions: list[tuple[int, int, int]], points: list[tuple[int, int]]) -> None:
    contig, start, end = (np.array(column) for column in zip(*regions, strict=True))
    given_regions = Regions(contig.astype(np.int32), start, end, np.zeros(len(regions), np.bool_))
    where, position = (np.array(column) for column in zip(*points, strict=True))
    found = given_regions.nearest(where.astype(np.int32), position)
    assert found.tolist() == [naive_nearest(regions, *point) for point in points]


@given(rows(), regions_of, st.randoms(use_true_random=False))
def test_windows_of_regions(
    genome: Genome, found: list[Row], regions: list[tuple[int, int, int]], random: object
) -> None:
    contig, start, end = (np.array(column) for column in zip(*regions, strict=True))
    reverse = np.arange(len(regions)) % 2 == 1
    alleles = alleles_of(found)
    alleles, placed = place(
        alleles, changes(alleles), genome, None, Regions(contig.astype(np.int32), start, end, reverse)
    )
    row = iter(range(len(placed.rows)))
    for i, (where, position, ref, alt) in enumerate(found):
        prefix, _ = trim(ref, alt)
        at, deleted, inserted = position + prefix, len(ref) - prefix, alt[prefix:]
        region = naive_nearest(regions, where, at)
        if region < 0:
            assert flags(alleles)[i] == Flag.OUTSIDE
            continue
        _, first, last = regions[region]
        if max(deleted, len(inserted)) > last - first:
            assert flags(alleles)[i] == Flag.LONG_ALLELE
            continue
        j = next(row)
        bases = CONTIGS[NAMES[where]]
        expected = oracle.windows(bases, first, last - first, at, deleted, inserted)
        assert (placed.reference[j], placed.alternative[j]) == expected
        assert placed.reverse[j] == reverse[region]
        assert (Flag.TRUNCATED in flags(alleles)[i]) == (max(deleted, len(inserted)) > last - at)
        assert (Flag.CONTIG_END in flags(alleles)[i]) == (b"N" in expected[0] + expected[1])
    assert next(row, None) is None


@given(rows())
def test_normalised_as_vt_does(genome: Genome, found: list[Row]) -> None:
    alleles = alleles_of(found)
    change = normalized(alleles, genome)
    for i, (contig, position, ref, alt) in enumerate(found):
        bases = CONTIGS[NAMES[contig]]
        start, deleted, inserted = oracle.normalized(bases, position, ref, alt)
        assert (change.start[i], change.deleted[i], change.inserted[i].upper()) == (start, len(deleted), inserted)


@given(rows())
def test_normalising_keeps_the_haplotype(genome: Genome, found: list[Row]) -> None:
    alleles = alleles_of(found)
    change = normalized(alleles, genome)
    for i, (contig, position, ref, alt) in enumerate(found):
        bases = CONTIGS[NAMES[contig]]
        written = bases[:position] + alt + bases[position + len(ref) :]
        start, end = int(change.start[i]), int(change.start[i] + change.deleted[i])
        assert (bases[:start] + change.inserted[i] + bases[end:]).upper() == written.upper()


def test_a_long_repeat_is_crossed_in_steps(tmp_path: Path) -> None:
    """Further than the first flank that is read (64 bases), and up to the contig's first base."""
    path = tmp_path / "repeat.fa"
    path.write_bytes(b">r\n" + b"CA" * 500 + b"GT\n>s\nT" + b"CA" * 500 + b"G\n")
    with Genome.open(path) as genome:
        alleles = alleles_of([(0, 998, b"CAG", b"G"), (1, 999, b"CAG", b"CACAG"), (1, 999, b"CAG", b"CG")])
        change = normalized(alleles, genome)
    assert change.start.tolist() == [0, 1, 1000]
    assert [change.inserted[i] for i in range(3)] == [b"", b"CA", b""]
    assert change.deleted.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("kind", "contig", "position", "ref", "alt"),
    [
        (0, -1, 5, b"A", b"AC"),
        (5, -1, 5, b"A", b"A]chr1:5]"),
        (3, 0, 5, b"C", b"<DEL>"),
        (0, 0, 10**6, b"A", b"AC"),
        (0, 0, -1, b"A", b"AC"),
        (2, 0, 5, b"C", b"."),
    ],
)
def test_normalising_passes_over_what_has_no_score(
    genome: Genome, kind: int, contig: int, position: int, ref: bytes, alt: bytes
) -> None:
    alleles = check_reference(alleles_of([(contig, position, ref, alt)], kind), genome)
    alleles, placed = place(alleles, normalized(alleles, genome), genome, 9, None)
    assert not alleles.scored[0]
    assert len(placed.rows) == 0


def indels(path: Path, contigs: dict[str, bytes], most: int = 120) -> list[tuple[str, int, bytes, bytes]]:
    """Real indels of a VCF on these contigs: name, 0-based position, REF, ALT."""
    found = []
    data = path.read_bytes()
    for line in (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).splitlines():
        if line.startswith(b"#"):
            continue
        chrom, pos, _, ref, alts = line.split(b"\t")[:5]
        bases = contigs.get(chrom.decode(), b"")
        for alt in alts.split(b","):
            position = int(pos) - 1
            plain = set(alt) <= set(b"ACGT") and len(alt) != len(ref) < 200
            if plain and bases[position : position + len(ref)].upper() == ref:
                found.append((chrom.decode(), position, ref, alt))
    return found[:most]


def rewritten(name: str, position: int, ref: bytes, alt: bytes, contigs: dict[str, bytes], way: int) -> Row:
    """The same allele as a caller might write it: as it is, with shared bases around it, or moved to the right."""
    bases, row = contigs[name].upper(), list(contigs).index(name)
    if way == 1:
        left, right = bases[position - 3 : position], bases[position + len(ref) : position + len(ref) + 7]
        return row, position - 3, left + ref + right, left + alt + right
    if way == 2:
        prefix, suffix = trim(ref, alt)
        deleted, inserted = ref[prefix : len(ref) - suffix], alt[prefix : len(alt) - suffix]
        if not deleted or not inserted:
            at, moving = position + prefix, deleted or inserted
            while bases[at + len(deleted) : at + len(deleted) + 1] == moving[:1]:
                moving, at = moving[1:] + moving[:1], at + 1
            before = bases[at - 1 : at]
            return (row, at - 1, before + moving, before) if deleted else (row, at - 1, before, before + moving)
    return row, position, ref, alt


@pytest.mark.parametrize("way", [0, 1, 2], ids=["as-written", "padded", "moved-right"])
@pytest.mark.parametrize("source", ["hg002.vcf.gz", "cohort.vcf", "mills_indels.vcf.gz", "phase1_indels.vcf"])
def test_real_indels_normalise_as_in_bcftools(data: Path, grch38: Path, tmp_path: Path, source: str, way: int) -> None:
    fasta = grch38 if source in ("hg002.vcf.gz", "cohort.vcf") else data / "scoring" / "hg19_200kb.fa.gz"
    contigs = oracle.contigs(fasta)
    names = list(contigs)
    found = [rewritten(*indel, contigs, way) for indel in indels(data / "vcf" / source, contigs)]
    assert len(found) >= 8
    header = "".join(f"##contig=<ID={name},length={len(contigs[name])}>\n" for name in names)
    text = f"##fileformat=VCFv4.2\n{header}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    for i, (contig, position, ref, alt) in enumerate(found):
        text += f"{names[contig]}\t{position + 1}\tr{i}\t{ref.decode()}\t{alt.decode()}\t.\t.\t.\n"
    (tmp_path / "in.vcf").write_text(text)
    theirs: dict[str, tuple[int, bytes, bytes]] = {}
    for line in pysam.bcftools.norm("-f", str(fasta), str(tmp_path / "in.vcf")).splitlines():
        if not line.startswith("#"):
            _, pos, name, ref_text, alt_text = line.split("\t")[:5]
            ref, alt = ref_text.encode(), alt_text.encode()
            prefix, suffix = trim(ref, alt)
            theirs[name] = (int(pos) - 1 + prefix, ref[prefix : len(ref) - suffix], alt[prefix : len(alt) - suffix])
    with Genome.open(fasta) as genome:
        change = normalized(alleles_of(found), genome)
    for i, (_, _, ref, _) in enumerate(found):
        start, deleted, inserted = theirs[f"r{i}"]
        assert (change.start[i], change.deleted[i]) == (start, len(deleted)), (found[i], ref)
        assert change.inserted[i].upper() == inserted.upper()


REFERENCE = b"ACGTNRYacgtnMSKWBDHV"


@pytest.mark.parametrize(
    ("position", "ref", "expected"),
    [
        (0, b"ACGT", Flag(0)),
        (0, b"acgt", Flag(0)),
        (0, b"ACGU", Flag.AMBIGUOUS),  # U is T, but no letter of an allele
        (7, b"ACGT", Flag(0)),
        (0, b"AGGT", Flag.REF_MISMATCH),
        (4, b"N", Flag.AMBIGUOUS),
        (11, b"N", Flag.AMBIGUOUS),
        (4, b"A", Flag.REF_MISMATCH),
        (5, b"A", Flag(0)),  # R is A or G: the first of them in the alphabet
        (5, b"G", Flag.REF_MISMATCH),
        (5, b"R", Flag.AMBIGUOUS),
        (6, b"C", Flag(0)),
        (12, b"ACGACAAA", Flag(0)),
        (0, b"N", Flag.AMBIGUOUS | Flag.REF_MISMATCH),
        (18, b"AA", Flag(0)),
        (18, b"AAA", Flag.OUT_OF_CONTIG),
        (20, b"A", Flag.OUT_OF_CONTIG),
        (500, b"A", Flag.OUT_OF_CONTIG),
        (-1, b"A", Flag.OUT_OF_CONTIG),
    ],
)
def test_ref_is_what_the_genome_has(tmp_path: Path, position: int, ref: bytes, expected: Flag) -> None:
    (tmp_path / "g.fa").write_bytes(b">g\n" + REFERENCE + b"\n")
    with Genome.open(tmp_path / "g.fa") as genome:
        found = check_reference(alleles_of([(0, position, ref, b"T")]), genome)
        tolerated = check_reference(alleles_of([(0, position, ref, b"T")]), genome, tolerate=True)
    assert flags(found) == [expected]
    differs = Flag.REF_MISMATCH in expected
    assert flags(tolerated) == [expected ^ Flag.REF_MISMATCH | Flag.REF_DIFFERS if differs else expected]


def test_an_allele_without_contig_is_not_looked_up(genome: Genome) -> None:
    assert flags(check_reference(alleles_of([(-1, 3, b"A", b"C")]), genome)) == [Flag.NO_CONTIG]


def test_flags_of_kinds() -> None:
    kinds = [Flag(0), Flag.STAR, Flag.NO_ALT, Flag.SYMBOLIC, Flag.NON_REF, Flag.BREAKEND, Flag.AMBIGUOUS, Flag.INVALID]
    for kind, flag in enumerate(kinds):
        alleles = alleles_of([(0, 0, b"A", b"C")], kind)
        assert flags(alleles) == [flag]
        assert alleles.scored[0] == (flag == Flag(0))


def test_flags_have_a_name_for_each_bit() -> None:
    assert [1 << bit for bit in range(len(FLAG_NAMES))] == [int(flag) for flag in Flag]
    assert [name for name in FLAG_NAMES if FLAG_NAMES.count(name) > 1] == ["REF_MISMATCH", "REF_MISMATCH"]
    for flag in Flag:
        scored = flag in (Flag.TRUNCATED, Flag.CONTIG_END, Flag.REF_DIFFERS)
        assert bool(flag & UNSCORED) is not scored


@settings(max_examples=30)
@given(rows(), st.integers(3, 30))
def test_parts_are_placed_as_the_whole(genome: Genome, found: list[Row], window: int) -> None:
    whole = alleles_of(found)
    _, placed = place(whole, normalized(whole, genome), genome, window, None)
    expected = {int(row): (placed.reference[i], placed.alternative[i]) for i, row in enumerate(placed.rows)}
    for i, row in enumerate(found):
        one = alleles_of([row])
        _, alone = place(one, normalized(one, genome), genome, window, None)
        assert (len(alone.rows) == 1) == (i in expected)
        if i in expected:
            assert (alone.reference[0], alone.alternative[0]) == expected[i]


@given(
    st.integers(1, 40).flatmap(
        lambda window: st.tuples(
            st.just(window), st.lists(st.tuples(st.integers(0, 120), st.integers(1, 120)), min_size=1, max_size=20)
        )
    )
)
def test_tiles_are_few_and_hold_their_positions_in_the_middle(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    """Against the rule in words: the nearest middle among the windows of the grid, moved inside the contig."""
    window, rows = drawn
    rows = [(position % length, length) for position, length in rows]
    position, length = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    stride = max(1, window // 2)
    for (at, long), start in zip(rows, tiles(position, length, window).tolist(), strict=True):
        grid = range(-stride * 2, long + 2 * stride, stride)
        nearest = min(abs(at - (first + window // 2)) for first in grid)
        last = max(0, long - window)
        assert start in (0, last) or start % stride == 0
        assert 0 <= start <= last
        if long >= window:
            assert start <= at < start + window
            if start not in (0, last):
                assert abs(at - (start + window // 2)) == nearest


def test_tiled_windows_change_nothing_but_where_the_window_lies(genome: Genome) -> None:
    rows: list[Row] = [(0, at, ONE[at : at + 1], b"A" if ONE[at : at + 1] not in b"Aa" else b"C") for at in range(230)]
    alleles = check_reference(alleles_of(rows), genome)
    change = changes(alleles)
    found, placed = place(alleles, change, genome, 20, None, tiled=True)
    assert len(placed.rows) == 230
    assert not found.flags.any()
    assert len(set(placed.start.tolist())) == 22
    for row, start in zip(placed.rows.tolist(), placed.start.tolist(), strict=True):
        at = row - start
        window = ONE[start : start + 20]
        assert placed.reference.bases[20 * row : 20 * row + 20].tobytes() == window
        changed = window[:at] + rows[row][3] + window[at + 1 :]
        assert placed.alternative.bases[20 * row : 20 * row + 20].tobytes() == changed
