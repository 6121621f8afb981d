"""Which precision a run takes: the one asked for, or the fastest that agrees with fp32 on this model and device."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..engine.meter import Meter
from ..engine.model import Model, load
from ..errors import BackendUnavailable, DnabertError
from ..io.atomic import writing
from ..nn.backends import available
from ..nn.checkpoint import linear_layers
from ..seq.types import F32
from .gate import (
    AGREEMENT,
    COUNT,
    DEMO_GENOME,
    DEMO_VCF,
    Comparison,
    Sample,
    answer,
    compare,
    gate_window,
    has_scores,
    read_sample,
)
from .layers import LOW, find_exceptions, label, rest_of
from .progress import Progress, silent

__all__ = [
    "AUTO",
    "WORTH",
    "Choice",
    "Verdict",
    "device_name",
    "load_first",
    "recall",
    "remember",
    "resolve_precision",
]

AUTO = "auto"
WORTH = 2000
"""Records from which a run repays a check."""

_TOO_FEW = "too few variants to repay a check"
_TOKENS = 60_000  # what a check in passing reads at most in each precision, about the work of 300 variants
_FEWEST = 48


@dataclass(frozen=True)
class Verdict:
    """What a check found of one precision; it holds for this network, device and these versions alone.

    passed: None where there was nothing to judge by; `exceptions` are linear layers that stay in the precision `rest`;
    speed: how many times as fast as fp32, where that was measured.
    """

    precision: str
    device: str
    passed: bool | None
    date: str
    snvs: int
    spearman: float | None
    sign: float | None
    dnabert_fast: str = __version__
    torch: str = torch.__version__
    exceptions: tuple[str, ...] = ()
    rest: str = "bf16"
    speed: float | None = None

    @staticmethod
    def of(
        precision: str, device: str, found: Comparison, snvs: int, exceptions: tuple[str, ...] = (), rest: str = "bf16"
    ) -> Verdict:
        """The verdict on a comparison with fp32, of today."""
        facts, today = found.facts(), datetime.date.today().isoformat()
        spearman, sign = facts.get("spearman_changes"), facts.get("sign_changes")
        judged = precision, device, found.agrees, today, snvs, spearman, sign
        return Verdict(*judged, exceptions=exceptions, rest=rest)

    def __str__(self) -> str:
        rho, sign = ("none" if value is None else _cut(value) for value in (self.spearman, self.sign))
        word = {True: "passed", False: "failed", None: "could not be judged in"}[self.passed]
        name = label(self.precision, self.exceptions, self.rest)
        speed = "" if self.speed is None else f", {self.speed:.2f} times as fast as fp32"
        return f"{name} {word} the check of {self.date}: rho {rho}, sign {sign}{speed}"

    @property
    def key(self) -> tuple[str, ...]:
        """What a verdict holds for, besides the network."""
        return (self.precision, self.device, self.dnabert_fast, self.torch)


@dataclass(frozen=True)
class Choice:
    """The precision of a run and the reason for it.

    `network` is the model's hash; `exceptions` are layers that stay in a higher precision; notes are for the user.
    """

    precision: str
    reason: str
    network: str
    exceptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What a run's summary tells of it."""
        told = {"precision": self.precision, "precision_reason": self.reason}
        return told | {"precision_exceptions": list(self.exceptions)}

    def decisive(self) -> dict[str, Any]:
        """What results depend on."""
        return {"model": self.network, "precision": self.precision, "precision_exceptions": list(self.exceptions)}


def load_first(model: str | Path, precision: str, *, device: str, threads: int | None, strand: str = "+") -> Model:
    """The model in the precision asked for; for "auto" in fp32, until `resolve_precision` knows better."""
    first = "fp32" if precision == AUTO else precision
    return load(model, device=device, precision=first, threads=threads, strand=strand)


