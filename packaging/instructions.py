"""Check that no instruction beyond the architecture's baseline is reached but by dispatch at run time.

    python packaging/instructions.py build/.../libdnabert_core.a [build/.../_core.so ...]

In the archive of the core, VEX and EVEX instructions (AVX and later) may stand in kmer_avx*.o and rowwise_avx*.o alone,
and there in no weak symbol: an inline function of the standard library that was compiled for AVX in one file may be the
one that the linker keeps for all. Exits with 1 and names each place otherwise. On other architectures than x86-64 there
is nothing to dispatch, and the check says so. Takes `objdump` and `nm` from the PATH.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

_MEMBER = re.compile(r"^(\S+\.o(?:bj)?):\s+file format (\S+)$")
_SYMBOL = re.compile(r"^[0-9a-f]+ <(.+)>:$")
# All VEX and EVEX mnemonics begin with a v; of the baseline's, only verr, verw and the vm* of virtualisation do.
_VECTOR = re.compile(r"^\s*[0-9a-f]+:\s+(?:\{\w+\}\s+)?(v(?!err|erw|mcall|mlaunch|mresume|mxo|mread|mwrite)\w+)")
_DISPATCHED = re.compile(r"_avx(2|512)\.cpp\.o")


def vector_symbols(archive: str) -> Iterator[tuple[str, str, str]]:
    """Each (member, symbol, first instruction beyond the baseline) of an archive of x86-64 objects."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "--wide", archive], check=True, capture_output=True, text=True
    ).stdout
    member = symbol = ""
    told = False
    for line in text.splitlines():
        if found := _MEMBER.match(line):
            member = found[1]
            if "x86-64" not in found[2]:
                raise SystemExit(f"{archive}: {found[2]}: nothing is dispatched on this architecture")
        elif found := _SYMBOL.match(line):
            symbol, told = found[1], False
        elif not told and (found := _VECTOR.match(line)):
            told = True
            yield member, symbol, found[1]


def weak_symbols(archive: str) -> set[tuple[str, str]]:
    """Each (member, symbol) that a linker may take from any of several objects."""
    text = subprocess.run(["nm", "-A", archive], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in text.splitlines():
        place, kind, symbol = line.rsplit(maxsplit=2)
        if kind in "wWvVu":
            found.add((place.split(":")[1], symbol))
    return found


def leaks(archive: str) -> list[str]:
    """One line for each function of an archive that needs more than the baseline without a dispatch before it."""
    weak = weak_symbols(archive)
    return [
        f"{member}: {symbol}: {instruction}{' in a weak symbol' if (member, symbol) in weak else ''}"
        for member, symbol, instruction in vector_symbols(archive)
        if not _DISPATCHED.search(member) or (member, symbol) in weak
    ]


def main() -> None:
    """Check each archive of the command line."""
    for archive in sys.argv[1:]:
        found = leaks(archive)
        if found:
            raise SystemExit(f"{archive}: instructions beyond the baseline, outside of dispatch\n" + "\n".join(found))
        kept = {member for member, _, _ in vector_symbols(archive)}
        print(f"{archive}: AVX in {', '.join(sorted(kept)) or 'no object'} alone, in no weak symbol")


if __name__ == "__main__":
    main()
