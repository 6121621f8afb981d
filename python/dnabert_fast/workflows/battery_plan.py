"""What a battery is to do: data sets of a table or folder, models, and the settings that make a run what it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import DnabertError, FormatError
from ..io.text_table import MISSING, TextTable, read_text_table
from ..nn.checkpoint import network_hash
from ..train.baselines import BASELINES
from .baseline import NETWORK_ONLY
from .predictors import names_of
from .training import network_of

__all__ = ["Contender", "DataSet", "Run", "contenders", "differences", "read_sets", "runs_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_PARTS = ("train", "dev", "test")
_ENDINGS = (".csv.gz", ".tsv.gz", ".csv", ".tsv")


def _yes(text: str) -> bool:
    found = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    return found[text.lower()]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


# The flags of `finetune` that a table of sets may give for each of them.
_COLUMNS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "preset": (str, "a preset"),
    "task": (str, "a task"),
    "learning_rate": (float, "a number"),
    "epochs": (int, "a whole number"),
    "batch": (int, "a whole number"),
    "evaluations": (int, "a whole number"),
    "patience": (int, "a whole number"),
    "window": (int, "a whole number"),
    "shift": (int, "a whole number"),
    "max_train": (int, "a whole number"),
    "anchor": (str, "text"),
    "classes": (_names, "names with commas between them"),
    "reverse_complement": (_yes, "yes or no"),
}


@dataclass(frozen=True)
class DataSet:
    """A named data set, and the flags that the table gives for it alone."""

    name: str
    train: Path
    dev: Path
    test: Path
    given: Mapping[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, Path]:
        """Its three files by what they are for."""
        return {"train": self.train, "dev": self.dev, "test": self.test}


@dataclass(frozen=True)
class Contender:
    """What is trained on each set: a pre-trained model's folder, a network with random weights, or a baseline.

    `identity` tells contenders apart by content; `rate` is its learning rate, where it has one of its own.
    """

    name: str
    kind: Literal["model", "network", "baseline"]
    source: str
    identity: str
    rate: float | None = None


@dataclass(frozen=True)
class Run:
    """A contender on a set with a seed: the flags of `finetune`, and `settings`, on which its results depend."""

    contender: Contender
    data: DataSet
    seed: int
    flags: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """What names the run in a battery: set, model, seed."""
        return self.data.name, self.contender.name, self.seed

    @property
    def hash(self) -> str:
        """The settings in twelve hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]


def read_sets(path: str | Path) -> list[DataSet]:
    """The sets of a table (name, train, dev, test; paths are relative to it) or of a folder.

    Other columns are flags of `finetune` for a set, "." where it has none. In a folder each folder at any depth that
    holds train, dev and test (csv or tsv, plain or .gz) is a set, named by the way there. Raises FormatError, naming
    the line, for a table that cannot be used, names that are no file names or come twice, and a folder without sets.
    """
    found = _of_folder(Path(path)) if Path(path).is_dir() else _of_table(path)
    known: set[str] = set()
    for data in found:
        if not _NAME.fullmatch(data.name):
            raise FormatError(f"{path}: set {data.name!r}: names may hold letters, digits and _ . + - alone")
        if data.name in known:
            raise FormatError(f"{path}: two sets are named {data.name}; each needs its own name")
        known.add(data.name)
    return found


def _of_folder(folder: Path) -> list[DataSet]:
    found = []
    for place in sorted({path.parent for path in folder.rglob("train.*")}):
        train, dev, test = (_table_in(place, part) for part in _PARTS)
        if train and dev and test:
            name = "_".join(place.relative_to(folder).parts) or place.name
            found.append(DataSet(name, train, dev, test))
    if not found:
        raise FormatError(f"{folder}: no folder in it holds train, dev and test as .csv or .tsv (plain or .gz)")
    return found


def _table_in(folder: Path, part: str) -> Path | None:
    return next((folder / (part + ending) for ending in _ENDINGS if (folder / (part + ending)).is_file()), None)


