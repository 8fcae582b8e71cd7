"""`ganbench suite --report`: the report and the exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.errors import UserError
from bench.runs.types import RunResult
from bench.scheduling.scheduler import ExecutionResult

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
