"""dnabert_fast: score variants, scan genomes, embed and fine-tune with DNABERT, at the speed of the hardware.

Importing this package loads no torch; names below are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine.dataset import TokenDataset as TokenDataset
    from .engine.dataset import stream as stream
    from .engine.model import Model as Model
    from .engine.model import load as load
    from .errors import DnabertError as DnabertError
    from .seq.batch import TokenBatch as TokenBatch
    from .seq.batch import Windows as Windows
    from .seq.genome import Genome as Genome
    from .seq.plan import Plan as Plan
    from .workflows.attention import attention as attention
    from .workflows.battery import battery as battery
    from .workflows.check import check as check
    from .workflows.finetune import finetune as finetune
    from .workflows.haplotypes import haplotypes as haplotypes
    from .workflows.merge import merge as merge
    from .workflows.merge import status as status
    from .workflows.motifs import motifs as motifs
    from .workflows.pretrain import pretrain as pretrain
    from .workflows.scan import scan as scan
    from .workflows.screen import screen as screen
    from .workflows.sequences import embed as embed
    from .workflows.sequences import predict as predict
    from .workflows.variants import variants as variants

__version__ = "0.1.0"

_HOME = {
    "DnabertError": "errors",
    "Genome": "seq.genome",
    "Model": "engine.model",
    "Plan": "seq.plan",
    "TokenBatch": "seq.batch",
    "TokenDataset": "engine.dataset",
    "Windows": "seq.batch",
    "attention": "workflows.attention",
    "battery": "workflows.battery",
    "check": "workflows.check",
    "embed": "workflows.sequences",
    "finetune": "workflows.finetune",
    "haplotypes": "workflows.haplotypes",
    "load": "engine.model",
    "merge": "workflows.merge",
    "motifs": "workflows.motifs",
    "predict": "workflows.sequences",
    "pretrain": "workflows.pretrain",
    "scan": "workflows.scan",
    "screen": "workflows.screen",
    "status": "workflows.merge",
    "stream": "engine.dataset",
    "variants": "workflows.variants",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
