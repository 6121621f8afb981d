"""The statistics packages, loaded where they are first needed. They come with the extra `stats`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import MissingExtra

__all__ = ["need"]


def need(module: str) -> Any:
    """The module of scipy or scikit-learn so named; raises MissingExtra where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        package = {"sklearn": "scikit-learn"}.get(module.partition(".")[0], "scipy")
        raise MissingExtra(package, "stats", "judging predictions") from error
