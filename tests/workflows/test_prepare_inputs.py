"""Which transcripts stand for a gene, where a TSS is in a region, and which exons belong together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.errors import DnabertError
from dnabert_fast.io.gtf import read_gtf
from dnabert_fast.workflows.prepare_inputs import chosen_transcripts, read_introns, read_starts
from dnabert_fast.workflows.prepare_run import Common, Run

# Gene a: t1 is longest by exons, t2 is tagged and starts elsewhere. Gene b: no tag, b2 spans more, b1 has more exon.
GTF = """\
c\tx\ttranscript\t101\t900\t.\t+\t.\tgene_id "a"; transcript_id "t1";
c\tx\texon\t101\t500\t.\t+\t.\tgene_id "a"; transcript_id "t1";
c\tx\texon\t601\t900\t.\t+\t.\tgene_id "a"; transcript_id "t1";
c\tx\ttranscript\t201\t900\t.\t+\t.\tgene_id "a"; transcript_id "t2"; tag "basic"; tag "MANE_Select";
c\tx\texon\t201\t300\t.\t+\t.\tgene_id "a"; transcript_id "t2"; tag "basic"; tag "MANE_Select";
c\tx\texon\t701\t900\t.\t+\t.\tgene_id "a"; transcript_id "t2"; tag "basic"; tag "MANE_Select";
c\tx\texon\t1001\t1500\t.\t-\t.\tgene_id "b"; transcript_id "b1"; gene_name "B";
c\tx\texon\t1001\t1100\t.\t-\t.\tgene_id "b"; transcript_id "b2"; gene_name "B";
c\tx\texon\t1901\t2000\t.\t-\t.\tgene_id "b"; transcript_id "b2"; gene_name "B";
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Contig c, 3,000 random bases with a GT-AG intron at 300..700 and at 1,100..1,900 on the other strand."""
    random = np.random.default_rng(0)
    bases = random.choice([*b"ACGT"], 3000).astype(np.uint8)
    for at, letters in ((300, b"GT"), (698, b"AG"), (1100, b"CT"), (1898, b"AC"), (500, b"CC"), (598, b"CC")):
        bases[at : at + 2] = np.frombuffer(letters, np.uint8)
    (tmp_path / "g.fa").write_bytes(b">c\n" + bases.tobytes() + b"\n")
    (tmp_path / "a.gtf").write_text(GTF)
    with ExitStack() as stack:
        common = Common(genome=tmp_path / "g.fa", output=tmp_path / "o", dev=["c:0-10"])
        yield Run.open(stack, "promoters", common, {}, {})


@pytest.mark.parametrize(("how", "rows"), [("canonical", [1, 2]), ("longest", [0, 2]), ("all", [0, 1, 2, 3])])
def test_transcripts(run: Run, tmp_path: Path, how: str, rows: list[int]) -> None:
    path = tmp_path / "a.gtf"
    assert chosen_transcripts(read_gtf(path), how).tolist() == rows
    starts = read_starts(run, path, "auto", how)
    known = [("a", 100, False), ("a", 200, False), ("B", 1499, True), ("B", 1999, True)]
    found = list(zip(starts.names, starts.base.tolist(), starts.reverse.tolist(), strict=True))
    assert found == [known[row] for row in rows]
    assert run.found == {"transcripts in the GTF": 4, "transcripts chosen": len(rows)}


def test_no_other_choice(tmp_path: Path, run: Run) -> None:
    with pytest.raises(DnabertError, match=r"--transcripts first: choose one of canonical, longest, all"):
        read_starts(run, tmp_path / "a.gtf", "auto", "first")


@pytest.mark.parametrize(
    ("tss_at", "bases"), [("auto", [10, 59]), ("start", [10, 59]), ("end", [29, 40]), ("after", [30, 39])]
)
def test_the_tss_of_a_region(run: Run, tmp_path: Path, tss_at: str, bases: list[int]) -> None:
    path = tmp_path / "a.bed"
    path.write_text("c\t10\t30\tf\t0\t+\nc\t40\t60\tr\t0\t-\nc\t10\t30\ttwice\t0\t+\nd\t1\t2\tx\t0\t+\n")
    starts = read_starts(run, path, tss_at, "all")
    assert (starts.base.tolist(), starts.names) == (bases, ["f", "r"])
    assert run.counts["start sites given twice"] == 1
    assert run.counts["records on contigs that the genome has not"] == 1


def test_introns_of_gtf(run: Run, tmp_path: Path) -> None:
    introns = read_introns(run, tmp_path / "a.gtf", "all", only_gt_ag=False)
    assert sorted(zip(introns.start.tolist(), introns.end.tolist(), strict=True)) == [
        (300, 700),
        (500, 600),
        (1100, 1900),
    ]
    assert (run.found["introns GT-AG"], run.found["introns with other ends"]) == (2, 1)
    assert len(read_introns(run, tmp_path / "a.gtf", "all", only_gt_ag=True)) == 2
    assert len(read_introns(run, tmp_path / "a.gtf", "canonical", only_gt_ag=True)) == 1


def test_exons_of_bed_are_parted_into_transcripts(run: Run, tmp_path: Path) -> None:
    """The second transcript of f begins again upstream; r's exons come along its strand; g is another gene."""
    path = tmp_path / "e.bed"
    places = [(200, 300, "f", "+"), (700, 900, "f", "+"), (100, 500, "f", "+"), (600, 900, "f", "+"),
              (1900, 2000, "r", "-"), (1000, 1100, "r", "-"), (2100, 2200, "g", "+")]  # fmt: skip
    path.write_text("".join(f"c\t{start}\t{end}\t{name}\t0\t{strand}\n" for start, end, name, strand in places))
    introns = read_introns(run, path, "canonical", only_gt_ag=False)
    found = list(zip(introns.start.tolist(), introns.end.tolist(), introns.names, strict=True))
    # 500..600 has not the ends of an intron, and BED's are believed only with those.
    assert found == [(300, 700, "f"), (1100, 1900, "r")]
    assert run.found["introns with other ends"] == 1


def test_exons_may_be_sorted_by_place(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "e.bed"
    places = [(200, 300, "f", "+"), (700, 900, "f", "+"), (1000, 1100, "r", "-"), (1900, 2000, "r", "-")]
    path.write_text("".join(f"c\t{start}\t{end}\t{name}\t0\t{strand}\n" for start, end, name, strand in places))
    introns = read_introns(run, path, "canonical", only_gt_ag=False)
    assert list(zip(introns.start.tolist(), introns.reverse.tolist(), strict=True)) == [(300, False), (1100, True)]