def resolve_precision(
    loaded: Model,
    model: str | Path,
    precision: str,
    *,
    device: str = "auto",
    expected: float | None = None,
    progress: Progress = silent,
) -> tuple[Model, Choice]:
    """The model in the precision of the run, and why; `loaded` is what `load_first` gave for `model`.

    A name passes through. For "auto" it is the fastest precision that a check has passed: a remembered verdict of this
    network, device and versions, else a check made now and remembered. A run that expects fewer than `WORTH` records,
    or knows of none (None), makes no check and takes fp32.
    """
    network = loaded.hash()
    if precision != AUTO:
        return loaded, Choice(precision, "asked for", network)
    devices = (loaded.network.backend.device,) if loaded.fleet is None else loaded.fleet.devices
    faster = _faster(devices)
    if not faster:
        where = "this device has" if len(set(devices)) == 1 else "these devices have"
        return loaded, Choice("fp32", f"fp32: {where} no faster precision", network)
    if not has_scores(loaded.network.config):
        return loaded, Choice("fp32", "fp32: a model without scores gives nothing to judge a lower one by", network)
    here = device_name(loaded.network.backend.device)
    layers = linear_layers(loaded.network.config)
    known = {name: verdict for name, verdict in recall(network, here).items() if layers.issuperset(verdict.exceptions)}
    open_ones = [name for name in faster if name not in known]
    notes: tuple[str, ...] = ()
    first_passed = next((name for name in faster if name in known and known[name].passed), None)
    if first_passed is not None:
        open_ones = [name for name in open_ones if faster.index(name) < faster.index(first_passed)]
    if open_ones and (expected is None or expected < WORTH):
        if first_passed is None:
            why = "nobody knows whether a pipe repays a check" if expected is None else _TOO_FEW
            return loaded, Choice("fp32", f"fp32: {why}; `dnabert-fast check {model}` makes one once", network)
    elif open_ones:
        made = _check(loaded, model, open_ones, known, progress)
        notes = remember(network, list(made.values()))
        known |= made
    verdict = _fastest([known[name] for name in faster if name in known and known[name].passed])
    if verdict is not None:
        options: dict[str, Any] = {"threads": torch.get_num_threads(), "strand": loaded.strand}
        options |= {"precision": verdict.precision, "exceptions": verdict.exceptions}
        chosen = load(model, device=device, **options)
        return chosen, Choice(verdict.precision, str(verdict), network, verdict.exceptions, notes)
    told = "; ".join(str(known[name]) for name in faster if name in known)
    return loaded, Choice("fp32", f"fp32: {told}", network, notes=notes)


def _fastest(passed: Sequence[Verdict]) -> Verdict | None:
    """The verdict to go by of those that passed, given fastest first as a rule; None where fp32 is as fast.

    Speeds overrule that order where they were measured of both.
    """
    best: Verdict | None = None
    for verdict in passed:
        if best is None or (best.speed is not None and verdict.speed is not None and verdict.speed > best.speed):
            best = verdict
    return None if best is None or (best.speed is not None and best.speed <= 1) else best


def _faster(devices: Sequence[str]) -> list[str]:
    """Precisions that every one of the devices has and that are faster than fp32, fastest first (on the first)."""
    every = [available(device) for device in dict.fromkeys(devices)]
    for there in every:
        if (why := there.get("fp32")) is not None:
            raise BackendUnavailable(why)
    return [name for name in every[0] if name != "fp32" and all(there[name] is None for there in every)]


def _check(
    loaded: Model,
    model: str | Path,
    names: Sequence[str],
    known: Mapping[str, Verdict],
    progress: Progress,
) -> dict[str, Verdict]:
    """Verdicts by precision, of `names` up to the first that passes, and of what it took to search for exceptions.

    A precision ahead of that one which can leave layers out is tried so too; `known` is remembered of others. Of
    several devices the first does it, in this process.
    """
    fp32 = replace(loaded.with_strand("+"), fleet=None)
    sample, at = _sample_of(fp32), fp32.network.backend.device
    here, there = device_name(at), available(at)
    windows, rest = sample.windows, rest_of(there)
    advance = progress(f"checking {', '.join(names)} against fp32", "windows", len(windows) * (len(names) + 1))

    def read(model: Model) -> F32:
        meter = Meter(len(windows), advance)
        answers = answer(model, windows, meter.tick)
        meter.close()
        return answers

    def judge(name: str, exceptions: tuple[str, ...] = ()) -> Verdict:
        threads = torch.get_num_threads()
        lower = load(model, device=at, precision=name, exceptions=exceptions, threads=threads)
        found = compare(lower.network.config, reference, read(lower))
        return Verdict.of(name, here, found, len(sample), exceptions, rest)

    def rest_passes() -> bool:
        if rest != "fp32" and rest not in made and rest not in known:
            made[rest] = judge(rest)
        return rest == "fp32" or bool((made.get(rest) or known[rest]).passed)

    def passes(name: str, exceptions: tuple[str, ...]) -> bool:
        verdict = judge(name, exceptions)
        if verdict.passed:
            made[name] = verdict
        return bool(verdict.passed)

    reference = read(fp32)
    made: dict[str, Verdict] = {}
    for name in names:
        made[name] = judge(name)
        if made[name].passed:
            break
    for name in [name for name in made if name in LOW and made[name].passed is False]:
        advance = progress(f"checking {name} with layers in {rest}", "windows", None)
        if find_exceptions(model, fp32, windows, rest_passes, partial(passes, name)):
            break
    return made


