"""The verb that trains a masked language model: pretrain."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..workflows.progress import duration
from . import flags as o
from .screen import Told, dim, note, show_counts
from .verb import carry_out, flags_of

__all__ = ["pretrain"]

_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
_QUIET_SECONDS = 30.0


def pretrain(
    genomes: o.Genomes,
    output: o.Folder,
    preset: o.PretrainPreset = "dnabert-6",
    model: o.Pretrained = None,
    network: o.Network = None,
    kmer: o.OtherKmer = None,
    steps: o.Steps = None,
    total_steps: o.TotalSteps = None,
    warm_up: o.WarmUp = None,
    learning_rate: o.LearningRate = None,
    batch: o.Batch = None,
    mask_rate: o.MaskRate = None,
    whole_spans: o.WholeSpans = None,
    span: o.Span = None,
    longest: o.Longest = None,
    positions: o.Positions = None,
    strand: o.TrainedStrand = None,
    include: o.Include = None,
    exclude: o.Exclude = None,
    save_every: o.SaveEvery = 500,
    evaluate_every: o.EvaluateEvery = None,
    evaluate_samples: o.EvaluateSamples = 1000,
    max_tokens: o.MaxTokens = None,
    seed: o.Seed = 42,
    resume: o.Resume = False,
    precision: o.TrainedPrecision = "auto",
    device: o.Device = "auto",
    threads: o.Threads = None,
    tensorboard: o.TensorBoard = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a masked language model on genomes and write it as a model folder that `finetune` starts from."""
    flags = flags_of(locals())
    from ..workflows.pretrain import pretrain as work

    facts = carry_out(work, flags, _show, include=include or (), exclude=exclude or (), report=_teller(quiet))
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
        if event["event"] == "step":
            told += f"  {event['share_of_peak']:.0%} of peak  about {duration(float(str(event['seconds_left'])))} left"
        dim(f"{'' if event['event'] == 'step' else 'held out, '}step {event['step']}: {told}")

    return tell


def _show(facts: Mapping[str, Any]) -> None:
    if facts["rank"] != 0:
        return
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
