"""The verbs of the command line. Each hands its flags to the function of the same name and shows what came back."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from ..errors import DnabertError
from . import options as o
from .screen import err, show_counts, show_top, shown_progress

__all__ = ["app", "run"]

app = typer.Typer(
    name="dnabert-fast",
    help="DNABERT at the speed of the hardware: score variants, scan genomes, predict, embed, fine-tune.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Run the command line: errors of users are one line on stderr and exit code 1; Ctrl-C exits with 130."""
    try:
        app()
    except DnabertError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        err.print("[red]stopped[/red]: nothing was left under the final name")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except MemoryError:
        _fail("out of memory; use a smaller --window, or a machine with more")
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}")


def _fail(message: str) -> None:
    err.print(f"[bold red]error[/bold red]: {_escaped(message)}", soft_wrap=True)
    sys.exit(1)


def _escaped(message: str) -> str:
    return " ".join(message.split()).replace("[", r"\[")


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__  # noqa: PLC0415

        print(f"dnabert-fast {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """DNABERT at the speed of the hardware: score variants, scan genomes, predict, embed, fine-tune."""


@app.command()
def variants(
    vcf: Annotated[str, typer.Argument(help="VCF (plain, gzip, BGZF or - for stdin) or BCF.", metavar="VCF")],
    genome: o.Genome,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Model folder, hub name or 'demo'; NAME=DIR names the fields.", metavar="[NAME=]DIR")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=".vcf.gz, .vcf, .bcf, .tsv.gz, .tsv, .parquet, or - for VCF.")],
    windows: Annotated[str, typer.Option(help="'centred', or a BED file whose regions are the windows.")] = "centred",
    window: o.Window = None,
    strand: o.Strand = "+",
    class_name: o.ClassName = None,
    ref_mismatch: Annotated[str, typer.Option(help="Where REF differs from the genome: error, warn (score) or skip.")] = "skip",
    normalize: Annotated[bool, typer.Option(help="Trim and left-align alleles for scoring; records stay as written.")] = False,
    alias: Annotated[Optional[Path], typer.Option(help="Contig names: a UCSC chromAlias.txt.", metavar="FILE")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace DNABERT fields that the input already has.")] = False,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Score every ALT allele of a VCF: P(REF window), P(ALT window), difference score and log-odds ratio."""
    from ..workflows.variants import variants as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        facts = work(
            vcf, genome, model=model, output=output, windows=windows, window=window, strand=strand,
            class_name=class_name, ref_mismatch=ref_mismatch, normalize=normalize, alias=alias, overwrite=overwrite,
            precision=precision, device=device, threads=threads, summary=summary, progress=progress,
        )  # fmt: skip
    if quiet:
        return
    rate = facts["scored"] / max(facts["seconds"], 1e-9)
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {rate:.0f} alleles/s)",
        {"records": facts["records"], "ALT alleles": facts["alleles"], "scored": facts["scored"]}
        | {f"  {reason}": count for reason, count in facts["reasons"].items()}
        | {f"contig {names}": count for names, count in facts["aliased"].items()}
        | {"pieces": facts["pieces"], "pieces encoded": facts["pieces_encoded"]},
    )
    for note in facts["notes"]:
        err.print(f"[yellow]note[/yellow]: {_escaped(note)}", soft_wrap=True)


