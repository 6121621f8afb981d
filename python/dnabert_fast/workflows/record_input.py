"""The records of a VCF or BCF as verbs read them: a unit at a time, and in a job those of the shards it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.variants import UNIT_RECORDS
from ..engine.fingerprints import remembered
from ..io.atomic import publish
from ..io.reblock import reblock
from ..io.vcf_source import VcfSource, has_sections
from ..seq.sections import SECTION_BYTES, Sections
from ..seq.variants import Regions
from ..seq.vcf_text import Records
from .estimate import Whole, of_records
from .jobs import Results
from .progress import Follow
from .work import Work, inputs_folder, stored_input

__all__ = ["RecordInput", "stored_vcf"]


def stored_vcf(work: Work | None, vcf: str | Path) -> str | Path:
    """The records as a file that can be read again: see `stored_input`."""
    return stored_input(work, "vcf.vcf.gz", vcf, lambda target: reblock(vcf, target))


class RecordInput:
    """The records of a VCF or BCF, of which a job reads sections: of a copy in its folder where it must be one.

    `path` is what is read, `named` what the job knows it by.
    """

    def __init__(self, work: Work | None, vcf: str | Path) -> None:
        self.named = stored_vcf(work, vcf)
        self.path = self.named
        self._index: Sections | None = None
        if work is not None:
            if not has_sections(self.path):
                digest = remembered(work.folder, vcf, publish)["blake2b"]
                self.path = inputs_folder(work) / f"vcf-{digest[:16]}.vcf.gz"
                if not self.path.exists():
                    reblock(vcf, self.path)
            self._index = Sections.find(self.path, SECTION_BYTES)
        self._source = VcfSource(self.path, UNIT_RECORDS, SECTION_BYTES)
        self.header = self._source.header

    def sections(self) -> int:
        """How many sections a job reads."""
        assert self._index is not None
        return len(self._index)

    def placed(
        self, contig_of: Callable[[Sequence[str]], tuple[Sequence[int], object]], regions: Regions | None
    ) -> float | None:
        """About how many records stand in a window, judged by the first unit; None where nobody knows.

        Too few rather than too many: a share counts what has been read ahead too.
        """
        if not Path(self.path).is_file():  # a pipe cannot be looked into
            return None
        source = VcfSource(self.path, UNIT_RECORDS, SECTION_BYTES)
        records = next(iter(source), None)
        if records is None:
            return 0
        names, name_of_record = records.contigs()
        contig = np.array(contig_of(names)[0], np.int32)[name_of_record]
        inside = contig >= 0
        if regions is not None:
            inside &= regions.nearest(contig, records.position - 1) >= 0
        placed = int(np.count_nonzero(inside))
        if source.share:
            return placed / source.share
        return placed if len(records) < UNIT_RECORDS else None

    def all(self) -> VcfSource:
        """All records, to be read once."""
        return self._source

    def whole(self, shard: int) -> Whole[Records]:
        """All of the records and a sample of them, for an estimate."""
        return of_records(self._source, shard)

    def units(self, results: Results[Any], follow: Follow) -> Iterator[tuple[int, Records]]:
        """The units whose shards are wanted, each with its shard."""
        source, size = self._source, results.shard_size
        if results.wanted is not None:
            last = self.sections()
            chosen = [at for shard in results.wanted for at in range(shard * size, min(last, (shard + 1) * size))]
            source = VcfSource(self.path, UNIT_RECORDS, SECTION_BYTES, sections=chosen, index=self._index)
        for records in source:
            follow.unit(len(records), source.share)
            yield records.section // size, records
