"""The verb `check`: which precisions give a model's scores on this machine, and whether two machines agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..engine.fleet import device_names
from ..engine.meter import Meter
from ..engine.model import Model, load
from ..errors import BackendUnavailable, DnabertError, FormatError
from ..io.atomic import writing
from ..nn.backends import available
from ..nn.config import NetworkConfig
from ..seq.genome import Genome
from ..seq.types import F32
from .check_scores import KeptScores, read_scores, write_scores
from .common import check_outputs, write_summary
from .gate import (
    COUNT,
    DEMO_GENOME,
    DEMO_VCF,
    PARITY,
    Comparison,
    Sample,
    answer,
    compare,
    gate_window,
    has_scores,
    read_sample,
    timed,
)
from .layers import LOW, find_exceptions, label, rest_of
from .precision import Verdict, device_name, recall, remember
from .progress import Advance, Progress, silent

__all__ = ["check"]

_ENOUGH = 64  # SNVs from which a verdict is remembered
_REFERENCE = "reference"


def check(
    model: str,
    *,
    device: str = "auto",
    precision: str = "all",
    variants: str | Path | None = None,
    genome: str | Path | None = None,
    window: int | None = None,
    count: int | None = None,
    class_name: str | None = None,
    scores: str | Path | None = None,
    against: str | Path | None = None,
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score real SNVs in each precision that the device has (or the one named) and compare with fp32 as it should be.

    The SNVs are `count` (256) of `variants`, spread evenly, in windows of `genome`; by default of the embedded piece of
    GRCh38 and HG002's calls. fp32 passes where its logits are those of the reference backend up to 1e-5, a lower
    precision where Spearman's correlation and the share of equal signs of log-odds differences both reach 0.99. int8
    and fp8 that fail are tried again with some layers left in a higher precision (see `layers.find_exceptions`). Of
    several devices the first is checked.
    Verdicts are remembered, so that precision "auto" can go by them. `scores` keeps the scores in a file; `against`
    compares with such a file of another machine in place of the reference. Returns the facts, `failed` among them.
    """
    began = time.monotonic()
    check_outputs([variants, genome, against], {"--scores": scores, "--summary": summary})
    if scores is not None:
        with writing(scores):  # refused before the work and not after
            pass
    if (variants is None) != (genome is None) and against is None:
        raise DnabertError("--variants and --genome go together: give both, or neither for the embedded ones")
    kept = None
    if against is not None:
        if any(given is not None for given in (variants, window, count)):
            raise DnabertError("--against takes SNVs and window from its file; leave out --variants, --window, --count")
        kept = read_scores(against)
    several, device = device_names(device), device_names(device)[0]
    there = available(device)
    names = _names(precision, there)
    fp32 = load(model, device=device, precision="fp32", threads=threads)
    config = fp32.network.config
    column = None if class_name is None else fp32.readout(class_name).column
    scored = has_scores(config)
    if not scored and (scores is not None or kept is not None):
        raise DnabertError(f"model {fp32.name} has no classification or regression head, so there are no scores")
    network = fp32.hash()
    if kept is None:
        length = gate_window(config, window)
        sample = read_sample(variants or DEMO_VCF, genome or DEMO_GENOME, length, COUNT if count is None else count)
    else:
        sample = _sample_of(kept, network, config, genome or DEMO_GENOME)

    runs = len(names) + (kept is None) + ("fp32" not in names)
    advance = progress(f"checking {', '.join(names)}", "windows", len(sample.windows) * runs)
    reference = None if kept is not None else _reference(model, sample, advance)
    here, rest = device_name(fp32.network.backend.device), rest_of(there)

    def judge(name: str, exceptions: tuple[str, ...] = ()) -> _Found:
        values, seconds = _answers(fp32, name, exceptions, model, device, sample, advance)
        base, known = _base(name, reference, kept)
        compared = compare(config, known, values, column)
        return _Found(name, values, seconds, base, compared, _passed(name, base, compared), exceptions, rest)

    found = {name: judge(name, _kept_exceptions(name, kept)) for name in dict.fromkeys(["fp32", *names])}
    if reference is not None:
        known = recall(network, here)
        for name in [name for name in names if name in LOW and found[name].passed is False]:
            advance = progress(f"checking {name} with layers in {rest}", "windows", None)
            found[name] = _with_exceptions(name, model, fp32, sample, found, known, judge)
    rows = [found[name].row(found["fp32"].seconds) for name in names]
    notes = [f"checked on {device}, the first of {len(several)} devices"] if len(several) > 1 else []
    notes += _notes(scored, sample, [name for name in names if found[name].passed is None]) + [
        f"{name} leaves these layers in {rest}: {', '.join(found[name].exceptions)}"
        for name in names
        if found[name].exceptions
    ]
    if reference is not None and scored:
        verdicts = [found[name].verdict(here, len(sample), found["fp32"].seconds) for name in names]
        notes += _remembered(network, verdicts, sample, class_name)
    if scores is not None:
        tables = {} if reference is None else {_REFERENCE: reference}
        tables |= {name: found[name].values for name in found}
        left = {name: list(found[name].exceptions) for name in found if found[name].exceptions}
        write_scores(scores, config, network, here, sample, tables, column, left)
    facts = {
        "verb": "check",
        "model": network,
        "head": config.head,
        "device": here,
        "dnabert_fast": __version__,
        "torch": torch.__version__,
        "against": None if against is None else str(against),
        "window": sample.window,
        "windows": sample.hash(),
        "snvs": len(sample),
        "skipped": sample.skipped,
        "precisions": rows,
        "unavailable": {name: why for name, why in there.items() if why is not None},
        "failed": [row["precision"] for row in rows if row["passed"] is False],
        "notes": notes,
        "seconds": round(time.monotonic() - began, 3),
    }
    write_summary(summary, facts)
    return facts