def _of_table(path: str | Path) -> list[DataSet]:
    table = read_text_table(path, ("name", *_PARTS))
    flags = {name: name.replace("-", "_") for name in table.columns if name not in ("name", *_PARTS)}
    for name, flag in flags.items():
        if flag not in _COLUMNS:
            raise FormatError(f"{path}:1: column {name!r} is no flag a set may have; there are {', '.join(_COLUMNS)}")
    base = Path(path).parent
    rows = []
    for row, name in enumerate(table.columns["name"]):
        files = {part: base / table.columns[part][row] for part in _PARTS}
        given = {flag: _value(table, row, column, flag) for column, flag in flags.items()}
        given = {flag: value for flag, value in given.items() if value is not None}
        rows.append(DataSet(name, files["train"], files["dev"], files["test"], given))
    return rows


def _value(table: TextTable, row: int, column: str, flag: str) -> Any:
    text = table.columns[column][row].strip()
    if text.lower() in MISSING:
        return None
    read, what = _COLUMNS[flag]
    try:
        return read(text)
    except (ValueError, KeyError):
        raise table.wrong(row, f"{column} {text!r} is not {what}") from None


def contenders(
    models: Sequence[str], networks: Sequence[str], baselines: Sequence[str], rates: Sequence[str]
) -> list[Contender]:
    """What is compared: [NAME=]FOLDER of pre-trained models, [NAME=]NETWORK with random weights, and baselines.

    NETWORK is a preset or a folder, of which the shape is taken. `rates` are NAME=RATE. Raises DnabertError for what
    is unknown or named alike, CheckpointError for a folder that cannot be read: all models are read once.
    """
    found = [
        Contender(name, "model", source, f"weights {network_hash(source)[:12]}")
        for name, source in names_of(models, "--model")
    ]
    for name, source in names_of(networks, "--network"):
        shape = json.dumps(asdict(network_of(source)), sort_keys=True)
        identity = f"random weights {hashlib.sha256(shape.encode()).hexdigest()[:12]}"
        found.append(Contender(name, "network", source, identity))
    for name in baselines:
        if name not in BASELINES:
            raise DnabertError(f"--baseline {name}: choose one of {', '.join(BASELINES)}")
        found.append(Contender(name, "baseline", name, str(asdict(BASELINES[name]))))
    names = [each.name for each in found]
    if not found:
        raise DnabertError("--sets trains models on many sets: give --model, --network or --baseline")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DnabertError(f"two models are named {twice}; give NAME=DIR")
    of_name = dict(_rate(text, names) for text in rates)
    return [Contender(c.name, c.kind, c.source, c.identity, of_name.get(c.name)) for c in found]


def _rate(text: str, names: Sequence[str]) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        rate = float(number)
    except ValueError:
        rate = -1.0
    if not rate > 0 or name not in names:
        raise DnabertError(f"--rate {text}: give NAME=RATE, a rate above 0 of one of {', '.join(names)}")
    return name, rate


def runs_of(
    sets: Sequence[DataSet], compared: Sequence[Contender], seeds: Sequence[int], flags: Mapping[str, Any]
) -> list[Run]:
    """Every contender on every set with every seed, set by set; `flags` are those of all, None where not given.

    A set's own flags replace those of all, a contender's own rate both. What only networks know is kept from baselines.
    """
    found = []
    for data in sets:
        content = {part: _content(path) for part, path in data.files().items()}
        for each in compared:
            mine = {**{name: value for name, value in flags.items() if value not in (None, ())}, **data.given}
            if each.rate is not None:
                mine["learning_rate"] = each.rate
            if each.kind == "baseline":
                mine = {name: value for name, value in mine.items() if name not in NETWORK_ONLY}
            told = mine | ({"labels": _content(Path(mine["labels"]))} if "labels" in mine else {})
            for seed in seeds:
                settings = {"model": each.identity, **content, **told, "seed": seed}
                found.append(Run(each, data, seed, mine, json.loads(json.dumps(settings, default=str))))
    return found


def _content(path: Path) -> str:
    """What tells one file's content from another's."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as wrong:
        return f"unreadable ({wrong.strerror})"


def differences(former: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In which settings two runs differ, for people."""
    names = [name for name in {**former, **now} if former.get(name) != now.get(name)]
    content = {
        "train": "the training set",
        "dev": "the dev set",
        "test": "the test set",
        "labels": "the file of labels",
    }
    told = []
    for name in names:
        if name in content:
            told.append(f"another content of {content[name]}")
        else:
            before, after = (_said(settings.get(name)) for settings in (former, now))
            told.append(f"{name.replace('_', ' ')} {before}, now {after}")
    return "; ".join(told)


def _said(value: Any) -> str:
    return "the preset's" if value is None else str(value)
