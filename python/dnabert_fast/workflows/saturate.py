"""The verb `saturate`: a table of every possible SNV of regions, or of a whole genome, ready to be looked up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.saturate import UNIT_BASES, Background, Saturated, Saturation, SaturationSummary, raw_score
from ..analysis.saturate import saturate as score_snvs
from ..engine.jobs import FIRST, add_counts, claim, refuse_another
from ..engine.model import Model
from ..engine.scores import Readout
from ..errors import DnabertError, FormatError
from ..io.atomic import publish, refuse_folder, writing
from ..seq.aliases import AliasTable
from ..seq.genome import Genome
from ..seq.variants import Regions
from .background import Distribution, refuse_other_table, regions_told
from .common import check_fits, check_outputs, read_regions, window_length, write_summary
from .estimate import Whole
from .estimate import estimate as foretold
from .jobs import Results, Task, begun
from .measure import Sample, Watch
from .outputs import Output
from .precision import AUTO, Choice, load_first
from .progress import Progress, silent
from .saturate_output import SnvTable
from .scorers import window_notes
from .session import Session, those_of
from .verb import run_verb
from .work import Work, asked_work, precision_of, stored_input

__all__ = ["open_saturate", "saturate", "saturate_facts"]

_SHARD_UNITS = 16
_SAMPLED = 256  # units that an estimate may look at
_INSTEAD = "`variants --windows FILE.bed` scores variants in such windows, a table cannot"


def saturate(
    genome: str | Path,
    *,
    model: str,
    output: str | Path | None = None,
    regions: str | Path | None = None,
    genome_wide: bool = False,
    background: str | Path | None = None,
    window: int | None = None,
    strand: str = "+",
    class_name: str | None = None,
    assembly: str | None = None,
    alias: str | Path | None = None,
    precision: str = AUTO,
    device: str = "auto",
    threads: int | None = None,
    summary: str | Path | None = None,
    work: str | Path | None = None,
    shard: str | None = None,
    shard_size: int | None = None,
    ray: str | None = None,
    ray_cpus: int | None = None,
    estimate: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score the three SNVs of every base of `regions` (BED), or with `genome_wide` of all contigs, into a table.

    The table is CADD's layout with our scores behind it: BGZF with a tabix index. Windows are centred, so that scores
    are those of `variants`. PHRED is -10 log10(rank / n) among the SNVs of `background` (BED), whose distribution is
    kept with the model and used by later runs of the same settings; without one, among those of the table itself.
    `assembly` is a name for the header (GRCh38). Without regions the background alone is made. `work`, `shard` and
    `shard_size` (in units of 1,365 bases) make the run one that can be resumed and split (see docs/jobs.md), `ray` and
    `ray_cpus` one of the nodes of a Ray cluster (docs/clusters.md); `estimate` foretells the run on so many machines in
    place of making it. Returns the facts of the run, also written to `summary` as JSON.
    """
    asked = dict(locals())
    began = time.monotonic()
    _check(output, regions, genome_wide, background)
    inputs = [genome, regions, background, alias]
    if background is not None:
        for flag, value in (("--shard", shard), ("--ray", ray), ("--estimate", estimate)):
            if value is not None:
                raise DnabertError(f"{flag}: is of a table; make the background before, in a run of its own")
    if output is not None:
        return run_verb(
            asked, open_saturate, saturate_facts, inputs=inputs, outputs={"--output": output},
            stored=lambda work: _stored(work, genome, regions), items="bases", shard_size=_SHARD_UNITS,
        )  # fmt: skip
    check_outputs(inputs, {"--summary": summary})
    job = asked_work(work, shard, shard_size, _SHARD_UNITS)
    with _opened(**those_of(_opened, asked | {"work": job})) as snvs:
        made, notes = snvs.make_background({}, progress)
        facts = saturate_facts(snvs.facts_of(made), {}, dict.fromkeys([*notes, *snvs.model.notes]))
        facts |= snvs.model.facts() | {"seconds": round(time.monotonic() - began, 3), "output": None}
    write_summary(summary, facts)
    return facts


@contextmanager
def open_saturate(
    genome: str | Path,
    *,
    model: str,
    output: str | Path,
    regions: str | Path | None,
    background: str | Path | None,
    window: int | None,
    strand: str,
    class_name: str | None,
    assembly: str | None,
    alias: str | Path | None,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    began: float,
    progress: Progress,
) -> Iterator[Session[Saturated]]:
    """What a table of such arguments needs, opened; an estimate counts from when the verb `began`."""
    asked = dict(locals())
    with _opened(**those_of(_opened, asked)) as snvs:
        made, notes = ({}, []) if background is None else snvs.make_background({"assembly": assembly}, progress)
        yield snvs.session(Path(output), assembly, made, notes, began)


