"""The verbs as users type them: what goes where, and how they end when they are stopped."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from oracle import scored

Cli = Callable[..., tuple[int, str, str]]
Real = Callable[..., "subprocess.CompletedProcess[bytes]"]
STOPPED = b"stopped: no unfinished output file was left behind\n"


def environment() -> dict[str, str]:
    """That of the test, with its own cache folder, and one thread."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "dnabert_fast", *map(str, words)]


def test_variants_tells_what_it_did(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path) -> None:
    code, stdout, err = cli(
        "variants", vcf, genome, "-m", model, "-o", out / "o.vcf.gz", "--window", 12, "--summary", out / "facts.json"
    )
    assert (code, stdout) == (0, "")
    told = {line.rsplit(None, 1)[0]: line.rsplit(None, 1)[1] for line in err.splitlines() if line.split()[1:]}
    assert (told["records"], told["ALT alleles"], told["scored"]) == ("20", "40", "40")
    assert (told["pieces"], told["pieces encoded"]) == ("80", "3")  # a repeat of ten bases: all windows are alike
    facts = json.loads((out / "facts.json").read_text())
    assert (facts["verb"], facts["records"], facts["window"]) == ("variants", 20, 12)
    assert sorted(os.listdir(out)) == ["facts.json", "o.vcf.gz", "o.vcf.gz.tbi"]


def test_quiet_is_quiet(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path) -> None:
    assert cli("variants", vcf, genome, "-m", model, "-o", out / "o.vcf", "--window", 12, "-q") == (0, "", "")
    assert cli("scan", genome, "-m", model, "-o", out / "o.bw", "--window", 12, "--quiet") == (0, "", "")
    assert cli("predict", genome, "-m", model, "-o", out / "o.tsv", "-q") == (0, "", "")
    assert cli("embed", genome, "-m", model, "-o", out / "o.npy", "-q") == (0, "", "")


def test_scan_and_sequences_tell_what_they_did(cli: Cli, genome: Path, model: Path, out: Path) -> None:
    code, stdout, err = cli("scan", genome, "-m", model, "-o", out / "o.bw", "--window", 40, "--stride", 20)
    assert (code, stdout) == (0, "")
    assert "windows scored" in err
    assert "19" in err  # (400 - 40) / 20 + 1; the other contig has 30 bases
    for verb, name in (("predict", "o.tsv"), ("embed", "o.npy")):
        code, stdout, err = cli(verb, genome, "-m", model, "-o", out / name)
        assert (code, stdout) == (0, "")
        assert "sequences" in err
    assert np.load(out / "o.npy").shape == (2, 32)


def test_tokenize_to_the_screen_and_to_a_file(cli: Cli, genome: Path, out: Path) -> None:
    code, stdout, _ = cli("tokenize", genome, "-k", 4)
    assert code == 0
    lines = stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].split() == [("GATTACA" * 4 + "GA")[i : i + 4] for i in range(27)]
    assert cli("tokenize", genome, "-k", 4, "-o", out / "o.txt")[:2] == (0, "")
    assert (out / "o.txt").read_text() == stdout
    assert cli("tokenize", genome, "-k", 7)[0] == 2


def test_info_ends_with_json(cli: Cli) -> None:
    code, stdout, _ = cli("info")
    assert code == 0
    facts = json.loads(stdout.splitlines()[-1])
    assert facts["backend"] in ("cpu", "triton")
    assert facts["reason"]
    assert facts["packages"]["torch"]
    assert facts["kmer_kernel"] in ("portable", "avx2", "avx512")
    assert isinstance(facts["instruction_sets"], list)


def test_version_and_usage(cli: Cli) -> None:
    from dnabert_fast import __version__

    assert cli("--version") == (0, f"dnabert-fast {__version__}\n", "")
    assert cli("variants")[0] == 2
    assert cli("nothing")[0] == 2


