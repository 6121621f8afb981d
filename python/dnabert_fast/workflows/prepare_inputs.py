"""Start sites, introns and regions of the user's files, on the genome's contigs. Makes no window and no negative."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..datasets.promoters import Starts
from ..datasets.splice import Introns, introns_of, motifs
from ..errors import DnabertError, FormatError
from ..io import ends_with
from ..io.bed import Bed, read_bed
from ..io.gtf import Annotation, read_gtf
from ..io.peaks import thick_starts
from ..seq.types import I32, I64, Bool
from .prepare_run import Run

__all__ = [
    "TSS_AT",
    "bed_names",
    "bed_on_genome",
    "chosen_transcripts",
    "read_introns",
    "read_starts",
]

_GTF = (".gtf", ".gtf.gz")
_TRANSCRIPTS = ("canonical", "longest", "all")
TSS_AT = ("auto", "start", "end", "after")


def read_starts(run: Run, path: str | Path, tss_at: str, transcripts: str) -> Starts:
    """Start sites of a GTF (transcripts' 5' ends) or of a BED file with strands, each place and strand once.

    tss_at, of BED: where the TSS is, seen along the strand: the region's first base ("start"), its last ("end"), or the
    base "after" it, as of regions upstream of a TSS; "auto" is the first base of the thick part in EPDnew's files and
    "start" in others. transcripts: see `chosen_transcripts`. Raises FormatError, naming the line, for BED without
    strands.
    """
    if ends_with(path, _GTF):
        annotation = read_gtf(path)
        rows = chosen_transcripts(annotation, transcripts)
        run.found["transcripts in the GTF"] = len(annotation)
        run.found["transcripts chosen"] = len(rows)
        contig = run.contigs(annotation.contigs, path, annotation.line, annotation.contig)[rows]
        reverse = annotation.reverse[rows]
        base = np.where(reverse, annotation.end[rows] - 1, annotation.start[rows])
        starts = Starts(contig, base, reverse, [annotation.name[row] for row in rows.tolist()])
    else:
        bed, contig = bed_on_genome(run, path)
        no_strand = np.flatnonzero(bed.strand == ord("."))
        if len(no_strand):
            raise FormatError(f"{path}:{bed.line[no_strand[0]]}: no strand; a TSS needs + or - in column 6")
        reverse = bed.strand == ord("-")
        starts = Starts(contig, _tss(run, path, bed, reverse, tss_at), reverse, bed_names(bed))
    there = np.flatnonzero(starts.contig >= 0)
    starts = starts.take(there)
    _, first = np.unique(np.stack([starts.contig, starts.base, starts.reverse]), axis=1, return_index=True)
    run.count("start sites given twice", len(starts) - len(first))
    return starts.take(np.sort(first))


def _tss(run: Run, path: str | Path, bed: Bed, reverse: Bool, tss_at: str) -> I64:
    if tss_at == "auto":
        thick = thick_starts(path, bed)
        run.found["TSS taken from"] = "the regions' first base" if thick is None else "the thick part, as EPDnew has it"
        if thick is not None:
            return thick
    last = {"auto": 0, "start": 0, "end": 1, "after": 1}[tss_at]
    beyond = int(tss_at == "after")
    forward = np.where(last, bed.end - 1 + beyond, bed.start)
    backward = np.where(last, bed.start - beyond, bed.end - 1)
    base: I64 = np.where(reverse, backward, forward)
    return base


def chosen_transcripts(annotation: Annotation, how: str) -> I64:
    """The transcripts that stand for their genes, i64[m], ascending.

    "all": every one. "longest": of each gene (gene_id and contig) the one with most exonic bases, the first of equals.
    "canonical": those tagged Ensembl_canonical or MANE_Select; the longest of genes that have none.
    """
    if how not in _TRANSCRIPTS:
        raise DnabertError(f"--transcripts {how}: choose one of {', '.join(_TRANSCRIPTS)}")
    if how == "all":
        return np.arange(len(annotation))
    exonic = np.zeros(len(annotation), np.int64)
    np.add.at(exonic, annotation.exon_of, annotation.exon_end - annotation.exon_start)
    length = np.where(exonic > 0, exonic, annotation.end - annotation.start)
    keys = [f"{gene}\t{contig}" for gene, contig in zip(annotation.gene, annotation.contig.tolist(), strict=True)]
    gene = np.unique(np.array(keys), return_inverse=True)[1]
    order = np.lexsort((np.arange(len(gene)), -length, gene))
    first = np.concatenate([[True], gene[order[1:]] != gene[order[:-1]]])
    longest = np.zeros(len(gene), np.bool_)
    longest[order[first]] = True
    if how == "longest":
        return np.flatnonzero(longest)
    tagged = np.zeros(int(gene.max()) + 1, np.bool_)
    tagged[gene[annotation.canonical]] = True
    return np.flatnonzero(annotation.canonical | (longest & ~tagged[gene]))


def read_introns(run: Run, path: str | Path, transcripts: str, only_gt_ag: bool) -> Introns:
    """Introns of the chosen transcripts of a GTF, or between the exons of a BED file; each place and strand once.

    BED names no transcripts: a new one begins where the name, contig or strand changes, and where an exon does not lie
    further along its strand than the one before (along the contig, where most exons of the reverse strand are listed
    so). Two of a gene may still look like one, so introns of BED are kept only where they begin and end with GT-AG,
    GC-AG or AT-AC. With `only_gt_ag` those of GTF and BED must be GT-AG.
    """
    gtf = ends_with(path, _GTF)
    introns = _introns_of_gtf(run, path, transcripts) if gtf else _introns_of_bed(run, path)
    if not len(introns):
        raise FormatError(f"{path}: no introns: no transcript has two exons with a gap between them")
    inside = (introns.start >= 2) & (introns.end + 2 <= run.genome.lengths[introns.contig])
    run.count("introns over a contig's end", np.count_nonzero(~inside))
    introns = introns.take(inside)
    found = motifs(run.genome, introns)
    for motif, those in found.items():
        run.found[f"introns {motif}"] = int(np.count_nonzero(those))
    every = np.logical_or.reduce(list(found.values()))
    run.found["introns with other ends"] = int(np.count_nonzero(~every))
    if only_gt_ag:
        return introns.take(found["GT-AG"])
    return introns if gtf else introns.take(every)


def _introns_of_gtf(run: Run, path: str | Path, transcripts: str) -> Introns:
    annotation = read_gtf(path)
    if not len(annotation.exon_of):
        raise FormatError(f"{path}: no exons; splice sites need lines of the feature exon")
    rows = chosen_transcripts(annotation, transcripts)
    run.found["transcripts in the GTF"] = len(annotation)
    run.found["transcripts chosen"] = len(rows)
    contig = run.contigs(annotation.contigs, path, annotation.line, annotation.contig)
    wanted = np.zeros(len(annotation), np.bool_)
    wanted[rows] = True
    exon = np.flatnonzero((wanted & (contig >= 0))[annotation.exon_of])
    of = annotation.exon_of[exon]
    names = [annotation.name[row] for row in of.tolist()]
    return introns_of(
        of, contig[of], annotation.exon_start[exon], annotation.exon_end[exon], annotation.reverse[of], names
    )


def _introns_of_bed(run: Run, path: str | Path) -> Introns:
    bed, contig = bed_on_genome(run, path)
    no_strand = np.flatnonzero(bed.strand == ord("."))
    if len(no_strand):
        raise FormatError(f"{path}:{bed.line[no_strand[0]]}: no strand; an exon needs + or - in column 6")
    reverse, names = bed.strand == ord("-"), bed_names(bed)
    name = np.unique(np.array(names), return_inverse=True)[1]
    same = (name[1:] == name[:-1]) & (contig[1:] == contig[:-1]) & (reverse[1:] == reverse[:-1])
    ahead, back = bed.start[1:] >= bed.end[:-1], bed.end[1:] <= bed.start[:-1]
    of_reverse = same & reverse[1:]
    # A file sorted by place has the exons of the reverse strand last to first.
    by_place = np.count_nonzero(of_reverse & ahead) > np.count_nonzero(of_reverse & back)
    onward = ahead if by_place else np.where(reverse[1:], back, ahead)
    transcript = np.concatenate([[0], np.cumsum(~(same & onward))])
    kept = np.flatnonzero(contig >= 0)
    return introns_of(
        transcript[kept], contig[kept], bed.start[kept], bed.end[kept], reverse[kept], [names[i] for i in kept.tolist()]
    )


def bed_on_genome(run: Run, path: str | Path) -> tuple[Bed, I32]:
    """A BED file and the genome's row of each region's contig, -1 where the genome has it not (counted)."""
    bed = read_bed(path)
    return bed, run.contigs(bed.contigs, path, bed.line, bed.contig)


def bed_names(bed: Bed) -> list[str]:
    """The names of regions; those without one are called by their place."""
    flat, offsets = bed.names
    text, bounds = flat.tobytes(), offsets.tolist()
    named: Sequence[str] = [text[a:b].decode("utf-8", "replace") for a, b in pairwise(bounds)]
    return [
        name if name not in ("", ".") else f"{bed.contigs[contig]}:{start}-{end}"
        for name, contig, start, end in zip(
            named, bed.contig.tolist(), bed.start.tolist(), bed.end.tolist(), strict=True
        )
    ]
