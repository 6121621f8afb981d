"""Drawings of others: those that could run or fetch something are refused, whatever they hide behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.report.drawings import bare, inert
from dnabert_fast.report.style import house_style, new_figure, save

XLINK = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def drawn(inside: str) -> str:
    return f"<svg {XLINK}>{inside}<path id='a' d='M0 0'/></svg>"


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>",
        "<SCRIPT>1</SCRIPT>",
        "<scr<!-- -->ipt>1</scr<!-- -->ipt>",
        "<scr<metadata>x</metadata>ipt>1</scr<metadata>x</metadata>ipt>",
        '<meta http-equiv="refresh" content="0;url=https://example.org/"/>',
        "<foreignObject/>",
        '<iframe srcdoc="x"/>',
        '<g onload="x"/>',
        '<g/onload="x"/>',
        '<g id="b"onload="x"/>',
        '<use href="https://example.org/x"/>',
        "<use xlink:href='//example.org/x'/>",
        '<image href="data:image/svg+xml,x"/>',
        '<path fill="url(https://example.org/x)"/>',
        "<style>@import 'https://example.org/x';</style>",
        "<![CDATA[<b>]]>",
        "</svg><b>",
        "<g>",
    ],
)
def test_what_runs_or_leads_elsewhere_is_refused(inside: str) -> None:
    assert inert(drawn(inside)) is None


@pytest.mark.parametrize(
    "inside",
    ["", '<use xlink:href="#a"/>', "<g mask='url(#a)'/>", '<image xlink:href="data:image/png;base64,AA"/>'],
)
def test_what_stays_in_the_drawing_is_kept(inside: str) -> None:
    whole = f'<?xml version="1.0"?><!DOCTYPE svg>\n<!-- a --><metadata>\n<b/></metadata>{drawn(inside)}\n'
    assert inert(whole) == bare(whole) == drawn(inside)


def test_own_drawings_are_kept(tmp_path: Path) -> None:
    with house_style():
        figure = new_figure(2, 1)
        axes = figure.subplots()
        axes.imshow(np.eye(3))
        axes.set_title("<script>")
        _, svg = save(figure, tmp_path / "x.png")
    assert "<image" in (inert(svg.read_text(encoding="utf-8")) or "")


def test_what_is_no_svg_is_refused() -> None:
    assert inert("") is None
    assert inert("<g/>") is None
