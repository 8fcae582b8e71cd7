"""The provisional report: its notice, its sections, what it imports, and that no provisional report replaces a whole one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.atomic_files import version_of
from bench.tracking.results import Results
from reports import html
from reports.document import Filmstrip
from reports.html import is_provisional
from reports.provisional import build_provisional, notice, notice_of_interrupted, write_provisional

SLOW_TO_IMPORT = ("torch", "scipy.stats", "scipy.optimize", "seaborn", "matplotlib.pyplot")
Command = Callable[..., tuple[int, str, str]]


def test_it_has_verdict_summary_and_samples_below_a_notice(quick: Results) -> None:
    document = build_provisional(quick, "quick", notice("quick", 16, 24))
    assert [section.id for section in document.sections] == ["verdict", "summary", "samples"]
    assert "16 of the 24 runs of this command" in document.warnings[0]
    assert document.left_out == ()
    assert document.provisional


def test_it_has_only_final_samples(quick: Results) -> None:
    samples = build_provisional(quick, "quick", "x").sections[-1]
    assert not any(isinstance(block, Filmstrip) for block in samples.blocks)


def test_the_whole_report_replaces_it(uri: str, executed: Callable[..., None], command: Command, tmp_path: Path) -> None:
    executed()
    page = write_provisional(uri, "small", notice("small", 1, 4), folder=tmp_path / "report")
    assert page is not None
    assert "1 of the 4 runs of this command" in page.read_text(encoding="utf-8")
    assert is_provisional(page)
    assert list(page.parent.iterdir()) == [page]
    status, _, _ = command("report", "--suite", "small", "--out", str(page.parent))
    text = page.read_text(encoding="utf-8")
    assert (status, "Provisional" in text, "(provisional)" in text, 'id="glossary"' in text) == (0, False, False, True)
    assert not is_provisional(page)


def test_it_replaces_provisional_pages_and_the_page_before_the_suite_but_no_other_report(
    uri: str, executed: Callable[..., None], command: Command, tmp_path: Path
) -> None:
    executed()
    folder = tmp_path / "report"
    whole = ("report", "--suite", "small", "--out", str(folder))
    command(*whole)
    page = folder / "index.html"
    before = version_of(page)
    assert write_provisional(uri, "small", notice("small", 1, 4), folder=folder) is None  # as of an interrupted suite
    assert version_of(page) == before
    assert write_provisional(uri, "small", notice("small", 1, 4), folder=folder, before=before) == page
    assert write_provisional(uri, "small", notice_of_interrupted("small", 2, 4), folder=folder) == page
    assert "2 of the 4 runs of this command" in page.read_text(encoding="utf-8")
    command(*whole)  # a whole report that the user writes while the suite runs
    assert write_provisional(uri, "small", notice("small", 3, 4), folder=folder, before=before) is None
    assert not is_provisional(page)


def test_a_whole_report_that_is_written_meanwhile_stays(
    uri: str, executed: Callable[..., None], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that survived its suite still has results of the time before the whole report."""
    executed()
    folder, render = tmp_path / "report", html.html

    def slowly(document: object) -> str:
        monkeypatch.setattr(html, "html", render)
        command("report", "--suite", "small", "--out", str(folder))
        return render(document)  # type: ignore[arg-type]

    monkeypatch.setattr(html, "html", slowly)
    assert write_provisional(uri, "small", notice("small", 1, 4), folder=folder) is None
    assert not is_provisional(folder / "index.html")
    assert 'id="glossary"' in (folder / "index.html").read_text(encoding="utf-8")


def test_its_process_imports_nothing_that_is_slow(uri: str, executed: Callable[..., None], tmp_path: Path) -> None:
    """With these modules, a page took two seconds of processor time more."""
    executed()
    code = (
        "import sys; from reports import provisional; provisional.gc.freeze = lambda: "
        f"print([name for name in {SLOW_TO_IMPORT} if name in sys.modules]); provisional.main()"
    )
    words = [sys.executable, "-c", code, "small", "1", "4", str(tmp_path / "report"), ""]
    ended = subprocess.run(words, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]")
    assert is_provisional(tmp_path / "report" / "index.html")


@pytest.mark.slow  # starts a process
def test_a_failure_is_one_line(uri: str, tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "reports.provisional", "nothing", "1", "4", str(tmp_path / "report"), ""]
    ended = subprocess.run(words, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == ["no results of a suite 'nothing': the store has no suites"]
    assert not (tmp_path / "report").exists()
