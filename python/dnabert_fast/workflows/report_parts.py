"""What the reports of all verbs share: what a run was given, its model's card, its command and its versions."""

from __future__ import annotations

import inspect
import json
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..engine.model import Model
from ..errors import FormatError
from ..report.page import Block, Code, Figures, Heading, Notes, Table, Text
from .info import package_versions
from .progress import Progress, silent
from .reports import number

__all__ = ["Page", "Run", "command_line", "facts_of", "figures", "model_card", "reasons_table", "run_table", "signed"]

_METRICS = ("accuracy", "precision", "recall", "f1", "mcc", "auroc", "auprc", "pearson", "spearman", "r2", "rmse")
_LONGEST = 4000  # letters of a command that are shown
_OF_RUN = (
    "precision", "precision_reason", "windows", "window", "stride", "strand", "class", "normalize", "ref_mismatch",
    "seconds",
)  # fmt: skip
_UNTOLD = ("progress", "command")
_FLAGS = {"class_name": "--class", "both_strands": "--single-strand"}  # of arguments that have another name


@dataclass(frozen=True)
class Run:
    """What a report is of: the files of a run, and as far as they are known its model, genome, windows and facts.

    `name` is that of the fields of scores where a file has those of several models; `maps` is how many mutation maps
    to draw.
    """

    path: Path
    model: str | None = None
    name: str = ""
    loaded: Model | None = None
    genome: str | Path | None = None
    windows: str | Path = "centred"
    window: int | None = None
    calls: str | Path | None = None
    alias: str | Path | None = None
    class_name: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    maps: int = 0
    device: str = "auto"
    threads: int | None = None
    progress: Progress = silent


@dataclass(frozen=True)
class Page:
    """A title, a line below it, and blocks; `rows` is how many rows its main table has."""

    title: str
    lead: str
    blocks: list[Block]
    rows: int = 0


def facts_of(path: str | Path | None) -> dict[str, Any]:
    """The facts that a run wrote with --summary; raises FormatError for a file that holds no such JSON object."""
    if path is None:
        return {}
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as wrong:
        raise FormatError(f"{path}: cannot be read: {wrong.strerror}") from None
    except ValueError as wrong:
        raise FormatError(f"{path}: no JSON ({wrong}); give what --summary wrote") from None
    if not isinstance(found, dict):
        raise FormatError(f"{path}: no JSON object; give what --summary wrote")
    notes, reasons = found.get("notes", []), found.get("reasons", {})
    if not isinstance(notes, list) or not isinstance(reasons, dict):
        raise FormatError(f"{path}: its notes are no list, or its reasons no counts by name; give what --summary wrote")
    if not all(isinstance(count, int) for count in reasons.values()):
        raise FormatError(f"{path}: its reasons are no counts; give what --summary wrote")
    return found


