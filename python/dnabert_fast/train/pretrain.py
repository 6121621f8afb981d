"""Masked-LM training of a network on a stream of samples: steps, evaluations, checkpoints. Knows no files' formats.

All that is drawn is a function of the seed, the step and the sample, never of what ran before: a run that goes on from
a checkpoint takes the same steps as one that was never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import DnabertError
from ..nn.network import Network
from ..seq.batch import Windows
from ..seq.masking import Masking
from ..seq.types import I64
from .distributed import Group
from .loop import Event
from .objective import MaskedBatch, judge, masked_batches, masked_loss, packed_parts
from .optimizer import FlatGradients, adamw, linear_rate, moments
from .rate import product_rate
from .recipes import PretrainRecipe

__all__ = ["Pretraining", "Schedule", "Source"]

_NO_ROWS = np.empty(0, np.int64)

_EVALUATION = 1
"""The stream of masks of the samples that are held out; those of training have stream 0."""


class Source(Protocol):
    """Where samples come from; see `seq.corpus.Corpus`."""

    def lengths(self, first: int, count: int) -> I64:
        """Bases of samples `first` to first + count - 1 of an endless stream."""

    def samples(self, first: int, count: int, rows: I64 | None = None) -> Windows:
        """These samples, or those of them that `rows` name, in that order."""

    def held_out(self, count: int) -> Windows:
        """So many samples of what training never sees; always the same."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How far a run goes, and when it evaluates (None: never; on `held_out` samples) and saves."""

    steps: int
    save_every: int
    max_tokens: int
    evaluate_every: int | None = None
    held_out: int = 1000


