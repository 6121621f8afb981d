"""What a flag can be."""

from __future__ import annotations

import typer

__all__ = ["argument", "file", "option"]

option, argument = typer.Option, typer.Argument


def file(help: str, metavar: str = "FILE", *names: str) -> object:
    """An option that names a file, a folder or a model."""
    return option(*names, help=help, metavar=metavar)
