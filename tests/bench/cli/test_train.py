"""`ganbench suite --report`: the report and the exit status."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.atomic_files import version_of
from bench.core.errors import UserError
from bench.runs.types import RunResult
from bench.scheduling.jobs import Job
from bench.scheduling.scheduler import Display, ExecutionResult
from reports.html import is_provisional

SUITE = (
    *("suite", "smoke", "--only", "label-smoothed", "--seeds", "1", "--workers", "1", "--report", "--set", "budget.images=640"),
    *("--set", "evaluation.standard_errors=false"),
)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_suite_writes_the_whole_report_at_its_end(here: Path, command: Command) -> None:
    status, out, _ = command(*SUITE)
    assert (status, "report: build/report/smoke/index.html" in out) == (0, True)
    page = (here / "build/report/smoke/index.html").read_text()
    assert '<section id="training"' in page
    assert "Provisional" not in page


@pytest.mark.slow
def test_an_interrupted_suite_says_how_far_it_came(here: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the first of three runs. A whole report of the recorded runs then stays, also after a second interruption."""

    class Interrupting(Display):
        def end(self, job: Job, result: RunResult) -> None:
            if job.kind == "run":
                os.kill(os.getpid(), signal.SIGINT)

        def stop(self) -> None:
            pass

    monkeypatch.setattr("bench.scheduling.progress.display_for", lambda _: Interrupting())
    page = here / "build/report/smoke/index.html"
    status, out, _ = command(*SUITE, "--seeds", "3")
    assert (status, is_provisional(page)) == (130, True)
    assert "(1 of 3 runs)" in out
    text = page.read_text()
    assert "Interrupted: 1 of the 3 runs of this command had finished or failed" in text
    assert "While the suite runs" not in text
    command("report", "--suite", "smoke")
    assert not is_provisional(page)
    before = version_of(page)
    status, out, _ = command(*SUITE, "--seeds", "3")
    assert (status, "(2 of 3 runs)" in out) == (130, False)
    assert version_of(page) == before


@pytest.mark.parametrize(("run", "expected"), [("finished", 2), ("failed", 1)])
def test_the_status_of_the_runs_comes_before_that_of_the_report(
    here: Path, command: Command, monkeypatch: pytest.MonkeyPatch, run: str, expected: int
) -> None:
    def refuse(suite: str) -> None:
        raise UserError("the tracking store does not answer")

    result = RunResult(run_id="", variant="label-smoothed", dataset="digits", seed=0, status=run)
    monkeypatch.setattr("bench.cli.train._execute", lambda *_, **__: ExecutionResult(results=(result,), skipped=0))
    monkeypatch.setattr("bench.cli.report.write_suite_report", refuse)
    status, out, err = command(*SUITE)
    assert status == expected
    assert "smoke: 1 run done now" in out
    assert err.strip().endswith("the report is not written: the tracking store does not answer")
