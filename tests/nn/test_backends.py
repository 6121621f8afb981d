"""Backends by name, device and precision, each with its reason."""

from __future__ import annotations

import pytest
import torch

from dnabert_fast.errors import BackendUnavailable
from dnabert_fast.nn.backends import choose


def test_the_choice_says_why() -> None:
    assert choose().name == "cpu"
    assert choose().reason.startswith("the device is cpu; ")
    assert str(choose("cpu")).startswith("cpu (fp32, cpu): asked for; ")
    assert choose("reference").frozen is None


@pytest.mark.parametrize(
    ("name", "device", "precision", "message"),
    [
        ("fast", "cpu", "fp32", "no backend named fast; there are auto, cpu, reference"),
        ("auto", "cpu", "fp8", "fp8 runs on GPUs of compute capability 8.9"),
        ("auto", "cpu", "fp7", "no precision named fp7; there are fp32, bf16, fp16, int8, fp8"),
        ("auto", "abacus", "fp32", "no device named abacus"),
        ("reference", "cpu", "bf16", "reference backend computes in fp32, not in bf16"),
        ("triton", "cpu", "fp32", "backend triton: this version runs on processors alone|no CUDA device"),
    ],
)
def test_what_is_not_to_be_had(name: str, device: str, precision: str, message: str) -> None:
    with pytest.raises(BackendUnavailable, match=message):
        choose(name, device, precision)


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, message in ((False, "device cuda: there is no CUDA device on this"), (True, "processors alone")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        with pytest.raises(BackendUnavailable, match=message):
            choose("auto", "cuda")


def test_a_processor_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(BackendUnavailable, match="no fast bf16"):
        choose("cpu", "cpu", "bf16")
