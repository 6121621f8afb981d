"""The verb that judges models, other tools' predictions and scores of variants: evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DnabertError
from . import flags as o
from .screen import note, show_counts, show_notes, title
from .verb import carry_out, flags_of

__all__ = ["evaluate"]

_REASONS = 8  # for leaving alleles out that are shown

_OF_ROWS = ("model", "predictions", "ensemble", "calibrate", "threshold", "group")
_OF_VARIANTS = ("truth", "score", "features", "bins", "classifier")
_OF_RESULTS = ("results", "metric")
_JUDGING = ("output", "max_missing", "resamples", "level", "interval", "seed")
# How models are run and regions are met, and what these flags are where nobody gives them.
_OF_RUNS = {"strand": "+", "precision": "fp32", "device": "auto", "threads": None, "overlap": 0.5}


def evaluate(
    output: o.Folder,
    table: o.Judged = None,
    model: o.JudgedModels = None,
    predictions: o.Predictions = None,
    ensemble: o.Ensemble = False,
    calibrate: o.Calibrate = None,
    results: o.Results = None,
    metric: o.Metric = None,
    variants: o.JudgedVariants = None,
    truth: o.KnownTruth = None,
    score: o.JudgedScores = None,
    features: o.NearFeatures = None,
    bins: o.DistanceBins = None,
    classifier: o.Classifiers = None,
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
    """Judge models and other tools on a labelled set, or scores of variants: metrics, intervals, tests, a report."""
    flags = flags_of(locals())
    if sum(given is not None for given in (table, results, variants)) != 1:
        raise DnabertError(
            "give a labelled TABLE to judge on, or --results FILE to compare models over sets, or --variants FILE "
            "--truth FIELD to judge scores of variants"
        )
    if variants is None:
        _refuse(flags, _OF_VARIANTS, "belongs to --variants")
    if results is not None:
        _refuse(flags, (*_OF_ROWS, *_OF_RUNS), "belongs to a labelled TABLE; --results has all its numbers already")
        from ..workflows.results import compare_results

        _show_results(compare_results(results, output=output, metrics=metric or ()), quiet)
        return
    _refuse(flags, ("metric",), "belongs to --results; a labelled TABLE is judged by all metrics")
    if variants is not None:
        _refuse(flags, (*_OF_ROWS, *_OF_RUNS), "belongs to a labelled TABLE; --variants have their scores already")
        _judge_variants(flags)
    else:
        _judge_rows(flags)


def _refuse(flags: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    stray = next((name for name in names if _given(name, flags[name])), None)
    if stray is not None:
        raise DnabertError(f"--{stray} {why}")


def _given(name: str, value: object) -> bool:
    """Whether somebody gave a flag, of which 0 is a value like others."""
    return value is not False and value != [] and value != _OF_RUNS.get(name)


def _judge_rows(flags: dict[str, Any]) -> None:
    """Judge models and other tools on the rows of a labelled table."""
    from ..workflows.evaluate import evaluate as work

    lists = {
        "models": flags.pop("model") or (),
        "predictions": flags.pop("predictions") or (),
        "thresholds": flags.pop("threshold") or (),
    }
    together = flags.pop("ensemble")
    asked = {name: value for name, value in flags.items() if name not in (*_OF_VARIANTS, "variants", *_OF_RESULTS)}
    carry_out(work, asked, _show, **lists, together=together)


def _judge_variants(flags: Mapping[str, Any]) -> None:
    """Judge scores of alleles."""
    from ..workflows.judge_variants import judge_variants as work

    if not flags["truth"]:
        raise DnabertError("--variants needs --truth: the field that says what is known of the alleles")
    asked = {name: flags[name] for name in ("variants", "truth", "quiet", *_JUDGING)}
    carry_out(
        work,
        asked,
        _show_variants,
        scores=flags["score"] or (),
        features=flags["features"] or (),
        bins=flags["bins"],
        classifiers=flags["classifier"] or ("logistic",),
    )


def _show_variants(facts: dict[str, Any]) -> None:
    left_out = {f"without truth: {reason}": n for reason, n in facts["without_truth"].items()}
    left_out |= {f"without a score: {reason}": n for reason, n in facts["without_score"].items()}
    for name, reasons in facts["without_one_score"].items():
        left_out |= {f"without {name}: {reason}": n for reason, n in reasons.items()}
    counts = {"ALT alleles": facts["alleles"], "judged": facts["judged"]}
    counts |= {"of class 1": facts["positives"]} if facts["of_classes"] else {}
    show_counts(f"{facts['variants'][0]}, {facts['truth']}", counts)
    if left_out:
        often = sorted(left_out.items(), key=lambda item: -item[1])
        shown = dict(often[:_REASONS])
        rest = sum(n for _, n in often[_REASONS:])
        show_counts("left out", shown | ({f"{len(often) - _REASONS} other reasons": rest} if rest else {}))
    for name, metrics in facts["strata"][0]["metrics"].items():
        show_counts(name, {key: _shown(value) for key, value in metrics.items()})
    _show_end(facts)


def _show(facts: dict[str, Any]) -> None:
    group = facts["group"]
    judged = f"{facts['rows']:,} rows" if group is None else f"{group['groups']:,} stretches by {group['by']}"
    for name, about in facts["predictors"].items():
        rows = {key: _shown(value) for key, value in about["metrics"].items()}
        show_counts(f"{name}: {judged} of {facts['table']}", rows)
    if facts["rows_left_out"]:
        note(f"{facts['rows_left_out']:,} rows without an answer of every predictor are left out for all")
    _show_end(facts)


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
    _show_end(facts)


def _adjusted(p: float | None) -> str:
    return "–" if p is None else f"adjusted p {p:.3g}"


def _show_end(facts: dict[str, Any]) -> None:
    show_notes(facts)
    title(f"{facts['output']}/report.html  ({facts['seconds']:.1f} s)")
