"""Every flag of every verb reaches the function that does the verb's work, and has the default that it has there."""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from dnabert_fast.cli.app import app
from dnabert_fast.errors import DnabertError

# What is typed, and the function of workflows that it calls. Arguments are letters, flags are those that must be given.
RUNS = {
    "variants V G -o O": "variants.variants",
    "variants V G -o O --estimate": "variants.variants",
    "scan G -m M -o O": "scan.scan",
    "scan G -m M -o O --estimate": "scan.scan",
    "predict S -m M -o O": "sequences.predict",
    "predict S -m M -o O --estimate": "sequences.predict",
    "embed S -m M -o O": "sequences.embed",
    "embed S -m M -o O --estimate": "sequences.embed",
    "tokenize S": "sequences.tokenize",
    "attention S -m M -o O": "attention.attention",
    "screen V G -m M -o O": "screen.screen",
    "mutate -m M -o O": "mutate.mutate",
    "saturate G -m M": "saturate.saturate",
    "saturate G -m M --estimate": "saturate.saturate",
    "lookup V T -o O": "lookup.lookup",
    "haplotypes V G -m M -o O": "haplotypes.haplotypes",
    "report R -o O": "report.report",
    "motifs S -o O": "motifs.motifs",
    "pretrain G -o O": "pretrain.pretrain",
    "finetune -o O --train A --dev B": "finetune.finetune",
    "finetune -o O --train A --dev B --baseline cnn": "baseline.train_baseline",
    "finetune -o O --sets S": "battery.battery",
    "evaluate T -o O": "evaluate.evaluate",
    "evaluate --variants V --truth F -o O": "judge_variants.judge_variants",
    "evaluate --results R -o O": "results.compare_results",
    "check M": "check.check",
    "merge W": "merge.merge",
    "status W": "merge.status",
    "info": "info.info",
    "demo": "demo.demo",
    "prepare promoters G --tss T -o O --dev D": "prepare.promoters",
    "prepare prom-scan G --tss T -o O --dev D": "prepare.prom_scan",
    "prepare tfbs G --peaks P -o O --dev D": "prepare.tfbs",
    "prepare splice G --exons E -o O --dev D": "prepare.splice",
    "prepare windows G --regions R -o O --dev D": "prepare.windows",
    "prepare hard-negatives F G -o O": "hard_negatives.hard_negatives",
    "bench": "bench.bench",
    "bench gue F -o O": "bench_gue.gue",
}
VALUES = ("5", "0.5", "3", "1", "x")  # one of them is a value of any flag, and not its default


WITHOUT_EFFECT = {"--quiet"}  # which is about the screen
ROOMS = ("analysis", "common", "evaluate", "train")  # whose flags have one namespace

COMMAND = typer.main.get_command(app)
Call = Callable[[str], "tuple[str, dict[str, Any]]"]


class Called(Exception):
    """A function of workflows was called with these arguments."""


def function(work: str) -> tuple[Any, str]:
    """The module of a function of workflows, and its name there."""
    module, _, name = work.partition(".")
    return importlib.import_module(f"dnabert_fast.workflows.{module}"), name


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command up to its work: which function it calls, and with which arguments but those to be called back.

    Raises what the command raises, and TypeError where it gives the function what that has no argument for.
    """

    def spy(work: str, module: Any, name: str) -> None:
        real = getattr(module, name)

        @functools.wraps(real)
        def record(*given: Any, **named: Any) -> None:
            arguments = inspect.signature(real).bind(*given, **named).arguments
            raise Called(work, {name: value for name, value in arguments.items() if not callable(value)})

        monkeypatch.setattr(module, name, record)

    # All are imported before any is replaced: some import others, and would keep what stands in for them.
    found = {work: function(work) for work in RUNS.values()}
    for work, (module, name) in found.items():
        spy(work, module, name)

    def run(typed: str) -> tuple[str, dict[str, Any]]:
        with pytest.raises(Called) as called:
            COMMAND.main(typed.split(), "dnabert-fast", standalone_mode=False)
        work, arguments = called.value.args
        return work, arguments

    return run


def verbs(command: Any, words: str = "") -> Iterator[tuple[str, Any]]:
    """Every verb, by the words that call it."""
    below = getattr(command, "commands", {})
    if words and (not below or command.invoke_without_command):
        yield words, command
    for name, one in below.items():
        yield from verbs(one, f"{words} {name}".strip())


VERBS = dict(verbs(COMMAND))


def verb_of(typed: str) -> str:
    """The verb that is typed."""
    return max((words for words in VERBS if f"{typed} ".startswith(f"{words} ")), key=len)


def test_every_verb_is_looked_at() -> None:
    assert {verb_of(typed) for typed in RUNS} == set(VERBS)


@pytest.mark.parametrize("typed", RUNS)
def test_defaults_are_those_of_the_function(typed: str, call: Call) -> None:
    work, given = call(typed)
    assert work == RUNS[typed]
    module, name = function(work)
    parameters = dict(inspect.signature(getattr(module, name)).parameters)
    if common := given.pop("common", None):
        given |= vars(common)
        parameters |= inspect.signature(type(common)).parameters
    for name, value in given.items():
        default = parameters[name].default
        if default is inspect.Parameter.empty or f"--{name}" in typed.split():
            continue
        assert value == default, f"{typed}: {name}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_has_an_effect(verb: str, call: Call) -> None:
    """In some run of the verb it changes which function is called, or with what; in others it may be refused."""

    def outcome(typed: str) -> object:
        try:
            return call(typed)
        except DnabertError:
            return None
        except Exception as error:
            if getattr(error, "exit_code", None) == 2:  # the value is none that the flag takes
                return None
            raise

    runs = {typed: call(typed) for typed in RUNS if verb_of(typed) == verb}
    for flag in VERBS[verb].params:
        if flag.param_type_name != "option" or "--help" in flag.opts:
            continue
        words = [*flag.opts, *flag.secondary_opts] if flag.is_flag else [f"{flag.opts[0]} {value}" for value in VALUES]
        found = (outcome(f"{typed} {word}") not in (None, usual) for typed, usual in runs.items() for word in words)
        assert any(found) != (flag.opts[0] in WITHOUT_EFFECT), f"{verb} {flag.opts[0]}"


def test_no_name_of_a_flag_stands_for_two() -> None:
    rooms = [vars(importlib.import_module(f"dnabert_fast.cli.flags.{room}")) for room in ROOMS]
    for one, other in itertools.combinations(rooms, 2):
        shared = {name for name in one.keys() & other.keys() if not name.startswith("_")}
        assert [name for name in shared if one[name] is not other[name]] == []
