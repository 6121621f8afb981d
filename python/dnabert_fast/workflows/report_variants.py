"""The report of scored variants: how scores are spread, the largest changes, and their mutation maps."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import DnabertError
from ..report.charts import density_chart, histogram_chart
from ..report.explore import Cell, Column, Explorer
from ..report.page import Block, Heading, Notes, Picture, Row, Text
from ..seq.types import F32
from .common import GRIDS
from .mutate import mutate
from .report_inputs import Allele, Scores, read_scores
from .report_parts import Page, Run, figures, model_card, reasons_table, run_table, signed
from .reports import number

__all__ = ["variants_blocks", "variants_page"]

_TOP = 500
_BINS = 60
_MOST = 3_000_000  # letters of drawings on a page, which is to stay small enough to be sent by mail
_Change: TypeAlias = tuple[str, int, str, str]  # contig, position from 1, REF, ALT
_BESIDE = 0.04, 0.05  # of the width of a map, left and right of its bases
_CUT = 14  # letters of an allele that are shown


def variants_page(run: Run) -> Page:
    """The report of a VCF or table that `variants` wrote."""
    found = read_scores(run.path, f"DNABERT_{run.name}" if run.name else "", _TOP, plain=run.model is not None)
    settings = {**found.settings, **run.facts}
    blocks = variants_blocks(run, found, settings)
    blocks += [*model_card(run, settings), *run_table(run, settings)]
    samples = f"{len(found.samples):,} samples" if len(found.samples) > 3 else ", ".join(found.samples)
    scored = settings.get("class") or "value"
    parts = [f"{found.alleles:,} ALT alleles", f"score: {scored}", *([f"sample {samples}"] if samples else [])]
    return Page(f"Variants of {run.path.name}", "  ·  ".join(parts), blocks, len(found.top))


def variants_blocks(run: Run, found: Scores, settings: dict[str, Any]) -> list[Block]:
    """Numbers, distributions, the table, maps and flags of scored alleles."""
    difference = found.values["DIFF"]
    scored = int((~np.isnan(difference)).sum())
    numbers: dict[str, object] = {
        "records": found.records,
        "ALT alleles": found.alleles,
        "scored": f"{scored:,}\n{scored / max(1, found.alleles):.1%} of the alleles",
    }
    for what, values in (("largest loss", difference < 0), ("largest gain", difference > 0)):
        there = difference[values]
        at = there[np.argmax(np.abs(there))] if len(there) else np.nan
        numbers[what] = f"{signed(float(at))}\n{len(there):,} alleles"
    notes = [str(note) for note in run.facts.get("notes", [])]
    maps, said = _maps(run, found.top, settings)
    blocks: list[Block] = [figures(numbers)]
    blocks += [Notes(tuple(notes + said))] if notes or said else []
    blocks += [Heading("Scores"), *_spread(found)]
    blocks += [Heading("Largest changes"), _table(found.top, maps, scored)]
    if maps:
        blocks += [Heading("Mutation maps"), Text(_MAPS_TOLD), *dict.fromkeys(maps.values())]
    return [*blocks, *reasons_table(run.facts.get("reasons") or found.reasons, found.alleles)]


_MAPS_TOLD = (
    "Windows of the largest changes: how much the model attends to each base, the scores of the highest and the lowest "
    "substitution, the variants scored there, and what each base put for each other one does to the score."
)


def _spread(found: Scores) -> list[Block]:
    """Histograms of the scores, and those of REF against those of ALT."""
    pictures = []
    difference = found.values["DIFF"]
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return [Text("No allele has a score.")]
    counts, edges = _bins(difference)
    shown = histogram_chart(counts, edges, "difference score", "difference (ALT − REF)")
    pictures.append(
        Picture(shown, "", "Vermillion: the ALT allele lowers the score; blue: it raises it. Logarithmic counts.")
    )
    if "LOGOR" in found.values:
        odds = found.values["LOGOR"]
        counts, edges = _bins(odds[~np.isnan(odds)])
        shown = histogram_chart(
            counts, edges, "log-odds ratio", "log2 odds(REF) − log2 odds(ALT)", loss_is_positive=True
        )
        pictures.append(Picture(shown, "", "Above 0 the ALT allele lowers the probability. Logarithmic counts."))
        ref, alt = found.values["REF"], found.values["ALT"]
        there = ~(np.isnan(ref) | np.isnan(alt))
        table = np.histogram2d(ref[there], alt[there], bins=40, range=[[0, 1], [0, 1]])[0]
        shown = density_chart(table.astype(np.int64), "ALT against REF", "P(REF window)", "P(ALT window)")
        pictures.append(Picture(shown, "", "Darker squares hold more alleles; on the dashed line nothing changes."))
    return [Row(tuple(pictures))]


def _bins(values: F32) -> tuple[Any, Any]:
    """Counts and edges of bins that are the same on both sides of 0."""
    limit = float(np.abs(values).max(initial=0)) or 1.0
    return np.histogram(values.astype(np.float64), bins=_BINS, range=(-limit, limit))


def _table(top: Sequence[Allele], maps: dict[int, Picture], scored: int) -> Explorer:
    odds = bool(top) and "LOGOR" in top[0].scores
    named = any(allele.name not in (".", "") for allele in top)
    columns = [
        Column("variant"),
        Column("contig"),
        Column("position", True, "1-based"),
        *([Column("ID")] if named else []),
        Column("REF", True, "score of the window with REF"),
        Column("ALT", True, "score of the window with ALT"),
        Column("difference", True, "(ALT − REF) · max(REF, ALT), Ji et al. 2021"),
        Column("|difference|", True, "its size, whatever its sign"),
        *([Column("log-odds ratio", True, "positive where the ALT allele lowers the probability")] if odds else []),
        Column("flags"),
    ]
    rows = []
    for at, allele in enumerate(top):
        given = allele.scores
        change = f"{_cut(allele.ref)}>{_cut(allele.alt)}"
        place = f"{allele.contig}:{allele.position:,} {change}"
        drawn = maps.get(at)
        cells = [Cell(place, anchor="" if drawn is None else drawn.anchor), Cell(allele.contig)]
        cells += [Cell(f"{allele.position:,}", allele.position)]
        cells += [Cell("" if allele.name == "." else allele.name)] if named else []
        cells += [Cell(number(given[name], 3), given[name]) for name in ("REF", "ALT")]
        size = abs(given["DIFF"])
        cells += [Cell(signed(given["DIFF"], 4), given["DIFF"]), Cell(number(size, 4), size)]
        cells += [Cell(signed(given["LOGOR"], 2), given["LOGOR"])] if odds else []
        rows.append((*cells, Cell("" if allele.flag == "." else allele.flag.replace("&", " "))))
    of = f"The {len(rows):,} largest of {scored:,}" if len(rows) < scored else f"All {len(rows):,}"
    links = " Links lead to mutation maps." if maps else ""
    return Explorer(tuple(columns), tuple(rows), "variants", f"{of} scored alleles, by |difference|.{links}")


def _cut(allele: str) -> str:
    return allele if len(allele) <= _CUT else f"{allele[: _CUT - 6]}…({len(allele):,})"


def _maps(run: Run, top: Sequence[Allele], settings: dict[str, Any]) -> tuple[dict[int, Picture], list[str]]:
    """Mutation maps of the first alleles, by their number, and what to say of those that are not there."""
    chosen = [allele for allele in top[: run.maps] if allele.scores["DIFF"]]
    if not chosen:
        return {}, []
    if run.model is None or run.genome is None:
        return {}, ["no mutation maps: they need --model and --genome"]
    grid = str(run.windows) in GRIDS
    given = str(settings.get("windows", "centred"))
    if grid and given not in GRIDS:
        return {}, ["no mutation maps: the run was given windows; give them again with --windows FILE.bed"]
    own = settings.get("window")
    window = None
    if grid:
        window = run.window if run.window is not None else int(str(own)) if str(own).isdigit() else None
    labels = () if run.loaded is None else run.loaded.labels
    scored = settings.get("class")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        vcf = place / "top.vcf"
        _write_vcf(vcf, chosen)
        try:
            facts = mutate(
                run.genome,
                model=run.model,
                output=place / "maps",
                variants=vcf,
                windows=given if grid else run.windows,
                window=window,
                picture=True,
                strand=str(settings.get("strand", "+")),
                class_name=run.class_name or (str(scored) if scored in labels and len(labels) > 2 else None),
                normalize=str(settings.get("normalize")).lower() in ("true", "yes"),
                alias=run.alias,
                device=run.device,
                threads=run.threads,
                progress=run.progress,
            )
        except DnabertError as wrong:
            return {}, [f"no mutation maps: {wrong}"]
        svgs = [Path(path).read_text(encoding="utf-8") for path in facts["pictures"] if path.endswith(".svg")]
        windows, order, now = _windows_of(place / "maps")
    maps, said = _numbered(chosen, windows, dict(zip(order, svgs, strict=True)))
    return maps, [*said, *_other_run(chosen, now)]


def _numbered(
    chosen: Sequence[Allele], windows: dict[_Change, str], svgs: dict[str, str]
) -> tuple[dict[int, Picture], list[str]]:
    """Drawings by the name of their window, as those of the alleles that stand in it."""
    found: dict[int, Picture] = {}
    made: dict[str, Picture] = {}
    room, said = _MOST, list[str]()
    for at, allele in enumerate(chosen):
        name = windows.get((allele.contig, allele.position, allele.ref, allele.alt))
        if name is None:
            continue
        if name not in made:
            svg = svgs[name]
            if len(svg) > room:
                said = [f"of {len(svgs)} mutation maps {len(made)} are shown: more would make the page too large"]
                continue
            room -= len(svg)
            marks = [a for a in chosen if windows.get((a.contig, a.position, a.ref, a.alt)) == name]
            shown = ", ".join(f"{a.contig}:{a.position:,} {_cut(a.ref)}>{_cut(a.alt)}" for a in marks)
            made[name] = Picture(svg, "", f"{name}: {shown}", f"map-{len(made) + 1}", True, _focus(name, allele))
        found[at] = made[name]
    return found, said


def _focus(window: str, allele: Allele) -> float:
    """About where in the width of its map an allele stands, of a window called CONTIG:START-END."""
    found = re.search(r":(\d+)-(\d+)(?:\(-\))?$", window)
    if found is None:
        return 0.5
    start, end = int(found[1]), int(found[2]) + 1
    left, right = _BESIDE
    return left + (1 - left - right) * (allele.position - start) / (end - start)


def _other_run(chosen: Sequence[Allele], now: dict[_Change, float]) -> list[str]:
    """A warning where the maps give alleles other scores than the file, more than a lower precision explains."""
    pairs = [(one.scores["DIFF"], now.get((one.contig, one.position, one.ref, one.alt))) for one in chosen]
    apart = [(was, found) for was, found in pairs if found is not None and abs(was - found) > 0.02 + 0.1 * abs(was)]
    if not apart:
        return []
    was, found = apart[0]
    return [
        f"the maps give other scores than the file (difference {signed(found)}, not {signed(was)}): give the model, "
        "the genome and the windows of the run"
    ]


def _windows_of(folder: Path) -> tuple[dict[_Change, str], list[str], dict[_Change, float]]:
    """The window of each allele that `mutate` drew, all windows in the order of the drawings, and differences."""
    lines = (folder / "variants.tsv").read_text(encoding="utf-8").splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]
    changes = [(row["contig"], int(row["position"]), row["ref"], row["alt"]) for row in rows]
    found = {change: row["window"] for change, row in zip(changes, rows, strict=True)}
    now = {change: float(row["difference"]) for change, row in zip(changes, rows, strict=True)}
    with open(folder / "bases.tsv", encoding="utf-8") as bases:
        next(bases)
        order = dict.fromkeys(line.split("\t", 1)[0] for line in bases)
    return found, list(order), now


def _write_vcf(path: Path, alleles: Sequence[Allele]) -> None:
    rows = [f"{a.contig}\t{a.position}\t.\t{a.ref}\t{a.alt}\t.\t.\t.\n" for a in alleles]
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(rows))
