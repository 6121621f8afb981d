"""The command line as a whole: its verbs, and how it ends. Each verb hands its flags to the function of its name."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from ..errors import DnabertError
from . import (
    attention,
    bench,
    check,
    evaluate,
    haplotypes,
    jobs,
    machine,
    motifs,
    mutate,
    prepare,
    pretrain,
    report,
    score,
    screening,
    tables,
    training,
)
from .screen import Told, err, plain

__all__ = ["app", "run"]

_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

_WHAT = "DNABERT at the speed of the hardware: score variants, scan genomes, predict, embed, fine-tune."

app = typer.Typer(
    name="dnabert-fast",
    help=_WHAT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (
    score.variants,
    score.scan,
    score.predict,
    score.embed,
    score.tokenize,
    attention.attention,
    screening.screen,
    mutate.mutate,
    tables.saturate,
    tables.lookup,
    haplotypes.haplotypes,
    report.report,
    motifs.motifs,
    pretrain.pretrain,
    training.finetune,
    evaluate.evaluate,
    check.check,
    jobs.merge,
    jobs.status,
    machine.info,
    machine.demo,
):
    app.command()(verb)
app.add_typer(prepare.app, name="prepare")
app.add_typer(bench.bench, name="bench")


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__

        print(f"dnabert-fast {__version__}")
        raise typer.Exit


@app.callback(help=_WHAT)
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Flags that stand before the verb."""


def run() -> None:
    """Run the command line: errors of users are one line on stderr and exit code 1; Ctrl-C exits with 130.

    SIGTERM, which schedulers send, is taken as Ctrl-C, so that nothing half-written stays behind.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except DnabertError as error:
        _fail(str(error))
    except Told:
        raise
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:  # typer has caught Ctrl-C
            _stopped()
        raise
    except KeyboardInterrupt:
        _stopped()
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        sys.exit(141)
    except MemoryError:
        _fail("out of memory; use a smaller --window, or a machine with more")
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stopped() -> None:
    kept = any(word.split("=")[0] == "--work" for word in sys.argv)
    rest = "; the same command goes on from the shards that are done" if kept else ""
    err.print(f"[red]stopped[/red]: no unfinished output file was left behind{rest}")


def _fail(message: str) -> None:
    err.print(f"[bold red]error[/bold red]: {plain(message)}", soft_wrap=True)
    sys.exit(1)
