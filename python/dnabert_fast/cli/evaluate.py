"""The verb that judges models, other tools' predictions and scores of variants: evaluate."""

from __future__ import annotations

from typing import Any

from ..errors import DnabertError
from .flags import common as c
from .flags import evaluate as e
from .screen import note, show_counts, shown_progress, title

__all__ = ["evaluate"]

_REASONS = 8  # for leaving alleles out that are shown


def evaluate(
    output: c.Folder,
    table: e.Judged = None,
    model: e.JudgedModels = None,
    predictions: e.Predictions = None,
    ensemble: e.Ensemble = False,
    calibrate: e.Calibrate = None,
    results: e.Results = None,
    metric: e.Metric = None,
    variants: e.JudgedVariants = None,
    truth: e.KnownTruth = None,
    score: e.JudgedScores = None,
    features: e.NearFeatures = None,
    bins: e.DistanceBins = None,
    classifier: e.Classifiers = None,
    threshold: e.Thresholds = None,
    overlap: e.Overlap = 0.5,
    group: e.Group = None,
    max_missing: e.MaxMissing = 0.05,
    resamples: e.Resamples = 2000,
    interval: e.Interval = "percentile",
    level: e.Level = 0.95,
    strand: c.Strand = "+",
    precision: c.Precision = "fp32",
    device: c.Device = "auto",
    threads: c.Threads = None,
    seed: e.ResamplingSeed = 42,
    quiet: c.Quiet = False,
) -> None:
    """Judge models and other tools on a labelled set, or scores of variants: metrics, intervals, tests, a report."""
    of_rows = {"model": model, "predictions": predictions, "ensemble": ensemble, "calibrate": calibrate,
               "threshold": threshold, "group": group}  # fmt: skip
    of_variants = {"truth": truth, "score": score, "features": features, "bins": bins, "classifier": classifier}
    if sum(given is not None for given in (table, results, variants)) != 1:
        raise DnabertError(
            "give a labelled TABLE to judge on, or --results FILE to compare models over sets, or --variants FILE "
            "--truth FIELD to judge scores of variants"
        )
    if variants is None:
        _refuse(of_variants, "belongs to --variants")
    if results is not None:
        _refuse(of_rows, "belongs to a labelled TABLE; --results has all its numbers already")
        from ..workflows.results import compare_results

        _show_results(compare_results(results, output=output, metrics=metric or ()), quiet)
        return
    _refuse({"metric": metric}, "belongs to --results; a labelled TABLE is judged by all metrics")
    judging: dict[str, Any] = {
        "output": output, "max_missing": max_missing, "resamples": resamples, "level": level, "interval": interval,
        "seed": seed,
    }  # fmt: skip
    if variants is not None:
        _refuse(of_rows, "belongs to a labelled TABLE; --variants have their scores already")
        _variants(variants, of_variants, judging, quiet)
        return
    from ..workflows.evaluate import evaluate as work

    assert table is not None
    with shown_progress(quiet) as progress:
        facts = work(
            table,
            models=model or (),
            predictions=predictions or (),
            together=ensemble,
            calibrate=calibrate,
            thresholds=threshold or (),
            overlap=overlap,
            group=group,
            strand=strand,
            precision=precision,
            device=device,
            threads=threads,
            progress=progress,
            **judging,
        )
    _show(facts, quiet)


def _refuse(given: dict[str, Any], why: str) -> None:
    stray = next((name for name, value in given.items() if value), None)
    if stray is not None:
        raise DnabertError(f"--{stray} {why}")


def _variants(variants: list[str], asked: dict[str, Any], judging: dict[str, Any], quiet: bool) -> None:
    from ..workflows.judge_variants import DISTANCES, judge_variants

    if not asked["truth"]:
        raise DnabertError("--variants needs --truth: the field that says what is known of the alleles")
    with shown_progress(quiet) as progress:
        facts = judge_variants(
            variants,
            truth=asked["truth"],
            scores=asked["score"] or (),
            features=asked["features"] or (),
            bins=asked["bins"] or DISTANCES,
            classifiers=asked["classifier"] or ("logistic",),
            progress=progress,
            **judging,
        )
    if not quiet:
        _show_variants(facts)


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
    for text in facts["notes"]:
        note(text)
    _where(facts)


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
