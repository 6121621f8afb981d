"""Where scored variants go: VCF text with INFO spliced in, or rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..analysis.variants import ScoredUnit, Scorer
from ..errors import FormatError
from ..io import TABLES, VARIANTS, ends_with
from ..io.vcf import header_lines
from ..seq.batch import Windows
from ..seq.flags import spell_flags
from ..seq.types import F32
from ..seq.variants import FLAG_NAMES
from ..seq.vcf_text import Header, splice
from .outputs import Output

__all__ = ["variant_output"]


def variant_output(
    path: str | Path,
    given: Header,
    prefix: str,
    scorers: Sequence[Scorer],
    settings: dict[str, Any],
    overwrite: bool,
) -> tuple[Output[ScoredUnit], list[str]]:
    """The output of scored units of a VCF with the header `given`, and notes on what became of that.

    `prefix` begins the names of all fields; `settings` go into the header.
    """
    meanings = {scorer.name + key: said for scorer in scorers for key, said in scorer.meanings.items()}
    fields = {name: f"{prefix}_{name}" for name in meanings}
    flag = f"{prefix}_FLAG"

    def put_text(sink: Any, unit: ScoredUnit) -> None:
        values = {fields[name]: scores for name, scores in unit.fields.items()}
        alleles = unit.alleles
        text = splice(unit.records, alleles.record, values, flag, alleles.flags, FLAG_NAMES, overwrite=overwrite)
        names, code = unit.records.contigs()
        sink.note_positions(names, code, unit.records.position)
        sink.write(text)

    if str(path) == "-" or ends_with(path, VARIANTS):
        lines = _declarations({field: meanings[name] for name, field in fields.items()}, prefix, settings)
        if overwrite:  # the command whose scores give way
            kept = [line for line in given.meta if not line.startswith(_command(prefix))]
            given = replace(given, meta=tuple(kept))
        header, replaced = header_lines(given, lines, [*fields.values(), flag], overwrite)
        notes = [f"fields of an earlier run were replaced: {', '.join(replaced)}"] if replaced else []
        return Output("output", path, {"kind": "vcf", "header": header.decode("latin-1")}, put_text), notes
    if not ends_with(path, TABLES):
        raise FormatError(f"{path}: unknown kind of output; name it {', '.join((*VARIANTS, *TABLES))}")
    columns = [("CHROM", "str"), ("POS", "int"), ("ID", "str"), ("REF", "str"), ("ALT", "str")]
    columns += [(name, "float") for name in fields.values()] + [(flag, "str")]
    return Output("output", path, {"kind": "table", "columns": columns}, _put_rows), []


def _declarations(meanings: dict[str, str], prefix: str, settings: dict[str, Any]) -> list[bytes]:
    lines = [
        f'##INFO=<ID={field},Number=A,Type=Float,Description="{_quoted(meaning)}">'
        for field, meaning in meanings.items()
    ]
    reasons = ", ".join(dict.fromkeys(FLAG_NAMES))
    lines.append(
        f'##INFO=<ID={prefix}_FLAG,Number=A,Type=String,Description="Reasons of an allele, joined by &: {reasons}">'
    )
    said = " ".join(f"{name}={value}" for name, value in settings.items() if value is not None)
    lines.append(f"##source=dnabert_fast {__version__}")
    return [*(line.encode() for line in lines), _command(prefix) + f"variants {_one_line(said)}".encode()]


def _put_rows(sink: Any, unit: ScoredUnit) -> None:
    records, record = unit.records, unit.alleles.record

    def column(number: int) -> Windows:
        starts = records.columns[record, number]
        return Windows.from_spans(records.text, starts, records.columns[record, number + 1] - 1)

    strings = [column(0), column(2), unit.alleles.ref, unit.alleles.alt]
    chrom, identifier, ref, alt = [(text.bases, text.offsets) for text in strings]
    scores: list[F32] = list(unit.fields.values())
    reasons = _reasons(unit)
    sink.write([chrom, records.position[record], identifier, ref, alt, *scores, (reasons.bases, reasons.offsets)])


def _command(prefix: str) -> bytes:
    """How the header line begins that holds a run's settings."""
    return f"##{prefix.lower()}_command=".encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """Text as it may stand between quotes in a header line (VCF 4.3, section 1.4)."""
    return _one_line(text).replace("\\", "\\\\").replace('"', '\\"')


def _reasons(unit: ScoredUnit) -> Windows:
    """The flags of each allele as text; only the sets of flags that occur are spelt."""
    sets, which = np.unique(unit.alleles.flags, return_inverse=True)
    words = Windows.from_strings([spell_flags(int(flags), FLAG_NAMES) for flags in sets])
    rows: np.ndarray[Any, np.dtype[np.int64]] = which.reshape(-1)
    return words.take(rows)
