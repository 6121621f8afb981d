"""What the driver tells of GPUs, through a stand-in for NVML: all of it, some of it, nothing."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dnabert_fast.nn.device import gpus
from dnabert_fast.workflows.info import describe, info

H200: dict[str, Any] = {
    "Name": "NVIDIA H200",
    "CudaComputeCapability": (9, 0),
    "MemoryInfo": SimpleNamespace(total=150_754_820_096, free=150_000_000_000),
    "ClockInfo": {1: 1500, 2: 3201},
    "MaxClockInfo": {1: 1980, 2: 3201},
    "Temperature": 41,
    "EnforcedPowerLimit": 700_000,
    "CurrentClocksThrottleReasons": 0x1 | 0x4 | 0x40,
}


class NVMLError(Exception):
    pass


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """driver(tell of each GPU..., works=True): pynvml as it would be there; returns what was called last, in order.

    `tell` holds answers by NVML's names; what is left out is refused.
    """

    def install(*devices: dict[str, Any], works: bool = True) -> list[str]:
        module, calls = ModuleType("pynvml"), []

        def init() -> None:
            if not works:
                raise NVMLError("no driver")
            calls.append("init")

        def asker(what: str) -> Callable[..., Any]:
            def ask(handle: int, *of: int) -> Any:
                if what not in devices[handle]:
                    raise NVMLError("not supported")
                answer = devices[handle][what]
                return answer[of[0]] if isinstance(answer, dict) else answer

            return ask

        fields: dict[str, Any] = {"NVMLError": NVMLError, "nvmlInit": init}
        fields |= {"nvmlShutdown": lambda: calls.append("shutdown"), "nvmlSystemGetDriverVersion": lambda: "570.1"}
        fields |= {"nvmlDeviceGetCount": lambda: len(devices), "nvmlDeviceGetHandleByIndex": lambda index: index}
        fields |= {"NVML_CLOCK_SM": 1, "NVML_CLOCK_MEM": 2, "NVML_TEMPERATURE_GPU": 0}
        fields |= {f"nvmlDeviceGet{what}": asker(what) for what in H200}
        vars(module).update(fields)
        monkeypatch.setitem(sys.modules, "pynvml", module)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
        return calls

    return install


def test_all_is_told(driver: Callable[..., list[str]]) -> None:
    calls = driver(H200, H200 | {"CurrentClocksThrottleReasons": 0x1, "Temperature": 30})
    first, second = gpus()
    assert calls == ["init", "shutdown"]
    assert str(first) == (
        "NVIDIA H200; compute capability 9.0; 150.0 of 150.8 GB free; SM clock 1500 of 1980 MHz; "
        "memory clock 3201 of 3201 MHz; 41 °C; power limit 700 W; driver 570.1; "
        "clocks held back: power limit, temperature, by hardware"
    )
    assert (second.temperature_c, second.held_back) == (30, ())
    assert str(second).endswith("; driver 570.1")


def test_a_slice_of_a_shared_gpu_keeps_things_to_itself(driver: Callable[..., list[str]]) -> None:
    driver({"Name": "slice", "MemoryInfo": SimpleNamespace(total=7, free=5)})
    (gpu,) = gpus()
    told = {"name": "slice", "memory_bytes": 7, "memory_free_bytes": 5, "driver": "570.1"}
    assert {name: value for name, value in gpu.facts().items() if value is not None} == told
    assert str(gpu) == "slice; 0.0 of 0.0 GB free; driver 570.1"


def test_nothing_is_told(driver: Callable[..., list[str]]) -> None:
    driver({})
    assert str(gpus()[0]) == "a GPU that does not tell its name; driver 570.1"
    assert driver() == []
    assert gpus() == []
    driver(H200, works=False)
    assert gpus() == []


def test_without_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert gpus() == []


def test_info_has_them_as_json(driver: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    from dnabert_fast.cli.machine import info as verb

    driver(H200)
    facts = json.loads(json.dumps(info()))
    assert facts["gpus"][0]["sm_clock_max_mhz"] == 1980
    assert describe(facts["gpus"][0]) == str(gpus()[0])
    verb()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("GPU: NVIDIA H200; compute capability 9.0; ")
    assert json.loads(lines[-1])["gpus"] == facts["gpus"]
