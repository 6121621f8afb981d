"""The verb that trains on labels: finetune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DnabertError
from . import flags as o
from .battery import one_start, run_battery
from .screen import aloud, dim, note, show_counts
from .verb import carry_out, flags_of

__all__ = ["finetune"]


def finetune(
    output: o.Folder,
    train: o.TrainOrSets = None,
    dev: o.DevOrSets = None,
    test: o.Test = None,
    labels: o.Labels = None,
    genome: o.TrainGenome = None,
    task: o.LabelTask = "auto",
    classes: o.Classes = None,
    preset: o.Preset = "general",
    model: o.PretrainedModels = None,
    network: o.Networks = None,
    baseline: o.Baselines = None,
    kmer: o.StartKmer = None,
    head: o.Head = None,
    window: o.Window = None,
    anchor: o.Anchor = None,
    learning_rate: o.LearningRate = None,
    learning_rates: o.LearningRates = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    warm_up: o.WarmUpShare = None,
    weight_decay: o.WeightDecay = None,
    dropout: o.Dropout = None,
    class_weights: o.ClassWeights = None,
    reverse_complement: o.BothStrands = None,
    shift: o.Shift = None,
    evaluations: o.Evaluations = None,
    patience: o.Patience = None,
    lora: o.Lora = None,
    lora_alpha: o.LoraAlpha = None,
    freeze_encoder: o.FreezeEncoder = None,
    seed: o.Seed = 42,
    seeds: o.Seeds = 1,
    max_train: o.MaxTrain = None,
    sets: o.Sets = None,
    rate: o.Rates = None,
    keep: o.Keep = "models",
    precision: o.TrainedPrecision = "auto",
    device: o.Device = "auto",
    threads: o.Threads = None,
    overwrite: o.OverwriteModel = False,
    quiet: o.Quiet = False,
) -> None:
    """Train a classifier, a regression or a labeller of bases and write it as a model folder; or many on many sets."""
    flags = flags_of(locals())
    flags["classes"] = None if classes is None else tuple(classes.split(","))
    flags["learning_rates"] = () if learning_rates is None else learning_rates.split(",")
    starts = {name: flags.pop(name) or () for name in ("model", "network", "baseline")}
    rates = flags.pop("rate") or ()
    if sets is not None:
        run_battery(flags, starts, rates)
        return
    if train is None or dev is None:
        raise DnabertError("give --train and --dev, or --sets for many sets")
    if rates or keep != "models":
        raise DnabertError(f"--{'rate' if rates else 'keep'} belongs to --sets")
    del flags["sets"], flags["keep"]
    _train_one(flags, one_start(starts))


def _train_one(flags: dict[str, Any], start: Mapping[str, str]) -> None:
    """Train one model, or one baseline, on one set."""
    if "baseline" in start:
        from ..workflows.baseline import train_baseline as work

        if flags.pop("seeds") > 1:
            raise DnabertError("--seeds trains several baselines with --sets alone")
    else:
        from ..workflows.finetune import finetune as work

    tell_note, tell_step = aloud(note, flags["quiet"]), aloud(dim, flags["quiet"])

    def report(event: Mapping[str, object]) -> None:
        if event["event"] == "note":
            tell_note(str(event["note"]))
        if event["event"] == "evaluation":
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.items() if isinstance(value, float))
            tell_step(f"step {event.get('step', '')}  {shown}")

    carry_out(work, flags, _show, **start, report=report)


def _show(facts: Mapping[str, Any]) -> None:
    for run in facts.get("runs", ()):
        said = run.get("error") or "  ".join(
            f"{name} {value:.4f}" for name, value in run["dev"].items() if isinstance(value, float)
        )
        dim(f"seed {run['seed']}  learning rate {run['learning_rate']:g}  {said}")
    for name in ("dev", "test"):
        if name in facts:
            over = facts.get("over_seeds", {}).get(name, {})
            rows = {
                key: f"{value:.4f}" + _spread(over.get(key))
                for key, value in facts[name].items()
                if isinstance(value, float)
            }
            show_counts(f"{name}: {facts['output']}", rows)
    if facts["warning"]:
        note(facts["warning"])


def _spread(found: Mapping[str, float | None] | None) -> str:
    if not found or found["mean"] is None or found["sd"] is None:
        return ""
    return f" (seeds: {found['mean']:.4f} ± {found['sd']:.4f})"
