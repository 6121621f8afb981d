"""No output replaces an input or another output, however its path is spelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.workflows.common import check_outputs
from dnabert_fast.workflows.sequences import tokenize


def test_an_output_that_is_an_input_is_refused_and_the_input_stays(tmp_path: Path) -> None:
    fasta = tmp_path / "in.fa"
    fasta.write_text(">a\nACGTACGT\n")
    link = tmp_path / "link.fa"
    link.symlink_to(fasta)
    for spelt in (fasta, tmp_path / "." / "in.fa", link):
        with pytest.raises(DnabertError, match=r"--output .* is an input too"):
            tokenize(fasta, k=3, output=spelt)
    assert fasta.read_text() == ">a\nACGTACGT\n"


def test_two_outputs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DnabertError, match=r"--calls .* is what --output writes too"):
        check_outputs([], {"--output": tmp_path / "x.bed", "--calls": str(tmp_path / "x.bed")})


def test_standard_input_and_output_are_not_one_file() -> None:
    check_outputs(["-", None], {"--output": "-", "--summary": None})


def test_a_summary_that_cannot_be_written_is_found_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="does not exist"):
        check_outputs([], {"--output": tmp_path / "o", "--summary": tmp_path / "no" / "s.json"})
