"""What is delivered: versions that agree, an sdist without leftovers, licences of all that is shipped or asked for."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dnabert_fast

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"


def script(name: str) -> ModuleType:
    """A script of packaging/ as a module."""
    spec = importlib.util.spec_from_file_location(name, PACKAGING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_version_is_the_same_everywhere(pyproject: dict[str, Any]) -> None:
    version = pyproject["project"]["version"]
    assert dnabert_fast.__version__ == version
    told = subprocess.run(
        [sys.executable, "-m", "dnabert_fast", "--version"], check=True, capture_output=True, text=True, timeout=60
    )
    assert told.stdout == f"dnabert-fast {version}\n"
    recipe = (PACKAGING / "conda" / "recipe.yaml").read_text()
    assert f'version: "{version}"' in recipe
    assert f"dnabert-fast {version}" in (PACKAGING / "Dockerfile").read_text()


def test_pythons_agree(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    named = [found[1] for line in project["classifiers"] if (found := re.search(r":: (3\.\d+)$", line))]
    built = re.findall(r"cp3(\d+)-", pyproject["tool"]["cibuildwheel"]["build"])
    assert named == [f"3.{minor}" for minor in built]
    assert project["requires-python"] == f">={named[0]}"


def test_metadata_name_no_host_but_public_ones(pyproject: dict[str, Any]) -> None:
    for url in pyproject["project"]["urls"].values():
        assert re.match(r"https://(doi\.org|github\.com)/", url)


def test_conda_recipe_asks_for_the_same(pyproject: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    requirements = yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text())["requirements"]
    other = {"torch": "pytorch", "matplotlib": "matplotlib-base"}

    def conda(line: str) -> str:
        name, version = re.match(r"([\w-]+)([^;]*)", line).groups()  # type: ignore[union-attr]
        return f"{other.get(name, name)} {version}".strip()

    project = pyproject["project"]
    python = f"python {project['requires-python']}"
    assert requirements["run"] == [python, *map(conda, project["dependencies"])]
    extras = {conda(line) for lines in project["optional-dependencies"].values() for line in lines}
    assert set(requirements["run_constraints"]) <= extras


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the source distribution, as pip would build it from this checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    code = f"from scikit_build_core.build import build_sdist; print(build_sdist({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = folder.iterdir()
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_sdist_holds_no_leftovers(sdist: set[str]) -> None:
    leftovers = re.compile(
        r"\.(so|o|a|pyc|whl|log|partial)$|(^|/)(build[^/]*|dist|\.venv[^/]*|__pycache__|\.\w+_cache|\.hypothesis|\.benchmarks"
        r"|\.git|demo-output)/"
    )
    assert not [name for name in sdist if leftovers.search(name)]


def test_sdist_holds_what_a_build_and_the_tests_take(sdist: set[str]) -> None:
    assert {"PKG-INFO", "LICENSE", "THIRD_PARTY.md", "CMakeLists.txt", "pyproject.toml", "constraints.txt"} <= sdist
    for folder in ("csrc", "kernels", "python", "tests", "packaging", "examples"):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        here = {str(path.relative_to(ROOT)) for path in files if "cache" not in str(path) and path.suffix != ".so"}
        assert here <= sdist, folder


def test_third_party_lists_every_dependency_with_a_licence() -> None:
    licences = script("licences")
    rows = licences.rows((ROOT / "THIRD_PARTY.md").read_text())
    assert list(rows) == list(licences.dependencies())
    assert "torch" in rows
    for name, row in rows.items():
        assert row.split("|")[3].strip()
        licences.licence(name)  # ends with a message where the metadata name none


def test_licences_ask_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    licences = script("licences")
    monkeypatch.setattr(licences, "dependencies", lambda: {"no-such-distribution": ""})
    with pytest.raises(SystemExit, match="no-such-distribution is not installed"):
        licences.table("")
    page = f"{licences.BEGIN}\n|---|---|---|\n| no-such-distribution | all | MIT |\n{licences.END}"
    assert licences.table(page).endswith("\n| no-such-distribution | all | MIT |")


def test_third_party_names_all_data_that_is_shipped() -> None:
    """Each file that is no code stands in a row: by its path, its folder's, or a pattern."""
    page = (ROOT / "THIRD_PARTY.md").read_text()
    patterns: list[str] = []
    for line in page.splitlines():
        if line.startswith("| `"):
            folder = ""
            for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
                folder = name.rpartition("/")[0] if "/" in name else folder
                patterns.append(name if "/" in name else f"{folder}/{name}")
    files = [path.relative_to(ROOT) for path in (ROOT / "tests" / "data").rglob("*") if path.is_file()]
    package = ROOT / "python" / "dnabert_fast"
    files += [path.relative_to(package) for name in ("demo", "models") for path in (package / name).rglob("*.*")]
    files = [path for path in files if path.name != "README.md" and path.suffix not in (".fai", ".gzi")]
    assert len(files) > 50
    named = [path for path in files if any(_covers(pattern, str(path)) for pattern in patterns)]
    assert named == files