@dataclass(frozen=True)
class _Found:
    """What came of a precision; the layers it leaves out stay in the precision `rest`."""

    name: str
    values: F32
    seconds: float
    base: str
    compared: Comparison
    passed: bool | None
    exceptions: tuple[str, ...]
    rest: str

    def row(self, fp32_seconds: float) -> dict[str, Any]:
        """The facts of it; `label` is how the table calls it."""
        named = {"precision": self.name, "label": label(self.name, self.exceptions, self.rest)}
        judged = {"exceptions": list(self.exceptions), "against": self.base, "passed": self.passed}
        taken = {"seconds": self.seconds, "speed": fp32_seconds / self.seconds}
        return {**named, **judged, **self.compared.facts(), **taken}

    def verdict(self, device: str, snvs: int, fp32_seconds: float) -> Verdict:
        verdict = Verdict.of(self.name, device, self.compared, snvs, self.exceptions, self.rest)
        return replace(verdict, speed=fp32_seconds / self.seconds)


def _names(precision: str, there: Mapping[str, str | None]) -> list[str]:
    """The precisions to check, fastest first; BackendUnavailable where the one named is not to be had."""
    if (why := there.get("fp32")) is not None:
        raise BackendUnavailable(why)
    if precision == "all":
        return [name for name, why_not in there.items() if why_not is None]
    if precision not in there:
        raise DnabertError(f"--precision {precision}: choose all or one of {', '.join(there)}")
    if (why := there[precision]) is not None:
        raise BackendUnavailable(why)
    return [precision]


def _reference(model: str, sample: Sample, advance: Advance) -> F32:
    """The answers of the plain implementation that says what each operation means."""
    meter = Meter(len(sample.windows), advance)
    answers = answer(load(model, device="cpu", backend=_REFERENCE), sample.windows, meter.tick)
    meter.close()
    return answers


def _answers(
    fp32: Model, name: str, exceptions: tuple[str, ...], model: str, device: str, sample: Sample, advance: Advance
) -> tuple[F32, float]:
    """The answers in a precision, and the seconds they took."""
    loaded = fp32
    if name != "fp32":
        threads = torch.get_num_threads()
        loaded = load(model, device=device, precision=name, exceptions=exceptions, threads=threads)
    meter = Meter(len(sample.windows), advance)
    found = timed(loaded, sample.windows, meter.tick)
    meter.close()
    return found


