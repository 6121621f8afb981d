"""Bad input ends with one line, exit code 1 and nothing under the final name."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Cli = Callable[..., tuple[int, str, str]]


def said(ended: tuple[int, str, str]) -> str:
    """The one line that a command ended with."""
    code, out, err = ended
    assert (code, out) == (1, ""), err
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in err
    return lines[0]


@pytest.fixture
def inside(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file among the inputs."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / "in" / name
        path.write_bytes(content)
        return path

    return write


def lines_of(vcf: Path) -> list[bytes]:
    return gzip.decompress(vcf.read_bytes()).splitlines(keepends=True)


VCF_CASES = {
    "missing": (None, r"in/bad\.vcf.*cannot be read"),
    "empty": (lambda lines: b"", r"in/bad\.vcf.*is empty"),
    "truncated-gzip": (lambda lines: gzip.compress(b"".join(lines))[:-12], r"in/bad\.vcf.*(truncated|ends|cut)"),
    "broken-gzip": (
        lambda lines: gzip.compress(b"".join(lines))[:60] + b"x" * 90,
        r"in/bad\.vcf.*(broken|damaged|gzip)",
    ),
    "fasta": (lambda lines: b">c\nACGT\n", r"in/bad\.vcf.*is FASTA where a VCF is needed"),
    "text": (lambda lines: b"hello\n", r"in/bad\.vcf:1.*is not a VCF header"),
    "no-header": (lambda lines: b"".join(lines[3:]), r"in/bad\.vcf:1.*is not a VCF header"),
    "no-columns-line": (lambda lines: b"".join(lines[:2] + lines[3:]), r"in/bad\.vcf:3.*#CHROM"),
    "columns-by-blanks": (
        lambda lines: b"".join([*lines[:2], lines[2].replace(b"\t", b" ")]),
        r"in/bad\.vcf:3.*#CHROM",
    ),
    "broken-record": (lambda lines: b"".join([*lines[:9], b"c\t71\trs\n", *lines[10:]]), r"in/bad\.vcf:10.*3 column"),
    "broken-position": (
        lambda lines: b"".join([*lines[:9], lines[9].replace(b"\t91\t", b"\tx\t")]),
        r"in/bad\.vcf:10.*POS",
    ),
    "blank-line": (lambda lines: b"".join([*lines[:9], b"\n", *lines[9:]]), r"in/bad\.vcf:10.*empty line"),
    "late-header": (lambda lines: b"".join([*lines, lines[0]]), r"in/bad\.vcf:24.*header line"),
}


@pytest.mark.parametrize("case", VCF_CASES)
@pytest.mark.parametrize("name", ["out.vcf.gz", "out.tsv"])
def test_bad_vcfs(
    cli: Cli, inside: Callable[..., Path], vcf: Path, genome: Path, model: Path, out: Path, case: str, name: str
) -> None:
    make, message = VCF_CASES[case]
    path = vcf.parent / "bad.vcf" if make is None else inside("bad.vcf", make(lines_of(vcf)))
    line = said(cli("variants", path, genome, "-m", model, "-o", out / name, "--window", 12))
    assert_matches(line, message)
    assert os.listdir(out) == []


def assert_matches(line: str, pattern: str) -> None:
    assert re.search(pattern, line), line


GENOME_CASES = {
    "missing": (None, r"in/bad\.fa"),
    "empty": (b"", r"in/bad\.fa.*empty"),
    "vcf": (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", r"in/bad\.fa.*(VCF|FASTA)"),
    "text": (b"ACGT\nACGT\n", r"in/bad\.fa"),
    "truncated-gzip": (gzip.compress(b">c\n" + bytes(range(65, 90)) * 400)[:-9], r"in/bad\.fa"),
    "duplicate": (b">c\nACGT\n>c\nACGT\n", r"in/bad\.fa.*c"),
    "no-name": (b">\nACGT\n", r"in/bad\.fa"),
}


@pytest.mark.parametrize("case", GENOME_CASES)
@pytest.mark.parametrize("verb", ["variants", "scan"])
def test_bad_genomes(
    cli: Cli, inside: Callable[..., Path], vcf: Path, model: Path, out: Path, case: str, verb: str
) -> None:
    content, message = GENOME_CASES[case]
    path = vcf.parent / "bad.fa" if content is None else inside("bad.fa", content)
    if verb == "variants":
        ended = cli("variants", vcf, path, "-m", model, "-o", out / "out.vcf.gz", "--window", 3)
    else:
        ended = cli("scan", path, "-m", model, "-o", out / "out.bw", "--window", 3)
    assert_matches(said(ended), message)
    assert os.listdir(out) == []


def spoil(folder: Path, case: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    if case == "weights":
        (folder / "model.safetensors").unlink()
    elif case == "config":
        (folder / "config.json").unlink()
    elif case == "broken-config":
        (folder / "config.json").write_text("{")
    elif case == "broken-weights":
        (folder / "model.safetensors").write_bytes(b"no tensors")
    elif case == "vocabulary":
        lines = (folder / "vocab.txt").read_text().splitlines()
        (folder / "vocab.txt").write_text("\n".join([*lines[:5], *reversed(lines[5:])]) + "\n")
    elif case == "vocabulary-size":
        (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 4096}))
    elif case == "other-k":
        (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 261}))
    elif case == "stated-k":
        (folder / "config.json").write_text(json.dumps(config | {"dnabert_fast": {"k": 6, "head": "sequence"}}))
    elif case == "layers":
        (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    else:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("weights", "no weights|safetensors"),
        ("config", "config.json"),
        ("broken-config", "config.json"),
        ("broken-weights", "model.safetensors"),
        ("vocabulary", "vocab.txt"),
        ("vocabulary-size", "4096 tokens"),
        ("other-k", "do not fit|k = 4|vocab"),
        ("stated-k", "dnabert_fast.k is 6"),
        ("layers", "missing keys"),
        ("folder", "model"),
    ],
)
def test_bad_models(
    cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, tmp_path: Path, case: str, message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    spoil(folder, case)
    line = said(cli("variants", vcf, genome, "-m", folder, "-o", out / "out.vcf.gz", "--window", 12))
    assert_matches(line, message)
    assert os.listdir(out) == []


FLAG_CASES = [
    (["--precision", "fp7"], "no precision named fp7; there are fp32, bf16"),
    (["--device", "gpu0"], "device named gpu0"),
    (["--strand", "x"], r"--strand x: choose one of \+, -, both"),
    (["--class", "maybe"], "--class maybe: this model's classes are no, yes"),
    (["--window", "401"], "--window 401 is longer than every contig of .*genome.fa"),
    (["--window", "2"], "--window 2 is shorter than one 3-mer"),
    (["--windows", "missing.bed"], r"missing\.bed: no such file"),
    (["--alias", "missing.txt"], r"missing\.txt: cannot be read"),
    (["--ref-mismatch", "perhaps"], "choose one of error, warn, skip"),
    (["-o", "{out}/out.txt"], r"out\.txt: unknown kind of output; name it \.vcf, \.vcf\.gz, \.bcf, \.tsv"),
    (["-o", "{out}/missing/out.vcf"], "missing does not exist; make it first"),
    (["-o", "{out}"], "unknown kind of output|is a folder"),
    (["-o", "/proc/out.vcf.gz"], r"/proc/out\.vcf\.gz: (the folder /proc is not writable|cannot be written)"),
    (["-m", "a-b={model}"], "NAME may hold letters, digits and _"),
]


@pytest.mark.parametrize(("flags", "message"), FLAG_CASES)
def test_bad_flags(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, flags: list[str], message: str) -> None:
    given = {"--window": "12", "-m": str(model), "-o": str(out / "out.vcf.gz")}
    given |= {flags[0]: flags[1].format(out=out, model=model)}
    words = [word for pair in given.items() for word in pair]
    assert_matches(said(cli("variants", vcf, genome, *words)), message)
    assert os.listdir(out) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("verb", ["variants", "scan", "predict", "embed"])
def test_a_gpu_that_is_not_there(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, verb: str) -> None:
    inputs = {"variants": [vcf, genome], "scan": [genome]}.get(verb, [genome])
    name = {"variants": "o.vcf", "scan": "o.bw", "predict": "o.tsv", "embed": "o.npy"}[verb]
    line = said(cli(verb, *inputs, "-m", model, "-o", out / name, "--device", "cuda"))
    assert_matches(line, "device cuda: .*; use --device cpu")
    assert os.listdir(out) == []


def test_a_folder_that_is_not_writable(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    """Root may write everywhere, so the check is told that it may not."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != out and allowed(path, mode))
    for verb, words in [("variants", [vcf, genome, "-o", out / "o.vcf.gz"]), ("scan", [genome, "-o", out / "o.bw"])]:
        line = said(cli(verb, *words, "-m", model, "--window", 12))
        assert f"the folder {out} is not writable; choose another output" in line
    assert os.listdir(out) == []