def command_line(verb: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """The command that calls a verb's function with these arguments; those that are the defaults are left out."""
    words = ["dnabert-fast", verb.__name__]
    for name, parameter in inspect.signature(verb).parameters.items():
        value = given.get(name)
        if name in _UNTOLD or value is None or value == parameter.default:
            continue
        if parameter.kind is not parameter.KEYWORD_ONLY:
            words.append(str(value))
            continue
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        if isinstance(value, bool):
            words.append(flag if value or name in _FLAGS else flag.replace("--", "--no-", 1))
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words += [flag, str(one)]
    return shlex.join(words)


def model_card(run: Run, settings: Mapping[str, Any]) -> list[Block]:
    """What is known of the model: from its folder where that was given, else from the files of the run."""
    blocks: list[Block] = [Heading("Model")]
    rows: list[tuple[str, str]] = []
    hashed = str(settings.get("model") or "")
    if run.loaded is None:
        rows += [("hash", hashed)] if hashed else []
        rows += [("class", str(settings["class"]))] if settings.get("class") else []
        if not rows:
            return [*blocks, Text("The files of the run do not name its model; give --model to show its card.")]
        return [*blocks, Table(("what", "of the run"), tuple(rows), left=2)]
    model = run.loaded
    encoder, block, own = model.network.config.encoder, model.block, model.hash()
    rows.append(("name", model.name))
    rows.append(("hash", own))
    rows.append(("k", str(model.k)))
    if block is not None:
        rows.append(("window", f"{block.window} bases, {block.anchor}"))
        rows.append(("trained on strand", block.strand))
    rows.append(("classes", ", ".join(model.labels) or "–"))
    rows.append(("encoder", f"{encoder.layers} layers of {encoder.hidden_size}, "
                            f"{encoder.heads} heads"))  # fmt: skip
    if model.network.config.temperature != 1:
        rows.append(("temperature", f"{model.network.config.temperature:.3f}"))
    if hashed and hashed != own:
        blocks.append(Notes((f"The run says its model's hash is {hashed}: the model below is another.",)))
    blocks.append(Table(("what", "of the model"), tuple(rows), left=2))
    return [*blocks, *_measured(run)]


def _measured(run: Run) -> list[Block]:
    """The metrics that training left in the model's folder, if it did."""
    given = Path(str(run.model))
    folder = given if given.exists() else Path(__file__).parent.parent / "models" / str(run.model)
    try:
        found = json.loads((folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        return []
    parts = [name for name in ("dev", "test") if isinstance(found, dict) and isinstance(found.get(name), dict)]
    names = [name for name in _METRICS if any(isinstance(found[part].get(name), float) for part in parts)]
    if not names:
        return []
    rows = tuple((part, *(number(found[part].get(name), 3) for name in names)) for part in parts)
    return [Table(("metrics.json", *names), rows)]


def run_table(run: Run, settings: Mapping[str, Any]) -> list[Block]:
    """The command, the settings and the versions of a run."""
    rows: list[tuple[str, str]] = []
    known = {**settings, **run.facts}
    rows += [(name.replace("_", " "), str(known[name])) for name in _OF_RUN if known.get(name) not in (None, "")]
    versions = ", ".join(f"{name} {found}" for name, found in package_versions().items() if found)
    rows.append(("dnabert-fast", str(known.get("version") or __version__)))
    rows.append(("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"))
    rows.append(("packages of this report", versions))
    told = [Code(run.command[:_LONGEST])] if run.command else []
    return [Heading("Run"), *told, Table(("what", "of the run"), tuple(rows), left=2)]


def reasons_table(reasons: Mapping[str, int], total: int, title: str = "Flags") -> list[Block]:
    """Alleles by the reasons in their flags, and their share of all."""
    if not reasons:
        return []
    ordered: Sequence[tuple[str, int]] = sorted(reasons.items(), key=lambda item: -item[1])
    rows = tuple(
        (name, _MEANINGS.get(name, ""), f"{count:,}", f"{count / max(1, total):.1%}") for name, count in ordered
    )
    return [Heading(title), Table(("reason", "meaning", "alleles", "share"), rows, left=2)]


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, as people print it; a dash where there is none."""
    return number(value, digits) if value != value else f"{value:+.{digits}f}".replace("-", "−")


def figures(items: Mapping[str, object]) -> Figures:
    """The numbers to know first; whole ones with commas."""
    return Figures(
        tuple((name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in items.items())
    )


_MEANINGS = {
    "STAR": "no score: absent because of a deletion upstream",
    "NO_ALT": "no score: ALT is “.”",
    "SYMBOLIC": "no score: a name in place of bases",
    "NON_REF": "no score: <NON_REF> or <*>",
    "BREAKEND": "no score: a breakend",
    "AMBIGUOUS": "no score: letters other than A, C, G, T",
    "INVALID": "no score: letters that no allele may have",
    "NO_CONTIG": "no score: the genome has no such contig",
    "OUT_OF_CONTIG": "no score: beyond the contig's end",
    "REF_MISMATCH": "REF differs from the genome",
    "LONG_ALLELE": "no score: longer than the window",
    "IN_NO_WINDOW": "not scored: in no window that was attended to",
    "IN_NO_REGION": "not scored: in no region that is attended to",
    "OUTSIDE": "no score: in none of the windows",
    "TRUNCATED": "scored: the window's end cuts the allele",
    "CONTIG_END": "scored: N beyond the contig's end",
}
