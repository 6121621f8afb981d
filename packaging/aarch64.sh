#!/usr/bin/env bash
# Cross-compile the C++ core and the extension modules for aarch64 and run their tests under qemu, on Debian or Ubuntu.
#
#   apt-get install g++-aarch64-linux-gnu qemu-user-static        # once
#   packaging/aarch64.sh [FOLDER]
#
# zlib, Python and NumPy of the target are unpacked into FOLDER (default: build/aarch64); nothing is installed. This is
# a check that the code is right on another architecture. Wheels for aarch64 are built on such a machine: by wheels.sh,
# or by cibuildwheel.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-build/aarch64}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

python=3.11 # Debian 12's; NumPy's wheel must be for the same
step "the target's zlib, Python $python and NumPy"
sysroot=$folder/sysroot
if [[ ! -e $sysroot/complete ]]; then
    rm -rf "$sysroot"
    mkdir -p "$sysroot" "$folder"/apt/{lists/partial,archives/partial,deb}
    : >"$folder/apt/status"
    apt=(apt-get -qq -o Dir::State="$folder/apt" -o Dir::State::status="$folder/apt/status" -o Dir::Cache="$folder/apt"
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)")
    "${apt[@]}" update
    rm -f "$folder"/apt/deb/*.deb
    (cd "$folder/apt/deb" && "${apt[@]}" download libc6 libgcc-s1 libstdc++6 zlib1g zlib1g-dev libexpat1 libffi8 libssl3 \
        libbz2-1.0 liblzma5 libuuid1 libpython$python-{dev,stdlib,minimal} python$python-minimal)
    for package in "$folder"/apt/deb/*.deb; do dpkg-deb -x "$package" "$sysroot"; done
    python3 -m pip -q install --target "$sysroot/packages" --only-binary :all: --python-version "$python" \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
        "numpy<2.5" pytest pytest-timeout hypothesis
    touch "$sysroot/complete"
fi

step "core and modules"
python3 -m venv "$folder/tools"
"$folder/tools/bin/pip" -q install pybind11
rm -f "$folder/build/CMakeCache.txt" # of another checkout, maybe
cmake -S . -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DDNABERT_TESTS=ON -DDNABERT_WERROR=ON \
    -DZLIB_INCLUDE_DIR="$sysroot/usr/include" -DZLIB_LIBRARY="$sysroot/usr/lib/aarch64-linux-gnu/libz.a" \
    -DPython_EXECUTABLE="$(command -v python3)" -DPython_INCLUDE_DIR="$sysroot/usr/include/python$python" \
    -DCMAKE_CXX_FLAGS="-isystem $sysroot/usr/include" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF \
    -DPYTHON_MODULE_EXTENSION=".cpython-${python/./}-aarch64-linux-gnu.so" \
    -Dpybind11_DIR="$("$folder/tools/bin/python" -m pybind11 --cmakedir)" >"$folder/cmake.log" || {
    cat "$folder/cmake.log"
    exit 1
}
cmake --build "$folder/build" --parallel "$(nproc)"
file -b "$folder"/build/core_test | cut -d, -f1-2

step "core_test under qemu"
qemu=(qemu-aarch64-static -L "$sysroot")
"${qemu[@]}" "$folder/build/core_test"

step "tests of bases, k-mers and files under qemu"
mkdir -p "$folder/package"
cp -r python/dnabert_fast "$folder/package/"
rm -f "$folder"/package/dnabert_fast/*.so
mkdir -p "$folder/package/dnabert_fast/kernels"
cp kernels/*.py "$folder/package/dnabert_fast/kernels/"
cp "$folder"/build/_core.*aarch64*.so "$folder/package/dnabert_fast/"
cp "$folder"/build/_rowwise.*aarch64*.so "$folder/package/dnabert_fast/kernels/"
export QEMU_LD_PREFIX=$sysroot PYTHONHOME=$sysroot/usr PYTHONPATH=$folder/package:$sysroot/packages:tests
export PYTHONDONTWRITEBYTECODE=1
"${qemu[@]}" "$sysroot/usr/bin/python$python" -m pytest -q -p no:cacheprovider --noconftest --timeout 0 \
    --hypothesis-profile ci tests/seq/test_{kmer,rows,masking,distinct,track}.py
