"""How batches cross to a device and answers come back. Knows nothing of what is computed.

On a GPU everything of a batch is written into one pinned buffer and crosses in one copy on a stream of its own, while
the batch before it runs; buffers go round, guarded by events, so the host waits for nothing else. On a processor the
arrays are used where they lie.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .packed import Bases, Packed

__all__ = ["Cuda", "Event", "Host", "Link", "Ring", "Spans", "Staging", "free_bytes", "staging_for"]

Array = npt.NDArray[Any]

SLOTS = 3
"""Buffers that go round: one is read by the running batch, one is copied, one is written."""

_ALIGNMENT = 64
"""Bytes that arrays of a buffer are aligned to: at other addresses kernels would be compiled once more."""

_HELD = 64
"""Batches whose times are kept open before those that have ended are added up."""


class Event(Protocol):
    """A mark in a stream of work."""

    def synchronize(self) -> None:
        """Wait, on the host, until the work before the mark is done."""

    def query(self) -> bool:
        """Whether it is done."""

    def elapsed_time(self, end: Any) -> float:
        """Milliseconds to a later mark; both must be done."""


class Link(Protocol):
    """The memory, streams and events of a device, as staging uses them."""

    def pinned(self, nbytes: int) -> Tensor:
        """Host memory uint8 [nbytes] that a device copies from while the host goes on."""

    def buffer(self, nbytes: int) -> Tensor:
        """Device memory uint8 [nbytes]."""

    def copy(self, target: Tensor, source: Tensor) -> None:
        """Copy pinned to device memory on the stream of copies."""

    def mark(self, *, copies: bool) -> Event:
        """Mark what has been asked of the stream of copies, or of that of computation, up to now."""

    def hold(self, event: Event, *, copies: bool) -> None:
        """Let the stream of copies, or that of computation, wait for a mark; the host does not."""

    def send(self, array: Array) -> Tensor:
        """The array on the device; it is copied on the stream of computation."""

    def receive(self, tensor: Tensor) -> Tensor:
        """Pinned memory that the tensor is copied to on the stream of computation."""

    def scope(self) -> AbstractContextManager[object]:
        """A block in which the device is the current one."""

    def release(self) -> None:
        """Give memory back that nothing uses."""


@dataclass(frozen=True)
class Spans:
    """Pieces as stretches of base codes that are on the device already: starts i64 [m], reverse u8 [m]; see `Bases`."""

    codes: Tensor
    starts: Array
    reverse: Array
    k: int


class Staging(Protocol):
    """How batches reach a device; `sends_bases`: whether it may be given spans in place of ids."""

    sends_bases: bool

    def packed(
        self, cu_seqlens: Array, rows: Literal["cls", "all"], ids: Array | None = None, spans: Spans | None = None
    ) -> AbstractContextManager[Packed]:
        """A pack of ids u16 [T], or of spans, for the block in which its work is asked of the device."""

    def send(self, array: Array) -> Tensor:
        """The array on the device."""

    def fetch(self, tensor: Tensor) -> Callable[[], Array]:
        """Begin to copy a tensor back; the call of what is returned waits for it."""

    def scope(self) -> AbstractContextManager[object]:
        """A block in which the device is the current one."""

    def release(self) -> None:
        """Give memory back that nothing uses, after it has run out."""

    def busy(self) -> float | None:
        """Seconds in which the device had a batch to run; waits for all of them. None on a processor."""


class Host:
    """Staging on a processor: nothing crosses, nothing waits."""

    sends_bases = False

    def packed(
        self, cu_seqlens: Array, rows: Literal["cls", "all"], ids: Array | None = None, spans: Spans | None = None
    ) -> AbstractContextManager[Packed]:
        assert ids is not None, "processors are given ids"
        return nullcontext(Packed.from_arrays(ids, cu_seqlens, rows=rows))

    def send(self, array: Array) -> Tensor:
        return torch.from_numpy(array)

    def fetch(self, tensor: Tensor) -> Callable[[], Array]:
        array: Array = tensor.numpy()
        return lambda: array

    def scope(self) -> AbstractContextManager[object]:
        return nullcontext()

    def release(self) -> None:
        pass

    def busy(self) -> float | None:
        return None


class Ring:
    """Staging over a Link; safe to be used by several threads, one batch at a time."""

    sends_bases = True

    def __init__(self, link: Link, slots: int = SLOTS) -> None:
        self._link = link
        self._slots = deque(_Slot(link) for _ in range(slots))
        self._lock = threading.Lock()
        self._times: deque[tuple[Event, Event]] = deque()
        self._milliseconds = 0.0

    @contextmanager
    def packed(
        self, cu_seqlens: Array, rows: Literal["cls", "all"], ids: Array | None = None, spans: Spans | None = None
    ) -> Iterator[Packed]:
        lengths = np.diff(cu_seqlens).astype(np.int64)
        pieces = len(lengths)
        wanted = cu_seqlens[:-1].astype(np.int64) if rows == "cls" else None
        arrays: dict[str, Array | None] = {
            "rows": wanted,
            "starts": None if spans is None else spans.starts.astype(np.int64, copy=False),
            "cu_seqlens": cu_seqlens.astype(np.int32, copy=False),
            "row_bounds": None if wanted is None else np.arange(pieces + 1, dtype=np.int32),
            "ids": ids,
            "reverse": None if spans is None else spans.reverse.astype(np.uint8, copy=False),
        }
        with self._lock, self._link.scope():
            slot = self._slots[0]
            self._slots.rotate(-1)
            there = slot.send({name: array for name, array in arrays.items() if array is not None})
            began = self._link.mark(copies=False)
            try:
                yield Packed(
                    ids=there.get("ids"),
                    cu_seqlens=there["cu_seqlens"],
                    lengths=lengths,
                    max_len=int(lengths.max()),
                    rows=wanted,
                    bases=None if spans is None else Bases(spans.codes, there["starts"], there["reverse"], spans.k),
                    placed=None if wanted is None else (there["rows"], there["row_bounds"]),
                )
            finally:
                slot.used = self._link.mark(copies=False)
                self._times.append((began, slot.used))
                self._add_up(wait=False)

    def send(self, array: Array) -> Tensor:
        return self._link.send(array)

    def fetch(self, tensor: Tensor) -> Callable[[], Array]:
        host = self._link.receive(tensor)
        there = self._link.mark(copies=False)

        def wait() -> Array:
            there.synchronize()
            array: Array = host.numpy()
            return array

        return wait

    def scope(self) -> AbstractContextManager[object]:
        return self._link.scope()

    def release(self) -> None:
        self._link.release()

    def busy(self) -> float | None:
        with self._lock:
            self._add_up(wait=True)
        return self._milliseconds / 1000

    def _add_up(self, *, wait: bool) -> None:
        if wait and self._times:
            self._times[-1][1].synchronize()
        while self._times and (wait or len(self._times) > _HELD) and self._times[0][1].query():
            began, ended = self._times.popleft()
            self._milliseconds += began.elapsed_time(ended)


class _Slot:
    """A pinned buffer and its twin on the device; `used` marks the work that reads the twin."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pinned: Tensor | None = None
        self._twin: Tensor | None = None
        self._copied: Event | None = None
        self.used: Event | None = None

    def send(self, arrays: dict[str, Array]) -> dict[str, Tensor]:
        """The arrays on the device, in one copy that the stream of computation is told to wait for."""
        ends = np.cumsum([-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays.values()]).tolist()
        if self._copied is not None:
            self._copied.synchronize()  # the copy out of the pinned buffer, made `slots` batches ago
        pinned, twin = self._fitting(ends[-1])
        host, sent = pinned.numpy(), {}
        for (name, array), begin in zip(arrays.items(), [0, *ends[:-1]], strict=True):
            part = slice(begin, begin + array.nbytes)
            host[part] = np.ascontiguousarray(array).view(np.uint8)
            sent[name] = twin[part].view(_DTYPES[array.dtype.name])
        if self.used is not None:
            self._link.hold(self.used, copies=True)
        self._link.copy(twin[: ends[-1]], pinned[: ends[-1]])
        self._copied = self._link.mark(copies=True)
        self._link.hold(self._copied, copies=False)
        return sent

    @torch.inference_mode(False)  # they serve calls in that mode and outside of it
    def _fitting(self, nbytes: int) -> tuple[Tensor, Tensor]:
        if self._pinned is None or self._twin is None or len(self._pinned) < nbytes:
            size = max(1 << 16, 1 << (nbytes - 1).bit_length())
            self._pinned, self._twin = self._link.pinned(size), self._link.buffer(size)
            # The allocator hands out memory that kernels asked for before may still be using.
            self.used = self._link.mark(copies=False)
        return self._pinned, self._twin


