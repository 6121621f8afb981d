"""A model as users hold it: a network with its vocabulary, device and window, and what it says about sequences."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from ..errors import DnabertError
from ..nn.backends import choose
from ..nn.checkpoint import network_hash, read_network
from ..nn.packed import Packed
from ..nn.staging import free_bytes
from ..seq.batch import Windows, cut, spans, tokenize, tokenize_pairs, tokenize_spans
from ..seq.hidden import hide
from ..seq.types import F32, F64, I32, I64, U8, Bool
from .attention import Attended, Ragged, begin_attention, normalised, over_strands
from .fleet import Fleet, device_names
from .given import UNIT_SEQUENCES, Sequences, paired_units, units
from .likelihood import Blanked, begin_likelihood
from .predict import (
    MAX_TOKENS,
    Later,
    Prepared,
    batch_tokens,
    begin_base_logits,
    begin_logits,
    begin_pooled,
    prepare,
    strand_mean,
)
from .requests import Request, ask_fleet
from .runner import Runner
from .scores import Readout
from .together import Run, run_together
from .workers import Workers

if TYPE_CHECKING:
    from ..nn.config import WindowBlock
    from ..nn.network import Network

__all__ = ["STRANDS", "UNIT_SEQUENCES", "Model", "Sequences", "load"]

STRANDS = ("+", "-", "both")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Model:
    """A network ready to use. Made by `load`; safe to share between threads that only read it."""

    network: Network
    name: str
    strand: str = "+"
    max_tokens: int = MAX_TOKENS
    runner: Runner = field(default_factory=Runner, compare=False)
    fleet: Fleet | None = field(default=None, compare=False)

    @property
    def workers(self) -> Workers:
        """The threads that run batches."""
        return self.runner.workers

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know of how the model has run so far, such as batches cut for want of memory."""
        return self.runner.notes if self.fleet is None else self.fleet.notes

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

    @property
    def labels_bases(self) -> bool:
        """Whether answers are a row a base, not a row a sequence."""
        return self.network.config.head == "token"

    @property
    def busy(self) -> float | None:
        """Seconds since loading in which the GPU had a batch to run; None on processors and for several devices."""
        return self.runner.staging.busy() if self.fleet is None else None

    def facts(self) -> dict[str, float]:
        """What a summary tells of the device in the last `run`: the share of the time in which a GPU was busy."""
        return {} if self.runner.share is None else {"gpu_busy": round(self.runner.share, 4)}

    def hash(self) -> str:
        """A hash of weights and configuration: two models with the same hash give the same scores."""
        return network_hash(self.network)

    def readout(self, class_name: str | None = None) -> Readout:
        """Which output is the score of a window.

        Raises DnabertError where the model has no head, does not score single windows, or the choice is open.
        """
        self.need_head()
        if self.labels_bases or (self.block is not None and self.block.pairs):
            what = "bases" if self.labels_bases else "pairs of sequences"
            raise DnabertError(f"model {self.name} scores {what}, not windows; use it with predict")
        config = self.network.config
        return Readout.choose(self.labels, config.regression, class_name, config.temperature)

    def prepare(self, windows: Windows, reverse: Bool | None = None, second: Windows | None = None) -> list[Prepared]:
        """Tokens of the windows on each strand the model reads; the work of a reader thread.

        Windows of which `reverse` bool[n] is true lie on the other strand. `second` are the other sequences of pairs.
        """
        n = len(windows)
        sides = self._sides(n, reverse)
        if second is not None:
            return [prepare(tokenize_pairs(windows, second, self.k, side), n, pairs=True) for side in sides]
        return [prepare(tokenize(windows, self.k, side), n, reverse=side) for side in sides]

    def prepare_spans(self, bases: U8, starts: I64, ends: I64, reverse: Bool | None = None) -> list[Prepared]:
        """As `prepare`, of windows bases[starts[i]:ends[i]] that overlap: a GPU is sent their bases once.

        There, pieces are told apart by where they lie, on processors by content as ever.
        """
        make = spans if self.runner.staging.sends_bases else tokenize_spans
        n = len(starts)
        return [prepare(make(bases, starts, ends, side, self.k), n, reverse=side) for side in self._sides(n, reverse)]

    def prepare_blanked(self, windows: Windows, first: I64, count: I64, reverse: Bool) -> list[Blanked]:
        """As `prepare`, with k-mers first[i] to first[i] + count[i] of window i hidden; see `seq.hidden.hide`."""
        n = len(windows)
        sides = [(side, *hide(windows, self.k, first, count, side)) for side in self._sides(n, reverse)]
        return [Blanked(prepare(batch, n, reverse=side), hidden) for side, batch, hidden in sides]

    def begin_likelihood(
        self, blanked: list[Blanked], tick: Callable[[float], None] | None = None
    ) -> Callable[[], F64]:
        """Ask for the mean log-likelihood of the hidden k-mers of each window, float64 [n], the mean of both strands
        where the model reads both; as `begin`. The model has a masked-LM head."""
        if self.fleet is not None:
            return ask_fleet(self.fleet, Request(Model.begin_likelihood, blanked, (), self.max_tokens), tick)
        part = _part(tick, len(blanked))
        sides = [begin_likelihood(self.network, side, self.max_tokens, part, self.runner) for side in blanked]

        def mean() -> F64:
            found: F64 = np.mean([side() for side in sides], axis=0)
            return found

        return mean

    def _sides(self, n: int, reverse: Bool | None = None) -> tuple[Bool, ...]:
        """Which of n windows are read backwards, for each strand."""
        backward = np.zeros(n, np.bool_) if reverse is None else reverse
        return {"+": (backward,), "-": (~backward,), "both": (backward, ~backward)}[self.strand]

    def logits(self, prepared: list[Prepared], tick: Callable[[float], None] | None = None) -> F32:
        """Logits float32 [n, C] of prepared windows; the mean of both strands where the model reads both.

        `tick` is called as the work goes on with the share done since the last call.
        """
        return self.begin(prepared, tick)()

    def vectors(self, prepared: list[Prepared], pooling: str, tick: Callable[[float], None] | None = None) -> F32:
        """The vectors of `embed` for prepared windows; `tick` as in `logits`."""
        return self.begin(prepared, tick, pooling)()

    def begin(
        self, prepared: list[Prepared], tick: Callable[[float], None] | None = None, pooling: str | None = None
    ) -> Later:
        """Ask for logits, or for vectors where a pooling is given; the call of what is returned waits for them.

        On a GPU the work has only been queued when this returns, so that the next unit's can be queued behind it.
        """
        if self.fleet is not None:
            return ask_fleet(self.fleet, Request(Model.begin, prepared, (pooling,), self.max_tokens), tick)
        part = _part(tick, len(prepared))
        rest = self.max_tokens, part, self.runner
        begin = begin_base_logits if self.labels_bases else begin_logits
        sides = [
            begin(self.network, side, *rest) if pooling is None else begin_pooled(self.network, side, pooling, *rest)
            for side in prepared
        ]

        return lambda: strand_mean([side() for side in sides], along_bases=self.labels_bases and pooling is None)

    def begin_attention(
        self,
        prepared: list[Prepared],
        tick: Callable[[float], None] | None = None,
        logits: bool | None = None,
    ) -> Callable[[], Attended]:
        """Ask for logits [n, C] and raw attention scores f32 [B] (see `attention`) of one pass; as `begin`.

        `logits` None: where the model scores windows. [n, 0] where there are none.
        """
        logits = self.scores_windows if logits is None else logits
        if self.fleet is not None:
            return ask_fleet(self.fleet, Request(Model.begin_attention, prepared, (logits,), self.max_tokens), tick)
        rest = self.max_tokens, _part(tick, len(prepared)), self.runner
        sides = [begin_attention(self.network, side, *rest, logits=logits) for side in prepared]
        return lambda: over_strands([side() for side in sides])

    @property
    def run(self) -> Run:
        """How a job runs that asks this model alone; see `run_together`."""
        return partial(run_together, [self])

    def _answers(
        self, sequences: Sequences, pooling: str | None = None, second: Sequences | None = None
    ) -> Iterator[F32]:
        return self._in_turn(
            self.begin(self.prepare(windows, second=others), pooling=pooling)
            for windows, others in paired_units(
                sequences, second, self.k, self.network.config if pooling is None else None
            )
        )

    def _in_turn(self, asked: Iterable[Callable[[], Result]]) -> Iterator[Result]:
        """The answers of units in order; devices other than this thread's processor have the next ones meanwhile."""
        ahead = 2 * len(self.fleet.devices) if self.fleet is not None else int(self.runner.device != "cpu")
        waiting: deque[Callable[[], Result]] = deque()
        for later in asked:
            waiting.append(later)
            if len(waiting) > ahead:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

    def predict(self, sequences: Sequences, second: Sequences | None = None) -> F32:
        """Probabilities float32 [n, C] of every class (or values [n, 1] of a regression), in the order given.

        Sequences may be any mixture of lengths from k bases; an iterator is consumed in units of 4,096, so only the
        answers are held. `second` are the other sequences of pairs. A model that labels bases answers every base of all
        sequences, end to end [B, C], with NaN for those at a sequence's ends that it says nothing about. Raises
        DnabertError for a model without a head, for one that wants pairs or does not, for a sequence shorter than k.
        """
        self.need_head()
        self.need_pairs(second is not None)
        parts = [self.probabilities(logits) for logits in self._answers(sequences, second=second)]
        return np.concatenate(parts) if parts else np.empty((0, max(1, len(self.labels))), np.float32)

    def probabilities(self, logits: F32) -> F32:
        """Softmax of logits [n, C] over the model's temperature; the values themselves for a regression."""
        config = self.network.config
        if config.regression:
            return logits
        result: F32 = torch.from_numpy(logits / np.float32(config.temperature)).softmax(dim=1).numpy()
        return result

    def embed(self, sequences: Sequences, pooling: str = "mean") -> F32:
        """One vector a sequence, float32 [n, H], of the last layer: the mean over its k-mers, or its [CLS] state.

        The mean leaves [CLS] and [SEP] out. Of a sequence of several pieces the k-mers of all are averaged ("cls": the
        [CLS] states are). With strand "both" the two strands are averaged.
        """
        parts = list(self._answers(sequences, pooling))
        return np.concatenate(parts) if parts else np.empty((0, self.network.config.encoder.hidden_size), np.float32)

    def attention(
        self, sequences: Sequences, raw: bool = False, tick: Callable[[int], None] = lambda sequences: None
    ) -> Ragged:
        """How much [CLS] attends to each base in the last layer, one score f32 a base of every sequence.

        A k-mer's attention is summed over the heads, a base's is the mean over the k-mers that cover it; of a sequence
        of several pieces each piece's own [CLS] counts. Each sequence is divided by its Euclidean norm unless `raw`.
        With strand "both" the two strands are averaged before. No head is needed. Only scores are held. `tick` is
        called with the number of sequences of each unit that is done. Raises DnabertError for a sequence shorter than
        k and for a model of pairs.
        """
        self.need_pairs(False)
        lengths: deque[I64] = deque()

        def asked() -> Iterator[Callable[[], Attended]]:
            for windows in units(sequences, self.k):
                lengths.append(windows.lengths)
                yield self.begin_attention(self.prepare(windows), logits=False)

        parts, sizes = [np.empty(0, np.float32)], [np.zeros(1, np.int64)]
        for _, scores in self._in_turn(asked()):
            sizes.append(lengths.popleft())
            parts.append(scores if raw else normalised(scores, sizes[-1]))
            tick(len(sizes[-1]))
        return Ragged(np.concatenate(parts), np.cumsum(np.concatenate(sizes)))

    def encode(self, sequences: Sequences) -> Iterator[tuple[torch.Tensor, I32]]:
        """Hidden states of every token, a batch of up to `max_tokens` tokens at a time, pieces in order.

        Yields (states [T, H], cu_seqlens i32[m+1]): piece i of the batch, with its [CLS] and [SEP], is
        states[cu_seqlens[i]:cu_seqlens[i+1]]. The forward strand is read. The states may enter layers that train.
        """
        for windows in units(sequences, self.k):
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

    @property
    def scores_windows(self) -> bool:
        """Whether the model has a head that gives one row of logits a window."""
        return self.network.config.head not in ("none", "mlm", "token")

    def need_head(self) -> None:
        """Raise DnabertError where the model has no classification or regression head."""
        if self.network.config.head in ("none", "mlm"):
            raise DnabertError(f"model {self.name} has no classification or regression head; fine-tune it first")

    def need_pairs(self, given: bool) -> None:
        """Raise DnabertError where pairs are given to a model that does not take them, or single sequences to one that
        was trained on pairs; a model that does not say what it was trained on takes either."""
        head, block = self.network.config.head, self.block
        if given and (head != "sequence" or (block is not None and not block.pairs)):
            raise DnabertError(f"model {self.name} takes single sequences; give a table without a second sequence")
        if not given and block is not None and block.pairs:
            raise DnabertError(f"model {self.name} takes pairs; give a table with columns sequence and sequence2")


