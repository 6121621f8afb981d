"""Every launch of every Triton kernel, compiled for chips that are not there: what it takes of them, as a table.

    python tests/kernels/ahead.py [--arch 80,90] [--all] [--json]

Compiles on all cores, without a GPU, the entries of `ahead` of each file of kernels/; Triton's cache keeps the results,
so a second run is quick. Without --all, launches that differ little from others are left out (`jobs`). This process
must not run Triton's interpreter: tests start it with TRITON_INTERPRET unset. The exit code is 1 where a launch would
fail or be slow (`faults`).
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from math import prod
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import triton
from dnabert_fast.kernels.launch import Ahead
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from dnabert_fast import kernels

KIB = 1024
SHARED = {80: 163 * KIB, 86: 99 * KIB, 89: 99 * KIB, 90: 227 * KIB, 100: 227 * KIB, 120: 99 * KIB}
"""Bytes of shared memory that one block may take, by compute capability (CUDA C++ Programming Guide)."""

SPILLED = 64
"""Bytes of local memory a thread may use: a few registers outside of the loop cost nothing that can be measured."""

SPILLED_WIDE = 384
"""The same in fp32 with heads of 128, which no released model has: whole rows fill all registers, however few."""


@dataclass(frozen=True)
class Use:
    """What one compilation takes on chips of capability `arch`: registers a thread, bytes, and which matrix units.

    `spilled` are bytes of local memory a thread; `dots` names the instructions of its products, "" where it has none.
    `allowed` are the bytes it may spill. `tile` is the shorter side of its tile where it multiplies 16-bit matrices.
    `error` is why it does not compile.
    """

    kernel: str
    name: str
    arch: int
    warps: int
    stages: int
    registers: int = 0
    shared: int = 0
    spilled: int = 0
    dots: str = ""
    tile: int = 0
    allowed: int = SPILLED
    error: str = ""


def modules() -> Iterator[ModuleType]:
    """The kernel files that launch Triton kernels."""
    for found in pkgutil.iter_modules(kernels.__path__, f"{kernels.__name__}."):
        spec = find_spec(found.name)
        source = Path(str(spec.origin if spec else ""))
        # Compiled modules have no source, and what has no kernel is not imported.
        if source.suffix == ".py" and "@triton.jit" in source.read_text():
            module = importlib.import_module(found.name)
            if launched(module):
                yield module


def launched(module: ModuleType) -> dict[str, JITFunction]:
    """The kernels of a file that it launches, by name; functions that only other kernels call are left out."""
    names = re.findall(r"\b(\w+)\[[^\n]*\]\(", inspect.getsource(module))
    own = {name: value for name, value in vars(module).items() if isinstance(value, JITFunction)}
    return {name: own[name] for name in names if name in own}


@dataclass(frozen=True)
class Job:
    """One launch: the number-th of what a file's `ahead` gives for chips of capability `arch`."""

    module: str
    number: int
    arch: int

    @property
    def entry(self) -> Ahead:
        """What is launched."""
        return entries(importlib.import_module(self.module), self.arch)[self.number]

    @property
    def target(self) -> int:
        """What to compile for: 86 and 89 get the code of 80 unless there is fp8, which 89 is the first to have."""
        if self.arch in (86, 89):
            return 89 if uses(self.entry, "fp8") else 80
        return self.arch

    @property
    def code(self) -> tuple[object, ...]:
        """Equal for launches that compile to the same code."""
        entry = self.entry
        parts = sorted(entry.constexprs.items()), sorted(entry.signature.items()), entry.warps, entry.stages
        return self.module, entry.kernel.__name__, self.target, repr(parts)


def entries(module: ModuleType, arch: int) -> list[Ahead]:
    """What a file launches on chips of capability `arch`; after it, in fp16 what it launches in bf16 without fp8."""
    own: list[Ahead] = module.ahead(arch)
    return [*own, *(in_fp16(entry) for entry in own if uses(entry, "bf16") and not uses(entry, "fp8"))]


def in_fp16(entry: Ahead) -> Ahead:
    """The same launch with fp16 in place of bf16: tiles do not tell them apart."""
    signature = {name: kind.replace("bf16", "fp16") for name, kind in entry.signature.items()}
    return replace(entry, name=entry.name.replace("bf16", "fp16"), signature=signature)


def uses(entry: Ahead, kind: str) -> bool:
    """Whether a tensor of a launch is of this type."""
    return any(kind in given for given in entry.signature.values())


def jobs(archs: Iterable[int], every: bool) -> list[Job]:
    """All launches; without `every` those of heads of 64, of the row-wise kernels those for 90 alone, none in fp16."""

    def usual(entry: Ahead, arch: int) -> bool:
        return not uses(entry, "fp16") and entry.constexprs.get("DIM", 64 if arch == 90 else 0) == 64

    return [
        Job(module.__name__, number, arch)
        for arch in archs
        for module in modules()
        for number, entry in enumerate(entries(module, arch))
        if every or usual(entry, arch)
    ]


