"""Run the benchmarks with bars, hold their figures against the bars, and write one table and one record.

    python benchmarks/report.py [--only variants,scan] [--data FOLDER] [--quick]

Figures are what the benchmarks record after their correctness checks; a case that failed its check has no figure, and
the table says so. Every section runs in this process, ours and the peer in turns. A section's rows replace those of the
same day in results/DATE-cpu.json; results/DATE-cpu.md and the table of docs/benchmarks.md are written from that record.
With --quick (small networks: that it runs, not how fast) the table is printed and nothing is written. The last line of
the output is JSON; the exit code is 1 where a bar is missed or a check failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from workload import Watch

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Bar:
    """A row: the name a benchmark records its figure under, what it is, how it is shown, and the bar.

    `least` or `most` None: the figure is for information.
    """

    recorded: str
    what: str
    shown: str = "{:.2f}x"
    least: float | None = None
    most: float | None = None

    def kept(self, value: float) -> bool:
        """Whether the figure reaches the bar."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def bar(self) -> str:
        """The bar as the table shows it."""
        if self.least is not None and self.least == self.most:
            return f"exactly {self.shown.format(self.least)}"
        if self.least is not None:
            return f"at least {self.shown.format(self.least)}"
        return "" if self.most is None else f"at most {self.shown.format(self.most)}"


def _logits() -> list[Bar]:
    rows = []
    for k in (3, 4, 5, 6):
        rows.append(Bar(f"logits, k = {k}", f"fp32 logits against transformers, k = {k}", "{:.1e}", most=1e-4))
        rows.append(Bar(f"hidden states, k = {k}", f"fp32 masked-LM states likewise, k = {k}", "{:.1e}", most=1e-4))
    return rows


def _encoder() -> list[Bar]:
    rows = []
    for dtype in ("fp32", "bf16"):
        for shape, what, bar in (
            ("98", "98 tokens", 1.05),
            ("512", "512 tokens", 1.05),
            ("mixed", "30-512 tokens", 1.8),
        ):
            name = f"encoder / transformers {dtype} {shape}"
            rows.append(Bar(name, f"110 M encoder, {what}, {dtype}, against transformers with SDPA", least=bar))
    return rows


def _int8() -> list[Bar]:
    rows = []
    for shape in ("98", "512"):
        about = f"110 M encoder, {shape} tokens"
        rows += [
            Bar(f"int8 / transformers fp32 {shape}", f"{about}, int8 against transformers in fp32", least=3.6),
            Bar(f"int8 / onnxruntime int8 {shape}", f"{about}, int8 against onnxruntime's dynamic int8", least=1.15),
            Bar(f"bf16 / openvino bf16 {shape}", f"{about}, bf16 against OpenVINO in bf16", least=1.0),
        ]
    rows.append(Bar("int8 share of ceiling 98", "98 tokens, int8, one thread, of a large product's rate", "{:.0%}"))
    return [*rows, Bar("int8 share of attention 98", "the same: share of the time in attention", "{:.0%}")]


PERCENT, INTEGER = "{:.0%}", "{:.0f}"

