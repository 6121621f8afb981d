"""The verb that trains on labels: finetune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DnabertError
from .battery import one_start, run_battery
from .flags import common as c
from .flags import train as t
from .screen import dim, note, show_counts, shown_progress

__all__ = ["finetune"]


def finetune(
    output: c.Folder,
    train: t.TrainOrSets = None,
    dev: t.DevOrSets = None,
    test: t.Test = None,
    labels: t.Labels = None,
    genome: t.TrainGenome = None,
    task: t.LabelTask = "auto",
    classes: t.Classes = None,
    preset: t.Preset = "general",
    model: t.PretrainedModels = None,
    network: t.Networks = None,
    baseline: t.Baselines = None,
    kmer: t.StartKmer = None,
    head: t.Head = None,
    window: c.Window = None,
    anchor: t.Anchor = None,
    learning_rate: t.LearningRate = None,
    learning_rates: t.LearningRates = None,
    epochs: t.Epochs = None,
    batch: t.Batch = None,
    warm_up: t.WarmUpShare = None,
    weight_decay: t.WeightDecay = None,
    dropout: t.Dropout = None,
    class_weights: t.ClassWeights = None,
    reverse_complement: t.BothStrands = None,
    shift: t.Shift = None,
    evaluations: t.Evaluations = None,
    patience: t.Patience = None,
    lora: t.Lora = None,
    lora_alpha: t.LoraAlpha = None,
    freeze_encoder: t.FreezeEncoder = None,
    seed: t.Seed = 42,
    seeds: t.Seeds = 1,
    max_train: t.MaxTrain = None,
    sets: t.Sets = None,
    rate: t.Rates = None,
    keep: t.Keep = "models",
    precision: t.TrainedPrecision = "auto",
    device: c.Device = "auto",
    threads: c.Threads = None,
    overwrite: t.OverwriteModel = False,
    quiet: c.Quiet = False,
) -> None:
    """Train a classifier, a regression or a labeller of bases and write it as a model folder; or many on many sets."""
    flags: dict[str, Any] = {
        "labels": labels,
        "genome": genome,
        "task": task,
        "classes": None if classes is None else tuple(classes.split(",")),
        "preset": preset,
        "kmer": kmer,
        "head": head,
        "window": window,
        "anchor": anchor,
        "learning_rate": learning_rate,
        "learning_rates": () if learning_rates is None else learning_rates.split(","),
        "epochs": epochs,
        "batch": batch,
        "warm_up": warm_up,
        "weight_decay": weight_decay,
        "dropout": dropout,
        "class_weights": class_weights,
        "reverse_complement": reverse_complement,
        "shift": shift,
        "evaluations": evaluations,
        "patience": patience,
        "lora": lora,
        "lora_alpha": lora_alpha,
        "freeze_encoder": freeze_encoder,
        "seed": seed,
        "seeds": seeds,
        "max_train": max_train,
        "precision": precision,
        "device": device,
        "threads": threads,
    }
    if sets is not None:
        alone = {"--train": train, "--dev": dev, "--test": test, "--overwrite": overwrite}
        run_battery(sets, output, model or (), network or (), baseline or (), rate or (), keep, alone, flags, quiet)
        return
    if train is None or dev is None:
        raise DnabertError("give --train and --dev, or --sets for many sets")
    if rate or keep != "models":
        raise DnabertError(f"--{'rate' if rate else 'keep'} belongs to --sets")
    start = one_start(model, network, baseline)
    _train_one(
        {"train": train, "dev": dev, "test": test, "output": output, "overwrite": overwrite}, start, flags, quiet
    )


def _train_one(files: Mapping[str, Any], start: Mapping[str, Any], flags: dict[str, Any], quiet: bool) -> None:
    """Train one model, or one baseline, on one set."""
    if "baseline" in start:
        from ..workflows.baseline import train_baseline as work

        if flags.pop("seeds") > 1:
            raise DnabertError("--seeds trains several baselines with --sets alone")
    else:
        from ..workflows.finetune import finetune as work

    def report(event: Mapping[str, object]) -> None:
        if event["event"] == "note" and not quiet:
            note(str(event["note"]))
        if event["event"] == "evaluation" and not quiet:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.items() if isinstance(value, float))
            dim(f"step {event.get('step', '')}  {shown}")

    with shown_progress(quiet) as progress:
        facts = work(**files, **start, **flags, progress=progress, report=report)
    if not quiet:
        _show(facts)


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
