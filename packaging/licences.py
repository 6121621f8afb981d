"""Print what installed distributions say of their licences, as the table of run-time dependencies in THIRD_PARTY.md.

    python packaging/licences.py            the table
    python packaging/licences.py --write    put it into THIRD_PARTY.md, between its two markers

The dependencies are those of pyproject.toml, with every extra but `test` and `dev`. A distribution that is not
installed keeps the row that THIRD_PARTY.md has for it; with neither there is an error. No network is asked.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "THIRD_PARTY.md"
BEGIN, END = "<!-- dependencies: packaging/licences.py --write -->", "<!-- end of dependencies -->"

_DEVELOPERS = ("test", "dev")  # extras of those who change the product: nothing that users install
# The licences that the dependencies' long texts and classifiers stand for, as SPDX names them.
_SPDX = (
    (r"^MIT\b", "MIT"),
    (r"Apache", "Apache-2.0"),
    (r"matplotlib|Python Software Foundation", "PSF-based (matplotlib)"),
    (r"BSD|Enthought", "BSD"),
)


def dependencies(pyproject: Path = ROOT / "pyproject.toml") -> dict[str, str]:
    """The extra ("" for none) that asks for each distribution which users may install, by its name."""
    project = tomllib.loads(pyproject.read_text())["project"]
    asked = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, str] = {}
    for extra, lines in asked.items():
        if extra in _DEVELOPERS:
            continue
        for line in lines:
            name = re.match(r"[A-Za-z0-9._-]+", line)
            assert name is not None, line
            if name[0] != project["name"]:
                found.setdefault(name[0], extra)
    return found


def licence(name: str) -> str | None:
    """The licence of an installed distribution by its own metadata, None where it is not installed.

    SystemExit where the metadata name none.
    """
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return None
    if expression := told.get("License-Expression"):
        return expression
    classifiers = [line.split("::")[-1].strip() for line in told.get_all("Classifier") or [] if "License ::" in line]
    for text in (*classifiers, told.get("License") or ""):
        for pattern, spdx in _SPDX:
            if re.search(pattern, text):
                return spdx
    raise SystemExit(f"{name}: its metadata name no licence")


def rows(page: str) -> dict[str, str]:
    """The lines of the table in a page, by distribution."""
    inside = page.partition(BEGIN)[2].partition(END)[0]
    lines = inside.partition("|---|")[2]
    return {found[1]: found[0] for found in re.finditer(r"^\| ([A-Za-z0-9._-]+) \|.*\|$", lines, re.MULTILINE)}


def table(page: str) -> str:
    """The table, from what is installed here and, for what is not, the rows of the page."""
    kept = rows(page)
    lines = ["| distribution | asked for by | licence |", "|---|---|---|"]
    for name, extra in dependencies().items():
        found = licence(name)
        if found is None and name not in kept:
            raise SystemExit(f"{name} is not installed, and {PAGE.name} has no row for it")
        lines.append(kept[name] if found is None else f"| {name} | {f'`[{extra}]`' if extra else 'all'} | {found} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into the page."""
    page = PAGE.read_text()
    if sys.argv[1:] == ["--write"]:
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table(page)}\n{END}{rest.partition(END)[2]}")
    elif sys.argv[1:]:
        raise SystemExit(__doc__)
    else:
        print(table(page))


if __name__ == "__main__":
    main()