def _sample_of(model: Model) -> Sample:
    """The embedded SNVs that a check in passing reads: fewer where windows are long, so that it stays short."""
    config = model.network.config
    window = gate_window(config)
    count = min(COUNT, max(_FEWEST, _TOKENS // (2 * window)))
    return read_sample(DEMO_VCF, DEMO_GENOME, window, count)


def device_name(device: str) -> str:
    """What a device calls itself, with the instructions that torch uses of a processor."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def recall(network: str, device: str) -> dict[str, Verdict]:
    """The verdicts remembered of a network on a device with these versions, by precision; a broken file holds none."""
    return {
        verdict.precision: verdict
        for verdict in _read(_file_of(network))
        if verdict.key[1:] == (device, __version__, torch.__version__)
    }


def remember(network: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Keep verdicts that say something beside those of other devices and versions.

    A cache that cannot be written gives a note.
    """
    verdicts = [verdict for verdict in verdicts if verdict.passed is not None]
    if not verdicts:
        return ()
    path = _file_of(network)
    if path is None:
        return ("the check is not remembered: there is no cache folder",)
    fresh = {verdict.key: verdict for verdict in (*_read(path), *verdicts)}
    content = {"network": network, "verdicts": [asdict(verdict) for verdict in fresh.values()]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except (OSError, DnabertError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return (f"the check is not remembered: {path.parent} cannot be written ({why})",)
    return ()


def _read(path: Path | None) -> list[Verdict]:
    if path is None:
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
        return [verdict for row in rows if (verdict := _verdict(row)) is not None]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _verdict(row: object) -> Verdict | None:
    """What an entry of a file says; None for one that no check wrote."""
    names = {field.name for field in fields(Verdict)}
    if not isinstance(row, dict) or not names - {"speed"} <= set(row) <= names:
        return None
    words = [row[name] for name in ("precision", "device", "date", "dnabert_fast", "torch", "rest")]
    layers, speed = row["exceptions"], row.get("speed")
    fits = (
        all(isinstance(word, str) for word in words),
        isinstance(row["passed"], bool) and type(row["snvs"]) is int,
        all(_is_number(row[name], -1, 1) for name in ("spearman", "sign")),
        isinstance(layers, list) and all(isinstance(name, str) for name in layers),
        not layers or row["precision"] in LOW,
        _is_number(speed, 0, sys.float_info.max) and speed != 0,
    )
    if not all(fits):
        return None
    verdict = Verdict(**row | {"exceptions": tuple(layers)})
    # Who edits the word is not believed against the numbers.
    reached = all(number is not None and number >= AGREEMENT for number in (verdict.spearman, verdict.sign))
    return verdict if verdict.passed == reached else None


def _is_number(found: object, least: float, most: float) -> bool:
    """Whether this is no number at all (None) or one between two; NaN is neither."""
    return found is None or (type(found) in (int, float) and least <= found <= most)  # type: ignore[operator]


def _file_of(network: str) -> Path | None:
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return cache / "dnabert_fast" / "checks" / f"{network}.json"


def _cut(share: float) -> str:
    """Three decimals, cut and not rounded, so that what failed does not look passed."""
    return f"{int(share * 1000) / 1000:.3f}"
