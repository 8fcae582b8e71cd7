"""The progress display of a study: a live table and progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bench.core.terminal import is_terminal
from bench.core.text import pluralise
from bench.metrics.columns import card
from bench.runs.types import RunProgress, RunResult
from bench.scheduling.progress import status_text, time_left
from studies.study import Plan
from studies.sweep import Standing, StudyDisplay
from studies.trial import TrialJob


class SearchPace:
    """Estimate of the remaining search time from the time so far."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        self._started, self._done_before = time.monotonic(), sum(standing.done for standing in standings)

    def seconds_left(self, standings: Sequence[Standing]) -> float:
        """Return the remaining seconds, or NaN before the first trial ends."""
        done = sum(standing.done for standing in standings) - self._done_before
        more = sum(max(0, standing.wanted - standing.done) for standing in standings)
        return (time.monotonic() - self._started) / done * more if done else math.nan


class LineStudyDisplay(StudyDisplay):
    """Display that prints a line at the end of every trial."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plan: Plan | None = None
        self._pace: SearchPace | None = None

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Print the number of trials and the settings of the search."""
        self._plan, self._pace = plan, SearchPace(standings)
        for line in prospect(plan, standings, workers):
            self._say(line)

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """Print the result of the trial, the best score of its variant and the remaining time."""
        if self._plan is None or self._pace is None:
            return
        done, wanted = sum(standing.done for standing in standings), sum(standing.wanted for standing in standings)
        own = standings[job.arm]
        left_ = time_left(self._pace.seconds_left(standings))
        self._say(f"[{done}/{wanted}] {ending(self._plan, own.variant, result)}; best {best(own)}; search: {left_}")

    def searched(self, standings: Sequence[Standing]) -> None:
        """Print a line about the final runs."""
        if self._plan is not None:
            self._say(finals(self._plan))

    def stop(self) -> None:
        """Do nothing, because this display has no live output."""

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveStudyDisplay(LineStudyDisplay):
    """Live table of all variants, with a progress bar for each running trial below it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"), console=console)
        self._tasks: dict[str, TaskID] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._standings: Sequence[Standing] = ()

    def start(self, plan: Plan, standings: Sequence[Standing], *, workers: int) -> None:
        """Print the number of trials, and show the table."""
        super().start(plan, standings, workers=workers)
        self._standings = standings
        self._live.start()
        self._draw()

    def update(self, job: TrialJob, progress: object) -> None:
        """Update the trial's progress bar."""
        if not isinstance(progress, RunProgress):
            return
        if job.key not in self._tasks:
            self._tasks[job.key] = self._bars.add_task(escape(job.name), total=1.0, note="")
        self._bars.update(self._tasks[job.key], completed=progress.share, note=escape(status_text(progress)))
        self._draw()

    def end(self, job: TrialJob, result: RunResult, standings: Sequence[Standing]) -> None:
        """Replace the trial's progress bar by a line."""
        if job.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(job.key))
        self._standings = standings
        super().end(job, result, standings)
        self._draw()

    def searched(self, standings: Sequence[Standing]) -> None:
        """Print the table once more, permanently."""
        self._live.stop()
        self._console.print(table(standings))
        super().searched(standings)

    def stop(self) -> None:
        """End the live output."""
        self._live.stop()

    def _draw(self) -> None:
        self._live.update(Group(table(self._standings), self._bars))


def table(standings: Sequence[Standing]) -> Table:
    """Build the table with a row for each variant."""
    found = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("variant", "trials", "running", "pruned", "without score", "failed", "default", "best so far"):
        found.add_column(title, justify="left" if title == "variant" else "right")
    for one in standings:
        cells = (
            one.variant, f"{one.done} of {one.wanted}", one.running, one.pruned, one.unscored, one.failed,
            "–" if one.default is None else f"{one.default:.4g}", best(one),
        )  # fmt: skip
        found.add_row(*(Text(str(cell)) for cell in cells))
    return found


def prospect(plan: Plan, standings: Sequence[Standing], workers: int) -> list[str]:
    """Return lines that describe the search: trials, workers, dimensions, objectives and budget."""
    more, done = sum(max(0, one.wanted - one.done) for one in standings), sum(one.done for one in standings)
    keys = ", ".join(dict.fromkeys(dimension.path.removeprefix("recipe.") for arm in plan.arms for dimension in arm.dimensions))
    aims = " and ".join(f"{card(objective.key).title} ({objective.direction} is better)" for objective in plan.objectives)
    lines = [
        f"{plan.study}: {pluralise(more, 'trial')} of {pluralise(len(plan.arms), 'variant')}, {workers} at a time"
        + (f"; {done} already recorded" if done else ""),
        f"searching {keys} for {aims}: {plan.arms[0].base.budget} per run, {pluralise(len(plan.search_seeds), 'seed')} per trial, "
        f"sampler {plan.sampler}, pruner {plan.pruner}",
    ]
    return lines


def finals(plan: Plan) -> str:
    """Return a line that describes the final runs."""
    return f"final runs: the best trial and the default of each variant, on {pluralise(len(plan.final_seeds), 'new seed')}:"


def ending(plan: Plan, variant: str, result: RunResult) -> str:
    """Return the result of a trial on one line."""
    number = f" {int(result.values['trial'])}" if "trial" in result.values else ""
    scores = [f"{card(one.key).title} {result.values[one.key]:.4g}" for one in plan.objectives if one.key in result.values]
    return ", ".join([f"{variant} trial{number}: {result.status}", *scores, *([result.reason] if result.reason else [])])


def best(one: Standing) -> str:
    """Return the best score of a variant so far as text."""
    return "–" if one.best is None else f"{one.best:.4g} (trial {one.best_trial})"


def study_display_for(console: Console) -> LineStudyDisplay:
    """Return the live display for a terminal, else the display of lines."""
    return LiveStudyDisplay(console) if is_terminal(console) else LineStudyDisplay(console)
