"""The windows that `mutate` changes: regions of a genome, sequences of a file, windows of variants, mutated rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from ..analysis.mutagenesis import Edits
from ..analysis.variants import ChangeScorer, ScoredUnit, VariantOptions, VariantSummary, score_variants
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError, FormatError
from ..io.mutations import Mutations
from ..io.sequences import sequence_units
from ..io.vcf import VcfSource
from ..seq.aliases import AliasTable, resolve
from ..seq.batch import Windows
from ..seq.flags import spell_flags
from ..seq.genome import Genome
from ..seq.types import F32, I32, I64, Bool
from ..seq.variants import FLAG_NAMES, changes, normalized, place
from .common import GRIDS, read_regions

__all__ = [
    "Targets",
    "Variants",
    "mutated_rows",
    "region_targets",
    "sequence_targets",
    "variant_targets",
]

_TOGETHER = 256
"""Windows whose results are held at a time."""


@dataclass(frozen=True)
class Targets:
    """Windows to change, by name.

    spans: the windows, each with what follows it as far as deletions reach; lengths i64[n]: their own bases; first
    i64[n]: the number of their first base, from 1, on the contig or in the sequence; reverse bool[n]: read backwards.
    """

    names: list[str]
    spans: Windows
    lengths: I64
    first: I64
    reverse: Bool

    def __len__(self) -> int:
        return len(self.names)

    @property
    def windows(self) -> Windows:
        """The windows alone."""
        starts = self.spans.offsets[:-1]
        return Windows.from_spans(self.spans.bases, starts, starts + self.lengths)

    def parts(self) -> Iterator[Targets]:
        """A few of them at a time, in order."""
        for a in range(0, len(self), _TOGETHER):
            cut = slice(a, min(a + _TOGETHER, len(self)))
            yield Targets(self.names[cut], self.spans[cut], self.lengths[cut], self.first[cut], self.reverse[cut])


@dataclass
class Variants:
    """ALT alleles of a VCF that have a score.

    window i64[a]: a row of Targets; the change begins at base `at` of it and replaces `deleted` bases; position i64[a]:
    that of the record, from 1; contig, ref, alt as the file has them; flags: `DNABERT_FLAG`; scores f32[a] by the names
    of `analysis.variants`.
    """

    window: I64
    at: I64
    deleted: I64
    position: I64
    contig: list[str]
    ref: list[str]
    alt: list[str]
    flags: list[str]
    scores: dict[str, F32]

    def __len__(self) -> int:
        return len(self.position)


def region_targets(
    genome: Genome, regions: Sequence[str], aliases: AliasTable, k: int, flank: int, path: str | Path
) -> Targets:
    """Windows given as chr20:268,001-268,300, 1-based with both ends, as genome browsers write them.

    Raises DnabertError for what is not such a region, a contig that the genome has not, a region that reaches beyond
    its contig, and one shorter than k.
    """
    contig, start, end = [], [], []
    for text in regions:
        found = re.fullmatch(r"(.+):([\d,]+)-([\d,]+)", text.strip())
        if found is None:
            raise DnabertError(f"--region {text}: write CONTIG:START-END, from 1 with both ends, as in chr20:1001-1300")
        first, last = (int(number.replace(",", "") or 0) for number in found.group(2, 3))
        (row,), _ = resolve([found[1]], genome, aliases)
        if row < 0:
            raise DnabertError(f"--region {text}: {path} has no contig {found[1]}")
        length = int(genome.lengths[row])
        if first < 1 or last < first or last > length:
            raise DnabertError(f"--region {text}: contig {genome.names[row]} has the bases 1 to {length:,}")
        if last - first + 1 < k:
            raise DnabertError(f"--region {text}: {last - first + 1} bases are fewer than one {k}-mer has")
        contig.append(row)
        start.append(first - 1)
        end.append(last)
    backward = np.zeros(len(contig), np.bool_)
    return _of_genome(genome, np.array(contig, np.int32), np.array(start), np.array(end), backward, flank)


def sequence_targets(path: str | Path, k: int) -> Iterator[Targets]:
    """The sequences of a file, some at a time; raises FormatError for pairs and for sequences shorter than k."""
    for unit in sequence_units(path):
        if unit.second is not None:
            raise FormatError(f"{path}: pairs, but a window is a single sequence; give one sequence a row")
        lengths = unit.windows.lengths
        short = np.flatnonzero(lengths < k)
        if len(short):
            at = int(short[0])
            raise FormatError(f"{path}: sequence {unit.names[at]} has {lengths[at]} bases, fewer than one {k}-mer has")
        n = len(lengths)
        every = Targets(unit.names, unit.windows, lengths, np.ones(n, np.int64), np.zeros(n, np.bool_))
        yield from every.parts()


def mutated_rows(path: str | Path, mutations: Mutations, k: int) -> tuple[Targets, Edits, I64]:
    """The rows of a file of sequences that mutations name, each once, and the mutations as changes of these.

    A changed row has the length that its mutation gives it. Changes come by row; the third answer says which mutation
    each is. Raises FormatError, naming the line of the mutation, where the file has no such row, the row no such bases,
    and where fewer than k are left.
    """
    wanted, place_of = np.unique(mutations.row, return_inverse=True)
    which = place_of.reshape(-1)
    names: list[str] = []
    parts: list[Windows] = []
    rows = 0
    for unit in sequence_units(path):
        if unit.second is not None:
            raise FormatError(f"{path}: pairs, but mutations are of single sequences")
        rows = unit.first + len(unit.names)
        own = wanted[(wanted >= unit.first) & (wanted < rows)] - unit.first
        names += [str(row + unit.first) for row in own.tolist()]
        parts.append(unit.windows.take(own))
    windows = Windows.concatenate(parts)
    if len(names) < len(wanted):
        at = int(np.flatnonzero(mutations.row >= rows)[0])
        raise mutations.wrong(at, f"row {mutations.row[at]}, but {path} has the rows 0 to {rows - 1}")
    have = windows.lengths[which]
    beyond = np.flatnonzero(mutations.end > have)
    if len(beyond):
        at = int(beyond[0])
        place = f"bases {mutations.start[at]} to {mutations.end[at]}"
        raise mutations.wrong(at, f"{place}, but row {mutations.row[at]} of {path} has {have[at]}")
    left = have - (mutations.end - mutations.start) + mutations.allele.lengths
    short = np.flatnonzero(left < k)
    if len(short):
        at = int(short[0])
        raise mutations.wrong(at, f"leaves {left[at]} bases of row {mutations.row[at]}, fewer than one {k}-mer has")
    order = np.argsort(which, kind="stable")
    edits = Edits(which, mutations.start, mutations.end - mutations.start, mutations.allele, left).take(order)
    n = len(names)
    return Targets(names, windows, windows.lengths, np.ones(n, np.int64), np.zeros(n, np.bool_)), edits, order


def variant_targets(
    vcf: str | Path,
    genome: Genome,
    aliases: AliasTable,
    model: Model,
    readout: Readout,
    *,
    window: int | None,
    windows: str | Path,
    normalize: bool,
    flank: int,
    progress: Callable[[int], None],
) -> tuple[Targets, Variants, VariantSummary]:
    """The windows of a VCF's alleles, each once in the order of the genome; the alleles with a score; counts of all.

    Windows are centred at the variants or tiled (`window` bases), or the regions of a BED file, as in `variants`.
    Raises DnabertError where no allele has a score.
    """
    regions = None
    if str(windows) not in GRIDS:
        regions = read_regions(windows, genome, aliases, model.k, scored_by=model.network.config)
    options = VariantOptions(window, regions, normalize, tiled=str(windows) == "tiled")
    units: list[_Placed] = []
    counts = VariantSummary()

    def keep(unit: ScoredUnit) -> None:
        units.append(_placed(unit, genome, options))

    def contig_of(names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
        return resolve(names, genome, aliases)

    scorers = [ChangeScorer(model, readout)]
    score_variants(scorers, model.run, genome, VcfSource(vcf), contig_of, keep, options, counts, progress=progress)
    if not counts.scored:
        raise DnabertError(f"{vcf}: no allele has a score ({_told(counts.reasons) or 'there are none'})")
    table = np.concatenate([unit.windows for unit in units])
    different, which = np.unique(table, axis=0, return_inverse=True)
    numbers = np.concatenate([unit.numbers for unit in units], axis=1)
    texts = [list(chain(*column)) for column in zip(*(unit.texts for unit in units), strict=True)]
    fields = {name: np.concatenate([unit.scores[name] for unit in units]) for name in units[0].scores}
    at, deleted, position = numbers
    contig, ref, alt, flags = texts
    found = Variants(which.reshape(-1), at, deleted, position, contig, ref, alt, flags, fields)
    once = different[:, 0].astype(np.int32), different[:, 1], different[:, 2], different[:, 3] > 0
    return _of_genome(genome, *once, flank), found, counts


@dataclass(frozen=True)
class _Placed:
    """The scored alleles of a unit: windows i64[a, 4] (contig, start, end, reverse), and columns of `Variants`."""

    windows: I64
    numbers: I64
    texts: tuple[list[str], ...]
    scores: dict[str, F32]


def _placed(unit: ScoredUnit, genome: Genome, options: VariantOptions) -> _Placed:
    alleles = unit.alleles
    change = normalized(alleles, genome) if options.normalize else changes(alleles)
    _, placed = place(alleles, change, genome, options.window, options.regions, tiled=options.tiled)
    rows = placed.rows
    windows = np.stack([alleles.contig[rows], placed.start, placed.end, placed.reverse], axis=1).astype(np.int64)
    numbers = np.stack([change.start[rows] - placed.start, change.deleted[rows], alleles.position[rows] + 1])
    names, which = unit.records.contigs()
    ref, alt = ([bases.take(rows)[i].decode() for i in range(len(rows))] for bases in (alleles.ref, alleles.alt))
    flags = [spell_flags(bits, FLAG_NAMES) for bits in alleles.flags[rows].tolist()]
    contigs = [names[row] for row in which[alleles.record[rows]].tolist()]
    fields = {name: values[rows] for name, values in unit.fields.items()}
    return _Placed(windows, numbers, (contigs, ref, alt, flags), fields)


def _of_genome(genome: Genome, contig: I32, start: I64, end: I64, reverse: Bool, flank: int) -> Targets:
    spans = genome.fetch(contig, start, end + np.minimum(flank, end - start))  # no deletion is longer than its window
    rows = zip(contig.tolist(), start.tolist(), end.tolist(), reverse.tolist(), strict=True)
    names = [f"{genome.names[row]}:{a + 1}-{b}{'(-)' if back else ''}" for row, a, b, back in rows]
    return Targets(names, spans, end - start, start + 1, reverse)


def _told(reasons: Counter[str]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in reasons.items())
