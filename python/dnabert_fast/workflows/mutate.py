"""The verb `mutate`: what every substitution, deletions, variants or given mutations do to windows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.gradients import attribute
from ..analysis.mutagenesis import (
    MutationSummary,
    all_substitutions,
    codes,
    deletions,
    edited,
    edited_logits,
)
from ..engine.attention import normalised
from ..engine.given import check_lengths
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError
from ..io import open_table
from ..io.atomic import make_folder
from ..io.mutations import read_mutations
from ..io.text import open_text
from ..seq.aliases import AliasTable
from ..seq.batch import Windows
from ..seq.genome import Genome
from ..seq.types import F32
from .common import GRIDS, check_outputs, on_grid, window_length, write_summary
from .mutate_inputs import Targets, Variants, mutated_rows, region_targets, sequence_targets, variant_targets
from .mutate_outputs import Agreements, Changed, MapPictures, Tables, VariantTable, changed_attention, scores
from .precision import load_first, resolve_precision
from .progress import Advance, Progress, silent

__all__ = ["mutate"]

_FILES = ("scores.tsv", "bases.tsv", "deletions.tsv", "variants.tsv", "mutated.tsv")


def mutate(
    genome: str | Path | None = None,
    *,
    model: str,
    output: str | Path,
    region: Sequence[str] = (),
    variants: str | Path | None = None,
    windows: str | Path = "centred",
    window: int | None = None,
    sequences: str | Path | None = None,
    mutations: str | Path | None = None,
    longest: int = 0,
    gradients: int = 0,
    picture: bool = False,
    strand: str = "+",
    class_name: str | None = None,
    normalize: bool = False,
    alias: str | Path | None = None,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score every single substitution of windows, and write tables (and pictures) into the folder `output`.

    Windows are `region`s of a genome (CONTIG:START-END), the windows of a VCF's `variants` (centred, or regions of a
    BED file), or all `sequences` of a file. With `mutations` (the original's file: row of `sequences`, start, end,
    allele) those changes are scored alone, and mutated.tsv has the changed rows as k-mers. `longest` adds deletions of
    1 to so many bases, `gradients` integrated gradients in so many steps, `picture` a map a window. Returns the facts
    of the run, also written to `summary` as JSON.
    """
    began = time.monotonic()
    asked = _Asked(
        genome, tuple(region), variants, windows, window, sequences, mutations, longest, gradients, picture, normalize
    )
    asked.check()
    folder = Path(output)
    inputs = [genome, variants, sequences, mutations, alias, None if str(windows) in GRIDS else windows]
    check_outputs(inputs, {f"--output {name}": folder / name for name in _FILES} | {"--summary": summary})
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    loaded.need_pairs(False)
    with ExitStack() as stack:
        opened = None if genome is None else stack.enter_context(Genome.open(genome))
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        stack.enter_context(_made(folder))
        loaded, choice = resolve_precision(loaded, model, precision, device=device, expected=inf, progress=progress)
        work = _Work(loaded, readout, class_name, folder, progress)
        if mutations is not None:
            work.mutations(asked)
        else:
            targets, drawn = work.targets(asked, opened, aliases)
            with ExitStack() as tables:
                work.saturate(tables, asked, targets, drawn)
        notes = [] if opened is None else list(opened.notes)
    facts = {
        "verb": "mutate",
        "model": choice.network,
        "class": readout.label,
        "strand": strand,
        **choice.facts(),
        **asdict(work.counts),
        **work.facts,
        "notes": [*notes, *work.notes(), *choice.notes, *loaded.notes],
        **loaded.facts(),
        "seconds": round(time.monotonic() - began, 3),
        "output": str(output),
    }
    write_summary(summary, facts)
    return facts


