"""The verb `pretrain`: genomes in, a masked-LM model folder with its log, metrics and checkpoints out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DnabertError
from ..nn.backends import Backend, choose
from ..nn.checkpoint import network_hash, read_network, write_network
from ..nn.network import Network, build
from ..seq.corpus import Corpus
from ..seq.genome import Genome
from ..train.checkpoints import latest, save_state
from ..train.distributed import device_here, joined
from ..train.journal import Journal
from ..train.loop import Event
from ..train.pretrain import Pretraining, Schedule
from ..train.recipes import PretrainRecipe, check_positive, customised
from ..train.stopping import stopping
from .common import check_seed, made_folder, write_facts
from .pretrain_run import about_run, check_same_run, chosen_places
from .progress import Progress, silent

__all__ = ["pretrain"]

_CPU_TOKENS, _GPU_TOKENS = 4096, 32_768


def pretrain(
    *,
    genomes: Sequence[str | Path],
    output: str | Path,
    preset: str = "dnabert-6",
    model: str | None = None,
    include: Sequence[str | Path] = (),
    exclude: Sequence[str | Path] = (),
    save_every: int = 500,
    evaluate_every: int | None = None,
    evaluate_samples: int = 1000,
    max_tokens: int | None = None,
    seed: int = 42,
    resume: bool = False,
    precision: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    tensorboard: str | Path | None = None,
    progress: Progress = silent,
    report: Callable[[Event], None] = lambda event: None,
    **given: Any,
) -> dict[str, Any]:
    """Train a masked language model on genomes and write it as a model folder.

    `preset` is a row of `train.recipes`; what else is `given` replaces its fields (see `train.recipes.customised`).
    `model` is a model folder, checkpoint or hub name to go on from; without it the network starts from random weights.
    `include` and `exclude` are contigs or BED files; what is excluded is never trained on, and every `evaluate_every`
    steps the network is judged on samples of it.

    The folder gets checkpoints/step-N (each a model folder too), log.jsonl (a line a step), and at the end the model
    and metrics.json, which is returned. With `resume` the newest whole checkpoint is taken up, and the steps that
    follow are those that the run would have taken unstopped. After Ctrl-C a checkpoint is written, and `stopped` is
    true in what is returned. Under torchrun each process takes its share of every step. Raises DnabertError for
    settings that do not fit, another recipe, genome or seed than a checkpoint's, and a loss that is not a number.
    """
    began = time.monotonic()
    recipe = customised(preset, **given)
    if model is not None and given.get("network") is not None:
        raise DnabertError("--model goes on with a trained network, --network starts a new one; choose")
    asked = _Asked(save_every, evaluate_every, evaluate_samples, max_tokens)
    asked.check(held_out=bool(exclude))
    if threads is not None:
        torch.set_num_threads(threads)
    backend = _backend(device_here(device), precision)
    check_seed(seed)
    folder = made_folder(output, [model])
    with ExitStack() as stack:
        group = stack.enter_context(joined(backend.device))
        base = _starting_network(model, recipe, backend, seed)
        recipe = replace(recipe, network=base.config)
        corpus = _corpus([stack.enter_context(Genome.open(path)) for path in genomes], recipe, seed, include, exclude)
        training = Pretraining(base, corpus, recipe, seed, group)
        about = about_run(recipe, seed, corpus, None if model is None else network_hash(base))
        run = _Run(training, asked.schedule(recipe, corpus, backend), folder, about, report)
        run.take_up(resume)
        finished = run.make(stack, progress, tensorboard)
        facts = {"verb": "pretrain", "preset": preset, "model": model, **run.facts(finished)}
        facts |= {"seconds": round(time.monotonic() - began, 1), "genomes": [Path(path).name for path in genomes]}
        if finished and group.first:
            write_network(base, folder)
            write_facts(folder / "metrics.json", facts)
    return facts | {"output": str(output)}


@dataclass(frozen=True)
class _Asked:
    """When a run is asked to save and to be judged, and on what; the arguments of `pretrain` of the same names."""

    save_every: int
    evaluate_every: int | None
    evaluate_samples: int
    max_tokens: int | None

    def check(self, *, held_out: bool) -> None:
        """Raise DnabertError for numbers that cannot be, and where nothing is `held_out` that is to be judged on."""
        check_positive(**asdict(self))
        if self.evaluate_every is not None and not held_out:
            raise DnabertError("--evaluate-every needs samples that are held out; give --exclude CONTIG or BED")

    def schedule(self, recipe: PretrainRecipe, corpus: Corpus, backend: Backend) -> Schedule:
        """The schedule of a run; without samples to judge on there are no evaluations."""
        held_out = corpus.evaluation is not None and corpus.evaluation.samples > 0
        if self.evaluate_every is not None and not held_out:
            raise DnabertError("--evaluate-every: what is excluded is too short for a sample; exclude more")
        return Schedule(
            steps=recipe.steps,
            save_every=self.save_every,
            max_tokens=self.max_tokens or (_CPU_TOKENS if backend.device == "cpu" else _GPU_TOKENS),
            evaluate_every=(self.evaluate_every or self.save_every) if held_out else None,
            held_out=self.evaluate_samples,
        )


class _Run:
    """A training on its way in a folder: its checkpoints, its log, and what it has told of itself.

    In a group the first process alone writes and reports.
    """

    def __init__(
        self,
        training: Pretraining,
        schedule: Schedule,
        folder: Path,
        about: dict[str, Any],
        report: Callable[[Event], None],
    ) -> None:
        self._training = training
        self._schedule = schedule
        self._folder = folder
        self._about = about
        self._report = report
        self._machine = {
            "processes": training.group.size,
            "precision": training.network.backend.precision,
            "max_tokens": schedule.max_tokens,
        }
        self._notes: list[str] = []
        self._first = 0
        self._last: dict[str, Any] = {}
        self._journal: Journal | None = None
        self._advance = silent("", "", None)

    def take_up(self, resume: bool) -> None:
        """Go to where the folder's newest checkpoint is, if the run is to go on from it, in all processes."""
        training = self._training
        if training.group.first:
            self._notes = _take_up(training, self._folder, resume, self._about, self._machine)
        training.agree()
        for line in self._notes:
            self._report({"event": "note", "step": training.step, "note": line})
        self._first = training.step

    def make(self, stack: ExitStack, progress: Progress, tensorboard: str | Path | None) -> bool:
        """Take the steps that are left; whether all are made. Ctrl-C asks it to stop until `stack` is left."""
        if self._training.group.first:
            self._advance = progress("pre-training", "tokens", None)
            journal = Journal(self._folder / "log.jsonl", after=self._first, tensorboard=tensorboard)
            self._journal = stack.enter_context(journal)
            self._last |= journal.last  # a run that has no steps to make keeps what its log says last
        stop = stack.enter_context(stopping())
        try:
            return self._training.run(self._schedule, self._save, self._tell, stop)
        except torch.cuda.OutOfMemoryError:
            tokens = self._schedule.max_tokens
            raise DnabertError(
                f"the GPU's memory does not hold batches of {tokens} tokens; give --max-tokens {max(512, tokens // 2)}"
            ) from None

    def facts(self, finished: bool) -> dict[str, Any]:
        """What is known of the run after `make`."""
        training = self._training
        return {
            **self._machine,
            "device": training.network.backend.device,
            "parameters": training.parameters,
            "steps": training.step,
            "stopped": not finished,
            "tokens": training.tokens,
            "training_seconds": round(training.seconds, 1),
            "run": self._about,
            "last_step": self._last.get("step"),
            "evaluation": self._last.get("evaluation"),
            "notes": self._notes,
            "rank": training.group.rank,
        }

    def _tell(self, event: Event) -> None:
        self._last[str(event["event"])] = event
        if event["event"] == "step":
            made, left = self._training.step - self._first, self._schedule.steps - self._first
            self._advance(int(str(event["tokens"])), made / left)
        if self._journal is not None:
            self._journal.write(event)
            self._report(event)

    def _save(self) -> None:
        training = self._training
        if training.group.first:
            facts = {"run": self._about, "machine": self._machine, "training": training.facts()}
            place, network = self._folder / "checkpoints", training.network
            save_state(place, training.step, training.tensors(), facts, add=lambda at: write_network(network, at))


