"""The verb that judges models and other tools' predictions: evaluate."""

from __future__ import annotations

from typing import Any

from ..errors import DnabertError
from . import options as o
from .screen import note, show_counts, shown_progress, title

__all__ = ["evaluate"]


def evaluate(
    output: o.Folder,
    table: o.Judged = None,
    model: o.JudgedModels = None,
    predictions: o.Predictions = None,
    ensemble: o.Ensemble = False,
    calibrate: o.Calibrate = None,
    results: o.Results = None,
    metric: o.Metric = None,
    threshold: o.Thresholds = None,
    overlap: o.Overlap = 0.5,
    group: o.Group = None,
    max_missing: o.MaxMissing = 0.05,
    resamples: o.Resamples = 2000,
    interval: o.Interval = "percentile",
    level: o.Level = 0.95,
    strand: o.Strand = "+",
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    seed: o.ResamplingSeed = 42,
    quiet: o.Quiet = False,
) -> None:
    """Judge models and other tools on a labelled set: metrics with intervals, curves, tests, one report."""
    if (table is None) == (results is None):
        raise DnabertError("give a labelled TABLE to judge on, or --results FILE to compare models over sets")
    if results is not None:
        of_rows = {"model": model, "predictions": predictions, "ensemble": ensemble, "calibrate": calibrate,
                   "threshold": threshold, "group": group}  # fmt: skip
        stray = next((name for name, given in of_rows.items() if given), None)
        if stray is not None:
            raise DnabertError(f"--{stray} belongs to a labelled TABLE; --results has all its numbers already")
        from ..workflows.results import compare_results

        _show_results(compare_results(results, output=output, metrics=metric or ()), quiet)
        return
    if metric:
        raise DnabertError("--metric belongs to --results; a labelled TABLE is judged by all metrics")
    from ..workflows.evaluate import evaluate as work

    assert table is not None
    with shown_progress(quiet) as progress:
        facts = work(
            table,
            models=model or (),
            predictions=predictions or (),
            output=output,
            together=ensemble,
            calibrate=calibrate,
            thresholds=threshold or (),
            overlap=overlap,
            group=group,
            max_missing=max_missing,
            resamples=resamples,
            level=level,
            interval=interval,
            strand=strand,
            precision=precision,
            device=device,
            threads=threads,
            seed=seed,
            progress=progress,
        )
    _show(facts, quiet)


def _show(facts: dict[str, Any], quiet: bool) -> None:
    if quiet:
        return
    for name, about in facts["predictors"].items():
        rows = {key: _shown(value) for key, value in about["metrics"].items()}
        show_counts(f"{name}: {facts['rows']:,} rows of {facts['table']}", rows)
    if facts["rows_left_out"]:
        note(f"{facts['rows_left_out']:,} rows without an answer of every predictor are left out for all")
    for text in facts["notes"]:
        note(text)
    _where(facts)


def _shown(value: dict[str, float | None]) -> str:
    middle, low, high = (value[key] for key in ("value", "low", "high"))
    if middle is None:
        return "–"
    return f"{middle:.4f}" + ("" if low is None or high is None else f"  ({low:.4f} to {high:.4f})")


def _show_results(facts: dict[str, Any], quiet: bool) -> None:
    if quiet:
        return
    for metric, found in facts["metrics"].items():
        rows = {f"{pair['one']} – {pair['other']}": _adjusted(pair["adjusted"]) for pair in found["pairs"]}
        show_counts(f"{metric}: {len(facts['models'])} models on {facts['sets']:,} sets", rows)
    for text in facts["notes"]:
        note(text)
    _where(facts)


def _adjusted(p: float | None) -> str:
    return "–" if p is None else f"adjusted p {p:.3g}"


def _where(facts: dict[str, Any]) -> None:
    title(f"{facts['output']}/report.html  ({facts['seconds']:.1f} s)")
