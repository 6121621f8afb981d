"""saturate, screen and haplotypes in a work folder: whatever ends a run, the next one ends with the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnabert_fast import merge, status
from dnabert_fast.analysis.saturate import raw_score
from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.haplotypes import haplotypes
from dnabert_fast.workflows.jobs import Results
from dnabert_fast.workflows.saturate import saturate
from dnabert_fast.workflows.screen import screen
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
Facts = dict[str, Any]
JOBS = ("own ranks", "background", "screen", "screen on a grid", "haplotypes", "haplotypes of regions")
SPLIT = ("own ranks", "stored background", "haplotypes", "haplotypes of regions")
SMALL = {
    "analysis.saturate.UNIT_BASES": 40,
    "workflows.saturate.UNIT_BASES": 40,
    "workflows.saturate._SHARD_UNITS": 3,
    "workflows.attention.UNIT_SEQUENCES": 9,
    "workflows.screen._SHARD_UNITS": 2,
    "workflows.screen.UNIT_RECORDS": 4,
    "workflows.screen_inputs.UNIT_RECORDS": 4,
    "workflows.record_input.UNIT_RECORDS": 5,
    "workflows.record_input.SECTION_BYTES": 300,
    "analysis.carriers._UNIT_WINDOWS": 3,
}


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Units of a few bases, windows and records."""
    for name, value in SMALL.items():
        patch.setattr(f"dnabert_fast.{name}", value)


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


