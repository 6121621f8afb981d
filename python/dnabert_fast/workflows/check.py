"""The verb `check`: which precisions give a model's scores on this machine, and whether two machines agree."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..engine.fleet import device_names
from ..engine.model import load
from ..errors import BackendUnavailable, DnabertError, FormatError
from ..io.atomic import writing
from ..nn.backends import available
from ..nn.config import NetworkConfig
from ..seq.genome import Genome
from .check_precisions import Judging, asked_precisions
from .check_scores import KeptScores, read_scores, write_scores
from .common import check_outputs, write_summary
from .gate import COUNT, DEMO_GENOME, DEMO_VCF, Sample, gate_window, has_scores, read_sample
from .layers import rest_of
from .precision import Verdict, remember
from .progress import Progress, silent

__all__ = ["check"]

_ENOUGH = 64  # SNVs from which a verdict is remembered


def check(
    model: str,
    *,
    device: str = "auto",
    precision: str = "all",
    variants: str | Path | None = None,
    genome: str | Path | None = None,
    window: int | None = None,
    count: int | None = None,
    class_name: str | None = None,
    scores: str | Path | None = None,
    against: str | Path | None = None,
    threads: int | None = None,
    summary: str | Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score real SNVs in each precision that the device has (or the one named) and compare with fp32 as it should be.

    The SNVs are `count` (256) of `variants`, spread evenly, in windows of `genome`; by default of the embedded piece of
    GRCh38 and HG002's calls. fp32 passes where its logits are those of the reference backend up to 1e-5, a lower
    precision where Spearman's correlation and the share of equal signs of log-odds differences both reach 0.99. int8
    and fp8 that fail are tried again with some layers left in a higher precision (see `layers.find_exceptions`). Of
    several devices the first is checked.
    Verdicts are remembered, so that precision "auto" can go by them. `scores` keeps the scores in a file; `against`
    compares with such a file of another machine in place of the reference. Returns the facts, `failed` among them.
    """
    began = time.monotonic()
    check_outputs([variants, genome, against], {"--scores": scores, "--summary": summary})
    if scores is not None:
        with writing(scores):  # refused before the work and not after
            pass
    kept = _kept(against, variants, genome, window, count)
    several, device = device_names(device), device_names(device)[0]
    there = available(device)
    if (why := there.get("fp32")) is not None:
        raise BackendUnavailable(why)
    names = asked_precisions(precision, there)
    fp32 = load(model, device=device, precision="fp32", threads=threads)
    config = fp32.network.config
    column = None if class_name is None else fp32.readout(class_name).column
    scored = has_scores(config)
    if not scored and (scores is not None or kept is not None):
        raise DnabertError(f"model {fp32.name} has no classification or regression head, so there are no scores")
    network = fp32.hash()
    if kept is None:
        length = gate_window(config, window)
        sample = read_sample(variants or DEMO_VCF, genome or DEMO_GENOME, length, COUNT if count is None else count)
    else:
        sample = _sample_of(kept, network, config, genome or DEMO_GENOME)
    judging = Judging(model, fp32, device, sample, column, kept, rest_of(there))
    judging.judge(names, network, progress)
    rows = judging.rows(names)
    notes = [f"checked on {device}, the first of {len(several)} devices"] if len(several) > 1 else []
    notes += [*_notes(scored, sample, judging.open_ones(names)), *judging.left_out(names)]
    if kept is None and scored:
        notes += _remembered(network, judging.verdicts(names), sample, class_name)
    if scores is not None:
        write_scores(scores, config, network, judging.here, sample, judging.tables(), column, judging.exceptions())
    facts = {
        "verb": "check",
        "model": network,
        "head": config.head,
        "device": judging.here,
        "dnabert_fast": __version__,
        "torch": torch.__version__,
        "against": None if against is None else str(against),
        "window": sample.window,
        "windows": sample.hash(),
        "snvs": len(sample),
        "skipped": sample.skipped,
        "precisions": rows,
        "unavailable": {name: why for name, why in there.items() if why is not None},
        "failed": [row["precision"] for row in rows if row["passed"] is False],
        "notes": notes,
        "seconds": round(time.monotonic() - began, 3),
    }
    write_summary(summary, facts)
    return facts


def _kept(
    against: str | Path | None, variants: str | Path | None, genome: str | Path | None, *own: object
) -> KeptScores | None:
    """The scores of another machine, where they are to be compared with; DnabertError where flags do not fit.

    `own`: what says, beside `variants`, which SNVs are scored; such a file says it too.
    """
    if against is None:
        if (variants is None) != (genome is None):
            raise DnabertError("--variants and --genome go together: give both, or neither for the embedded ones")
        return None
    if any(given is not None for given in (variants, *own)):
        raise DnabertError("--against takes SNVs and window from its file; leave out --variants, --window, --count")
    return read_scores(against)


def _sample_of(kept: KeptScores, network: str, config: NetworkConfig, genome: str | Path) -> Sample:
    """The SNVs of a file of scores; DnabertError where it is of another model or the genome gives other windows."""
    if kept.settings["network"] != network:
        raise DnabertError(f"{kept.path}: these are the scores of another model ({kept.settings['network'][:16]}...)")
    if kept.labels != config.labels:
        raise FormatError(f"{kept.labels_at}: these labels are not the model's; copy the file anew")
    with Genome.open(genome) as opened:
        rows = np.array([opened.row(name) for name in kept.contigs], np.int32)
        if (rows < 0).any():
            name = kept.contigs[int(np.flatnonzero(rows < 0)[0])]
            raise DnabertError(f"{kept.path}: contig {name} is not in {genome}; give --genome of the file's run")
        if kept.window > int(opened.lengths.max(initial=0)):
            raise FormatError(f"{kept.window_at}: window={kept.window} is longer than every contig of {genome}")
        outside = np.flatnonzero(kept.position > opened.lengths[rows])
        if len(outside):
            place = f"{kept.contigs[outside[0]]}:{kept.position[outside[0]]}"
            raise FormatError(
                f"{kept.at[outside[0]]}: {place} lies outside the contig; give --genome of the file's run"
            )
        sample = Sample.of(opened, rows, kept.position, kept.ref, kept.alt, kept.window, {})
    if sample.hash() != kept.settings["windows"]:
        raise DnabertError(f"{kept.path}: {genome} gives other windows than the file's run had; give the same genome")
    return sample


def _notes(scored: bool, sample: Sample, open_ones: list[str]) -> list[str]:
    notes = [f"SNVs left out, {reason}: {number:,}" for reason, number in sample.skipped.items()]
    if not scored:
        notes.append(
            "this model has no classification or regression head, so there are no scores: mean vectors are compared, "
            "and no rule passes or fails a lower precision"
        )
    elif open_ones:
        notes.append(
            f"no rule passes or fails {', '.join(open_ones)}: without two SNVs whose differences between REF and ALT "
            "differ there is no rho"
        )
    return notes


def _remembered(network: str, verdicts: list[Verdict], sample: Sample, class_name: str | None) -> tuple[str, ...]:
    """Keep the verdicts on lower precisions that `auto` may go by; the notes of it."""
    if len(sample) < _ENOUGH:
        return (f"verdicts are not remembered: {len(sample)} SNVs are fewer than {_ENOUGH}",)
    if class_name is not None:
        return ("verdicts are not remembered: they are of one class",)
    return remember(network, [verdict for verdict in verdicts if verdict.precision != "fp32"])
