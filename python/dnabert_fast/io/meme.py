"""Files of motifs: MEME's minimal format read and written, JASPAR's matrices read. Knows no sequence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..seq.types import F64
from .atomic import writing
from .rows import open_lines

__all__ = ["Motif", "read_motifs", "write_meme"]

_SITES = 20  # what MEME takes where a file does not say
_FIELD = re.compile(r"(\w+)\s*=\s*(\S+)")
# "MA0139.1_MA0139.1.CTCF", as some collections have it: the name, and behind it once more with the factor's.
_DOUBLED = re.compile(r"([^_\s]+)_\1\.(.+)")
_Lines = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Motif:
    """A motif: `matrix` f64[w, 4] has the probabilities of A, C, G, T in each column; `alt` is a second name or "".

    `sites` is how many sites the probabilities come from.
    """

    name: str
    alt: str
    matrix: F64
    sites: float


def read_motifs(path: str | Path) -> list[Motif]:
    """The motifs of a MEME file or of a JASPAR one (.pfm, .jaspar), told apart by content; plain or gzip.

    JASPAR: ">name other-name", then four rows of counts for A, C, G, T (bare, or as `A [ 1 2 ]`), or a row of four
    counts a column. Raises FormatError naming the line for what is neither, and for a file without motifs.
    """
    with open_lines(path) as raw:
        lines = ((number, line.decode("utf-8", "replace").strip()) for number, line in raw)
        filled = ((number, line) for number, line in lines if line and not line.startswith("#"))
        number, line = next(filled, (1, ""))
        if line.startswith("MEME version"):
            motifs = _meme(filled, path)
        elif line.startswith(">"):
            motifs = _jaspar(filled, number, line, path)
        else:
            raise FormatError(
                f"{path}:{number}: neither MEME (first line 'MEME version 4') nor JASPAR (first line '>name'); "
                "give a motif file in one of these formats"
            )
    if not motifs:
        raise FormatError(f"{path}: no motif")
    return motifs


def write_meme(path: str | Path, motifs: Sequence[Motif], background: F64, *, both_strands: bool = True) -> None:
    """Write motifs in MEME's minimal format, version 4; none is a valid file too. `background` f64[4]: A, C, G, T."""
    strands = "+ -" if both_strands else "+"
    shares = " ".join(f"{letter} {share:.6f}" for letter, share in zip("ACGT", background, strict=True))
    text = [f"MEME version 4\n\nALPHABET= ACGT\n\nstrands: {strands}\n\nBackground letter frequencies\n{shares}\n"]
    for motif in motifs:
        width = len(motif.matrix)
        text.append(f"\nMOTIF {motif.name} {motif.alt}".rstrip())
        text.append(f"\nletter-probability matrix: alength= 4 w= {width} nsites= {motif.sites:g} E= 0\n")
        text += [" ".join(f"{value:.6f}" for value in row) + "\n" for row in motif.matrix]
    with writing(path) as partial:
        Path(partial).write_text("".join(text))


def _meme(lines: _Lines, path: str | Path) -> list[Motif]:
    motifs: list[Motif] = []
    heading: tuple[int, str, str] | None = None
    number, line = next(lines, (0, ""))
    while number:
        if line.startswith("ALPHABET"):
            letters = line.partition("=")[2].split() or [line.split()[1].strip('"') if len(line.split()) > 1 else ""]
            if letters[0] not in ("ACGT", "ACGU", "DNA", "RNA"):
                raise FormatError(f"{path}:{number}: alphabet {letters[0]!r}; motifs of DNA have ALPHABET= ACGT")
        elif line.startswith("MOTIF"):
            words = line.split(maxsplit=2)
            if len(words) < 2:
                raise FormatError(f"{path}:{number}: a MOTIF without a name")
            heading = number, words[1], words[2] if len(words) > 2 else ""
        elif line.startswith("letter-probability matrix"):
            if heading is None:
                raise FormatError(f"{path}:{number}: a matrix without a MOTIF line before it")
            fields = dict(_FIELD.findall(line))
            rows, (number, line) = _numbers(lines)
            motifs.append(_probable(heading, fields, rows, path))
            heading = None
            continue
        number, line = next(lines, (0, ""))
    if heading is not None:
        raise FormatError(f"{path}:{heading[0]}: motif {heading[1]} has no letter-probability matrix")
    return motifs


