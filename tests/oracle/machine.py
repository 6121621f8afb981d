"""A machine that has lower precisions: fp32 models whose logits are off by as much as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from dnabert_fast.engine.model import Model, load
from dnabert_fast.workflows import check, check_precisions, gate, precision


@dataclass(frozen=True)
class Off(Model):
    """A model whose logits are off by normal noise of this size, and which takes so long by the clock."""

    noise: float = 0.0
    seconds: float = 1.0

    def logits(self, prepared: Any, tick: Any = None) -> Any:
        exact = super().logits(prepared, tick)
        drawn = np.random.default_rng(1).standard_normal(exact.shape).astype(np.float32)
        return exact + np.float32(self.noise) * drawn


class Machine:
    """Precisions by name, fastest first, each with its noise; `loaded` are the precisions loaded since.

    Precisions of `spared` have none of it where they leave out that many layers; `loaded` has "int8-2" of such ones.
    `check` measures the `speeds` given, against fp32: 2.0 where none is.
    """

    def __init__(
        self,
        noise: dict[str, float],
        why_not: dict[str, str] | None = None,
        spared: dict[str, int] | None = None,
        speeds: dict[str, float] | None = None,
    ) -> None:
        self.noise = noise
        self.speeds = speeds or {}
        self.why_not = why_not or {}
        self.spared = spared or {}
        self.loaded: list[str] = []

    def available(self, device: str = "auto") -> dict[str, str | None]:
        return dict.fromkeys(self.noise) | {"fp32": None} | self.why_not

    def load(
        self,
        model: Any,
        *,
        precision: str = "fp32",
        backend: str = "auto",
        exceptions: tuple[str, ...] = (),
        **options: Any,
    ) -> Model:
        name = f"{precision}-{len(exceptions)}" if exceptions else precision
        self.loaded.append("reference" if backend == "reference" else name)
        exact = load(model, backend=backend, **options)
        if backend == "reference" or precision not in self.noise:
            assert precision == "fp32"
            return exact
        given = {field.name: getattr(exact, field.name) for field in fields(Model)}
        enough = precision in self.spared and len(exceptions) >= self.spared[precision]
        noise = 0.0 if enough else self.noise[precision]
        return Off(**given, noise=noise, seconds=1 / self.speeds.get(precision, 2.0) if precision != "fp32" else 1.0)


def timed(model: Model, windows: Any, tick: Any = None) -> tuple[Any, float]:
    """As `gate.timed`, by the clock of a machine."""
    return gate.answer(model, windows, tick), model.seconds if isinstance(model, Off) else 1.0


def machine_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    """Puts such a machine in the place of this one."""

    def put(noise: dict[str, float], why_not: dict[str, str] | None = None, **options: Any) -> Machine:
        machine = Machine(noise, why_not, **options)
        for module in (precision, check):
            monkeypatch.setattr(module, "available", machine.available)
        for module in (precision, check, check_precisions):
            monkeypatch.setattr(module, "load", machine.load)
        monkeypatch.setattr(check_precisions, "timed", timed)
        return machine

    return put
