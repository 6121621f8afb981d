"""Whole jobs, files to files: `variants` and `scan` on the GPU, and what the precision gate says there.

The inputs are the embedded piece of GRCh38 and HG002's calls on it, repeated as contigs of other names so that a run
takes as long as a job does; the network is the 110 M one with random weights.
"""

from __future__ import annotations

import gzip
import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .bench import Bench, Missing, Watch

SECONDS = 15.0
"""How long a timed run should score, so that loading the model counts as little as in a job."""


def variants(bench: Bench) -> None:
    """Centred windows of 101 bases; REF and ALT of each variant."""
    from dnabert_fast.workflows.variants import variants as run

    def timed(work: _Work, precision: str) -> Callable[[int], dict[str, Any]]:
        def once(copies: int) -> dict[str, Any]:
            genome, vcf = work.inputs(copies)
            out = work.folder / "out.vcf.gz"
            return run(vcf, genome, model=str(work.model), output=out, window=101, precision=precision, **work.options)

        return once

    with tempfile.TemporaryDirectory() as folder:
        work = _Work(bench, Path(folder), 101)
        for precision, name in ((bench.size("bf16", "fp32"), "variants/s"), ("fp8", "variants fp8/s")):
            with bench.part(name):
                if bench.dry and precision == "fp8":
                    raise Missing("not in a dry run")
                with _Scoring("variants", "score_variants") as scoring:
                    facts, seconds, load = _measure(bench, timed(work, precision), scoring)
                bench.record(name, facts["scored"] / seconds / 1e3)
                bench.record(f"{name}, scoring alone", facts["scored"] / scoring.seconds / 1e3)
                bench.note(f"{name}: {facts['scored']} in {seconds:.1f} s")
                scoring.record(bench, name.replace("/s", " busy"), load)


def scan(bench: Bench) -> None:
    """Windows of 515 bases (510 6-mers, one piece; dry, 512 bases of 3-mers) side by side, to a bedGraph."""
    from dnabert_fast.workflows.scan import scan as run

    window = bench.size(515, 512)
    with tempfile.TemporaryDirectory() as folder:
        work = _Work(bench, Path(folder), window)

        def once(copies: int) -> dict[str, Any]:
            genome, _ = work.inputs(copies)
            out = work.folder / "out.bedgraph.gz"
            precision = bench.size("bf16", "fp32")
            given = {"window": window, "stride": 510, "precision": precision, **work.options}
            return run(genome, model=str(work.model), output=out, **given)

        with _Scoring("scan", "scan_units") as scoring:
            facts, seconds, load = _measure(bench, once, scoring)
        bases = facts["windows"] * 510
        bench.record("scan Mbase/s", bases / seconds / 1e6)
        bench.record("scan Mbase/s, scoring alone", bases / scoring.seconds / 1e6)
        bench.note(f"{bases / 1e6:.1f} Mbase in {seconds:.1f} s")
        scoring.record(bench, "scan busy", load)


def gate(bench: Bench) -> None:
    """The check of every precision that the device has, on random weights: log-odds differences of real SNVs."""
    from dnabert_fast.workflows.check import check

    with tempfile.TemporaryDirectory() as folder:
        work = _Work(bench, Path(folder), 101)
        facts = check(str(work.model), count=bench.size(128, 8), **work.options)
        for row in facts["precisions"]:
            found = row["sign_changes"], row["spearman_changes"]
            if row["precision"] != "fp32" and None not in found:  # what is not finite agrees with nothing
                bench.record(f"gate {row['precision']}", min(found))
            bench.note(", ".join(f"{name} {value}" for name, value in row.items()))
        for name, why in facts["unavailable"].items():
            bench.note(f"{name} is not to be had: {why}")


class _Work:
    """A folder with a model and inputs of any number of copies."""

    def __init__(self, bench: Bench, folder: Path, window: int) -> None:
        import workload

        self.bench, self.folder = bench, folder
        self.options = {"device": bench.device}
        self.model = workload.write_model(folder / "model", bench.size("dnabert-6", "tiny"), window)
        with gzip.open(workload.VARIANTS, "rt") as file:
            lines = file.readlines()
        self._header = [line for line in lines if line.startswith("#") and not line.startswith("##contig")]
        self._records = [line for line in lines if not line.startswith("#")]
        self._bases = workload.stretch(0, 4_000_000)
        if bench.dry:
            self._bases = self._bases[:200_000]
            self._records = [line for line in self._records if int(line.split("\t", 2)[1]) < 190_000][:10]

    def inputs(self, copies: int) -> tuple[Path, Path]:
        """A FASTA of `copies` contigs and the VCF of their variants."""
        genome, vcf = self.folder / f"{copies}.fa", self.folder / f"{copies}.vcf"
        if not genome.exists():
            names = [f"chr20_{i}" for i in range(copies)]
            with genome.open("w") as fasta, vcf.open("w") as records:
                contigs = [f"##contig=<ID={name},length={len(self._bases)}>\n" for name in names]
                records.writelines([*self._header[:-1], *contigs, self._header[-1]])
                for name in names:
                    fasta.write(f">{name}\n{self._bases}\n")
                    records.writelines(f"{name}\t{line.split(chr(9), 1)[1]}" for line in self._records)
        return genome, vcf


def _measure(
    bench: Bench, once: Callable[[int], dict[str, Any]], scoring: _Scoring
) -> tuple[dict[str, Any], float, float | None]:
    """Facts and seconds of a long run, and the mean load of the GPU by NVML; after runs that compile and calibrate."""
    once(1)
    once(1)
    copies = 1 if bench.dry else max(1, min(128, round(SECONDS / scoring.seconds)))
    began = time.perf_counter()
    with Watch() as watch:
        facts = once(copies)
    return facts, time.perf_counter() - began, watch.facts.get("load")


class _Scoring:
    """While it holds, a workflow's call that scores is timed, and its model asked how long the GPU had work in it.

    The call is given the model, or a list with the scorer that has it.
    """

    def __init__(self, workflow: str, call: str) -> None:
        self._module: Any = importlib.import_module(f"dnabert_fast.workflows.{workflow}")
        self._call = call
        self._original = getattr(self._module, call)
        self.seconds, self.busy = 0.0, None

    def __enter__(self) -> _Scoring:
        def timed(scoring: Any, *given: Any, **options: Any) -> Any:
            model = scoring[0].groups[0].model if isinstance(scoring, list) else scoring
            before, began = model.busy, time.perf_counter()
            result = self._original(scoring, *given, **options)
            after, self.seconds = model.busy, time.perf_counter() - began
            self.busy = None if after is None else after - before
            return result

        setattr(self._module, self._call, timed)
        return self

    def __exit__(self, *exception: object) -> None:
        setattr(self._module, self._call, self._original)

    def record(self, bench: Bench, name: str, load: float | None) -> None:
        """The share of the scoring call by the engine's own meter; NVML's mean load of the whole job beside it."""
        if self.busy is not None:
            bench.record(name, self.busy / self.seconds)
        shown = "unknown" if load is None else f"{load:.0%}"
        bench.note(f"scoring took {self.seconds:.2f} s; mean load by NVML over the whole job: {shown}")
