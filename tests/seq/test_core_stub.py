"""The type stub of the C++ core names what the core has, argument by argument."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import dnabert_fast
from dnabert_fast import _core

STUB = ast.parse((Path(dnabert_fast.__file__).parent / "_core.pyi").read_text())


def stub_arguments(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def core_arguments(function: object) -> list[str]:
    # pybind11 writes the signature on the first line: name(self: T, first: type, second: type = value) -> type
    signature = (function.__doc__ or "").splitlines()[0]
    return [name for name in re.findall(r"[(,] ?(\w+):", signature) if name != "self"]


def public(holder: object) -> set[str]:
    return {name for name in vars(holder) if not name.startswith("_")}


def test_functions_and_classes_are_those_of_the_core() -> None:
    named = {node.name for node in STUB.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert named == public(_core)


def test_arguments_are_those_of_the_core() -> None:
    functions = [node for node in STUB.body if isinstance(node, ast.FunctionDef)]
    assert {f.name: stub_arguments(f) for f in functions} == {
        f.name: core_arguments(getattr(_core, f.name)) for f in functions
    }


def test_members_of_classes_are_those_of_the_core() -> None:
    for node in STUB.body:
        if isinstance(node, ast.ClassDef):
            members = {m.name for m in node.body if isinstance(m, ast.FunctionDef)} | {
                m.target.id for m in node.body if isinstance(m, ast.AnnAssign) and isinstance(m.target, ast.Name)
            }
            assert {m for m in members if not m.startswith("_")} == public(getattr(_core, node.name)), node.name