class Pretraining:
    """A network in training with its optimizer: `step` steps are made, `tokens` tokens were seen in `seconds`, and the
    last checkpoint is of the step `saved` (0: none). A checkpoint is good once the step after it has a finite loss.

    In a group each process has the same weights, takes its share of each step's batches, and adds up the gradients.
    Dropout is drawn by batch, so that processes which share the batches of one make its steps.
    """

    def __init__(
        self, network: Network, source: Source, recipe: PretrainRecipe, seed: int, group: Group | None = None
    ) -> None:
        if network.head.pooler is not None:
            network.head.pooler.requires_grad_(False)  # masked tokens tell it nothing
        self.network = network
        self.source = source
        self.recipe = recipe
        self.seed = seed
        self.group = group or Group()
        self.step = self.saved = self._sound = 0
        self.tokens = 0
        self.seconds = 0.0
        self._optimizer = adamw(
            network,
            learning_rate=recipe.learning_rate,
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
        )
        self._gradients = FlatGradients(network.parameters())
        self._moments = moments(network, self._optimizer)
        self.parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        self._held_out: list[MaskedBatch] = []

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the weights: the optimizer's state."""
        return dict(self._moments)

    def facts(self) -> dict[str, Any]:
        """What a checkpoint needs beside the tensors."""
        return {"step": self.step, "tokens": self.tokens, "seconds": self.seconds, "sound": self._sound}

    def go_on(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up the state that `tensors` and `facts` gave; the network has its weights already."""
        for name, tensor in self._moments.items():
            tensor.copy_(tensors[name])
        self.step, self.tokens, self.seconds = facts["step"], facts["tokens"], facts["seconds"]
        self.saved, self._sound = self.step, facts.get("sound", 0)

    def agree(self) -> None:
        """Give all processes the first one's weights and state."""
        self.group.copy(parameter.detach() for parameter in self.network.parameters())
        self.group.copy(self._moments.values())
        mine = self.step, self.tokens, self.seconds, self._sound
        self.step, self.tokens, self.seconds, self._sound = self.group.from_first(mine)
        self.saved = self.step

    def run(
        self,
        schedule: Schedule,
        save: Callable[[], None],
        report: Callable[[Event], None] = lambda event: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Take steps until `schedule.steps` are made (True) or `stop` says so (False); `save` is called at checkpoints.

        `report` is told of each step and evaluation. Raises DnabertError, naming the step, where the loss or the
        gradient is not finite; the network then has the weights of the step before.
        """
        device = self.network.backend.device
        with (
            torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []),
            ThreadPoolExecutor(1) as aside,
        ):
            peak = product_rate(device, self._dtype()) * self.group.size
            self.network.train()
            ahead = aside.submit(self._prepare, self.step + 1, schedule.max_tokens)
            began = time.monotonic()
            while self.step < schedule.steps:
                batches = ahead.result()
                ahead = self._look_ahead(aside, schedule)
                event = self._step(batches, stop)
                if event is None:
                    break
                rate = event["tokens"] / (time.monotonic() - began)
                began = self._clock(began)
                share = 6 * self.parameters * rate / peak
                left = self.seconds / self.step * (schedule.steps - self.step)
                speed = {"tokens_per_second": rate, "share_of_peak": share}
                report(event | speed | {"seconds": self.seconds, "seconds_left": left})
                last = self.step == schedule.steps
                if schedule.evaluate_every is not None and (last or self.step % schedule.evaluate_every == 0):
                    report(self._evaluation(schedule))
                if last or self.step % schedule.save_every == 0:
                    self._save(save)
                began = self._clock(began)
            if self.step > self.saved:
                self._save(save)
        self.network.eval()
        return self.step >= schedule.steps

    def evaluate(self, schedule: Schedule) -> dict[str, float]:
        """Mean cross-entropy (`loss`, nats), `accuracy` and `perplexity` over the held-out samples' masked tokens."""
        if not self._held_out:
            windows = self.source.held_out(schedule.held_out)
            masking = self._masking(self.recipe.mask_rates[0][1])
            parts = self.group.mine(packed_parts(windows.lengths, masking.k, schedule.max_tokens, self.group.size))
            mine = windows.take(np.concatenate([_NO_ROWS, *parts]))
            self._held_out = masked_batches(mine, parts, masking, self.seed, 0, _EVALUATION)
        found = judge(self.network, self._held_out)
        loss, right, tokens = self.group.total(found.loss, found.right, found.tokens)
        if not tokens:
            raise DnabertError("nothing is masked in the samples held out for evaluation; hold out longer regions")
        return {"loss": loss / tokens, "accuracy": right / tokens, "perplexity": math.exp(min(loss / tokens, 700.0))}

    def _evaluation(self, schedule: Schedule) -> Event:
        found = self.evaluate(schedule)
        if not math.isfinite(found["loss"]):
            raise self._diverged(self.step, f"the loss of held-out samples is {found['loss']}")
        return {"event": "evaluation", "step": self.step, **found}

    def _look_ahead(self, aside: ThreadPoolExecutor, schedule: Schedule) -> Future[list[MaskedBatch]]:
        """Begin to prepare the step after the next."""
        return aside.submit(self._prepare, self.step + 2, schedule.max_tokens)

    def _prepare(self, step: int, max_tokens: int) -> list[MaskedBatch]:
        first, count = (step - 1) * self.recipe.batch, self.recipe.batch
        masking = self._masking(self.recipe.mask_rate(step))
        lengths = self.source.lengths(first, count)
        parts = self.group.mine(packed_parts(lengths, masking.k, max_tokens, self.group.size))
        windows = self.source.samples(first, count, np.concatenate([_NO_ROWS, *parts]))
        return masked_batches(windows, parts, masking, self.seed, first)

    def _masking(self, rate: float) -> Masking:
        recipe = self.recipe
        return Masking(recipe.network.k, rate, whole_spans=recipe.whole_spans, span=recipe.span)

    def _step(self, batches: list[MaskedBatch], stop: Callable[[], bool]) -> dict[str, Any] | None:
        """One step of the optimizer; None, and nothing is changed, where the run is to stop."""
        here = sum(len(batch.labels) for batch in batches), sum(batch.tokens for batch in batches)
        masked, tokens, asked = self.group.total(*here, stop())
        if asked:
            return None
        if not masked:
            raise DnabertError(f"step {self.step + 1}: nothing is masked in a whole batch; take a larger --batch")
        self._gradients.clear()
        loss = torch.zeros((), device=self._gradients.buffer.device)
        for number, batch in enumerate(batches):
            if self.group.size == 1 and stop():
                return None
            if not batch.tokens:
                continue
            torch.manual_seed(self._key(self.group.rank + self.group.size * number))
            share = masked_loss(self.network, batch) * (len(batch.labels) / masked)
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        self.group.add(self._gradients.buffer)
        self.group.add(loss)
        norm = self._gradients.clip(self.recipe.clip)
        self._check(float(loss), float(norm))
        rate = linear_rate(
            self.step + 1, peak=self.recipe.learning_rate, warm_up=self.recipe.warm_up, total=self.recipe.total_steps
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.step += 1
        self.tokens += int(tokens)
        return {
            "event": "step",
            "step": self.step,
            "loss": float(loss),
            "learning_rate": rate,
            "gradient_norm": float(norm),
            "masked": int(masked),
            "tokens": int(tokens),
        }

    def _check(self, loss: float, norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            self._sound = self.saved  # its weights, or some that came of them, have gone through a step
            return
        what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
        raise self._diverged(self.step + 1, what)

    def _diverged(self, step: int, what: str) -> DnabertError:
        last = f"the last good checkpoint is that of step {self._sound}" if self._sound else "no checkpoint is good"
        return DnabertError(
            f"step {step}: {what}; training stopped, {last}; start anew, from it (--model) or not, with a lower "
            f"--learning-rate than {self.recipe.learning_rate:g} or a longer --warm-up"
        )

    def _clock(self, began: float) -> float:
        """Add the time since `began` to the run's; returns the time now."""
        now = time.monotonic()
        self.seconds += now - began
        return now

    def _save(self, save: Callable[[], None]) -> None:
        save()
        self.saved = self.step

    def _key(self, number: int) -> int:
        """The seed of dropout in a batch, by its number among those of all processes, of the step being made."""
        key = np.random.SeedSequence((self.seed, self.step + 1, number))
        return int(key.generate_state(1, np.uint64)[0] >> 1)

    def _dtype(self) -> torch.dtype:
        backend = self.network.backend
        on_gpu = backend.device.startswith("cuda")
        return torch.bfloat16 if on_gpu and backend.precision == "bf16" else torch.float32