def compiled(entry: Ahead, arch: int, target: int) -> Use:
    """Compile one launch with pointers aligned to 16 bytes, as torch's are."""
    kernel = f"{entry.kernel.__module__.split('.')[-1]}.{entry.kernel.__name__}"
    use = Use(kernel, entry.name, arch, entry.warps, entry.stages, tile=min_tile(entry))
    if entry.constexprs.get("DIM") == 128 and entry.signature["query"] == "*fp32":
        use = replace(use, allowed=SPILLED_WIDE)
    arguments = entry.kernel.arg_names
    signature = {name: "constexpr" if name in entry.constexprs else entry.signature[name] for name in arguments}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(arguments) if signature[name][0] == "*"}
    source = ASTSource(entry.kernel, signature, entry.constexprs, aligned)
    options = {"num_warps": entry.warps, "num_stages": entry.stages}
    try:
        done = triton.compile(source, target=GPUTarget("cuda", target, 32), options=options)
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return replace(use, error=f"{type(error).__name__}: {lines[-1] if lines else ''}")
    registers, spilled = resources(done.asm["cubin"])
    shared, instructions = done.metadata.shared, dots(done.asm["ptx"])
    return replace(use, registers=registers, spilled=spilled, shared=shared, dots=instructions)


def min_tile(entry: Ahead) -> int:
    """The shorter side of the tile of a kernel that multiplies 16-bit matrices; 0 of any other kernel."""
    sizes = [entry.constexprs.get(side) for side in ("BLOCK_M", "BLOCK_N")]
    small = uses(entry, "bf16") or uses(entry, "fp16")
    return min(size for size in sizes if isinstance(size, int)) if small and None not in sizes else 0


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of local memory (stack and spills) of a thread, as the cuobjdump that Triton brings says."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    use = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", said)}
    return use["REG"], use["STACK"] + use["LOCAL"]


def dots(ptx: str) -> str:
    """The instructions that multiply matrices: wgmma (Hopper), tcgen05 (Blackwell), mma, or "" for none."""
    kinds = {"wgmma": "wgmma.mma_async", "tcgen05": "tcgen05.mma", "mma": "mma.sync"}
    return "+".join(name for name, instruction in kinds.items() if instruction in ptx)


def every_use(wanted: Sequence[Job]) -> list[Use]:
    """What these launches take, compiled on all cores; those that give the same code are compiled once."""
    codes = [job.code for job in wanted]
    first = dict(zip(reversed(codes), reversed(wanted), strict=True))
    # Large tiles first, so that no process is left with the longest at the end.
    order = sorted(first, key=lambda code: -_size(first[code].entry))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = dict(zip(order, pool.map(use_of, [first[code] for code in order]), strict=True))
    return [replace(found[code], name=job.entry.name, arch=job.arch) for job, code in zip(wanted, codes, strict=True)]


def use_of(job: Job) -> Use:
    """What one launch takes."""
    return compiled(job.entry, job.arch, job.target)


def _size(entry: Ahead) -> int:
    sizes = [entry.constexprs.get(name) for name in ("BLOCK_M", "BLOCK_N", "DIM")]
    return prod(size for size in sizes if isinstance(size, int))


def faults(use: Use) -> list[str]:
    """Why a launch would fail or be slow; nothing where it is as it should be."""
    if use.error:
        return [use.error]
    found = []
    if use.shared > SHARED[use.arch]:
        found.append(f"{use.shared / KIB:.1f} KiB of shared memory of {SHARED[use.arch] // KIB}")
    if use.spilled > use.allowed:
        found.append(f"{use.spilled} bytes spilled, more than {use.allowed}")
    # wgmma takes 64 rows at a time; smaller tiles have to use the older instructions.
    if use.arch == 90 and use.tile >= 64 and use.dots != "wgmma":
        found.append(f"{use.dots or 'no'} instructions for products, not wgmma")
    return found


def table(uses: Sequence[Use]) -> str:
    """One line a launch, as Markdown."""
    columns = (
        "kernel",
        "launch",
        "arch",
        "warps",
        "stages",
        "registers",
        "shared KiB",
        "of",
        "spilled",
        "dots",
        "fault",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for use in uses:
        shared, most = f"{use.shared / KIB:.1f}", SHARED[use.arch] // KIB
        cells = [use.kernel, use.name, use.arch, use.warps, use.stages, use.registers, shared, most]
        cells += [use.spilled, use.dots, "; ".join(faults(use))]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table, or what tests read; 1 where a launch has a fault."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default=",".join(map(str, SHARED)), help="compute capabilities, joined by commas")
    parser.add_argument("--all", action="store_true", help="every launch")
    parser.add_argument("--json", action="store_true", help="records in place of a table")
    options = parser.parse_args()
    uses = every_use(jobs(map(int, options.arch.split(",")), options.all))
    if options.json:
        names = [f"{module.__name__.split('.')[-1]}.{name}" for module in modules() for name in launched(module)]
        print(
            json.dumps(
                {"launched": sorted(set(names)), "uses": [{**asdict(use), "faults": faults(use)} for use in uses]}
            )
        )
    else:
        print(table(uses))
    return int(any(map(faults, uses)))


if __name__ == "__main__":
    if os.environ.get("TRITON_INTERPRET"):
        sys.exit("TRITON_INTERPRET is set: kernels would be interpreted, not compiled; unset it")
    sys.exit(main())
