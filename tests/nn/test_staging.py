"""Batches that cross to a device: right whatever the order in which its streams get on, and each in one copy."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnabert_fast.nn.packed import Packed
from dnabert_fast.nn.staging import Host, Ring, Spans, staging_for


class Mark:
    """An event of the simulated device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.time: int | None = None

    def query(self) -> bool:
        return self.time is not None

    def synchronize(self) -> None:
        while self.time is None:
            self.device.step()

    def elapsed_time(self, end: Mark) -> float:
        assert self.time is not None
        assert end.time is not None
        return float(end.time - self.time)


class Device:
    """A device with two streams that get on in a random order, and only when somebody waits or at random."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.streams: dict[bool, deque[tuple[Mark | None, Callable[[], object]]]] = {True: deque(), False: deque()}
        self.clock = 0
        self.copies: list[int] = []

    def ask(self, copies: bool, work: Callable[[], object], after: Mark | None = None) -> None:
        self.streams[copies].append((after, work))
        for _ in range(self.random.choice([0, 0, 1, 4])):
            self.step()

    def step(self) -> None:
        ready = [s for s in self.streams.values() if s and (s[0][0] is None or s[0][0].query())]
        if ready:
            self.clock += 1
            self.random.choice(ready).popleft()[1]()

    def finish(self) -> None:
        while any(self.streams.values()):
            self.step()

    def pinned(self, nbytes: int) -> Tensor:
        return torch.full((nbytes,), 255, dtype=torch.uint8)

    buffer = pinned

    def copy(self, target: Tensor, source: Tensor) -> None:
        self.copies.append(len(source))
        self.ask(True, lambda: target.copy_(source))

    def mark(self, *, copies: bool) -> Mark:
        mark = Mark(self)

        def passed() -> None:
            mark.time = self.clock

        self.ask(copies, passed)
        return mark

    def hold(self, event: Any, *, copies: bool) -> None:
        self.ask(copies, lambda: None, event)

    def send(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array)

    def receive(self, tensor: Tensor) -> Tensor:
        host = torch.empty_like(tensor)
        self.ask(False, lambda: host.copy_(tensor))
        return host

    def scope(self) -> AbstractContextManager[object]:
        return nullcontext()

    def release(self) -> None:
        pass


def arrays(lengths: list[int], seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return np.random.default_rng(seed).integers(0, 4101, bounds[-1]).astype(np.uint16), bounds


def content(packed: Packed) -> tuple[Any, ...]:
    layout = packed.flat
    tensors = (layout.ids, layout.cu_seqlens, layout.rows, layout.row_bounds)
    return *(None if t is None else t.tolist() for t in tensors), layout.bounds, layout.max_len, layout.max_rows


BATCHES = st.lists(st.lists(st.integers(2, 700), min_size=1, max_size=40), min_size=1, max_size=12)


@given(BATCHES, st.sampled_from(["cls", "all"]), st.integers(1, 4), st.integers(0, 10**6))
def test_batches_arrive_whatever_the_order_of_streams(
    batches: list[list[int]], rows: Any, slots: int, seed: int
) -> None:
    device = Device(seed)
    ring = Ring(device, slots)
    seen: list[tuple[Any, ...]] = []
    for i, lengths in enumerate(batches):
        ids, bounds = arrays(lengths, i)
        with ring.packed(bounds, rows, ids=ids) as packed:
            for _ in range(3):  # as long as the batch runs
                device.ask(False, lambda packed=packed: seen.append(content(packed_anew(packed))))  # type: ignore[misc]
    device.finish()
    expected = [content(Packed.from_arrays(*arrays(lengths, i), rows=rows)) for i, lengths in enumerate(batches)]
    assert seen == [one for one in expected for _ in range(3)]
    assert len(device.copies) == len(batches)


def packed_anew(packed: Packed) -> Packed:
    """The same pack without what it remembers of its layout."""
    packed.__dict__.pop("flat", None)
    return packed


@given(st.data())
def test_spans_arrive(data: st.DataObject) -> None:
    device = Device(data.draw(st.integers(0, 10**6)))
    lengths = data.draw(st.lists(st.integers(2, 50), min_size=1, max_size=9))
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    starts = np.arange(len(lengths)) * 7
    reverse = starts % 2 == 1
    codes = torch.zeros(100, dtype=torch.uint8)
    ring, seen = Ring(device), []
    with ring.packed(bounds, "cls", spans=Spans(codes, starts, reverse, 6)) as packed:
        assert packed.ids is None
        assert packed.bases is not None
        bases = packed.bases
        assert bases.reverse is not None
        tensors = (bases.starts, bases.reverse)
        device.ask(False, lambda: seen.append([t.tolist() for t in tensors]))
    device.finish()
    assert seen == [[starts.tolist(), reverse.astype(int).tolist()]]
    assert (bases.starts.dtype, bases.reverse.dtype, bases.k) == (torch.int64, torch.uint8, 6)
    assert bases.codes is codes


def test_arrays_of_a_buffer_are_aligned() -> None:
    device = Device()
    ids, bounds = arrays([3, 5, 7], 0)
    with Ring(device).packed(bounds, "cls", ids=ids) as packed:
        layout = packed.flat
        for tensor in (layout.ids, layout.cu_seqlens, layout.rows, layout.row_bounds):
            assert tensor is not None
            assert tensor.storage_offset() * tensor.element_size() % 64 == 0
        assert layout.ids is not None
        assert layout.ids.dtype == torch.uint16


def test_a_failed_batch_leaves_the_ring_whole() -> None:
    device = Device(3)
    ring = Ring(device, 1)
    with pytest.raises(torch.OutOfMemoryError), ring.packed(*arrays([9], 0)[::-1][:1], "cls", ids=arrays([9], 0)[0]):
        raise torch.OutOfMemoryError("full")
    ids, bounds = arrays([4, 4], 1)
    seen = []
    with ring.packed(bounds, "all", ids=ids) as packed:
        device.ask(False, lambda: seen.append(content(packed)[0]))
    device.finish()
    assert seen == [ids.tolist()]


def test_answers_are_waited_for_when_they_are_wanted() -> None:
    device = Device(1)
    ring = Ring(device)
    tensor = torch.zeros(4)
    device.ask(False, lambda: tensor.fill_(7.0))
    wait = ring.fetch(tensor)
    assert wait().tolist() == [7.0] * 4


def test_the_busy_time_is_that_of_the_batches() -> None:
    device = Device(2)
    ring = Ring(device)
    assert ring.busy() == 0
    spent = 0
    for i in range(100):
        ids, bounds = arrays([5], i)
        with ring.packed(bounds, "cls", ids=ids):
            for _ in range(10):
                device.ask(False, lambda: None)
                spent += 1
    busy = ring.busy()
    assert busy is not None
    # The clock counts whatever is done, copies of later batches too.
    assert spent / 1000 <= busy <= device.clock / 1000
    assert ring.busy() == busy


def test_processors_use_arrays_where_they_lie() -> None:
    host = staging_for("cpu")
    assert isinstance(host, Host)
    ids, bounds = arrays([4, 9], 0)
    with host.packed(bounds, "cls", ids=ids) as packed:
        assert content(packed) == content(Packed.from_arrays(ids, bounds))
    table = torch.arange(3.0)
    found = host.fetch(table)()
    assert found.ctypes.data == table.data_ptr()
    assert host.busy() is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_what_a_gpu_is_sent_is_what_it_gets() -> None:
    ring = staging_for("cuda")
    with ring.scope(), torch.device("cuda"):  # a default device that is no host memory's
        for i in range(20):
            lengths = [int(n) for n in np.random.default_rng(i).integers(2, 512, 1 + i * 20)]
            ids, bounds = arrays(lengths, i)
            with ring.packed(bounds, "cls", ids=ids) as packed:
                assert content(packed) == content(Packed.from_arrays(ids, bounds))
                copy = packed.ids.clone() if packed.ids is not None else None
            assert copy is not None
            assert ring.fetch(copy)().tolist() == ids.tolist()
    assert (ring.busy() or 0) > 0
