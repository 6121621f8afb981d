"""ALT alleles of VCFs, BCFs and tables in one form: where they lie, what they change, and any field of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ..io import TABLES, ends_with
from ..io.columns import packed
from ..io.vcf import VcfSource
from ..io.vcf_info import FIXED, Declared, Values, allele_values, declared_info
from ..seq import edits
from ..seq.batch import Windows
from ..seq.types import I32, I64, Bool
from ..seq.variants import Changes
from ..seq.vcf_text import Records, allele_table
from .report_inputs import first_columns, table_chunks

__all__ = ["AlleleFile", "AlleleUnit", "changes_of"]

_UNIT = 4096
_COLUMNS = ("CHROM", "POS", "REF", "ALT")
_MISSING = frozenset({"", ".", "nan", "NaN", "NA", "None"})
_PLAIN = np.zeros(256, np.bool_)
_PLAIN[np.frombuffer(b"ACGTacgt", np.uint8)] = True


@dataclass(frozen=True)
class AlleleUnit:
    """Some alleles of a file, a row each: contig i32[a] is a row of `contigs`, position i64[a] counts from 1.

    values(name) is any field of them as text.
    """

    contigs: Sequence[str]
    contig: I32
    position: I64
    name: Windows
    ref: Windows
    alt: Windows
    values: Callable[[str], Values]


class AlleleFile:
    """A VCF or BCF, or a table (.tsv, .tsv.gz, .parquet) with columns CHROM, POS, REF, ALT and maybe ID.

    `fields` are those that it says it has. Iterating gives units. Raises FormatError for what cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._source: VcfSource | None = None
        self._declared: dict[str, Declared] = {}
        if ends_with(path, TABLES):
            self.fields = first_columns(path)
            if not self.fields:
                raise FormatError(f"{path}: no rows")
            lacking = next((name for name in _COLUMNS if name not in self.fields), None)
            if lacking is not None:
                raise FormatError(f"{path}: no column {lacking}; a table of alleles has {', '.join(_COLUMNS)}")
        else:
            self._source = VcfSource(path, _UNIT)
            self._declared = declared_info(self._source.header)
            self.fields = [*self._declared, *FIXED]

    def may_have(self, name: str) -> bool:
        """Whether a field may be in the file; VCFs may have some that they do not declare."""
        return name in self.fields or self._source is not None

    def shown(self, most: int = 12) -> str:
        """The names of its fields, for people; "none" where it has none but those of every record."""
        names = [name for name in self.fields if name not in FIXED]
        more = f" and {len(names) - most:,} more" if len(names) > most else ""
        return f"{', '.join(names[:most])}{more}" or "none"

    @property
    def share(self) -> float | None:
        """How much of the file has been read, 0 to 1; None where nobody knows."""
        return None if self._source is None else self._source.share

    def __iter__(self) -> Iterator[AlleleUnit]:
        if self._source is None:
            yield from map(self._of_columns, table_chunks(self.path))
        else:
            yield from map(self._of_records, self._source)

    def _of_records(self, records: Records) -> AlleleUnit:
        table = allele_table(records)
        names, code = records.contigs()
        record = table.record

        def values(name: str) -> Values:
            return allele_values(records, record, name, self._declared.get(name))

        return AlleleUnit(
            names, code[record], records.position[record], values("ID").texts, table.ref, table.alt, values
        )

    def _of_columns(self, columns: dict[str, list[Any]]) -> AlleleUnit:
        chrom = [str(name) for name in columns["CHROM"]]
        number = {name: i for i, name in enumerate(dict.fromkeys(chrom))}
        try:
            position = np.array([int(text) for text in columns["POS"]], np.int64)
        except (ValueError, TypeError):
            raise FormatError(f"{self.path}: a POS is no whole number; make the table anew") from None

        def values(name: str) -> Values:
            column = columns.get(name, [None] * len(chrom))
            texts = ["." if value is None else str(value) for value in column]
            if name not in FIXED:
                texts = ["" if text in _MISSING else text for text in texts]
            return Values(Windows(*packed(texts)), np.zeros(len(chrom), np.bool_))

        code = np.array([number[name] for name in chrom], np.int32)
        ref, alt = (Windows(*packed([str(value) for value in columns[name]])) for name in ("REF", "ALT"))
        return AlleleUnit(list(number), code, position, values("ID").texts, ref, alt, values)


def changes_of(position: I64, ref: Windows, alt: Windows) -> tuple[Changes, Bool]:
    """What alleles change, without what REF and ALT share at both ends; and whether both are bases, bool[a].

    position i64[a] from 1. Alleles that are not bases change all of REF into what ALT spells.
    """
    bases = _is_plain(ref) & _is_plain(alt)
    prefix, suffix = (np.where(bases, part, 0).astype(np.int64) for part in edits.trim(ref, alt))
    deleted = ref.lengths - prefix - suffix
    return Changes(position - 1 + prefix, deleted, alt.skip(prefix, suffix)), bases


def _is_plain(texts: Windows) -> Bool:
    odd = np.concatenate([[0], np.cumsum(~_PLAIN[texts.bases])])
    plain: Bool = (odd[texts.offsets[1:]] == odd[texts.offsets[:-1]]) & (texts.lengths > 0)
    return plain
