"""A run in shards gives the bytes and the summary of a run in one go, however it is cut, stopped and damaged."""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pysam
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dnabert_fast.analysis.scan as analysis
import dnabert_fast.io.sequences as sequences_io
import dnabert_fast.workflows.sequences as of_sequences
import dnabert_fast.workflows.variants as of_variants
from dnabert_fast import merge, status
from dnabert_fast.engine.jobs import Job
from dnabert_fast.engine.model import Model, load
from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.jobs import Results
from dnabert_fast.workflows.precision import Choice
from dnabert_fast.workflows.scan import scan
from dnabert_fast.workflows.sequences import embed, predict
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
Facts = dict[str, Any]
REUSE = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "UNIT_BASES", 150)
    monkeypatch.setattr(sequences_io, "UNIT_SEQUENCES", 7)
    monkeypatch.setattr(of_variants, "SECTION_BYTES", 400)
    monkeypatch.setattr(of_variants, "UNIT_RECORDS", 5)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(5)

    def bases(n: int) -> str:
        return "".join(draw.choices("ACGT", k=n))

    path = tmp_path_factory.mktemp("genome") / "g.fa"
    text = f">one\n{bases(1400)}{'N' * 200}{bases(300)}\n>short\nACGT\n>two\n{bases(700)}\n"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(6)
    path = tmp_path_factory.mktemp("reads") / "r.fa"
    lengths = [draw.choice([3, 20, 33, 50]) for _ in range(60)]
    rows = [f">s{i}\n{''.join(draw.choices('ACGTN' if i % 9 else 'N', k=n))}\n" for i, n in enumerate(lengths)]
    path.write_text("".join(rows))
    return path


