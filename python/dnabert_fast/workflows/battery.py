"""`finetune --sets`: models trained on many data sets as one run that goes on where it was stopped."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DnabertError
from ..io.atomic import writing
from ..train.loop import Event
from ..train.presets import Recipe
from ..train.recipes import check_positive
from .baseline import train_baseline
from .battery_plan import Run, contenders, differences, read_sets, runs_of
from .battery_results import Results, summarise
from .common import check_seed, made_folder
from .finetune import finetune
from .progress import Advance, Progress, duration, silent
from .training import recipe_of

__all__ = ["KEEP", "battery"]

KEEP = ("models", "metrics")

_SMALL = ("metrics.json", "log.jsonl", "predictions.tsv")
_SETTINGS = "settings.json"


def battery(
    sets: str | Path,
    *,
    output: str | Path,
    models: Sequence[str] = (),
    networks: Sequence[str] = (),
    baselines: Sequence[str] = (),
    rates: Sequence[str] = (),
    seed: int = 42,
    seeds: int = 1,
    keep: str = "models",
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
    **flags: Any,
) -> dict[str, Any]:
    """Train each model on each set with each seed, and compare the models over the sets.

    `sets` is a table or a folder (`battery_plan.read_sets`); `models`, `networks`, `baselines` and `rates` are those of
    `battery_plan.contenders`; `flags` are those of `finetune`. Writes OUTPUT/MODEL/SET/ (several seeds: SET/seed-N/) as
    `finetune` and `finetune --baseline` do, without weights where `keep` is "metrics"; results.tsv, a row a run, whole
    after each; and at the end what `battery_results.summarise` writes, which is returned.

    Run again, it makes the runs that are not there or failed. A run that fails is recorded with its reason, and the
    others go on. `say` is told a line of each run. Raises FormatError for a table of sets that cannot be used, and
    DnabertError for settings that do not fit or with which runs that are there were not made; nothing is trained then.
    """
    if keep not in KEEP:
        raise DnabertError(f"--keep {keep}: choose one of {', '.join(KEEP)}")
    check_positive(seeds=seeds)
    check_seed(seed, seeds)
    found = read_sets(sets)
    compared = contenders(models, networks, baselines, rates)
    runs = runs_of(found, compared, range(seed, seed + seeds), flags)
    _check_flags(runs)
    folder = made_folder(output)
    results = Results(folder / "results.tsv")
    _check_former(folder, runs, results)
    _train_all(
        folder, runs, results, keep=keep, machine={"device": device, "threads": threads}, progress=progress, say=say
    )
    about = {"verb": "finetune", "sets_file": Path(sets).name, "seed": seed, "seeds": seeds}
    facts = summarise(folder, runs, results, about | {"flags": _plain_flags(flags)})
    return facts | {"output": str(output)}


def _plain_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value not in (None, ())}


def _check_flags(runs: Sequence[Run]) -> None:
    """Refuse before any training what no run could be made with."""
    recipes: set[str] = set()
    for run in runs:
        told = json.dumps(run.flags, sort_keys=True, default=str)
        if told not in recipes:
            recipes.add(told)
            recipe_of(run.flags.get("preset", "general"), {n: v for n, v in run.flags.items() if n in _OF_RECIPE})
            check_positive(**{n: run.flags[n] for n in _POSITIVE if n in run.flags})


_POSITIVE = ("learning_rate", "max_train")
_OF_RECIPE = {each.name for each in fields(Recipe)} - {"network"}


def _check_former(folder: Path, runs: Sequence[Run], results: Results) -> None:
    """Refuse other settings than those of runs that are done, naming how they differ."""
    for run in runs:
        if not results.done(run.key) or results.rows[run.key]["settings"] == run.hash:
            continue
        name, model, seed = run.key
        try:
            former = json.loads((folder / results.rows[run.key]["folder"] / _SETTINGS).read_text(encoding="utf-8"))
            how = differences(former, run.settings)
        except (OSError, ValueError):
            how = f"other settings, of which its {_SETTINGS} no longer tells"
        raise DnabertError(
            f"{folder}: {model} was trained on {name} (seed {seed}) with {how}; give the former settings, or another -o"
        )


def _train_all(
    folder: Path,
    runs: Sequence[Run],
    results: Results,
    *,
    keep: str,
    machine: Mapping[str, Any],
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    left = [run for run in runs if not results.done(run.key)]
    if len(left) < len(runs):
        say(f"{len(runs) - len(left):,} of {len(runs):,} runs are there already")
    if not left:
        return
    several = len({run.seed for run in runs}) > 1
    pace = _Pace(left)
    advance = progress(f"{len(left):,} runs", "runs", None)
    heard: set[str] = set()
    for number, run in enumerate(left, 1):
        name, model, seed = run.key
        hear = _silent if name in heard else partial(_tell_note, say, name)
        heard.add(name)
        place = Path(model) / name / (f"seed-{seed}" if several else "")
        pace.begin()
        try:
            facts = _train(folder / place, run, keep, {**machine, "report": hear}, _Inside(pace, advance))
        except (DnabertError, OSError, RuntimeError, ValueError, MemoryError) as wrong:
            # Whatever is wrong with one set must not cost the others; the reason says it.
            reason = str(wrong) if isinstance(wrong, DnabertError) else f"{type(wrong).__name__}: {wrong}"
            results.fail(run, reason)
            pace.end(failed=True)
            said = f"failed: {reason}"
        else:
            results.add(run, str(place), facts)
            pace.end()
            shown = {metric: facts["test"].get(metric) for metric in ("mcc", "auroc", "pearson")}
            said = "  ".join(f"{metric} {value:.4f}" for metric, value in shown.items() if value is not None)
            said += f"  {facts['seconds']:.0f} s"
            said += f"  {facts['warning'].partition(';')[0]}" if facts["warning"] else ""
        advance(1, pace.share())
        of_seed = f"  seed {seed}" if several else ""
        rest = "" if number == len(left) else f"; about {duration(pace.left())} left"
        say(f"{name}  {model}{of_seed}  {said}  ({number:,} of {len(left):,}{rest})")


def _tell_note(say: Callable[[str], None], name: str, event: Event) -> None:
    if event["event"] == "note":
        say(f"{name}: {event['note']}")


def _silent(event: Event) -> None:
    """The notes of the set were told in its first run."""


def _train(place: Path, run: Run, keep: str, machine: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """One run, aside until it is whole; its facts."""
    aside = place.with_name(f".{place.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    given: dict[str, Any] = {
        **run.flags, **run.data.files(), "output": aside, "seed": run.seed, "progress": progress, **machine
    }  # fmt: skip
    try:
        if run.contender.kind == "baseline":
            facts = train_baseline(baseline=run.contender.source, **given)
        else:
            given[run.contender.kind] = run.contender.source
            facts = finetune(**given)
        with writing(aside / _SETTINGS) as partial:
            partial.write_text(json.dumps(run.settings, indent=2) + "\n", encoding="utf-8")
        if keep == "metrics":
            for path in aside.iterdir():
                if path.name not in (*_SMALL, _SETTINGS):
                    path.unlink()
        place.mkdir(exist_ok=True)  # it may hold other seeds' folders
        for path in aside.iterdir():
            os.replace(path, place / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


@dataclass
class _Pace:
    """How long runs take: by model and the size of the training file, from those that were made."""

    runs: Sequence[Run]
    done: int = 0
    inside: float = 0.0
    began: float = field(default_factory=time.monotonic)
    now: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """The next run begins."""
        self.now, self.inside = time.monotonic(), 0.0

    def end(self, *, failed: bool = False) -> None:
        """The run that began is over; one that failed says nothing of how long others take."""
        run = self.runs[self.done]
        self.done += 1
        self.inside = 0.0
        if not failed:
            name = run.contender.name
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - self.now
            self.sizes[name] = self.sizes.get(name, 0.0) + _size(run)

    def left(self) -> float:
        """Seconds that the runs which are not over will take; NaN while nothing is known."""
        if not self.seconds:
            if not self.inside:
                return float("nan")
            return (time.monotonic() - self.now) * (len(self.runs) - self.done - self.inside) / self.inside
        of_all = sum(self.seconds.values()) / sum(self.sizes.values())
        rates = {name: seconds / self.sizes[name] for name, seconds in self.seconds.items()}
        each = [rates.get(run.contender.name, of_all) * _size(run) for run in self.runs[self.done :]]
        return sum(each) - (each[0] * self.inside if each else 0.0)

    def share(self) -> float:
        """The share of all time that is over, 0 to 1."""
        left = self.left()
        if left != left:
            return 0.0
        spent = time.monotonic() - self.began
        return spent / (spent + left) if spent + left > 0 else 1.0


@dataclass
class _Inside:
    """The Progress of one run, as a part of all of them."""

    pace: _Pace
    advance: Advance

    def __call__(self, what: str, unit: str, total: int | None) -> Advance:
        counted = 0

        def along(done: int, share: float | None = None) -> None:
            nonlocal counted
            counted += done
            self.pace.inside = min(0.99, counted / total) if total else 0.0
            self.advance(0, self.pace.share())

        return along


def _size(run: Run) -> float:
    """What a run's time goes with: the bytes of its training file, or 1 where all are cut to one number of rows."""
    if "max_train" in run.flags:
        return 1.0
    try:
        return float(run.data.train.stat().st_size)
    except OSError:
        return 1.0
