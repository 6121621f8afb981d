"""The package from the checkout into a folder of its own, without a network: wheels that are missing, the C++ core.

Imports nothing but the standard library, so that whatever the machine lacks can be told.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NEEDED = (
    "numpy",
    "torch",
    "triton",
    "safetensors",
    "pysam",
    "pybigtools",
    "typer",
    "rich",
    "transformers",
    "pytest",
    "hypothesis",
)
_IGNORED = shutil.ignore_patterns("__pycache__", "*.so")


def prepare(site: Path, wheels: Path, build: bool, note: Callable[[str], None], seconds: float) -> None:
    """Fill `site` so that `import dnabert_fast` works with it on PYTHONPATH; says by `note` what was done and lacks.

    What others have to do for it may take `seconds` in all.

    Where there is no compiler, no cmake or no zlib to build the C++ core with (or not `build`), compiled modules for
    this Python are taken from a wheel of the package, an earlier build of the checkout, or an installed copy.
    """
    end = time.monotonic() + seconds
    wanted = _missing_wheels(wheels)
    if wanted:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
        command += ["--disable-pip-version-check", "--no-cache-dir", "--target", str(site)]
        if not _run([*command, *map(str, wanted)], end, note, "installing all wheels"):
            # One for another Python or machine refuses them all.
            wanted = [path for path in wanted if _run([*command, str(path)], end, note, f"installing {path.name}")]
        note(f"wheels: {', '.join(path.name for path in wanted) or 'none'}")
    shutil.copytree(CHECKOUT / "python" / "dnabert_fast", site / "dnabert_fast", dirs_exist_ok=True, ignore=_IGNORED)
    shutil.copytree(CHECKOUT / "kernels", site / "dnabert_fast" / "kernels", dirs_exist_ok=True, ignore=_IGNORED)
    if not (build and _built(site, note, end)) and not _found(site, wheels, note):
        note(f"the C++ core is missing: it could not be built, and there is no module for this Python ({SUFFIX})")
    there = {path.name.split("-")[0].lower() for path in site.glob("*.dist-info")}
    lacking = [name for name in NEEDED if name not in there and find_spec(name) is None]
    if lacking:
        note(f"packages that are missing here, in {wheels} too: {', '.join(lacking)}")


def _missing_wheels(folder: Path) -> list[Path]:
    """The wheels of packages that this Python does not have."""
    found = []
    for path in sorted(folder.glob("*.whl")):
        name = path.name.split("-")[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name != "dnabert_fast":
                found.append(path)
    return found


def _built(site: Path, note: Callable[[str], None], end: float) -> bool:
    """Build the compiled modules with cmake and install them into `site`; whether that went well."""
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
    if compiler is None or shutil.which("cmake") is None:
        note("no C++ compiler and cmake here, so the C++ core is not built")
        return False
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    asked = [sys.executable, "-m", "pybind11", "--cmakedir"]
    where = subprocess.run(asked, capture_output=True, text=True, env=environment, check=False).stdout.strip()
    folder = site.parent / "core"
    configure = [
        "cmake",
        "-S",
        str(CHECKOUT),
        "-B",
        str(folder),
        "-DCMAKE_BUILD_TYPE=Release",
        f"-Dpybind11_DIR={where}",
    ]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", *["-GNinja"] * (shutil.which("ninja") is not None)]
    for name, command in {
        "cmake": configure,
        "the build": ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)],
        "the installation": ["cmake", "--install", str(folder), "--prefix", str(site)],
    }.items():
        if not _run(command, end, note, name):
            return False
    note(f"the C++ core was built here with {compiler}")
    return True


def _found(site: Path, wheels: Path, note: Callable[[str], None]) -> bool:
    """Copy compiled modules of an earlier build into `site`; whether there are any."""
    for wheel in sorted(wheels.glob("dnabert_fast-*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(SUFFIX)]
            for name in names:
                archive.extract(name, site)
        if names:
            note(f"compiled modules of {wheel.name}")
            return True
    spec = find_spec("dnabert_fast")
    installed = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for home in (*sorted((CHECKOUT / "build").glob("*")), *installed):
        modules = list(home.rglob(f"*{SUFFIX}"))
        for module in modules:
            inner = "kernels" if "rowwise" in module.name else "."
            shutil.copy2(module, site / "dnabert_fast" / inner / module.name)
        if modules:
            note(f"compiled modules of an earlier build: {', '.join(module.name for module in modules)}")
            return True
    return False


def _run(command: list[str], end: float, note: Callable[[str], None], what: str) -> bool:
    left = max(0.1, end - time.monotonic())
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        note(f"{what} failed: {error}")
        return False
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if "rror" in line] or [done.stderr[-300:]]
        note(f"{what} failed: {' '.join(lines[:3])[:500]}")
    return done.returncode == 0
