"""`--ray` as users type it, where no cluster is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("verb", ["variants", "scan", "predict", "embed"])
def test_every_verb_takes_it(verb: str, cli: Cli, vcf: Path, genome: Path, model: Path, out: Path) -> None:
    given = {"variants": (vcf, genome), "scan": (genome,)}.get(verb, (genome,))
    name = {"variants": "o.vcf.gz", "scan": "o.bw", "predict": "o.tsv", "embed": "o.npy"}[verb]
    words = (verb, *given, "-m", model, "-o", out / name)
    code, stdout, err = cli(*words, "--ray", "auto")
    assert (code, stdout) == (1, "")
    assert err == "error: --ray auto: shards are kept in a folder that all nodes see; give --work DIR too\n"
    code, _, err = cli(*words, "--ray-cpus", 2)
    assert (code, err) == (1, "error: --ray-cpus 2: are those of an actor; give --ray auto or an address too\n")
    assert list(out.iterdir()) == []
