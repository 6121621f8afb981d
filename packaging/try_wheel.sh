#!/usr/bin/env bash
# Install a wheel in a fresh environment, with no compiler on the PATH, and run the demonstration and a few tests.
#
#   packaging/try_wheel.sh WHEEL [PYTHON] [TESTS...]
#
# TRY_DEPENDENCIES=light installs all that the wheel depends on but torch and tries what never imports it: bases, k-mers
# and files, the demonstration left out.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(realpath "$1") python=${2:-python3}
shift $(($# < 2 ? $# : 2))
if ((!$#)); then
    # Those that ask for no more than the package itself does.
    set -- tests/test_dispatch.py \
        tests/seq/test_{alleles,batch,containing,distinct,fasta_stream,genome,kmer,masking,plan}.py \
        tests/seq/test_{rows,spans,table,track,twobit,vcf_text,vocab}.py
    [[ ${TRY_DEPENDENCIES:-all} == light ]] || set -- "$@" tests/test_import.py tests/kernels/test_cpu.py
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/env"
pip=("$work/env/bin/pip" -q install -c "$root/constraints.txt")
if [[ ${TRY_DEPENDENCIES:-all} == light ]]; then
    "${pip[@]}" --no-deps "$wheel"
    "${pip[@]}" numpy pysam pybigtools safetensors typer rich pytest pytest-timeout hypothesis
else
    "${pip[@]}" "$wheel" pytest pytest-timeout hypothesis scipy matplotlib
fi

# Nothing of the checkout but its tests, and no compiler.
mkdir "$work/bin" "$work/run"
for tool in sh env uname cat ls mkdir rm; do ln -s "$(command -v "$tool")" "$work/bin/"; done
cp -r "$root/tests" "$work/run/tests"
cp "$root/pyproject.toml" "$work/run/"
cd "$work/run"
export PATH="$work/env/bin:$work/bin"
if command -v cc || command -v c++ || command -v g++ || command -v gcc; then
    echo "there is a compiler on the PATH" >&2
    exit 1
fi
dnabert-fast --version
if [[ ${TRY_DEPENDENCIES:-all} == light ]]; then
    # tests/conftest.py imports torch; these are its two fixtures that need none.
    cat >light.py <<'PLUGIN'
import os
from pathlib import Path

import dnabert_fast
import pytest


@pytest.fixture(scope="session")
def data():
    return Path("tests/data").absolute()


@pytest.fixture(scope="session")
def grch38():
    return Path(dnabert_fast.__file__).parent / "demo" / "chr20_piece.fa.gz"
PLUGIN
    PYTHONPATH=. python -m pytest -q -p no:cacheprovider -c pyproject.toml --noconftest -p light "$@"
else
    dnabert-fast demo
    python -m pytest -q -p no:cacheprovider -c pyproject.toml "$@"
fi