@pytest.fixture(scope="module")
def vcf(fasta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of both contigs, one of a contig that the genome lacks, and one longer than two sections."""
    draw = random.Random(7)
    bases = dict(record.split("\n", 1) for record in fasta.read_text()[1:].split("\n>"))
    rows = []
    for name, every in (("one", 9), ("two", 23)):
        for at in range(0, 690, every):
            ref = bases[name][at]
            alt = draw.choice([base for base in "ACGT" if base != ref])
            rows.append(f"{name}\t{at + 1}\t{'X' * 900 if at == 45 else '.'}\t{ref}\t{alt}\t.\t.\t.\n")
    head = "##fileformat=VCFv4.2\n##contig=<ID=one,length=1900>\n##contig=<ID=two,length=700>\n"
    head += "##contig=<ID=three,length=9>\n" + "".join(f"##note{i}={'n' * 60}\n" for i in range(9))
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path = tmp_path_factory.mktemp("vcf") / "v.vcf"
    path.write_text(head + columns + "".join(rows) + "three\t4\t.\tA\tC\t.\t.\t.\n")
    return path


@pytest.fixture(scope="module")
def run(make_model: MakeModel, fasta: Path, reads: Path, vcf: Path) -> Callable[..., Facts]:
    """Runs one of the verbs by the name of its output; scans write calls too."""

    def call(out: Path, **more: Any) -> Facts:
        given: dict[str, Any] = {"model": str(make_model()), "output": out, "device": "cpu", "threads": 1} | more
        if out.name.startswith("variants"):
            return variants(given.pop("vcf", vcf), fasta, **({"window": 30, "precision": "fp32"} | given))
        if out.name.startswith("embed"):
            return embed(reads, **given)
        if out.name.startswith("predict"):
            return predict(reads, **given)
        calls = out.with_name("calls.bed.gz")
        return scan(fasta, **({"window": 40, "stride": 12, "calls": calls, "threshold": 0.4} | given))

    return call


OUTPUTS = [
    *("scan.bw", "scan.bedgraph.gz", "scan.bed", "scan.bed.gz", "scan.tsv.gz", "scan.tsv", "scan.parquet"),
    *("predict.tsv", "predict.tsv.gz", "predict.parquet", "embed.npy", "embed.parquet"),
    *("variants.vcf", "variants.vcf.gz", "variants.bcf", "variants.tsv.gz", "variants.parquet"),
]


@pytest.fixture(scope="module")
def whole(run: Callable[..., Facts], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Facts]]:
    """The folder and facts of a run in one go, each made once."""
    made: dict[str, tuple[Path, Facts]] = {}

    def call(name: str) -> tuple[Path, Facts]:
        if name not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[name] = folder, run(folder / name)
        return made[name]

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def same(facts: Facts, others: Facts) -> bool:
    """Whether two summaries say the same, besides seconds and where."""
    left_out = {"seconds", "output"}
    return {k: v for k, v in facts.items() if k not in left_out} == {
        k: v for k, v in others.items() if k not in left_out
    }


class Stopped(Exception):
    """Ends a run."""


class Stopping:
    """Has a run fail at the n-th result."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.results = 0
        write = Results.write

        def counted(results: Results[Any], result: Any) -> None:
            if self.results == at:
                raise Stopped
            self.results += 1
            write(results, result)

        patch.setattr(Results, "write", counted)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Gives new empty folders."""
    made = 0

    def new() -> Path:
        nonlocal made
        made += 1
        folder = tmp_path / f"out{made}"
        folder.mkdir()
        return folder

    yield new
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_job_gives_the_bytes_and_the_summary_of_a_run_in_one_go(
    name: str, run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], place: Callable[[], Path]
) -> None:
    expected, facts = whole(name)
    out = place()
    found = run(out / name, work=out / "w", shard_size=3)
    shutil.rmtree(out / "w" / "inputs", ignore_errors=True)
    assert contents(out) == contents(expected)
    assert same(found, facts)


@REUSE
@given(data=st.data())
def test_whatever_stops_it_and_whatever_is_damaged(
    data: st.DataObject,
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    place: Callable[[], Path],
) -> None:
    names = ["scan.bw", "scan.bedgraph.gz", "predict.tsv.gz", "embed.npy", "variants.vcf.gz", "variants.parquet"]
    name = data.draw(st.sampled_from(names))
    size = data.draw(st.integers(1, 6))
    expected, facts = whole(name)
    out = place()
    asked: dict[str, Any] = {"work": out / "w", "shard_size": size}
    stops = data.draw(st.lists(st.integers(0, 25), max_size=3))
    damaged = 0
    for at in stops:
        with pytest.MonkeyPatch.context() as patch:
            stopping = Stopping(patch, at)
            try:
                run(out / name, **asked)
            except Stopped:
                assert stopping.results == at
        done = sorted((out / "w").glob("shards/*/*"))
        assert not list((out / "w").rglob(".*partial"))
        if done and data.draw(st.booleans()):
            path = data.draw(st.sampled_from(done))
            harm(path, data.draw(st.sampled_from(["cut", "turn", "remove"])))
            damaged += 1
    found = run(out / name, **asked)
    assert contents(out) == contents(expected)
    if not damaged:
        assert same(found, facts)
    assert status(out / "w")["done"] == status(out / "w")["shards"]


def harm(path: Path, how: str) -> None:
    """Do to a file what bad disks do."""
    text = bytearray(path.read_bytes())
    if how == "remove" or not text:
        path.unlink()
        return
    if how == "cut":
        path.write_bytes(text[: len(text) // 2])
        return
    text[len(text) // 2] ^= 1
    path.write_bytes(text)


@pytest.mark.parametrize("name", ["scan.bw", "predict.parquet", "variants.vcf.gz"])
@pytest.mark.parametrize("runs", [1, 3, 30])
def test_shards_in_any_order_then_a_merge(
    name: str,
    runs: int,
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    place: Callable[[], Path],
) -> None:
    expected, facts = whole(name)
    out = place()
    order = list(range(1, runs + 1))
    random.Random(runs).shuffle(order)
    told = [run(out / name, work=out / "w", shard_size=2, shard=f"{i}/{runs}") for i in order[1:]]
    if runs > 1:
        with pytest.raises(DnabertError, match="shards are not done"):
            merge(out / "w", output=out / name)
    told.append(run(out / name, work=out / "w", shard_size=2, shard=f"{order[0]}/{runs}"))
    assert not (out / name).exists()
    key = {"scan": "windows", "predict": "sequences", "variants": "records"}[name.split(".")[0]]
    assert sum(one.get(key, 0) for one in told) == facts[key]
    assert sorted(one["shards"]["last"] for one in told)[-1] == status(out / "w")["shards"]
    assert same(merge(out / "w", summary=out / "s.json"), facts)
    assert same(json.loads((out / "s.json").read_text()), facts)
    (out / "s.json").unlink()
    assert contents(out) == contents(expected)


def test_another_job_is_refused_by_what_differs(
    run: Callable[..., Facts], fasta: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    work = tmp_path / "w"
    asked: dict[str, Any] = {"work": work, "shard_size": 3}
    run(tmp_path / "scan.bw", **asked)
    before = contents(tmp_path)
    for changed, what in [
        ({"window": 50}, "window was 40, is 50"),
        ({"stride": 13}, "stride was 12, is 13"),
        ({"shard_size": 2}, "shard-size was 3, is 2"),
        ({"threshold": 0.5}, "threshold was 0.4, is 0.5"),
        ({"calls": None, "threshold": None}, r"--calls was \.bed\.gz, is None"),
        ({"output": tmp_path / "scan.tsv"}, r"--output was \.bw, is \.tsv"),
        (
            {"model": str(make_model(seed=1)), "window": 50},
            r"window was 40, is 50; model is another than it was \(hash [0-9a-f]{12} then, [0-9a-f]{12} now\); give",
        ),
        ({"strand": "both"}, r"strand was \+, is both"),
    ]:
        with pytest.raises(DnabertError, match=f"holds another job: .*{what}"):
            run(tmp_path / "scan.bw", **(asked | changed))
    text = fasta.read_bytes()
    try:
        fasta.write_bytes(text.replace(b"A", b"C", 1))
        with pytest.raises(DnabertError, match=r"input genome is not the file it was \(.*g.fa; of the same size\)"):
            run(tmp_path / "scan.bw", **asked)
        fasta.write_bytes(text + b"A")
        with pytest.raises(DnabertError, match=r"input genome is not the file it was \(.*g.fa; 2,[0-9]+ bytes then"):
            run(tmp_path / "scan.bw", **asked)
    finally:
        fasta.write_bytes(text)
    with pytest.raises(DnabertError, match="verb was scan, is predict"):
        run(tmp_path / "predict.tsv", **asked)
    assert contents(tmp_path) == before


def test_what_goes_together(run: Callable[..., Facts], tmp_path: Path) -> None:
    out = tmp_path / "scan.bw"
    with pytest.raises(DnabertError, match="give --work DIR too"):
        run(out, shard="1/2")
    with pytest.raises(DnabertError, match="give --work DIR too"):
        run(out, shard_size=2)
    for wrong in ("0/2", "3/2", "1", "1/0", "a/b"):
        with pytest.raises(DnabertError, match="give I/N"):
            run(out, work=tmp_path / "w", shard=wrong)
    with pytest.raises(DnabertError, match="leave it out with --shard"):
        run(out, work=tmp_path / "w", shard="1/2", report=tmp_path / "r.html")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.doc").write_text("")
    with pytest.raises(DnabertError, match=r"holds no job but other things \(thesis.doc\)"):
        run(out, work=tmp_path / "home")
    for verb in (merge, status):
        with pytest.raises(DnabertError, match="holds no job"):
            verb(tmp_path / "home")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "job.json").write_text("{")
    with pytest.raises(FormatError, match=r"job.json: broken"):
        status(tmp_path / "w")


def test_a_merge_elsewhere_and_of_what_is_not_there(run: Callable[..., Facts], tmp_path: Path) -> None:
    work = tmp_path / "w"
    run(tmp_path / "predict.tsv.gz", work=work)
    merge(work, output=tmp_path / "again.tsv.gz")
    assert (tmp_path / "again.tsv.gz").read_bytes() == (tmp_path / "predict.tsv.gz").read_bytes()
    with pytest.raises(DnabertError, match=r"the parts are of a \.tsv\.gz file"):
        merge(work, output=tmp_path / "again.tsv")
    with pytest.raises(DnabertError, match="begun without --calls"):
        merge(work, calls=tmp_path / "calls.bed")


def test_status_tells_what_is_left_and_what_failed(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = tmp_path / "w"
    with pytest.MonkeyPatch.context() as patch:
        Stopping(patch, 5)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", work=work, shard_size=2)
    told = status(work)
    assert (told["shards"], told["done"], told["missing"]) == (5, 2, [3, 4, 5])
    assert len(told["failures"]) == 1
    assert "shard 3: Stopped()" in told["failures"][0]
    assert told["counts"]["sequences"] == 28
    assert told["hours_left"] is not None
    harm(next(work.glob("shards/000/000001.output.npy")), "cut")
    assert status(work)["damaged"] == ["part 000001.output.npy of shard 2 is damaged or gone"]
    facts = run(tmp_path / "embed.npy", work=work, shard_size=2)
    assert [note for note in facts["notes"] if "part 000001.output.npy" in note and "computed anew" in note]
    told = status(work)
    assert (told["done"], told["missing"], told["failures"], told["hours_left"]) == (5, [], [], 0)


def test_a_full_disk_is_one_line_and_loses_nothing(
    run: Callable[..., Facts],
    whole: Callable[[str], tuple[Path, Facts]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import dnabert_fast.io.atomic as atomic

    expected, _ = whole("embed.npy")
    flush, flushed = atomic._flush, 0

    def full(path: Path) -> None:
        nonlocal flushed
        flushed += 1
        if flushed > 14:
            raise OSError(28, "No space left on device")
        flush(path)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_flush", full)
        with pytest.raises(FormatError, match=r"cannot be written \(No space left on device\); is the disk full\?"):
            run(tmp_path / "embed.npy", work=tmp_path / "w", shard_size=2)
    told = status(tmp_path / "w")
    assert 0 < told["done"] < told["shards"]
    assert "No space left" in told["failures"][0]
    run(tmp_path / "embed.npy", work=tmp_path / "w", shard_size=2)
    assert (tmp_path / "embed.npy").read_bytes() == (expected / "embed.npy").read_bytes()


def test_what_a_killed_writer_left_is_cleared(run: Callable[..., Facts], tmp_path: Path) -> None:
    import dnabert_fast.io.atomic as atomic

    work = tmp_path / "w"
    run(tmp_path / "predict.tsv", work=work)
    gone = os.spawnvp(os.P_NOWAIT, "true", ["true"])
    os.waitpid(gone, 0)
    here = atomic._host()
    left = [
        work / f".job.json.{here}.{gone}-0.partial",
        work / "shards" / "000" / f".000000.output.tsv.{here}.{gone}-3.partial",
        tmp_path / f".predict.tsv.{here}.{gone}-1.partial",
        tmp_path / f".predict.tsv.tbi.{here}.{gone}-1.partial",
    ]
    kept = [
        work / "shards" / "000" / f".000000.output.tsv.{here}.{os.getpid()}-3.partial",
        work / "shards" / "000" / f".000000.output.tsv.elsewhere.{gone}-3.partial",
        tmp_path / f".other.tsv.{here}.{gone}-1.partial",
    ]
    for path in (*left, *kept):
        path.write_text("half")
    run(tmp_path / "predict.tsv", work=work)
    assert [path for path in left if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def fails(*args: Any, **more: Any) -> None:
    raise Stopped


def test_sequences_from_a_pipe(
    run: Callable[..., Facts], reads: Path, make_model: MakeModel, whole: Callable[[str], tuple[Path, Facts]],
    tmp_path: Path,
) -> None:  # fmt: skip
    """A pipe is kept in the work folder; going on with another one is refused."""
    expected, _ = whole("predict.tsv")
    pipe, out = tmp_path / "pipe", tmp_path / "predict.tsv"

    def through(text: bytes) -> Facts:
        os.mkfifo(pipe)
        if os.fork() == 0:
            pipe.write_bytes(text)
            os._exit(0)
        try:
            return predict(pipe, model=str(make_model()), output=out, device="cpu", work=tmp_path / "w", threads=1)
        finally:
            pipe.unlink()
            os.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_sequences, "precision_of", fails)  # before a job is begun
        with pytest.raises(Stopped):
            through(b">another\nACGTACGT\n")
    for _ in range(2):
        through(gzip.compress(reads.read_bytes(), mtime=0))
        assert out.read_bytes() == (expected / "predict.tsv").read_bytes()
    with pytest.raises(DnabertError, match="sequences on the pipe is not what the job was begun with"):
        through(gzip.compress(reads.read_bytes() + b">more\nACGTACGT\n", mtime=0))
    kept = tmp_path / "w" / "inputs" / "sequences"
    predict(kept, model=str(make_model()), output=out, device="cpu", work=tmp_path / "w", threads=1)


def test_regions_from_a_pipe(run: Callable[..., Facts], tmp_path: Path) -> None:
    bed, pipe = tmp_path / "r.bed", tmp_path / "pipe"
    bed.write_text("one\t100\t900\n")
    (tmp_path / "again").mkdir()
    expected = run(tmp_path / "scan.bw", regions=bed)
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_bytes(bed.read_bytes())
        os._exit(0)
    try:
        found = run(tmp_path / "again" / "scan.bw", regions=pipe, work=tmp_path / "w")
    finally:
        os.wait()
    assert found["windows"] == expected["windows"]
    assert (tmp_path / "again" / "scan.bw").read_bytes() == (tmp_path / "scan.bw").read_bytes()


def test_what_stands_where_inputs_are_kept(run: Callable[..., Facts], vcf: Path, tmp_path: Path) -> None:
    plain = tmp_path / "v.vcf.gz"
    plain.write_bytes(gzip.compress(vcf.read_bytes()))
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "inputs").write_text("")
    with pytest.raises(FormatError, match="inputs: cannot be made"):
        run(tmp_path / "variants.vcf", vcf=plain, work=tmp_path / "w")


def test_auto_stays_what_it_was_when_the_job_began(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}
    monkeypatch.setattr(analysis, "UNIT_BASES", 300)
    first = run(tmp_path / "scan.tsv", shard="1/2", **asked)
    monkeypatch.setattr(jobs, "resolve_precision", None)
    second = run(tmp_path / "scan.tsv", **asked)
    assert second["precision_reason"] == first["precision_reason"]


@pytest.mark.parametrize("begins", [True, False])
def test_of_runs_that_choose_at_once_the_first_decides(
    run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begins: bool
) -> None:
    """Another run chooses, and maybe begins the job, while this one still comes to something else."""
    import dnabert_fast.workflows.session as session
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}

    def quick(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        return loaded, Choice("fp32", "the first", loaded.hash())

    def slow(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs, "resolve_precision", quick)
            if begins:
                run(tmp_path / "predict.tsv", shard="2/2", **asked)
            else:
                patch.setattr(session, "begun", fails)
                with pytest.raises(Stopped):
                    run(tmp_path / "predict.tsv", shard="2/2", **asked)
        return loaded, Choice("int8", "too late", loaded.hash())

    monkeypatch.setattr(jobs, "resolve_precision", slow)
    told = run(tmp_path / "predict.tsv", shard="1/2", **asked)
    assert (told["precision"], told["precision_reason"]) == ("fp32", "the first")
    if begins:
        assert same(merge(tmp_path / "w"), run(tmp_path / "predict.tsv", **asked))


def test_the_first_choice_is_loaded(run: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that has chosen fp32 computes in what a faster one has begun with."""
    import dnabert_fast.workflows.work as jobs

    asked: dict[str, Any] = {"work": tmp_path / "w", "precision": "auto", "shard_size": 2}
    loads: list[str] = []

    def quick(loaded: Model, *_: object, **__: object) -> tuple[Model, Choice]:
        return loaded, Choice("int8", "the first", loaded.hash(), ("layers.0.up",))

    def loading(model: str, *, precision: str, exceptions: tuple[str, ...], threads: int, **more: Any) -> Model:
        loads.append(f"{precision} but {' '.join(exceptions)}")
        return load(model, precision="fp32", threads=threads, **more)

    monkeypatch.setattr(jobs, "resolve_precision", quick)
    run(tmp_path / "predict.tsv", shard="2/2", **asked)
    monkeypatch.setattr(jobs, "load", loading)
    for _ in range(2):
        told = run(tmp_path / "predict.tsv", shard="1/2", **asked)
        assert (told["precision"], told["precision_exceptions"]) == ("int8", ["layers.0.up"])
    assert loads == ["int8 but layers.0.up"] * 2


HOLD = """
import sys
from pathlib import Path
from dnabert_fast.engine.runs import alone
from dnabert_fast.errors import DnabertError
try:
    with alone(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3]))):
        print("held", flush=True)
        sys.stdin.read()
except DnabertError as error:
    print(error, flush=True)
"""


def test_two_runs_of_the_same_shards_at_once(
    run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], tmp_path: Path
) -> None:
    """The second is refused in one line, before it writes anything; runs of other shards are not."""
    out, work = tmp_path / "variants.vcf.gz", tmp_path / "w"
    run(out, work=work, shard="1/2")
    shards = status(work)["shards"]
    half = shards // 2
    words = [sys.executable, "-c", HOLD, str(work), "0", str(half)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for shard in (None, "1/2", "1/3"):
            with pytest.raises(DnabertError, match=rf"another run computes shards 1 to {half} .*process {other.pid}"):
                run(out, work=work, shard=shard)
        assert not out.exists()
        run(out, work=work, shard="2/2")
        other.kill()
    run(out, work=work)
    shutil.rmtree(work)
    assert contents(tmp_path) == contents(whole("variants.vcf.gz")[0])


@pytest.mark.parametrize("shard", [None, "1/2"])
def test_a_run_holds_its_shards_until_it_ends(run: Callable[..., Facts], tmp_path: Path, shard: str | None) -> None:
    work = tmp_path / "w"
    asked: dict[str, Any] = {"work": work, "shard": shard, "shard_size": 2}

    def claims(first: int, last: int) -> str:
        words = [sys.executable, "-c", HOLD, str(work), str(first), str(last)]
        return subprocess.run(words, input="", capture_output=True, text=True, check=True).stdout

    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        finish = Results._finish

        def finished(results: Results[Any]) -> None:
            finish(results)
            said.extend((claims(0, 1), claims(4, 5)))
            raise Stopped

        patch.setattr(Results, "_finish", finished)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", **asked)
    assert "another run computes shards 1 to" in said[0]
    assert (said[1] == "held\n") == (shard is not None)
    assert claims(0, 5) == "held\n"  # it has ended
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "survey", fails)
        with pytest.raises(Stopped):
            run(tmp_path / "embed.npy", **asked)
    assert claims(0, 5) == "held\n"
    run(tmp_path / "embed.npy", **asked)
    assert claims(0, 5) == "held\n"


