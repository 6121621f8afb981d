"""Which vector instructions the core takes here, against what Linux says of the processor, whatever built the core."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from dnabert_fast.seq.cpu import cpu_features, kmer_level

CPUINFO = Path("/proc/cpuinfo")
# As Linux spells what we call otherwise.
SPELT = {"avx512vnni": "avx512_vnni"}


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.is_file(), reason="needs /proc/cpuinfo of an x86-64 machine"
)
def test_instructions_found_are_those_of_the_processor() -> None:
    found = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
    assert found is not None
    flags = set(found[1].split())
    features = cpu_features()
    assert features == {name: SPELT.get(name, name) in flags for name in features}
    assert (kmer_level() == "portable") == ("avx2" not in flags)


@pytest.mark.skipif(platform.machine() == "x86_64", reason="an x86-64 machine dispatches")
def test_other_architectures_take_the_portable_core() -> None:
    assert cpu_features() == {}
    assert kmer_level() == "portable"
