"""The provisional report: what it says at its top, which sections it has, and that the whole report replaces it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.tracking.results import Results
from reports.build import FIRST, build
from reports.provisional import notice, write_provisional


def test_it_has_the_first_sections_below_a_notice(quick: Results) -> None:
    document = build(quick, title="Suite quick", provisional=notice("quick", 16, 24))
    assert tuple(section.title for section in document.sections) == FIRST
    assert document.warnings[0].startswith("Provisional: 16 of the 24 runs of this command have finished or failed.")
    assert document.left_out == ()


def test_the_whole_report_replaces_it(
    uri: str, executed: Callable[..., None], command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    executed()
    page = write_provisional(uri, "small", ended=1, total=4, folder=tmp_path / "report")
    assert "1 of the 4 runs of this command have finished or failed" in page.read_text(encoding="utf-8")
    assert list(page.parent.iterdir()) == [page]
    status, _, _ = command("report", "--suite", "small", "--out", str(page.parent))
    text = page.read_text(encoding="utf-8")
    assert (status, "Provisional" in text, "(provisional)" in text, 'id="glossary"' in text) == (0, False, False, True)


@pytest.mark.slow  # starts a process
def test_a_failure_is_one_line(uri: str, tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-m", "reports.provisional", "nothing", "1", "4", str(tmp_path / "report")]
    ended = subprocess.run(words, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines() == ["no results of a suite 'nothing': the store has no suites"]
    assert not (tmp_path / "report").exists()
