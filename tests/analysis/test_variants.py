"""Units of records through the analysis: equal bytes whatever the number of readers, and one failure stops all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast import Genome, Model
from dnabert_fast.analysis.variants import ChangeScorer, ScoredUnit, VariantOptions, VariantSummary, score_variants
from dnabert_fast.errors import FormatError
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.seq.aliases import AliasTable, resolve
from dnabert_fast.seq.vcf_text import Records


def scored(
    model: Model, genome: Genome, units: Iterator[Records], readers: int, **options: bool
) -> tuple[list[ScoredUnit], VariantSummary]:
    found: list[ScoredUnit] = []
    summary = VariantSummary()
    score_variants(
        [ChangeScorer(model, model.readout())],
        model.run,
        genome,
        units,
        lambda names: resolve(names, genome, AliasTable()),
        found.append,
        VariantOptions(24, **options),
        summary,
        readers=readers,
    )
    return found, summary


@pytest.mark.parametrize("strand", ["+", "both"])
@pytest.mark.parametrize("normalize", [False, True])
def test_equal_bytes_whatever_the_readers(
    model: Model, genome: Genome, data: Path, strand: str, normalize: bool
) -> None:
    """Units of 16 records, so that readers get in each other's way; twice with one reader."""
    runs = [
        scored(
            model.with_strand(strand),
            genome,
            iter(VcfSource(data / "vcf" / "hg002.vcf.gz", 16)),
            n,
            normalize=normalize,
        )
        for n in (1, 1, 2, 4)
    ]
    first, counts = runs[0]
    assert len(first) == 25
    assert [unit.records.first_line for unit in first] == sorted(unit.records.first_line for unit in first)
    assert counts.scored == sum(np.count_nonzero(~np.isnan(unit.fields["REF"])) for unit in first) > 350
    for found, summary in runs[1:]:
        assert summary == counts
        for unit, other in zip(first, found, strict=True):
            assert unit.alleles.flags.tobytes() == other.alleles.flags.tobytes()
            for name, values in unit.fields.items():
                assert values.tobytes() == other.fields[name].tobytes()


def test_aliases_are_counted_whatever_the_readers(model: Model, genome: Genome, data: Path, tmp_path: Path) -> None:
    (tmp_path / "in.vcf").write_bytes((data / "vcf" / "cohort.vcf").read_bytes().replace(b"\nchr20\t", b"\n20\t"))
    for readers in (1, 4):
        _, summary = scored(model, genome, iter(VcfSource(tmp_path / "in.vcf", 1)), readers)
        assert summary.aliased == {"20 -> chr20": 8}
        assert summary.facts()["aliased"] == {"20 -> chr20": 8}


def test_a_broken_record_stops_all(model: Model, genome: Genome, data: Path, tmp_path: Path) -> None:
    lines = (data / "vcf" / "kg_phase3.vcf").read_bytes().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if not line.startswith(b"#"))
    lines[first + 25] = b"chr20\tnowhere\n"
    (tmp_path / "in.vcf").write_bytes(b"".join(lines))
    for readers in (1, 4):
        with pytest.raises(FormatError, match=rf"in\.vcf:{first + 26}: "):
            scored(model, genome, iter(VcfSource(tmp_path / "in.vcf", 10)), readers)


def test_progress_counts_records(model: Model, genome: Genome, data: Path) -> None:
    done: list[int] = []
    score_variants(
        [ChangeScorer(model, model.readout())],
        model.run,
        genome,
        VcfSource(data / "vcf" / "hg002.vcf.gz", 150),
        lambda names: resolve(names, genome, AliasTable()),
        lambda unit: None,
        VariantOptions(24),
        VariantSummary(),
        progress=done.append,
    )
    assert sum(done) == 400
    assert len(done) >= 3
    assert min(done) > 0
