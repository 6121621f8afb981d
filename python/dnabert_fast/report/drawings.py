"""SVG that others may have made, as part of a page: nothing in it may run or fetch anything. Knows no files."""

from __future__ import annotations

import re
from xml.etree import ElementTree

__all__ = ["bare", "inert"]

_BESIDE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<(?!/?(?:[a-z]+)[\s/>])|<(/?[a-z]+)", re.IGNORECASE)
_HARMLESS = frozenset(
    (
        "svg", "g", "defs", "use", "symbol", "marker", "clippath", "mask", "pattern", "path", "rect", "circle",
        "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc", "style", "lineargradient",
        "radialgradient", "stop", "image",
    )
)  # fmt: skip
# What runs, and what leads anywhere but to the drawing itself or to a picture that it holds.
_ACTIVE = re.compile(
    r"[\s/\"']on\w+\s*=|(?:href|src)\s*=(?!\s*[\"']?\s*(?:#|data:image/png))|url\((?!\s*[\"']?\s*#)|@import",
    re.IGNORECASE,
)


def bare(svg: str) -> str:
    """A drawing without prologue, metadata and comments."""
    return _BESIDE.sub("", svg).strip()


def inert(svg: str) -> str | None:
    """A drawing as `bare` has it, or None where it is no SVG, or one that could run or fetch something."""
    found = bare(svg)
    names = [match[1] for match in _TAG.finditer(found)]
    if any(name is None or name.lstrip("/").lower() not in _HARMLESS for name in names) or _ACTIVE.search(found):
        return None
    try:
        root = ElementTree.fromstring(found)
    except ElementTree.ParseError:
        return None
    return found if root.tag.rpartition("}")[2] == "svg" else None
