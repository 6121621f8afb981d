"""Row steps and attention in C++. Arrays are contiguous, of exactly the dtype given (bf16 as uint16)."""

from typing import Any

def convert(
    source: tuple[Any, ...], sink: tuple[Any, ...], gelu: bool = False, threads: int = 1, level: str = "auto"
) -> None: ...
def add_norm(
    source: tuple[Any, ...] | None,
    stream: Any,
    weight: Any,
    shift: Any,
    eps: float,
    sink: tuple[Any, ...] | None,
    threads: int = 1,
    level: str = "auto",
) -> None: ...
def attention(
    query: Any,
    kv: Any,
    query_bounds: Any,
    bounds: Any,
    heads: int,
    out: Any,
    threads: int = 1,
    level: str = "auto",
) -> None: ...
def has_vnni() -> bool: ...
