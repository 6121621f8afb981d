"""A file is under its final name whole, or not at all."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from dnabert_fast.errors import FormatError
from dnabert_fast.io.atomic import clear_leftovers, writing


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "scores.tsv"
    with writing(final) as partial:
        assert partial.parent == tmp_path
        assert partial.name.endswith(".partial")
        partial.write_text("a")
        assert not final.exists()
    assert final.read_text() == "a"
    assert os.listdir(tmp_path) == ["scores.tsv"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_leaves_what_was_there(tmp_path: Path, kind: type[BaseException]) -> None:
    final = tmp_path / "scores.tsv"
    final.write_text("before")

    def fail() -> None:
        with writing(final) as partial:
            partial.write_text("half")
            raise kind

    with pytest.raises(kind):
        fail()
    assert final.read_text() == "before"
    assert os.listdir(tmp_path) == ["scores.tsv"]


def test_a_block_that_makes_no_file_publishes_none(tmp_path: Path) -> None:
    with writing(tmp_path / "index.tbi"):
        pass
    assert os.listdir(tmp_path) == []


def test_two_writers_of_one_name_do_not_share_a_file(tmp_path: Path) -> None:
    with writing(tmp_path / "a") as one, writing(tmp_path / "a") as other:
        assert one != other


@pytest.mark.parametrize("differ", ["end of a long name", "processes"])
def test_what_another_container_writes_is_not_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, differ: str
) -> None:
    """Its processes have numbers of their own: that none here has one of them says nothing."""
    ended = os.spawnvp(os.P_NOWAIT, "true", ["true"])
    os.waitpid(ended, 0)
    names, spaces = ["dnabert-fast-of-dbsnp-on-a-large-cluster-1"] * 2, ["pid:[1]", "pid:[1]"]
    if differ == "processes":
        spaces[1] = "pid:[2]"
    else:
        names[1] = names[1][:-1] + "2"

    def go_to(place: int) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: names[place])
        monkeypatch.setattr(os, "readlink", lambda path: spaces[place])

    go_to(0)
    with monkeypatch.context() as there:
        there.setattr(os, "getpid", lambda: ended)
        stack = ExitStack()
        stack.enter_context(writing(tmp_path / "a")).write_text("half")
    go_to(1)
    clear_leftovers(tmp_path)
    assert len(os.listdir(tmp_path)) == 1
    go_to(0)
    clear_leftovers(tmp_path)
    assert os.listdir(tmp_path) == []
    stack.close()


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(FormatError, match="not writable"), writing(tmp_path / "a"):
        pass


@pytest.mark.parametrize(
    ("name", "what"),
    [("missing/a.vcf", "does not exist"), ("folder", "is a folder"), ("file/a.vcf", "is not a folder")],
)
def test_where_nothing_can_be_written_is_said(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=what), writing(tmp_path / name):
        pass


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(FormatError, match="not a regular file"), writing("/dev/null"):
        pass