def _corpus(
    genomes: Sequence[Genome],
    recipe: PretrainRecipe,
    seed: int,
    include: Sequence[str | Path],
    exclude: Sequence[str | Path],
) -> Corpus:
    """The samples of the genomes that a recipe trains on, and those held out."""
    return Corpus.of(
        genomes,
        recipe.network.k,
        seed=seed,
        both_strands=recipe.strand == "both",
        include=chosen_places(include, genomes),
        exclude=chosen_places(exclude, genomes),
        longest=recipe.longest,
    )


def _backend(device: str, precision: str) -> Backend:
    if precision not in ("auto", "fp32", "bf16"):
        raise DnabertError(
            f"--precision {precision}: pre-training runs in bf16 (GPUs) or fp32; "
            "gradients in fewer bits need a scaled loss, which there is not"
        )
    backend = choose(device=device, precision="fp32" if precision == "auto" else precision)
    if backend.device == "cpu" and precision == "bf16":
        raise DnabertError("--precision bf16: on processors training runs in fp32; leave it out, or use a GPU")
    if backend.device != "cpu" and precision == "auto":
        return choose(device=device, precision="bf16")
    return backend


def _starting_network(model: str | None, recipe: PretrainRecipe, backend: Backend, seed: int) -> Network:
    """A network with a masked-LM head: new, or that of a folder, which gets a new head where it has another.

    Raises DnabertError for a folder whose vocabulary is not the recipe's.
    """
    if model is None:
        return build(recipe.network, backend, seed=seed, positions=recipe.positions, pooler=False)
    network = read_network(model, device=backend.device, precision=backend.precision)
    if network.config.k != recipe.network.k:
        raise DnabertError(
            f"--model {model}: has the vocabulary of {network.config.k}-mers, and --preset or --kmer say "
            f"{recipe.network.k}; give --kmer {network.config.k} to go on from it"
        )
    if network.config.head == "mlm":
        return network
    pooler = network.head.pooler
    network = network.with_head(replace(network.config.with_head("mlm"), block=None), seed)
    network.head.pooler = pooler
    return network


def _take_up(
    training: Pretraining, folder: Path, resume: bool, run: dict[str, Any], machine: dict[str, Any]
) -> list[str]:
    """Put the newest checkpoint of a folder into `training` where the run is to go on; lines that users should read."""
    state = latest(folder / "checkpoints")
    if state is None:
        return [f"{folder}: no checkpoint is there; training starts from the beginning"] if resume else []
    if not resume:
        raise DnabertError(
            f"{folder}: holds a checkpoint of step {state.step}; go on from it with --resume, or choose another folder"
        )
    check_same_run(state, run)
    network = training.network
    backend = network.backend
    found = read_network(state.folder, device=backend.device, precision=backend.precision)
    network.load_state_dict(found.state_dict())
    training.go_on(state.tensors, state.facts["training"])
    before = state.facts["machine"]
    changed = [f"{name} {before[name]} is now {value}" for name, value in machine.items() if before[name] != value]
    notes = [f"passed over: {line}" for line in state.skipped]
    notes.append(f"training goes on from {state.folder}")
    if changed:
        notes.append(f"{', '.join(changed)}: the steps that follow are like, not equal to, those of a run unstopped")
    return notes