@dataclass(frozen=True)
class _Asked:
    """What was asked for; the arguments of `mutate` of the same names."""

    genome: str | Path | None
    region: tuple[str, ...]
    variants: str | Path | None
    windows: str | Path
    window: int | None
    sequences: str | Path | None
    mutations: str | Path | None
    longest: int
    gradients: int
    picture: bool
    normalize: bool

    def check(self) -> None:
        """Raise DnabertError for what does not go together."""
        given = {"--region": bool(self.region), "--variants": bool(self.variants), "--sequences": bool(self.sequences)}
        named = [flag for flag, there in given.items() if there]
        if len(named) != 1:
            raise DnabertError(
                f"{' and '.join(named) or 'no windows'}: give GENOME with --region or with --variants, or --sequences"
            )
        if (self.genome is None) != bool(self.sequences):
            raise DnabertError("--sequences takes no GENOME" if self.sequences else f"{named[0]} needs GENOME")
        if self.variants is None and (self.window is not None or str(self.windows) != "centred"):
            raise DnabertError("--window and --windows say where --variants stand; leave them out")
        if self.normalize and self.variants is None:
            raise DnabertError("--normalize is of the alleles of --variants; leave it out")
        on_grid(self.windows, self.window)
        if self.mutations is None:
            return
        if not self.sequences:
            raise DnabertError("--mutations are of rows of --sequences; give these too")
        if self.longest or self.gradients or self.picture:
            raise DnabertError("--mutations scores the changes of the file alone; leave the other flags out")