def _probable(
    heading: tuple[int, str, str], fields: dict[str, str], rows: list[tuple[int, list[float]]], path: str | Path
) -> Motif:
    at, name, alt = heading
    if not rows:
        raise FormatError(f"{path}:{at}: motif {name} has no rows of probabilities")
    for number, row in rows:
        if len(row) != 4:
            raise FormatError(f"{path}:{number}: {len(row)} numbers in motif {name}; a row has the four of A, C, G, T")
        if min(row) < 0 or abs(sum(row) - 1) > 0.02:
            raise FormatError(f"{path}:{number}: the probabilities of motif {name} sum to {sum(row):g} and not to 1")
    if "w" in fields and fields["w"] != str(len(rows)):
        raise FormatError(f"{path}:{at}: motif {name} has {len(rows)} rows, but its matrix says w= {fields['w']}")
    try:
        sites = float(fields.get("nsites", _SITES))
    except ValueError:
        raise FormatError(f"{path}:{at}: motif {name}: nsites= {fields['nsites']} is no number") from None
    matrix = np.array([row for _, row in rows], np.float64)
    return Motif(name, alt, matrix / matrix.sum(axis=1, keepdims=True), sites)


def _jaspar(lines: _Lines, number: int, line: str, path: str | Path) -> list[Motif]:
    blocks: list[tuple[int, str, list[tuple[int, list[float]]]]] = []
    while number:
        if not line.startswith(">"):
            raise FormatError(f"{path}:{number}: {line[:40]!r} is neither a row of numbers nor a line '>name'")
        title = line[1:].strip()
        if not title:
            raise FormatError(f"{path}:{number}: a motif without a name")
        at = number
        rows, (number, line) = _numbers(lines)
        _check_counts(rows, title, at, path)
        blocks.append((at, title, rows))
    # Four rows of four could be either; the other motifs of the file tell, and else it is JASPAR's own layout.
    by_column = next((len(rows) != 4 for _, _, rows in blocks if len(rows) != 4 or len(rows[0][1]) != 4), False)
    motifs = []
    for at, title, rows in blocks:
        counts = np.array([row for _, row in rows], np.float64)
        counts = counts if len(rows) != 4 or (counts.shape == (4, 4) and by_column) else counts.T
        sums = counts.sum(axis=1)
        if (sums <= 0).any():
            raise FormatError(f"{path}:{at}: column {int(sums.argmin()) + 1} of motif {title} is empty")
        doubled = _DOUBLED.fullmatch(title)
        name, _, alt = title.partition("\t") if "\t" in title else title.partition(" ")
        name, alt = doubled.groups() if doubled else (name, alt.strip())
        motifs.append(Motif(name, alt, counts / sums[:, None], float(sums.max())))
    return motifs


def _check_counts(rows: list[tuple[int, list[float]]], title: str, at: int, path: str | Path) -> None:
    """Raise FormatError unless these are four rows of one length, or rows of four, of numbers from 0 up."""
    if not rows:
        raise FormatError(f"{path}:{at}: motif {title} has no counts")
    width = 4 if len(rows) != 4 else len(rows[0][1])
    for number, row in rows:
        if len(row) != width:
            what = f"rows of {width}" if len(rows) == 4 else "four rows, or rows of four"
            raise FormatError(f"{path}:{number}: {len(row)} numbers in a row of motif {title}; it has {what}")
        if min(row, default=-1.0) < 0:
            raise FormatError(f"{path}:{number}: a count of motif {title} is missing or below 0")


def _numbers(lines: _Lines) -> tuple[list[tuple[int, list[float]]], tuple[int, str]]:
    """Rows of numbers with their lines' numbers, up to the first line that is none, which is given too ((0, "") at the
    end)."""
    rows: list[tuple[int, list[float]]] = []
    for number, line in lines:
        words = line.replace("[", " ").replace("]", " ").split()
        if len(words) > 1 and words[0] in ("A", "C", "G", "T", "U"):
            words = words[1:]
        try:
            values = [float(word) for word in words]
        except ValueError:
            return rows, (number, line)
        if not np.isfinite(values).all():
            return rows, (number, line)
        rows.append((number, values))
    return rows, (0, "")
