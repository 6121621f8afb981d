"""What verbs do alike: they share flags, and hand them on by name to the function of `workflows` that does the work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from itertools import chain, takewhile
from types import EllipsisType
from typing import Any, TypeVar

from .flags.common import quiet
from .screen import shown_progress

__all__ = ["carry_out", "flags_of", "takes"]

Verb = TypeVar("Verb", bound=Callable[..., None])
Facts = TypeVar("Facts", bound=Mapping[str, Any])

_SHARED = "shared"


def takes(*groups: Callable[..., None] | EllipsisType, **defaults: Any) -> Callable[[Verb], Verb]:
    """A verb that has more flags than it writes out: those of these groups in place of its `**shared`, then --quiet.

    A group is a function of flags. `...` stands where the verb's own flags with defaults go, if not before all groups.
    `defaults` are of flags whose default is another one here than in the group.
    """

    def of(verb: Verb) -> Verb:
        own = [flag for flag in _flags(verb) if flag.name != _SHARED]
        required = list(takewhile(lambda flag: flag.default is Parameter.empty, own))
        order = (*groups, quiet) if ... in groups else (..., *groups, quiet)
        parts = [own[len(required) :] if group is ... else _flags(group) for group in order]
        flags = [
            flag.replace(kind=Parameter.KEYWORD_ONLY, default=defaults.get(flag.name, flag.default))
            for flag in chain(required, *parts)
        ]
        vars(verb)["__signature__"] = inspect.Signature(flags, return_annotation=None)  # which typer reads
        return verb

    return of


def _flags(function: Callable[..., None]) -> list[Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def flags_of(local: Mapping[str, Any]) -> dict[str, Any]:
    """All flags of a verb by name, those in its `**shared` too, out of what `locals()` is in its first line."""
    flags = dict(local)
    shared: dict[str, Any] = flags.pop(_SHARED, {})
    return flags | shared


def carry_out(
    work: Callable[..., Facts], flags: Mapping[str, Any], show: Callable[[Facts], None], /, **instead: Any
) -> Facts:
    """Call the function that does a verb's work, with the flags by their names, and show the facts that it returns.

    `instead` goes to the function in place of flags of the same names, or beside them. --quiet is of no concern to it:
    it is given a `progress`, and `show` is called, as that flag has it. Raises TypeError for a flag that the function
    has no argument for; one that concerns the verb alone must not be among `flags`.
    """
    given = {name: value for name, value in flags.items() if name != "quiet"}
    with shown_progress(flags["quiet"]) as progress:
        facts = work(**given | instead, progress=progress)
    if not flags["quiet"]:
        show(facts)
    return facts
