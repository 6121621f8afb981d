"""The verbs that show what there is: info and demo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import flags as o
from .screen import show_counts, show_top, title
from .verb import carry_out, flags_of

__all__ = ["demo", "info"]


def info() -> None:
    """Show what this machine has and what would run on it; the last line is JSON."""
    from ..workflows.info import describe
    from ..workflows.info import info as work

    facts = work()
    print(f"dnabert-fast {facts['dnabert_fast']}, Python {facts['python']}, {facts['platform']}")
    print(f"{facts['cores']} cores; {' '.join(facts['instruction_sets']) or 'no vector instruction set known here'}")
    print(f"backend {facts['backend']} on {facts['device']}: {facts['reason']}; k-mer kernel {facts['kmer_kernel']}")
    for gpu in facts["gpus"]:
        print(f"GPU: {describe(gpu)}")
    print(json.dumps(facts))


def demo(output: o.Folder = Path("demo-output"), threads: o.Threads = None, quiet: o.Quiet = False) -> None:
    """Run the main jobs on embedded data: real variants and a scan of a piece of chr20, tables and one picture."""
    flags = flags_of(locals())
    from ..workflows.demo import demo as work

    facts = carry_out(work, flags, _show)
    for path in facts["files"]:
        print(path)


def _show(facts: Mapping[str, Any]) -> None:
    scored, scanned = facts["variants"], facts["scan"]
    show_counts(
        "HG002 variants on GRCh38 chr20:1-4,000,000, in 300-base windows of annotated promoters",
        {
            "records read and written": scored["records"],
            "alleles in a promoter window, scored": scored["scored"],
            "seconds": f"{scored['seconds']:.1f}",
        },
    )
    title("\nLargest difference scores")
    show_top(facts["top"])
    show_counts(
        "\nThe same piece scanned, mean of both strands",
        {
            "windows": scanned["windows"],
            "mean score over annotated promoters": f"{facts['track_in_promoters']:.3f}",
            "mean score over all": f"{facts['track_everywhere']:.3f}",
            "regions called": facts["calls"],
            "seconds": f"{scanned['seconds']:.1f}",
        },
    )
    title("\nResults")