def test_a_name_that_is_too_long(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path) -> None:
    """Long enough that the name of the file aside cannot be had; pysam crashes then."""
    for verb, words, suffix in [("variants", [vcf, genome], ".vcf.gz"), ("scan", [genome], ".tsv")]:
        name = "x" * 240 + suffix
        line = said(cli(verb, *words, "-m", model, "-o", out / name, "--window", 12))
        assert f"{name}: cannot be written (File name too long)" in line
    assert os.listdir(out) == []


def test_a_summary_that_cannot_be_written_stops_at_the_start(
    cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, tmp_path: Path
) -> None:
    for verb, words, name in [
        ("variants", [vcf, genome, "--window", 12], "o.vcf.gz"),
        ("scan", [genome, "--window", 12], "o.bw"),
        ("predict", [genome], "o.tsv"),
        ("embed", [genome], "o.npy"),
    ]:
        line = said(cli(verb, *words, "-m", model, "-o", out / name, "--summary", tmp_path / "no" / "facts.json"))
        assert f"the folder {tmp_path / 'no'} does not exist" in line
    assert os.listdir(out) == []


def test_two_outputs_of_one_name(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    words = ["scan", genome, "-m", model, "--window", 12, "-o", out / "o.bed.gz", "--calls", out / "o.bed.gz"]
    assert "give two names" in said(cli(*words))
    assert os.listdir(out) == []


BED_CASES = [
    (b"x\t0\t20\n", r"bad\.bed:1: contig x is not in the genome"),
    (b"#c\nc\t0\t20\nc\t390\t401\n", r"bad\.bed:3: ends at 401, but contig c has 400 bases"),
    (b"c\t0\t20\nc\t30\t25\n", r"bad\.bed:2: start 30 lies after end 25"),
    (b"c\t0\n", r"bad\.bed:1: 2 columns"),
    (b"c\tzero\t20\n", r"bad\.bed:1: .*'zero'"),
    (b"", r"bad\.bed: holds no regions"),
    (gzip.compress(b"c\t0\t20\n" * 50)[:-6], r"bad\.bed: broken gzip"),
]


@pytest.mark.parametrize(("content", "message"), BED_CASES)
def test_bad_regions(
    cli: Cli, inside: Callable[..., Path], vcf: Path, genome: Path, model: Path, out: Path, content: bytes, message: str
) -> None:
    bed = inside("bad.bed", content)
    assert_matches(said(cli("variants", vcf, genome, "-m", model, "-o", out / "o.vcf", "--windows", bed)), message)
    ended = cli("scan", genome, "-m", model, "-o", out / "o.bw", "--regions", bed, "--window", 12)
    assert_matches(said(ended), message)
    assert os.listdir(out) == []


def test_a_mismatch_that_is_an_error(
    cli: Cli, inside: Callable[..., Path], vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    lines = lines_of(vcf)
    lines[12] = lines[12].replace(b"\tA\t", b"\tT\t")
    path = inside("other.vcf", b"".join(lines))
    words = ["variants", path, genome, "-m", model, "-o", out / "o.vcf.gz", "--window", 12]
    assert_matches(said(cli(*words, "--ref-mismatch", "error")), r"other\.vcf:13 \(c:121\): REF T differs")
    assert os.listdir(out) == []
    assert cli(*words).code == 0  # type: ignore[attr-defined]


def test_what_only_vcf_can_hold(
    cli: Cli, inside: Callable[..., Path], vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    path = inside("undeclared.vcf", b"".join(lines_of(vcf)))
    line = said(cli("variants", path, genome, "-m", model, "-o", out / "o.bcf", "--window", 12))
    assert "INFO DP, which the header lacks; write .vcf.gz instead" in line
    assert os.listdir(out) == []


def test_markup_in_names_is_shown_as_it_is(cli: Cli, vcf: Path, model: Path, out: Path) -> None:
    assert "[bold]x[/bold].fa" in said(
        cli("variants", vcf, "[bold]x[/bold].fa", "-m", model, "-o", out / "o.vcf", "--window", 9)
    )


@pytest.mark.parametrize(
    "case", ["truncated", "fasta-is-vcf", "vcf-is-fasta", "no-weights", "both-stdin", "stdin-empty"]
)
def test_the_real_command(
    real: Callable[..., subprocess.CompletedProcess[bytes]],
    vcf: Path,
    genome: Path,
    model: Path,
    out: Path,
    tmp_path: Path,
    case: str,
) -> None:
    inputs: list[object] = [vcf, genome]
    if case == "truncated":
        vcf.write_bytes(vcf.read_bytes()[:-20])
    elif case == "fasta-is-vcf":
        inputs = [vcf, vcf]
    elif case == "vcf-is-fasta":
        inputs = [genome, genome]
    elif case == "both-stdin":
        inputs = ["-", "-"]
    elif case == "stdin-empty":
        inputs = ["-", genome]
    folder = tmp_path / "no" if case == "no-weights" else model
    done = real("variants", *inputs, "-m", folder, "-o", out / "o.vcf.gz", "--window", 12)
    said((done.returncode, done.stdout.decode(), done.stderr.decode()))
    assert os.listdir(out) == []


FILES: dict[str, tuple[str, ...]] = {
    "variants": ("{vcf}", "{genome}", "-m", "{model}", "--window", "12"),
    "scan": ("{genome}", "-m", "{model}", "--window", "12"),
    "predict": ("{genome}", "-m", "{model}"),
    "embed": ("{genome}", "-m", "{model}"),
    "tokenize": ("{genome}", "-k", "3"),
    "attention": ("{genome}", "-m", "{model}"),
    "lookup": ("{vcf}", "{vcf}"),
    "haplotypes": ("{vcf}", "{genome}", "-m", "{model}", "--window", "12"),
    "saturate": ("{genome}", "--genome-wide", "-m", "{model}", "--window", "12"),
    "report": ("{vcf}",),
}
FOLDERS: dict[str, tuple[str, ...]] = {
    "demo": (),
    "evaluate": ("{genome}", "-m", "{model}"),
    "evaluate --variants": ("{vcf}", "--truth", "ID"),
    "motifs": ("{genome}", "-m", "{model}"),
    "mutate": ("{genome}", "-m", "{model}", "--region", "c:1-20"),
    "screen": ("{vcf}", "{genome}", "-m", "{model}", "--window", "12"),
    "finetune": ("--train", "{rows}", "--dev", "{rows}", "-m", "{model}", "--preset", "general"),
    "pretrain": ("{genome}",),
    "prepare tfbs": ("{genome}", "--peaks", "{vcf}", "--dev", "c"),
}


@pytest.mark.parametrize("verb", [*FILES, "--summary", "--calls", "merge"])
def test_a_folder_where_a_file_is_to_be_written(
    cli: Cli, vcf: Path, genome: Path, model: Path, out: Path, tmp_path: Path, verb: str
) -> None:
    """One wording, whatever the kind of file."""
    place = tmp_path / "adir"
    place.mkdir()
    words: list[object] = [word.format(vcf=vcf, genome=genome, model=model) for word in FILES.get(verb, FILES["scan"])]
    if verb == "merge":
        assert cli("scan", *words, "-o", out / "o.bw", "--work", tmp_path / "w").code == 0  # type: ignore[attr-defined]
        (out / "o.bw").unlink()
        (out / "o.bw").mkdir()
        place, words = out / "o.bw", [tmp_path / "w"]
    elif verb.startswith("--"):
        verb, words = "scan", [*words, "-o", out / "o.bw", verb, place]
    else:
        words += ["-o", place]
    assert said(cli(verb, *words)) == f"error: {place}: is a folder; give a file name for the output"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_file_where_a_folder_is_to_be_made(
    cli: Cli, vcf: Path, genome: Path, model: Path, tmp_path: Path, verb: str
) -> None:
    place = tmp_path / "afile"
    place.write_text("mine")
    rows = tmp_path / "rows.csv"
    rows.write_text("sequence,label\nACGTACGTACGTACGT,0\nTTGTACGTACGTACGA,1\n")
    words = [word.format(vcf=vcf, genome=genome, model=model, rows=rows) for word in FOLDERS[verb]]
    assert (
        said(cli(*verb.split(), *words, "-o", place)) == f"error: {place}: is a file; give a folder name for the output"
    )
    assert place.read_text() == "mine"
