"""The verb that trains a masked language model: pretrain."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .flags import common as c
from .flags import train as t
from .screen import Told, dim, note, show_counts, shown_progress

__all__ = ["pretrain"]

_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
_QUIET_SECONDS = 30.0


def pretrain(
    genomes: t.Genomes,
    output: c.Folder,
    preset: t.PretrainPreset = "dnabert-6",
    model: t.Pretrained = None,
    network: t.Network = None,
    kmer: t.OtherKmer = None,
    steps: t.Steps = None,
    total_steps: t.TotalSteps = None,
    warm_up: t.WarmUp = None,
    learning_rate: t.LearningRate = None,
    batch: t.Batch = None,
    mask_rate: t.MaskRate = None,
    whole_spans: t.WholeSpans = None,
    span: t.Span = None,
    longest: t.Longest = None,
    positions: t.Positions = None,
    strand: t.TrainedStrand = None,
    include: t.Include = None,
    exclude: t.Exclude = None,
    save_every: t.SaveEvery = 500,
    evaluate_every: t.EvaluateEvery = None,
    evaluate_samples: t.EvaluateSamples = 1000,
    max_tokens: t.MaxTokens = None,
    seed: t.Seed = 42,
    resume: t.Resume = False,
    precision: t.TrainedPrecision = "auto",
    device: c.Device = "auto",
    threads: c.Threads = None,
    tensorboard: t.TensorBoard = None,
    quiet: c.Quiet = False,
) -> None:
    """Train a masked language model on genomes and write it as a model folder that `finetune` starts from."""
    from ..workflows.pretrain import pretrain as work

    with shown_progress(quiet) as progress:
        facts = work(
            genomes=genomes,
            output=output,
            preset=preset,
            model=model,
            network=network,
            kmer=kmer,
            steps=steps,
            total_steps=total_steps,
            warm_up=warm_up,
            learning_rate=learning_rate,
            batch=batch,
            mask_rate=mask_rate,
            whole_spans=whole_spans,
            span=span,
            longest=longest,
            positions=positions,
            strand=strand,
            include=include or (),
            exclude=exclude or (),
            save_every=save_every,
            evaluate_every=evaluate_every,
            evaluate_samples=evaluate_samples,
            max_tokens=max_tokens,
            seed=seed,
            resume=resume,
            precision=precision,
            device=device,
            threads=threads,
            tensorboard=tensorboard,
            progress=progress,
            report=_teller(quiet),
        )
    if facts["rank"] == 0 and not quiet:
        _show(facts)
    if facts["stopped"]:
        raise Told(_INTERRUPTED)


def _teller(quiet: bool) -> Callable[[Mapping[str, object]], None]:
    """What prints evaluations and, where no bar is drawn, a step every half minute."""
    shown = float("-inf")
    bars = sys.stderr.isatty()

    def tell(event: Mapping[str, object]) -> None:
        nonlocal shown
        now = time.monotonic()
        if event["event"] == "note" and not quiet:
            note(str(event["note"]))
            return
        if quiet or (event["event"] == "step" and (bars or now - shown < _QUIET_SECONDS)):
            return
        if event["event"] == "step":
            shown = now
        names = ("loss", "accuracy", "perplexity", "learning_rate", "gradient_norm", "tokens_per_second")
        told = "  ".join(f"{name.replace('_', ' ')} {event[name]:.4g}" for name in names if name in event)
        dim(f"{'' if event['event'] == 'step' else 'held out, '}step {event['step']}: {told}")

    return tell


def _show(facts: Mapping[str, Any]) -> None:
    rows = {"steps": facts["steps"], "tokens": facts["tokens"], "seconds": facts["training_seconds"]}
    last, held_out = facts["last_step"], facts["evaluation"]
    if isinstance(last, Mapping):
        rows |= {"loss of the last step": f"{last['loss']:.4f}"}
    if isinstance(held_out, Mapping):
        rows |= {f"held out: {name}": f"{held_out[name]:.4f}" for name in ("loss", "accuracy", "perplexity")}
    output = facts["output"]
    if facts["stopped"]:
        saved = Path(str(output)) / "checkpoints" / f"step-{facts['steps']}"
        went_on = f"{saved} is written; to go on, give the same command with --resume"
        note(f"stopped: {went_on if facts['steps'] else 'before the first step was made'}")
    show_counts(str(output), rows)
