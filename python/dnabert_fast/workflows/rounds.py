"""The rounds of hard negatives in a folder: report.json, whole after each, from which a stopped run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DnabertError, FormatError
from .common import made_folder, write_facts

__all__ = ["Rounds"]


class Rounds:
    """What is `told` of the rounds that are made and were added to, and what the report says of all.

    `settings` are what results depend on, but for how many rounds are `wanted`: these may be more than before. `again`:
    whether a run is there that goes on. Raises DnabertError for a folder that holds a run of other settings or of more
    rounds, FormatError for a report that cannot be read.
    """

    def __init__(self, folder: str | Path, wanted: int, about: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.folder = made_folder(folder)
        self._path = self.folder / "report.json"
        self._about = about
        self._settings = json.loads(json.dumps(settings))
        self.again = self._path.exists()
        rows = self._rows() if self.again else []
        if rows and (made := rows[-1]["round"]) > wanted:
            raise DnabertError(f"{folder}: holds {made} rounds already; give --rounds {made} or more, or another -o")
        self.ended = bool(rows) and (rows[-1]["round"] == wanted or rows[-1].get("added") == 0)
        self.told: list[dict[str, Any]] = rows if self.ended else [row for row in rows if "added" in row]
        if not self.again:
            if any(self.folder.glob("round_*")):
                raise DnabertError(f"{folder}: holds rounds without their report.json; choose another -o")
            self._write()

    def add(self, row: dict[str, Any]) -> None:
        """Note a round, for good."""
        self.told.append(row)
        self._write()

    def model(self, number: int) -> Path:
        """The folder of a round's model."""
        return self.folder / f"round_{number}"

    def report(self) -> dict[str, Any]:
        """All that is to be told."""
        last = None if not self.told else str(self.model(self.told[-1]["round"]))
        return {**self._about, "settings": self._settings, "rounds": self.told, "model": last}

    def _write(self) -> None:
        write_facts(self._path, self.report())

    def _rows(self) -> list[dict[str, Any]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            rows: list[dict[str, Any]] = found["rounds"]
            before = found["settings"]
        except (ValueError, LookupError, TypeError):
            raise FormatError(f"{self._path}: is no report of rounds; choose another -o") from None
        other = next((name for name, value in self._settings.items() if before.get(name) != value), None)
        if other is not None:
            raise DnabertError(
                f"{self.folder}: its rounds were made with {other.replace('_', ' ')} {before.get(other)}, now it is "
                f"{self._settings[other]}; give the former settings, or another -o"
            )
        return rows
