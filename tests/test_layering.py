"""Who may import whom: the table of docs/architecture.md, held against every import statement in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "dnabert_fast"

# Rooms a room may import besides itself; `errors`, numpy and the standard library are open to all but `kernels`.
ALLOWED = {
    "errors": set(),
    "kernels": set(),
    "seq": {"_core"},
    "nn": {"kernels"},
    "evaluate": set(),
    "engine": {"seq", "nn"},
    "io": {"seq", "engine"},
    "analysis": {"engine", "seq", "nn", "evaluate"},
    "train": {"engine", "seq", "nn", "evaluate"},
    "datasets": {"seq", "evaluate"},
    "report": {"seq", "evaluate"},
    "workflows": {"seq", "nn", "evaluate", "engine", "io", "analysis", "train", "datasets", "report"},
    "cli": {"workflows"},
}
# The package's front door loads rooms by name when they are asked for.
FRONT = {"__init__", "__main__"}
FORBIDDEN_PACKAGES = {
    "kernels": {"numpy", "pysam"},
    "seq": {"torch", "pysam", "transformers", "triton"},
    "nn": {"pysam", "triton", "transformers", "pybigtools"},
    "evaluate": {"torch", "pysam"},
    "io": {"torch"},
    "analysis": {"pysam", "pybigtools", "pyarrow"},
    "datasets": {"torch", "pysam"},
    "report": {"torch", "pysam", "matplotlib.pyplot"},
    "cli": {"torch", "numpy", "pysam"},
}


def modules() -> list[tuple[str, Path]]:
    """Every module as (its dotted name below dnabert_fast, its file); kernels/ counts as a room of the package."""
    found = [(".".join(path.relative_to(PACKAGE).with_suffix("").parts), path) for path in PACKAGE.rglob("*.py")]
    found += [("kernels." + path.stem, path) for path in (ROOT / "kernels").rglob("*.py")]
    return sorted(found)


def imports(name: str, path: Path) -> list[str]:
    """Absolute names of all a module imports, `dnabert_fast.` and all; relative ones are resolved."""
    package = ["dnabert_fast", *name.split(".")[:-1]]
    found = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join(base + ([node.module] if node.module else []))
            found.append(stem)
            found += [f"{stem}.{alias.name}" for alias in node.names]
    return found


MODULES = modules()


def room(name: str) -> str:
    return name.split(".")[0]


def ours(target: str) -> str | None:
    """The part of an imported name below dnabert_fast, or None for other packages."""
    return target.removeprefix("dnabert_fast.") if target.startswith("dnabert_fast.") else None


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_room_imports_only_rooms_below_it(name: str, path: Path) -> None:
    here = room(name)
    if here in FRONT:
        return
    assert here in ALLOWED, f"{path} is in a room that docs/architecture.md does not have"
    rooms = {*ALLOWED, "_core"}
    for target in filter(None, map(ours, imports(name, path))):
        there = room(target)
        if there not in rooms or there == here:
            continue
        allowed = ALLOWED[here] | ({"errors"} if here != "kernels" else set())
        assert there in allowed, f"{name} imports {target}: {here} may import {sorted(allowed)}"
        if (here, there) == ("io", "engine"):
            assert target.startswith("engine.protocols"), f"{name} imports {target}: io sees engine's protocols alone"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_a_room_keeps_off_packages_it_should_not_know(name: str, path: Path) -> None:
    for target in imports(name, path):
        assert target != "kernels", f"{name}: `kernels` is somebody else's package; ours is dnabert_fast.kernels"
        assert not target.startswith("kernels."), f"{name}: `kernels` is somebody else's package"
        for package in FORBIDDEN_PACKAGES.get(room(name), set()):
            assert target != package, f"{name} imports {target}"
            assert not target.startswith(package + "."), f"{name} imports {target}"


def importers(prefix: str) -> set[str]:
    """Modules outside a room that import it."""
    return {
        name
        for name, path in MODULES
        if room(name) != prefix
        and any(room(target) == prefix for target in filter(None, map(ours, imports(name, path))))
    }


def test_only_backends_imports_kernels() -> None:
    assert importers("kernels") == {"nn.backends"}


def test_only_seq_imports_the_core() -> None:
    users = importers("_core")
    assert users
    assert {room(name) for name in users} == {"seq"}


def calls(path: Path) -> set[str]:
    """Names of the functions a module calls: `print`, `sys.exit`."""
    nodes = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {ast.unparse(node) for node in nodes if isinstance(node, (ast.Name, ast.Attribute))}


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_only_the_command_line_prints_or_exits(name: str, path: Path) -> None:
    if room(name) not in {"cli", "__main__"}:
        assert not calls(path) & {"print", "exit", "quit", "sys.exit", "os._exit"}


def table_of_the_document() -> dict[str, set[str]]:
    """The rooms and what each may import, as docs/architecture.md has them."""
    rows = {}
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`") and not cells[0].startswith("`csrc"):
            words = cells[1].replace("`", "").replace("engine's protocols", "engine")
            rows[cells[0].strip("`")] = set(words.split(", "))
    return rows


def test_the_table_is_that_of_the_document() -> None:
    rows = table_of_the_document()
    assert set(rows) == set(ALLOWED)
    for name, allowed in ALLOWED.items():
        written = {word.split(" ")[0] for word in rows[name]}
        if name == "workflows":
            assert written == {"all"}
        else:
            assert written - {"errors", "nothing", "torch", "triton", "numpy", "scipy", "scikit-learn"} == allowed, name


def test_imports_are_resolved(tmp_path: Path) -> None:
    """Relative, absolute, nested and lazy imports all come out as full names."""
    module = tmp_path / "encoder.py"
    module.write_text(
        "from ..seq.types import F32\nfrom . import heads\nimport dnabert_fast.kernels.layout\n"
        "def f():\n    from .. import _core\n    import kernels\n"
    )
    found = imports("nn.encoder", module)
    names = {"seq.types", "nn.heads", "kernels.layout", "_core"}
    assert {f"dnabert_fast.{name}" for name in names} | {"kernels"} <= set(found)