def load(
    model: str | Path,
    *,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "auto",
    threads: int | None = None,
    strand: str = "+",
    exceptions: Sequence[str] = (),
) -> Model:
    """Load a model folder, a hub name, or a model shipped with the package ("demo").

    `device` is "auto", "cpu", "cuda" (every GPU of the machine), "cuda:1", or a list such as "cuda:0,cuda:1": each
    device of several has a process of its own, which loads the model when the first unit comes. `precision` is a name
    of `nn.backends.PRECISIONS`; `threads` is how many CPU threads run batches (default: torch's, all cores; several
    processes share them), and sets torch's for the whole process. `exceptions` are linear layers (layers.3.down) that
    int8 and fp8 leave in bf16, or in fp32 where bf16 is slow. Raises CheckpointError for a folder that cannot be read
    and for a layer it has not, and BackendUnavailable for a device or precision this machine has not.
    """
    devices = device_names(device)
    asked: dict[str, Any] = {"backend": backend, "precision": precision, "exceptions": tuple(exceptions)}
    if threads is not None:
        torch.set_num_threads(threads)
    network = read_network(model, device=devices[0], **asked)
    at = network.backend.device
    fleet = None
    if len(devices) > 1:
        for other in devices[1:]:
            choose(backend, other, precision)  # that a device is not to be had must not be found out later
        share = max(1, torch.get_num_threads() // len(devices))
        fleet = Fleet(partial(_resident, str(model), threads=share, **asked), devices)
    return Model(
        network,
        Path(str(model)).name,
        max_tokens=batch_tokens(network, free_bytes(at)),
        runner=Runner(at, torch.get_num_threads() if at == "cpu" else 1),
        fleet=fleet,
    ).with_strand(strand)


@dataclass(frozen=True)
class _Resident:
    """A model in a process of its own; see `Fleet`."""

    model: Model

    @property
    def notes(self) -> tuple[str, ...]:
        return self.model.notes

    def begin(self, request: Request, tick: Callable[[float], None]) -> Callable[[], Any]:
        return request.begin(self.model, tick)


def _resident(folder: str, device: str, **options: Any) -> _Resident:
    return _Resident(load(folder, device=device, **options))


def _part(tick: Callable[[float], None] | None, parts: int) -> Callable[[float], None]:
    """What tells `tick` of one part of several equal ones."""
    return lambda share: None if tick is None else tick(share / parts)