SECTIONS: dict[str, list[Bar]] = {
    "kmer": [
        Bar("kmer_ids / memcpy at 67108864 bases", "k-mer ids, 64 Mb, of a memcpy's rate", PERCENT, least=0.6),
        Bar("kmer_ids / memcpy at 8388608 bases", "k-mer ids, 8 Mb, of a memcpy's rate", PERCENT, least=0.6),
        Bar("kmer_ids / numpy at 16777216 bases", "k-mer ids against a NumPy rolling encoder", "{:.1f}x", least=15),
        Bar("kmer_ids / hf at 131072 bases", "k-mer ids against Hugging Face tokenizers", "{:,.0f}x", least=5000),
    ],
    "fasta": [
        Bar("fasta to ids, Gbase/s", "plain FASTA to ids, one thread, page cache", "{:.2f} Gbase/s", least=1),
        Bar("fasta to ids, MB above start", "the same, 250 Mb contig: memory above start", "{:.1f} MB", most=100),
        Bar("fasta to ids / pysam", "the same against pysam with NumPy"),
        Bar("bgzf windows / pysam", "101-base windows of a BGZF genome against pysam"),
    ],
    "vcf_text": [
        Bar("vcf to vcf, plain, k records/s", "VCF text to VCF text, scores given", "{:.0f} k records/s", least=400),
        Bar("vcf to vcf, gzip, k records/s", "the same from gzip", "{:.0f} k records/s", least=400),
        Bar("vcf to vcf / pysam", "the same against pysam's VariantFile"),
    ],
    "corpus": [
        Bar("corpus FASTA, M tokens/s", "pre-training samples of plain FASTA, masked, one core", "{:.0f} M tokens/s"),
        Bar("corpus FASTA / training", "the same against what training of 110 M takes here", "{:,.0f}x", least=20),
        Bar("corpus BGZF, M tokens/s", "the same samples of BGZF, about a block each", "{:.1f} M tokens/s"),
        Bar("corpus BGZF / training", "the same against what training of 110 M takes here", "{:,.0f}x", least=20),
    ],
    "logits": _logits(),
    "encoder": _encoder(),
    "pretrain": [
        Bar(f"pretrain / transformers fp32 dropout {dropout}", f"a pre-training step, 110 M, fp32, {what}", least=1.4)
        for dropout, what in ((0.0, "against transformers, padded, without dropout"), (0.1, "with dropout 0.1"))
    ],
    "finetune": [Bar("fine-tuning / transformers", "a fine-tuning step, 110 M, fp32, mixed lengths", least=1.5)],
    "int8": _int8(),
    "variants": [
        Bar("variants bf16 / straight script fp32", "`variants` in bf16 against the straight script in fp32", least=2),
        Bar(
            "variants bf16 / straight script bf16", "`variants` in bf16 against the straight script in bf16", least=1.05
        ),
        Bar("variants fp32 / straight script fp32", "`variants` in fp32 against the straight script in fp32"),
        Bar("variants / encoder fp32", "`variants` in fp32, of our encoder's own rate", PERCENT, least=0.9),
        Bar("variants / encoder bf16", "`variants` in bf16, of our encoder's own rate", PERCENT, least=0.9),
        Bar("reference passes", "dense 300-base regions: ALTs, each with a reference pass", INTEGER),
        Bar("reference passes saved", "of these passes saved", INTEGER),
    ],
    "mutagenesis": [
        Bar(
            f"mutagenesis / original {dtype}",
            f"303 mutants of 101 bases, {dtype}, against the original's way",
            least=1.3,
        )
        for dtype in ("fp32", "bf16")
    ],
    "scan": [
        Bar("scan / separate windows, stride 102", "XL `scan`, stride 102, against separate windows", least=1.8),
        Bar("scan / separate windows, stride 100", "the same, stride 100, where nothing is shared", least=0.97),
        Bar("share of pieces encoded, stride 102", "share of pieces encoded, stride 102", PERCENT),
    ],
    "reference": [
        Bar("dbsnp mismatches", "REF mismatches among 9,385 rows of dbSNP 138", INTEGER, least=22, most=22),
        Bar("giab scored", "ALTs scored of the 16,192 rows of GIAB", INTEGER, least=16385, most=16385),
    ],
    "attention_scores": [
        Bar("attention / prediction, demo", "attention scores, 101 bases, beside prediction, demo model", most=1.15),
        Bar("attention / prediction, large", "the same, 110 M", most=1.15),
        Bar("peak, 10,000 windows, demo, MB", "peak memory of `attention`, 10,000 windows, demo model", "{:,.0f} MB"),
        Bar("peak, 100,000 windows, demo, MB", "the same, 100,000 windows", "{:,.0f} MB"),
        Bar("peak, 64 windows, large, MB", "the same, 110 M, 64 windows", "{:,.0f} MB"),
        Bar("peak, 256 windows, large, MB", "the same, 256 windows", "{:,.0f} MB"),
    ],
    "motifs": [
        Bar("motif search, 10,000 sequences, s", "`motifs`, 10,000 sequences with scores", "{:.2f} s", most=10),
        Bar("motif search, 100,000 sequences, s", "the same, 100,000", "{:.2f} s"),
        Bar(
            "q of CTCF, 400 sequences", "the best motif of 400 sequences against JASPAR's CTCF, q", "{:.1g}", most=0.01
        ),
    ],
    "memory": [
        Bar("variants, 1 x 6,457 records, MB", "peak memory of `variants`, 6,457 records, tiny network", "{:.0f} MB"),
        Bar("variants, 4 x 6,457 records, MB", "the same, four times the records", "{:.0f} MB"),
        Bar("scan, 1 Mb, MB", "peak memory of `scan` to bigWig, 1 Mb, tiny network", "{:.0f} MB"),
        Bar("scan, 4 Mb, MB", "the same, 4 Mb", "{:.0f} MB"),
    ],
}