class _Work:
    """A model that scores changes of windows, the folder for what comes out, and what is told of it at the end."""

    def __init__(
        self, model: Model, readout: Readout, class_name: str | None, folder: Path, progress: Progress
    ) -> None:
        self.counts = MutationSummary()
        self.facts: dict[str, Any] = {}
        self._model = model
        self._readout = readout
        self._class = class_name
        self._folder = folder
        self._progress = progress
        self._lengths: set[int] = set()
        self._centred = False

    def targets(
        self, asked: _Asked, genome: Genome | None, aliases: AliasTable
    ) -> tuple[Iterator[Targets], Variants | None]:
        """The windows to saturate, some at a time, and the variants to draw on them."""
        model = self._model
        if asked.sequences is not None:
            return sequence_targets(asked.sequences, model.k), None
        assert genome is not None
        assert asked.genome is not None
        if asked.variants is None:
            return region_targets(genome, asked.region, aliases, model.k, asked.longest, asked.genome).parts(), None
        grid = str(asked.windows) in GRIDS
        self._centred = str(asked.windows) == "centred"
        trained = model.block.window if model.block else None
        found, drawn, counts = variant_targets(
            asked.variants,
            genome,
            aliases,
            model,
            self._readout,
            window=window_length(asked.window, trained, model.k, scored_by=model.network.config) if grid else None,
            windows=asked.windows,
            normalize=asked.normalize,
            flank=asked.longest,
            progress=self._progress("scoring", "records", None),
        )
        self.facts |= {"alleles": counts.alleles, "scored": counts.scored, "reasons": dict(counts.reasons)}
        return found.parts(), drawn

    def saturate(self, stack: ExitStack, asked: _Asked, targets: Iterable[Targets], drawn: Variants | None) -> None:
        """Change every base of the windows, and write what comes of it."""
        tables = Tables(stack, self._folder, self._readout, deletions=asked.longest > 0, gradients=asked.gradients > 0)
        listed = None if drawn is None else VariantTable(stack, self._folder, self._readout, drawn)
        pictures = MapPictures(self._folder, self._readout, drawn) if asked.picture else None
        agreements = Agreements()
        advance = self._progress("mutating", "mutants", None)
        done = 0
        for part in targets:
            changed = self._changed(part, asked, advance)
            self._lengths.update(part.lengths.tolist())
            tables.write(changed)
            agreements.add(changed)
            if listed is not None:
                listed.add(changed, done)
            if pictures is not None:
                pictures.draw(changed, done)
            done += len(part)
        if listed is not None:
            listed.write()
        self.facts["agreement"] = agreements.facts()
        if pictures is not None:
            self.facts["pictures"] = pictures.paths

    def mutations(self, asked: _Asked) -> None:
        """Score the mutations of a file, and write them with their scores and as k-mers, in its order."""
        assert asked.sequences is not None
        assert asked.mutations is not None
        model = self._model
        given = read_mutations(asked.mutations)
        rows, edits, order = mutated_rows(asked.sequences, given, model.k)
        back = np.argsort(order)
        self._lengths.update(rows.lengths.tolist())
        advance = self._progress("mutating", "mutants", len(given))
        logits = edited_logits(model, rows.spans, rows.lengths, edits, None, self.counts, advance)
        reference, changed = (self._readout.score(table) for table in logits)
        attention = changed_attention(self._attention(rows), rows.spans.offsets, edits.window, edits.at, edits.deleted)
        told = scores(self._readout, reference[edits.window], changed)
        gone = Windows.from_spans(
            rows.spans.bases,
            rows.spans.offsets[edits.window] + edits.at,
            rows.spans.offsets[edits.window] + edits.at + edits.deleted,
        ).take(back)
        places = [("row", "int"), ("start", "int"), ("end", "int"), ("ref", "str"), ("alt", "str")]
        columns = [*places, *((name, "float") for name in told), ("attention", "float")]
        with open_table(self._folder / "scores.tsv", columns) as table:
            place = given.row, given.start, given.end
            alleles = [(column.bases, column.offsets) for column in (gone, given.allele)]
            values = [column[back].astype(np.float32) for column in told.values()]
            table.write([*place, *alleles, *values, attention[back]])
        spelt = edited(rows.spans, edits).take(back)
        with open_text(self._folder / "mutated.tsv") as sink:
            for at, row in enumerate(given.row.tolist()):
                bases = spelt[at].decode()
                kmers = " ".join(bases[i : i + model.k] for i in range(len(bases) - model.k + 1))
                sink.write(f"{kmers}\t{row}\n".encode())

    def notes(self) -> list[str]:
        """What users should know of the windows."""
        block = self._model.block
        if block is None:
            return []
        notes = []
        if self._centred and block.anchor not in ("any", "centre"):
            notes.append(
                f"the model was trained on windows anchored at: {block.anchor}; a window centred on a variant is "
                "another kind of input; give such windows with --windows FILE.bed"
            )
        others = sorted(self._lengths - {block.window})
        if others:
            shown = f"{others[0]}" if len(others) == 1 else f"{others[0]} to {others[-1]}"
            notes.append(f"the model was trained on windows of {block.window} bases, not {shown}")
        return notes

    def _changed(self, part: Targets, asked: _Asked, advance: Advance) -> Changed:
        model, windows = self._model, part.windows
        check_lengths(model.network.config, part.lengths, part.names.__getitem__)
        reference, mutant = all_substitutions(model, windows, part.reverse, self.counts, advance)
        edits = deletions(part.lengths, asked.longest)
        left_out = MutationSummary()
        gone = np.empty(0)
        if len(edits):
            logits = edited_logits(model, part.spans, part.lengths, edits, part.reverse, left_out, advance)[1]
            gone = self._readout.score(logits)
            self.counts.mutants += left_out.mutants
            self.counts.pieces += left_out.pieces
            self.counts.pieces_encoded += left_out.pieces_encoded
        table = self._readout.score(mutant.reshape(-1, mutant.shape[2])).reshape(-1, 4)
        there = codes(windows.bases)
        known = np.flatnonzero(there >= 0)
        table[known, there[known]] = np.nan
        gradients = None
        if asked.gradients:
            gradients = attribute(model, windows, asked.gradients, self._class, part.reverse).bases
        return Changed(
            part, windows, self._attention(part), self._readout.score(reference), table, edits, gone, gradients
        )

    def _attention(self, part: Targets) -> F32:
        """Attention a base of the windows, each divided by its Euclidean norm."""
        windows = part.windows
        _, found = self._model.begin_attention(self._model.prepare(windows, part.reverse), logits=False)()
        return normalised(found, windows.lengths)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A block in which the folder exists, without results of an earlier run.

    One that fails takes a folder that it was made for, if empty, away again.
    """
    new = not folder.exists()
    make_folder(folder)
    try:
        for path in folder.iterdir():  # what an earlier run left would pass for this one's
            if path.name in _FILES or re.fullmatch(r"map\..+\.(png|svg)", path.name):
                path.unlink()
        yield
    except BaseException:
        if new:
            with suppress(OSError):
                folder.rmdir()
        raise
