"""Progress displays of a suite: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from bench.core.terminal import is_terminal
from bench.core.text import duration, pluralise
from bench.metrics.columns import card, headline_among
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.estimate import Estimate
from bench.scheduling.jobs import Job
from bench.scheduling.scheduler import Display

TRUST_SECONDS = 60.0  # of completed work. Before that, the probe has more weight than the measured speed


class Workload:
    """Completed and total work of all jobs, as the sum of their expected seconds. Without a probe, all jobs have the same weight."""

    def __init__(self, jobs: Sequence[Job], workers: int, expected: Estimate) -> None:
        known = expected.seconds
        self._workers = min(workers, len(jobs)) if known else 0
        typical = sum(known.values()) / len(known) if known else 1.0
        self._expected = {job.key: known.get(job.key, typical if job.kind == "run" else typical / 10) for job in jobs}
        self._shares = dict.fromkeys(self._expected, 0.0)
        self._started = time.monotonic()

    @property
    def total(self) -> float:
        """Total work."""
        return sum(self._expected.values())

    @property
    def done(self) -> float:
        """Completed work."""
        return sum(self._expected[key] * share for key, share in self._shares.items())

    @property
    def seconds_left(self) -> float:
        """Remaining seconds of wall-clock time: the estimate, corrected by its error so far. NaN if unknown."""
        elapsed, done = time.monotonic() - self._started, self.done
        if self._workers:
            off = (elapsed * self._workers + TRUST_SECONDS) / (done + TRUST_SECONDS)
            return (self.total - done) * off / self._workers
        return elapsed * (self.total - done) / done if done else math.nan

    def set_share(self, job: Job, share: float) -> None:
        """Set the completed share of a job."""
        self._shares[job.key] = min(1.0, max(share, self._shares[job.key]))


class BarDisplay(Display):
    """Display with an overall bar and the remaining time, and a bar with the numbers of each running job."""

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"))
        self._progress = Progress(*columns, console=console, transient=True)
        self._work: Workload | None = None
        self._overall: TaskID | None = None
        self._tasks: dict[str, TaskID] = {}
        self._jobs = self._ended = 0

    def start(self, jobs: Sequence[Job], *, workers: int, expected: Estimate) -> None:
        """Show the overall bar and the estimate."""
        self._work, self._jobs = Workload(jobs, workers, expected), len(jobs)
        self._progress.console.print(*start_lines(jobs, workers, expected), sep="\n", highlight=False, markup=False)
        self._progress.start()
        self._overall = self._progress.add_task("[bold]all", total=self._work.total, note=f"0 of {len(jobs)}")

    def update(self, job: Job, progress: RunProgress) -> None:
        """Update the bar of the job and the overall bar."""
        if job.key not in self._tasks:
            self._tasks[job.key] = self._progress.add_task(escape(job.name), total=1.0, note="")
        self._progress.update(self._tasks[job.key], completed=progress.share, note=escape(status_text(progress)))
        self._move(job, progress.share)

    def end(self, job: Job, result: RunResult) -> None:
        """Replace the bar of the job by a line with its result."""
        if job.key in self._tasks:
            self._progress.remove_task(self._tasks.pop(job.key))
        self._ended += 1
        self._move(job, 1.0)
        self._progress.console.print(result_text(job, result), highlight=False, markup=False)

    def stop(self) -> None:
        """Restore the terminal."""
        self._progress.stop()

    def _move(self, job: Job, share: float) -> None:
        if self._work is None or self._overall is None:
            return
        self._work.set_share(job, share)
        note = f"{self._ended} of {self._jobs}, {time_left(self._work.seconds_left)}"
        self._progress.update(self._overall, completed=self._work.done, note=note)


class LineDisplay(Display):
    """Display with a line at the end of every job, and one for each running job about every 30 seconds."""

    EVERY_SECONDS = 30.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._work: Workload | None = None
        self._jobs = self._ended = 0
        self._last_line: dict[str, float] = {}  # monotonic time, by key of the job

    def start(self, jobs: Sequence[Job], *, workers: int, expected: Estimate) -> None:
        """Print the number of jobs and the estimate."""
        self._work, self._jobs = Workload(jobs, workers, expected), len(jobs)
        for line in start_lines(jobs, workers, expected):
            self._print(line)

    def update(self, job: Job, progress: RunProgress) -> None:
        """Print the progress of the job, at most every `EVERY_SECONDS`."""
        if self._work is not None:
            self._work.set_share(job, progress.share)
        now = time.monotonic()
        if now - self._last_line.setdefault(job.key, now) >= self.EVERY_SECONDS:
            self._last_line[job.key] = now
            self._print(f"{job.name}: {min(progress.share, 1):.0%} of {progress.budget}, {status_text(progress)}")

    def end(self, job: Job, result: RunResult) -> None:
        """Print the result of the job and the remaining time."""
        self._ended += 1
        seconds = math.nan
        if self._work is not None:
            self._work.set_share(job, 1.0)
            seconds = self._work.seconds_left
        self._print(f"[{self._ended}/{self._jobs}] {result_text(job, result)}; {time_left(seconds)}")

    def stop(self) -> None:
        """Do nothing: lines do not change the terminal."""

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def start_lines(jobs: Sequence[Job], workers: int, expected: Estimate) -> list[str]:
    """Return lines with the number of jobs and, with a probe, the speeds of the variants and the estimated duration."""
    workers = min(workers, len(jobs))
    lines = [f"{pluralise(len(jobs), 'job')}, {workers} at a time"]
    if expected.seconds:
        lines[0] += f": about {duration(expected.wall_seconds(workers))} by a short speed test of each variant"
        lines.append("images/s: " + ", ".join(f"{name} {speed.images_per_second:,.0f}" for name, speed in expected.speeds.items()))
    return lines


def time_left(seconds: float) -> str:
    """Return the remaining time as text."""
    return "time left not known yet" if math.isnan(seconds) else f"{duration(seconds)} left"


def status_text(progress: RunProgress) -> str:
    """Return the numbers of a running job on one line."""
    losses = {name: value for name, value in progress.scalars.items() if name.startswith("loss_")}
    parts = [f"{progress.images_per_second:,.0f} images/s", *(f"{name} {value:.2f}" for name, value in losses.items())]
    return ", ".join([*parts, *headline_text(progress.measured, progress.headline), *(flag.upper() for flag in progress.flags)])


def result_text(job: Job, result: RunResult) -> str:
    """Return the result of a job on one line."""
    return ", ".join(
        [f"{job.name}: {result.status}", *headline_text(result.values, result.headline), *([result.reason] if result.reason else [])]
    )


def headline_text(values: Mapping[str, float], headline: str = "") -> list[str]:
    """Return the headline metric as a list of one text. The list is empty if it has no value. By default, it is that of these metrics."""
    key = headline or headline_among(values)
    if key is None or key not in values:
        return []
    return [f"{card(key).title} {values[key]:.2f}" if values[key] >= 1 else f"{card(key).title} {values[key]:.3f}"]


def display_for(console: Console) -> BarDisplay | LineDisplay:
    """Return a display with bars for a terminal, else one with lines. See `is_terminal`."""
    return BarDisplay(console) if is_terminal(console) else LineDisplay(console)
