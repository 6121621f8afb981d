"""Several models in one run of `variants`: each scores as alone, their mean, their names, and what is refused."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from oracle import scored
from oracle.machine import Machine

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.nn.checkpoint import network_hash, read_network, write_network
from dnabert_fast.nn.config import PRESETS, WindowBlock
from dnabert_fast.nn.network import build
from dnabert_fast.workflows.precision import Verdict, device_name, remember
from dnabert_fast.workflows.report_inputs import read_scores
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
Table = dict[str, np.ndarray[Any, Any]]
SCORES = ("REF", "ALT", "DIFF", "LOGOR")
THREE = ("a", "b", "c")


@pytest.fixture
def run(real_grch38: Path, grch38: Path, tmp_path: Path) -> Callable[..., tuple[Table, dict[str, Any]]]:
    """The columns that a run writes, NaN for none, and its facts."""

    def call(model: Any, **given: Any) -> tuple[Table, dict[str, Any]]:
        out = tmp_path / "out.parquet"
        options = {"window": 60, "precision": "fp32", "device": "cpu", "threads": 1} | given
        facts = variants(real_grch38, grch38, model=model, output=out, **options)
        table = pq.read_table(out)
        return {name: table[name].to_numpy() for name in table.column_names}, facts

    return call


@pytest.fixture(scope="session")
def heads(make_model: MakeModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of every kind of head on one encoder; `frozen` has the pooler of `first` too."""
    folder = tmp_path_factory.mktemp("heads")
    first = read_network(make_model(), device="cpu")
    kinds: dict[str, dict[str, Any]] = {
        "frozen": {"labels": ("no", "yes")},
        "own": {"labels": ("no", "yes")},
        "three": {"labels": THREE, "temperature": 2.0},
        "value": {"labels": ("activity",), "regression": True},
        "mean": {"head": "xl-mean", "labels": ("no", "yes")},
        "rnn": {"head": "xl-rnn", "labels": ("no", "yes")},
    }
    found = {"first": make_model()}
    for seed, (name, fields) in enumerate(kinds.items(), 1):
        config = first.config.with_head(fields.pop("head", "sequence"), **fields)
        network = build(
            replace(config, encoder=replace(config.encoder, initializer_range=0.25)), first.backend, seed=seed
        )
        network.config = config
        network.encoder = first.encoder
        if name == "frozen":
            network.head.pooler = first.head.pooler
        write_network(network, folder / name)
        found[name] = folder / name
    return found


def named(**folders: Path) -> list[str]:
    return [f"{name}={folder}" for name, folder in folders.items()]


@pytest.mark.parametrize("strand", ["+", "both"])
def test_models_of_several_k_score_as_each_alone_to_the_bit(
    run: Callable[..., Any], make_model: MakeModel, strand: str
) -> None:
    folders = {
        "THREE": make_model(),
        "OTHER": make_model(seed=1),
        "SIX": make_model(preset="tiny", seed=2, k=6, encoder=replace(PRESETS["tiny"].encoder, vocab_size=4101)),
    }
    together, facts = run(named(**folders), strand=strand)
    for name, folder in folders.items():
        alone, told = run(str(folder), strand=strand)
        for score in SCORES:
            assert np.array_equal(together[f"DNABERT_{name}_{score}"], alone[f"DNABERT_{score}"], equal_nan=True)
        assert facts["scored"] == told["scored"] > 30
    assert np.array_equal(together["DNABERT_FLAG"], alone["DNABERT_FLAG"])
    assert list(together)[:5] == ["CHROM", "POS", "ID", "REF", "ALT"]
    assert [model["k"] for model in facts["models"]] == [3, 3, 6]
    assert facts["encoders"] == 3


def test_models_of_one_encoder_score_as_each_alone_and_encode_once(
    run: Callable[..., Any], heads: dict[str, Path], make_model: MakeModel, tmp_path: Path
) -> None:
    folders = heads | {"other": make_model(seed=1)}
    lines = [f"{name}\t{folder}" + "\tb" * (name == "three") for name, folder in folders.items()]
    (tmp_path / "list.tsv").write_text("\n".join(["name\tfolder\tclass", "# heads", *lines, ""]))
    together, facts = run(None, models=tmp_path / "list.tsv")
    for name, folder in folders.items():
        alone, told = run(str(folder), class_name="b" if name == "three" else None)
        for score in SCORES:
            assert (f"DNABERT_{name}_{score}" in together) == (score != "LOGOR" or name != "value")
            if f"DNABERT_{score}" in alone:
                found, expected = together[f"DNABERT_{name}_{score}"], alone[f"DNABERT_{score}"]
                assert np.nanstd(expected) > 1e-4
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert facts["encoders"] == 2
    assert facts["pieces_encoded"] == 2 * told["pieces_encoded"]


