"""What all kinds of `prepare` do: place windows in splits, take out leaks, write tables and the card."""

from __future__ import annotations

import hashlib
import json
import shlex
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.card import described, markdown
from ..datasets.examples import Examples, Sites, read_windows, unknown_counts
from ..datasets.leaks import KMER, SHARE, overlapping, repeated, same_on_either_strand, shared_kmers
from ..datasets.spans import Spans
from ..datasets.splits import SPLITS, Splits
from ..errors import DnabertError, FormatError
from ..io.atomic import make_folder, refuse_file
from ..io.labelled_write import LabelledSink
from ..io.text import TextSink
from ..seq.aliases import AliasTable, resolve
from ..seq.genome import Genome
from ..seq.types import I32, I64
from .common import check_outputs
from .progress import Progress

__all__ = ["Common", "Run", "hashed"]

_CARD, _PAGE, _KNOWN = "card.json", "card.md", "positives.bed"


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every kind of `prepare` is given: the genome, the folder, the splits, the seed, and what is let through.

    `max_n`: the most bases of a window that may be unknown, as a share. `leak_share`: see `datasets.leaks`.
    """

    genome: str | Path
    output: str | Path
    train: Sequence[str] = ()
    dev: Sequence[str] = ()
    test: Sequence[str] = ()
    seed: int = 42
    max_n: float = 0.0
    leak_share: float = SHARE
    alias: str | Path | None = None


@dataclass
class Run:
    """One run of `prepare`: an open genome, its splits, and what is known so far.

    counts: what was left out, and how many; found: what else the card tells of the input; known: sites as given.
    """

    kind: str
    common: Common
    inputs: Mapping[str, str | Path]
    settings: Mapping[str, Any]
    genome: Genome
    splits: Splits
    counts: dict[str, int] = field(default_factory=dict)
    found: dict[str, int | str] = field(default_factory=dict)
    known: list[Sites] = field(default_factory=list)

    @staticmethod
    def open(
        stack: ExitStack, kind: str, common: Common, inputs: Mapping[str, str | Path], settings: Mapping[str, Any]
    ) -> Run:
        """Open the genome and read the splits.

        inputs: files beside the genome, by their flag; settings: the other flags of the kind. Raises DnabertError for
        splits that do not fit, a genome on standard input, and outputs that would replace an input.
        """
        if str(common.genome) == "-":
            raise DnabertError("the genome must be a file: its checksum goes into the card")
        if not common.dev:
            raise DnabertError(
                "no development set: give --dev, and --test, as contigs or regions, e.g. --dev chr20:8-9M"
            )
        folder = Path(common.output)
        refuse_file(folder)
        files = (*(f"{name}.csv.gz" for name in SPLITS), _CARD, _PAGE, _KNOWN)
        taken = [common.genome, *inputs.values(), common.alias]
        check_outputs(taken, {f"--output {name}:": folder / name for name in files})
        if not common.test and (folder / "test.csv.gz").exists():
            raise DnabertError(
                f"{folder} has a test.csv.gz of another run, but --test is not given; choose another folder"
            )
        genome = stack.enter_context(Genome.open(common.genome))
        return Run(kind, common, inputs, settings, genome, Splits.of(genome, common.train, common.dev, common.test))

    def random(self, stage: str) -> np.random.Generator:
        """The random numbers of a stage; they depend on the seed and the stage's name alone."""
        return np.random.default_rng([self.common.seed, zlib.crc32(stage.encode())])

    def count(self, what: str, n: int | np.integer[Any]) -> None:
        """Add to what the card tells was left out."""
        self.counts[what] = self.counts.get(what, 0) + int(n)

    def contigs(self, names: Sequence[str], path: str | Path, lines: I64, contig: I32) -> I32:
        """The genome's row of each record's contig, i32[n], -1 where it has none (these are counted).

        names: contigs of the file; contig i32[n], lines i64[n]: of each record. FormatError where no record has one.
        """
        table = AliasTable() if self.common.alias is None else AliasTable.read(self.common.alias)
        rows, _ = resolve(names, self.genome, table)
        found = np.array(rows, np.int32)[contig]
        if not (found >= 0).any():
            few = ", ".join(self.genome.names[:3])
            raise FormatError(
                f"{path}:{lines[0]}: contig {names[contig[0]]} is not in the genome (it has {few}, ...), "
                "nor is any other of this file; give the genome that belongs to it, or --alias"
            )
        self.count("records on contigs that the genome has not", np.count_nonzero(found < 0))
        return found

    def place(self, sites: Sites) -> tuple[Examples, I64]:
        """The windows of sites that can be used, and which of the sites they are, i64[m]; the others are counted.

        Left out are repeats of a place, strand and class, windows over a contig's end, over a split's border or in no
        split, and those with too many unknown bases. The sites are kept as known positives all the same.
        """
        plan = sites.plan
        inside = (plan.start >= 0) & (plan.end <= self.genome.lengths[plan.contig])
        self.count("windows over a contig's end", np.count_nonzero(~inside))
        rows = np.flatnonzero(inside)
        key = np.stack([plan.contig, plan.start, plan.end, plan.reverse, sites.label])[:, rows]
        _, first = np.unique(key, axis=1, return_index=True)
        self.count("windows given twice", len(rows) - len(first))
        rows = rows[np.sort(first)]
        self.known.append(sites.take(rows))
        split = self.splits.of_windows(Spans.of(plan))[rows]
        self.count("windows over a split's border, or in no split", np.count_nonzero(split < 0))
        rows = rows[split >= 0]
        kept = sites.take(rows)
        windows = read_windows(self.genome, kept.plan)
        good = unknown_counts(windows) <= self.common.max_n * windows.lengths
        self.count("windows with too many unknown bases", np.count_nonzero(~good))
        return Examples(windows.take(good), kept.take(good)), rows[good]

    def by_split(self, examples: Examples, make: Callable[[str, Spans, I64], Examples], progress: Progress) -> Examples:
        """Examples and, of each split, the negatives that `make` gives for its name, its stretches and its rows."""
        split = self.splits.of_windows(Spans.of(examples.sites.plan))
        parts = [examples]
        advance = progress("making negatives", "windows", len(examples))
        for number, name in enumerate(SPLITS):
            rows = np.flatnonzero(split == number)
            if len(rows):
                parts.append(make(name, self.splits.spans[name], rows))
                advance(len(rows))
        return Examples.concatenate(parts)

    def finish(self, examples: Examples, classes: Sequence[str], negative: int | None) -> dict[str, Any]:
        """Take out repeats and leaks, write the tables and the card, and return the card.

        negative: the number of the class that is no site, whose windows are not among `positives.bed`; None: there is
        none. Raises DnabertError where a class of a split has no example.
        """
        spans = Spans.of(examples.sites.plan)
        split = self.splits.of_windows(spans)
        wanted = [name for name in SPLITS if name != "test" or self.common.test]
        sets = {name: examples.take(split == SPLITS.index(name)) for name in wanted}
        for name, data in sets.items():
            sets[name] = self._once(data)
        leak_check = self._without_leaks(sets)
        sets = {name: data.in_order() for name, data in sets.items()}
        for name, data in sets.items():
            present = np.bincount(data.sites.label, minlength=len(classes))
            if not present.all():
                lost = ", ".join(f"{what}: {n:,}" for what, n in self.counts.items() if n)
                raise DnabertError(
                    f"the {name} set has no sequence of the class {classes[int(np.argmin(present > 0))]}; "
                    f"give other regions or more sites ({lost or 'nothing was left out'})"
                )
        card = {
            "kind": self.kind,
            "command": self._command(),
            "seed": self.common.seed,
            "settings": dict(self.settings) | {"max_n": self.common.max_n, "leak_share": self.common.leak_share},
            "splits": {name: self.splits.described(self.genome)[name] for name in wanted},
            "negative": negative,
            **described(sets, classes),
            "found": self.found,
            "left_out": self.counts,
            "leak_check": leak_check,
            "sources": {Path(path).name: hashed(path) for path in (self.common.genome, *self.inputs.values())},
            "version": _version(),
            "numpy": np.__version__,
        }
        self._write(sets, card, negative)
        return card

    def _once(self, data: Examples) -> Examples:
        """The sequences of a split less repeats of the same letters; the first stays, which is a site if any is."""
        again, first = repeated(data.windows)
        other = again & (data.sites.label != data.sites.label[first])
        self.count("sequences again in their split", np.count_nonzero(again))
        self.count("of these, with another class", np.count_nonzero(other))
        return data.take(~again)

    def _without_leaks(self, sets: dict[str, Examples]) -> dict[str, int | str | float]:
        """Take out of dev what is like test, then out of train what is like dev or test."""
        share = self.common.leak_share
        rule = (
            f"a dev window leaks where at least {share:g} of its {KMER}-mers, of either strand, occur in test, a train "
            "window where they occur in dev or test, and either where it is one of those windows, on either strand"
        )
        told: dict[str, int | str | float] = {"rule": rule, "share": share}
        told["overlapping_windows"] = overlapping([Spans.of(data.sites.plan) for data in sets.values()])
        names = list(sets)
        for number in range(len(names) - 2, -1, -1):
            name, others = names[number], names[number + 1 :]
            other = Examples.concatenate([sets[later] for later in others]).windows
            windows = sets[name].windows
            same = same_on_either_strand(windows, other)
            leaks = same | (shared_kmers(windows, other) >= share)
            told[f"left_out_of_{name}"] = int(np.count_nonzero(leaks))
            told[f"of_these_identical_({name})"] = int(np.count_nonzero(same))
            sets[name] = sets[name].take(~leaks)
        return told

    def _command(self) -> str:
        words = ["dnabert-fast", "prepare", self.kind, str(self.common.genome)]
        for flag, value in {**self.inputs, **self.settings}.items():
            if value is True:
                words.append(f"--{flag}")
            elif value is not None and value is not False:
                words += [f"--{flag}", str(value)]
        for name in SPLITS:
            words += [word for region in getattr(self.common, name) for word in (f"--{name}", region)]
        words += ["--seed", str(self.common.seed)]
        for flag, usual in (("max_n", 0.0), ("leak_share", SHARE), ("alias", None)):
            if (value := getattr(self.common, flag)) != usual:
                words += [f"--{flag.replace('_', '-')}", str(value)]
        return shlex.join(words)

    def _write(self, sets: Mapping[str, Examples], card: Mapping[str, Any], negative: int | None) -> None:
        folder = make_folder(self.common.output)
        with ExitStack() as stack:
            for name, text in ((_PAGE, markdown(card)), (_CARD, json.dumps(card, indent=2) + "\n")):
                stack.enter_context(TextSink(folder / name)).write(text.encode())
            stack.enter_context(TextSink(folder / _KNOWN)).write(self._positives(negative))
            for name, data in sets.items():
                plan, sites = data.sites.plan, data.sites
                table = stack.enter_context(LabelledSink(folder / f"{name}.csv.gz"))
                contigs = [self.genome.names[row] for row in plan.contig.tolist()]
                table.write_rows(data.windows, sites.label, sites.names, contigs, plan.start, plan.end, plan.reverse)

    def _positives(self, negative: int | None) -> bytes:
        """All sites that were given, whatever became of them, as BED: the class is the fifth column."""
        lines = []
        for sites in self.known:
            plan = sites.plan
            columns = (plan.contig, plan.start, plan.end, sites.label, plan.reverse)
            for name, *cells in zip(sites.names, *(column.tolist() for column in columns), strict=True):
                contig, start, end, label, reverse = cells
                if label != negative:
                    strand = "-" if reverse else "+"
                    lines.append(f"{self.genome.names[contig]}\t{start}\t{end}\t{name}\t{label}\t{strand}\n")
        return "".join(lines).encode()


def hashed(path: str | Path) -> dict[str, Any]:
    """The size of a file and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _version() -> str:
    from .. import __version__

    return __version__
