"""The provisional report of a suite: when it is written, and that it never disturbs the suite. A short script takes the place of the writer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import small

from bench.core.atomic_files import version_of
from bench.runs.types import RunProgress, RunResult
from bench.scheduling import provisional_report
from bench.scheduling.jobs import Job
from bench.scheduling.planner import PlannedAction
from bench.scheduling.provisional_report import ProvisionalReport
from bench.scheduling.scheduler import Display
from reports import provisional

WRITE = "with open(sys.argv[4], 'a') as file: file.write(f'{sys.argv[1]} {sys.argv[2]} of {sys.argv[3]}\\n')"
NO_PROGRESS = cast(RunProgress, None)
RUNS = (("dcgan", 0), ("label-smoothed", 0), ("dcgan", 1), ("label-smoothed", 1))


class Suite:
    """Four runs of two variants, whose ends a test reports to a provisional report."""

    def __init__(self, folder: Path, recorded: int = 0) -> None:
        self.out, self.lines, self.stopping = folder / "out", list[str](), False
        self.display = ProvisionalReport(
            Display(), [self._action(i, i < recorded) for i in range(len(RUNS))], suite="small", uri="", out=self.out, announce=self.lines.append,
            stop=lambda: self.stopping,
        )  # fmt: skip

    def _action(self, index: int, recorded: bool) -> PlannedAction:
        variant, seed = RUNS[index]
        config = small.config(variant, seed=seed)
        return PlannedAction(planned=cast(Any, None), config=config, fingerprint=str(index), kind="skip" if recorded else "train", why="")

    def end(self, index: int, status: str = "finished") -> None:
        """Report the end of a run."""
        variant, seed = RUNS[index]
        self.display.end(self._job(index), RunResult(run_id="", variant=variant, dataset="digits", seed=seed, status=status))

    def settle(self) -> list[str]:
        """Report progress until no report is being written, and return what the writer has written."""
        deadline = time.monotonic() + 60
        while self.display._writer is not None and time.monotonic() < deadline:
            self.display.update(self._job(3), NO_PROGRESS)
            time.sleep(0.02)
        return self.out.read_text().splitlines() if self.out.exists() else []

    def _job(self, index: int) -> Job:
        return Job(name="run", key=str(index), folder="")


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the writer to a line of Python. No pause between two reports is needed."""
    monkeypatch.setattr(provisional_report, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(provisional_report, "MOST_SHARE", 1.0)

    def use(line: str) -> None:
        monkeypatch.setattr(provisional_report, "WRITER", (sys.executable, "-S", "-c", f"import sys, time; {line}"))

    use("exec(" + repr(WRITE) + ")")
    return use


@pytest.mark.usefixtures("writer")
def test_a_report_is_written_once_each_variant_has_a_run_and_after_each_further_run(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    suite.end(0)
    suite.end(2)
    assert suite.settle() == []
    suite.end(1, "diverged")
    assert suite.settle() == ["small 3 of 4"]
    suite.display.update(suite._job(3), NO_PROGRESS)  # nothing is new
    suite.end(3)  # the last run: the whole report follows
    assert suite.settle() == ["small 3 of 4"]
    assert suite.lines == [f"provisional report: {tmp_path / 'out' / 'index.html'} (3 of 4 runs)"]


@pytest.mark.usefixtures("writer")
def test_recorded_runs_count(tmp_path: Path) -> None:
    suite = Suite(tmp_path, recorded=2)
    assert suite.settle() == []
    suite.end(2, "failed")
    assert suite.settle() == ["small 3 of 4"]


def test_there_is_one_process_at_a_time(tmp_path: Path, writer: Callable[[str], None]) -> None:
    writer(f"time.sleep(1); exec({WRITE!r})")
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    first = suite.display._writer
    suite.end(2)
    assert suite.display._writer is first is not None
    assert suite.settle() == ["small 2 of 4", "small 3 of 4"]


def test_two_reports_have_a_pause_between_them(tmp_path: Path, writer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisional_report, "MOST_SHARE", 1e-6)
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    assert suite.settle() == ["small 2 of 4"]
    suite.end(2)
    assert suite.settle() == ["small 2 of 4"]


def test_a_report_that_fails_is_one_warning(
    tmp_path: Path, writer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer("sys.exit('no space left')")
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    suite.settle()
    monkeypatch.setattr(provisional_report, "WRITER", ("/no/such/program",))
    suite.end(2)
    assert suite.settle() == suite.lines == []
    assert [record.getMessage() for record in caplog.records] == ["the provisional report cannot be written: no space left"]


@pytest.mark.usefixtures("writer")
def test_a_stopped_suite_writes_no_report(tmp_path: Path, writer: Callable[[str], None]) -> None:
    suite = Suite(tmp_path, recorded=1)
    suite.stopping = True
    suite.end(2)
    assert suite.settle() == []
    writer("time.sleep(60)")
    other = Suite(tmp_path, recorded=1)
    other.end(1)
    started, process = time.monotonic(), other.display._writer
    assert process is not None
    other.display.stop()
    assert process.process.poll() is not None
    assert time.monotonic() - started < 30
    other.display.stop()  # a second time, without effect


def test_a_further_interruption_leaves_no_process(tmp_path: Path, writer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ignores SIGTERM is killed, even if Ctrl-C arrives while the suite waits for it."""
    writer("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[4], 'w').close(); time.sleep(60)")
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    assert suite.display._writer is not None
    process = suite.display._writer.process
    wait = process.wait
    deadline = time.monotonic() + 60
    while not suite.out.exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    def interrupted(timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait()

    monkeypatch.setattr(process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        suite.display.stop()
    assert process.poll() is not None


def test_the_process_gets_the_version_of_the_page_before_the_suite(tmp_path: Path, writer: Callable[[str], None]) -> None:
    writer("open(sys.argv[4] + '/before', 'w').write(sys.argv[5])")
    (tmp_path / "out").mkdir()
    page = tmp_path / "out" / "index.html"
    page.touch()
    before = version_of(page)
    suite = Suite(tmp_path, recorded=1)
    page.write_text("a report of another process")
    suite.end(1)
    while suite.display._writer is not None:
        suite.display.update(suite._job(3), NO_PROGRESS)
        time.sleep(0.02)
    assert (tmp_path / "out" / "before").read_text() == before != version_of(page)


def test_a_whole_report_in_place_is_neither_announced_nor_an_error(
    tmp_path: Path, writer: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    writer(f"sys.exit({provisional_report.UNCHANGED})")
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    suite.settle()
    assert (suite.lines, caplog.records) == ([], [])
    assert provisional_report.UNCHANGED == provisional.UNCHANGED


@pytest.mark.usefixtures("writer")
def test_a_run_that_another_process_takes_over_does_not_end_the_reports(tmp_path: Path) -> None:
    suite = Suite(tmp_path, recorded=1)
    suite.end(1)
    assert suite.settle()
    suite.end(3, "interrupted")
    suite.end(2)
    suite.settle()
    assert len(suite.lines) == 2


@pytest.mark.usefixtures("writer")
def test_a_full_temporary_folder_is_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    suite = Suite(tmp_path, recorded=1)
    monkeypatch.setattr(provisional_report.tempfile, "TemporaryFile", full)
    suite.end(1)
    suite.end(2)
    assert suite.settle() == []
    assert [record.getMessage() for record in caplog.records if "No space left" in record.getMessage()] == [
        "the provisional report cannot be written: [Errno 28] No space left on device"
    ]


@pytest.mark.slow
def test_a_suite_has_its_page_before_its_end(uri: str, tmp_path: Path) -> None:
    """The inner display waits for the page at the end of the third run."""

    class Pausing(Display):
        def end(self, job: Job, result: RunResult) -> None:
            deadline = time.monotonic() + 300
            while job.kind == "run" and (result.variant, result.seed) == ("dcgan", 1) and not page.exists() and time.monotonic() < deadline:
                time.sleep(0.2)
            existed.append(page.exists())

    from bench.scheduling.scheduler import plan_execution, run_suite
    from bench.scheduling.suite import plan
    from bench.training.loop import never

    page, existed = tmp_path / "report" / "index.html", list[bool]()
    execution_plan = plan_execution(small.SUITE, plan(small.SUITE), uri=uri, folder=tmp_path / "runs", workers=1, probe=False)
    lines = list[str]()
    display = ProvisionalReport(
        Pausing(), execution_plan.actions, suite="small", uri=uri, out=page.parent, announce=lines.append, stop=never
    )  # fmt: skip
    outcome = run_suite(small.SUITE, execution_plan, uri=uri, folder=tmp_path / "runs", stop=never, display=display)
    display.stop()
    assert outcome.count("finished") == 4
    assert True in existed
    text = page.read_text()
    assert "of the 4 runs of this command had finished or failed" in text
    assert [f'<section id="{name}"' in text for name in ("verdict", "summary", "samples", "training")] == [True, True, True, False]
    assert [file.name for file in page.parent.iterdir()] == ["index.html"]
