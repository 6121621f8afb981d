"""A machine that has lower precisions: fp32 models whose logits are off by as much as a test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest

from dnabert_fast.engine.model import Model, load
from dnabert_fast.workflows import check, precision


@dataclass(frozen=True)
class Off(Model):
    """A model whose logits are off by normal noise of this size."""

    noise: float = 0.0

    def logits(self, prepared: Any, tick: Any = None) -> Any:
        exact = super().logits(prepared, tick)
        drawn = np.random.default_rng(1).standard_normal(exact.shape).astype(np.float32)
        return exact + np.float32(self.noise) * drawn


class Machine:
    """Precisions by name, fastest first, each with its noise; `loaded` are the precisions loaded since."""

    def __init__(self, noise: dict[str, float], why_not: dict[str, str] | None = None) -> None:
        self.noise = noise
        self.why_not = why_not or {}
        self.loaded: list[str] = []

    def available(self, device: str = "auto") -> dict[str, str | None]:
        return dict.fromkeys(self.noise) | {"fp32": None} | self.why_not

    def load(self, model: Any, *, precision: str = "fp32", backend: str = "auto", **options: Any) -> Model:
        self.loaded.append("reference" if backend == "reference" else precision)
        exact = load(model, backend=backend, **options)
        if backend == "reference" or precision not in self.noise:
            assert precision == "fp32"
            return exact
        given = {field.name: getattr(exact, field.name) for field in fields(Model)}
        return Off(**given, noise=self.noise[precision])


def machine_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    """Puts such a machine in the place of this one."""

    def put(noise: dict[str, float], why_not: dict[str, str] | None = None) -> Machine:
        machine = Machine(noise, why_not)
        for module in (precision, check):
            monkeypatch.setattr(module, "available", machine.available)
            monkeypatch.setattr(module, "load", machine.load)
        return machine

    return put
