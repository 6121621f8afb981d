"""What a user sees of a run: progress on stderr, tables of counts, errors as one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..workflows.progress import Advance, silent
from ..workflows.progress import Progress as ProgressProtocol

if TYPE_CHECKING:
    from ..workflows.demo import TopVariant

__all__ = [
    "Told",
    "aloud",
    "dim",
    "err",
    "note",
    "plain",
    "show_counts",
    "show_notes",
    "show_rest",
    "show_run",
    "show_top",
    "shown_progress",
    "title",
    "written",
]

err = Console(stderr=True, highlight=False)


class Told(SystemExit):
    """The end of a command that has told the user all there is to tell."""


class _Rate(ProgressColumn):
    """Units done a second, over the whole of the task."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        if not elapsed or not task.fields["done"]:
            return Text("")
        return Text(f"{_short(task.fields['done'] / elapsed)} {task.fields['unit']}/s")


@contextmanager
def shown_progress(quiet: bool) -> Iterator[ProgressProtocol]:
    """A Progress that draws bars with rate and time left on stderr; a silent one where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bars:

        def begin(what: str, unit: str, total: int | None) -> Advance:
            task = bars.add_task(what, total=total, unit=unit, shown="", done=0)

            def advance(done: int, share: float | None = None) -> None:
                count = bars.tasks[task].fields["done"] + done
                of = "" if total is None else f" of {_short(total)}"
                # Where the total is unknown, the bar and the time left follow the share of the input.
                where = {"completed": share, "total": 1.0} if share is not None else {"completed": count}
                bars.update(task, done=count, shown=f"{_short(count)}{of} {unit}", **where)

            return advance

        yield begin


def plain(message: str) -> str:
    """A message on one line, with nothing in it that rich would read as markup."""
    return escape(" ".join(message.split()))


def title(text: str) -> None:
    """Print a heading."""
    err.print(escape(text), style="bold", soft_wrap=True)


def note(text: str) -> None:
    """Print what a user should know of a run."""
    err.print(f"[yellow]note[/yellow]: {plain(text)}", soft_wrap=True)


def dim(text: str) -> None:
    """Print a line of the log of a run."""
    err.print(escape(text), style="dim", soft_wrap=True)


def aloud(print_line: Callable[[str], None], quiet: bool) -> Callable[[str], None]:
    """What prints the lines of a run's log in this way, or with --quiet not at all."""
    return (lambda line: None) if quiet else print_line


def show_counts(heading: str, rows: Mapping[str, int | float | str]) -> None:
    """Print a title and a table of two columns: what, and how many."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(escape(name), f"{value:,}" if isinstance(value, (int, float)) else escape(value))
    title(heading)
    err.print(table)


def written(facts: Mapping[str, Any], done: int | None = None, unit: str = "") -> str:
    """The heading of a run's counts: what it wrote, and in which time; with the rate of so many units done."""
    rate = "" if done is None else f", {done / max(facts['seconds'], 1e-3):,.0f} {unit}/s"
    return f"{facts['output']}  ({facts['seconds']:.1f} s{rate})"


def show_run(
    facts: Mapping[str, Any], rows: Mapping[str, int | float | str], done: int | None = None, unit: str = ""
) -> None:
    """Print all there is to tell of a run: what it wrote, these counts, and the rest of its facts."""
    show_counts(written(facts, done, unit), rows)
    show_rest(facts)


def show_rest(facts: Mapping[str, Any]) -> None:
    """Print which shards alone were computed, which precision `auto` took and why, and the notes of a run."""
    if "shards" in facts:
        shards = facts["shards"]
        if shards["last"] < shards["first"]:
            dim(f"none of the job's shards ({shards['of']:,}) is in this part, of which there are more")
        else:
            dim(f"shards {shards['first']:,} to {shards['last']:,} of {shards['of']:,}; when all are done, merge them")
    reasons = dict.fromkeys(told.get("precision_reason", "asked for") for told in facts.get("models", [facts]))
    for reason in reasons:
        if reason != "asked for":
            dim(f"precision {reason}")
    show_notes(facts)


def show_notes(facts: Mapping[str, Any]) -> None:
    """Print what a user should know of a run, a line each."""
    for text in facts["notes"]:
        note(text)


def show_top(alleles: Sequence[TopVariant]) -> None:
    """Print the alleles of the largest difference scores."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("variant", no_wrap=True)
    table.add_column("promoter")
    for name in ("P(ref)", "P(alt)", "difference", "log-odds ratio"):
        table.add_column(name, justify="right")
    for allele in alleles:
        numbers = (allele.p_ref, allele.p_alt, allele.difference, allele.log_odds_ratio)
        shown = (f"{numbers[0]:.3f}", f"{numbers[1]:.3f}", f"{numbers[2]:+.3f}", f"{numbers[3]:+.2f}")
        table.add_row(f"{allele.contig}:{allele.position:,} {allele.change}", escape(allele.promoter), *shown)
    err.print(table)


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if letter == 'k' else size):.3g} {letter}"
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"
