"""The verb attention: every kind of output against the scores of the same windows, and inputs that are wrong."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pybigtools
import pytest
from oracle import attention as oracle

from dnabert_fast import DnabertError, Genome, Model, load
from dnabert_fast.errors import FormatError
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.seq.plan import Stretch
from dnabert_fast.workflows.attention import attention, tile_units

MakeModel = Callable[..., Path]
Rows = list[dict[str, Any]]
SEQUENCES = {"first": b"ACGTTGCATTGACCTTGACA", "short": b"AC", "again": b"ACGTTGCATTGACCTTGACA", "long": b"TTGACA" * 90}
AT = 300_000
# Two that overlap, out of order; one on the other strand; one longer than a piece.
REGIONS = [(AT + 900, AT + 960, "+"), (AT, AT + 101, "+"), (AT + 50, AT + 151, "-"), (AT + 2000, AT + 2700, "+")]


@pytest.fixture(scope="module")
def folder(make_model: MakeModel) -> Path:
    return make_model()


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "sequences.fa"
    path.write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), bases) for name, bases in SEQUENCES.items()))
    return path


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    return write_bed(tmp_path / "regions.bed", REGIONS)


def block(window: int, pairs: bool = False) -> WindowBlock:
    return WindowBlock(k=3, window=window, anchor="centre", classes=("no", "yes"), strand="+", pairs=pairs)


def write_bed(path: Path, regions: list[tuple[int, int, str]]) -> Path:
    path.write_text("".join(f"chr20\t{start}\t{end}\t.\t0\t{strand}\n" for start, end, strand in regions))
    return path


def read_table(path: Path) -> Rows:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    data = path.read_bytes()
    header, *lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def read_high(path: Path) -> list[tuple[str, int, int, float]]:
    fields = [line.split("\t") for line in path.read_text().splitlines()]
    return [(row[0], int(row[1]), int(row[2]), float(row[6])) for row in fields]


def check_high(path: Path, expected: list[tuple[str, int, int, float]]) -> None:
    found = read_high(path)
    assert [region[:3] for region in found] == [region[:3] for region in expected]
    assert [region[3] for region in found] == pytest.approx([region[3] for region in expected], rel=1e-4)
    assert found


def expected_high(
    name: str, scores: list[np.ndarray], starts: list[int], quantile: float | None = None
) -> list[tuple[str, int, int, float]]:
    """The high regions of windows of a genome, merged, with their highest mean score."""
    places = [
        (0, starts[row] + a, starts[row] + b, float(scores[row][a:b].mean()))
        for row, a, b in oracle.high_regions([list(map(float, each)) for each in scores], 5, 10.0, quantile)
    ]
    return [(name, start, end, value) for _, start, end, value in oracle.merged(places)]


def of_regions(model: Model, genome: Path, regions: list[tuple[int, int, str]], raw: bool) -> list[np.ndarray]:
    found = []
    with Genome.open(genome) as opened:
        for start, end, strand in regions:
            window = opened.bases("chr20", start, end).tobytes()
            found.append(model.with_strand(strand).attention([window], raw)[0])
    return found


@pytest.mark.parametrize("name", ["out.tsv", "out.tsv.gz", "out.parquet"])
def test_a_row_a_base_of_sequences(model: Model, folder: Path, fasta: Path, tmp_path: Path, name: str) -> None:
    said: list[str] = []
    facts = attention(
        fasta, model=str(folder), output=tmp_path / name, summary=tmp_path / "facts.json", say=said.append
    )
    assert (facts["sequences"], facts["shorter_than_k"], facts["longer_than_window"]) == (4, 1, 1)
    assert facts["bases"] == 582
    assert json.loads((tmp_path / "facts.json").read_text()) == facts
    assert facts["notes"] == said
    assert said == [
        "sequence long has 540 bases, more than the 512 of the model's window, and is taken for one sequence; "
        "cut a genome into windows with --regions BED or --window BASES"
    ]
    rows = read_table(tmp_path / name)
    assert len(rows) == 582
    for key, bases in SEQUENCES.items():
        mine = [row for row in rows if row["name"] == key]
        assert [int(row["base"]) for row in mine] == list(range(len(bases)))
        assert "".join(row["letter"] for row in mine).encode() == bases
        if key == "short":
            assert all(row["score"] in (".", None) for row in mine)
        else:
            scores = [float(row["score"]) for row in mine]
            assert scores == pytest.approx(model.attention([bases])[0].tolist(), rel=1e-5)


def test_arrays_of_sequences(model: Model, folder: Path, fasta: Path, tmp_path: Path) -> None:
    attention(fasta, model=str(folder), output=tmp_path / "out.npz", raw=True, strand="both")
    found = np.load(tmp_path / "out.npz")
    assert found["offsets"].tolist() == [0, 20, 22, 42, 582]
    assert np.isnan(found["scores"][20:22]).all()
    expected = model.with_strand("both").attention([bases for bases in SEQUENCES.values() if len(bases) > 2], raw=True)
    assert np.delete(found["scores"], [20, 21]) == pytest.approx(expected.scores, abs=1e-6)
    with pytest.raises(FormatError, match=r"windows of 20 and of 2 bases; name the output \.npz"):
        attention(fasta, model=str(folder), output=tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()
    same = tmp_path / "same.csv"
    same.write_text("sequence\nACGTTGCATT\nGATTACATTA\n")
    attention(same, model=str(folder), output=tmp_path / "out.npy")
    table = np.load(tmp_path / "out.npy")
    assert table.tolist() == [each.tolist() for each in model.attention([b"ACGTTGCATT", b"GATTACATTA"])]


def test_high_regions_of_sequences(model: Model, folder: Path, fasta: Path, tmp_path: Path) -> None:
    high = tmp_path / "high.bed"
    attention(fasta, model=str(folder), output=tmp_path / "out.npz", high=high, quantile=0.5)
    scores = [list(map(float, each)) for each in model.attention([SEQUENCES["first"], SEQUENCES["long"]])]
    regions = oracle.high_regions(scores, 5, 10.0, 0.5)
    expected = [(row, a, b, float(np.mean(scores[row][a:b]))) for row, a, b in regions]
    names = {"first": 0, "again": 0, "long": 1}
    found = read_high(high)
    assert [name for name, *_ in found] == sorted((name for name, *_ in found), key=list(SEQUENCES).index)
    assert expected
    for name, row in names.items():
        mine = [region[1:] for region in found if region[0] == name]
        assert mine == [pytest.approx(region[1:], rel=1e-5) for region in expected if region[0] == row]


@pytest.mark.parametrize("raw", [False, True])
def test_regions_in_the_order_of_their_file(
    model: Model, folder: Path, grch38: Path, bed: Path, tmp_path: Path, raw: bool
) -> None:
    common = {"model": str(folder), "regions": bed, "raw": raw}
    facts = attention(grch38, output=tmp_path / "out.tsv", high=tmp_path / "high.bed", **common)
    expected = of_regions(model, grch38, REGIONS, raw)
    rows = read_table(tmp_path / "out.tsv")
    assert (facts["windows"], facts["bases"], facts["left_out_n"]) == (4, len(rows), 0)
    for (start, end, strand), scores in zip(REGIONS, expected, strict=True):
        mine, rows = rows[: end - start], rows[end - start :]
        assert {(row["start"], row["end"], row["strand"]) for row in mine} == {(str(start), str(end), strand)}
        assert [int(row["base"]) for row in mine] == list(range(start, end))
        assert [float(row["score"]) for row in mine] == pytest.approx(scores.tolist(), rel=2e-5)
    attention(grch38, output=tmp_path / "out.npz", **common)
    found = np.load(tmp_path / "out.npz")
    assert found["start"].tolist() == [start for start, _, _ in REGIONS]
    assert found["reverse"].tolist() == [strand == "-" for _, _, strand in REGIONS]
    assert [found["contigs"][row] for row in found["contig"]] == ["chr20"] * 4
    assert found["scores"] == pytest.approx(np.concatenate(expected), abs=1e-6)
    regions = expected_high("chr20", expected, [start for start, _, _ in REGIONS])
    assert facts["high_regions"] == len(regions)
    check_high(tmp_path / "high.bed", regions)


def test_regions_as_a_track(model: Model, folder: Path, grch38: Path, bed: Path, tmp_path: Path) -> None:
    common = {"model": str(folder), "regions": bed}
    attention(grch38, output=tmp_path / "out.bw", high=tmp_path / "high.bed", **common)
    attention(grch38, output=tmp_path / "out.tsv", high=tmp_path / "other.bed", **common)
    assert (tmp_path / "high.bed").read_bytes() == (tmp_path / "other.bed").read_bytes()
    expected: dict[int, list[float]] = {}
    for (start, _, _), scores in zip(REGIONS, of_regions(model, grch38, REGIONS, False), strict=True):
        for i, score in enumerate(scores.tolist()):
            expected.setdefault(start + i, []).append(score)
    with pybigtools.open(str(tmp_path / "out.bw")) as track:
        found = track.values("chr20", AT, AT + 3000, fillna=None)
    means = [np.mean(expected[base]) if base in expected else np.nan for base in range(AT, AT + 3000)]
    np.testing.assert_allclose(found, means, rtol=1e-5)


@pytest.mark.parametrize("strand", ["+", "both"])
def test_windows_on_a_grid(
    model: Model, folder: Path, grch38: Path, tmp_path: Path, strand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside merged regions, as `scan` has them; the units do not show."""
    bed = write_bed(
        tmp_path / "regions.bed", [(AT, AT + 500, "+"), (AT + 400, AT + 1000, "-"), (AT + 2000, AT + 2010, "+")]
    )
    shape: dict[str, Any] = {
        "model": str(folder),
        "regions": bed,
        "window": 80,
        "stride": 30,
        "strand": strand,
        "quantile": 0.7,
    }
    facts = attention(grch38, output=tmp_path / "out.bedgraph.gz", high=tmp_path / "high.bed", **shape)
    starts = list(range(AT, AT + 1000 - 80 + 1, 30))
    assert facts["windows"] == len(starts)
    scores = of_regions(model.with_strand(strand), grch38, [(start, start + 80, strand) for start in starts], False)
    expected: dict[int, list[float]] = {}
    for start, each in zip(starts, scores, strict=True):
        for i, score in enumerate(each.tolist()):
            expected.setdefault(start + i, []).append(score)
    found: dict[int, float] = {}
    for line in gzip.decompress((tmp_path / "out.bedgraph.gz").read_bytes()).decode().splitlines():
        contig, start, end, value = line.split("\t")
        assert contig == "chr20"
        found |= dict.fromkeys(range(int(start), int(end)), float(value))
    assert found == pytest.approx({base: np.mean(values) for base, values in expected.items()}, rel=1e-4)
    high = expected_high("chr20", scores, starts, 0.7)
    check_high(tmp_path / "high.bed", high)
    monkeypatch.setattr("dnabert_fast.workflows.attention.UNIT_SEQUENCES", 4)
    attention(grch38, output=tmp_path / "small.npy", high=tmp_path / "small.bed", **shape)
    check_high(tmp_path / "small.bed", high)
    assert np.load(tmp_path / "small.npy") == pytest.approx(np.stack(scores), abs=1e-6)