@pytest.fixture(scope="module")
def inputs(make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a genome, genotypes of two samples, windows, regions of a background, and a model."""
    draw, folder = random.Random(5), tmp_path_factory.mktemp("inputs")
    contigs = {name: "".join(draw.choices("ACGT", k=size)) for name, size in (("one", 420), ("two", 260))}
    contigs["one"] = contigs["one"][:200] + "N" * 30 + contigs["one"][230:]
    (folder / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    rows = []
    for name, bases in contigs.items():
        for at in range(5, len(bases) - 9, 7):
            ref = bases[at : at + draw.choice([1, 1, 1, 3])]
            alt = ref[0] + "".join(draw.choices("ACGT", k=4)) if draw.random() < 0.2 else draw.choice("ACGT")
            given = [f"{int(draw.random() < 0.4)}|{int(draw.random() < 0.4)}" for _ in "ab"]
            if alt != ref and "N" not in ref:
                rows.append((name, str(at + 1), f"rs{at}", ref, alt, ".", ".", ".", "GT", *given))
    rows.append(("three", "4", ".", "A", "C", ".", ".", ".", "GT", "0|1", "0|0"))
    head = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "a", "b")
    text = "".join("\t".join(row) + "\n" for row in (head, *rows))
    (folder / "v.vcf").write_text("##fileformat=VCFv4.2\n" + text)
    known = "".join("\t".join((row[0], row[1], row[3], row[4])) + "\n" for row in rows[::3])
    (folder / "known.tsv").write_text(f"chrom\tpos\tref\talt\n{known}")
    beds = {"w": [(one, at, at + 24) for one in contigs for at in range(0, 180, 11)]}
    beds |= {"r": [("one", 30, 320), ("two", 5, 44)], "b": [("one", 10, 190), ("two", 90, 120)]}
    for name, spans in beds.items():
        (folder / f"{name}.bed").write_text("".join(f"{c}\t{start}\t{end}\n" for c, start, end in spans))
    ignored = shutil.ignore_patterns("background-*")
    shutil.copytree(make_model(), folder / "model", ignore=ignored)
    saturate(folder / "g.fa", model=str(shutil.copytree(make_model(), folder / "ranked", ignore=ignored)),
             background=folder / "b.bed", window=16, precision="fp32")  # fmt: skip
    return folder


def run(job: str, inputs: Path, out: Path, **more: Any) -> Facts:
    """Run a job whose output lies in the folder `out`; `background` has a model of its own there, where it is kept."""
    asked: Facts = {"model": str(inputs / "model"), "device": "cpu", "threads": 1, "precision": "fp32"} | more
    genome, vcf = asked.pop("genome", inputs / "g.fa"), asked.pop("vcf", inputs / "v.vcf")
    if job.startswith("screen"):
        where = {"window": 24, "stride": 6} if job.endswith("grid") else {"windows": inputs / "w.bed"}
        given = {"top": 9, "known": [f"K={inputs / 'known.tsv'}"], "quantile": 0.6, "output": out / "screened"}
        return screen(vcf, genome, **(where | given | asked))
    if job.startswith("haplotypes"):
        where = {"windows": inputs / "w.bed"} if job.endswith("regions") else {"window": 16}
        return haplotypes(vcf, genome, **(where | {"output": out / "h.tsv.gz"} | asked))
    if job == "background":
        if not (out / "model").exists():
            shutil.copytree(inputs / "model", out / "model")
        asked |= {"model": str(out / "model"), "background": inputs / "b.bed"}
    elif job == "stored background":
        asked["model"] = str(inputs / "ranked")
    given = {"output": out / "t.tsv.gz", "regions": inputs / "r.bed", "window": 16}
    return saturate(genome, **(given | asked))


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder but for summaries and what a job keeps."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "w")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "summary.json"}


def told(facts: Facts) -> Facts:
    """A summary but for seconds and places."""
    ground = facts.get("background")
    own = {} if ground is None else {"background": {key: value for key, value in ground.items() if key != "file"}}
    return {key: value for key, value in facts.items() if key not in ("seconds", "output")} | own


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, bytes], Facts]]:
    """What a job without a work folder writes and tells, each made once."""
    made: dict[str, tuple[dict[str, bytes], Facts]] = {}

    def call(job: str) -> tuple[dict[str, bytes], Facts]:
        if job not in made:
            out = tmp_path_factory.mktemp("whole")
            facts = run(job, inputs, out)
            made[job] = contents(out), told(facts)
        return made[job]

    return call


class Stopped(Exception):
    """Ends a run."""


def stop_at(patch: pytest.MonkeyPatch, at: int, stop: Callable[[], Any]) -> None:
    """Have a run stop before its result of this number is written, from 0."""
    write, done = Results.write, [0]

    def counted(results: Results[Any], result: Any) -> None:
        if done[0] == at:
            stop()
        done[0] += 1
        write(results, result)

    patch.setattr(Results, "write", counted)


def fail() -> None:
    raise Stopped


def killed(job: str, inputs: str, out: str, at: int) -> None:
    """Run a job, in a process of its own, until SIGKILL ends it at a result."""
    import os

    patch = pytest.MonkeyPatch()
    make_small(patch)
    stop_at(patch, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    run(job, Path(inputs), Path(out), work=Path(out) / "w")


@pytest.mark.parametrize(("job", "at"), [("own ranks", 7), ("screen on a grid", 19), ("haplotypes", 9)])
def test_a_killed_run_goes_on(job: str, at: int, inputs: Path, whole: Any, tmp_path: Path) -> None:
    script = "import json, sys; from test_jobs_of_steps import killed; killed(*json.loads(sys.argv[1]))"
    given = json.dumps([job, str(inputs), str(tmp_path), at])
    ended = subprocess.run([sys.executable, "-c", script, given], cwd=Path(__file__).parent, check=False)
    assert ended.returncode == -signal.SIGKILL
    seen = status(tmp_path / "w")
    assert 0 < seen["done"] < seen["shards"]
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").glob("**/shards/*/[0-9]*.json")}
    facts = run(job, inputs, tmp_path, work=tmp_path / "w")
    assert all(path.stat().st_mtime_ns == since for path, since in done.items())  # and not computed again
    expected, summary = whole(job)
    assert contents(tmp_path) == expected
    assert told(facts) == summary
    assert not list(tmp_path.rglob(".*.partial"))


@pytest.mark.parametrize("job", JOBS)
def test_whatever_stops_it_and_whatever_is_damaged(job: str, inputs: Path, whole: Any, tmp_path: Path) -> None:
    """Runs that fail at any result; after some of them a part or a receipt is cut, changed or gone."""
    draw, work, broken = random.Random(job), tmp_path / "w", 0
    for round_ in range(5):
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, draw.randrange(12), fail)
            try:
                run(job, inputs, tmp_path, work=work)
            except Stopped:
                assert status(work)["failures"]
        done = sorted(path for path in work.rglob("shards/*/*") if path.stat().st_size)
        if done and round_ % 2:
            path, broken = draw.choice(done), broken + 1
            text = path.read_bytes()
            path.write_bytes(draw.choice([b"", text[: len(text) // 2], text[:-1] + bytes([text[-1] ^ 1])]))
    facts = run(job, inputs, tmp_path, work=work)
    expected, summary = whole(job)
    assert broken
    assert contents(tmp_path) == expected
    assert {key: value for key, value in told(facts).items() if key != "notes"} == {
        key: value for key, value in summary.items() if key != "notes"
    }


@pytest.mark.parametrize("job", SPLIT)
def test_parts_in_any_order_then_a_merge(job: str, inputs: Path, whole: Any, tmp_path: Path) -> None:
    work, output = tmp_path / "w", "h.tsv.gz" if job.startswith("haplotypes") else "t.tsv.gz"
    for i in (3, 1):
        facts = run(job, inputs, tmp_path, work=work, shard=f"{i}/3", shard_size=2)
        assert facts["shards"]["of"] > 3
    with pytest.raises(DnabertError, match="shards are not done"):
        merge(work)
    run(job, inputs, tmp_path, work=work, shard="2/3", shard_size=2)
    assert not (tmp_path / output).exists()
    facts = merge(work)
    expected, summary = whole(job)
    assert contents(tmp_path) == expected
    assert told(facts) == summary


@pytest.mark.parametrize("job", JOBS)
def test_another_job_is_refused_by_name(job: str, inputs: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 4, fail)
        with pytest.raises(Stopped):
            run(job, inputs, tmp_path, work=tmp_path / "w")
    other = tmp_path / "other"
    other.write_bytes((inputs / "g.fa").read_bytes().replace(b"N", b"A", 1))
    with pytest.raises(DnabertError, match=r"holds another job: input genome is not the file it was \(.*g\.fa; of"):
        run(job, inputs, tmp_path, work=tmp_path / "w", genome=other)
    with pytest.raises(DnabertError, match=r"strand was \+, is both"):
        run(job, inputs, tmp_path, work=tmp_path / "w", strand="both")
    if "vcf" in json.loads(next((tmp_path / "w").rglob("job.json")).read_text())["identity"]["inputs"]:
        other.write_bytes((inputs / "v.vcf").read_bytes().replace(b"rs5\t", b"rs0\t", 1))
        with pytest.raises(DnabertError, match=r"input vcf is not the file it was \(.*v\.vcf; "):
            run(job, inputs, tmp_path, work=tmp_path / "w", vcf=other)


def test_a_table_is_ranked_among_what_it_was_begun_with(inputs: Path, tmp_path: Path) -> None:
    asked: Facts = {"work": tmp_path / "w", "shard": "1/2"}
    run("own ranks", inputs, tmp_path, **asked)
    with pytest.raises(DnabertError, match=r"holds another job: background was not given, is [0-9a-f]+"):
        run("stored background", inputs, tmp_path, **asked)
    with pytest.raises(DnabertError, match="input regions was given, is not given"):
        run("own ranks", inputs, tmp_path, regions=None, genome_wide=True, **asked)
    with pytest.raises(DnabertError, match="--shard: is of a table; make the background before"):
        run("background", inputs, tmp_path, **asked)
    with pytest.raises(DnabertError, match="--estimate: is of a table"):
        run("background", inputs, tmp_path, estimate=1)


def test_a_screen_refuses_the_folder_of_another_job_before_its_first_step(inputs: Path, tmp_path: Path) -> None:
    asked: Facts = {"model": str(inputs / "model"), "precision": "fp32", "device": "cpu", "threads": 1}
    variants(inputs / "v.vcf", inputs / "g.fa", output=tmp_path / "v.vcf", window=24, work=tmp_path / "v", **asked)
    with pytest.raises(DnabertError, match="holds another job: verb was variants, is screen"):
        run("screen", inputs, tmp_path, work=tmp_path / "v")
    run("screen", inputs, tmp_path, work=tmp_path / "s")
    shutil.rmtree(tmp_path / "s" / "first")
    shutil.rmtree(tmp_path / "screened")
    with pytest.raises(DnabertError, match=r"another job: .*stride was not given, is 6; max-n was 1\.0, is 0\.5; give"):
        run("screen on a grid", inputs, tmp_path, work=tmp_path / "s")
    assert not (tmp_path / "v" / "first").exists()
    assert not list(tmp_path.glob("*/first/job.json"))
    assert not (tmp_path / "screened").exists()


def test_a_background_is_not_kept_where_the_table_was_begun_without(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs / "model", tmp_path / "model")
    asked: Facts = {"model": str(tmp_path / "model"), "work": tmp_path / "w"}
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 4, fail)
        with pytest.raises(Stopped):
            run("own ranks", inputs, tmp_path, **asked)
    for more in ({}, {"output": None, "regions": None}):
        with pytest.raises(DnabertError, match=r"background was not given, is that of .*b\.bed; give another"):
            run("background", inputs, tmp_path, work=tmp_path / "w", **more)
    with pytest.raises(DnabertError, match="input regions was given, is not given"):
        run("background", inputs, tmp_path, work=tmp_path / "w", regions=None, genome_wide=True)
    assert not (tmp_path / "w" / "first").exists()
    assert not list((tmp_path / "model").glob("background-*"))
    run("own ranks", inputs, tmp_path, **asked)


def test_a_table_keeps_to_its_background_when_another_is_asked_for(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other regions are refused before they are scored; scores that have become others, before they are kept."""
    shutil.copytree(inputs / "ranked", tmp_path / "model")
    [kept] = (tmp_path / "model").glob("background-*")
    asked: Facts = {"model": str(tmp_path / "model"), "work": tmp_path / "w"}
    run("own ranks", inputs, tmp_path, **asked)
    with pytest.raises(DnabertError, match=r"background was [0-9a-f]{12}, is that of .*r\.bed"):
        run("own ranks", inputs, tmp_path, background=inputs / "r.bed", **asked)
    assert not (tmp_path / "w" / "first").exists()
    run("background", inputs, tmp_path, work=tmp_path / "w", output=None, regions=None)  # the same again
    assert kept.read_bytes() == (inputs / "ranked" / kept.name).read_bytes()
    shutil.rmtree(tmp_path / "w" / "first")
    monkeypatch.setattr("dnabert_fast.workflows.saturate.raw_score", lambda fields: 2 * raw_score(fields))
    with pytest.raises(DnabertError, match="background is another than it was"):
        run("background", inputs, tmp_path, work=tmp_path / "w")
    assert kept.read_bytes() == (inputs / "ranked" / kept.name).read_bytes()


@pytest.mark.parametrize("work", [None, "w"])
def test_a_background_of_unknown_bases_is_not_kept(work: str | None, inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs / "ranked", tmp_path / "model")
    [kept] = (tmp_path / "model").glob("background-*")
    before = kept.read_bytes()
    (tmp_path / "n.bed").write_text("one\t205\t225\n")
    with pytest.raises(DnabertError, match="--background: no base of these regions is known"):
        run("own ranks", inputs, tmp_path, model=str(tmp_path / "model"), background=tmp_path / "n.bed",
            work=None if work is None else tmp_path / work)  # fmt: skip
    assert kept.read_bytes() == before


def test_a_background_alone_goes_on(inputs: Path, tmp_path: Path) -> None:
    asked: Facts = {"work": tmp_path / "w", "output": None, "regions": None}
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 4, fail)
        with pytest.raises(Stopped):
            run("background", inputs, tmp_path, **asked)
    seen = status(tmp_path / "w")
    assert (seen["verb"], seen["done"], seen["shards"]) == ("saturate: background", 1, 2)
    with pytest.raises(DnabertError, match="a job of saturate: background is ended by its own command"):
        merge(tmp_path / "w")
    assert not list((tmp_path / "model").glob("background-*"))
    run("background", inputs, tmp_path, **asked)
    [kept], [ranked] = (folder.glob("background-*") for folder in (tmp_path / "model", inputs / "ranked"))
    assert kept.read_bytes() == ranked.read_bytes()


