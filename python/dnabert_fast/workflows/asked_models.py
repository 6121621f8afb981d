"""Which models a run of `variants` was asked for, which class of each, and which of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..analysis.changes import SCORES
from ..errors import DnabertError, FormatError
from ..io.rows import open_lines
from .common import field_name, named

__all__ = ["AskedModel", "asked_fields", "asked_models", "prefix_of"]

_PREFIX = "DNABERT"
_TITLES = ["name", "folder"]


@dataclass(frozen=True)
class AskedModel:
    """A model as asked for: its name ("" where it has none), its folder or hub name, and the class to score.

    `line` is the file and line of --models that it was asked for on; "" for --model.
    """

    name: str
    folder: str
    class_name: str | None
    line: str = ""

    def __str__(self) -> str:
        return f"model {self.name}" if self.name else f"model {self.folder}"

    def wrong(self, error: DnabertError, *, alone: bool) -> DnabertError:
        """The error with the line, or the model of several, that it is of."""
        where = self.line or ("" if alone else str(self))
        return type(error)(f"{where}: {error}" if where else str(error))


def asked_models(
    model: str | Sequence[str] | None, models: str | Path | None = None, class_name: str | None = None
) -> list[AskedModel]:
    """The models of --model [NAME=]DIR, one or several, or of --models FILE; `class_name` where a line names none.

    The file has a line a model: name, folder and, if wanted, class, with tabs between; a line "name, folder, class" of
    titles and lines that begin with # are passed over. Raises DnabertError where several are not each named otherwise.
    """
    given = [] if model is None else [model] if isinstance(model, str) else list(model)
    if given and models is not None:
        raise DnabertError("--model and --models both say which models; give one of them")
    if not given and models is None:
        raise DnabertError("give --model [NAME=]DIR, once or several times, or --models FILE")
    found = [AskedModel(*named(text, "--model"), class_name) for text in given]
    if models is not None:
        found = _listed(models, class_name)
    if len(found) > 1:
        seen: set[str] = set()
        for one in found:
            if not one.name:
                raise DnabertError(f"--model {one.folder}: of several models each has a name; give NAME={one.folder}")
            if one.name in seen:
                told = DnabertError(f"two models are called {one.name}; give each a name of its own")
                raise one.wrong(told, alone=True)
            seen.add(one.name)
    return found


def prefix_of(asked: Sequence[AskedModel]) -> str:
    """What the names of all fields begin with: DNABERT, and the name of an only model that has one."""
    return f"{_PREFIX}_{asked[0].name}" if len(asked) == 1 and asked[0].name else _PREFIX


def _listed(path: str | Path, class_name: str | None) -> list[AskedModel]:
    found = []
    with open_lines(path) as lines:
        for number, line in lines:
            text = line.decode("utf-8", "replace")
            columns = [column.strip() for column in text.split("\t")]
            if not text.strip() or text.startswith("#") or [column.lower() for column in columns[:2]] == _TITLES:
                continue
            if len(columns) not in (2, 3) or not columns[1]:
                raise FormatError(f"{path}:{number}: not a name, a folder and, if wanted, a class, with tabs between")
            name, folder, label = (*columns, "")[:3]
            where = f"{path}:{number}"
            found.append(AskedModel(field_name(name, where), folder, label or class_name, where))
    if not found:
        raise FormatError(f"{path}: names no model; give lines of name and folder, with a tab between")
    return found


def asked_fields(fields: str | Sequence[str] | None) -> tuple[str, ...]:
    """The scores of --fields REF,ALT,DIFF,LOGOR, in that order; None asks for all. Raises DnabertError for others."""
    if fields is None:
        return SCORES
    given = fields.split(",") if isinstance(fields, str) else fields
    names = [name.strip().upper() for name in given]
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names:
        raise DnabertError(f"--fields {','.join(given)}: choose of {', '.join(SCORES)}, with commas between")
    return tuple(name for name in SCORES if name in names)
