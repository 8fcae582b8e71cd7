"""Provisional report of a suite while it runs. A separate process at low priority writes it, so that the suite does not depend on it."""

from __future__ import annotations

import logging
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.core.atomic_files import version_of
from bench.core.errors import one_line
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.estimate import Estimate
from bench.scheduling.jobs import Job
from bench.scheduling.planner import PlannedAction
from bench.scheduling.scheduler import Display

log = logging.getLogger(__name__)
WRITER = (sys.executable, "-P", "-m", "reports.provisional")  # -P: no package of the working folder can hide `reports`
ENDED = ("finished", "diverged", "failed", "pruned", "recorded")
EVERY_SECONDS = 60.0  # between the starts of two reports
MOST_SHARE = 0.05  # of the time of one core, for all reports together
STOP_SECONDS = 5.0  # after this, the process is killed
PAGE = "index.html"
UNCHANGED = 3  # exit status of the process if it leaves a whole report in place


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Process that writes a report."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    ended: int  # number of runs that had finished, failed, diverged or been pruned


class ProvisionalReport(Display):
    """Display that starts a process which writes a report, and passes all events to another display.

    The first report starts when each configuration has a run, on any seed, that has finished, failed, diverged or been pruned. The next
    one starts after another such run, and at the earliest after `EVERY_SECONDS`. There is one process at a time. If it fails, the suite
    logs one line, and tries again after the next run.

    It replaces earlier provisional pages and the page of the time before the suite. So a whole report that a user writes while the suite
    runs stays until its end, and a process that survives the suite cannot replace a later report.
    """

    def __init__(
        self, display: Display, actions: Sequence[PlannedAction], *, suite: str, uri: str, out: Path, announce: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._display, self._suite, self._uri, self._out, self._announce = display, suite, uri, out, announce
        self._cells = {
            action.run_id if action.kind == "score" else action.fingerprint: _cell(action) for action in actions
        }  # by key of a job
        recorded = [action for action in actions if action.kind == "skip"]
        self._missing = set(self._cells.values()) - set(map(_cell, recorded))
        self.ended, self.total = len(recorded), len(actions)  # runs that have finished, failed, diverged or been pruned, and all runs
        self._reported = self.ended
        self._before = version_of(out / PAGE)
        self._due = -math.inf  # monotonic time
        self._writer: Writer | None = None
        self._is_stopping = stop
        self._warned = False

    def start(self, jobs: Sequence[Job], *, workers: int, expected: Estimate) -> None:
        """Pass the event on."""
        self._display.start(jobs, workers=workers, expected=expected)

    def update(self, job: Job, progress: RunProgress) -> None:
        """Pass the event on. Start a report if one is due."""
        self._display.update(job, progress)
        self._refresh()

    def end(self, job: Job, result: RunResult) -> None:
        """Pass the event on. Start a report if one is due."""
        self._display.end(job, result)
        if job.key in self._cells and result.status in ENDED:
            self.ended += 1
            self._missing.discard(self._cells[job.key])
        self._refresh()

    def stop(self) -> None:
        """End the process that writes a report, if there is one. It has ended when this returns or, after a further Ctrl-C, raises."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            writer.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                writer.process.wait(STOP_SECONDS)
        finally:
            writer.process.kill()  # without effect on a process that has ended
            writer.process.wait()
            writer.output.close()

    def _refresh(self) -> None:
        """Collect the result of a process that has ended, and start another one if it is due. An OSError is logged: the suite continues."""
        try:
            self._collect_or_start()
        except OSError as error:  # for example, the temporary folder is full
            self._warn(str(error))

    def _collect_or_start(self) -> None:
        if self._writer is not None:
            self._collect(self._writer)
        is_new = self._reported < self.ended < self.total  # the whole report follows the last run
        if self._writer is None and is_new and not self._missing and not self._is_stopping() and time.monotonic() >= self._due:
            self._start()

    def _start(self) -> None:
        self._reported, self._due = self.ended, time.monotonic() + EVERY_SECONDS
        output = tempfile.TemporaryFile()  # noqa: SIM115 (closed after the process has ended)
        command = [*WRITER, self._suite, str(self.ended), str(self.total), str(self._out), self._before]
        given = {"MLFLOW_TRACKING_URI": self._uri, "OMP_NUM_THREADS": "1"}  # not an argument: it may contain a password
        try:
            # a process group of its own, because Ctrl-C would otherwise end it with a traceback
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **given}, process_group=0
            )
        except OSError:
            output.close()
            raise
        self._writer = Writer(process=process, output=output, ended=self.ended)

    def _collect(self, writer: Writer) -> None:
        """Announce the report if the process has ended, or log the reason why it failed."""
        before = _seconds_of_children()
        status = writer.process.poll()
        if status is None:
            return
        seconds = _seconds_of_children() - before  # of this process alone: usage counts when a child is awaited
        self._due = max(self._due, time.monotonic() + seconds / MOST_SHARE - seconds)
        self._writer = None
        with writer.output as output:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
        if status == 0:
            self._announce(f"provisional report: {self._out / PAGE} ({writer.ended} of {self.total} runs)")
        elif status != UNCHANGED:
            self._warn(lines[-1] if lines else f"its process ended with status {status}")

    def _warn(self, reason: str) -> None:
        if not self._warned:
            log.warning("the provisional report cannot be written: %s", one_line(reason))
        self._warned = True


def _cell(action: PlannedAction) -> str:
    """Return a text that is equal for runs that differ in the seed alone."""
    return action.config.model_copy(update={"seed": 0}).canonical()


def _seconds_of_children() -> float:
    """Return the processor time of all child processes that have ended and were awaited."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
