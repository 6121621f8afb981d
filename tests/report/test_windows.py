"""Pictures of windows: files that open and are the same each time, of windows long and short, whatever is missing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.report.attention_map import attention_map
from dnabert_fast.report.context import context_plot
from dnabert_fast.report.landscape import Span, landscape
from dnabert_fast.report.letters import round_up
from dnabert_fast.report.mutation_map import Mark, MutationMap, mutation_map


def opens(paths: list[Path], *words: str) -> None:
    """A PNG and an SVG that hold what they should."""
    png, svg = paths
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    ET.fromstring(svg.read_bytes())
    text = svg.read_text()  # matplotlib writes each text as a comment beside its glyphs
    for word in words:
        assert f"<!-- {word} -->" in text, word


def a_map(length: int = 30) -> MutationMap:
    random = np.random.default_rng(5)
    letters = "".join(random.choice(list("ACGT"), length))
    mutant = random.random((length, 4))
    mutant[np.arange(length), ["ACGT".index(letter) for letter in letters]] = np.nan
    deletions = random.normal(size=(3, length))
    deletions[2, -2:] = np.nan
    attention = random.random(length).astype(np.float32)
    return MutationMap(
        letters, 101, attention, 0.4, mutant, mutant - 0.4, 3 * (0.4 - mutant), deletions,
        "P(promoter)", [Mark(3, "104 A>G", 0.2), Mark(4, "105 CTT>C", -0.3), Mark(20, "121 G>T", 0.0)],
    )  # fmt: skip


@pytest.mark.parametrize("length", [6, 30, 300])
def test_a_mutation_map(tmp_path: Path, length: int) -> None:
    shown = replace(a_map(length), marks=a_map().marks if length >= 30 else ())
    found = mutation_map(tmp_path / "map", shown, "chr20:101-130")
    opens(found, "chr20:101-130", "attention", "difference", "P(promoter)", *(["104 A&gt;G"] if shown.marks else []))
    again = mutation_map(tmp_path / "again", shown, "chr20:101-130")
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in again]


def test_names_are_no_formulas(tmp_path: Path) -> None:
    shown = replace(a_map(), score="P($x^$)", marks=[Mark(3, "$\\frac{$", 0.2)])
    found = mutation_map(tmp_path / "map", shown, "a$b^$\\frac{")
    opens(found, "a$b^$\\frac{", "P($x^$)", "$\\frac{$")


def test_a_mutation_map_of_what_is_there(tmp_path: Path) -> None:
    """A regression has no odds; unknown bases have four substitutions; all may be equal."""
    shown = replace(a_map(), log_odds=None, deletions=None, marks=(), letters="N" * 30)
    opens(mutation_map(tmp_path / "map", shown, "x"), "difference")
    still = replace(
        shown, mutant=np.full((30, 4), 0.4), difference=np.zeros((30, 4)), attention=np.zeros(30, np.float32)
    )
    opens(mutation_map(tmp_path / "still", still, "x"), "difference")


def test_of_more_variants_than_there_is_room_for_the_largest_have_names(tmp_path: Path) -> None:
    marks = [Mark(at % 30, f"variant number {at}", (at - 40) / 100) for at in range(60)]
    _, svg = mutation_map(tmp_path / "map", replace(a_map(), marks=marks), "x")
    named = [at for at in range(60) if f"<!-- variant number {at} -->" in svg.read_text()]
    assert 2 <= len(named) < 20
    assert named == list(range(len(named)))  # the differences of the first are largest, whatever their sign


def test_losses_have_one_colour_in_both_heat_maps(tmp_path: Path) -> None:
    """A window all of whose mutants lose: the differences are negative, the log-odds ratios positive."""
    from matplotlib.image import imread

    losing = np.full((30, 4), 0.1)
    shown = replace(a_map(), letters="N" * 30, mutant=losing, difference=losing - 0.4, log_odds=np.full((30, 4), 2.0),
                    deletions=np.full((1, 30), 2.0), marks=())  # fmt: skip
    png, _ = mutation_map(tmp_path / "map", shown, "x")
    pixels = (imread(png)[..., :3] * 255).round().astype(int).reshape(-1, 3)
    strong, weak = (np.abs(pixels - colour).max(axis=1) < 3 for colour in ((213, 94, 0), (0, 114, 178)))
    # Three heat maps of one colour, and no blue but that of attention and of the scales.
    assert strong.sum() > 3 * weak.sum()


@pytest.mark.parametrize("length", [12, 100, 250])
def test_an_attention_map(tmp_path: Path, length: int) -> None:
    scores = np.linspace(0, 1, length).astype(np.float32)
    scores[2] = np.nan
    found = attention_map(tmp_path / "a", "ACGT" * (length // 4) + "A" * (length % 4), scores, "one", high=[(5, 10)])
    opens(found, "one", "high regions", "A")
    opens(attention_map(tmp_path / "b", "A" * length, scores, "one", first=-9), "one", "0")


def test_a_landscape_of_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    classes = {
        name: random.random((n, 60)).astype(np.float32) for name, n in (("promoter", 20), ("other", 1), ("c", 9))
    }
    classes["c"][:, :5] = np.nan
    panels = {"attention": classes, "effect": {"promoter": classes["promoter"]}}
    found = landscape(tmp_path / "l", panels, 50, "Landscape", spans=[Span(-35, -19, "TATA")])
    opens(found, "Landscape", "TATA", "attention", "effect", "promoter (n = 20)", "bases from the TSS")


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_a_context_plot(tmp_path: Path, heads: int) -> None:
    weights = np.random.default_rng(1).dirichlet(np.full(40, 0.1), (heads, 40)).astype(np.float32)
    opens(context_plot(tmp_path / "c", weights, 7, "one token"), "one token", "[CLS]", "[SEP]", "head")


def test_context_counts_what_reaches_each_threshold(tmp_path: Path) -> None:
    weights = np.zeros((1, 10, 10), np.float32)
    weights[0, 4] = [0, 0.05, 0.1, 0.2, 0.5, 0.15, 0, 0, 0, 0]
    _, svg = context_plot(tmp_path / "c", weights, 4, "one token")
    text = svg.read_text()
    for threshold, count in ((0.2, 4), (0.4, 2), (0.6, 1)):
        assert f"{threshold:g} of the head's strongest weight and up   ·   {count} of 10 tokens" in text


@pytest.mark.parametrize(
    ("value", "found"), [(0.0, 1), (float("nan"), 1), (0.0123, 0.02), (0.3, 0.3), (0.31, 0.4), (7.2, 8), (1, 1)]
)
def test_limits_are_round(value: float, found: float) -> None:
    assert round_up(value) == found
