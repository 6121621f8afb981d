"""The temperature of a model folder, written into its config.json. Touches no weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import CheckpointError
from .weights import read_json

__all__ = ["write_temperature"]


def write_temperature(folder: str | Path, temperature: float) -> None:
    """Set `dnabert_fast.temperature` of a model folder's config.json; 1 takes it out. All other fields stay.

    The file is written aside and renamed. Raises CheckpointError where it cannot be read or replaced.
    """
    path = Path(folder) / "config.json"
    fields = read_json(path)
    own = dict(fields.get("dnabert_fast") or {})
    own.pop("temperature", None)
    if temperature != 1.0:
        own["temperature"] = temperature
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(fields | {"dnabert_fast": own}, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as wrong:
        raise CheckpointError(f"{path}: cannot be written: {wrong.strerror or wrong}") from None
    finally:
        partial.unlink(missing_ok=True)
