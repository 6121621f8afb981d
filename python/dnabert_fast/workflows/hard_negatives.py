"""Hard negatives: train, scan the training stretches of the genome, add what is called falsely, and train again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.scan import ScanSummary, ScanUnit, plan_scan
from ..analysis.scan import scan as scan_units
from ..datasets.examples import Examples, Sites, read_windows
from ..datasets.leaks import repeated, same_on_either_strand, shared_kmers
from ..datasets.spans import Spans
from ..datasets.splits import Splits
from ..engine.model import Model, load
from ..errors import DnabertError, FormatError
from ..io.labelled_write import LabelledSink
from ..io.sequences import sequence_units
from ..nn.checkpoint import network_hash
from ..seq.aliases import AliasTable
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.plan import Plan
from ..seq.types import F32, I32, I64, Bool
from ..seq.variants import Regions
from .common import read_regions
from .finetune import finetune
from .prepare_run import hashed
from .progress import Progress, silent
from .rounds import Rounds

__all__ = ["hard_negatives"]


def hard_negatives(
    data: str | Path,
    genome: str | Path,
    *,
    output: str | Path,
    rounds: int = 2,
    regions: str | Path | None = None,
    stride: int = 100,
    threshold: float = 0.5,
    most: int = 1000,
    near: int | None = None,
    model: str | None = None,
    preset: str = "general",
    network: str | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    seed: int = 42,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on a folder that `prepare` made, scan, add false calls as negatives, and so on, as SpliceFinder does.

    Each round trains anew on the tables of `data` and the negatives found so far, and scans both strands of the
    training stretches (of `regions`, a BED file, where given) every `stride` bases. A window is called where all
    classes but the negative one have at least `threshold` together, and falsely where its middle is `near` bases (half
    a window) or more from the middle of every known site. Of those that start within a window's length the likeliest is
    taken, of all `most` in a round; those that leak into dev or test are left out. After `rounds` additions there is a
    last training and scan, for the report. `output` gets round_0 to round_N (model folders), train_1.csv.gz to
    train_N.csv.gz and report.json, which is returned: the last model is the folder of the last round. Called again, it
    goes on after the last round that was made. Raises DnabertError for a folder without a card or with windows of
    several lengths, and for an `output` that holds other rounds.
    """
    given = _Data.of(Path(data))
    if Path(output).resolve() == given.folder.resolve():
        raise DnabertError(f"--output {output} is the folder of the data; give another")
    if rounds < 1:
        raise DnabertError(f"--rounds {rounds}: one round at least")
    training: dict[str, Any] = {
        "preset": preset, "model": model, "network": network, "learning_rate": learning_rate, "epochs": epochs,
        "batch": batch, "seed": seed,
    }  # fmt: skip
    calling = {"stride": stride, "threshold": threshold, "most": most, "near": near}
    about = {"verb": "prepare hard-negatives", "data": str(given.folder), "seed": seed}
    with Genome.open(genome) as opened:
        where = _training_regions(opened, given.card, regions)
        known = _known_middles(opened, given.folder / "positives.bed")
        settings = training | calling | _inputs(given, genome, regions, model)
        del settings["model"]  # which may go by several names; of its weights the inputs tell
        made = Rounds(output, rounds, about, settings)
        scanning = _Scanning(opened, where, given, stride, threshold, device, threads, progress)
        training |= {"device": device, "threads": threads, "progress": progress}
        for number in range(len(made.told), 0 if made.ended else rounds + 1):
            table = made.folder / f"train_{number}.csv.gz" if number else given.folder / "train.csv.gz"
            here = made.model(number)
            facts = finetune(train=table, **given.finetune_flags(), output=here, overwrite=made.again, **training)
            calls, summary = scanning.calls(here)
            false = calls.take(_far(calls.plan, known, given.window // 2 if near is None else near))
            row = {"round": number, **_told_of(facts, summary, calls, false)}
            if number < rounds:
                fresh, lost = _fresh(opened, false, _sequences(table), given, most, number + 1)
                _extended(made.folder / f"train_{number + 1}.csv.gz", table, fresh, opened)
                row |= {"left_out_as_leaks": lost, "added": len(fresh)}
            made.add(row)
            if row.get("added") == 0:
                break
    return made.report()


def _inputs(data: _Data, genome: str | Path, regions: str | Path | None, model: str | None) -> dict[str, str | None]:
    """The contents of what a run reads, so that another run is told from it."""
    return {
        "training_set": hashed(data.folder / "train.csv.gz")["sha256"][:12],
        "genome": Path(genome).name,
        "regions": None if regions is None else hashed(regions)["sha256"][:12],
        "weights": None if model is None else network_hash(model)[:12],
    }


def _told_of(facts: Mapping[str, Any], summary: ScanSummary, calls: _Called, false: _Called) -> dict[str, Any]:
    """What the report says of a round's training and scan."""
    measured = {f"{name}_mcc": round(facts[name]["mcc"], 4) for name in ("dev", "test") if name in facts}
    return {
        "trained_on": facts["data"]["train"]["sequences"],
        "windows_scanned": summary.windows,
        "called": len(calls),
        "called_falsely": len(false),
        "false_calls_per_million_windows": round(1e6 * len(false) / max(1, summary.windows), 1),
        **measured,
    }


@dataclass(frozen=True)
class _Data:
    """A folder that `prepare` made: its card, the length of its windows, and the sequences that are held out."""

    folder: Path
    card: Mapping[str, Any]
    window: int
    dev: Path
    test: Path | None
    held_out: Windows

    @staticmethod
    def of(folder: Path) -> _Data:
        """Raises DnabertError for a folder without a card or with windows of several lengths."""
        card = _card(folder)
        window = _window(card, folder)
        dev, test = folder / "dev.csv.gz", folder / "test.csv.gz"
        there = test if test.exists() else None
        held_out = Windows.concatenate([_sequences(path) for path in (dev, there) if path is not None])
        return _Data(folder, card, window, dev, there, held_out)

    @property
    def negative(self) -> str:
        """The name of the negative class."""
        return str(list(self.card["classes"])[self.card["negative"]])

    def finetune_flags(self) -> dict[str, Any]:
        """What `finetune` is told of the sets, but for the one that it trains on."""
        return {"dev": self.dev, "test": self.test, "classes": tuple(self.card["classes"])}


@dataclass(frozen=True)
class _Called:
    """Windows that a model calls: where, and how likely they are anything but negative, f32[n]."""

    plan: Plan
    score: F32

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: I64 | Bool) -> _Called:
        plan = self.plan
        return _Called(Plan(plan.contig[rows], plan.start[rows], plan.end[rows], plan.reverse[rows]), self.score[rows])


@dataclass(frozen=True)
class _Scanning:
    """How models are scanned with: over which stretches of the genome, how densely, and on what."""

    genome: Genome
    where: Regions
    data: _Data
    stride: int
    threshold: float
    device: str
    threads: int | None
    progress: Progress

    def calls(self, folder: Path) -> tuple[_Called, ScanSummary]:
        """The windows of both strands that the model of a folder calls, in genome order, forward ones first."""
        summary = ScanSummary()
        window = self.data.window
        plan = plan_scan(self.genome, window, self.stride, self.where, summary)
        contigs: list[I32] = []
        starts: list[I64] = []
        reverse: list[Bool] = []
        scores: list[F32] = []
        for strand in "+-":
            loaded: Model = load(str(folder), device=self.device, threads=self.threads, strand=strand)

            def keep(unit: ScanUnit, backward: bool = strand == "-") -> None:
                called = np.flatnonzero(1 - unit.score >= self.threshold)
                contigs.append(np.full(len(called), unit.stretch.contig, np.int32))
                starts.append(unit.start[called])
                reverse.append(np.full(len(called), backward))
                scores.append(1 - unit.score[called])

            scan_units(
                loaded,
                self.genome,
                plan,
                keep,
                summary,
                window=window,
                stride=self.stride,
                readout=loaded.readout(self.data.negative),
                max_n=0.0,
                progress=self.progress("scanning", "bases", sum(s.end - s.start for s in plan)),
            )
        start = np.concatenate(starts)
        found = Plan(np.concatenate(contigs), start, start + window, np.concatenate(reverse))
        return _Called(found, np.concatenate(scores)), summary


def _fresh(
    genome: Genome, false: _Called, trained: Windows, data: _Data, most: int, number: int
) -> tuple[Examples, int]:
    """The likeliest of the false calls that start in each window's length of the genome, at most `most`, and how many
    were left out as leaks."""
    length = false.plan.end - false.plan.start
    heap = _line(false.plan.contig, false.plan.start // np.maximum(length, 1))
    order = np.lexsort((-false.score, heap))
    first = order[np.concatenate([[True], np.diff(heap[order]) != 0])] if len(order) else order
    best = first[np.argsort(-false.score[first], kind="stable")]
    chosen = false.take(best).plan
    windows = read_windows(genome, chosen)
    again = repeated(Windows.concatenate([trained, windows]))[0][len(trained) :]
    shared = shared_kmers(windows, data.held_out) >= data.card["settings"]["leak_share"]
    leaks = same_on_either_strand(windows, data.held_out) | shared
    rows = np.flatnonzero(~again & ~leaks)[:most]
    names = [f"hard_{number}_{row + 1}" for row in range(len(rows))]
    plan = Plan(chosen.contig[rows], chosen.start[rows], chosen.end[rows], chosen.reverse[rows])
    label = np.full(len(rows), data.card["negative"], np.int64)
    return Examples(windows.take(rows), Sites(plan, label, names)), int(np.count_nonzero(leaks & ~again))


def _line(contig: I32, place: I64) -> I64:
    """Places of all contigs on one line."""
    return contig.astype(np.int64) * (1 << 40) + place


def _far(plan: Plan, known: I64, near: int) -> Bool:
    """Which windows have their middle at least `near` bases from every known one."""
    if not len(known):
        return np.ones(len(plan), np.bool_)
    middle = _line(plan.contig, (plan.start + plan.end) // 2)
    at = np.searchsorted(known, middle)
    before, after = known[np.maximum(at - 1, 0)], known[np.minimum(at, len(known) - 1)]
    far: Bool = np.minimum(np.abs(middle - before), np.abs(middle - after)) >= near
    return far


def _known_middles(genome: Genome, path: Path) -> I64:
    """The middles of all sites that `prepare` was given, contig after contig on one line, ascending."""
    sites = read_regions(path, genome, AliasTable())
    return np.sort(_line(sites.contig, (sites.start + sites.end) // 2))


def _training_regions(genome: Genome, card: Mapping[str, Any], path: str | Path | None) -> Regions:
    """The stretches that train, or those parts of them that lie in the regions of a BED file."""
    splits = Splits.of(genome, card["splits"]["train"], card["splits"]["dev"], card["splits"].get("test", []))
    spans = splits.spans["train"]
    if path is not None:
        asked = read_regions(path, genome, AliasTable())
        spans = Spans(asked.contig, asked.start, asked.end).merged().within(spans)
    if not len(spans):
        raise DnabertError(f"{path}: no region lies in the training stretches of the data; give others")
    return Regions(spans.contig, spans.start, spans.end, np.zeros(len(spans), np.bool_))


def _extended(path: Path, table: Path, fresh: Examples, genome: Genome) -> None:
    """Write a table with the rows of another and new ones."""
    plan, sites = fresh.sites.plan, fresh.sites
    with LabelledSink(path, header=False) as sink:
        with gzip.open(table, "rb") as rows:
            while block := rows.read(1 << 20):
                sink.write(block)
        contigs = [genome.names[row] for row in plan.contig.tolist()]
        sink.write_rows(fresh.windows, sites.label, sites.names, contigs, plan.start, plan.end, plan.reverse)


def _sequences(path: Path) -> Windows:
    return Windows.concatenate([unit.windows for unit in sequence_units(path)])


def _card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{folder}/card.json: {error.strerror}; give a folder that prepare made") from None
    except ValueError:
        raise FormatError(f"{folder}/card.json: is not JSON; make the folder again with prepare") from None
    if card.get("negative") is None:
        raise DnabertError(f"{folder}: its classes have no negative one, to which false calls could be added")
    return card


def _window(card: Mapping[str, Any], folder: Path) -> int:
    lengths = {facts["length"][end] for facts in card["classes"].values() for end in ("least", "most")}
    if len(lengths) != 1:
        raise DnabertError(f"{folder}: windows of {min(lengths)} to {max(lengths)} bases; a scan needs one length")
    return int(lengths.pop())
