"""A model's answers in one precision after another, and whether each is as good as fp32. Knows no flags and no files.

What is compared with is the reference backend, or the scores that another machine kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..engine.meter import Meter
from ..engine.model import Model, load
from ..errors import BackendUnavailable, DnabertError
from ..seq.types import F32
from .check_scores import KeptScores
from .gate import PARITY, Comparison, Sample, answer, compare, timed
from .layers import LOW, find_exceptions, label
from .precision import Verdict, device_name, recall
from .progress import Advance, Progress, silent

__all__ = ["Judging", "asked_precisions"]

_REFERENCE = "reference"


def asked_precisions(precision: str, there: Mapping[str, str | None]) -> list[str]:
    """The precisions that a device has (see `available`), fastest first, or the one named.

    BackendUnavailable where that is not to be had.
    """
    if precision == "all":
        return [name for name, why_not in there.items() if why_not is None]
    if precision not in there:
        raise DnabertError(f"--precision {precision}: choose all or one of {', '.join(there)}")
    if (why := there[precision]) is not None:
        raise BackendUnavailable(why)
    return [precision]


class Judging:
    """A model's answers to a sample in one precision after another, each compared with what it should be.

    `kept` are the scores of another machine, to compare with in place of the reference; `device` is where the model
    runs, `rest` the precision of layers that are left out. `here` is what the device calls itself.
    """

    def __init__(
        self,
        model: str,
        fp32: Model,
        device: str,
        sample: Sample,
        column: int | None,
        kept: KeptScores | None,
        rest: str,
    ) -> None:
        self.here = device_name(fp32.network.backend.device)
        self._model = model
        self._fp32 = fp32
        self._device = device
        self._sample = sample
        self._column = column
        self._kept = kept
        self._rest = rest
        self._reference: F32 | None = None
        self._found: dict[str, _Found] = {}
        self._advance: Advance = silent("", "", None)

    def judge(self, names: Sequence[str], network: str, progress: Progress) -> None:
        """Judge fp32 and these precisions; low ones that fail are tried again with layers left out.

        What is remembered of the `network` (its hash) saves a run.
        """
        runs = len(names) + (self._kept is None) + ("fp32" not in names)
        self._advance = progress(f"checking {', '.join(names)}", "windows", len(self._sample.windows) * runs)
        if self._kept is None:
            self._reference = self._answer_reference()
        for name in dict.fromkeys(["fp32", *names]):
            # Like is compared with like: the layers that were left out on the other machine.
            self._found[name] = self._judge(name, () if self._kept is None else self._kept.exceptions.get(name, ()))
        if self._kept is not None:
            return
        known = recall(network, self.here)
        for name in [name for name in names if name in LOW and self._found[name].passed is False]:
            self._advance = progress(f"checking {name} with layers in {self._rest}", "windows", None)
            self._found[name] = self._with_exceptions(name, known)

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The facts of these precisions."""
        return [self._found[name].row(self._found["fp32"].seconds) for name in names]

    def open_ones(self, names: Sequence[str]) -> list[str]:
        """Those that no rule passes or fails."""
        return [name for name in names if self._found[name].passed is None]

    def left_out(self, names: Sequence[str]) -> list[str]:
        """A line for each of them that leaves layers out."""
        return [
            f"{name} leaves these layers in {self._rest}: {', '.join(self._found[name].exceptions)}"
            for name in names
            if self._found[name].exceptions
        ]

    def verdicts(self, names: Sequence[str]) -> list[Verdict]:
        """What can be remembered of these precisions."""
        fp32_seconds = self._found["fp32"].seconds
        return [self._found[name].verdict(self.here, len(self._sample), fp32_seconds) for name in names]

    def tables(self) -> dict[str, F32]:
        """All answers, by precision."""
        tables = {} if self._reference is None else {_REFERENCE: self._reference}
        return tables | {name: found.values for name, found in self._found.items()}

    def exceptions(self) -> dict[str, list[str]]:
        """The layers that precisions leave out, where they do."""
        return {name: list(found.exceptions) for name, found in self._found.items() if found.exceptions}

    def _judge(self, name: str, exceptions: tuple[str, ...] = ()) -> _Found:
        values, seconds = self._answers(name, exceptions)
        base, known = _base(name, self._reference, self._kept)
        compared = compare(self._fp32.network.config, known, values, self._column)
        return _Found(name, values, seconds, base, compared, _passed(name, base, compared), exceptions, self._rest)

    def _answer_reference(self) -> F32:
        """The answers of the plain implementation that says what each operation means."""
        meter = Meter(len(self._sample.windows), self._advance)
        answers = answer(load(self._model, device="cpu", backend=_REFERENCE), self._sample.windows, meter.tick)
        meter.close()
        return answers

    def _answers(self, name: str, exceptions: tuple[str, ...]) -> tuple[F32, float]:
        """The answers in a precision, and the seconds they took."""
        loaded = self._fp32
        if name != "fp32":
            threads = torch.get_num_threads()
            loaded = load(self._model, device=self._device, precision=name, exceptions=exceptions, threads=threads)
        meter = Meter(len(self._sample.windows), self._advance)
        found = timed(loaded, self._sample.windows, meter.tick)
        meter.close()
        return found

    def _with_exceptions(self, name: str, known: Mapping[str, Verdict]) -> _Found:
        """A low precision with the fewest layers left out that pass; as it is where none do. `known` is remembered."""
        tried, rest = self._found[name], self._rest

        def rest_passes() -> bool:
            if rest in self._found:
                return bool(self._found[rest].passed)
            return bool(known[rest].passed if rest in known else self._judge(rest).passed)

        def passes(exceptions: tuple[str, ...]) -> bool:
            nonlocal tried
            tried = self._judge(name, exceptions)
            return bool(tried.passed)

        passed = find_exceptions(self._model, self._fp32, self._sample.windows, rest_passes, passes)
        return tried if passed else self._found[name]


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
