"""The verb `demo`: the main jobs on embedded data, with the shipped model, and one picture of what they gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pysam

from ..io.atomic import make_folder
from ..io.bed import read_bed
from ..report.tracks import demo_picture
from ..report.types import Promoters, Stretch, Variants
from ..seq.batch import Windows
from .progress import Progress, silent
from .scan import scan
from .variants import variants

__all__ = ["DATA", "TopVariant", "demo"]

DATA = Path(__file__).parent.parent / "demo"
_GENOME, _VCF, _PROMOTERS = "chr20_piece.fa.gz", "HG002_chr20_piece.vcf.gz", "promoters.bed"
_STRIDE = 200
_THRESHOLD = 0.9
_TOP = 8
_BEYOND = 50  # bases of a promoter window after its start site


@dataclass(frozen=True)
class TopVariant:
    """A scored ALT allele in a promoter window, as the demonstration's table shows it."""

    contig: str
    position: int
    ref: str
    alt: str
    promoter: str
    p_ref: float
    p_alt: float
    difference: float
    log_odds_ratio: float

    @property
    def change(self) -> str:
        """REF>ALT, long alleles cut short."""
        return ">".join(bases if len(bases) <= 8 else f"{bases[:5]}..." for bases in (self.ref, self.alt))


def demo(output: str | Path, *, threads: int | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Score HG002's variants in annotated promoter windows of chr20:1-4,000,000, scan the piece, and draw both.

    Writes promoters.vcf.gz (indexed), promoter_track.bw, calls.bed, demo.png and demo.svg into the folder `output`.
    Returns their paths, the facts of both runs, the variants of the largest difference scores, and how the mean track
    over annotated promoters compares with that of the whole piece.
    """
    folder = make_folder(output)
    vcf, track, calls = folder / "promoters.vcf.gz", folder / "promoter_track.bw", folder / "calls.bed"
    scored = variants(
        DATA / _VCF,
        DATA / _GENOME,
        model="demo",
        output=vcf,
        windows=DATA / _PROMOTERS,
        strand="+",
        precision="fp32",  # what it shows must not depend on what was checked before
        threads=threads,
        progress=progress,
    )
    scanned = scan(
        DATA / _GENOME,
        model="demo",
        output=track,
        stride=_STRIDE,
        strand="both",
        calls=calls,
        threshold=_THRESHOLD,
        threads=threads,
        progress=progress,
    )
    promoters = _promoters()
    alleles = _alleles(vcf, promoters)
    stretch = _track(track)
    pictures = demo_picture(
        folder / "demo.png",
        stretch,
        _drawn(promoters),
        Variants(
            np.array([allele.position - 1 for allele in alleles], np.int64),
            np.array([allele.difference for allele in alleles], np.float32),
            [f"{allele.position:,} {allele.change}" for allele in alleles],
        ),
        title="HG002 variants in promoters of chr20:1-4,000,000 (GRCh38)",
        score="P(promoter)",
    )
    inside = np.concatenate([stretch.values[a:b] for a, b in zip(promoters.start, promoters.end, strict=True)])
    return {
        "variants": scored,
        "scan": scanned,
        "files": [str(vcf), str(track), str(calls), *map(str, pictures)],
        "top": sorted(alleles, key=lambda allele: -abs(allele.difference))[:_TOP],
        "track_in_promoters": float(np.nanmean(inside)),
        "track_everywhere": float(np.nanmean(stretch.values)),
        "calls": sum(1 for _ in open(calls, encoding="ascii")),
    }


def _promoters() -> Promoters:
    bed = read_bed(DATA / _PROMOTERS)
    names = Windows(*bed.names)
    strands = [chr(letter) for letter in bed.strand]
    return Promoters(bed.start, bed.end, strands, [names[i].decode() for i in range(len(bed))])


def _drawn(promoters: Promoters) -> Promoters:
    """Promoters up to their start site, where their arrow stands; windows reach 50 bases beyond it."""
    strand = np.array(promoters.strand)
    start = np.where(strand == "-", promoters.start + _BEYOND, promoters.start)
    end = np.where(strand == "+", promoters.end - _BEYOND, promoters.end)
    return Promoters(start, end, promoters.strand, promoters.name)


def _alleles(path: Path, promoters: Promoters) -> list[TopVariant]:
    """The ALT alleles that have a score, read back from the VCF that was written."""
    found = []
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            for row, alt in enumerate(record.alts or ()):
                difference = record.info["DNABERT_DIFF"][row]
                if difference is None:
                    continue
                at = int(np.argmin(np.abs((promoters.start + promoters.end) // 2 - record.pos)))
                found.append(
                    TopVariant(
                        record.chrom,
                        record.pos,
                        str(record.ref),
                        alt,
                        promoters.name[at],
                        record.info["DNABERT_REF"][row],
                        record.info["DNABERT_ALT"][row],
                        difference,
                        record.info["DNABERT_LOGOR"][row],
                    )
                )
    return found


def _track(path: Path) -> Stretch:
    """The whole track, read back from the bigWig that was written."""
    with pybigtools.open(str(path)) as file:
        ((contig, length),) = file.chroms().items()
        values = np.asarray(file.values(contig, 0, length, missing=float("nan")), np.float32)
    return Stretch(contig, 0, values)
