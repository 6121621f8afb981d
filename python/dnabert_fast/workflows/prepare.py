"""The verb `prepare`: labelled sets out of a genome and annotation, with splits, a leak check and a card."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.background import flanks, matched_by_gc
from ..datasets.examples import Examples, Sites, read_windows
from ..datasets.prom_scan import scan_sites
from ..datasets.promoters import FRAMES, NEGATIVES, TATA_PLACES, artificial, from_genome, promoter_plan
from ..datasets.promoters import negatives as promoter_negatives
from ..datasets.shuffle import dinucleotide_shuffle
from ..datasets.spans import Spans
from ..datasets.splice import CLASSES, between, splice_sites
from ..datasets.tata import promoter_box
from ..errors import DnabertError, FormatError
from ..io.peaks import bed_column, summits
from ..seq.plan import Plan
from ..seq.types import I64
from .prepare_inputs import TSS_AT, bed_names, bed_on_genome, read_introns, read_starts
from .prepare_run import Common, Run
from .progress import Progress, silent

__all__ = ["Common", "prom_scan", "promoters", "splice", "tfbs", "windows"]

AWAY = ("matched", "flanks", "shuffle")
_TATA = ("all", "only", "without")


def promoters(
    common: Common,
    *,
    tss: str | Path,
    window: int = 300,
    tss_at: str = "auto",
    transcripts: str = "canonical",
    tata: str = "all",
    negatives: str = "public",
    tata_place: str = "like",
    away: int = 1000,
    tolerance: float = 0.02,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Promoters (class 1) around the start sites of a BED, EPDnew or GTF file, and a negative of each (class 0).

    window: 300 (-249..+50) or 70 (-34..+35). tata: "only" those with a TATA box (see `datasets.tata`), those "without",
    or "all". negatives and tata_place: see `datasets.promoters.negatives`; those of the genome keep `away` bases from
    every promoter window, and "matched" ones have the promoter's G+C share to within `tolerance`.
    """
    _one_of("--window", window, FRAMES)
    _one_of("--tss-at", tss_at, TSS_AT)
    _one_of("--tata", tata, _TATA)
    _one_of("--negatives", negatives, NEGATIVES)
    _one_of("--tata-place", tata_place, TATA_PLACES)
    settings = {"window": window, "tss-at": tss_at, "transcripts": transcripts, "tata": tata, "negatives": negatives}
    settings |= {"tata-place": tata_place, "away": away, "tolerance": tolerance}
    with ExitStack() as stack:
        run = Run.open(stack, "promoters", common, {"tss": tss}, settings)
        starts = read_starts(run, tss, tss_at, transcripts)
        long = FRAMES[300]
        boxes = promoter_box(read_windows(run.genome, promoter_plan(starts, long)), long.length, long.before)
        sites = Sites(promoter_plan(starts, FRAMES[window]), np.ones(len(starts), np.int64), starts.names)
        allowed = _away_from(run, sites, away)
        run.found["start sites with a TATA box"] = int(np.count_nonzero(boxes))
        run.found["start sites without"] = int(np.count_nonzero(boxes == 0))
        if tata != "all":
            rows = np.flatnonzero((boxes != 0) == (tata == "only"))
            sites, boxes = sites.take(rows), boxes[rows]
        positives, rows = run.place(sites)
        boxes = boxes[rows]

        def make(name: str, territory: Spans, rows: I64) -> Examples:
            made = promoter_negatives(
                run.genome,
                positives.take(rows),
                boxes[rows],
                FRAMES[window],
                territory.within(allowed),
                kind=negatives,
                tata_place=tata_place,
                tolerance=tolerance,
                random=run.random(f"promoters {name}"),
            )
            run.count("negatives that the genome does not give", len(rows) - len(made))
            return made

        return run.finish(run.by_split(positives, make, progress), ("background", "promoter"), 0)


