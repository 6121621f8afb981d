"""What the steps share: where they run, in turns with which timers, and the file their figures go to line by line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

Size = TypeVar("Size")

ENOUGH = 0.01
"""Seconds of one measurement at least: calls are repeated until it is that long."""


class Missing(Exception):
    """Something that this version of the package, or this version of torch, does not have."""


@dataclass
class Bench:
    """A step as it runs: on the GPU in bf16; `dry`, every line once on the processor in fp32, at toy sizes."""

    out: Path
    dry: bool
    step: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """Where tensors live."""
        return "cpu" if self.dry else "cuda"

    @property
    def dtype(self) -> torch.dtype:
        """What is measured; Triton's interpreter has no bf16 products."""
        return torch.float32 if self.dry else torch.bfloat16

    def size(self, real: Size, toy: Size) -> Size:
        """A size on the GPU, and in a dry run."""
        return toy if self.dry else real

    def record(self, name: str, value: float) -> None:
        """Keep a figure, now: a step that is cut off has those it recorded."""
        self.figures[name] = float(value)
        self._line(figure=name, value=float(value))

    def note(self, text: str) -> None:
        """Keep a sentence."""
        print(f"{self.step}: {text}", flush=True)
        self._line(note=text)

    def error(self, text: str) -> None:
        """Keep why the step, or a part of it, failed."""
        print(f"{self.step}: {text}", flush=True)
        self._line(error=text)

    def done(self, seconds: float) -> None:
        """The step has come to its end."""
        self._line(done=seconds)

    def lacking(self, error: Exception, name: str) -> bool:
        """Whether an error says no more than that this version lacks something; then it is noted."""
        module = error.name if isinstance(error, ImportError) else None
        if isinstance(error, Missing) or (module or "").startswith("dnabert_fast"):
            self.note(f"{name} is not in this version: {error}")
            return True
        return False

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part of a step whose failure is noted and leaves the others be."""
        try:
            yield
        except Exception as error:
            if not self.lacking(error, name):
                self.error(f"{name}: {brief(error)}")
                if self.dry:
                    raise

    def in_turns(self, cases: Mapping[str, Callable[[], object]], turns: int = 5) -> dict[str, float]:
        """Seconds of one call of each case, the fastest turn; all run once a turn. A case that fails is noted.

        Cases take turns so that a change of the clocks meets them all.
        """
        calls, best = {}, {}
        for name, run in cases.items():
            try:
                calls[name] = self._calls(run)
                best[name] = float("inf")
            except Exception as error:
                self.note(f"{name} did not run: {brief(error)}")
        for _ in range(1 if self.dry else turns):
            for name, number in calls.items():
                best[name] = min(best[name], self.seconds(cases[name], number))
        return best

    def seconds(self, run: Callable[[], object], calls: int = 1) -> float:
        """Seconds of one call, by the device's own clock."""
        if self.dry:
            start = time.perf_counter()
            run()
            return time.perf_counter() - start
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000 / calls

    def _calls(self, run: Callable[[], object]) -> int:
        """Warm a case up, and say how often it must run for a measurement to be long enough."""
        if self.dry:
            run()
            return 1
        for _ in range(3):
            run()
        torch.cuda.synchronize()
        return max(1, min(1000, int(ENOUGH / max(self.seconds(run, 3), 1e-6)) + 1))

    def _line(self, **content: object) -> None:
        with self.out.open("a") as file:
            file.write(json.dumps({"step": self.step, **content}) + "\n")


def brief(error: BaseException) -> str:
    """An error in one line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:400]


class Watch:
    """Clocks, temperature and load of the first GPU, read by NVML ten times a second while a block runs.

    Without NVML `facts` is empty.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._seen: list[tuple[float, float, float]] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        except Exception:
            return self
        self._thread = threading.Thread(target=self._read, args=(pynvml, handle), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self, nvml: Any, handle: Any) -> None:
        while not self._stop.wait(0.1):
            try:
                clock = nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
                heat = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
                self._seen.append((clock, heat, nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
            except Exception:
                return

    @property
    def facts(self) -> dict[str, float]:
        """SM clock in MHz (median, least), temperature in degrees C (most), load 0 to 1 (mean)."""
        if not self._seen:
            return {}
        clocks, heats, loads = (sorted(column) for column in zip(*self._seen, strict=True))
        middle = clocks[len(clocks) // 2]
        return {
            "sm_mhz": middle,
            "sm_mhz_least": clocks[0],
            "celsius": heats[-1],
            "load": sum(loads) / len(loads) / 100,
        }
