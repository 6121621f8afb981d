"""What tells one pre-training run from another, and which parts of genomes it reads. Trains nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import DnabertError
from ..io.bed import read_bed
from ..seq.corpus import Corpus
from ..seq.genome import Genome
from ..seq.runs import Places
from ..train.checkpoints import State
from ..train.recipes import PretrainRecipe

__all__ = ["about_run", "check_same_run", "chosen_places"]

# Of so many samples the letters are compared.
_COMPARED = 1000


def chosen_places(given: Sequence[str | Path], genomes: Sequence[Genome]) -> Places | None:
    """Contigs, whole, and the regions of BED files, as users name both; None where nothing is given.

    A name that a genome has is a contig, even if a file is called so. Raises FormatError for a BED file that cannot be
    read.
    """
    if not given:
        return None
    known = {name for genome in genomes for name in genome.names}
    files = [each for each in map(str, given) if each not in known and _is_bed(each)]
    places = Places.whole(each for each in map(str, given) if each not in files)
    for file in files:
        places = places.with_regions(read_bed(file))
    return places


def about_run(recipe: PretrainRecipe, seed: int, corpus: Corpus, start: str | None) -> dict[str, Any]:
    """What makes a run the same run, as JSON: recipe, seed, data, and a hash of the weights it starts with, if given.

    How many steps are made is left out: a run may be made longer.
    """
    fields = asdict(recipe)
    del fields["steps"]
    digest = hashlib.sha256()
    for genome in corpus.genomes:
        digest.update("\n".join(genome.names).encode() + genome.lengths.tobytes())
    for part in filter(None, (corpus.training, corpus.evaluation)):
        for column in (part.runs.genome, part.runs.contig, part.runs.start, part.runs.end):
            digest.update(column.tobytes())
    digest.update(corpus.samples(0, _COMPARED).bases.tobytes())
    data = {
        "contigs": sum(len(genome.names) for genome in corpus.genomes),
        "bases": sum(int(genome.lengths.sum()) for genome in corpus.genomes),
        "bases_to_train_on": corpus.bases,
        "samples_of_a_pass": corpus.pass_length,
        "hash": digest.hexdigest()[:16],
    }
    found: dict[str, Any] = json.loads(json.dumps({"seed": seed, "recipe": fields, "data": data, "model": start}))
    return found


def check_same_run(state: State, run: dict[str, Any]) -> None:
    """Raise DnabertError, naming the difference, where a checkpoint is of another run.

    What only one of them tells, because another version wrote it, is not compared.
    """
    before, now = dict(_flat(state.facts["run"])), dict(_flat(run))
    for name in before:
        if name in now and before[name] != now[name]:
            shown = name.removeprefix("recipe.").replace("_", " ").replace(".", " ")
            raise DnabertError(
                f"{state.folder}: was made with {shown} {before[name]}, but this run has {now[name]}; "
                "give what it was made with, or choose another folder"
            )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _is_bed(name: str) -> bool:
    return Path(name).is_file() or name.endswith((".bed", ".bed.gz"))