def prom_scan(
    common: Common,
    *,
    tss: str | Path,
    tss_at: str = "auto",
    transcripts: str = "canonical",
    both_strands: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Windows of 1,001 bases every 100 over the 10,000 bases around each TSS; see `datasets.prom_scan`."""
    _one_of("--tss-at", tss_at, TSS_AT)
    settings = {"tss-at": tss_at, "transcripts": transcripts, "both-strands": both_strands}
    with ExitStack() as stack:
        run = Run.open(stack, "prom-scan", common, {"tss": tss}, settings)
        sites = scan_sites(read_starts(run, tss, tss_at, transcripts), both_strands=both_strands)
        advance = progress("reading", "windows", len(sites))
        examples, _ = run.place(sites)
        advance(len(sites))
        return run.finish(examples, ("background", "promoter"), 0)


def tfbs(
    common: Common,
    *,
    peaks: str | Path,
    window: int = 101,
    negatives: str = "matched",
    per_positive: int = 1,
    away: int = 1000,
    tolerance: float = 0.02,
    flank: int = 500,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Windows around the summits of peaks (narrowPeak; the middle of BED's) as class 1, and negatives as class 0.

    negatives: "matched", random windows at least `away` bases from every peak with the positive's length and, to within
    `tolerance`, its G+C share; "flanks", windows `flank` bases to one side that touch no peak; "shuffle", dinucleotide
    shuffles; `per_positive` of them each.
    """
    settings = {"window": window, "negatives": negatives, "per-positive": per_positive, "away": away}
    settings |= {"tolerance": tolerance, "flank": flank}
    with ExitStack() as stack:
        run = Run.open(stack, "tfbs", common, {"peaks": peaks}, settings)
        bed, contig = bed_on_genome(run, peaks)
        summit, said = summits(peaks, bed)
        run.found["summits"] = "column 10" if said else "the middle of each region"
        kept = np.flatnonzero(contig >= 0)
        start = summit[kept] - window // 2
        names = bed_names(bed)
        plan = Plan(contig[kept], start, start + window, bed.strand[kept] == ord("-"))
        sites = Sites(plan, np.ones(len(kept), np.int64), [names[row] for row in kept.tolist()])
        spans = Spans(contig[kept], bed.start[kept], bed.end[kept])
        examples = _with_background(run, sites, spans, negatives, per_positive, away, tolerance, flank, progress)
        return run.finish(examples, ("background", "site"), 0)


def splice(
    common: Common,
    *,
    exons: str | Path,
    window: int = 400,
    transcripts: str = "canonical",
    negatives: str = "between",
    per_positive: float = 1.0,
    away: int = 20,
    only_gt_ag: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Acceptors (class 0), donors (1) and windows between them (2), out of the exons of a GTF or BED file.

    negatives: "between", middles anywhere between neighbouring sites of a gene, at least `away` bases from all;
    "decoys", the same with a GT or AG in the place of a site's. There are `per_positive` of them for each of the larger
    of the two classes.
    """
    _one_of("--negatives", negatives, ("between", "decoys"))
    settings = {"window": window, "transcripts": transcripts, "negatives": negatives, "per-positive": per_positive}
    settings |= {"away": away, "only-gt-ag": only_gt_ag}
    with ExitStack() as stack:
        run = Run.open(stack, "splice", common, {"exons": exons}, settings)
        introns = read_introns(run, exons, transcripts, only_gt_ag)
        sites, _ = run.place(splice_sites(introns, window))

        def make(name: str, territory: Spans, rows: I64) -> Examples:
            wanted = round(per_positive * np.bincount(sites.sites.label[rows], minlength=2).max())
            made = between(
                run.genome,
                introns,
                territory,
                window,
                wanted,
                away=away,
                decoys=negatives == "decoys",
                random=run.random(f"splice {name}"),
            )
            run.count("negatives that the genome does not give", wanted - len(made))
            return Examples(read_windows(run.genome, made.plan), made)

        return run.finish(run.by_split(sites, make, progress), CLASSES, 2)


def windows(
    common: Common,
    *,
    regions: str | Path,
    label_column: int | None = None,
    window: int | None = None,
    negatives: str = "matched",
    per_positive: int = 1,
    away: int = 1000,
    tolerance: float = 0.02,
    flank: int = 500,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Regions of a BED file with the classes that a column of it names, or as class 1 against the background.

    label_column: from 1; its values in order (of number, else of letters) are the classes. window: so many bases
    around each region's middle; by default the regions as they are. Without `label_column` negatives are as of `tfbs`.
    """
    settings: dict[str, Any] = {"label-column": label_column, "window": window}
    if label_column is None:
        settings |= {"negatives": negatives, "per-positive": per_positive, "away": away}
        settings |= {"tolerance": tolerance, "flank": flank}
    with ExitStack() as stack:
        run = Run.open(stack, "windows", common, {"regions": regions}, settings)
        bed, contig = bed_on_genome(run, regions)
        names, kept = bed_names(bed), np.flatnonzero(contig >= 0)
        start, end = bed.start[kept], bed.end[kept]
        if window is not None:
            start = (start + end) // 2 - window // 2
            end = start + window
        empty = np.flatnonzero(end == start)
        if len(empty):
            raise FormatError(
                f"{regions}:{bed.line[kept[empty[0]]]}: a region without bases; give --window, or remove it"
            )
        classes: tuple[str, ...] = ("background", "region")
        label = np.ones(len(kept), np.int64)
        if label_column is not None:
            classes, label = _classes(bed_column(regions, bed, label_column))
            label = label[kept]
        plan = Plan(contig[kept], start, end, bed.strand[kept] == ord("-"))
        sites = Sites(plan, label, [names[row] for row in kept.tolist()])
        if label_column is not None:
            if len(classes) < 2:
                raise FormatError(
                    f"{regions}: column {label_column} has one value, {classes[0]!r}; two classes are needed"
                )
            return run.finish(run.place(sites)[0], classes, None)
        spans = Spans.of(plan)
        examples = _with_background(run, sites, spans, negatives, per_positive, away, tolerance, flank, progress)
        return run.finish(examples, classes, 0)


def _classes(values: Sequence[str]) -> tuple[tuple[str, ...], I64]:
    """The distinct values, numbers in their order and words in theirs, and which each is."""
    distinct = set(values)
    numbers = all(value.isdigit() for value in distinct)
    ordered = sorted(distinct, key=lambda value: (int(value) if numbers else 0, value))
    place = {value: number for number, value in enumerate(ordered)}
    return tuple(ordered), np.array([place[value] for value in values], np.int64)


def _with_background(
    run: Run,
    sites: Sites,
    regions: Spans,
    kind: str,
    per_positive: int,
    away: int,
    tolerance: float,
    flank: int,
    progress: Progress,
) -> Examples:
    """Sites and their negatives; `regions` are where nothing negative may lie."""
    _one_of("--negatives", kind, AWAY)
    positives, _ = run.place(sites)
    known = Spans.concatenate([regions, Spans.of(sites.plan)])
    allowed = Spans.whole(run.genome.lengths).merged().less(known.widened(away).merged())
    touched = known.merged()

    def make(name: str, territory: Spans, rows: I64) -> Examples:
        random, chosen = run.random(f"background {name}"), positives.take(rows)
        if kind == "flanks":
            steps = [flanks(territory, touched, chosen.sites.plan, flank * (1 + turn), random)[0]
                     for turn in range(per_positive)]  # fmt: skip
            made = Examples.concatenate([from_genome(run.genome, plan, "flank") for plan in steps])
        else:
            each = chosen.take(np.tile(np.arange(len(chosen)), per_positive))
            if kind == "shuffle":
                made = artificial(each, dinucleotide_shuffle(each.windows, random), "shuffled")
            else:
                plan, _ = matched_by_gc(run.genome, territory.within(allowed), each.windows, tolerance, random)
                made = from_genome(run.genome, plan, "matched")
        run.count("negatives that the genome does not give", per_positive * len(rows) - len(made))
        return made

    return run.by_split(positives, make, progress)


def _away_from(run: Run, sites: Sites, away: int) -> Spans:
    """All of the genome but what is nearer than `away` bases to a site."""
    known = Spans.of(sites.plan).widened(away).merged()
    return Spans.whole(run.genome.lengths).merged().less(known)


def _one_of(flag: str, value: object, choices: Any) -> None:
    if value not in choices:
        raise DnabertError(f"{flag} {value}: choose one of {', '.join(map(str, choices))}")