def test_through_standard_input_and_output(
    cli: Cli, real: Real, vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    words = ["-m", model, "--window", 12]
    done = real("variants", "-", genome, *words, "-o", "-", input=vcf.read_bytes())
    assert done.returncode == 0, done.stderr
    assert b"scored" in done.stderr
    assert cli("variants", vcf, genome, *words, "-o", out / "o.vcf")[0] == 0
    assert done.stdout == (out / "o.vcf").read_bytes()
    piped = real("variants", vcf, "-", *words, "-o", "-", input=gzip.compress(genome.read_bytes()))
    assert piped.stdout == done.stdout


def test_a_reader_that_goes_away(vcf: Path, genome: Path, model: Path, tmp_path: Path) -> None:
    """As `head` does."""
    lines = gzip.decompress(vcf.read_bytes()).splitlines(keepends=True)
    (tmp_path / "long.vcf").write_bytes(b"".join(lines[:3]) + b"".join(lines[3:]) * 2000)
    words = command("variants", tmp_path / "long.vcf", genome, "-m", model, "--window", 12, "-o", "-")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == b"##fileformat=VCFv4.2\n"
        run.stdout.close()
        err = run.stderr.read()
        assert run.wait(60) != 0
    assert b"Traceback" not in err


@pytest.fixture
def long_vcf(tmp_path: Path, data: Path) -> Path:
    """Real records many times over: more than can be scored before it is stopped."""
    text = scored.text(data / "vcf" / "hg002.vcf.gz")
    path = tmp_path / "in" / "long.vcf"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\n".join(scored.header(text)) + b"\n" + (b"\n".join(scored.lines(text)) + b"\n") * 100)
    return path


def stopped(
    run: subprocess.Popen[bytes], out: Path, begun: Callable[[], bool], by: signal.Signals = signal.SIGINT
) -> tuple[int, bytes]:
    """Stop a command once it has begun to write."""
    limit = time.monotonic() + 90
    while not begun():
        assert run.poll() is None, run.stderr.read() if run.stderr else b""
        assert time.monotonic() < limit
        time.sleep(0.02)
    time.sleep(0.3)  # past the moment between making a file and knowing that it must be removed
    run.send_signal(by)
    run.wait(timeout=30)  # before standard input is closed, which would end the job in another way
    _, err = run.communicate(timeout=30)
    return run.returncode, err


@pytest.fixture
def start(model: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a command in the background; none is left behind."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: object, stdin: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        running.append(
            subprocess.Popen(
                command(*words, "-m", model, "--threads", 1),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
            )
        )
        return running[-1]

    yield begin
    for run in running:
        if run.poll() is None:
            run.kill()
            run.communicate()


@pytest.mark.parametrize(
    ("name", "by"), [("o.bcf", signal.SIGINT), ("o.parquet", signal.SIGINT), ("o.vcf.gz", signal.SIGTERM)]
)
def test_ctrl_c_and_a_scheduler_s_end_leave_nothing(
    start: Callable[..., subprocess.Popen[bytes]],
    long_vcf: Path,
    grch38: Path,
    out: Path,
    name: str,
    by: signal.Signals,
) -> None:
    run = start("variants", long_vcf, grch38, "-o", out / name, "--window", 200, "--summary", out / "facts.json")
    code, err = stopped(run, out, lambda: any(path.stat().st_size for path in out.iterdir()), by)
    assert (code, err) == (130, STOPPED)
    assert os.listdir(out) == []


def test_ctrl_c_leaves_what_was_there(start: Callable[..., subprocess.Popen[bytes]], grch38: Path, out: Path) -> None:
    (out / "o.bw").write_bytes(b"of an earlier run")
    run = start("scan", grch38, "-o", out / "o.bw", "--window", 300, "--stride", 10, "--calls", out / "calls.bed")
    code, err = stopped(run, out, lambda: len(os.listdir(out)) > 1)
    assert (code, err) == (130, STOPPED)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {"o.bw": b"of an earlier run"}


def test_ctrl_c_while_standard_input_waits(
    start: Callable[..., subprocess.Popen[bytes]], long_vcf: Path, grch38: Path, out: Path
) -> None:
    run = start("variants", "-", grch38, "-o", out / "o.vcf.gz", "--window", 20, stdin=subprocess.PIPE)
    assert run.stdin is not None
    text = long_vcf.read_bytes()
    run.stdin.write(text[: text.index(b"\nchr20") + 1])
    run.stdin.write(b"\n".join(scored.lines(text[:2_000_000])[:10]) + b"\n")
    run.stdin.flush()
    code, err = stopped(run, out, lambda: bool(os.listdir(out)))
    assert (code, err) == (130, STOPPED)
    assert os.listdir(out) == []
