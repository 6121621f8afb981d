"""A Ray cluster and what it has for a run. Ray is imported when one is asked for."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import DnabertError, MissingExtra

__all__ = ["Offer", "connected", "first_line", "offered"]

_KNOCK = 10.0  # seconds that a cluster has to answer


@dataclass(frozen=True)
class Offer:
    """What a cluster has for a run: actors, each with a device ("cpu", "cuda") and so many cores."""

    actors: int
    device: str
    cores: int


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to the cluster at an address ("auto": the one of this machine) until the block ends.

    A program that is connected already stays so. Raises DnabertError where no cluster answers, and MissingExtra where
    Ray is missing.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "cluster", "--ray") from None
    if ray.is_initialized():
        yield ray
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except DnabertError:
        raise
    except Exception as error:  # of as many kinds as there are ways to be unreachable
        raise DnabertError(
            f"--ray {address}: no cluster answers ({first_line(error)}); start one with `ray start --head`"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray has put its own there
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens, which Ray would try for minutes, and DnabertError for what is no address."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise DnabertError(f"--ray {address}: give auto, or HOST:PORT as `ray start --head` tells it")
    socket.create_connection((host, int(port)), _KNOCK).close()


def offered(ray: Any, device: str, cores: int | None) -> Offer:
    """The actors that the nodes have room for when nothing else runs: one a GPU, or as `cores` go into their cores.

    device: "auto" takes GPUs where there are any. cores None: a GPU's share of its node's, or all of a node's, of the
    node that offers least, so that all actors are alike. Raises DnabertError where there is no room for one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = [(int(node["GPU"]), int(node.get("CPU", 0))) for node in nodes if node.get("GPU", 0) >= 1]
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if device == "cuda" or (device == "auto" and gpus):
        each = cores or max(1, min((have // count for count, have in gpus), default=1))
        places = [min(count, have // each) for count, have in gpus]
        found = Offer(sum(places), "cuda", each)
    else:
        each = cores or min(cpus, default=1)
        found = Offer(sum(have // each for have in cpus), "cpu", each)
    if not found.actors:
        what = f"a GPU and {found.cores} cores" if found.device == "cuda" else f"{found.cores} cores"
        raise DnabertError(f"--ray: no node of the cluster has {what}; see `ray status`, or give other --ray-cpus")
    return found


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