@app.command()
def scan(
    genome: o.Genome,
    model: o.Model,
    output: Annotated[Path, typer.Option("--output", "-o", help=".bw, .bedgraph.gz (per base), .bed.gz, .tsv.gz, .parquet (per window).")],
    window: o.Window = None,
    stride: Annotated[int, typer.Option(help="Bases between the starts of windows.", min=1)] = 100,
    strand: o.Strand = "+",
    regions: Annotated[Optional[Path], typer.Option(help="Scan these regions only.", metavar="BED")] = None,
    calls: Annotated[Optional[Path], typer.Option(help="Write merged windows over the threshold here.", metavar="BED")] = None,
    threshold: Annotated[float, typer.Option(help="Score from which a window is part of a call.")] = 0.5,
    max_n: Annotated[float, typer.Option(help="Leave out windows with more than this share of unknown bases.", min=0, max=1)] = 0.5,
    class_name: o.ClassName = None,
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Score every window of a genome: a per-base track or a table of windows, and called regions."""
    from ..workflows.scan import scan as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        facts = work(
            genome, model=model, output=output, window=window, stride=stride, strand=strand, regions=regions,
            calls=calls, threshold=threshold, max_n=max_n, class_name=class_name, precision=precision, device=device,
            threads=threads, summary=summary, progress=progress,
        )  # fmt: skip
    if quiet:
        return
    rate = facts["windows"] / max(facts["seconds"], 1e-9)
    show_counts(
        f"{facts['output']}  ({facts['seconds']:.1f} s, {rate:.0f} windows/s)",
        {
            "windows scored": facts["windows"],
            "left out for unknown bases": facts["left_out_n"],
            "contigs shorter than the window": len(facts["short_contigs"]),
            "pieces": facts["pieces"],
            "pieces encoded": facts["pieces_encoded"],
        },
    )


SequenceFile = Annotated[str, typer.Argument(help="FASTA, or csv/tsv with a column 'sequence'; plain, gzip or -.", metavar="SEQS")]


@app.command()
def predict(
    sequences: SequenceFile,
    model: o.Model,
    output: Annotated[Path, typer.Option("--output", "-o", help=".tsv, .tsv.gz or .parquet.")],
    strand: o.Strand = "+",
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Predict the class (or value) of every sequence of a file."""
    from ..workflows.sequences import predict as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        facts = work(
            sequences, model=model, output=output, strand=strand, precision=precision, device=device, threads=threads,
            summary=summary, progress=progress,
        )  # fmt: skip
    _show_sequences(facts, quiet)


@app.command()
def embed(
    sequences: SequenceFile,
    model: o.Model,
    output: Annotated[Path, typer.Option("--output", "-o", help=".npy or .parquet.")],
    pooling: Annotated[str, typer.Option(help="mean (over the k-mers) or cls.")] = "mean",
    strand: o.Strand = "+",
    precision: o.Precision = "fp32",
    device: o.Device = "auto",
    threads: o.Threads = None,
    summary: o.Summary = None,
    quiet: o.Quiet = False,
) -> None:
    """Write one vector for every sequence of a file."""
    from ..workflows.sequences import embed as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        facts = work(
            sequences, model=model, output=output, pooling=pooling, strand=strand, precision=precision, device=device,
            threads=threads, summary=summary, progress=progress,
        )  # fmt: skip
    _show_sequences(facts, quiet)


def _show_sequences(facts: dict[str, object], quiet: bool) -> None:
    if not quiet:
        title = f"{facts['output']}  ({facts['seconds']} s)"
        shown = {name: facts[name] for name in ("sequences", "shorter_than_k")}
        show_counts(title, {name.replace("_", " "): int(str(value)) for name, value in shown.items()})


@app.command()
def tokenize(
    sequences: SequenceFile,
    k: Annotated[int, typer.Option("--kmer", "-k", help="Length of the k-mers.", min=3, max=6)] = 6,
    output: Annotated[Path, typer.Option("--output", "-o", help="A text file (.gz: BGZF), or - for stdout.")] = Path("-"),
    ids: Annotated[bool, typer.Option(help="Token ids in place of letters.")] = False,
    quiet: o.Quiet = False,
) -> None:
    """Write the overlapping k-mers of every sequence, a line a sequence, as the original's files have them."""
    from ..workflows.sequences import tokenize as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        work(sequences, k=k, output=output, ids=ids, progress=progress)


@app.command()
def info() -> None:
    """Show what this machine has and what would run on it; the last line is JSON."""
    from ..workflows.info import info as work  # noqa: PLC0415

    facts = work()
    out = Console(highlight=False)
    out.print(f"dnabert-fast {facts['dnabert_fast']}, Python {facts['python']}, {facts['platform']}, {facts['cores']} cores")
    out.print(f"backend {facts['backend']} on {facts['device']}: {facts['reason']}", soft_wrap=True)
    out.print(f"k-mer kernel {facts['kmer_kernel']}; instruction sets {' '.join(facts['instruction_sets'])}", soft_wrap=True)
    print(json.dumps(facts))


@app.command()
def finetune(
    train: Annotated[Path, typer.Option(help="Training set: csv/tsv with columns sequence,label.", metavar="TABLE")],
    dev: Annotated[Path, typer.Option(help="Development set: the best step is chosen on it.", metavar="TABLE")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.", metavar="DIR")],
    test: Annotated[Optional[Path], typer.Option(help="Held-out set, judged once at the end.", metavar="TABLE")] = None,
    preset: Annotated[str, typer.Option(help="Recipe: general, prom-300, prom-core, demo.")] = "general",
    model: Annotated[Optional[str], typer.Option("--model", "-m", help="Pre-trained folder or hub name to start from.", metavar="DIR")] = None,
    network: Annotated[Optional[str], typer.Option(help="Start from random weights of this shape, e.g. tiny, dnabert-6.")] = None,
    learning_rate: Annotated[Optional[float], typer.Option(help="Peak learning rate.")] = None,
    epochs: Annotated[Optional[int], typer.Option(help="Passes over the training set.")] = None,
    batch: Annotated[Optional[int], typer.Option(help="Sequences a step.")] = None,
    window: o.Window = None,
    anchor: Annotated[Optional[str], typer.Option(help="What stands where in the windows, written into the model.")] = None,
    reverse_complement: Annotated[Optional[bool], typer.Option(help="Train on both strands.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and dropout.")] = 42,
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Train a classifier on labelled sequences and write it as a model folder."""
    from ..workflows.finetune import finetune as work  # noqa: PLC0415

    def report(event: Mapping[str, object]) -> None:
        if event["event"] == "evaluation" and not quiet:
            shown = "  ".join(f"{name} {value:.4g}" for name, value in event.items() if isinstance(value, float))
            err.print(f"[dim]step {event.get('step', '')}[/dim]  {shown}", soft_wrap=True)

    with shown_progress(quiet) as progress:
        facts = work(
            train=train, dev=dev, output=output, test=test, preset=preset, model=model, network=network,
            learning_rate=learning_rate, epochs=epochs, batch=batch, window=window, anchor=anchor,
            reverse_complement=reverse_complement, seed=seed, threads=threads, progress=progress, report=report,
        )  # fmt: skip
    if quiet:
        return
    for name in ("dev", "test"):
        if name in facts:
            rows = {key: f"{value:.4f}" for key, value in facts[name].items() if isinstance(value, float)}
            show_counts(f"{name}: {facts['output']}", rows)
    if facts["warning"]:
        err.print(f"[yellow]note[/yellow]: {_escaped(facts['warning'])}", soft_wrap=True)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", metavar="DIR")] = Path("demo-output"),
    threads: o.Threads = None,
    quiet: o.Quiet = False,
) -> None:
    """Run the main jobs on embedded data: real variants and a scan of a piece of chr20, tables and one picture."""
    from ..workflows.demo import demo as work  # noqa: PLC0415

    with shown_progress(quiet) as progress:
        facts = work(output, threads=threads, progress=progress)
    if quiet:
        return
    scored, scanned = facts["variants"], facts["scan"]
    show_counts(
        "HG002 variants on GRCh38 chr20:1-4,000,000, in 300-base windows of annotated promoters",
        {
            "records read and written": scored["records"],
            "alleles scored (in a promoter window)": scored["scored"],
            "seconds": f"{scored['seconds']:.1f}",
        },
    )
    show_top(facts["top"])
    show_counts(
        "\nThe same piece scanned, both strands",
        {
            "windows": scanned["windows"],
            "mean score in annotated promoters": f"{facts['track_in_promoters']:.3f}",
            "mean score everywhere": f"{facts['track_everywhere']:.3f}",
            "regions called": facts["calls"],
            "seconds": f"{scanned['seconds']:.1f}",
        },
    )
    err.print("\nResults", style="bold")
    for path in facts["files"]:
        print(path)
