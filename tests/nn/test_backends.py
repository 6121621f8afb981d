"""Backends by name, device and precision, each with its reason. The GPUs here are told, not there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import torch

from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.nn import backends
from dnabert_fast.nn.backends import available, choose

Tell = Callable[..., None]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """tell(capability, count, cuda, triton): what torch and pip say of this machine from now on."""
    gpu_frozen = pytest.importorskip("dnabert_fast.kernels.gpu_frozen")

    def tell(
        capability: tuple[int, int] = (9, 0),
        count: int = 1,
        cuda: str | None = "12.8",
        triton: str | None = "3.7.1",
        name: str = "NVIDIA H200",
        refusal: str | None = None,
    ) -> None:
        def version(_: str) -> str:
            if triton is None:
                raise PackageNotFoundError("triton")
            return triton

        answers: dict[str, Any] = {"is_available": count > 0, "device_count": count, "current_device": 0}
        answers |= {"get_device_capability": capability, "get_device_name": name}
        for function, answer in answers.items():
            monkeypatch.setattr(torch.cuda, function, lambda *_, answer=answer: answer)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(backends, "version", version)
        monkeypatch.setattr(gpu_frozen, "refusal", lambda device: refusal)

    return tell


def test_the_choice_says_why(tell: Tell) -> None:
    tell(count=0)
    assert choose().name == "cpu"
    assert choose().reason.startswith("there is no CUDA device on this machine; ")
    assert choose("auto", "cpu").reason.startswith("the device is cpu; ")
    assert str(choose("cpu")).startswith("cpu (fp32, cpu): asked for; ")
    assert choose("reference").frozen is None


@pytest.mark.parametrize(
    ("name", "device", "precision", "message"),
    [
        ("fast", "cpu", "fp32", "no backend named fast; there are auto, cpu, triton, reference"),
        ("auto", "cpu", "fp8", "fp8 runs on GPUs of compute capability 8.9"),
        ("auto", "auto", "fp16", "fp16 runs on GPUs"),
        ("auto", "cpu", "fp7", "no precision named fp7; there are fp32, bf16, fp16, int8, fp8"),
        ("auto", "abacus", "fp32", "no device named abacus; there are auto, cpu, cuda, or cuda:1 for a certain GPU"),
        ("auto", "cuda:", "fp32", "no device named cuda:; there are"),
        ("auto", "cuda:one", "fp32", "no device named cuda:one; there are"),
        ("reference", "cpu", "bf16", "reference backend computes in fp32, not in bf16"),
        ("triton", "cpu", "fp32", "backend triton does not run on device cpu"),
        ("cpu", "cuda", "fp32", "backend cpu does not run on device cuda"),
        ("reference", "cuda:1", "fp32", "backend reference does not run on device cuda:1"),
        ("triton", "auto", "fp32", "backend triton: there is no CUDA device on this machine; use --device cpu"),
        ("auto", "cuda", "fp32", "device cuda: there is no CUDA device on this machine; use --device cpu"),
    ],
)
def test_what_is_not_to_be_had(tell: Tell, name: str, device: str, precision: str, message: str) -> None:
    tell(count=0)
    with pytest.raises(BackendUnavailable, match=message):
        choose(name, device, precision)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"cuda": None}, f"torch {torch.__version__} is built without CUDA"),
        ({"count": 0}, "there is no CUDA device on this machine"),
        ({"count": 2}, "there is no GPU 2 on this machine; it has 2, counted from 0"),
        (
            {"capability": (7, 0), "name": "Tesla V100", "count": 3},
            "compute capability 8.0 is the least; Tesla V100 has 7.0",
        ),
        ({"triton": None, "count": 3}, "triton is not installed; pip install 'dnabert-fast[gpu]'"),
        (
            {"triton": "3.5.1", "count": 3},
            "triton 3.5.1 is installed, but the kernels are for 3.6 to 3.9; pip install 'dnabert-fast[gpu]'",
        ),
        (
            {"triton": "3.10.0", "count": 3},
            "triton 3.10.0 is installed, but the kernels are for 3.6 to 3.9; pip install 'dnabert-fast[gpu]'",
        ),
    ],
)
def test_why_a_gpu_is_not_to_be_had(tell: Tell, told: dict[str, Any], why: str) -> None:
    tell(**told)
    for ask in (lambda: choose("auto", "cuda:2"), lambda: choose("triton", "cuda:2"), lambda: available("cuda:2")):
        with pytest.raises(BackendUnavailable) as error:
            ask()
        assert str(error.value) == f"device cuda:2: {why}; use --device cpu"
    if told != {"count": 2}:
        taken = choose()
        assert taken.name == "cpu"
        assert taken.reason.startswith(f"{why}; ")
        assert available() == available("cpu")


@pytest.mark.parametrize("triton", ["3.6.0", "3.9.2+git1"])
def test_a_gpu_is_taken_where_there_is_one(tell: Tell, triton: str) -> None:
    tell(count=2, triton=triton)
    taken = choose()
    assert (taken.name, taken.device, taken.precision, taken.grouped) == ("triton", "cuda:0", "fp32", False)
    assert taken.reason == f"a GPU is there; NVIDIA H200 has 9.0, Triton {triton}"
    asked = choose("auto", "cuda:1", "fp8", ("layers.0.down",))
    assert (asked.device, asked.precision, asked.exceptions) == ("cuda:1", "fp8", ("layers.0.down",))
    assert asked.reason == f"asked for; NVIDIA H200 has 9.0, Triton {triton}"
    assert choose("auto", "cpu").name == "cpu"
    assert choose("cpu").device == "cpu"
    assert choose("reference").device == "cpu"


def test_precisions_of_gpus(tell: Tell) -> None:
    tell()
    names = list(available())
    assert names[:4] == ["fp8", "fp16", "bf16", "fp32"]
    assert [name for name in names if available()[name] is None] == ["fp8", "fp16", "bf16", "fp32"]
    for precision in ("fp8", "fp16", "bf16", "fp32"):
        assert choose("auto", "cuda", precision).precision == precision
    with pytest.raises(BackendUnavailable, match=r"int8 runs on processors; use --precision fp16"):
        choose("auto", "cuda", "int8")
    tell((8, 0), name="NVIDIA A100")
    why = "fp8 runs on GPUs of compute capability 8.9 and up; NVIDIA A100 has 8.0"
    assert available("cuda")["fp8"] == why
    for device in ("auto", "cuda"):
        with pytest.raises(BackendUnavailable) as error:
            choose("auto", device, "fp8")
        assert str(error.value) == f"{why}; use --precision fp16"
    assert choose("triton", "auto", "bf16").name == "triton"


def test_fp8_is_not_to_be_had_where_torch_refuses_it(tell: Tell) -> None:
    """As torch 2.10 does on some GPUs of capability 12.0, which could."""
    refused = "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED"
    tell((12, 0), name="NVIDIA RTX 5090", refusal=refused)
    why = f"torch {torch.__version__} multiplies no fp8 here ({refused}); NVIDIA RTX 5090 has 12.0"
    assert available("cuda") == {
        "fp8": why,
        "fp16": None,
        "bf16": None,
        "fp32": None,
        "int8": "int8 runs on processors",
    }
    with pytest.raises(BackendUnavailable) as error:
        choose("auto", "cuda", "fp8")
    assert str(error.value) == f"{why}; use --precision fp16"
    assert choose("auto", "cuda", "fp16").precision == "fp16"


def test_no_such_device_has_precisions() -> None:
    with pytest.raises(BackendUnavailable, match="no device named abacus"):
        available("abacus")


def test_a_processor_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(BackendUnavailable, match="no fast bf16"):
        choose("cpu", "cpu", "bf16")
