"""What happened in a run, a line of JSON each, and the same for TensorBoard. Knows nothing of networks."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, MissingExtra

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Journal"]


class Journal:
    """log.jsonl of a run: lines are added as things happen; going on from a step cuts off what came after it.

    `last` has the last event of each kind that was kept. `tensorboard`: a folder that is also given each event's
    numbers, as EVENT/NAME. Raises FormatError where the log cannot be written, MissingExtra where TensorBoard is asked
    for and not installed.
    """

    def __init__(self, path: str | Path, *, after: int = 0, tensorboard: str | Path | None = None) -> None:
        self._path = Path(path)
        self.last: dict[str, Mapping[str, object]] = {}
        self._board: Any = None
        if tensorboard is not None:
            self._board = _writer(tensorboard, after)
        try:
            self._cut(after)
            self._file = open(self._path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by __exit__
        except OSError as wrong:
            raise FormatError(f"{path}: cannot be written: {wrong.strerror or wrong}") from None

    def write(self, event: Mapping[str, object]) -> None:
        """Add an event: `event` says which, `step` when; what is not a number is null."""
        try:
            self._file.write(json.dumps({name: _plain(value) for name, value in event.items()}) + "\n")
        except OSError as wrong:
            raise FormatError(f"{self._path}: cannot be written: {wrong.strerror or wrong}; make room") from None
        if self._board is not None:
            for name, value in event.items():
                if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
                    self._board.add_scalar(f"{event['event']}/{name}", value, event["step"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._file.close()
        except OSError:  # what could not be written is told of by `write`
            if error is None:
                raise
        if self._board is not None:
            self._board.close()

    def _cut(self, after: int) -> None:
        """Leave the lines up to a step; a line that a killed run left half there goes too."""
        if not self._path.exists():
            return
        kept = 0
        with open(self._path, "rb") as file:
            for line in file:
                event = _read(line)
                if event is None or float(event["step"]) > after:
                    break
                self.last[event["event"]] = event
                kept += len(line)
        os.truncate(self._path, kept)


def _read(line: bytes) -> Any:
    """The event of a line; None for one that is cut off or none of ours."""
    try:
        event = json.loads(line)
        return event if line.endswith(b"\n") and math.isfinite(event["step"]) and event["event"] else None
    except (ValueError, KeyError, TypeError):
        return None


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _writer(folder: str | Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", "tensorboard", "writing for TensorBoard") from None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