class Cuda:
    """The Link of a CUDA device; its stream of computation is the caller's current one."""

    def __init__(self, device: str) -> None:
        index = torch.device(device).index
        self.device = torch.device("cuda", torch.cuda.current_device() if index is None else index)
        self._copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def pinned(self, nbytes: int) -> Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def buffer(self, nbytes: int) -> Tensor:
        return torch.empty(nbytes, dtype=torch.uint8, device=self.device)

    def copy(self, target: Tensor, source: Tensor) -> None:
        with torch.cuda.stream(self._copies):
            target.copy_(source, non_blocking=True)

    def mark(self, *, copies: bool) -> Event:
        # Who waits for it sleeps, and leaves the core to those who read.
        event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
        event.record(self._stream(copies))
        return event

    def hold(self, event: Event, *, copies: bool) -> None:
        assert isinstance(event, torch.cuda.Event)
        self._stream(copies).wait_event(event)

    def send(self, array: Array) -> Tensor:
        # torch keeps pinned memory until the copies out of it are done.
        return torch.from_numpy(np.ascontiguousarray(array)).pin_memory().to(self.device, non_blocking=True)

    def receive(self, tensor: Tensor) -> Tensor:
        host = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True)
        return host.copy_(tensor, non_blocking=True)

    def scope(self) -> AbstractContextManager[object]:
        return torch.cuda.device(self.device)

    def release(self) -> None:
        torch.cuda.empty_cache()

    def _stream(self, copies: bool) -> torch.cuda.Stream:
        return self._copies if copies else torch.cuda.current_stream(self.device)


def staging_for(device: str) -> Staging:
    """How batches reach a device by its name."""
    return Host() if device == "cpu" else Ring(Cuda(device))


def free_bytes(device: str) -> int | None:
    """Bytes of memory to be had on a GPU; None for a processor."""
    return None if device == "cpu" else int(torch.cuda.mem_get_info(device)[0])


_DTYPES = {"int64": torch.int64, "int32": torch.int32, "uint16": torch.uint16, "uint8": torch.uint8}
