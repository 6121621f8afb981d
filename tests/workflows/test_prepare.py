"""Each kind of set from real annotation to tables and card: what is in them, and that it is always the same."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import annotated

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.seq.genome import Genome
from dnabert_fast.workflows.prepare import Common, prom_scan, promoters, splice, tfbs, windows

SPLIT: dict[str, Any] = {"dev": ["chr20:1-1.5M"], "test": ["chr20:2500000-4000000"]}
ROW = dict[str, str]


@pytest.fixture
def annotation(data: Path) -> Path:
    return data / "annotation"


def rows(path: Path) -> list[ROW]:
    with gzip.open(path, "rt") as table:
        return list(csv.DictReader(table))


def every(folder: Path) -> dict[str, list[ROW]]:
    return {name: rows(folder / f"{name}.csv.gz") for name in ("train", "dev", "test")}


def check(folder: Path, genome: Path, card: dict[str, Any], artificial: tuple[str, ...] = ()) -> dict[str, list[ROW]]:
    """What must hold of every set: places and letters agree, splits hold, nothing leaks, the card tells the truth."""
    sets = every(folder)
    bounds = {"train": [], "dev": [(1_000_000, 1_500_000)], "test": [(2_500_000, 4_000_000)]}
    with Genome.open(genome) as opened:
        for name, table in sets.items():
            for row in table:
                start, end = int(row["start"]), int(row["end"])
                for split, spans in bounds.items():
                    inside = any(low <= start and end <= high for low, high in spans)
                    assert inside == (split == name and split != "train")
                if not row["name"].endswith(artificial or "no such end"):
                    bases = opened.bases(row["contig"], start, end).tobytes().upper()
                    turned = annotated.reverse_complement(bases) if row["strand"] == "-" else bases
                    assert row["sequence"] == turned.decode()
            keys = [(row["contig"], int(row["start"]), row["strand"]) for row in table]
            assert [key[:2] for key in keys] == sorted(key[:2] for key in keys)
            assert len({row["sequence"] for row in table}) == len(table)
    later: set[bytes] = set()
    for name in ("test", "dev", "train"):
        strings = [row["sequence"].encode() for row in sets[name]]
        assert not later & {min(s, annotated.reverse_complement(s)) for s in strings}
        later |= {min(s, annotated.reverse_complement(s)) for s in strings}
    assert json.loads((folder / "card.json").read_text()) == card
    classes = list(card["classes"])
    for name, table in sets.items():
        counted = Counter(classes[int(row["label"])] for row in table)
        assert card["sequences"][name] == {one: counted[one] for one in classes}
    one = card["classes"][classes[-1]]
    mine = [row["sequence"] for table in sets.values() for row in table if row["label"] == str(one["label"])]
    shares = [(s.count("G") + s.count("C")) / len(s) for s in mine]
    assert one["gc"]["mean"] == pytest.approx(np.mean(shares), abs=1e-4)
    assert one["gc"]["q3"] == pytest.approx(np.quantile(shares, 0.75), abs=1e-4)
    pairs = sum((annotated.dinucleotides(s.encode()) for s in mine), Counter())
    assert one["dinucleotides"]["CG"] == pytest.approx(pairs[b"CG"] / pairs.total(), abs=1e-4)
    assert card["leak_check"]["overlapping_windows"] == 0
    page = (folder / "card.md").read_text()
    assert card["command"] in page
    assert all(facts["sha256"] in page for facts in card["sources"].values())
    return sets


@pytest.mark.parametrize("negatives", ["public", "shuffle", "matched"])
def test_promoters(tmp_path: Path, grch38: Path, annotation: Path, negatives: str) -> None:
    upstream = annotation / "gencode_upstream_1kb_chr20.bed"

    def make(folder: str, seed: int) -> dict[str, Any]:
        common = Common(genome=grch38, output=tmp_path / folder, seed=seed, **SPLIT)
        return promoters(common, tss=upstream, tss_at="after", negatives=negatives)

    card = make("a", 1)
    sets = check(tmp_path / "a", grch38, card, ("/segments", "/shuffled"))
    # GENCODE's DEFB125 begins at 87,672 (from 1), as the exons of the same release have it.
    first = next(row for row in sets["train"] if row["name"] == "DEFB125")
    assert (first["start"], first["end"], first["label"], len(first["sequence"])) == ("87422", "87722", "1", 300)
    assert (annotation / "gencode_exons_chr20.bed").read_text().startswith("chr20\t87671\t")
    assert sum(row["label"] == "1" for table in sets.values() for row in table) > 60
    assert make("b", 1)["command"] == card["command"]
    for name in ("train.csv.gz", "dev.csv.gz", "test.csv.gz", "card.json", "card.md", "positives.bed"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    make("c", 2)
    assert (tmp_path / "c" / "train.csv.gz").read_bytes() != (tmp_path / "a" / "train.csv.gz").read_bytes()
    assert (tmp_path / "c" / "positives.bed").read_bytes() == (tmp_path / "a" / "positives.bed").read_bytes()


def test_tata_promoters_alone(tmp_path: Path, grch38: Path, annotation: Path) -> None:
    counts = {}
    for which in ("all", "only", "without"):
        common = Common(genome=grch38, output=tmp_path / which, dev=["chr20:1.5-2.5M"])
        upstream = annotation / "gencode_upstream_1kb_chr20.bed"
        card = promoters(common, tss=upstream, tss_at="after", tata=which, window=70, negatives="tata")
        counts[which] = sum(card["sequences"][name]["promoter"] for name in ("train", "dev"))
        assert not (tmp_path / which / "test.csv.gz").exists()
    assert 0 < counts["only"] < counts["without"]
    assert counts["only"] + counts["without"] == counts["all"]


def test_start_sites_of_gtf_and_epd_new(tmp_path: Path, annotation: Path) -> None:
    genome, gtf = annotation / "sacCer3_chrIV_60kb.fa.gz", annotation / "sacCer3_chrIV_60kb.gtf.gz"
    common = Common(genome=genome, output=tmp_path / "gtf", dev=["chrIV:40-60k"])
    card = promoters(common, tss=gtf, negatives="shuffle")
    found = {row["name"]: row for name in ("train", "dev") for row in rows(tmp_path / "gtf" / f"{name}.csv.gz")}
    # YDL248W is 1803-2953 (as the file has it, from 1), YDL246C 8684-9756 on the other strand.
    assert (found["YDL248W"]["start"], found["YDL248W"]["strand"]) == ("1552", "+")
    assert (found["YDL246C"]["end"], found["YDL246C"]["strand"]) == ("10005", "-")
    assert card["found"]["transcripts chosen"] == card["found"]["transcripts in the GTF"] == 27
    epd = tmp_path / "epd.bed"
    lines = [f"chrIV {5000 * i} {5000 * i + 60} p_{i} 900 + {5000 * i + 49} {5000 * i + 60}" for i in range(1, 12)]
    lines += [f"chrIV {5000 * i} {5000 * i + 60} m_{i} 900 - {5000 * i} {5000 * i + 11}" for i in range(1, 12)]
    epd.write_text("\n".join(lines) + "\n")
    card = promoters(Common(genome=genome, output=tmp_path / "epd", dev=["chrIV:40-60k"]), tss=epd, negatives="shuffle")
    found = {row["name"]: row for row in rows(tmp_path / "epd" / "train.csv.gz")}
    assert (found["p_1"]["start"], found["m_1"]["end"]) == (str(5049 - 249), str(5010 + 250))
    assert card["found"]["TSS taken from"] == "the thick part, as EPDnew has it"


def test_prom_scan(tmp_path: Path, grch38: Path, annotation: Path) -> None:
    upstream = annotation / "gencode_upstream_1kb_chr20.bed"
    few = tmp_path / "few.bed"
    few.write_text("".join(upstream.read_text().splitlines(keepends=True)[::6]))
    common = Common(genome=grch38, output=tmp_path / "a", **SPLIT)
    card = prom_scan(common, tss=few, tss_at="after")
    sets = check(tmp_path / "a", grch38, card)
    positive = sum(card["sequences"][name]["promoter"] for name in sets)
    assert len(few.read_text().splitlines()) * 10 <= positive <= len(few.read_text().splitlines()) * 11


@pytest.mark.parametrize("negatives", ["matched", "flanks", "shuffle"])
def test_binding_sites(tmp_path: Path, grch38: Path, annotation: Path, negatives: str) -> None:
    peaks = annotation / "tf_chip_chr20.bed"
    common = Common(genome=grch38, output=tmp_path / "a", **SPLIT)
    card = tfbs(common, peaks=peaks, negatives=negatives, per_positive=2 if negatives != "matched" else 1)
    sets = check(tmp_path / "a", grch38, card, ("/shuffled",))
    regions = [tuple(map(int, line.split()[1:3])) for line in peaks.read_text().splitlines()]
    middles = {(start + end) // 2 for start, end in regions}
    away = {"matched": 1000, "flanks": 0}.get(negatives)
    for row in (row for table in sets.values() for row in table):
        start, end = int(row["start"]), int(row["end"])
        assert end - start == len(row["sequence"]) == 101
        if row["label"] == "1":
            assert start + 50 in middles
        elif away is not None:
            assert all(end + away <= low or high + away <= start for low, high in regions)
    sites, background = card["classes"]["site"], card["classes"]["background"]
    assert background["sequences"] > 0.9 * sites["sequences"]
    if negatives == "matched":
        assert background["gc"]["median"] == pytest.approx(sites["gc"]["median"], abs=0.02)
    if negatives == "shuffle":
        assert background["dinucleotides"] == pytest.approx(sites["dinucleotides"], abs=0.003)


@pytest.mark.parametrize("negatives", ["between", "decoys"])
def test_splice_sites(tmp_path: Path, grch38: Path, annotation: Path, negatives: str) -> None:
    common = Common(genome=grch38, output=tmp_path / "a", dev=["chr20:300-380k"], test=["chr20:380-420k"])
    card = splice(common, exons=annotation / "gencode_exons_chr20.bed", negatives=negatives)
    assert list(card["classes"]) == ["acceptor", "donor", "none"]
    every_row = [row for table in every(tmp_path / "a").values() for row in table]
    ends: dict[str, list[tuple[bool, bool]]] = {"0": [], "1": [], "2": []}
    for row in every_row:
        ends[row["label"]].append((row["sequence"][198:200] == "AG", row["sequence"][200:202] == "GT"))
    assert min(map(len, ends.values())) > 20
    assert np.mean([ag for ag, _ in ends["0"]]) > 0.95
    assert np.mean([gt for _, gt in ends["1"]]) > 0.95
    decoys = float(np.mean([ag or gt for ag, gt in ends["2"]]))
    assert decoys == 1 if negatives == "decoys" else decoys < 0.4
    assert card["found"]["introns GT-AG"] > 20


def test_labelled_regions_and_regions_against_background(tmp_path: Path, grch38: Path, annotation: Path) -> None:
    lines = [line.split() for line in (annotation / "tf_chip_chr20.bed").read_text().splitlines()]
    bed = tmp_path / "labels.bed"
    bed.write_text("".join(f"{c}\t{a}\t{b}\tn{i}\t{'x10' if i % 3 else 'x9'}\n" for i, (c, a, b) in enumerate(lines)))
    card = windows(Common(genome=grch38, output=tmp_path / "a", **SPLIT), regions=bed, label_column=5, window=80)
    sets = check(tmp_path / "a", grch38, card)
    assert (list(card["classes"]), card["negative"]) == (["x10", "x9"], None)
    labels = {row["name"]: row["label"] for row in sets["train"]}
    assert all(labels[name] == ("0" if int(name[1:]) % 3 else "1") for name in labels)
    card = windows(Common(genome=grch38, output=tmp_path / "b", max_n=0.1, **SPLIT), regions=bed)
    sets = check(tmp_path / "b", grch38, card)
    lengths = {label: sorted(len(r["sequence"]) for r in sets["dev"] if r["label"] == label) for label in "01"}
    assert len(set(lengths["1"])) > 3
    # A region that leaks takes its negative not with it.
    assert set(lengths["0"]) <= {int(line[2]) - int(line[1]) for line in lines}
    assert "--max-n 0.1" in card["command"]


def test_leaks_are_taken_out_and_counted(tmp_path: Path) -> None:
    """A genome with a piece that comes again, turned round and with a few bases changed, in what is held out."""
    random = np.random.default_rng(0)
    c = random.choice([*b"ACGT"], 40_000).astype(np.uint8)
    piece = annotated.reverse_complement(c[1000:1200].tobytes())
    c[30_000:30_200] = np.frombuffer(piece, np.uint8)
    near = bytearray(c[2000:2200].tobytes())
    near[100] = ord("A") if near[100] != ord("A") else ord("C")
    c[36_000:36_200] = np.frombuffer(bytes(near), np.uint8)
    c[5000:5200] = c[4000:4200]
    genome = tmp_path / "g.fa"
    genome.write_bytes(b">c\n" + c.tobytes() + b"\n")
    places = [1000, 2000, 4000, 5000, 7000, 30_000, 31_000, 36_000, 37_000, 38_000, 39_950]
    labels = [0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1]
    bed = tmp_path / "w.bed"
    lines = [f"c\t{at}\t{at + 200}\tw{at}\t{label}\t+\n" for at, label in zip(places, labels, strict=True)]
    lines += ["c\t7000\t7200\tagain\t1\t+\n", "c\t29950\t30150\tacross\t1\t+\n", "x\t0\t200\telsewhere\t1\t+\n"]
    bed.write_text("".join(lines))
    common = Common(genome=genome, output=tmp_path / "o", dev=["c:30-33k"], test=["c:33-40k"])
    # Two of class 0 leak; without the third none is left.
    bed.write_text("".join(line for line in lines if "w4000" not in line))
    with pytest.raises(DnabertError, match=r"the train set has no sequence of the class 0"):
        windows(common, regions=bed, label_column=5)
    assert not (tmp_path / "o").exists()
    bed.write_text("".join(lines))
    card = windows(common, regions=bed, label_column=5)
    left = {name: [row["name"] for row in table] for name, table in every(tmp_path / "o").items()}
    assert left == {
        "train": ["w4000", "w7000"],
        "dev": ["w30000", "w31000"],
        "test": ["w36000", "w37000", "w38000"],
    }
    counts, leak = card["left_out"], card["leak_check"]
    assert counts["windows over a contig's end"] == 1
    assert counts["windows given twice"] == 1
    assert counts["windows over a split's border, or in no split"] == 1
    assert counts["records on contigs that the genome has not"] == 1
    assert counts["sequences again in their split"] == counts["of these, with another class"] == 1
    assert (leak["left_out_of_train"], leak["of_these_identical_(train)"], leak["left_out_of_dev"]) == (2, 1, 0)
    known = (tmp_path / "o" / "positives.bed").read_text().splitlines()
    assert len(known) == 11
    # One different base in the middle leaves 138 of 170 31-mers: from a higher share on that is no leak.
    windows(Common(genome=genome, output=tmp_path / "p", dev=["c:30-33k"], test=["c:33-40k"], leak_share=0.9),
            regions=bed, label_column=5)  # fmt: skip
    assert [row["name"] for row in rows(tmp_path / "p" / "train.csv.gz")] == ["w2000", "w4000", "w7000"]


def test_refusals(tmp_path: Path, grch38: Path, annotation: Path) -> None:
    out = tmp_path / "o"
    good = Common(genome=grch38, output=out, dev=["chr20:1-2M"])
    bed = tmp_path / "a.bed"
    bed.write_text("chrX\t5\t9\tn\t0\t+\n")
    with pytest.raises(FormatError, match=r"a\.bed:1: contig chrX is not in the genome \(it has chr20, \.\.\.\)"):
        promoters(good, tss=bed)
    bed.write_text("chr20\t500000\t500001\tn\t0\t.\n")
    with pytest.raises(FormatError, match=r"a\.bed:1: no strand; a TSS needs"):
        promoters(good, tss=bed)
    with pytest.raises(FormatError, match=r"a\.bed:1: no strand; an exon needs"):
        splice(good, exons=bed)
    bed.write_text("chr20\t500000\t500001\tn\t0\t+\n")
    with pytest.raises(FormatError, match=r"a\.bed: no introns"):
        splice(good, exons=bed)
    with pytest.raises(DnabertError, match=r"the train set has no sequence of the class background; .*(1|nothing)"):
        windows(good, regions=bed, window=300, negatives="matched", away=5_000_000)
    with pytest.raises(DnabertError, match=r"no development set: give --dev"):
        tfbs(Common(genome=grch38, output=out), peaks=bed)
    with pytest.raises(DnabertError, match=r"the genome must be a file"):
        tfbs(Common(genome="-", output=out, dev=["chr20"]), peaks=bed)
    with pytest.raises(DnabertError, match=r"--negatives flank: choose one of matched, flanks, shuffle"):
        tfbs(good, peaks=bed, negatives="flank")
    with pytest.raises(DnabertError, match=r"--window 301: choose one of 300, 70"):
        promoters(good, tss=bed, window=301)
    with pytest.raises(FormatError, match=r"column 4 has one value, 'n'"):
        windows(good, regions=bed, label_column=4)
    bed.write_text("chr20\t500000\t500000\tn\t0\t+\n")
    with pytest.raises(FormatError, match=r"a\.bed:1: a region without bases"):
        windows(good, regions=bed)
    assert not out.exists()
    out.mkdir()
    (out / "train.csv.gz").symlink_to(grch38)
    with pytest.raises(DnabertError, match=r"is an input too"):
        tfbs(good, peaks=bed)
