"""VCF text the plain way: lines and str.split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def records(text: bytes) -> list[list[bytes]]:
    """The columns of each record, without the line end."""
    lines = [line.removesuffix(b"\r") for line in text.split(b"\n") if line]
    return [line.split(b"\t") for line in lines if not line.startswith(b"#")]


def kind(alt: bytes) -> int:
    letters = set(alt.upper())
    if alt in (b"*", b"."):
        return 1 if alt == b"*" else 2
    if alt in (b"<NON_REF>", b"<*>"):
        return 4
    if letters and letters <= set(b"ACGT"):
        return 0
    if letters and letters <= set(b"ACGTRYSWKMBDHVN"):
        return 6
    if b"[" in alt or b"]" in alt or alt.startswith(b".") or alt.endswith(b"."):
        return 5
    return 3 if b"<" in alt and alt.endswith(b">") else 7


def number(value: float) -> str:
    if value != value:
        return "."
    return "0" if value == 0 else f"{np.float32(value):.6g}"


def ours(info: bytes, names: Sequence[str]) -> bool:
    return any(part.split(b"=")[0].decode("latin-1") in names for part in info.split(b";"))


def strip(text: bytes, names: Sequence[str]) -> bytes:
    """The text with the fields of these names taken out of INFO, '.' where nothing is left."""
    out = []
    for line in text.split(b"\n"):
        columns = line.split(b"\t")
        if line and not line.startswith(b"#"):
            end = b"\r" if columns[7].endswith(b"\r") else b""
            parts = columns[7].removesuffix(b"\r").split(b";")
            kept = [part for part in parts if part.split(b"=")[0].decode("latin-1") not in names]
            columns[7] = (b";".join(kept) if kept else b".") + end
        out.append(b"\t".join(columns))
    return b"\n".join(out)


def splice(text: bytes, fields: dict[str, list[list[float]]], flag_field: str, flags: list[list[list[str]]]) -> bytes:
    """INFO of record i gains fields[name][i] (a value an ALT) and the reasons flags[i] (a list an ALT)."""
    out, i = [], 0
    for line in text.split(b"\n"):
        columns = line.split(b"\t")
        if line and not line.startswith(b"#"):
            end = b"\r" if columns[7].endswith(b"\r") else b""
            info = columns[7].removesuffix(b"\r")
            added = [f"{name}={','.join(map(number, values[i]))}" for name, values in fields.items()]
            added.append(f"{flag_field}={','.join('&'.join(reasons) or '.' for reasons in flags[i])}")
            before = [] if info in (b".", b"") else [info]
            columns[7] = b";".join(before + [part.encode() for part in added]) + end
            i += 1
        out.append(b"\t".join(columns))
    return b"\n".join(out)