@contextmanager
def _opened(
    genome: str | Path,
    *,
    model: str,
    output: str | Path | None,
    regions: str | Path | None,
    background: str | Path | None,
    window: int | None,
    strand: str,
    class_name: str | None,
    alias: str | Path | None,
    precision: str,
    device: str,
    threads: int | None,
    work: Work | None,
    progress: Progress,
) -> Iterator[_Snvs]:
    """What `saturate` of such arguments needs, opened."""
    loaded = load_first(model, precision, device=device, threads=threads, strand=strand)
    readout = loaded.readout(class_name)
    trained = loaded.block.window if loaded.block else None
    length = window_length(window, trained, loaded.k, scored_by=loaded.network.config)
    inputs: dict[str, str | Path | None] = {**_stored(work, genome, regions)}
    inputs["background"] = None if background is None else stored_input(work, "background", background)
    genome, regions, background = inputs["genome"] or genome, inputs["regions"], inputs["background"]
    with Genome.open(genome) as opened:
        aliases = AliasTable() if alias is None else AliasTable.read(alias)
        check_fits(length, opened, genome)
        plan = None if output is None else _plan(regions, opened, aliases)
        ranked = None if background is None else _plan(background, opened, aliases)
        first = None
        if work is not None and ranked is not None and background is not None:
            of = {"genome": genome} | ({} if output is None else {"regions": regions})
            options = {"window": length, "strand": strand, "class": readout.label, "alias": aliases.hash()}
            refuse_other_table(work, of, options, background, regions_told(ranked, opened))
            first = replace(work, folder=claim(work.folder / FIRST))
        expected = sum(part.bases for part in (plan, ranked) if part is not None)
        loaded, choice = precision_of(
            first or work, loaded, model, precision, device=device, expected=expected, progress=progress
        )
        settings = {"model": choice.network, "window": length, "strand": strand, "class": readout.label}
        yield _Snvs(
            loaded, readout, opened, inputs, settings, choice, {"alias": aliases.hash()}, plan, ranked,
            Distribution(model, settings), work, first,
        )  # fmt: skip


