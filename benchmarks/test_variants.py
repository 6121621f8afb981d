"""`variants` end to end, files to files, against the straight script; shares of the work that is not the encoder's.

    python -m pytest benchmarks/test_variants.py -s

200 of the demonstration's GIAB records, evenly spread; windows of 101 bases; a 110 M network of random weights. Both
sides read the model, the genome and the VCF from files and write a compressed, indexed VCF; they run in turns in one
process, and no ratio is given where their scores differ. `encoder` is our network alone on the same windows as
packed tokens, on the same threads, weights laid out beforehand: what the end-to-end run is held against.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
import pytest
import straight_script
import torch
import workload

from dnabert_fast.engine.model import load
from dnabert_fast.engine.predict import MAX_TOKENS
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import Windows, cut, distinct, tokenize
from dnabert_fast.workflows.variants import variants

Record = Callable[[str, object], None]

RECORDS = 200
TURNS = 3
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Job:
    """One VCF, one model, and a folder for what comes out."""

    vcf: Path
    model: Path
    folder: Path

    def ours(self, precision: str) -> dict[str, object]:
        return variants(
            self.vcf,
            workload.GENOME,
            model=str(self.model),
            output=self.folder / f"ours.{precision}.vcf.gz",
            window=straight_script.WINDOW,
            precision=precision,
        )

    def straight(self, precision: str) -> None:
        out = self.folder / f"straight.{precision}.vcf.gz"
        paths = (self.vcf, workload.GENOME, self.model, out)
        straight_script.score(*map(str, paths), PRECISIONS[precision])

    def encoder(self, precision: str) -> Callable[[], None]:
        """The network alone on the distinct windows of the job."""
        model = load(self.model, precision=precision)
        with pysam.FastaFile(str(workload.GENOME)) as genome, pysam.VariantFile(str(self.vcf)) as file:
            pairs = [straight_script.window_pair(genome, record, alt) for record in file for alt in record.alts or ()]
        every = tokenize(Windows.from_strings(itertools.chain(*pairs)), model.k)
        batch = every.take(distinct(every).first)
        parts = [batch.take(np.arange(part.start, part.stop)) for part in cut(batch.lengths, MAX_TOKENS)]
        packs = [Packed.from_arrays(part.ids, part.cu_seqlens) for part in parts]

        def run() -> None:
            for _ in model.workers.map(model.network.pieces, packs):
                pass

        model.network.prepare()
        return run

    def scores(self, name: str) -> np.ndarray:
        """DIFF and LOGOR of every ALT in a file that was written, float64 [a, 2]."""
        with pysam.VariantFile(str(self.folder / f"{name}.vcf.gz")) as file:
            rows = [zip(record.info["DNABERT_DIFF"], record.info["DNABERT_LOGOR"], strict=True) for record in file]
        return np.array(list(itertools.chain(*rows)), np.float64)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, quick: bool) -> Job:
    folder = tmp_path_factory.mktemp("variants")
    vcf = workload.cut_variants(folder / "giab.vcf.gz", 24 if quick else RECORDS)
    preset = "small" if quick else "dnabert-6"
    return Job(vcf, workload.write_model(folder / "model", preset, straight_script.WINDOW), folder)


@pytest.fixture(scope="module")
def seconds(job: Job, quick: bool) -> dict[str, float]:
    """The fastest run of each side in each precision, given only if the scores they wrote agree."""
    cases: dict[str, Callable[[], object]] = {}
    for precision in PRECISIONS:
        cases[f"ours {precision}"] = lambda precision=precision: job.ours(precision)
        cases[f"straight {precision}"] = lambda precision=precision: job.straight(precision)
        cases[f"encoder {precision}"] = job.encoder(precision)
    found = workload.in_turns(cases, 1 if quick else TURNS)
    check(job)
    return found


def check(job: Job) -> None:
    """fp32: the same scores. bf16: no farther from fp32 than the straight script in bf16 (root mean square)."""
    exact = job.scores("straight.fp32")
    assert exact[:, 1].std() > 0.02
    assert np.abs(job.scores("ours.fp32") - exact).max() < 1e-4
    ours, straight = (np.square(job.scores(f"{side}.bf16") - exact).mean(0) for side in ("ours", "straight"))
    assert (ours <= straight).all()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("ours", "straight", "bar"), [("fp32", "fp32", 1.05), ("bf16", "bf16", 1.05), ("bf16", "fp32", 2)]
)
def test_ratio(
    seconds: dict[str, float], ours: str, straight: str, bar: float, quick: bool, record_property: Record
) -> None:
    found = seconds[f"straight {straight}"] / seconds[f"ours {ours}"]
    print(f"variants: ours in {ours} {found:.3g} times the straight script in {straight}, bar {bar}")
    record_property(f"variants {ours} / straight script {straight}", found)
    assert quick or found >= bar


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_share(seconds: dict[str, float], precision: str, quick: bool, record_property: Record) -> None:
    found = seconds[f"encoder {precision}"] / seconds[f"ours {precision}"]
    print(f"variants {precision}: {found:.1%} of the encoder's rate, bar 90 %")
    record_property(f"variants / encoder {precision}", found)
    assert quick or found >= 0.9


def test_reference_passes_saved(tmp_path: Path, quick: bool, record_property: Record) -> None:
    """dbSNP's records in 300-base regions side by side: a region's reference is encoded once, not once an ALT."""
    data = Path(__file__).parent.parent / "tests" / "data" / "scoring"
    regions, genome = tmp_path / "regions.bed", data / "hg19_200kb.fa.gz"
    with pysam.FastaFile(str(genome)) as fasta:
        for name, length in zip(fasta.references, fasta.lengths, strict=True):
            with regions.open("a") as out:
                out.writelines(f"{name}\t{at}\t{at + 300}\n" for at in range(0, length - 300, 300))
    model = workload.write_model(tmp_path / "model", "tiny", 300)
    out = tmp_path / "out.tsv"
    facts = variants(data / "dbsnp138.vcf.gz", genome, model=str(model), output=out, windows=regions)
    given, passes = facts["scored"], facts["pieces"] - facts["pieces_encoded"]
    print(f"dense regions: of {given} reference passes {passes} saved; {facts['pieces_encoded']} passes in all")
    record_property("reference passes", given)
    record_property("reference passes saved", passes)
    assert passes / given > 0.5