@pytest.mark.parametrize("name", ["scan.bw", "embed.npy", "variants.vcf.gz"])
def test_two_runs_at_once_where_nothing_can_be_locked(
    name: str, run: Callable[..., Facts], whole: Callable[[str], tuple[Path, Facts]], tmp_path: Path
) -> None:
    """One does the whole job while the other is in the middle of a shard: the bytes are the same."""
    asked: dict[str, Any] = {"work": tmp_path / "w", "shard_size": 2}

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcntl.lockf", no_locks)
        write, results = Results.write, 0

        def between(own: Results[Any], result: Any) -> None:
            nonlocal results
            results += 1
            if results == 4:
                run(tmp_path / name, **asked)
            write(own, result)

        patch.setattr(Results, "write", between)
        told = run(tmp_path / name, **asked)
    assert "lies on a file system without locks" in told["notes"][-1]
    shutil.rmtree(tmp_path / "w")
    expected, facts = whole(name)
    assert contents(tmp_path) == contents(expected)
    assert same(told | {"notes": told["notes"][:-1]}, facts)


@pytest.mark.parametrize("kind", ["gz", "bgz", "bcf", "pipe", "unsorted"])
def test_records_of_any_kind_of_file(
    kind: str,
    run: Callable[..., Facts],
    vcf: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What has no sections is rewritten once in the work folder; records out of order stay so."""
    given: Path = tmp_path / "in.vcf.gz"
    text = vcf.read_bytes()
    if kind in ("gz", "pipe"):
        given.write_bytes(gzip.compress(text, mtime=0))
    elif kind == "bgz":
        pysam.tabix_compress(str(vcf), str(given))
    elif kind == "bcf":
        given = tmp_path / "in.bcf"
        pysam.bcftools.view("--no-version", "-Ob", "-o", str(given), str(vcf), catch_stdout=False)
    else:
        head, columns, rows = text.partition(b"FILTER\tINFO\n")
        lines = rows.splitlines(keepends=True)
        given = tmp_path / "in.vcf"
        given.write_bytes(head + columns + b"".join(lines[40:] + lines[:40]))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    facts = run(tmp_path / "a" / "variants.vcf.gz", vcf=given)
    for _ in range(2):
        source = given
        if kind == "pipe":
            source = tmp_path / "pipe"
            os.mkfifo(source)
            if os.fork() == 0:
                source.write_bytes(given.read_bytes())
                os._exit(0)
        found = run(tmp_path / "b" / "variants.vcf.gz", vcf=source, work=tmp_path / "w", shard_size=2)
        if kind == "pipe":
            os.wait()
            source.unlink()
        assert same(found, facts)
        assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert ("not sorted" in str(facts["notes"])) == (kind == "unsorted")
    copies = list((tmp_path / "w").glob("inputs/*"))
    assert len(copies) == (1 if kind in ("gz", "bcf", "pipe") else 0)


def test_several_models_in_shards(run: Callable[..., Facts], make_model: MakeModel, tmp_path: Path) -> None:
    models = [f"A={make_model()}", f"B={make_model(seed=1)}"]
    (tmp_path / "w").mkdir()
    one = run(tmp_path / "variants.vcf", model=models, ensemble="mean")
    whole = (tmp_path / "variants.vcf").read_bytes()
    for i in (2, 1):
        run(tmp_path / "variants.vcf", model=models, ensemble="mean", work=tmp_path / "w", shard=f"{i}/2")
    assert same(merge(tmp_path / "w", output=tmp_path / "merged.vcf"), one)
    assert (tmp_path / "merged.vcf").read_bytes() == whole
    with pytest.raises(DnabertError, match="holds another job"):
        run(tmp_path / "variants.vcf", model=models[:1], precision="auto", work=tmp_path / "w")


def test_models_in_another_order_have_other_columns(
    run: Callable[..., Facts], make_model: MakeModel, tmp_path: Path
) -> None:
    models = [f"A={make_model()}", f"B={make_model(seed=1)}"]
    run(tmp_path / "variants.tsv", model=models, work=tmp_path / "w", shard="1/2")
    with pytest.raises(DnabertError, match=r"models was \['A', 'B'\], is \['B', 'A'\]"):
        run(tmp_path / "variants.tsv", model=models[::-1], work=tmp_path / "w", shard="2/2")