class Collector:
    """A pytest plugin: what tests recorded, and which of them failed."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.figures.update(report.user_properties)
        if report.failed:
            lines = report.longreprtext.splitlines()
            self.failures[report.nodeid] = next((line[1:].strip() for line in lines if line.startswith("E ")), "failed")


def run(section: str, quick: bool, data: str | None) -> dict[str, object]:
    """One section's rows, when they were measured, and how busy other processes kept the machine meanwhile."""
    collector = Collector()
    options = ["--benchmark-skip", "-q", "-s", "--rootdir", str(HERE.parent), "-p", "no:cacheprovider"]
    options += ["--quick"] * quick + (["--data", data] if data else [])
    watch = Watch()
    pytest.main([str(HERE / f"test_{section}.py"), *options], plugins=[collector])
    _, others = watch.read()
    return {
        "measured": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "used_by_others": round(others, 3),
        "figures": {bar.recorded: collector.figures.get(bar.recorded) for bar in SECTIONS[section]},
        "failures": collector.failures,
    }


def verdict(bar: Bar, value: float | None) -> str:
    """pass, falls short, or that there is no figure; nothing for a figure without a bar."""
    if value is None:
        return "no figure"
    if bar.least is None and bar.most is None:
        return ""
    return "pass" if bar.kept(value) else "**falls short**"


def table(sections: dict[str, dict[str, object]]) -> str:
    """The rows of all sections as Markdown, with the command of each section."""
    lines = ["| what | bar | measured | | command |", "|---|---|---|---|---|"]
    for section, bars in SECTIONS.items():
        if section not in sections:
            continue
        figures = sections[section]["figures"]
        assert isinstance(figures, dict)
        command = f"`python benchmarks/report.py --only {section}`"
        for bar in bars:
            value = figures.get(bar.recorded)
            shown = "" if value is None else bar.shown.format(value)
            lines.append(f"| {bar.what} | {bar.bar()} | {shown} | {verdict(bar, value)} | {command} |")
            command = ""
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """Processor and versions, so that a figure can be read later."""
    import torch

    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    packages = ("dnabert_fast", "torch", "transformers", "tokenizers", "numpy", "pysam")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "torch_threads": 2,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def conditions(record: dict[str, object]) -> str:
    """One paragraph: when, on what, with what."""
    about = record["machine"]
    sections = record["sections"]
    assert isinstance(about, dict)
    assert isinstance(sections, dict)
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    others = ", ".join(f"{name} {section['used_by_others']:.0%}" for name, section in sections.items())
    return (
        f"{record['date']}; {about['cpu']}, {about['cores']} cores, {about['instruction_set']}; "
        f"{about['torch_threads']} torch threads; Python {about['python']}, {versions}. "
        f"Share of the processors that other processes used meanwhile: {others}."
    )


def write(sections: dict[str, dict[str, object]]) -> None:
    """Put the sections into the day's record; write its table and the one of docs/benchmarks.md."""
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    path = HERE / "results" / f"{date}-cpu.json"
    earlier = json.loads(path.read_text())["sections"] if path.exists() else {}
    merged = {name: {**earlier, **sections}[name] for name in SECTIONS if name in earlier or name in sections}
    record = {"date": date, "machine": machine(), "sections": merged}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    text = f"{table(merged)}\n\n{conditions(record)}\n"
    path.with_suffix(".md").write_text(f"# Benchmarks, {date}\n\n`python benchmarks/report.py`\n\n{text}")
    before, rest = DOCS.read_text().split(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def main() -> int:
    """Run the sections asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure the bars of the project against its peers.")
    parser.add_argument("--only", help=f"sections, joined by commas: {', '.join(SECTIONS)}")
    parser.add_argument("--data", help="folder of larger inputs; see benchmarks/README.md")
    parser.add_argument("--quick", action="store_true", help="small networks: that it runs; nothing is written")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    sections = {name: run(name, options.quick, options.data) for name in names}
    print(f"\n{table(sections)}")
    for name, section in sections.items():
        failures = section["failures"]
        assert isinstance(failures, dict)
        for test, reason in failures.items():
            print(f"{name}: {test.split('::')[-1]}: {reason}", file=sys.stderr)
    if not options.quick:
        write(sections)
    print(json.dumps({name: section["figures"] for name, section in sections.items()}))
    return int(any(section["failures"] for section in sections.values()))


if __name__ == "__main__":
    sys.exit(main())
