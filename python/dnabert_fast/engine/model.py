"""A model as users hold it: a network with its vocabulary, device and window, and what it says about sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from ..errors import DnabertError
from ..nn.checkpoint import network_hash, read_network
from ..nn.packed import Packed
from ..seq.batch import Windows, cut, tokenize
from ..seq.types import F32, I32, U8, Bool
from .predict import MAX_TOKENS, Prepared, logits, pooled, prepare
from .scores import Readout
from .workers import Workers

if TYPE_CHECKING:
    from ..nn.config import WindowBlock
    from ..nn.network import Network

__all__ = ["STRANDS", "UNIT_SEQUENCES", "Model", "Sequences", "load"]

STRANDS = ("+", "-", "both")
UNIT_SEQUENCES = 4096

Sequences: TypeAlias = "Windows | Sequence[str | bytes] | U8 | Iterable[str | bytes]"
"""Sequences as Windows, as a list or iterator of str or bytes, or as one array uint8 [n, length] of ASCII bases."""

_SHIPPED = Path(__file__).parent.parent / "models"


@dataclass(frozen=True)
class Model:
    """A network ready to use. Made by `load`; safe to share between threads that only read it."""

    network: Network
    name: str
    strand: str = "+"
    max_tokens: int = MAX_TOKENS
    workers: Workers = field(default_factory=lambda: Workers(1), compare=False)

    @property
    def k(self) -> int:
        """Length of the k-mers, 3 to 6."""
        return self.network.config.k

    @property
    def block(self) -> WindowBlock | None:
        """What fine-tuning wrote of the windows the model was trained on; None where it wrote nothing."""
        return self.network.config.block

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.network.config.labels

    def hash(self) -> str:
        """A hash of weights and configuration: two models with the same hash give the same scores."""
        return network_hash(self.network)

    def readout(self, class_name: str | None = None) -> Readout:
        """Which output is the score; raises DnabertError where the model has no head or the choice is open."""
        self.need_head()
        return Readout.choose(self.labels, self.network.config.regression, class_name)

    def prepare(self, windows: Windows, reverse: Bool | None = None) -> list[Prepared]:
        """Tokens of the windows on each strand the model reads; the work of a reader thread.

        Windows of which `reverse` bool[n] is true lie on the other strand.
        """
        backward = np.zeros(len(windows), np.bool_) if reverse is None else reverse
        sides = {"+": (backward,), "-": (~backward,), "both": (backward, ~backward)}[self.strand]
        return [prepare(tokenize(windows, self.k, side), len(windows)) for side in sides]

    def logits(self, prepared: list[Prepared], tick: Callable[[float], None] | None = None) -> F32:
        """Logits float32 [n, C] of prepared windows; the mean of both strands where the model reads both.

        `tick` is called as the work goes on with the share done since the last call.
        """
        found = [
            logits(self.network, side, self.max_tokens, _part(tick, len(prepared)), self.workers) for side in prepared
        ]
        return found[0] if len(found) == 1 else (found[0] + found[1]) / np.float32(2)

    def predict(self, sequences: Sequences) -> F32:
        """Probabilities float32 [n, C] of every class (or values [n, 1] of a regression), in the order given.

        Sequences may be any mixture of lengths from k bases; an iterator is consumed in units of 4,096, so only the
        answers are held. Raises DnabertError for a model without a head and for a sequence shorter than k.
        """
        self.need_head()
        parts = [self.probabilities(self.logits(self.prepare(windows))) for windows in _units(sequences, self.k)]
        return np.concatenate(parts) if parts else np.empty((0, max(1, len(self.labels))), np.float32)

    def probabilities(self, logits: F32) -> F32:
        """Softmax of logits [n, C] over the classes; the values themselves for a regression."""
        if self.network.config.regression:
            return logits
        result: F32 = torch.from_numpy(logits).softmax(dim=1).numpy()
        return result

    def embed(self, sequences: Sequences, pooling: str = "mean") -> F32:
        """One vector a sequence, float32 [n, H], of the last layer: the mean over its k-mers, or its [CLS] state.

        The mean leaves [CLS] and [SEP] out. Of a sequence of several pieces the k-mers of all are averaged ("cls": the
        [CLS] states are). With strand "both" the two strands are averaged.
        """
        parts = [self.vectors(self.prepare(windows), pooling) for windows in _units(sequences, self.k)]
        return np.concatenate(parts) if parts else np.empty((0, self.network.config.encoder.hidden_size), np.float32)

    def vectors(self, prepared: list[Prepared], pooling: str, tick: Callable[[float], None] | None = None) -> F32:
        """The vectors of `embed` for prepared windows; `tick` as in `logits`."""
        part = _part(tick, len(prepared))
        found = [pooled(self.network, side, pooling, self.max_tokens, part, self.workers) for side in prepared]
        return found[0] if len(found) == 1 else (found[0] + found[1]) / np.float32(2)

    def encode(self, sequences: Sequences) -> Iterator[tuple[torch.Tensor, I32]]:
        """Hidden states of every token, a batch of up to `max_tokens` tokens at a time, pieces in order.

        Yields (states [T, H], cu_seqlens i32[m+1]): piece i of the batch, with its [CLS] and [SEP], is
        states[cu_seqlens[i]:cu_seqlens[i+1]]. The forward strand is read. The states may enter layers that train.
        """
        for windows in _units(sequences, self.k):
            batch = tokenize(windows, self.k)
            for part in cut(batch.lengths, self.max_tokens):
                taken = batch.take(np.arange(part.start, part.stop))
                device = self.network.backend.device
                packed = Packed.from_arrays(taken.ids, taken.cu_seqlens, device=device, rows="all")
                with torch.no_grad():  # left before the caller goes on, whose own mode it would change
                    states = self.network.encode(packed).float()
                yield states, taken.cu_seqlens

    def with_strand(self, strand: str) -> Model:
        """The same model reading the forward strand "+", the reverse "-", or "both" (mean of the logits)."""
        if strand not in STRANDS:
            raise DnabertError(f"--strand {strand}: choose one of {', '.join(STRANDS)}")
        return replace(self, strand=strand)

    def need_head(self) -> None:
        """Raise DnabertError where the model has no classification or regression head."""
        if self.network.config.head in ("none", "mlm"):
            raise DnabertError(f"model {self.name} has no classification or regression head; fine-tune it first")


def load(
    model: str | Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "auto",
    threads: int | None = None,
    strand: str = "+",
) -> Model:
    """Load a model folder, a hub name, or a model shipped with the package ("demo").

    `precision` is "fp32" or "bf16"; `threads` is how many CPU threads read batches (default: torch's, all cores), and
    sets torch's for the whole process. Raises CheckpointError
    for a folder that cannot be read and BackendUnavailable for a device or precision this machine has not.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    shipped = _SHIPPED / str(model)
    folder = shipped if not Path(model).exists() and shipped.is_dir() else model
    network = read_network(folder, backend=backend, device=device, precision=precision)
    cores = torch.get_num_threads() if network.backend.device == "cpu" else 1
    return Model(network, Path(str(model)).name, workers=Workers(cores)).with_strand(strand)


def _part(tick: Callable[[float], None] | None, parts: int) -> Callable[[float], None]:
    """What tells `tick` of one part of several equal ones."""
    return lambda share: None if tick is None else tick(share / parts)


def _units(sequences: Sequences, k: int) -> Iterator[Windows]:
    """Cut sequences into units and check their lengths."""
    for first, windows in _windows(sequences):
        short = np.flatnonzero(np.diff(windows.offsets) < k)
        if len(short):
            at = int(short[0])
            length = int(windows.offsets[at + 1] - windows.offsets[at])
            raise DnabertError(f"sequence {first + at + 1} has {length} bases; the model reads {k}-mers and needs {k}")
        yield windows


def _windows(sequences: Sequences) -> Iterator[tuple[int, Windows]]:
    if isinstance(sequences, (str, bytes)):
        raise DnabertError("predict takes a list of sequences; put a single sequence into a list")
    if isinstance(sequences, Windows):
        for first in range(0, len(sequences), UNIT_SEQUENCES):
            yield first, sequences[first : first + UNIT_SEQUENCES]
    elif isinstance(sequences, np.ndarray):
        if sequences.ndim != 2 or sequences.dtype != np.uint8:
            raise DnabertError(f"an array of sequences is uint8 [n, length], not {sequences.dtype} {sequences.shape}")
        for first in range(0, len(sequences), UNIT_SEQUENCES):
            yield first, Windows.from_matrix(sequences[first : first + UNIT_SEQUENCES])
    else:
        rest, first = iter(sequences), 0
        while unit := list(islice(rest, UNIT_SEQUENCES)):
            yield first, Windows.from_strings(unit)
            first += len(unit)
