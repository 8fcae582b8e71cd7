"""What a suite shows while it runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.campaign import Display
from bench.cards import HEADLINE, card
from bench.execute import Job
from bench.record import RunProgress
from bench.run import RunResult


class BarDisplay(Display):
    """An overall bar with the time left, and a bar for each running job."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._overall = Progress(*columns, console=console, transient=True, speed_estimate_period=120)
        self._total: TaskID | None = None
        self._tasks: dict[str, TaskID] = {}
        self._done = 0.0

    def start(self, jobs: Sequence[Job]) -> None:
        """Show the overall bar."""
        self._overall.start()
        self._total = self._overall.add_task("[bold]all runs", total=len(jobs))

    def update(self, job: Job, progress: RunProgress) -> None:
        """Move the job's own bar."""
        if job.key not in self._tasks:
            self._tasks[job.key] = self._overall.add_task(job.name, total=progress.budget_images)
        self._overall.update(self._tasks[job.key], completed=progress.images, description=f"{job.name:<24} {figures(progress)}")

    def end(self, job: Job, result: RunResult) -> None:
        """Take the job's bar away and leave a line in its place."""
        if job.key in self._tasks:
            self._overall.remove_task(self._tasks.pop(job.key))
        if self._total is not None:
            self._overall.advance(self._total)
        self._overall.console.print(ending(job, result), highlight=False, markup=False)

    def stop(self) -> None:
        """Give the terminal back."""
        self._overall.stop()


class LineDisplay(Display):
    """A line at the end of every job, and one for each running job about every half minute."""

    EVERY_SECONDS = 30.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0
        self._ended = 0
        self._started = time.monotonic()
        self._told: dict[str, float] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Say how much there is to do."""
        self._count = len(jobs)
        self._say(f"{len(jobs)} jobs")

    def update(self, job: Job, progress: RunProgress) -> None:
        """A line now and then."""
        now = time.monotonic()
        if now - self._told.setdefault(job.key, now) >= self.EVERY_SECONDS:
            self._told[job.key] = now
            self._say(f"{job.name}: {progress.images:,} of {progress.budget_images:,} images, {figures(progress)}")

    def end(self, job: Job, result: RunResult) -> None:
        """A line with the time that is left at this rate."""
        self._ended += 1
        elapsed = time.monotonic() - self._started
        left = elapsed / self._ended * (self._count - self._ended)
        self._say(f"[{self._ended}/{self._count}] {ending(job, result)}; {duration(left)} left")

    def stop(self) -> None:
        """Nothing to give back."""

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def figures(progress: RunProgress) -> str:
    """The numbers of a run under way, on one line."""
    losses = {name: value for name, value in progress.scalars.items() if name.startswith("loss_")}
    parts = [f"{progress.images_per_second:,.0f} images/s", *(f"{name} {value:.2f}" for name, value in losses.items())]
    return ", ".join([*parts, *headline(progress.measured)])


def ending(job: Job, result: RunResult) -> str:
    """How a job ended, on one line."""
    return ", ".join([f"{job.name}: {result.status}", *headline(result.values), *([result.reason] if result.reason else [])])


def headline(values: Mapping[str, float]) -> list[str]:
    """The metric that rankings use, if it is there."""
    return [f"{card(HEADLINE).title} {values[HEADLINE]:.2f}"] if HEADLINE in values else []


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def display_for(console: Console) -> BarDisplay | LineDisplay:
    """Bars on a terminal, lines elsewhere."""
    return BarDisplay(console) if console.is_terminal else LineDisplay(console)