def test_an_alt_equal_to_ref_scores_zero_whatever_the_head(
    heads: dict[str, Path], grch38: Path, chr20: bytes, make_vcf: Callable[..., Path], tmp_path: Path
) -> None:
    base = chr20[1_999_999:2_000_000].decode()
    folders = {name: folder for name, folder in heads.items() if name != "three"}
    path = make_vcf([f"chr20 2000000 {base} {base}"])
    variants(path, grch38, model=named(**folders), output=tmp_path / "o.vcf", window=60, device="cpu")
    [allele] = scored.alleles((tmp_path / "o.vcf").read_bytes())
    assert {float(allele[4][f"{name}_DIFF"]) for name in folders} == {0.0}


def test_the_ensemble_is_the_mean_of_log_odds(run: Callable[..., Any], make_model: MakeModel) -> None:
    models = named(A=make_model(), B=make_model(seed=1), C=make_model(seed=2))
    found, _ = run(models, ensemble="mean")
    each = {score: np.stack([found[f"DNABERT_{name}_{score}"] for name in "ABC"]).astype(float) for score in SCORES}
    odds = {score: np.log(each[score] / (1 - each[score])).mean(0) for score in ("REF", "ALT")}
    ref, alt = (1 / (1 + np.exp(-odds[score])) for score in ("REF", "ALT"))
    expected = {"REF": ref, "ALT": alt, "DIFF": (alt - ref) * np.maximum(ref, alt), "LOGOR": each["LOGOR"].mean(0)}
    for score, value in expected.items():
        np.testing.assert_allclose(found[f"DNABERT_{score}"], value, atol=2e-5)
    assert np.nanmax(np.abs(found["DNABERT_REF"] - each["REF"].mean(0))) > 1e-3  # not the mean of probabilities


def test_the_ensemble_of_regressions_is_the_mean_of_values(run: Callable[..., Any], make_model: MakeModel) -> None:
    models = named(**{f"M{seed}": make_model(labels=("v",), regression=True, seed=seed) for seed in (0, 1)})
    found, _ = run(models, ensemble="mean")
    for score in ("REF", "ALT", "DIFF"):
        expected = (found[f"DNABERT_M0_{score}"] + found[f"DNABERT_M1_{score}"]) / 2
        np.testing.assert_allclose(found[f"DNABERT_{score}"], expected, atol=1e-6)
    assert "DNABERT_LOGOR" not in found


def test_fields_choose_what_is_written(run: Callable[..., Any], make_model: MakeModel) -> None:
    every, _ = run(named(A=make_model(), B=make_model(seed=1)), ensemble="mean")
    chosen, facts = run(named(A=make_model(), B=make_model(seed=1)), ensemble="mean", fields="logor, DIFF")
    kept = [f"DNABERT_{name}{score}" for name in ("A_", "B_", "") for score in ("DIFF", "LOGOR")]
    assert list(chosen)[5:] == [*kept, "DNABERT_FLAG"]
    assert all(np.array_equal(chosen[name], every[name], equal_nan=True) for name in kept)
    assert facts["fields"] == "DIFF,LOGOR"
    alone, _ = run(str(make_model()), fields=["REF"])
    assert list(alone)[5:] == ["DNABERT_REF", "DNABERT_FLAG"]


def test_header_and_facts_name_every_model(
    heads: dict[str, Path], make_vcf: Callable[..., Path], grch38: Path, tmp_path: Path
) -> None:
    models = named(A=heads["first"], B=heads["own"])
    told = tmp_path / "facts.json"
    path, out = make_vcf(["chr20 2000000 A C"]), tmp_path / "o.vcf"
    variants(
        path, grch38, model=models, output=out, window=60, class_name="no", summary=told, precision="fp32", device="cpu"
    )
    [line] = [line.decode() for line in scored.header(out.read_bytes()) if b"_command=" in line]
    assert line.startswith("##dnabert_command=variants ")
    facts = json.loads(told.read_text())
    assert len(facts["models"]) == 2
    for model, folder in zip(facts["models"], (heads["first"], heads["own"]), strict=True):
        assert (model["model"], model["class"], model["precision"]) == (network_hash(folder), "no", "fp32")
        for name in ("model", "class", "precision"):
            assert f" {name}_{model['name']}={model[name]}" in line
    fields = [
        line.split(b"ID=")[1].split(b",")[0] for line in scored.header(out.read_bytes()) if b"INFO=<ID=DNABERT" in line
    ]
    assert fields == [f"DNABERT_{name}_{score}".encode() for name in "AB" for score in SCORES] + [b"DNABERT_FLAG"]


def test_auto_is_resolved_for_each_model(
    run: Callable[..., Any], heads: dict[str, Path], machine: Callable[..., Machine]
) -> None:
    machine({"int8": 1e-6})
    remember(network_hash(heads["own"]), [Verdict("int8", device_name("cpu"), True, "2026-01-01", 256, 1.0, 1.0)])
    _, facts = run(named(A=heads["first"], B=heads["own"], C=heads["frozen"]), precision="auto")
    assert [model["precision"] for model in facts["models"]] == ["fp32", "int8", "fp32"]
    assert facts["encoders"] == 2  # one encoder in two precisions


