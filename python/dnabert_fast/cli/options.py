"""The flags that several verbs share, each written once so that it means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

__all__ = [
    "ClassName",
    "Device",
    "Genome",
    "Model",
    "Output",
    "Precision",
    "Quiet",
    "Strand",
    "Summary",
    "Threads",
    "Window",
]

Genome = Annotated[str, typer.Argument(help="FASTA (plain, gzip, BGZF or - for stdin) or UCSC .2bit.", metavar="GENOME")]
Model = Annotated[str, typer.Option("--model", "-m", help="Model folder, hub name, or 'demo'.", metavar="DIR")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the result goes; its suffix says the format.")]
Window = Annotated[Optional[int], typer.Option(help="Bases of a window; default: what the model was trained on.")]
Strand = Annotated[str, typer.Option(help="Strand the model reads: +, - or both (mean of the logits).")]
ClassName = Annotated[Optional[str], typer.Option("--class", help="Class to score, for models of more than two.")]
Precision = Annotated[str, typer.Option(help="fp32 or bf16.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[Optional[int], typer.Option(help="CPU threads; default: all cores.", min=1)]
Summary = Annotated[Optional[Path], typer.Option(help="Write the facts of the run here, as JSON.", metavar="FILE")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary on the screen.")]