def test_other_lists_and_ranks_of_a_screen_compute_nothing(inputs: Path, tmp_path: Path) -> None:
    run("screen", inputs, tmp_path, work=tmp_path / "w")
    asked: Facts = {"top": None, "threshold": 0.0, "known": ()}
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 0, fail)
        facts = run("screen", inputs, tmp_path, work=tmp_path / "w", **asked)
    (tmp_path / "again").mkdir()
    again = run("screen", inputs, tmp_path / "again", **asked)
    assert told(facts) == told(again)
    assert contents(tmp_path / "screened") == contents(tmp_path / "again" / "screened")
    with pytest.raises(DnabertError, match="--shard 1/2: what is scored follows from the regions of all windows"):
        run("screen", inputs, tmp_path, work=tmp_path / "w", shard="1/2")
    with pytest.raises(DnabertError, match="a job of screen is ended by its own command"):
        merge(tmp_path / "w")


@pytest.mark.parametrize("contigs", [(), ("three",)])
def test_a_screen_of_no_windows(contigs: tuple[str, ...], inputs: Path, tmp_path: Path) -> None:
    """Of a header alone, and of contigs that the genome does not have."""
    lines = (inputs / "v.vcf").read_text().splitlines(keepends=True)
    vcf = tmp_path / "none.vcf"
    vcf.write_text("".join(line for line in lines if line.startswith(("#", *contigs))))
    plain = run("screen on a grid", inputs, tmp_path / "plain", vcf=vcf)
    for _ in range(2):
        facts = run("screen on a grid", inputs, tmp_path, vcf=vcf, work=tmp_path / "w")
        assert told(facts) == told(plain)
    assert (facts["windows_attended"], facts["records"]) == (0, len(contigs))


def test_what_a_table_would_take(inputs: Path, tmp_path: Path) -> None:
    facts = run("own ranks", inputs, tmp_path, estimate=3)
    assert (facts["of"], facts["items"], facts["exact"]) == ("saturate", 329, True)
    assert facts["windows"] == 4 * (329 - 30)
    assert facts["shards"] == 3  # nine units, three a shard
    assert facts["output_bytes"] > 0
    assert list(tmp_path.iterdir()) == []
