"""What the GPU benchmark measures, the bar and the goal of each figure, and how both are shown. Imports no package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TIMES, PERCENT = "{:.2f}x", "{:.0%}"


@dataclass(frozen=True)
class Bar:
    """A figure that a step records: its name there, what it is, how it is shown, the least that is its bar and goal."""

    recorded: str
    what: str
    shown: str = TIMES
    least: float | None = None
    goal: float | None = None

    def met(self, value: float | None) -> str:
        """Goal, bar, falls short, or that there is no figure; nothing where there is no bar."""
        if value is None:
            return "no figure" if self.least is not None else ""
        if self.goal is not None and value >= self.goal:
            return "goal"
        if self.least is not None:
            return "bar" if value >= self.least else "**falls short**"
        return ""

    def record(self, value: float | None) -> dict[str, object]:
        """The same for a program to read."""
        return {"what": self.what, "bar": self.least, "goal": self.goal, "measured": value, "reached": self.met(value)}

    def row(self, value: float | None) -> str:
        """A line of the table."""
        cells = ["" if number is None else self.shown.format(number) for number in (self.least, self.goal, value)]
        return f"| {self.what} | {' | '.join(cells)} | {self.met(value)} |"


_GATE = "agreement of log-odds differences with fp32 (0.99 passes), random weights, {}"

SHAPES = {"512": "512 tokens", "98": "98 tokens", "mixed": "30-512 tokens"}


def _attention() -> list[Bar]:
    rows = []
    for way, least in (("forward", 0.9), ("backward", 0.8)):
        for shape, what in SHAPES.items():
            ahead = 1.0 if way == "forward" else None
            what = f"attention {way}, packed, {what}, bf16, against the best of torch"
            rows.append(Bar(f"attention {way} {shape} / torch", what, TIMES, least, ahead))
            rows.append(Bar(f"attention {way} {shape} TFLOP/s", "its rate", "{:.0f} TFLOP/s"))
    return rows


STEPS: Mapping[str, list[Bar]] = {
    "ceilings": [
        Bar("bf16 TFLOP/s", "bf16 product, 8192 x 8192 x 8192", "{:.0f} TFLOP/s"),
        Bar("fp8 TFLOP/s", "fp8 product with a scale a row, the same size", "{:.0f} TFLOP/s"),
        Bar("copy TB/s", "copy on the device, read and written", "{:.2f} TB/s"),
    ],
    "tests": [
        Bar("tests passed", "tests on the device: passed", "{:.0f}"),
        Bar("tests failed", "failed", "{:.0f}"),
    ],
    "attention": _attention(),
    "encoder": [
        Bar(
            "encoder bf16 / ceiling",
            "110 M encoder, bf16, of the product's rate: work done",
            PERCENT,
            0.6,
            0.75,
        ),
        Bar("encoder bf16 / ceiling, skipped counted", "the same, counting what the last layer skips", PERCENT),
        Bar("encoder bf16 tokens/s", "its rate", "{:.2f} M tokens/s"),
        Bar("encoder / transformers 512", "against transformers, SDPA, torch.compile: 512 tokens", TIMES, 1.15),
        Bar("encoder / transformers mixed", "the same: 30-512 tokens", TIMES, 1.5),
        Bar("encoder / transformers eager 512", "against transformers, SDPA, not compiled: 512 tokens"),
        Bar("encoder / transformers eager mixed", "the same: 30-512 tokens"),
        Bar("encoder fp8 / bf16", "fp8 against bf16", TIMES, 1.35),
        Bar("encoder fp16 / bf16", "fp16 against bf16"),
        Bar("encoder bf16 stream / fp32 stream", "residual in bf16 against one in fp32"),
        Bar("encoder bf16 / fp32", "bf16 against fp32"),
    ],
    "gate": [
        Bar("gate bf16", _GATE.format("bf16"), "{:.3f}"),
        Bar("gate fp16", _GATE.format("fp16"), "{:.3f}"),
        Bar("gate fp8", _GATE.format("fp8"), "{:.3f}"),
    ],
    "variants": [
        Bar("variants/s", "`variants`, 101-base windows, files to files", "{:.1f} k variants/s", 13.5),
        Bar("variants/s, scoring alone", "without loading the model", "{:.1f} k variants/s"),
        Bar("variants busy", "share of its scoring in which the GPU was busy", PERCENT, 0.9),
        Bar("variants fp8/s", "the same in fp8", "{:.1f} k variants/s"),
    ],
    "scan": [
        Bar("scan Mbase/s", "`scan`, 515-base windows, stride 510, files to files", "{:.2f} Mbase/s", 2.3),
        Bar("scan Mbase/s, scoring alone", "without loading the model", "{:.2f} Mbase/s"),
        Bar("scan busy", "share of its scoring in which the GPU was busy", PERCENT),
    ],
    "training": [
        Bar("training / ceiling", "masked-LM step, 110 M, bf16, of the product's rate", PERCENT, 0.4, 0.55),
        Bar("training / transformers", "against transformers' step, SDPA, bf16 autocast", TIMES, 1.5),
        Bar("training tokens/s", "its rate", "{:.0f} k tokens/s"),
    ],
    "memory": [],  # a row a kernel: see `bars_of`
    "tune": [],
}


def bars_of(step: str, figures: Mapping[str, float]) -> list[Bar]:
    """The bars of a step, then what else it recorded."""
    bars = STEPS[step]
    known = {bar.recorded for bar in bars}
    shown = PERCENT if step == "memory" else "{:.3g}"
    return [*bars, *(Bar(name, name, shown) for name in figures if name not in known)]