def _with_exceptions(
    name: str,
    model: str,
    fp32: Model,
    sample: Sample,
    found: Mapping[str, _Found],
    known: Mapping[str, Verdict],
    judge: Callable[..., _Found],
) -> _Found:
    """A low precision with the fewest layers left out that pass; as it is where none do. `known` is remembered."""
    tried = found[name]
    rest = tried.rest

    def rest_passes() -> bool:
        if rest in found:
            return bool(found[rest].passed)
        return bool(known[rest].passed if rest in known else judge(rest).passed)

    def passes(exceptions: tuple[str, ...]) -> bool:
        nonlocal tried
        tried = judge(name, exceptions)
        return bool(tried.passed)

    return tried if find_exceptions(model, fp32, sample.windows, rest_passes, passes) else found[name]


def _kept_exceptions(name: str, kept: KeptScores | None) -> tuple[str, ...]:
    """The layers that a precision left out on the other machine: like is compared with like."""
    return () if kept is None else kept.exceptions.get(name, ())


def _base(name: str, reference: F32 | None, kept: KeptScores | None) -> tuple[str, F32]:
    """What a precision is compared with: the reference; of a file the same precision, else its fp32."""
    if kept is None:
        assert reference is not None
        return _REFERENCE, reference
    for base in (name, "fp32", _REFERENCE):
        if base in kept.logits:
            return base, kept.logits[base]
    base = next(iter(kept.logits))
    return base, kept.logits[base]


def _passed(name: str, base: str, compared: Comparison) -> bool | None:
    """The rule; None where a lower precision has no scores to judge it by.

    fp32 of two machines may each lie on another side of the reference.
    """
    if name != "fp32" or base not in ("fp32", _REFERENCE):
        return compared.agrees
    return compared.close if base == _REFERENCE else compared.within(2 * PARITY)


def _sample_of(kept: KeptScores, network: str, config: NetworkConfig, genome: str | Path) -> Sample:
    """The SNVs of a file of scores; DnabertError where it is of another model or the genome gives other windows."""
    if kept.settings["network"] != network:
        raise DnabertError(f"{kept.path}: these are the scores of another model ({kept.settings['network'][:16]}...)")
    if kept.labels != config.labels:
        raise FormatError(f"{kept.labels_at}: these labels are not the model's; copy the file anew")
    with Genome.open(genome) as opened:
        rows = np.array([opened.row(name) for name in kept.contigs], np.int32)
        if (rows < 0).any():
            name = kept.contigs[int(np.flatnonzero(rows < 0)[0])]
            raise DnabertError(f"{kept.path}: contig {name} is not in {genome}; give --genome of the file's run")
        if kept.window > int(opened.lengths.max(initial=0)):
            raise FormatError(f"{kept.window_at}: window={kept.window} is longer than every contig of {genome}")
        outside = np.flatnonzero(kept.position > opened.lengths[rows])
        if len(outside):
            place = f"{kept.contigs[outside[0]]}:{kept.position[outside[0]]}"
            raise FormatError(
                f"{kept.at[outside[0]]}: {place} lies outside the contig; give --genome of the file's run"
            )
        sample = Sample.of(opened, rows, kept.position, kept.ref, kept.alt, kept.window, {})
    if sample.hash() != kept.settings["windows"]:
        raise DnabertError(f"{kept.path}: {genome} gives other windows than the file's run had; give the same genome")
    return sample


def _notes(scored: bool, sample: Sample, open_ones: list[str]) -> list[str]:
    notes = [f"SNVs left out, {reason}: {number:,}" for reason, number in sample.skipped.items()]
    if not scored:
        notes.append(
            "this model has no classification or regression head, so there are no scores: mean vectors are compared, "
            "and no rule passes or fails a lower precision"
        )
    elif open_ones:
        notes.append(
            f"no rule passes or fails {', '.join(open_ones)}: without two SNVs whose differences between REF and ALT "
            "differ there is no rho"
        )
    return notes


def _remembered(network: str, verdicts: list[Verdict], sample: Sample, class_name: str | None) -> tuple[str, ...]:
    """Keep the verdicts on lower precisions that `auto` may go by; the notes of it."""
    if len(sample) < _ENOUGH:
        return (f"verdicts are not remembered: {len(sample)} SNVs are fewer than {_ENOUGH}",)
    if class_name is not None:
        return ("verdicts are not remembered: they are of one class",)
    return remember(network, [verdict for verdict in verdicts if verdict.precision != "fp32"])