def _covers(pattern: str, path: str) -> bool:
    return fnmatch(path, pattern) or path.startswith(f"{pattern.rstrip('/')}/")


@pytest.mark.parametrize("path", sorted([*PACKAGING.glob("*.sh"), *(ROOT / "examples").rglob("*.sh")]), ids=str)
def test_shell_scripts_parse(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="nothing is dispatched on this architecture")
def test_instructions_beyond_the_baseline_are_found(tmp_path: Path) -> None:
    tools = {name: shutil.which(name) for name in ("g++", "ar", "objdump", "nm")}
    if None in tools.values():
        pytest.skip("needs g++ and binutils")
    source = "typedef float v8 __attribute__((vector_size(32)));\n"
    (tmp_path / "plain.cpp").write_text(source + "void add(v8 &a, v8 &b) { a += b; }\n")
    (tmp_path / "inline.cpp").write_text(source + "inline void both(v8 &a) { a += a; }\nauto keep = both;\n")

    def archive(name: str, text: str, *flags: str) -> str:
        made = tmp_path / f"{name}.cpp.o"
        subprocess.run(["g++", "-O2", *flags, "-c", str(tmp_path / text), "-o", str(made)], check=True)
        subprocess.run(["ar", "rc", str(tmp_path / f"{name}.a"), str(made)], check=True)
        return str(tmp_path / f"{name}.a")

    leaks = script("instructions").leaks
    assert leaks(archive("kmer_portable", "plain.cpp", "-Wno-psabi")) == []
    assert leaks(archive("kmer_avx2", "plain.cpp", "-mavx2")) == []
    (found,) = leaks(archive("kmer", "plain.cpp", "-mavx2"))
    assert found.startswith("kmer.cpp.o: _Z3add")
    (found,) = leaks(archive("rowwise_avx2", "inline.cpp", "-mavx2"))
    assert found.endswith("in a weak symbol")


def test_slurm_array_gives_what_one_run_gives(tmp_path: Path) -> None:
    """Tasks numbered from 7 on, as arrays may be, and the merge that depends on them."""
    demo = Path(dnabert_fast.__file__).parent / "demo"
    regions = (demo / "promoters.bed").read_text().splitlines(keepends=True)
    (tmp_path / "windows.bed").write_text("".join([*regions[:2], *regions[-2:]]))
    command = tmp_path / "bin" / "dnabert-fast"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dnabert_fast "$@"\n')
    command.chmod(0o755)
    inputs = {"VCF": str(demo / "HG002_chr20_piece.vcf.gz"), "GENOME": str(demo / "chr20_piece.fa.gz"), "MODEL": "demo"}
    options = ["--windows", "windows.bed", "--precision", "fp32", "--device", "cpu"]
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    shared = {**os.environ, **inputs, "PATH": path, "OUTPUT": "parts.vcf.gz", "OPTIONS": " ".join(options)}
    array = {"SLURM_ARRAY_TASK_MIN": "7", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    script = ["bash", str(ROOT / "examples" / "clusters" / "slurm.sh")]
    tasks = [
        subprocess.Popen(script, cwd=tmp_path, env=shared | array | {"SLURM_ARRAY_TASK_ID": task})
        for task in ("7", "8")
    ]
    assert [task.wait(120) for task in tasks] == [0, 0]
    subprocess.run([*script, "merge"], cwd=tmp_path, env=shared, check=True, timeout=120)
    one = [str(command), "variants", inputs["VCF"], inputs["GENOME"], "--model", "demo", *options, "--threads", "1"]
    subprocess.run([*one, "-o", "one.vcf.gz", "--quiet"], cwd=tmp_path, env=shared, check=True, timeout=120)
    assert (tmp_path / "parts.vcf.gz").read_bytes() == (tmp_path / "one.vcf.gz").read_bytes()
    assert (tmp_path / "parts.vcf.gz.json").is_file()