def test_each_device_has_one_process_for_all_models(
    run: Callable[..., Any], heads: dict[str, Path], make_model: MakeModel
) -> None:
    models = named(A=heads["first"], B=heads["own"], C=make_model(seed=1))
    processes = [0]

    def progress(what: str, unit: str, total: int | None) -> Callable[..., None]:
        return lambda done, share=None: processes.append(len(multiprocessing.active_children()))

    one, _ = run(models)
    two, facts = run(models, device="cpu,cpu", progress=progress)
    assert max(processes) == 2
    assert facts["encoders"] == 2
    for name in one:
        assert np.array_equal(one[name], two[name], equal_nan=one[name].dtype == np.float32)


def test_models_that_were_trained_on_one_window_need_not_name_it(
    run: Callable[..., Any], make_model: MakeModel
) -> None:
    first, second = (block(make_model, window) for window in (60, 60))
    found, facts = run(named(A=first, B=second, C=make_model(seed=3)), window=None)
    assert facts["window"] == 60
    assert np.isfinite(found["DNABERT_C_REF"]).any()


def block(make_model: MakeModel, window: int) -> Path:
    return make_model(block=WindowBlock(k=3, window=window, anchor="centre", classes=("no", "yes"), strand="+"))


def test_what_cannot_be_scored_together_is_refused(
    run: Callable[..., Any], make_model: MakeModel, tmp_path: Path
) -> None:
    one, other = make_model(), make_model(seed=1)
    value = make_model(labels=("v",), regression=True)
    of_60, of_80 = block(make_model, 60), block(make_model, 80)
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (named(A=one) + named(A=other), {}, "two models are called A"),
        ([str(one), f"B={other}"], {}, f"of several models each has a name; give NAME={one}"),
        ([f"B-C={other}"], {}, "NAME may hold letters"),
        (
            named(A=of_60, B=of_80),
            {"window": None},
            "model A was trained on windows of 60 bases, model B on windows of 80",
        ),
        (named(A=one, B=value), {"ensemble": "mean"}, "model B is a regression and model A a classifier"),
        (named(A=one), {"ensemble": "mean"}, "is of several models"),
        (named(A=one, B=other), {"ensemble": "median"}, "choose mean"),
        (named(A=one, B=other), {"fields": "ODDS"}, "choose of REF, ALT, DIFF, LOGOR"),
        (named(A=one, B=value), {"fields": "LOGOR"}, "model B is a regression, which has REF, ALT and DIFF alone"),
        (named(A=one, B=other), {"class_name": "maybe"}, "model A: --class maybe"),
        (named(A=one, B=other), {"report": tmp_path / "r.html"}, "--report is of one model"),
        (None, {}, "give --model"),
        (str(one), {"models": tmp_path / "list.tsv"}, "both say which models"),
    ]
    for model, given, message in wrong:
        with pytest.raises(DnabertError, match=message.replace("(", r"\(")):
            run(model, **given)


@pytest.mark.parametrize("name", ["o.vcf", "o.tsv"])
def test_a_report_finds_the_scores_of_each_model(
    make_model: MakeModel, make_vcf: Callable[..., Path], grch38: Path, chr20: bytes, tmp_path: Path, name: str
) -> None:
    base, following = chr20[1_999_999:2_000_001].decode()
    other = "A" if base == "C" else "C"
    path, out = make_vcf([f"chr20 2000000 {base} {other}", f"chr20 2000001 {following} *"]), tmp_path / name
    models = named(A=make_model(), B=make_model(seed=1))
    variants(path, grch38, model=models, output=out, window=60, precision="fp32", device="cpu")
    first, second = (read_scores(out, f"DNABERT_{model}") for model in "AB")
    assert first.values["DIFF"][0] != second.values["DIFF"][0]
    assert first.reasons == second.reasons == {"STAR": 1}
    if name == "o.vcf":
        hashes = [network_hash(make_model(seed=seed)) for seed in (0, 1)]
        assert [found.settings["model"] for found in (first, second)] == hashes
        assert second.settings["class"] == "yes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A\n", r"list\.tsv:1: not a name, a folder"),
        ("# none\n\n", "names no model"),
        ("name\tfolder\n1A\tdemo\n", r"list\.tsv:2: NAME may hold"),
        ("A\tdemo\nB\tdemo\tmaybe\n", r"^\S+list\.tsv:2: --class maybe: "),
        ("#\nA\tdemo\tmaybe\n", r"^\S+list\.tsv:2: --class maybe: "),
        ("A\tdemo\nB\t/no/model\n", r"^\S+list\.tsv:2: .*/no/model"),
        ("A\tdemo\nB\thuman-mini\n", r"^\S+list\.tsv:2: model B is pre-trained"),
        ("A\tdemo\n\nA\tdemo\n", r"^\S+list\.tsv:3: two models are called A"),
        ("A\tdemo\nA\tdemo\n", "two models are called A"),
    ],
)
def test_a_list_that_is_none_is_refused(run: Callable[..., Any], tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.tsv").write_text(text)
    with pytest.raises((FormatError, DnabertError), match=message):
        run(None, models=tmp_path / "list.tsv")