@dataclass(frozen=True)
class _Snvs:
    """SNVs of a genome and what scores them: those of `plan` go into a table, those of `ranked` are its background.

    `settings` tell which scores they are, `options` what else says which SNVs; `first` is the work folder of the
    background.
    """

    model: Model
    readout: Readout
    genome: Genome
    inputs: Mapping[str, str | Path | None]
    settings: dict[str, Any]
    choice: Choice
    options: dict[str, Any]
    plan: Saturation | None
    ranked: Saturation | None
    distribution: Distribution
    work: Work | None
    first: Work | None

    def facts_of(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a job, for `saturate_facts`; `made` counts what the background took."""
        notes = [*self.genome.notes, *window_notes(self.model, self.settings["window"], _INSTEAD), *self.choice.notes]
        if self.plan is not None and self.distribution.stored is None:
            notes.append("PHRED ranks the SNVs of this table among themselves; --background gives it a scale to share")
        bases = sum(part.bases for part in (self.plan, self.ranked) if part is not None)
        return {
            "facts": {**self.settings, **self.choice.facts(), "bases": bases},
            "background": self.distribution.facts(),
            "made": dict(made),
            "notes": notes,
            "choices": [self.choice.facts()],
        }

    def make_background(self, options: dict[str, Any], progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """Score the SNVs of the background and keep their distribution with the model; counts, and notes.

        `options` are those of the table, whose job is opened only when the background is there.
        """
        assert self.ranked is not None
        if self.work is not None:
            refuse_another(self.work.folder, "saturate", {}, self._options(options), publish)
        found, counts, notes, plan = Background(), dict[str, Any](), list[str](), self.ranked
        if self.first is None:

            def take(unit: Saturated) -> None:
                found.add(raw_score(unit.fields))
                add_counts(counts, asdict(unit.counts))

            advance = progress("scoring the background", "bases", plan.bases)
            self._score(self.model, plan, map(plan.unit, range(len(plan))), take, advance)
        else:
            scores = Output("scores", self.first.folder / "scores.values", {"kind": "values"}, _put_raw)
            told = self.facts_of({})
            task = self._task("saturate: background", plan, ("genome", "background"), {}, told, scores, [])
            with Results(task, self.first, self.model, begun(task, self.first)) as results:
                self._answer("scoring the background", plan, results, progress)
            for (raw,) in results.values("scores"):
                found.add(raw)
            counts, notes = results.counts, results.notes
        self.distribution.keep(found, regions_told(plan, self.genome), self.work)
        return counts, notes

    def session(
        self, path: Path, assembly: str | None, made: Mapping[str, Any], notes: Sequence[str], began: float
    ) -> Session[Saturated]:
        """The SNVs of the plan on their way into a table; an estimate counts from when the verb `began`.

        `made` and `notes` are of the background.
        """
        assert self.plan is not None
        plan, stored = self.plan, self.distribution.stored
        told = self.settings | {"precision": self.choice.precision}
        output = SnvTable(path, self.genome, plan, self.readout, told, assembly).output(stored)
        options = {"assembly": assembly, "background": self.distribution.hash()}
        task = self._task("saturate", plan, ("genome", "regions"), options, self.facts_of(made), output, notes)

        def answer(results: Results[Saturated], progress: Progress) -> None:
            self._answer("scoring", plan, results, progress)

        def foretell(machines: int, shard: int) -> dict[str, Any]:
            def watched(watch: Watch, units: Iterable[range], write: Callable[[Saturated], None]) -> None:
                self._score(watch.model(self.model), plan, units, write, lambda bases: None)

            return foretold(
                "saturate", self.model, _whole(plan, shard), watched, [output],
                began=began, machines=machines, about=self.choice.facts(),
            )  # fmt: skip

        return Session(task, self.work, self.model, answer, foretell)

    def _task(
        self, verb: str, plan: Saturation, inputs: Iterable[str], options: dict[str, Any], settings: dict[str, Any],
        output: Output[Saturated], notes: Sequence[str],
    ) -> Task[Saturated]:  # fmt: skip
        return Task(
            verb,
            {name: self.inputs[name] for name in inputs},
            self._options(options),
            settings,
            [output],
            lambda unit: asdict(unit.counts),
            lambda: list(dict.fromkeys([*notes, *self.model.notes])),
            lambda: len(plan),
        )

    def _options(self, more: dict[str, Any]) -> dict[str, Any]:
        """What changes results: of every job, and `more` of one."""
        return self.settings | self.choice.decisive() | self.options | more

    def _answer(self, what: str, plan: Saturation, results: Results[Saturated], progress: Progress) -> None:
        """Run the units that results want."""
        advance = progress(results.doing(what), "bases", _bases_left(plan, results))
        units = ((number, plan.unit(number)) for number in range(results.first, len(plan)))
        self._score(self.model, plan, results.follow(results.of_shards(units)), results.write, advance)

    def _score(
        self, model: Model, plan: Saturation, units: Iterable[range], write: Callable[[Saturated], None],
        advance: Callable[[int], None],
    ) -> None:  # fmt: skip
        window = self.settings["window"]
        score_snvs(model, self.readout, self.genome, plan, units, write, window, progress=advance)


def saturate_facts(settings: Mapping[str, Any], counts: Mapping[str, Any], notes: Iterable[str]) -> dict[str, Any]:
    """The facts of a run out of its settings, the counts of its units and notes on how it ran."""
    counted = asdict(SaturationSummary())
    for more in (settings["made"], counts):
        add_counts(counted, more)
    told = {"background": settings["background"], "notes": [*settings["notes"], *notes]}
    return {"verb": "saturate", **settings["facts"], **counted, **told}


def _check(
    output: str | Path | None, regions: str | Path | None, genome_wide: bool, background: str | Path | None
) -> None:
    """Refuse flags that do not go together, and an output that is no table."""
    if regions is not None and genome_wide:
        raise DnabertError("--genome-wide takes no REGIONS: it scores every contig")
    if (regions is not None or genome_wide) != (output is not None):
        raise DnabertError(
            "-o TABLE.tsv.gz needs REGIONS (a BED file) or --genome-wide"
            if output is not None
            else "give -o TABLE.tsv.gz for what is scored; the background alone needs no REGIONS"
        )
    if output is None and background is None:
        raise DnabertError("nothing to do: give REGIONS or --genome-wide with -o, or --background")
    if output is not None:
        refuse_folder(output)
        if not str(output).endswith(".tsv.gz"):
            raise FormatError(f"{output}: a table of scores is BGZF text with an index; name it .tsv.gz")
        with writing(output):  # a place that cannot be written is known before hours of work
            pass


def _stored(work: Work | None, genome: str | Path, regions: str | Path | None) -> dict[str, str | Path | None]:
    """The inputs of a table as files that can be read again: see `stored_input`."""
    bed = None if regions is None else stored_input(work, "regions", regions)
    return {"genome": stored_input(work, "genome", genome), "regions": bed}


def _plan(bed: str | Path | None, genome: Genome, aliases: AliasTable) -> Saturation:
    """The bases of a BED file, or of every contig."""
    if bed is not None:
        return Saturation.of(read_regions(bed, genome, aliases, 1))
    n = len(genome.names)
    return Saturation.of(
        Regions(np.arange(n, dtype=np.int32), np.zeros(n, np.int64), genome.lengths, np.zeros(n, np.bool_))
    )


def _put_raw(sink: Any, unit: Saturated) -> None:
    sink.write(raw_score(unit.fields))


def _bases_left(plan: Saturation, results: Results[Saturated]) -> int:
    """The bases of the shards that are wanted."""
    if results.wanted is None:
        return plan.bases
    size = results.shard_size * UNIT_BASES
    return sum(min(plan.bases, (shard + 1) * size) - shard * size for shard in results.wanted)


def _whole(plan: Saturation, shard: int) -> Whole[range]:
    """The bases of a plan and a sample of their units, for an estimate; `shard` units are computed as one."""
    last = len(plan) - 1
    chosen = sorted({round(place * last / (_SAMPLED - 1)) for place in range(_SAMPLED)}) if len(plan) else []
    sample = Sample([plan.unit(number) for number in chosen], len, lambda unit, n: unit[:n])
    return Whole("bases", plan.bases, math.ceil(len(plan) / shard), sample, by_tokens=True)
