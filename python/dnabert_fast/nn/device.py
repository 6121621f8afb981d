"""What the GPUs of this machine are and how they fare, as the driver tells (NVML). Knows neither torch nor networks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["Gpu", "gpus"]

# NVML's bits for what holds clocks below their maximum. An idle GPU (1) lowers them itself, which slows nothing down.
_HELD = {
    0x2: "clocks set by the administrator",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "synchronised with other GPUs",
    0x20: "temperature",
    0x40: "temperature, by hardware",
    0x80: "power brake",
    0x100: "clocks set for displays",
}


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU in the driver's order (CUDA_VISIBLE_DEVICES changes torch's); None for what the driver keeps to itself.

    `held_back` says what keeps the clocks below their maximum now, in words; empty where nothing does.
    """

    name: str | None
    capability: str | None
    memory_bytes: int | None
    memory_free_bytes: int | None
    sm_clock_mhz: int | None
    sm_clock_max_mhz: int | None
    memory_clock_mhz: int | None
    memory_clock_max_mhz: int | None
    temperature_c: int | None
    power_limit_w: float | None
    driver: str | None
    held_back: tuple[str, ...] | None

    def facts(self) -> dict[str, Any]:
        """The fields by name, as JSON takes them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return found | {"held_back": None if self.held_back is None else list(self.held_back)}

    def __str__(self) -> str:
        parts = [
            _text("compute capability {}", self.capability),
            _text("{:.1f} of {:.1f} GB free", _gigabytes(self.memory_free_bytes), _gigabytes(self.memory_bytes)),
            _text("SM clock {} of {} MHz", self.sm_clock_mhz, self.sm_clock_max_mhz),
            _text("memory clock {} of {} MHz", self.memory_clock_mhz, self.memory_clock_max_mhz),
            _text("{} °C", self.temperature_c),
            _text("power limit {:.0f} W", self.power_limit_w),
            _text("driver {}", self.driver),
            _text("clocks held back: {}", ", ".join(self.held_back or ()) or None),
        ]
        return "; ".join([self.name or "a GPU that does not tell its name", *filter(None, parts)])


def gpus() -> list[Gpu]:
    """The NVIDIA GPUs of this machine; an empty list where there is none, or no driver, or no nvidia-ml-py."""
    if importlib.util.find_spec("pynvml") is None:
        return []
    import pynvml

    def told(ask: Callable[..., Any], *of: object) -> Any:
        """None for what a driver or device does not tell: a slice of a shared GPU has no clocks of its own."""
        try:
            return ask(*of)
        except pynvml.NVMLError:
            return None

    def one(handle: object) -> Gpu:
        memory = told(pynvml.nvmlDeviceGetMemoryInfo, handle)
        capability = told(pynvml.nvmlDeviceGetCudaComputeCapability, handle)
        limit = told(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        held = told(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        return Gpu(
            name=told(pynvml.nvmlDeviceGetName, handle),
            capability=None if capability is None else ".".join(map(str, capability)),
            memory_bytes=None if memory is None else memory.total,
            memory_free_bytes=None if memory is None else memory.free,
            sm_clock_mhz=told(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
            sm_clock_max_mhz=told(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM),
            memory_clock_mhz=told(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
            memory_clock_max_mhz=told(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_MEM),
            temperature_c=told(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
            power_limit_w=None if limit is None else limit / 1000,
            driver=told(pynvml.nvmlSystemGetDriverVersion),
            held_back=None if held is None else tuple(words for bit, words in _HELD.items() if held & bit),
        )

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [one(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _gigabytes(size: int | None) -> float | None:
    return None if size is None else size / 1e9


def _text(form: str, *values: object) -> str | None:
    """The values in words; None where the driver has not told one."""
    return None if None in values else form.format(*values)
