"""The page as users ask for it: with a run, and of a run that is over."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from oracle.page import read_page

Cli = Callable[..., tuple[int, str, str]]


def test_a_report_with_the_run_and_after_it(cli: Cli, vcf: Path, genome: Path, model: Path, out: Path) -> None:
    given = ("variants", vcf, genome, "-m", model, "-o", out / "o.vcf.gz", "--window", 12, "--summary", out / "f.json")
    code, stdout, err = cli(*given, "--report", out / "o.html")
    assert (code, stdout) == (0, ""), err
    code, stdout, err = cli(
        "report", out / "o.vcf.gz", "-m", model, "-g", genome, "--facts", out / "f.json", "-o", out / "p.html"
    )
    assert (code, stdout) == (0, ""), err
    assert re.search(r"p\.html {2}\(\d\.\d\d MB\)", err)
    pages = [read_page((out / name).read_text(encoding="utf-8")) for name in ("o.html", "p.html")]
    assert len(pages[0].table("variant")) == 40
    assert [page.table("variant") for page in pages] == [pages[0].table("variant")] * 2
    assert [sum(tag == "figure" for tag, _ in page.met) for page in pages] == [7, 7]


def test_a_report_that_cannot_be_is_refused_before_the_work(
    cli: Cli, vcf: Path, genome: Path, model: Path, out: Path
) -> None:
    given = ("variants", vcf, genome, "-m", model, "-o", out / "o.vcf.gz", "--window", 12)
    for report, said in ((out / "o.txt", "ends in .html"), (out / "none" / "o.html", "does not exist")):
        code, _, err = cli(*given, "--report", report)
        assert code == 1
        assert said in err
        assert not (out / "o.vcf.gz").exists()
