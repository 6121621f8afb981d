"""The verb that trains: finetune."""

from __future__ import annotations

from collections.abc import Mapping

from . import options as o
from .screen import dim, note, show_counts, shown_progress

__all__ = ["finetune"]


def finetune(
    train: o.Train,
    dev: o.Dev,
    output: o.Folder,
    test: o.Test = None,
    preset: o.Preset = "general",
    model: o.Pretrained = None,
    network: o.Network = None,
    learning_rate: o.LearningRate = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    window: o.Window = None,
    anchor: o.Anchor = None,
    reverse_complement: o.BothStrands = None,
    seed: o.Seed = 42,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a classifier on labelled sequences and write it as a model folder."""
    from ..workflows.finetune import finetune as work

    def report(event: Mapping[str, object]) -> None:
        if event["event"] == "evaluation" and not quiet:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.items() if isinstance(value, float))
            dim(f"step {event.get('step', '')}  {shown}")

    with shown_progress(quiet) as progress:
        facts = work(
            train=train,
            dev=dev,
            output=output,
            test=test,
            preset=preset,
            model=model,
            network=network,
            learning_rate=learning_rate,
            epochs=epochs,
            batch=batch,
            window=window,
            anchor=anchor,
            reverse_complement=reverse_complement,
            seed=seed,
            threads=threads,
            progress=progress,
            report=report,
        )
    if quiet:
        return
    for name in ("dev", "test"):
        if name in facts:
            rows = {key: f"{value:.4f}" for key, value in facts[name].items() if isinstance(value, float)}
            show_counts(f"{name}: {facts['output']}", rows)
    if facts["warning"]:
        note(facts["warning"])