def test_a_contig_is_not_taken_for_a_sequence_in_silence(
    make_model: MakeModel, fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said before a long run, not after it."""

    def stop(*given: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    said: list[str] = []
    monkeypatch.setattr(Model, "begin_attention", stop)
    model = str(make_model(block=block(10)))
    with pytest.raises(KeyboardInterrupt):
        attention(fasta, model=model, output=tmp_path / "out.npz", say=said.append)
    assert len(said) == 1
    assert said[0].startswith("sequence first has 20 bases, more than the 10 of the model's window")


def test_the_window_of_the_model(make_model: MakeModel, grch38: Path, tmp_path: Path) -> None:
    bed = write_bed(tmp_path / "regions.bed", [(AT, AT + 500, "+")])
    trained = make_model(block=block(50))
    facts = attention(grch38, model=str(trained), output=tmp_path / "out.npy", regions=bed, stride=50)
    assert np.load(tmp_path / "out.npy").shape == (10, 50)
    assert facts["windows"] == 10


def test_a_model_that_is_not_fine_tuned(make_model: MakeModel, fasta: Path, tmp_path: Path) -> None:
    for head in ("none", "mlm"):
        facts = attention(fasta, model=str(make_model(head, ())), output=tmp_path / "out.npz")
        assert facts["notes"][1:] == [
            "model model is not fine-tuned: this is the attention of its pre-training, not of a task"
        ]


def test_a_whole_map(folder: Path, model: Model, grch38: Path, fasta: Path, tmp_path: Path) -> None:
    one = write_bed(tmp_path / "one.bed", [(AT, AT + 40, "-")])
    facts = attention(grch38, model=str(folder), output=tmp_path / "map.npy", regions=one, map_only=True)
    found = np.load(tmp_path / "map.npy")
    assert found.shape == (facts["heads"], facts["tokens"], facts["tokens"]) == (2, 40, 40)
    (expected,) = of_regions(model, grch38, [(AT, AT + 40, "-")], True)
    assert oracle.base_means(found[:, 0, 1:-1].sum(0)[::-1].tolist(), 3) == pytest.approx(expected.tolist(), abs=1e-6)
    single = tmp_path / "one.fa"
    single.write_text(">a\nACGTTGCA\n")
    attention(single, model=str(folder), output=tmp_path / "small.npy", map_only=True)
    assert np.load(tmp_path / "small.npy").shape == (2, 8, 8)
    two = write_bed(tmp_path / "two.bed", [(AT, AT + 40, "-")] * 2)
    for source, regions in ((fasta, None), (grch38, two)):
        with pytest.raises(DnabertError, match="--full-map is of one window; here are several"):
            attention(source, model=str(folder), output=tmp_path / "no.npy", regions=regions, map_only=True)
    with pytest.raises(DnabertError, match="leave --high out"):
        attention(single, model=str(folder), output=tmp_path / "no.npy", map_only=True, high=tmp_path / "h.bed")
    with pytest.raises(FormatError, match=r"a map is written as \.npy"):
        attention(single, model=str(folder), output=tmp_path / "no.npz", map_only=True)
    assert not (tmp_path / "no.npy").exists()


def test_no_regions_give_empty_outputs(folder: Path, grch38: Path, tmp_path: Path) -> None:
    none = tmp_path / "none.bed"
    none.write_text("# nothing\n")
    for window in (None, 50):
        for name in ("out.npy", "out.npz", "out.tsv", "out.parquet", "out.bedgraph.gz"):
            common = {"model": str(folder), "regions": none, "window": window, "high": tmp_path / "high.bed"}
            facts = attention(grch38, output=tmp_path / name, **common)
            assert (facts["windows"], facts["high_regions"]) == (0, 0)
        assert np.load(tmp_path / "out.npy").shape == (0, 0)
        assert np.load(tmp_path / "out.npz")["offsets"].tolist() == [0]
        assert read_table(tmp_path / "out.tsv") == read_table(tmp_path / "out.parquet") == []
        assert gzip.decompress((tmp_path / "out.bedgraph.gz").read_bytes()) == b""
        assert (tmp_path / "high.bed").read_bytes() == b""
    with pytest.raises(DnabertError, match="--full-map is of one window; here are none"):
        attention(grch38, model=str(folder), regions=none, output=tmp_path / "map.npy", map_only=True)


def test_what_is_wrong_is_told(make_model: MakeModel, folder: Path, grch38: Path, fasta: Path, tmp_path: Path) -> None:
    def fails(message: str, source: Path = grch38, output: str = "out.npz", **options: Any) -> None:
        with pytest.raises(DnabertError, match=message):
            attention(source, output=tmp_path / output, **({"model": str(folder)} | options))
        assert not (tmp_path / output).exists()

    beyond = write_bed(tmp_path / "beyond.bed", [(AT, AT + 9, "+"), (3_999_950, 4_000_051, "+")])
    fails(r"beyond\.bed:2: ends at 4000051, but contig chr20 has 4000000 bases", regions=beyond)
    fails(
        r"short\.bed:1: a window of 2 bases is shorter", regions=write_bed(tmp_path / "short.bed", [(AT, AT + 2, "+")])
    )
    fails("no window of 5000000 bases fits", window=5_000_000)
    fails("give --window", stride=10)
    fails("--quantile 0.9 is that of high regions", source=fasta, quantile=0.9)
    fails("unknown kind of output", source=fasta, output="out.txt")
    fails("takes pairs", source=fasta, model=str(make_model(block=block(50, pairs=True))))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("sequence,sequence2\nACGTT,ACGTT\n")
    fails("pairs, but attention is of single sequences", source=pairs)
    assert sorted(os.listdir(tmp_path)) == ["beyond.bed", "in", "pairs.csv", "short.bed"]


def test_short_regions_share_units() -> None:
    grid = [Stretch(0, 0, 100, 0, 100), Stretch(0, 500, 560, 500, 560), Stretch(2, 7, 60_007, 7, 60_007)]
    units = list(tile_units(grid, 50, 10))
    assert [len(unit) for unit in units] == [6 + 2, 4096, 1900]
    assert units[0].contig.tolist() == [0] * 8
    assert units[0].start.tolist() == [0, 10, 20, 30, 40, 50, 500, 510]
    assert list(tile_units([], 50, 10)) == []
