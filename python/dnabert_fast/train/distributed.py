"""The processes of one run (torchrun), as few operations. Knows nothing of networks and data.

A run of one process has the same Group; its operations do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import BackendUnavailable, DnabertError

__all__ = ["Group", "device_here", "joined"]

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Group:
    """This process's `rank` among `size`; `host`: the group for tensors on the processor (None: the only group)."""

    rank: int = 0
    size: int = 1
    host: Any = None

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def mine(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """This process's share of things that all processes have: dealt out one by one."""
        return things[self.rank :: self.size]

    def add(self, tensor: Tensor) -> None:
        """Replace a tensor, the same shape everywhere, by its sum over all processes."""
        if self.size > 1:
            with _told():
                dist.all_reduce(tensor, group=self.host if tensor.device.type == "cpu" else None)

    def total(self, *numbers: float) -> list[float]:
        """The sum over all processes of each number."""
        tensor = torch.tensor(numbers, dtype=torch.float64)
        self.add(tensor)
        found: list[float] = tensor.tolist()
        return found

    def copy(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the first one's contents of these tensors."""
        if self.size > 1:
            with _told():
                for tensor in tensors:
                    dist.broadcast(tensor, 0, group=self.host if tensor.device.type == "cpu" else None)

    def from_first(self, value: Any) -> Any:
        """What the first process has of a plain value; what others have is dropped."""
        if self.size == 1:
            return value
        held = [value]
        with _told():
            dist.broadcast_object_list(held, 0, group=self.host)
        return held[0]


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group that torchrun started this process in: NCCL where the device is a GPU, gloo on processors.

    A process that nobody started so is a group of one. Raises DnabertError where the others do not come.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group()
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    with _told():
        dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Group(dist.get_rank(), size, dist.new_group(backend="gloo") if on_gpu else None)
    finally:
        dist.destroy_process_group()


def device_here(device: str) -> str:
    """The device of this process: under torchrun "auto" and "cuda" are a GPU of its own each.

    Raises BackendUnavailable where several processes are told to share one GPU.
    """
    if "LOCAL_RANK" not in os.environ:
        return device
    if device.startswith("cuda:") and int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1:
        raise BackendUnavailable(f"--device {device}: each process of torchrun takes its own GPU; give --device cuda")
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return device


@contextmanager
def _told() -> Iterator[None]:
    """Turns what torch says of lost processes into one line."""
    try:
        yield
    except (RuntimeError, ValueError) as wrong:
        line = (str(wrong).strip() or type(wrong).__name__).splitlines()[0]
        raise DnabertError(f"another process of this run has ended or cannot be reached: {line}") from None
